#include "pretend.h"

#include <stdlib.h>
#include <string.h>

_Thread_local recorder pretend_recording;

/* Keep a launch instead of making it. */
CUresult pretend_keep_node(const node *n, CUstream stream) {
    if (pretend_recording.stream != stream || !n->f->launched) {
        pretend_recording.broken = true;
        return REFUSE(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "launch %s: while recording, %s",
                      n->f->name, n->f->launched ? "into another stream" :
                      "of a kernel that was never launched before");
    }
    if (pretend_recording.n_nodes == pretend_recording.capacity) {
        const size_t capacity = 2*pretend_recording.capacity+32;
        node *larger = realloc(pretend_recording.nodes, capacity*sizeof *larger);
        if (larger == NULL)
            return CUDA_ERROR_OUT_OF_MEMORY;
        pretend_recording.nodes = larger;
        pretend_recording.capacity = capacity;
    }
    if (!pretend_copy_node(&pretend_recording.nodes[pretend_recording.n_nodes], n))
        return CUDA_ERROR_OUT_OF_MEMORY;
    pretend_recording.n_nodes++;
    return CUDA_SUCCESS;
}

/* Of a node, to the one before it; the first has none. */
enum edge {NO_EDGE, PLAIN_EDGE, PROGRAMMATIC_EDGE};

/* One node after the other, as a stream records them. */
typedef struct {
    node *nodes;
    size_t n_nodes;
    unsigned char *edges;   // [n_nodes]
} graph;

static void free_nodes(graph *g) {
    for (size_t k = 0; k < g->n_nodes; k++)
        free(g->nodes[k].values);
    free(g->nodes);
    free(g->edges);
    *g = (graph) {NULL, 0, NULL};
}

static bool copy_nodes(graph *to, const graph *from) {
    *to = (graph) {calloc(from->n_nodes+1, sizeof *to->nodes), from->n_nodes,
                   malloc(from->n_nodes+1)};
    if (to->edges == NULL)
        return false;
    memcpy(to->edges, from->edges, from->n_nodes);
    for (size_t k = 0; to->nodes != NULL && k < from->n_nodes; k++)
        if (!pretend_copy_node(&to->nodes[k], &from->nodes[k]))
            return false;
    return to->nodes != NULL;
}

