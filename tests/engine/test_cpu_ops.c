/*
 * The CPU platform's kernels in every instruction set of this machine: dense layers against double
 * precision, activations against the C library, PaiNN's filter tables through a molecule.
 */
#include "check.h"
#include "cpu_dense.h"
#include "cpu_kernels.h"
#include "mlff_cpu.h"
#include "mlff_reference.h"
#include "random_numbers.h"

enum { B = CPU_FEATURE_BLOCK, MAX_ROWS = 40, N_PANELS = 3, N_OUT = N_PANELS * B };

static const cpu_epilogue epilogues[] = {CPU_PLAIN, CPU_ADD, CPU_SILU, CPU_GELU, CPU_ADD_GELU,
                                         CPU_TIMES};
static const char *const epilogue_names[] = {"plain", "add", "silu", "gelu", "add gelu", "times"};
enum { N_EPILOGUES = sizeof epilogues / sizeof *epilogues };

static bool activates(cpu_epilogue epilogue) {
    return epilogue == CPU_SILU || epilogue == CPU_GELU || epilogue == CPU_ADD_GELU;
}

/* ------------------------------------------------------------------------- activations -- */

static void silu(double x, double *y, double *dy) {
    const double g = 1 / (1 + exp(-x));
    *y = x * g;
    *dy = g * (1 + x * (1 - g));
}

static void gelu(double x, double *y, double *dy) {
    const double phi = 0.5 * erfc(-x / sqrt(2.0));
    *y = x * phi;
    *dy = phi + x * exp(-0.5 * x * x) / sqrt(2 * 3.14159265358979323846);
}

static void activation(cpu_epilogue epilogue, double x, double *y, double *dy) {
    (epilogue == CPU_SILU ? silu : gelu)(x, y, dy);
}

/* -------------------------------------------------------------------------- dense layers -- */

/* One layer and what goes through it; rows are further apart than they are long. */
typedef struct layer_case {
    int n_in, n_rows;
    size_t x_stride, y_stride;
    float w[N_OUT * 160], bias[N_OUT];
    float x[MAX_ROWS * 200], y[(MAX_ROWS + 1) * (N_OUT + 40)], d[(MAX_ROWS + 1) * (N_OUT + 40)];
    cpu_dense packed;
} layer_case;

static layer_case here;
static float y_found[sizeof here.y / sizeof(float)], d_found[sizeof here.d / sizeof(float)];
static float y_whole[sizeof here.y / sizeof(float)], d_whole[sizeof here.d / sizeof(float)];

static void fill(random_numbers *random, float *values, size_t n) {
    for (size_t k = 0; k < n; k++)
        values[k] = (float) random_real(random, -1, 1);
}

static void make_case(layer_case *c, int n_in, bool biased, random_numbers *random) {
    mlff_error err;
    c->n_in = n_in;
    c->x_stride = (size_t) n_in + 13;
    c->y_stride = N_OUT + 32;
    fill(random, c->w, (size_t) n_in * N_OUT);
    fill(random, c->bias, N_OUT);
    fill(random, c->x, MAX_ROWS * c->x_stride);
    fill(random, c->y, sizeof c->y / sizeof *c->y);
    fill(random, c->d, sizeof c->d / sizeof *c->d);
    CHECK_OK(cpu_dense_pack(N_OUT, n_in, c->w, biased ? c->bias : NULL, &c->packed, &err), err);
    if (!biased)
        memset(c->bias, 0, sizeof c->bias);
    CHECK(c->packed.n_in == n_in && c->packed.n_panels == N_PANELS);
}

static void run_panels(const layer_case *c, const cpu_kernels *kernels, cpu_epilogue epilogue,
                       bool with_d, int panel0, int panel1) {
    kernels->dense(&c->packed, epilogue, c->n_rows, c->x, c->x_stride, y_found,
                   with_d ? d_found : NULL, c->y_stride, panel0, panel1);
}

static void reset(const layer_case *c) {
    memcpy(y_found, c->y, sizeof c->y);
    memcpy(d_found, c->d, sizeof c->d);
}

