#include "CommonMLFFKernel.h"
#include "atoms.cc.h"
#include "internal/MLFFException.h"
#include "internal/MLFFSettings.h"
#include "openmm/OpenMMException.h"
#include "openmm/common/ContextSelector.h"
#include "openmm/internal/ContextImpl.h"
#include <algorithm>
#include <chrono>
#include <cmath>

using namespace OpenMM;
using std::string;
using std::vector;

static const double ANGSTROM_PER_NM = 10.0;
static const double KJMOL_PER_EV = 96.48533212331002;
// Steps of fixed point, as in support.cc
static const double ENERGY_SCALE = 68719476736.0, FORCE_SCALE = 1099511627776.0;
static const unsigned long long FAILED_FORCE = 3ULL << 60;
// OpenMM's sums of forces: steps of fixed point, and the largest force in them, kJ/mol/nm
static const double BUFFER_SCALE = 4294967296.0, BUFFER_LIMIT = 2147483000.0;

// The work of an evaluation on the thread of the device, where there are several devices.
class CommonCalcMLFFForceKernel::Task : public ComputeContext::WorkTask {
public:
    Task(CommonCalcMLFFForceKernel& owner, ContextImpl& context, bool forces, bool energy,
         bool inStep) :
            owner(owner), context(context), forces(forces), energy(energy), inStep(inStep) {
    }
    void execute() {
        owner.cc.getEnergyWorkspace() += owner.compute(context, forces, energy, inStep);
    }
private:
    CommonCalcMLFFForceKernel& owner;
    ContextImpl& context;
    bool forces, energy, inStep;
};

class CommonCalcMLFFForceKernel::Listener : public ComputeContext::ReorderListener {
public:
    explicit Listener(CommonCalcMLFFForceKernel& owner) : owner(owner) {
    }
    void execute() {
        owner.geometry->updateSlots();
    }
private:
    CommonCalcMLFFForceKernel& owner;
};

CommonCalcMLFFForceKernel::CommonCalcMLFFForceKernel(string name, const Platform& platform,
                                                     std::unique_ptr<CommonDevice> device) :
        CalcMLFFForceKernel(name, platform), device(std::move(device)), cc(this->device->cc),
        leftTensorCores(false), useGraph(false), boxMatters(false), parameterGeneration(0),
        numRecordings(0), numGraphLaunches(0), recordingTime(0) {
}

CommonCalcMLFFForceKernel::~CommonCalcMLFFForceKernel() {
    ContextSelector selector(cc);
    for (Recording& recording : recordings)
        recording.graph.reset();
    networks.clear();
    geometry.reset();
}

// --------------------------------------------------------------------------- initialize

void CommonCalcMLFFForceKernel::initialize(const System& system, const MLFFForce& force) {
    ContextSelector selector(cc);
    if (!cc.getSupports64BitGlobalAtomics())
        throw OpenMMException("MLFFForce: this device has no 64-bit atomic operations, in which "
                              "forces are added up: use another device, or the platform CPU");
    scaleParameter = force.getScaleParameter();
    derivative = force.getNumEnergyParameterDerivatives() > 0;
    if (derivative)
        cc.addEnergyParameterDerivative(scaleParameter);
    energyFactor = force.getEnergyFactor();
    build(system, force);
    cc.addReorderListener(new Listener(*this));  // the context deletes it
}

static CommonDevice::MatrixMode wantedMode(const MLFFForce& force) {
    switch (force.getMatrixPrecision()) {
        case MLFFForce::SplitHalf:
            return CommonDevice::HalfPairs;
        case MLFFForce::TF32:
            return CommonDevice::TF32;
        default:
            return CommonDevice::Float;
    }
}

// Rows, networks and kernels for the regions of the force.
void CommonCalcMLFFForceKernel::build(const System& system, const MLFFForce& force) {
    networks.clear();
    geometry.reset(new CommonGeometry(*device, system, force));
    geometry->readBox();
    settings = readMLFFSettings(force);
    models.clear();
    for (int k = 0; k < force.getNumEnsembleMembers(); k++)
        models.push_back(shareMLFFModel(force.getModel(k)));
    repetition.reset();
    device->matrixMode = leftTensorCores ? CommonDevice::Float : wantedMode(force);
    createNetworks();
    geometry->initialize(networks[0]->getMessageRange(), getLongRange());
    initializeNetworks();
    createKernels();
    useGraph = force.getUseDeviceGraph();
    whyNoGraph = useGraph ? "" : "setUseDeviceGraph(false)";
    chooseGraph();
}

