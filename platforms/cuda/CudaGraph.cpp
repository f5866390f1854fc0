#include "CudaGraph.h"
#include "openmm/OpenMMException.h"
#include "openmm/common/ContextSelector.h"
#include "openmm/cuda/CudaQueue.h"
#include <vector>

using namespace OpenMM;
using std::string;

static void check(CUresult result, const char* what) {
    if (result != CUDA_SUCCESS)
        throw OpenMMException(string(what)+": "+CudaContext::getErrorString(result));
}

CudaGraph::CudaGraph(CudaContext& cu, bool programmatic) : cu(cu), programmatic(programmatic),
        executable(nullptr), numNodes(0), numProgrammatic(0) {
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

// A function that drivers before CUDA 12.3 do not have.
template <class Function> static Function findFunction(const char* name) {
    void* found = nullptr;
    check(cuGetProcAddress(name, &found, 12030, CU_GET_PROC_ADDRESS_DEFAULT, nullptr), name);
    if (found == nullptr)
        throw OpenMMException(string(name)+": the driver is older than CUDA 12.3");
    return reinterpret_cast<Function>(found);
}

// From kernel to kernel; the first one waits for all that was queued before the graph.
void CudaGraph::makeProgrammatic(CUgraph graph) {
    const auto getEdges = findFunction<decltype(&cuGraphGetEdges_v2)>("cuGraphGetEdges");
    const auto removeEdge =
        findFunction<decltype(&cuGraphRemoveDependencies_v2)>("cuGraphRemoveDependencies");
    const auto addEdge =
        findFunction<decltype(&cuGraphAddDependencies_v2)>("cuGraphAddDependencies");
    size_t count = 0;
    check(getEdges(graph, nullptr, nullptr, nullptr, &count), "cuGraphGetEdges");
    std::vector<CUgraphNode> from(count), to(count);
    std::vector<CUgraphEdgeData> data(count);
    check(getEdges(graph, from.data(), to.data(), data.data(), &count), "cuGraphGetEdges");
    CUgraphEdgeData early = {};
    early.from_port = CU_GRAPH_KERNEL_NODE_PORT_PROGRAMMATIC;
    early.type = CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC;
    for (size_t k = 0; k < count; k++) {
        CUgraphNodeType before, behind;
        check(cuGraphNodeGetType(from[k], &before), "cuGraphNodeGetType");
        check(cuGraphNodeGetType(to[k], &behind), "cuGraphNodeGetType");
        if (before != CU_GRAPH_NODE_TYPE_KERNEL || behind != CU_GRAPH_NODE_TYPE_KERNEL)
            continue;
        check(removeEdge(graph, &from[k], &to[k], &data[k], 1), "cuGraphRemoveDependencies");
        check(addEdge(graph, &from[k], &to[k], &early, 1), "cuGraphAddDependencies");
        numProgrammatic++;
    }
}

void CudaGraph::makeExecutable(CUgraph graph) {
    size_t count = 0;
    check(cuGraphGetNodes(graph, nullptr, &count), "cuGraphGetNodes");
    numNodes = (int) count;
    numProgrammatic = 0;
    if (programmatic)
        makeProgrammatic(graph);
    if (executable != nullptr) {
        CUgraphExecUpdateResultInfo info = {};
        if (cuGraphExecUpdate(executable, graph, &info) == CUDA_SUCCESS)
            return;
        cuGraphExecDestroy(executable);
        executable = nullptr;
    }
    check(cuGraphInstantiate(&executable, graph, 0), "cuGraphInstantiate");
}

void CudaGraph::record(const ComputeQueue& stream, const std::function<void()>& queue) {
    const CUgraph graph = capture(stream, queue);
    try {
        makeExecutable(graph);
    }
    catch (...) {
        cuGraphDestroy(graph);
        throw;
    }
    cuGraphDestroy(graph);
}

void CudaGraph::launch() {
    check(cuGraphLaunch(executable, cu.getCurrentStream()), "MLFFForce: cuGraphLaunch");
}

int CudaGraph::getNumNodes() const {
    return numNodes;
}

int CudaGraph::getNumProgrammatic() const {
    return numProgrammatic;
}
