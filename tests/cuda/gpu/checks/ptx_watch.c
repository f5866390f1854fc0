#include "ptx_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------------- shared memory -- */

/* Who touched a word last, since the barrier of that number. */
struct access_record {
    int16_t writer, reader;     // threads; reader SEVERAL
    bool atomic;
    uint32_t wrote, read;       // number of the barrier before; 0: never
    uint32_t writer_syncs, reader_syncs;
    int wrote_line;
};

enum {SEVERAL = -2};

struct access_record *ptx_new_records(size_t bytes) {
    return calloc(bytes/4+2, sizeof(struct access_record));
}

/* Whether another thread's access may have been at the same time. */
static bool is_separate(const warp *w, int thread, int other, uint32_t its_syncs) {
    return other != thread &&
        (other < 0 || other/PTX_LANES != w->index || its_syncs == w->syncs);
}

static void note_write(struct access_record *r, const warp *w, const instruction *i, int thread,
                       bool atomic) {
    *r = (struct access_record) {(int16_t) thread, r->reader, atomic, w->block->barriers, r->read,
                                 w->syncs, r->reader_syncs, i->line};
}

static void note_read(struct access_record *r, const warp *w, int thread) {
    const bool again = r->read == w->block->barriers;
    if (again && r->reader == SEVERAL)
        return;
    if (again && r->reader != thread && r->reader/PTX_LANES != w->index) {
        r->reader = SEVERAL;
        return;
    }
    r->reader = (int16_t) thread;
    r->read = w->block->barriers;
    r->reader_syncs = w->syncs;
}

static void watch_word(const warp *w, const instruction *i, int l, size_t word, bool writes,
                       bool atomic) {
    struct access_record *r = &w->block->records[word];
    const int thread = w->index*PTX_LANES+l;
    const uint32_t now = w->block->barriers;
    const bool both_atomic = atomic && r->atomic;
    if (r->wrote == now && !both_atomic && is_separate(w, thread, r->writer, r->writer_syncs))
        ptx_fail(w, i, l, "race: shared word %zu, written by thread %d at line %d, is %s before a "
                 "barrier", word, r->writer, r->wrote_line, writes ? "written" : "read");
    if (writes && r->read == now && is_separate(w, thread, r->reader, r->reader_syncs))
        ptx_fail(w, i, l, "race: shared word %zu, read by thread %d, is written before a barrier",
                 word, r->reader);
    if (writes)
        note_write(r, w, i, thread, atomic);
    else
        note_read(r, w, thread);
}

void ptx_watch_shared(const warp *w, const instruction *i, uint32_t m, const uint64_t *a,
                      size_t bytes, bool writes, bool atomic) {
    const block_state *b = w->block;
    for (uint32_t left = m; left != 0; left &= left-1) {
        const int l = __builtin_ctz(left);
        const size_t at = ptx_find_shared(w, i, l, a[l], bytes);
        if (b->records != NULL)
            for (size_t word = at/4; word <= (at+bytes-1)/4; word++)
                watch_word(w, i, l, word, writes, atomic);
        if (b->written == NULL)
            continue;
        for (size_t k = 0; k < bytes && (!writes || atomic); k++)
            if (!b->written[at+k])
                ptx_fail(w, i, l, "shared memory at 0x%llx is read before it is written",
                         (unsigned long long) a[l]+k);
        if (writes)
            memset(b->written+at, 1, bytes);
    }
}

/* ----------------------------------------------------------------------- global memory -- */

/*
 * A word's shadow: number of the launch, whether it was read through .nc, whether the last write
 * was atomic, block + 1 of the last reader and of the last writer (0: none, ANY: several).
 */
enum {BLOCK_BITS = 19, ANY = (1 << BLOCK_BITS)-1, ATOMIC_BIT = 38, STALE_BIT = 39, LAUNCH_BIT = 40};

static uint32_t field(uint64_t shadow, int at, int bits) {
    return (uint32_t) (shadow >> at) & ((1u << bits)-1);
}

