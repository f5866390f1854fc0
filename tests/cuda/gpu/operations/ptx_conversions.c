#include "ptx_operations.h"

/* ----------------------------------------------------------------------------- operands -- */

static bool is_float(type t) {
    return t == F16 || t == F32 || t == F64;
}

static bool is_integer(type t) {
    return ptx_type_size(t) > 0 && !is_float(t) && t != BF16 && t != TF32 && t != F16X2 &&
        t != B128;
}

#define LANES(ex) for (int l = 0; l < PTX_LANES; l++) ex

/* The low bits, extended by the type. */
static void cut(type t, int64_t *x) {
    switch (t) {
        case S8: LANES(x[l] = (int8_t) x[l]); break;
        case U8: case B8: LANES(x[l] = (uint8_t) x[l]); break;
        case S16: LANES(x[l] = (int16_t) x[l]); break;
        case U16: case B16: LANES(x[l] = (uint16_t) x[l]); break;
        case S32: LANES(x[l] = (int32_t) x[l]); break;
        case U32: case B32: LANES(x[l] = (uint32_t) x[l]); break;
        default: break;
    }
}

static void load_integers(const warp *w, const instruction *i, int64_t *x) {
    switch (i->o[1].size) {
        case 2: LANES(x[l] = R(uint16_t, 1)[l]); break;
        case 4: LANES(x[l] = R(uint32_t, 1)[l]); break;
        default: LANES(x[l] = R(int64_t, 1)[l]); break;
    }
    cut(i->from, x);
}

/* Extended to the register's size. */
static void store_integers(const warp *w, const instruction *i, uint32_t m, int64_t *x) {
    cut(i->type, x);
    switch (i->o[0].size) {
        case 2: { uint16_t *d = R(uint16_t, 0); EACH(m, d[l] = (uint16_t) x[l];); break; }
        case 4: { uint32_t *d = R(uint32_t, 0); EACH(m, d[l] = (uint32_t) x[l];); break; }
        default: { int64_t *d = R(int64_t, 0); EACH(m, d[l] = x[l];); break; }
    }
}

static double half_of(const warp *w, const instruction *i, int l) {
    _Float16 h;
    memcpy(&h, R(unsigned char, 1)+(size_t) l*i->o[1].size, sizeof h);
    return (double) (float) h;
}

static void load_floats(const warp *w, const instruction *i, double *x) {
    switch (i->from) {
        case F16: LANES(x[l] = half_of(w, i, l)); break;
        case F32: LANES(x[l] = i->ftz ? ptx_flush(R(float, 1)[l]) : R(float, 1)[l]); break;
        default: LANES(x[l] = R(double, 1)[l]); break;
    }
}

/* ------------------------------------------------------------------------------ halves -- */

/* Bits of the nearest half; ties to even. From double at once: two roundings could miss it. */
static uint16_t nearest_half(double x) {
    uint16_t bits;
    const _Float16 h = (_Float16) x;
    memcpy(&bits, &h, sizeof bits);
    return bits;
}

/* Rounded in another direction: the neighbor of the nearest, where that lies on the wrong side. */
static uint16_t to_half(double x, int how) {
    uint16_t bits = nearest_half(x);
    if (how == NEAREST || x != x || isinf(x))
        return bits;
    _Float16 h;
    memcpy(&h, &bits, sizeof h);
    const double found = (double) h, size = fabs(found), wanted = fabs(x);
    const bool negative = signbit(x), outward = how == UP ? !negative : how == DOWN && negative;
    if (outward ? size < wanted : size > wanted)
        bits = (uint16_t) (outward ? bits+1 : bits-1);
    return bits;
}

/* ------------------------------------------------------------------------------- floats -- */

static double to_integer(double x, int how) {
    return how == NEAREST ? nearbyint(x) : how == ZERO ? trunc(x) :
        how == DOWN ? floor(x) : ceil(x);
}

