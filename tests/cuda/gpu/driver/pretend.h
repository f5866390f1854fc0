/*
 * A pretend CUDA driver, libcuda.so.1: OpenMM's CUDA platform and plugins of it run on a machine
 * without a GPU.
 *
 * The code on the host runs as it is, the real compiler (NVRTC) compiles every kernel, and each
 * call is checked more strictly than by a real driver. Memory of the device cannot be touched by
 * the host. With PRETEND_CUDA_EXECUTE the compiler's PTX is executed (../ptx.h) and numbers count;
 * without it, kernels do nothing, and numbers mean nothing.
 *
 * Read from the environment:
 *   PRETEND_CUDA_CAPABILITY   of the device: 90 (the default) is 9.0
 *   PRETEND_CUDA_DEVICES      number of devices; 1 is the default
 *   PRETEND_CUDA_PROCESSORS   multiprocessors, 132 is the default: OpenMM launches blocks for each
 *   PRETEND_CUDA_QUIET        1: the log gets only refused calls, "same" and "counts"
 *   PRETEND_CUDA_LOG          file to write; one event per line, fields separated by blanks:
 *       launch KERNEL GRID BLOCK SHARED STREAM HASH [graph]
 *           threads in all dimensions, bytes of dynamic memory, hash of all arguments; graph: as a
 *           node of one
 *       same KERNEL I J                          once: arguments I and J are the same array
 *       graph recorded|updated|launched NODES STREAM
 *       copy KIND BYTES STREAM blocking|queued   HtoD, DtoH, DtoD
 *       record EVENT
 *       wait stream|context|event EVENT
 *       allocate device|host BYTES
 *       free device|host BYTES
 *       module FILE [IMAGE]                      IMAGE: the copy's name in PRETEND_CUDA_IMAGES
 *       context created|destroyed N M            allocations of device and host that are left
 *       mark TEXT                                of pretend_cuda_mark()
 *       counts KERNEL LAUNCHES WARPS LANES SECONDS   at the end: instructions of warps and of lanes
 *       refused TEXT                             a call that failed, and why
 *   PRETEND_CUDA_NO_GRAPHS    1: nothing can be recorded
 *   PRETEND_CUDA_IMAGES       folder to copy the image (PTX) of every module to
 *   PRETEND_CUDA_EXECUTE      1: kernels are executed; the following count only then
 *   PRETEND_CUDA_RACES        1: races in shared memory are errors
 *   PRETEND_CUDA_GLOBAL_RACES 1: races between blocks in global memory are errors
 *   PRETEND_CUDA_UNWRITTEN    1: reads of shared memory that nobody has written are errors
 *   PRETEND_CUDA_EXCEPT       a kernel in which they are not
 *   PRETEND_CUDA_HANDED_OVER  1: lines on stderr where threads read what others wrote
 *   PRETEND_CUDA_POISON       1: new memory is NaN instead of zeros
 *   PRETEND_CUDA_LAZY         1: what is queued is done when the host waits for it, not before
 *   PRETEND_CUDA_SHUFFLE      seed: blocks and warps in another order
 *   PRETEND_CUDA_COUNTS       1: the log gets "counts"
 * Races and memory that is unwritten or handed over are looked for in kernels named mlff* alone:
 * OpenMM's own do not pass.
 *
 * A kernel that fails prints "pretend device: ..." and its launch, or a later wait, is an error.
 * Only what is called so far exists here: loading a library that calls more fails.
 *
 *   pretend_log         the log, settings
 *   pretend_memory      allocations of device and host
 *   pretend_contexts    contexts of threads
 *   pretend_copies      copies between them
 *   pretend_modules     images and their kernels: parameters, limits
 *   pretend_launches    launches with their arguments
 *   pretend_execution   kernels that are executed; what is queued
 *   pretend_graphs      recorded launches
 *   pretend_device      streams, events, what a device is
 *   pretend_cufft       libcufft.so
 */
#ifndef PRETEND_H
#define PRETEND_H

#include <cuda.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../ptx.h"

#undef cuCtxCreate
#define VISIBLE __attribute__((visibility("default")))