static void watch_global_word(const warp *w, const instruction *i, int l, uint64_t *shadow,
                              uint64_t address, bool writes, bool atomic) {
    const uint32_t launch = w->block->launch->number & 0xffffff;
    const uint32_t id = w->block->number+1 < ANY ? w->block->number+1 : ANY-1;
    const uint64_t s = field(*shadow, LAUNCH_BIT, 24) == launch ? *shadow : 0;
    uint32_t writer = field(s, 0, BLOCK_BITS), reader = field(s, BLOCK_BITS, BLOCK_BITS);
    bool was_atomic = s >> ATOMIC_BIT & 1, stale = s >> STALE_BIT & 1;
    const unsigned long long a = address;
    if (!writes && writer != 0 && i->stale)
        ptx_fail(w, i, l, "0x%llx is written by this launch, and read as if it never was (.nc)", a);
    if (writes && stale)
        ptx_fail(w, i, l, "0x%llx was read by this launch as if never written (.nc)", a);
    if (writer != 0 && writer != id && !(atomic && was_atomic) && !i->open)
        ptx_fail(w, i, l, "race: 0x%llx was written by block %u in this launch", a, writer-1);
    if (writes && reader != 0 && reader != id && !atomic && !i->open)
        ptx_fail(w, i, l, reader == ANY ? "race: 0x%llx was read by several blocks in this launch" :
                 "race: 0x%llx was read by block %u in this launch", a, reader-1);
    if (writes) {
        writer = id;
        was_atomic = atomic;
    }
    else {
        reader = reader == 0 || reader == id ? id : ANY;
        stale |= i->stale;
    }
    *shadow = (uint64_t) launch << LAUNCH_BIT | (uint64_t) stale << STALE_BIT |
        (uint64_t) was_atomic << ATOMIC_BIT | (uint64_t) reader << BLOCK_BITS | writer;
}

/*
 * Threads of a block that hand values to each other through global memory: not an error where a
 * barrier is between, but a pointer to it may not be __restrict__. Each line is said once.
 */
static void report_handed_over(const warp *w, instruction *i, int l, uint64_t *shadow,
                               bool writes) {
    const uint64_t launch = w->block->launch->number & 0xffffff, block = w->block->number & 0xfffff;
    const uint64_t thread = (uint64_t) (w->index*PTX_LANES+l+1);
    const uint64_t mine = launch << 40 | block << 12 | thread;
    if (writes)
        *shadow = mine;
    else if (!i->reported && *shadow >> 12 == mine >> 12 && *shadow != mine) {
        fprintf(stderr, "handed over in global memory: %s, line %d: %.*s\n",
                w->block->kernel->name, i->line, (int) strcspn(i->text, ";\n"), i->text);
        i->reported = true;
    }
}

/* A plain store of what is there already. */
static bool changes_nothing(const warp *w, const instruction *i, int l, size_t k,
                            const unsigned char *at) {
    const operand *o = &i->o[1+k/4];
    return i->memory == 4 && o->size == 4 &&
        memcmp(at+k, (unsigned char *) ptx_word_of(w, o)+4*l, 4) == 0;
}

void ptx_watch_global(const warp *w, instruction *i, uint32_t m, const uint64_t *a,
                      unsigned char *const *at, size_t bytes, bool writes, bool atomic) {
    const ptx_memory *memory = ptx_memory_of(w->block->kernel->module);
    const ptx_checks *checks = w->block->launch->checks;
    const size_t step = bytes < 4 ? bytes : 4;
    for (uint32_t left = m; left != 0; left &= left-1) {
        const int l = __builtin_ctz(left);
        for (size_t k = 0; k < bytes; k += step) {
            uint64_t *shadow = memory->shadow != NULL ? memory->shadow(a[l]+k) : NULL;
            if (shadow == NULL)
                continue;
            if (checks->handed_over)
                report_handed_over(w, i, l, shadow, writes);
            else if (!(writes && !atomic && changes_nothing(w, i, l, k, at[l])))
                watch_global_word(w, i, l, shadow, a[l]+k, writes, atomic);
        }
    }
}