static void store_floats(const warp *w, const instruction *i, uint32_t m, double *x) {
    const int how = i->integer_round ? NEAREST : i->round;
    if (i->integer_round)
        LANES(x[l] = to_integer(x[l], i->round));
    if (i->saturate)
        LANES(x[l] = x[l] > 0 ? x[l] < 1 ? x[l] : 1 : 0);
    if (i->type == F16) {
        EACH(m, const uint16_t h = to_half(x[l], how);
             memcpy(R(unsigned char, 0)+(size_t) l*i->o[0].size, &h, sizeof h););
        return;
    }
    if (i->type == F64) {
        double *d = R(double, 0);
        EACH(m, d[l] = x[l];);
        return;
    }
    float *d = R(float, 0);
    fesetround(ptx_fe_rounding(how));
    EACH(m, d[l] = (float) x[l];);
    fesetround(FE_TONEAREST);
    if (i->ftz)
        EACH(m, d[l] = ptx_flush(d[l]););
}

/* Integers' bounds: as floats, the first one that is too high. */
typedef struct {
    double low, beyond;
    int64_t lowest, highest;    // of U64: the bits
} bounds;

static bounds bounds_of(type t) {
    const int n = 8*(int) ptx_type_size(t);
    if (ptx_is_signed(t))
        return (bounds) {-ldexp(1, n-1), ldexp(1, n-1), INT64_MIN >> (64-n),
                         (int64_t) (UINT64_MAX >> (65-n))};
    return (bounds) {0, ldexp(1, n), 0, (int64_t) (UINT64_MAX >> (64-n))};
}

/* NaN becomes 0, and the highest bit alone where one of both types has 64 bits. */
static void floats_to_integers(const instruction *i, const double *x, int64_t *n) {
    const bounds b = bounds_of(i->type);
    const int size = (int) ptx_type_size(i->type);
    const bool wide = i->from == F64 || size == 8;
    const int64_t none = wide ? (int64_t) (1ull << (8*size-1)) : 0;
    for (int l = 0; l < PTX_LANES; l++) {
        const double r = to_integer(x[l], i->round);
        n[l] = r != r ? none : r <= b.low ? b.lowest : r >= b.beyond ? b.highest :
            i->type == U64 ? (int64_t) (uint64_t) r : (int64_t) r;
    }
}

static void saturate_integers(const instruction *i, int64_t *n) {
    const bounds b = bounds_of(i->type);
    for (int l = 0; l < PTX_LANES; l++) {
        const bool negative = i->from != U64 && n[l] < 0;
        if (negative ? n[l] < b.lowest : (uint64_t) n[l] > (uint64_t) b.highest)
            n[l] = negative ? b.lowest : b.highest;
    }
}

/* Of integers, with one rounding. */
static void integers_to_floats(const warp *w, const instruction *i, uint32_t m, const int64_t *n) {
    const bool is_unsigned = i->from == U64;
    if (i->type == F16) {   // those beyond 2^53 are infinite anyway
        double x[PTX_LANES];
        LANES(x[l] = is_unsigned ? (double) (uint64_t) n[l] : (double) n[l]);
        store_floats(w, i, m, x);
        return;
    }
    float *f = R(float, 0);
    double *d = R(double, 0);
    fesetround(ptx_fe_rounding(i->round));
    if (i->type == F32)
        EACH(m, f[l] = is_unsigned ? (float) (uint64_t) n[l] : (float) n[l];);
    else
        EACH(m, d[l] = is_unsigned ? (double) (uint64_t) n[l] : (double) n[l];);
    fesetround(FE_TONEAREST);
}

HANDLER(convert) {
    int64_t n[PTX_LANES];
    double x[PTX_LANES];
    if (is_float(i->from)) {
        load_floats(w, i, x);
        if (is_float(i->type)) {
            store_floats(w, i, m, x);
            return;
        }
        floats_to_integers(i, x, n);
    }
    else {
        load_integers(w, i, n);
        if (is_float(i->type)) {
            integers_to_floats(w, i, m, n);
            return;
        }
        if (i->saturate)
            saturate_integers(i, n);
    }
    store_integers(w, i, m, n);
}

