#include "CommonAIMNet2.h"
#include "internal/MLFFException.h"
#include "aimnet2.cc.h"
#include "aimnet2Conv.cc.h"
#include "aimnet2Dense.cc.h"
#include "openmm/OpenMMException.h"
#include <algorithm>
#include <cmath>
#include <string>

using namespace OpenMM;
using std::string;
using std::to_string;
using std::vector;

static const double PI = 3.14159265358979323846;

std::unique_ptr<CommonNetwork> OpenMM::createCommonAIMNet2(CommonDevice& device,
                                                           CommonAtoms& atoms,
                                                           const mlff_model& model,
                                                           const mlff_settings& settings) {
    return std::make_unique<CommonAIMNet2>(device, atoms, model, settings);
}

static int divideUp(int a, int b) {
    return (a+b-1)/b;
}

// --------------------------------------------------------------------------------- shape

/**
 * How the blocks of the convolution share the work, for any size of the model.
 */
struct CommonAIMNet2::Shape {
    static const int REVERSE_THREADS = 256, LANES = 32, COMBINE_STAGED = 256;
    int convThreads;        // threads of a block, forward
    int convPairs;          // pairs in local memory, forward
    int rounds, roundChannels;
    int chargeColumns;      // columns of the charges in a round
    int parts;              // threads that share such a column
    int reversePairs;       // pairs in local memory, reverse
    int chunks, laneColumns;
    Shape(int A, int G, int Q, bool first) {
        const int columns = first ? G*A : G*(A+Q);
        convThreads = std::min(256, divideUp(G*A, 64)*64);
        convPairs = std::max(1, std::min(32, 512/G));
        roundChannels = std::min(A, convThreads/G);
        chargeColumns = std::min(G*Q, convThreads);
        rounds = divideUp(A, roundChannels);
        if (!first)
            rounds = std::max(rounds, divideUp(G*Q, chargeColumns));
        parts = convThreads/chargeColumns;
        reversePairs = std::max(1, std::min(16, 512/G));
        // a thread holds its columns in registers: ten at most
        const int perLane = divideUp(columns, LANES);
        chunks = divideUp(perLane, 10);
        laneColumns = divideUp(perLane, chunks);
    }
};

// ----------------------------------------------------------------------------- construct

CommonAIMNet2::CommonAIMNet2(CommonDevice& device, CommonAtoms& atoms, const mlff_model& file,
                             const mlff_settings& settings) :
        CommonNetwork(file), device(device), atoms(atoms),
        model(*static_cast<const mlff_aimnet2*>(mlff_model_description(&file))),
        A(model.n_features), G(model.n_radial), C(model.n_combinations), Q(model.n_charges),
        matrixMode(device.getMatrixMode()),
        message(nullptr), keep(true), capacity(-1), weight(NAN) {
    inputStride = hiddenStride = 0;
    mlff_error err;
    checkMLFFStatus(mlff_longrange_resolve(&model.longrange, &settings, atoms.periodic, &choices,
                                           &err), err);
    const bool coulomb = choices.coulomb != MLFF_COULOMB_NONE ||
                         choices.model.short_range_radius > 0;
    if (coulomb || choices.dispersion)
        longRange = std::make_unique<CommonLongRange>(device, atoms, choices);
}

double CommonAIMNet2::getMessageRange() const {
    return model.cutoff;
}

double CommonAIMNet2::getLongRange() const {
    return longRange ? longRange->getRange() : 0;
}

// Kernels count words of an array in an int.
void CommonAIMNet2::checkSize() const {
    const int widest = std::max({inputStride, hiddenStride, 4*G*(A+Q), 3*C*(A+Q)});
    if ((double) atoms.numAtoms*widest > 2147483647.0)
        throw OpenMMException("MLFFForce: "+to_string(atoms.numAtoms)+" atoms are too many for "
                              "this AIMNet2 model on this platform: expected at most "+
                              to_string(2147483647/widest));
}

template <class T>
void CommonAIMNet2::createArray(ComputeArray& array, size_t size, const char* name) {
    array.initialize<T>(device.cc, std::max(size, (size_t) 1), name);
    arrays.push_back(&array);
}

