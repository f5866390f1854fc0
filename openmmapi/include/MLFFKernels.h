#ifndef OPENMM_MLFFKERNELS_H_
#define OPENMM_MLFFKERNELS_H_

#include "MLFFForce.h"
#include "openmm/KernelImpl.h"
#include "openmm/Platform.h"
#include "openmm/System.h"
#include <map>
#include <string>
#include <vector>

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
     * @param inStep           true if an integrator asks in a step.  A device then need not wait, and
     *                         reports a failure at a later evaluation; atoms that overlap are an
     *                         error.  Otherwise it is a question (of a user, a minimizer, a Monte
     *                         Carlo move): a failure is reported at once, and atoms that overlap
     *                         have the energy that the model gives them, in double precision where
     *                         single overflows
     */
    virtual double execute(ContextImpl& context, bool includeForces, bool includeEnergy,
                           bool inStep) = 0;
    /**
     * Copy changed parameters to a context.  The force has been checked by MLFFForceImpl.
     *
     * @param context    the context to copy parameters to
     * @param force      the MLFFForce to copy the parameters from
     */
    virtual void copyParametersToContext(ContextImpl& context, const MLFFForce& force) = 0;

    // The rest is asked for now and then.  All of it is about the present positions of the context,
    // whatever was executed before, and about the mean of the ensemble, before scale parameter and
    // energy factor.  MLFFForceImpl has checked that the models can answer.

    /**
     * Set what these questions ask between evaluations.
     *
     * @param interruption    belongs to the caller, must live until it is replaced; null: nothing
     */
    void setInterruption(MLFFInterruption* interruption) {
        this->interruption = interruption;
    }
    /**
     * Get the charges.
     *
     * @param context         the context with the positions
     * @param[out] charges    [number of atoms] in the order of MLFFForce::addAtom(), e
     */
    virtual void getAtomCharges(ContextImpl& context, std::vector<double>& charges) = 0;
    /**
     * Get the terms of the energy.
     *
     * @param context            the context with the positions
     * @param[out] components    [MLFF_N_COMPONENTS] in the order of mlff_component, kJ/mol
     */
    virtual void getEnergyComponents(ContextImpl& context, std::vector<double>& components) = 0;
    /**
     * Get the unbiased standard deviations of the members of an ensemble of two or more, see
     * MLFFForce::getEnsembleDeviation().
     *
     * @param context        the context with the positions
     * @param[out] energy    of the energy, kJ/mol
     * @param[out] force     the largest, over the atoms, of that of the force, kJ/mol/nm
     */
    virtual void getEnsembleDeviation(ContextImpl& context, double& energy, double& force) = 0;
    /**
     * Get the second derivatives of the energy.
     *
     * @param context         the context with the positions
     * @param[out] hessian    [3 n][3 n] in the order of MLFFForce::addAtom(), symmetric,
     *                        kJ/mol/nm^2
     */
    virtual void computeHessian(ContextImpl& context, std::vector<double>& hessian) = 0;
    /**
     * Tell how this kernel works.  Needs no positions and computes nothing.
     *
     * @param[out] info    names and values are added, see MLFFForce::getExecutionInfo(); "platform"
     *                     is there
     */
    virtual void getExecutionInfo(std::map<std::string, std::string>& info) = 0;
protected:
    /**
     * Call this between the evaluations of a question: it throws MLFFInterrupted if the question
     * should end.  The context must then be as before.
     */
    void checkInterruption() {
        if (interruption != nullptr && interruption->isRequested())
            throw MLFFInterrupted();
    }
private:
    MLFFInterruption* interruption = nullptr;
};

} // namespace OpenMM

#endif /*OPENMM_MLFFKERNELS_H_*/
