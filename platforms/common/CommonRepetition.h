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
     * Set what the evaluations that follow are about.
     *
     * @param atoms         elements, regions and box; copied
     * @param row           [n] row of each atom of the force
     * @param evaluation    its number, for messages
     */
    void setAtoms(const CommonAtoms& atoms, const std::vector<int>& row, long long evaluation);
    /**
     * Set where the atoms are, and find their pairs.
     *
     * @param position    [3 n] in the order of MLFFForce::addAtom(), as all arrays here, angstrom;
     *                    copied
     */
    void setPositions(const std::vector<double>& position);
    const std::vector<double>& getPositions() const {
        return position;
    }
    /**
     * Evaluate one model.  Throws an OpenMMException if there is no answer: atoms at the same place, an
     * overflow in double precision too.
     *
     * @param[out] force     [3 n] eV/angstrom; null: not wanted
     * @param[out] charge    [n] e; null: not wanted
     * @return energies, eV
     */
    mlff_result evaluate(size_t member, std::vector<double>* force, std::vector<double>* charge);
    /**
     * Evaluate the mean of the models.  Throws as evaluate() does.
     *
     * @param[out] force    [3 n] eV/angstrom; null: not wanted
     * @return the energy, eV
     */
    double evaluateMean(std::vector<double>* force);
private:
    void check(mlff_status status, const mlff_error& err) const;
    struct FreeEvaluator {
        void operator()(mlff_evaluator* evaluator) const {
            mlff_evaluator_free(evaluator);
        }
    };
    std::vector<std::unique_ptr<mlff_evaluator, FreeEvaluator> > evaluators;  // one a member
    int numLayers;
    long long evaluation;
    std::vector<int> species, region;           // [n]
    std::vector<double> charge, multiplicity;   // [regions]
    std::vector<double> position;               // [3 n] angstrom
    double cell[3][3];                          // angstrom
    bool periodic;
    ref_pair_list message, longRange;
    mlff_graph graph;                           // of all these
};

} // namespace OpenMM

#endif /*OPENMM_COMMONREPETITION_H_*/
