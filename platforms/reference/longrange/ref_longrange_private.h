/* Stages of ref_longrange_evaluate(); what they add to is as in ref_longrange.h. */
#ifndef REF_LONGRANGE_PRIVATE_H_
#define REF_LONGRANGE_PRIVATE_H_

#include "mlff_exchange.h"
#include "ref_longrange.h"

/* What every stage reads and adds to. */
typedef struct ref_charges {
    const mlff_graph *graph;
    const mlff_exchange *exchange;  /* never NULL; its members may be */
    double ke;                      /* eV angstrom/e^2 */
    const double *q;                /* [n_all] */
    double *gq;                     /* [n_all] or NULL */
    double (*force)[3];             /* [n_all] or NULL */
    double *strain;                 /* [9] or NULL */
} ref_charges;

static inline int ref_region(const mlff_graph *graph, int i) {
    return graph->region ? graph->region[i] : 0;
}

/* R = x_j - x_i, dE/dR = slope R: force on both atoms and strain. */
static inline void ref_pair_force(double (*force)[3], double *strain, int i, int j,
                                  const double R[3], double slope) {
    for (int x = 0; x < 3; x++) {
        force[i][x] += slope*R[x];
        force[j][x] -= slope*R[x];
        for (int y = 0; y < 3 && strain; y++)
            strain[3*x + y] += slope*R[x]*R[y];
    }
}

/* The charge interaction E_ij = c q_i q_j phi(d) of one pair sum. */
typedef enum ref_kernel_form {
    REF_KERNEL_SHORT_EXP,     /* h(d)/d with the exp envelope of the range */
    REF_KERNEL_SHORT_COSINE,  /* h(d)/d with the cosine envelope of the range */
    REF_KERNEL_PLAIN,         /* 1/d */
    REF_KERNEL_SHIFTED,       /* erfc(alpha d)/d - A + (d - range) B */
    REF_KERNEL_SCREENED       /* erfc(alpha d)/d */
} ref_kernel_form;

typedef struct ref_kernel {
    ref_kernel_form form;
    double range;             /* angstrom; pairs with d < range */
    double alpha;             /* 1/angstrom */
    double shift, slope;      /* A, B */
} ref_kernel;

/*
 * Sum of c q_i q_j phi(d) over the directed pairs of the owned rows.
 *
 *   kernel   [1], or one for each region where per_region is set
 */
double ref_coulomb_pairs(const ref_charges *s, const mlff_pairs *pairs, double c,
                         const ref_kernel *kernel, bool per_region);

/* E_full by DSF: pairs and self terms. */
double ref_coulomb_dsf(const ref_charges *s, double alpha, double range);

/* One region's part of an Ewald sum beyond the pairs. Energies of the owned atoms' share. */
typedef struct ref_reciprocal {
    int region;
    mlff_ewald ewald;
    double b[3][3];  /* rows of the reciprocal cell without 2 pi */
} ref_reciprocal;

/* Self energy and neutralizing background. */
mlff_status ref_ewald_self(const ref_charges *s, const ref_reciprocal *r, double *energy,
                           mlff_error *err);

/* Reciprocal sum, term by term. */
mlff_status ref_ewald_reciprocal(const ref_charges *s, const ref_reciprocal *r, double *energy,
                                 mlff_error *err);

/* The same by smooth particle mesh Ewald, splines of order 5. */
mlff_status ref_pme_reciprocal(const ref_charges *s, const ref_reciprocal *r, double tolerance,
                               ref_longrange_work *work, double *energy, mlff_error *err);

/* Strain of a term E_k of the reciprocal sum at wave vector k. */
static inline void ref_reciprocal_strain(double *strain, const double k[3], double alpha,
                                         double energy) {
    const double k2 = k[0]*k[0] + k[1]*k[1] + k[2]*k[2];
    const double c = 2*(1/(4*alpha*alpha) + 1/k2)*energy;
    for (int x = 0; x < 3; x++) {
        strain[4*x] -= energy;  // 1/V
        for (int y = 0; y < 3; y++)
            strain[3*x + y] += c*k[x]*k[y];
    }
}

/* D3(BJ) energy; see mlff_dispersion.h. */
mlff_status ref_dispersion(const mlff_longrange *lr, ref_longrange_work *work,
                           const mlff_graph *graph, const mlff_exchange *exchange,
                           double (*force)[3], double *strain, double *energy, mlff_error *err);

#endif
