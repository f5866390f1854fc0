/* One model on the reference platform, evaluated for whole systems: list, graph, result. */
#ifndef REFERENCE_RUN_H_
#define REFERENCE_RUN_H_

#include "check.h"
#include "mlff_reference.h"

typedef struct reference_run {
    mlff_model *model;
    mlff_evaluator *evaluator;
    double cutoff;
    ref_pair_list list;
    mlff_error err;
    /* of the last evaluation */
    int n_atoms;
    double energy, component[MLFF_N_COMPONENTS];
    double strain[9];
    double (*force)[3];    /* [n_atoms] */
    double *atom_energy;   /* [n_atoms] */
} reference_run;

static inline mlff_status reference_open(reference_run *run, const char *path) {
    *run = (reference_run){0};
    mlff_status status = mlff_model_load(path, &run->model, &run->err);
    if (status == MLFF_OK)
        status = mlff_evaluator_new(mlff_reference_platform(), run->model, NULL, &run->evaluator,
                                    &run->err);
    if (status == MLFF_OK)
        run->cutoff = mlff_model_get_info(run->model)->cutoff;
    return status;
}

static inline void reference_close(reference_run *run) {
    mlff_evaluator_free(run->evaluator);
    mlff_model_free(run->model);
    ref_pair_list_free(&run->list);
    free(run->force);
    free(run->atom_energy);
    *run = (reference_run){0};
}

/*
 * Energy, forces, strain derivative of one system.
 *
 *   region   [n_atoms] or NULL
 *   cell     [3][3] or NULL
 */
static inline mlff_status reference_evaluate(reference_run *run, int n_atoms, const int *species,
                                             const double (*position)[3], const int *region,
                                             const double (*cell)[3]) {
    mlff_status status = ref_neighbors_build(n_atoms, position, region, cell, run->cutoff,
                                             &run->list, &run->err);
    if (status != MLFF_OK)
        return status;
    int n_regions = 1;
    for (int i = 0; region && i < n_atoms; i++)
        n_regions = region[i] >= n_regions ? region[i] + 1 : n_regions;
    if (n_atoms > run->n_atoms || !run->force) {
        run->force = realloc(run->force, ((size_t)n_atoms + 1)*sizeof *run->force);
        run->atom_energy = realloc(run->atom_energy, ((size_t)n_atoms + 1)*sizeof(double));
    }
    run->n_atoms = n_atoms;
    memset(run->force, 0, ((size_t)n_atoms + 1)*sizeof *run->force);
    const mlff_graph graph = {
        .n_local = n_atoms, .n_all = n_atoms, .species = species,
        .message = ref_pair_list_view(&run->list),
        .n_regions = n_regions, .region = region,
    };
    mlff_result result = {.force = run->force, .strain = run->strain,
                          .atom_energy = run->atom_energy};
    status = mlff_evaluate(run->evaluator, &graph, NULL, &result, &run->err);
    run->energy = result.energy;
    memcpy(run->component, result.component, sizeof run->component);
    return status;
}

#endif
