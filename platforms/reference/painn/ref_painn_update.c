/*
 * Update: every atom mixes its own features (Schuett 2021, eq. 9 and 10).
 *
 *   channel:  p_a = V v_a, q_a = U v_a          spatial:  p_a = v_a, q_a = sum_b M_ab v_b
 *   n = sqrt(sum_a p_a^2 + eps),  h = D0 [s; n] + d0,  y = D1 silu(h) + d1
 *   channel:  s += y^ss + y^sv sum_a p_a q_a,  v_a += y^vv q_a
 *   spatial:  s += y^s,                        v_a  = g1 v_a + g2 q_a
 *
 * Reverse, with v_mid the v before the update and t = sum_a p_a q_a:
 *   channel:  grad_y = (grad_s, sum_a grad_v_a q_a, grad_s t),  grad_t = grad_s y^sv
 *   spatial:  grad_y = (grad_s, sum_a grad_v_a v_mid_a, sum_a grad_v_a q_a)
 *   grad_h = silu'(h) D1^T grad_y,  [grad_s; grad_n] += D0^T grad_h
 *   channel:  grad_p_a = grad_t q_a + grad_n/n p_a,  grad_q_a = grad_t p_a + y^vv grad_v_a
 *             grad_v_a += V^T grad_p_a + U^T grad_q_a
 *   spatial:  grad_q_a = g2 grad_v_a
 *             grad_v_a = g1 grad_v_a + sum_b M_ba grad_q_b + grad_n/n v_mid_a
 *   and grad_n/n is 0 where n = 0.
 */
#include "ref_painn.h"

#include <math.h>

/* out_a = sum_b m_ab in_b for every row; m is 3x3, transposed if asked. */
static void spatial_mix(size_t n_rows, size_t F, const double m[3][3], bool transposed,
                        const double *in, double *out) {
    for (size_t i = 0; i < n_rows; i++)
        for (int a = 0; a < 3; a++) {
            const double m0 = transposed ? m[0][a] : m[a][0];
            const double m1 = transposed ? m[1][a] : m[a][1];
            const double m2 = transposed ? m[2][a] : m[a][2];
            const double *restrict v = in + i*3*F;
            double *restrict sum = out + (i*3 + (size_t)a)*F;
            for (size_t f = 0; f < F; f++)
                sum[f] = m0*v[f] + m1*v[F + f] + m2*v[2*F + f];
        }
}

/* c = [s; n] with the norm n of p. */
static void norm_forward(size_t n_rows, size_t F, double eps, const double *s, const double *p,
                         double *c) {
    for (size_t i = 0; i < n_rows; i++)
        for (size_t f = 0; f < F; f++) {
            const double *p_i = p + i*3*F + f;
            c[i*2*F + f] = s[i*F + f];
            c[i*2*F + F + f] = sqrt(p_i[0]*p_i[0] + p_i[F]*p_i[F] + p_i[2*F]*p_i[2*F] + eps);
        }
}

/* The new s and v of one row from its y (three blocks), p, q and the old v. */
static void channel_row_forward(size_t F, const double *restrict y, const double *restrict p,
                                const double *restrict q, const double *restrict v_mid,
                                double *restrict s, double *restrict v_out) {
    for (size_t f = 0; f < F; f++) {
        const double t = p[f]*q[f] + p[F + f]*q[F + f] + p[2*F + f]*q[2*F + f];
        s[f] += y[f] + y[2*F + f]*t;
    }
    for (size_t f = 0; f < F; f++) {
        v_out[f] = v_mid[f] + y[F + f]*q[f];
        v_out[F + f] = v_mid[F + f] + y[F + f]*q[F + f];
        v_out[2*F + f] = v_mid[2*F + f] + y[F + f]*q[2*F + f];
    }
}

static void spatial_row_forward(size_t F, const double *restrict y, const double *restrict q,
                                const double *restrict v_mid, double *restrict s,
                                double *restrict v_out) {
    for (size_t f = 0; f < F; f++) {
        const double g1 = y[F + f], g2 = y[2*F + f];
        s[f] += y[f];
        v_out[f] = g1*v_mid[f] + g2*q[f];
        v_out[F + f] = g1*v_mid[F + f] + g2*q[F + f];
        v_out[2*F + f] = g1*v_mid[2*F + f] + g2*q[2*F + f];
    }
}

void ref_painn_update_forward(ref_painn *painn, int l) {
    const mlff_painn *model = painn->model;
    const ref_painn_block *block = ref_painn_block_of(painn, l);
    ref_painn_work *work = &painn->work;
    const ref_painn_kept *kept = &work->layer[l];
    const size_t n = (size_t)kept->n_rows, F = (size_t)model->n_features;
    const bool channel = model->update == MLFF_PAINN_CHANNEL;

    if (channel) {
        ref_dense_forward(&block->mix_v, 3*n, kept->v_mid, kept->p);
        ref_dense_forward(&block->mix_w, 3*n, kept->v_mid, kept->q);
    } else {
        spatial_mix(n, F, block->mix_m, false, kept->v_mid, kept->q);
    }
    norm_forward(n, F, model->norm_eps, work->s, kept->p, kept->c);
    ref_dense_forward(&block->upd_w0, n, kept->c, kept->h);
    ref_silu_forward(n*F, kept->h, work->atom_a);
    ref_dense_forward(&block->upd_w1, n, work->atom_a, kept->y);

    for (size_t i = 0; i < n; i++) {
        const double *y = kept->y + i*3*F, *q = kept->q + i*3*F, *v_mid = kept->v_mid + i*3*F;
        if (channel)
            channel_row_forward(F, y, kept->p + i*3*F, q, v_mid, work->s + i*F,
                                kept->v_out + i*3*F);
        else
            spatial_row_forward(F, y, q, v_mid, work->s + i*F, kept->v_out + i*3*F);
    }
}

