/*
 * Coulomb and dispersion of the reference platform, one call each; the engine calls ref_terms.h.
 */
#ifndef REF_LONGRANGE_H_
#define REF_LONGRANGE_H_

#include "mlff_longrange.h"

struct ref_kernel;

/* Scratch that stays between evaluations; start from all zeros, free once. */
typedef struct ref_longrange_work {
    /* Ewald and PME */
    mlff_ewald_list ewald;      /* the splitting of each region */
    struct ref_kernel *kernel;  /* [n_regions] of its pairs */
    size_t kernel_room;

    /* PME */
    double (*mesh)[2];          /* [K1][K2][K3] complex: charges, then their transform */
    double (*mesh_all)[2];      /* the same of all ranks; more than one only */
    double (*line)[2];          /* [3 max(K)] */
    double *modulus;            /* [K1 + K2 + K3] */
    size_t mesh_room, mesh_all_room, line_room, modulus_room;

    /* dispersion */
    double *cn, *grad_cn;       /* [n_all] coordination numbers, dE/dCN */
    size_t cn_room, grad_cn_room;
} ref_longrange_work;

void ref_longrange_work_free(ref_longrange_work *work);  /* leaves all zeros */

/*
 * Range of the long-range list the host must build for a graph, angstrom: INFINITY all pairs, 0
 * none. Reads n_local, regions and cell of the graph, not its pairs.
 *
 * Returns MLFF_OK, MLFF_ERROR_BOX (a cell without volume), MLFF_ERROR_ARGUMENT, MLFF_ERROR_MEMORY.
 */
mlff_status ref_longrange_pair_cutoff(const mlff_longrange *lr, ref_longrange_work *work,
                                      const mlff_graph *graph, const mlff_exchange *exchange,
                                      double *cutoff, mlff_error *err);

/*
 * Add E_short, E_full and E_dispersion at given charges, with their explicit derivatives.
 *
 *   lr         from mlff_longrange_resolve() with periodic = (graph->cell != NULL)
 *   graph      long_range: pairs within ref_longrange_pair_cutoff() or more; message: within the
 *              short-range radius or more; position and cell for Ewald and PME
 *   exchange   NULL or all NULL in one process; ghosts need all three
 *   q          [n_all] e, ghosts filled; NULL: dispersion alone
 *   gq         [n_all] eV/e: dE/dq, ADDED to, ghosts too (the caller reverses them with the rest);
 *              NULL: not wanted
 *   result     component[MLFF_COULOMB_SHORT], [MLFF_COULOMB_FULL], [MLFF_DISPERSION]: set;
 *              force, strain: ADDED to at fixed q, where not NULL; nothing else is touched
 *
 * Returns MLFF_OK, MLFF_ERROR_ARGUMENT (pairs, positions or callbacks that are missing, a mesh too
 * large), MLFF_ERROR_BOX, MLFF_ERROR_ELEMENT (no dispersion data), MLFF_ERROR_MEMORY.
 */
mlff_status ref_longrange_evaluate(const mlff_longrange *lr, ref_longrange_work *work,
                                   const mlff_graph *graph, const mlff_exchange *exchange,
                                   const double *q, double *gq, mlff_result *result,
                                   mlff_error *err);

#endif
