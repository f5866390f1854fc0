#ifndef OPENMM_MLFFIMAGECHECK_H_
#define OPENMM_MLFFIMAGECHECK_H_

#include "MLFFForce.h"
#include "openmm/NonbondedForce.h"
#include <string>
#include <utility>
#include <vector>

namespace OpenMM {

class CustomCVForce;
class System;

/**
 * Watches the force "ImagesOfRegions" that createMixedSystem() of the Python package adds before an
 * MLFFForce: for each region it subtracts a copy of the System's NonbondedForce in which only the
 * region's atoms interact.  A NonbondedForce that is changed afterwards and its copies belong to two
 * different force fields, and their difference has no meaning; such a System is refused.
 *
 * What has no effect on the copies may change: parameters of atoms outside of the regions,
 * exceptions, force groups.
 */
class MLFFImageCheck {
public:
    /**
     * Find the copies that were made for a force, and compare them.
     *
     * @param system    a System; if the force is not in it there is nothing to compare
     * @param force     the force; is not kept
     * @throws OpenMMException with what differs, and the remedy
     */
    void initialize(const System& system, const MLFFForce& force);
    /**
     * Compare what NonbondedForce::updateParametersInContext() may change, whose Context does not
     * tell.  Costs nothing where there are no copies.
     *
     * @param system    the System of the Context
     * @throws OpenMMException as initialize()
     */
    void judge(const System& system) const;
private:
    /**
     * What of a NonbondedForce acts within a region: names for messages, with their values.
     */
    typedef std::vector<std::pair<std::string, double> > Values;
    struct Region {
        int index;
        std::vector<int> particles;     // ascending
        const NonbondedForce* source;   // which agrees with the copy; may be gone
        Values parameters;              // of the particles, in the copy
        std::vector<double> numbers;    // the same without names
    };
    static Values readSettings(const NonbondedForce& force);
    static Values readParameters(const NonbondedForce& force, const std::vector<int>& particles);
    static std::string findDifference(const Values& found, const Values& copied);
    void addCopies(const System& system, const CustomCVForce& images,
                   const std::vector<std::vector<int> >& particles);
    std::vector<Region> regions;
};

} // namespace OpenMM

#endif /*OPENMM_MLFFIMAGECHECK_H_*/
