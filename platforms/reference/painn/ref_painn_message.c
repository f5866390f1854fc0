/*
 * Message: every atom sums what its neighbors send (Schuett 2021, eq. 7 and 8).
 *
 *   x_j = C1 silu(C0 s_j + c0) + c1      blocks s, r, v; without context x_j = (s_j, 1, 1)
 *   s_i += sum_j W^s x^s_j
 *   v_i += sum_j (W^r x^r_j) u_ij + (W^v x^v_j) v_j
 *
 * Reverse, per edge i <- j, with grad_s and grad_v of the state after the message:
 *   c^s = grad_s_i,  c^r = u . grad_v_i,  c^v = v_j . grad_v_i      (dots over x, y, z)
 *   grad_W += c x_j,  grad_x_j += W c,  grad_u += sum_f W^r x^r_j grad_v_i
 *   grad_v_j += W^v x^v_j grad_v_i       beside what came through the identity
 * and per atom grad_s_j += C0^T (silu'(hc_j) C1^T grad_x_j), without context grad_x^s_j.
 */
#include "ref_painn.h"

#include <string.h>

/* x of the sources; hc is kept. */
static void context_forward(ref_painn *painn, int l) {
    const ref_painn_block *block = ref_painn_block_of(painn, l);
    ref_painn_work *work = &painn->work;
    const ref_painn_kept *kept = &work->layer[l];
    const size_t n = (size_t)kept->n_sources, F = (size_t)painn->model->n_features;

    if (painn->model->context) {
        ref_dense_forward(&block->ctx_w0, n, work->s, kept->hc);
        ref_silu_forward(n*F, kept->hc, work->atom_a);
        ref_dense_forward(&block->ctx_w1, n, work->atom_a, kept->x);
        return;
    }
    for (size_t j = 0; j < n; j++)
        for (size_t f = 0; f < F; f++) {
            kept->x[j*3*F + f] = work->s[j*F + f];
            kept->x[j*3*F + F + f] = 1;
            kept->x[j*3*F + 2*F + f] = 1;
        }
}

/* grad_s of the sources += what came to them through x. */
static void context_backward(ref_painn *painn, int l) {
    const ref_painn_block *block = ref_painn_block_of(painn, l);
    ref_painn_work *work = &painn->work;
    const ref_painn_kept *kept = &work->layer[l];
    const size_t n = (size_t)kept->n_sources, F = (size_t)painn->model->n_features;

    if (painn->model->context) {
        ref_dense_backward(&block->ctx_w1, n, work->grad_x, work->atom_a);
        ref_silu_backward(n*F, kept->hc, work->atom_a, work->atom_a);
        ref_dense_backward_add(&block->ctx_w0, n, work->atom_a, work->grad_s);
        return;
    }
    for (size_t j = 0; j < n; j++)
        for (size_t f = 0; f < F; f++)
            work->grad_s[j*F + f] += work->grad_x[j*3*F + f];
}

/* Features of one edge; v_j NULL: zero. */
static void edge_forward(size_t F, const double *restrict W, const double *restrict x,
                         const double u[3], const double *restrict v_j, double *restrict s_i,
                         double *restrict v_i) {
    for (size_t f = 0; f < F; f++)
        s_i[f] += W[f]*x[f];
    for (size_t f = 0; f < F; f++) {
        const double to_r = W[F + f]*x[F + f];
        v_i[f] += to_r*u[0];
        v_i[F + f] += to_r*u[1];
        v_i[2*F + f] += to_r*u[2];
    }
    if (v_j)
        for (size_t f = 0; f < F; f++) {
            const double to_v = W[2*F + f]*x[2*F + f];
            v_i[f] += to_v*v_j[f];
            v_i[F + f] += to_v*v_j[F + f];
            v_i[2*F + f] += to_v*v_j[2*F + f];
        }
}

void ref_painn_message_forward(ref_painn *painn, const mlff_graph *graph, int l) {
    const mlff_pairs *pairs = &graph->message;
    ref_painn_work *work = &painn->work;
    const ref_painn_kept *kept = &work->layer[l];
    const double *v_in = ref_painn_v_in(painn, l);
    const size_t F = (size_t)painn->model->n_features;

    context_forward(painn, l);
    const size_t n_bytes = (size_t)kept->n_rows*3*F*sizeof(double);
    if (v_in)
        memcpy(kept->v_mid, v_in, n_bytes);
    else
        memset(kept->v_mid, 0, n_bytes);

    for (size_t i = 0; i < (size_t)kept->n_rows; i++)
        for (int e = pairs->first[i]; e < pairs->first[i + 1]; e++) {
            const size_t j = (size_t)pairs->neighbor[e], pair = (size_t)work->pair[e];
            edge_forward(F, kept->W + pair*3*F, kept->x + j*3*F, work->u[e],
                         v_in ? v_in + j*3*F : NULL, work->s + i*F, kept->v_mid + i*3*F);
        }
}

