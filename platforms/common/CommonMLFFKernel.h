#ifndef OPENMM_COMMONMLFFKERNEL_H_
#define OPENMM_COMMONMLFFKERNEL_H_

#include "CommonGeometry.h"
#include "CommonNetwork.h"
#include "MLFFKernels.h"
#include <memory>
#include <string>
#include <vector>

namespace OpenMM {

/**
 * MLFFForce on the device platforms, OpenCL and CUDA.
 *
 * An evaluation is a chain of kernels in OpenMM's own queue: positions, pairs, the networks of the
 * members one behind the other, forces to OpenMM's buffer.  If only forces are asked for, the host
 * waits for nothing of it (except where lists are built, see CommonGeometry) and nothing comes back
 * from the device but the status words, without waiting.
 */
class CommonCalcMLFFForceKernel : public CalcMLFFForceKernel {
public:
    CommonCalcMLFFForceKernel(std::string name, const Platform& platform,
                              std::unique_ptr<CommonDevice> device);
    ~CommonCalcMLFFForceKernel();
    void initialize(const System& system, const MLFFForce& force);
    double execute(ContextImpl& context, bool includeForces, bool includeEnergy);
    void copyParametersToContext(ContextImpl& context, const MLFFForce& force);
    void getAtomCharges(ContextImpl& context, std::vector<double>& charges);
    void getEnergyComponents(ContextImpl& context, std::vector<double>& components);
    void getEnsembleDeviation(ContextImpl& context, double& energy, double& force);
    void computeHessian(ContextImpl& context, std::vector<double>& hessian);
private:
    class Task;
    class Listener;
    void build(const System& system, const MLFFForce& force);
    double compute(ContextImpl& context, bool includeForces, bool includeEnergy);
    double getLongRange() const;
    void createKernels();
    void queueNetworks(bool forces);
    void addForces(double scale);
    void addDerivative();
    std::vector<double> readEnergies(size_t member);
    double readMeanEnergy();
    void readForces(std::vector<double>& forces);
    void prepareQuestion();
    void differentiateForces(size_t row, int axis, std::vector<double>& result);

    std::unique_ptr<CommonDevice> device;
    ComputeContext& cc;
    std::unique_ptr<CommonGeometry> geometry;
    std::vector<std::unique_ptr<CommonNetwork> > networks;  // one a member
    std::string scaleParameter;
    bool derivative;
    double energyFactor;
    ComputeKernel forceKernel, derivativeKernel, displaceKernel;
};

} // namespace OpenMM

#endif /*OPENMM_COMMONMLFFKERNEL_H_*/
