/*
 * AIMNet2 on the CPU platform, float32: small models against an independent implementation
 * (tests/data/aimnet2/README.md), the published model against values of the original in float64
 * (../shared/golden/aimnet2), and what must hold whatever the numbers: the same bits on any number
 * of threads, agreement of the instruction sets, no allocation on the step path.
 */
#include "check.h"
#include "count_allocations.h"
#include "../../platforms/cpu/aimnet2/cpu_aimnet2.h"
#include "../../platforms/cpu/longrange/cpu_longrange.h"
#include "../../platforms/cpu/include/mlff_cpu.h"
#include "aimnet2_run.h"
#include "mlff_json.h"

#include <pthread.h>

/* What the platform promises, element constants apart. */
static const double energy_tolerance = 2e-6;       /* eV per atom */
static const double charge_tolerance = 5e-6;       /* e */
static const double force_tolerance = 2e-5;        /* of the largest force, and eV/angstrom */

enum { MAX_ATOMS = 256, MAX_REGIONS = 4, MAX_THREADS = 5 };

static mlff_error err;

/* ------------------------------------------------------------------------------- threads -- */

/* Threads of a host; mlff_parallel's contract by a thread each. */
typedef struct lent {
    void (*body)(void *arg, int thread);
    void *arg;
    int thread;
} lent;

static void *enter(void *ptr) {
    const lent *l = ptr;
    l->body(l->arg, l->thread);
    return NULL;
}

static void run_threads(void *ctx, void (*body)(void *arg, int thread), void *arg) {
    const int n = *(const int *) ctx;
    pthread_t thread[MAX_THREADS];
    lent l[MAX_THREADS];
    for (int t = 0; t < n; t++) {
        l[t] = (lent) {body, arg, t};
        if (t > 0)
            CHECK(pthread_create(&thread[t], NULL, enter, &l[t]) == 0);
    }
    body(arg, 0);
    for (int t = 1; t < n; t++)
        pthread_join(thread[t], NULL);
}

/* ------------------------------------------------------------------------------- systems -- */

/* One system of a data file; view points into the rest. */
typedef struct sample {
    const char *name;
    aimnet2_system view;
    int species[MAX_ATOMS], region[MAX_ATOMS];
    double position[MAX_ATOMS][3], cell[3][3], total_charge[MAX_REGIONS], multiplicity[MAX_REGIONS];
} sample;

static void read_numbers(const mlff_json_value *array, double *out) {
    for (int k = 0; k < array->n; k++)
        out[k] = array->item[k]->number;
}

static void read_rows(const mlff_json_value *rows, double (*out)[3]) {
    for (int k = 0; k < rows->n; k++)
        read_numbers(rows->item[k], out[k]);
}

/* Of tests/data/aimnet2 and, with one region and `charge` in place of a list, of the goldens. */
static void read_sample(const mlff_json_value *json, sample *s) {
    *s = (sample) {.name = mlff_json_get(json, "name")->string};
    const mlff_json_value *numbers = mlff_json_get(json, "numbers");
    const mlff_json_value *region = mlff_json_get(json, "region");
    const mlff_json_value *cell = mlff_json_get(json, "cell");
    const bool periodic = cell->type == MLFF_JSON_ARRAY && cell->n == 3;
    s->view = (aimnet2_system) {
        .n_atoms = numbers->n, .species = s->species, .region = s->region, .n_regions = 1,
        .position = (const double (*)[3]) s->position, .total_charge = s->total_charge,
        .cell = periodic ? (const double (*)[3]) s->cell : NULL,
    };
    for (int i = 0; i < numbers->n; i++) {
        s->species[i] = (int) numbers->item[i]->integer;
        s->region[i] = region ? (int) region->item[i]->integer : 0;
    }
    read_rows(mlff_json_get(json, "coord"), s->position);
    if (periodic)
        read_rows(cell, s->cell);
    if (!region) {
        s->total_charge[0] = mlff_json_get(json, "charge")->number;
        return;
    }
    read_numbers(mlff_json_get(json, "total_charge"), s->total_charge);
    read_numbers(mlff_json_get(json, "multiplicity"), s->multiplicity);
    s->view.n_regions = mlff_json_get(json, "total_charge")->n;
    s->view.multiplicity = s->multiplicity;
}

