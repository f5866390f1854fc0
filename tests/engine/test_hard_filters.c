/*
 * PaiNN with radial filters that a table on a grid may not hold: what the CPU platform accepts has
 * the reference platform's energies and forces, and the rest is refused in words.
 */
#include "check.h"
#include "hard_models.h"
#include "mlff_cpu.h"
#include "mlff_reference.h"

static mlff_error err;

/* Water, and a fourth atom beyond it; angstrom. */
static const int species[4] = {8, 1, 1, 6};
static const double position[4][3] = {
    {0, 0, 0.119}, {0, 0.763, -0.477}, {0, -0.763, -0.477}, {1.9, 0.4, 1.1}};

static mlff_model *build(bool bessel, double cutoff, const double *basis, const double *beta) {
    hard_filters filters = {.bessel = bessel, .cutoff = cutoff};
    memcpy(filters.basis, basis, sizeof filters.basis);
    if (beta)
        memcpy(filters.beta, beta, sizeof filters.beta);
    size_t n;
    unsigned char *content = hard_model_build(&filters, &n);
    mlff_model *model = NULL;
    CHECK(content != NULL);
    CHECK_OK(mlff_model_load_memory(content, n, "hard", &model, &err), err);
    free(content);
    return model;
}

static double evaluate(mlff_evaluator *e, double cutoff, double (*force)[3]) {
    ref_pair_list list = {0};
    CHECK_OK(ref_neighbors_build(4, position, NULL, NULL, cutoff, &list, &err), err);
    const mlff_graph graph = {.n_local = 4, .n_all = 4, .species = species, .n_regions = 1,
                              .message = ref_pair_list_view(&list)};
    memset(force, 0, 12*sizeof(double));
    mlff_result result = {.force = force};
    CHECK_OK(mlff_evaluate(e, &graph, NULL, &result, &err), err);
    ref_pair_list_free(&list);
    return result.energy;
}

/* Returns whether the CPU platform took the model. */
static bool compare(bool bessel, double cutoff, const double *basis, const double *beta) {
    mlff_model *model = build(bessel, cutoff, basis, beta);
    mlff_evaluator *reference = NULL, *cpu = NULL;
    CHECK_OK(mlff_evaluator_new(mlff_reference_platform(), model, NULL, &reference, &err), err);
    const mlff_status status = mlff_evaluator_new(mlff_cpu_platform(), model, NULL, &cpu, &err);
    if (status == MLFF_OK) {
        double f[4][3], g[4][3], largest = 1;
        const double E = evaluate(reference, cutoff, f), e = evaluate(cpu, cutoff, g);
        for (int k = 0; k < 12; k++)
            largest = fmax(largest, fabs(f[k/3][k%3]));
        CHECK_NEAR(E, e, 1e-5*(1 + fabs(E)));
        for (int k = 0; k < 12; k++)
            CHECK_NEAR(f[k/3][k%3], g[k/3][k%3], 3e-5*largest);
    } else {
        CHECK(status == MLFF_ERROR_UNSUPPORTED);
        CHECK(strstr(err.message, "layer 0") && strstr(err.message, "Reference platform"));
    }
    mlff_evaluator_free(reference);
    mlff_evaluator_free(cpu);
    mlff_model_free(model);
    return status == MLFF_OK;
}

static void test_cutoffs(void) {
    const double mu[3] = {0.5, 1.5, 2.5}, beta[3] = {2, 2, 2}, freq[3] = {0.6, 1.3, 1.9};
    const double cutoffs[] = {2.5, 5, 50, 1e3, 1e4, 1e6, 1e30};
    for (size_t k = 0; k < sizeof cutoffs/sizeof *cutoffs; k++) {
        const bool gaussian = compare(false, cutoffs[k], mu, beta);
        const bool bessel = compare(true, cutoffs[k], freq, NULL);
        CHECK(cutoffs[k] > 50 || (gaussian && bessel));
        CHECK(cutoffs[k] < 1e6 || !gaussian);
    }
}

/* Gaussians narrower than the places that a test of a grid looks at, at and off pairs' distances. */
static void test_narrow_gaussians(void) {
    const double d = sqrt(0.763*0.763 + 0.596*0.596);  // O-H
    const double betas[] = {1, 1e2, 1e4, 1e6, 1e8, 1e12};
    const double offsets[] = {0, 1e-4, 3e-3, 0.2, 2.0};
    for (size_t k = 0; k < sizeof betas/sizeof *betas; k++)
        for (size_t i = 0; i < sizeof offsets/sizeof *offsets; i++) {
            const double mu[3] = {0.5, d + offsets[i], 2.5}, beta[3] = {2, betas[k], 2};
            const bool taken = compare(false, 5, mu, beta);
            CHECK(taken ? betas[k] < 1e8 : betas[k] > 1e2);
        }
}

/* Waves that are the same at all knots of a grid of 256 intervals and between them. */
static void test_fast_waves(void) {
    const double spacing = 5.0/256, pi = 3.14159265358979323846;
    for (int multiple = 1; multiple <= 64; multiple *= 2)
        for (int shifted = 0; shifted < 2; shifted++) {
            const double fast = 2*pi*multiple/spacing*(shifted ? 1.001 : 1);
            const double freq[3] = {0.6, fast, 1.9};
            compare(true, 5, freq, NULL);
        }
    const double wildest[3] = {0.6, 1e7, 1.9};
    CHECK(!compare(true, 5, wildest, NULL));
}

/* A basis that overflows within the cutoff: the network's own numbers, or words. */
static void test_growing_gaussians(void) {
    const double mu[3] = {0.5, 1.5, 2.5}, beta[3] = {2, -100, 2};
    CHECK(!compare(false, 8, mu, beta));
}

int main(void) {
    test_cutoffs();
    test_narrow_gaussians();
    test_fast_waves();
    test_growing_gaussians();
    return check_report("hard filters");
}