void CommonAIMNet2::createReal(ComputeArray& array, size_t size, const char* name) {
    device.initializeReal(array, size, name);
    arrays.push_back(&array);
}

// -------------------------------------------------------------------------------- layers

// Place in the file's input of a pass of each of ours: there the Gaussian comes last.
vector<int> CommonAIMNet2::getInputOrder(int pass) const {
    vector<int> order;
    const auto addGaussians = [&](int n) {
        const int start = (int) order.size();
        for (int g = 0; g < G; g++)
            for (int c = 0; c < n; c++)
                order.push_back(start+c*G+g);
    };
    const auto addPlain = [&](int n) {
        for (int k = 0; k < n; k++)
            order.push_back((int) order.size());
    };
    addGaussians(A);
    addGaussians(A);
    addPlain(A*C);
    if (pass > 0) {
        addPlain(Q);
        addGaussians(Q);
        addPlain(Q*C);
    }
    return order;
}

// The same for the output of passes 0 and 1, where the file has the charges first.
vector<int> CommonAIMNet2::getOutputOrder() const {
    vector<int> order;
    for (int g = 0; g < G; g++)
        for (int c = 0; c < A; c++)
            order.push_back(2*Q+c*G+g);
    for (int k = 0; k < 2*Q; k++)
        order.push_back(k);
    return order;
}

// pass: whose input and output the MLP has; -1 for the head.
void CommonAIMNet2::addLayers(Layers& layers, const mlff_aimnet2_mlp& mlp, int numLayers,
                              int pass) {
    for (int k = 0; k < numLayers; k++) {
        const bool last = k == mlp.n_linear-1;
        layers.push_back(std::make_unique<CommonDense>(
                device, *mlp.w[k], *mlp.b[k],
                k == 0 && pass >= 0 ? getInputOrder(pass) : vector<int>(),
                last && pass >= 0 && pass < LAST ? getOutputOrder() : vector<int>(),
                !last || !mlp.last_linear));
        CommonDense& layer = *layers.back();
        layer.allocateSlope(device, atoms.numAtoms);
        if (k == 0 && pass >= 0)
            inputStride = std::max(inputStride, CommonDense::getStride(layer.numIn));
        hiddenStride = std::max(hiddenStride, CommonDense::getStride(layer.numOut));
    }
}

void CommonAIMNet2::createLayers() {
    for (int t = 0; t < NUM_PASSES; t++)
        addLayers(passes[t].layers, model.pass[t], model.pass[t].n_linear, t);
    const mlff_aimnet2_mlp& head = model.head;
    const int last = head.n_linear-1;
    addLayers(passes[LAST].layers, head, last, -1);
    vector<double> weights(head.width[last]);
    mlff_tensor_to_double(head.w[last], weights.data());
    createReal(readout, weights.size(), "mlffReadout");
    createReal(readoutBias, 1, "mlffReadoutBias");
    device.uploadReal(readout, weights);
    device.uploadReal(readoutBias, {mlff_tensor_value(head.b[last], 0)});
}

// ---------------------------------------------------------------------------- the arrays

// [numTables][n][G][numInner] of the file as [numTables][G][n][numInner].
void CommonAIMNet2::uploadOrdered(ComputeArray& array, const mlff_tensor& tensor, int numTables,
                                  int numInner, const char* name) {
    const size_t size = (size_t) tensor.n_values, inner = (size_t) numInner;
    const size_t n = size/numTables/G/inner;
    vector<double> values(size), ordered(size);
    mlff_tensor_to_double(&tensor, values.data());
    for (size_t z = 0; z < (size_t) numTables; z++)
        for (size_t c = 0; c < n; c++)
            for (size_t g = 0; g < (size_t) G; g++)
                for (size_t h = 0; h < inner; h++)
                    ordered[((z*G+g)*n+c)*inner+h] = values[((z*n+c)*G+g)*inner+h];
    createReal(array, size, name);
    device.uploadReal(array, ordered);
}

