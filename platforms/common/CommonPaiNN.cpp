#include "CommonPaiNN.h"
#include "CommonPaiNNFilter.h"
#include "CommonPaiNNWeights.h"
#include "painnFused.cc.h"
#include "painnMessage.cc.h"
#include "painnNode.cc.h"
#include <algorithm>
#include <cmath>

using namespace OpenMM;
using std::string;
using std::vector;

namespace {

const int STAGED_PAIRS = 16;
// Up to this many rows, blocks of the node kernels take four rows, beyond it eight: enough blocks
// for a large GPU come before reading weights less often.  Message kernels share out a row's pairs.
const int FEW_ROWS = 528;
const size_t LOCAL_BYTES = 46*1024;
// Of the form with fused kernels: atoms that it always takes; widest model.
const int FUSED_ROWS = 64, FUSED_WIDEST = 256;
// Terms of a filter that a thread keeps in registers: three floats each.
const int HELD_TERMS = 21;
// Slopes of filter tables, of the largest: below what a force is compared with.
const double TABLE_TOLERANCE_SINGLE = 2e-7, TABLE_TOLERANCE_DOUBLE = 1e-10;

int roundUp(int n, int multiple) {
    return (n+multiple-1)/multiple*multiple;
}

double silu(double x) {
    return x/(1+exp(-x));
}

/** y = W in + b, with W [out][in]. */
vector<double> linear(const mlff_tensor* w, const mlff_tensor* b, const vector<double>& in) {
    vector<double> out(b->n_values);
    for (size_t o = 0; o < out.size(); o++) {
        out[o] = mlff_tensor_value(b, o);
        for (size_t k = 0; k < in.size(); k++)
            out[o] += mlff_tensor_value(w, o*in.size()+k)*in[k];
    }
    return out;
}

} // namespace

std::unique_ptr<CommonNetwork> OpenMM::createCommonPaiNN(CommonDevice& device, CommonAtoms& atoms,
                                                         const mlff_model& model,
                                                         const mlff_settings&) {
    return std::unique_ptr<CommonNetwork>(new CommonPaiNN(device, atoms, model));
}

CommonPaiNN::CommonPaiNN(CommonDevice& device, CommonAtoms& atoms, const mlff_model& model) :
        CommonNetwork(model), device(device), atoms(atoms),
        painn(*static_cast<const mlff_painn*>(mlff_model_description(&model))),
        F(painn.n_features), L(painn.n_layers), sent(painn.context ? 3 : 1),
        channel(painn.update == MLFF_PAINN_CHANNEL), messageLanes(std::min(roundUp(F, 32), 256)),
        messageGroups(chooseMessageGroups()), numTerms(0), fused(false),
        matrixMode(CommonDevice::Float), shape(),
        pairs(nullptr), memory(0), filter(L), v(L), x(L), vMid(L), xHidden(L), pq(L), hidden(L),
        gate(L), kept(L) {
}

double CommonPaiNN::getMessageRange() const {
    return painn.cutoff;
}

double CommonPaiNN::getLongRange() const {
    return 0;
}

ComputeArray& CommonPaiNN::getEnergies() {
    return energies;
}

ComputeArray* CommonPaiNN::getCharges() {
    return nullptr;
}

size_t CommonPaiNN::getMemory() const {
    return memory;
}

double CommonPaiNN::getElementEnergy() const {
    double sum = 0;
    for (int z : atoms.species)
        sum += painn.energy_shift+(painn.atomref ? mlff_tensor_value(painn.atomref, z) : 0);
    return sum*painn.unit_to_ev;
}

// ------------------------------------------------------------------------------ shapes

/** Of the readout's vector k: behind the first filled up to a multiple of 4. */
int CommonPaiNN::getReadoutWidth(int k) const {
    return (k == 0 ? F : roundUp(painn.readout_width[k], 4));
}

int CommonPaiNN::getReadoutWidest() const {
    int widest = 0;
    for (int k = 0; k <= painn.n_readout; k++)
        widest = std::max(widest, getReadoutWidth(k));
    return widest;
}

/** Pre-activations of a row. */
int CommonPaiNN::getReadoutHidden() const {
    int sum = 0;
    for (int k = 1; k < painn.n_readout; k++)
        sum += getReadoutWidth(k);
    return sum;
}

/** Inputs of dense layers of a row. */
int CommonPaiNN::getRoom() const {
    return std::max(7*F, 3*F+2*getReadoutWidest());
}

