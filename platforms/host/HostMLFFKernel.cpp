#include "HostMLFFKernel.h"
#include "internal/MLFFException.h"
#include "internal/MLFFMessages.h"
#include "internal/MLFFSettings.h"
#include "openmm/OpenMMException.h"
#include "openmm/internal/ContextImpl.h"
#include "openmm/reference/ReferencePlatform.h"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <sstream>
#include <utility>

using namespace OpenMM;
using std::string;
using std::vector;

static const double ANGSTROM_PER_NM = 10.0;
static const double KJMOL_PER_EV = 96.48533212331002;

// Single precision gives energies and forces of atoms that overlap with six digits, but what is
// small in them then has no digit left.  Beyond these, eV per atom (of a model with constants per
// element) and eV/angstrom, a question is answered in double precision.
static const double MODEST_ENERGY = 1e3, MODEST_FORCE = 1e4;

// Atoms that overlap and have less energy than this, eV per atom, are in a hole of the model: the
// strongest bonds give 9 eV per atom. So are atoms that overlap at a minimum, whatever its energy:
// the largest force, eV/angstrom, is smaller than this there.
static const double DEEPEST_ENERGY = -20, GENTLE_FORCE = 1;

// Positions in holes that are remembered.
static const size_t MOST_HOLES = 64;

// Flat arrays as the engine wants them.
static double (*rows(vector<double>& v))[3] {
    return reinterpret_cast<double (*)[3]>(v.data());
}
static const double (*rows(const vector<double>& v))[3] {
    return reinterpret_cast<const double (*)[3]>(v.data());
}

HostCalcMLFFForceKernel::HostCalcMLFFForceKernel(string name, const Platform& platform) :
        CalcMLFFForceKernel(name, platform), placement(), evaluation(0) {
}

HostCalcMLFFForceKernel::~HostCalcMLFFForceKernel() {
    host_regions_memory_free(&placement);
}

// --------------------------------------------------------------------------- initialize

void HostCalcMLFFForceKernel::initialize(const System& system, const MLFFForce& force) {
    settings = readMLFFSettings(force);
    for (int k = 0; k < force.getNumEnsembleMembers(); k++) {
        models.push_back(shareMLFFModel(force.getModel(k)));
        modelFiles.push_back(force.getEnsembleMemberFile(k));
        evaluators.push_back(createEvaluator(getEnginePlatform(), k, getThreads()));
    }
    exactEvaluators.resize(models.size());
    messageFinder = createPairFinder();
    longRangeFinder = createPairFinder();
    const mlff_model_info* info = mlff_model_get_info(&force.getModel());
    numLayers = info->n_layers;
    placementCutoff = force.getCheckGeometry() ? info->cutoff : 0;

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
    meanForce.resize(models.size() > 1 ? 3*(size_t) numAtoms : 0);

    periodic = force.usesPeriodicBoundaryConditions();
    unwrap = !periodic && system.usesPeriodicBoundaryConditions();
    scaleParameter = force.getScaleParameter();
    derivative = force.getNumEnergyParameterDerivatives() > 0;
    checkGeometry = force.getCheckGeometry();
    readParameters(force);
}

HostCalcMLFFForceKernel::Evaluator HostCalcMLFFForceKernel::createEvaluator(
        const mlff_platform* platform, size_t member, const mlff_parallel* parallel) const {
    mlff_settings chosen = settings;
    chosen.parallel = parallel;
    mlff_evaluator* created;
    mlff_error err;
    checkMLFFStatus(mlff_evaluator_new(platform, models[member].get(), &chosen, &created, &err),
                    err, modelFiles[member]);
    return Evaluator(created);
}

void HostCalcMLFFForceKernel::copyParametersToContext(ContextImpl&, const MLFFForce& force) {
    readParameters(force);
}