// [n][G][C] of the file as [C][G][n].
static vector<double> transposed(const mlff_tensor& agh) {
    const size_t n = agh.shape[0], G = agh.shape[1], C = agh.shape[2];
    vector<double> values(n*G*C), out(n*G*C);
    mlff_tensor_to_double(&agh, values.data());
    for (size_t c = 0; c < n; c++)
        for (size_t g = 0; g < G; g++)
            for (size_t h = 0; h < C; h++)
                out[(h*G+g)*n+c] = values[(c*G+g)*C+h];
    return out;
}

void CommonAIMNet2::createConstants() {
    vector<double> values(G);
    mlff_tensor_to_double(model.shifts, values.data());
    createReal(shifts, G, "mlffShifts");
    device.uploadReal(shifts, values);
    uploadOrdered(passes[0].a, *model.afv, model.n_z, 1, "mlffElementFeatures");
    uploadOrdered(agh, *model.agh_a, 1, C, "mlffCombinations");
    uploadOrdered(aghQ, *model.agh_q, 1, C, "mlffChargeCombinations");
    createReal(aghT, (size_t) A*G*C, "mlffCombinationsT");
    createReal(aghQT, (size_t) Q*G*C, "mlffChargeCombinationsT");
    device.uploadReal(aghT, transposed(*model.agh_a));
    device.uploadReal(aghQT, transposed(*model.agh_q));
}

void CommonAIMNet2::createRows() {
    const size_t n = atoms.numAtoms;
    for (int t = 0; t < NUM_PASSES; t++) {
        Pass& pass = passes[t];
        createReal(pass.v, n*3*C*(t == 0 ? A : A+Q), "mlffVectors");
        if (t > 0) {
            createReal(pass.a, n*G*A, "mlffFeatures");
            createReal(pass.charge, n*Q, "mlffPassCharges");
        }
        if (t < LAST) {
            createReal(pass.state, n*2*Q, "mlffChargeState");
            createArray<long long>(pass.sums, (size_t) atoms.numRegions*3*Q, "mlffRegionSums");
        }
    }
    createReal(x, n*inputStride, "mlffPassInput");
    createReal(hidden[0], n*hiddenStride, "mlffHidden0");
    createReal(hidden[1], n*hiddenStride, "mlffHidden1");
    createReal(gradO, n*4*G*(A+Q), "mlffGradConvolution");
    createReal(gradA, n*G*A, "mlffGradFeatures");
    createReal(gradCharge, n*Q, "mlffGradCharge");
    createReal(charges, n, "mlffCharges");
    createReal(chargeGradient, n, "mlffChargeGradient");
    createArray<int>(species, n, "mlffSpecies");
    createReal(regionScale, atoms.numRegions, "mlffRegionScale");
    createArray<long long>(regionTotal, (size_t) atoms.numRegions*Q, "mlffRegionTotal");
    createArray<long long>(energies, MLFF_N_COMPONENTS, "mlffEnergies");
    energies.upload(vector<long long>(MLFF_N_COMPONENTS, 0));
    device.uploadReal(chargeGradient, vector<double>(chargeGradient.getSize(), 0));
}

// ------------------------------------------------------------------------------- kernels

KernelDefines CommonAIMNet2::getDefines() const {
    KernelDefines defines;
    defines["A"] = to_string(A);
    defines["G"] = to_string(G);
    defines["C"] = to_string(C);
    defines["Q"] = to_string(Q);
    defines["CHARGE_EPSILON"] = device.literal(model.charge_epsilon);
    return defines;
}