/** Several groups make up for rows that are too few to fill the device. */
int CommonPaiNN::chooseMessageGroups() const {
    const int threads = (atoms.numAtoms > FEW_ROWS ? 128 : 256);
    return std::max(1, std::min(4, threads/messageLanes));
}

/** As many rows a block as there are enough blocks and local memory for. */
CommonPaiNN::NodeShape CommonPaiNN::chooseNodeShape() const {
    NodeShape shape;
    shape.width = 1;
    shape.lanes = std::min(roundUp(F, 32), 256);
    shape.groups = (shape.lanes <= 128 ? 2 : 1);
    shape.block = shape.lanes*shape.groups;
    const bool two = (atoms.numAtoms > FEW_ROWS && !device.cc.getUseDoublePrecision());
    for (int quarters = (two ? 2 : 1); ; quarters--) {
        shape.rows = 4*quarters;
        shape.room = getRoom()*quarters;
        shape.join = (shape.groups > 1 ? 3*quarters*shape.lanes : 1);
        const size_t bytes = ((size_t) shape.room+shape.join)*4*device.getRealSize();
        shape.wide = (bytes > LOCAL_BYTES);
        if (!shape.wide || quarters == 1)
            return shape;
    }
}

/** One row a block, whose threads read 16 bytes of weights at a time. */
CommonPaiNN::NodeShape CommonPaiNN::chooseFusedShape() const {
    NodeShape shape;
    shape.rows = 1;
    shape.width = 16/device.getRealSize();
    while (F%shape.width != 0)
        shape.width /= 2;
    shape.block = messageLanes*messageGroups;
    shape.lanes = F/shape.width;
    shape.groups = shape.block/shape.lanes;
    shape.room = getRoom();
    shape.join = 3*shape.groups*shape.lanes;
    shape.wide = false;
    return shape;
}

/** Sixteen rows a block; see tensorRows.cu. */
CommonPaiNN::NodeShape CommonPaiNN::chooseTensorShape() const {
    NodeShape shape;
    shape.rows = 16;
    shape.width = 1;
    shape.lanes = std::min(roundUp(F, 32), 128);
    shape.groups = 2;
    shape.block = shape.lanes*shape.groups;
    shape.room = getRoom()*4;
    shape.join = 0;     // the kernels' text says it
    shape.wide = true;
    return shape;
}

/** Blocks of node kernels; with inputs in scratch memory, as many as run at a time. */
int CommonPaiNN::getNodeBlocks() const {
    const int blocks = (atoms.numAtoms+shape.rows-1)/shape.rows;
    return shape.wide ? std::min(blocks, std::max(1, device.cc.getNumThreadBlocks()/2)) : blocks;
}

/** What painnFused.cc keeps of a row, and has of it in local memory. */
int CommonPaiNN::getKept() const {
    return ((channel ? 9 : 6)+(painn.context ? 1 : 0))*F;
}

int CommonPaiNN::getState() const {
    return getKept()+(channel ? 4 : 1)*F+std::max((sent+3)*F, getReadoutHidden());
}

/** real4 for messages and dense layers, one after the other. */
int CommonPaiNN::getShared() const {
    const NodeShape shape = chooseFusedShape();
    return std::max((2*numTerms+1)*STAGED_PAIRS/4+shape.block,
                    roundUp(shape.join*shape.width, 4)/4);
}

bool CommonPaiNN::chooseFused() const {
    // OpenMM's launches have six blocks for each multiprocessor
    const int numMultiprocessors = (device.cc.getNumThreadBlocks()+5)/6;
    if (L < 2 || F > FUSED_WIDEST || atoms.numAtoms > std::max(FUSED_ROWS, numMultiprocessors))
        return false;
    const size_t reals = (size_t) 4*getShared()+4*STAGED_PAIRS+getState()+getRoom();
    return reals*device.getRealSize() <= LOCAL_BYTES;
}

/** The set of weights of a layer. */
int CommonPaiNN::getBlock(int layer) const {
    return painn.shared_interactions ? 0 : layer;
}

ComputeArray& CommonPaiNN::getFilter(int layer) {
    return filter[painn.shared_filters ? 0 : layer];
}

/** Those of the last layer are read no more when the gradients come. */
ComputeArray& CommonPaiNN::getPQ(int layer) {
    return channel && layer < L-1 ? pq[layer] : sentGradient;
}

