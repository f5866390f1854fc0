/*
 * Operations that the architectures of the reference platform share. All arrays are row-major
 * doubles; forward stands beside backward; grad_x is dE/dx.
 */
#ifndef REF_OPS_H_
#define REF_OPS_H_

#include "mlff_internal.h"

/* ------------------------------------------------------------------------- dense layer -- */

/* y = W x + b for many rows x. Weights are widened to double once. */
typedef struct ref_dense {
    int n_in, n_out;
    double *w;   /* [n_out][n_in] as in the file */
    double *wt;  /* [n_in][n_out] its transpose */
    double *b;   /* [n_out]; zeros where the layer has no bias */
} ref_dense;

/*
 * Copy a layer's weights.
 *
 *   dense   all zeros; owns its arrays afterwards, free with ref_dense_free()
 *   w       [n_out][n_in]
 *   b       [n_out]; NULL: no bias
 *
 * Returns MLFF_OK, MLFF_ERROR_FORMAT (shapes that do not match), MLFF_ERROR_MEMORY.
 */
mlff_status ref_dense_new(ref_dense *dense, const mlff_tensor *w, const mlff_tensor *b,
                          mlff_error *err);

void ref_dense_free(ref_dense *dense);  /* leaves all zeros; zeros are fine */

/* y [n_rows][n_out] = x [n_rows][n_in] W^T + b, overwritten. */
void ref_dense_forward(const ref_dense *dense, size_t n_rows, const double *x, double *y);

/* grad_x [n_rows][n_in] = grad_y [n_rows][n_out] W, overwritten; _add: added to. */
void ref_dense_backward(const ref_dense *dense, size_t n_rows, const double *grad_y,
                        double *grad_x);
void ref_dense_backward_add(const ref_dense *dense, size_t n_rows, const double *grad_y,
                            double *grad_x);

/* -------------------------------------------------------------------------- activation -- */

/* SiLU: y = x / (1 + exp(-x)). GELU: y = x (1 + erf(x / sqrt 2)) / 2, the exact form. */
void ref_silu_forward(size_t n, const double *x, double *y);
void ref_gelu_forward(size_t n, const double *x, double *y);

/* grad_x = grad_y f'(x), with x the input of the forward call; grad_x may be grad_y. */
void ref_silu_backward(size_t n, const double *x, const double *grad_y, double *grad_x);
void ref_gelu_backward(size_t n, const double *x, const double *grad_y, double *grad_x);

/* ------------------------------------------------------------------------ radial basis -- */

/* phi_k = exp(-beta_k (d - mu_k)^2) and d(phi_k)/dd; phi, dphi [n_radial]. */
void ref_radial_gaussian(int n_radial, const double *mu, const double *beta, double d,
                         double *phi, double *dphi);

/* phi_k = sin(freq_k d) / d and d(phi_k)/dd; d > 0. */
void ref_radial_bessel(int n_radial, const double *freq, double d, double *phi, double *dphi);

/* ----------------------------------------------------------------------------- cutoff -- */

/* f = (1 + cos(pi d / cutoff)) / 2 below the cutoff, else 0; *df is df/dd. */
double ref_cutoff_cosine(double d, double cutoff, double *df);

/* With x = d / cutoff: f = 1 - (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) - p(p+1)/2 x^(p+2), likewise
   (Gasteiger, Gross, Guennemann 2020, eq. 8). */
double ref_cutoff_poly(double d, double cutoff, int p, double *df);

/* ---------------------------------------------------------------------------- scratch -- */

/*
 * One growing block, carved into arrays: a layout function takes its arrays in order, first from
 * an empty arena to count, then from the block. Every array starts at a multiple of 64 bytes.
 */
typedef struct ref_arena {
    char *block;
    size_t capacity;  /* bytes of block */
    size_t used;
} ref_arena;

/* The next n values of size bytes; NULL while counting (block is NULL). A size that does not fit
   in size_t makes used SIZE_MAX, which ref_arena_reserve() refuses. */
void *ref_arena_take(ref_arena *arena, size_t n, size_t size);

/* Make room for what a counting pass used, and start again at the front. */
mlff_status ref_arena_reserve(ref_arena *arena, size_t n_bytes, mlff_error *err);

void ref_arena_free(ref_arena *arena);  /* leaves all zeros */

#endif