void CommonCalcMLFFForceKernel::createNetworks() {
    networks.clear();
    for (const MLFFModelShare& model : models)
        networks.push_back(createCommonNetwork(*device, geometry->atoms, *model, settings));
}

void CommonCalcMLFFForceKernel::initializeNetworks() {
    for (auto& network : networks)
        network->initialize(geometry->message,
                            geometry->hasLongRange() ? &geometry->longRange : nullptr);
}

// An operand was outside the range of halves: from now on in float.
void CommonCalcMLFFForceKernel::leaveTensorCores() {
    leftTensorCores = true;
    device->matrixMode = CommonDevice::Float;
    createNetworks();
    initializeNetworks();
    chooseGraph();
}

// Whether an evaluation may be recorded, as far as is known before.
void CommonCalcMLFFForceKernel::chooseGraph() {
    for (Recording& recording : recordings)
        recording = Recording();
    boxMatters = false;
    if (useGraph && !device->canRecord()) {
        useGraph = false;
        whyNoGraph = "this platform has none";
    }
    for (auto& network : networks) {
        bool matters = false;
        useGraph = useGraph && network->canBeRepeated(matters, whyNoGraph);
        boxMatters |= matters;
    }
}

// Range of the list that serves all members, angstrom.
double CommonCalcMLFFForceKernel::getLongRange() const {
    double range = 0;
    for (auto& network : networks)
        range = std::max(range, network->getLongRange());
    return range;
}

void CommonCalcMLFFForceKernel::createKernels() {
    ComputeProgram program = device->compile({atoms_cc}, {});
    CommonAtoms& atoms = geometry->atoms;
    forceKernel = program->createKernel("mlffAddForces");
    forceKernel->addArg(atoms.force);
    forceKernel->addArg(geometry->slots);
    forceKernel->addArg(cc.getLongForceBuffer());
    forceKernel->addArg(atoms.status);
    forceKernel->addArg(atoms.frame);
    forceKernel->addArg(atoms.numAtoms);
    forceKernel->addArg(cc.getPaddedNumAtoms());
    fixedKernel = program->createKernel("mlffAddFixed");
    fixedKernel->addArg(atoms.force);
    fixedKernel->addArg(geometry->slots);
    fixedKernel->addArg(cc.getLongForceBuffer());
    fixedKernel->addArg(atoms.numAtoms);
    fixedKernel->addArg(cc.getPaddedNumAtoms());
    derivativeKernel = program->createKernel("mlffAddDerivative");
    derivativeKernel->addArg();     // 0: energies
    derivativeKernel->addArg(atoms.status);
    derivativeKernel->addArg((int) MLFF_N_COMPONENTS);
    for (int k = 0; k < 3; k++)
        derivativeKernel->addArg(); // 3: buffer, index, factor
    displaceKernel = program->createKernel("mlffDisplace");
    displaceKernel->addArg(atoms.position);
    displaceKernel->addArg();       // 1: row, axis, distance
    displaceKernel->addArg();
    displaceKernel->addArg();
}

void CommonCalcMLFFForceKernel::copyParametersToContext(ContextImpl& context,
                                                        const MLFFForce& force) {
    ContextSelector selector(cc);
    energyFactor = force.getEnergyFactor();
    if (!geometry->hasRegionsOf(force)) {
        build(context.getSystem(), force);
        return;
    }
    parameterGeneration++;
    geometry->readParameters(force);
    for (auto& network : networks)
        network->updateParameters();
}

// ------------------------------------------------------------------------------ execute

double CommonCalcMLFFForceKernel::execute(ContextImpl& context, bool includeForces,
                                          bool includeEnergy, bool inStep) {
    if (cc.getNumContexts() == 1)
        return compute(context, includeForces, includeEnergy, inStep);
    // With several devices the buffers of each are cleared by its own thread: ours comes behind.
    cc.getWorkThread().addTask(new Task(*this, context, includeForces, includeEnergy,
                                       inStep));
    return 0;
}

