#include "CommonDense.h"
#include "CommonTensor.h"
#include "dense.cc.h"
#include "denseTile.cc.h"
#include <cmath>

using namespace OpenMM;
using std::string;
using std::vector;

// ------------------------------------------------------------------------------- weights

CommonDense::CommonDense(CommonDevice& device, const mlff_tensor& weight, const mlff_tensor& bias,
                         const vector<int>& inOrder, const vector<int>& outOrder, bool activate) :
        numIn((int) weight.shape[1]), numOut((int) weight.shape[0]), activate(activate) {
    const size_t size = (size_t) numIn*numOut;
    vector<double> values(size), w(size), wT(size), b(numOut);
    mlff_tensor_to_double(&weight, values.data());
    for (int o = 0; o < numOut; o++) {
        const int from = outOrder.empty() ? o : outOrder[o];
        b[o] = mlff_tensor_value(&bias, from);
        for (int i = 0; i < numIn; i++) {
            const double value = values[(size_t) from*numIn+(inOrder.empty() ? i : inOrder[i])];
            w[(size_t) o*numIn+i] = value;
            wT[(size_t) i*numOut+o] = value;
        }
    }
    uploadWeights(device, w, wT);
    device.initializeReal(this->bias, numOut, "mlffDenseBias");
    device.uploadReal(this->bias, b);
}

static void uploadPacked(CommonDevice& device, ComputeArray& array, const vector<double>& values,
                         int numColumns, int numTerms, const string& name) {
    const bool pairs = device.getMatrixMode() == CommonDevice::HalfPairs;
    const vector<unsigned int> packed = CommonTensor::pack(values, numColumns, numTerms, pairs);
    array.initialize<unsigned int>(device.cc, packed.size(), name);
    array.upload(packed);
}

void CommonDense::uploadWeights(CommonDevice& device, const vector<double>& w,
                                const vector<double>& wT) {
    if (device.getMatrixMode() == CommonDevice::Float) {
        device.initializeReal(forward, wT.size(), "mlffDenseForward");
        device.initializeReal(reverse, w.size(), "mlffDenseReverse");
        device.uploadReal(forward, wT);
        device.uploadReal(reverse, w);
    }
    else {
        uploadPacked(device, forward, w, numOut, numIn, "mlffDenseForward");
        uploadPacked(device, reverse, wT, numIn, numOut, "mlffDenseReverse");
    }
}

void CommonDense::allocateSlope(CommonDevice& device, int numRows) {
    const size_t size = activate ? (size_t) numRows*getStride(numOut) : 1;
    device.initializeReal(slope, size, "mlffDenseSlope");
}

size_t CommonDense::getMemory() const {
    size_t size = 0;
    for (const ComputeArray* array : {&forward, &reverse, &bias, &slope})
        if (array->isInitialized())
            size += array->getSize()*array->getElementSize();
    return size;
}

// ------------------------------------------------------------------------------- kernels

// In order of preference. All take 256 threads and about 4,500 words of local memory, of which the
// terms of one round fetch the same amount: small tiles are for few rows, where a round's way to
// memory and back is what takes time, so they take many terms in each.
const vector<CommonDenseKernels::Tile> CommonDenseKernels::TILES = {
    {64, 64, 32}, {32, 32, 64}, {16, 16, 128}};
// Likewise; the depth follows from the rest (tensorTile.cu). The largest takes 9,216 words.
const vector<CommonDenseKernels::Tile> CommonDenseKernels::TENSOR_TILES = {
    {128, 64, 0}, {64, 64, 0}, {32, 64, 0}, {16, 32, 0}, {16, 16, 0}};
static const int THREADS = 256;

CommonDenseKernels::CommonDenseKernels(CommonDevice& device, const vector<const char*>& texts,
                                       const KernelDefines& defines) :
        device(device),
        mode(device.getMatrixMode()),
        tiles(mode == CommonDevice::Float ? TILES : TENSOR_TILES), texts(texts), defines(defines) {
    const bool onTensorCores = mode != CommonDevice::Float;
    vector<const char*> first = {denseTile_cc, dense_cc};
    if (onTensorCores) {
        first = {device.getTensorTexts()->base, device.getTensorTexts()->tile, dense_cc};
        this->defines["TENSOR_PAIRS"] = mode == CommonDevice::HalfPairs ? "1" : "0";
    }
    this->texts.insert(this->texts.begin(), first.begin(), first.end());
    this->defines["DENSE_THREADS"] = std::to_string(THREADS);
    this->defines["SQRT_HALF"] = device.literal(std::sqrt(0.5));
    this->defines["INV_SQRT_2PI"] = device.literal(0.39894228040143267794);
}

int CommonDenseKernels::Tile::getNumBlocks(int numRows, int numColumns) const {
    return (numRows+rows-1)/rows*((numColumns+columns-1)/columns);
}

int CommonDenseKernels::chooseTile(int numRows, int numColumns) const {
    // OpenMM's launches have six blocks for each multiprocessor
    const int numMultiprocessors = (device.cc.getNumThreadBlocks()+5)/6;
    const int last = (int) tiles.size()-1;
    for (int k = 0; k < last; k++)
        if (numRows > tiles[k+1].rows &&
                tiles[k].getNumBlocks(numRows, numColumns) >= numMultiprocessors)
            return k;
    return last;
}

CommonLaunch CommonDenseKernels::create(const string& name, int numRows, int numColumns) {
    const int k = chooseTile(numRows, numColumns);
    const Tile& tile = tiles[k];
    if (programs.find(k) == programs.end()) {
        KernelDefines all = defines;
        all["TILE_ROWS"] = std::to_string(tile.rows);
        all["TILE_COLUMNS"] = std::to_string(tile.columns);
        if (tile.depth > 0)
            all["TILE_DEPTH"] = std::to_string(tile.depth);
        programs[k] = device.compile(texts, all);
    }
    return {programs[k]->createKernel(name), tile.getNumBlocks(numRows, numColumns)*THREADS,
            THREADS};
}
