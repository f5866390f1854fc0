#include "ptx_operations.h"

/* U: true if one is NaN. */
enum {EQ, NE, LT, LE, GT, GE, EQU, NEU, LTU, LEU, GTU, GEU, NUM, NAN_, LO, LS, HI, HS,
      N_COMPARISONS};

#define COMPARE_ALL(ex)                                                                           \
    do {                                                                                          \
        uint32_t r = 0;                                                                           \
        for (int l = 0; l < PTX_LANES; l++)                                                       \
            r |= (uint32_t) (ex) << l;                                                            \
        return r;                                                                                 \
    } while (0)
#define COMPARE(s, T)                                                                             \
    static uint32_t compare_##s(const T *a, const T *b, int operation) {                          \
        switch (operation) {                                                                      \
            case EQ: COMPARE_ALL(a[l] == b[l]);                                                   \
            case NE: COMPARE_ALL(a[l] != b[l] && a[l] == a[l] && b[l] == b[l]);                   \
            case LT: case LO: COMPARE_ALL(a[l] < b[l]);                                           \
            case LE: case LS: COMPARE_ALL(a[l] <= b[l]);                                          \
            case GT: case HI: COMPARE_ALL(a[l] > b[l]);                                           \
            case GE: case HS: COMPARE_ALL(a[l] >= b[l]);                                          \
            case EQU: COMPARE_ALL(a[l] == b[l] || a[l] != a[l] || b[l] != b[l]);                  \
            case NEU: COMPARE_ALL(a[l] != b[l]);                                                  \
            case LTU: COMPARE_ALL(!(a[l] >= b[l]));                                               \
            case LEU: COMPARE_ALL(!(a[l] > b[l]));                                                \
            case GTU: COMPARE_ALL(!(a[l] <= b[l]));                                               \
            case GEU: COMPARE_ALL(!(a[l] < b[l]));                                                \
            case NUM: COMPARE_ALL(a[l] == a[l] && b[l] == b[l]);                                  \
            default: COMPARE_ALL(a[l] != a[l] || b[l] != b[l]);                                   \
        }                                                                                         \
    }
COMPARE(s16, int16_t)
COMPARE(u16, uint16_t)
COMPARE(s32, int32_t)
COMPARE(u32, uint32_t)
COMPARE(s64, int64_t)
COMPARE(u64, uint64_t)
COMPARE(f32, float)
COMPARE(f64, double)

static uint32_t compare_flushed(const float *x, const float *y, int operation) {
    float a[PTX_LANES], b[PTX_LANES];
    for (int l = 0; l < PTX_LANES; l++) {
        a[l] = ptx_flush(x[l]);
        b[l] = ptx_flush(y[l]);
    }
    return compare_f32(a, b, operation);
}

/* Operands k and k+1. */
static uint32_t compare(const warp *w, const instruction *i, int k, type t) {
    const int c = i->operation;
    switch (t) {
        case S16: return compare_s16(R(int16_t, k), R(int16_t, k+1), c);
        case U16: case B16: return compare_u16(R(uint16_t, k), R(uint16_t, k+1), c);
        case S32: return compare_s32(R(int32_t, k), R(int32_t, k+1), c);
        case U32: case B32: return compare_u32(R(uint32_t, k), R(uint32_t, k+1), c);
        case S64: return compare_s64(R(int64_t, k), R(int64_t, k+1), c);
        case U64: case B64: return compare_u64(R(uint64_t, k), R(uint64_t, k+1), c);
        case F64: return compare_f64(R(double, k), R(double, k+1), c);
        default: return i->ftz ? compare_flushed(R(float, k), R(float, k+1), c) :
            compare_f32(R(float, k), R(float, k+1), c);
    }
}

/* memory: what is done with a further predicate. */
enum {ALONE, AND, OR, XOR};

static uint32_t combine(const warp *w, const instruction *i, uint32_t r, int k) {
    switch (i->memory) {
        case AND: return r & ptx_predicate(w, &i->o[k]);
        case OR: return r | ptx_predicate(w, &i->o[k]);
        case XOR: return r ^ ptx_predicate(w, &i->o[k]);
        default: return r;
    }
}

/* p|q: q is for the opposite. */
HANDLER(set_predicates) {
    const int n = i->n_destinations;
    const uint32_t r = compare(w, i, n, i->type);
    const uint32_t first = combine(w, i, r, n+2), second = n > 1 ? combine(w, i, ~r, n+2) : 0;
    ptx_set_predicate(w, &i->o[0], first, m);
    if (n > 1)
        ptx_set_predicate(w, &i->o[1], second, m);
}

HANDLER(set_number) {
    const uint32_t r = combine(w, i, compare(w, i, 1, i->from), 3);
    const uint32_t yes = i->type == F32 ? 0x3f800000u : 0xffffffffu;    // 1.0, all bits
    uint32_t *d = R(uint32_t, 0);
    EACH(m, d[l] = r >> l & 1 ? yes : 0;);
}

