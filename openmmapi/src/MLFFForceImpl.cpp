#include "internal/MLFFForceImpl.h"
#include "MLFFKernels.h"
#include "internal/MLFFException.h"
#include "mlff.h"
#include "openmm/OpenMMException.h"
#include "openmm/System.h"
#include "openmm/internal/ContextImpl.h"
#include <cmath>
#include <sstream>

using namespace OpenMM;
using std::map;
using std::pair;
using std::string;
using std::vector;

// Throw an OpenMMException whose message is all arguments, one after the other.
template <class... Parts>
[[noreturn]] static void fail(const Parts&... parts) {
    std::stringstream message;
    message << "MLFFForce: ";
    (message << ... << parts);
    throw OpenMMException(message.str());
}

MLFFForceImpl::MLFFForceImpl(const MLFFForce& owner) : owner(owner) {
    forceGroup = owner.getForceGroup();
}

void MLFFForceImpl::initialize(ContextImpl& context) {
    checkForce(context.getSystem());
    fixed = readFixed();
    kernel = context.getPlatform().createKernel(CalcMLFFForceKernel::Name(), context);
    kernel.getAs<CalcMLFFForceKernel>().initialize(context.getSystem(), owner);
}

double MLFFForceImpl::calcForcesAndEnergy(ContextImpl& context, bool includeForces,
                                          bool includeEnergy, int groups) {
    if ((groups & (1 << forceGroup)) == 0)
        return 0.0;
    return kernel.getAs<CalcMLFFForceKernel>().execute(context, includeForces, includeEnergy);
}

map<string, double> MLFFForceImpl::getDefaultParameters() {
    map<string, double> parameters;
    if (!owner.getScaleParameter().empty())
        parameters[owner.getScaleParameter()] = owner.getScaleParameterDefaultValue();
    return parameters;
}

vector<string> MLFFForceImpl::getKernelNames() {
    return {CalcMLFFForceKernel::Name()};
}

vector<pair<int, int> > MLFFForceImpl::getBondedParticles() const {
    vector<pair<int, int> > bonds(owner.getNumBonds());
    for (int i = 0; i < owner.getNumBonds(); i++)
        owner.getBondParameters(i, bonds[i].first, bonds[i].second);
    return bonds;
}

void MLFFForceImpl::updateParametersInContext(ContextImpl& context) {
    checkUnchanged();
    checkForce(context.getSystem());
    kernel.getAs<CalcMLFFForceKernel>().copyParametersToContext(context, owner);
    context.systemChanged();
}

// ------------------------------------------------------------------------------ checks

void MLFFForceImpl::checkForce(const System& system) const {
    checkRegions();
    checkAtoms(system);
    checkBonds(system);
    checkParameters();
}

void MLFFForceImpl::checkRegions() const {
    const mlff_model_info* info = mlff_model_get_info(&owner.getModel());
    for (int i = 0; i < owner.getNumRegions(); i++) {
        double charge;
        int multiplicity;
        owner.getRegionParameters(i, charge, multiplicity);
        if (!std::isfinite(charge))
            fail("the total charge of region ", i, " is ", charge, ": expected a finite number");
        if (charge != 0 && !info->has_charges)
            fail("region ", i, " has a total charge of ", charge, ", but the ", info->display_name,
                 " model ", owner.getModelFile(), " knows no charges, so it would have no effect: "
                 "set it to 0 or use a model with charges");
        if (multiplicity < 1)
            fail("the multiplicity of region ", i, " is ", multiplicity, ": expected 2S+1, that is "
                 "1 or more");
        if (multiplicity != 1 && !info->has_spin)
            fail("region ", i, " has a multiplicity of ", multiplicity, ", but the ",
                 info->display_name, " model ", owner.getModelFile(), " knows no spin, so it would "
                 "have no effect: set it to 1 or use a model with spin");
    }
}

void MLFFForceImpl::checkAtoms(const System& system) const {
    const int numParticles = system.getNumParticles(), numRegions = owner.getNumRegions();
    if (owner.getNumAtoms() == 0)
        fail("the force has no atoms: call addAtom() for each particle that the network describes");
    vector<int> atomOf(numParticles, -1);
    for (int i = 0; i < owner.getNumAtoms(); i++) {
        int particle, atomicNumber, region;
        owner.getAtomParameters(i, particle, atomicNumber, region);
        if (particle < 0 || particle >= numParticles)
            fail("atom ", i, " is particle ", particle, ", which the System does not have: valid "
                 "are 0 to ", numParticles-1);
        if (atomOf[particle] != -1)
            fail("particle ", particle, " is listed twice, as atom ", atomOf[particle],
                 " and as atom ", i);
        atomOf[particle] = i;
        if (region < 0 || region >= numRegions)
            fail("atom ", i, " (particle ", particle, ") is in region ", region, ", which does not "
                 "exist: valid are 0 to ", numRegions-1, "; addRegion() adds more");
        mlff_error err;
        std::stringstream where;
        where << "particle " << particle << " (atom " << i << ")";
        checkMLFFStatus(mlff_model_check_element(&owner.getModel(), atomicNumber, &err), err,
                        where.str());
    }
}

