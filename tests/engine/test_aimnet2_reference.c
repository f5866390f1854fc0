/*
 * AIMNet2 on the reference platform: small models against an independent implementation
 * (tests/data/aimnet2/README.md), against finite differences of the energy, and against what must
 * hold for every model of its kind. Published weights: test_aimnet2_golden.c.
 */
#include "check.h"
#include "count_allocations.h"
#include "../../platforms/reference/aimnet2/ref_aimnet2.h"
#include "aimnet2_run.h"
#include "finite_difference.h"
#include "mlff_json.h"

/* Relative to 1 eV, 1 eV/angstrom, or to the value where that is larger. Stricter than the platform
   promises (1e-8). */
static const double tolerance = 1e-11;

enum { MAX_ATOMS = 32, MAX_REGIONS = 4 };

static mlff_error err;

/* ----------------------------------------------------------------------- expected values -- */

/* One system of tests/data/aimnet2; view points into the rest. */
typedef struct sample {
    const mlff_json_value *json;
    aimnet2_system view;
    int species[MAX_ATOMS], region[MAX_ATOMS];
    double position[MAX_ATOMS][3], cell[3][3], total_charge[MAX_REGIONS], multiplicity[MAX_REGIONS];
} sample;

static void read_numbers(const mlff_json_value *array, double *out) {
    for (int k = 0; k < array->n; k++)
        out[k] = array->item[k]->number;
}

static void read_sample(const mlff_json_value *json, sample *s) {
    *s = (sample) {.json = json};
    const mlff_json_value *numbers = mlff_json_get(json, "numbers");
    const mlff_json_value *region = mlff_json_get(json, "region");
    const mlff_json_value *cell = mlff_json_get(json, "cell");
    for (int i = 0; i < numbers->n; i++) {
        s->species[i] = (int) numbers->item[i]->integer;
        s->region[i] = (int) region->item[i]->integer;
        read_numbers(mlff_json_get(json, "coord")->item[i], s->position[i]);
    }
    for (int a = 0; a < cell->n; a++)
        read_numbers(cell->item[a], s->cell[a]);
    read_numbers(mlff_json_get(json, "total_charge"), s->total_charge);
    read_numbers(mlff_json_get(json, "multiplicity"), s->multiplicity);
    s->view = (aimnet2_system) {
        .n_atoms = numbers->n, .species = s->species,
        .position = (const double (*)[3]) s->position,
        .cell = cell->n > 0 ? (const double (*)[3]) s->cell : NULL,
        .region = s->region, .n_regions = mlff_json_get(json, "total_charge")->n,
        .total_charge = s->total_charge, .multiplicity = s->multiplicity};
}

/* A model of the data with its expected values. */
typedef struct data {
    mlff_model *model;
    mlff_json *json;
    const mlff_json_value *systems;
} data;

static data open_data(const char *name) {
    data d = {0};
    char file[128];
    snprintf(file, sizeof file, "aimnet2/%s.safetensors", name);
    CHECK_OK(mlff_model_load(check_path("MLFF_TEST_DATA", file), &d.model, &err), err);
    snprintf(file, sizeof file, "aimnet2/%s.json", name);
    size_t n;
    unsigned char *text = aimnet2_read_file(check_path("MLFF_TEST_DATA", file), &n);
    CHECK(text != NULL);
    if (!text || !d.model)
        exit(check_report("test_aimnet2_reference"));
    CHECK_OK(mlff_json_parse((const char *) text, n, file, &d.json, &err), err);
    free(text);
    d.systems = mlff_json_get(mlff_json_root(d.json), "systems");
    return d;
}

static void close_data(data *d) {
    mlff_model_free(d->model);
    mlff_json_free(d->json);
}

static void find_sample(const data *d, const char *name, sample *s) {
    for (int k = 0; k < d->systems->n; k++)
        if (strcmp(mlff_json_get(d->systems->item[k], "name")->string, name) == 0) {
            read_sample(d->systems->item[k], s);
            return;
        }
    CHECK_SAY("no system %s", name);
}

