#define _GNU_SOURCE  // process_vm_readv
#include "pretend.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static function *last_launched;  // others after it

/* Copy pieces of this process's memory that may not be there; returns the bytes copied, which end
   at the first piece that cannot be read. */
static size_t peek(void *to, const struct iovec *pieces, int n_pieces, size_t bytes) {
    const struct iovec here = {to, bytes};
    const ssize_t copied = process_vm_readv(getpid(), &here, 1, pieces, (size_t) n_pieces, 0);
    return copied > 0 ? (size_t) copied : 0;
}

/* Each parameter has an argument: the bytes of all, 0 if one is missing. */
static CUresult read_arguments(const function *f, void **arguments, unsigned char *values,
                               size_t *n_bytes) {
    void *place[MAX_PARAMETERS];
    struct iovec pieces[MAX_PARAMETERS];
    size_t total = 0, copied, begin = 0;
    const struct iovec list = {arguments, (size_t) f->n_parameters*sizeof place[0]};
    *n_bytes = 0;
    if (f->n_parameters == 0)
        return CUDA_SUCCESS;
    const int n_listed = (int) (peek(place, &list, 1, list.iov_len)/sizeof place[0]);
    for (int p = 0; p < n_listed; p++) {
        pieces[p] = (struct iovec) {place[p], f->parameter[p].size};
        total += f->parameter[p].size;
    }
    copied = total <= ARGUMENT_BYTES ? peek(values, pieces, n_listed, total) : 0;
    for (int p = 0; p < f->n_parameters; begin += f->parameter[p++].size)
        if (p >= n_listed || begin+f->parameter[p].size > copied)
            return REFUSE(CUDA_ERROR_INVALID_VALUE, "launch %s: argument %d is missing", f->name,
                          p);
    *n_bytes = total;
    return CUDA_SUCCESS;
}

/* Each pointer points to memory of the device that is there, or is zero. */
CUresult pretend_check_pointers(const node *n) {
    size_t begin = 0;
    for (int p = 0; p < n->f->n_parameters; begin += n->f->parameter[p++].size) {
        uintptr_t address = 0;
        if (n->f->parameter[p].pointer)
            memcpy(&address, n->values+begin, sizeof address);
        if (address != 0 && pretend_room(address, false) == 0 && pretend_room(address, true) == 0)
            return REFUSE(CUDA_ERROR_INVALID_VALUE,
                          "launch %s: argument %d, 0x%zx, is not memory of the device",
                          n->f->name, p, (size_t) address);
    }
    return CUDA_SUCCESS;
}

/* Two names for one array: neither may be RESTRICT if one of them is written. Said once per
   function. */
static void say_same_arrays(const node *n) {
    uintptr_t address[MAX_PARAMETERS];
    size_t begin = 0;
    if (n->f->launched)
        return;
    for (int p = 0; p < n->f->n_parameters; begin += n->f->parameter[p++].size) {
        address[p] = 0;
        if (n->f->parameter[p].pointer)
            memcpy(&address[p], n->values+begin, sizeof address[p]);
        for (int other = 0; other < p; other++)
            if (address[p] != 0 && address[other] == address[p])
                pretend_say("same %s %d %d", n->f->name, other, p);
    }
}

bool pretend_copy_node(node *to, const node *from) {
    *to = *from;
    to->values = malloc(from->n_bytes+1);
    if (to->values != NULL)
        memcpy(to->values, from->values, from->n_bytes);
    return to->values != NULL;
}

/* FNV-1a of all arguments; addresses count from the start of the device's memory. */
static uint64_t hash_arguments(const node *n) {
    uint64_t hash = 14695981039346656037u;
    size_t begin = 0;
    for (int p = 0; p < n->f->n_parameters; begin += n->f->parameter[p++].size) {
        unsigned char value[ARGUMENT_BYTES];
        const size_t size = n->f->parameter[p].size;
        memcpy(value, n->values+begin, size);
        uintptr_t address;
        if (size == sizeof address) {  // a kernel may not use it
            memcpy(&address, value, sizeof address);
            address = pretend_relative(address);
            memcpy(value, &address, sizeof address);
        }
        for (size_t k = 0; k < size; k++)
            hash = (hash^value[k])*1099511628211u;
    }
    return hash;
}

