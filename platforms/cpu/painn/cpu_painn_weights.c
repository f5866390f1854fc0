/* PaiNN's tensors, padded to feature blocks, packed and transposed for the CPU kernels. */
#include "cpu_painn.h"

#include <stdlib.h>
#include <string.h>

/*
 * A dense layer of blocks: out_blocks x in_blocks matrices of [f_out][f_in] that stand one after
 * another in the file, each padded to whole feature blocks. Packs forward and, if wanted, reverse.
 *   w        one or two tensors that follow each other in the outputs (mix_v, mix_w)
 *   b        [out_blocks * f_out] or NULL
 */
typedef struct blocks {
    int f_out, f_in, out_blocks, in_blocks;
    bool swapped;  /* output blocks 1 and 2 change places */
} blocks;

/* Where output o of the file stands. */
static size_t place(blocks shape, int o) {
    const int block = o / shape.f_out;
    const int to = shape.swapped && block > 0 ? 3 - block : block;
    return (size_t) to * cpu_padded(shape.f_out) + o % shape.f_out;
}

static mlff_status pack_blocks(blocks shape, const mlff_tensor *const w[2], const mlff_tensor *b,
                               cpu_dense *forward, cpu_dense *reverse, mlff_error *err) {
    const int po = cpu_padded(shape.f_out), pi = cpu_padded(shape.f_in);
    const int n_out = po * shape.out_blocks, n_in = pi * shape.in_blocks;
    const int columns = shape.f_in * shape.in_blocks;
    float *matrix = calloc((size_t) n_out * n_in + n_out, sizeof *matrix);
    if (!matrix)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for a %d x %d matrix", n_out, n_in);
    float *bias = matrix + (size_t) n_out * n_in;
    const int64_t rows_of_first = w[0]->n_values / columns;
    for (int o = 0; o < shape.f_out * shape.out_blocks; o++) {
        const mlff_tensor *from = o < rows_of_first ? w[0] : w[1];
        const int64_t row = o < rows_of_first ? o : o - rows_of_first;
        const size_t to = place(shape, o);
        for (int i = 0; i < columns; i++)
            matrix[to * n_in + (size_t) (i / shape.f_in) * pi + i % shape.f_in] =
                (float) mlff_tensor_value(from, row * columns + i);
        if (b)
            bias[to] = (float) mlff_tensor_value(b, o);
    }
    mlff_status status = cpu_dense_pack(n_out, n_in, matrix, bias, forward, err);
    if (status == MLFF_OK && reverse)
        status = cpu_dense_pack_transposed(n_out, n_in, matrix, reverse, err);
    free(matrix);
    return status;
}

static mlff_status pack_layer(const mlff_painn *painn, int l, cpu_painn_layer *out,
                              mlff_error *err) {
    const mlff_painn_layer *t = &painn->layer[l];
    const int F = painn->n_features;
    const bool channel = painn->update == MLFF_PAINN_CHANNEL;
    const mlff_tensor *w[2] = {t->upd_w0, NULL};
    MLFF_TRY(pack_blocks((blocks) {F, F, 1, 2, false}, w, t->upd_b0, &out->upd0, &out->upd0_t,
                         err));
    w[0] = t->upd_w1;
    MLFF_TRY(pack_blocks((blocks) {F, F, 3, 1, channel}, w, t->upd_b1, &out->upd1, &out->upd1_t,
                         err));
    if (painn->context) {
        w[0] = t->ctx_w0;
        MLFF_TRY(pack_blocks((blocks) {F, F, 1, 1, false}, w, t->ctx_b0, &out->ctx0, &out->ctx0_t,
                             err));
        w[0] = t->ctx_w1;
        MLFF_TRY(pack_blocks((blocks) {F, F, 3, 1, false}, w, t->ctx_b1, &out->ctx1, &out->ctx1_t,
                             err));
    }
    if (channel) {
        w[0] = t->mix_v;
        w[1] = t->mix_w;
        MLFF_TRY(pack_blocks((blocks) {F, F, 2, 1, false}, w, NULL, &out->mix, &out->mix_t, err));
    } else {
        mlff_tensor_to_float(t->mix_m, out->m);
    }
    return MLFF_OK;
}