static double number_or(const mlff_json_value *object, const char *key, double standard) {
    const mlff_json_value *value = mlff_json_get(object, key);
    return value ? value->number : standard;
}

static mlff_settings read_settings(const mlff_json_value *method) {
    static const char *const names[] = {"default", "none", "simple", "dsf", "ewald"};
    mlff_settings s = {.coulomb_cutoff = number_or(method, "coulomb_cutoff", 0),
                       .coulomb_alpha = number_or(method, "coulomb_alpha", 0),
                       .dispersion_cutoff = number_or(method, "dispersion_cutoff", 0)};
    for (int k = 0; k < 5; k++)
        if (strcmp(mlff_json_get(method, "coulomb")->string, names[k]) == 0)
            s.coulomb = (mlff_coulomb) k;
    if (s.coulomb == MLFF_COULOMB_EWALD)
        s.ewald_tolerance = 1e-15;
    const mlff_json_value *dispersion = mlff_json_get(method, "dispersion");
    s.dispersion = dispersion && !dispersion->boolean ? -1 : 0;
    return s;
}

/* ------------------------------------------------------------------------------- values -- */

static void check_close(double expected, double found, double factor) {
    CHECK_NEAR(expected, found, factor*tolerance*fmax(1, fabs(expected)));
}

static void check_components(const aimnet2_run *run, const mlff_json_value *method, double factor) {
    static const char *const names[] = {"network", "elements", "coulomb_short", "coulomb_full",
                                        "dispersion"};
    const mlff_json_value *components = mlff_json_get(method, "components");
    double sum = 0;
    for (int k = 0; k < MLFF_N_COMPONENTS; k++) {
        check_close(mlff_json_get(components, names[k])->number, run->component[k], factor);
        sum += run->component[k];
    }
    CHECK(run->energy == sum);
}

static void check_arrays(const aimnet2_run *run, const mlff_model *model, const sample *s,
                         const mlff_json_value *method, double factor) {
    const mlff_aimnet2 *description = mlff_model_description(model);
    const mlff_json_value *forces = mlff_json_get(method, "forces");
    const mlff_json_value *strain = mlff_json_get(method, "strain");
    const mlff_json_value *energies = mlff_json_get(method, "atom_energies");
    for (int i = 0; i < run->n_atoms; i++) {
        for (int b = 0; b < 3; b++)
            check_close(forces->item[i]->item[b]->number, run->force[i][b], factor);
        check_close(mlff_json_get(method, "charges")->item[i]->number, run->charge[i], 1);
        const double constant = mlff_tensor_value(description->atomic_shift, s->species[i]);
        check_close(energies->item[i]->number + constant, run->atom_energy[i], 1);
    }
    for (int k = 0; k < 9; k++)
        check_close(strain->item[k/3]->item[k%3]->number, run->strain[k], 10*factor);
}

static void check_stage(void *ctx, const char *stage, int t, int n_rows, int width,
                        const double *values) {
    const mlff_json_value *expected = ctx;
    if (strcmp(stage, "charges") == 0)
        for (int k = 0; k < n_rows*width; k++)
            check_close(expected->item[t]->item[k/width]->item[k%width]->number, values[k], 1);
}

/* The charges of each channel behind passes 0 and 1. */
static void check_passes(aimnet2_run *run, const sample *s, const mlff_json_value *method) {
    mlff_graph graph;
    CHECK_OK(aimnet2_graph(run, &s->view, &graph), run->err);
    ref_aimnet2_set_trace(mlff_evaluator_network(run->evaluator), check_stage,
                          (void *) mlff_json_get(method, "charges_after_pass"));
    mlff_result result = {0};
    CHECK_OK(mlff_evaluate(run->evaluator, &graph, NULL, &result, &err), err);
    ref_aimnet2_set_trace(mlff_evaluator_network(run->evaluator), NULL, NULL);
}

