/*
 * Dense layers of the reference platform, computed by the kernels for tensor cores on the shim. The
 * program that is linked with -Wl,--wrap=ref_dense_forward,--wrap=ref_dense_backward has them.
 */
#ifndef MLFF_TENSOR_DENSE_H_
#define MLFF_TENSOR_DENSE_H_

#ifdef __cplusplus
extern "C" {
#endif

/* How layers are computed from now on. */
enum tensor_dense_mode {TENSOR_DENSE_DOUBLE, TENSOR_DENSE_PAIRS, TENSOR_DENSE_TF32};
void tensor_dense_set_mode(enum tensor_dense_mode mode);

/* Layers that were computed by kernels since then, and whether an operand was out of range. */
int tensor_dense_count(void);
int tensor_dense_out_of_range(void);

#ifdef __cplusplus
}
#endif
#endif
