/*
 * Places of registers in a warp: registers that are not needed at the same time share one. Needed
 * are, at the ends of blocks, those that a later block reads before it writes them; a block is a
 * sequence of instructions without a branch. Lanes that take another branch use places in other
 * lanes, so that they do not matter here.
 */
#include "ptx_parser.h"

#include <stdlib.h>

typedef uint64_t bits;

/* Sets of registers are rows of `words` words, a row per block. */
typedef struct {
    int n_blocks;
    int *block_of;          // [instructions + 1]
    int *first, *last;      // [blocks] instructions; first > last: none
    size_t words;
    bits *used, *made;      // read before it is written, written
    bits *in, *out;         // needed at the begin and at the end
    struct {int begin, end;} *lives;    // [registers] from, to which instruction; -1: never
} flow;

static bool has(const bits *set, uint32_t r) {
    return set[r/64] >> r%64 & 1;
}

static void put(bits *set, uint32_t r) {
    set[r/64] |= (bits) 1 << r%64;
}

static void widen(flow *f, uint32_t r, int at) {
    if (f->lives[r].begin < 0 || at < f->lives[r].begin)
        f->lives[r].begin = at;
    if (at > f->lives[r].end)
        f->lives[r].end = at;
}

/* A block ends with a branch and before the target of one. */
static void find_blocks(flow *f, const ptx_kernel *k) {
    const int n = k->n_instructions;
    f->block_of = ptx_zeros((size_t) n+1, sizeof *f->block_of);
    for (int at = 0; at < n; at++) {
        const instruction *i = &k->code[at];
        if (i->kind == BRANCH || i->kind == BRANCH_TABLE || i->kind == END)
            f->block_of[at+1] = 1;
        if (i->kind == BRANCH)
            f->block_of[i->target] = 1;
        for (int t = 0; t < i->n_targets; t++)
            f->block_of[i->targets[t]] = 1;
    }
    for (int at = 0; at <= n; at++) {
        f->n_blocks += at > 0 && f->block_of[at];
        f->block_of[at] = f->n_blocks;
    }
    f->n_blocks++;
    f->first = ptx_zeros((size_t) f->n_blocks, sizeof *f->first);
    f->last = ptx_zeros((size_t) f->n_blocks, sizeof *f->last);
    for (int b = 0; b < f->n_blocks; b++)
        f->first[b] = 0, f->last[b] = -1;
    for (int at = n; at-- > 0;)
        f->first[f->block_of[at]] = at;
    for (int at = 0; at < n; at++)
        f->last[f->block_of[at]] = at;
}

static bool is_register(const operand *o) {
    return o->base == REGISTERS && !o->sink;
}

/* A destination with a condition keeps its value where the condition is false. */
static void note_uses(flow *f, const ptx_kernel *k) {
    for (int at = 0; at < k->n_instructions; at++) {
        const instruction *i = &k->code[at];
        const size_t row = (size_t) f->block_of[at]*f->words;
        bits *used = f->used+row, *made = f->made+row;
        if (i->guarded) {
            if (!has(made, i->guard.at))
                put(used, i->guard.at);
            widen(f, i->guard.at, at);
        }
        for (int o = 0; o < i->n_operands; o++)
            if (is_register(&i->o[o])) {
                widen(f, i->o[o].at, at);
                if ((o >= i->n_destinations || i->guarded) && !has(made, i->o[o].at))
                    put(used, i->o[o].at);
            }
        for (int o = 0; o < i->n_destinations; o++)
            if (is_register(&i->o[o]) && !i->guarded)
                put(made, i->o[o].at);
    }
}

/* What block b needs at its end, that block `next` needs at its begin. */
static void need(flow *f, int b, int next) {
    for (size_t w = 0; w < f->words && next < f->n_blocks; w++)
        f->out[(size_t) b*f->words+w] |= f->in[(size_t) next*f->words+w];
}

static void need_after(flow *f, const ptx_kernel *k, int b) {
    const instruction *i = f->first[b] <= f->last[b] ? &k->code[f->last[b]] : NULL;
    if (i != NULL && i->kind == BRANCH)
        need(f, b, f->block_of[i->target]);
    for (int t = 0; i != NULL && t < i->n_targets; t++)
        need(f, b, f->block_of[i->targets[t]]);
    const bool leaves = i != NULL && !i->guarded &&
        (i->kind == BRANCH || i->kind == BRANCH_TABLE || i->kind == END);
    if (!leaves)
        need(f, b, b+1);
}

/* Backward until nothing changes. */
static void spread_needs(flow *f, const ptx_kernel *k) {
    for (bool changed = true; changed;) {
        changed = false;
        for (int b = f->n_blocks; b-- > 0;) {
            need_after(f, k, b);
            for (size_t w = (size_t) b*f->words; w < ((size_t) b+1)*f->words; w++) {
                const bits now = f->used[w] | (f->out[w] & ~f->made[w]);
                changed |= now != f->in[w];
                f->in[w] = now;
            }
        }
    }
}

