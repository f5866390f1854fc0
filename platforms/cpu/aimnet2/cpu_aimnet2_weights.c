/* AIMNet2's tensors, padded, reordered and packed for the CPU kernels. */
#include "cpu_aimnet2.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int lanes(int n) {
    return (n + CPU_LANE_BLOCK - 1) / CPU_LANE_BLOCK * CPU_LANE_BLOCK;
}

static float *floats(size_t n, mlff_error *err, mlff_status *status) {
    cpu_buffer block = {0};
    if (*status == MLFF_OK)
        *status = cpu_buffer_reserve(&block, (n + 1) * sizeof(float), err);
    if (block.data)
        memset(block.data, 0, block.n_bytes);
    return block.data;
}

/* ------------------------------------------------------------------------------- columns -- */

/*
 * Where the file's columns of a pass' input stand in our rows; at [width].
 *   file   [a (A G) | S (A G) | V (A C) | q (Q) | S_q (Q G) | V_q (Q C)]
 *   ours   cpu_conv's
 */
static void input_columns(const mlff_aimnet2 *m, const cpu_conv *v, int width, int *at) {
    const int A = m->n_features, G = m->n_radial, C = m->n_combinations, Ap = v->n_features;
    int k = 0;
    for (int part = 0; part < 2; part++)
        for (int c = 0; c < A; c++)
            for (int g = 0; g < G; g++)
                at[k++] = (part * G + g) * Ap + c;
    for (int c = 0; c < A; c++)
        for (int h = 0; h < C; h++)
            at[k++] = (2 * G + h) * Ap + c;
    for (int first = k; k < width; k++)
        at[k] = (2 * G + C) * Ap + (k - first);
}

/* The same for the output of passes 0 and 1: [p (Q) | w (Q) | increment (A G)]. */
static void output_columns(const mlff_aimnet2 *m, const cpu_conv *v, int *at) {
    const int A = m->n_features, G = m->n_radial, Ap = v->n_features, Q = m->n_charges;
    for (int k = 0; k < 2 * Q; k++)
        at[k] = G * Ap + k;
    for (int c = 0; c < A; c++)
        for (int g = 0; g < G; g++)
            at[2 * Q + c * G + g] = g * Ap + c;
}

static void same_columns(int width, int *at) {
    for (int k = 0; k < width; k++)
        at[k] = k;
}

static int padded_input(const mlff_aimnet2 *m, const cpu_conv *v, int t) {
    const int charges = t > 0 ? m->n_charges * (1 + m->n_radial + m->n_combinations) : 0;
    return cpu_padded((2 * v->n_radial + v->n_combinations) * v->n_features + charges);
}

/* --------------------------------------------------------------------------------- dense -- */

/* Pack one linear map; rows and columns go where out_at and in_at say. */
static mlff_status pack(const mlff_tensor *w, const mlff_tensor *b, int n_out, const int *out_at,
                        int n_in, const int *in_at, cpu_dense *forward, cpu_dense *reverse,
                        mlff_error *err) {
    float *matrix = calloc((size_t) n_out * n_in + n_out, sizeof *matrix);
    if (!matrix)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for a %d x %d matrix", n_out, n_in);
    float *bias = matrix + (size_t) n_out * n_in;
    const int64_t rows = w->shape[0], columns = w->n_values / rows;
    for (int64_t o = 0; o < rows; o++) {
        for (int64_t i = 0; i < columns; i++)
            matrix[(size_t) out_at[o] * n_in + in_at[i]] =
                (float) mlff_tensor_value(w, o * columns + i);
        bias[out_at[o]] = (float) mlff_tensor_value(b, o);
    }
    mlff_status status = cpu_dense_pack(n_out, n_in, matrix, bias, forward, err);
    if (status == MLFF_OK)
        status = cpu_dense_pack_transposed(n_out, n_in, matrix, reverse, err);
    free(matrix);
    return status;
}

/* The first n_linear maps of an MLP; first_at and last_at: columns of input and output. */
static mlff_status pack_mlp(const mlff_aimnet2_mlp *from, int n_linear, int n_in,
                            const int *first_at, int n_out, const int *last_at, int *same,
                            cpu_aimnet2_mlp *out, int *n_hidden, mlff_error *err) {
    out->n_linear = n_linear;
    out->last_linear = from->last_linear && n_linear == from->n_linear;
    for (int k = 0; k < n_linear; k++) {
        const bool first = k == 0, last = k == from->n_linear - 1;
        const int width = last ? n_out : cpu_padded(from->width[k + 1]);
        const int *in_at = first && first_at ? first_at : same;
        const int *out_at = last && last_at ? last_at : same;
        MLFF_TRY(pack(from->w[k], from->b[k], width, out_at,
                      first ? n_in : cpu_padded(from->width[k]), in_at, &out->forward[k],
                      &out->reverse[k], err));
        if (width > *n_hidden)
            *n_hidden = width;
    }
    return MLFF_OK;
}

