#include "CommonDevice.h"
#include "support.cc.h"
#include <cstdlib>
#include <new>

using namespace OpenMM;
using std::string;
using std::vector;

CommonDevice::CommonDevice(ComputeContext& cc) : matrixMode(Float), cc(cc) {
}

CommonDevice::~CommonDevice() {
}

ComputeProgram CommonDevice::compile(const vector<const char*>& texts,
                                     const KernelDefines& defines) {
    string all = support_cc;
    for (const char* text : texts)
        all += text;
    KernelDefines known = defines;
    if (cc.getSupportsDoublePrecision())
        known["EXACT_DOUBLE"] = "1";
    return compileText(all, known);
}

ComputeProgram CommonDevice::compileText(const string& text, const KernelDefines& defines) {
    return cc.compileProgram(text, defines);
}

// ------------------------------------------------------------------------------ matrices

const CommonTensorTexts* CommonDevice::getTensorTexts() const {
    return nullptr;
}

CommonDevice::MatrixMode CommonDevice::getMatrixMode() const {
    const bool possible = !cc.getUseDoublePrecision() && getTensorTexts() != nullptr;
    return possible ? matrixMode : Float;
}

string CommonDevice::getMatrixRefusal() const {
    if (getMatrixMode() == matrixMode)
        return "";
    if (cc.getUseDoublePrecision())
        return "double precision does not use tensor cores";
    return "tensor cores are used on CUDA devices of compute capability 8.0 or more only";
}

std::shared_ptr<void> CommonDevice::allocateStaging(size_t bytes) {
    void* memory = std::calloc(1, bytes);
    if (memory == nullptr)
        throw std::bad_alloc();
    return std::shared_ptr<void>(memory, std::free);
}

std::unique_ptr<CommonGraph> CommonDevice::record(const std::function<void()>&,
                                                  std::unique_ptr<CommonGraph>, string& whyNot) {
    whyNot = "this platform has none";
    return nullptr;
}

// ------------------------------------------------------------------- reals of either kind

int CommonDevice::getRealSize() const {
    return cc.getUseDoublePrecision() ? sizeof(double) : sizeof(float);
}

int CommonDevice::getExactSize() const {
    return cc.getSupportsDoublePrecision() ? sizeof(double) : sizeof(float);
}

void CommonDevice::initializeReal(ComputeArray& array, size_t size, const string& name) const {
    array.initialize(cc, size > 0 ? size : 1, getRealSize(), name);
}

void CommonDevice::uploadReal(ComputeArray& array, const vector<double>& values) const {
    if (!values.empty())
        array.upload(values, true);
}

void CommonDevice::downloadReal(const ComputeArray& array, vector<double>& values) const {
    array.download(values, true);
}

static void addNumber(ComputeKernel kernel, double value, bool isDouble) {
    if (isDouble)
        kernel->addArg(value);
    else
        kernel->addArg((float) value);
}

static void setNumber(ComputeKernel kernel, int index, double value, bool isDouble) {
    if (isDouble)
        kernel->setArg(index, value);
    else
        kernel->setArg(index, (float) value);
}

void CommonDevice::addReal(ComputeKernel kernel, double value) const {
    addNumber(kernel, value, cc.getUseDoublePrecision());
}

void CommonDevice::setReal(ComputeKernel kernel, int index, double value) const {
    setNumber(kernel, index, value, cc.getUseDoublePrecision());
}

void CommonDevice::setMixed(ComputeKernel kernel, int index, double value) const {
    setNumber(kernel, index, value, cc.getUseDoublePrecision() || cc.getUseMixedPrecision());
}

void CommonDevice::addExact(ComputeKernel kernel, double value) const {
    addNumber(kernel, value, cc.getSupportsDoublePrecision());
}

void CommonDevice::setExact(ComputeKernel kernel, int index, double value) const {
    setNumber(kernel, index, value, cc.getSupportsDoublePrecision());
}

void CommonDevice::setExact4(ComputeKernel kernel, int index, const Vec3& v, double w) const {
    if (cc.getSupportsDoublePrecision())
        kernel->setArg(index, mm_double4(v[0], v[1], v[2], w));
    else
        kernel->setArg(index, mm_float4((float) v[0], (float) v[1], (float) v[2], (float) w));
}

string CommonDevice::literal(double value) const {
    return cc.doubleToString(value);
}
