/*
 * Reciprocal sums of platforms/host against those of the reference platform, which share no code:
 * wave by wave, and on a mesh by the textbook's formulas.
 */
#define _POSIX_C_SOURCE 200809L  // pthread_barrier_t

#include "../../platforms/reference/longrange/ref_longrange_private.h"
#include "host_reciprocal.h"
#include "longrange_support.h"
#include "random_numbers.h"

/* Energy, forces, strain and dE/dq of one way to sum. */
typedef struct sums {
    double energy, force[MAX_ATOMS][3], strain[9], grad_q[MAX_ATOMS];
} sums;

static sums by_reference(const mlff_longrange *lr, const mlff_graph *graph, const double *q) {
    static const mlff_exchange alone;
    static ref_longrange_work work;
    mlff_ewald_list ewald = {0};
    sums out = {0};
    const ref_charges s = {.graph = graph, .exchange = &alone, .ke = lr->model.coulomb_constant,
                           .q = q, .gq = out.grad_q, .force = out.force, .strain = out.strain};
    CHECK_OK(mlff_ewald_list_choose(&ewald, lr->ewald_tolerance, graph, NULL, NULL, &lr_error),
             lr_error);
    for (int k = 0; k < graph->n_regions; k++) {
        ref_reciprocal r = {.region = k, .ewald = ewald.region[k]};
        mlff_cell_reciprocal(graph->cell, r.b);
        if (r.ewald.alpha == 0)
            continue;
        CHECK_OK(ref_ewald_self(&s, &r, &out.energy, &lr_error), lr_error);
        CHECK_OK(lr->coulomb == MLFF_COULOMB_PME ?
                 ref_pme_reciprocal(&s, &r, lr->ewald_tolerance, &work, &out.energy, &lr_error) :
                 ref_ewald_reciprocal(&s, &r, &out.energy, &lr_error), lr_error);
    }
    mlff_ewald_list_free(&ewald);
    ref_longrange_work_free(&work);
    return out;
}

static sums by_host(const mlff_longrange *lr, const mlff_graph *graph, const double *q) {
    static host_reciprocal work;
    mlff_ewald_list ewald = {0};
    sums out = {0};
    const host_charges s = {.graph = graph, .ke = lr->model.coulomb_constant, .q = q,
                            .grad_q = out.grad_q, .force = out.force, .strain = out.strain};
    CHECK_OK(mlff_ewald_list_choose(&ewald, lr->ewald_tolerance, graph, NULL, NULL, &lr_error),
             lr_error);
    CHECK_OK(host_reciprocal_add(&work, lr, ewald.region, &s, &out.energy, &lr_error), lr_error);
    mlff_ewald_list_free(&ewald);
    host_reciprocal_free(&work);
    return out;
}

static void compare(const lr_system *s, mlff_settings settings) {
    const mlff_longrange lr = lr_resolve(s, NULL, settings);
    const mlff_graph graph = {.n_local = s->n, .n_all = s->n, .species = s->species,
                              .n_regions = s->n_regions, .region = s->region, .position = s->x,
                              .cell = s->cell};
    static sums want, found;
    want = by_reference(&lr, &graph, s->q);
    found = by_host(&lr, &graph, s->q);
    CHECK(fabs(want.energy) > 0.1);
    CHECK_NEAR(want.energy, found.energy, 1e-11);
    for (int i = 0; i < s->n; i++) {
        CHECK_NEAR(want.grad_q[i], found.grad_q[i], 1e-11);
        for (int d = 0; d < 3; d++)
            CHECK_NEAR(want.force[i][d], found.force[i][d], 1e-11);
    }
    for (int k = 0; k < 9; k++)
        CHECK_NEAR(want.strain[k], found.strain[k], 1e-11);
}

/* Neutral and charged, one region and three of which one is empty; meshes with factors 2, 3, 5, 7. */
int main(void) {
    static const double tolerance[] = {1e-3, 1e-5, 1e-6, 1e-8};
    static lr_system s;
    random_numbers random = {7};
    for (int k = 0; k < 16; k++) {
        lr_made_up(true, k % 2 ? 0.9 : 0, &s);
        for (int i = 0; i < s.n && k > 3; i++)
            for (int d = 0; d < 3; d++)
                s.x[i][d] += random_real(&random, -9, 9);
        s.n_regions = k % 3 ? 1 : 3;
        for (int i = 0; i < s.n && s.n_regions > 1; i++)
            s.region[i] = i % 3 == 0;
        const double t = tolerance[k % 4];
        compare(&s, (mlff_settings) {.coulomb = MLFF_COULOMB_EWALD, .ewald_tolerance = t});
        compare(&s, (mlff_settings) {.coulomb = MLFF_COULOMB_PME, .ewald_tolerance = t});
    }
    return check_report("test_reciprocal");
}
