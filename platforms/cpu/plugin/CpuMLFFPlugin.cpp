#include "CpuMLFFPlugin.h"
#include "internal/MLFFPlugin.h"
#include "openmm/cpu/CpuPlatform.h"

using namespace OpenMM;
using std::string;

static const double SKIN = 1.0;  // angstrom

// -------------------------------------------------------------------------------- pairs

// The range of Ewald sums depends on the box, so it may change.
mlff_status CpuPairFinder::find(double range, int numAtoms, const double (*position)[3],
                                const int* region, const double (*cell)[3], mlff_pairs& pairs,
                                mlff_error& err) {
    if (list == nullptr || range != listRange) {
        cpu_neighbors_free(list);
        const mlff_status status = cpu_neighbors_new(range, SKIN, parallel, &list, &err);
        if (status != MLFF_OK)
            return status;
        listRange = range;
    }
    return cpu_neighbors_update(list, numAtoms, position, region, cell, &pairs, &err);
}

// ------------------------------------------------------------------------------ threads

CpuThreads::CpuThreads(ThreadPool& pool) : pool(pool), parallel(), body(nullptr), arg(nullptr) {
    parallel.ctx = this;
    parallel.n_threads = pool.getNumThreads();
    parallel.run = run;
}

// All threads of the pool run the body at the same time, each once.
void CpuThreads::run(void* ctx, void (*body)(void* arg, int thread), void* arg) {
    CpuThreads& threads = *static_cast<CpuThreads*>(ctx);
    threads.body = body;
    threads.arg = arg;
    threads.pool.execute(threads);
    threads.pool.waitForThreads();
}

void CpuThreads::execute(ThreadPool&, int thread) {
    body(arg, thread);
}

// ------------------------------------------------------------------------- registration

static KernelImpl* createKernel(const string& name, const Platform& platform,
                                ContextImpl& context) {
    return new CpuCalcMLFFForceKernel(name, platform,
                                      CpuPlatform::getPlatformData(context).threads);
}

MLFF_PLUGIN("CPU", createKernel)