static int widest(const mlff_aimnet2 *m) {
    int n = m->n_aim;
    for (int t = 0; t < MLFF_AIMNET2_PASSES; t++)
        for (int k = 0; k <= m->pass[t].n_linear; k++)
            n = m->pass[t].width[k] > n ? m->pass[t].width[k] : n;
    for (int k = 0; k <= m->head.n_linear; k++)
        n = m->head.width[k] > n ? m->head.width[k] : n;
    return n;
}

static mlff_status pack_networks(const mlff_aimnet2 *m, cpu_aimnet2_weights *out, int *columns,
                                 mlff_error *err) {
    const int n = widest(m);
    int *same = columns, *in_at = columns + n, *out_at = columns + 2 * n;
    same_columns(n, same);
    out->n_hidden = cpu_padded(m->n_aim);
    for (int t = 0; t < MLFF_AIMNET2_PASSES; t++) {
        const bool last = t == CPU_AIMNET2_LAST;
        input_columns(m, &out->conv, m->pass[t].width[0], in_at);
        output_columns(m, &out->conv, out_at);
        const int n_out = last ? m->n_aim : out->n_a + 2 * m->n_charges;
        MLFF_TRY(pack_mlp(&m->pass[t], m->pass[t].n_linear, padded_input(m, &out->conv, t), in_at,
                          cpu_padded(n_out), last ? NULL : out_at, same, &out->pass[t],
                          &out->n_hidden, err));
    }
    out->n_input = padded_input(m, &out->conv, CPU_AIMNET2_LAST);
    return pack_mlp(&m->head, m->head.n_linear - 1, cpu_padded(m->n_aim), NULL, 0, NULL, same,
                    &out->head, &out->n_hidden, err);
}

/* --------------------------------------------------------------------------- convolution -- */

/*
 * Radial channels that one pair can feel: Gaussians below exp(-16) = 1.1e-7 do not change a
 * float32 sum. Centers are ascending in published files; where they are not, all channels count.
 */
static int radial_window(const double *shifts, int n, double reach) {
    int window = 1;
    for (int g = 0; g < n; g++) {
        int count = 0;
        while (g + count < n && shifts[g + count] - shifts[g] < 2 * reach * (1 - 1e-6))
            count++;
        if (g + 1 < n && shifts[g + 1] < shifts[g])
            return n;
        window = count > window ? count : window;
    }
    return window;
}

static mlff_status make_shifts(const mlff_aimnet2 *m, cpu_conv *v, float *shifts, mlff_error *err) {
    double *centers = malloc((size_t) m->n_radial * sizeof *centers);
    if (!centers)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for %d centers", m->n_radial);
    mlff_tensor_to_double(m->shifts, centers);
    const double reach = 4 / sqrt(m->eta);
    v->n_window = radial_window(centers, m->n_radial, reach);
    v->reach = (float) reach;
    v->eta = (float) m->eta;
    v->cutoff = (float) m->cutoff;
    for (int g = 0; g < v->n_lanes; g++)
        shifts[g] = g < m->n_radial ? (float) centers[g] : 1e6f;
    v->shifts = shifts;
    free(centers);
    return MLFF_OK;
}

