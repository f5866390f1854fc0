#ifndef OPENMM_CUDAGRAPH_H_
#define OPENMM_CUDAGRAPH_H_

#include "CommonDevice.h"
#include "openmm/cuda/CudaContext.h"

namespace OpenMM {

/**
 * A CUDA graph, recorded on a stream of its own, since OpenMM's, the legacy stream, cannot record,
 * and launched into OpenMM's.
 */
class CudaGraph : public CommonGraph {
public:
    /**
     * @param programmatic    a kernel's blocks may start as soon as all blocks of the kernel before
     *                        have started ("programmatic dependent launch"): the kernels wait by
     *                        themselves for its end.  Takes compute capability 9.0 and a driver
     *                        of CUDA 12.3.
     */
    CudaGraph(CudaContext& cu, bool programmatic);
    ~CudaGraph();
    /**
     * Record what a function queues.  Called once, or again, where the new record replaces the old
     * one: the executable is updated in place if the launches are the same and only their arguments
     * differ.
     *
     * @param stream    not OpenMM's; nothing else is queued there
     * @throw OpenMMException    what queue() throws, or what the driver says; the object is of no
     *                           use then
     */
    void record(const ComputeQueue& stream, const std::function<void()>& queue);
    void launch() override;
    int getNumNodes() const override;
    int getNumProgrammatic() const override;
private:
    CUgraph capture(const ComputeQueue& stream, const std::function<void()>& queue);
    void makeProgrammatic(CUgraph graph);
    void makeExecutable(CUgraph graph);
    CudaContext& cu;
    const bool programmatic;
    CUgraphExec executable;
    int numNodes, numProgrammatic;
};

} // namespace OpenMM

#endif /*OPENMM_CUDAGRAPH_H_*/
