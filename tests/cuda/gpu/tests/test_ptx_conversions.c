/* cvt against C: rounding, saturation, NaN, halves, TF32. */
#include <fenv.h>
#include <float.h>

#include "ptx_harness.h"

/* ------------------------------------------------------------------- floats to integers -- */

/* Clamped to the bounds; NaN is what the manual says. */
static int64_t to_signed(double x, int bits, bool wide) {
    const double bound = ldexp(1, bits-1);
    if (isnan(x))
        return wide ? (int64_t) (UINT64_MAX << (bits-1)) : 0;
    return x >= bound ? (int64_t) (UINT64_MAX >> (65-bits)) : x < -bound ?
        (int64_t) (UINT64_MAX << (bits-1)) : (int64_t) x;
}
static uint64_t to_unsigned(double x, int bits, bool wide) {
    if (isnan(x))
        return wide ? 1ull << (bits-1) : 0;
    return x >= ldexp(1, bits) ? UINT64_MAX >> (64-bits) : x <= 0 ? 0 : (uint64_t) x;
}

#define TO(name, of, round, to, bits, wide, mask)                                                 \
    static uint64_t name(uint64_t x, uint64_t y, uint64_t z) {                                    \
        (void) y, (void) z;                                                                       \
        return (uint64_t) to(round((double) of(x)), bits, wide) & mask;                           \
    }
TO(f_s32_z, f_of, trunc, to_signed, 32, false, 0xffffffffu)
TO(f_s32_n, f_of, nearbyint, to_signed, 32, false, 0xffffffffu)
TO(f_s32_m, f_of, floor, to_signed, 32, false, 0xffffffffu)
TO(f_s32_p, f_of, ceil, to_signed, 32, false, 0xffffffffu)
TO(f_u32_z, f_of, trunc, to_unsigned, 32, false, 0xffffffffu)
TO(f_s64_z, f_of, trunc, to_signed, 64, true, ~0ull)
TO(f_u64_z, f_of, trunc, to_unsigned, 64, true, ~0ull)
TO(d_s32_z, d_of, trunc, to_signed, 32, true, 0xffffffffu)
TO(d_u32_n, d_of, nearbyint, to_unsigned, 32, true, 0xffffffffu)
TO(d_s64_n, d_of, nearbyint, to_signed, 64, true, ~0ull)
TO(d_u64_z, d_of, trunc, to_unsigned, 64, true, ~0ull)
TO(f_s16_z, f_of, trunc, to_signed, 16, false, 0xffff)
TO(f_u16_p, f_of, ceil, to_unsigned, 16, false, 0xffff)

static void test_to_integers(void) {
    static const operation list[] = {
        {"cvt.rzi.s32.f32", "if", f_s32_z, 0}, {"cvt.rni.s32.f32", "if", f_s32_n, 0},
        {"cvt.rmi.s32.f32", "if", f_s32_m, 0}, {"cvt.rpi.s32.f32", "if", f_s32_p, 0},
        {"cvt.rzi.u32.f32", "if", f_u32_z, 0}, {"cvt.rzi.s64.f32", "lf", f_s64_z, 0},
        {"cvt.rzi.u64.f32", "lf", f_u64_z, 0}, {"cvt.rzi.s32.f64", "id", d_s32_z, 0},
        {"cvt.rni.u32.f64", "id", d_u32_n, 0}, {"cvt.rni.s64.f64", "ld", d_s64_n, 0},
        {"cvt.rzi.u64.f64", "ld", d_u64_z, 0}, {"cvt.rzi.s16.f32", "hf", f_s16_z, 0},
        {"cvt.rpi.u16.f32", "hf", f_u16_p, 0}};
    CHECK_OPERATIONS(list);
}

/* ------------------------------------------------------------------- integers to floats -- */

#define FROM(name, mode, type, as, bits)                                                          \
    static uint64_t name(uint64_t x, uint64_t y, uint64_t z) {                                    \
        (void) y, (void) z;                                                                       \
        volatile type n = (type) x;                                                               \
        volatile as made;                                                                         \
        fesetround(mode);                                                                         \
        made = (as) n;                                                                            \
        fesetround(FE_TONEAREST);                                                                 \
        return bits(made);                                                                        \
    }
