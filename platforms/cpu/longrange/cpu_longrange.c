#include "cpu_longrange.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 4 };  /* rows of one piece of work */

/* --------------------------------------------------------------------------- host's side -- */

static void destroy(void *state) {
    cpu_longrange *w = state;
    if (!w)
        return;
    host_reciprocal_free(&w->reciprocal_work);
    mlff_ewald_list_free(&w->ewald);
    cpu_buffer_free(&w->block);
    free(w->cnref);
    free(w);
}

static mlff_status create(const mlff_longrange_model *model, void **state, mlff_error *err) {
    cpu_longrange *w = calloc(1, sizeof *w);
    if (!w)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for long-range terms");
    w->model = model;
    w->kernels = cpu_kernels_best();
    const mlff_status status = model->dispersion ? cpu_dispersion_new(w, err) : MLFF_OK;
    if (status != MLFF_OK) {
        destroy(w);
        return status;
    }
    *state = w;
    return MLFF_OK;
}

static size_t carve(cpu_longrange *w, char *base, size_t n, size_t n_table) {
    cpu_carver c = {base, 0};
    const size_t real = sizeof(float), record = n * CPU_D3_RECORD;
    const size_t n_block = n_table * n_table * CPU_D3_REFERENCES * CPU_D3_REFERENCES;
    w->row = cpu_carve(&c, n, sizeof *w->row);
    w->coulomb_short = cpu_carve(&c, n, sizeof(double));
    w->q = cpu_carve(&c, n, real);
    if (mlff_longrange_is_ewald(&w->lr))
        w->reciprocal_force = cpu_carve(&c, n, sizeof *w->reciprocal_force);
    if (!w->lr.dispersion)
        return c.used;
    w->cn = cpu_carve(&c, n, real);
    w->grad_cn = cpu_carve(&c, n, real);
    w->rcov = cpu_carve(&c, n, real);
    w->w = cpu_carve(&c, record, real);
    w->offset = cpu_carve(&c, record, real);
    w->weight = cpu_carve(&c, record, real);
    w->slope = cpu_carve(&c, record, real);
    w->kind = cpu_carve(&c, n, sizeof *w->kind);
    w->c6ref = cpu_carve(&c, n_block, real);
    w->pair_cnref = w->cnref ? NULL : cpu_carve(&c, n_block, real);
    w->record = cpu_carve(&c, n_table * record, real);
    return c.used;
}

/* Elements of the graph, for the size of the records. */
static size_t count_kinds(const mlff_graph *graph) {
    bool seen[MLFF_D3_MAX_Z + 1] = {false};
    size_t n = 0;
    for (int i = 0; i < graph->n_all; i++) {
        n += !seen[graph->species[i]];
        seen[graph->species[i]] = true;
    }
    return n;
}

static mlff_status pair_cutoff(void *state, const mlff_longrange *lr, const mlff_graph *graph,
                               const mlff_exchange *exchange, double *range, mlff_error *err) {
    cpu_longrange *w = state;
    double real_space = 0;
    if (mlff_longrange_is_ewald(lr))
        MLFF_TRY(mlff_ewald_list_choose(&w->ewald, lr->ewald_tolerance, graph, exchange, &real_space,
                                        err));
    *range = fmax(mlff_longrange_range(lr), real_space);
    return MLFF_OK;
}

static mlff_status prepare(void *state, const mlff_longrange *lr, const mlff_task *task,
                           mlff_error *err) {
    cpu_longrange *w = state;
    const mlff_graph *graph = task->graph;
    const size_t n = (size_t) graph->n_all;
    w->task = task;
    w->lr = *lr;
    w->reciprocal = 0;
    if (mlff_longrange_is_ewald(lr))
        MLFF_TRY(mlff_ewald_list_choose(&w->ewald, lr->ewald_tolerance, graph, task->exchange, NULL,
                                        err));
    const size_t n_table = w->lr.dispersion ? count_kinds(graph) : 0;
    MLFF_TRY(cpu_buffer_reserve(&w->block, carve(w, NULL, n, n_table), err));
    carve(w, w->block.data, n, n_table);
    return w->lr.dispersion ? cpu_dispersion_prepare(w, graph, err) : MLFF_OK;
}

/* --------------------------------------------------------------------------------- terms -- */

/* The network's Coulomb inside the short-range radius, taken out. */
static cpu_longrange_terms short_terms(const cpu_longrange *w) {
    return (cpu_longrange_terms) {
        .form = w->model->short_range_envelope == MLFF_ENVELOPE_COSINE ? CPU_COULOMB_SHORT_COSINE
                                                                       : CPU_COULOMB_SHORT_EXP,
        .range = (float) w->model->short_range_radius, .q = w->q,
        .coulomb = -w->model->coulomb_constant / 2,
    };
}

