#ifndef OPENMM_COMMONMLFFKERNEL_H_
#define OPENMM_COMMONMLFFKERNEL_H_

#include "CommonGeometry.h"
#include "CommonNetwork.h"
#include "CommonRepetition.h"
#include "MLFFKernels.h"
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace OpenMM {

/**
 * MLFFForce on the device platforms, OpenCL and CUDA.
 *
 * An evaluation is a chain of kernels in OpenMM's own queue: positions, pairs, the networks of the
 * members one behind the other, forces to OpenMM's buffer.  In a step that asks for forces only, the
 * host waits for nothing of it (except where lists are built, see CommonGeometry) and nothing comes
 * back from the device but the status words, without waiting: a failure is reported two evaluations
 * later, and the forces of the failed one are those of FAILED_FORCE (support.cc).  After any other
 * evaluation the host waits and reports a failure at once.
 *
 * Where numbers overflow at a question (as a minimizer asks), the evaluation is repeated in double
 * precision on the host.
 *
 * Where the device can record launches, the chain is recorded at the second evaluation of a kind
 * (with forces or without) and from then on launched as one graph.  What changes between
 * evaluations stands in device memory; the chain is recorded anew where an array has been replaced:
 * other capacities, parameters, or, with Ewald sums, another box.  Evaluations in which the host
 * waits for lists are queued kernel by kernel.
 */
class CommonCalcMLFFForceKernel : public CalcMLFFForceKernel {
public:
    CommonCalcMLFFForceKernel(std::string name, const Platform& platform,
                              std::unique_ptr<CommonDevice> device);
    ~CommonCalcMLFFForceKernel();
    void initialize(const System& system, const MLFFForce& force);
    double execute(ContextImpl& context, bool includeForces, bool includeEnergy, bool inStep);
    void copyParametersToContext(ContextImpl& context, const MLFFForce& force);
    void getAtomCharges(ContextImpl& context, std::vector<double>& charges);
    void getEnergyComponents(ContextImpl& context, std::vector<double>& components);
    void getEnsembleDeviation(ContextImpl& context, double& energy, double& force);
    void computeHessian(ContextImpl& context, std::vector<double>& hessian);
    void getExecutionInfo(std::map<std::string, std::string>& info);
private:
    // A recorded chain, and what it holds for.
    struct Recording {
        std::unique_ptr<CommonGraph> graph;
        bool executed;          // kernel by kernel before
        int pairs, parameters;  // generations
        Vec3 box[3];
    };
    class Task;
    class Listener;
    void build(const System& system, const MLFFForce& force);
    void createNetworks();
    void initializeNetworks();
    void leaveTensorCores();
    double compute(ContextImpl& context, bool includeForces, bool includeEnergy, bool inStep);
    double repeatOnHost(bool forces, bool queued, double scale);
    double getLongRange() const;
    void createKernels();
    void chooseGraph();
    void queueEvaluation(bool forces);
    bool launchGraph(bool forces);
    std::string whyRecord(const Recording& recording) const;
    void queueNetworks(bool forces);
    void queueForces();
    void queueDerivative();
    void addConstantDerivative();
    std::vector<double> readEnergies(size_t member);
    double readMeanEnergy();
    void readForces(std::vector<double>& forces);
    void prepareRepetition(const std::vector<double>& positions);
    bool prepareQuestion();
    void answer(const std::function<void()>& question,
                const std::function<void()>& questionInDouble);
    void differentiateForces(size_t row, int axis, std::vector<double>& result);
    void differentiateInDouble(const std::vector<double>& positions, size_t coordinate,
                               std::vector<double>& result);

    std::unique_ptr<CommonDevice> device;
    ComputeContext& cc;
    std::unique_ptr<CommonGeometry> geometry;
    std::vector<MLFFModelShare> models;                     // one per member
    std::unique_ptr<CommonRepetition> repetition;           // null until it is needed
    mlff_settings settings;
    std::vector<std::unique_ptr<CommonNetwork> > networks;  // one a member
    bool leftTensorCores;               // because of an operand outside the range of halves
    std::string scaleParameter;
    bool derivative;
    double energyFactor;

    bool useGraph;                      // asked for, and nothing has prevented it
    std::string whyNoGraph;
    bool boxMatters;                    // to what has been recorded
    int parameterGeneration;
    Recording recordings[2];            // without and with forces
    long long numRecordings, numGraphLaunches;
    std::string whyRecorded;            // the last time
    double recordingTime;               // the last time, ms

    ComputeKernel forceKernel, fixedKernel, derivativeKernel, displaceKernel;
};

} // namespace OpenMM

#endif /*OPENMM_COMMONMLFFKERNEL_H_*/
