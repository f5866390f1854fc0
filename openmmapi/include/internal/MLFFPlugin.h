#ifndef OPENMM_MLFFPLUGIN_H_
#define OPENMM_MLFFPLUGIN_H_

#include "MLFFKernels.h"
#include "openmm/KernelFactory.h"
#include "openmm/OpenMMException.h"
#include "openmm/Platform.h"
#include "openmm/PluginInitializer.h"
#include <string>

/*
 * What the plugin of a platform consists of, beside its kernel: one MLFF_PLUGIN in one source file.
 */

namespace OpenMM {

typedef KernelImpl* (*MLFFKernelCreator)(const std::string& name, const Platform& platform,
                                         ContextImpl& context);

namespace {  // each plugin has its own, whatever others are loaded

class MLFFKernelFactory : public KernelFactory {
public:
    explicit MLFFKernelFactory(MLFFKernelCreator create) : create(create) {
    }
    KernelImpl* createKernelImpl(std::string name, const Platform& platform,
                                 ContextImpl& context) const {
        if (name == CalcMLFFForceKernel::Name())
            return create(name, platform, context);
        throw OpenMMException("Tried to create kernel with illegal kernel name '" + name + "'");
    }
private:
    MLFFKernelCreator create;
};

inline void registerMLFFKernel(const std::string& platformName, MLFFKernelCreator create) {
    for (int i = 0; i < Platform::getNumPlatforms(); i++) {
        Platform& platform = Platform::getPlatform(i);
        if (platform.getName() == platformName)
            platform.registerKernelFactory(CalcMLFFForceKernel::Name(),
                                           new MLFFKernelFactory(create));
    }
}

} // namespace

} // namespace OpenMM

/**
 * Entry points of a plugin that adds CalcMLFFForce to a platform.  Both must exist and be visible:
 * OpenMM would else find and call those of a library that the plugin depends on.
 *
 * @param platformName    of OpenMM's platform; nothing happens where there is none
 * @param create          an MLFFKernelCreator
 */
#define MLFF_PLUGIN(platformName, create)                           \
    extern "C" OPENMM_EXPORT_MLFF void registerPlatforms() {        \
    }                                                               \
    extern "C" OPENMM_EXPORT_MLFF void registerKernelFactories() {  \
        OpenMM::registerMLFFKernel(platformName, create);           \
    }

#endif /*OPENMM_MLFFPLUGIN_H_*/
