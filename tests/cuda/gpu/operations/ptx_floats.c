#include "ptx_operations.h"

/* The larger number; where one is NaN, the other; +0 is larger than -0. */
#define LARGER(a, b) ((a) != (a) ? (b) : (b) != (b) ? (a) :                                        \
                      (a) > (b) || ((a) == (b) && !signbit(a)) ? (a) : (b))
#define SMALLER(a, b) ((a) != (a) ? (b) : (b) != (b) ? (a) :                                       \
                       (a) < (b) || ((a) == (b) && signbit(a)) ? (a) : (b))

/* name_f32, name_z32 with subnormals as 0, name_f64. */
#define FLOAT1(name, ex)                                                                          \
    UNARY(name##_f32, float, ex)                                                                  \
    HANDLER(name##_z32) {                                                                         \
        float *d = R(float, 0);                                                                   \
        const float *a_ = R(float, 1);                                                            \
        EACH(m, const float a = ptx_flush(a_[l]); d[l] = ptx_flush((float) (ex)););               \
    }                                                                                             \
    UNARY(name##_f64, double, ex)
#define FLOAT2(name, ex)                                                                          \
    BINARY(name##_f32, float, ex)                                                                 \
    HANDLER(name##_z32) {                                                                         \
        float *d = R(float, 0);                                                                   \
        const float *a_ = R(float, 1), *b_ = R(float, 2);                                         \
        EACH(m, const float a = ptx_flush(a_[l]); const float b = ptx_flush(b_[l]);               \
             d[l] = ptx_flush((float) (ex)););                                                    \
    }                                                                                             \
    BINARY(name##_f64, double, ex)

FLOAT2(add, a+b)
FLOAT2(sub, a-b)
FLOAT2(mul, a*b)
FLOAT2(divide, a/b)
FLOAT2(larger, LARGER(a, b))
FLOAT2(smaller, SMALLER(a, b))
FLOAT1(negate, -a)
FLOAT1(reciprocal, 1/a)
BINARY(copysign_f32, float, copysignf(b, a))
BINARY(copysign_f64, double, copysign(b, a))
UNARY(absolute_f32, float, fabsf(a))
UNARY(absolute_z32, float, ptx_flush(fabsf(a)))
UNARY(absolute_f64, double, fabs(a))
UNARY(root_f32, float, sqrtf(a))
UNARY(root_z32, float, sqrtf(ptx_flush(a)))
UNARY(root_f64, double, sqrt(a))
TERNARY(fma_f32, float, __builtin_fmaf(a, b, c))
TERNARY(fma_f64, double, __builtin_fma(a, b, c))
HANDLER(fma_z32) {
    float *d = R(float, 0);
    const float *a = R(float, 1), *b = R(float, 2), *c = R(float, 3);
    EACH(m, d[l] = ptx_flush(__builtin_fmaf(ptx_flush(a[l]), ptx_flush(b[l]), ptx_flush(c[l]))););
}

/* Functions that a device approximates, here in double precision and rounded once. */
#define APPROXIMATE(name, ex)                                                                     \
    UNARY(name##_f32, float, ex)                                                                  \
    HANDLER(name##_z32) {                                                                         \
        float *d = R(float, 0);                                                                   \
        const float *a_ = R(float, 1);                                                            \
        EACH(m, const float a = ptx_flush(a_[l]); d[l] = ptx_flush((float) (ex)););               \
    }
APPROXIMATE(rsqrt, 1/sqrt((double) a))
APPROXIMATE(ex2, exp2((double) a))
APPROXIMATE(lg2, log2((double) a))
APPROXIMATE(sine, sin((double) a))
APPROXIMATE(cosine, cos((double) a))
UNARY(tanh_f32, float, tanh((double) a))
UNARY(rsqrt_f64, double, 1/sqrt(a))

/* The upper half of the bits only: a first guess, which kernels improve. Subnormals are 0. */
static double upper_half(double x) {
    uint64_t bits;
    if (fabs(x) < DBL_MIN)
        return copysign(0, x);
    memcpy(&bits, &x, sizeof bits);
    bits &= 0xffffffff00000000u;
    memcpy(&x, &bits, sizeof x);
    return x;
}
UNARY(rough_reciprocal_f64, double, upper_half(1/upper_half(a)))
UNARY(rough_rsqrt_f64, double, upper_half(1/sqrt(upper_half(a))))

#define KEYS2(name, key) {key ".f32", name##_f32}, {key ".ftz.f32", name##_z32}
#define KEYS3(name, key) KEYS2(name, key), {key ".f64", name##_f64}
static const choice LIST[] = {
    KEYS3(add, "add"), KEYS3(sub, "sub"), KEYS3(mul, "mul"), KEYS3(divide, "div"),
    KEYS3(larger, "max"), KEYS3(smaller, "min"), KEYS3(negate, "neg"), KEYS3(absolute, "abs"),
    KEYS3(reciprocal, "rcp"), KEYS3(root, "sqrt"), KEYS3(fma, "fma"), KEYS3(fma, "mad"),
    KEYS2(rsqrt, "rsqrt"), {"rsqrt.f64", rsqrt_f64}, KEYS2(ex2, "ex2"), KEYS2(lg2, "lg2"),
    KEYS2(sine, "sin"), KEYS2(cosine, "cos"), {"tanh.f32", tanh_f32},
    {"rcp.ftz.f64", rough_reciprocal_f64}, {"rsqrt.ftz.f64", rough_rsqrt_f64},
    {"copysign.f32", copysign_f32}, {"copysign.f64", copysign_f64}};
const choices PTX_FLOATS = {LIST, sizeof LIST/sizeof LIST[0]};