/* erfc(alpha Rc)/Rc and minus its derivative. */
static void dsf_shift(const mlff_longrange *lr, double *shift, double *slope) {
    const double a = lr->dsf_alpha, R = lr->dsf_cutoff, root_pi = 1.77245385090551602730;
    *shift = erfc(a * R) / R;
    *slope = (*shift + 2 * a / root_pi * exp(-a * a * R * R)) / R;
}

/* E_full of a region's pairs, and dispersion. */
static cpu_longrange_terms full_terms(const cpu_longrange *w, int region) {
    cpu_longrange_terms t = {.q = w->q, .coulomb = w->model->coulomb_constant / 2,
                             .hartree = -0.5 * MLFF_HARTREE,
                             .dispersion = w->lr.dispersion ? &w->d3 : NULL};
    double shift, slope;
    switch (w->lr.coulomb) {
    case MLFF_COULOMB_SIMPLE:
        t.form = CPU_COULOMB_PLAIN;
        break;
    case MLFF_COULOMB_DSF:
        t.form = CPU_COULOMB_SCREENED;
        dsf_shift(&w->lr, &shift, &slope);
        t.range = (float) w->lr.dsf_cutoff;
        t.alpha = (float) w->lr.dsf_alpha;
        t.shift = (float) shift;
        t.slope = (float) slope;
        break;
    case MLFF_COULOMB_EWALD:
    case MLFF_COULOMB_PME:
        t.form = CPU_COULOMB_SCREENED;
        t.range = (float) w->ewald.region[region].r_cut;
        t.alpha = (float) w->ewald.region[region].alpha;
        break;
    case MLFF_COULOMB_DEFAULT:
    case MLFF_COULOMB_NONE:
        t.form = CPU_COULOMB_NONE;
        break;
    }
    return t;
}

/* Self energy of DSF: self q^2. */
static double dsf_self(const cpu_longrange *w) {
    double shift, slope;
    if (w->lr.coulomb != MLFF_COULOMB_DSF)
        return 0;
    dsf_shift(&w->lr, &shift, &slope);
    return -w->model->coulomb_constant * (shift / 2 + w->lr.dsf_alpha / 1.77245385090551602730);
}

/* --------------------------------------------------------------------------------- rows -- */

static bool next_rows(mlff_member *member, int n, int *row0, int *row1) {
    *row0 = CHUNK * mlff_team_take(member);
    *row1 = *row0 + CHUNK < n ? *row0 + CHUNK : n;
    return *row0 < n;
}

#define FOR_ROWS(i, n)                                                                            \
    for (int row0_, row1_; next_rows(member, (n), &row0_, &row1_);)                               \
        for (int i = row0_; i < row1_; i++)

/* Arguments of a kernel about row i of a list. */
#define ROW(pairs, i)                                                                             \
    (i), (pairs)->first[(i) + 1] - (pairs)->first[i], (pairs)->neighbor + (pairs)->first[i],      \
        (pairs)->rij + (pairs)->first[i]

static void pair_row(cpu_longrange *w, const mlff_graph *graph, int i, bool strained) {
    cpu_longrange_row *row = &w->row[i];
    *row = (cpu_longrange_row) {0};
    if (w->model->short_range_radius > 0) {
        const cpu_longrange_terms t = short_terms(w);
        w->kernels->longrange_pairs(&t, ROW(&graph->message, i), strained, row);
    }
    w->coulomb_short[i] = row->coulomb;
    row->coulomb = 0;
    const cpu_longrange_terms t = full_terms(w, graph->region ? graph->region[i] : 0);
    if (t.form != CPU_COULOMB_NONE || t.dispersion)
        w->kernels->longrange_pairs(&t, ROW(&graph->long_range, i), strained, row);
    const double self = dsf_self(w), q = w->q[i];
    row->coulomb += self * q * q;
    row->grad_q += 2 * self * q;
    if (w->lr.dispersion)
        w->grad_cn[i] = (float) row->grad_cn;
}

/* Self and reciprocal terms of every region. */
static mlff_status add_reciprocal(cpu_longrange *w, mlff_error *err) {
    const mlff_task *task = w->task;
    const host_charges charges = {
        .graph = task->graph, .exchange = task->exchange, .ke = w->model->coulomb_constant,
        .q = task->charge, .grad_q = task->want_force ? task->grad_charge : NULL,
        .force = task->want_force ? w->reciprocal_force : NULL,
        .strain = task->want_strain ? w->reciprocal_strain : NULL,
    };
    memset(w->reciprocal_force, 0, (size_t) task->graph->n_all * sizeof *w->reciprocal_force);
    memset(w->reciprocal_strain, 0, sizeof w->reciprocal_strain);
    return host_reciprocal_add(&w->reciprocal_work, &w->lr, w->ewald.region, &charges,
                               &w->reciprocal, err);
}