FROM(s32_f_n, FE_TONEAREST, int32_t, float, bits_f)
FROM(s32_f_z, FE_TOWARDZERO, int32_t, float, bits_f)
FROM(s32_f_m, FE_DOWNWARD, int32_t, float, bits_f)
FROM(s32_f_p, FE_UPWARD, int32_t, float, bits_f)
FROM(u32_f_n, FE_TONEAREST, uint32_t, float, bits_f)
FROM(s64_f_n, FE_TONEAREST, int64_t, float, bits_f)
FROM(s64_f_p, FE_UPWARD, int64_t, float, bits_f)
FROM(u64_f_n, FE_TONEAREST, uint64_t, float, bits_f)
FROM(s32_d_n, FE_TONEAREST, int32_t, double, bits_d)
FROM(u32_d_n, FE_TONEAREST, uint32_t, double, bits_d)
FROM(s64_d_n, FE_TONEAREST, int64_t, double, bits_d)
FROM(s64_d_m, FE_DOWNWARD, int64_t, double, bits_d)
FROM(u64_d_n, FE_TONEAREST, uint64_t, double, bits_d)
FROM(u16_f_n, FE_TONEAREST, uint16_t, float, bits_f)
FROM(s16_f_n, FE_TONEAREST, int16_t, float, bits_f)

static void test_from_integers(void) {
    static const operation list[] = {
        {"cvt.rn.f32.s32", "fi", s32_f_n, 0}, {"cvt.rz.f32.s32", "fi", s32_f_z, 0},
        {"cvt.rm.f32.s32", "fi", s32_f_m, 0}, {"cvt.rp.f32.s32", "fi", s32_f_p, 0},
        {"cvt.rn.f32.u32", "fi", u32_f_n, 0}, {"cvt.rn.f32.s64", "fl", s64_f_n, 0},
        {"cvt.rp.f32.s64", "fl", s64_f_p, 0}, {"cvt.rn.f32.u64", "fl", u64_f_n, 0},
        {"cvt.rn.f64.s32", "di", s32_d_n, 0}, {"cvt.rn.f64.u32", "di", u32_d_n, 0},
        {"cvt.rn.f64.s64", "dl", s64_d_n, 0}, {"cvt.rm.f64.s64", "dl", s64_d_m, 0},
        {"cvt.rn.f64.u64", "dl", u64_d_n, 0}, {"cvt.rn.f32.u16", "fh", u16_f_n, 0},
        {"cvt.rn.f32.s16", "fh", s16_f_n, 0}};
    CHECK_OPERATIONS(list);
}

/* ------------------------------------------------------------------ integers to integers -- */

#define CVT(name, from, ex)                                                                       \
    static uint64_t name(uint64_t x, uint64_t y, uint64_t z) {                                    \
        (void) y, (void) z;                                                                       \
        const from a = (from) x;                                                                  \
        return (uint64_t) (ex);                                                                   \
    }
CVT(s64_s32, int32_t, (int64_t) a)
CVT(u64_u32, uint32_t, a)
CVT(u32_u64, uint64_t, (uint32_t) a)
CVT(s64_s8, int8_t, (int64_t) a)
CVT(s32_s8, int8_t, (uint32_t) (int32_t) a)
CVT(u32_u8, uint8_t, a)
CVT(s32_s16, int16_t, (uint32_t) (int32_t) a)
CVT(u16_u32, uint32_t, (uint16_t) a)
CVT(s8_in_32, int32_t, (uint32_t) (int8_t) a)
CVT(sat_s32_s64, int64_t, (uint32_t) (a > INT32_MAX ? INT32_MAX : a < INT32_MIN ? INT32_MIN : a))
CVT(sat_u32_s64, int64_t, a > UINT32_MAX ? UINT32_MAX : a < 0 ? 0 : a)
CVT(sat_u8_s32, int32_t, a > 255 ? 255 : a < 0 ? 0 : a)
CVT(sat_s32_u32, uint32_t, a > INT32_MAX ? INT32_MAX : a)
CVT(sat_u64_s64, int64_t, a < 0 ? 0 : a)
CVT(sat_s64_u64, uint64_t, a > INT64_MAX ? INT64_MAX : a)
CVT(sat_s16_s32, int32_t, (uint16_t) (a > 32767 ? 32767 : a < -32768 ? -32768 : a))

