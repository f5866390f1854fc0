/*
 * What a platform offers the engine; not installed. An evaluation is
 *
 *   prepare     of the network, then of the long-range terms      one thread: checks, memory
 *   forward     energies and charges of the network               all threads, one run of the team:
 *   run         Coulomb and dispersion at these charges             no barrier between the three but
 *   backward    forces of the network                               those they have themselves
 *   report      of the long-range terms, add_force of the network one thread
 *
 * and the evaluator does the rest: constants of the elements, sums, what is not finite.
 */
#ifndef MLFF_PLATFORM_H_
#define MLFF_PLATFORM_H_

#include "mlff_longrange.h"
#include "mlff_team.h"

/* One evaluation. It lives from prepare() to the end; every array belongs to the evaluator. */
typedef struct mlff_task {
    const mlff_graph *graph;
    const mlff_exchange *exchange;  /* never NULL; its members may be */
    bool want_force, want_strain;
    double *atom_energy;  /* [n_local] eV: forward() writes, without constants of the elements */
    double *charge;       /* [n_all] e: forward() writes; NULL: the model has none */
    double *grad_charge;  /* [n_all] eV/e: run() writes, backward() reads; NULL: 0 everywhere */
} mlff_task;

/*
 * The network of an architecture, in platforms/<p>/<architecture>/. The state keeps its scratch and
 * stays usable after an error. Failures in the team are recorded by mlff_team_fail().
 */
typedef struct mlff_network_type {
    const char *architecture;
    /* model and parallel (NULL: one thread) outlive the state */
    mlff_status (*create)(const mlff_model *model, const mlff_parallel *parallel, void **state,
                          mlff_error *err);
    void (*destroy)(void *state);  /* NULL is fine */
    /* n_charged: out, rows whose charges forward() will give; of models with charges */
    mlff_status (*prepare)(void *state, const mlff_task *task, int *n_charged, mlff_error *err);
    /* by all threads; charges are there for every thread when it returns */
    void (*forward)(void *state, mlff_member *member);
    /* by all threads, if forces are wanted; everything is there after the team's run */
    void (*backward)(void *state, mlff_member *member);
    /* force [n_all][3] eV/angstrom, strain [9] eV or NULL: added to */
    void (*add_force)(void *state, double (*force)[3], double *strain);
} mlff_network_type;

/* Coulomb and dispersion of a platform, for every architecture. */
typedef struct mlff_longrange_type {
    mlff_status (*create)(const mlff_longrange_model *model, void **state, mlff_error *err);
    void (*destroy)(void *state);  /* NULL is fine */
    /* range of the long-range list, angstrom: 0 none, INFINITY all pairs */
    mlff_status (*pair_cutoff)(void *state, const mlff_longrange *lr, const mlff_graph *graph,
                               const mlff_exchange *exchange, double *range, mlff_error *err);
    /* lr is read, not kept; the graph has passed mlff_longrange_check_graph() */
    mlff_status (*prepare)(void *state, const mlff_longrange *lr, const mlff_task *task,
                           mlff_error *err);
    /* by all threads; dE/dq is there for every thread when it returns */
    void (*run)(void *state, mlff_member *member);
    /* component: set its terms; force, strain: added to where not NULL */
    void (*report)(void *state, mlff_result *result);
} mlff_longrange_type;

struct mlff_platform {
    const char *name;              /* "Reference" */
    int n_networks;
    const mlff_network_type *const *networks;  /* one line per architecture */
    const mlff_longrange_type *longrange;
};

/* The states of an evaluator's network and long-range terms (NULL: it has none). For tests. */
MLFF_API void *mlff_evaluator_network(mlff_evaluator *evaluator);
MLFF_API void *mlff_evaluator_longrange(mlff_evaluator *evaluator);

#endif