static mlff_json *open_json(const char *path) {
    size_t n;
    unsigned char *text = aimnet2_read_file(path, &n);
    mlff_json *json = NULL;
    if (text)
        CHECK_OK(mlff_json_parse((const char *) text, n, path, &json, &err), err);
    free(text);
    return json;
}

static mlff_status cpu_open(aimnet2_run *run, const mlff_model *model, mlff_settings settings) {
    *run = (aimnet2_run) {0};
    return mlff_evaluator_new(mlff_cpu_platform(), model, &settings, &run->evaluator, &run->err);
}

/* ------------------------------------------------------------------------------- values -- */

/* The largest force sets what the forces are allowed to be off. */
static double force_allowed(const mlff_json_value *forces) {
    double largest = 1;
    for (int k = 0; k < 3*forces->n; k++)
        largest = fmax(largest, fabs(forces->item[k/3]->item[k%3]->number));
    return force_tolerance*largest;
}

static void check_forces(const aimnet2_run *run, const mlff_json_value *forces, double extra) {
    const double allowed = force_allowed(forces) + extra;
    for (int i = 0; i < run->n_atoms; i++)
        for (int b = 0; b < 3; b++)
            CHECK_NEAR(forces->item[i]->item[b]->number, run->force[i][b], allowed);
}

static void check_charges(const aimnet2_run *run, const mlff_json_value *charges) {
    for (int i = 0; i < run->n_atoms; i++)
        CHECK_NEAR(charges->item[i]->number, run->charge[i], charge_tolerance);
}

/*
 * One component. Constants of the elements are sums of large doubles. The two Coulomb parts, which
 * nearly cancel, move with the charges: each in a potential of the order of 1 e at 1 angstrom.
 */
static void check_component(const aimnet2_run *run, int component, double expected, double extra) {
    double allowed = energy_tolerance;
    if (component == MLFF_COULOMB_SHORT || component == MLFF_COULOMB_FULL)
        allowed += charge_tolerance*MLFF_HARTREE*MLFF_BOHR;
    CHECK_NEAR(expected, run->component[component],
               component == MLFF_ELEMENTS ? 1e-14*fabs(expected) : allowed*run->n_atoms + extra);
}

/* The sum of all components but the elements' constants. */
static void check_total(const aimnet2_run *run, const mlff_json_value *components,
                        const char *const names[MLFF_N_COMPONENTS], double extra) {
    double expected = 0;
    for (int k = 0; k < MLFF_N_COMPONENTS; k++)
        if (k != MLFF_ELEMENTS)
            expected += mlff_json_get(components, names[k])->number;
    CHECK_NEAR(expected, run->energy - run->component[MLFF_ELEMENTS],
               energy_tolerance*run->n_atoms + extra);
}

static mlff_settings data_settings(const mlff_json_value *method) {
    static const char *const names[] = {"default", "none", "simple", "dsf", "ewald"};
    static const char *const keys[] = {"coulomb_cutoff", "coulomb_alpha", "dispersion_cutoff"};
    mlff_settings s = {0};
    double *const values[] = {&s.coulomb_cutoff, &s.coulomb_alpha, &s.dispersion_cutoff};
    for (int k = 0; k < 3; k++)
        if (mlff_json_get(method, keys[k]))
            *values[k] = mlff_json_get(method, keys[k])->number;
    for (int k = 0; k < 5; k++)
        if (strcmp(mlff_json_get(method, "coulomb")->string, names[k]) == 0)
            s.coulomb = (mlff_coulomb) k;
    const mlff_json_value *dispersion = mlff_json_get(method, "dispersion");
    s.dispersion = dispersion && !dispersion->boolean ? -1 : 0;
    return s;
}

