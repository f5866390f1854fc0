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
#include "mlff_platform.h"
#include "host_reciprocal.h"

extern const mlff_longrange_type cpu_longrange_type;

/* The state. */
typedef struct cpu_longrange {
    const cpu_kernels *kernels;
    const mlff_longrange_model *model;  /* borrowed */
    host_reciprocal reciprocal_work;
    mlff_ewald_list ewald;
    double *cnref;             /* [table->n][5] reference coordination numbers, INFINITY: unused;
                                  NULL: the table has several per atom and reference */

    /* one evaluation */
    const mlff_task *task;
    mlff_longrange lr;
    double reciprocal;         /* eV */
    double (*reciprocal_force)[3], reciprocal_strain[9];  /* [n]; Ewald and PME only */
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

/* Stages about dispersion, cpu_dispersion.c. */
mlff_status cpu_dispersion_new(cpu_longrange *work, mlff_error *err);
mlff_status cpu_dispersion_prepare(cpu_longrange *work, const mlff_graph *graph, mlff_error *err);
void cpu_dispersion_atom(cpu_longrange *work, const mlff_graph *graph, int i);

#endif