static void check_case(const mlff_model *model, const sample *s, const mlff_json_value *method) {
    const int failures = check_failures;
    mlff_settings settings = read_settings(method);
    aimnet2_run run;
    CHECK_OK(aimnet2_open(&run, model, settings), run.err);
    CHECK_OK(aimnet2_evaluate(&run, &s->view), run.err);
    check_components(&run, method, 1);
    check_arrays(&run, model, s, method, 1);
    check_passes(&run, s, method);
    aimnet2_close(&run);
    if (settings.coulomb == MLFF_COULOMB_EWALD) {
        settings.coulomb = MLFF_COULOMB_PME;  // of its own accuracy: the mesh
        settings.ewald_tolerance = 1e-10;
        CHECK_OK(aimnet2_open(&run, model, settings), run.err);
        CHECK_OK(aimnet2_evaluate(&run, &s->view), run.err);
        check_components(&run, method, 1e-7/tolerance);
        check_arrays(&run, model, s, method, 1e-6/tolerance);
        aimnet2_close(&run);
    }
    if (check_failures > failures)
        printf("  in %s, %s\n", mlff_json_get(s->json, "name")->string,
               mlff_json_get(method, "coulomb")->string);
}

/* Values computed with tools/golden/aimnet2_numpy.py; README of the folder has the command. */
static void test_expected_values(const data *d) {
    for (int k = 0; k < d->systems->n; k++) {
        sample s;
        read_sample(d->systems->item[k], &s);
        const mlff_json_value *methods = mlff_json_get(s.json, "methods");
        for (int m = 0; m < methods->n; m++)
            check_case(d->model, &s, methods->item[m]);
    }
}

/* --------------------------------------------------------------------------- derivatives -- */

typedef struct displaced {
    aimnet2_run *run;
    sample s;
    int atom, axis;         /* axis of the strain's row where atom < 0 */
    int strain_axis;
} displaced;

/* Energy with one coordinate, or one component of the strain, moved by x. */
static double energy_at(void *ctx, double x) {
    displaced *d = ctx;
    const sample s = d->s;
    if (d->atom >= 0) {
        d->s.position[d->atom][d->axis] += x;
    } else {
        for (int i = 0; i < s.view.n_atoms; i++)
            d->s.position[i][d->strain_axis] += x*s.position[i][d->axis];
        for (int a = 0; a < 3; a++)
            d->s.cell[a][d->strain_axis] += x*s.cell[a][d->axis];
    }
    CHECK_OK(aimnet2_evaluate(d->run, &d->s.view), d->run->err);
    memcpy(d->s.position, s.position, sizeof s.position);
    memcpy(d->s.cell, s.cell, sizeof s.cell);
    return d->run->energy - d->run->component[MLFF_ELEMENTS];
}

/* Forces with charge response, and the strain derivative. */
static void check_derivatives(const data *data, const char *name, mlff_settings settings) {
    const int failures = check_failures;
    displaced d;
    find_sample(data, name, &d.s);
    d.s.view.species = d.s.species;
    d.s.view.position = (const double (*)[3]) d.s.position;
    d.s.view.cell = d.s.view.cell ? (const double (*)[3]) d.s.cell : NULL;
    aimnet2_run analytic, energies;
    CHECK_OK(aimnet2_open(&analytic, data->model, settings), analytic.err);
    CHECK_OK(aimnet2_open(&energies, data->model, settings), energies.err);
    CHECK_OK(aimnet2_evaluate(&analytic, &d.s.view), analytic.err);
    energies.energy_only = true;
    d.run = &energies;
    const double rounding = 1e-14*(1 + fabs(analytic.energy - analytic.component[MLFF_ELEMENTS]));

    for (int k = 0; k < 3*d.s.view.n_atoms + 9; k++) {
        const int i = k/3, s = k - 3*d.s.view.n_atoms;
        d.atom = s < 0 ? i : -1;
        d.axis = s < 0 ? k%3 : s/3;
        d.strain_axis = s < 0 ? 0 : s%3;
        const finite_difference slope = finite_difference_of(energy_at, &d, 1e-3, rounding);
        CHECK(slope.error < 1e-5);
        CHECK_NEAR(slope.value, s < 0 ? -analytic.force[i][k%3] : analytic.strain[s],
                   slope.error + 1e-9);
    }
    if (check_failures > failures)
        printf("  in %s\n", name);
    aimnet2_close(&analytic);
    aimnet2_close(&energies);
}

