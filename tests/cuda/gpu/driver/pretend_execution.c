#include "pretend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool pretend_executes(void) {
    return pretend_setting("PRETEND_CUDA_EXECUTE", 0) != 0;
}

/* ------------------------------------------------------------------------------ counts -- */

static struct {
    ptx_kernel **kernels;
    size_t n;
} counted;

static void say_counts(void) {
    for (size_t k = 0; k < counted.n; k++) {
        const ptx_counts c = ptx_counted(counted.kernels[k]);
        pretend_say("counts %s %llu %llu %llu %.6f", ptx_name(counted.kernels[k]),
                    (unsigned long long) c.launches, (unsigned long long) c.warp_instructions,
                    (unsigned long long) c.lane_instructions, c.seconds);
    }
}

/* Contexts may have a kernel in common: it is there once. */
static void count(ptx_kernel *kernel) {
    if (!pretend_setting("PRETEND_CUDA_COUNTS", 0))
        return;
    if (counted.n == 0)
        atexit(say_counts);
    for (size_t k = 0; k < counted.n; k++)
        if (counted.kernels[k] == kernel)
            return;
    ptx_kernel **larger = realloc(counted.kernels, (counted.n+1)*sizeof *larger);
    if (larger != NULL) {
        counted.kernels = larger;
        counted.kernels[counted.n++] = kernel;
    }
}

/* ----------------------------------------------------------------------------- parsing -- */

/* Modules whose text other Contexts may load again. */
static struct {
    module **modules;
    size_t n;
} parsed;

static ptx_module *find_parsed(const char *ptx) {
    for (size_t k = 0; k < parsed.n; k++)
        if (strcmp(parsed.modules[k]->ptx, ptx) == 0)
            return parsed.modules[k]->parsed;
    return NULL;
}

static void remember(module *m) {
    module **larger = realloc(parsed.modules, (parsed.n+1)*sizeof *larger);
    if (larger != NULL) {
        parsed.modules = larger;
        parsed.modules[parsed.n++] = m;
    }
}

/* A kernel is parsed when it is first launched. */
static bool parse(function *f, char *message) {
    module *m = f->in;
    if (f->kernel != NULL)
        return true;
    if (m->parsed == NULL)
        m->parsed = find_parsed(m->ptx);
    if (m->parsed == NULL) {
        m->parsed = ptx_load(m->ptx, &pretend_ptx_memory, message);
        if (m->parsed != NULL && !ptx_has_variables(m->parsed))
            remember(m);
    }
    if (m->parsed != NULL)
        f->kernel = ptx_find(m->parsed, f->name, message);
    if (f->kernel != NULL)
        count(f->kernel);
    return f->kernel != NULL;
}

/* --------------------------------------------------------------------------- execution -- */

/* OpenMM's own kernels do not pass all of them. */
static ptx_checks checks_of(const function *f) {
    const bool ours = strncmp(f->name, "mlff", strlen("mlff")) == 0;
    const char *except = getenv("PRETEND_CUDA_EXCEPT");
    const bool written = except != NULL && strcmp(except, f->name) == 0;
    return (ptx_checks) {
        .races = ours && pretend_setting("PRETEND_CUDA_RACES", 0),
        .global_races = ours && pretend_setting("PRETEND_CUDA_GLOBAL_RACES", 0),
        .handed_over = ours && pretend_setting("PRETEND_CUDA_HANDED_OVER", 0),
        .unwritten = ours && !written && pretend_setting("PRETEND_CUDA_UNWRITTEN", 0),
        .shuffle = (unsigned) pretend_setting("PRETEND_CUDA_SHUFFLE", 0)};
}

static CUresult execute(const node *n) {
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    static uint32_t n_launches;
    char message[PTX_MESSAGE] = "";
    const ptx_checks checks = checks_of(n->f);
    ptx_launch launch = {{n->grid_size[0], n->grid_size[1], n->grid_size[2]},
                         {n->block_size[0], n->block_size[1], n->block_size[2]},
                         n->shared, 0, n->values, &checks};
    pthread_mutex_lock(&one_at_a_time);
    launch.number = ++n_launches;
    const bool done = parse(n->f, message) && ptx_run(n->f->kernel, &launch, message);
    pthread_mutex_unlock(&one_at_a_time);
    if (done)
        return CUDA_SUCCESS;
    fprintf(stderr, "pretend device: %s: %s\n", n->f->name, message);
    return REFUSE(CUDA_ERROR_ILLEGAL_ADDRESS, "launch %s: %s", n->f->name, message);
}

/* ------------------------------------------------------------------------------- queue -- */

/* What is queued and not done yet, in one line for all streams. */
typedef struct work {
    node launch;
    bool copies;
    void *to, *from;
    size_t bytes;
    struct work *next;
} work;

static work *first_work, **last_work = &first_work;

static bool is_lazy(void) {
    return pretend_executes() && pretend_setting("PRETEND_CUDA_LAZY", 0);
}

CUresult pretend_do_queued(void) {
    CUresult result = CUDA_SUCCESS;
    while (first_work != NULL) {
        work *done = first_work;
        first_work = done->next;
        if (first_work == NULL)
            last_work = &first_work;
        if (done->copies)
            memmove(done->to, done->from, done->bytes);
        else if (result == CUDA_SUCCESS)
            result = execute(&done->launch);
        free(done->launch.values);
        free(done);
    }
    return result;
}

static work *add_work(void) {
    work *w = calloc(1, sizeof *w);
    if (w == NULL)
        abort();
    *last_work = w;
    last_work = &w->next;
    return w;
}

CUresult pretend_launch(const node *n) {
    if (!pretend_executes())
        return CUDA_SUCCESS;
    if (!is_lazy())
        return execute(n);
    return pretend_copy_node(&add_work()->launch, n) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult pretend_copy(void *to, void *from, size_t bytes, bool blocking) {
    if (is_lazy() && !blocking) {
        work *w = add_work();
        w->copies = true;
        w->to = to;
        w->from = from;
        w->bytes = bytes;
        return CUDA_SUCCESS;
    }
    const CUresult result = pretend_do_queued();
    memmove(to, from, bytes);
    return result;
}

/* For libraries that work in the device's memory: where an address leads to, when all is done. */
VISIBLE void *pretend_cuda_content(uintptr_t address);
VISIBLE void *pretend_cuda_content(uintptr_t address) {
    pretend_do_queued();
    return pretend_room(address, false) > 0 ? pretend_content(address, true) : NULL;
}
