/*
 * Multilayer perceptron: pre_k = W_k z_k + b_k, z_(k+1) = gelu(pre_k), the last one as the file
 * says with or without GELU.
 *
 * Reverse: grad_pre_k = gelu'(pre_k) grad_z_(k+1), grad_z_k = W_k^T grad_pre_k
 */
#include "ref_aimnet2.h"

static size_t n_values(const ref_dense *linear, int n_rows) {
    return (size_t) n_rows*(size_t) linear->n_out;
}

const double *ref_aimnet2_mlp_forward(ref_aimnet2 *aimnet2, const ref_aimnet2_mlp *mlp, int n_rows,
                                      const double *x, double *const *pre) {
    double *z = aimnet2->work.row_b;
    for (int k = 0; k < mlp->n_linear; k++) {
        ref_dense_forward(&mlp->linear[k], (size_t) n_rows, x, pre[k]);
        if (k == mlp->n_linear - 1 && mlp->last_linear)
            return pre[k];
        ref_gelu_forward(n_values(&mlp->linear[k], n_rows), pre[k], z);
        x = z;
    }
    return x;
}

double *ref_aimnet2_mlp_backward(ref_aimnet2 *aimnet2, const ref_aimnet2_mlp *mlp, int n_rows,
                                 double *const *pre, double *grad_y) {
    double *grad = grad_y;
    double *grad_x = grad == aimnet2->work.row_a ? aimnet2->work.row_b : aimnet2->work.row_a;
    for (int k = mlp->n_linear - 1; k >= 0; k--) {
        if (k < mlp->n_linear - 1 || !mlp->last_linear)
            ref_gelu_backward(n_values(&mlp->linear[k], n_rows), pre[k], grad, grad);
        ref_dense_backward(&mlp->linear[k], (size_t) n_rows, grad, grad_x);
        double *const swap = grad;
        grad = grad_x;
        grad_x = swap;
    }
    return grad;
}
