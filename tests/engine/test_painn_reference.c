/*
 * PaiNN on the reference platform against values of other codes (tests/data/painn/README.md, and
 * those of the original codes where they are at hand), against finite differences, and against what
 * must hold for every model of its kind.
 */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "count_allocations.h"
#include "finite_difference.h"
#include "golden.h"
#include "mlff_painn.h"
#include "mlff_safetensors.h"
#include "reference_run.h"
#include "../../platforms/reference/painn/ref_painn.h"

#include <dirent.h>
#include <time.h>

/* eV, eV/angstrom; strain derivatives in eV. Stricter than the platform promises (1e-8). */
static const double tolerance = 1e-9;

/* --------------------------------------------------------------------------- the data -- */

/* Where a model of the test data lies; the bundled ones have a folder of their own. */
static const char *model_path(const char *folder_variable, const char *folder, const char *model) {
    char file[256];
    snprintf(file, sizeof file, "%s%s.safetensors", folder, model);
    const char *path = check_path(folder_variable, file);
    if (check_file_exists(path))
        return path;
    snprintf(file, sizeof file, "%s.safetensors", model);
    return check_path("MLFF_MODELS", file);
}

static const char *data_model(const char *model) {
    return model_path("MLFF_TEST_DATA", "painn/", model);
}

static bool open_data_model(reference_run *run, const char *model) {
    const mlff_status status = reference_open(run, data_model(model));
    CHECK_OK(status, run->err);
    return status == MLFF_OK;
}

static bool open_data_golden(golden *g, const char *name) {
    char file[256];
    snprintf(file, sizeof file, "painn/%s.txt", name);
    const bool good = golden_read(check_path("MLFF_TEST_DATA", file), g);
    CHECK(good);
    return good;
}

static const double (*cell_of(const golden *g))[3] {
    return g->periodic ? (const double (*)[3])g->cell : NULL;
}

static mlff_status evaluate_golden(reference_run *run, const golden *g) {
    return reference_evaluate(run, g->n_atoms, g->species, (const double (*)[3])g->position, NULL,
                              cell_of(g));
}

static double largest_difference(int n, const double *x, const double *y) {
    double worst = 0;
    for (int k = 0; k < n; k++) {
        const double difference = fabs(x[k] - y[k]);
        worst = difference > worst || difference != difference ? difference : worst;
    }
    return worst;
}

static bool ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* ---------------------------------------------------------------------- golden values -- */

typedef struct worst_of {
    int n_systems;
    double energy, atom_energy, force, strain;
} worst_of;

static void compare_golden(const char *path, const char *variable, const char *folder,
                           worst_of *worst) {
    golden g;
    reference_run run;
    CHECK(golden_read(path, &g));
    const char *model = model_path(variable, folder, g.model);
    if (!model) {
        printf("skipped: %s, MLFF_MODELS is not set\n", path);
        golden_free(&g);
        return;
    }
    const mlff_status status = reference_open(&run, model);
    CHECK_OK(status, run.err);
    if (status != MLFF_OK)
        return;
    CHECK_OK(evaluate_golden(&run, &g), run.err);
    CHECK(run.list.n_pairs == g.n_edges);

    /* the constants of the elements stay out of the comparison of the sum: 1e5 eV hide digits */
    double rest = 0;
    for (int i = 0; i < g.n_atoms; i++)
        rest += g.atom_energy[i] - run.component[MLFF_ELEMENTS]/g.n_atoms;
    const double energy = fabs(run.component[MLFF_NETWORK] - rest);
    const double force = largest_difference(3*g.n_atoms, &run.force[0][0], &g.force[0][0]);
    const double strain = largest_difference(9, run.strain, g.strain);
    const double atom = largest_difference(g.n_atoms, run.atom_energy, g.atom_energy);
    CHECK_NEAR(0, energy, tolerance);
    CHECK_NEAR(0, atom, tolerance);
    CHECK_NEAR(0, force, tolerance);
    CHECK_NEAR(0, strain, tolerance);
    CHECK_NEAR(g.energy, run.energy, tolerance*fmax(1, 1e-4*fabs(g.energy)));
    CHECK(run.energy == run.component[MLFF_NETWORK] + run.component[MLFF_ELEMENTS]);

    worst->n_systems++;
    worst->energy = fmax(worst->energy, energy);
    worst->atom_energy = fmax(worst->atom_energy, atom);
    worst->force = fmax(worst->force, force);
    worst->strain = fmax(worst->strain, strain);
    reference_close(&run);
    golden_free(&g);
}

