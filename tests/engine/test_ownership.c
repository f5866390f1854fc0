/*
 * Who owns a model: it lives until the last of those who loaded or retained it and of its
 * evaluators has given it up, in any order and on any thread. Run it under AddressSanitizer and
 * ThreadSanitizer.
 *
 * Expected energies: an independent implementation (tests/data/painn, tests/data/aimnet2).
 */
#include "mlff_platform.h"
#include "aimnet2_run.h"
#include "golden.h"
#include "mlff_cpu.h"
#include "mlff_json.h"
#include "test_threads.h"

enum { MAX_ATOMS = 32, N_THREADS = 4 };

static mlff_error err;

/* ------------------------------------------------------------------------------ systems -- */

typedef struct molecule {
    char model[1024];               /* path */
    aimnet2_system view;            /* points to the rest */
    int species[MAX_ATOMS];
    double position[MAX_ATOMS][3];
    double energy;                  /* eV, expected */
} molecule;

static void read_painn(molecule *m) {
    golden g;
    CHECK(golden_read(check_path("MLFF_TEST_DATA", "painn/schnet-16x3.formamide.txt"), &g));
    strcpy(m->model, check_path("MLFF_TEST_DATA", "painn/schnet-16x3.safetensors"));
    memcpy(m->species, g.species, (size_t) g.n_atoms*sizeof *g.species);
    memcpy(m->position, g.position, (size_t) g.n_atoms*sizeof *g.position);
    m->energy = g.energy;
    m->view.n_atoms = g.n_atoms;
    golden_free(&g);
}

/* The first system, formamide, by its first method, Simple. */
static void read_aimnet2(molecule *m) {
    size_t n;
    unsigned char *text = aimnet2_read_file(
        check_path("MLFF_TEST_DATA", "aimnet2/published-4x4.json"), &n);
    mlff_json *json;
    CHECK_OK(mlff_json_parse((const char *) text, n, "published-4x4.json", &json, &err), err);
    const mlff_json_value *system = mlff_json_get(mlff_json_root(json), "systems")->item[0];
    const mlff_json_value *method = mlff_json_get(system, "methods")->item[0];
    const mlff_json_value *components = mlff_json_get(method, "components");
    CHECK(strcmp(mlff_json_get(method, "coulomb")->string, "simple") == 0);
    strcpy(m->model, check_path("MLFF_TEST_DATA", "aimnet2/published-4x4.safetensors"));
    m->view.n_atoms = mlff_json_get(system, "numbers")->n;
    for (int i = 0; i < m->view.n_atoms; i++) {
        m->species[i] = (int) mlff_json_get(system, "numbers")->item[i]->integer;
        for (int d = 0; d < 3; d++)
            m->position[i][d] = mlff_json_get(system, "coord")->item[i]->item[d]->number;
    }
    for (int k = 0; k < components->n; k++)
        m->energy += components->item[k]->number;
    mlff_json_free(json);
    free(text);
}

static void read_molecules(molecule m[2]) {
    memset(m, 0, 2*sizeof *m);
    read_painn(&m[0]);
    read_aimnet2(&m[1]);
    for (int k = 0; k < 2; k++) {
        m[k].view.species = m[k].species;
        m[k].view.position = (const double (*)[3]) m[k].position;
    }
}

static mlff_model *load(const molecule *m) {
    mlff_model *model = NULL;
    CHECK_OK(mlff_model_load(m->model, &model, &err), err);
    return model;
}

/* ----------------------------------------------------------------------------- platforms -- */

static const mlff_platform *platforms[2];

/* What a platform promises, eV. */
static double tolerance(int platform, const molecule *m) {
    return platform == 0 ? 1e-8 : 2e-6*m->view.n_atoms;
}

static mlff_evaluator *open_evaluator(int platform, const mlff_model *model,
                                      const mlff_parallel *parallel) {
    const mlff_settings settings = {.parallel = parallel};
    mlff_evaluator *evaluator = NULL;
    CHECK_OK(mlff_evaluator_new(platforms[platform], model, &settings, &evaluator, &err), err);
    return evaluator;
}

/* The energy, eV, of an evaluation with forces. */
static double energy_of(mlff_evaluator *evaluator, const molecule *m) {
    aimnet2_run run = {.evaluator = evaluator};
    double force[MAX_ATOMS][3] = {{0}};
    mlff_result result = {.energy = NAN, .force = force};
    mlff_graph graph;
    mlff_status status = aimnet2_graph(&run, &m->view, &graph);
    if (status == MLFF_OK)
        status = mlff_evaluate(evaluator, &graph, NULL, &result, &run.err);
    ref_pair_list_free(&run.message);
    ref_pair_list_free(&run.long_range);
    return status == MLFF_OK ? result.energy : NAN;
}