/* What every output should be before its epilogue, and how large its terms are. */
static double sums[MAX_ROWS][N_OUT], sizes[MAX_ROWS][N_OUT];

static void sum_in_double(const layer_case *c) {
    for (size_t m = 0; m < MAX_ROWS; m++)
        for (size_t o = 0; o < N_OUT; o++) {
            sums[m][o] = c->bias[o];
            sizes[m][o] = fabs(c->bias[o]) + 1;
            for (int k = 0; k < c->n_in; k++) {
                const double term = (double) c->x[m * c->x_stride + k] * c->w[o * c->n_in + k];
                sums[m][o] += term;
                sizes[m][o] += fabs(term);
            }
        }
}

/* All outputs of rows 0 ... n_rows-1 are right, and nothing else is touched. */
static void compare_with_double(const layer_case *c, cpu_epilogue epilogue, double *worst) {
    double worst_ratio = 0;
    int n_touched = 0;
    for (size_t m = 0; m <= (size_t) MAX_ROWS; m++)
        for (size_t o = 0; o < c->y_stride; o++) {
            const size_t at = m * c->y_stride + o;
            if (m >= (size_t) c->n_rows || o >= N_OUT) {
                n_touched += y_found[at] != c->y[at] || d_found[at] != c->d[at];
                continue;
            }
            double y = sums[m][o], dy = c->d[at];
            if (epilogue == CPU_ADD)
                y += c->y[at];
            else if (epilogue == CPU_TIMES)
                y *= c->d[at];
            else if (activates(epilogue))
                activation(epilogue, sums[m][o] + (epilogue == CPU_ADD_GELU ? c->y[at] : 0), &y,
                           &dy);
            else
                n_touched += d_found[at] != c->d[at];
            /* rounding of the sum, a few units in the last place of what it adds up */
            const double allowed = 5e-7 * sizes[m][o] + (activates(epilogue) ? 1e-6 : 0);
            const double off = fmax(fabs(y - y_found[at]), fabs(dy - d_found[at]));
            worst_ratio = off <= allowed * worst_ratio ? worst_ratio : off / allowed;
            *worst = fmax(*worst, off);
        }
    CHECK(worst_ratio <= 1);
    CHECK(n_touched == 0);
}

/* Any division of the panels among threads, and of the rows, gives the same bits. */
static void compare_divisions(const layer_case *c, const cpu_kernels *kernels,
                              cpu_epilogue epilogue) {
    reset(c);
    run_panels(c, kernels, epilogue, true, 0, N_PANELS);
    memcpy(y_whole, y_found, sizeof y_whole);
    memcpy(d_whole, d_found, sizeof d_whole);
    for (int cut = 0; cut <= N_PANELS; cut++)
        for (int second = cut; second <= N_PANELS; second++) {
            reset(c);
            run_panels(c, kernels, epilogue, true, second, N_PANELS);
            run_panels(c, kernels, epilogue, true, 0, cut);
            run_panels(c, kernels, epilogue, true, cut, second);
            CHECK(memcmp(y_whole, y_found, sizeof y_whole) == 0);
            CHECK(memcmp(d_whole, d_found, sizeof d_whole) == 0);
        }
    for (int row = 1; row < c->n_rows; row += 5) {
        reset(c);
        kernels->dense(&c->packed, epilogue, row, c->x, c->x_stride, y_found, d_found, c->y_stride,
                       0, N_PANELS);
        const size_t to = row * c->y_stride;
        kernels->dense(&c->packed, epilogue, c->n_rows - row, c->x + row * c->x_stride,
                       c->x_stride, y_found + to, d_found + to, c->y_stride, 0, N_PANELS);
        CHECK(memcmp(y_whole, y_found, sizeof y_whole) == 0);
        CHECK(memcmp(d_whole, d_found, sizeof d_whole) == 0);
    }
    if (activates(epilogue)) {  // the slope is not wanted: the same values
        reset(c);
        run_panels(c, kernels, epilogue, false, 0, N_PANELS);
        CHECK(memcmp(y_whole, y_found, sizeof y_whole) == 0);
        CHECK(memcmp(d_found, c->d, sizeof d_found) == 0);
    }
}