/* Line "Za Zb d E F": two atoms on the z axis, F the force on the second. */
static void compare_dimer_scan(const char *path, const char *model) {
    FILE *f = fopen(path, "r");
    reference_run run;
    CHECK(f != NULL);
    CHECK_OK(reference_open(&run, model), run.err);
    char line[256];
    int n = 0;
    double worst_energy = 0, worst_force = 0;
    while (f && fgets(line, sizeof line, f)) {
        int species[2];
        double d, energy, force;
        if (sscanf(line, "%d %d %lf %lf %lf", &species[0], &species[1], &d, &energy, &force) != 5)
            continue;
        if (d == run.cutoff)
            d = 4.999999999999999;  /* what was printed as 5.0000; it decides about the pair */
        const double position[2][3] = {{0, 0, 0}, {0, 0, d}};
        CHECK_OK(reference_evaluate(&run, 2, species, position, NULL, NULL), run.err);
        worst_energy = fmax(worst_energy, fabs(run.energy - energy));
        worst_force = fmax(worst_force, fabs(run.force[1][2] - force));
        n++;
    }
    CHECK(n > 100);
    CHECK_NEAR(0, worst_energy, tolerance);
    CHECK_NEAR(0, worst_force, tolerance);
    printf("%s: %d distances, worst energy %.2g eV, force %.2g eV/A\n", strrchr(path, '/') + 1, n,
           worst_energy, worst_force);
    if (f)
        fclose(f);
    reference_close(&run);
}

typedef struct trace_file {
    mlff_safetensors tensors;
    int n_features, n_stages;
    double worst;
} trace_file;

static void compare_tensor(trace_file *file, const char *name, int n, const double *found) {
    const mlff_tensor *want = mlff_safetensors_find(&file->tensors, name);
    CHECK(want != NULL && want->n_values == n);
    for (int k = 0; want && k < n && k < want->n_values; k++)
        file->worst = fmax(file->worst, fabs(found[k] - mlff_tensor_value(want, k)));
    file->n_stages++;
}

static void compare_stage(void *ctx, const char *stage, int layer, int n_rows, const double *s,
                          const double *v) {
    trace_file *file = ctx;
    const char *infix = strcmp(stage, "msg") == 0 ? "msg_" : "";
    char name[32];
    snprintf(name, sizeof name, "s_%s%d", infix, layer);
    compare_tensor(file, name, n_rows*file->n_features, s);
    snprintf(name, sizeof name, "v_%s%d", infix, layer);
    compare_tensor(file, name, n_rows*3*file->n_features, v);
}

/* All of a file; the caller frees. */
static unsigned char *read_bytes(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    unsigned char *bytes = malloc(*n + 1);
    CHECK(fread(bytes, 1, *n, f) == *n);
    fclose(f);
    return bytes;
}

/* s and v after every message and update. */
static void compare_trace(const char *golden_path, const char *trace_path, const char *model) {
    size_t n_bytes = 0;
    golden g;
    reference_run run;
    trace_file file = {0};
    CHECK(golden_read(golden_path, &g));
    unsigned char *bytes = read_bytes(trace_path, &n_bytes);
    CHECK_OK(reference_open(&run, model), run.err);
    CHECK_OK(mlff_safetensors_read(bytes, n_bytes, trace_path, &file.tensors, &run.err), run.err);
    const mlff_painn *painn = mlff_model_description(run.model);
    file.n_features = painn->n_features;

    void *state = mlff_evaluator_network(run.evaluator);
    ref_painn_set_trace(state, compare_stage, &file);
    CHECK_OK(ref_neighbors_build(g.n_atoms, (const double (*)[3])g.position, NULL, cell_of(&g),
                                 run.cutoff, &run.list, &run.err), run.err);
    const mlff_graph graph = {.n_local = g.n_atoms, .n_all = g.n_atoms, .species = g.species,
                              .message = ref_pair_list_view(&run.list), .n_regions = 1};
    mlff_result result = {0};
    CHECK_OK(mlff_evaluate(run.evaluator, &graph, NULL, &result, &run.err), run.err);
    CHECK(file.n_stages == 4*painn->n_layers && file.tensors.n_tensors == file.n_stages);
    CHECK_NEAR(0, file.worst, tolerance);
    printf("%s: %d tensors, worst %.2g\n", strrchr(trace_path, '/') + 1, file.n_stages, file.worst);

    /* nobody is asked any longer */
    ref_painn_set_trace(state, NULL, NULL);
    CHECK_OK(mlff_evaluate(run.evaluator, &graph, NULL, &result, &run.err), run.err);
    CHECK(file.n_stages == 4*painn->n_layers);
    mlff_safetensors_free(&file.tensors);
    free(bytes);
    reference_close(&run);
    golden_free(&g);
}

