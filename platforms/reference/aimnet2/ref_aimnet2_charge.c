/*
 * Update behind passes 0 and 1: new features, and charges that add up to those of their region.
 * Output of a pass: [p (Q) | w (Q) | increment (A G)].
 *
 *   a_new = a + increment
 *   q~ = p (pass 0), q + p (pass 1);  f = w^2
 *   D = T - sum q~,  F = sum f + epsilon,  q = q~ + f D/F
 *
 * The sums run over the owned atoms of a region on all ranks. T is the region's total charge Q0;
 * with two channels (Q0/2 + (m-1)/2, Q0/2 - (m-1)/2), m the multiplicity.
 *
 * Reverse, given gq: s = sum gq f/F over all computed rows of all ranks, since copies of an atom
 * feel the shift where they are, but only the owned row enters the sums D and F:
 *   owned rows   gp = gq - s,  gw = 2 w (D/F)(gq - s)
 *   copies       gp = gq,      gw = 2 w (D/F) gq
 *   ga_old = ga_new,  g_increment = ga_new,  gq_old = gp (pass 1)
 */
#include "ref_aimnet2.h"
#include "mlff_exchange.h"

#include <string.h>

static size_t region_of(const mlff_graph *graph, size_t i) {
    return graph->region ? (size_t) graph->region[i] : 0;
}

/* What a channel's charges of region m must add up to. */
static double channel_total(const mlff_graph *graph, size_t m, size_t c, size_t Q) {
    const double charge = graph->total_charge ? graph->total_charge[m] : 0;
    if (Q == 1)
        return charge;
    const double unpaired = graph->multiplicity ? graph->multiplicity[m] - 1 : 0;
    return c == 0 ? 0.5*(charge + unpaired) : 0.5*(charge - unpaired);
}

/* D and F of every region and channel from the owned rows of q~ and w. */
static mlff_status region_sums(ref_aimnet2 *aimnet2, const mlff_graph *graph,
                               const mlff_exchange *exchange, const ref_aimnet2_kept *kept,
                               const double *q, mlff_error *err) {
    const ref_aimnet2_work *work = &aimnet2->work;
    const size_t Q = (size_t) aimnet2->model->n_charges, n = (size_t) work->n_regions*Q;
    memset(work->sums, 0, 2*n*sizeof(double));
    for (size_t i = 0; i < (size_t) work->n_local; i++)
        for (size_t c = 0; c < Q; c++) {
            const size_t at = region_of(graph, i)*Q + c;
            work->sums[at] += q[i*Q + c];
            work->sums[n + at] += kept->w[i*Q + c]*kept->w[i*Q + c];
        }
    MLFF_TRY(mlff_exchange_sum(exchange, work->sums, 2*n, err));
    for (size_t m = 0; m < (size_t) work->n_regions; m++)
        for (size_t c = 0; c < Q; c++) {
            kept->D[m*Q + c] = channel_total(graph, m, c, Q) - work->sums[m*Q + c];
            kept->F[m*Q + c] = work->sums[n + m*Q + c] + aimnet2->model->charge_epsilon;
        }
    return MLFF_OK;
}

mlff_status ref_aimnet2_charge_forward(ref_aimnet2 *aimnet2, const mlff_graph *graph,
                                       const mlff_exchange *exchange, int t, const double *out,
                                       mlff_error *err) {
    const mlff_aimnet2 *model = aimnet2->model;
    const ref_aimnet2_work *work = &aimnet2->work;
    const ref_aimnet2_kept *kept = &work->pass[t];
    const size_t Q = (size_t) model->n_charges;
    const size_t n_a = (size_t) model->n_features*(size_t) model->n_radial, width = 2*Q + n_a;
    double *a = work->pass[t + 1].a, *q = work->pass[t + 1].q;

    /* rows that are not computed here come by exchange, or nobody reads them */
    memset(a, 0, (size_t) work->n_all*n_a*sizeof(double));
    memset(q, 0, (size_t) work->n_all*Q*sizeof(double));
    for (size_t i = 0; i < (size_t) kept->n_rows; i++) {
        const double *p = out + i*width, *w = p + Q, *increment = w + Q;
        for (size_t c = 0; c < Q; c++) {
            q[i*Q + c] = t > 0 ? kept->q[i*Q + c] + p[c] : p[c];
            kept->w[i*Q + c] = w[c];
        }
        for (size_t k = 0; k < n_a; k++)
            a[i*n_a + k] = kept->a[i*n_a + k] + increment[k];
    }

    MLFF_TRY(region_sums(aimnet2, graph, exchange, kept, q, err));
    for (size_t i = 0; i < (size_t) kept->n_rows; i++)
        for (size_t c = 0; c < Q; c++) {
            const double w = kept->w[i*Q + c];
            const size_t at = region_of(graph, i)*Q + c;
            q[i*Q + c] += w*w*kept->D[at]/kept->F[at];
        }
    return MLFF_OK;
}

/* s of every region and channel into sums. */
static mlff_status shift_gradients(ref_aimnet2 *aimnet2, const mlff_graph *graph,
                                   const mlff_exchange *exchange, const ref_aimnet2_kept *kept,
                                   mlff_error *err) {
    const ref_aimnet2_work *work = &aimnet2->work;
    const size_t Q = (size_t) aimnet2->model->n_charges, n = (size_t) work->n_regions*Q;
    memset(work->sums, 0, n*sizeof(double));
    for (size_t i = 0; i < (size_t) kept->n_rows; i++)
        for (size_t c = 0; c < Q; c++) {
            const double w = kept->w[i*Q + c];
            work->sums[region_of(graph, i)*Q + c] += work->grad_q[i*Q + c]*w*w;
        }
    MLFF_TRY(mlff_exchange_sum(exchange, work->sums, n, err));
    for (size_t k = 0; k < n; k++)
        work->sums[k] /= kept->F[k];
    return MLFF_OK;
}

mlff_status ref_aimnet2_charge_backward(ref_aimnet2 *aimnet2, const mlff_graph *graph,
                                        const mlff_exchange *exchange, int t, double *grad_out,
                                        mlff_error *err) {
    const mlff_aimnet2 *model = aimnet2->model;
    const ref_aimnet2_work *work = &aimnet2->work;
    const ref_aimnet2_kept *kept = &work->pass[t];
    const size_t Q = (size_t) model->n_charges;
    const size_t n_a = (size_t) model->n_features*(size_t) model->n_radial, width = 2*Q + n_a;

    MLFF_TRY(shift_gradients(aimnet2, graph, exchange, kept, err));
    for (size_t i = 0; i < (size_t) kept->n_rows; i++) {
        double *grad_p = grad_out + i*width, *grad_w = grad_p + Q, *grad_increment = grad_w + Q;
        for (size_t c = 0; c < Q; c++) {
            const size_t at = region_of(graph, i)*Q + c;
            const bool owned = i < (size_t) work->n_local;
            const double grad = work->grad_q[i*Q + c] - (owned ? work->sums[at] : 0);
            grad_p[c] = grad;
            grad_w[c] = 2*kept->w[i*Q + c]*kept->D[at]/kept->F[at]*grad;
            work->grad_q[i*Q + c] = grad;
        }
        memcpy(grad_increment, work->grad_a + i*n_a, n_a*sizeof(double));
    }
    return MLFF_OK;
}
