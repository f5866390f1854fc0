#define _POSIX_C_SOURCE 200809L  // clock_gettime
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../checks/ptx_watch.h"

_Noreturn void ptx_fail(const warp *w, const instruction *i, int lane, const char *format, ...) {
    const block_state *b = w->block;
    const unsigned *size = b->launch->block;
    const unsigned thread = (unsigned) w->index*PTX_LANES+(unsigned) lane;
    char what[PTX_MESSAGE/2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    snprintf(b->message, PTX_MESSAGE, "%s, block (%u, %u, %u), thread (%u, %u, %u), PTX line %d, "
             "%.*s: %s", b->kernel->name, b->id[0], b->id[1], b->id[2], thread%size[0],
             thread/size[0]%size[1], thread/size[0]/size[1], i->line,
             (int) strcspn(i->text, ";\n"), i->text, what);
    longjmp(*(jmp_buf *) b->failed, 1);
}

/* ------------------------------------------------------------------------------- block -- */

static uint64_t next_random(block_state *b) {
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    b->random ^= b->random << 17;
    return b->random;
}

/* Each warp to its next barrier or its end. */
static void run_warps(warp *warps, int n_warps) {
    for (int k = 0; k < n_warps; k++)
        if (warps[k].state == RUNNING)
            ptx_run_warp(&warps[k], UINT64_MAX);
}

/* The same, but a warp is interrupted after some instructions, and any may be next. */
static void run_warps_at_random(block_state *b, warp *warps, int n_warps) {
    for (;;) {
        int running = 0;
        for (int k = 0; k < n_warps; k++)
            running += warps[k].state == RUNNING;
        if (running == 0)
            return;
        int chosen = (int) (next_random(b)%(uint64_t) running);
        for (int k = 0; k < n_warps; k++)
            if (warps[k].state == RUNNING && chosen-- == 0)
                ptx_run_warp(&warps[k], 1+next_random(b)%64);
    }
}

static uint32_t all_threads(const warp *w) {
    const unsigned *size = w->block->launch->block;
    const unsigned left = size[0]*size[1]*size[2]-(unsigned) w->index*PTX_LANES;
    return left >= PTX_LANES ? 0xffffffffu : (1u << left)-1;
}

/* False: all warps have ended. Else all threads of the block must be at the same barrier. */
static bool pass_barrier(block_state *b, warp *warps, int n_warps) {
    const instruction *code = b->kernel->code;
    const warp *first = NULL;
    for (int k = 0; k < n_warps; k++) {
        if (warps[k].state != AT_BARRIER)
            continue;
        first = first == NULL ? &warps[k] : first;
        if (warps[k].barrier != first->barrier)
            ptx_fail(&warps[k], &code[warps[k].barrier], 0, "another warp is at the barrier of "
                     "line %d", code[first->barrier].line);
    }
    if (first == NULL)
        return false;
    for (int k = 0; k < n_warps; k++) {
        warp *w = &warps[k];
        if (w->state == ENDED)
            ptx_fail(first, &code[first->barrier], 0, "warp %d has ended before this barrier", k);
        if (w->alive != all_threads(w))
            ptx_fail(w, &code[w->barrier], 0, "threads of the warp have ended before this barrier: "
                     "0x%x are left", w->alive);
        w->state = RUNNING;
        w->syncs++;
    }
    b->barriers++;
    return true;
}

static void run_block(block_state *b, warp *warps, int n_warps) {
    do {
        if (b->launch->checks->shuffle != 0)
            run_warps_at_random(b, warps, n_warps);
        else
            run_warps(warps, n_warps);
    } while (pass_barrier(b, warps, n_warps));
}

/* ------------------------------------------------------------------------------ launch -- */

static size_t round_up(size_t n, size_t to) {
    return (n+to-1)/to*to;
}

/* What a launch allocates. */
typedef struct {
    warp *warps;
    int n_warps;
    unsigned n_threads;
    unsigned char *registers, *constants;
    size_t warp_bytes, shared_bytes;
} arena;

/* Registers and local memory of a warp lie together; both begin as NaN. */
static bool allocate(arena *a, block_state *b) {
    const ptx_kernel *k = b->kernel;
    const ptx_checks *checks = b->launch->checks;
    const size_t registers = round_up(k->register_bytes, CACHE_LINE);
    const size_t constants = round_up(k->constant_bytes+CACHE_LINE, CACHE_LINE);
    a->warp_bytes = registers+round_up(k->local_bytes*PTX_LANES+CACHE_LINE, CACHE_LINE);
    a->shared_bytes = b->static_bytes+b->dynamic_bytes+16;
    a->warps = calloc((size_t) a->n_warps, sizeof *a->warps);
    a->registers = aligned_alloc(CACHE_LINE, a->warp_bytes*(size_t) a->n_warps);
    a->constants = aligned_alloc(CACHE_LINE, constants);
    b->shared = aligned_alloc(CACHE_LINE, round_up(a->shared_bytes, CACHE_LINE));
    b->written = checks->unwritten ? calloc(1, a->shared_bytes) : NULL;
    b->records = checks->races ? ptx_new_records(a->shared_bytes) : NULL;
    if (a->warps == NULL || a->registers == NULL || a->constants == NULL || b->shared == NULL ||
            (checks->unwritten && b->written == NULL) || (checks->races && b->records == NULL))
        return false;
    memset(a->registers, 0xff, a->warp_bytes*(size_t) a->n_warps);
    if (k->constant_bytes > 0)
        memcpy(a->constants, k->constants, k->constant_bytes);
    for (int w = 0; w < a->n_warps; w++) {
        a->warps[w].base[REGISTERS] = a->registers+(size_t) w*a->warp_bytes;
        a->warps[w].base[CONSTANTS] = a->constants;
        a->warps[w].local = a->warps[w].base[REGISTERS]+registers;
    }
    return true;
}

static void release(arena *a, block_state *b) {
    free(a->warps), free(a->registers), free(a->constants);
    free(b->shared), free(b->written), free(b->records);
}

/* Shared memory is NaN at the begin of each block. */
static void start_block(block_state *b, const arena *a, uint64_t id) {
    const unsigned *grid = b->launch->grid;
    b->id[0] = (unsigned) (id%grid[0]);
    b->id[1] = (unsigned) (id/grid[0]%grid[1]);
    b->id[2] = (unsigned) (id/grid[0]/grid[1]);
    b->number = (uint32_t) id;
    b->barriers++;
    memset(b->shared, 0xff, a->shared_bytes);
    if (b->written != NULL)
        memset(b->written, 0, a->shared_bytes);
    for (int w = 0; w < a->n_warps; w++)
        ptx_start_warp(&a->warps[w], b, w, a->n_threads);
}

/* Backward from any block on, if the order is to be another one. */
static void run_blocks(block_state *b, const arena *a) {
    const unsigned *grid = b->launch->grid;
    const uint64_t n = (uint64_t) grid[0]*grid[1]*grid[2];
    const bool shuffle = b->launch->checks->shuffle != 0;
    const uint64_t start = shuffle ? next_random(b)%n : 0;
    for (uint64_t k = 0; k < n; k++) {
        start_block(b, a, shuffle ? (start+n-k)%n : k);
        run_block(b, a->warps, a->n_warps);
    }
}

/* False: ptx_fail() was called. */
static bool try_blocks(block_state *b, const arena *a) {
    jmp_buf failed;
    b->failed = &failed;
    if (setjmp(failed))
        return false;
    run_blocks(b, a);
    return true;
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double) t.tv_sec+1e-9*(double) t.tv_nsec;
}

bool ptx_run(ptx_kernel *kernel, const ptx_launch *launch, char *message) {
    const double before = cpu_seconds();
    block_state b = {.kernel = kernel, .launch = launch, .static_bytes = kernel->static_shared,
                     .dynamic_bytes = launch->dynamic_shared, .message = message};
    arena a = {.n_threads = launch->block[0]*launch->block[1]*launch->block[2]};
    a.n_warps = (int) ((a.n_threads+PTX_LANES-1)/PTX_LANES);
    b.random = 88172645463325252u+launch->checks->shuffle*1000003u+kernel->counts.launches;
    bool done = allocate(&a, &b);
    for (int k = 0; k < kernel->n_instructions; k++)   // memory may be gone since
        kernel->code[k].near = (ptx_range) {0, 0, 0};
    if (!done)
        snprintf(message, PTX_MESSAGE, "%s: no memory", kernel->name);
    else
        done = try_blocks(&b, &a);
    release(&a, &b);
    kernel->counts.launches++;
    kernel->counts.warp_instructions += b.warp_instructions;
    kernel->counts.lane_instructions += b.lane_instructions;
    kernel->counts.seconds += cpu_seconds()-before;
    return done;
}