/* The first where the third is not negative. */
HANDLER(slct) {
    for (int l = 0; l < PTX_LANES; l++) {
        if (!(m >> l & 1))
            continue;
        const bool first = i->from == F32 ? R(float, 3)[l] >= 0 : R(int32_t, 3)[l] >= 0;
        if (i->o[0].size == 8)
            R(uint64_t, 0)[l] = R(uint64_t, first ? 1 : 2)[l];
        else
            R(uint32_t, 0)[l] = R(uint32_t, first ? 1 : 2)[l];
    }
}

enum {FINITE, INFINITE_, NUMBER, NOT_A_NUMBER, NORMAL_, SUBNORMAL, N_PROPERTIES};

static bool has_property(int property, double x, int class) {
    switch (property) {
        case FINITE: return isfinite(x);
        case INFINITE_: return isinf(x);
        case NUMBER: return !isnan(x);
        case NOT_A_NUMBER: return isnan(x);
        case NORMAL_: return class == FP_NORMAL;
        default: return class == FP_SUBNORMAL;
    }
}

HANDLER(test_property) {
    uint32_t r = 0;
    for (int l = 0; l < PTX_LANES; l++) {
        const bool is_double = i->type == F64;
        const double x = is_double ? R(double, 1)[l] : (double) R(float, 1)[l];
        const int class = is_double ? fpclassify(x) : fpclassify(R(float, 1)[l]);
        r |= (uint32_t) has_property(i->operation, x, class) << l;
    }
    ptx_set_predicate(w, &i->o[0], r, m);
}

/* ------------------------------------------------------------------------------- choice -- */

static bool can_be_compared(type t, int c) {
    const bool bits = t == B16 || t == B32 || t == B64, floats = t == F32 || t == F64;
    const bool is_unsigned = t == U16 || t == U32 || t == U64;
    if (c >= LO)
        return is_unsigned;
    if (c >= EQU)
        return floats;
    return floats || is_unsigned || t == S16 || t == S32 || t == S64 || (bits && c <= NE);
}

/* setp.lt.and.f32 p|q, a, b, c; set.gt.u32.f32 d, a, b */
static bool choose_compare(instruction *i, bool number, char *const *mods, int n) {
    static const char *const names[] = {"eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu",
        "leu", "gtu", "geu", "num", "nan", "lo", "ls", "hi", "hs"};
    static const char *const logic[] = {"", "and", "or", "xor"};
    const int c = n > 0 ? ptx_position(mods[0], names, N_COMPARISONS) : -1;
    const int l = n > 1 ? ptx_position(mods[1], logic, 4) : ALONE;
    const int sources = i->n_operands-i->n_destinations;
    if (c < 0 || l < 0 || n > 2 || (n > 1 && l == ALONE) || sources != (l == ALONE ? 2 : 3))
        return false;
    i->operation = (uint8_t) c;
    i->memory = (uint8_t) l;
    i->run = number ? set_number : set_predicates;
    if (!number)
        return i->n_types == 1 && can_be_compared(i->type, c);
    return i->n_types == 2 && can_be_compared(i->from, c) &&
        (i->type == U32 || i->type == S32 || i->type == F32);
}

bool ptx_choose_comparison(instruction *i, const char *base, char *const *mods, int n) {
    static const char *const properties[] = {"finite", "infinite", "number", "notanumber", "normal",
                                             "subnormal"};
    if (strcmp(base, "slct") == 0) {
        const size_t size = ptx_type_size(i->type);
        i->run = slct;
        return n == 0 && !i->ftz && (size == 4 || size == 8) && (i->from == F32 || i->from == S32);
    }
    if (strcmp(base, "testp") == 0) {
        const int k = n == 1 ? ptx_position(mods[0], properties, N_PROPERTIES) : -1;
        i->operation = (uint8_t) k;
        i->run = test_property;
        return k >= 0 && (i->type == F32 || i->type == F64);
    }
    return choose_compare(i, strcmp(base, "set") == 0, mods, n);
}

#define PREDICATES(name, ex)                                                                      \
    HANDLER(name) {                                                                               \
        const uint32_t a = ptx_predicate(w, &i->o[1]);                                            \
        const uint32_t b = i->n_operands > 2 ? ptx_predicate(w, &i->o[2]) : 0;                    \
        (void) b;                                                                                 \
        ptx_set_predicate(w, &i->o[0], (ex), m);                                                  \
    }
PREDICATES(and_pred, a & b)
PREDICATES(or_pred, a | b)
PREDICATES(xor_pred, a ^ b)
PREDICATES(not_pred, ~a)
PREDICATES(move_pred, a)
HANDLER(select_pred) {
    const uint32_t a = ptx_predicate(w, &i->o[1]), b = ptx_predicate(w, &i->o[2]);
    const uint32_t c = ptx_predicate(w, &i->o[3]);
    ptx_set_predicate(w, &i->o[0], (a & c) | (b & ~c), m);
}

static const choice LIST[] = {
    {"and.pred", and_pred}, {"or.pred", or_pred}, {"xor.pred", xor_pred}, {"not.pred", not_pred},
    {"mov.pred", move_pred}, {"selp.pred", select_pred}};
const choices PTX_COMPARISONS = {LIST, sizeof LIST/sizeof LIST[0]};