/** A 3x3 matrix needs it in the reverse pass. */
ComputeArray& CommonPaiNN::getVMid(int layer) {
    return vMid[channel ? 0 : layer];
}

/** Takes the place of what the last layer kept. */
ComputeArray& CommonPaiNN::getGradV() {
    return getVMid(L-1);
}

// ------------------------------------------------------------------------ device memory

void CommonPaiNN::initializeReal(ComputeArray& array, size_t size, const char* name) {
    device.initializeReal(array, size, name);
    memory += array.getSize()*array.getElementSize();
}

void CommonPaiNN::uploadReal(ComputeArray& array, const vector<double>& values, const char* name) {
    initializeReal(array, values.size(), name);
    device.uploadReal(array, values);
}

void CommonPaiNN::uploadFilters(KernelDefines& defines) {
    const bool isDouble = device.cc.getUseDoublePrecision();
    const CommonPaiNNFilter filters(painn,
        isDouble ? TABLE_TOLERANCE_DOUBLE : TABLE_TOLERANCE_SINGLE);
    const size_t size = filters.getSetSize();
    for (int k = 0; k < filters.numSets; k++) {
        const auto first = filters.coefficients.begin()+k*size;
        uploadReal(filter[k], vector<double>(first, first+size), "painnFilter");
    }
    numTerms = filters.numTerms;
    defines["TERMS"] = std::to_string(numTerms);
    if (filters.table) {
        defines["TABLE"] = "1";
        defines["INTERVALS"] = std::to_string(filters.numIntervals);
        defines["INTERVALS_PER_ANGSTROM"] = device.literal(filters.numIntervals/painn.cutoff);
    }

    const double pi = 3.14159265358979323846;
    const bool gaussian = (painn.rbf == MLFF_PAINN_GAUSSIAN);
    vector<double> values(2*painn.n_rbf);
    for (int k = 0; k < painn.n_rbf; k++) {
        values[k] = mlff_tensor_value(gaussian ? painn.rbf_mu : painn.rbf_freq, k);
        values[painn.n_rbf+k] = gaussian ? mlff_tensor_value(painn.rbf_beta, k) : values[k]/pi;
    }
    uploadReal(radial, values, "painnRadial");
    if (gaussian)
        defines["GAUSSIAN"] = "1";
    defines["RBF"] = std::to_string(painn.n_rbf);
    defines["BIAS_UNDER_ENVELOPE"] = (painn.envelope == MLFF_PAINN_ENVELOPE_FILTER ? "1" : "0");
    defines["INVERSE_CUTOFF"] = device.literal(1/painn.cutoff);
    if (painn.cutoff_fn == MLFF_PAINN_COSINE) {
        defines["COSINE"] = "1";
        defines["HALF_PI_OVER_CUTOFF"] = device.literal(0.5*pi/painn.cutoff);
    }
    else {
        const double p = painn.poly_p;
        defines["POLY_P"] = std::to_string(painn.poly_p);
        defines["POLY_A"] = device.literal(0.5*(p+1)*(p+2));
        defines["POLY_B"] = device.literal(p*(p+2));
        defines["POLY_C"] = device.literal(0.5*p*(p+1));
        defines["POLY_SLOPE"] = device.literal(0.5*p*(p+1)*(p+2)/painn.cutoff);
    }
    if (painn.dir_eps != 0)
        defines["DIR_EPS"] = device.literal(painn.dir_eps);
}

void CommonPaiNN::uploadWeights(KernelDefines& defines) {
    const CommonPaiNNWeights block(painn.layer, getBlock(L-1)+1, matrixMode);
    initializeReal(weights, block.values.size(), "painnWeights");
    if (matrixMode == CommonDevice::Float)
        device.uploadReal(weights, block.values);
    else
        weights.upload(block.getFloats());
    for (const auto& place : block.places)
        defines[place.first] = std::to_string(place.second);
    if (painn.context)
        defines["CONTEXT"] = "1";
    if (channel)
        defines["CHANNEL"] = "1";
    defines["NORM_EPS"] = device.literal(painn.norm_eps);
}

/** One step for each `columns` outputs of a linear layer; see painnReadout(). */
static void planSteps(int inputs, int outputs, int columns, size_t weights, size_t bias, int kept,
                      vector<int>& plan) {
    for (int first = 0; first < outputs; first += columns)
        for (int word : {inputs, outputs, first, (int) weights, (int) bias, kept,
                         (int) (first+columns >= outputs), 0})
            plan.push_back(word);
}