/* extra: what the method's own truncation adds to the tolerances. */
static void check_case(const mlff_model *model, const sample *s, const mlff_json_value *method,
                       mlff_settings settings, double extra) {
    static const char *const names[] = {"network", "elements", "coulomb_short", "coulomb_full",
                                        "dispersion"};
    const int failures = check_failures;
    const mlff_aimnet2 *description = mlff_model_description(model);
    aimnet2_run run;
    CHECK_OK(cpu_open(&run, model, settings), run.err);
    CHECK_OK(aimnet2_evaluate(&run, &s->view), run.err);
    const mlff_json_value *components = mlff_json_get(method, "components");
    for (int k = 0; k < MLFF_N_COMPONENTS; k++)
        check_component(&run, k, mlff_json_get(components, names[k])->number, extra);
    check_total(&run, components, names, extra);
    check_forces(&run, mlff_json_get(method, "forces"), extra);
    check_charges(&run, mlff_json_get(method, "charges"));
    const mlff_json_value *strain = mlff_json_get(method, "strain");
    double largest = force_allowed(strain);
    for (int k = 0; k < 9; k++)
        CHECK_NEAR(strain->item[k/3]->item[k%3]->number, run.strain[k], largest + extra);
    for (int i = 0; i < run.n_atoms; i++)
        CHECK_NEAR(mlff_json_get(method, "atom_energies")->item[i]->number,
                   run.atom_energy[i] - mlff_tensor_value(description->atomic_shift, s->species[i]),
                   2*energy_tolerance);
    aimnet2_close(&run);
    if (check_failures > failures)
        printf("  in %s, %s\n", s->name, mlff_json_get(method, "coulomb")->string);
}

/* Small models of other sizes, two charge channels, other envelopes, regions, small cells. */
static void test_data(const char *name) {
    char file[128];
    mlff_model *model;
    snprintf(file, sizeof file, "aimnet2/%s.safetensors", name);
    CHECK_OK(mlff_model_load(check_path("MLFF_TEST_DATA", file), &model, &err), err);
    snprintf(file, sizeof file, "aimnet2/%s.json", name);
    mlff_json *json = open_json(check_path("MLFF_TEST_DATA", file));
    CHECK(json != NULL);
    if (!json || !model)
        return;
    const mlff_json_value *systems = mlff_json_get(mlff_json_root(json), "systems");
    for (int k = 0; k < systems->n; k++) {
        static sample s;
        read_sample(systems->item[k], &s);
        const mlff_json_value *methods = mlff_json_get(systems->item[k], "methods");
        for (int m = 0; m < methods->n; m++) {
            mlff_settings settings = data_settings(methods->item[m]);
            const bool ewald = settings.coulomb == MLFF_COULOMB_EWALD;
            check_case(model, &s, methods->item[m], settings, ewald ? 1e-5 : 0);
            settings.coulomb = MLFF_COULOMB_PME;
            if (ewald)
                check_case(model, &s, methods->item[m], settings, 1e-5);
        }
    }
    mlff_json_free(json);
    mlff_model_free(model);
}

/* ------------------------------------------------------------------------------- goldens -- */

static const struct golden_method {
    const char *name;
    mlff_settings settings;
    double extra;    /* truncation of the default tolerance, eV and eV/angstrom */
} golden_methods[] = {
    {"simple", {.coulomb = MLFF_COULOMB_SIMPLE}, 0},
    {"dsf", {.coulomb = MLFF_COULOMB_DSF}, 0},
    {"ewald_converged", {.coulomb = MLFF_COULOMB_EWALD}, 3e-6},
    {"ewald_converged", {.coulomb = MLFF_COULOMB_PME}, 3e-6},
};

static void check_golden(const mlff_model *model, const sample *s, const mlff_json_value *method,
                         const struct golden_method *m) {
    static const char *const names[] = {"nn", "sae", "sr_coulomb_subtracted", "coulomb_full", "d3"};
    const int failures = check_failures;
    aimnet2_run run;
    CHECK_OK(cpu_open(&run, model, m->settings), run.err);
    CHECK_OK(aimnet2_evaluate(&run, &s->view), run.err);
    const mlff_json_value *components = mlff_json_get(method, "components");
    for (int k = 0; k < MLFF_N_COMPONENTS; k++) {
        const mlff_json_value *component = mlff_json_get(components, names[k]);
        check_component(&run, k, mlff_json_get(component, "energy")->number, m->extra);
    }
    const double elements = run.component[MLFF_ELEMENTS];
    CHECK_NEAR(mlff_json_get(method, "energy")->number - elements, run.energy - elements,
               energy_tolerance*run.n_atoms + m->extra);
    check_forces(&run, mlff_json_get(method, "forces"), m->extra);
    check_charges(&run, mlff_json_get(method, "charges"));
    aimnet2_close(&run);
    if (check_failures > failures)
        printf("  in %s, %s\n", s->name, m->name);
}

