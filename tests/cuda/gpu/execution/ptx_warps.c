#include <string.h>

#include "ptx_execution.h"

/* The mask of an operation of several lanes, the same in all of them. */
static uint32_t members(const warp *w, const instruction *i) {
    if (i->mask_operand < 0)
        return 0xffffffffu;
    const uint32_t *mask = ptx_word_of(w, &i->o[i->mask_operand]);
    const int first = __builtin_ctz(w->active);
    for (int l = 0; l < PTX_LANES; l++)
        if (w->active >> l & 1 && (mask[l] != mask[first] || !(mask[l] >> l & 1)))
            ptx_fail(w, i, l, "mask of members 0x%x, without this lane or not that of the others",
                     mask[l]);
    return mask[first];
}

static uint32_t lanes_of(const warp *w, const instruction *i) {
    uint32_t p;
    if (!i->guarded)
        return w->active;
    memcpy(&p, ptx_word_of(w, &i->guard), sizeof p);
    return w->active & (i->guard.negated ? ~p : p);
}

/* Instructions that need no look at other lanes, from here on; returns the number of them. */
static uint64_t run_plain(warp *w, const instruction *i, uint64_t most, uint64_t *n_lanes) {
    const uint32_t m = w->active, first = w->at;
    const uint64_t left = w->stop-first < most ? w->stop-first : most;
    const instruction *const begin = i, *const end = i+left;
    while (i < end && i->kind == PLAIN && !i->guarded) {
        i->run(w, i, m);
        i++;
    }
    const uint64_t n = (uint64_t) (i-begin);
    w->at = first+(uint32_t) n;
    *n_lanes += n*(unsigned) __builtin_popcount(m);
    return n;
}

static void run_barrier(warp *w, const instruction *i, uint32_t m) {
    if (m != w->active)
        ptx_fail(w, i, __builtin_ctz(w->active & ~m), "a barrier with a condition");
    if (ptx_all_here(w, w->alive)) {
        w->state = AT_BARRIER;
        w->barrier = w->at++;
    }
}

static void end_lanes(warp *w, uint32_t m) {
    w->alive &= ~m;
    w->active &= ~m;
    if (w->active != 0)
        w->at++;
    else if (w->n_groups > 0)
        ptx_choose_group(w);
    else
        w->state = ENDED;
}

static void run_one(warp *w, const instruction *i, uint32_t m) {
    switch (i->kind) {
        case PLAIN:
            if (m != 0)
                i->run(w, i, m);
            w->at++;
            break;
        case BRANCH: ptx_take_branch(w, m, (uint32_t) i->target); break;
        case BRANCH_TABLE: ptx_take_table(w, i); break;
        case WARP_SYNC:
            if (ptx_all_here(w, members(w, i))) {
                if (m != 0)
                    i->run(w, i, m);
                w->at++;
            }
            break;
        case BARRIER: run_barrier(w, i, m); break;
        default: end_lanes(w, m); break;
    }
}

void ptx_run_warp(warp *w, uint64_t most) {
    uint64_t n = 0, n_lanes = 0;
    while (w->state == RUNNING && n < most) {
        if (w->at >= w->stop)
            ptx_rejoin(w);
        const instruction *i = &w->block->kernel->code[w->at];
        if (i->kind == PLAIN && !i->guarded) {
            n += run_plain(w, i, most-n, &n_lanes);
            continue;
        }
        const uint32_t m = lanes_of(w, i);
        n++;
        n_lanes += (unsigned) __builtin_popcount(m);
        run_one(w, i, m);
    }
    w->block->warp_instructions += n;
    w->block->lane_instructions += n_lanes;
}

/* ------------------------------------------------------------------------------- start -- */

static uint32_t *special(const warp *w, int which) {
    return (uint32_t *) (void *) (w->base[REGISTERS]+SPECIAL_BYTES*which);
}

static void set_special(const warp *w, int which, uint32_t value) {
    for (int l = 0; l < PTX_LANES; l++)
        special(w, which)[l] = value;
}

static void set_lanes(const warp *w, const unsigned *size) {
    for (unsigned l = 0; l < PTX_LANES; l++) {
        const unsigned thread = (unsigned) w->index*PTX_LANES+l;
        const uint32_t bit = 1u << l, below = bit-1;
        special(w, TID_X)[l] = thread%size[0];
        special(w, TID_Y)[l] = thread/size[0]%size[1];
        special(w, TID_Z)[l] = thread/size[0]/size[1];
        special(w, LANE_ID)[l] = l;
        special(w, MASK_EQ)[l] = bit;
        special(w, MASK_LT)[l] = below;
        special(w, MASK_LE)[l] = below | bit;
        special(w, MASK_GT)[l] = ~(below | bit);
        special(w, MASK_GE)[l] = ~below;
    }
}

void ptx_start_warp(warp *w, block_state *b, int index, unsigned n_threads) {
    const ptx_launch *launch = b->launch;
    const unsigned left = n_threads-(unsigned) index*PTX_LANES;
    w->block = b;
    w->index = index;
    w->at = w->syncs = w->carry = 0;
    w->alive = w->active = left >= PTX_LANES ? 0xffffffffu : (1u << left)-1;
    w->stop = UINT32_MAX;
    w->n_groups = 0;
    w->state = RUNNING;
    for (int k = 0; k < 3; k++) {
        set_special(w, NTID_X+k, launch->block[k]);
        set_special(w, CTAID_X+k, b->id[k]);
        set_special(w, NCTAID_X+k, launch->grid[k]);
    }
    set_special(w, WARP_ID, (uint32_t) index);
    set_special(w, NWARP_ID, (n_threads+PTX_LANES-1)/PTX_LANES);
    set_special(w, DYNAMIC_SHARED, launch->dynamic_shared);
    set_special(w, TOTAL_SHARED, launch->dynamic_shared+(unsigned) b->static_bytes);
    set_lanes(w, launch->block);
}