/* Everything in a folder: <model>.<system>.txt, <model>.<system>.trace.safetensors. */
static int compare_folder(const char *variable, const char *folder, const char *models) {
    const char *place = check_path(variable, folder);
    DIR *directory = place ? opendir(place) : NULL;
    worst_of worst = {0};
    int n_traces = 0;
    for (struct dirent *entry; directory && (entry = readdir(directory)) != NULL;) {
        const char *name = entry->d_name, *dot = strchr(name, '.');
        if (!dot)
            continue;
        char path[1024], trace[1024], model[128];
        snprintf(path, sizeof path, "%s/%s", check_path(variable, folder), name);
        snprintf(model, sizeof model, "%.*s", (int)(dot - name), name);
        if (ends_with(name, ".dimer_scan.txt")) {
            compare_dimer_scan(path, model_path(variable, models, model));
        } else if (ends_with(name, ".trace.safetensors")) {
            snprintf(trace, sizeof trace, "%s", path);
            strcpy(path + strlen(path) - strlen(".trace.safetensors"), ".txt");
            compare_trace(path, trace, model_path(variable, models, model));
            n_traces++;
        } else if (ends_with(name, ".txt")) {
            compare_golden(path, variable, models, &worst);
        }
    }
    if (directory)
        closedir(directory);
    CHECK(!directory || (worst.n_systems > 20 && n_traces > 0));
    if (directory)
        printf("%s: %d systems, worst energy %.2g eV (of an atom, with constants, %.2g), force "
               "%.2g eV/A, strain derivative %.2g eV\n", folder, worst.n_systems, worst.energy,
               worst.atom_energy, worst.force, worst.strain);
    return worst.n_systems;
}

static void test_golden_values(void) {
    CHECK(compare_folder("MLFF_TEST_DATA", "painn", "painn/") > 0);
    if (compare_folder("MLFF_SHARED", "golden/painn", "models/") == 0)
        printf("skipped: values of the original codes, MLFF_SHARED/golden/painn is not there\n");
}

/* ------------------------------------------------------------------ finite differences -- */

typedef struct displaced {
    reference_run *run;
    const golden *g;
    int index;             /* atom*3 + axis, or row*3 + column of a strain */
    double (*position)[3];
} displaced;

static double network_energy(displaced *at, const double (*cell)[3]) {
    CHECK_OK(reference_evaluate(at->run, at->g->n_atoms, at->g->species,
                                (const double (*)[3])at->position, NULL, cell), at->run->err);
    return at->run->component[MLFF_NETWORK];
}

static double energy_moved(void *ctx, double x) {
    displaced *at = ctx;
    memcpy(at->position, at->g->position, (size_t)at->g->n_atoms*sizeof *at->position);
    at->position[at->index/3][at->index%3] += x;
    return network_energy(at, cell_of(at->g));
}

/* out_b = in_b + in_a x, the strain with the single element ab. */
static void strained(const double in[3], int index, double x, double out[3]) {
    memcpy(out, in, 3*sizeof *in);
    out[index%3] += x*in[index/3];
}

static double energy_strained(void *ctx, double x) {
    displaced *at = ctx;
    double cell[3][3];
    for (int i = 0; i < at->g->n_atoms; i++)
        strained(at->g->position[i], at->index, x, at->position[i]);
    for (int a = 0; a < 3; a++)
        strained(at->g->cell[a], at->index, x, cell[a]);
    return network_energy(at, at->g->periodic ? (const double (*)[3])cell : NULL);
}

/* All forces and strain derivatives of one system. h is small where a pair that crosses the cutoff
   would make the energy jump: no pair is within 1e-4 A of it. */