static void test_goldens(const mlff_model *model) {
    static const char *const names[] = {
        "acetate_m1", "alanine_dipeptide", "ammonium_p1", "b_se_as", "benzene", "br_i_p_si",
        "citalopram_45", "cl_minus_atom", "h2", "methanol", "s_cl_f", "three_far_waters", "water",
        "water64_box", "water8_cluster", "water8_triclinic"};
    for (size_t k = 0; k < sizeof names/sizeof *names; k++) {
        char file[128];
        snprintf(file, sizeof file, "golden/aimnet2/%s.json", names[k]);
        mlff_json *json = open_json(check_path("MLFF_SHARED", file));
        CHECK(json != NULL);
        if (!json)
            continue;
        static sample s;
        read_sample(mlff_json_root(json), &s);
        const mlff_json_value *all = mlff_json_get(mlff_json_root(json), "methods");
        for (size_t m = 0; m < sizeof golden_methods/sizeof *golden_methods; m++) {
            const mlff_json_value *method = mlff_json_get(all, golden_methods[m].name);
            if (method)
                check_golden(model, &s, method, &golden_methods[m]);
        }
        mlff_json_free(json);
    }
}

/* --------------------------------------------------------------------- threads, kernels -- */

/* Everything an evaluation returns. */
typedef struct outcome {
    double energy, component[MLFF_N_COMPONENTS], strain[9];
    double force[MAX_ATOMS][3], charge[MAX_ATOMS], atom_energy[MAX_ATOMS];
} outcome;

static void keep(const aimnet2_run *run, outcome *out) {
    const size_t n = (size_t) run->n_atoms;
    memset(out, 0, sizeof *out);
    out->energy = run->energy;
    memcpy(out->component, run->component, sizeof out->component);
    memcpy(out->strain, run->strain, sizeof out->strain);
    memcpy(out->force, run->force, n*sizeof *out->force);
    memcpy(out->charge, run->charge, n*sizeof(double));
    memcpy(out->atom_energy, run->atom_energy, n*sizeof(double));
}

/* The same bits on 1, 2, 3 and 5 threads, and again on the first of them. */
static void check_threads(const mlff_model *model, const sample *s, mlff_settings settings) {
    static outcome first, other;
    const int counts[] = {1, 2, 3, 5, 1};
    for (int k = 0; k < 5; k++) {
        int n = counts[k];
        const mlff_parallel parallel = {.ctx = &n, .n_threads = n, .run = run_threads};
        settings.parallel = &parallel;
        aimnet2_run run;
        CHECK_OK(cpu_open(&run, model, settings), run.err);
        CHECK_OK(aimnet2_evaluate(&run, &s->view), run.err);
        keep(&run, k == 0 ? &first : &other);
        CHECK(k == 0 || memcmp(&first, &other, sizeof first) == 0);
        aimnet2_close(&run);
    }
}

/* Every instruction set of this machine gives the best one's values to rounding. */
static void check_kernels(const mlff_model *model, const sample *s, mlff_settings settings) {
    const cpu_kernels *list[4];
    const int n = cpu_kernels_available(list);
    aimnet2_run run;
    mlff_graph graph;
    CHECK_OK(cpu_open(&run, model, settings), run.err);
    CHECK_OK(aimnet2_evaluate(&run, &s->view), run.err);
    CHECK_OK(aimnet2_graph(&run, &s->view, &graph), run.err);
    double largest = 1;
    for (int i = 0; i < 3*run.n_atoms; i++)
        largest = fmax(largest, fabs(run.force[i/3][i%3]));
    for (int k = 0; k < n; k++) {
        static double force[MAX_ATOMS][3], charge[MAX_ATOMS];
        memset(force, 0, sizeof force);
        mlff_evaluator *evaluator;
        CHECK_OK(mlff_evaluator_new(mlff_cpu_platform(), model, &settings, &evaluator, &err), err);
        ((cpu_aimnet2 *) mlff_evaluator_network(evaluator))->kernels = list[k];
        ((cpu_longrange *) mlff_evaluator_longrange(evaluator))->kernels = list[k];
        mlff_result result = {.force = force, .charge = charge};
        CHECK_OK(mlff_evaluate(evaluator, &graph, NULL, &result, &err), err);
        CHECK_NEAR(run.energy, result.energy, energy_tolerance*run.n_atoms);
        for (int i = 0; i < run.n_atoms; i++) {
            CHECK_NEAR(run.charge[i], charge[i], charge_tolerance);
            for (int b = 0; b < 3; b++)
                CHECK_NEAR(run.force[i][b], force[i][b], force_tolerance*largest);
        }
        mlff_evaluator_free(evaluator);
    }
    aimnet2_close(&run);
}

