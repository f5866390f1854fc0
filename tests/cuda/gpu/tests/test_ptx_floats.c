/* Arithmetic of floats against C's, at the edges of the numbers and in every rounding mode. */
#include <fenv.h>
#include <float.h>

#include "ptx_harness.h"

/* Expected values: scalar code with volatile operands, in the rounding mode of the name. */
#define IN_MODE(name, mode, type, of, bits, ex)                                                   \
    static uint64_t name(uint64_t x, uint64_t y, uint64_t z) {                                    \
        volatile type a = of(x), b = of(y), c = of(z), d;                                         \
        fesetround(mode);                                                                         \
        d = (ex);                                                                                 \
        fesetround(FE_TONEAREST);                                                                 \
        (void) b, (void) c;                                                                       \
        return bits(d);                                                                           \
    }
#define FOUR_MODES(name, type, of, bits, ex)                                                      \
    IN_MODE(name##_n, FE_TONEAREST, type, of, bits, ex)                                           \
    IN_MODE(name##_z, FE_TOWARDZERO, type, of, bits, ex)                                          \
    IN_MODE(name##_m, FE_DOWNWARD, type, of, bits, ex)                                            \
    IN_MODE(name##_p, FE_UPWARD, type, of, bits, ex)
FOUR_MODES(fadd, float, f_of, bits_f, a+b)
FOUR_MODES(fsub, float, f_of, bits_f, a-b)
FOUR_MODES(fmul, float, f_of, bits_f, a*b)
FOUR_MODES(fdiv, float, f_of, bits_f, a/b)
FOUR_MODES(ffma, float, f_of, bits_f, fmaf(a, b, c))
FOUR_MODES(frcp, float, f_of, bits_f, 1/a)
FOUR_MODES(fsqrt, float, f_of, bits_f, sqrtf(a))
FOUR_MODES(dadd, double, d_of, bits_d, a+b)
FOUR_MODES(dsub, double, d_of, bits_d, a-b)
FOUR_MODES(dmul, double, d_of, bits_d, a*b)
FOUR_MODES(ddiv, double, d_of, bits_d, a/b)
FOUR_MODES(dfma, double, d_of, bits_d, fma(a, b, c))
FOUR_MODES(drcp, double, d_of, bits_d, 1/a)
FOUR_MODES(dsqrt, double, d_of, bits_d, sqrt(a))

#define MODES(text, type, kinds, name) {text ".rn." type, kinds, name##_n, 0},                    \
    {text ".rz." type, kinds, name##_z, 0}, {text ".rm." type, kinds, name##_m, 0},               \
    {text ".rp." type, kinds, name##_p, 0}

static void test_rounding(void) {
    static const operation list[] = {
        MODES("add", "f32", "fff", fadd), MODES("sub", "f32", "fff", fsub),
        MODES("mul", "f32", "fff", fmul), MODES("div", "f32", "fff", fdiv),
        MODES("fma", "f32", "ffff", ffma), MODES("mad", "f32", "ffff", ffma),
        MODES("rcp", "f32", "ff", frcp), MODES("sqrt", "f32", "ff", fsqrt),
        MODES("add", "f64", "ddd", dadd), MODES("sub", "f64", "ddd", dsub),
        MODES("mul", "f64", "ddd", dmul), MODES("div", "f64", "ddd", ddiv),
        MODES("fma", "f64", "dddd", dfma), MODES("rcp", "f64", "dd", drcp),
        MODES("sqrt", "f64", "dd", dsqrt),
        {"add.f32", "fff", fadd_n, 0}, {"mul.f64", "ddd", dmul_n, 0},
        {"sub.f32", "fff", fsub_n, 0}};
    CHECK_OPERATIONS(list);
}

/* One value each that was worked out by hand: the reference of the others could be wrong too. */
static uint64_t one_and(int last) {
    return bits_f(1)+(uint64_t) last;     // 1 and so many units in the last place
}
static uint64_t by_hand_add_n(uint64_t a, uint64_t b, uint64_t c) {
    (void) a, (void) b, (void) c;
    return one_and(0);
}
static uint64_t by_hand_add_p(uint64_t a, uint64_t b, uint64_t c) {
    (void) a, (void) b, (void) c;
    return one_and(1);
}
static uint64_t by_hand_tie(uint64_t a, uint64_t b, uint64_t c) {
    (void) a, (void) b, (void) c;
    return one_and(2);
}
static uint64_t by_hand_fma(uint64_t a, uint64_t b, uint64_t c) {
    (void) a, (void) b, (void) c;
    return bits_f(0x1p-46f);
}

static void test_by_hand(void) {
    const uint64_t one[] = {one_and(0)}, tiny[] = {bits_f(0x1p-30f)};
    const uint64_t odd[] = {one_and(1)}, half[] = {bits_f(0x1p-24f)};
    const uint64_t rest[] = {bits_f(-1-0x1p-22f)};
    check_operation(&(operation) {"add.rn.f32", "fff", by_hand_add_n, 0},
                    (values[]) {{one, 1}, {tiny, 1}});
    check_operation(&(operation) {"add.rz.f32", "fff", by_hand_add_n, 0},
                    (values[]) {{one, 1}, {tiny, 1}});
    check_operation(&(operation) {"add.rp.f32", "fff", by_hand_add_p, 0},
                    (values[]) {{one, 1}, {tiny, 1}});
    // 1 + 1.5 units lies between two; the even one is taken
    check_operation(&(operation) {"add.rn.f32", "fff", by_hand_tie, 0},
                    (values[]) {{odd, 1}, {half, 1}});
    // (1 + 2^-23)^2 - 1 - 2^-22 = 2^-46: nothing is rounded between
    check_operation(&(operation) {"fma.rn.f32", "ffff", by_hand_fma, 0},
                    (values[]) {{odd, 1}, {odd, 1}, {rest, 1}});
}

/* -------------------------------------------------------- subnormals as 0, and saturation -- */

static float flushed(float x) {
    return fpclassify(x) == FP_SUBNORMAL ? copysignf(0, x) : x;
}

#define FLUSHED(name, ex)                                                                         \
    static uint64_t name(uint64_t x, uint64_t y, uint64_t z) {                                    \
        volatile float a = flushed(f_of(x)), b = flushed(f_of(y)), c = flushed(f_of(z));          \
        (void) b, (void) c;                                                                       \
        return bits_f(flushed(ex));                                                               \
    }
FLUSHED(zadd, a+b)
FLUSHED(zsub, a-b)
FLUSHED(zmul, a*b)
FLUSHED(zdiv, a/b)
FLUSHED(zfma, fmaf(a, b, c))
FLUSHED(zneg, -a)
FLUSHED(zabs, fabsf(a))
FLUSHED(zrcp, 1/a)
FLUSHED(zsqrt, sqrtf(a))

static float unit(float x) {
    return isnan(x) || x <= 0 ? 0 : fminf(x, 1);
}
#define SATURATED(name, ex)                                                                       \
    static uint64_t name(uint64_t x, uint64_t y, uint64_t z) {                                    \
        volatile float a = f_of(x), b = f_of(y), c = f_of(z);                                     \
        (void) c;                                                                                 \
        return bits_f(unit(ex));                                                                  \
    }
SATURATED(sadd, a+b)
SATURATED(smul, a*b)
SATURATED(sfma, fmaf(a, b, c))

static void test_modifiers(void) {
    static const operation list[] = {
        {"add.ftz.f32", "fff", zadd, 0}, {"sub.ftz.f32", "fff", zsub, 0},
        {"mul.ftz.f32", "fff", zmul, 0}, {"div.rn.ftz.f32", "fff", zdiv, 0},
        {"fma.rn.ftz.f32", "ffff", zfma, 0}, {"neg.ftz.f32", "ff", zneg, 0},
        {"abs.ftz.f32", "ff", zabs, 0}, {"rcp.rn.ftz.f32", "ff", zrcp, 0},
        {"sqrt.rn.ftz.f32", "ff", zsqrt, 0}, {"add.sat.f32", "fff", sadd, 0},
        {"mul.sat.f32", "fff", smul, 0}, {"fma.rn.sat.f32", "ffff", sfma, 0}};
    CHECK_OPERATIONS(list);
}

/* ---------------------------------------------------------------------- signs and order -- */

#define F1(name, ex) static uint64_t name(uint64_t x, uint64_t y, uint64_t z) {                   \
        (void) y, (void) z;                                                                       \
        const float a = f_of(x);                                                                  \
        return bits_f(ex);                                                                        \
    }
#define D1(name, ex) static uint64_t name(uint64_t x, uint64_t y, uint64_t z) {                   \
        (void) y, (void) z;                                                                       \
        const double a = d_of(x);                                                                 \
        return bits_d(ex);                                                                        \
    }
F1(fneg, -a)
F1(fabs_, fabsf(a))
D1(dneg, -a)
D1(dabs, fabs(a))

/* min and max of bits: fmin's, and -0 is less than +0. */
static uint64_t fmin_(uint64_t x, uint64_t y, uint64_t z) {
    (void) z;
    const float a = f_of(x), b = f_of(y);
    return a == 0 && b == 0 ? x | y : bits_f(fminf(a, b));
}
static uint64_t fmax_(uint64_t x, uint64_t y, uint64_t z) {
    (void) z;
    const float a = f_of(x), b = f_of(y);
    return a == 0 && b == 0 ? x & y : bits_f(fmaxf(a, b));
}
static uint64_t dmin(uint64_t x, uint64_t y, uint64_t z) {
    (void) z;
    const double a = d_of(x), b = d_of(y);
    return a == 0 && b == 0 ? x | y : bits_d(fmin(a, b));
}
static uint64_t dmax(uint64_t x, uint64_t y, uint64_t z) {
    (void) z;
    const double a = d_of(x), b = d_of(y);
    return a == 0 && b == 0 ? x & y : bits_d(fmax(a, b));
}
static uint64_t fcopysign(uint64_t x, uint64_t y, uint64_t z) {
    (void) z;
    return (y & 0x7fffffffu) | (x & 0x80000000u);
}
static uint64_t dcopysign(uint64_t x, uint64_t y, uint64_t z) {
    (void) z;
    return (y & ~(1ull << 63)) | (x & 1ull << 63);
}

static void test_order(void) {
    static const operation list[] = {
        {"neg.f32", "ff", fneg, 0}, {"abs.f32", "ff", fabs_, 0}, {"neg.f64", "dd", dneg, 0},
        {"abs.f64", "dd", dabs, 0}, {"min.f32", "fff", fmin_, 0}, {"max.f32", "fff", fmax_, 0},
        {"min.f64", "ddd", dmin, 0}, {"max.f64", "ddd", dmax, 0},
        {"copysign.f32", "fff", fcopysign, 0}, {"copysign.f64", "ddd", dcopysign, 0}};
    CHECK_OPERATIONS(list);
}

/* ------------------------------------------------------------------------ approximations -- */

F1(c_rsqrt, (float) (1/sqrtl((long double) a)))
F1(c_ex2, (float) exp2l((long double) a))
F1(c_lg2, (float) log2l((long double) a))
F1(c_sin, (float) sinl((long double) a))
F1(c_cos, (float) cosl((long double) a))
F1(c_tanh, (float) tanhl((long double) a))
F1(c_rcp, (float) (1/(long double) a))
F1(c_sqrt, (float) sqrtl((long double) a))
D1(c_rsqrt_d, (double) (1/sqrtl((long double) a)))
static uint64_t c_div(uint64_t x, uint64_t y, uint64_t z) {
    (void) z;
    return bits_f((float) ((long double) f_of(x)/(long double) f_of(y)));
}

/* Within what the PTX manual allows a device: here all are exact to the last place or one off. */
static void test_approximations(void) {
    static const operation list[] = {
        {"rsqrt.approx.f32", "ff", c_rsqrt, 1}, {"ex2.approx.f32", "ff", c_ex2, 1},
        {"lg2.approx.f32", "ff", c_lg2, 1}, {"tanh.approx.f32", "ff", c_tanh, 1},
        {"rcp.approx.f32", "ff", c_rcp, 1}, {"sqrt.approx.f32", "ff", c_sqrt, 1},
        {"div.approx.f32", "fff", c_div, 1}, {"div.full.f32", "fff", c_div, 1},
        {"rsqrt.approx.f64", "dd", c_rsqrt_d, 2}};
    static uint64_t angles[64];
    for (int k = 0; k < 64; k++)
        angles[k] = bits_f(-3.2f+0.1f*(float) k);
    CHECK_OPERATIONS(list);
    check_operation(&(operation) {"sin.approx.f32", "ff", c_sin, 1}, (values[]) {{angles, 64}});
    check_operation(&(operation) {"cos.approx.f32", "ff", c_cos, 1}, (values[]) {{angles, 64}});
}

/* First guesses in double precision: 20 bits, the rest 0. */
static void test_guesses(void) {
    static const char *const texts[] = {"rcp.approx.ftz.f64", "rsqrt.approx.ftz.f64"};
    static const double given[] = {1.5, 3, 1e-200, 7e190, 0.1, 12345.678};
    double in[32], out[32];
    char message[PTX_MESSAGE], body[256];
    for (int k = 0; k < 32; k++)
        in[k] = given[k%6];
    const run r = {.blocks = 1, .threads = 32, .in = in, .out = out, .in_bytes = sizeof in,
                   .out_bytes = sizeof out};
    for (int t = 0; t < 2; t++) {
        snprintf(body, sizeof body, "mul.wide.u32 %%x, %%t, 8; add.u64 %%y, %%x, %%in; "
                 "add.u64 %%z, %%x, %%out; ld.global.f64 %%a, [%%y]; %s %%a, %%a; "
                 "st.global.f64 [%%z], %%a;", texts[t]);
        CHECK(run_body(".reg .b64 %x, %y, %z; .reg .f64 %a;", body, &r, message));
        for (int k = 0; k < 32; k++) {
            const double exact = t == 0 ? 1/in[k] : 1/sqrt(in[k]);
            CHECK_NEAR(1, out[k]/exact, 0x1p-19);
            CHECK((bits_d(out[k]) & 0xffffffffu) == 0);
        }
    }
}

int main(void) {
    test_rounding();
    test_by_hand();
    test_modifiers();
    test_order();
    test_approximations();
    test_guesses();
    return ptx_report("arithmetic of floats in PTX");
}
