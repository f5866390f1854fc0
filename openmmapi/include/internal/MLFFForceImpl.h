#ifndef OPENMM_MLFFFORCEIMPL_H_
#define OPENMM_MLFFFORCEIMPL_H_

#include "MLFFForce.h"
#include "internal/MLFFBoxCheck.h"
#include "internal/MLFFImageCheck.h"
#include "internal/MLFFModel.h"
#include "openmm/Kernel.h"
#include "openmm/internal/ForceImpl.h"
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace OpenMM {

class CalcMLFFForceKernel;

/**
 * This is the internal implementation of MLFFForce: it checks the force, so that the platforms'
 * kernels need not, and calls the kernel.
 *
 * A Context may outlive the force: it may be removed from the System, or be deleted with it.  So
 * everything but initialize() and updateParametersInContext(), which OpenMM calls with a force at
 * hand, uses what the constructor has read.
 */
class MLFFForceImpl : public ForceImpl {
public:
    explicit MLFFForceImpl(const MLFFForce& owner);
    void initialize(ContextImpl& context);
    /**
     * The checks of initialize() that need no Context; see MLFFForce::validate().
     */
    void validate(const System& system) const;
    const MLFFForce& getOwner() const {
        return owner;
    }
    /**
     * Changes nothing.  Integrators call it at the begin of each step, which tells their evaluations
     * from all others.
     */
    void updateContextState(ContextImpl& context, bool& forcesInvalid);
    double calcForcesAndEnergy(ContextImpl& context, bool includeForces, bool includeEnergy,
                               int groups);
    std::map<std::string, double> getDefaultParameters();
    std::vector<std::string> getKernelNames();
    /**
     * The bonds of the force: a barostat moves what they connect as one molecule.
     */
    std::vector<std::pair<int, int> > getBondedParticles() const;
    /**
     * Copy what may change to the kernel.  A change of anything else is an error, and leaves the
     * Context as it was.
     */
    void updateParametersInContext(ContextImpl& context);
    // For the methods of the same names of MLFFForce.
    void getAtomCharges(ContextImpl& context, std::vector<double>& charges,
                        MLFFInterruption* interruption);
    std::map<std::string, double> getEnergyComponents(ContextImpl& context,
                                                      MLFFInterruption* interruption);
    void getEnsembleDeviation(ContextImpl& context, double& energy, double& force,
                              MLFFInterruption* interruption);
    void computeHessian(ContextImpl& context, std::vector<double>& hessian,
                        MLFFInterruption* interruption);
    std::string getGeometryWarning(ContextImpl& context);
    std::map<std::string, std::string> getExecutionInfo(ContextImpl& context);
    MLFFForce::CoulombMethod getCoulombMethod() const {
        return coulombMethod;
    }
private:
    /**
     * What is fixed when the Context is created.
     */
    struct Fixed {
        std::vector<MLFFModelShare> models;     // one per member
        std::string modelFile;                  // of member 0
        mlff_settings settings;
        std::vector<int> particles;
        std::vector<std::pair<int, int> > bonds;
        bool periodic;
        std::string scaleParameter;
        double scaleDefault;
        std::vector<std::string> derivatives;
        MLFFForce::EvaluationMode evaluationMode;
        int denseThreshold;
        MLFFForce::MatrixPrecision matrixPrecision;
        bool useDeviceGraph, checkGeometry;
        Vec3 intendedBox[3];
    };
    Fixed readFixed() const;
    void checkForce(const System& system) const;
    void checkRegions() const;
    void checkAtoms(const System& system) const;
    void checkBonds(const System& system) const;
    void checkElectrons() const;
    void checkCoulomb() const;
    MLFFForce::CoulombMethod resolveCoulomb() const;
    void checkParameters() const;
    void checkExecution() const;
    void checkUnchanged() const;
    const mlff_model_info& getInfo() const;
    CalcMLFFForceKernel& getKernel();
    void readAtoms();
    void checkContext(ContextImpl& context);
    const MLFFForce& owner;                  // may be gone
    const Fixed fixed;
    std::vector<int> species, region;        // of the atoms, as the kernel has them
    Kernel kernel;
    MLFFBoxCheck boxCheck;
    MLFFImageCheck imageCheck;
    MLFFForce::CoulombMethod coulombMethod;  // never Default
    bool initialized;
    long long begunStep;                     // the last step that an integrator began; -1: none
};

} // namespace OpenMM

#endif /*OPENMM_MLFFFORCEIMPL_H_*/
