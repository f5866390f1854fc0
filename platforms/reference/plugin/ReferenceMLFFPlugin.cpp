#include "ReferenceMLFFPlugin.h"
#include "internal/MLFFException.h"
#include "openmm/KernelFactory.h"
#include "openmm/OpenMMException.h"
#include "openmm/PluginInitializer.h"
#include "openmm/internal/ContextImpl.h"
#include "openmm/reference/ReferencePlatform.h"
#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>
#include <utility>

using namespace OpenMM;
using std::string;
using std::vector;

static const double ANGSTROM_PER_NM = 10.0;
static const double KJMOL_PER_EV = 96.48533212331002;

// Flat arrays as the engine wants them.
static double (*rows(vector<double>& v))[3] {
    return reinterpret_cast<double (*)[3]>(v.data());
}
static const double (*rows(const vector<double>& v))[3] {
    return reinterpret_cast<const double (*)[3]>(v.data());
}

ReferenceCalcMLFFForceKernel::ReferenceCalcMLFFForceKernel(string name, const Platform& platform) :
        CalcMLFFForceKernel(name, platform), messagePairs(), longRangePairs(), evaluation(0) {
}

ReferenceCalcMLFFForceKernel::~ReferenceCalcMLFFForceKernel() {
    ref_pair_list_free(&messagePairs);
    ref_pair_list_free(&longRangePairs);
}

void ReferenceCalcMLFFForceKernel::initialize(const System& system, const MLFFForce& force) {
    const mlff_model_info* info = mlff_model_get_info(&force.getModel());
    mlff_evaluator* created;
    mlff_error err;
    checkMLFFStatus(mlff_evaluator_new(mlff_reference_platform(), &force.getModel(), nullptr,
                                       &created, &err), err);
    evaluator.reset(created);
    numLayers = info->n_layers;

    // the particles of the atoms, and the bonds between atoms
    const int numAtoms = force.getNumAtoms();
    vector<int> atomOf(system.getNumParticles(), -1);
    particle.resize(numAtoms);
    for (int i = 0; i < numAtoms; i++) {
        int atomicNumber, atomRegion;
        force.getAtomParameters(i, particle[i], atomicNumber, atomRegion);
        atomOf[particle[i]] = i;
    }
    for (int i = 0; i < force.getNumBonds(); i++) {
        int particle1, particle2;
        force.getBondParameters(i, particle1, particle2);
        bond.insert(bond.end(), {atomOf[particle1], atomOf[particle2]});
    }
    position.resize(3*(size_t) numAtoms);
    this->force.resize(3*(size_t) numAtoms);

    periodic = force.usesPeriodicBoundaryConditions();
    unwrap = !periodic && system.usesPeriodicBoundaryConditions();
    scaleParameter = force.getScaleParameter();
    derivative = force.getNumEnergyParameterDerivatives() > 0;
    readParameters(force);
}

void ReferenceCalcMLFFForceKernel::copyParametersToContext(ContextImpl&, const MLFFForce& force) {
    readParameters(force);
}

void ReferenceCalcMLFFForceKernel::readParameters(const MLFFForce& force) {
    species.resize(force.getNumAtoms());
    region.resize(force.getNumAtoms());
    for (int i = 0; i < force.getNumAtoms(); i++) {
        int unused;
        force.getAtomParameters(i, unused, species[i], region[i]);
    }
    charge.resize(force.getNumRegions());
    spin.resize(force.getNumRegions());
    for (int i = 0; i < force.getNumRegions(); i++) {
        int multiplicity;
        force.getRegionParameters(i, charge[i], multiplicity);
        spin[i] = multiplicity;
    }
    energyFactor = force.getEnergyFactor();
}

double ReferenceCalcMLFFForceKernel::execute(ContextImpl& context, bool includeForces,
                                             bool includeEnergy) {
    auto* data = static_cast<ReferencePlatform::PlatformData*>(context.getPlatformData());
    evaluation++;
    const double lambda = scaleParameter.empty() ? 1 : context.getParameter(scaleParameter);
    if (!std::isfinite(lambda))
        throw OpenMMException("MLFFForce: the scale parameter '" + scaleParameter + "' is " +
                              std::to_string(lambda) + ": expected a finite number");
    const double scale = lambda*energyFactor;
    if (scale == 0 && !derivative)
        return 0;

    readPositions(*data->positions);
    readCell(data->periodicBoxVectors);
    if (unwrap)
        unwrapRegions();
    const mlff_graph graph = makeGraph();
    mlff_result result = {};
    const bool wantForces = includeForces && scale != 0;
    if (wantForces) {
        std::fill(force.begin(), force.end(), 0.0);
        result.force = rows(force);
    }
    mlff_error err;
    checkMLFFStatus(mlff_evaluate(evaluator.get(), &graph, nullptr, &result, &err), err,
                    describeEvaluation());

    if (wantForces)
        addForces(*data->forces, scale);
    if (derivative)
        (*data->energyParameterDerivatives)[scaleParameter] +=
            energyFactor*KJMOL_PER_EV*result.energy;
    return includeEnergy ? scale*KJMOL_PER_EV*result.energy : 0;
}