void CommonPaiNN::uploadReadout(KernelDefines& defines) {
    vector<double> values;
    vector<int> plan;
    vector<size_t> backward;
    const int columns = shape.lanes*shape.width;
    int kept = 0;
    for (int k = 0; k < painn.n_readout; k++) {
        const int inputs = getReadoutWidth(k), outputs = getReadoutWidth(k+1);
        const bool last = (k == painn.n_readout-1);
        const size_t size = (size_t) inputs*outputs, weights = values.size(), bias = weights+size;
        values.resize(roundUp(bias+outputs, 4)+roundUp(size, 4));
        backward.push_back(values.size()-roundUp(size, 4));
        for (int o = 0; o < painn.readout_width[k+1]; o++) {
            for (int i = 0; i < painn.readout_width[k]; i++) {
                const double w = mlff_tensor_value(painn.readout_w[k],
                                                   (int64_t) o*painn.readout_width[k]+i);
                values[weights+(size_t) i*outputs+o] = values[backward[k]+(size_t) o*inputs+i] = w;
            }
            values[bias+o] = mlff_tensor_value(painn.readout_b[k], o);
        }
        planSteps(inputs, outputs, columns, weights, bias, last ? -1 : kept, plan);
        kept += (last ? 0 : outputs);
    }
    const size_t forwardWords = plan.size();
    for (int k = painn.n_readout-1, first = kept; k >= 0; k--) {
        const int inputs = getReadoutWidth(k), outputs = painn.readout_width[k+1];
        first -= (k > 0 ? inputs : 0);
        planSteps(outputs, inputs, columns, backward[k], 0, k > 0 ? first : -1, plan);
    }
    uploadReal(readout, values, "painnReadout");
    readoutPlan.initialize<int>(device.cc, plan.size(), "painnReadoutPlan");
    readoutPlan.upload(plan);
    defines["READOUT_STEPS"] = std::to_string(forwardWords/8);
    defines["READOUT_BACK_STEPS"] = std::to_string((plan.size()-forwardWords)/8);
    defines["READOUT_HIDDEN"] = std::to_string(kept);
    defines["READOUT_WIDEST"] = std::to_string(getReadoutWidest());
    initializeReal(readoutHidden, fused ? 0 : (size_t) atoms.numAtoms*kept, "painnReadoutHidden");
}

/** s and x of layer 0 depend on the species alone. */
void CommonPaiNN::uploadSpeciesTables() {
    vector<double> all(painn.embedding->n_values), sent;
    mlff_tensor_to_double(painn.embedding, all.data());
    uploadReal(embedding, all, "painnEmbedding");
    if (!painn.context)
        return;
    const mlff_painn_layer& layer = painn.layer[0];
    for (int z = 0; z < painn.n_z; z++) {
        const vector<double> own(all.begin()+(size_t) z*F, all.begin()+(size_t) (z+1)*F);
        vector<double> h = linear(layer.ctx_w0, layer.ctx_b0, own);
        std::transform(h.begin(), h.end(), h.begin(), silu);
        h = linear(layer.ctx_w1, layer.ctx_b1, h);
        sent.insert(sent.end(), h.begin(), h.end());
    }
    uploadReal(firstX, sent, "painnFirstX");
}

void CommonPaiNN::allocate() {
    const size_t row = (size_t) atoms.numAtoms*F;
    initializeReal(s, row, "painnS");
    for (int l = 1; l < L; l++) {
        initializeReal(v[l], 3*row, "painnV");
        initializeReal(x[l], sent*row, "painnX");
    }
    if (fused)
        allocateFused();
    else
        allocateSplit();
    species.initialize<int>(device.cc, std::max(atoms.numAtoms, 1), "painnSpecies");
    energies.initialize<unsigned long long>(device.cc, MLFF_N_COMPONENTS, "painnEnergies");
    energies.upload(vector<unsigned long long>(MLFF_N_COMPONENTS, 0));
    memory += species.getSize()*sizeof(int)+energies.getSize()*energies.getElementSize();
}