void HostCalcMLFFForceKernel::readParameters(const MLFFForce& force) {
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

// ------------------------------------------------------------------------------ execute

double HostCalcMLFFForceKernel::execute(ContextImpl& context, bool includeForces,
                                        bool includeEnergy, bool inStep) {
    evaluation++;
    const double scale = readMLFFScale(context, scaleParameter)*energyFactor;
    if (scale == 0 && !derivative)
        return 0;

    readContext(context);
    const bool wantForces = includeForces && scale != 0;
    const double energy = KJMOL_PER_EV*evaluateMean(makeGraph(), wantForces, inStep);
    auto* data = static_cast<ReferencePlatform::PlatformData*>(context.getPlatformData());
    if (wantForces)
        addForces(*data->forces, scale);
    if (derivative)
        (*data->energyParameterDerivatives)[scaleParameter] += energyFactor*energy;
    return includeEnergy ? scale*energy : 0;
}

// Where the atoms of the model are, each region in one piece.
void HostCalcMLFFForceKernel::readContext(ContextImpl& context) {
    auto* data = static_cast<ReferencePlatform::PlatformData*>(context.getPlatformData());
    readPositions(*data->positions);
    readCell(data->periodicBoxVectors);
    if (unwrap)
        unwrapRegions();
}

// Position of each atom of the model, angstrom.
void HostCalcMLFFForceKernel::readPositions(const vector<Vec3>& particles) {
    for (size_t i = 0; i < particle.size(); i++) {
        const Vec3& p = particles[particle[i]];
        if (!std::isfinite(p[0]+p[1]+p[2])) {
            std::stringstream message;
            message << "MLFFForce: " << describeMLFFInstability(evaluation)
                    << ": the position of particle " << particle[i] << " ("
                    << mlff_element_symbol(species[i]) << ", atom " << i << ") is (" << p[0] << ", "
                    << p[1] << ", " << p[2] << ") nm: expected finite numbers";
            throw OpenMMException(message.str());
        }
        for (int d = 0; d < 3; d++)
            position[3*i+d] = ANGSTROM_PER_NM*p[d];
    }
}

void HostCalcMLFFForceKernel::readCell(const Vec3* box) {
    for (int a = 0; a < 3; a++)
        for (int d = 0; d < 3; d++)
            cell[a][d] = ANGSTROM_PER_NM*box[a][d];
}

// Put regions together that the box may have cut.
void HostCalcMLFFForceKernel::unwrapRegions() {
    mlff_error err;
    check(host_regions_place((int) particle.size(), region.data(), (int) bond.size()/2,
                             reinterpret_cast<const int (*)[2]>(bond.data()), cell, placementCutoff,
                             &placement, rows(position), &err), err);
}

mlff_pairs HostCalcMLFFForceKernel::findPairs(double range, HostPairFinder& finder) {
    mlff_pairs pairs = {};
    mlff_error err;
    check(finder.find(range, (int) particle.size(), rows(std::as_const(position)), region.data(),
                      periodic ? cell : nullptr, pairs, err), err);
    return pairs;
}

// The atoms, their pairs within the ranges that the models ask for, and the regions.
mlff_graph HostCalcMLFFForceKernel::makeGraph() {
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

    double messageRange = 0, longRange = 0;
    for (const auto& evaluator : evaluators) {  // members may differ in the range of dispersion
        double range;
        mlff_error err;
        check(mlff_evaluator_pair_cutoffs(evaluator.get(), &graph, nullptr, &messageRange, &range,
                                          &err), err);
        longRange = std::max(longRange, range);
    }
    graph.message = findPairs(messageRange, *messageFinder);
    if (longRange > 0)
        graph.long_range = findPairs(longRange, *longRangeFinder);
    return graph;
}

/*
 * One member's answer; the arrays wanted are those of the result given, forces are overwritten.
 *
 * In a step, atoms that overlap are an error, as is an overflow of single precision.  A question is
 * answered with the model's own number wherever there is one, because a minimizer's trial step or a
 * Monte Carlo move may overlap and be turned down.
 */
mlff_result HostCalcMLFFForceKernel::evaluateMember(size_t member, const mlff_graph& graph,
                                                    mlff_result wanted, bool inStep) {
    checkInterruption();
    mlff_graph asked = graph;
    asked.refuse_overlaps = inStep && checkGeometry;
    mlff_result result = wanted;
    if (wanted.force != nullptr)
        std::fill(force.begin(), force.end(), 0.0);
    mlff_error err;
    const mlff_status status = mlff_evaluate(evaluators[member].get(), &asked, nullptr, &result,
                                             &err);
    if (status == MLFF_ERROR_OVERLAP)
        refuseOverlap(graph);
    const bool single = (getEnginePlatform() != mlff_reference_platform());
    if (!inStep && single && (status == MLFF_OK ? !isModest(graph, result) : status == MLFF_ERROR_NUMBER))
        result = evaluateInDouble(member, graph, wanted);
    else
        check(status, err);
    return result;
}

// The same on the Reference platform, by the same pairs.
mlff_result HostCalcMLFFForceKernel::evaluateInDouble(size_t member, const mlff_graph& graph,
                                                      mlff_result wanted) {
    if (exactEvaluators[member] == nullptr)
        exactEvaluators[member] = createEvaluator(mlff_reference_platform(), member, nullptr);
    if (wanted.force != nullptr)
        std::fill(force.begin(), force.end(), 0.0);
    mlff_error err;
    check(mlff_evaluate(exactEvaluators[member].get(), &graph, nullptr, &wanted, &err), err);
    return wanted;
}

// The lowest energy that the network can mean, eV: bonds, and the atoms themselves where the model
// has no constants per element (Thomas and Fermi: -21 eV Z^(7/3) is below every atom's energy).
static double lowestEnergy(const mlff_graph& graph, const mlff_result& mean) {
    double lowest = DEEPEST_ENERGY*graph.n_local;
    for (int i = 0; mean.component[MLFF_ELEMENTS] == 0 && i < graph.n_local; i++)
        lowest -= 21*std::pow(graph.species[i], 7.0/3);
    return lowest;
}

// Whether all numbers are such as single precision resolves.
bool HostCalcMLFFForceKernel::isModest(const mlff_graph& graph, const mlff_result& result) const {
    const double modest = std::max(MODEST_ENERGY*graph.n_local, -lowestEnergy(graph, result));
    if (std::fabs(result.component[MLFF_NETWORK]) > modest)
        return false;
    for (size_t c = 0; result.force != nullptr && c < force.size(); c++)
        if (std::fabs(force[c]) > MODEST_FORCE)
            return false;
    return true;
}

// Energy, eV, and forces, eV/angstrom, as the mean of the members.
double HostCalcMLFFForceKernel::evaluateMean(const mlff_graph& graph, bool wantForces,
                                             bool inStep) {
    const size_t n = evaluators.size();
    mlff_result wanted = {}, mean = {};
    if (wantForces)
        wanted.force = rows(force);
    std::fill(meanForce.begin(), meanForce.end(), 0.0);
    for (size_t k = 0; k < n; k++) {
        const mlff_result result = evaluateMember(k, graph, wanted, inStep);
        mean.energy += result.energy/n;
        for (int c = 0; c < MLFF_N_COMPONENTS; c++)
            mean.component[c] += result.component[c]/n;
        for (size_t c = 0; wantForces && c < meanForce.size(); c++)
            meanForce[c] += force[c]/n;
    }
    if (wantForces && n > 1)
        force.swap(meanForce);
    if (!inStep && checkGeometry)
        refuseHole(graph, mean, wantForces);
    return mean.energy;
}

// --------------------------------------------------------------------------- refusals

// The worst overlap among the message pairs, which contain all: cutoffs are longer than bonds.
static mlff_overlap findOverlap(const mlff_graph& graph) {
    mlff_overlap worst = MLFF_NO_OVERLAP;
    for (int i = 0; i < graph.n_local; i++)
        mlff_overlap_find_in_row(&graph.message, i, graph.species, &worst);
    return worst;
}

string HostCalcMLFFForceKernel::describeOverlap(const mlff_overlap& overlap) const {
    const int z[2] = {species[overlap.first], species[overlap.second]};
    const int p[2] = {particle[overlap.first], particle[overlap.second]};
    return describeMLFFOverlap(overlap, z, p);
}

void HostCalcMLFFForceKernel::refuseOverlap(const mlff_graph& graph) const {
    refuseMLFFOverlap(evaluation, describeOverlap(findOverlap(graph)));
}

static uint64_t hashOf(const vector<double>& x) {
    uint64_t hash = 0;
    for (double value : x) {
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        hash = (hash ^ bits)*0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    return hash;
}

bool HostCalcMLFFForceKernel::isMinimum() const {
    return std::all_of(force.begin(), force.end(),
                       [](double f) { return std::fabs(f) < GENTLE_FORCE; });
}

/*
 * A minimizer's trial steps pass through holes of a model and come back, so that a hole is no error
 * by itself.  One that is asked about again is: a minimization has ended there, or begins there, or
 * a Monte Carlo move has been accepted.
 */
void HostCalcMLFFForceKernel::refuseHole(const mlff_graph& graph, const mlff_result& mean,
                                         bool haveForces) {
    const uint64_t place = hashOf(position);
    const bool again = std::find(holes.begin(), holes.end(), place) != holes.end();
    const double energy = mean.component[MLFF_NETWORK];
    if (!again && !(energy < lowestEnergy(graph, mean)) && !(haveForces && isMinimum()))
        return;
    const mlff_overlap worst = findOverlap(graph);
    if (worst.first < 0)
        return;
    if (!again) {
        if (holes.size() == MOST_HOLES)
            holes.erase(holes.begin());
        holes.push_back(place);
        return;
    }
    std::stringstream message;
    message << "MLFFForce: " << describeMLFFEvaluation(evaluation) << " comes back to a hole "
               "of the model, where a minimization has probably ended: "
            << describeOverlap(worst)
            << ", and this one has no repulsion there (" << energy/graph.n_local
            << " eV per atom); start from other positions, or call setCheckGeometry(false) to see the "
               "numbers all the same";
    throw OpenMMException(message.str());
}

// Forces on the atoms of the model to the particles, times a factor; kJ/mol/nm.
void HostCalcMLFFForceKernel::addForces(vector<Vec3>& particles, double scale) const {
    const double unit = scale*KJMOL_PER_EV*ANGSTROM_PER_NM;
    for (size_t i = 0; i < particle.size(); i++)
        particles[particle[i]] += Vec3(force[3*i], force[3*i+1], force[3*i+2])*unit;
}

void HostCalcMLFFForceKernel::check(mlff_status status, const mlff_error& err) const {
    checkMLFFEvaluation(status, err, evaluation);
}

// ---------------------------------------------------------------------------- questions

void HostCalcMLFFForceKernel::getAtomCharges(ContextImpl& context, vector<double>& charges) {
    evaluation++;
    readContext(context);
    const mlff_graph graph = makeGraph();
    vector<double> ofMember(particle.size());
    charges.assign(particle.size(), 0.0);
    for (size_t k = 0; k < evaluators.size(); k++) {
        mlff_result wanted = {};
        wanted.charge = ofMember.data();
        evaluateMember(k, graph, wanted, false);
        for (size_t i = 0; i < charges.size(); i++)
            charges[i] += ofMember[i]/evaluators.size();
    }
}

void HostCalcMLFFForceKernel::getEnergyComponents(ContextImpl& context,
                                                  vector<double>& components) {
    evaluation++;
    readContext(context);
    const mlff_graph graph = makeGraph();
    components.assign(MLFF_N_COMPONENTS, 0.0);
    for (size_t k = 0; k < evaluators.size(); k++) {
        const mlff_result result = evaluateMember(k, graph, {}, false);
        for (int c = 0; c < MLFF_N_COMPONENTS; c++)
            components[c] += KJMOL_PER_EV*result.component[c]/evaluators.size();
    }
}

// sqrt(sum_k |x_k - mean|^2/(n-1)) of n vectors of this width, one behind the other.
static double deviation(const vector<double>& x, size_t stride, size_t offset, size_t width) {
    const size_t n = x.size()/stride;
    double sum = 0;
    for (size_t d = offset; d < offset+width; d++) {
        double mean = 0;
        for (size_t k = 0; k < n; k++)
            mean += x[k*stride+d]/n;
        for (size_t k = 0; k < n; k++)
            sum += (x[k*stride+d]-mean)*(x[k*stride+d]-mean);
    }
    return std::sqrt(sum/(n-1));
}

void HostCalcMLFFForceKernel::getEnsembleDeviation(ContextImpl& context, double& energy,
                                                   double& largestForce) {
    evaluation++;
    readContext(context);
    const mlff_graph graph = makeGraph();
    const size_t n = evaluators.size(), width = force.size();
    vector<double> energies, forces;
    for (size_t k = 0; k < n; k++) {
        mlff_result wanted = {};
        wanted.force = rows(force);
        energies.push_back(evaluateMember(k, graph, wanted, false).energy);
        forces.insert(forces.end(), force.begin(), force.end());
    }
    energy = KJMOL_PER_EV*deviation(energies, 1, 0, 1);
    largestForce = 0;
    for (size_t i = 0; i < particle.size(); i++)
        largestForce = std::max(largestForce, deviation(forces, width, 3*i, 3));
    largestForce *= KJMOL_PER_EV*ANGSTROM_PER_NM;
}

/*
 * One row of the Hessian, eV/angstrom^2, by a central difference of fourth order:
 *   d2E/dx dy = -(8 (F_y(x+h) - F_y(x-h)) - (F_y(x+2h) - F_y(x-2h)))/(12 h)
 * If an evaluation throws, the coordinate stays displaced: every evaluation reads the positions of
 * the Context anew.
 */
void HostCalcMLFFForceKernel::differentiateForces(size_t coordinate, double* row) {
    static const double offset[4] = {-2, -1, 1, 2}, weight[4] = {-1, 8, -8, 1};
    const double h = getHessianStep(), x = position[coordinate];
    std::fill(row, row+force.size(), 0.0);
    for (int k = 0; k < 4; k++) {
        position[coordinate] = x+offset[k]*h;
        evaluateMean(makeGraph(), true, false);
        for (size_t c = 0; c < force.size(); c++)
            row[c] += weight[k]*force[c]/(12*h);
    }
    position[coordinate] = x;
}

void HostCalcMLFFForceKernel::computeHessian(ContextImpl& context, vector<double>& hessian) {
    evaluation++;
    readContext(context);
    const size_t n = position.size();
    hessian.resize(n*n);
    for (size_t a = 0; a < n; a++)
        differentiateForces(a, &hessian[a*n]);
    const double unit = KJMOL_PER_EV*ANGSTROM_PER_NM*ANGSTROM_PER_NM;
    for (size_t a = 0; a < n; a++)
        for (size_t b = 0; b <= a; b++)
            hessian[a*n+b] = hessian[b*n+a] = 0.5*unit*(hessian[a*n+b]+hessian[b*n+a]);
}

void HostCalcMLFFForceKernel::getExecutionInfo(std::map<string, string>& info) {
    const mlff_parallel* threads = getThreads();
    info["precision"] = getPrecision();
    info["mode"] = "sparse";
    info["threads"] = std::to_string(threads == nullptr ? 1 : threads->n_threads);
    info["evaluations"] = std::to_string(evaluation);
}