static void compare_derivatives(const char *name, double h) {
    golden g;
    reference_run run;
    char model[64];
    snprintf(model, sizeof model, "%.*s", (int)strcspn(name, "."), name);
    if (!open_data_golden(&g, name) || !open_data_model(&run, model))
        return;
    const int n = g.n_atoms;
    displaced at = {.run = &run, .g = &g, .position = calloc((size_t)n, 3*sizeof(double))};
    double (*force)[3] = calloc((size_t)n, sizeof *force), strain[9], size = 0;
    CHECK_OK(evaluate_golden(&run, &g), run.err);
    memcpy(force, run.force, (size_t)n*sizeof *force);
    memcpy(strain, run.strain, sizeof strain);
    for (int i = 0; i < n; i++)
        size += fabs(run.component[MLFF_NETWORK])/n + 1;
    const double rounding = 4e-16*size;  /* of an energy that is a sum of terms of about 1 eV */

    double worst = 0, worst_ratio = 0;
    for (int k = 0; k < 3*n + 9; k++) {
        at.index = k < 3*n ? k : k - 3*n;
        const finite_difference want = finite_difference_of(
            k < 3*n ? energy_moved : energy_strained, &at, h, rounding);
        const double found = k < 3*n ? -force[k/3][k%3] : strain[k - 3*n];
        CHECK(want.error < 1e-6);
        CHECK_NEAR(want.value, found, want.error);
        worst = fmax(worst, fabs(found - want.value));
        worst_ratio = fmax(worst_ratio, fabs(found - want.value)/want.error);
    }
    printf("%s: %d derivatives, worst %.2g, at most %.2f of the estimated error\n", name, 3*n + 9,
           worst, worst_ratio);
    free(at.position);
    free(force);
    golden_free(&g);
    reference_close(&run);
}

static void test_finite_differences(void) {
    static const struct {
        const char *name;
        double h;
    } cases[] = {
        {"schnet-16x3.formamide", 1e-3},
        {"schnet-16x3.small_cell", 2e-5},
        {"student-16x2.formamide", 2e-4},
        {"student-16x2.box_triclinic", 2e-5},
        {"paper-7x2.formamide", 1e-3},
        {"poly5-7x2.formamide", 1e-3},
        {"poly6-rbf-8x2.formamide", 1e-3},
        {"shared-filters-8x3.formamide", 1e-3},
        {"shared-interactions-8x3.formamide", 1e-3},
        {"shared-both-7x3.small_cell", 2e-5},
        {"rbf-linear-7x2.formamide", 1e-3},
        {"spatial-context-7x2.small_cell", 2e-5},
        {"spatial-shared-8x3.formamide", 2e-4},
        {"kcal-7x2.methanol", 1e-3},
        {"hartree-16x1.formamide", 1e-3},
    };
    for (size_t k = 0; k < sizeof cases/sizeof cases[0]; k++)
        compare_derivatives(cases[k].name, cases[k].h);
}

/* ------------------------------------------------------------------------ invariances -- */

/* A rotation without any special direction: about (1, 2, 3) by 0.7. */
static void rotate(const double x[3], double out[3]) {
    const double norm = sqrt(14.0), k[3] = {1/norm, 2/norm, 3/norm};
    const double c = cos(0.7), s = sin(0.7), along = k[0]*x[0] + k[1]*x[1] + k[2]*x[2];
    for (int a = 0; a < 3; a++) {
        const int b = (a + 1) % 3, d = (a + 2) % 3;
        out[a] = c*x[a] + s*(k[b]*x[d] - k[d]*x[b]) + (1 - c)*along*k[a];
    }
}

/* A system and what its model made of it. */
typedef struct outcome {
    double energy;
    double (*force)[3];
} outcome;

static outcome keep(const reference_run *run) {
    outcome out = {run->energy, calloc((size_t)run->n_atoms + 1, 3*sizeof(double))};
    memcpy(out.force, run->force, (size_t)run->n_atoms*sizeof *out.force);
    return out;
}

/* Translation of everything, and of single atoms by lattice vectors. */
static void check_translation(reference_run *run, const golden *g, const outcome *want) {
    double (*x)[3] = calloc((size_t)g->n_atoms, sizeof *x);
    for (int i = 0; i < g->n_atoms; i++)
        for (int d = 0; d < 3; d++) {
            x[i][d] = g->position[i][d] + (double[]){1.25, -7.5, 30.75}[d];
            for (int a = 0; a < 3 && g->periodic; a++)
                x[i][d] += (double)((i*7 + a*3) % 5 - 2)*g->cell[a][d];
        }
    CHECK_OK(reference_evaluate(run, g->n_atoms, g->species, (const double (*)[3])x, NULL,
                                cell_of(g)), run->err);
    CHECK_NEAR(want->energy, run->energy, 1e-11);
    CHECK_NEAR(0, largest_difference(3*g->n_atoms, &run->force[0][0], &want->force[0][0]), 1e-11);
    free(x);
}

