#include "pretend.h"

#include <stdlib.h>

enum {MAX_DEPTH = 32};

struct context {
    bool alive;
    int device;
};

static _Thread_local context *current[MAX_DEPTH];
static _Thread_local int depth;

context *pretend_context(void) {
    return depth > 0 ? current[depth-1] : NULL;
}

VISIBLE CUresult cuCtxCreate_v2(CUcontext *out, unsigned flags, CUdevice device) {
    (void) flags;
    context *made = calloc(1, sizeof *made);
    if (made == NULL || depth == MAX_DEPTH)
        return CUDA_ERROR_OUT_OF_MEMORY;
    *made = (context) {true, device};
    current[depth++] = made;
    *out = (CUcontext) made;
    pretend_say("context created");
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuCtxCreate_v4(CUcontext *out, CUctxCreateParams *parameters, unsigned flags,
                                CUdevice device) {
    (void) parameters;
    return cuCtxCreate_v2(out, flags, device);
}

VISIBLE CUresult cuCtxDestroy_v2(CUcontext handle) {
    context *destroyed = (context *) handle;
    int left[2] = {0, 0};
    pretend_do_queued();
    pretend_forget_memory(destroyed, left);
    destroyed->alive = false;
    if (pretend_context() == destroyed)
        depth--;
    pretend_say("context destroyed %d %d", left[0], left[1]);
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuCtxPushCurrent_v2(CUcontext handle) {
    context *pushed = (context *) handle;
    if (pushed == NULL || !pushed->alive || depth == MAX_DEPTH)
        return REFUSE(CUDA_ERROR_INVALID_CONTEXT, "cuCtxPushCurrent: not a live context");
    current[depth++] = pushed;
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuCtxPopCurrent_v2(CUcontext *handle) {
    NEED_CONTEXT("cuCtxPopCurrent");
    *handle = (CUcontext) current[--depth];
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuCtxSetCurrent(CUcontext handle) {
    if (depth == 0)
        depth = 1;
    current[depth-1] = (context *) handle;
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuCtxSynchronize(void) {
    NEED_CONTEXT("cuCtxSynchronize");
    NOT_WHILE_RECORDING("cuCtxSynchronize");
    pretend_say("wait context");
    return pretend_do_queued();
}

VISIBLE CUresult cuCtxSetCacheConfig(CUfunc_cache config) {
    (void) config;
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned flags) {
    (void) peer, (void) flags;
    return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
}