enum {MAX_PARAMETERS = PTX_MAX_PARAMETERS, MAX_NAME = 256, DRIVER_VERSION = 13000};
enum {STATIC_SHARED = 48*1024, BLOCK_THREADS = 1024, ARGUMENT_BYTES = 4096};

extern pthread_mutex_t pretend_lock;    // of all lists below

/* --------------------------------------------------------------------------------- log -- */

int pretend_setting(const char *name, int otherwise);
/* A line of the log. */
void pretend_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A call that fails: says why, and is the code. */
#define REFUSE(code, ...) (pretend_say("refused " __VA_ARGS__), (code))

/* ---------------------------------------------------------------------------- contexts -- */

typedef struct context context;

context *pretend_context(void);     // of this thread, NULL: none

#define NEED_CONTEXT(call)                                                                        \
    do {                                                                                          \
        if (pretend_context() == NULL)                                                            \
            return REFUSE(CUDA_ERROR_INVALID_CONTEXT, "%s: no context is current", call);         \
    } while (0)

/* ------------------------------------------------------------------------------ memory -- */

/* Bytes from an address to the end of its allocation; 0: it is in none of this kind. */
size_t pretend_room(uintptr_t address, bool on_host);
/* Where the content of an address is; of one on the host, there. */
void *pretend_content(uintptr_t address, bool on_device);
/* Of an address on the device: bytes from the begin of the device's memory; others stay. */
uintptr_t pretend_relative(uintptr_t address);
/* Gives up a context's allocations; left: how many, of the device and of the host. */
void pretend_forget_memory(const context *owner, int left[2]);
extern const ptx_memory pretend_ptx_memory;     // the same for the interpreter

/* ----------------------------------------------------------------------------- modules -- */

typedef struct module {
    char *ptx;
    ptx_module *parsed;     // once a kernel of it is executed
} module;

typedef struct function {
    char name[MAX_NAME];
    int n_parameters;
    struct {
        size_t size;    // bytes
        bool pointer;   // into memory of the device
    } parameter[MAX_PARAMETERS];
    int static_shared;  // bytes
    int block_threads;
    bool waits;         // for the kernel before, before it touches memory
    bool launched;
    unsigned char values[ARGUMENT_BYTES];   // of the last launch, one after the other
    module *in;
    ptx_kernel *kernel;     // once it is executed
    struct function *next;  // of those that were launched
} function;

/* ---------------------------------------------------------------------------- launches -- */

/* A launch that has been asked for; values: its arguments, one after the other. */
typedef struct node {
    function *f;
    size_t grid, threads;       // in all dimensions
    unsigned grid_size[3], block_size[3], shared;
    unsigned char *values;
    size_t n_bytes;
} node;

bool pretend_copy_node(node *to, const node *from);     // with its values; false: no memory
CUresult pretend_check_pointers(const node *n);         // to live memory of the device, or zero
void pretend_say_launch(const node *n, CUstream stream, const char *more);

/* --------------------------------------------------------------------------- recording -- */

/* This thread records what it queues on a stream, in thread-local mode. */
typedef struct {
    void *stream;   // NULL: it does not
    bool broken;    // by a call that must not be recorded
    node *nodes;
    size_t n_nodes, capacity;
} recorder;

extern _Thread_local recorder pretend_recording;

/* Keeps a launch instead of making it. */
CUresult pretend_keep_node(const node *n, CUstream stream);

/* Calls that a driver does not allow to a thread that records. */
#define NOT_WHILE_RECORDING(call)                                                                 \
    do {                                                                                          \
        if (pretend_recording.stream != NULL) {                                                   \
            pretend_recording.broken = true;                                                      \
            return REFUSE(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "%s: while recording", call);    \
        }                                                                                         \
    } while (0)

/* --------------------------------------------------------------------------- execution -- */

bool pretend_executes(void);
/* Executes a launch, or queues it; the values stay the caller's. */
CUresult pretend_launch(const node *n);
/* Copies, or queues the copy: its content is then that of a later time. */
CUresult pretend_copy(void *to, void *from, size_t bytes, bool blocking);
/* All that is queued: the host waits for it. The first error of it. */
CUresult pretend_do_queued(void);

#endif