/* The atoms in reverse order: forces in reverse order. */
static void check_permutation(reference_run *run, const golden *g, const outcome *want) {
    const int n = g->n_atoms;
    double (*x)[3] = calloc((size_t)n, sizeof *x);
    int *species = calloc((size_t)n, sizeof *species);
    for (int i = 0; i < n; i++) {
        species[i] = g->species[n - 1 - i];
        memcpy(x[i], g->position[n - 1 - i], sizeof x[i]);
    }
    CHECK_OK(reference_evaluate(run, n, species, (const double (*)[3])x, NULL, cell_of(g)),
             run->err);
    CHECK_NEAR(want->energy, run->energy, 1e-11);
    for (int i = 0; i < n; i++)
        CHECK_NEAR(0, largest_difference(3, run->force[i], want->force[n - 1 - i]), 1e-11);
    free(x);
    free(species);
}

/* Energy change on rotation; forces turn with the atoms if that is asked. */
static double check_rotation(reference_run *run, const golden *g, const outcome *want,
                             bool invariant) {
    double (*x)[3] = calloc((size_t)g->n_atoms, sizeof *x), cell[3][3];
    for (int i = 0; i < g->n_atoms; i++)
        rotate(g->position[i], x[i]);
    for (int a = 0; a < 3; a++)
        rotate(g->cell[a], cell[a]);
    CHECK_OK(reference_evaluate(run, g->n_atoms, g->species, (const double (*)[3])x, NULL,
                                g->periodic ? (const double (*)[3])cell : NULL), run->err);
    for (int i = 0; i < g->n_atoms && invariant; i++) {
        double turned[3];
        rotate(want->force[i], turned);
        CHECK_NEAR(0, largest_difference(3, run->force[i], turned), 1e-11);
    }
    free(x);
    return fabs(run->energy - want->energy);
}

static void check_sum_of_forces(const golden *g, const outcome *out, bool torque) {
    double sum[6] = {0};
    for (int i = 0; i < g->n_atoms; i++) {
        const double *x = g->position[i], *f = out->force[i];
        for (int a = 0; a < 3; a++) {
            sum[a] += f[a];
            sum[3 + a] += x[(a + 1) % 3]*f[(a + 2) % 3] - x[(a + 2) % 3]*f[(a + 1) % 3];
        }
    }
    for (int a = 0; a < (torque ? 6 : 3); a++)
        CHECK_NEAR(0, sum[a], 1e-11);
}

/* A copy of a model whose 3x3 matrices are replaced by a multiple of the unit matrix. */
static mlff_model *without_direction(const mlff_model *model) {
    size_t n_bytes;
    const unsigned char *bytes = mlff_model_get_bytes(model, &n_bytes);
    unsigned char *copy = malloc(n_bytes);
    memcpy(copy, bytes, n_bytes);
    const mlff_painn *painn = mlff_model_description(model);
    for (int l = 0; l < painn->n_layers; l++) {
        const mlff_tensor *m = painn->layer[l].mix_m;
        const ptrdiff_t at = (const unsigned char *)m->data - bytes;
        CHECK(m->dtype == MLFF_F32 && at > 0 && (size_t)at + 9*sizeof(float) <= n_bytes);
        for (int k = 0; k < 9; k++) {
            const float value = k % 4 == 0 ? 0.6f : 0;
            memcpy(copy + at + k*(ptrdiff_t)sizeof value, &value, sizeof value);
        }
    }
    mlff_model *changed = NULL;
    mlff_error err;
    CHECK_OK(mlff_model_load_memory(copy, n_bytes, "unit matrix", &changed, &err), err);
    free(copy);
    return changed;
}

