/*
 * A pretend CUDA driver, libcuda.so.1: OpenMM's CUDA platform and plugins of it run on a machine
 * without a GPU, in all but the kernels themselves.
 *
 * The code on the host runs as it is, the real compiler (NVRTC) compiles every kernel, and each
 * call is checked more strictly than by a real driver. Kernels do nothing: numbers mean nothing.
 * Memory of the device cannot be touched by the host and starts as zeros.
 *
 * Read from the environment:
 *   PRETEND_CUDA_CAPABILITY   of the device: 90 (the default) is 9.0
 *   PRETEND_CUDA_DEVICES      number of devices; 1 is the default
 *   PRETEND_CUDA_QUIET        1: the log gets only refused calls, and "same"
 *   PRETEND_CUDA_LOG          file to write; one event a line, fields separated by blanks:
 *       launch KERNEL GRID BLOCK SHARED STREAM HASH [graph]
 *                                                threads in all dimensions, bytes of dynamic memory,
 *                                                hash of all arguments; graph: as a node of one
 *       same KERNEL I J                          once: arguments I and J are the same array
 *       graph recorded|updated|launched NODES STREAM
 *       copy KIND BYTES STREAM blocking|queued   HtoD, DtoH, DtoD
 *       record EVENT
 *       wait stream|context|event EVENT
 *       allocate device|host BYTES
 *       free device|host BYTES
 *       module FILE [IMAGE]                      IMAGE: the copy's name in PRETEND_CUDA_IMAGES
 *       context created|destroyed N M            allocations of device and host left behind
 *       mark TEXT                                of pretend_cuda_mark()
 *       refused TEXT                             a call that failed, and why
 *   PRETEND_CUDA_NO_GRAPHS    1: nothing can be recorded
 *   PRETEND_CUDA_IMAGES       folder to copy the image (PTX) of every module to
 *
 * Only what is called so far exists here: loading a library that calls more fails.
 */
#define _GNU_SOURCE  // process_vm_readv
#include <cuda.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#undef cuCtxCreate
#define VISIBLE __attribute__((visibility("default")))

enum {MAX_PARAMETERS = 64, MAX_NAME = 256, MAX_DEPTH = 32, DRIVER_VERSION = 13000};
enum {STATIC_SHARED = 48*1024, BLOCK_THREADS = 1024, ARGUMENT_BYTES = 4096};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int setting(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text != NULL ? atoi(text) : otherwise;
}

/* --------------------------------------------------------------------------------- log -- */

static void say(const char *format, ...) {
    static FILE *file;
    const char *name = getenv("PRETEND_CUDA_LOG");
    const bool always = strncmp(format, "refused", strlen("refused")) == 0 ||
                        strncmp(format, "same", strlen("same")) == 0;
    if (name == NULL || (!always && setting("PRETEND_CUDA_QUIET", 0)))
        return;
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&lock);
    if (file == NULL)
        file = fopen(name, "a");
    if (file != NULL) {
        vfprintf(file, format, arguments);
        fputc('\n', file);
        if (strncmp(format, "launch", strlen("launch")) != 0)
            fflush(file);
    }
    pthread_mutex_unlock(&lock);
    va_end(arguments);
}

#define REFUSE(code, ...) (say("refused " __VA_ARGS__), (code))

/* Programs find it by dlsym(): says what they are about to do. */
VISIBLE void pretend_cuda_mark(const char *text);
VISIBLE void pretend_cuda_mark(const char *text) {
    say("mark %s", text);
}

/* ---------------------------------------------------------------------------- contexts -- */

typedef struct {
    bool alive;
    int device;
} context;

static _Thread_local context *current[MAX_DEPTH];
static _Thread_local int depth;

static context *current_context(void) {
    return depth > 0 ? current[depth-1] : NULL;
}

#define NEED_CONTEXT(call)                                                                        \
    do {                                                                                          \
        if (current_context() == NULL)                                                            \
            return REFUSE(CUDA_ERROR_INVALID_CONTEXT, "%s: no context is current", call);         \
    } while (0)

/* --------------------------------------------------------------------------- recording -- */

/* This thread records what it queues on a stream, in thread-local mode. */
typedef struct {
    void *stream;   // NULL: it does not
    bool broken;    // by a call that must not be recorded
    struct node *nodes;
    size_t n_nodes, capacity;
} recorder;

static _Thread_local recorder recording;

