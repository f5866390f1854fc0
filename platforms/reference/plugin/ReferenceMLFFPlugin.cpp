#include "ReferenceMLFFPlugin.h"
#include "internal/MLFFPlugin.h"

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

static KernelImpl* createKernel(const string& name, const Platform& platform, ContextImpl&) {
    return new ReferenceCalcMLFFForceKernel(name, platform);
}

MLFF_PLUGIN("Reference", createKernel)
