/*
 * Head: the energy of every owned atom from the last pass' output, e_i = MLP(aim_i).
 *
 * Reverse: grad_e = 1.
 */
#include "ref_aimnet2.h"

#include <string.h>

void ref_aimnet2_head_forward(ref_aimnet2 *aimnet2, const double *aim, double *energy) {
    const ref_aimnet2_work *work = &aimnet2->work;
    const double *e = ref_aimnet2_mlp_forward(aimnet2, &aimnet2->weights.head, work->n_local, aim,
                                              work->head);
    memcpy(energy, e, (size_t) work->n_local*sizeof(double));
}

double *ref_aimnet2_head_backward(ref_aimnet2 *aimnet2) {
    const ref_aimnet2_work *work = &aimnet2->work;
    for (int i = 0; i < work->n_local; i++)
        work->row_a[i] = 1;
    return ref_aimnet2_mlp_backward(aimnet2, &aimnet2->weights.head, work->n_local, work->head,
                                    work->row_a);
}