ComputeProgram CommonAIMNet2::compileConvolution(bool first) {
    const Shape shape(A, G, Q, first);
    KernelDefines defines = getDefines();
    if (first)
        defines["FIRST_PASS"] = "1";
    if (message->isOrdered())
        defines["ORDERED"] = "1";
    defines["ETA"] = device.literal(model.eta);
    defines["PI_PER_CUTOFF"] = device.literal(PI/model.cutoff);
    // exp(-WINDOW): a quarter of the rounding of 1, or less
    defines["WINDOW"] = device.literal(device.getRealSize() == sizeof(double) ? 40 : 18);
    defines["NUM_COMPONENTS"] = to_string((int) MLFF_N_COMPONENTS);
    defines["CONV_THREADS"] = to_string(shape.convThreads);
    defines["CONV_PAIRS"] = to_string(shape.convPairs);
    defines["ROUNDS"] = to_string(shape.rounds);
    defines["ROUND_CHANNELS"] = to_string(shape.roundChannels);
    defines["QCOLUMNS"] = to_string(shape.chargeColumns);
    defines["PARTS"] = to_string(shape.parts);
    defines["LANES"] = to_string((int) Shape::LANES);
    defines["REVERSE_THREADS"] = to_string((int) Shape::REVERSE_THREADS);
    defines["REVERSE_PAIRS"] = to_string(shape.reversePairs);
    defines["CHUNKS"] = to_string(shape.chunks);
    defines["LANE_COLUMNS"] = to_string(shape.laneColumns);
    defines["COMBINE_STAGED"] = to_string((int) Shape::COMBINE_STAGED);
    return device.compile({aimnet2_cc, aimnet2Conv_cc}, defines);
}

void CommonAIMNet2::initialize(const CommonPairs& message, const CommonPairs* longRangePairs) {
    this->message = &message;
    createLayers();
    checkSize();
    createConstants();
    createRows();

    CommonDenseKernels kernels(device, {aimnet2_cc, aimnet2Dense_cc}, getDefines());
    const ComputeProgram first = compileConvolution(true), others = compileConvolution(false);
    for (int t = 0; t < NUM_PASSES; t++) {
        addConvolution(t, t == 0 ? first : others, message);
        addForward(t, kernels);
    }
    for (int t = LAST; t >= 0; t--) {
        addReverse(t, kernels);
        addConvolutionReverse(t, t == 0 ? first : others, message);
    }
    uploadParameters();
    if (longRange)
        longRange->initialize(message, longRangePairs, charges, chargeGradient, energies);
}

static ArrayInterface& readOnly(const ComputeArray& array) {
    return const_cast<ComputeArray&>(array);
}

void CommonAIMNet2::addConvolution(int t, const ComputeProgram& program,
                                   const CommonPairs& message) {
    Pass& pass = passes[t];
    const Shape shape(A, G, Q, t == 0);
    ComputeKernel kernel = program->createKernel("mlffAimnet2Conv");
    kernel->addArg(atoms.numAtoms);
    kernel->addArg(message.capacity);
    kernel->addArg(1);      // 2: keep
    kernel->addArg(readOnly(message.count));
    kernel->addArg(readOnly(message.neighbor));
    kernel->addArg(readOnly(message.vector));
    if (message.isOrdered())
        kernel->addArg(readOnly(message.order));
    kernel->addArg(shifts);
    kernel->addArg(agh);
    kernel->addArg(pass.a);
    kernel->addArg(x);
    kernel->addArg(inputStride);
    kernel->addArg(pass.v);
    if (t == 0) {
        kernel->addArg(species);
        kernel->addArg(energies);
        kernel->addArg(passes[0].sums);
        kernel->addArg(passes[1].sums);
        kernel->addArg(atoms.numRegions*3*Q);
    }
    else {
        kernel->addArg(aghQ);
        kernel->addArg(passes[t-1].state);
        kernel->addArg(atoms.regionOfRow);
        kernel->addArg(regionScale);
        kernel->addArg(regionTotal);
        kernel->addArg(passes[t-1].sums);
        kernel->addArg(pass.charge);
        kernel->addArg(t == LAST ? 1 : 0);
        kernel->addArg(charges);
    }
    capacityArguments.push_back({kernel, 1});
    keepArguments.push_back({kernel, 2});
    forward.push_back({kernel, atoms.numAtoms*shape.convThreads, shape.convThreads});
}

// ------------------------------------------------------------------------ layers, forward

