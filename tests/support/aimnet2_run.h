/* AIMNet2 on the reference platform, evaluated for whole systems: lists, graph, result. */
#ifndef AIMNET2_RUN_H_
#define AIMNET2_RUN_H_

#include "check.h"
#include "mlff_aimnet2.h"
#include "mlff_reference.h"

/* What is evaluated. */
typedef struct aimnet2_system {
    int n_atoms;
    const int *species;             /* [n_atoms] */
    const double (*position)[3];    /* [n_atoms] angstrom */
    const double (*cell)[3];        /* [3] or NULL */
    const int *region;              /* [n_atoms] or NULL */
    int n_regions;                  /* 0 stands for 1 */
    const double *total_charge;     /* [n_regions] or NULL */
    const double *multiplicity;     /* [n_regions] or NULL */
} aimnet2_system;

typedef struct aimnet2_run {
    mlff_evaluator *evaluator;
    ref_pair_list message, long_range;
    mlff_error err;
    bool energy_only;               /* no forces in the next evaluations */
    /* of the last evaluation */
    int n_atoms, room;
    double energy, component[MLFF_N_COMPONENTS];
    double strain[9];
    double (*force)[3];             /* [n_atoms] */
    double *atom_energy, *charge;   /* [n_atoms] */
} aimnet2_run;

/* ------------------------------------------------------------------------------- files -- */

/* A whole file, from malloc; NULL if there is none. */
static inline unsigned char *aimnet2_read_file(const char *path, size_t *n) {
    FILE *file = path ? fopen(path, "rb") : NULL;
    *n = 0;
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    *n = (size_t) ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*n + 1);
    CHECK(fread(bytes, 1, *n, file) == *n);
    bytes[*n] = 0;
    fclose(file);
    return bytes;
}

/* -------------------------------------------------------------------------- evaluation -- */

static inline mlff_status aimnet2_open(aimnet2_run *run, const mlff_model *model,
                                       mlff_settings settings) {
    *run = (aimnet2_run) {0};
    return mlff_evaluator_new(mlff_reference_platform(), model, &settings, &run->evaluator,
                              &run->err);
}

static inline void aimnet2_close(aimnet2_run *run) {
    mlff_evaluator_free(run->evaluator);
    ref_pair_list_free(&run->message);
    ref_pair_list_free(&run->long_range);
    free(run->force);
    free(run->atom_energy);
    free(run->charge);
    *run = (aimnet2_run) {0};
}

static inline void aimnet2_room(aimnet2_run *run, int n_atoms) {
    const size_t n = (size_t) n_atoms + 1;
    if (n_atoms >= run->room) {
        run->force = realloc(run->force, n*sizeof *run->force);
        run->atom_energy = realloc(run->atom_energy, n*sizeof(double));
        run->charge = realloc(run->charge, n*sizeof(double));
        run->room = n_atoms + 1;
    }
    run->n_atoms = n_atoms;
    memset(run->force, 0, n*sizeof *run->force);
}

/* The system's graph, its lists as long as the settings want them. */
static inline mlff_status aimnet2_graph(aimnet2_run *run, const aimnet2_system *s,
                                        mlff_graph *graph) {
    *graph = (mlff_graph) {
        .n_local = s->n_atoms, .n_all = s->n_atoms, .species = s->species,
        .n_regions = s->n_regions > 0 ? s->n_regions : 1, .region = s->region,
        .total_charge = s->total_charge, .multiplicity = s->multiplicity,
        .position = s->position, .cell = s->cell,
    };
    double message, long_range;
    MLFF_TRY(mlff_evaluator_pair_cutoffs(run->evaluator, graph, NULL, &message, &long_range,
                                         &run->err));
    MLFF_TRY(ref_neighbors_build(s->n_atoms, s->position, s->region, s->cell, message,
                                 &run->message, &run->err));
    graph->message = ref_pair_list_view(&run->message);
    if (long_range == 0)
        return MLFF_OK;
    MLFF_TRY(ref_neighbors_build(s->n_atoms, s->position, s->region, s->cell, long_range,
                                 &run->long_range, &run->err));
    graph->long_range = ref_pair_list_view(&run->long_range);
    return MLFF_OK;
}

static inline mlff_status aimnet2_evaluate(aimnet2_run *run, const aimnet2_system *s) {
    mlff_graph graph;
    MLFF_TRY(aimnet2_graph(run, s, &graph));
    aimnet2_room(run, s->n_atoms);
    mlff_result result = {.atom_energy = run->atom_energy, .charge = run->charge};
    if (!run->energy_only) {
        result.force = run->force;
        result.strain = run->strain;
    }
    const mlff_status status = mlff_evaluate(run->evaluator, &graph, NULL, &result, &run->err);
    run->energy = result.energy;
    memcpy(run->component, result.component, sizeof run->component);
    return status;
}

#endif
