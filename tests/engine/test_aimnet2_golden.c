/*
 * AIMNet2 on the reference platform against values of the original implementation in float64
 * (../shared/golden/aimnet2): components, forces with charge response, charges, and what goes into
 * and comes out of every pass.
 */
#include "../../platforms/reference/aimnet2/ref_aimnet2.h"
#include "aimnet2_run.h"
#include "mlff_json.h"
#include "npz.h"

#include <time.h>

/* Against float64 of the original, element constants apart: eV, eV/angstrom, e. */
static const double energy_tolerance = 1e-8, force_tolerance = 1e-8, charge_tolerance = 1e-9;

enum { MAX_ATOMS = 256 };

static mlff_error err;

/* ----------------------------------------------------------------------- golden values -- */

typedef struct golden {
    mlff_json *json;
    const mlff_json_value *root;
    aimnet2_system system;
    int species[MAX_ATOMS];
    double position[MAX_ATOMS][3], cell[3][3], total_charge;
} golden;

static void read_vectors(const mlff_json_value *rows, double (*out)[3]) {
    for (int i = 0; i < rows->n; i++)
        for (int b = 0; b < 3; b++)
            out[i][b] = rows->item[i]->item[b]->number;
}

static bool golden_open(const char *name, golden *g) {
    char file[128];
    snprintf(file, sizeof file, "golden/aimnet2/%s.json", name);
    memset(g, 0, sizeof *g);
    size_t n;
    unsigned char *text = aimnet2_read_file(check_path("MLFF_SHARED", file), &n);
    if (!text)
        return false;
    CHECK_OK(mlff_json_parse((const char *) text, n, file, &g->json, &err), err);
    free(text);
    g->root = mlff_json_root(g->json);
    const mlff_json_value *numbers = mlff_json_get(g->root, "numbers");
    const mlff_json_value *cell = mlff_json_get(g->root, "cell");
    for (int i = 0; i < numbers->n; i++)
        g->species[i] = (int) numbers->item[i]->integer;
    read_vectors(mlff_json_get(g->root, "coord"), g->position);
    if (cell->type == MLFF_JSON_ARRAY)
        read_vectors(cell, g->cell);
    g->total_charge = mlff_json_get(g->root, "charge")->number;
    g->system = (aimnet2_system) {
        .n_atoms = numbers->n, .species = g->species,
        .position = (const double (*)[3]) g->position,
        .cell = cell->type == MLFF_JSON_ARRAY ? (const double (*)[3]) g->cell : NULL,
        .total_charge = &g->total_charge};
    return true;
}

static const mlff_json_value *golden_component(const mlff_json_value *method, const char *name) {
    return mlff_json_get(mlff_json_get(method, "components"), name);
}

static double golden_energy(const mlff_json_value *method, const char *name) {
    return mlff_json_get(golden_component(method, name), "energy")->number;
}

/* Largest deviation of the forces from the sum of the golden components named, space separated. */
static double force_deviation(const aimnet2_run *run, const mlff_json_value *method,
                              const char *components) {
    double worst = 0;
    for (int i = 0; i < run->n_atoms; i++)
        for (int b = 0; b < 3; b++) {
            double expected = 0;
            char list[128];
            snprintf(list, sizeof list, "%s", components);
            for (char *name = strtok(list, " "); name; name = strtok(NULL, " ")) {
                const mlff_json_value *forces =
                    mlff_json_get(golden_component(method, name), "forces");
                expected += forces->item[i]->item[b]->number;
            }
            worst = fmax(worst, fabs(run->force[i][b] - expected));
        }
    return worst;
}

/* ------------------------------------------------------------------ one system, method -- */

static void check_charges(const aimnet2_run *run, const mlff_json_value *method, double tolerance) {
    const mlff_json_value *charges = mlff_json_get(method, "charges");
    for (int i = 0; i < run->n_atoms; i++)
        CHECK_NEAR(charges->item[i]->number, run->charge[i], tolerance);
}

static void check_atom_energies(const aimnet2_run *run, const mlff_model *model,
                                const aimnet2_system *s, const mlff_json_value *method) {
    const mlff_aimnet2 *description = mlff_model_description(model);
    const mlff_json_value *network = mlff_json_get(method, "e_atom_nn");
    for (int i = 0; i < run->n_atoms; i++) {
        const double constant = mlff_tensor_value(description->atomic_shift, s->species[i]);
        CHECK_NEAR(network->item[i]->number, run->atom_energy[i] - constant, energy_tolerance);
    }
}