static void test_dense(const cpu_kernels *kernels) {
    random_numbers random = {1};
    double worst[N_EPILOGUES] = {0};
    for (int n_in = B; n_in <= 160; n_in += 2 * B) {
        make_case(&here, n_in, n_in != 3 * B, &random);
        sum_in_double(&here);
        for (int n_rows = 1; n_rows <= MAX_ROWS; n_rows++)
            for (int e = 0; e < N_EPILOGUES; e++) {
                here.n_rows = n_rows;
                reset(&here);
                run_panels(&here, kernels, epilogues[e], true, 0, N_PANELS);
                compare_with_double(&here, epilogues[e], &worst[e]);
                compare_divisions(&here, kernels, epilogues[e]);
            }
        cpu_dense_free(&here.packed);
        CHECK(here.packed.packed == NULL);
    }
    printf("%s dense, worst:", kernels->name);
    for (int e = 0; e < N_EPILOGUES; e++)
        printf(" %s %.2g", epilogue_names[e], worst[e]);
    printf("\n");
}

/* The transposed packing multiplies with the transposed matrix. */
static void test_transposed(const cpu_kernels *kernels) {
    enum { ROWS = 5, N = 2 * B, K = 3 * B };
    static float w[K * N], x[ROWS * K], y[ROWS * N];
    random_numbers random = {2};
    cpu_dense layer;
    mlff_error err;
    fill(&random, w, K * N);
    fill(&random, x, ROWS * K);
    CHECK_OK(cpu_dense_pack_transposed(K, N, w, &layer, &err), err);
    CHECK(layer.n_in == K && layer.n_panels == N / B);
    kernels->dense(&layer, CPU_PLAIN, ROWS, x, K, y, NULL, N, 0, layer.n_panels);
    for (int m = 0; m < ROWS; m++)
        for (int i = 0; i < N; i++) {
            double sum = 0;
            for (int o = 0; o < K; o++)
                sum += (double) x[m * K + o] * w[o * N + i];
            CHECK_NEAR(sum, y[m * N + i], 1e-5);
        }
    cpu_dense_free(&layer);
}

/* The first inputs and those behind them together are the layer. */
static void test_parts(const cpu_kernels *kernels) {
    enum { ROWS = 7, N = 2 * B, K = 3 * B, FIRST = 40 };
    static float w[N * K], bias[N], x[ROWS * K], y[ROWS * N];
    random_numbers random = {3};
    cpu_dense layer;
    mlff_error err;
    fill(&random, w, N * K);
    fill(&random, bias, N);
    fill(&random, x, ROWS * K);
    CHECK_OK(cpu_dense_pack(N, K, w, bias, &layer, &err), err);
    const cpu_dense first = cpu_dense_first(&layer, FIRST);
    const cpu_dense behind = cpu_dense_behind(&layer, FIRST);
    kernels->dense(&first, CPU_PLAIN, ROWS, x, K, y, NULL, N, 0, N / B);
    for (int m = 0; m < ROWS; m++)
        for (int o = 0; o < N; o++) {
            double sum = bias[o];
            for (int k = 0; k < FIRST; k++)
                sum += (double) x[m * K + k] * w[o * K + k];
            CHECK_NEAR(sum, y[m * N + o], 1e-5);
        }
    kernels->dense(&behind, CPU_ADD, ROWS, x + FIRST, K, y, NULL, N, 0, N / B);
    for (int m = 0; m < ROWS; m++)
        for (int o = 0; o < N; o++) {
            double sum = 2 * (double) bias[o];
            for (int k = 0; k < K; k++)
                sum += (double) x[m * K + k] * w[o * K + k];
            CHECK_NEAR(sum, y[m * N + o], 1e-5);
        }
    cpu_dense_free(&layer);
}

/* ---------------------------------------------------------------- accuracy of activations -- */

