#include "ptx_operations.h"

#include <stdio.h>

int ptx_position(const char *name, const char *const *list, int n) {
    for (int k = 0; k < n; k++)
        if (strcmp(name, list[k]) == 0)
            return k;
    return -1;
}

bool ptx_is_signed(type t) {
    return t == S8 || t == S16 || t == S32 || t == S64;
}

/* ----------------------------------------------------------------------------- wrappers -- */

HANDLER(other_rounding) {
    fesetround(ptx_fe_rounding(i->round));
    i->inner(w, i, m);
    fesetround(FE_TONEAREST);
}

/* To 0 ... 1; NaN becomes 0. */
HANDLER(saturated) {
    i->inner(w, i, m);
    float *d = R(float, 0);
    EACH(m, d[l] = d[l] > 0 ? d[l] < 1 ? d[l] : 1 : 0;);
}

/* ------------------------------------------------------------------------------- tables -- */

static handler find_in(const choices *table, const char *key) {
    for (size_t k = 0; k < table->n; k++)
        if (strcmp(table->list[k].key, key) == 0)
            return table->list[k].run;
    return NULL;
}

static handler find_choice(const char *key) {
    static const choices *const tables[] = {&PTX_FLOATS, &PTX_INTEGERS, &PTX_COMPARISONS,
                                            &PTX_LANE_CHOICES};
    handler found = NULL;
    for (size_t t = 0; t < sizeof tables/sizeof tables[0] && found == NULL; t++)
        found = find_in(tables[t], key);
    return found;
}

/* Moves and logic look at bits only. */
static void take_bits(instruction *i, const char *base) {
    static const char *const names[] = {"mov", "selp", "shl", "and", "or", "xor", "not"};
    const size_t size = ptx_type_size(i->type);
    if (ptx_position(base, names, 7) >= 0 && size >= 2 && size <= 8)
        i->type = (uint8_t) (size == 2 ? B16 : size == 4 ? B32 : B64);
}

/* Sizes of registers are those that the operation reads and writes. */
static bool has_sizes(const instruction *i, const char *base, bool wide) {
    static const char *const counts[] = {"popc", "clz", "bfind"};
    const size_t size = ptx_type_size(i->type);
    const bool counted = ptx_position(base, counts, 3) >= 0;
    const size_t wanted = wide ? 2*size : counted ? 4 : size;
    if (i->n_operands == 0)
        return true;
    if (i->o[0].sink || i->o[0].size != wanted)
        return false;
    return i->n_operands < 2 || (!i->o[1].sink && i->o[1].size == size);
}

static bool choose_by_name(instruction *i, const char *base, char *const *mods, int n) {
    char key[128];
    take_bits(i, base);
    int length = snprintf(key, sizeof key, "%s.", base);
    for (int k = 0; k < n && length < 100; k++)
        length += snprintf(key+length, sizeof key-(size_t) length, "%.20s.", mods[k]);
    snprintf(key+length, sizeof key-(size_t) length, "%s%s",
             i->ftz && i->type != NO_TYPE ? "ftz." : "", ptx_type_name(i->type));
    i->run = find_choice(key);
    const bool wide = n > 0 && strcmp(mods[0], "wide") == 0;
    return i->run != NULL && i->n_types <= 1 && i->vector == 0 && has_sizes(i, base, wide);
}

/* Rounding and saturation are of floats. */
static bool wrap(instruction *i) {
    const bool computes = i->type == F32 || i->type == F64;
    if (i->integer_round || (i->round != NEAREST && !computes) || (i->saturate && i->type != F32))
        return false;
    if (i->round != NEAREST && i->saturate)
        return false;
    if (i->round != NEAREST || i->saturate) {
        i->inner = i->run;
        i->run = i->saturate ? saturated : other_rounding;
    }
    return true;
}

/* .approx: what is done here is more exact. */
static int drop_approx(char *const *all, int n, char **mods) {
    int left = 0;
    for (int k = 0; k < n; k++)
        if (strcmp(all[k], "approx") != 0)
            mods[left++] = all[k];
    return left;
}

bool ptx_choose(instruction *i, const char *base, char *const *all, int n_all) {
    static const char *const several[] = {"shfl", "vote", "redux", "mma", "bar", "barrier"};
    static const char *const comparisons[] = {"setp", "set", "slct", "testp"};
    char *mods[16];
    const int n = drop_approx(all, n_all, mods);
    if (strcmp(base, "ld") == 0 || strcmp(base, "ldu") == 0)
        return n == 0 && ptx_choose_load(i);
    if (strcmp(base, "st") == 0)
        return n == 0 && ptx_choose_store(i);
    if (strcmp(base, "atom") == 0 || strcmp(base, "red") == 0)
        return ptx_choose_atomic(i, base, mods, n);
    if (strcmp(base, "cvt") == 0)
        return ptx_choose_conversion(i, mods, n);
    if (ptx_position(base, comparisons, 4) >= 0)
        return ptx_choose_comparison(i, base, mods, n);
    if (ptx_position(base, several, 6) >= 0)
        return ptx_choose_several(i, base, mods, n);
    if (strcmp(base, "cvta") == 0 || (strcmp(base, "mov") == 0 && i->n_operands > 2))
        return ptx_choose_move(i, base, mods, n);
    if (ptx_choose_carry(i, base, mods, n))
        return true;
    return choose_by_name(i, base, mods, n) && wrap(i);
}
