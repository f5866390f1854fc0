/*
 * The pairs of a graph as the convolution wants them: row k lists every pair of k once, for both
 * directions k <- m and m <- k. A graph's rows do that themselves where they are complete. Ghost
 * rows that are not computed may be empty: their pairs are collected from the rows they send to.
 */
#include "cpu_aimnet2.h"

mlff_status cpu_aimnet2_pairs_count(const mlff_graph *graph, int n_rows, int *incident,
                                    mlff_error *err) {
    const int *first = graph->message.first, *neighbor = graph->message.neighbor;
    for (int i = 0; i <= n_rows; i++)
        incident[i] = first ? first[i] : 0;
    for (int k = n_rows + 1; k <= graph->n_all; k++)
        incident[k] = 0;
    for (int i = 0; n_rows < graph->n_all && i < n_rows; i++)
        for (int e = first[i]; e < first[i + 1]; e++)
            if (neighbor[e] >= n_rows)
                incident[neighbor[e] + 1]++;
    for (int k = n_rows; k < graph->n_all; k++) {
        if (incident[k + 1] > 2147483647 - incident[k])
            return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the graph has more than 2^31 pairs");
        incident[k + 1] += incident[k];
    }
    return MLFF_OK;
}

static void set_pairs(const cpu_aimnet2 *p, int n, const int *neighbor, const double (*r)[3],
                      double sign, int at) {
    p->kernels->aimnet2_pairs(&p->weights.conv, n, neighbor, r, sign, p->pairs + at,
                              p->gauss + 2 * (size_t) p->weights.conv.n_lanes * at);
}

void cpu_aimnet2_pairs_row(const cpu_aimnet2 *p, const mlff_graph *graph, int i) {
    const mlff_pairs *from = &graph->message;
    const int e = from->first[i];
    set_pairs(p, from->first[i + 1] - e, from->neighbor + e, from->rij + e, 1, e);
}

void cpu_aimnet2_pairs_ghosts(const cpu_aimnet2 *p, const mlff_graph *graph, int n_rows) {
    const mlff_pairs *from = &graph->message;
    for (int k = n_rows; k < graph->n_all; k++)
        p->filled[k] = p->incident[k];
    for (int i = 0; n_rows < graph->n_all && i < n_rows; i++)
        for (int e = from->first[i]; e < from->first[i + 1]; e++) {
            const int k = from->neighbor[e];
            if (k >= n_rows)
                set_pairs(p, 1, &i, from->rij + e, -1, p->filled[k]++);
        }
}
