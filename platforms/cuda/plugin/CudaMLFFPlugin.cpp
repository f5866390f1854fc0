#include "CommonMLFFKernel.h"
#include "CudaDevice.h"
#include "openmm/KernelFactory.h"
#include "openmm/OpenMMException.h"
#include "openmm/Platform.h"
#include "openmm/PluginInitializer.h"
#include "openmm/cuda/CudaPlatform.h"
#include "openmm/internal/ContextImpl.h"
#include <memory>

using namespace OpenMM;
using std::string;

namespace {

// The first device of a Context computes the whole force.
class CudaMLFFKernelFactory : public KernelFactory {
public:
    KernelImpl* createKernelImpl(string name, const Platform& platform,
                                 ContextImpl& context) const {
        CudaPlatform::PlatformData& data =
            *static_cast<CudaPlatform::PlatformData*>(context.getPlatformData());
        if (name == CalcMLFFForceKernel::Name())
            return new CommonCalcMLFFForceKernel(name, platform,
                                                 std::make_unique<CudaDevice>(*data.contexts[0]));
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
        if (platform.getName() == "CUDA")
            platform.registerKernelFactory(CalcMLFFForceKernel::Name(),
                                           new CudaMLFFKernelFactory());
    }
}
