#ifndef OPENMM_HOSTMLFFKERNEL_H_
#define OPENMM_HOSTMLFFKERNEL_H_

#include "MLFFKernels.h"
#include "internal/MLFFModel.h"
#include "mlff.h"
#include "mlff_host.h"
#include "mlff_overlap.h"
#include "mlff_reference.h"
#include "openmm/Vec3.h"
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace OpenMM {

/**
 * How a host platform finds pairs.  One object finds those of one range, again and again.
 */
class HostPairFinder {
public:
    virtual ~HostPairFinder() {
    }
    /**
     * Find every directed pair closer than the range, as host_neighbors_build() defines them
     * (mlff_host.h).
     *
     * @param range        angstrom; infinity: all pairs
     * @param numAtoms     number of atoms
     * @param position     [numAtoms][3] angstrom
     * @param region       [numAtoms]
     * @param cell         [3][3] angstrom; null: open
     * @param[out] pairs   owned by this object, valid until the next call
     * @param err          filled in on failure
     */
    virtual mlff_status find(double range, int numAtoms, const double (*position)[3],
                             const int* region, const double (*cell)[3], mlff_pairs& pairs,
                             mlff_error& err) = 0;
};

/**
 * MLFFForce on the platforms that compute in the host's memory.  It serves every platform that is
 * built on OpenMM's Reference platform, whose data it shares; what differs between them are the
 * functions in the middle of the class.
 *
 * This is the only place where OpenMM's units and particles meet the engine's: readPositions()
 * fills the positions of the model's atoms from the particles, addForces() hands the forces of the
 * model's atoms to the particles.  Everything between counts atoms of the model.
 */
class HostCalcMLFFForceKernel : public CalcMLFFForceKernel {
public:
    HostCalcMLFFForceKernel(std::string name, const Platform& platform);
    ~HostCalcMLFFForceKernel();
    void initialize(const System& system, const MLFFForce& force);
    double execute(ContextImpl& context, bool includeForces, bool includeEnergy, bool inStep);
    void copyParametersToContext(ContextImpl& context, const MLFFForce& force);
    void getAtomCharges(ContextImpl& context, std::vector<double>& charges);
    void getEnergyComponents(ContextImpl& context, std::vector<double>& components);
    void getEnsembleDeviation(ContextImpl& context, double& energy, double& force);
    void computeHessian(ContextImpl& context, std::vector<double>& hessian);
    void getExecutionInfo(std::map<std::string, std::string>& info);
protected:
    /**
     * The engine's platform that evaluates.  An architecture that it lacks is refused.
     */
    virtual const mlff_platform* getEnginePlatform() const = 0;
    /**
     * Threads for the evaluations; must live as long as this object.  Null: one.
     */
    virtual const mlff_parallel* getThreads() = 0;
    virtual std::unique_ptr<HostPairFinder> createPairFinder() const = 0;
    /**
     * Step of the differences that make second derivatives, angstrom: small enough for their
     * fourth order, large enough for the precision of the forces.
     */
    virtual double getHessianStep() const = 0;
    /**
     * Of its arithmetic: "single" or "double".
     */
    virtual const char* getPrecision() const = 0;
private:
    struct FreeEvaluator {
        void operator()(mlff_evaluator* evaluator) const {
            mlff_evaluator_free(evaluator);
        }
    };
    typedef std::unique_ptr<mlff_evaluator, FreeEvaluator> Evaluator;
    Evaluator createEvaluator(const mlff_platform* platform, size_t member,
                              const mlff_parallel* parallel) const;
    void readParameters(const MLFFForce& force);
    // from the particles to the graph
    void readContext(ContextImpl& context);
    void readPositions(const std::vector<Vec3>& particles);
    void readCell(const Vec3* box);
    void unwrapRegions();
    mlff_pairs findPairs(double range, HostPairFinder& finder);
    mlff_graph makeGraph();
    // evaluations
    mlff_result evaluateMember(size_t member, const mlff_graph& graph, mlff_result wanted,
                               bool inStep);
    mlff_result evaluateInDouble(size_t member, const mlff_graph& graph, mlff_result wanted);
    double evaluateMean(const mlff_graph& graph, bool wantForces, bool inStep);
    bool isModest(const mlff_graph& graph, const mlff_result& result) const;
    bool isMinimum() const;
    void refuseHole(const mlff_graph& graph, const mlff_result& mean, bool haveForces);
    [[noreturn]] void refuseOverlap(const mlff_graph& graph) const;
    void addForces(std::vector<Vec3>& particles, double scale) const;
    void differentiateForces(size_t coordinate, double* row);
    std::string describeOverlap(const mlff_overlap& overlap) const;
    void check(mlff_status status, const mlff_error& err) const;

    // fixed by initialize()
    std::vector<MLFFModelShare> models;     // one per member
    std::vector<std::string> modelFiles;    // likewise
    mlff_settings settings;
    std::vector<Evaluator> evaluators;      // one per member
    std::vector<Evaluator> exactEvaluators; // in double precision; null until one is needed
    std::unique_ptr<HostPairFinder> messageFinder, longRangeFinder;
    std::vector<int> particle;              // [n_atoms] particle of each atom of the model
    std::vector<int> bond;                  // [n_bonds][2] atoms
    int numLayers;
    double placementCutoff;                 // angstrom, of host_regions_place()
    bool periodic, unwrap;                  // images interact; a region may come in pieces
    bool checkGeometry;
    std::string scaleParameter;
    bool derivative;
    // changed by copyParametersToContext()
    std::vector<int> species, region;       // [n_atoms]
    std::vector<double> charge, spin;       // [n_regions] e, 2S+1
    double energyFactor;
    // one evaluation; kept between evaluations
    std::vector<double> position, force;    // [n_atoms][3] angstrom, eV/angstrom
    std::vector<double> meanForce;          // likewise; of an ensemble
    double cell[3][3];                      // angstrom, rows a b c
    host_regions_memory placement;
    long long evaluation;                   // counts from 1
    std::vector<uint64_t> holes;            // hashes of positions in holes of the model
};

} // namespace OpenMM

#endif /*OPENMM_HOSTMLFFKERNEL_H_*/
