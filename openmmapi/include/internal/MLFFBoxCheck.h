#ifndef OPENMM_MLFFBOXCHECK_H_
#define OPENMM_MLFFBOXCHECK_H_

#include "MLFFForce.h"
#include "openmm/Vec3.h"
#include <vector>

namespace OpenMM {

class ContextImpl;
class System;

/**
 * Judges the periodic box of a Context before a kernel sees it, so that all platforms answer alike.
 * What cannot be computed is refused always, what cannot be meant unless the force says
 * setCheckGeometry(false).  A box is judged once: as long as it stays the same, a check compares
 * nine numbers.
 */
class MLFFBoxCheck {
public:
    MLFFBoxCheck() : periodic(false), used(false), check(false), crowded(0), particles(0),
            fillers(false), wholeMolecules(false), range(0), judged(false), provisional(false),
            wasSet(false) {
    }
    /**
     * Read the System and the force.  What is known about the Context's box is kept, but the box is
     * judged anew.
     *
     * @param system    the System of the Context
     * @param force     the force, checked; is not kept
     */
    void initialize(const System& system, const MLFFForce& force);
    /**
     * Judge the present box of a Context.
     *
     * @param context    the Context, with positions
     * @param inStep     as for CalcMLFFForceKernel::execute()
     * @throws OpenMMException with what is wrong, and the remedy
     */
    void judge(ContextImpl& context, bool inStep);
private:
    bool judgeDefault(ContextImpl& context) const;
    bool imagesAreOutOfReach(ContextImpl& context) const;
    bool periodic;          // the network sees images
    bool used;              // the box matters: for images, or to put regions together
    bool check;             // the user does not insist
    std::vector<std::vector<int> > regions;     // particles of each
    int crowded;            // atoms of the largest region
    int particles;          // of the System
    bool fillers;           // other forces use periodic boundary conditions
    bool wholeMolecules;    // the bonds make one molecule of every region
    double range;           // nm, of all pairs that have an energy
    Vec3 intended[3];       // as MLFFForce::getIntendedBoxVectors()
    bool judged;            // the box below was accepted
    bool provisional;       // because of the positions: questions look again
    bool wasSet;            // the Context has had another box than OpenMM's default
    Vec3 box[3];            // nm
};

} // namespace OpenMM

#endif /*OPENMM_MLFFBOXCHECK_H_*/
