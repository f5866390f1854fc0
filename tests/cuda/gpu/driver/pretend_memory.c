#define _GNU_SOURCE  // MAP_ANONYMOUS
#include "pretend.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Device addresses lie in a range that nobody may touch; the content is RANGE bytes further on. */
static const size_t RANGE = (size_t) 32 << 30;
static const size_t ALIGNMENT = 512;

typedef struct {
    uintptr_t begin;
    size_t size;
    context *owner;
    bool on_host, alive;
} block;

static block *blocks;
static size_t n_blocks, block_capacity;
static uintptr_t device_begin, device_next;

static bool reserve_range(void) {
    if (device_begin != 0)
        return true;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    char *range = mmap(NULL, 2*RANGE, PROT_NONE, flags, -1, 0);
    if (range == MAP_FAILED || mprotect(range+RANGE, RANGE, PROT_READ | PROT_WRITE) != 0)
        return false;
    device_begin = device_next = (uintptr_t) range;
    return true;
}

/* The block that an address lies in, NULL if there is none. The lock is held. */
static block *find_block(uintptr_t address) {
    for (size_t b = n_blocks; b-- > 0;)
        if (blocks[b].alive && address-blocks[b].begin < blocks[b].size)
            return &blocks[b];
    return NULL;
}

static bool add_block(uintptr_t begin, size_t size, bool on_host) {
    if (n_blocks == block_capacity) {
        const size_t capacity = 2*block_capacity+64;
        block *larger = realloc(blocks, capacity*sizeof *larger);
        if (larger == NULL)
            return false;
        blocks = larger;
        block_capacity = capacity;
    }
    blocks[n_blocks++] = (block) {begin, size, pretend_context(), on_host, true};
    return true;
}

size_t pretend_room(uintptr_t address, bool on_host) {
    pthread_mutex_lock(&pretend_lock);
    const block *b = find_block(address);
    const size_t bytes = b != NULL && b->on_host == on_host ? b->begin+b->size-address : 0;
    pthread_mutex_unlock(&pretend_lock);
    return bytes;
}

void *pretend_content(uintptr_t address, bool on_device) {
    return (void *) (on_device ? address+RANGE : address);
}

uintptr_t pretend_relative(uintptr_t address) {
    return address-device_begin < RANGE ? address-device_begin : address;
}

void pretend_forget_memory(const context *owner, int left[2]) {
    pthread_mutex_lock(&pretend_lock);
    for (size_t b = 0; b < n_blocks; b++)
        if (blocks[b].alive && blocks[b].owner == owner) {
            left[blocks[b].on_host]++;
            blocks[b].alive = false;
        }
    pthread_mutex_unlock(&pretend_lock);
}

/* ------------------------------------------------------------------------------- calls -- */

VISIBLE CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t size) {
    NEED_CONTEXT("cuMemAlloc");
    NOT_WHILE_RECORDING("cuMemAlloc");
    if (size == 0)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "cuMemAlloc: 0 bytes");
    pthread_mutex_lock(&pretend_lock);
    const size_t step = (size/ALIGNMENT+2)*ALIGNMENT;  // a gap after every block
    const bool done = reserve_range() && device_next+step <= device_begin+RANGE
        && add_block(device_next, size, false);
    if (done) {
        *address = device_next;
        device_next += step;
        if (pretend_setting("PRETEND_CUDA_POISON", 0))
            memset(pretend_content(*address, true), 0xff, size);
    }
    pthread_mutex_unlock(&pretend_lock);
    pretend_say("allocate device %zu", size);
    return done ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

VISIBLE CUresult cuMemHostAlloc(void **memory, size_t size, unsigned flags) {
    NEED_CONTEXT("cuMemHostAlloc");
    NOT_WHILE_RECORDING("cuMemHostAlloc");
    (void) flags;
    if (size == 0)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "cuMemHostAlloc: 0 bytes");
    *memory = calloc(1, size);
    pthread_mutex_lock(&pretend_lock);
    const bool done = *memory != NULL && add_block((uintptr_t) *memory, size, true);
    pthread_mutex_unlock(&pretend_lock);
    pretend_say("allocate host %zu", size);
    return done ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

/* Waits for what is queued, as a driver does. */
static CUresult release(uintptr_t begin, bool on_host, const char *call) {
    NEED_CONTEXT(call);
    NOT_WHILE_RECORDING(call);
    pretend_do_queued();
    pthread_mutex_lock(&pretend_lock);
    block *b = find_block(begin);
    const bool found = b != NULL && b->begin == begin && b->on_host == on_host;
    const bool own = found && b->owner == pretend_context();
    const size_t size = found ? b->size : 0;
    if (own)
        b->alive = false;
    pthread_mutex_unlock(&pretend_lock);
    if (!found)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "%s: not the start of a live allocation", call);
    if (!own)
        return REFUSE(CUDA_ERROR_INVALID_CONTEXT, "%s: memory of another context", call);
    if (on_host)
        free((void *) begin);
    pretend_say("free %s %zu", on_host ? "host" : "device", size);
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuMemFree_v2(CUdeviceptr address) {
    return release(address, false, "cuMemFree");
}

VISIBLE CUresult cuMemFreeHost(void *memory) {
    return release((uintptr_t) memory, true, "cuMemFreeHost");
}

VISIBLE CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *address, void *memory, unsigned flags) {
    (void) flags;
    if (pretend_room((uintptr_t) memory, true) == 0)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "cuMemHostGetDevicePointer: not page-locked");
    *address = (CUdeviceptr) memory;
    return CUDA_SUCCESS;
}

/* --------------------------------------------------------------------- the interpreter -- */

static bool find_range(uintptr_t address, ptx_range *range) {
    pthread_mutex_lock(&pretend_lock);
    const block *b = find_block(address);
    if (b != NULL)
        *range = (ptx_range) {b->begin, b->begin+b->size, b->on_host ? 0 : (ptrdiff_t) RANGE};
    pthread_mutex_unlock(&pretend_lock);
    return b != NULL;
}

static uintptr_t allocate_variable(size_t bytes) {
    CUdeviceptr address = 0;
    return cuMemAlloc_v2(&address, bytes) == CUDA_SUCCESS ? address : 0;
}

static void *variable_content(uintptr_t address) {
    return pretend_content(address, true);
}

/* Twice as large as what it is a shadow of. */
static uint64_t *shadow_of(uintptr_t address) {
    static char *shadow;
    if (address-device_begin >= RANGE)
        return NULL;
    if (shadow == NULL)
        shadow = mmap(NULL, 2*RANGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return shadow == MAP_FAILED ? NULL :
        (uint64_t *) (void *) (shadow+(address-device_begin)/4*8);
}

const ptx_memory pretend_ptx_memory = {find_range, allocate_variable, variable_content, shadow_of};