void CommonPaiNN::allocateFused() {
    const size_t row = (size_t) atoms.numAtoms*F;
    for (int l = 0; l < L-1; l++)
        initializeReal(kept[l], (size_t) atoms.numAtoms*getKept(), "painnKept");
    for (int k = 0; k < 2; k++) {
        initializeReal(gradS[k], row, "painnGradS");
        initializeReal(gradV[k], 3*row, "painnGradV");
    }
}

void CommonPaiNN::allocateSplit() {
    const size_t row = (size_t) atoms.numAtoms*F;
    for (int l = 0; l < L; l++) {
        if (l == 0 || !channel)
            initializeReal(vMid[l], 3*row, "painnVMid");
        if (channel && l < L-1)
            initializeReal(pq[l], 6*row, "painnPQ");
        initializeReal(hidden[l], row, "painnHidden");
        initializeReal(gate[l], 2*row, "painnGate");
        if (l > 0)
            initializeReal(xHidden[l], painn.context ? row : 0, "painnXHidden");
    }
    initializeReal(sentGradient, (channel ? 6 : sent+3)*row, "painnSentGradient");
    initializeReal(scratch, shape.wide ? (size_t) getNodeBlocks()*shape.room*4 : 0,
                   "painnScratch");
}

// ------------------------------------------------------------------------------ kernels

/** Few rows need no order: all of them are at work at the same time. */
bool CommonPaiNN::isOrdered() const {
    return !fused && pairs->isOrdered();
}

void CommonPaiNN::defineMessage(KernelDefines& defines) const {
    if (isOrdered())
        defines["ORDERED"] = "1";
    defines["STATE_ARG"] = (fused ? "LOCAL_ARG" : "GLOBAL");
    defines["LANES"] = std::to_string(messageLanes);
    defines["GROUPS"] = std::to_string(messageGroups);
    defines["BLOCK"] = std::to_string(messageLanes*messageGroups);
    defines["PAIRS"] = std::to_string(STAGED_PAIRS);
    defines["QUADS"] = std::to_string(STAGED_PAIRS/4);
    const bool room = (messageLanes <= 128 || fused);
    if (room && defines.count("TABLE") == 0 && numTerms <= HELD_TERMS &&
            !device.cc.getUseDoublePrecision())
        defines["FILTER_HELD"] = "1";
}

void CommonPaiNN::defineNode(KernelDefines& defines) const {
    defines["STATE_ARG"] = (fused ? "LOCAL_ARG" : "GLOBAL");
    defines["ROWS"] = std::to_string(shape.rows);
    if (shape.rows > 1)
        defines["QUARTERS"] = std::to_string(shape.rows/4);
    defines["WIDTH"] = std::to_string(shape.width);
    defines["OUT_LANES"] = std::to_string(shape.lanes);
    defines["OUT_GROUPS"] = std::to_string(shape.groups);
    defines["OUT_COLUMNS"] = std::to_string(shape.lanes*shape.width);
    defines["BLOCK"] = std::to_string(shape.block);
    // CPUs gain nothing by it, and take twice as long to compile
    defines["DEPTH"] = std::to_string(device.cc.getIsCPU() ? 1 : fused ? 8 : 4);
    defines["ROOM"] = std::to_string(shape.room);
    if (shape.wide)
        defines["WIDE"] = "1";
    if (matrixMode == CommonDevice::Float)
        defines["JOIN"] = std::to_string(shape.join);
    else
        defines["TENSOR_PAIRS"] = (matrixMode == CommonDevice::HalfPairs ? "1" : "0");
}

void CommonPaiNN::defineFused(KernelDefines& defines) const {
    defines["FUSED"] = "1";
    defines["KEPT"] = std::to_string(getKept());
    defines["STATE"] = std::to_string(getState());
    defines["SHARED"] = std::to_string(getShared());
}

/** A kernel's launch, with the arrays of arguments that all message kernels begin with. */
CommonPaiNN::Launch CommonPaiNN::createMessage(ComputeProgram program, const string& name,
                                               int layer) {
    // kernels only read them
    CommonPairs& m = const_cast<CommonPairs&>(*pairs);
    const int block = messageLanes*messageGroups;
    Launch launch = {program->createKernel(name), atoms.numAtoms*block, block};
    launch.add({&m.count, &m.neighbor, &m.vector});
    if (isOrdered())
        launch.add({&m.order});
    launch.add({&radial, &getFilter(layer)});
    return launch;
}