/* grad_y of one row. */
static void row_backward_y(size_t F, bool channel, const double *restrict p,
                           const double *restrict q, const double *restrict v_mid,
                           const double *restrict grad_s, const double *restrict grad_v,
                           double *restrict grad_y) {
    for (size_t f = 0; f < F; f++) {
        const double along_q =
            grad_v[f]*q[f] + grad_v[F + f]*q[F + f] + grad_v[2*F + f]*q[2*F + f];
        grad_y[f] = grad_s[f];
        if (channel) {
            const double t = p[f]*q[f] + p[F + f]*q[F + f] + p[2*F + f]*q[2*F + f];
            grad_y[F + f] = along_q;
            grad_y[2*F + f] = grad_s[f]*t;
        } else {
            grad_y[F + f] = grad_v[f]*v_mid[f] + grad_v[F + f]*v_mid[F + f] +
                            grad_v[2*F + f]*v_mid[2*F + f];
            grad_y[2*F + f] = along_q;
        }
    }
}

/* grad_p and grad_q of one row; c = [s; n], grad_c = [.; grad_n]. grad_s is still the old one. */
static void channel_row_backward(size_t F, const double *restrict y, const double *restrict p,
                                 const double *restrict q, const double *restrict c,
                                 const double *restrict grad_c, const double *restrict grad_s,
                                 const double *restrict grad_v, double *restrict grad_p,
                                 double *restrict grad_q) {
    for (size_t f = 0; f < F; f++) {
        const double grad_t = grad_s[f]*y[2*F + f];
        const double n = c[F + f], over_n = n > 0 ? grad_c[F + f]/n : 0;
        for (size_t a = f; a < 3*F; a += F) {
            grad_p[a] = grad_t*q[a] + over_n*p[a];
            grad_q[a] = grad_t*p[a] + y[F + f]*grad_v[a];
        }
    }
}

/* grad_q of one row, and grad_v but for the term with M. */
static void spatial_row_backward(size_t F, const double *restrict y, const double *restrict v_mid,
                                 const double *restrict c, const double *restrict grad_c,
                                 double *restrict grad_v, double *restrict grad_q) {
    for (size_t f = 0; f < F; f++) {
        const double n = c[F + f], over_n = n > 0 ? grad_c[F + f]/n : 0;
        for (size_t a = f; a < 3*F; a += F) {
            grad_q[a] = y[2*F + f]*grad_v[a];
            grad_v[a] = y[F + f]*grad_v[a] + over_n*v_mid[a];
        }
    }
}

/* The linear maps of v: grad_v += V^T grad_p + U^T grad_q, or M^T grad_q. */
static void mix_backward(ref_painn *painn, int l) {
    const ref_painn_block *block = ref_painn_block_of(painn, l);
    ref_painn_work *work = &painn->work;
    const size_t n = (size_t)work->layer[l].n_rows, F = (size_t)painn->model->n_features;
    if (painn->model->update == MLFF_PAINN_CHANNEL) {
        ref_dense_backward_add(&block->mix_v, 3*n, work->grad_p, work->grad_v);
        ref_dense_backward_add(&block->mix_w, 3*n, work->grad_q, work->grad_v);
        return;
    }
    spatial_mix(n, F, block->mix_m, true, work->grad_q, work->grad_p);
    for (size_t k = 0; k < n*3*F; k++)
        work->grad_v[k] += work->grad_p[k];
}

void ref_painn_update_backward(ref_painn *painn, int l) {
    const ref_painn_block *block = ref_painn_block_of(painn, l);
    ref_painn_work *work = &painn->work;
    const ref_painn_kept *kept = &work->layer[l];
    const size_t n = (size_t)kept->n_rows, F = (size_t)painn->model->n_features;
    const bool channel = painn->model->update == MLFF_PAINN_CHANNEL;
    double *grad_y = work->grad_x, *grad_h = work->atom_a, *grad_c = work->atom_b;

    for (size_t i = 0; i < n; i++)
        row_backward_y(F, channel, kept->p + i*3*F, kept->q + i*3*F, kept->v_mid + i*3*F,
                       work->grad_s + i*F, work->grad_v + i*3*F, grad_y + i*3*F);
    ref_dense_backward(&block->upd_w1, n, grad_y, grad_h);
    ref_silu_backward(n*F, kept->h, grad_h, grad_h);
    ref_dense_backward(&block->upd_w0, n, grad_h, grad_c);

    for (size_t i = 0; i < n; i++) {
        const double *y = kept->y + i*3*F, *c = kept->c + i*2*F, *grad_c_i = grad_c + i*2*F;
        double *grad_v = work->grad_v + i*3*F, *grad_q = work->grad_q + i*3*F;
        if (channel)
            channel_row_backward(F, y, kept->p + i*3*F, kept->q + i*3*F, c, grad_c_i,
                                 work->grad_s + i*F, grad_v, work->grad_p + i*3*F, grad_q);
        else
            spatial_row_backward(F, y, kept->v_mid + i*3*F, c, grad_c_i, grad_v, grad_q);
        for (size_t f = 0; f < F; f++)
            work->grad_s[i*F + f] += grad_c_i[f];
    }
    mix_backward(painn, l);
}
