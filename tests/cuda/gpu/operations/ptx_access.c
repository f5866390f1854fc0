#include "ptx_operations.h"

/* Elements from memory to registers, extended by their type T. */
#define LOAD(T, D)                                                                                \
    for (int k = 0; k < n; k++) {                                                                 \
        if (i->o[k].sink)                                                                         \
            continue;                                                                             \
        D *d = R(D, k);                                                                           \
        EACH(m, T x; memcpy(&x, from[l]+(size_t) k*sizeof(T), sizeof x); d[l] = (D) x;);          \
    }
#define LOAD_TO(T)                                                                                \
    switch (to) {                                                                                 \
        case 2: LOAD(T, uint16_t) break;                                                          \
        case 4: LOAD(T, uint32_t) break;                                                          \
        default: LOAD(T, uint64_t) break;                                                         \
    }                                                                                             \
    break

/* The same word for all lanes, or one word after the other: true. */
static bool load_words(const warp *w, const instruction *i, unsigned char **from) {
    const uintptr_t first = (uintptr_t) from[0];
    uintptr_t same = 0, row = 0;
    for (uintptr_t l = 0; l < PTX_LANES; l++) {
        same |= (uintptr_t) from[l]-first;
        row |= (uintptr_t) from[l]-first-l*sizeof(uint32_t);
    }
    uint32_t *d = R(uint32_t, 0);
    if (same == 0) {
        uint32_t x;
        memcpy(&x, from[0], sizeof x);
        for (int l = 0; l < PTX_LANES; l++)
            d[l] = x;
    }
    else if (row == 0)
        memcpy(d, from[0], PTX_LANES*sizeof *d);
    return same == 0 || row == 0;
}

/* Bytes of the registers; all of a vector are alike. */
static int register_size(const instruction *i, int first, int n) {
    for (int k = first; k < first+n; k++)
        if (!i->o[k].sink)
            return i->o[k].size;
    return i->memory;
}

HANDLER(load) {
    const int n = i->n_destinations, to = register_size(i, 0, n);
    unsigned char *from[PTX_LANES];
    ptx_pointers(w, i, m, n, (size_t) n*i->memory, false, false, from);
    if (m == ALL_LANES && n == 1 && i->memory == 4 && to == 4 && !i->o[0].sink &&
            load_words(w, i, from))
        return;
    const bool is_signed = ptx_is_signed(i->type);
    switch (is_signed ? -i->memory : i->memory) {
        case 1: LOAD_TO(uint8_t);
        case -1: LOAD_TO(int8_t);
        case 2: LOAD_TO(uint16_t);
        case -2: LOAD_TO(int16_t);
        case 4: LOAD_TO(uint32_t);
        case -4: LOAD_TO(int32_t);
        default: LOAD(uint64_t, uint64_t) break;
    }
}

#define STORE(T, S)                                                                               \
    for (int k = 0; k < n; k++) {                                                                 \
        const S *s = R(S, k+1);                                                                   \
        for (uint32_t left = m; left != 0; left &= left-1) {                                      \
            const int l = __builtin_ctz(left);                                                    \
            const T x = (T) s[l];                                                                 \
            memcpy(to[l]+(size_t) k*sizeof x, &x, sizeof x);                                      \
        }                                                                                         \
    }
/* Constants are as large as the element. */
#define STORE_FROM(T)                                                                             \
    switch (i->o[1].size) {                                                                       \
        case 1: STORE(T, uint8_t) break;                                                          \
        case 2: STORE(T, uint16_t) break;                                                         \
        case 4: STORE(T, uint32_t) break;                                                         \
        default: STORE(T, uint64_t) break;                                                        \
    }                                                                                             \
    break

HANDLER(store) {
    const int n = i->n_operands-1;
    unsigned char *to[PTX_LANES];
    ptx_pointers(w, i, m, 0, (size_t) n*i->memory, true, false, to);
    switch (i->memory) {
        case 1: STORE_FROM(uint8_t);
        case 2: STORE_FROM(uint16_t);
        case 4: STORE_FROM(uint32_t);
        default: STORE(uint64_t, uint64_t) break;
    }
}

/* --------------------------------------------------------------------------- atomically -- */

enum {ATOM_ADD, ATOM_MIN, ATOM_MAX, ATOM_AND, ATOM_OR, ATOM_XOR, ATOM_EXCH, ATOM_CAS, ATOM_INC,
      ATOM_DEC, N_ATOMS};

static uint64_t add_floats(uint64_t old, uint64_t x) {
    const uint32_t words[2] = {(uint32_t) old, (uint32_t) x};
    float a, b;
    uint32_t bits;
    memcpy(&a, &words[0], sizeof a);
    memcpy(&b, &words[1], sizeof b);
    a += b;
    memcpy(&bits, &a, sizeof bits);
    return bits;
}

