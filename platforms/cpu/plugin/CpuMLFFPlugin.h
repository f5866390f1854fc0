#ifndef OPENMM_CPUMLFFPLUGIN_H_
#define OPENMM_CPUMLFFPLUGIN_H_

#include "HostMLFFKernel.h"
#include "mlff_cpu.h"
#include "mlff_cpu_neighbors.h"
#include "openmm/internal/ThreadPool.h"
#include <memory>
#include <string>

namespace OpenMM {

/**
 * Pairs from a list with a skin, which is searched anew only when atoms have moved by half of it.
 */
class CpuPairFinder : public HostPairFinder {
public:
    /**
     * @param parallel   threads for long lists; must live as long as this object
     */
    explicit CpuPairFinder(const mlff_parallel* parallel) :
            parallel(parallel), list(nullptr), listRange(0) {
    }
    ~CpuPairFinder() {
        cpu_neighbors_free(list);
    }
    mlff_status find(double range, int numAtoms, const double (*position)[3], const int* region,
                     const double (*cell)[3], mlff_pairs& pairs, mlff_error& err);
private:
    const mlff_parallel* parallel;
    cpu_neighbors* list;
    double listRange;   // angstrom; what the list was made for
};

/**
 * The threads of a Context of OpenMM's CPU platform, as the engine borrows them.
 */
class CpuThreads : private ThreadPool::Task {
public:
    explicit CpuThreads(ThreadPool& pool);
    const mlff_parallel* get() const {
        return &parallel;
    }
private:
    static void run(void* ctx, void (*body)(void* arg, int thread), void* arg);
    void execute(ThreadPool& pool, int thread);
    ThreadPool& pool;
    mlff_parallel parallel;
    void (*body)(void* arg, int thread);  // of the run in progress
    void* arg;
};

/**
 * MLFFForce in single precision with vector instructions, on the threads of the Context.
 */
class CpuCalcMLFFForceKernel : public HostCalcMLFFForceKernel {
public:
    CpuCalcMLFFForceKernel(std::string name, const Platform& platform, ThreadPool& pool) :
            HostCalcMLFFForceKernel(name, platform), threads(pool) {
    }
protected:
    const mlff_platform* getEnginePlatform() const {
        return mlff_cpu_platform();
    }
    const mlff_parallel* getThreads() {
        return threads.get();
    }
    std::unique_ptr<HostPairFinder> createPairFinder() const {
        return std::make_unique<CpuPairFinder>(threads.get());
    }
    double getHessianStep() const {
        return 5e-3;
    }
    const char* getPrecision() const {
        return "single";
    }
private:
    CpuThreads threads;
};

} // namespace OpenMM

#endif /*OPENMM_CPUMLFFPLUGIN_H_*/
