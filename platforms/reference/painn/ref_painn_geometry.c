/*
 * Geometry: distances and directions of the edges, and the pairs of opposite edges.
 *
 *   u_ij = r_ij / (d + e)     d = |r_ij|, e = dir_eps
 *
 * Reverse, from grad_u of an edge and grad_d of a pair (one of its edges carries it):
 *   grad_r = (grad_u - (grad_u . u) r/d) / (d + e) + grad_d r/d
 *   F_i += grad_r,  F_j -= grad_r,  dE/d(strain) += r (x) grad_r
 */
#include "ref_painn.h"

#include <math.h>
#include <string.h>

/* The earlier edge j <- i with exactly the opposite vector, or -1. A list made by
   ref_neighbors_build() always has it; a list cut at the edge of a piece may not. */
static int opposite_edge(const mlff_pairs *pairs, int i, int e) {
    const int j = pairs->neighbor[e];
    const double *r = pairs->rij[e];
    const int end = j == i ? e : pairs->first[j + 1];
    for (int o = pairs->first[j]; o < end; o++) {
        const double *ro = pairs->rij[o];
        if (pairs->neighbor[o] == i && ro[0] == -r[0] && ro[1] == -r[1] && ro[2] == -r[2])
            return o;
    }
    return -1;
}

void ref_painn_geometry_pairs(ref_painn *painn, const mlff_graph *graph) {
    ref_painn_work *work = &painn->work;
    const mlff_pairs *pairs = &graph->message;
    const int n_rows = work->layer[0].n_rows;
    work->n_pairs = 0;
    int l = painn->model->n_layers - 1;
    for (int i = 0; i < n_rows; i++) {
        /* rows of the later layers come first: so do their pairs */
        for (; l >= 0 && i == work->layer[l].n_rows; l--)
            work->layer[l].n_pairs = work->n_pairs;

        for (int e = pairs->first[i]; e < pairs->first[i + 1]; e++) {
            const int j = pairs->neighbor[e];
            const int o = j <= i ? opposite_edge(pairs, i, e) : -1;
            if (o >= 0) {
                work->pair[e] = work->pair[o];
            } else {
                work->pair[e] = work->n_pairs;
                work->pair_edge[work->n_pairs++] = e;
            }
        }
    }
    for (; l >= 0; l--)
        work->layer[l].n_pairs = work->n_pairs;
}

/* d, the cutoff function and the filter net's input of one pair. */
static void pair_forward(ref_painn *painn, size_t pair, double d) {
    const mlff_painn *model = painn->model;
    const ref_painn_weights *weights = &painn->weights;
    ref_painn_work *work = &painn->work;
    const int K = model->n_rbf;
    double *psi = work->psi + pair*(size_t)K, *dpsi = work->dpsi + pair*(size_t)K;

    work->d[pair] = d;
    if (model->rbf == MLFF_PAINN_GAUSSIAN)
        ref_radial_gaussian(K, weights->mu, weights->beta, d, psi, dpsi);
    else
        ref_radial_bessel(K, weights->freq, d, psi, dpsi);

    double dfc;
    const double fc = model->cutoff_fn == MLFF_PAINN_COSINE
                          ? ref_cutoff_cosine(d, model->cutoff, &dfc)
                          : ref_cutoff_poly(d, model->cutoff, model->poly_p, &dfc);
    work->fc[pair] = fc;
    work->dfc[pair] = dfc;
    if (model->envelope == MLFF_PAINN_ENVELOPE_RBF)
        for (int k = 0; k < K; k++) {
            dpsi[k] = dfc*psi[k] + fc*dpsi[k];
            psi[k] *= fc;
        }
}

void ref_painn_geometry_forward(ref_painn *painn, const mlff_graph *graph) {
    ref_painn_work *work = &painn->work;
    const mlff_pairs *pairs = &graph->message;
    for (int i = 0; i < work->layer[0].n_rows; i++)
        for (int e = pairs->first[i]; e < pairs->first[i + 1]; e++) {
            const double *r = pairs->rij[e];
            const double d = sqrt(r[0]*r[0] + r[1]*r[1] + r[2]*r[2]);
            for (int a = 0; a < 3; a++)
                work->u[e][a] = r[a]/(d + painn->model->dir_eps);
            if (work->pair_edge[work->pair[e]] == e)
                pair_forward(painn, (size_t)work->pair[e], d);
        }
}

void ref_painn_geometry_backward(ref_painn *painn, const mlff_graph *graph, double *strain) {
    ref_painn_work *work = &painn->work;
    const mlff_pairs *pairs = &graph->message;
    double sum[9] = {0};
    memset(work->force, 0, (size_t)work->n_all*sizeof *work->force);

    for (int i = 0; i < work->layer[0].n_rows; i++)
        for (int e = pairs->first[i]; e < pairs->first[i + 1]; e++) {
            const int j = pairs->neighbor[e], pair = work->pair[e];
            const double *r = pairs->rij[e], *u = work->u[e], *grad_u = work->grad_u[e];
            const double d = work->d[pair], inverse = 1/(d + painn->model->dir_eps);
            const double grad_d = work->pair_edge[pair] == e ? work->grad_d[pair] : 0;
            const double along = grad_u[0]*u[0] + grad_u[1]*u[1] + grad_u[2]*u[2];
            for (int b = 0; b < 3; b++) {
                const double grad_r = grad_u[b]*inverse + (grad_d - along*inverse)*(r[b]/d);
                work->force[i][b] += grad_r;
                work->force[j][b] -= grad_r;
                for (int a = 0; a < 3; a++)
                    sum[3*a + b] += r[a]*grad_r;
            }
        }
    memcpy(strain, sum, sizeof sum);
}