static mlff_status make_conv(const mlff_aimnet2 *m, cpu_aimnet2_weights *out, mlff_error *err) {
    cpu_conv *v = &out->conv;
    const int A = m->n_features, G = m->n_radial, C = m->n_combinations, Q = m->n_charges;
    *v = (cpu_conv) {.n_features = lanes(A), .n_radial = G, .n_lanes = lanes(G),
                     .n_combinations = C, .n_mixes = lanes(C), .n_charges = Q};
    const size_t n_agh = (size_t) G * C * v->n_features, n_q = (size_t) Q * G * v->n_mixes;
    mlff_status status = MLFF_OK;
    out->constants = floats(v->n_lanes + n_agh + n_q + (size_t) Q * C * v->n_lanes,
                            err, &status);
    MLFF_TRY(status);
    MLFF_TRY(make_shifts(m, v, out->constants, err));
    float *agh = out->constants + v->n_lanes, *agh_q = agh + n_agh, *agh_qt = agh_q + n_q;
    for (int g = 0; g < G; g++)
        for (int h = 0; h < C; h++) {
            for (int c = 0; c < A; c++)
                agh[((size_t) g * C + h) * v->n_features + c] =
                    (float) mlff_tensor_value(m->agh_a, ((int64_t) c * G + g) * C + h);
            for (int c = 0; c < Q; c++) {
                const float w = (float) mlff_tensor_value(m->agh_q, ((int64_t) c * G + g) * C + h);
                agh_q[((size_t) c * G + g) * v->n_mixes + h] = w;
                agh_qt[((size_t) c * C + h) * v->n_lanes + g] = w;
            }
        }
    v->agh = agh;
    v->agh_q = agh_q;
    v->agh_qt = agh_qt;
    out->n_a = G * v->n_features;
    return MLFF_OK;
}

static mlff_status make_elements(const mlff_aimnet2 *m, cpu_aimnet2_weights *out, mlff_error *err) {
    const int A = m->n_features, G = m->n_radial, Ap = out->conv.n_features;
    mlff_status status = MLFF_OK;
    out->afv = floats((size_t) m->n_z * out->n_a, err, &status);
    MLFF_TRY(status);
    for (int z = 0; z < m->n_z; z++)
        for (int c = 0; c < A; c++)
            for (int g = 0; g < G; g++)
                out->afv[(size_t) z * out->n_a + (size_t) g * Ap + c] =
                    (float) mlff_tensor_value(m->afv, ((int64_t) z * A + c) * G + g);
    return MLFF_OK;
}

static mlff_status make_head(const mlff_aimnet2 *m, cpu_aimnet2_weights *out, mlff_error *err) {
    const int last = m->head.n_linear - 1;
    mlff_status status = MLFF_OK;
    out->head_width = m->head.width[last];
    out->head_last = floats((size_t) cpu_padded(out->head_width), err, &status);
    MLFF_TRY(status);
    mlff_tensor_to_float(m->head.w[last], out->head_last);
    out->head_bias = mlff_tensor_value(m->head.b[last], 0);
    return MLFF_OK;
}

/* In pass 0 the inputs a are those of the element. */
static mlff_status make_known(const mlff_aimnet2 *m, const cpu_kernels *kernels,
                              cpu_aimnet2_weights *out, mlff_error *err) {
    cpu_aimnet2_mlp *mlp = &out->pass[0];
    mlff_status status = MLFF_OK;
    mlp->n_known = out->n_a;
    cpu_dense known = cpu_dense_first(&mlp->forward[0], mlp->n_known);
    const size_t width = (size_t) known.n_panels * CPU_FEATURE_BLOCK;
    mlp->known = floats((size_t) m->n_z * width, err, &status);
    known.bias = floats(width, err, &status);
    if (status == MLFF_OK)
        kernels->dense(&known, CPU_PLAIN, m->n_z, out->afv, (size_t) out->n_a, mlp->known, NULL,
                       width, 0, known.n_panels);
    free(known.bias);
    return status;
}

mlff_status cpu_aimnet2_weights_new(const mlff_aimnet2 *model, const cpu_kernels *kernels,
                                    cpu_aimnet2_weights *out, mlff_error *err) {
    *out = (cpu_aimnet2_weights) {0};
    MLFF_TRY(make_conv(model, out, err));
    MLFF_TRY(make_elements(model, out, err));
    MLFF_TRY(make_head(model, out, err));
    int *columns = malloc(3 * (size_t) widest(model) * sizeof *columns);
    if (!columns)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for AIMNet2's columns");
    mlff_status status = pack_networks(model, out, columns, err);
    free(columns);
    if (status == MLFF_OK)
        status = make_known(model, kernels, out, err);
    return status;
}

static void free_mlp(cpu_aimnet2_mlp *mlp) {
    for (int k = 0; k < MLFF_AIMNET2_MAX_LINEAR; k++) {
        cpu_dense_free(&mlp->forward[k]);
        cpu_dense_free(&mlp->reverse[k]);
    }
    free(mlp->known);
}

void cpu_aimnet2_weights_free(cpu_aimnet2_weights *w) {
    for (int t = 0; t < MLFF_AIMNET2_PASSES; t++)
        free_mlp(&w->pass[t]);
    free_mlp(&w->head);
    free(w->afv);
    free(w->constants);
    free(w->head_last);
    *w = (cpu_aimnet2_weights) {0};
}