VISIBLE CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode) {
    NEED_CONTEXT("cuStreamBeginCapture");
    NOT_WHILE_RECORDING("cuStreamBeginCapture");
    if (pretend_setting("PRETEND_CUDA_NO_GRAPHS", 0))
        return CUDA_ERROR_NOT_SUPPORTED;
    if (stream == NULL)
        return REFUSE(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                      "cuStreamBeginCapture: the legacy stream cannot record");
    if (mode != CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "cuStreamBeginCapture: mode %d would forbid other "
                      "threads to work", (int) mode);
    pretend_recording = (recorder) {stream, false, NULL, 0, 0};
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuStreamEndCapture(CUstream stream, CUgraph *out) {
    NEED_CONTEXT("cuStreamEndCapture");
    graph *made = calloc(1, sizeof *made);
    if (pretend_recording.stream == NULL || pretend_recording.stream != stream || made == NULL)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "cuStreamEndCapture: this stream does not record");
    *made = (graph) {pretend_recording.nodes, pretend_recording.n_nodes,
                     malloc(pretend_recording.n_nodes+1)};
    if (made->edges == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    memset(made->edges, PLAIN_EDGE, made->n_nodes);
    made->edges[0] = NO_EDGE;
    pretend_recording.stream = NULL;
    *out = (CUgraph) made;
    if (pretend_recording.broken) {
        free_nodes(made);
        free(made);
        *out = NULL;
        return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    }
    pretend_say("graph recorded %zu %p", made->n_nodes, (void *) stream);
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuGraphGetNodes(CUgraph handle, CUgraphNode *nodes, size_t *count) {
    if (nodes != NULL)
        return REFUSE(CUDA_ERROR_NOT_SUPPORTED, "cuGraphGetNodes: only the number is known");
    *count = ((const graph *) handle)->n_nodes;
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuGraphNodeGetType(CUgraphNode node, CUgraphNodeType *type) {
    (void) node;
    *type = CU_GRAPH_NODE_TYPE_KERNEL;
    return CUDA_SUCCESS;
}

static enum edge edge_of(const CUgraphEdgeData *data) {
    return data->type == CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC &&
           data->from_port == CU_GRAPH_KERNEL_NODE_PORT_PROGRAMMATIC ? PROGRAMMATIC_EDGE :
           data->type == 0 && data->from_port == 0 ? PLAIN_EDGE : NO_EDGE;
}

static CUresult get_edges(CUgraph handle, CUgraphNode *from, CUgraphNode *to, CUgraphEdgeData *data,
                          size_t *count) {
    const graph *g = (const graph *) handle;
    size_t n = 0;
    for (size_t k = 1; k < g->n_nodes; k++)
        if (g->edges[k] != NO_EDGE) {
            if (from != NULL) {
                from[n] = (CUgraphNode) &g->nodes[k-1];
                to[n] = (CUgraphNode) &g->nodes[k];
                data[n] = (CUgraphEdgeData) {0};
            }
            n++;
        }
    *count = n;
    return CUDA_SUCCESS;
}

/* One edge between neighbors from one state to another. */
static CUresult set_edge(const char *call, graph *g, CUgraphNode from, CUgraphNode to, size_t count,
                         enum edge before, enum edge after) {
    const ptrdiff_t k = (const node *) to-g->nodes;
    if (count != 1 || k < 1 || k >= (ptrdiff_t) g->n_nodes ||
            (const node *) from != &g->nodes[k-1] || g->edges[k] != before || before == after)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "%s: no such edge", call);
    g->edges[k] = (unsigned char) after;
    return CUDA_SUCCESS;
}

static CUresult remove_edges(CUgraph handle, const CUgraphNode *from, const CUgraphNode *to,
                             const CUgraphEdgeData *data, size_t count) {
    return set_edge("cuGraphRemoveDependencies", (graph *) handle, *from, *to, count,
                    edge_of(data), NO_EDGE);
}

static CUresult add_edges(CUgraph handle, const CUgraphNode *from, const CUgraphNode *to,
                          const CUgraphEdgeData *data, size_t count) {
    const function *f = ((const node *) *to)->f;
    const bool programmatic = edge_of(data) == PROGRAMMATIC_EDGE;
    if (programmatic && (!f->waits || pretend_setting("PRETEND_CUDA_CAPABILITY", 90) < 90))
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "cuGraphAddDependencies: %s does not wait for the "
                      "kernel before, or the device cannot", f->name);
    return set_edge("cuGraphAddDependencies", (graph *) handle, *from, *to, count, NO_EDGE,
                    edge_of(data));
}

VISIBLE CUresult cuGetProcAddress_v2(const char *name, void **function, int version,
                                     cuuint64_t flags, CUdriverProcAddressQueryResult *found) {
    static const struct {
        const char *name;
        void *function;
    } known[] = {{"cuGraphGetEdges", (void *) get_edges},
                 {"cuGraphRemoveDependencies", (void *) remove_edges},
                 {"cuGraphAddDependencies", (void *) add_edges}};
    (void) flags;
    (void) found;
    *function = NULL;
    for (size_t k = 0; k < sizeof known/sizeof known[0]; k++)
        if (version == 12030 && strcmp(known[k].name, name) == 0)
            *function = known[k].function;
    return *function != NULL ? CUDA_SUCCESS :
           REFUSE(CUDA_ERROR_NOT_FOUND, "cuGetProcAddress: %s of version %d", name, version);
}

/* Whether nodes are without an order. */
static bool lacks_edges(const graph *g) {
    return g->n_nodes > 1 && memchr(g->edges+1, NO_EDGE, g->n_nodes-1) != NULL;
}

VISIBLE CUresult cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph handle,
                                             unsigned long long flags) {
    NEED_CONTEXT("cuGraphInstantiate");
    graph *made = calloc(1, sizeof *made);
    if (flags != 0 || made == NULL || lacks_edges((const graph *) handle) ||
            !copy_nodes(made, (const graph *) handle))
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "cuGraphInstantiate: flags %llu", flags);
    *out = (CUgraphExec) made;
    return CUDA_SUCCESS;
}

/* The same kernels in the same order may have other arguments. */
VISIBLE CUresult cuGraphExecUpdate_v2(CUgraphExec handle, CUgraph from,
                                      CUgraphExecUpdateResultInfo *info) {
    NEED_CONTEXT("cuGraphExecUpdate");
    graph *executable = (graph *) handle, *recorded = (graph *) from;
    info->result = CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
    if (executable->n_nodes != recorded->n_nodes)
        return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
    for (size_t k = 0; k < recorded->n_nodes; k++)
        if (executable->nodes[k].f != recorded->nodes[k].f)
            return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
    free_nodes(executable);
    if (!copy_nodes(executable, recorded))
        return CUDA_ERROR_OUT_OF_MEMORY;
    info->result = CU_GRAPH_EXEC_UPDATE_SUCCESS;
    pretend_say("graph updated %zu -", recorded->n_nodes);
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuGraphLaunch(CUgraphExec handle, CUstream stream) {
    NEED_CONTEXT("cuGraphLaunch");
    NOT_WHILE_RECORDING("cuGraphLaunch");
    const graph *executable = (const graph *) handle;
    pretend_say("graph launched %zu %p", executable->n_nodes, (void *) stream);
    for (size_t k = 0; k < executable->n_nodes; k++) {
        CUresult result = pretend_check_pointers(&executable->nodes[k]);
        if (result != CUDA_SUCCESS)
            return result;
        pretend_say_launch(&executable->nodes[k], stream, " graph");
        result = pretend_launch(&executable->nodes[k]);
        if (result != CUDA_SUCCESS)
            return result;
    }
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuGraphDestroy(CUgraph handle) {
    free_nodes((graph *) handle);
    free((graph *) handle);
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuGraphExecDestroy(CUgraphExec handle) {
    NEED_CONTEXT("cuGraphExecDestroy");
    free_nodes((graph *) handle);
    free((graph *) handle);
    return CUDA_SUCCESS;
}