/* The layer that does nothing: what comes out is the activation of what goes in. */
static void make_identity(cpu_dense *layer) {
    static float w[B * B];
    mlff_error err;
    for (int k = 0; k < B; k++)
        w[k * B + k] = 1;
    CHECK_OK(cpu_dense_pack(B, B, w, NULL, layer, &err), err);
}

/* -30 ... 30: errors of values and slopes below 1e-6, beside half a unit in the value's last place
   (at 30, 0.95e-6: no float is nearer). */
static void test_activation(const cpu_kernels *kernels, cpu_epilogue epilogue) {
    enum { STEPS = 4000 };
    cpu_dense identity;
    float x[B], y[B], d[B];
    double worst = 0, worst_slope = 0, worst_small = 0;
    make_identity(&identity);
    for (int k = 0; k <= STEPS; k++) {
        for (int i = 0; i < B; i++)
            x[i] = (float) (-30 + 60 * (k + i / (double) B) / (STEPS + 1));
        kernels->dense(&identity, epilogue, 1, x, B, y, d, B, 0, 1);
        for (int i = 0; i < B; i++) {
            double want, slope;
            activation(epilogue, x[i], &want, &slope);
            CHECK_NEAR(want, y[i], 1e-6 + 6e-8 * fabs(want));
            CHECK_NEAR(slope, d[i], 1e-6);
            worst = fmax(worst, fabs(want - y[i]));
            worst_slope = fmax(worst_slope, fabs(slope - d[i]));
            if (fabs(x[i]) < 8)
                worst_small = fmax(worst_small, fabs(want - y[i]));
        }
    }
    printf("%s %s: worst value %.2g (%.2g within 8), slope %.2g\n", kernels->name,
           epilogue == CPU_SILU ? "silu" : "gelu", worst, worst_small, worst_slope);
    CHECK(worst_small < 1e-6);
    cpu_dense_free(&identity);
}

/* Far outside: the limits, no overflow; zero is zero; not a number stays so. */
static void test_activation_limits(const cpu_kernels *kernels, cpu_epilogue epilogue) {
    static const float limits[] = {100, -100, 1e4f, -1e4f, 1e18f, -1e18f, 0, -0.0f};
    enum { N = sizeof limits / sizeof *limits };
    cpu_dense identity;
    float x[B] = {0}, y[B], d[B];
    make_identity(&identity);
    for (int k = 0; k < N; k++)
        x[k] = limits[k];
    kernels->dense(&identity, epilogue, 1, x, B, y, d, B, 0, 1);
    for (int k = 0; k < N; k++) {
        CHECK(isfinite(y[k]) && isfinite(d[k]));
        CHECK_NEAR(x[k] > 0 ? x[k] : 0, y[k], 1e-12);
        CHECK_NEAR(x[k] > 0 ? 1 : x[k] < 0 ? 0 : 0.5, d[k], 1e-12);
    }
    for (int k = 0; k < B; k++)
        x[k] = NAN;
    kernels->dense(&identity, epilogue, 1, x, B, y, d, B, 0, 1);
    for (int k = 0; k < B; k++)
        CHECK(isnan(y[k]) && isnan(d[k]));
    cpu_dense_free(&identity);
}

/* ------------------------------------------------------------------------- filter tables -- */

/*
 * An atom at 2,000 distances up to the cutoff from a small molecule, on the CPU and on the
 * reference platform, which has no tables. Not nearer than atoms come: trained models leave the
 * range of floats there. Not two atoms alone: on a line a feature's norm passes through zero, a
 * kink at which the force changes by a part of itself within 1e-4 A.
 */
