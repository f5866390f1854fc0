#include "CommonMLFFKernel.h"
#include "CudaDevice.h"
#include "internal/MLFFPlugin.h"
#include "openmm/cuda/CudaPlatform.h"
#include "openmm/internal/ContextImpl.h"
#include <memory>

using namespace OpenMM;
using std::string;

// With several devices the force is computed on the first.
static KernelImpl* createKernel(const string& name, const Platform& platform,
                                ContextImpl& context) {
    auto* data = static_cast<CudaPlatform::PlatformData*>(context.getPlatformData());
    return new CommonCalcMLFFForceKernel(name, platform,
                                         std::make_unique<CudaDevice>(*data->contexts[0]));
}

MLFF_PLUGIN("CUDA", createKernel)