/* D3 drops references of small weight (a real, tiny step), so differences of the energy cannot
   judge it everywhere: systems beside such a step go without. */
static void test_derivatives(const data *published, const data *open_shell, const data *neutral) {
    check_derivatives(published, "formamide", (mlff_settings) {.dispersion = -1});
    check_derivatives(neutral, "formamide", (mlff_settings) {0});
    check_derivatives(published, "two_regions",
                      (mlff_settings) {.coulomb = MLFF_COULOMB_DSF, .dispersion = -1});
    check_derivatives(published, "small_cell",
                      (mlff_settings) {.coulomb = MLFF_COULOMB_DSF, .coulomb_cutoff = 9,
                                       .dispersion_cutoff = 9});
    check_derivatives(open_shell, "methanol", (mlff_settings) {0});
    check_derivatives(open_shell, "small_cell", (mlff_settings) {.coulomb = MLFF_COULOMB_NONE});
}

/* ---------------------------------------------------------------------------- symmetries -- */

/* Energy and charges unchanged, forces turned, by rotation, translation and a new order. */
static void test_symmetries(const data *d) {
    static const double turn[3][3] = {{0.36, 0.48, -0.8}, {-0.8, 0.6, 0}, {0.48, 0.64, 0.6}};
    sample s, moved;
    find_sample(d, "formamide", &s);
    find_sample(d, "formamide", &moved);
    const int n = s.view.n_atoms;
    for (int i = 0; i < n; i++) {
        const int to = (5*i + 2) % n;
        moved.species[to] = s.species[i];
        for (int a = 0; a < 3; a++)
            moved.position[to][a] = turn[a][0]*s.position[i][0] + turn[a][1]*s.position[i][1] +
                                    turn[a][2]*s.position[i][2] + 7*a - 30;
    }
    aimnet2_run one, two;
    CHECK_OK(aimnet2_open(&one, d->model, (mlff_settings) {0}), one.err);
    CHECK_OK(aimnet2_open(&two, d->model, (mlff_settings) {0}), two.err);
    CHECK_OK(aimnet2_evaluate(&one, &s.view), one.err);
    moved.view.species = moved.species;
    moved.view.position = (const double (*)[3]) moved.position;
    CHECK_OK(aimnet2_evaluate(&two, &moved.view), two.err);
    CHECK_NEAR(one.energy, two.energy, 1e-11);
    for (int i = 0; i < n; i++) {
        const int to = (5*i + 2) % n;
        const double *f = one.force[i];
        CHECK_NEAR(one.charge[i], two.charge[to], 1e-12);
        for (int a = 0; a < 3; a++)
            CHECK_NEAR(turn[a][0]*f[0] + turn[a][1]*f[1] + turn[a][2]*f[2], two.force[to][a],
                       1e-11);
    }
    aimnet2_close(&one);
    aimnet2_close(&two);
}

/* Atoms first ... first + n - 1 as a molecule of its own, with the charge and multiplicity of m. */
static aimnet2_system part_of(const sample *s, int first, int n, int m) {
    return (aimnet2_system) {.n_atoms = n, .species = s->species + first,
                             .position = (const double (*)[3]) s->position + first,
                             .total_charge = s->total_charge + m,
                             .multiplicity = s->multiplicity + m};
}

