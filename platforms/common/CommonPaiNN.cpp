#include "CommonPaiNN.h"
#include "CommonPaiNNFilter.h"
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
// for a large GPU come before reading weights less often.
const int FEW_ROWS = 528;
const size_t LOCAL_BYTES = 46*1024;
// Slopes of filter tables, of the largest: below what a force is compared with.
const double TABLE_TOLERANCE_SINGLE = 2e-7, TABLE_TOLERANCE_DOUBLE = 1e-10;

int roundUp(int n, int multiple) {
    return (n+multiple-1)/multiple*multiple;
}

/** A block of weights, put together tensor by tensor; where each begins becomes a define. */
struct Packing {
    vector<double> values;
    KernelDefines& defines;

    void begin(const string& name, size_t base) {
        defines[name] = std::to_string(values.size()-base);
    }
    void append(const mlff_tensor* tensor) {
        for (int64_t k = 0; k < tensor->n_values; k++)
            values.push_back(mlff_tensor_value(tensor, k));
    }
    void appendTransposed(const mlff_tensor* tensor) {
        const int64_t rows = tensor->shape[0], columns = tensor->shape[1];
        for (int64_t k = 0; k < columns; k++)
            for (int64_t o = 0; o < rows; o++)
                values.push_back(mlff_tensor_value(tensor, o*columns+k));
    }
    /** Both ways round: NAME [out][in] and NAME_T [in][out]; nothing without the tensor. */
    void matrix(const string& name, const mlff_tensor* tensor, size_t base) {
        if (tensor == nullptr)
            return;
        begin(name, base);
        append(tensor);
        begin(name+"_T", base);
        appendTransposed(tensor);
    }
    void plain(const string& name, const mlff_tensor* tensor, size_t base) {
        if (tensor == nullptr)
            return;
        begin(name, base);
        append(tensor);
    }
};

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

void addArrays(ComputeKernel kernel, const vector<ComputeArray*>& arrays) {
    for (ComputeArray* array : arrays)
        kernel->addArg(*array);
}

} // namespace

std::unique_ptr<CommonNetwork> OpenMM::createCommonPaiNN(CommonDevice& device, CommonAtoms& atoms,
                                                         const mlff_model& model,
                                                         const mlff_settings&) {
    return std::unique_ptr<CommonNetwork>(new CommonPaiNN(device, atoms, model));
}