/* Models of Cartesian type depend on the orientation; it is their matrix that does it. */
static void check_spatial_rotation(reference_run *run, const golden *g, const outcome *want,
                                   const char *name) {
    CHECK(check_rotation(run, g, want, false) > 1e-6);

    reference_run isotropic = {.model = without_direction(run->model), .cutoff = run->cutoff};
    CHECK_OK(mlff_evaluator_new(mlff_reference_platform(), isotropic.model, NULL,
                                &isotropic.evaluator, &isotropic.err), isotropic.err);
    CHECK_OK(evaluate_golden(&isotropic, g), isotropic.err);
    outcome out = keep(&isotropic);
    CHECK(fabs(out.energy - want->energy) > 1e-6);
    check_sum_of_forces(g, &out, !g->periodic);
    const double change = check_rotation(&isotropic, g, &out, true);
    CHECK_NEAR(0, change, 1e-11);
    printf("%s: not rotation invariant; with unit matrices it is, to %.2g eV\n", name, change);
    free(out.force);
    reference_close(&isotropic);
}

static void check_invariances(const char *name) {
    golden g;
    reference_run run;
    char model[64];
    snprintf(model, sizeof model, "%.*s", (int)strcspn(name, "."), name);
    if (!open_data_golden(&g, name) || !open_data_model(&run, model))
        return;
    const mlff_painn *painn = mlff_model_description(run.model);
    const bool channel = painn->update == MLFF_PAINN_CHANNEL;
    CHECK_OK(evaluate_golden(&run, &g), run.err);
    outcome want = keep(&run);
    check_sum_of_forces(&g, &want, channel && !g.periodic);
    check_translation(&run, &g, &want);
    check_permutation(&run, &g, &want);
    if (channel)
        CHECK_NEAR(0, check_rotation(&run, &g, &want, true), 1e-11);
    else
        check_spatial_rotation(&run, &g, &want, name);
    free(want.force);
    golden_free(&g);
    reference_close(&run);
}

static void test_invariances(void) {
    check_invariances("schnet-16x3.formamide_4water");
    check_invariances("schnet-16x3.box_ortho");
    check_invariances("paper-7x2.formamide");
    check_invariances("shared-interactions-8x3.box_triclinic");
    check_invariances("rbf-linear-7x2.formamide_4water");
    check_invariances("student-16x2.formamide_4water");
    check_invariances("student-16x2.box_triclinic");
    check_invariances("spatial-context-7x2.formamide");
}

/* ------------------------------------------------------------------------- the cutoff -- */

/* Energy and largest force where the third atom is at the cutoff + x from the first only. */
static double at_cutoff(reference_run *run, double x, double *force_on_last) {
    const int species[3] = {6, 8, 1};
    const double position[3][3] = {{0, 0, 0}, {-1.1, 0.3, 0.1}, {run->cutoff + x, 0, 0}};
    CHECK_OK(reference_evaluate(run, 3, species, position, NULL, NULL), run->err);
    CHECK(run->list.n_pairs == (x < 0 ? 4 : 2));
    const double *f = run->force[2];
    *force_on_last = sqrt(f[0]*f[0] + f[1]*f[1] + f[2]*f[2]);
    return run->energy;
}

/* An envelope on the filter: a pair leaves with its energy falling as the square of the distance to
   the cutoff and its force in proportion to it, or faster. */
static void test_crossing_the_cutoff(void) {
    static const char *const models[] = {"schnet-16x3", "paper-7x2", "poly5-7x2",
                                         "spatial-context-7x2", "shared-both-7x3"};
    for (size_t k = 0; k < sizeof models/sizeof models[0]; k++) {
        reference_run run;
        if (!open_data_model(&run, models[k]))
            continue;
        double far, outside, inside, nearer;
        const double energy_outside = at_cutoff(&run, 1e-6, &outside);
        const double jump_far = fabs(at_cutoff(&run, -1e-4, &far) - energy_outside);
        const double jump = fabs(at_cutoff(&run, -1e-5, &inside) - energy_outside);
        const double jump_nearer = fabs(at_cutoff(&run, -1e-6, &nearer) - energy_outside);
        CHECK(outside == 0 && far > 0);
        CHECK(jump < jump_far/90 + 1e-14 && jump_nearer < jump_far/5000 + 1e-14);
        CHECK(inside < far/9 && nearer < far/90);
        printf("%s: 1e-6 A before the cutoff %.2g eV and %.2g eV/A\n", models[k], jump_nearer,
               nearer);
        reference_close(&run);
    }
}

/* -------------------------------------------------------------------- several regions -- */