CommonPaiNN::Launch CommonPaiNN::createNode(ComputeProgram program, const string& name) {
    Launch launch = {program->createKernel(name), getNodeBlocks()*shape.block, shape.block};
    launch.add({&weights});
    return launch;
}

void CommonPaiNN::Launch::add(const vector<ComputeArray*>& arrays) {
    for (ComputeArray* array : arrays)
        kernel->addArg(*array);
    numArgs += arrays.size();
}

void CommonPaiNN::Launch::add(int value) {
    kernel->addArg(value);
    numArgs++;
}

/** The place of an argument that each evaluation sets. */
int CommonPaiNN::Launch::reserve() {
    kernel->addArg();
    return numArgs++;
}

void CommonPaiNN::Launch::addPairs(int numAtoms) {
    add(numAtoms);
    capacity = reserve();
}

/** Reverse of the messages of layer 0: the end of both forms. */
CommonPaiNN::Launch CommonPaiNN::createLast(ComputeProgram program, ComputeArray& gs,
                                            ComputeArray& gv) {
    Launch launch = createMessage(program, "mlffPainnMessageBackwardFirst", 0);
    launch.add({&species, painn.context ? &firstX : &embedding, &gs, &gv, &atoms.force,
                &atoms.status});
    launch.addPairs(atoms.numAtoms);
    launch.scale = launch.reserve();
    return launch;
}

void CommonPaiNN::bindMessage(ComputeProgram program) {
    ComputeArray& tableX = (painn.context ? firstX : embedding);
    for (int l = 0; l < L; l++) {
        const string name = (l == 0 ? "mlffPainnMessageFirst" : "mlffPainnMessage");
        Launch launch = createMessage(program, name, l);
        if (l == 0) {
            launch.add({&species, &embedding, &tableX, &s, &getVMid(l), &energies});
            launch.add((int) MLFF_N_COMPONENTS);
        }
        else
            launch.add({&x[l], &v[l], &s, &getVMid(l)});
        launch.addPairs(atoms.numAtoms);
        forward[2*l] = launch;
    }
    for (int l = L-1; l > 0; l--) {
        Launch launch = createMessage(program, "mlffPainnMessageBackward", l);
        launch.add({&x[l], &v[l], &s, &getGradV(), &sentGradient, &atoms.force, &atoms.status});
        launch.addPairs(atoms.numAtoms);
        launch.scale = launch.reserve();
        backward[2*(L-1-l)] = launch;
    }
    backward[2*(L-1)] = createLast(program, s, getGradV());
}

void CommonPaiNN::bindNode(ComputeProgram program) {
    for (int l = 0; l < L-1; l++) {
        Launch node = createNode(program, "mlffPainnNode");
        Launch reverse = createNode(program, "mlffPainnNodeBackward");
        for (Launch* launch : {&node, &reverse}) {
            launch->add(getBlock(l));
            launch->add(getBlock(l+1));
        }
        node.add({&s, &getVMid(l), &getPQ(l), &hidden[l], &gate[l], &v[l+1], &xHidden[l+1],
                  &x[l+1], &atoms.status, &scratch});
        reverse.add({&getVMid(l), &getPQ(l), &hidden[l], &gate[l], &xHidden[l+1], &sentGradient, &s,
                     &getGradV(), &atoms.status, &scratch});
        node.add(atoms.numAtoms);
        reverse.add(atoms.numAtoms);
        forward[2*l+1] = node;
        backward[2*(L-2-l)+1] = reverse;
    }
    Launch last = createNode(program, "mlffPainnNodeLast");
    last.add(getBlock(L-1));
    last.add({&readoutPlan, &readout, &s, &getVMid(L-1), &getPQ(L-1), &hidden[L-1], &gate[L-1],
              &readoutHidden, &energies, &atoms.status, &scratch});
    last.add(atoms.numAtoms);
    addScale(last);
    forward[2*L-1] = last;
}

/** Of the last forward kernel: eV per unit of the readout, and whether forces are wanted. */
void CommonPaiNN::addScale(Launch& launch) {
    device.addReal(launch.kernel, painn.energy_scale*painn.unit_to_ev);
    launch.numArgs++;
    launch.forces = launch.reserve();
}

