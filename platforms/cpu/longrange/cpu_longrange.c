#include "cpu_longrange.h"
#include "../../reference/longrange/ref_longrange_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 4 };  /* rows of one piece of work */

/* --------------------------------------------------------------------------- host's side -- */

mlff_status cpu_longrange_new(cpu_longrange *work, const mlff_longrange_model *model,
                              const cpu_kernels *kernels, mlff_error *err) {
    work->model = model;
    work->kernels = kernels;
    return model->dispersion ? cpu_dispersion_new(work, err) : MLFF_OK;
}

void cpu_longrange_free(cpu_longrange *work) {
    ref_longrange_work_free(&work->reference);
    cpu_buffer_free(&work->block);
    free(work->cnref);
    *work = (cpu_longrange) {0};
}

static bool is_ewald(const mlff_longrange *lr) {
    return lr->coulomb == MLFF_COULOMB_EWALD || lr->coulomb == MLFF_COULOMB_PME;
}

static size_t carve(cpu_longrange *w, char *base, size_t n, size_t n_table) {
    cpu_carver c = {base, 0};
    const size_t real = sizeof(float), record = n * CPU_D3_RECORD;
    w->row = cpu_carve(&c, n, sizeof *w->row);
    w->coulomb_short = cpu_carve(&c, n, sizeof(double));
    w->q = cpu_carve(&c, n, real);
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
    w->c6ref = cpu_carve(&c, n_table * n_table * CPU_D3_REFERENCES * CPU_D3_REFERENCES, real);
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

mlff_status cpu_longrange_prepare(cpu_longrange *w, const mlff_settings *settings,
                                  const mlff_graph *graph, const mlff_exchange *exchange,
                                  mlff_error *err) {
    const size_t n = (size_t) graph->n_all;
    MLFF_TRY(mlff_longrange_resolve(w->model, settings, graph->cell != NULL, &w->lr, err));
    w->reciprocal = 0;
    const bool alone = graph->n_all == graph->n_local && !exchange->sum;
    w->by_rows = alone && (!w->lr.dispersion || w->cnref);
    if (!w->by_rows)
        return MLFF_OK;
    if ((mlff_longrange_range(&w->lr) > 0 || is_ewald(&w->lr)) && !graph->long_range.first && n > 0)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the graph has no long-range pairs, but the "
                         "Coulomb method %s%s needs them: mlff_evaluator_pair_cutoffs() says which",
                         mlff_coulomb_name(w->lr.coulomb),
                         w->lr.dispersion ? " with dispersion" : "");
    if (is_ewald(&w->lr)) {
        double range;
        if (!graph->position)
            return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the Coulomb method %s needs the graph's "
                             "position", mlff_coulomb_name(w->lr.coulomb));
        MLFF_TRY(ref_longrange_pair_cutoff(&w->lr, &w->reference, graph, exchange, &range, err));
    }
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
        t.range = (float) w->reference.ewald[region].r_cut;
        t.alpha = (float) w->reference.ewald[region].alpha;
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

static bool next_rows(cpu_member *member, int n, int *row0, int *row1) {
    *row0 = CHUNK * cpu_team_take(member);
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

/* Self and reciprocal terms of every region, by the reference platform's code. */
static mlff_status reciprocal(cpu_longrange *w, const mlff_graph *graph,
                              const mlff_exchange *exchange, const double *charge,
                              double *grad_charge, mlff_result *result, mlff_error *err) {
    const ref_charges s = {
        .graph = graph, .exchange = exchange, .ke = w->model->coulomb_constant, .q = charge,
        .gq = result->force ? grad_charge : NULL, .force = result->force, .strain = result->strain,
    };
    for (int k = 0; k < graph->n_regions; k++) {
        if (w->reference.n_atoms[k] == 0)
            continue;
        ref_reciprocal r = {.region = k, .ewald = w->reference.ewald[k]};
        mlff_cell_reciprocal(graph->cell, r.b);
        MLFF_TRY(ref_ewald_self(&s, &r, &w->reciprocal, err));
        MLFF_TRY(w->lr.coulomb == MLFF_COULOMB_PME ?
                 ref_pme_reciprocal(&s, &r, w->lr.ewald_tolerance, &w->reference, &w->reciprocal,
                                    err) :
                 ref_ewald_reciprocal(&s, &r, &w->reference, &w->reciprocal, err));
    }
    return MLFF_OK;
}

static void by_rows(cpu_longrange *w, cpu_member *member, const mlff_graph *graph,
                    const mlff_exchange *exchange, const double *charge, double *grad_charge,
                    mlff_result *result) {
    const int n = graph->n_all;
    const bool strained = result->strain != NULL;
    FOR_ROWS(i, n) {
        w->q[i] = (float) charge[i];
        grad_charge[i] = 0;
        if (w->lr.dispersion)
            w->cn[i] = w->kernels->longrange_count(&w->d3, ROW(&graph->long_range, i));
        if (w->lr.dispersion)
            cpu_dispersion_atom(w, graph, i);
    }
    cpu_team_barrier(member);
    if (member->thread == 0 && is_ewald(&w->lr)) {
        mlff_error err;
        const mlff_status status =
            reciprocal(w, graph, exchange, charge, grad_charge, result, &err);
        if (status != MLFF_OK)
            cpu_team_fail(member, status, &err);
    }
    FOR_ROWS(i, n)
        pair_row(w, graph, i, strained);
    cpu_team_barrier(member);
    FOR_ROWS(i, n) {
        grad_charge[i] += w->row[i].grad_q;
        if (w->lr.dispersion && result->force)
            w->kernels->longrange_count_reverse(&w->d3, w->grad_cn, ROW(&graph->long_range, i),
                                                strained, &w->row[i]);
    }
    cpu_team_barrier(member);
}

void cpu_longrange_run(cpu_longrange *w, cpu_member *member, const mlff_graph *graph,
                       const mlff_exchange *exchange, const double *charge, double *grad_charge,
                       mlff_result *result) {
    if (w->by_rows) {
        by_rows(w, member, graph, exchange, charge, grad_charge, result);
        return;
    }
    if (member->thread == 0) {
        mlff_error err;
        memset(grad_charge, 0, (size_t) graph->n_all * sizeof *grad_charge);
        const mlff_status status =
            ref_longrange_evaluate(&w->lr, &w->reference, graph, exchange, charge,
                                   result->force ? grad_charge : NULL, result, &err);
        if (status != MLFF_OK)
            cpu_team_fail(member, status, &err);
    }
    cpu_team_barrier(member);
}

void cpu_longrange_report(const cpu_longrange *w, const mlff_graph *graph, mlff_result *result) {
    if (!w->by_rows)
        return;
    double *component = result->component;
    component[MLFF_COULOMB_SHORT] = component[MLFF_DISPERSION] = 0;
    component[MLFF_COULOMB_FULL] = w->reciprocal;
    for (int i = 0; i < graph->n_all; i++) {
        const cpu_longrange_row *row = &w->row[i];
        component[MLFF_COULOMB_SHORT] += w->coulomb_short[i];
        component[MLFF_COULOMB_FULL] += row->coulomb;
        component[MLFF_DISPERSION] += row->dispersion;
        for (int b = 0; b < 3 && result->force; b++)
            result->force[i][b] += row->force[b];
        for (int b = 0; b < 9 && result->strain; b++)
            result->strain[b] += row->strain[b];
    }
}