/* Scratch grows once: a second evaluation of a size allocates nothing and gives the same bits. */
static void check_repetition(const mlff_model *model, const sample *s, mlff_settings settings) {
    static double force[MAX_ATOMS][3], charge[MAX_ATOMS], atom_energy[MAX_ATOMS];
    aimnet2_run run;
    mlff_graph graph;
    CHECK_OK(cpu_open(&run, model, settings), run.err);
    CHECK_OK(aimnet2_evaluate(&run, &s->view), run.err);
    CHECK_OK(aimnet2_graph(&run, &s->view, &graph), run.err);
    memset(force, 0, sizeof force);
    double strain[9];
    // equal requests: code for fewer outputs may be contracted otherwise
    mlff_result result = {.force = force, .strain = strain, .charge = charge,
                          .atom_energy = atom_energy};
    const size_t before = allocation_count;
    CHECK_OK(mlff_evaluate(run.evaluator, &graph, NULL, &result, &err), err);
    CHECK(allocation_count == before);
    if (!allocations_are_counted)
        printf("skipped: allocations are not counted under this sanitizer\n");
    CHECK(result.energy == run.energy);
    CHECK(memcmp(force, run.force, (size_t) run.n_atoms*sizeof *force) == 0);
    CHECK(memcmp(strain, run.strain, sizeof strain) == 0);
    mlff_result energy = {0};
    CHECK_OK(mlff_evaluate(run.evaluator, &graph, NULL, &energy, &err), err);
    CHECK_NEAR(run.energy, energy.energy, 2e-6*run.n_atoms);  // what the platform promises, eV
    aimnet2_close(&run);
}

static void test_systems(const char *name) {
    char file[128];
    mlff_model *model;
    snprintf(file, sizeof file, "aimnet2/%s.safetensors", name);
    CHECK_OK(mlff_model_load(check_path("MLFF_TEST_DATA", file), &model, &err), err);
    snprintf(file, sizeof file, "aimnet2/%s.json", name);
    mlff_json *json = open_json(check_path("MLFF_TEST_DATA", file));
    CHECK(json != NULL);
    if (!json || !model)
        return;
    const mlff_json_value *systems = mlff_json_get(mlff_json_root(json), "systems");
    for (int k = 0; k < systems->n; k++) {
        static sample s;
        read_sample(systems->item[k], &s);
        check_threads(model, &s, (mlff_settings) {0});
        check_kernels(model, &s, (mlff_settings) {0});
        check_repetition(model, &s, (mlff_settings) {0});
    }
    mlff_json_free(json);
    mlff_model_free(model);
}

/* ------------------------------------------------------------------------------- limits -- */

/* Regions of one graph do not feel each other: to the last bit the values of separate runs. */
static void test_regions(const mlff_model *model) {
    static const int species[12] = {8, 1, 1, 8, 1, 1, 8, 1, 1, 8, 1, 1};
    const int region[12] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1};
    const double charge[2] = {0, 1};
    double position[12][3];
    for (int i = 0; i < 12; i++) {
        static const double water[3][3] = {{0, 0, 0}, {0.96, 0, 0.02}, {-0.24, 0.93, 0}};
        for (int b = 0; b < 3; b++)
            position[i][b] = water[i%3][b]*(1 + 0.01*i) + (b == 0 ? 2.8*(i/3) : 0.3*(i/3));
    }
    const aimnet2_system both = {.n_atoms = 12, .species = species, .region = region,
                                 .n_regions = 2, .total_charge = charge,
                                 .position = (const double (*)[3]) position};
    aimnet2_run whole, part;
    CHECK_OK(cpu_open(&whole, model, (mlff_settings) {0}), whole.err);
    CHECK_OK(cpu_open(&part, model, (mlff_settings) {0}), part.err);
    CHECK_OK(aimnet2_evaluate(&whole, &both), whole.err);
    for (int m = 0; m < 2; m++) {
        const aimnet2_system one = {.n_atoms = 6, .species = species + 6*m,
                                    .total_charge = charge + m,
                                    .position = (const double (*)[3]) position + 6*m};
        CHECK_OK(aimnet2_evaluate(&part, &one), part.err);
        CHECK(memcmp(part.force, whole.force + 6*m, 6*sizeof *part.force) == 0);
        CHECK(memcmp(part.charge, whole.charge + 6*m, 6*sizeof *part.charge) == 0);
    }
    aimnet2_close(&whole);
    aimnet2_close(&part);
}