CommonPaiNN::CommonPaiNN(CommonDevice& device, CommonAtoms& atoms, const mlff_model& model) :
        device(device), atoms(atoms),
        painn(*static_cast<const mlff_painn*>(mlff_model_description(&model))),
        F(painn.n_features), L(painn.n_layers), sent(painn.context ? 3 : 1),
        channel(painn.update == MLFF_PAINN_CHANNEL), shape(chooseNodeShape()),
        messageLanes(std::min(roundUp(F, 32), 256)),
        messageGroups(std::min(4, 256/messageLanes)), pairs(nullptr), memory(0), filter(L),
        vMid(L), v(L), x(L), xHidden(L), pq(L), hidden(L), gate(L), messageKernels(L),
        messageBackwardKernels(L), nodeKernels(L), nodeBackwardKernels(L) {
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

int CommonPaiNN::getReadoutWidest() const {
    return *std::max_element(painn.readout_width, painn.readout_width+painn.n_readout);
}

/** As many rows a block as there are enough blocks and local memory for. */
CommonPaiNN::NodeShape CommonPaiNN::chooseNodeShape() const {
    NodeShape shape;
    shape.lanes = std::min(roundUp(F, 32), 256);
    shape.groups = (shape.lanes <= 128 ? 2 : 1);
    const bool two = (atoms.numAtoms > FEW_ROWS && !device.cc.getUseDoublePrecision());
    for (shape.quarters = (two ? 2 : 1); ; shape.quarters--) {
        shape.room = std::max(7*F, 3*F+2*getReadoutWidest())*shape.quarters;
        shape.join = (shape.groups > 1 ? 3*shape.quarters*shape.lanes : 1);
        const size_t bytes = ((size_t) shape.room+shape.join)*4*device.getRealSize();
        shape.wide = (bytes > LOCAL_BYTES);
        if (!shape.wide || shape.quarters == 1)
            return shape;
    }
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
    defines["TERMS"] = std::to_string(filters.numTerms);
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
    Packing packing = {{}, defines};
    for (int l = 0; l <= getBlock(L-1); l++) {
        const mlff_painn_layer& layer = painn.layer[l];
        const size_t base = packing.values.size();
        packing.matrix("CTX_W0", layer.ctx_w0, base);
        packing.plain("CTX_B0", layer.ctx_b0, base);
        packing.matrix("CTX_W1", layer.ctx_w1, base);
        packing.plain("CTX_B1", layer.ctx_b1, base);
        packing.matrix("MIX_V", layer.mix_v, base);
        packing.matrix("MIX_W", layer.mix_w, base);
        packing.plain("MIX_M", layer.mix_m, base);
        packing.matrix("UPD_W0", layer.upd_w0, base);
        packing.plain("UPD_B0", layer.upd_b0, base);
        packing.matrix("UPD_W1", layer.upd_w1, base);
        packing.plain("UPD_B1", layer.upd_b1, base);
        packing.begin("WEIGHTS", base);
    }
    uploadReal(weights, packing.values, "painnWeights");
    if (painn.context)
        defines["CONTEXT"] = "1";
    if (channel)
        defines["CHANNEL"] = "1";
    defines["NORM_EPS"] = device.literal(painn.norm_eps);
}

/** One step for each LANES outputs of a linear layer; see painnReadout(). */
static void planSteps(int inputs, int outputs, int lanes, size_t weights, size_t bias, int kept,
                      vector<int>& plan) {
    for (int first = 0; first < outputs; first += lanes)
        for (int word : {inputs, outputs, first, (int) weights, (int) bias, kept,
                         (int) (first+lanes >= outputs), 0})
            plan.push_back(word);
}

void CommonPaiNN::uploadReadout(KernelDefines& defines) {
    Packing packing = {{}, defines};
    vector<int> plan;
    vector<size_t> backward;
    int kept = 0;
    for (int k = 0; k < painn.n_readout; k++) {
        const int inputs = painn.readout_width[k], outputs = painn.readout_width[k+1];
        const bool last = (k == painn.n_readout-1);
        const size_t weights = packing.values.size(), bias = weights+(size_t) inputs*outputs;
        packing.appendTransposed(painn.readout_w[k]);
        packing.append(painn.readout_b[k]);
        backward.push_back(packing.values.size());
        packing.append(painn.readout_w[k]);
        planSteps(inputs, outputs, shape.lanes, weights, bias, last ? -1 : kept, plan);
        kept += (last ? 0 : outputs);
    }
    const size_t forwardWords = plan.size();
    for (int k = painn.n_readout-1, first = kept; k >= 0; k--) {
        const int inputs = painn.readout_width[k], outputs = painn.readout_width[k+1];
        first -= (k > 0 ? inputs : 0);
        planSteps(outputs, inputs, shape.lanes, backward[k], 0, k > 0 ? first : -1, plan);
    }
    uploadReal(readout, packing.values, "painnReadout");
    readoutPlan.initialize<int>(device.cc, plan.size(), "painnReadoutPlan");
    readoutPlan.upload(plan);
    defines["READOUT_STEPS"] = std::to_string(forwardWords/8);
    defines["READOUT_BACK_STEPS"] = std::to_string((plan.size()-forwardWords)/8);
    defines["READOUT_HIDDEN"] = std::to_string(kept);
    defines["READOUT_WIDEST"] = std::to_string(getReadoutWidest());
    initializeReal(readoutHidden, (size_t) atoms.numAtoms*kept, "painnReadoutHidden");
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
    for (int l = 0; l < L; l++) {
        if (l == 0 || !channel)
            initializeReal(vMid[l], 3*row, "painnVMid");
        if (channel && l < L-1)
            initializeReal(pq[l], 6*row, "painnPQ");
        initializeReal(hidden[l], row, "painnHidden");
        initializeReal(gate[l], 2*row, "painnGate");
        if (l > 0) {
            initializeReal(v[l], 3*row, "painnV");
            initializeReal(x[l], sent*row, "painnX");
            initializeReal(xHidden[l], painn.context ? row : 0, "painnXHidden");
        }
    }
    initializeReal(sentGradient, (channel ? 6 : sent+3)*row, "painnSentGradient");
    const int blocks = (atoms.numAtoms+4*shape.quarters-1)/(4*shape.quarters);
    initializeReal(scratch, shape.wide ? (size_t) blocks*shape.room*4 : 0, "painnScratch");

    species.initialize<int>(device.cc, std::max(atoms.numAtoms, 1), "painnSpecies");
    energies.initialize<unsigned long long>(device.cc, MLFF_N_COMPONENTS, "painnEnergies");
    energies.upload(vector<unsigned long long>(MLFF_N_COMPONENTS, 0));
    memory += species.getSize()*sizeof(int)+energies.getSize()*energies.getElementSize();
}

// ------------------------------------------------------------------------------ kernels

ComputeProgram CommonPaiNN::compileMessage(KernelDefines defines) {
    defines["LANES"] = std::to_string(messageLanes);
    defines["GROUPS"] = std::to_string(messageGroups);
    defines["BLOCK"] = std::to_string(messageLanes*messageGroups);
    defines["PAIRS"] = std::to_string(STAGED_PAIRS);
    defines["QUADS"] = std::to_string(STAGED_PAIRS/4);
    return device.compile({painnMessage_cc}, defines);
}

ComputeProgram CommonPaiNN::compileNode(KernelDefines defines) {
    defines["LANES"] = std::to_string(shape.lanes);
    defines["GROUPS"] = std::to_string(shape.groups);
    defines["BLOCK"] = std::to_string(shape.lanes*shape.groups);
    defines["QUARTERS"] = std::to_string(shape.quarters);
    defines["ROOM"] = std::to_string(shape.room);
    defines["JOIN"] = std::to_string(shape.join);
    if (shape.wide)
        defines["WIDE"] = "1";
    return device.compile({painnNode_cc}, defines);
}

void CommonPaiNN::bindMessage(ComputeProgram program, const CommonPairs& message) {
    // kernels only read them
    CommonPairs& m = const_cast<CommonPairs&>(message);
    ComputeArray& tableX = (painn.context ? firstX : embedding);
    for (int l = 0; l < L; l++) {
        const string suffix = (l == 0 ? "First" : "");
        ComputeKernel forward = program->createKernel("mlffPainnMessage"+suffix);
        ComputeKernel backward = program->createKernel("mlffPainnMessageBackward"+suffix);
        for (ComputeKernel kernel : {forward, backward})
            addArrays(kernel, {&m.count, &m.neighbor, &m.vector, &radial, &getFilter(l)});
        if (l == 0) {
            addArrays(forward, {&species, &embedding, &tableX, &s, &getVMid(l), &energies});
            forward->addArg((int) MLFF_N_COMPONENTS);
            addArrays(backward, {&species, &tableX, &s, &getGradV()});
        }
        else {
            addArrays(forward, {&x[l], &v[l], &s, &getVMid(l)});
            addArrays(backward, {&x[l], &v[l], &s, &getGradV(), &sentGradient});
        }
        addArrays(backward, {&atoms.force, &atoms.status});
        for (ComputeKernel kernel : {forward, backward}) {
            kernel->addArg(atoms.numAtoms);
            kernel->addArg(); // capacity
        }
        backward->addArg(); // scale
        messageKernels[l] = forward;
        messageBackwardKernels[l] = backward;
    }
}

void CommonPaiNN::bindNode(ComputeProgram program) {
    for (int l = 0; l < L-1; l++) {
        ComputeKernel forward = program->createKernel("mlffPainnNode");
        ComputeKernel backward = program->createKernel("mlffPainnNodeBackward");
        for (ComputeKernel kernel : {forward, backward}) {
            kernel->addArg(weights);
            kernel->addArg(getBlock(l));
            kernel->addArg(getBlock(l+1));
        }
        addArrays(forward, {&s, &getVMid(l), &getPQ(l), &hidden[l], &gate[l], &v[l+1],
                            &xHidden[l+1], &x[l+1], &scratch});
        addArrays(backward, {&getVMid(l), &getPQ(l), &hidden[l], &gate[l], &xHidden[l+1],
                             &sentGradient, &s, &getGradV(), &scratch});
        for (ComputeKernel kernel : {forward, backward})
            kernel->addArg(atoms.numAtoms);
        nodeKernels[l] = forward;
        nodeBackwardKernels[l] = backward;
    }
    ComputeKernel last = program->createKernel("mlffPainnNodeLast");
    last->addArg(weights);
    last->addArg(getBlock(L-1));
    addArrays(last, {&readoutPlan, &readout, &s, &getVMid(L-1), &getPQ(L-1), &hidden[L-1],
                     &gate[L-1], &readoutHidden, &energies, &atoms.status, &scratch});
    last->addArg(atoms.numAtoms);
    device.addReal(last, painn.energy_scale*painn.unit_to_ev);
    last->addArg(); // forces
    nodeKernels[L-1] = last;
}

void CommonPaiNN::initialize(const CommonPairs& message, const CommonPairs*) {
    pairs = &message;
    KernelDefines defines;
    defines["FEATURES"] = std::to_string(F);
    defines["SENT"] = std::to_string(sent);
    uploadFilters(defines);
    uploadWeights(defines);
    uploadReadout(defines);
    uploadSpeciesTables();
    allocate();
    updateParameters();
    bindMessage(compileMessage(defines), message);
    bindNode(compileNode(defines));
}

void CommonPaiNN::updateParameters() {
    if (atoms.numAtoms > 0)
        species.upload(atoms.species);
}

// ---------------------------------------------------------------------------- evaluation

void CommonPaiNN::execute(const CommonRequest& request) {
    const int n = atoms.numAtoms;
    if (n == 0)
        return;
    const int rows = 4*shape.quarters, nodeBlock = shape.lanes*shape.groups;
    const int nodeThreads = (n+rows-1)/rows*nodeBlock;
    const int messageBlock = messageLanes*messageGroups, messageThreads = n*messageBlock;
    const int capacityIndex[] = {13, 10}, backwardCapacityIndex[] = {12, 13};
    nodeKernels[L-1]->setArg(15, (int) request.forces);
    for (int l = 0; l < L; l++) {
        messageKernels[l]->setArg(capacityIndex[l > 0], pairs->capacity);
        messageKernels[l]->execute(messageThreads, messageBlock);
        nodeKernels[l]->execute(nodeThreads, nodeBlock);
    }
    if (!request.forces)
        return;
    const double scale = request.weight*painn.energy_scale*painn.unit_to_ev;
    for (int l = L-1; l >= 0; l--) {
        const int capacity = backwardCapacityIndex[l > 0];
        messageBackwardKernels[l]->setArg(capacity, pairs->capacity);
        device.setReal(messageBackwardKernels[l], capacity+1, scale);
        messageBackwardKernels[l]->execute(messageThreads, messageBlock);
        if (l > 0)
            nodeBackwardKernels[l-1]->execute(nodeThreads, nodeBlock);
    }
}

bool CommonPaiNN::canBeRepeated(bool& boxMatters, string&) const {
    boxMatters = false;
    return true;
}
