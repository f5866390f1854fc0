/* Streams and events, which have no order of their own here, and what a device is. */
#include "pretend.h"

#include <stdio.h>
#include <stdlib.h>

VISIBLE CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
    NEED_CONTEXT("cuStreamCreate");
    (void) flags;
    *stream = calloc(1, 1);
    return *stream != NULL ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

VISIBLE CUresult cuStreamDestroy_v2(CUstream stream) {
    free(stream);
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuStreamSynchronize(CUstream stream) {
    NEED_CONTEXT("cuStreamSynchronize");
    NOT_WHILE_RECORDING("cuStreamSynchronize");
    (void) stream;
    pretend_say("wait stream");
    return pretend_do_queued();
}

VISIBLE CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags) {
    (void) stream, (void) event, (void) flags;
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuEventCreate(CUevent *event, unsigned flags) {
    NEED_CONTEXT("cuEventCreate");
    (void) flags;
    *event = calloc(1, 1);
    return *event != NULL ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

VISIBLE CUresult cuEventDestroy_v2(CUevent event) {
    free(event);
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuEventRecord(CUevent event, CUstream stream) {
    (void) stream;
    pretend_say("record %p", (void *) event);
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuEventSynchronize(CUevent event) {
    NOT_WHILE_RECORDING("cuEventSynchronize");
    pretend_say("wait event %p", (void *) event);
    return pretend_do_queued();
}

/* ----------------------------------------------------------------------------- devices -- */

VISIBLE CUresult cuInit(unsigned flags) {
    (void) flags;
    return pretend_setting("PRETEND_CUDA_DEVICES", 1) > 0 ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}

VISIBLE CUresult cuDriverGetVersion(int *version) {
    *version = DRIVER_VERSION;
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuDeviceGetCount(int *count) {
    *count = pretend_setting("PRETEND_CUDA_DEVICES", 1);
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuDeviceGet(CUdevice *device, int index) {
    *device = index;
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuDeviceGetName(char *name, int size, CUdevice device) {
    (void) device;
    snprintf(name, (size_t) size, "pretend device");
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuDeviceCanAccessPeer(int *possible, CUdevice device, CUdevice peer) {
    (void) device, (void) peer;
    *possible = 0;
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
    const int capability = pretend_setting("PRETEND_CUDA_CAPABILITY", 90);
    (void) device;
    switch (attribute) {
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = capability/10; break;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = capability%10; break;
        case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
            *value = pretend_setting("PRETEND_CUDA_PROCESSORS", 132);
            break;
        case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: *value = 1000000; break;  // kHz
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: *value = STATIC_SHARED; break;
        case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = BLOCK_THREADS; break;
        case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X: *value = BLOCK_THREADS; break;
        case CU_DEVICE_ATTRIBUTE_WARP_SIZE: *value = 32; break;
        default:
            return REFUSE(CUDA_ERROR_INVALID_VALUE, "cuDeviceGetAttribute: %d", attribute);
    }
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuGetErrorName(CUresult error, const char **name) {
    switch (error) {
        case CUDA_SUCCESS: *name = "CUDA_SUCCESS"; break;
        case CUDA_ERROR_INVALID_VALUE: *name = "CUDA_ERROR_INVALID_VALUE"; break;
        case CUDA_ERROR_OUT_OF_MEMORY: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
        case CUDA_ERROR_NO_DEVICE: *name = "CUDA_ERROR_NO_DEVICE"; break;
        case CUDA_ERROR_INVALID_CONTEXT: *name = "CUDA_ERROR_INVALID_CONTEXT"; break;
        case CUDA_ERROR_INVALID_IMAGE: *name = "CUDA_ERROR_INVALID_IMAGE"; break;
        case CUDA_ERROR_NOT_FOUND: *name = "CUDA_ERROR_NOT_FOUND"; break;
        case CUDA_ERROR_NOT_SUPPORTED: *name = "CUDA_ERROR_NOT_SUPPORTED"; break;
        case CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED:
            *name = "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED";
            break;
        case CUDA_ERROR_STREAM_CAPTURE_INVALIDATED:
            *name = "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED";
            break;
        default: *name = "an error of the pretend driver"; break;
    }
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuProfilerStop(void) {
    return CUDA_SUCCESS;
}

/* NVRTC opens libcuda.so.1 by itself, if there is one, and calls this without a check. */
VISIBLE CUresult cuGetExportTable(const void **table, const CUuuid *id) {
    (void) id;
    *table = NULL;
    return CUDA_ERROR_NOT_SUPPORTED;
}