// A layer of any width, queued; the caller adds what is particular to the kernel.
CommonLaunch CommonAIMNet2::startForward(const char* name, CommonDenseKernels& kernels,
                                         CommonDense& layer, ComputeArray& in, int stride) {
    const CommonLaunch launch = kernels.create(name, atoms.numAtoms, layer.numOut);
    launch.kernel->addArg(atoms.numAtoms);
    launch.kernel->addArg(layer.numIn);
    launch.kernel->addArg(layer.numOut);
    launch.kernel->addArg(in);
    launch.kernel->addArg(stride);
    launch.kernel->addArg(layer.forward);
    launch.kernel->addArg(layer.bias);
    launch.kernel->addArg(layer.activate ? 1 : 0);
    launch.kernel->addArg(1);           // 8: keep
    keepArguments.push_back({launch.kernel, 8});
    forward.push_back(launch);
    return launch;
}

void CommonAIMNet2::addForward(int t, CommonDenseKernels& kernels) {
    Layers& layers = passes[t].layers;
    ComputeArray* in = &x;
    int stride = inputStride;
    for (size_t k = 0; k+1 < layers.size(); k++) {
        CommonDense& layer = *layers[k];
        ComputeArray& out = hidden[k%2];
        const CommonLaunch launch = startForward("mlffDenseForward", kernels, layer, *in, stride);
        launch.kernel->addArg(out);
        launch.kernel->addArg(hiddenStride);
        launch.kernel->addArg(layer.slope);
        launch.kernel->addArg(CommonDense::getStride(layer.numOut));
        launch.kernel->addArg(atoms.status);
        in = &out;
        stride = hiddenStride;
    }
    if (t < LAST)
        addUpdate(t, kernels, *layers.back(), *in, stride);
    else
        addReadout(kernels, *layers.back(), *in, stride);
}

void CommonAIMNet2::addUpdate(int t, CommonDenseKernels& kernels, CommonDense& layer,
                              ComputeArray& in, int stride) {
    Pass& pass = passes[t];
    const CommonLaunch launch = kernels.create("mlffAimnet2Update", atoms.numAtoms, layer.numOut);
    launch.kernel->addArg(atoms.numAtoms);
    launch.kernel->addArg(layer.numIn);
    launch.kernel->addArg(in);
    launch.kernel->addArg(stride);
    launch.kernel->addArg(layer.forward);
    launch.kernel->addArg(layer.bias);
    launch.kernel->addArg(layer.activate ? 1 : 0);
    launch.kernel->addArg(1);           // 7: keep
    launch.kernel->addArg(layer.slope);
    launch.kernel->addArg(CommonDense::getStride(layer.numOut));
    launch.kernel->addArg(pass.a);
    launch.kernel->addArg(t == 0 ? 1 : 0);
    launch.kernel->addArg(species);
    launch.kernel->addArg(t == 0 ? charges : pass.charge);
    launch.kernel->addArg(t == 0 ? 0 : 1);
    launch.kernel->addArg(passes[t+1].a);
    launch.kernel->addArg(pass.state);
    launch.kernel->addArg(atoms.regionOfRow);
    launch.kernel->addArg(regionScale);
    launch.kernel->addArg(pass.sums);
    launch.kernel->addArg(atoms.status);
    keepArguments.push_back({launch.kernel, 7});
    forward.push_back(launch);
}

void CommonAIMNet2::addReadout(CommonDenseKernels& kernels, CommonDense& layer, ComputeArray& in,
                               int stride) {
    const CommonLaunch launch = startForward("mlffAimnet2Readout", kernels, layer, in, stride);
    launch.kernel->addArg(layer.slope);
    launch.kernel->addArg(CommonDense::getStride(layer.numOut));
    launch.kernel->addArg(readout);
    launch.kernel->addArg(readoutBias);
    launch.kernel->addArg(energies);    // its first word is MLFF_NETWORK
    launch.kernel->addArg(atoms.status);
}

// ------------------------------------------------------------------------ layers, reverse