// Position of each atom of the model, angstrom.
void ReferenceCalcMLFFForceKernel::readPositions(const vector<Vec3>& particles) {
    for (size_t i = 0; i < particle.size(); i++) {
        const Vec3& p = particles[particle[i]];
        if (!std::isfinite(p[0]+p[1]+p[2])) {
            std::stringstream message;
            message << "MLFFForce: the position of particle " << particle[i] << " ("
                    << mlff_element_symbol(species[i]) << ", atom " << i << ") is (" << p[0] << ", "
                    << p[1] << ", " << p[2] << ") nm at evaluation " << evaluation
                    << " of this Context: expected finite numbers; if they were finite at the "
                       "start, the simulation has become unstable (try minimizing first, or a "
                       "smaller time step)";
            throw OpenMMException(message.str());
        }
        for (int d = 0; d < 3; d++)
            position[3*i+d] = ANGSTROM_PER_NM*p[d];
    }
}

void ReferenceCalcMLFFForceKernel::readCell(const Vec3* box) {
    for (int a = 0; a < 3; a++)
        for (int d = 0; d < 3; d++)
            cell[a][d] = ANGSTROM_PER_NM*box[a][d];
}

// Put regions together that the box may have cut.
void ReferenceCalcMLFFForceKernel::unwrapRegions() {
    mlff_error err;
    checkMLFFStatus(ref_regions_unwrap((int) particle.size(), region.data(), (int) bond.size()/2,
                                       reinterpret_cast<const int (*)[2]>(bond.data()), cell,
                                       rows(position), &err), err, describeEvaluation());
}

void ReferenceCalcMLFFForceKernel::findPairs(double range, ref_pair_list& list) {
    mlff_error err;
    checkMLFFStatus(ref_neighbors_build((int) particle.size(), rows(std::as_const(position)),
                                        region.data(), periodic ? cell : nullptr, range, &list,
                                        &err), err, describeEvaluation());
}

// The atoms, their pairs within the ranges that the model asks for, and the regions.
mlff_graph ReferenceCalcMLFFForceKernel::makeGraph() {
    mlff_graph graph = {};
    graph.n_local = graph.n_all = (int) particle.size();
    graph.species = species.data();
    graph.n_layers = numLayers;
    graph.n_regions = (int) charge.size();
    graph.region = region.data();
    graph.total_charge = charge.data();
    graph.multiplicity = spin.data();
    graph.position = rows(std::as_const(position));
    graph.cell = periodic ? cell : nullptr;

    double messageRange, longRange;
    mlff_error err;
    checkMLFFStatus(mlff_evaluator_pair_cutoffs(evaluator.get(), &graph, nullptr, &messageRange,
                                                &longRange, &err), err, describeEvaluation());
    findPairs(messageRange, messagePairs);
    graph.message = ref_pair_list_view(&messagePairs);
    if (longRange > 0) {
        findPairs(longRange, longRangePairs);
        graph.long_range = ref_pair_list_view(&longRangePairs);
    }
    return graph;
}

// Forces on the atoms of the model to the particles, times a factor; kJ/mol/nm.
void ReferenceCalcMLFFForceKernel::addForces(vector<Vec3>& particles, double scale) const {
    const double unit = scale*KJMOL_PER_EV*ANGSTROM_PER_NM;
    for (size_t i = 0; i < particle.size(); i++)
        particles[particle[i]] += Vec3(force[3*i], force[3*i+1], force[3*i+2])*unit;
}

string ReferenceCalcMLFFForceKernel::describeEvaluation() const {
    return "evaluation " + std::to_string(evaluation) +
           " of this Context (atoms are counted as in addAtom())";
}

// -------------------------------------------------------------------------- registration

namespace {

class ReferenceMLFFKernelFactory : public KernelFactory {
public:
    KernelImpl* createKernelImpl(string name, const Platform& platform, ContextImpl&) const {
        if (name == CalcMLFFForceKernel::Name())
            return new ReferenceCalcMLFFForceKernel(name, platform);
        throw OpenMMException("Tried to create kernel with illegal kernel name '" + name + "'");
    }
};

} // namespace

// Both functions must exist and be visible: OpenMM would else find and call those of a library
// that we depend on.
extern "C" OPENMM_EXPORT_MLFF void registerPlatforms() {
}

// The CPU platform is built on the Reference platform, so the same kernel serves both. A platform
// that has a kernel already (from a plugin of its own, loaded before) keeps it.
extern "C" OPENMM_EXPORT_MLFF void registerKernelFactories() {
    for (int i = 0; i < Platform::getNumPlatforms(); i++) {
        Platform& platform = Platform::getPlatform(i);
        if (dynamic_cast<ReferencePlatform*>(&platform) != nullptr &&
                !platform.supportsKernels({CalcMLFFForceKernel::Name()}))
            platform.registerKernelFactory(CalcMLFFForceKernel::Name(),
                                           new ReferenceMLFFKernelFactory());
    }
}
