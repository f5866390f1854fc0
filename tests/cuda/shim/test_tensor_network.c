/*
 * What dense layers on tensor cores do to a network: the reference platform with its own layers, in
 * double, against the same with every layer, forward and reverse, by the kernels for CUDA on the
 * shim. The rest stays in double, so the differences are those of the layers alone. (On a device,
 * PaiNN's filters and readout stay in float: they are computed by the shim here.)
 *
 * On small models, and on the published ones with a molecule, where ../shared has them.
 *
 *   test_tensor_network [MOLECULE [MOLECULE]]    of the published AIMNet2 and of the PaiNN student
 */
#include "aimnet2_run.h"
#include "golden.h"
#include "mlff_json.h"
#include "reference_run.h"
#include "tensor_dense.h"

/* eV an atom; of the largest force. Pairs of halves must keep what single precision promises. */
static const struct {
    enum tensor_dense_mode mode;
    const char *name;
    double energy, force;
} modes[] = {{TENSOR_DENSE_PAIRS, "pairs of halves", 2e-6, 2e-5},
             {TENSOR_DENSE_TF32, "TF32", 1e-3, 1e-3}};

enum { MAX_ATOMS = 64 };

static mlff_error err;

static mlff_json *read_json(const char *variable, const char *file) {
    size_t n;
    mlff_json *json = NULL;
    unsigned char *text = aimnet2_read_file(check_path(variable, file), &n);
    CHECK(text != NULL);
    if (text)
        CHECK_OK(mlff_json_parse((const char *) text, n, file, &json, &err), err);
    free(text);
    return json;
}

/* ----------------------------------------------------------------------------- results -- */

/* What a network says of a system. */
typedef struct evaluation {
    double energy, force[MAX_ATOMS][3];
} evaluation;

/* The same in double and by kernels in a mode, which have executed so many layers, or any number. */
static void compare(const char *name, int m, int n_atoms, const evaluation *exact,
                    const evaluation *found, int n_layers) {
    double worst = 0, largest = 0, square = 0;
    for (int i = 0; i < n_atoms; i++)
        for (int b = 0; b < 3; b++) {
            const double difference = fabs(found->force[i][b] - exact->force[i][b]);
            worst = difference <= worst ? worst : difference;
            largest = fmax(largest, fabs(exact->force[i][b]));
            square += difference*difference;
        }
    const double energy = (found->energy - exact->energy)/n_atoms;
    printf("%-20s%3d atoms, %-16s energy %.1e eV an atom, force %.1e eV/A at most, %.1e rms, of "
           "%.1f\n", name, n_atoms, modes[m].name, energy, worst, sqrt(square/(3*n_atoms)), largest);
    CHECK(n_layers == 0 ? tensor_dense_count() > 0 : tensor_dense_count() == n_layers);
    CHECK(tensor_dense_out_of_range() == 0);
    CHECK_NEAR(0, energy, modes[m].energy);
    CHECK_NEAR(0, worst, fmax(modes[m].force*largest, modes[m].force));
}

/* ----------------------------------------------------------------------------- AIMNet2 -- */

static void evaluate_aimnet2(const mlff_model *model, const aimnet2_system *system,
                             evaluation *result) {
    aimnet2_run run;
    CHECK_OK(aimnet2_open(&run, model, (mlff_settings) {0}), run.err);
    CHECK_OK(aimnet2_evaluate(&run, system), run.err);
    result->energy = run.energy;
    memcpy(result->force, run.force, (size_t) system->n_atoms*sizeof *run.force);
    aimnet2_close(&run);
}

/* An open system of one region. */
static void test_system(const char *name, const mlff_model *model, const mlff_json_value *json,
                        double total_charge) {
    static int species[MAX_ATOMS];
    static double position[MAX_ATOMS][3];
    const mlff_json_value *numbers = mlff_json_get(json, "numbers");
    for (int i = 0; i < numbers->n; i++) {
        species[i] = (int) numbers->item[i]->integer;
        for (int b = 0; b < 3; b++)
            position[i][b] = mlff_json_get(json, "coord")->item[i]->item[b]->number;
    }
    const aimnet2_system system = {.n_atoms = numbers->n, .species = species,
                                   .position = (const double (*)[3]) position,
                                   .total_charge = &total_charge};
    const mlff_aimnet2 *description = mlff_model_description(model);
    int n_layers = description->head.n_linear;
    for (int t = 0; t < MLFF_AIMNET2_PASSES; t++)
        n_layers += description->pass[t].n_linear;
    evaluation exact, found;
    tensor_dense_set_mode(TENSOR_DENSE_DOUBLE);
    evaluate_aimnet2(model, &system, &exact);
    for (int m = 0; m < 2; m++) {
        tensor_dense_set_mode(modes[m].mode);
        evaluate_aimnet2(model, &system, &found);
        compare(name, m, system.n_atoms, &exact, &found, 2*n_layers);
    }
}