/* Regions of one graph do not feel each other: to the last bit the values of separate runs. */
static void check_regions(const data *d, double offset) {
    sample s;
    find_sample(d, "two_regions", &s);
    for (int i = 6; i < 12; i++)
        s.position[i][0] += offset;
    s.view.position = (const double (*)[3]) s.position;
    aimnet2_run both, one;
    CHECK_OK(aimnet2_open(&both, d->model, (mlff_settings) {0}), both.err);
    CHECK_OK(aimnet2_open(&one, d->model, (mlff_settings) {0}), one.err);
    CHECK_OK(aimnet2_evaluate(&both, &s.view), both.err);
    double energy = 0;
    for (int m = 0; m < 2; m++) {
        const aimnet2_system part = part_of(&s, 6*m, 6, m);
        CHECK_OK(aimnet2_evaluate(&one, &part), one.err);
        energy += one.energy;
        CHECK(memcmp(one.force, both.force + 6*m, 6*sizeof *one.force) == 0);
        CHECK(memcmp(one.charge, both.charge + 6*m, 6*sizeof *one.charge) == 0);
    }
    CHECK_NEAR(energy, both.energy, 1e-10);
    aimnet2_close(&both);
    aimnet2_close(&one);
}

/* sum q = Q but for epsilon: sum q - Q = -D epsilon/F, here with F of order 1. */
static void test_charge_conservation(const data *d) {
    for (int k = 0; k < d->systems->n; k++) {
        sample s;
        read_sample(d->systems->item[k], &s);
        aimnet2_run run;
        CHECK_OK(aimnet2_open(&run, d->model, (mlff_settings) {0}), run.err);
        for (int step = -1; step <= 1; step++) {
            s.total_charge[0] += step;
            CHECK_OK(aimnet2_evaluate(&run, &s.view), run.err);
            double sum[MAX_REGIONS] = {0};
            for (int i = 0; i < s.view.n_atoms; i++)
                sum[s.region[i]] += run.charge[i];
            for (int m = 0; m < s.view.n_regions; m++)
                CHECK_NEAR(s.total_charge[m], sum[m], 1e-4);
        }
        aimnet2_close(&run);
    }
}

/* ------------------------------------------------------------------------------ limits -- */

/* A pair that crosses the cutoff changes the network's energy by nothing that can be seen. */
static void test_crossing_the_cutoff(const data *d) {
    const int species[] = {8, 6};
    const double charge = -1;
    double energy[2];
    aimnet2_run run;
    CHECK_OK(aimnet2_open(&run, d->model, (mlff_settings) {.dispersion = -1}), run.err);
    for (int side = 0; side < 2; side++) {
        const double position[2][3] = {{0}, {0, 0, 5 + (side ? 1e-5 : -1e-5)}};
        CHECK_OK(aimnet2_evaluate(&run, &(aimnet2_system) {.n_atoms = 2, .species = species,
                 .position = position, .total_charge = &charge}), run.err);
        CHECK(run.message.n_pairs == (side ? 0 : 2));
        energy[side] = run.component[MLFF_NETWORK];
    }
    CHECK_NEAR(energy[0], energy[1], 1e-9);
    aimnet2_close(&run);
}

/* No atoms, one atom, atoms out of sight: energies without forces. */
static void test_few_atoms(const data *d) {
    const int species[] = {7, 1};
    const double far[2][3] = {{0}, {100, 0, 0}}, charges[] = {1, -1};
    const int region[] = {0, 1};
    aimnet2_run run;
    CHECK_OK(aimnet2_open(&run, d->model, (mlff_settings) {0}), run.err);
    CHECK_OK(aimnet2_evaluate(&run, &(aimnet2_system) {.n_atoms = 0}), run.err);
    CHECK(run.energy == 0);
    CHECK_OK(aimnet2_evaluate(&run, &(aimnet2_system) {.n_atoms = 1, .species = species,
             .position = far, .total_charge = charges}), run.err);
    const double nitrogen = run.energy;
    CHECK_NEAR(1, run.charge[0], 1e-4);
    CHECK(run.force[0][0] == 0 && run.force[0][1] == 0 && run.force[0][2] == 0);
    for (int k = 0; k < 9; k++)
        CHECK(run.strain[k] == 0);
    CHECK_OK(aimnet2_evaluate(&run, &(aimnet2_system) {.n_atoms = 1, .species = species + 1,
             .position = far, .total_charge = charges + 1}), run.err);
    const double hydrogen = run.energy;
    CHECK_OK(aimnet2_evaluate(&run, &(aimnet2_system) {.n_atoms = 2, .species = species,
             .position = far, .total_charge = charges, .region = region, .n_regions = 2}), run.err);
    CHECK_NEAR(nitrogen + hydrogen, run.energy, 1e-11);
    CHECK(run.force[0][0] == 0 && run.force[1][0] == 0);
    aimnet2_close(&run);
}