double CommonCalcMLFFForceKernel::compute(ContextImpl& context, bool includeForces,
                                          bool includeEnergy, bool inStep) {
    ContextSelector selector(cc);
    const double scale = readMLFFScale(context, scaleParameter)*energyFactor;
    if (scale == 0 && !derivative)
        return 0;

    geometry->readBox();
    const bool wantForces = includeForces && scale != 0;
    const bool wait = geometry->begin(getLongRange(), scale*KJMOL_PER_EV*ANGSTROM_PER_NM,
                                      inStep);
    if (geometry->takeOutOfRange())
        leaveTensorCores();
    if (wait) {
        geometry->queue();
        const CommonGeometry::Outcome outcome = geometry->checkStatus();
        if (outcome == CommonGeometry::Repeat) {
            cc.setForcesValid(false);   // OpenMM evaluates again, with what was missing
            return 0;
        }
        if (outcome == CommonGeometry::Failed)
            return repeatOnHost(wantForces, false, scale);
        queueEvaluation(wantForces);
    }
    else if (!launchGraph(wantForces)) {
        geometry->queue();
        queueEvaluation(wantForces);
    }
    if (inStep && !includeEnergy) {
        geometry->postStatus();
        if (derivative)
            addConstantDerivative();
        return 0;
    }
    const double energy = (includeEnergy ? readMeanEnergy() : 0);
    const CommonGeometry::Outcome outcome = geometry->checkStatus();
    if (outcome == CommonGeometry::Failed)
        return repeatOnHost(wantForces, true, scale);
    if (outcome == CommonGeometry::Repeat)
        cc.setForcesValid(false);
    if (derivative)
        addConstantDerivative();
    return scale*KJMOL_PER_EV*energy;
}

// Positions of this evaluation, [3 n] angstrom, for evaluations on the host.
void CommonCalcMLFFForceKernel::prepareRepetition(const vector<double>& positions) {
    if (!repetition) {
        vector<const mlff_model*> members;
        for (const MLFFModelShare& model : models)
            members.push_back(model.get());
        repetition.reset(new CommonRepetition(members, settings));
    }
    repetition->setAtoms(geometry->atoms, geometry->row, geometry->evaluation);
    repetition->setPositions(positions);
}

// The evaluation in double precision, after numbers overflowed. queued: the device has added
// FAILED_FORCE, which is taken back. What is too large for OpenMM's sums ends at their limit;
// OpenMM's minimizer evaluates such forces on its own CPU platform.
double CommonCalcMLFFForceKernel::repeatOnHost(bool wantForces, bool queued, double scale) {
    vector<double> positions, forces;
    geometry->readPositions(positions);
    prepareRepetition(positions);
    const double energy = repetition->evaluateMean(wantForces ? &forces : nullptr);
    if (wantForces) {
        const size_t n = geometry->row.size();
        vector<unsigned long long> sums(3*n);  // modulo 2^64, as the device adds
        for (size_t i = 0; i < n; i++)
            for (size_t d = 0; d < 3; d++) {
                const double f = scale*KJMOL_PER_EV*ANGSTROM_PER_NM*forces[3*i+d];
                const double within = std::max(-BUFFER_LIMIT, std::min(BUFFER_LIMIT, f));
                sums[d*n+geometry->row[i]] =
                    (unsigned long long) std::llround(BUFFER_SCALE*within)-
                    (queued ? FAILED_FORCE : 0);
            }
        geometry->atoms.force.upload(sums);
        fixedKernel->execute((int) n);
    }
    if (derivative)
        cc.getEnergyParamDerivWorkspace()[scaleParameter] += energyFactor*KJMOL_PER_EV*energy;
    return scale*KJMOL_PER_EV*energy;
}

// What comes behind positions and pairs.
void CommonCalcMLFFForceKernel::queueEvaluation(bool forces) {
    queueNetworks(forces);
    if (forces)
        queueForces();
    if (derivative)
        queueDerivative();
}

// All members; the mean of their forces gathers in atoms.force.
void CommonCalcMLFFForceKernel::queueNetworks(bool forces) {
    if (geometry->atoms.numAtoms == 0)
        return;
    for (auto& network : networks)
        network->execute({forces, 1.0/networks.size()});
}

void CommonCalcMLFFForceKernel::queueForces() {
    if (geometry->atoms.numAtoms > 0)
        forceKernel->execute(geometry->atoms.numAtoms);
}

// dE/dlambda: what is constant by the host's sum, the rest by the device's.
void CommonCalcMLFFForceKernel::addConstantDerivative() {
    const double factor = energyFactor*KJMOL_PER_EV/networks.size();
    for (auto& network : networks)
        cc.getEnergyParamDerivWorkspace()[scaleParameter] += factor*network->getElementEnergy();
}

