/*
 * Ewald sum of one region, conducting boundary, neutralising background:
 *   (2 pi ke/V) sum_{k != 0} exp(-k^2/(4 alpha^2))/k^2 |S(k)|^2,  S(k) = sum_j q_j exp(i k x_j)
 *   - ke [alpha/sqrt(pi) sum q_i^2 + pi/(2 alpha^2 V) (sum q_i)^2]
 * A rank's energy is the share of its owned atoms, S_own and Q_own in place of one factor.
 */
#include "ref_longrange_private.h"

#include <limits.h>
#include <math.h>

enum { LARGEST_SUM = 1 << 26 };  // 2 GiB

static const double pi = 3.14159265358979323846;

mlff_status ref_ewald_self(const ref_charges *s, const ref_reciprocal *r, double *energy,
                           mlff_error *err) {
    const mlff_ewald *e = &r->ewald;
    const double self = -s->ke*e->alpha/sqrt(pi);
    const double background = -s->ke*pi/(2*e->alpha*e->alpha*e->volume);

    double q_own = 0, q2 = 0;
    for (int i = 0; i < s->graph->n_local; i++)
        if (ref_region(s->graph, i) == r->region) {
            q_own += s->q[i];
            q2 += s->q[i]*s->q[i];
        }
    double q_all = q_own;
    MLFF_TRY(ref_longrange_sum(s->exchange, &q_all, 1, err));
    *energy += self*q2 + background*q_own*q_all;

    for (int i = 0; s->gq && i < s->graph->n_local; i++)
        if (ref_region(s->graph, i) == r->region)
            s->gq[i] += 2*self*s->q[i] + 2*background*q_all;
    for (int x = 0; s->strain && x < 3; x++)
        s->strain[4*x] -= background*q_own*q_all;  // 1/V
    return MLFF_OK;
}

/* Integers m along each axis that the sphere k_cut needs; returns how many triples there are. */
static double largest_waves(const ref_charges *s, const ref_reciprocal *r, int m_max[3]) {
    double count = 1;
    for (int d = 0; d < 3; d++) {
        const double *a = s->graph->cell[d];
        const double length = sqrt(a[0]*a[0] + a[1]*a[1] + a[2]*a[2]);
        const double m = ceil(r->ewald.k_cut*length/(2*pi));  // k.a = 2 pi m
        m_max[d] = (int) fmin(m, INT_MAX);
        count *= 2*m + 1;
    }
    return count;
}

/* One of each pair k, -k in the smallest box of integer multiples that holds the sphere k_cut, with
   twice the weight; the published code's choice, its corners cost little and make the sum tighter.
   Returns their number; a first call with k = NULL counts. */
static size_t wave_vectors(const ref_charges *s, const ref_reciprocal *r, double (*k)[3],
                           double *weight) {
    const mlff_ewald *e = &r->ewald;
    int m_max[3];
    largest_waves(s, r, m_max);
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

static mlff_status make_vectors(const ref_charges *s, const ref_reciprocal *r,
                                ref_longrange_work *w, size_t *n, mlff_error *err) {
    static const char what[] = "wave vectors";
    int m_max[3];
    const double count = largest_waves(s, r, m_max);
    if (!(count <= LARGEST_SUM))
        return mlff_fail(err, MLFF_ERROR_BOX, "Ewald's sum needs %.3g wave vectors in a cell of %g "
                         "A^3, more than %d: choose a larger tolerance, PME or a less elongated "
                         "cell", count, r->ewald.volume, LARGEST_SUM);
    *n = wave_vectors(s, r, NULL, NULL);
    MLFF_TRY(ref_longrange_room((void **) &w->k, &w->k_room, *n, sizeof *w->k, what, err));
    MLFF_TRY(ref_longrange_room((void **) &w->k_weight, &w->k_weight_room, *n,
                                sizeof *w->k_weight, what, err));
    MLFF_TRY(ref_longrange_room((void **) &w->own, &w->own_room, *n, sizeof *w->own, what, err));
    MLFF_TRY(ref_longrange_room((void **) &w->all, &w->all_room, *n, sizeof *w->all, what, err));
    wave_vectors(s, r, w->k, w->k_weight);
    return MLFF_OK;
}

static double phase(const ref_charges *s, int i, const double k[3]) {
    const double *x = s->graph->position[i];
    return k[0]*x[0] + k[1]*x[1] + k[2]*x[2];
}

static mlff_status structure_factors(const ref_charges *s, const ref_reciprocal *r,
                                     ref_longrange_work *w, size_t n, mlff_error *err) {
    for (size_t k = 0; k < n; k++) {
        double re = 0, im = 0;
        for (int i = 0; i < s->graph->n_local; i++)
            if (ref_region(s->graph, i) == r->region) {
                const double kx = phase(s, i, w->k[k]);
                re += s->q[i]*cos(kx);
                im += s->q[i]*sin(kx);
            }
        w->own[k][0] = w->all[k][0] = re;
        w->own[k][1] = w->all[k][1] = im;
    }
    return n == 0 ? MLFF_OK : ref_longrange_sum(s->exchange, &w->all[0][0], 2*n, err);
}

/* Derivatives of one atom: dE/dq = 2c sum_k w Re(conj(S) e^{ikx}), F likewise with k Im. */
static void atom_derivatives(const ref_charges *s, const ref_longrange_work *w, size_t n, double c,
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
    if (s->gq)
        s->gq[i] += potential;
    for (int x = 0; s->force && x < 3; x++)
        s->force[i][x] += s->q[i]*field[x];
}

mlff_status ref_ewald_reciprocal(const ref_charges *s, const ref_reciprocal *r,
                                 ref_longrange_work *w, double *energy, mlff_error *err) {
    const double c = 2*pi*s->ke/r->ewald.volume;
    size_t n = 0;
    MLFF_TRY(make_vectors(s, r, w, &n, err));
    MLFF_TRY(structure_factors(s, r, w, n, err));
    for (size_t k = 0; k < n; k++) {
        const double share = w->own[k][0]*w->all[k][0] + w->own[k][1]*w->all[k][1];
        const double term = c*w->k_weight[k]*share;
        *energy += term;
        if (s->strain)
            ref_reciprocal_strain(s->strain, w->k[k], r->ewald.alpha, term);
    }
    if (!s->gq && !s->force)
        return MLFF_OK;
    for (int i = 0; i < s->graph->n_local; i++)
        if (ref_region(s->graph, i) == r->region)
            atom_derivatives(s, w, n, c, i);
    return MLFF_OK;
}