// Down to the gradient of the pass' input, in x. Pass 0 has no use for that of its features.
void CommonAIMNet2::addReverse(int t, CommonDenseKernels& kernels) {
    Layers& layers = passes[t].layers;
    ComputeArray* grad = &readout;      // the same row for every atom
    int stride = 0;
    for (int k = (int) layers.size()-1; k >= 0; k--) {
        CommonDense& layer = *layers[k];
        ComputeArray& out = k == 0 ? x : hidden[k%2];
        const int outStride = k == 0 ? inputStride : hiddenStride;
        const int firstColumn = t == 0 && k == 0 ? G*A : 0;
        if (t < LAST && k == (int) layers.size()-1)
            addUpdateReverse(t, kernels, layer, out, outStride);
        else {
            const CommonLaunch launch = kernels.create("mlffDenseReverse", atoms.numAtoms,
                                                       layer.numIn-firstColumn);
            launch.kernel->addArg(atoms.numAtoms);
            launch.kernel->addArg(layer.numIn);
            launch.kernel->addArg(layer.numOut);
            launch.kernel->addArg(firstColumn);
            launch.kernel->addArg(*grad);
            launch.kernel->addArg(stride);
            launch.kernel->addArg(layer.activate ? 1 : 0);
            launch.kernel->addArg(layer.slope);
            launch.kernel->addArg(CommonDense::getStride(layer.numOut));
            launch.kernel->addArg(layer.reverse);
            launch.kernel->addArg(out);
            launch.kernel->addArg(outStride);
            launch.kernel->addArg(atoms.status);
            reverse.push_back(launch);
        }
        grad = &out;
        stride = outStride;
    }
}

void CommonAIMNet2::addUpdateReverse(int t, CommonDenseKernels& kernels, CommonDense& layer,
                                     ComputeArray& gradX, int stride) {
    Pass& pass = passes[t];
    const int firstColumn = t == 0 && pass.layers.size() == 1 ? G*A : 0;
    const CommonLaunch launch = kernels.create("mlffAimnet2UpdateReverse", atoms.numAtoms,
                                               layer.numIn-firstColumn);
    launch.kernel->addArg(atoms.numAtoms);
    launch.kernel->addArg(layer.numIn);
    launch.kernel->addArg(firstColumn);
    launch.kernel->addArg(gradA);
    launch.kernel->addArg(gradCharge);
    launch.kernel->addArg(layer.activate ? 1 : 0);
    launch.kernel->addArg(layer.slope);
    launch.kernel->addArg(CommonDense::getStride(layer.numOut));
    launch.kernel->addArg(layer.reverse);
    launch.kernel->addArg(gradX);
    launch.kernel->addArg(stride);
    launch.kernel->addArg(pass.state);
    launch.kernel->addArg(atoms.regionOfRow);
    launch.kernel->addArg(regionScale);
    launch.kernel->addArg(regionTotal);
    launch.kernel->addArg(pass.sums);
    launch.kernel->addArg(atoms.status);
    reverse.push_back(launch);
}

void CommonAIMNet2::addConvolutionReverse(int t, const ComputeProgram& program,
                                          const CommonPairs& message) {
    Pass& pass = passes[t];
    const int threads = Shape::REVERSE_THREADS;
    if (t > 0) {
        ComputeKernel combine = program->createKernel("mlffAimnet2Combine");
        combine->addArg(atoms.numAtoms);
        combine->addArg(aghT);
        combine->addArg(aghQT);
        combine->addArg(x);
        combine->addArg(inputStride);
        combine->addArg(pass.v);
        combine->addArg(gradO);
        reverse.push_back({combine, atoms.numAtoms*threads, threads});
    }
    ComputeKernel kernel = program->createKernel("mlffAimnet2ConvReverse");
    kernel->addArg(atoms.numAtoms);
    kernel->addArg(message.capacity);
    device.addReal(kernel, 1);      // 2: weight
    kernel->addArg(readOnly(message.count));
    kernel->addArg(readOnly(message.neighbor));
    kernel->addArg(readOnly(message.vector));
    if (message.isOrdered())
        kernel->addArg(readOnly(message.order));
    kernel->addArg(shifts);
    kernel->addArg(pass.a);
    kernel->addArg(x);
    kernel->addArg(inputStride);
    kernel->addArg(atoms.force);
    kernel->addArg(atoms.status);
    if (t == 0) {
        kernel->addArg(species);
        kernel->addArg(aghT);
        kernel->addArg(pass.v);
        kernel->addArg(gradO);
    }
    else {
        kernel->addArg(gradO);
        kernel->addArg(pass.charge);
        kernel->addArg(gradA);
        kernel->addArg(gradCharge);
        kernel->addArg(t == LAST ? 1 : 0);
        kernel->addArg(chargeGradient);
        kernel->addArg(passes[t-1].state);
        kernel->addArg(atoms.regionOfRow);
        kernel->addArg(regionScale);
        kernel->addArg(passes[t-1].sums);
        kernel->addArg(passes[t == LAST ? 0 : t].sums);     // not read in the last pass
    }
    capacityArguments.push_back({kernel, 1});
    weightArguments.push_back({kernel, 2});
    reverse.push_back({kernel, atoms.numAtoms*threads, threads});
}

