/*
 * Ewald sum of one region, conducting boundary, neutralizing background, wave by wave:
 *   E = c sum_{k != 0} w |S|^2 - ke [alpha/sqrt(pi) sum q_i^2 + pi/(2 alpha^2 V) (sum q_i)^2]
 *   S(k) = sum_j q_j exp(i k x_j),  w(k) = exp(-k^2/(4 alpha^2))/k^2,  c = 2 pi ke/V
 *   dE/dq_i = 2c sum_k w Re(conj(S) exp(i k x_i)),  F_i = 2c q_i sum_k w k Im(conj(S) exp(i k x_i))
 * A rank's energy is the share of its owned atoms, S_own and Q_own in place of one factor.
 */
#include "ref_longrange_private.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

static bool is_member(const ref_charges *s, const ref_reciprocal *r, int i) {
    return ref_region(s->graph, i) == r->region;
}

mlff_status ref_ewald_self(const ref_charges *s, const ref_reciprocal *r, double *energy,
                           mlff_error *err) {
    const mlff_ewald *e = &r->ewald;
    const double self = -s->ke*e->alpha/sqrt(pi);
    const double background = -s->ke*pi/(2*e->alpha*e->alpha*e->volume);

    double q_own = 0, q2 = 0;
    for (int i = 0; i < s->graph->n_local; i++)
        if (is_member(s, r, i)) {
            q_own += s->q[i];
            q2 += s->q[i]*s->q[i];
        }
    double q_all = q_own;
    MLFF_TRY(mlff_exchange_sum(s->exchange, &q_all, 1, err));
    *energy += self*q2 + background*q_own*q_all;

    for (int i = 0; s->gq && i < s->graph->n_local; i++)
        if (is_member(s, r, i))
            s->gq[i] += 2*self*s->q[i] + 2*background*q_all;
    for (int x = 0; s->strain && x < 3; x++)
        s->strain[4*x] -= background*q_own*q_all;  // 1/V
    return MLFF_OK;
}

static double phase(const ref_charges *s, int i, const double k[3]) {
    const double *x = s->graph->position[i];
    return k[0]*x[0] + k[1]*x[1] + k[2]*x[2];
}

/* The term of one wave vector, with its derivatives. */
static mlff_status add_wave(const ref_charges *s, const ref_reciprocal *r, const double k[3],
                            double *energy, mlff_error *err) {
    const double k2 = k[0]*k[0] + k[1]*k[1] + k[2]*k[2], alpha = r->ewald.alpha;
    const double c = 2*pi*s->ke/r->ewald.volume*exp(-k2/(4*alpha*alpha))/k2;

    // the structure factor: of the owned atoms, then of all ranks
    double own[2] = {0, 0};
    for (int i = 0; i < s->graph->n_local; i++)
        if (is_member(s, r, i)) {
            own[0] += s->q[i]*cos(phase(s, i, k));
            own[1] += s->q[i]*sin(phase(s, i, k));
        }
    double S[2] = {own[0], own[1]};
    MLFF_TRY(mlff_exchange_sum(s->exchange, S, 2, err));

    const double term = c*(own[0]*S[0] + own[1]*S[1]);
    *energy += term;
    if (s->strain)
        ref_reciprocal_strain(s->strain, k, alpha, term);
    for (int i = 0; (s->gq || s->force) && i < s->graph->n_local; i++) {
        if (!is_member(s, r, i))
            continue;
        const double re = cos(phase(s, i, k)), im = sin(phase(s, i, k));
        if (s->gq)
            s->gq[i] += 2*c*(S[0]*re + S[1]*im);
        for (int x = 0; s->force && x < 3; x++)
            s->force[i][x] += 2*c*s->q[i]*(S[0]*im - S[1]*re)*k[x];
    }
    return MLFF_OK;
}

mlff_status ref_ewald_reciprocal(const ref_charges *s, const ref_reciprocal *r, double *energy,
                                 mlff_error *err) {
    int most[3];
    MLFF_TRY(mlff_ewald_waves(&r->ewald, s->graph->cell, most, err));
    for (int m0 = -most[0]; m0 <= most[0]; m0++)
        for (int m1 = -most[1]; m1 <= most[1]; m1++)
            for (int m2 = -most[2]; m2 <= most[2]; m2++) {
                double k[3];
                for (int x = 0; x < 3; x++)
                    k[x] = 2*pi*(m0*r->b[0][x] + m1*r->b[1][x] + m2*r->b[2][x]);
                if (m0 != 0 || m1 != 0 || m2 != 0)
                    MLFF_TRY(add_wave(s, r, k, energy, err));
            }
    return MLFF_OK;
}
