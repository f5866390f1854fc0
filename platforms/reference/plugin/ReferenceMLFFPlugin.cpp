#include "ReferenceMLFFPlugin.h"
#include "openmm/KernelFactory.h"
#include "openmm/OpenMMException.h"
#include "openmm/Platform.h"
#include "openmm/PluginInitializer.h"

using namespace OpenMM;
using std::string;

mlff_status ReferencePairFinder::find(double range, int numAtoms, const double (*position)[3],
                                      const int* region, const double (*cell)[3],
                                      mlff_pairs& pairs, mlff_error& err) {
    const mlff_status status = ref_neighbors_build(numAtoms, position, region, cell, range, &list,
                                                   &err);
    if (status == MLFF_OK)
        pairs = ref_pair_list_view(&list);
    return status;
}

namespace {

class ReferenceMLFFKernelFactory : public KernelFactory {
public:
    KernelImpl* createKernelImpl(string name, const Platform& platform, ContextImpl&) const {
        if (name == CalcMLFFForceKernel::Name())
            return new ReferenceCalcMLFFForceKernel(name, platform);
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
        if (platform.getName() == "Reference")
            platform.registerKernelFactory(CalcMLFFForceKernel::Name(),
                                           new ReferenceMLFFKernelFactory());
    }
}
