#ifndef OPENMM_COMMONREPETITION_H_
#define OPENMM_COMMONREPETITION_H_

#include "CommonNetwork.h"
#include "mlff.h"
#include "mlff_reference.h"
#include <memory>
#include <string>
#include <vector>

namespace OpenMM {

/**
 * An evaluation in double precision on the host, by the engine's reference platform: the answer to a
 * question where the device's numbers overflowed.  A minimizer that tried too long a step sees a
 * huge energy then, and turns back.
 */
class CommonRepetition {
public:
    /**
     * @param models      as those of the networks; outlive this object
     * @param settings    as createCommonNetwork() takes them
     */
    CommonRepetition(const std::vector<const mlff_model*>& models, const mlff_settings& settings);
    ~CommonRepetition();
    CommonRepetition(const CommonRepetition&) = delete;
    CommonRepetition& operator=(const CommonRepetition&) = delete;
    /**
     * Evaluate the mean of the models.  Throws an OpenMMException, whose message begins with
     * `where`, if there is none: atoms at the same place, an overflow in double precision too.
     *
     * @param atoms           elements, regions and box
     * @param row             [n] row of each atom of the force
     * @param position        [3 n] in the order of MLFFForce::addAtom(), as the others, angstrom
     * @param wantForces      whether forces are wanted
     * @param[out] force      [3 n] eV/angstrom, if they are
     * @param where           the evaluation, for messages
     * @return the energy, eV
     */
    double evaluate(const CommonAtoms& atoms, const std::vector<int>& row,
                    const std::vector<double>& position, bool wantForces,
                    std::vector<double>& force, const std::string& where);
private:
    struct FreeEvaluator {
        void operator()(mlff_evaluator* evaluator) const {
            mlff_evaluator_free(evaluator);
        }
    };
    std::vector<std::unique_ptr<mlff_evaluator, FreeEvaluator> > evaluators;  // one a member
    int numLayers;
    ref_pair_list message, longRange;
};

} // namespace OpenMM

#endif /*OPENMM_COMMONREPETITION_H_*/