/* Calls that a driver does not allow to a thread that records. */
#define NOT_WHILE_RECORDING(call)                                                                 \
    do {                                                                                          \
        if (recording.stream != NULL) {                                                           \
            recording.broken = true;                                                              \
            return REFUSE(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "%s: while recording", call);    \
        }                                                                                         \
    } while (0)

/* ------------------------------------------------------------------------------ memory -- */

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
    blocks[n_blocks++] = (block) {begin, size, current_context(), on_host, true};
    return true;
}

/* Bytes from an address to the end of its block, 0 if it is in none of this kind. */
static size_t room(uintptr_t address, bool on_host) {
    pthread_mutex_lock(&lock);
    const block *b = find_block(address);
    const size_t bytes = b != NULL && b->on_host == on_host ? b->begin+b->size-address : 0;
    pthread_mutex_unlock(&lock);
    return bytes;
}

VISIBLE CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t size) {
    NEED_CONTEXT("cuMemAlloc");
    NOT_WHILE_RECORDING("cuMemAlloc");
    if (size == 0)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "cuMemAlloc: 0 bytes");
    pthread_mutex_lock(&lock);
    const size_t step = (size/ALIGNMENT+2)*ALIGNMENT;  // a gap behind every block
    const bool done = reserve_range() && device_next+step <= device_begin+RANGE
        && add_block(device_next, size, false);
    if (done) {
        *address = device_next;
        device_next += step;
    }
    pthread_mutex_unlock(&lock);
    say("allocate device %zu", size);
    return done ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

VISIBLE CUresult cuMemHostAlloc(void **memory, size_t size, unsigned flags) {
    NEED_CONTEXT("cuMemHostAlloc");
    NOT_WHILE_RECORDING("cuMemHostAlloc");
    (void) flags;
    if (size == 0)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "cuMemHostAlloc: 0 bytes");
    *memory = calloc(1, size);
    pthread_mutex_lock(&lock);
    const bool done = *memory != NULL && add_block((uintptr_t) *memory, size, true);
    pthread_mutex_unlock(&lock);
    say("allocate host %zu", size);
    return done ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult release(uintptr_t begin, bool on_host, const char *call) {
    NEED_CONTEXT(call);
    NOT_WHILE_RECORDING(call);
    pthread_mutex_lock(&lock);
    block *b = find_block(begin);
    const bool found = b != NULL && b->begin == begin && b->on_host == on_host;
    const bool own = found && b->owner == current_context();
    const size_t size = found ? b->size : 0;
    if (own)
        b->alive = false;
    pthread_mutex_unlock(&lock);
    if (!found)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "%s: not the start of a live allocation", call);
    if (!own)
        return REFUSE(CUDA_ERROR_INVALID_CONTEXT, "%s: memory of another context", call);
    if (on_host)
        free((void *) begin);
    say("free %s %zu", on_host ? "host" : "device", size);
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
    if (room((uintptr_t) memory, true) == 0)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "cuMemHostGetDevicePointer: not page-locked");
    *address = (CUdeviceptr) memory;
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuCtxCreate_v2(CUcontext *out, unsigned flags, CUdevice device) {
    (void) flags;
    context *made = calloc(1, sizeof *made);
    if (made == NULL || depth == MAX_DEPTH)
        return CUDA_ERROR_OUT_OF_MEMORY;
    *made = (context) {true, device};
    current[depth++] = made;
    *out = (CUcontext) made;
    say("context created");
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
    pthread_mutex_lock(&lock);
    for (size_t b = 0; b < n_blocks; b++)
        if (blocks[b].alive && blocks[b].owner == destroyed) {
            left[blocks[b].on_host]++;
            blocks[b].alive = false;
        }
    pthread_mutex_unlock(&lock);
    destroyed->alive = false;
    if (current_context() == destroyed)
        depth--;
    say("context destroyed %d %d", left[0], left[1]);
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
    say("wait context");
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuCtxSetCacheConfig(CUfunc_cache config) {
    (void) config;
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned flags) {
    (void) peer, (void) flags;
    return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
}

/* ------------------------------------------------------------------------------ copies -- */

typedef enum {HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE} direction;

/* Where the content of an address is; of one on the host, there. */
static void *content_of(uintptr_t address, bool on_device) {
    return (void *) (on_device ? address+RANGE : address);
}

/* A copy that is queued from or to memory that is not page-locked counts as blocking. */
static CUresult copy(direction kind, uintptr_t to, uintptr_t from, size_t bytes, CUstream stream,
                     bool blocking) {
    static const char *const name[] = {"HtoD", "DtoH", "DtoD"};
    NEED_CONTEXT("cuMemcpy");
    NOT_WHILE_RECORDING("cuMemcpy");
    const bool to_device = kind != DEVICE_TO_HOST, from_device = kind != HOST_TO_DEVICE;
    if ((to_device && room(to, false) < bytes) || (from_device && room(from, false) < bytes))
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "copy %s: %zu bytes reach beyond an allocation",
                      name[kind], bytes);
    const uintptr_t host = to_device ? from : to;
    if (kind != DEVICE_TO_DEVICE && room(host, true) < bytes)
        blocking = true;
    memmove(content_of(to, to_device), content_of(from, from_device), bytes);
    say("copy %s %zu %p %s", name[kind], bytes, (void *) stream, blocking ? "blocking" : "queued");
    return CUDA_SUCCESS;
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
    const bool to_device = room(to, false) > 0, from_device = room(from, false) > 0;
    if (!to_device && !from_device)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "cuMemcpyAsync: no address is on the device");
    return copy(!to_device ? DEVICE_TO_HOST : from_device ? DEVICE_TO_DEVICE : HOST_TO_DEVICE,
                to, from, bytes, s, false);
}

