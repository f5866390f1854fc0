#include "CommonMLFFKernel.h"
#include "internal/MLFFPlugin.h"
#include "openmm/internal/ContextImpl.h"
#include "openmm/opencl/OpenCLContext.h"
#include "openmm/opencl/OpenCLPlatform.h"
#include <memory>

using namespace OpenMM;
using std::string;

// With several devices the force is computed on the first.
static KernelImpl* createKernel(const string& name, const Platform& platform,
                                ContextImpl& context) {
    auto* data = static_cast<OpenCLPlatform::PlatformData*>(context.getPlatformData());
    return new CommonCalcMLFFForceKernel(name, platform,
                                         std::make_unique<CommonDevice>(*data->contexts[0]));
}

MLFF_PLUGIN("OpenCL", createKernel)
