/*
 * Filters: what the distance of a pair makes of a message, W [3][F] in blocks s, r, v.
 *
 *   envelope on filter:  psi = phi(d)          W = fc(d) net(psi)
 *   envelope on basis:   psi = fc(d) phi(d)    W = net(psi)
 *   net = A psi + b,  or  A1 silu(A0 psi + b0) + b1 with g = A0 psi + b0
 *
 * Reverse: with z the input of the last linear map A and grad_z = A^T grad_W,
 *   envelope on filter:  grad_fc = grad_W . (A z + b) = grad_z . z + grad_W . b;  grad_z *= fc
 *   grad_psi = grad_z,  or  A0^T (silu'(g) grad_z)
 *   grad_d = grad_psi . psi' + grad_fc fc'
 */
#include "ref_painn.h"

#include <string.h>

/* Index of layer l's filter set, which the layer of that index holds. */
static int filter_set(const ref_painn *painn, int l) {
    return painn->model->shared_filters ? 0 : l;
}

void ref_painn_filter_forward(ref_painn *painn, int l) {
    const mlff_painn *model = painn->model;
    ref_painn_work *work = &painn->work;
    if (filter_set(painn, l) != l) {
        work->layer[l].W = work->layer[0].W;
        return;
    }
    const ref_painn_filter_net *net = &painn->weights.filter[l];
    const size_t n_pairs = (size_t)work->layer[l].n_pairs, F = (size_t)model->n_features;
    double *g = work->layer[l].g, *W = work->layer[l].W;

    if (model->filter_layers == 1) {
        ref_dense_forward(&net->w0, n_pairs, work->psi, W);
    } else {
        ref_dense_forward(&net->w0, n_pairs, work->psi, g);
        ref_silu_forward(n_pairs*F, g, work->pair_a);
        ref_dense_forward(&net->w1, n_pairs, work->pair_a, W);
    }
    if (model->envelope == MLFF_PAINN_ENVELOPE_FILTER)
        for (size_t pair = 0; pair < n_pairs; pair++)
            for (size_t f = 0; f < 3*F; f++)
                W[pair*3*F + f] *= work->fc[pair];
}

static double dot(size_t n, const double *a, const double *b) {
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += a[k]*b[k];
    return sum;
}

/* Adds to grad_d what layer l's filters contribute, and clears grad_W for the next layer. */
void ref_painn_filter_backward(ref_painn *painn, int l) {
    const mlff_painn *model = painn->model;
    ref_painn_work *work = &painn->work;
    if (filter_set(painn, l) != l)
        return;
    const ref_painn_filter_net *net = &painn->weights.filter[l];
    const bool deep = model->filter_layers == 2;
    const ref_dense *last = deep ? &net->w1 : &net->w0;
    const size_t n_pairs = (size_t)work->layer[l].n_pairs;
    const size_t F = (size_t)model->n_features, K = (size_t)model->n_rbf;
    const size_t width = deep ? F : K;  /* of z */
    const double *z = work->psi;
    double *grad_z = work->pair_b;

    ref_dense_backward(last, n_pairs, work->grad_W, grad_z);
    if (model->envelope == MLFF_PAINN_ENVELOPE_FILTER) {
        if (deep) {
            ref_silu_forward(n_pairs*F, work->layer[l].g, work->pair_a);
            z = work->pair_a;
        }
        for (size_t pair = 0; pair < n_pairs; pair++) {
            double *grad = grad_z + pair*width;
            work->grad_d[pair] += work->dfc[pair]*(dot(width, grad, z + pair*width) +
                                                   dot(3*F, work->grad_W + pair*3*F, last->b));
            for (size_t k = 0; k < width; k++)
                grad[k] *= work->fc[pair];
        }
    }
    const double *grad_psi = grad_z;
    if (deep) {
        ref_silu_backward(n_pairs*F, work->layer[l].g, grad_z, grad_z);
        ref_dense_backward(&net->w0, n_pairs, grad_z, work->pair_a);
        grad_psi = work->pair_a;
    }
    for (size_t pair = 0; pair < n_pairs; pair++)
        work->grad_d[pair] += dot(K, grad_psi + pair*K, work->dpsi + pair*K);
    memset(work->grad_W, 0, n_pairs*3*F*sizeof(double));
}