/* No atoms; one atom has no force. */
static void test_few_atoms(const mlff_model *model) {
    const int species[] = {7};
    const double position[1][3] = {{3, -2, 1}}, charge = 1;
    aimnet2_run run;
    CHECK_OK(cpu_open(&run, model, (mlff_settings) {0}), run.err);
    CHECK_OK(aimnet2_evaluate(&run, &(aimnet2_system) {.n_atoms = 0}), run.err);
    CHECK(run.energy == 0);
    CHECK_OK(aimnet2_evaluate(&run, &(aimnet2_system) {.n_atoms = 1, .species = species,
             .position = position, .total_charge = &charge}), run.err);
    CHECK_NEAR(1, run.charge[0], 1e-3);
    for (int b = 0; b < 3; b++)
        CHECK(run.force[0][b] == 0);
    aimnet2_close(&run);
}

static void test_refusals(const mlff_model *model) {
    const double position[1][3] = {{0}}, cell[3][3] = {{9, 0, 0}, {0, 9, 0}, {0, 0, 9}};
    const int oxygen = 8;
    aimnet2_system s = {.n_atoms = 1, .species = &oxygen, .position = position, .cell = cell};
    aimnet2_run run;
    CHECK_OK(cpu_open(&run, model, (mlff_settings) {.coulomb = MLFF_COULOMB_SIMPLE}), run.err);
    CHECK_FAILS(aimnet2_evaluate(&run, &s), MLFF_ERROR_BOX, run.err, "Simple");
    aimnet2_close(&run);
    CHECK_OK(cpu_open(&run, model, (mlff_settings) {0}), run.err);
    mlff_result result = {0};
    mlff_graph graph;
    s.cell = NULL;
    CHECK_OK(aimnet2_graph(&run, &s, &graph), run.err);
    graph.long_range = (mlff_pairs) {0};
    CHECK_FAILS(mlff_evaluate(run.evaluator, &graph, NULL, &result, &err), MLFF_ERROR_ARGUMENT, err,
                "no long-range pairs");
    aimnet2_close(&run);
}

int main(void) {
    mlff_model *model;
    if (!check_file_exists(check_path("MLFF_TEST_DATA", "aimnet2/published-4x4.safetensors"))) {
        CHECK_SAY("MLFF_TEST_DATA does not name the folder of the test data");
        return check_report("test_aimnet2_cpu");
    }
    test_data("published-4x4");
    test_data("open-shell-3x5");
    test_data("neutral-2x3");
    test_systems("published-4x4");
    test_systems("open-shell-3x5");
    CHECK_OK(mlff_model_load(check_path("MLFF_TEST_DATA", "aimnet2/published-4x4.safetensors"),
                             &model, &err), err);
    test_regions(model);
    test_few_atoms(model);
    test_refusals(model);
    mlff_model_free(model);

    const char *path = check_path("MLFF_SHARED", "models/aimnet2_wb97m_d3_member0.safetensors");
    if (!check_file_exists(path)) {
        printf("skipped: the published model: %s is not there\n", path ? path : "its folder");
        return check_report("test_aimnet2_cpu");
    }
    CHECK_OK(mlff_model_load(path, &model, &err), err);
    test_goldens(model);
    static sample s;
    static const char *const names[] = {"water64_box", "benzene"};
    for (int k = 0; k < 2; k++) {
        char file[128];
        snprintf(file, sizeof file, "golden/aimnet2/%s.json", names[k]);
        mlff_json *json = open_json(check_path("MLFF_SHARED", file));
        CHECK(json != NULL);
        read_sample(mlff_json_root(json), &s);
        check_threads(model, &s, (mlff_settings) {0});
        check_kernels(model, &s, (mlff_settings) {0});
        check_repetition(model, &s, (mlff_settings) {0});
        mlff_json_free(json);
    }
    mlff_model_free(model);
    return check_report("test_aimnet2_cpu");
}
