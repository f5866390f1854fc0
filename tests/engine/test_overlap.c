/* Atoms that overlap: the search by bins against all pairs, and what an evaluation refuses. */
#include "check.h"
#include "mlff_elements.h"
#include "mlff_overlap.h"
#include "mlff_reference.h"
#include "painn_builder.h"
#include "random_numbers.h"

enum { MAX_ATOMS = 400 };

/* The worst overlap by a plain loop over all pairs and images; the share itself if there is none. */
static double worst_by_loop(int n, const int *z, const int *region, const double (*x)[3],
                            const double (*cell)[3], int images) {
    double worst = 0.6;
    const int reach = cell ? images : 0;
    for (int i = 0; i < n; i++)
        for (int j = i; j < n; j++)
            for (int a = -reach; a <= reach; a++)
                for (int b = -reach; b <= reach; b++)
                    for (int c = -reach; c <= reach; c++) {
                        if ((i == j && !a && !b && !c) || (region && region[i] != region[j]))
                            continue;
                        double r2 = 0;
                        for (int d = 0; d < 3; d++) {
                            double r = x[j][d] - x[i][d];
                            if (cell)
                                r += a*cell[0][d] + b*cell[1][d] + c*cell[2][d];
                            r2 += r*r;
                        }
                        worst = fmin(worst, sqrt(r2)/(mlff_covalent_radius(z[i]) +
                                                      mlff_covalent_radius(z[j])));
                    }
    return worst;
}

static double ratio(const mlff_overlap *o) {
    return o->first < 0 ? 0.6 : o->distance/o->radii;
}

static void check_against_loop(int n, const int *z, const int *region, const double (*x)[3],
                               const double (*cell)[3], int images) {
    mlff_error err;
    mlff_overlap worst;
    CHECK_OK(mlff_overlap_find(n, z, region, x, cell, &worst, &err), err);
    CHECK_NEAR(worst_by_loop(n, z, region, x, cell, images), ratio(&worst), 1e-9);
    if (worst.first >= 0) {
        CHECK(worst.first <= worst.second && worst.second < n);
        CHECK(worst.radii == mlff_covalent_radius(z[worst.first]) +
                             mlff_covalent_radius(z[worst.second]));
        CHECK(!region || region[worst.first] == region[worst.second]);
    }
}

/* Random atoms, from thin to dense, open and in cells of all shapes, wrapped or not. */
static void test_search(void) {
    static const int elements[] = {1, 6, 8, 17, 53, 55};
    static double x[MAX_ATOMS][3];
    static int z[MAX_ATOMS], region[MAX_ATOMS];
    random_numbers random = {5};
    for (int k = 0; k < 200; k++) {
        const int n = random_int(&random, 1, k % 10 ? 25 : MAX_ATOMS);
        const double size = random_real(&random, 1, 30);
        const double cell[3][3] = {{size, 0, 0},
                                   {random_real(&random, -4, 4), random_real(&random, 1, 20), 0},
                                   {random_real(&random, -4, 4), random_real(&random, -4, 4),
                                    random_real(&random, 1, 20)}};
        const bool wrapped = k % 2;
        for (int i = 0; i < n; i++) {
            double f[3];
            for (int a = 0; a < 3; a++)
                f[a] = random_real(&random, 0, 1);
            for (int d = 0; d < 3; d++)
                x[i][d] = f[0]*cell[0][d] + f[1]*cell[1][d] + f[2]*cell[2][d];
            z[i] = elements[random_int(&random, 0, 5)];
            region[i] = random_int(&random, 0, 2);
        }
        check_against_loop(n, z, NULL, x, NULL, 0);
        check_against_loop(n, z, region, x, NULL, 0);
        if (n > 25)
            continue;
        // the loop's images count from atoms in the cell; the search may be given any copies
        const double expected = worst_by_loop(n, z, NULL, x, cell, 6);
        for (int i = 0; i < n && !wrapped; i++)
            for (int a = 0; a < 3; a++) {
                const int move = random_int(&random, -50, 50);
                for (int d = 0; d < 3; d++)
                    x[i][d] += move*cell[a][d];
            }
        mlff_error err;
        mlff_overlap worst;
        CHECK_OK(mlff_overlap_find(n, z, NULL, x, cell, &worst, &err), err);
        CHECK_NEAR(expected, ratio(&worst), 1e-9);
    }
}

/* The limit is 0.6 of the sum of the radii; which pair is the worst depends on the elements. */
static void test_limit(void) {
    const int z[4] = {1, 8, 6, 6};
    mlff_error err;
    mlff_overlap worst;
    double x[4][3] = {{0}, {0.583, 0, 0}, {100, 0, 0}, {100, 0.913, 0}};
    CHECK_OK(mlff_overlap_find(4, z, NULL, x, NULL, &worst, &err), err);
    CHECK(worst.first == -1 && worst.second == -1);  // O-H 0.97 A, C-C 1.52 A
    x[1][0] = 0.581;
    CHECK_OK(mlff_overlap_find(4, z, NULL, x, NULL, &worst, &err), err);
    CHECK(worst.first == 0 && worst.second == 1);
    CHECK_NEAR(0.581, worst.distance, 1e-12);
    CHECK_NEAR(0.97, worst.radii, 1e-12);
    x[3][1] = 0.6;  // longer than the O-H pair, but worse
    CHECK_OK(mlff_overlap_find(4, z, NULL, x, NULL, &worst, &err), err);
    CHECK(worst.first == 2 && worst.second == 3);
}

