/*
 * Convolution: the input of a pass. Features a [A][G] and charges go the same way; a charge counts
 * as a feature that is equal for every g.
 *
 *   o[c][g][0] = sum_j a_j[c][g] gs_g,  o[c][g][x] = sum_j a_j[c][g] gs_g u_x
 *   S[c][g] = o[c][g][0],  v[c][h][x] = sum_g agh[c][g][h] o[c][g][x],  V[c][h] = sum_x v^2
 *   input = [a | S_a | V_a] and, behind pass 0, [q | S_q | V_q]
 *
 * Reverse:
 *   go[c][g][0] = gS,  go[c][g][x] = sum_h agh[c][g][h] 2 v[c][h][x] gV[c][h]
 *   ga_j[c][g] += (go_0 + sum_x go_x u_x) gs_g
 *   with t_k[g] = sum_c go_k[c][g] a_j[c][g]:
 *   ggs_g += t_0[g] + sum_x t_x[g] u_x,  gu_x += sum_g t_x[g] gs_g
 */
#include "ref_aimnet2.h"

#include <string.h>

/* ----------------------------------------------------------------------------- forward -- */

/* o [4][n][G] of center i. */
static void gather(const ref_aimnet2_work *work, const mlff_pairs *pairs, int i, size_t n, size_t G,
                   const double *a, double *restrict o) {
    const size_t row = n*G;
    double *restrict o_x = o + row, *restrict o_y = o + 2*row, *restrict o_z = o + 3*row;
    memset(o, 0, 4*row*sizeof(double));
    for (int e = pairs->first[i]; e < pairs->first[i + 1]; e++) {
        const double *restrict a_j = a + (size_t) pairs->neighbor[e]*row;
        const double *restrict gs = work->gs + (size_t) e*G;
        const double u_x = work->u[e][0], u_y = work->u[e][1], u_z = work->u[e][2];
        for (size_t c = 0; c < row; c += G)
            for (size_t g = 0; g < G; g++) {
                const double t = a_j[c + g]*gs[g];
                o[c + g] += t;
                o_x[c + g] += t*u_x;
                o_y[c + g] += t*u_y;
                o_z[c + g] += t*u_z;
            }
    }
}

/* v [3][n][C] and V [n][C] of one center from its o [4][n][G]. */
static void combine(const ref_aimnet2_combination *agh, size_t G, size_t C, const double *o,
                    double *restrict v, double *restrict V) {
    const size_t n = agh->n;
    memset(v, 0, 3*n*C*sizeof(double));
    memset(V, 0, n*C*sizeof(double));
    for (size_t x = 0; x < 3; x++)
        for (size_t c = 0; c < n; c++) {
            const double *o_x = o + ((x + 1)*n + c)*G;
            const double *restrict weight = agh->agh + c*G*C;
            double *restrict v_x = v + (x*n + c)*C;
            for (size_t g = 0; g < G; g++)
                for (size_t h = 0; h < C; h++)
                    v_x[h] += weight[g*C + h]*o_x[g];
            for (size_t h = 0; h < C; h++)
                V[c*C + h] += v_x[h]*v_x[h];
        }
}

/* [S | V] of every center into x, whose rows have the given width. */
static void convolve(ref_aimnet2 *aimnet2, const mlff_graph *graph, int n_rows,
                     const ref_aimnet2_combination *agh, const double *a, double *v, double *x,
                     size_t width) {
    const ref_aimnet2_work *work = &aimnet2->work;
    const size_t G = (size_t) aimnet2->model->n_radial, C = (size_t) aimnet2->model->n_combinations;
    const size_t row = agh->n*G;
    for (size_t i = 0; i < (size_t) n_rows; i++) {
        gather(work, &graph->message, (int) i, agh->n, G, a, work->o);
        memcpy(x + i*width, work->o, row*sizeof(double));
        combine(agh, G, C, work->o, v + i*3*agh->n*C, x + i*width + row);
    }
}

