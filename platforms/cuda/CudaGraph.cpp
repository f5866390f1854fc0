#include "CudaGraph.h"
#include "openmm/OpenMMException.h"
#include "openmm/common/ContextSelector.h"
#include "openmm/cuda/CudaQueue.h"

using namespace OpenMM;
using std::string;

static void check(CUresult result, const char* what) {
    if (result != CUDA_SUCCESS)
        throw OpenMMException(string(what)+": "+CudaContext::getErrorString(result));
}

CudaGraph::CudaGraph(CudaContext& cu) : cu(cu), executable(nullptr), numNodes(0) {
}

CudaGraph::~CudaGraph() {
    ContextSelector selector(cu);
    if (executable != nullptr)
        cuGraphExecDestroy(executable);
}

// What other threads do with the device meanwhile is none of this thread's recording.
CUgraph CudaGraph::capture(const ComputeQueue& stream, const std::function<void()>& queue) {
    const CUstream own = static_cast<CudaQueue&>(*stream).getStream();
    const ComputeQueue before = cu.getCurrentQueue();
    CUgraph graph = nullptr;
    check(cuStreamBeginCapture(own, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), "cuStreamBeginCapture");
    cu.setCurrentQueue(stream);
    try {
        queue();
    }
    catch (...) {
        cu.setCurrentQueue(before);
        if (cuStreamEndCapture(own, &graph) == CUDA_SUCCESS && graph != nullptr)
            cuGraphDestroy(graph);
        throw;
    }
    cu.setCurrentQueue(before);
    check(cuStreamEndCapture(own, &graph), "cuStreamEndCapture");
    return graph;
}

void CudaGraph::record(const ComputeQueue& stream, const std::function<void()>& queue) {
    const CUgraph graph = capture(stream, queue);
    size_t count = 0;
    CUresult result = cuGraphGetNodes(graph, nullptr, &count);
    numNodes = (int) count;
    if (result == CUDA_SUCCESS && executable != nullptr) {
        CUgraphExecUpdateResultInfo info = {};
        if (cuGraphExecUpdate(executable, graph, &info) != CUDA_SUCCESS) {
            cuGraphExecDestroy(executable);
            executable = nullptr;
        }
    }
    if (result == CUDA_SUCCESS && executable == nullptr)
        result = cuGraphInstantiate(&executable, graph, 0);
    cuGraphDestroy(graph);
    check(result, "cuGraphInstantiate");
}

void CudaGraph::launch() {
    check(cuGraphLaunch(executable, cu.getCurrentStream()), "MLFFForce: cuGraphLaunch");
}

int CudaGraph::getNumNodes() const {
    return numNodes;
}
