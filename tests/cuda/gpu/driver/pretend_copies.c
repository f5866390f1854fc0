#include "pretend.h"

typedef enum {HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE} direction;

/* A copy that is queued from or to memory that is not page-locked counts as blocking. */
static CUresult copy(direction kind, uintptr_t to, uintptr_t from, size_t bytes, CUstream stream,
                     bool blocking) {
    static const char *const name[] = {"HtoD", "DtoH", "DtoD"};
    NEED_CONTEXT("cuMemcpy");
    NOT_WHILE_RECORDING("cuMemcpy");
    const bool to_device = kind != DEVICE_TO_HOST, from_device = kind != HOST_TO_DEVICE;
    if ((to_device && pretend_room(to, false) < bytes) ||
            (from_device && pretend_room(from, false) < bytes))
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "copy %s: %zu bytes reach beyond an allocation",
                      name[kind], bytes);
    const uintptr_t host = to_device ? from : to;
    if (kind != DEVICE_TO_DEVICE && pretend_room(host, true) < bytes)
        blocking = true;
    pretend_say("copy %s %zu %p %s", name[kind], bytes, (void *) stream,
                blocking ? "blocking" : "queued");
    return pretend_copy(pretend_content(to, to_device), pretend_content(from, from_device), bytes,
                        blocking);
}

VISIBLE CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes) {
    return copy(HOST_TO_DEVICE, to, (uintptr_t) from, bytes, NULL, true);
}

VISIBLE CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes) {
    return copy(DEVICE_TO_HOST, (uintptr_t) to, from, bytes, NULL, true);
}

VISIBLE CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream s) {
    return copy(HOST_TO_DEVICE, to, (uintptr_t) from, bytes, s, false);
}

VISIBLE CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream s) {
    return copy(DEVICE_TO_HOST, (uintptr_t) to, from, bytes, s, false);
}

VISIBLE CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream s) {
    return copy(DEVICE_TO_DEVICE, to, from, bytes, s, false);
}

VISIBLE CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream s) {
    const bool to_device = pretend_room(to, false) > 0, from_device = pretend_room(from, false) > 0;
    if (!to_device && !from_device)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "cuMemcpyAsync: no address is on the device");
    return copy(!to_device ? DEVICE_TO_HOST : from_device ? DEVICE_TO_DEVICE : HOST_TO_DEVICE,
                to, from, bytes, s, false);
}