static void compare_scan(const char *path, int element) {
    enum { STEPS = 2000, N = 4 };
    mlff_error err;
    mlff_model *model = NULL;
    mlff_evaluator *evaluator[2] = {NULL, NULL};
    ref_pair_list list = {0};
    CHECK_OK(mlff_model_load(path, &model, &err), err);
    if (!model)
        return;
    CHECK_OK(mlff_evaluator_new(mlff_cpu_platform(), model, NULL, &evaluator[0], &err), err);
    CHECK_OK(mlff_evaluator_new(mlff_reference_platform(), model, NULL, &evaluator[1], &err), err);
    const double cutoff = mlff_model_get_info(model)->cutoff, near = 0.9;
    const int species[N] = {6, element, 8, 1};
    double x[N][3] = {{0, 0, 0}, {0, 0, 0}, {-0.9, 0.7, 0.3}, {-0.4, -0.9, 0.5}};
    double worst_energy = 0, worst_force = 0;
    for (int k = 0; k < STEPS; k++) {
        const double d = near + (cutoff - near) * (k + 1) / (STEPS + 1);
        x[1][0] = 0.48 * d;
        x[1][1] = -0.6 * d;
        x[1][2] = 0.64 * d;
        CHECK_OK(ref_neighbors_build(N, (const double (*)[3]) x, NULL, NULL, cutoff, &list, &err),
                 err);
        const mlff_graph graph = {.n_local = N, .n_all = N, .species = species, .n_regions = 1,
                                  .message = ref_pair_list_view(&list)};
        double force[2][N][3] = {{{0}}}, largest = 0, away = 0;
        mlff_result result[2] = {{.force = force[0]}, {.force = force[1]}};
        for (int p = 0; p < 2; p++)
            CHECK_OK(mlff_evaluate(evaluator[p], &graph, NULL, &result[p], &err), err);
        for (int i = 0; i < N; i++)
            for (int a = 0; a < 3; a++) {
                away = fmax(away, fabs(force[0][i][a] - force[1][i][a]));
                largest = fmax(largest, fabs(force[1][i][a]));
            }
        const double energy = result[0].component[MLFF_NETWORK];
        CHECK_NEAR(result[1].component[MLFF_NETWORK], energy, N * 2e-6);
        CHECK_NEAR(0, away, 2e-5 * fmax(1, largest));
        worst_energy = fmax(worst_energy, fabs(energy - result[1].component[MLFF_NETWORK]));
        worst_force = fmax(worst_force, away / fmax(1, largest));
    }
    printf("%s: %d distances, worst energy %.2g eV, force %.2g of the largest, or eV/A\n",
           strrchr(path, '/') + 1, STEPS, worst_energy, worst_force);
    ref_pair_list_free(&list);
    mlff_evaluator_free(evaluator[0]);
    mlff_evaluator_free(evaluator[1]);
    mlff_model_free(model);
}

static void test_filter_tables(void) {
    static const char *const models[] = {"schnet-16x3", "student-16x2", "paper-7x2", "poly5-7x2",
                                         "poly6-rbf-8x2", "rbf-linear-7x2", "shared-filters-8x3"};
    char file[128];
    for (size_t k = 0; k < sizeof models / sizeof *models; k++) {
        snprintf(file, sizeof file, "painn/%s.safetensors", models[k]);
        compare_scan(check_path("MLFF_TEST_DATA", file), 6);
    }
    const char *more[] = {check_path("MLFF_MODELS", "painn-hcno-distilled.safetensors"),
                          check_path("MLFF_SHARED", "models/painn-student-427k.safetensors"),
                          check_path("MLFF_SHARED", "models/painn-random-128x3.safetensors")};
    for (size_t k = 0; k < sizeof more / sizeof *more; k++) {
        if (check_file_exists(more[k]))
            compare_scan(more[k], 1);
        else
            printf("skipped: a larger model that is not there\n");
    }
}

int main(void) {
    const cpu_kernels *list[4];
    const int n = cpu_kernels_available(list);
    CHECK(n >= 1 && list[n - 1] == cpu_kernels_best());
    CHECK(strcmp(mlff_cpu_instruction_set(), list[n - 1]->name) == 0);
    for (int k = 0; k < n; k++) {
        test_dense(list[k]);
        test_transposed(list[k]);
        test_parts(list[k]);
        for (int e = CPU_SILU; e <= CPU_GELU; e++) {
            test_activation(list[k], (cpu_epilogue) e);
            test_activation_limits(list[k], (cpu_epilogue) e);
        }
    }
    test_filter_tables();
    return check_report("test_cpu_ops");
}