void CommonCalcMLFFForceKernel::queueDerivative() {
    if (geometry->atoms.numAtoms == 0)
        return;
    const vector<string>& names = cc.getEnergyParamDerivNames();
    const int index = std::find(names.begin(), names.end(), scaleParameter)-names.begin();
    for (auto& network : networks) {
        derivativeKernel->setArg(0, network->getEnergies());
        derivativeKernel->setArg(3, cc.getEnergyParamDerivBuffer());
        derivativeKernel->setArg(4, index);
        device->setMixed(derivativeKernel, 5, energyFactor*KJMOL_PER_EV/networks.size());
        derivativeKernel->execute(1);
    }
}

// ------------------------------------------------------------------------------- graphs

// Why a chain has to be recorded, empty if it has not.
string CommonCalcMLFFForceKernel::whyRecord(const Recording& recording) const {
    if (!recording.graph)
        return "first";
    if (recording.pairs != geometry->getGeneration())
        return "capacity of the pairs";
    if (recording.parameters != parameterGeneration)
        return "parameters";
    for (int k = 0; boxMatters && k < 3; k++)
        if (recording.box[k] != geometry->atoms.box[k])
            return "box";
    return "";
}

// Queue a whole evaluation as a graph; false where it has to be queued kernel by kernel.
bool CommonCalcMLFFForceKernel::launchGraph(bool forces) {
    Recording& recording = recordings[forces];
    const bool executed = recording.executed;
    recording.executed = true;
    if (!useGraph || !executed || geometry->atoms.numAtoms == 0)
        return false;
    const string why = whyRecord(recording);
    if (!why.empty()) {
        const auto start = std::chrono::steady_clock::now();
        recording.graph = device->record([&] {
            geometry->queue();
            queueEvaluation(forces);
        }, std::move(recording.graph), whyNoGraph);
        if (!recording.graph) {
            useGraph = false;
            return false;
        }
        recording.pairs = geometry->getGeneration();
        recording.parameters = parameterGeneration;
        std::copy(geometry->atoms.box, geometry->atoms.box+3, recording.box);
        const std::chrono::duration<double, std::milli> time =
            std::chrono::steady_clock::now()-start;
        numRecordings++;
        whyRecorded = why;
        recordingTime = time.count();
    }
    recording.graph->launch();
    numGraphLaunches++;
    return true;
}

// ------------------------------------------------------------------ back from the device

// The components of a member's energy, eV.
vector<double> CommonCalcMLFFForceKernel::readEnergies(size_t member) {
    vector<double> energies(MLFF_N_COMPONENTS, 0.0);
    if (geometry->atoms.numAtoms > 0) {
        vector<long long> sums;
        networks[member]->getEnergies().download(sums);
        for (int c = 0; c < MLFF_N_COMPONENTS; c++)
            energies[c] = sums[c]/ENERGY_SCALE;
    }
    energies[MLFF_ELEMENTS] = networks[member]->getElementEnergy();
    return energies;
}

double CommonCalcMLFFForceKernel::readMeanEnergy() {
    double energy = 0;
    for (size_t k = 0; k < networks.size(); k++)
        for (double component : readEnergies(k))
            energy += component;
    return energy/networks.size();
}

// Forces on the atoms of the force, in their order: [3 n] eV/angstrom.
void CommonCalcMLFFForceKernel::readForces(vector<double>& forces) {
    const int n = geometry->atoms.numAtoms;
    vector<long long> sums;
    geometry->atoms.force.download(sums);
    forces.resize(3*n);
    for (int i = 0; i < n; i++)
        for (int d = 0; d < 3; d++)
            forces[3*i+d] = sums[geometry->row[i]+(size_t) d*n]/FORCE_SCALE;
}

// ---------------------------------------------------------------------------- questions

// Positions and complete pairs, outside of OpenMM's evaluations; false if a number overflowed.
bool CommonCalcMLFFForceKernel::prepareQuestion() {
    geometry->readBox();
    CommonGeometry::Outcome outcome;
    while ((outcome = geometry->update(getLongRange())) == CommonGeometry::Repeat)
        ;
    if (geometry->takeOutOfRange())
        leaveTensorCores();
    return outcome != CommonGeometry::Failed;
}