/* --------------------------------------------------------------------------------- tests -- */

/* Model and settings are gone before the first evaluation. */
static void test_model_freed_first(const molecule *m, int platform) {
    test_threads threads;
    test_threads_start(&threads, 2);
    mlff_parallel lent = threads.parallel;
    mlff_model *model = load(m);
    mlff_evaluator *evaluator = open_evaluator(platform, model, &lent);
    mlff_model_free(model);
    memset(&lent, 0xff, sizeof lent);
    for (int k = 0; k < 2; k++)
        CHECK_NEAR(m->energy, energy_of(evaluator, m), tolerance(platform, m));
    test_threads_stop(&threads);
    mlff_evaluator_free(evaluator);
}

/* Two evaluators and two further owners, who leave in every order. */
static void test_every_order(const molecule *m, int platform) {
    for (int order = 0; order < 24; order++) {
        mlff_model *model = load(m);
        mlff_evaluator *first = open_evaluator(platform, model, NULL);
        mlff_evaluator *second = open_evaluator(platform, model, NULL);
        CHECK(mlff_model_retain(model) == model);
        int left[4] = {0, 1, 2, 3}, code = order;
        for (int n = 4; n > 0; n--) {
            const int pick = code % n, who = left[pick];
            code /= n;
            left[pick] = left[n - 1];
            if (who < 2)
                mlff_model_free(model);
            else
                mlff_evaluator_free(who == 2 ? first : second);
            bool there = false;
            for (int k = 0; k < n - 1; k++)
                there |= left[k] == 3;
            if (there)
                CHECK_NEAR(m->energy, energy_of(second, m), tolerance(platform, m));
        }
    }
}

/* An evaluator that could not be made owns nothing: LeakSanitizer sees a share too many, and the
   evaluation below one too few. */
static void test_failed_evaluator(const molecule *m, int platform) {
    mlff_model *model = load(m);
    mlff_evaluator *good = open_evaluator(platform, model, NULL), *bad;
    const mlff_platform nothing = {"Nothing", 0, NULL, NULL};
    CHECK_FAILS(mlff_evaluator_new(&nothing, model, NULL, &bad, &err), MLFF_ERROR_UNSUPPORTED, err,
                "not available on Nothing");
    const mlff_settings negative = {.dispersion_cutoff = -1};
    CHECK_FAILS(mlff_evaluator_new(platforms[platform], model, &negative, &bad, &err),
                MLFF_ERROR_ARGUMENT, err, "dispersion_cutoff");
    mlff_model_free(model);
    CHECK_NEAR(m->energy, energy_of(good, m), tolerance(platform, m));
    mlff_evaluator_free(good);
}

typedef struct shared_work {
    const molecule *molecule;
    int platform;
    const mlff_model *share[N_THREADS];
    double energy[N_THREADS];
} shared_work;

/* With a share of its own: further evaluators, and the model's end for the last of the threads. */
static void work_on_share(void *arg, int thread) {
    shared_work *work = arg;
    const mlff_model *model = work->share[thread];
    for (int k = 0; k < 5; k++) {
        mlff_evaluator *evaluator = NULL;
        mlff_evaluator_new(platforms[work->platform], mlff_model_retain(model), NULL, &evaluator,
                           NULL);
        mlff_model_free(model);
        work->energy[thread] = evaluator ? energy_of(evaluator, work->molecule) : NAN;
        mlff_evaluator_free(evaluator);
    }
    mlff_model_free(model);
}

static void test_threads_share(const molecule *m, int platform) {
    test_threads threads;
    test_threads_start(&threads, N_THREADS);
    shared_work work = {.molecule = m, .platform = platform};
    mlff_model *model = load(m);
    for (int t = 0; t < N_THREADS; t++)
        work.share[t] = mlff_model_retain(model);
    mlff_model_free(model);
    test_threads_run(&threads, work_on_share, &work);
    for (int t = 0; t < N_THREADS; t++)
        CHECK_NEAR(m->energy, work.energy[t], tolerance(platform, m));
    test_threads_stop(&threads);
}

int main(void) {
    platforms[0] = mlff_reference_platform();
    platforms[1] = mlff_cpu_platform();
    molecule molecules[2];
    read_molecules(molecules);
    for (int k = 0; k < 2; k++)
        for (int platform = 0; platform < 2; platform++) {
            test_model_freed_first(&molecules[k], platform);
            test_every_order(&molecules[k], platform);
            test_failed_evaluator(&molecules[k], platform);
            test_threads_share(&molecules[k], platform);
        }
    CHECK(mlff_model_retain(NULL) == NULL);
    mlff_model_free(NULL);
    return check_report("test_ownership");
}