void CommonPaiNN::bindFused(ComputeProgram program) {
    ComputeArray& tableX = (painn.context ? firstX : embedding);
    for (int l = 0; l < L-1; l++) {
        Launch launch = createMessage(program, l == 0 ? "mlffPainnFusedFirst" : "mlffPainnFused",
                                      l);
        if (l == 0)
            launch.add({&species, &embedding, &tableX, &weights});
        else
            launch.add({&x[l], &v[l], &weights});
        launch.add(getBlock(l));
        launch.add(getBlock(l+1));
        launch.add({&s, &kept[l], &v[l+1], &x[l+1]});
        if (l == 0) {
            launch.add({&energies});
            launch.add((int) MLFF_N_COMPONENTS);
        }
        launch.addPairs(atoms.numAtoms);
        forward[l] = launch;
    }
    Launch last = createMessage(program, "mlffPainnFusedLast", L-1);
    last.add({&x[L-1], &v[L-1], &weights});
    last.add(getBlock(L-1));
    last.add({&readoutPlan, &readout, &s, &gradS[0], &gradV[0], &energies, &atoms.status});
    last.addPairs(atoms.numAtoms);
    addScale(last);
    forward[L-1] = last;
    bindFusedBackward(program);
}

/** Gradients go to and fro between two sets of arrays. */
void CommonPaiNN::bindFusedBackward(ComputeProgram program) {
    int from = 0;
    for (int l = L-1; l > 0; l--, from = 1-from) {
        Launch launch = createMessage(program, "mlffPainnFusedBackward", l);
        launch.add({&x[l], &v[l], &gradS[from], &gradV[from], &weights});
        launch.add(getBlock(l-1));
        launch.add(getBlock(l));
        launch.add({&kept[l-1], &gradS[1-from], &gradV[1-from], &atoms.force, &atoms.status});
        launch.addPairs(atoms.numAtoms);
        launch.scale = launch.reserve();
        backward[L-1-l] = launch;
    }
    backward[L-1] = createLast(program, gradS[from], gradV[from]);
}

void CommonPaiNN::initialize(const CommonPairs& message, const CommonPairs*) {
    pairs = &message;
    KernelDefines defines;
    defines["FEATURES"] = std::to_string(F);
    defines["SENT"] = std::to_string(sent);
    uploadFilters(defines);
    fused = chooseFused();
    matrixMode = (fused ? CommonDevice::Float : device.getMatrixMode());
    shape = (fused ? chooseFusedShape() :
             matrixMode == CommonDevice::Float ? chooseNodeShape() : chooseTensorShape());
    uploadWeights(defines);
    uploadReadout(defines);
    uploadSpeciesTables();
    allocate();
    updateParameters();
    compileKernels(defines);
}

void CommonPaiNN::compileKernels(const KernelDefines& common) {
    KernelDefines message = common, node = common, both = common;
    defineMessage(message);
    defineNode(node);
    forward.resize(fused ? L : 2*L);
    backward.resize(fused ? L : 2*L-1);
    if (fused) {
        defineMessage(both);
        defineNode(both);
        defineFused(both);
        bindFused(device.compile({painnMessage_cc, painnNode_cc, painnFused_cc}, both));
    }
    else {
        bindMessage(device.compile({painnMessage_cc}, message));
        vector<const char*> texts = {painnNode_cc};
        if (matrixMode != CommonDevice::Float)
            texts = {device.getTensorTexts()->base, device.getTensorTexts()->rows, painnNode_cc};
        bindNode(device.compile(texts, node));
    }
}

void CommonPaiNN::updateParameters() {
    if (atoms.numAtoms > 0)
        species.upload(atoms.species);
}

// ---------------------------------------------------------------------------- evaluation

void CommonPaiNN::execute(const CommonRequest& request) {
    if (atoms.numAtoms == 0)
        return;
    const double scale = request.weight*painn.energy_scale*painn.unit_to_ev;
    forward.back().kernel->setArg(forward.back().forces, (int) request.forces);
    for (vector<Launch>* pass : {&forward, &backward}) {
        if (pass == &backward && !request.forces)
            return;
        for (Launch& launch : *pass) {
            if (launch.capacity >= 0)
                launch.kernel->setArg(launch.capacity, pairs->capacity);
            if (launch.scale >= 0)
                device.setReal(launch.kernel, launch.scale, scale);
            launch.kernel->execute(launch.threads, launch.block);
        }
    }
}

CommonDevice::MatrixMode CommonPaiNN::getMatrixMode() const {
    return matrixMode;
}

bool CommonPaiNN::canBeRepeated(bool& boxMatters, string&) const {
    boxMatters = false;
    return true;
}