// Ask the device; where a number overflows, ask again in double precision on the host.
void CommonCalcMLFFForceKernel::answer(const std::function<void()>& question,
                                       const std::function<void()>& questionInDouble) {
    ContextSelector selector(cc);
    vector<double> positions;
    CommonGeometry::Outcome outcome;
    do {
        outcome = CommonGeometry::Failed;
        const bool prepared = prepareQuestion();
        geometry->readPositions(positions);
        if (!prepared)
            break;
        try {
            question();
        }
        catch (const MLFFInterrupted&) {
            geometry->checkStatus();  // or the next evaluation would read the words of this one
            throw;
        }
        outcome = geometry->checkStatus();
    } while (outcome == CommonGeometry::Repeat);
    if (outcome == CommonGeometry::Failed) {
        prepareRepetition(positions);
        questionInDouble();
    }
}

void CommonCalcMLFFForceKernel::getAtomCharges(ContextImpl&, vector<double>& charges) {
    const size_t n = geometry->atoms.numAtoms;
    vector<double> ofMember;
    answer([&] {
        queueNetworks(false);
        charges.assign(n, 0.0);
        for (auto& network : networks) {
            device->downloadReal(*network->getCharges(), ofMember);
            for (size_t i = 0; i < n; i++)
                charges[i] += ofMember[geometry->row[i]]/networks.size();
        }
    }, [&] {
        charges.assign(n, 0.0);
        for (size_t k = 0; k < networks.size(); k++) {
            repetition->evaluate(k, nullptr, &ofMember);
            for (size_t i = 0; i < n; i++)
                charges[i] += ofMember[i]/networks.size();
        }
    });
}

void CommonCalcMLFFForceKernel::getEnergyComponents(ContextImpl&, vector<double>& components) {
    const auto addMember = [&](const double* energies) {
        for (int c = 0; c < MLFF_N_COMPONENTS; c++)
            components[c] += KJMOL_PER_EV*energies[c]/networks.size();
    };
    answer([&] {
        queueNetworks(false);
        components.assign(MLFF_N_COMPONENTS, 0.0);
        for (size_t k = 0; k < networks.size(); k++)
            addMember(readEnergies(k).data());
    }, [&] {
        components.assign(MLFF_N_COMPONENTS, 0.0);
        for (size_t k = 0; k < networks.size(); k++)
            addMember(repetition->evaluate(k, nullptr, nullptr).component);
    });
}

// sqrt(sum_k |x_k - mean|^2/(n-1)) of the vectors x_k[first ... first+width-1].
static double deviation(const vector<vector<double> >& x, size_t first, size_t width) {
    double sum = 0;
    for (size_t d = first; d < first+width; d++) {
        double mean = 0;
        for (const auto& v : x)
            mean += v[d]/x.size();
        for (const auto& v : x)
            sum += (v[d]-mean)*(v[d]-mean);
    }
    return std::sqrt(sum/(x.size()-1));
}

void CommonCalcMLFFForceKernel::getEnsembleDeviation(ContextImpl&, double& energy,
                                                     double& largestForce) {
    vector<vector<double> > energies(networks.size()), forces(networks.size());
    answer([&] {
        for (size_t k = 0; k < networks.size(); k++) {
            checkInterruption();
            cc.clearBuffer(geometry->atoms.force);
            if (geometry->atoms.numAtoms > 0)
                networks[k]->execute({true, 1.0});
            double sum = 0;
            for (double component : readEnergies(k))
                sum += component;
            energies[k] = {sum};
            readForces(forces[k]);
        }
    }, [&] {
        for (size_t k = 0; k < networks.size(); k++) {
            checkInterruption();
            energies[k] = {repetition->evaluate(k, &forces[k], nullptr).energy};
        }
    });
    energy = KJMOL_PER_EV*deviation(energies, 0, 1);
    largestForce = 0;
    for (size_t i = 0; i+2 < forces[0].size(); i += 3)
        largestForce = std::max(largestForce, deviation(forces, i, 3));
    largestForce *= KJMOL_PER_EV*ANGSTROM_PER_NM;
}

/*
 * One row of the Hessian, eV/angstrom^2, by a central difference of fourth order:
 *   d2E/dx dy = -(8 (F_y(x+h) - F_y(x-h)) - (F_y(x+2h) - F_y(x-2h)))/(12 h)
 * The steps suit the precision of the forces; they stay far within the skin of the lists. If this
 * ends early, the row stays displaced: every evaluation gathers the positions anew.
 */
