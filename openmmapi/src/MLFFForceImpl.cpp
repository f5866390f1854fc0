#include "internal/MLFFForceImpl.h"
#include "MLFFKernels.h"
#include "internal/MLFFException.h"
#include "internal/MLFFMessages.h"
#include "internal/MLFFSettings.h"
#include "mlff_longrange.h"
#include "openmm/OpenMMException.h"
#include "openmm/System.h"
#include "openmm/internal/ContextImpl.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

using namespace OpenMM;
using std::map;
using std::pair;
using std::string;
using std::vector;

static const double ANGSTROM_PER_NM = 10.0;

// Throw an OpenMMException whose message is all arguments, one after the other.
template <class... Parts>
[[noreturn]] static void fail(const Parts&... parts) {
    std::stringstream message;
    message << "MLFFForce: ";
    (message << ... << parts);
    throw OpenMMException(message.str());
}

MLFFForceImpl::MLFFForceImpl(const MLFFForce& owner) :
        owner(owner), fixed(readFixed()), coulombMethod(MLFFForce::NoCoulomb),
        initialized(false), begunStep(-1) {
    forceGroup = owner.getForceGroup();
}

void MLFFForceImpl::initialize(ContextImpl& context) {
    checkForce(context.getSystem());
    coulombMethod = resolveCoulomb();
    boxCheck.initialize(context.getSystem(), owner);
    imageCheck.initialize(context.getSystem(), owner);
    kernel = context.getPlatform().createKernel(CalcMLFFForceKernel::Name(), context);
    kernel.getAs<CalcMLFFForceKernel>().initialize(context.getSystem(), owner);
    readAtoms();
    initialized = true;
}

// What updateParametersInContext() may change of the atoms, as the kernel has it.
void MLFFForceImpl::readAtoms() {
    species.resize(owner.getNumAtoms());
    region.resize(owner.getNumAtoms());
    for (int i = 0; i < owner.getNumAtoms(); i++) {
        int particle;
        owner.getAtomParameters(i, particle, species[i], region[i]);
    }
}

// A Context whose (re)initialization failed is there all the same.
CalcMLFFForceKernel& MLFFForceImpl::getKernel() {
    if (!initialized)
        fail("this Context could not be initialized, see the earlier error: repair its cause and "
             "call reinitialize(), or create a new Context");
    return kernel.getAs<CalcMLFFForceKernel>();
}

void MLFFForceImpl::validate(const System& system) const {
    checkForce(system);
    resolveCoulomb();
    MLFFImageCheck().initialize(system, owner);
}

void MLFFForceImpl::updateContextState(ContextImpl& context, bool&) {
    begunStep = context.getStepCount();
}

// An integrator asks for forces between updateContextState() and the end of its step, which raises
// the count. Everything else is a question: of a user, a minimizer, a Monte Carlo move.
double MLFFForceImpl::calcForcesAndEnergy(ContextImpl& context, bool includeForces,
                                          bool includeEnergy, int groups) {
    imageCheck.judge(context.getSystem());  // in every group: that of the NonbondedForce, too
    if ((groups & (1 << forceGroup)) == 0)
        return 0.0;
    const bool inStep = includeForces && context.getStepCount() == begunStep;
    if (inStep)
        begunStep = -1;  // an evaluation that fails ends the step
    boxCheck.judge(context, inStep);
    const double energy = getKernel().execute(context, includeForces, includeEnergy, inStep);
    if (inStep)
        begunStep = context.getStepCount();
    return energy;
}

map<string, double> MLFFForceImpl::getDefaultParameters() {
    map<string, double> parameters;
    if (!fixed.scaleParameter.empty())
        parameters[fixed.scaleParameter] = fixed.scaleDefault;
    return parameters;
}

vector<string> MLFFForceImpl::getKernelNames() {
    return {CalcMLFFForceKernel::Name()};
}

vector<pair<int, int> > MLFFForceImpl::getBondedParticles() const {
    return fixed.bonds;
}

void MLFFForceImpl::updateParametersInContext(ContextImpl& context) {
    checkUnchanged();
    checkForce(context.getSystem());
    boxCheck.initialize(context.getSystem(), owner);
    imageCheck.initialize(context.getSystem(), owner);
    getKernel().copyParametersToContext(context, owner);
    readAtoms();
    context.systemChanged();
}