/* Two molecules in the same place, in two regions, atoms interleaved: the sum of both alone. */
static void test_regions_do_not_see_each_other(void) {
    golden one, two;
    reference_run run;
    if (!open_data_golden(&one, "schnet-16x3.formamide") ||
        !open_data_golden(&two, "kcal-7x2.methanol") || !open_data_model(&run, "schnet-16x3"))
        return;
    CHECK_OK(evaluate_golden(&run, &one), run.err);
    const outcome first = keep(&run);
    CHECK_OK(evaluate_golden(&run, &two), run.err);
    const outcome second = keep(&run);

    enum { N = 12 };
    int species[N], region[N];
    double x[N][3], shift[3];
    CHECK(one.n_atoms == N/2 && two.n_atoms == N/2);
    for (int d = 0; d < 3; d++)
        shift[d] = one.position[0][d] - two.position[0][d] + 0.1;
    for (int i = 0; i < N; i++) {
        const golden *g = i % 2 ? &two : &one;
        region[i] = i % 2;
        species[i] = g->species[i/2];
        for (int d = 0; d < 3; d++)
            x[i][d] = g->position[i/2][d] + (i % 2 ? shift[d] : 0);
    }
    CHECK_OK(reference_evaluate(&run, N, species, (const double (*)[3])x, region, NULL), run.err);
    CHECK_NEAR(first.energy + second.energy, run.energy, 1e-12);
    for (int i = 0; i < N; i++)
        CHECK_NEAR(0, largest_difference(3, run.force[i],
                                         (i % 2 ? second : first).force[i/2]), 1e-12);
    /* and in one region they do */
    CHECK_OK(reference_evaluate(&run, N, species, (const double (*)[3])x, NULL, NULL), run.err);
    CHECK(fabs(run.energy - first.energy - second.energy) > 1e-3);
    free(first.force);
    free(second.force);
    golden_free(&one);
    golden_free(&two);
    reference_close(&run);
}

/* ----------------------------------------------------------------- the call's contract -- */

/* The same bits again, nothing allocated, forces added to, and the same energy without them. */
static void test_repeated_evaluation(void) {
    static const char *const names[] = {"schnet-16x3.box_ortho", "student-16x2.box_triclinic",
                                        "shared-both-7x3.small_cell"};
    for (size_t k = 0; k < sizeof names/sizeof names[0]; k++) {
        golden g;
        reference_run run;
        char model[64];
        snprintf(model, sizeof model, "%.*s", (int)strcspn(names[k], "."), names[k]);
        if (!open_data_golden(&g, names[k]) || !open_data_model(&run, model))
            continue;
        CHECK_OK(evaluate_golden(&run, &g), run.err);
        const outcome want = keep(&run);
        double strain[9];
        memcpy(strain, run.strain, sizeof strain);
        const size_t n_bytes = (size_t)g.n_atoms*sizeof *want.force, before = allocation_count;
        CHECK_OK(evaluate_golden(&run, &g), run.err);
        CHECK(allocation_count == before);
        CHECK(run.energy == want.energy && memcmp(run.force, want.force, n_bytes) == 0 &&
              memcmp(run.strain, strain, sizeof strain) == 0);

        const mlff_graph graph = {.n_local = g.n_atoms, .n_all = g.n_atoms, .species = g.species,
                                  .message = ref_pair_list_view(&run.list), .n_regions = 1};
        mlff_result added = {.force = run.force}, energy_only = {0};
        CHECK_OK(mlff_evaluate(run.evaluator, &graph, NULL, &added, &run.err), run.err);
        for (int i = 0; i < 3*g.n_atoms; i++) {
            const double once = want.force[i/3][i%3];
            CHECK_NEAR(2*once, run.force[i/3][i%3], 1e-15*fabs(once));
        }
        CHECK_OK(mlff_evaluate(run.evaluator, &graph, NULL, &energy_only, &run.err), run.err);
        CHECK(energy_only.energy == want.energy && added.energy == want.energy);
        free(want.force);
        golden_free(&g);
        reference_close(&run);
    }
}

/* No atoms; one; two that do not see each other are two single ones. */
static void test_few_atoms(void) {
    reference_run run;
    if (!open_data_model(&run, "schnet-16x3"))
        return;
    const int species[2] = {6, 8};
    const double position[2][3] = {{1, 2, 3}, {1, 2, 3000}};
    CHECK_OK(reference_evaluate(&run, 0, NULL, NULL, NULL, NULL), run.err);
    CHECK(run.energy == 0 && run.strain[0] == 0);
    double alone[2];
    for (int i = 0; i < 2; i++) {
        CHECK_OK(reference_evaluate(&run, 1, species + i, position + i, NULL, NULL), run.err);
        alone[i] = run.energy;
        CHECK(run.energy != 0 && run.force[0][0] == 0 && run.force[0][1] == 0 &&
              run.force[0][2] == 0 && run.atom_energy[0] == run.energy);
    }
    CHECK_OK(reference_evaluate(&run, 2, species, position, NULL, NULL), run.err);
    CHECK_NEAR(alone[0] + alone[1], run.energy, 1e-14);
    CHECK(run.list.n_pairs == 0 && run.atom_energy[1] == alone[1]);
    reference_close(&run);
}

