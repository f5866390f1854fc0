#ifndef OPENMM_MLFFKERNELS_H_
#define OPENMM_MLFFKERNELS_H_

#include "MLFFForce.h"
#include "openmm/KernelImpl.h"
#include "openmm/Platform.h"
#include "openmm/System.h"
#include <string>

namespace OpenMM {

/**
 * This kernel is invoked by MLFFForce to compute the energy and forces.  A platform offers it by
 * registering a KernelFactory for its name.
 */
class CalcMLFFForceKernel : public KernelImpl {
public:
    static std::string Name() {
        return "CalcMLFFForce";
    }
    CalcMLFFForceKernel(std::string name, const Platform& platform) : KernelImpl(name, platform) {
    }
    /**
     * Initialize the kernel.  The force has been checked by MLFFForceImpl.
     *
     * @param system    the System this kernel will be applied to
     * @param force     the MLFFForce this kernel will be used for
     */
    virtual void initialize(const System& system, const MLFFForce& force) = 0;
    /**
     * Execute the kernel: add the forces (kJ/mol/nm) and return the energy (kJ/mol).
     *
     * @param context          the context in which to execute this kernel
     * @param includeForces    true if forces should be calculated
     * @param includeEnergy    true if the energy should be calculated
     */
    virtual double execute(ContextImpl& context, bool includeForces, bool includeEnergy) = 0;
    /**
     * Copy changed parameters to a context.  The force has been checked by MLFFForceImpl.
     *
     * @param context    the context to copy parameters to
     * @param force      the MLFFForce to copy the parameters from
     */
    virtual void copyParametersToContext(ContextImpl& context, const MLFFForce& force) = 0;
};

} // namespace OpenMM

#endif /*OPENMM_MLFFKERNELS_H_*/