// ------------------------------------------------------------------------------ questions

const mlff_model_info& MLFFForceImpl::getInfo() const {
    return *mlff_model_get_info(fixed.models[0].get());
}

// OpenMM's own check that positions have been set, which computes nothing, and that of the box.
void MLFFForceImpl::checkContext(ContextImpl& context) {
    context.calcForcesAndEnergy(false, false, 0);
    boxCheck.judge(context, false);
}

namespace {

// A kernel that asks, as long as this object lives, between evaluations whether to go on.
class Interruptible {
public:
    Interruptible(CalcMLFFForceKernel& kernel, MLFFInterruption* interruption) : kernel(kernel) {
        kernel.setInterruption(interruption);
    }
    ~Interruptible() {
        kernel.setInterruption(nullptr);
    }
    CalcMLFFForceKernel* operator->() {
        return &kernel;
    }
private:
    CalcMLFFForceKernel& kernel;
};

} // namespace

void MLFFForceImpl::getAtomCharges(ContextImpl& context, vector<double>& charges,
                                   MLFFInterruption* interruption) {
    if (!getInfo().has_charges)
        fail("getAtomCharges(): the ", getInfo().display_name, " model ", fixed.modelFile,
             " computes no charges");
    checkContext(context);
    Interruptible(getKernel(), interruption)->getAtomCharges(context, charges);
}

map<string, double> MLFFForceImpl::getEnergyComponents(ContextImpl& context,
                                                       MLFFInterruption* interruption) {
    static const char* const names[MLFF_N_COMPONENTS] = {
        "network", "elements", "coulomb_short_range", "coulomb", "dispersion"};
    checkContext(context);
    vector<double> values;
    Interruptible(getKernel(), interruption)->getEnergyComponents(context, values);
    map<string, double> components;
    for (int k = 0; k < MLFF_N_COMPONENTS; k++)
        if (getInfo().has_charges || k == MLFF_NETWORK || k == MLFF_ELEMENTS)
            components[names[k]] = values[k];
    return components;
}

void MLFFForceImpl::getEnsembleDeviation(ContextImpl& context, double& energy, double& force,
                                         MLFFInterruption* interruption) {
    if (fixed.models.size() < 2)
        fail("getEnsembleDeviation(): the force has one model, whose deviation from itself says "
             "nothing: add others by addEnsembleMember()");
    checkContext(context);
    Interruptible(getKernel(), interruption)->getEnsembleDeviation(context, energy, force);
}

void MLFFForceImpl::computeHessian(ContextImpl& context, vector<double>& hessian,
                                   MLFFInterruption* interruption) {
    checkContext(context);
    Interruptible(getKernel(), interruption)->computeHessian(context, hessian);
}

// The host's copy of the positions is all it takes, so that it is one for all platforms. Copies of a
// region's atoms count also where only the box of other forces is periodic: they may be wrapped.
string MLFFForceImpl::getGeometryWarning(ContextImpl& context) {
    checkContext(context);
    if (!fixed.checkGeometry)
        return "";
    vector<Vec3> positions, box(3);
    context.getPositions(positions);
    context.getPeriodicBoxVectors(box[0], box[1], box[2]);
    const vector<int>& particle = fixed.particles;
    const int numAtoms = (int) particle.size();
    vector<double> x(3*(size_t) numAtoms);
    double cell[3][3];
    for (int i = 0; i < numAtoms; i++)
        for (int d = 0; d < 3; d++)
            x[3*(size_t) i+d] = ANGSTROM_PER_NM*positions[particle[i]][d];
    for (int a = 0; a < 3; a++)
        for (int d = 0; d < 3; d++)
            cell[a][d] = ANGSTROM_PER_NM*box[a][d];

    const bool periodic = context.getSystem().usesPeriodicBoundaryConditions();
    mlff_overlap worst;
    mlff_error err;
    if (mlff_overlap_find(numAtoms, species.data(), region.data(),
                          reinterpret_cast<const double (*)[3]>(x.data()),
                          periodic ? cell : nullptr, &worst, &err) != MLFF_OK)
        return err.message;
    if (worst.first < 0)
        return "";
    const int z[2] = {species[worst.first], species[worst.second]};
    const int p[2] = {particle[worst.first], particle[worst.second]};
    return describeMLFFOverlap(worst, z, p);
}

