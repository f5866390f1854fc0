/*
 * Reciprocal sum of one region, conducting boundary:
 *   (2 pi ke/V) sum_{k != 0} exp(-k^2/(4 alpha^2))/k^2 |S(k)|^2,  S(k) = sum_j q_j exp(i k x_j)
 * A rank's energy is the share of its owned atoms, S_own in place of one factor.
 */
#include "host_reciprocal_private.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

/* One of each pair k, -k, with twice the weight. Returns their number; a first call with k = NULL
   counts. */
static size_t wave_vectors(const host_region_sum *r, const int m_max[3], double (*k)[3],
                           double *weight) {
    const mlff_ewald *e = &r->ewald;
    size_t n = 0;
    for (int m0 = 0; m0 <= m_max[0]; m0++)
        for (int m1 = m0 > 0 ? -m_max[1] : 0; m1 <= m_max[1]; m1++)
            for (int m2 = m0 > 0 || m1 > 0 ? -m_max[2] : 1; m2 <= m_max[2]; m2++) {
                double v[3];
                for (int x = 0; x < 3; x++)
                    v[x] = 2*pi*(m0*r->b[0][x] + m1*r->b[1][x] + m2*r->b[2][x]);
                const double k2 = v[0]*v[0] + v[1]*v[1] + v[2]*v[2];
                for (int x = 0; k && x < 3; x++)
                    k[n][x] = v[x];
                if (k)
                    weight[n] = 2*exp(-k2/(4*e->alpha*e->alpha))/k2;
                n++;
            }
    return n;
}

static mlff_status make_vectors(const host_charges *s, const host_region_sum *r,
                                host_reciprocal *w, size_t *n, mlff_error *err) {
    static const char what[] = "wave vectors";
    int m_max[3];
    MLFF_TRY(mlff_ewald_waves(&r->ewald, s->graph->cell, m_max, err));
    *n = wave_vectors(r, m_max, NULL, NULL);
    MLFF_TRY(mlff_reserve((void **) &w->k, &w->k_room, *n, sizeof *w->k, what, err));
    MLFF_TRY(mlff_reserve((void **) &w->k_weight, &w->k_weight_room, *n,
                          sizeof *w->k_weight, what, err));
    MLFF_TRY(mlff_reserve((void **) &w->own, &w->own_room, *n, sizeof *w->own, what, err));
    MLFF_TRY(mlff_reserve((void **) &w->all, &w->all_room, *n, sizeof *w->all, what, err));
    wave_vectors(r, m_max, w->k, w->k_weight);
    return MLFF_OK;
}

static double phase(const host_charges *s, int i, const double k[3]) {
    const double *x = s->graph->position[i];
    return k[0]*x[0] + k[1]*x[1] + k[2]*x[2];
}

static mlff_status structure_factors(const host_charges *s, const host_region_sum *r,
                                     host_reciprocal *w, size_t n, mlff_error *err) {
    for (size_t k = 0; k < n; k++) {
        double re = 0, im = 0;
        for (int i = 0; i < s->graph->n_local; i++)
            if (host_is_member(s, r, i)) {
                const double kx = phase(s, i, w->k[k]);
                re += s->q[i]*cos(kx);
                im += s->q[i]*sin(kx);
            }
        w->own[k][0] = w->all[k][0] = re;
        w->own[k][1] = w->all[k][1] = im;
    }
    return n == 0 ? MLFF_OK : mlff_exchange_sum(s->exchange, &w->all[0][0], 2*n, err);
}

/* Derivatives of one atom: dE/dq = 2c sum_k w Re(conj(S) e^{ikx}), F likewise with k Im. */
static void atom_derivatives(const host_charges *s, const host_reciprocal *w, size_t n, double c,
                             int i) {
    double potential = 0, field[3] = {0};
    for (size_t k = 0; k < n; k++) {
        const double kx = phase(s, i, w->k[k]), re = cos(kx), im = sin(kx);
        const double *S = w->all[k];
        potential += 2*c*w->k_weight[k]*(S[0]*re + S[1]*im);
        const double slope = 2*c*w->k_weight[k]*(S[0]*im - S[1]*re);
        for (int x = 0; x < 3; x++)
            field[x] += slope*w->k[k][x];
    }
    if (s->grad_q)
        s->grad_q[i] += potential;
    for (int x = 0; s->force && x < 3; x++)
        s->force[i][x] += s->q[i]*field[x];
}

mlff_status host_ewald_add(const host_charges *s, const host_region_sum *r,
                           host_reciprocal *w, double *energy, mlff_error *err) {
    const double c = 2*pi*s->ke/r->ewald.volume;
    size_t n = 0;
    MLFF_TRY(make_vectors(s, r, w, &n, err));
    MLFF_TRY(structure_factors(s, r, w, n, err));
    for (size_t k = 0; k < n; k++) {
        const double share = w->own[k][0]*w->all[k][0] + w->own[k][1]*w->all[k][1];
        const double term = c*w->k_weight[k]*share;
        *energy += term;
        if (s->strain)
            host_reciprocal_strain(s->strain, w->k[k], r->ewald.alpha, term);
    }
    if (!s->grad_q && !s->force)
        return MLFF_OK;
    for (int i = 0; i < s->graph->n_local; i++)
        if (host_is_member(s, r, i))
            atom_derivatives(s, w, n, c, i);
    return MLFF_OK;
}