void CommonCalcMLFFForceKernel::differentiateForces(size_t row, int axis, vector<double>& result) {
    static const double offset[4] = {-2, 1, 2, 1}, weight[4] = {-1, 8, -8, 1};
    const double h = cc.getUseDoublePrecision() ? 1e-3 : 1e-2;
    vector<double> forces;
    result.assign(3*geometry->atoms.numAtoms, 0.0);
    double moved = 0;
    for (int k = 0; k < 5; k++) {  // to -2h, -h, h, 2h, and back
        const double step = (k < 4 ? offset[k]*h : -moved);
        moved += step;
        displaceKernel->setArg(1, (int) row);
        displaceKernel->setArg(2, axis);
        device->setExact(displaceKernel, 3, step/ANGSTROM_PER_NM);
        displaceKernel->execute(1);
        if (k == 4)
            break;
        checkInterruption();
        geometry->updatePairs();
        cc.clearBuffer(geometry->atoms.force);
        queueNetworks(true);
        readForces(forces);
        for (size_t c = 0; c < forces.size(); c++)
            result[c] += weight[k]*forces[c]/(12*h);
    }
}

// The same on the host.
void CommonCalcMLFFForceKernel::differentiateInDouble(const vector<double>& positions,
                                                      size_t coordinate, vector<double>& result) {
    static const double offset[4] = {-2, -1, 1, 2}, weight[4] = {-1, 8, -8, 1}, h = 5e-4;
    vector<double> moved(positions), forces;
    result.assign(positions.size(), 0.0);
    for (int k = 0; k < 4; k++) {
        checkInterruption();
        moved[coordinate] = positions[coordinate]+offset[k]*h;
        repetition->setPositions(moved);
        repetition->evaluateMean(&forces);
        for (size_t c = 0; c < forces.size(); c++)
            result[c] += weight[k]*forces[c]/(12*h);
    }
}

void CommonCalcMLFFForceKernel::computeHessian(ContextImpl&, vector<double>& hessian) {
    const size_t n = 3*geometry->atoms.numAtoms;
    hessian.resize(n*n);
    answer([&] {
        vector<double> result;
        for (size_t a = 0; a < n; a++) {
            differentiateForces(geometry->row[a/3], a%3, result);
            std::copy(result.begin(), result.end(), hessian.begin()+a*n);
        }
    }, [&] {
        const vector<double> positions = repetition->getPositions();
        vector<double> result;
        for (size_t a = 0; a < n; a++) {
            differentiateInDouble(positions, a, result);
            std::copy(result.begin(), result.end(), hessian.begin()+a*n);
        }
    });
    const double unit = KJMOL_PER_EV*ANGSTROM_PER_NM*ANGSTROM_PER_NM;
    for (size_t a = 0; a < n; a++)
        for (size_t b = 0; b <= a; b++)
            hessian[a*n+b] = hessian[b*n+a] = 0.5*unit*(hessian[a*n+b]+hessian[b*n+a]);
}

void CommonCalcMLFFForceKernel::getExecutionInfo(std::map<string, string>& info) {
    info["precision"] = cc.getUseDoublePrecision() ? "double" :
                        cc.getUseMixedPrecision() ? "mixed" : "single";
    geometry->getExecutionInfo(info);
    static const char* const modes[] = {"Full", "SplitHalf", "TF32"};
    info["matrix_precision"] = modes[networks[0]->getMatrixMode()];
    if (leftTensorCores)
        info["matrix_precision_refused"] = "a number beyond the range of half precision";
    else if (device->matrixMode != networks[0]->getMatrixMode())
        info["matrix_precision_refused"] = device->getMatrixRefusal().empty() ?
            "for so few atoms, kernels are fused that do not use tensor cores" :
            device->getMatrixRefusal();
    info["graph"] = useGraph ? "yes" : "no: "+whyNoGraph;
    if (useGraph) {
        info["graph_recordings"] = std::to_string(numRecordings);
        info["graph_launches"] = std::to_string(numGraphLaunches);
    }
    if (recordings[1].graph) {
        info["graph_nodes"] = std::to_string(recordings[1].graph->getNumNodes());
        info["graph_programmatic"] = std::to_string(recordings[1].graph->getNumProgrammatic());
    }
    if (numRecordings > 0) {
        info["graph_recorded_for"] = whyRecorded;
        info["graph_recording_ms"] = std::to_string(recordingTime);
    }
    size_t bytes = geometry->getMemory();
    for (auto& network : networks)
        bytes += network->getMemory();
    info["memory_bytes"] = std::to_string(bytes);
}
