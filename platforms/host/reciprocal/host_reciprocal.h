/*
 * What Ewald's sum and PME add to the pairs: reciprocal sum, self energy, background. In double
 * precision, on one thread.
 */
#ifndef HOST_RECIPROCAL_H_
#define HOST_RECIPROCAL_H_

#include "mlff_longrange.h"

/* Scratch that stays between evaluations; start from all zeros, free once. */
typedef struct host_reciprocal {
    /* Ewald: half of the wave vectors */
    double (*k)[3];             /* [n_k] 1/angstrom */
    double *k_weight;           /* [n_k] 2 exp(-k^2/(4 alpha^2))/k^2 */
    double (*own)[2];           /* [n_k] sum_j q_j exp(i k x_j) of the owned atoms */
    double (*all)[2];           /* [n_k] of all ranks */
    size_t k_room, k_weight_room, own_room, all_room;

    /* PME */
    double (*mesh)[2];          /* [K1][K2][K3] complex: charges, then their transform */
    double (*mesh_all)[2];      /* the same of all ranks; more than one only */
    double (*line)[2];          /* [2 max(K)] */
    double *modulus;            /* [K1 + K2 + K3] */
    size_t mesh_room, mesh_all_room, line_room, modulus_room;
} host_reciprocal;

void host_reciprocal_free(host_reciprocal *work);  /* leaves all zeros */

/* What the sums read and add to. */
typedef struct host_charges {
    const mlff_graph *graph;        /* position and cell are there */
    const mlff_exchange *exchange;  /* NULL: one process */
    double ke;                      /* eV angstrom/e^2 */
    const double *q;                /* [n_all] e */
    double *grad_q;                 /* [n_all] eV/e, added to, owned rows; or NULL */
    double (*force)[3];             /* [n_all] eV/angstrom, added to at fixed q; or NULL */
    double *strain;                 /* [9] eV, added to; or NULL */
} host_charges;

/*
 * Add the terms of all regions.
 *
 *   lr       Ewald or PME
 *   ewald    [n_regions] their splittings (mlff_ewald_list_choose())
 *   energy   eV, added to: the owned atoms' share
 *
 * Returns MLFF_OK, MLFF_ERROR_ARGUMENT (the exchange stopped the evaluation, a mesh too large),
 * MLFF_ERROR_BOX (too many wave vectors), MLFF_ERROR_MEMORY.
 */
mlff_status host_reciprocal_add(host_reciprocal *work, const mlff_longrange *lr,
                                const mlff_ewald *ewald, const host_charges *charges,
                                double *energy, mlff_error *err);

/*
 * Discrete Fourier transform along all three axes, in place, not normalized.
 *
 *   n      mesh points per axis, no prime factor above 7
 *   mesh   [n[0]][n[1]][n[2]][2] complex
 *   sign   -1 or +1: exp(sign 2 pi i k g/n)
 *   line   scratch [2 max(n)][2]
 */
void host_fft(const int n[3], double (*mesh)[2], int sign, double (*line)[2]);

#endif