static void test_between_integers(void) {
    static const operation list[] = {
        {"cvt.s64.s32", "li", s64_s32, 0}, {"cvt.u64.u32", "li", u64_u32, 0},
        {"cvt.u32.u64", "il", u32_u64, 0}, {"cvt.s64.s8", "li", s64_s8, 0},
        {"cvt.s32.s8", "ii", s32_s8, 0}, {"cvt.u32.u8", "ii", u32_u8, 0},
        {"cvt.s32.s16", "ih", s32_s16, 0}, {"cvt.u16.u32", "hi", u16_u32, 0},
        {"cvt.s8.s32", "ii", s8_in_32, 0}, {"cvt.sat.s32.s64", "il", sat_s32_s64, 0},
        {"cvt.sat.u32.s64", "il", sat_u32_s64, 0}, {"cvt.sat.u8.s32", "ii", sat_u8_s32, 0},
        {"cvt.sat.s32.u32", "ii", sat_s32_u32, 0}, {"cvt.sat.u64.s64", "ll", sat_u64_s64, 0},
        {"cvt.sat.s64.u64", "ll", sat_s64_u64, 0}, {"cvt.sat.s16.s32", "hi", sat_s16_s32, 0}};
    CHECK_OPERATIONS(list);
}

/* ---------------------------------------------------------------------- floats to floats -- */

#define D_F(name, mode)                                                                           \
    static uint64_t name(uint64_t x, uint64_t y, uint64_t z) {                                    \
        (void) y, (void) z;                                                                       \
        volatile double a = d_of(x);                                                              \
        volatile float made;                                                                      \
        fesetround(mode);                                                                         \
        made = (float) a;                                                                         \
        fesetround(FE_TONEAREST);                                                                 \
        return bits_f(made);                                                                      \
    }
D_F(d_f_n, FE_TONEAREST)
D_F(d_f_z, FE_TOWARDZERO)
D_F(d_f_m, FE_DOWNWARD)
D_F(d_f_p, FE_UPWARD)
CVT(f_d, uint64_t, bits_d((double) f_of(a)))
CVT(f_round, uint64_t, bits_f(nearbyintf(f_of(a))))
CVT(f_floor, uint64_t, bits_f(floorf(f_of(a))))
CVT(f_ceil, uint64_t, bits_f(ceilf(f_of(a))))
CVT(f_trunc, uint64_t, bits_f(truncf(f_of(a))))
CVT(d_floor, uint64_t, bits_d(floor(d_of(a))))
CVT(f_sat, uint64_t, bits_f(isnan(f_of(a)) || f_of(a) <= 0 ? 0 : fminf(f_of(a), 1)))
static uint64_t f_flush(uint64_t a, uint64_t y, uint64_t z) {
    (void) y, (void) z;
    return fpclassify(f_of(a)) == FP_SUBNORMAL ? a & 0x80000000u : a;
}

/* Half the mantissa's last kept bit is added to the size; infinities and NaN stay. */
static uint64_t tf32(uint64_t a, uint64_t y, uint64_t z) {
    (void) y, (void) z;
    const float x = f_of(a);
    if (!isfinite(x))
        return a;
    int e;
    const float m = frexpf(fabsf(x), &e);   // in 0.5 ... 1
    const int bits = e < -125 ? 11+e+125 : 11;  // subnormals have fewer
    const double kept = floor((double) m*ldexp(1, bits)+0.5);
    return bits_f(copysignf((float) ldexp(kept, e-bits), x));
}

static void test_between_floats(void) {
    static const operation list[] = {
        {"cvt.rn.f32.f64", "fd", d_f_n, 0}, {"cvt.rz.f32.f64", "fd", d_f_z, 0},
        {"cvt.rm.f32.f64", "fd", d_f_m, 0}, {"cvt.rp.f32.f64", "fd", d_f_p, 0},
        {"cvt.f64.f32", "df", f_d, 0}, {"cvt.rni.f32.f32", "ff", f_round, 0},
        {"cvt.rmi.f32.f32", "ff", f_floor, 0}, {"cvt.rpi.f32.f32", "ff", f_ceil, 0},
        {"cvt.rzi.f32.f32", "ff", f_trunc, 0}, {"cvt.rmi.f64.f64", "dd", d_floor, 0},
        {"cvt.sat.f32.f32", "ff", f_sat, 0}, {"cvt.ftz.f32.f32", "ff", f_flush, 0},
        {"cvt.rna.tf32.f32", "if", tf32, 0}};
    CHECK_OPERATIONS(list);
}

