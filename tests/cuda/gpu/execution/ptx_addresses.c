#include <string.h>

#include "../checks/ptx_watch.h"

/* Lanes that do not take part have the first one's address. */
static void read_addresses(const warp *w, const instruction *i, const operand *o, uint32_t m,
                           uint64_t *a) {
    if (o->size == 8) {
        const uint64_t *from = ptx_word_of(w, o);
        for (int l = 0; l < PTX_LANES; l++)
            a[l] = from[l]+(uint64_t) i->offset;
    }
    else {
        const uint32_t *from = ptx_word_of(w, o);
        for (int l = 0; l < PTX_LANES; l++)
            a[l] = (uint64_t) from[l]+(uint64_t) i->offset;
    }
    if (m != 0xffffffffu) {
        const uint64_t first = a[__builtin_ctz(m)];
        for (int l = 0; l < PTX_LANES; l++)
            a[l] = m >> l & 1 ? a[l] : first;
    }
}

static void check_alignment(const warp *w, const instruction *i, const uint64_t *a, size_t bytes) {
    uint64_t any = 0;
    for (int l = 0; l < PTX_LANES; l++)
        any |= a[l];
    for (int l = 0; l < PTX_LANES && (any & (bytes-1)) != 0; l++)
        if ((a[l] & (bytes-1)) != 0)
            ptx_fail(w, i, l, "address 0x%llx of %zu bytes is not aligned",
                     (unsigned long long) a[l], bytes);
}

/* ------------------------------------------------------------------------------ global -- */

static bool holds(const ptx_range *r, uint64_t a, size_t bytes) {
    return a >= r->begin && a < r->end && bytes <= r->end-a;
}

static void find_lane(const warp *w, instruction *i, int l, uint64_t a, size_t bytes) {
    ptx_range found;
    if (!ptx_memory_of(w->block->kernel->module)->find(a, &found))
        ptx_fail(w, i, l, "0x%llx is in no live memory of the device", (unsigned long long) a);
    if (!holds(&found, a, bytes))
        ptx_fail(w, i, l, "%zu bytes at 0x%llx reach beyond an allocation of %zu bytes", bytes,
                 (unsigned long long) a, (size_t) (found.end-found.begin));
    i->near = found;
}

static void find_global(const warp *w, instruction *i, const uint64_t *a, size_t bytes,
                        unsigned char **to) {
    uint64_t low = a[0], high = a[0];
    for (int l = 1; l < PTX_LANES; l++) {
        low = a[l] < low ? a[l] : low;
        high = a[l] > high ? a[l] : high;
    }
    const bool all_near = holds(&i->near, low, bytes) && holds(&i->near, high, bytes);
    for (int l = 0; l < PTX_LANES; l++) {
        if (!all_near && !holds(&i->near, a[l], bytes))
            find_lane(w, i, l, a[l], bytes);
        to[l] = (unsigned char *) (a[l]+(uint64_t) i->near.shift);
    }
}

static void global_pointers(warp *w, instruction *i, uint32_t m, const uint64_t *a, size_t bytes,
                            bool writes, bool atomic, unsigned char **to) {
    const ptx_checks *checks = w->block->launch->checks;
    find_global(w, i, a, bytes, to);
    if (checks->global_races || checks->handed_over)
        ptx_watch_global(w, i, m, a, to, bytes, writes, atomic);
}

/* ------------------------------------------------------------------------------ shared -- */

static bool fits(uint64_t a, size_t bytes, size_t total) {
    return a <= total && bytes <= total-a;
}

size_t ptx_find_shared(const warp *w, const instruction *i, int l, uint64_t a, size_t bytes) {
    const block_state *b = w->block;
    if (fits(a, bytes, b->static_bytes))
        return a;
    if (a >= DYNAMIC_BEGIN && fits(a-DYNAMIC_BEGIN, bytes, b->dynamic_bytes))
        return b->static_bytes+(a-DYNAMIC_BEGIN);
    ptx_fail(w, i, l, "shared memory at 0x%llx: there are %zu static and %zu dynamic bytes",
             (unsigned long long) a, b->static_bytes, b->dynamic_bytes);
}

static void shared_pointers(warp *w, const instruction *i, uint32_t m, const uint64_t *a,
                            size_t bytes, bool writes, bool atomic, unsigned char **to) {
    const block_state *b = w->block;
    uint64_t high = 0;
    if (b->records != NULL || b->written != NULL)
        ptx_watch_shared(w, i, m, a, bytes, writes, atomic);
    for (int l = 0; l < PTX_LANES; l++)
        high = a[l] > high ? a[l] : high;
    if (fits(high, bytes, b->static_bytes))
        for (int l = 0; l < PTX_LANES; l++)
            to[l] = b->shared+a[l];
    else
        for (int l = 0; l < PTX_LANES; l++)
            to[l] = b->shared+ptx_find_shared(w, i, l, a[l], bytes);
}

/* ------------------------------------------------------------- local memory, arguments -- */

static void local_pointers(warp *w, const instruction *i, const uint64_t *a, size_t bytes,
                           unsigned char **to) {
    const size_t all = w->block->kernel->local_bytes;
    for (int l = 0; l < PTX_LANES; l++) {
        if (!fits(a[l], bytes, all))
            ptx_fail(w, i, l, "local memory at 0x%llx: there are %zu bytes",
                     (unsigned long long) a[l], all);
        to[l] = w->local+(size_t) l*all+a[l];
    }
}

static void argument_pointers(warp *w, const instruction *i, const uint64_t *a, size_t bytes,
                              bool writes, unsigned char **to) {
    const block_state *b = w->block;
    for (int l = 0; l < PTX_LANES; l++) {
        if (writes || !fits(a[l], bytes, b->kernel->parameter_bytes))
            ptx_fail(w, i, l, writes ? "writes an argument" : "reads beyond the arguments");
        to[l] = (unsigned char *) b->launch->arguments+a[l];
    }
}

/* ------------------------------------------------------------------------------ spaces -- */

/* The first lane's address decides in which space all are. */
static void generic_pointers(warp *w, instruction *i, uint32_t m, uint64_t *a, size_t bytes,
                             bool writes, bool atomic, unsigned char **to) {
    const uint64_t first = a[__builtin_ctz(m)];
    const bool shared = first-SHARED_WINDOW < WINDOW, local = first-LOCAL_WINDOW < WINDOW;
    for (int l = 0; l < PTX_LANES && (shared || local); l++)
        a[l] -= shared ? SHARED_WINDOW : LOCAL_WINDOW;
    if (shared)
        shared_pointers(w, i, m, a, bytes, writes, atomic, to);
    else if (local)
        local_pointers(w, i, a, bytes, to);
    else
        global_pointers(w, i, m, a, bytes, writes, atomic, to);
}

void ptx_pointers(warp *w, const instruction *i, uint32_t m, int address, size_t bytes, bool writes,
                  bool atomic, unsigned char **to) {
    uint64_t a[PTX_LANES];
    instruction *cached = (instruction *) i;    // remembers where it found memory
    read_addresses(w, i, &i->o[address], m, a);
    if (i->space != PARAMETER)
        check_alignment(w, i, a, bytes);
    switch (i->space) {
        case SHARED: shared_pointers(w, i, m, a, bytes, writes, atomic, to); return;
        case LOCAL: local_pointers(w, i, a, bytes, to); return;
        case PARAMETER: argument_pointers(w, i, a, bytes, writes, to); return;
        case GENERIC: generic_pointers(w, cached, m, a, bytes, writes, atomic, to); return;
        default: global_pointers(w, cached, m, a, bytes, writes, atomic, to); return;
    }
}