/* The network with its short-range Coulomb, which no setting switches off. */
static void check_network(const mlff_model *model, const aimnet2_system *s,
                          const mlff_json_value *method) {
    aimnet2_run run;
    const mlff_settings settings = {.coulomb = MLFF_COULOMB_NONE, .dispersion = -1};
    CHECK_OK(aimnet2_open(&run, model, settings), run.err);
    CHECK_OK(aimnet2_evaluate(&run, s), run.err);
    CHECK_NEAR(golden_energy(method, "nn"), run.component[MLFF_NETWORK], energy_tolerance);
    CHECK_NEAR(golden_energy(method, "sae"), run.component[MLFF_ELEMENTS],
               1e-14*fabs(golden_energy(method, "sae")));
    CHECK_NEAR(golden_energy(method, "sr_coulomb_subtracted"), run.component[MLFF_COULOMB_SHORT],
               energy_tolerance);
    CHECK(run.component[MLFF_COULOMB_FULL] == 0 && run.component[MLFF_DISPERSION] == 0);
    CHECK_NEAR(0, force_deviation(&run, method, "nn sr_coulomb_subtracted"), force_tolerance);
    check_charges(&run, method, charge_tolerance);
    check_atom_energies(&run, model, s, method);
    CHECK(run.message.n_pairs == (int) mlff_json_get(method, "n_ordered_pairs_5A")->number);
    aimnet2_close(&run);
}

typedef struct method {
    const char *name;
    mlff_settings settings;
    double energy_tolerance, force_tolerance;
} method;

/* The upstream mesh and its truncation differ from ours: README of the golden values. */
static const method methods[] = {
    {"simple", {.coulomb = MLFF_COULOMB_SIMPLE}, 1e-8, 1e-8},
    {"dsf", {.coulomb = MLFF_COULOMB_DSF}, 1e-8, 1e-8},
    {"ewald_converged", {.coulomb = MLFF_COULOMB_EWALD, .ewald_tolerance = 1e-13}, 1e-8, 1e-8},
    {"ewald_converged", {.coulomb = MLFF_COULOMB_PME}, 3e-6, 3e-6},
};

static void check_method(const mlff_model *model, const aimnet2_system *s, const method *m,
                         const mlff_json_value *expected) {
    aimnet2_run run;
    CHECK_OK(aimnet2_open(&run, model, m->settings), run.err);
    CHECK_OK(aimnet2_evaluate(&run, s), run.err);
    const double elements = golden_energy(expected, "sae");
    CHECK_NEAR(mlff_json_get(expected, "energy")->number - elements,
               run.energy - run.component[MLFF_ELEMENTS],
               m->energy_tolerance + 1e-14*fabs(elements));
    CHECK_NEAR(golden_energy(expected, "coulomb_full"), run.component[MLFF_COULOMB_FULL],
               m->energy_tolerance);
    CHECK_NEAR(golden_energy(expected, "d3"), run.component[MLFF_DISPERSION], energy_tolerance);
    const double worst = force_deviation(&run, expected,
                                         "nn sr_coulomb_subtracted coulomb_full d3");
    CHECK_NEAR(0, worst, m->force_tolerance);
    check_charges(&run, expected, charge_tolerance);
    printf("  %-20s%-16s%4d atoms  energy off by %.1e eV, forces by %.1e eV/A\n",
           s->cell ? "periodic" : "open", m->name, s->n_atoms,
           fabs(run.energy - mlff_json_get(expected, "energy")->number), worst);
    aimnet2_close(&run);
}

/* ------------------------------------------------------------------------ intermediates -- */

typedef struct traced {
    const npz *file;
    const mlff_json_value *after_pass;  /* charges: [pass][atom] */
    int n_seen;
} traced;

static void check_stage(void *ctx, const char *stage, int t, int n_rows, int width,
                        const double *values) {
    traced *seen = ctx;
    const size_t n = (size_t) n_rows*(size_t) width;
    seen->n_seen++;
    if (strcmp(stage, "charges") == 0) {
        const mlff_json_value *expected = seen->after_pass->item[t];
        for (size_t k = 0; k < n; k++)
            CHECK_NEAR(expected->item[k]->number, values[k], charge_tolerance);
        return;
    }
    if (!seen->file)
        return;
    char name[32];
    snprintf(name, sizeof name, "mlp%d_%s", t, stage);
    const npz_array *expected = npz_find(seen->file, name);
    const bool same = expected && expected->shape[0] == (size_t) n_rows &&
                      expected->shape[1] == (size_t) width;
    CHECK(same);
    double worst = 0;
    for (size_t k = 0; same && k < n; k++)
        worst = fmax(worst, fabs(values[k] - expected->value[k])/(1 + fabs(expected->value[k])));
    CHECK_NEAR(0, worst, 1e-9);
}

/* Input and output of every pass, and the charges behind passes 0 and 1. */
static void check_intermediates(const mlff_model *model, const char *name, const golden *g,
                                const mlff_json_value *expected) {
    char path[128];
    snprintf(path, sizeof path, "golden/aimnet2/%s_intermediates.npz", name);
    size_t n;
    unsigned char *bytes = aimnet2_read_file(check_path("MLFF_SHARED", path), &n);
    npz file = {0};
    CHECK(bytes || g->system.n_atoms > 8);  // there are none of larger systems
    if (bytes)
        CHECK(npz_read(bytes, n, &file));
    free(bytes);

    const mlff_settings settings = {.coulomb = MLFF_COULOMB_NONE, .dispersion = -1};
    aimnet2_run run;
    CHECK_OK(aimnet2_open(&run, model, settings), run.err);
    mlff_graph graph;
    CHECK_OK(aimnet2_graph(&run, &g->system, &graph), run.err);
    traced seen = {.file = bytes ? &file : NULL,
                   .after_pass = mlff_json_get(expected, "charges_after_pass")};
    ref_aimnet2_set_trace(mlff_evaluator_network(run.evaluator), check_stage, &seen);
    mlff_result result = {0};
    CHECK_OK(mlff_evaluate(run.evaluator, &graph, NULL, &result, &err), err);
    CHECK(seen.n_seen == 8);
    aimnet2_close(&run);
    npz_free(&file);
}