static uint64_t add_doubles(uint64_t old, uint64_t x) {
    double a, b;
    memcpy(&a, &old, sizeof a);
    memcpy(&b, &x, sizeof b);
    a += b;
    memcpy(&old, &a, sizeof old);
    return old;
}

static bool is_less(type t, uint64_t a, uint64_t b) {
    return t == S32 ? (int32_t) a < (int32_t) b : t == S64 ? (int64_t) a < (int64_t) b : a < b;
}

static uint64_t combined(int operation, type t, uint64_t old, uint64_t x, uint64_t y) {
    switch (operation) {
        case ATOM_ADD:
            return t == F32 ? add_floats(old, x) : t == F64 ? add_doubles(old, x) : old+x;
        case ATOM_MIN: return is_less(t, x, old) ? x : old;
        case ATOM_MAX: return is_less(t, old, x) ? x : old;
        case ATOM_AND: return old & x;
        case ATOM_OR: return old | x;
        case ATOM_XOR: return old ^ x;
        case ATOM_EXCH: return x;
        case ATOM_CAS: return old == x ? y : old;
        case ATOM_INC: return old >= x ? 0 : old+1;
        default: return old == 0 || old > x ? x : old-1;
    }
}

/* Lane by lane; red has no destination. */
HANDLER(atomic) {
    const int n = i->n_destinations;
    unsigned char *at[PTX_LANES];
    const size_t size = i->memory;
    ptx_pointers(w, i, m, n, size, true, true, at);
    for (uint32_t left = m; left != 0; left &= left-1) {
        const int l = __builtin_ctz(left);
        const uint64_t x = ptx_lane(w, i, n+1, l);
        const uint64_t y = i->operation == ATOM_CAS ? ptx_lane(w, i, n+2, l) : 0;
        uint64_t old = 0;
        memcpy(&old, at[l], size);
        const uint64_t now = combined(i->operation, i->type, old, x, y);
        memcpy(at[l], &now, size);
        if (n > 0 && !i->o[0].sink && size == 8)
            R(uint64_t, 0)[l] = old;
        else if (n > 0 && !i->o[0].sink)
            R(uint32_t, 0)[l] = (uint32_t) old;
    }
}

/* ------------------------------------------------------------------------------- choice -- */

/* Registers hold an element, and are alike. */
static bool choose_elements(instruction *i, int first, int n) {
    const size_t size = ptx_type_size(i->type);
    const int held = register_size(i, first, n);
    if (size == 0 || size > 8 || n != (i->vector > 0 ? i->vector : 1))
        return false;
    for (int k = first; k < first+n; k++)
        if (!i->o[k].sink && (i->o[k].size != held || i->o[k].size < size))
            return false;
    i->memory = (uint8_t) size;
    return true;
}

bool ptx_choose_load(instruction *i) {
    i->run = load;
    return i->n_operands == i->n_destinations+1 && choose_elements(i, 0, i->n_destinations);
}

bool ptx_choose_store(instruction *i) {
    i->run = store;
    for (int k = 1; k < i->n_operands; k++)
        if (i->o[k].sink)
            return false;
    return i->n_operands > 1 && choose_elements(i, 1, i->n_operands-1);
}

/* What the manual allows; others would be done as if they were of another type. */
static bool has_atomic(int operation, type t) {
    const bool is_unsigned = t == U32 || t == U64, is_signed = t == S32 || t == S64;
    switch (operation) {
        case ATOM_ADD: return is_unsigned || is_signed || t == F32 || t == F64;
        case ATOM_MIN: case ATOM_MAX: return is_unsigned || is_signed;
        case ATOM_INC: case ATOM_DEC: return t == U32;
        default: return t == B32 || t == B64;
    }
}

bool ptx_choose_atomic(instruction *i, const char *base, char *const *mods, int n) {
    static const char *const names[] = {"add", "min", "max", "and", "or", "xor", "exch", "cas",
                                        "inc", "dec"};
    const int k = n == 1 ? ptx_position(mods[0], names, N_ATOMS) : -1;
    const bool returns = strcmp(base, "atom") == 0;
    i->operation = (uint8_t) k;
    i->memory = (uint8_t) ptx_type_size(i->type);
    i->run = atomic;
    return k >= 0 && has_atomic(k, i->type) && i->vector == 0 && i->n_types == 1 &&
        i->n_destinations == returns && i->n_operands == returns+2+(k == ATOM_CAS) &&
        i->o[i->n_operands-1].size == i->memory;
}
