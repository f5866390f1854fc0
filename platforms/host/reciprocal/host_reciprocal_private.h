/* Stages of host_reciprocal_add() for one region. */
#ifndef HOST_RECIPROCAL_PRIVATE_H_
#define HOST_RECIPROCAL_PRIVATE_H_

#include "host_reciprocal.h"
#include "mlff_exchange.h"

typedef struct host_region_sum {
    int region;
    mlff_ewald ewald;
    double b[3][3];  /* rows of the reciprocal cell without 2 pi */
} host_region_sum;

static inline bool host_is_member(const host_charges *s, const host_region_sum *r, int i) {
    return (s->graph->region ? s->graph->region[i] : 0) == r->region;
}

/* Strain of a term E_k of the reciprocal sum at wave vector k. */
void host_reciprocal_strain(double *strain, const double k[3], double alpha, double energy);

/* Reciprocal sum, term by term (host_ewald.c). */
mlff_status host_ewald_add(const host_charges *s, const host_region_sum *r, host_reciprocal *work,
                           double *energy, mlff_error *err);

/* The same by smooth particle mesh Ewald, splines of order 5 (host_pme.c). */
mlff_status host_pme_add(const host_charges *s, const host_region_sum *r, double tolerance,
                         host_reciprocal *work, double *energy, mlff_error *err);

#endif