static void test_small(void) {
    mlff_model *model = NULL;
    mlff_json *json = read_json("MLFF_TEST_DATA", "aimnet2/published-4x4.json");
    CHECK_OK(mlff_model_load(check_path("MLFF_TEST_DATA", "aimnet2/published-4x4.safetensors"),
                             &model, &err), err);
    if (json && model)
        test_system("formamide", model, mlff_json_get(mlff_json_root(json), "systems")->item[0],
                    0);
    mlff_json_free(json);
    mlff_model_free(model);
}

static void test_published(const char *name) {
    const char *path = check_path("MLFF_SHARED", "models/aimnet2_wb97m_d3_member0.safetensors");
    char file[128];
    if (!check_file_exists(path)) {
        printf("skipped: the published model is not there\n");
        return;
    }
    mlff_model *model = NULL;
    snprintf(file, sizeof file, "golden/aimnet2/%s.json", name);
    mlff_json *json = read_json("MLFF_SHARED", file);
    CHECK_OK(mlff_model_load(path, &model, &err), err);
    if (json && model)
        test_system(name, model, mlff_json_root(json),
                    mlff_json_get(mlff_json_root(json), "charge")->number);
    mlff_json_free(json);
    mlff_model_free(model);
}

/* ------------------------------------------------------------------------------- PaiNN -- */

/* model_path and golden_path: from strdup(), freed here. */
static void test_painn(char *model_path, char *golden_path) {
    golden g = {0};
    reference_run run = {0};
    evaluation exact, found;
    CHECK(golden_read(golden_path, &g) && g.n_atoms <= MAX_ATOMS);
    CHECK_OK(reference_open(&run, model_path), run.err);
    for (int m = -1; m < 2; m++) {
        tensor_dense_set_mode(m < 0 ? TENSOR_DENSE_DOUBLE : modes[m].mode);
        CHECK_OK(reference_evaluate(&run, g.n_atoms, g.species, (const double (*)[3]) g.position,
                                    NULL, g.periodic ? (const double (*)[3]) g.cell : NULL),
                 run.err);
        evaluation *result = m < 0 ? &exact : &found;
        result->energy = run.energy;
        memcpy(result->force, run.force, (size_t) g.n_atoms*sizeof *run.force);
        if (m >= 0)
            compare(g.system, m, g.n_atoms, &exact, &found, 0);
    }
    reference_close(&run);
    golden_free(&g);
    free(model_path);
    free(golden_path);
}

static void test_painn_models(const char *molecule) {
    char file[128];
    test_painn(strdup(check_path("MLFF_MODELS", "painn-hcno-distilled.safetensors")),
               strdup(check_path("MLFF_TEST_DATA",
                                 "painn/painn-hcno-distilled.formamide_4water.txt")));
    test_painn(strdup(check_path("MLFF_TEST_DATA", "painn/schnet-16x3.safetensors")),
               strdup(check_path("MLFF_TEST_DATA", "painn/schnet-16x3.formamide_4water.txt")));
    char *path = strdup(check_path("MLFF_SHARED", "models/painn-student-427k.safetensors"));
    snprintf(file, sizeof file, "golden/painn/painn-student-427k.%s.txt", molecule);
    if (check_file_exists(path))
        test_painn(path, strdup(check_path("MLFF_SHARED", file)));
    else {
        printf("skipped: the student is not there\n");
        free(path);
    }
}

int main(int argc, char **argv) {
    test_small();
    test_published(argc > 1 ? argv[1] : "benzene");
    test_painn_models(argc > 2 ? argv[2] : "benzene");
    return check_report("cuda.shim_network");
}