/* Remember what was launched last, and with which arguments. */
static void note_launch(const node *n) {
    function **at = &last_launched;
    pthread_mutex_lock(&pretend_lock);
    while (*at != NULL && *at != n->f)
        at = &(*at)->next;
    if (*at != NULL)
        *at = n->f->next;
    n->f->next = last_launched;
    last_launched = n->f;
    n->f->launched = true;
    memcpy(n->f->values, n->values, n->n_bytes);
    pthread_mutex_unlock(&pretend_lock);
}

/* Programs find it by dlsym(): as if a kernel had written a word of an array, that which was its
   argument when a kernel of this name was last launched. Kernels that are executed write what they
   mean; then it does nothing. */
VISIBLE void pretend_cuda_write(const char *kernel, int argument, int word, int value);
VISIBLE void pretend_cuda_write(const char *kernel, int argument, int word, int value) {
    uintptr_t address = 0;
    if (pretend_executes())
        return;
    pthread_mutex_lock(&pretend_lock);
    const function *f = last_launched;
    while (f != NULL && strcmp(f->name, kernel) != 0)
        f = f->next;
    if (f != NULL && argument < f->n_parameters) {
        size_t begin = 0;
        for (int p = 0; p < argument; p++)
            begin += f->parameter[p].size;
        memcpy(&address, f->values+begin, sizeof address);
        address += (size_t) word*sizeof value;
    }
    pthread_mutex_unlock(&pretend_lock);
    if (pretend_room(address, false) < sizeof value)
        pretend_say("refused pretend_cuda_write: %s has no such array", kernel);
    else
        memcpy(pretend_content(address, true), &value, sizeof value);
}

void pretend_say_launch(const node *n, CUstream stream, const char *more) {
    say_same_arrays(n);
    note_launch(n);
    pretend_say("launch %s %zu %zu %u %p %016llx%s", n->f->name, n->grid, n->threads, n->shared,
        (void *) stream, (unsigned long long) hash_arguments(n), more);
}

VISIBLE CUresult cuLaunchKernel(CUfunction handle, unsigned grid_x, unsigned grid_y,
                                unsigned grid_z, unsigned block_x, unsigned block_y,
                                unsigned block_z, unsigned shared, CUstream stream,
                                void **arguments, void **extra) {
    NEED_CONTEXT("cuLaunchKernel");
    function *f = (function *) handle;
    const size_t grid = (size_t) grid_x*grid_y*grid_z, threads = (size_t) block_x*block_y*block_z;
    unsigned char values[ARGUMENT_BYTES];
    node n = {f, grid, threads, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared,
              values, 0};
    (void) extra;
    if (grid == 0 || grid_x > INT32_MAX || grid_y > 65535 || grid_z > 65535)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "launch %s: grid of %u x %u x %u blocks", f->name,
                      grid_x, grid_y, grid_z);
    if (threads == 0 || threads > (size_t) f->block_threads || block_z > 64)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "launch %s: block of %u x %u x %u, limit %d",
                      f->name, block_x, block_y, block_z, f->block_threads);
    if (f->static_shared+(size_t) shared > STATIC_SHARED)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "launch %s: %zu bytes of shared memory", f->name,
                      f->static_shared+(size_t) shared);
    CUresult result = read_arguments(f, arguments, values, &n.n_bytes);
    if (result == CUDA_SUCCESS)
        result = pretend_check_pointers(&n);
    if (result != CUDA_SUCCESS)
        return result;
    if (pretend_recording.stream != NULL)
        return pretend_keep_node(&n, stream);
    pretend_say_launch(&n, stream, "");
    return pretend_launch(&n);
}
