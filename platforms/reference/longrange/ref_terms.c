/* Coulomb and dispersion as the engine calls them. */
#include "ref_terms.h"
#include "ref_longrange_private.h"

#include <stdlib.h>
#include <string.h>

/* The terms of one evaluator. */
typedef struct ref_terms {
    ref_longrange_work work;
    mlff_longrange lr;
    const mlff_task *task;
    mlff_result result;                 /* of the evaluation in progress */
    double (*force)[3];                 /* [n_all], with room for more */
    size_t force_room;
    double strain[9];
} ref_terms;

static void destroy(void *state) {
    ref_terms *terms = state;
    if (!terms)
        return;
    ref_longrange_work_free(&terms->work);
    free(terms->force);
    free(terms);
}

static mlff_status create(const mlff_longrange_model *model, void **state, mlff_error *err) {
    ref_terms *terms = calloc(1, sizeof *terms);
    if (!terms)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for long-range terms");
    (void) model;  // in every mlff_longrange
    *state = terms;
    return MLFF_OK;
}

static mlff_status pair_cutoff(void *state, const mlff_longrange *lr, const mlff_graph *graph,
                               const mlff_exchange *exchange, double *range, mlff_error *err) {
    ref_terms *terms = state;
    return ref_longrange_pair_cutoff(lr, &terms->work, graph, exchange, range, err);
}

static mlff_status prepare(void *state, const mlff_longrange *lr, const mlff_task *task,
                           mlff_error *err) {
    ref_terms *terms = state;
    terms->lr = *lr;
    terms->task = task;
    return mlff_reserve((void **) &terms->force, &terms->force_room,
                        (size_t) task->graph->n_all, sizeof *terms->force,
                        "long-range forces", err);
}

static void run(void *state, mlff_member *member) {
    ref_terms *terms = state;
    const mlff_task *task = terms->task;
    const size_t n = (size_t) task->graph->n_all;
    mlff_error err;
    if (member->thread != 0 || mlff_team_failed(member))
        return;
    memset(terms->force, 0, n*sizeof *terms->force);
    memset(terms->strain, 0, sizeof terms->strain);
    if (task->grad_charge)
        memset(task->grad_charge, 0, n*sizeof *task->grad_charge);
    terms->result = (mlff_result) {.force = task->want_force ? terms->force : NULL,
                                   .strain = task->want_strain ? terms->strain : NULL};
    mlff_team_check(member, ref_longrange_evaluate(&terms->lr, &terms->work, task->graph,
                                                   task->exchange, task->charge,
                                                   task->want_force ? task->grad_charge : NULL,
                                                   &terms->result, &err), &err);
}

static void report(void *state, mlff_result *result) {
    static const mlff_component mine[] = {MLFF_COULOMB_SHORT, MLFF_COULOMB_FULL, MLFF_DISPERSION};
    const ref_terms *terms = state;
    for (int k = 0; k < 3; k++)
        result->component[mine[k]] = terms->result.component[mine[k]];
    for (int i = 0; result->force && i < terms->task->graph->n_all; i++)
        for (int x = 0; x < 3; x++)
            result->force[i][x] += terms->force[i][x];
    for (int k = 0; result->strain && k < 9; k++)
        result->strain[k] += terms->strain[k];
}

const mlff_longrange_type ref_longrange = {
    .create = create,
    .destroy = destroy,
    .pair_cutoff = pair_cutoff,
    .prepare = prepare,
    .run = run,
    .report = report,
};
