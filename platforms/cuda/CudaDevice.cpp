#include "CudaDevice.h"
#include "tensorTile.cu.h"
#include "openmm/OpenMMException.h"
#include "openmm/common/ContextSelector.h"
#include "openmm/cuda/CudaProgram.h"
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

CudaDevice::CudaDevice(CudaContext& cu) : CommonDevice(cu), cu(cu) {
}

ComputeProgram CudaDevice::compileText(const string& text, const KernelDefines& defines) {
    const CUmodule module = cu.createModule(CudaKernelSources::vectorOps+text, defines,
                                            COMPILER_FLAGS);
    return std::make_shared<CudaProgram>(cu, module);
}

const char* CudaDevice::getTensorText() const {
    return cu.getComputeCapability() >= 8.0 ? tensorTile_cu : nullptr;
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
