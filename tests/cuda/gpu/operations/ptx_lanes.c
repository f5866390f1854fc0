#include "ptx_operations.h"

enum {IDX, UP_LANES, DOWN_LANES, BFLY};

/* The lane that lane l reads, as the PTX manual has it; false: itself, out of its segment. */
static bool source_lane(int operation, int l, uint32_t b, uint32_t c, int *j) {
    const int distance = (int) (b & 31), clamp = (int) (c & 31), segment = (int) (c >> 8 & 31);
    const int first = l & segment, last = first | (clamp & ~segment);
    switch (operation) {
        case UP_LANES: *j = l-distance; return *j >= last;
        case DOWN_LANES: *j = l+distance; return *j <= last;
        case BFLY: *j = l^distance; return *j <= last;
        default: *j = first | (distance & ~segment); return *j <= last;
    }
}

HANDLER(shuffle) {
    const int n = i->n_destinations;
    const uint32_t *b = R(uint32_t, n+1), *c = R(uint32_t, n+2);
    uint32_t a[PTX_LANES], r[PTX_LANES] = {0}, inside = 0;
    memcpy(a, R(uint32_t, n), sizeof a);
    for (int l = 0; l < PTX_LANES; l++) {
        if (!(m >> l & 1))
            continue;
        int j;
        const bool in = source_lane(i->operation, l, b[l], c[l], &j);
        j = in ? j : l;
        if (!(m >> j & 1))
            ptx_fail(w, i, l, "reads lane %d, which does not take part", j);
        r[l] = a[j];
        inside |= (uint32_t) in << l;
    }
    if (!i->o[0].sink) {
        uint32_t *d = R(uint32_t, 0);
        EACH(m, d[l] = r[l];);
    }
    if (n > 1)
        ptx_set_predicate(w, &i->o[1], inside, m);
    w->syncs++;
}

enum {BALLOT, ANY_LANE, ALL_OF_THEM, UNI};

HANDLER(vote) {
    const uint32_t p = ptx_predicate(w, &i->o[1]) & m;
    w->syncs++;
    if (i->operation == BALLOT) {
        uint32_t *d = R(uint32_t, 0);
        EACH(m, d[l] = p;);
        return;
    }
    const bool yes = i->operation == ANY_LANE ? p != 0 : i->operation == ALL_OF_THEM ? p == m :
        p == m || p == 0;
    ptx_set_predicate(w, &i->o[0], yes ? ALL_LANES : 0, m);
}

HANDLER(active_mask) {
    uint32_t *d = R(uint32_t, 0);
    EACH(m, d[l] = m;);
}

HANDLER(warp_barrier) {
    (void) i, (void) m;
    w->syncs++;
}

enum {ADD, MIN, MAX, AND, OR, XOR, N_REDUCTIONS};

static uint32_t reduced(int operation, bool is_signed, uint32_t a, uint32_t x) {
    const bool less = is_signed ? (int32_t) x < (int32_t) a : x < a;
    switch (operation) {
        case ADD: return a+x;
        case MIN: return less ? x : a;
        case MAX: return less ? a : x;
        case AND: return a & x;
        case OR: return a | x;
        default: return a ^ x;
    }
}

HANDLER(reduce) {
    const uint32_t *a = R(uint32_t, 1);
    const int first = __builtin_ctz(m);
    uint32_t r = a[first];
    for (int l = first+1; l < PTX_LANES; l++)
        if (m >> l & 1)
            r = reduced(i->operation, i->type == S32, r, a[l]);
    uint32_t *d = R(uint32_t, 0);
    EACH(m, d[l] = r;);
    w->syncs++;
}

HANDLER(trap) {
    ptx_fail(w, i, __builtin_ctz(m), "trap");
}

/* ------------------------------------------------------------------------------- choice -- */

static bool choose_shuffle(instruction *i, char *const *mods, int n) {
    static const char *const names[] = {"idx", "up", "down", "bfly"};
    const int k = n == 1 ? ptx_position(mods[0], names, 4) : -1;
    i->operation = (uint8_t) k;
    i->run = shuffle;
    i->mask_operand = (int8_t) (i->n_destinations+3);
    return k >= 0 && ptx_type_size(i->type) == 4 && i->n_operands == i->n_destinations+4;
}

static bool choose_vote(instruction *i, char *const *mods, int n) {
    static const char *const names[] = {"ballot", "any", "all", "uni"};
    const int k = n == 1 ? ptx_position(mods[0], names, 4) : -1;
    i->operation = (uint8_t) k;
    i->run = vote;
    i->mask_operand = 2;
    return k >= 0 && i->n_operands == 3 && i->type == (k == BALLOT ? B32 : PRED);
}

static bool choose_reduction(instruction *i, char *const *mods, int n) {
    static const char *const names[] = {"add", "min", "max", "and", "or", "xor"};
    const int k = n == 1 ? ptx_position(mods[0], names, N_REDUCTIONS) : -1;
    i->operation = (uint8_t) k;
    i->run = reduce;
    i->mask_operand = 2;
    return k >= 0 && i->n_operands == 3 &&
        (k >= AND ? i->type == B32 : i->type == U32 || i->type == S32);
}

static bool choose_barrier(instruction *i, char *const *mods, int n) {
    if (n == 1 && strcmp(mods[0], "warp") == 0) {
        i->mask_operand = 0;
        i->run = warp_barrier;
        return i->n_operands == 1;
    }
    i->kind = BARRIER;      // of all threads of the block
    return n == 0 && i->n_operands == 1;
}

bool ptx_choose_several(instruction *i, const char *base, char *const *mods, int n) {
    i->kind = WARP_SYNC;
    switch (base[0]) {
        case 's': return choose_shuffle(i, mods, n);
        case 'v': return choose_vote(i, mods, n);
        case 'r': return choose_reduction(i, mods, n);
        case 'm': return ptx_choose_matrix(i, mods, n);
        default: return choose_barrier(i, mods, n);
    }
}

static const choice LIST[] = {{"activemask.b32", active_mask}, {"trap.", trap}};
const choices PTX_LANE_CHOICES = {LIST, sizeof LIST/sizeof LIST[0]};
