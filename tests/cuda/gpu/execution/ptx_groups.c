#include "ptx_execution.h"

/* Groups at the same place become one. */
static void merge_groups(warp *w) {
    for (int a = 0; a < w->n_groups; a++)
        for (int c = w->n_groups; --c > a;)
            if (w->groups[a].at == w->groups[c].at) {
                w->groups[a].mask |= w->groups[c].mask;
                w->groups[a].waiting = false;
                w->groups[c] = w->groups[--w->n_groups];
            }
}

/* Goes on with the group that has come least far, until it reaches the place of another one. */
void ptx_choose_group(warp *w) {
    merge_groups(w);
    int best = -1;
    for (int g = 0; g < w->n_groups; g++)
        if (!w->groups[g].waiting && (best < 0 || w->groups[g].at < w->groups[best].at))
            best = g;
    if (best < 0) {
        const group *g = &w->groups[0];
        ptx_fail(w, &w->block->kernel->code[g->at], __builtin_ctz(g->mask), "lanes 0x%x wait for "
                 "others, which are elsewhere or have ended: lanes there are 0x%x", g->mask,
                 w->alive);
    }
    w->at = w->groups[best].at;
    w->active = w->groups[best].mask;
    w->groups[best] = w->groups[--w->n_groups];
    w->stop = UINT32_MAX;
    for (int g = 0; g < w->n_groups; g++)
        if (w->groups[g].at > w->at && w->groups[g].at < w->stop)
            w->stop = w->groups[g].at;
}

static void leave_group(warp *w, uint32_t at, uint32_t mask, bool waiting) {
    w->groups[w->n_groups++] = (group) {at, mask, waiting};
}

void ptx_rejoin(warp *w) {
    leave_group(w, w->at, w->active, false);
    ptx_choose_group(w);
}

void ptx_take_branch(warp *w, uint32_t taken, uint32_t target) {
    const uint32_t others = w->active & ~taken;
    if (others != 0 && taken != 0) {
        leave_group(w, target, taken, false);
        leave_group(w, w->at+1, others, false);
        ptx_choose_group(w);
        return;
    }
    w->at = others == 0 ? target : w->at+1;
    if (w->n_groups > 0)
        ptx_rejoin(w);
}

/* Lanes with the same index go on together. */
void ptx_take_table(warp *w, const instruction *i) {
    const uint32_t *index = ptx_word_of(w, &i->o[0]);
    for (uint32_t left = w->active, together; left != 0; left &= ~together) {
        const int l = __builtin_ctz(left);
        if ((int64_t) index[l] >= i->n_targets)
            ptx_fail(w, i, l, "index %u of %d targets", index[l], i->n_targets);
        together = 0;
        for (int k = 0; k < PTX_LANES; k++)
            together |= (uint32_t) (left >> k & 1 && index[k] == index[l]) << k;
        leave_group(w, (uint32_t) i->targets[index[l]], together, false);
    }
    ptx_choose_group(w);
}

bool ptx_all_here(warp *w, uint32_t needed) {
    if ((w->active & needed & w->alive) == (needed & w->alive))
        return true;
    leave_group(w, w->at, w->active, true);
    ptx_choose_group(w);
    return false;
}