map<string, string> MLFFForceImpl::getExecutionInfo(ContextImpl& context) {
    map<string, string> info;
    info["platform"] = context.getPlatform().getName();
    getKernel().getExecutionInfo(info);
    return info;
}

// ------------------------------------------------------------------------------ checks

void MLFFForceImpl::checkForce(const System& system) const {
    checkRegions();
    checkAtoms(system);
    checkElectrons();
    checkBonds(system);
    checkCoulomb();
    checkParameters();
    checkExecution();
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
        if (charge != 0 && info->neutral_only)
            fail("region ", i, " has a total charge of ", charge, ", but the ", info->display_name,
                 " model ", owner.getModelFile(), " was made for neutral molecules only: set it to "
                 "0 or use another model");
        if (multiplicity < 1)
            fail("the multiplicity of region ", i, " is ", multiplicity, ": expected 2S+1, that is "
                 "1 or more");
        if (multiplicity != 1 && !info->has_spin)
            fail("region ", i, " has a multiplicity of ", multiplicity, ", but the ",
                 info->display_name, " model ", owner.getModelFile(), " knows no spin",
                 info->has_charges ? " (it is one for closed shells)" : "", ", so it would have no "
                 "effect: set it to 1 or use a model with spin");
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

// Of n electrons m-1 can be unpaired if the others make pairs. A region whose charge is no whole
// number has no number of electrons. Models for closed shells (multiplicity 1) want pairs, too.
void MLFFForceImpl::checkElectrons() const {
    if (!owner.getCheckElectrons() || !mlff_model_get_info(&owner.getModel())->has_charges)
        return;
    vector<int> protons(owner.getNumRegions(), 0);
    for (int i = 0; i < owner.getNumAtoms(); i++) {
        int particle, atomicNumber, region;
        owner.getAtomParameters(i, particle, atomicNumber, region);
        protons[region] += atomicNumber;
    }
    for (int i = 0; i < owner.getNumRegions(); i++) {
        double charge;
        int multiplicity;
        owner.getRegionParameters(i, charge, multiplicity);
        const double electrons = protons[i]-charge;
        if (protons[i] == 0 || charge != std::floor(charge))
            continue;
        if (multiplicity-1 > electrons || std::fmod(electrons-(multiplicity-1), 2) != 0)
            fail("region ", i, " has a multiplicity of ", multiplicity, " and ", electrons,
                 " electrons (", protons[i], " protons, total charge ", charge, "), which do not "
                 "fit: with an ", std::fmod(electrons, 2) == 0 ? "even" : "odd",
                 " number of electrons the multiplicity is ",
                 std::fmod(electrons, 2) == 0 ? "odd (1, 3, ...)" : "even (2, 4, ...)",
                 ", at most the number of electrons plus 1; is the total charge right? "
                 "setCheckElectrons(false) computes it all the same");
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

// -------------------------------------------------------------- Coulomb and dispersion

static const char* nameOf(MLFFForce::CoulombMethod method) {
    static const char* const names[] = {"Default", "NoCoulomb", "Simple", "DSF", "Ewald", "PME"};
    return names[method];
}

static void checkNotNegative(const char* what, double value, const char* unit) {
    if (!std::isfinite(value) || value < 0)
        fail("the ", what, " is ", value, unit, ": expected a positive number, or 0 for the "
             "published one");
}

// A value that the method does not read.
static void checkUsed(bool used, const char* what, double value, const char* unit,
                      const char* methods, MLFFForce::CoulombMethod method) {
    if (!used && value != 0)
        fail("the ", what, " is ", value, unit, ", which has no effect with the Coulomb method ",
             nameOf(method), ": leave it at 0 or choose ", methods);
}

// The engine's rules in the words of this force; what it knows beyond them is resolveCoulomb()'s.
void MLFFForceImpl::checkCoulomb() const {
    const MLFFForce::CoulombMethod chosen = owner.getCoulombMethod();
    if (chosen < MLFFForce::Default || chosen > MLFFForce::PME)
        fail((int) chosen, " is not a Coulomb method: expected Default, NoCoulomb, Simple, DSF, "
             "Ewald or PME");
    checkNotNegative("Coulomb cutoff", owner.getCoulombCutoff(), " nm");
    checkNotNegative("Coulomb alpha", owner.getCoulombAlpha(), "/nm");
    checkNotNegative("Ewald error tolerance", owner.getEwaldErrorTolerance(), "");
    checkNotNegative("dispersion cutoff", owner.getDispersionCutoff(), " nm");

    const mlff_model_info* info = mlff_model_get_info(&owner.getModel());
    const mlff_longrange_model* terms = mlff_model_longrange(&owner.getModel());
    if (!terms->coulomb && chosen != MLFFForce::Default && chosen != MLFFForce::NoCoulomb)
        fail("the Coulomb method is ", nameOf(chosen), ", but the ", info->display_name, " model ",
             owner.getModelFile(), " has no Coulomb energy, so it would have no effect: leave it "
             "at Default");
    const bool periodic = owner.usesPeriodicBoundaryConditions();
    if (chosen == MLFFForce::Simple && periodic)
        fail("the Coulomb method Simple sums all pairs of an open system, but this force uses "
             "periodic boundary conditions: choose DSF (the default there), Ewald, PME or "
             "NoCoulomb, or call setUsesPeriodicBoundaryConditions(false) for a molecule in "
             "vacuum");
    if ((chosen == MLFFForce::Ewald || chosen == MLFFForce::PME) && !periodic)
        fail("the Coulomb method ", nameOf(chosen), " needs periodic boundary conditions, which "
             "this force does not use: choose Simple (the default without), DSF or NoCoulomb, or "
             "call setUsesPeriodicBoundaryConditions(true)");

    MLFFForce::CoulombMethod method = (terms->coulomb ? chosen : MLFFForce::NoCoulomb);
    if (method == MLFFForce::Default)
        method = (periodic ? MLFFForce::DSF : MLFFForce::Simple);
    const bool dsf = (method == MLFFForce::DSF);
    const bool ewald = (method == MLFFForce::Ewald || method == MLFFForce::PME);
    checkUsed(dsf, "Coulomb cutoff", owner.getCoulombCutoff(), " nm", "DSF", method);
    checkUsed(dsf, "Coulomb alpha", owner.getCoulombAlpha(), "/nm", "DSF", method);
    checkUsed(ewald, "Ewald error tolerance", owner.getEwaldErrorTolerance(), "", "Ewald or PME",
              method);
    if (owner.getDispersionCutoff() != 0 && !(terms->dispersion && owner.getUseDispersion()))
        fail("the dispersion cutoff is ", owner.getDispersionCutoff(), " nm, which has no effect: ",
             terms->dispersion ? "dispersion is switched off by setUseDispersion(false)" :
             "the model " + owner.getModelFile() + " has no dispersion", "; leave it at 0");
}

// What the engine makes of the settings, for every member: it refuses what the model files cannot
// give.
MLFFForce::CoulombMethod MLFFForceImpl::resolveCoulomb() const {
    const mlff_settings settings = readMLFFSettings(owner);
    MLFFForce::CoulombMethod method = MLFFForce::NoCoulomb;
    for (int k = 0; k < owner.getNumEnsembleMembers(); k++) {
        mlff_longrange resolved;
        mlff_error err;
        checkMLFFStatus(mlff_longrange_resolve(mlff_model_longrange(&owner.getModel(k)), &settings,
                                               owner.usesPeriodicBoundaryConditions(), &resolved,
                                               &err), err, owner.getEnsembleMemberFile(k));
        method = static_cast<MLFFForce::CoulombMethod>(resolved.coulomb);
    }
    return method;
}

// ------------------------------------------------------------------------ scale and factor

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

// ------------------------------------------------------------------------------- execution

void MLFFForceImpl::checkExecution() const {
    const MLFFForce::EvaluationMode mode = owner.getEvaluationMode();
    if (mode < MLFFForce::Auto || mode > MLFFForce::Sparse)
        fail((int) mode, " is not an evaluation mode: expected Auto, Dense or Sparse");
    if (mode == MLFFForce::Dense && owner.usesPeriodicBoundaryConditions())
        fail("the evaluation mode is Dense, which looks at the pairs of an open region, but this "
             "force uses periodic boundary conditions: choose Auto or Sparse");
    if (owner.getDenseThreshold() < 0)
        fail("the dense threshold is ", owner.getDenseThreshold(), ": expected a number of atoms, "
             "0 for lists in any case");
    const MLFFForce::MatrixPrecision precision = owner.getMatrixPrecision();
    if (precision < MLFFForce::Full || precision > MLFFForce::TF32)
        fail((int) precision, " is not a matrix precision: expected Full, SplitHalf or TF32");
}

// --------------------------------------------------------------- what must not change

MLFFForceImpl::Fixed MLFFForceImpl::readFixed() const {
    Fixed now;
    for (int i = 0; i < owner.getNumAtoms(); i++) {
        int particle, atomicNumber, region;
        owner.getAtomParameters(i, particle, atomicNumber, region);
        now.particles.push_back(particle);
    }
    now.bonds.resize(owner.getNumBonds());
    for (int i = 0; i < owner.getNumBonds(); i++)
        owner.getBondParameters(i, now.bonds[i].first, now.bonds[i].second);
    for (int k = 0; k < owner.getNumEnsembleMembers(); k++)
        now.models.push_back(shareMLFFModel(owner.getModel(k)));
    now.modelFile = owner.getModelFile();
    now.settings = readMLFFSettings(owner);
    now.periodic = owner.usesPeriodicBoundaryConditions();
    now.scaleParameter = owner.getScaleParameter();
    now.scaleDefault = owner.getScaleParameterDefaultValue();
    for (int i = 0; i < owner.getNumEnergyParameterDerivatives(); i++)
        now.derivatives.push_back(owner.getEnergyParameterDerivativeName(i));
    now.evaluationMode = owner.getEvaluationMode();
    now.denseThreshold = owner.getDenseThreshold();
    now.matrixPrecision = owner.getMatrixPrecision();
    now.useDeviceGraph = owner.getUseDeviceGraph();
    now.checkGeometry = owner.getCheckGeometry();
    owner.getIntendedBoxVectors(now.intendedBox[0], now.intendedBox[1], now.intendedBox[2]);
    return now;
}

// Models of the same content: another force, which has taken the place of a deleted one, may have
// others.
static bool sameModels(const vector<MLFFModelShare>& a, const vector<MLFFModelShare>& b) {
    for (size_t k = 0; k < a.size(); k++)
        if (strcmp(mlff_model_get_info(a[k].get())->sha256,
                   mlff_model_get_info(b[k].get())->sha256) != 0)
            return false;
    return true;
}

static bool sameSettings(const mlff_settings& a, const mlff_settings& b) {
    return a.coulomb == b.coulomb && a.coulomb_cutoff == b.coulomb_cutoff &&
           a.coulomb_alpha == b.coulomb_alpha && a.ewald_tolerance == b.ewald_tolerance &&
           a.dispersion == b.dispersion && a.dispersion_cutoff == b.dispersion_cutoff;
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
    if (now.models.size() != fixed.models.size())
        fail(method, "the ensemble has changed from ", fixed.models.size(), " to ",
             now.models.size(), " members", remedy);
    if (!sameModels(now.models, fixed.models))
        fail(method, "the model has changed", remedy);
    if (!sameSettings(now.settings, fixed.settings))
        fail(method, "the Coulomb or dispersion settings have changed", remedy);
    if (now.scaleParameter != fixed.scaleParameter || now.derivatives != fixed.derivatives)
        fail(method, "the scale parameter or its derivative has changed", remedy);
    if (now.scaleDefault != fixed.scaleDefault)
        fail(method, "the default value of the scale parameter '", now.scaleParameter, "' has "
             "changed from ", fixed.scaleDefault, " to ", now.scaleDefault, ", but it holds for new "
             "Contexts only: call setParameter() on this Context, or reinitialize()");
    if (now.evaluationMode != fixed.evaluationMode ||
            now.denseThreshold != fixed.denseThreshold ||
            now.matrixPrecision != fixed.matrixPrecision ||
            now.useDeviceGraph != fixed.useDeviceGraph)
        fail(method, "the evaluation mode, the dense threshold, the matrix precision or the use of "
             "a device graph has changed", remedy);
    if (now.checkGeometry != fixed.checkGeometry)
        fail(method, "the check of the geometry has changed", remedy);
    if (!std::equal(now.intendedBox, now.intendedBox+3, fixed.intendedBox))
        fail(method, "the intended box has changed", remedy);
}