static void widen_to_blocks(flow *f) {
    for (int b = 0; b < f->n_blocks; b++)
        for (size_t w = 0; w < f->words; w++) {
            const size_t at = (size_t) b*f->words+w;
            for (bits left = f->in[at] | f->out[at]; left != 0; left &= left-1) {
                const uint32_t r = (uint32_t) (64*w)+(uint32_t) __builtin_ctzll(left);
                if (has(f->in+(size_t) b*f->words, r))
                    widen(f, r, f->first[b]);
                if (has(f->out+(size_t) b*f->words, r))
                    widen(f, r, f->last[b]);
            }
        }
}

/* ------------------------------------------------------------------------------ places -- */

/* Places that are free, by the size of a register. */
enum {SMALL, MIDDLE, LARGE, N_SIZES};
static const uint32_t PLACE_BYTES[N_SIZES] = {CACHE_LINE, 4*PTX_LANES, 8*PTX_LANES};

typedef struct {
    uint32_t *free[N_SIZES];
    int n_free[N_SIZES], capacity[N_SIZES];
    uint32_t end;
} places;

static int size_class(uint8_t bytes) {
    return bytes == 8 ? LARGE : bytes == 4 ? MIDDLE : SMALL;
}

static uint32_t take_place(places *all, int size) {
    if (all->n_free[size] > 0)
        return all->free[size][--all->n_free[size]];
    const uint32_t at = all->end;
    all->end += PLACE_BYTES[size];
    return at;
}

/* Lists of registers by the instruction at which their lives begin, or end. */
typedef struct {
    uint32_t *head, *next;  // [instructions], [registers]; UINT32_MAX: none
} register_lists;

static void add_to(register_lists *lists, int at, uint32_t r) {
    lists->next[r] = lists->head[at];
    lists->head[at] = r;
}

static register_lists new_lists(int n, uint32_t n_registers) {
    register_lists made = {ptx_zeros((size_t) n, sizeof *made.head),
                           ptx_zeros(n_registers, sizeof *made.next)};
    for (int at = 0; at < n; at++)
        made.head[at] = UINT32_MAX;
    return made;
}

/* place[r]: bytes from the begin of a warp's registers; special ones come first. */
static void assign_places(parser *p, const flow *f, uint32_t *place) {
    const int n = p->kernel->n_instructions;
    places all = {.end = SPECIAL_BYTES*N_SPECIAL};
    register_lists begins = new_lists(n, p->n_registers), ends = new_lists(n, p->n_registers);
    for (uint32_t r = 0; r < N_SPECIAL; r++)
        place[r] = SPECIAL_BYTES*r;
    for (uint32_t r = N_SPECIAL; r < p->n_registers; r++)
        if (f->lives[r].begin >= 0) {
            add_to(&begins, f->lives[r].begin, r);
            add_to(&ends, f->lives[r].end, r);
        }
    for (int at = 0; at < n; at++) {
        for (uint32_t r = begins.head[at]; r != UINT32_MAX; r = begins.next[r])
            place[r] = take_place(&all, size_class(p->register_size[r]));
        for (uint32_t r = ends.head[at]; r != UINT32_MAX; r = ends.next[r]) {
            const int size = size_class(p->register_size[r]);
            GROW(all.free[size], all.n_free[size], all.capacity[size]);
            all.free[size][all.n_free[size]++] = place[r];
        }
    }
    p->kernel->register_bytes = all.end;
    for (int size = 0; size < N_SIZES; size++)
        free(all.free[size]);
    free(begins.head), free(begins.next), free(ends.head), free(ends.next);
}

static void set_places(ptx_kernel *k, const uint32_t *place) {
    for (int at = 0; at < k->n_instructions; at++) {
        instruction *i = &k->code[at];
        if (i->guarded)
            i->guard.at = place[i->guard.at];
        for (int o = 0; o < i->n_operands; o++)
            if (is_register(&i->o[o]))
                i->o[o].at = place[i->o[o].at];
    }
}

void ptx_place_registers(parser *p) {
    flow f = {.words = p->n_registers/64+1};
    find_blocks(&f, p->kernel);
    const size_t rows = (size_t) f.n_blocks*f.words;
    f.used = ptx_zeros(rows, sizeof *f.used);
    f.made = ptx_zeros(rows, sizeof *f.made);
    f.in = ptx_zeros(rows, sizeof *f.in);
    f.out = ptx_zeros(rows, sizeof *f.out);
    f.lives = ptx_zeros(p->n_registers, sizeof *f.lives);
    for (uint32_t r = 0; r < p->n_registers; r++)
        f.lives[r].begin = f.lives[r].end = -1;
    uint32_t *place = ptx_zeros(p->n_registers, sizeof *place);
    note_uses(&f, p->kernel);
    spread_needs(&f, p->kernel);
    widen_to_blocks(&f);
    assign_places(p, &f, place);
    set_places(p->kernel, place);
    free(place);
    free(f.block_of), free(f.first), free(f.last), free(f.lives);
    free(f.used), free(f.made), free(f.in), free(f.out);
}