/* Without forces the same energies and charges; forces are added to what is there. */
static void test_outputs(const data *d) {
    sample s;
    find_sample(d, "two_regions", &s);
    aimnet2_run run;
    CHECK_OK(aimnet2_open(&run, d->model, (mlff_settings) {0}), run.err);
    CHECK_OK(aimnet2_evaluate(&run, &s.view), run.err);
    mlff_graph graph;
    CHECK_OK(aimnet2_graph(&run, &s.view, &graph), run.err);
    double charge[MAX_ATOMS], force[MAX_ATOMS][3];
    mlff_result result = {.charge = charge};
    CHECK_OK(mlff_evaluate(run.evaluator, &graph, NULL, &result, &err), err);
    CHECK(result.energy == run.energy);
    CHECK(memcmp(charge, run.charge, (size_t) s.view.n_atoms*sizeof *charge) == 0);
    for (int i = 0; i < s.view.n_atoms; i++)
        force[i][0] = force[i][1] = force[i][2] = i;
    result = (mlff_result) {.force = force};
    CHECK_OK(mlff_evaluate(run.evaluator, &graph, NULL, &result, &err), err);
    for (int i = 0; i < s.view.n_atoms; i++)
        for (int b = 0; b < 3; b++)
            CHECK_NEAR(i + run.force[i][b], force[i][b], 1e-13);
    aimnet2_close(&run);
}

/* Scratch grows once: a second evaluation allocates nothing and gives the same bits. */
static void test_repetition(const data *d) {
    sample large, small;
    find_sample(d, "formamide_4water", &large);
    find_sample(d, "formamide", &small);
    aimnet2_run run;
    CHECK_OK(aimnet2_open(&run, d->model, (mlff_settings) {0}), run.err);
    CHECK_OK(aimnet2_evaluate(&run, &small.view), run.err);
    const double first = run.energy, first_force = run.force[3][1];
    CHECK_OK(aimnet2_evaluate(&run, &large.view), run.err);
    mlff_graph graph;
    double force[MAX_ATOMS][3] = {{0}};
    mlff_result result = {.force = force};
    CHECK_OK(aimnet2_graph(&run, &large.view, &graph), run.err);
    const size_t before = allocation_count;
    CHECK_OK(mlff_evaluate(run.evaluator, &graph, NULL, &result, &err), err);
    CHECK(allocation_count == before);
    if (!allocations_are_counted)
        printf("skipped: allocations are not counted under this sanitizer\n");
    CHECK(result.energy == run.energy);
    CHECK_OK(aimnet2_evaluate(&run, &small.view), run.err);
    CHECK(run.energy == first && run.force[3][1] == first_force);
    aimnet2_close(&run);
}

/* ---------------------------------------------------------------------------- refusals -- */

