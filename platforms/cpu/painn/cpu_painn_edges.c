/*
 * The pairs of a graph as the message kernels want them: row k lists every pair of k once, for both
 * directions k <- m and m <- k. A graph's rows do that themselves where they are complete. Ghost
 * rows that are not computed may be empty: their pairs are collected from the rows they send to.
 */
#include "cpu_painn.h"

#include <math.h>

mlff_status cpu_painn_edges_count(const mlff_graph *graph, int n_rows, int *incident,
                                  mlff_error *err) {
    const int *first = graph->message.first, *neighbor = graph->message.neighbor;
    for (int i = 0; i <= n_rows; i++)
        incident[i] = first ? first[i] : 0;
    if (n_rows == graph->n_all)
        return MLFF_OK;

    for (int k = n_rows + 1; k <= graph->n_all; k++)
        incident[k] = 0;
    for (int i = 0; i < n_rows; i++)
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

static void set_edge(const cpu_painn *p, const double *r, double sign, int neighbor, cpu_edge *e) {
    const cpu_filter_table *filter = &p->weights.filter[0];
    const double d = sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
    const double inv = 1 / (d + p->painn->dir_eps), per_angstrom = filter->inv_spacing;
    e->neighbor = neighbor;
    e->inv = (float) (inv / per_angstrom);
    for (int a = 0; a < 3; a++) {
        e->r[a] = (float) (sign * r[a]);
        e->u[a] = (float) (sign * r[a] * inv);
        e->n[a] = (float) (sign * r[a] / d * per_angstrom);
    }
    cpu_painn_filter_locate(filter, d, e);
}

void cpu_painn_edges_row(cpu_painn *p, const mlff_graph *graph, int i) {
    const mlff_pairs *pairs = &graph->message;
    for (int e = pairs->first[i]; e < pairs->first[i + 1]; e++)
        set_edge(p, pairs->rij[e], 1, pairs->neighbor[e], &p->edges[e]);
}

void cpu_painn_edges_ghosts(cpu_painn *p, const mlff_graph *graph, int n_rows, int *filled) {
    const mlff_pairs *pairs = &graph->message;
    for (int k = n_rows; k < graph->n_all; k++)
        filled[k] = p->incident[k];
    for (int i = 0; n_rows < graph->n_all && i < n_rows; i++)
        for (int e = pairs->first[i]; e < pairs->first[i + 1]; e++) {
            const int k = pairs->neighbor[e];
            if (k >= n_rows)
                set_edge(p, pairs->rij[e], -1, i, &p->edges[filled[k]++]);
        }
}