/* -------------------------------------------------------------------------------- halves -- */

/* The value of a half's bits, from its parts. */
static double half_value(unsigned bits) {
    const int e = (int) (bits >> 10 & 31), m = (int) (bits & 1023);
    const double size = e == 31 ? m == 0 ? INFINITY : NAN : e == 0 ? ldexp(m, -24) :
        ldexp(1024+m, e-25);
    return bits & 0x8000 ? -size : size;
}

/* The nearest of all halves; of two, the even one. Beyond 65520 it is infinite. */
static uint64_t nearest_half(double x) {
    if (isnan(x))
        return 0x7e00;
    const double size = fabs(x);
    unsigned best = 0;
    for (unsigned bits = 0; bits < 0x7c00; bits++) {
        const double distance = fabs(half_value(bits)-size), least = fabs(half_value(best)-size);
        if (distance < least || (distance == least && bits%2 == 0))
            best = bits;
    }
    best = size >= 65520 ? 0x7c00 : best;
    return best | (signbit(x) ? 0x8000u : 0);
}

static uint64_t directed_half(double x, bool up) {
    uint64_t bits = nearest_half(x);
    const double found = half_value((unsigned) bits);
    if (isnan(x) || isinf(x) || found == x || (up ? found > x : found < x))
        return bits;
    if (found == 0)     // the least one away from 0
        return up ? 1 : 0x8001;
    return (up ? x > 0 : x < 0) ? bits+1 : bits-1;
}

CVT(f_h, uint64_t, nearest_half(f_of(a)))
CVT(d_h, uint64_t, nearest_half(d_of(a)))
CVT(f_h_p, uint64_t, directed_half(f_of(a), true))
CVT(f_h_m, uint64_t, directed_half(f_of(a), false))
CVT(h_f, uint64_t, bits_f((float) half_value((unsigned) a)))
CVT(s32_h, int32_t, nearest_half(a))
static uint64_t two_halves(uint64_t a, uint64_t b, uint64_t z) {
    (void) z;
    return nearest_half(f_of(a)) << 16 | nearest_half(f_of(b));
}

static void test_halves(void) {
    static uint64_t floats[16], doubles[16];
    static const double tried[16] = {0, -0.0, 1, 65504, 65519.9, 65520, -1e6, 0x1p-24, 0x1p-25,
        0x1.8p-24, -0x1p-26, 2049, 1+0x1p-11, 1+0x1.8p-10, 0.1, INFINITY};
    for (int k = 0; k < 16; k++) {
        floats[k] = bits_f((float) tried[k]);
        // just above a tie: from float it would be one, and go to the even neighbor
        doubles[k] = bits_d(k == 12 ? 1+0x1p-11+0x1p-40 : tried[k]);
    }
    const values own_f[] = {{floats, 16}, {floats, 16}}, own_d[] = {{doubles, 16}};
    check_operation(&(operation) {"cvt.rn.f16.f32", "hf", f_h, 0}, own_f);
    check_operation(&(operation) {"cvt.rp.f16.f32", "hf", f_h_p, 0}, own_f);
    check_operation(&(operation) {"cvt.rm.f16.f32", "hf", f_h_m, 0}, own_f);
    check_operation(&(operation) {"cvt.rn.f16.f64", "hd", d_h, 0}, own_d);
    check_operation(&(operation) {"cvt.rn.f16x2.f32", "iff", two_halves, 0}, own_f);
    check_operation(&(operation) {"cvt.f32.f16", "fh", h_f, 0}, NULL);
    check_operation(&(operation) {"cvt.rn.f16.s32", "hi", s32_h, 0}, NULL);
    CHECK(nearest_half(1+0x1p-11) == 0x3c00 && nearest_half(1+0x1p-11+0x1p-40) == 0x3c01);
}

int main(void) {
    test_to_integers();
    test_from_integers();
    test_between_integers();
    test_between_floats();
    test_halves();
    return ptx_report("conversions in PTX");
}