/* ----------------------------------------------------------------------------- systems -- */

static const char *const names[] = {
    "acetate_m1", "alanine_dipeptide", "ammonium_p1", "b_se_as", "benzene", "br_i_p_si",
    "citalopram_45", "cl_minus_atom", "h2", "methanol", "s_cl_f", "three_far_waters", "water",
    "water64_box", "water8_cluster", "water8_triclinic"};
enum { N_NAMES = sizeof names/sizeof names[0] };

static void check_system(const mlff_model *model, const char *name) {
    golden g;
    if (!golden_open(name, &g)) {
        CHECK_SAY("%s.json is missing", name);
        return;
    }
    printf("%s\n", name);
    const mlff_json_value *all = mlff_json_get(g.root, "methods");
    check_network(model, &g.system, all->item[0]);
    check_intermediates(model, name, &g, all->item[0]);
    for (size_t k = 0; k < sizeof methods/sizeof methods[0]; k++) {
        const mlff_json_value *expected = mlff_json_get(all, methods[k].name);
        if (expected)
            check_method(model, &g.system, &methods[k], expected);
    }
    mlff_json_free(g.json);
}

/* ------------------------------------------------------------------------------ ensemble -- */

/* All four published members on one molecule: each energy, the mean of forces and charges. */
static void check_ensemble(const char *name) {
    golden g;
    if (!golden_open(name, &g))
        return;
    const mlff_json_value *expected = mlff_json_get(g.root, "ensemble4");
    double force[MAX_ATOMS][3] = {{0}}, charge[MAX_ATOMS] = {0};
    for (int k = 0; k < 4; k++) {
        char file[128];
        snprintf(file, sizeof file, "models/aimnet2_wb97m_d3_member%d.safetensors", k);
        mlff_model *member;
        aimnet2_run run;
        CHECK_OK(mlff_model_load(check_path("MLFF_SHARED", file), &member, &err), err);
        CHECK_OK(aimnet2_open(&run, member, (mlff_settings) {0}), run.err);
        CHECK_OK(aimnet2_evaluate(&run, &g.system), run.err);
        CHECK_NEAR(mlff_json_get(expected, "member_energies")->item[k]->number, run.energy,
                   energy_tolerance);
        for (int i = 0; i < g.system.n_atoms; i++) {
            charge[i] += run.charge[i]/4;
            for (int b = 0; b < 3; b++)
                force[i][b] += run.force[i][b]/4;
        }
        aimnet2_close(&run);
        mlff_model_free(member);
    }
    for (int i = 0; i < g.system.n_atoms; i++) {
        CHECK_NEAR(mlff_json_get(expected, "charges_mean")->item[i]->number, charge[i],
                   charge_tolerance);
        for (int b = 0; b < 3; b++)
            CHECK_NEAR(mlff_json_get(expected, "forces_mean")->item[i]->item[b]->number,
                       force[i][b], force_tolerance);
    }
    mlff_json_free(g.json);
}

/* 192 atoms, energy and forces: printed, not judged. */
static void check_speed(const mlff_model *model) {
    golden g;
    if (!golden_open("water64_box", &g))
        return;
    aimnet2_run run;
    CHECK_OK(aimnet2_open(&run, model, (mlff_settings) {0}), run.err);
    CHECK_OK(aimnet2_evaluate(&run, &g.system), run.err);
    const clock_t start = clock();
    CHECK_OK(aimnet2_evaluate(&run, &g.system), run.err);
    printf("64 waters, periodic, DSF and D3: %.3f s\n",
           (double) (clock() - start)/CLOCKS_PER_SEC);
    aimnet2_close(&run);
    mlff_json_free(g.json);
}

/* -------------------------------------------------------------------------------- main -- */

int main(void) {
    const char *path = check_path("MLFF_SHARED", "models/aimnet2_wb97m_d3_member0.safetensors");
    const char *table = check_path("MLFF_SHARED", "models/" MLFF_D3_FILE);
    if (!check_file_exists(path) || !check_file_exists(table)) {
        printf("skipped: %s is not there\n", path ? path : "the folder of shared data");
        return CHECK_SKIPPED;
    }
    mlff_model *model;
    CHECK_OK(mlff_model_load(path, &model, &err), err);
    if (check_failures > 0)
        return check_report("test_aimnet2_golden");
    CHECK(mlff_model_get_info(model)->n_parameters == 2205493);
    for (int k = 0; k < N_NAMES; k++)
        check_system(model, names[k]);
    check_ensemble("methanol");
    check_ensemble("acetate_m1");
    check_speed(model);
    mlff_model_free(model);
    return check_report("test_aimnet2_golden");
}
