#ifndef OPENMM_REFERENCEMLFFPLUGIN_H_
#define OPENMM_REFERENCEMLFFPLUGIN_H_

#include "MLFFKernels.h"
#include "mlff_reference.h"
#include "openmm/Vec3.h"
#include <memory>
#include <string>
#include <vector>

namespace OpenMM {

/**
 * MLFFForce in double precision.  It serves every platform that is built on OpenMM's Reference
 * platform, whose data it shares.
 *
 * This is the only place where OpenMM's units and particles meet the engine's: readPositions()
 * fills the positions of the model's atoms from the particles, addForces() hands the forces of the
 * model's atoms to the particles.  Everything between counts atoms of the model.
 */
class ReferenceCalcMLFFForceKernel : public CalcMLFFForceKernel {
public:
    ReferenceCalcMLFFForceKernel(std::string name, const Platform& platform);
    ~ReferenceCalcMLFFForceKernel();
    void initialize(const System& system, const MLFFForce& force);
    double execute(ContextImpl& context, bool includeForces, bool includeEnergy);
    void copyParametersToContext(ContextImpl& context, const MLFFForce& force);
private:
    struct FreeEvaluator {
        void operator()(mlff_evaluator* evaluator) const {
            mlff_evaluator_free(evaluator);
        }
    };
    void readParameters(const MLFFForce& force);
    void readPositions(const std::vector<Vec3>& particles);
    void readCell(const Vec3* box);
    void unwrapRegions();
    void findPairs(double range, ref_pair_list& list);
    mlff_graph makeGraph();
    void addForces(std::vector<Vec3>& particles, double scale) const;
    std::string describeEvaluation() const;

    // fixed by initialize()
    std::unique_ptr<mlff_evaluator, FreeEvaluator> evaluator;
    std::vector<int> particle;              // [n_atoms] particle of each atom of the model
    std::vector<int> bond;                  // [n_bonds][2] atoms
    int numLayers;
    bool periodic, unwrap;                  // images interact; a region may come in pieces
    std::string scaleParameter;
    bool derivative;
    // changed by copyParametersToContext()
    std::vector<int> species, region;       // [n_atoms]
    std::vector<double> charge, spin;       // [n_regions] e, 2S+1
    double energyFactor;
    // one evaluation; kept between evaluations
    std::vector<double> position, force;    // [n_atoms][3] angstrom, eV/angstrom
    double cell[3][3];                      // angstrom, rows a b c
    ref_pair_list messagePairs, longRangePairs;
    long long evaluation;                   // counts from 1
};

} // namespace OpenMM

#endif /*OPENMM_REFERENCEMLFFPLUGIN_H_*/
