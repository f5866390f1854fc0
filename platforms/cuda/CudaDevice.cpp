#include "CudaDevice.h"
#include "CudaGraph.h"
#include "tensor.cu.h"
#include "tensorRows.cu.h"
#include "tensorTile.cu.h"
#include "openmm/OpenMMException.h"
#include "openmm/common/ContextSelector.h"
#include "openmm/cuda/CudaProgram.h"
#include <cstdlib>
#include <cstring>

namespace OpenMM {

// Part of OpenMM's CUDA platform, without a header there: operators and functions of the vector
// types, which OpenCL has built in.
class CudaKernelSources {
public:
    static const std::string vectorOps;
};

} // namespace OpenMM

using namespace OpenMM;
using std::string;

// In place of OpenMM's --use_fast_math.
static const char* const COMPILER_FLAGS =
    "--fmad=true --ftz=false --prec-div=true --prec-sqrt=true";

// An experiment until a card has shown what it gains: MLFF_PROGRAMMATIC_EDGES=1, see
// docs/profiling.md.
static bool wantsProgrammatic(CudaContext& cu) {
    const char* wanted = std::getenv("MLFF_PROGRAMMATIC_EDGES");
    return wanted != nullptr && string(wanted) == "1" && cu.getComputeCapability() >= 9.0;
}

CudaDevice::CudaDevice(CudaContext& cu) : CommonDevice(cu), cu(cu),
        programmatic(wantsProgrammatic(cu)) {
}

CudaDevice::~CudaDevice() {
    ContextSelector selector(cu);
    recorder.reset();
}

std::unique_ptr<CommonGraph> CudaDevice::record(const std::function<void()>& queue,
                                                std::unique_ptr<CommonGraph> replaced,
                                                string& whyNot) {
    std::unique_ptr<CudaGraph> graph(static_cast<CudaGraph*>(replaced.release()));
    try {
        if (!recorder)
            recorder = cu.createQueue();
        if (!graph)
            graph.reset(new CudaGraph(cu, programmatic));
        graph->record(recorder, queue);
    }
    catch (const std::exception& e) {
        whyNot = e.what();
        return nullptr;
    }
    return graph;
}

// Kernels that let the next one start and wait for the end of the one before, first of all.
static string addWaits(const string& text) {
    const string wait = "asm volatile(\"griddepcontrol.launch_dependents;\");"
                        "asm volatile(\"griddepcontrol.wait;\" ::: \"memory\");";
    string all;
    size_t done = 0;
    for (size_t kernel; (kernel = text.find("\nKERNEL ", done)) != string::npos;) {
        const size_t body = text.find('{', kernel)+1;
        all += text.substr(done, body-done)+wait;
        done = body;
    }
    return all+text.substr(done);
}

ComputeProgram CudaDevice::compileText(const string& text, const KernelDefines& defines) {
    const CUmodule module = cu.createModule(
            CudaKernelSources::vectorOps+(programmatic ? addWaits(text) : text), defines,
            COMPILER_FLAGS);
    return std::make_shared<CudaProgram>(cu, module);
}

const CommonTensorTexts* CudaDevice::getTensorTexts() const {
    static const CommonTensorTexts texts = {tensor_cu, tensorTile_cu, tensorRows_cu};
    return cu.getComputeCapability() >= 8.0 ? &texts : nullptr;
}

std::shared_ptr<void> CudaDevice::allocateStaging(size_t bytes) {
    ContextSelector selector(cu);
    void* memory = nullptr;
    const CUresult result = cuMemHostAlloc(&memory, bytes > 0 ? bytes : 1, 0);
    if (result != CUDA_SUCCESS)
        throw OpenMMException("MLFFForce: no page-locked memory of "+std::to_string(bytes)+
                              " bytes: "+CudaContext::getErrorString(result));
    std::memset(memory, 0, bytes);
    CudaContext& owner = cu;
    return std::shared_ptr<void>(memory, [&owner](void* staging) {
        ContextSelector selector(owner);
        cuMemFreeHost(staging);
    });
}