void ref_aimnet2_conv_forward(ref_aimnet2 *aimnet2, const mlff_graph *graph, int t, double *x) {
    const mlff_aimnet2 *model = aimnet2->model;
    const ref_aimnet2_work *work = &aimnet2->work;
    const ref_aimnet2_kept *kept = &work->pass[t];
    const size_t G = (size_t) model->n_radial, Q = (size_t) model->n_charges;
    const size_t n_a = (size_t) model->n_features*G;
    const size_t width = (size_t) model->pass[t].width[0];
    const size_t at_q = n_a + n_a + (size_t) model->n_features*(size_t) model->n_combinations;

    for (size_t i = 0; i < (size_t) kept->n_rows; i++)
        memcpy(x + i*width, kept->a + i*n_a, n_a*sizeof(double));
    convolve(aimnet2, graph, kept->n_rows, &aimnet2->weights.agh_a, kept->a, kept->v_a, x + n_a,
             width);
    if (t == 0)
        return;

    for (size_t k = 0; k < (size_t) work->n_all*Q; k++)
        for (size_t g = 0; g < G; g++)
            work->q_wide[k*G + g] = kept->q[k];
    for (size_t i = 0; i < (size_t) kept->n_rows; i++)
        memcpy(x + i*width + at_q, kept->q + i*Q, Q*sizeof(double));
    convolve(aimnet2, graph, kept->n_rows, &aimnet2->weights.agh_q, work->q_wide, kept->v_q,
             x + at_q + Q, width);
}

/* ---------------------------------------------------------------------------- backward -- */

/* grad_o [4][n][G] of one center from [gS | gV]. */
static void combine_backward(const ref_aimnet2_combination *agh, size_t G, size_t C,
                             const double *grad_x, const double *v, double *restrict grad_o) {
    const size_t n = agh->n;
    const double *grad_V = grad_x + n*G;
    memcpy(grad_o, grad_x, n*G*sizeof(double));
    memset(grad_o + n*G, 0, 3*n*G*sizeof(double));
    for (size_t x = 0; x < 3; x++)
        for (size_t c = 0; c < n; c++) {
            double *restrict grad_o_x = grad_o + ((x + 1)*n + c)*G;
            for (size_t h = 0; h < C; h++) {
                const double grad_v = 2*v[(x*n + c)*C + h]*grad_V[c*C + h];
                const double *restrict weight = agh->agh_t + (c*C + h)*G;
                for (size_t g = 0; g < G; g++)
                    grad_o_x[g] += weight[g]*grad_v;
            }
        }
}

/* t [4][G]: t_k[g] = sum_c go_k[c][g] a_j[c][g] */
static void project(size_t n, size_t G, const double *restrict grad_o, const double *restrict a_j,
                    double *restrict t) {
    memset(t, 0, 4*G*sizeof(double));
    for (size_t k = 0; k < 4; k++)
        for (size_t c = 0; c < n*G; c += G)
            for (size_t g = 0; g < G; g++)
                t[k*G + g] += grad_o[k*n*G + c + g]*a_j[c + g];
}

/* ga_j[c][g] += (go_0 + sum_x go_x u_x) gs_g */
static void scatter(size_t n, size_t G, const double *restrict grad_o, const double *u,
                    const double *restrict gs, double *restrict grad_a_j) {
    const size_t row = n*G;
    const double *restrict go_x = grad_o + row, *restrict go_y = grad_o + 2*row;
    const double *restrict go_z = grad_o + 3*row;
    const double u_x = u[0], u_y = u[1], u_z = u[2];
    for (size_t c = 0; c < row; c += G)
        for (size_t g = 0; g < G; g++)
            grad_a_j[c + g] += (grad_o[c + g] + go_x[c + g]*u_x + go_y[c + g]*u_y +
                                go_z[c + g]*u_z)*gs[g];
}

