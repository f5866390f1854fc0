/*
 * Coulomb and dispersion of the CPU platform; equations: platforms/reference/longrange. Rows of
 * pairs go to the vector kernels; every owned row gathers both directions of its pairs, so that no
 * two threads write to one place, and ghosts feel nothing here: their owners' rows do. Reciprocal
 * sums of Ewald and PME are platforms/host's, in double precision on one thread.
 */
#ifndef CPU_LONGRANGE_H_
#define CPU_LONGRANGE_H_

#include "../ops/cpu_kernels.h"
#include "../ops/cpu_memory.h"
#include "../ops/cpu_team.h"
#include "mlff_longrange.h"
#include "host_reciprocal.h"

typedef struct cpu_longrange {
    const cpu_kernels *kernels;
    const mlff_longrange_model *model;  /* borrowed */
    host_reciprocal reciprocal_work;
    mlff_ewald_list ewald;
    double *cnref;             /* [table->n][5] reference coordination numbers, INFINITY: unused;
                                  NULL: the table has several per atom and reference */

    /* one evaluation */
    mlff_longrange lr;
    double reciprocal;         /* eV */
    cpu_dispersion d3;
    cpu_buffer block;          /* the arrays below */
    cpu_longrange_row *row;    /* [n] */
    double *coulomb_short;     /* [n] eV */
    float *q;                  /* [n] e */
    float *cn, *grad_cn;       /* [n] */
    float *rcov;               /* [n] bohr */
    float *w, *offset, *weight, *slope, *record;  /* see cpu_dispersion */
    float *c6ref, *pair_cnref;
    int *kind;
} cpu_longrange;

/* All zeros before; the model must outlive it. */
mlff_status cpu_longrange_new(cpu_longrange *work, const mlff_longrange_model *model,
                              const cpu_kernels *kernels, mlff_error *err);
void cpu_longrange_free(cpu_longrange *work);  /* leaves all zeros */

/* Range of the long-range list for a graph, angstrom; INFINITY all pairs, 0 none. */
mlff_status cpu_longrange_pair_cutoff(cpu_longrange *work, const mlff_settings *settings,
                                      const mlff_graph *graph, const mlff_exchange *exchange,
                                      double *range, mlff_error *err);

/* Resolve the settings for a graph, check it and make room. */
mlff_status cpu_longrange_prepare(cpu_longrange *work, const mlff_settings *settings,
                                  const mlff_graph *graph, const mlff_exchange *exchange,
                                  mlff_error *err);

/*
 * Called by all threads; the last thing it does is to meet.
 *   charge        [n_all] e
 *   grad_charge   [n_all] out, eV/e: dE/dq
 *   result        forces and strain of reciprocal sums are added; the rest comes by _report()
 */
void cpu_longrange_run(cpu_longrange *work, cpu_member *member, const mlff_graph *graph,
                       const mlff_exchange *exchange, const double *charge, double *grad_charge,
                       mlff_result *result);

/* Add energies, forces and strain of the rows to the result; one thread. */
void cpu_longrange_report(const cpu_longrange *work, const mlff_graph *graph, mlff_result *result);

/* Stages of cpu_longrange_run() about atom i, cpu_dispersion.c. */
mlff_status cpu_dispersion_new(cpu_longrange *work, mlff_error *err);
mlff_status cpu_dispersion_prepare(cpu_longrange *work, const mlff_graph *graph, mlff_error *err);
void cpu_dispersion_atom(cpu_longrange *work, const mlff_graph *graph, int i);

#endif
