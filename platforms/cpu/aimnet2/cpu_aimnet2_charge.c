/*
 * Charges behind passes 0 and 1, in double on one thread: a few numbers an atom. Equations and the
 * treatment of ghosts: platforms/reference/aimnet2/ref_aimnet2_charge.c.
 */
#include "cpu_aimnet2.h"
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
    return c == 0 ? 0.5 * (charge + unpaired) : 0.5 * (charge - unpaired);
}

mlff_status cpu_aimnet2_charge_forward(const cpu_aimnet2_run *run, int t, mlff_error *err) {
    const mlff_graph *graph = run->graph;
    const cpu_aimnet2 *p = run->p;
    const cpu_aimnet2_kept *kept = &p->kept[t];
    float *q = p->kept[t + 1].q;
    const size_t Q = (size_t) p->model->n_charges, n = (size_t) graph->n_regions * Q;
    double *sums = p->sums;
    memset(sums, 0, 2 * n * sizeof *sums);
    for (size_t i = 0; i < (size_t) graph->n_local; i++)
        for (size_t c = 0; c < Q; c++) {
            const size_t at = region_of(graph, i) * Q + c;
            const double w = kept->w[i * Q + c];
            sums[at] += q[i * Q + c];
            sums[n + at] += w * w;
        }
    MLFF_TRY(mlff_exchange_sum(run->exchange, sums, 2 * n, err));
    for (size_t m = 0; m < n; m++) {
        kept->D[m] = channel_total(graph, m / Q, m % Q, Q) - sums[m];
        kept->F[m] = sums[n + m] + p->model->charge_epsilon;
    }
    for (size_t i = 0; i < (size_t) run->n_rows[t]; i++)
        for (size_t c = 0; c < Q; c++) {
            const size_t at = region_of(graph, i) * Q + c;
            const double w = kept->w[i * Q + c];
            q[i * Q + c] = (float) (q[i * Q + c] + w * w * kept->D[at] / kept->F[at]);
        }
    return MLFF_OK;
}

mlff_status cpu_aimnet2_charge_reverse(const cpu_aimnet2_run *run, int t, float *out,
                                       mlff_error *err) {
    const mlff_graph *graph = run->graph;
    const cpu_aimnet2 *p = run->p;
    const cpu_aimnet2_kept *kept = &p->kept[t];
    const size_t Q = (size_t) p->model->n_charges, n = (size_t) graph->n_regions * Q;
    double *sums = p->sums;
    memset(sums, 0, n * sizeof *sums);
    for (size_t i = 0; i < (size_t) run->n_rows[t]; i++)
        for (size_t c = 0; c < Q; c++) {
            const double w = kept->w[i * Q + c];
            sums[region_of(graph, i) * Q + c] += p->grad_q[i * Q + c] * w * w;
        }
    MLFF_TRY(mlff_exchange_sum(run->exchange, sums, n, err));
    for (size_t i = 0; i < (size_t) run->n_rows[t]; i++)
        for (size_t c = 0; c < Q; c++) {
            const size_t at = region_of(graph, i) * Q + c;
            const bool owned = i < (size_t) graph->n_local;
            const double grad = p->grad_q[i * Q + c] - (owned ? sums[at] / kept->F[at] : 0);
            float *column = out + i * p->weights.n_hidden + p->weights.n_a;
            column[c] = (float) grad;
            column[Q + c] = (float) (2 * kept->w[i * Q + c] * kept->D[at] / kept->F[at] * grad);
            p->grad_q[i * Q + c] = (float) grad;
        }
    return MLFF_OK;
}