/* ------------------------------------------------------------------- those in a hurry -- */

#define DIRECT(name, D, S)                                                                        \
    HANDLER(name) {                                                                               \
        D *d = R(D, 0);                                                                           \
        const S *a = R(S, 1);                                                                     \
        EACH(m, d[l] = (D) a[l];);                                                                \
    }
DIRECT(cvt_f32_s32, float, int32_t)
DIRECT(cvt_f32_u32, float, uint32_t)
DIRECT(cvt_f32_f64, float, double)
DIRECT(cvt_f64_f32, double, float)
DIRECT(cvt_f64_s32, double, int32_t)
DIRECT(cvt_s64_s32, int64_t, int32_t)
DIRECT(cvt_u64_u32, uint64_t, uint32_t)
DIRECT(cvt_u32_u64, uint32_t, uint64_t)
DIRECT(cvt_f32_s64, float, int64_t)
UNARY(floor_f32, float, floorf(a))
UNARY(floor_f64, double, floor(a))

/* Two halves: the first source in the upper one. */
HANDLER(cvt_f16x2) {
    uint32_t *d = R(uint32_t, 0);
    const float *a = R(float, 1), *b = R(float, 2);
    EACH(m, d[l] = (uint32_t) nearest_half(a[l]) << 16 | nearest_half(b[l]););
}

/* Nearest, ties away from zero: 13 bits are cut. */
static uint32_t to_tf32(uint32_t bits) {
    if ((bits & 0x7f800000u) == 0x7f800000u)
        return bits;
    return (bits+0x1000u) & 0xffffe000u;
}
UNARY(cvt_tf32, uint32_t, to_tf32(a))

/* ------------------------------------------------------------------------------- choice -- */

static handler find_direct(const instruction *i) {
    static const struct {type to, from; handler run;} direct[] = {{F32, S32, cvt_f32_s32},
        {F32, U32, cvt_f32_u32}, {F32, F64, cvt_f32_f64}, {F64, F32, cvt_f64_f32},
        {F64, S32, cvt_f64_s32}, {S64, S32, cvt_s64_s32}, {U64, U32, cvt_u64_u32},
        {U32, U64, cvt_u32_u64}, {S32, S64, cvt_u32_u64}, {U32, S64, cvt_u32_u64},
        {F32, S64, cvt_f32_s64}};
    const bool plain = !i->saturate && !i->ftz && !i->integer_round && i->round == NEAREST &&
        i->o[0].size == ptx_type_size(i->type) && i->o[1].size == ptx_type_size(i->from);
    if (i->integer_round && i->round == DOWN && i->type == i->from && !i->ftz && !i->saturate)
        return i->type == F32 ? floor_f32 : i->type == F64 ? floor_f64 : convert;
    for (size_t k = 0; plain && k < sizeof direct/sizeof direct[0]; k++)
        if (direct[k].to == i->type && direct[k].from == i->from)
            return direct[k].run;
    return convert;
}

bool ptx_choose_conversion(instruction *i, char *const *mods, int n) {
    if (i->n_types != 2 || i->n_destinations != 1)
        return false;
    if (i->type == F16X2 && i->from == F32) {
        i->run = cvt_f16x2;
        return n == 0 && i->n_operands == 3 && i->round == NEAREST && !i->saturate && !i->ftz &&
            !i->integer_round;
    }
    if (i->n_operands != 2)
        return false;
    if (i->type == TF32 && i->from == F32) {
        i->run = cvt_tf32;
        return n == 1 && strcmp(mods[0], "rna") == 0 && !i->saturate && !i->ftz;
    }
    i->run = find_direct(i);
    const size_t to = i->o[0].sink ? 0 : i->o[0].size, from = i->o[1].size;
    return n == 0 && (is_float(i->type) || is_integer(i->type)) &&
        (is_float(i->from) || is_integer(i->from)) && to >= ptx_type_size(i->type) &&
        from >= ptx_type_size(i->from);
}
