/*
 * Readout: the energy of every owned atom from its scalar features.
 *
 *   z_0 = s,  pre_k = A_k z_k + a_k,  z_(k+1) = silu(pre_k),  e_i = scale pre_last
 *
 * Reverse: grad_pre_last = scale;  grad_z_k = A_k^T grad_pre_k,
 *   grad_pre_(k-1) = silu'(pre_(k-1)) grad_z_k;  grad_s = grad_z_0
 */
#include "ref_painn.h"

#include <string.h>

/* eV per unit of the last linear layer. */
static double scale_ev(const mlff_painn *model) {
    return model->energy_scale*model->unit_to_ev;
}

void ref_painn_readout_forward(ref_painn *painn, double *energy) {
    const mlff_painn *model = painn->model;
    const ref_painn_work *work = &painn->work;
    const size_t n = (size_t)work->n_local;
    const double *z = work->s;
    const int last = model->n_readout - 1;
    for (int k = 0; k <= last; k++) {
        ref_dense_forward(&painn->weights.readout[k], n, z, work->readout[k]);
        if (k < last)
            ref_silu_forward(n*(size_t)model->readout_width[k + 1], work->readout[k],
                             work->atom_a);
        z = work->atom_a;
    }
    for (size_t i = 0; i < n; i++)
        energy[i] = scale_ev(model)*work->readout[last][i];
}

void ref_painn_readout_backward(ref_painn *painn) {
    const mlff_painn *model = painn->model;
    const ref_painn_work *work = &painn->work;
    const size_t n = (size_t)work->n_local, F = (size_t)model->n_features;
    double *grad_pre = work->atom_a, *grad_z = work->atom_b;

    for (size_t i = 0; i < n; i++)
        grad_pre[i] = scale_ev(model);
    for (int k = model->n_readout - 1; k > 0; k--) {
        ref_dense_backward(&painn->weights.readout[k], n, grad_pre, grad_z);
        ref_silu_backward(n*(size_t)model->readout_width[k], work->readout[k - 1], grad_z,
                          grad_pre);
    }
    memset(work->grad_s, 0, (size_t)work->n_all*F*sizeof(double));
    ref_dense_backward_add(&painn->weights.readout[0], n, grad_pre, work->grad_s);
}