/* Across the boundary, an atom with its own image, atoms exactly on the boundary, far atoms. */
static void test_places(void) {
    const double cell[3][3] = {{10, 0, 0}, {0, 10, 0}, {0, 0, 10}};
    const double thin[3][3] = {{10, 0, 0}, {0, 10, 0}, {0, 0, 0.3}};
    const int z[2] = {1, 1};
    mlff_error err;
    mlff_overlap worst;
    const double across[2][3] = {{0.05, 0, 5}, {9.95, 30, -5}};
    CHECK_OK(mlff_overlap_find(2, z, NULL, across, NULL, &worst, &err), err);
    CHECK(worst.first == -1);
    CHECK_OK(mlff_overlap_find(2, z, NULL, across, cell, &worst, &err), err);
    CHECK(worst.first == 0 && worst.second == 1);
    CHECK_NEAR(0.1, worst.distance, 1e-9);
    const double edge[2][3] = {{-1e-18, 0, 10}, {0, 10, 0}};
    CHECK_OK(mlff_overlap_find(2, z, NULL, edge, cell, &worst, &err), err);
    CHECK(worst.first == 0 && worst.second == 1 && worst.distance < 1e-9);
    CHECK_OK(mlff_overlap_find(1, z, NULL, across, thin, &worst, &err), err);
    CHECK(worst.first == 0 && worst.second == 0);
    CHECK_NEAR(0.3, worst.distance, 1e-9);

    // micrometers away, and where doubles resolve nothing
    const double far[2][3] = {{1e9, -1e9, 0}, {1e9, -1e9, 0.25}};
    CHECK_OK(mlff_overlap_find(2, z, NULL, far, NULL, &worst, &err), err);
    CHECK(worst.first == 0);
    const double farther[2][3] = {{1e200, 0, 0}, {-1e200, 0, 0}};
    CHECK_OK(mlff_overlap_find(2, z, NULL, farther, NULL, &worst, &err), err);
    CHECK(worst.first == -1);
}

static void test_refusals(void) {
    const int z[2] = {1, 6}, none[2] = {0, 0};
    double x[2][3] = {{0}, {1, 0, 0}};
    mlff_error err;
    mlff_overlap worst;
    CHECK_OK(mlff_overlap_find(0, NULL, NULL, NULL, NULL, &worst, &err), err);
    CHECK(worst.first == -1);
    CHECK_OK(mlff_overlap_find(2, none, NULL, x, NULL, &worst, &err), err);
    CHECK(worst.first == -1);
    for (double size = 1e-3; size > 1e-120; size *= 1e-9) {
        const double cell[3][3] = {{size, 0, 0}, {0, size, 0}, {0, 0, size}};
        CHECK_FAILS(mlff_overlap_find(2, z, NULL, x, cell, &worst, &err), MLFF_ERROR_BOX, err,
                    "periodic cell");
    }
    const double flat[3][3] = {{5, 0, 0}, {0, 5, 0}, {5, 5, 0}};
    CHECK_FAILS(mlff_overlap_find(2, z, NULL, x, flat, &worst, &err), MLFF_ERROR_BOX, err, "volume");
    x[1][1] = NAN;
    CHECK_FAILS(mlff_overlap_find(2, z, NULL, x, NULL, &worst, &err), MLFF_ERROR_NUMBER, err,
                "atom 1");
}

/* mlff_evaluate() refuses on request, and names the worst pair. */
static void test_evaluation(void) {
    static st_builder b;
    painn_fill(&b, &painn_small);
    st_bytes bytes = st_build(&b);
    mlff_model *model = NULL;
    mlff_evaluator *evaluator = NULL;
    mlff_error err;
    CHECK_OK(mlff_model_load_memory(bytes.data, bytes.n, "small", &model, &err), err);
    st_bytes_free(&bytes);
    st_clear(&b);
    CHECK_OK(mlff_evaluator_new(mlff_reference_platform(), model, NULL, &evaluator, &err), err);
    if (!evaluator)
        return;
    const int z[4] = {8, 1, 1, 6};
    double x[4][3] = {{0}, {0.97, 0, 0}, {-0.2, 0.95, 0}, {1.8, 0, 0}};
    ref_pair_list list = {0};
    for (int overlap = 0; overlap < 2; overlap++) {
        if (overlap) {
            x[1][0] = 0.45;
            x[2][1] = 0.1;  // 0.224 A: the worst
        }
        CHECK_OK(ref_neighbors_build(4, x, NULL, NULL, mlff_model_get_info(model)->cutoff, &list,
                                     &err), err);
        mlff_graph graph = {.n_local = 4, .n_all = 4, .species = z, .n_regions = 1,
                            .message = ref_pair_list_view(&list)};
        mlff_result result = {0};
        CHECK_OK(mlff_evaluate(evaluator, &graph, NULL, &result, &err), err);
        graph.refuse_overlaps = true;
        if (overlap)
            CHECK_FAILS(mlff_evaluate(evaluator, &graph, NULL, &result, &err), MLFF_ERROR_OVERLAP,
                        err, "atoms 0 (O) and 2 (H) are 0.224 A apart: they overlap, and no model "
                        "was made for less than 0.6 of the sum");
        else
            CHECK_OK(mlff_evaluate(evaluator, &graph, NULL, &result, &err), err);
    }
    ref_pair_list_free(&list);
    mlff_evaluator_free(evaluator);
    mlff_model_free(model);
}

int main(void) {
    test_search();
    test_limit();
    test_places();
    test_refusals();
    test_evaluation();
    return check_report("overlap");
}