void MLFFForceImpl::checkBonds(const System& system) const {
    vector<int> regionOf(system.getNumParticles(), -1);
    for (int i = 0; i < owner.getNumAtoms(); i++) {
        int particle, atomicNumber, region;
        owner.getAtomParameters(i, particle, atomicNumber, region);
        regionOf[particle] = region;
    }
    for (int i = 0; i < owner.getNumBonds(); i++) {
        int ends[2];
        owner.getBondParameters(i, ends[0], ends[1]);
        for (int particle : ends)
            if (particle < 0 || particle >= system.getNumParticles() || regionOf[particle] == -1)
                fail("bond ", i, " joins particles ", ends[0], " and ", ends[1], ", but particle ",
                     particle, " is not an atom of this force: bonds tell what the network's own "
                     "atoms belong to");
        if (ends[0] == ends[1])
            fail("bond ", i, " joins particle ", ends[0], " with itself");
        if (regionOf[ends[0]] != regionOf[ends[1]])
            fail("bond ", i, " joins particle ", ends[0], " of region ", regionOf[ends[0]],
                 " with particle ", ends[1], " of region ", regionOf[ends[1]],
                 ": regions are separate molecules");
    }
}

void MLFFForceImpl::checkParameters() const {
    if (!std::isfinite(owner.getEnergyFactor()))
        fail("the energy factor is ", owner.getEnergyFactor(), ": expected a finite number");
    if (!std::isfinite(owner.getScaleParameterDefaultValue()))
        fail("the default value of the scale parameter is ",
             owner.getScaleParameterDefaultValue(), ": expected a finite number");
    if (owner.getScaleParameter().empty() && owner.getScaleParameterDefaultValue() != 1)
        fail("the scale parameter has the default value ", owner.getScaleParameterDefaultValue(),
             " but no name, so it would have no effect: call setScaleParameter()");
    for (int i = 0; i < owner.getNumEnergyParameterDerivatives(); i++) {
        const string& name = owner.getEnergyParameterDerivativeName(i);
        if (name.empty() || name != owner.getScaleParameter())
            fail("a derivative with respect to '", name, "' was requested, but the energy does not "
                 "depend on it: the scale parameter is ", owner.getScaleParameter().empty() ?
                 "not set" : "'" + owner.getScaleParameter() + "'");
    }
}

// --------------------------------------------------------------- what must not change

MLFFForceImpl::Fixed MLFFForceImpl::readFixed() const {
    Fixed now;
    for (int i = 0; i < owner.getNumAtoms(); i++) {
        int particle, atomicNumber, region;
        owner.getAtomParameters(i, particle, atomicNumber, region);
        now.particles.push_back(particle);
    }
    now.bonds = getBondedParticles();
    now.periodic = owner.usesPeriodicBoundaryConditions();
    now.scaleParameter = owner.getScaleParameter();
    for (int i = 0; i < owner.getNumEnergyParameterDerivatives(); i++)
        now.derivatives.push_back(owner.getEnergyParameterDerivativeName(i));
    return now;
}

void MLFFForceImpl::checkUnchanged() const {
    const Fixed now = readFixed();
    const char* remedy = "; call reinitialize() on the Context or create a new one";
    const string method = "updateParametersInContext(): ";
    if (now.particles.size() != fixed.particles.size())
        fail(method, "the number of atoms has changed from ", fixed.particles.size(), " to ",
             now.particles.size(), remedy);
    for (size_t i = 0; i < now.particles.size(); i++)
        if (now.particles[i] != fixed.particles[i])
            fail(method, "atom ", i, " was particle ", fixed.particles[i], " and is now particle ",
                 now.particles[i], remedy);
    if (now.bonds != fixed.bonds)
        fail(method, "the bonds have changed", remedy);
    if (now.periodic != fixed.periodic)
        fail(method, "the use of periodic boundary conditions has changed", remedy);
    if (now.scaleParameter != fixed.scaleParameter || now.derivatives != fixed.derivatives)
        fail(method, "the scale parameter or its derivative has changed", remedy);
}
