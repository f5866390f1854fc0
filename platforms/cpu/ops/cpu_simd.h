/*
 * Vectors of CPU_LANES floats by the compiler's vector extension, so that one source serves AVX-512,
 * AVX2, SSE2 and NEON: each cpu_isa_*.c sets CPU_LANES and includes the kernels' bodies. Memory is
 * read and written unaligned.
 */
#ifndef CPU_SIMD_H_
#define CPU_SIMD_H_

#include <stdint.h>
#include <string.h>

#ifndef CPU_LANES
#error "set CPU_LANES before including cpu_simd.h"
#endif

#define CPU_INLINE static inline __attribute__((always_inline, unused))

typedef float vf __attribute__((vector_size(4 * CPU_LANES)));
typedef int32_t vi __attribute__((vector_size(4 * CPU_LANES)));
typedef float vf_mem __attribute__((vector_size(4 * CPU_LANES), aligned(4), may_alias));

CPU_INLINE vf vload(const float *p) {
    return *(const vf_mem *) p;
}

CPU_INLINE void vstore(float *p, vf x) {
    *(vf_mem *) p = x;
}

CPU_INLINE vf vset(float x) {
    return (vf) {0} + x;
}

/* Sum of the lanes, halves first: the same order for every width below the first half. */
CPU_INLINE float vsum(vf x) {
    float lane[CPU_LANES];
    vstore(lane, x);
    for (int n = CPU_LANES / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++)
            lane[i] += lane[i + n];
    return lane[0];
}

CPU_INLINE vf vselect(vi mask, vf yes, vf no) {
    return (vf) ((mask & (vi) yes) | (~mask & (vi) no));
}

/*
 * exp(x) = 2^n exp(r), n = round(x / ln 2), abs(r) <= ln(2)/2, ln 2 in two parts (Cody and Waite).
 * exp(r) by its Taylor sum to r^7, relative error below 1e-8 there. x is clamped to [-87, 88].
 */
CPU_INLINE vf vexp(vf x) {
    const vf low = vset(-87.0f), high = vset(88.0f);
    x = vselect(x < low, low, x);
    x = vselect(x > high, high, x);
    const vf magic = vset(12582912.0f);  /* 1.5 * 2^23: adding it rounds to an integer */
    const vf shifted = x * 1.44269504088896341f + magic;
    const vf n = shifted - magic;
    vf r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    vf p = vset(1.9841270e-4f);
    p = p * r + 1.3888889e-3f;
    p = p * r + 8.3333333e-3f;
    p = p * r + 4.1666667e-2f;
    p = p * r + 1.6666667e-1f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    const vi exponent = ((vi) shifted - (vi) magic) << 23;
    return (vf) ((vi) p + exponent);
}

/* SiLU and its derivative: g = 1/(1 + e^-x), y = x g, dy = g (1 + x (1 - g)), 1 - g = g e^-x. */
CPU_INLINE void vsilu(vf x, vf *y, vf *dy) {
    const vf e = vexp(-x), g = 1.0f / (1.0f + e);
    *y = x * g;
    *dy = g * (1.0f + x * (g * e));
}

/*
 * GELU, erf form, and its derivative: y = x (1 + erf(x/sqrt 2))/2,
 * dy = (1 + erf(x/sqrt 2))/2 + x exp(-x^2/2)/sqrt(2 pi). erf by Abramowitz and Stegun 7.1.26,
 * absolute error below 1.5e-7; its exponential is the derivative's.
 */
CPU_INLINE void vgelu(vf x, vf *y, vf *dy) {
    const vi negative = x < 0.0f;
    const vf z = vselect(negative, -x, x) * 0.70710678118654752f;
    const vf t = 1.0f / (1.0f + 0.3275911f * z);
    const vf e = vexp(-z * z);
    vf p = vset(1.061405429f);
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const vf tail = 0.5f * p * t * e;  /* (1 - erf(z))/2 */
    const vf phi = vselect(negative, tail, 1.0f - tail);
    *y = x * phi;
    *dy = phi + x * e * 0.39894228040143268f;
}

#endif