/* Reverse of convolve(); grad_a NULL: not wanted. */
static void convolve_backward(ref_aimnet2 *aimnet2, const mlff_graph *graph, int n_rows,
                              const ref_aimnet2_combination *agh, const double *a, const double *v,
                              const double *grad_x, size_t width, double *grad_a) {
    ref_aimnet2_work *work = &aimnet2->work;
    const mlff_pairs *pairs = &graph->message;
    const size_t G = (size_t) aimnet2->model->n_radial, C = (size_t) aimnet2->model->n_combinations;
    const size_t row = agh->n*G;
    double *t = work->grad_o + 4*row;
    for (size_t i = 0; i < (size_t) n_rows; i++) {
        combine_backward(agh, G, C, grad_x + i*width, v + i*3*agh->n*C, work->grad_o);
        for (int e = pairs->first[i]; e < pairs->first[i + 1]; e++) {
            const size_t j = (size_t) pairs->neighbor[e];
            const double *gs = work->gs + (size_t) e*G, *u = work->u[e];
            project(agh->n, G, work->grad_o, a + j*row, t);
            for (size_t g = 0; g < G; g++) {
                work->grad_gs[(size_t) e*G + g] += t[g] + t[G + g]*u[0] + t[2*G + g]*u[1] +
                                                   t[3*G + g]*u[2];
                for (size_t x = 0; x < 3; x++)
                    work->grad_u[e][x] += t[(x + 1)*G + g]*gs[g];
            }
            if (grad_a)
                scatter(agh->n, G, work->grad_o, u, gs, grad_a + j*row);
        }
    }
}

/* The charges' part of a pass' input. */
static void charges_backward(ref_aimnet2 *aimnet2, const mlff_graph *graph, int t,
                             const double *grad_x) {
    const mlff_aimnet2 *model = aimnet2->model;
    ref_aimnet2_work *work = &aimnet2->work;
    const ref_aimnet2_kept *kept = &work->pass[t];
    const size_t G = (size_t) model->n_radial, Q = (size_t) model->n_charges;
    const size_t width = (size_t) model->pass[t].width[0];
    const size_t n_wide = (size_t) work->n_all*Q;

    for (size_t k = 0; k < n_wide; k++)
        for (size_t g = 0; g < G; g++)
            work->q_wide[k*G + g] = kept->q[k];
    memset(work->grad_q_wide, 0, n_wide*G*sizeof(double));
    convolve_backward(aimnet2, graph, kept->n_rows, &aimnet2->weights.agh_q, work->q_wide,
                      kept->v_q, grad_x + Q, width, work->grad_q_wide);
    for (size_t k = 0; k < n_wide; k++)
        for (size_t g = 0; g < G; g++)
            work->grad_q[k] += work->grad_q_wide[k*G + g];
    for (size_t i = 0; i < (size_t) kept->n_rows; i++)
        for (size_t c = 0; c < Q; c++)
            work->grad_q[i*Q + c] += grad_x[i*width + c];
}

void ref_aimnet2_conv_backward(ref_aimnet2 *aimnet2, const mlff_graph *graph, int t,
                               const double *grad_x) {
    const mlff_aimnet2 *model = aimnet2->model;
    ref_aimnet2_work *work = &aimnet2->work;
    const ref_aimnet2_kept *kept = &work->pass[t];
    const size_t n_a = (size_t) model->n_features*(size_t) model->n_radial;
    const size_t width = (size_t) model->pass[t].width[0];
    const size_t at_q = n_a + n_a + (size_t) model->n_features*(size_t) model->n_combinations;

    convolve_backward(aimnet2, graph, kept->n_rows, &aimnet2->weights.agh_a, kept->a, kept->v_a,
                      grad_x + n_a, width, t > 0 ? work->grad_a : NULL);
    if (t == 0)
        return;
    for (size_t i = 0; i < (size_t) kept->n_rows; i++)
        for (size_t k = 0; k < n_a; k++)
            work->grad_a[i*n_a + k] += grad_x[i*width + k];
    charges_backward(aimnet2, graph, t, grad_x + at_q);
}
