#include "host_reciprocal_private.h"

#include <math.h>
#include <stdlib.h>

static const double pi = 3.14159265358979323846;

void host_reciprocal_free(host_reciprocal *w) {
    void *const blocks[] = {w->k, w->k_weight, w->own, w->all, w->mesh, w->mesh_all, w->line,
                            w->modulus};
    for (size_t k = 0; k < sizeof blocks/sizeof *blocks; k++)
        free(blocks[k]);
    *w = (host_reciprocal) {0};
}

void host_reciprocal_strain(double *strain, const double k[3], double alpha, double energy) {
    const double k2 = k[0]*k[0] + k[1]*k[1] + k[2]*k[2];
    const double c = 2*(1/(4*alpha*alpha) + 1/k2)*energy;
    for (int x = 0; x < 3; x++) {
        strain[4*x] -= energy;  // 1/V
        for (int y = 0; y < 3; y++)
            strain[3*x + y] += c*k[x]*k[y];
    }
}

/* Self energy and neutralizing background:
     - ke [alpha/sqrt(pi) sum q_i^2 + pi/(2 alpha^2 V) (sum q_i)^2] */
static mlff_status add_self(const host_charges *s, const host_region_sum *r, double *energy,
                            mlff_error *err) {
    const mlff_ewald *e = &r->ewald;
    const double self = -s->ke*e->alpha/sqrt(pi);
    const double background = -s->ke*pi/(2*e->alpha*e->alpha*e->volume);

    // charges of the owned atoms, and of all ranks
    double q_own = 0, q2 = 0;
    for (int i = 0; i < s->graph->n_local; i++)
        if (host_is_member(s, r, i)) {
            q_own += s->q[i];
            q2 += s->q[i]*s->q[i];
        }
    double q_all = q_own;
    MLFF_TRY(mlff_exchange_sum(s->exchange, &q_all, 1, err));
    *energy += self*q2 + background*q_own*q_all;

    for (int i = 0; s->grad_q && i < s->graph->n_local; i++)
        if (host_is_member(s, r, i))
            s->grad_q[i] += 2*self*s->q[i] + 2*background*q_all;
    for (int x = 0; s->strain && x < 3; x++)
        s->strain[4*x] -= background*q_own*q_all;  // 1/V
    return MLFF_OK;
}

mlff_status host_reciprocal_add(host_reciprocal *work, const mlff_longrange *lr,
                                const mlff_ewald *ewald, const host_charges *charges,
                                double *energy, mlff_error *err) {
    for (int k = 0; k < charges->graph->n_regions; k++) {
        host_region_sum r = {.region = k, .ewald = ewald[k]};
        if (r.ewald.alpha == 0)  // without atoms
            continue;
        mlff_cell_reciprocal(charges->graph->cell, r.b);
        MLFF_TRY(add_self(charges, &r, energy, err));
        MLFF_TRY(lr->coulomb == MLFF_COULOMB_PME ?
                 host_pme_add(charges, &r, lr->ewald_tolerance, work, energy, err) :
                 host_ewald_add(charges, &r, work, energy, err));
    }
    return MLFF_OK;
}