// ---------------------------------------------------------------------------- parameters

// Steps to the unit of the fixed-point sums over a region of n atoms: 2^42/n, rounded to a power of
// two. Each atom may hold up to REGION_LIMIT = 2^20 without overflow. Half a step is what an atom's
// share can be off: 1e-13 for one atom; for n atoms about sqrt(n)/2 steps are shared by all.
static double getRegionScale(int numAtoms) {
    int log2 = 0;
    while ((1LL << log2) < numAtoms)
        log2++;
    return std::ldexp(1.0, 42-log2);
}

void CommonAIMNet2::uploadParameters() {
    vector<int> elements = atoms.species;
    elements.resize(species.getSize(), 1);
    species.upload(elements);
    vector<double> scales(atoms.numRegions);
    vector<long long> totals;
    for (int m = 0; m < atoms.numRegions; m++) {
        scales[m] = getRegionScale(atoms.regionFirst[m+1]-atoms.regionFirst[m]);
        const double charge = atoms.totalCharge[m], unpaired = atoms.multiplicity[m]-1;
        for (int k = 0; k < Q; k++) {
            const double total = Q == 1 ? charge : 0.5*(k == 0 ? charge+unpaired : charge-unpaired);
            totals.push_back(std::llround(total*scales[m]));
        }
    }
    device.uploadReal(regionScale, scales);
    if (!totals.empty())
        regionTotal.upload(totals);
}

void CommonAIMNet2::updateParameters() {
    uploadParameters();
    if (longRange)
        longRange->updateParameters();
}

// ------------------------------------------------------------------------------- execute

void CommonAIMNet2::setRequest(const CommonRequest& request) {
    if (request.forces != keep)
        for (auto& argument : keepArguments)
            argument.first->setArg(argument.second, request.forces ? 1 : 0);
    if (message->capacity != capacity)
        for (auto& argument : capacityArguments)
            argument.first->setArg(argument.second, message->capacity);
    if (request.weight != weight)
        for (auto& argument : weightArguments)
            device.setReal(argument.first, argument.second, request.weight);
    keep = request.forces;
    capacity = message->capacity;
    weight = request.weight;
}

void CommonAIMNet2::execute(const CommonRequest& request) {
    if (atoms.numAtoms == 0)
        return;
    setRequest(request);
    for (const CommonLaunch& launch : forward)
        launch.execute();
    if (longRange)
        longRange->execute(request);
    if (!request.forces)
        return;
    for (const CommonLaunch& launch : reverse)
        launch.execute();
}

bool CommonAIMNet2::canBeRepeated(bool& boxMatters, string& whyNot) const {
    boxMatters = false;
    return !longRange || longRange->canBeRepeated(boxMatters, whyNot);
}

CommonDevice::MatrixMode CommonAIMNet2::getMatrixMode() const {
    return matrixMode;
}

// --------------------------------------------------------------------------------- about

ComputeArray& CommonAIMNet2::getEnergies() {
    return energies;
}

double CommonAIMNet2::getElementEnergy() const {
    double sum = 0;
    for (int z : atoms.species)
        sum += mlff_tensor_value(model.atomic_shift, z);
    return sum;
}

ComputeArray* CommonAIMNet2::getCharges() {
    return &charges;
}

size_t CommonAIMNet2::getMemory() const {
    size_t size = longRange ? longRange->getMemory() : 0;
    for (const ComputeArray* array : arrays)
        size += array->getSize()*array->getElementSize();
    for (const Pass& pass : passes)
        for (const auto& layer : pass.layers)
            size += layer->getMemory();
    return size;
}
