#include "CommonMLFFKernel.h"
#include "openmm/KernelFactory.h"
#include "openmm/OpenMMException.h"
#include "openmm/internal/ContextImpl.h"
#include "openmm/opencl/OpenCLContext.h"
#include "openmm/opencl/OpenCLPlatform.h"
#include "openmm/PluginInitializer.h"
#include <memory>

using namespace OpenMM;

namespace {

class OpenCLMLFFKernelFactory : public KernelFactory {
public:
    // With several devices the force is computed on the first.
    KernelImpl* createKernelImpl(std::string name, const Platform& platform,
                                 ContextImpl& context) const {
        auto* data = static_cast<OpenCLPlatform::PlatformData*>(context.getPlatformData());
        if (name == CalcMLFFForceKernel::Name())
            return new CommonCalcMLFFForceKernel(
                    name, platform, std::make_unique<CommonDevice>(*data->contexts[0]));
        throw OpenMMException("Tried to create kernel with illegal kernel name '" + name + "'");
    }
};

} // namespace

// Both functions must exist and be visible: OpenMM would else find and call those of a library
// that we depend on.
extern "C" OPENMM_EXPORT_MLFF void registerPlatforms() {
}

extern "C" OPENMM_EXPORT_MLFF void registerKernelFactories() {
    for (int i = 0; i < Platform::getNumPlatforms(); i++) {
        Platform& platform = Platform::getPlatform(i);
        if (platform.getName() == "OpenCL")
            platform.registerKernelFactory(CalcMLFFForceKernel::Name(),
                                           new OpenCLMLFFKernelFactory());
    }
}
