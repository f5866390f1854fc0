#include "ref_longrange_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void ref_longrange_work_free(ref_longrange_work *w) {
    void *const blocks[] = {w->kernel, w->mesh, w->mesh_all, w->line, w->modulus, w->cn,
                            w->grad_cn};
    mlff_ewald_list_free(&w->ewald);
    for (size_t k = 0; k < sizeof blocks/sizeof *blocks; k++)
        free(blocks[k]);
    *w = (ref_longrange_work) {0};
}

/* ------------------------------------------------------------------------------- Ewald -- */

/* The splitting of each region, and the kernel of its pairs. */
static mlff_status choose_ewald(const mlff_longrange *lr, ref_longrange_work *w,
                                const mlff_graph *graph, const mlff_exchange *exchange,
                                double *range, mlff_error *err) {
    const size_t n = (size_t) graph->n_regions;
    MLFF_TRY(mlff_ewald_list_choose(&w->ewald, lr->ewald_tolerance, graph, exchange, range, err));
    MLFF_TRY(mlff_reserve((void **) &w->kernel, &w->kernel_room, n, sizeof *w->kernel,
                          "regions", err));
    for (size_t k = 0; k < n; k++)
        w->kernel[k] = (ref_kernel) {.form = REF_KERNEL_SCREENED,
                                     .range = w->ewald.region[k].r_cut,
                                     .alpha = w->ewald.region[k].alpha};
    return MLFF_OK;
}

/* Energy of owned atoms: pairs, then each region by itself. */
static mlff_status coulomb_ewald(const mlff_longrange *lr, ref_longrange_work *w,
                                 const ref_charges *s, double *energy, mlff_error *err) {
    const mlff_graph *graph = s->graph;
    MLFF_TRY(choose_ewald(lr, w, graph, s->exchange, NULL, err));
    *energy = ref_coulomb_pairs(s, &graph->long_range, s->ke/2, w->kernel, true);
    for (int k = 0; k < graph->n_regions; k++) {
        ref_reciprocal r = {.region = k, .ewald = w->ewald.region[k]};
        if (r.ewald.alpha == 0)  // without atoms
            continue;
        mlff_cell_reciprocal(graph->cell, r.b);
        MLFF_TRY(ref_ewald_self(s, &r, energy, err));
        MLFF_TRY(lr->coulomb == MLFF_COULOMB_PME ?
                 ref_pme_reciprocal(s, &r, lr->ewald_tolerance, w, energy, err) :
                 ref_ewald_reciprocal(s, &r, energy, err));
    }
    return MLFF_OK;
}

/* ----------------------------------------------------------------------------- Coulomb -- */

/* The network's Coulomb inside the short-range radius, taken out. */
static double coulomb_short(const mlff_longrange_model *model, const ref_charges *s) {
    const ref_kernel kernel = {
        .form = model->short_range_envelope == MLFF_ENVELOPE_COSINE ? REF_KERNEL_SHORT_COSINE :
                                                                      REF_KERNEL_SHORT_EXP,
        .range = model->short_range_radius,
    };
    return ref_coulomb_pairs(s, &s->graph->message, -s->ke/2, &kernel, false);
}

static mlff_status coulomb_full(const mlff_longrange *lr, ref_longrange_work *work,
                                const ref_charges *s, double *energy, mlff_error *err) {
    const ref_kernel plain = {.form = REF_KERNEL_PLAIN, .range = INFINITY};
    switch (lr->coulomb) {
    case MLFF_COULOMB_SIMPLE:
        *energy = ref_coulomb_pairs(s, &s->graph->long_range, s->ke/2, &plain, false);
        return MLFF_OK;
    case MLFF_COULOMB_DSF:
        *energy = ref_coulomb_dsf(s, lr->dsf_alpha, lr->dsf_cutoff);
        return MLFF_OK;
    case MLFF_COULOMB_EWALD:
    case MLFF_COULOMB_PME:
        return coulomb_ewald(lr, work, s, energy, err);
    case MLFF_COULOMB_DEFAULT:
    case MLFF_COULOMB_NONE:
        break;
    }
    *energy = 0;
    return MLFF_OK;
}

/* ------------------------------------------------------------------------------ driver -- */

mlff_status ref_longrange_pair_cutoff(const mlff_longrange *lr, ref_longrange_work *work,
                                      const mlff_graph *graph, const mlff_exchange *exchange,
                                      double *cutoff, mlff_error *err) {
    double range = 0;
    if (mlff_longrange_is_ewald(lr))
        MLFF_TRY(choose_ewald(lr, work, graph, exchange, &range, err));
    *cutoff = fmax(mlff_longrange_range(lr), range);
    return MLFF_OK;
}

mlff_status ref_longrange_evaluate(const mlff_longrange *lr, ref_longrange_work *work,
                                   const mlff_graph *graph, const mlff_exchange *exchange,
                                   const double *q, double *gq, mlff_result *result,
                                   mlff_error *err) {
    static const mlff_exchange alone;
    if (!exchange)
        exchange = &alone;
    MLFF_TRY(mlff_longrange_check_graph(lr, graph, exchange, result->force != NULL, err));
    const ref_charges charges = {
        .graph = graph, .exchange = exchange, .ke = lr->model.coulomb_constant, .q = q, .gq = gq,
        .force = result->force, .strain = result->strain,
    };
    double *component = result->component;
    component[MLFF_COULOMB_SHORT] = component[MLFF_DISPERSION] = 0;
    if (lr->model.short_range_radius > 0)
        component[MLFF_COULOMB_SHORT] = coulomb_short(&lr->model, &charges);
    MLFF_TRY(coulomb_full(lr, work, &charges, &component[MLFF_COULOMB_FULL], err));
    if (lr->dispersion)
        MLFF_TRY(ref_dispersion(lr, work, graph, exchange, result->force, result->strain,
                                &component[MLFF_DISPERSION], err));
    return MLFF_OK;
}