static void test_refused_systems(const data *published, const data *neutral) {
    const double position[1][3] = {{0}}, charge = 1, triplet = 3;
    const double cell[3][3] = {{9, 0, 0}, {0, 9, 0}, {0, 0, 9}};
    const int oxygen = 8, fluorine = 9, iron = 26;
    aimnet2_run run;
    CHECK_OK(aimnet2_open(&run, published->model, (mlff_settings) {0}), run.err);
    aimnet2_system s = {.n_atoms = 1, .species = &fluorine, .position = position};
    CHECK_FAILS(aimnet2_evaluate(&run, &s), MLFF_ERROR_ELEMENT, run.err, "F");
    s.species = &iron;
    CHECK_FAILS(aimnet2_evaluate(&run, &s), MLFF_ERROR_ELEMENT, run.err, "Fe");
    s.species = &oxygen;
    s.multiplicity = &triplet;
    CHECK_FAILS(aimnet2_evaluate(&run, &s), MLFF_ERROR_CHARGE, run.err, "multiplicity is 3");
    s.multiplicity = NULL;
    CHECK_OK(aimnet2_evaluate(&run, &s), run.err);
    aimnet2_close(&run);

    CHECK_OK(aimnet2_open(&run, neutral->model, (mlff_settings) {0}), run.err);
    s.total_charge = &charge;
    CHECK_FAILS(aimnet2_evaluate(&run, &s), MLFF_ERROR_CHARGE, run.err, "neutral molecules only");
    aimnet2_close(&run);

    CHECK_OK(aimnet2_open(&run, published->model, (mlff_settings) {.coulomb = MLFF_COULOMB_SIMPLE}),
             run.err);
    s.cell = cell;
    CHECK_FAILS(aimnet2_evaluate(&run, &s), MLFF_ERROR_BOX, run.err, "Simple");
    aimnet2_close(&run);
    CHECK_OK(aimnet2_open(&run, published->model, (mlff_settings) {.coulomb = MLFF_COULOMB_EWALD}),
             run.err);
    s.cell = NULL;
    CHECK_FAILS(aimnet2_evaluate(&run, &s), MLFF_ERROR_BOX, run.err, "Ewald");
    aimnet2_close(&run);
}

/* Settings that the model cannot honour fail at the start. */
static void test_refused_settings(const data *open_shell, const data *neutral) {
    aimnet2_run run;
    CHECK_FAILS(aimnet2_open(&run, open_shell->model, (mlff_settings) {.dispersion = 1}),
                MLFF_ERROR_UNSUPPORTED, run.err, "dispersion");
    CHECK_FAILS(aimnet2_open(&run, neutral->model, (mlff_settings) {.coulomb = MLFF_COULOMB_DSF}),
                MLFF_ERROR_ARGUMENT, run.err, "no Coulomb energy");
}

/* Positions so close that the numbers overflow: the atom is named, the evaluator stays usable. */
static void test_not_finite(const data *d) {
    const int species[] = {8, 6};
    const double near[2][3] = {{0}, {1e-310, 0, 0}}, good[2][3] = {{0}, {1.2, 0, 0}};
    aimnet2_run run;
    CHECK_OK(aimnet2_open(&run, d->model, (mlff_settings) {0}), run.err);
    aimnet2_system s = {.n_atoms = 2, .species = species, .position = near};
    CHECK_FAILS(aimnet2_evaluate(&run, &s), MLFF_ERROR_NUMBER, run.err, "");
    s.position = good;
    CHECK_OK(aimnet2_evaluate(&run, &s), run.err);
    aimnet2_close(&run);
}

int main(void) {
    data published = open_data("published-4x4"), open_shell = open_data("open-shell-3x5");
    data neutral = open_data("neutral-2x3");
    test_expected_values(&published);
    test_expected_values(&open_shell);
    test_expected_values(&neutral);
    test_derivatives(&published, &open_shell, &neutral);
    test_symmetries(&published);
    check_regions(&published, 0);
    check_regions(&published, 300);
    check_regions(&open_shell, 0);
    test_charge_conservation(&published);
    test_crossing_the_cutoff(&published);
    test_few_atoms(&published);
    test_outputs(&published);
    test_repetition(&published);
    test_refused_systems(&published, &neutral);
    test_refused_settings(&open_shell, &neutral);
    test_not_finite(&published);
    close_data(&published);
    close_data(&open_shell);
    close_data(&neutral);
    return check_report("test_aimnet2_reference");
}