/* ----------------------------------------------------------------------------- modules -- */

typedef struct {
    char *ptx;
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
    unsigned char values[ARGUMENT_BYTES];   // of the last launch, one behind the other
    struct function *next;
} function;

static function *last_launched;  // others behind it

static char *read_text(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    char *text = NULL;
    if (fseek(file, 0, SEEK_END) == 0) {
        const long size = ftell(file);
        rewind(file);
        text = size > 0 ? calloc((size_t) size+1, 1) : NULL;
        if (text != NULL && fread(text, 1, (size_t) size, file) != (size_t) size) {
            free(text);
            text = NULL;
        }
    }
    fclose(file);
    return text;
}

/* The copy's name, "" without a copy. */
static void keep_image(const char *ptx, char *name, size_t size) {
    static int n_images;
    const char *folder = getenv("PRETEND_CUDA_IMAGES");
    name[0] = '\0';
    if (folder == NULL)
        return;
    pthread_mutex_lock(&lock);
    const int number = n_images++;
    pthread_mutex_unlock(&lock);
    char path[4096];
    snprintf(name, size, "%d-%03d.ptx", (int) getpid(), number);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file != NULL) {
        fputs(ptx, file);
        fclose(file);
    }
}

static CUresult load(CUmodule *out, char *ptx, const char *name) {
    if (ptx == NULL)
        return CUDA_ERROR_FILE_NOT_FOUND;
    module *made = calloc(1, sizeof *made);
    if (made == NULL || strstr(ptx, ".entry") == NULL) {
        free(ptx);
        free(made);
        return REFUSE(CUDA_ERROR_INVALID_IMAGE, "module %s: no PTX with kernels", name);
    }
    made->ptx = ptx;
    *out = (CUmodule) made;
    char image[64];
    keep_image(ptx, image, sizeof image);
    say("module %s %s", name, image);
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuModuleLoad(CUmodule *out, const char *path) {
    NEED_CONTEXT("cuModuleLoad");
    NOT_WHILE_RECORDING("cuModuleLoad");
    return load(out, read_text(path), path);
}

VISIBLE CUresult cuModuleLoadDataEx(CUmodule *out, const void *image, unsigned n_options,
                                    CUjit_option *options, void **values) {
    NEED_CONTEXT("cuModuleLoadDataEx");
    NOT_WHILE_RECORDING("cuModuleLoadDataEx");
    (void) n_options, (void) options, (void) values;
    return load(out, strdup(image), "(memory)");
}

/* Size of one element of a type: ".u64" is 8. */
static size_t type_size(const char *declaration) {
    static const struct {const char *name; size_t size;} types[] = {
        {".b8", 1}, {".u8", 1}, {".s8", 1}, {".b16", 2}, {".u16", 2}, {".s16", 2}, {".b32", 4},
        {".u32", 4}, {".s32", 4}, {".f32", 4}, {".b64", 8}, {".u64", 8}, {".s64", 8}, {".f64", 8}};
    for (size_t t = 0; t < sizeof types/sizeof types[0]; t++) {
        const char *found = strstr(declaration, types[t].name);
        if (found != NULL && strchr(" \t", found[strlen(types[t].name)]) != NULL)
            return types[t].size;
    }
    return 0;
}

/* ".align 16 .b8 name[32]" has 32 bytes. */
static size_t declared_size(const char *declaration) {
    const char *bracket = strchr(declaration, '[');
    return type_size(declaration)*(bracket != NULL ? strtoul(bracket+1, NULL, 10) : 1);
}

/* A copy of the text up to one of the characters, or its end. */
static void head(char *out, size_t size, const char *text, const char *end) {
    const size_t length = strcspn(text, end);
    snprintf(out, size, "%.*s", (int) (length < size ? length : size-1), text);
}

/* The kernel uses a parameter as an address: it is loaded into a register,
       ld.param.u64  %rd5, [NAME_param_1];
   and that is made an address of global memory,
       cvta.to.global.u64  %rd11, %rd5; */
static bool is_pointer(const function *f, int p, const char *body, const char *end) {
    char operand[MAX_NAME+32], line[MAX_NAME], source[MAX_NAME];
    snprintf(operand, sizeof operand, ", [%s_param_%d];", f->name, p);
    const char *load = strstr(body, operand);
    if (load == NULL || load > end)
        return false;
    const char *name = load;
    while (name[-1] != ' ' && name[-1] != '\t')
        name--;
    snprintf(source, sizeof source, ", %.*s", (int) (load-name), name);
    for (const char *use = load; (use = strstr(use, "cvta.to.global.u64")) && use < end; use++) {
        head(line, sizeof line, use, ";");
        if (strcmp(line+strlen(line)-strlen(source), source) == 0)
            return true;
    }
    return false;
}

static void read_parameters(function *f, const char *entry, const char *end) {
    const char *list = entry+strcspn(entry, "(")+1;
    char text[MAX_NAME];
    while (f->n_parameters < MAX_PARAMETERS && (list += strspn(list, " \t\n,"), *list == '.')) {
        const int p = f->n_parameters++;
        head(text, sizeof text, list, ",)");
        f->parameter[p].size = declared_size(text);
        f->parameter[p].pointer = f->parameter[p].size == 8 && is_pointer(f, p, entry, end);
        list += strcspn(list, ",)");
    }
}

/* Directives before the body, and the shared memory that the body declares. */
static void read_limits(function *f, const char *from, const char *end) {
    char text[MAX_NAME];
    const char *found = strstr(from, ".maxntid");
    f->block_threads = BLOCK_THREADS;
    if (found != NULL && found < end && found < strchr(from, '{')) {
        int x = 1, y = 1, z = 1;
        sscanf(found+strlen(".maxntid"), "%d , %d , %d", &x, &y, &z);
        f->block_threads = x*y*z;
    }
    for (found = from; (found = strstr(found, ".shared .align")) != NULL && found < end; found++) {
        head(text, sizeof text, found, ";");
        f->static_shared += (int) declared_size(text);
    }
}

/* Whether the kernel waits for the one before it reads or writes anything but its arguments. */
static bool waits_first(const char *from, const char *end) {
    const char *wait = strstr(from, "griddepcontrol.wait");
    if (wait == NULL || wait > end)
        return false;
    for (const char *line = strchr(from, '{'); line != NULL && line < wait; line = strchr(line+1, '\n'))
        for (const char *word = line+1; *word != '\n' && *word != 0; word++)
            if (strncmp(word, "ld.global", 9) == 0 || strncmp(word, "st.", 3) == 0 ||
                    strncmp(word, "atom.", 5) == 0 || strncmp(word, "red.", 4) == 0 ||
                    strncmp(word, "bra", 3) == 0)
                return false;
    return true;
}

/* The text of a kernel, from its name on; NULL if there is none. */
static const char *find_entry(const char *ptx, const char *name) {
    char found[MAX_NAME];
    while ((ptx = strstr(ptx, ".entry ")) != NULL) {
        ptx += strlen(".entry ");
        head(found, sizeof found, ptx, "( \t\n");
        if (strcmp(found, name) == 0)
            return ptx;
    }
    return NULL;
}

VISIBLE CUresult cuModuleGetFunction(CUfunction *out, CUmodule handle, const char *name) {
    const char *entry = find_entry(((module *) handle)->ptx, name);
    if (entry == NULL)
        return REFUSE(CUDA_ERROR_NOT_FOUND, "cuModuleGetFunction: no kernel %s", name);
    const char *next = strstr(entry, ".entry ");
    const char *end = next != NULL ? next : entry+strlen(entry);
    function *made = calloc(1, sizeof *made);
    if (made == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    snprintf(made->name, sizeof made->name, "%s", name);
    read_parameters(made, entry, end);
    read_limits(made, entry, end);
    made->waits = waits_first(entry, end);
    *out = (CUfunction) made;
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction handle) {
    const function *f = (const function *) handle;
    if (attribute == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)
        *value = f->block_threads;
    else if (attribute == CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)
        *value = f->static_shared;
    else
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "cuFuncGetAttribute: attribute %d", attribute);
    return CUDA_SUCCESS;
}

/* ---------------------------------------------------------------------------- launches -- */

/* Copy pieces of this process's memory that may not be there; returns the bytes copied, which end
   at the first piece that cannot be read. */
static size_t peek(void *to, const struct iovec *pieces, int n_pieces, size_t bytes) {
    const struct iovec here = {to, bytes};
    const ssize_t copied = process_vm_readv(getpid(), &here, 1, pieces, (size_t) n_pieces, 0);
    return copied > 0 ? (size_t) copied : 0;
}

/* A launch that has been asked for; values: its arguments, one behind the other. */
typedef struct node {
    function *f;
    size_t grid, threads;
    unsigned shared;
    unsigned char *values;
    size_t n_bytes;
} node;

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
static CUresult check_pointers(const node *n) {
    size_t begin = 0;
    for (int p = 0; p < n->f->n_parameters; begin += n->f->parameter[p++].size) {
        uintptr_t address = 0;
        if (n->f->parameter[p].pointer)
            memcpy(&address, n->values+begin, sizeof address);
        if (address != 0 && room(address, false) == 0 && room(address, true) == 0)
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
                say("same %s %d %d", n->f->name, other, p);
    }
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
            if (address-device_begin < RANGE)
                address -= device_begin;
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
    pthread_mutex_lock(&lock);
    while (*at != NULL && *at != n->f)
        at = &(*at)->next;
    if (*at != NULL)
        *at = n->f->next;
    n->f->next = last_launched;
    last_launched = n->f;
    n->f->launched = true;
    memcpy(n->f->values, n->values, n->n_bytes);
    pthread_mutex_unlock(&lock);
}

/* Programs find it by dlsym(): as if a kernel had written a word of an array, that which was its
   argument when a kernel of this name was last launched. */
VISIBLE void pretend_cuda_write(const char *kernel, int argument, int word, int value);
VISIBLE void pretend_cuda_write(const char *kernel, int argument, int word, int value) {
    uintptr_t address = 0;
    pthread_mutex_lock(&lock);
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
    pthread_mutex_unlock(&lock);
    if (room(address, false) < sizeof value)
        say("refused pretend_cuda_write: %s has no such array", kernel);
    else
        memcpy(content_of(address, true), &value, sizeof value);
}

static void say_launch(const node *n, CUstream stream, const char *more) {
    say_same_arrays(n);
    note_launch(n);
    say("launch %s %zu %zu %u %p %016llx%s", n->f->name, n->grid, n->threads, n->shared,
        (void *) stream, (unsigned long long) hash_arguments(n), more);
}

/* Keep a launch instead of making it. */
static CUresult keep_node(const node *n, CUstream stream) {
    node kept = *n;
    if (recording.stream != stream || !n->f->launched) {
        recording.broken = true;
        return REFUSE(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "launch %s: while recording, %s",
                      n->f->name, n->f->launched ? "into another stream" :
                      "of a kernel that was never launched before");
    }
    if (recording.n_nodes == recording.capacity) {
        const size_t capacity = 2*recording.capacity+32;
        node *larger = realloc(recording.nodes, capacity*sizeof *larger);
        if (larger == NULL)
            return CUDA_ERROR_OUT_OF_MEMORY;
        recording.nodes = larger;
        recording.capacity = capacity;
    }
    kept.values = malloc(n->n_bytes+1);
    if (kept.values == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    memcpy(kept.values, n->values, n->n_bytes);
    recording.nodes[recording.n_nodes++] = kept;
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuLaunchKernel(CUfunction handle, unsigned grid_x, unsigned grid_y,
                                unsigned grid_z, unsigned block_x, unsigned block_y,
                                unsigned block_z, unsigned shared, CUstream stream,
                                void **arguments, void **extra) {
    NEED_CONTEXT("cuLaunchKernel");
    function *f = (function *) handle;
    const size_t grid = (size_t) grid_x*grid_y*grid_z, threads = (size_t) block_x*block_y*block_z;
    unsigned char values[ARGUMENT_BYTES];
    node n = {f, grid, threads, shared, values, 0};
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
        result = check_pointers(&n);
    if (result != CUDA_SUCCESS)
        return result;
    if (recording.stream != NULL)
        return keep_node(&n, stream);
    say_launch(&n, stream, "");
    return CUDA_SUCCESS;
}

/* ------------------------------------------------------------------------------ graphs -- */

/* Of a node, to the one before it; the first has none. */
enum edge {NO_EDGE, PLAIN_EDGE, PROGRAMMATIC_EDGE};

/* One node behind the other, as a stream records them. */
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
    for (size_t k = 0; to->nodes != NULL && k < from->n_nodes; k++) {
        to->nodes[k] = from->nodes[k];
        to->nodes[k].values = malloc(from->nodes[k].n_bytes+1);
        if (to->nodes[k].values == NULL)
            return false;
        memcpy(to->nodes[k].values, from->nodes[k].values, from->nodes[k].n_bytes);
    }
    return to->nodes != NULL;
}

VISIBLE CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode) {
    NEED_CONTEXT("cuStreamBeginCapture");
    NOT_WHILE_RECORDING("cuStreamBeginCapture");
    if (setting("PRETEND_CUDA_NO_GRAPHS", 0))
        return CUDA_ERROR_NOT_SUPPORTED;
    if (stream == NULL)
        return REFUSE(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                      "cuStreamBeginCapture: the legacy stream cannot record");
    if (mode != CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "cuStreamBeginCapture: mode %d would forbid other "
                      "threads to work", (int) mode);
    recording = (recorder) {stream, false, NULL, 0, 0};
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuStreamEndCapture(CUstream stream, CUgraph *out) {
    NEED_CONTEXT("cuStreamEndCapture");
    graph *made = calloc(1, sizeof *made);
    if (recording.stream == NULL || recording.stream != stream || made == NULL)
        return REFUSE(CUDA_ERROR_INVALID_VALUE, "cuStreamEndCapture: this stream does not record");
    *made = (graph) {recording.nodes, recording.n_nodes, malloc(recording.n_nodes+1)};
    if (made->edges == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    memset(made->edges, PLAIN_EDGE, made->n_nodes);
    made->edges[0] = NO_EDGE;
    recording.stream = NULL;
    *out = (CUgraph) made;
    if (recording.broken) {
        free_nodes(made);
        free(made);
        *out = NULL;
        return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    }
    say("graph recorded %zu %p", made->n_nodes, (void *) stream);
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
    if (programmatic && (!f->waits || setting("PRETEND_CUDA_CAPABILITY", 90) < 90))
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
    say("graph updated %zu -", recorded->n_nodes);
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuGraphLaunch(CUgraphExec handle, CUstream stream) {
    NEED_CONTEXT("cuGraphLaunch");
    NOT_WHILE_RECORDING("cuGraphLaunch");
    const graph *executable = (const graph *) handle;
    say("graph launched %zu %p", executable->n_nodes, (void *) stream);
    for (size_t k = 0; k < executable->n_nodes; k++) {
        const CUresult result = check_pointers(&executable->nodes[k]);
        if (result != CUDA_SUCCESS)
            return result;
        say_launch(&executable->nodes[k], stream, " graph");
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

/* ------------------------------------------------------------------- streams and events -- */

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
    say("wait stream");
    return CUDA_SUCCESS;
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
    say("record %p", (void *) event);
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuEventSynchronize(CUevent event) {
    NOT_WHILE_RECORDING("cuEventSynchronize");
    say("wait event %p", (void *) event);
    return CUDA_SUCCESS;
}

/* ----------------------------------------------------------------------------- devices -- */

VISIBLE CUresult cuInit(unsigned flags) {
    (void) flags;
    return setting("PRETEND_CUDA_DEVICES", 1) > 0 ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}

VISIBLE CUresult cuDriverGetVersion(int *version) {
    *version = DRIVER_VERSION;
    return CUDA_SUCCESS;
}

VISIBLE CUresult cuDeviceGetCount(int *count) {
    *count = setting("PRETEND_CUDA_DEVICES", 1);
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
    const int capability = setting("PRETEND_CUDA_CAPABILITY", 90);
    (void) device;
    switch (attribute) {
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = capability/10; break;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = capability%10; break;
        case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = 132; break;
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