/* Let a distributed host fill the ghost rows of an array that all threads have written. One thread
   asks; every rank does, with ghosts or without. */
static void fill_ghosts(mlff_member *member, const mlff_exchange *exchange, const char *what,
                        float *array) {
    if (!exchange->forward)
        return;
    mlff_team_barrier(member);
    if (member->thread == 0 && !mlff_team_failed(member)) {
        const int answer = exchange->forward(exchange->ctx, MLFF_FLOAT32, array, 1);
        mlff_error err;
        if (answer != 0)
            mlff_team_fail(member, mlff_fail(&err, MLFF_ERROR_ARGUMENT, "the exchange of %s answered "
                                            "%d and so stopped the evaluation", what, answer), &err);
    }
    mlff_team_barrier(member);
}

/* Charges and coordination numbers of all rows, and what follows from them for each atom. */
static void atom_terms(cpu_longrange *w, mlff_member *member) {
    const mlff_task *task = w->task;
    const mlff_graph *graph = task->graph;
    const int n = graph->n_all;
    const bool alone = !task->exchange->forward;
    FOR_ROWS(i, n) {
        w->q[i] = task->charge ? (float) task->charge[i] : 0;
        if (task->grad_charge)
            task->grad_charge[i] = 0;
        if (w->lr.dispersion && i < graph->n_local)
            w->cn[i] = w->kernels->longrange_count(&w->d3, ROW(&graph->long_range, i));
        if (w->lr.dispersion && alone)
            cpu_dispersion_atom(w, graph, i);
    }
    if (w->lr.dispersion && !alone) {
        fill_ghosts(member, task->exchange, "coordination numbers", w->cn);
        FOR_ROWS(i, n)
            cpu_dispersion_atom(w, graph, i);
    }
    mlff_team_barrier(member);
}

static void run(void *state, mlff_member *member) {
    cpu_longrange *w = state;
    const mlff_task *task = w->task;
    const mlff_graph *graph = task->graph;
    const int n = graph->n_local;
    const bool backward = w->lr.dispersion && task->want_force;
    atom_terms(w, member);
    if (member->thread == 0 && mlff_longrange_is_ewald(&w->lr) && !mlff_team_failed(member)) {
        mlff_error err;
        mlff_team_check(member, add_reciprocal(w, &err), &err);
    }
    FOR_ROWS(i, n)
        pair_row(w, graph, i, task->want_strain);
    if (backward)
        fill_ghosts(member, task->exchange, "coordination gradients", w->grad_cn);
    mlff_team_barrier(member);
    FOR_ROWS(i, n) {
        if (task->grad_charge)
            task->grad_charge[i] += w->row[i].grad_q;
        if (backward)
            w->kernels->longrange_count_reverse(&w->d3, w->grad_cn, ROW(&graph->long_range, i),
                                                task->want_strain, &w->row[i]);
    }
    mlff_team_barrier(member);
}

static void report(void *state, mlff_result *result) {
    const cpu_longrange *w = state;
    const bool reciprocal = mlff_longrange_is_ewald(&w->lr);
    double *component = result->component;
    component[MLFF_COULOMB_SHORT] = component[MLFF_DISPERSION] = 0;
    component[MLFF_COULOMB_FULL] = w->reciprocal;
    for (int b = 0; b < 9 && result->strain && reciprocal; b++)
        result->strain[b] += w->reciprocal_strain[b];
    for (int i = 0; i < w->task->graph->n_local; i++) {
        const cpu_longrange_row *row = &w->row[i];
        component[MLFF_COULOMB_SHORT] += w->coulomb_short[i];
        component[MLFF_COULOMB_FULL] += row->coulomb;
        component[MLFF_DISPERSION] += row->dispersion;
        for (int b = 0; b < 3 && result->force && reciprocal; b++)
            result->force[i][b] += w->reciprocal_force[i][b];
        for (int b = 0; b < 3 && result->force; b++)
            result->force[i][b] += row->force[b];
        for (int b = 0; b < 9 && result->strain; b++)
            result->strain[b] += row->strain[b];
    }
}

const mlff_longrange_type cpu_longrange_type = {
    .create = create,
    .destroy = destroy,
    .pair_cutoff = pair_cutoff,
    .prepare = prepare,
    .run = run,
    .report = report,
};