/* embedding and, with a context, layer 0's context of every element. */
static mlff_status make_elements(const mlff_painn *painn, const cpu_kernels *kernels,
                                 cpu_painn_weights *out, mlff_error *err) {
    const int F = out->n_features, n_z = painn->n_z;
    cpu_buffer rows = {0}, scratch = {0};
    MLFF_TRY(cpu_buffer_reserve(&rows, (size_t) n_z * 4 * F * sizeof(float), err));
    out->embedding = rows.data;
    out->context0 = out->embedding + (size_t) n_z * F;
    memset(out->embedding, 0, (size_t) n_z * 4 * F * sizeof(float));
    for (int z = 0; z < n_z; z++)
        for (int f = 0; f < painn->n_features; f++)
            out->embedding[(size_t) z * F + f] =
                (float) mlff_tensor_value(painn->embedding, (int64_t) z * painn->n_features + f);
    if (!painn->context)
        return MLFF_OK;
    MLFF_TRY(cpu_buffer_reserve(&scratch, (size_t) n_z * F * sizeof(float), err));
    const cpu_painn_layer *layer = &out->layer[0];
    kernels->dense(&layer->ctx0, CPU_SILU, n_z, out->embedding, F, scratch.data, NULL, F, 0,
                   layer->ctx0.n_panels);
    kernels->dense(&layer->ctx1, CPU_PLAIN, n_z, scratch.data, F, out->context0, NULL,
                   3 * (size_t) F, 0, layer->ctx1.n_panels);
    cpu_buffer_free(&scratch);
    return MLFF_OK;
}

static mlff_status make_readout(const mlff_painn *painn, cpu_painn_weights *out, mlff_error *err) {
    const int last = painn->n_readout - 1, width = painn->readout_width[last];
    for (int k = 0; k < last; k++) {
        const mlff_tensor *w[2] = {painn->readout_w[k], NULL};
        const blocks shape = {painn->readout_width[k + 1], painn->readout_width[k], 1, 1, false};
        MLFF_TRY(pack_blocks(shape, w, painn->readout_b[k], &out->readout[k], &out->readout_t[k],
                             err));
    }
    cpu_buffer block = {0};
    MLFF_TRY(cpu_buffer_reserve(&block, (size_t) cpu_padded(width) * sizeof(float), err));
    out->readout_last = block.data;
    memset(block.data, 0, block.n_bytes);
    mlff_tensor_to_float(painn->readout_w[last], out->readout_last);
    out->readout_bias = mlff_tensor_value(painn->readout_b[last], 0);
    out->scale = painn->energy_scale * painn->unit_to_ev;
    return MLFF_OK;
}

mlff_status cpu_painn_weights_new(const mlff_painn *painn, const cpu_kernels *kernels,
                                  cpu_painn_weights *out, mlff_error *err) {
    const int n_sets = painn->shared_interactions ? 1 : painn->n_layers;
    const int F = cpu_padded(painn->n_features);
    *out = (cpu_painn_weights) {
        .n_features = F,
        .n_outputs_of_s = painn->update == MLFF_PAINN_CHANNEL ? 2 * F : F,
    };
    out->layer = calloc((size_t) n_sets, sizeof *out->layer);
    out->filter = calloc((size_t) painn->n_layers, sizeof *out->filter);
    if (!out->layer || !out->filter)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for %d layers", painn->n_layers);
    for (int l = 0; l < n_sets; l++)
        MLFF_TRY(pack_layer(painn, l, &out->layer[l], err));
    MLFF_TRY(make_elements(painn, kernels, out, err));
    MLFF_TRY(make_readout(painn, out, err));
    return cpu_painn_filters_new(painn, painn->shared_filters ? 1 : painn->n_layers,
                                 out->n_features, out->filter, err);
}

void cpu_painn_weights_free(const mlff_painn *painn, cpu_painn_weights *w) {
    for (int l = 0; w->layer && l < (painn->shared_interactions ? 1 : painn->n_layers); l++) {
        cpu_painn_layer *layer = &w->layer[l];
        cpu_dense *all[] = {&layer->ctx0, &layer->ctx1, &layer->ctx0_t, &layer->ctx1_t,
                            &layer->mix, &layer->mix_t, &layer->upd0, &layer->upd1,
                            &layer->upd0_t, &layer->upd1_t};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            cpu_dense_free(all[k]);
    }
    for (int l = 0; w->filter && l < painn->n_layers; l++)
        cpu_painn_filter_free(&w->filter[l]);
    for (int k = 0; k < MLFF_PAINN_MAX_READOUT; k++) {
        cpu_dense_free(&w->readout[k]);
        cpu_dense_free(&w->readout_t[k]);
    }
    free(w->layer);
    free(w->filter);
    free(w->embedding);
    free(w->readout_last);
    *w = (cpu_painn_weights) {0};
}
