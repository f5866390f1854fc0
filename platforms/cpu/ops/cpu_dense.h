/* Packing of dense layers for the microkernel (cpu_kernels.h: cpu_dense). */
#ifndef CPU_DENSE_H_
#define CPU_DENSE_H_

#include "cpu_kernels.h"
#include "mlff_internal.h"

/*
 * Pack a weight matrix.
 *
 *   w        [n_out][n_in] row-major, padding included; both are multiples of CPU_FEATURE_BLOCK
 *   bias     [n_out] or NULL: zeros
 *   out      overwritten; free with cpu_dense_free()
 */
mlff_status cpu_dense_pack(int n_out, int n_in, const float *w, const float *bias, cpu_dense *out,
                           mlff_error *err);

/* The same for the transposed matrix: y [n_in] = sum over x [n_out]; no bias. */
mlff_status cpu_dense_pack_transposed(int n_out, int n_in, const float *w, cpu_dense *out,
                                      mlff_error *err);

void cpu_dense_free(cpu_dense *layer);  /* leaves all zeros */

/* Parts of a layer, which they borrow: its first n inputs; all behind the first n, x from there. */
static inline cpu_dense cpu_dense_first(const cpu_dense *layer, int n) {
    cpu_dense part = *layer;
    part.n_in = n;
    return part;
}

static inline cpu_dense cpu_dense_behind(const cpu_dense *layer, int n) {
    cpu_dense part = *layer;
    part.packed += (size_t) n * CPU_FEATURE_BLOCK;
    part.n_in -= n;
    return part;
}

/* n rounded up to whole feature blocks. */
static inline int cpu_padded(int n) {
    return (n + CPU_FEATURE_BLOCK - 1) / CPU_FEATURE_BLOCK * CPU_FEATURE_BLOCK;
}

#endif
