/* Initial state: s_i = embedding[Z_i]; v_i = 0 is not stored. */
#include "ref_painn.h"

#include <string.h>

void ref_painn_embed_forward(ref_painn *painn, const int *species) {
    const size_t F = (size_t)painn->model->n_features;
    for (size_t i = 0; i < (size_t)painn->work.n_all; i++)
        memcpy(painn->work.s + i*F, painn->weights.embedding + (size_t)species[i]*F,
               F*sizeof(double));
}
