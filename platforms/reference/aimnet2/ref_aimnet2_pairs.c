/*
 * Pairs: radial Gaussians and directions.
 *
 *   gs_g = exp(-eta (d - s_g)^2) fc(d),  u = r/d
 *
 * Reverse, from grad_gs and grad_u:
 *   grad_d = sum_g grad_gs_g gs_g',  grad_r = grad_d u + (grad_u - (grad_u . u) u)/d
 *   F_i += grad_r,  F_j -= grad_r,  dE/d(strain) += r (x) grad_r
 */
#include "ref_aimnet2.h"

#include <math.h>
#include <string.h>

void ref_aimnet2_pairs_forward(ref_aimnet2 *aimnet2, const mlff_graph *graph) {
    ref_aimnet2_work *work = &aimnet2->work;
    const size_t G = (size_t) aimnet2->model->n_radial;
    const double eta = aimnet2->model->eta, *shifts = aimnet2->weights.shifts;
    for (size_t e = 0; e < (size_t) work->n_pairs; e++) {
        const double *r = graph->message.rij[e];
        const double d = sqrt(r[0]*r[0] + r[1]*r[1] + r[2]*r[2]);
        work->d[e] = d;
        for (int b = 0; b < 3; b++)
            work->u[e][b] = r[b]/d;

        double dfc;
        const double fc = ref_cutoff_cosine(d, aimnet2->model->cutoff, &dfc);
        for (size_t g = 0; g < G; g++) {
            const double t = d - shifts[g], gaussian = exp(-eta*t*t);
            work->gs[e*G + g] = gaussian*fc;
            if (work->dgs)
                work->dgs[e*G + g] = gaussian*(dfc - 2*eta*t*fc);
        }
    }
}

void ref_aimnet2_pairs_backward(ref_aimnet2 *aimnet2, const mlff_graph *graph) {
    ref_aimnet2_work *work = &aimnet2->work;
    const mlff_pairs *pairs = &graph->message;
    const size_t G = (size_t) aimnet2->model->n_radial;
    double sum[9] = {0};
    memset(work->force, 0, (size_t) work->n_all*sizeof *work->force);

    for (int i = 0; i < work->pass[0].n_rows; i++)
        for (int e = pairs->first[i]; e < pairs->first[i + 1]; e++) {
            const int j = pairs->neighbor[e];
            const double *grad_gs = work->grad_gs + (size_t) e*G;
            const double *dgs = work->dgs + (size_t) e*G;
            const double *u = work->u[e], *grad_u = work->grad_u[e];
            double grad_d = 0;
            for (size_t g = 0; g < G; g++)
                grad_d += grad_gs[g]*dgs[g];
            const double along = grad_u[0]*u[0] + grad_u[1]*u[1] + grad_u[2]*u[2];
            for (int b = 0; b < 3; b++) {
                const double grad_r = grad_d*u[b] + (grad_u[b] - along*u[b])/work->d[e];
                work->force[i][b] += grad_r;
                work->force[j][b] -= grad_r;
                for (int a = 0; a < 3; a++)
                    sum[3*a + b] += pairs->rij[e][a]*grad_r;
            }
        }
    memcpy(work->strain, sum, sizeof sum);
}
