#include "ptx_operations.h"

/* Several registers to one of their total size: the first has the lowest bits. */
HANDLER(pack) {
    const int n = i->n_operands-1;
    const size_t whole = i->o[0].size, part = whole/(size_t) n;
    for (int l = 0; l < PTX_LANES; l++)
        for (int k = 0; k < n && m >> l & 1; k++)
            memcpy(R(unsigned char, 0)+(size_t) l*whole+(size_t) k*part,
                   R(unsigned char, k+1)+(size_t) l*i->o[k+1].size, part);
}

/* And back. */
HANDLER(unpack) {
    const int n = i->n_destinations;
    const size_t whole = i->o[n].size, part = whole/(size_t) n;
    unsigned char from[PTX_LANES*8];
    memcpy(from, R(unsigned char, n), PTX_LANES*whole);
    for (int l = 0; l < PTX_LANES; l++)
        for (int k = 0; k < n && m >> l & 1; k++)
            if (!i->o[k].sink)
                memcpy(R(unsigned char, k)+(size_t) l*i->o[k].size,
                       from+(size_t) l*whole+(size_t) k*part, part);
}

/* Parts are as large as the whole divided by their number. */
static bool choose_vector(instruction *i) {
    const bool packs = i->n_destinations == 1;
    const int first = packs ? 1 : 0, n = i->n_operands-1;
    const size_t whole = i->o[packs ? 0 : n].size, part = whole/(size_t) n;
    i->run = packs ? pack : unpack;
    if (whole != ptx_type_size(i->type) || part*(size_t) n != whole || whole > 8)
        return false;
    for (int k = first; k < first+n; k++)
        if (!i->o[k].sink && (packs ? i->o[k].size < part : i->o[k].size != part))
            return false;
    return true;
}

/* --------------------------------------------------------------------------- addresses -- */

static uint64_t window_of(const instruction *i) {
    return i->space == SHARED ? SHARED_WINDOW : i->space == LOCAL ? LOCAL_WINDOW : 0;
}

HANDLER(to_generic) {
    const uint64_t window = window_of(i);
    uint64_t *d = R(uint64_t, 0);
    const uint64_t *a = R(uint64_t, 1);
    EACH(m, d[l] = a[l]+window;);
}

HANDLER(from_generic) {
    const uint64_t window = window_of(i);
    uint64_t *d = R(uint64_t, 0);
    const uint64_t *a = R(uint64_t, 1);
    for (int l = 0; l < PTX_LANES && window != 0; l++)
        if (m >> l & 1 && a[l]-window >= WINDOW)
            ptx_fail(w, i, l, "0x%llx is not an address of this space", (unsigned long long) a[l]);
    EACH(m, d[l] = a[l]-window;);
}

bool ptx_choose_move(instruction *i, const char *base, char *const *mods, int n) {
    if (strcmp(base, "mov") == 0)
        return n == 0 && choose_vector(i);
    const bool to = n == 1 && strcmp(mods[0], "to") == 0;   // cvta.to
    i->run = to ? from_generic : to_generic;
    return (to || n == 0) && i->n_operands == 2 && i->o[0].size == 8 && i->o[1].size == 8 &&
        (i->space == GLOBAL || i->space == SHARED || i->space == LOCAL || i->space == CONSTANT);
}