/* Blocks s and r of one edge: grad_W and grad_u. All that layer 0 needs. */
static void edge_backward_direction(size_t F, const double *restrict W, const double *restrict x,
                                    const double u[3], const double *restrict grad_s_i,
                                    const double *restrict grad_v_i, double *restrict grad_W,
                                    double grad_u[3]) {
    const double *gx = grad_v_i, *gy = grad_v_i + F, *gz = grad_v_i + 2*F;
    double sum_x = 0, sum_y = 0, sum_z = 0;
    for (size_t f = 0; f < F; f++)
        grad_W[f] += grad_s_i[f]*x[f];
    for (size_t f = 0; f < F; f++)
        grad_W[F + f] += (u[0]*gx[f] + u[1]*gy[f] + u[2]*gz[f])*x[F + f];
    for (size_t f = 0; f < F; f++) {
        const double to_r = W[F + f]*x[F + f];
        sum_x += to_r*gx[f];
        sum_y += to_r*gy[f];
        sum_z += to_r*gz[f];
    }
    grad_u[0] += sum_x;
    grad_u[1] += sum_y;
    grad_u[2] += sum_z;
}

/* Block v of one edge and the sender's gradients. */
static void edge_backward_sender(size_t F, const double *restrict W, const double *restrict x,
                                 const double u[3], const double *restrict v_j,
                                 const double *restrict grad_s_i, const double *restrict grad_v_i,
                                 double *restrict grad_W, double *restrict grad_x_j,
                                 double *restrict grad_v_j) {
    const double *gx = grad_v_i, *gy = grad_v_i + F, *gz = grad_v_i + 2*F;
    for (size_t f = 0; f < F; f++)
        grad_x_j[f] += W[f]*grad_s_i[f];
    for (size_t f = 0; f < F; f++)
        grad_x_j[F + f] += W[F + f]*(u[0]*gx[f] + u[1]*gy[f] + u[2]*gz[f]);
    for (size_t f = 0; f < F; f++) {
        const double c_v = v_j[f]*gx[f] + v_j[F + f]*gy[f] + v_j[2*F + f]*gz[f];
        grad_W[2*F + f] += c_v*x[2*F + f];
        grad_x_j[2*F + f] += W[2*F + f]*c_v;
    }
    for (size_t f = 0; f < F; f++) {
        const double to_v = W[2*F + f]*x[2*F + f];
        grad_v_j[f] += to_v*gx[f];
        grad_v_j[F + f] += to_v*gy[f];
        grad_v_j[2*F + f] += to_v*gz[f];
    }
}

void ref_painn_message_backward(ref_painn *painn, const mlff_graph *graph, int l) {
    const mlff_pairs *pairs = &graph->message;
    ref_painn_work *work = &painn->work;
    const ref_painn_kept *kept = &work->layer[l];
    const double *v_in = ref_painn_v_in(painn, l);
    const size_t F = (size_t)painn->model->n_features;
    const size_t n_bytes = (size_t)work->n_all*3*F*sizeof(double);

    if (v_in) {
        memcpy(work->grad_v_in, work->grad_v, n_bytes);
        memset(work->grad_x, 0, n_bytes);
    }
    for (size_t i = 0; i < (size_t)kept->n_rows; i++)
        for (int e = pairs->first[i]; e < pairs->first[i + 1]; e++) {
            const size_t j = (size_t)pairs->neighbor[e], pair = (size_t)work->pair[e];
            const double *W = kept->W + pair*3*F, *x = kept->x + j*3*F, *u = work->u[e];
            const double *grad_s_i = work->grad_s + i*F, *grad_v_i = work->grad_v + i*3*F;
            double *grad_W = work->grad_W + pair*3*F;
            edge_backward_direction(F, W, x, u, grad_s_i, grad_v_i, grad_W, work->grad_u[e]);
            if (v_in)
                edge_backward_sender(F, W, x, u, v_in + j*3*F, grad_s_i, grad_v_i, grad_W,
                                     work->grad_x + j*3*F, work->grad_v_in + j*3*F);
        }
    if (!v_in)
        return;  /* before layer 0 nothing depends on positions */

    context_backward(painn, l);
    double *const grad_v = work->grad_v_in;
    work->grad_v_in = work->grad_v;
    work->grad_v = grad_v;
}