/* A copy of a model in which one float32 value of a tensor is replaced. */
static mlff_model *with_value(const mlff_model *model, const mlff_tensor *tensor, int index,
                              float value) {
    size_t n_bytes;
    const unsigned char *bytes = mlff_model_get_bytes(model, &n_bytes);
    unsigned char *copy = malloc(n_bytes);
    memcpy(copy, bytes, n_bytes);
    const ptrdiff_t at = (const unsigned char *)tensor->data - bytes;
    memcpy(copy + at + index*(ptrdiff_t)sizeof value, &value, sizeof value);
    mlff_model *changed = NULL;
    mlff_error err;
    CHECK_OK(mlff_model_load_memory(copy, n_bytes, "changed", &changed, &err), err);
    free(copy);
    return changed;
}

/* Numbers that leave the range of a double are found at the atom where they do. */
static void test_not_finite(void) {
    reference_run good, bad = {0};
    if (!open_data_model(&good, "schnet-16x3"))
        return;
    /* oxygen's features are as large as a float can be; products of them overflow a double */
    mlff_model *models[4] = {good.model};
    for (int f = 0; f < 3; f++) {
        const mlff_painn *painn = mlff_model_description(models[f]);
        models[f + 1] = with_value(models[f], painn->embedding, 8*painn->n_features + f, 3e38f);
    }
    bad.cutoff = good.cutoff;
    CHECK_OK(mlff_evaluator_new(mlff_reference_platform(), models[3], NULL, &bad.evaluator,
                                &bad.err), bad.err);
    const int species[4] = {6, 1, 1, 8};
    double position[4][3] = {{0, 0, 0}, {1, 0, 0}, {0, 1.1, 0}, {0, 0, 500}};
    const double (*x)[3] = (const double (*)[3])position;
    CHECK_OK(reference_evaluate(&bad, 3, species, x, NULL, NULL), bad.err);
    position[3][2] = 1.2;
    const mlff_status status = reference_evaluate(&bad, 4, species, x, NULL, NULL);
    CHECK(status == MLFF_ERROR_NUMBER && strstr(bad.err.message, "of atom "));
    printf("message: %s\n", bad.err.message);
    /* usable afterwards */
    CHECK_OK(reference_evaluate(&bad, 3, species, x, NULL, NULL), bad.err);
    reference_close(&bad);
    for (int k = 1; k < 4; k++)
        mlff_model_free(models[k]);
    reference_close(&good);
}

/* A figure to compare with, not a check: alanine dipeptide's size with the bundled model. */
static void print_speed(void) {
    golden g;
    reference_run run;
    const char *path = check_path("MLFF_MODELS", "painn-hcno-distilled.safetensors");
    const char *system = check_path("MLFF_SHARED",
                                    "golden/painn/painn-hcno-distilled.alanine_dipeptide.txt");
    if (!check_file_exists(path))
        path = check_path("MLFF_SHARED", "models/painn-hcno-distilled.safetensors");
    if (!check_file_exists(path) || !check_file_exists(system) || !golden_read(system, &g))
        return;
    CHECK_OK(reference_open(&run, path), run.err);
    CHECK_OK(evaluate_golden(&run, &g), run.err);
    enum { N = 20 };
    const clock_t start = clock();
    for (int k = 0; k < N; k++)
        CHECK_OK(evaluate_golden(&run, &g), run.err);
    printf("alanine dipeptide, 22 atoms, painn-hcno-distilled: %.2f ms an evaluation\n",
           1e3*(double)(clock() - start)/CLOCKS_PER_SEC/N);
    reference_close(&run);
    golden_free(&g);
}

int main(void) {
    test_golden_values();
    test_finite_differences();
    test_invariances();
    test_crossing_the_cutoff();
    test_regions_do_not_see_each_other();
    test_repeated_evaluation();
    test_few_atoms();
    test_not_finite();
    print_speed();
    return check_report("test_painn_reference");
}
