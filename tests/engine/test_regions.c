/* Putting wrapped regions together on the reference platform. */
#include "check.h"
#include "count_allocations.h"
#include "mlff_reference.h"
#include "random_numbers.h"

enum { MAX_ATOMS = 1500 };

static const double cube[3][3] = {{10, 0, 0}, {0, 10, 0}, {0, 0, 10}};
static const double triclinic[3][3] = {{11, 0, 0}, {3, 10.5, 0}, {-4, 2, 10}};

/* A chain of atoms 1.2 A apart, winding so that it spans less than the given length. */
static void make_chain(int n_atoms, double length, double (*x)[3]) {
    for (int i = 0; i < n_atoms; i++) {
        x[i][0] = 4 + 0.45*length*cos(1.2*i/(0.45*length));
        x[i][1] = -3 + 0.45*length*sin(1.2*i/(0.45*length));
        x[i][2] = 2 + 0.001*i;
    }
}

/* Move every atom by a random lattice vector, up to two cells away. */
static void wrap_at_random(int n_atoms, const double cell[3][3], random_numbers *random,
                           double (*x)[3]) {
    for (int i = 0; i < n_atoms; i++)
        for (int a = 0; a < 3; a++) {
            const int n = random_int(random, -2, 2);
            for (int d = 0; d < 3; d++)
                x[i][d] += n*cell[a][d];
        }
}

/* Largest difference of the vectors from atom `first` to the others of its region. */
static double worst_vector(int n_atoms, const int *region, int first, const double (*x)[3],
                           const double (*y)[3]) {
    double worst = 0;
    for (int i = 0; i < n_atoms; i++)
        for (int d = 0; d < 3 && (!region || region[i] == region[first]); d++)
            worst = fmax(worst, fabs((x[i][d] - x[first][d]) - (y[i][d] - y[first][d])));
    return worst;
}

/* A chain whose shape is known comes back whatever its bonds' order; its first atom stays. */
static void test_bonded_chain(void) {
    random_numbers random = {1};
    static double whole[MAX_ATOMS][3], x[MAX_ATOMS][3];
    static int bond[MAX_ATOMS][2];
    mlff_error err;
    for (int k = 0; k < 40; k++) {
        const int n = k % 10 == 9 ? MAX_ATOMS : random_int(&random, 2, 40);
        const double (*cell)[3] = k % 2 ? cube : triclinic;
        make_chain(n, 30, whole);  /* longer than the box: bonds alone hold it together */
        memcpy(x, whole, sizeof x);
        wrap_at_random(n, cell, &random, x);
        double first[3];
        memcpy(first, x[0], sizeof first);
        for (int i = 0; i + 1 < n; i++) {
            const bool turned = random_int(&random, 0, 1);
            bond[i][turned] = i;
            bond[i][!turned] = i + 1;
        }
        for (int i = n - 2; i > 0; i--) {
            const int j = random_int(&random, 0, i), p = bond[i][0], q = bond[i][1];
            bond[i][0] = bond[j][0], bond[i][1] = bond[j][1];
            bond[j][0] = p, bond[j][1] = q;
        }
        CHECK_OK(ref_regions_unwrap(n, NULL, n - 1, (const int (*)[2])bond, cell, x, &err), err);
        CHECK_NEAR(0, worst_vector(n, NULL, 0, (const double (*)[3])x,
                                   (const double (*)[3])whole), 1e-12);
        CHECK(memcmp(first, x[0], sizeof first) == 0);
    }
}

/* Two interleaved molecules without bonds, each compact; the cell in long vectors as well. */
static void test_without_bonds(void) {
    random_numbers random = {2};
    enum { N = 30 };
    double whole[N][3], x[N][3], sheared[3][3];
    int region[N];
    mlff_error err;
    memcpy(sheared, triclinic, sizeof sheared);
    for (int d = 0; d < 3; d++) {
        sheared[1][d] += 7*triclinic[0][d];
        sheared[2][d] += 3*triclinic[0][d] - 2*triclinic[1][d];
    }
    const double (*cells[])[3] = {cube, triclinic, (const double (*)[3])sheared};
    for (int k = 0; k < 60; k++) {
        for (int i = 0; i < N; i++) {
            region[i] = i % 2;
            for (int d = 0; d < 3; d++)
                whole[i][d] = random_real(&random, -1.3, 1.3) + 20*region[i];
        }
        memcpy(x, whole, sizeof x);
        wrap_at_random(N, cells[k % 3], &random, x);
        CHECK_OK(ref_regions_unwrap(N, region, 0, NULL, cells[k % 3], x, &err), err);
        for (int first = 0; first < 2; first++)
            CHECK_NEAR(0, worst_vector(N, region, first, (const double (*)[3])x,
                                       (const double (*)[3])whole), 1e-12);
    }
}

/* Two bonded parts of one region, and a bond between regions, which says nothing. */
static void test_parts(void) {
    const double whole[5][3] = {{9.5, 0, 0}, {10.5, 0, 0}, {9.5, 2, 0}, {10.5, 2, 0}, {5, 5, 5}};
    const int region[5] = {0, 0, 0, 0, 1};
    const int bond[3][2] = {{0, 1}, {3, 2}, {3, 4}};
    mlff_error err;
    double x[5][3];
    memcpy(x, whole, sizeof x);
    x[1][0] -= 10;
    x[2][1] -= 20;
    x[3][0] -= 10;
    CHECK_OK(ref_regions_unwrap(5, region, 3, bond, cube, x, &err), err);
    for (int i = 0; i < 5; i++)
        for (int d = 0; d < 3; d++)
            CHECK_NEAR(whole[i][d], x[i][d], 1e-12);
    /* open systems and systems without atoms are left alone */
    x[1][0] = 77;
    CHECK_OK(ref_regions_unwrap(5, region, 3, bond, NULL, x, &err), err);
    CHECK(x[1][0] == 77);
    CHECK_OK(ref_regions_unwrap(0, NULL, 0, NULL, cube, NULL, &err), err);
}

static void test_not_unique(void) {
    mlff_error err;
    const int ring[3][2] = {{0, 1}, {1, 2}, {2, 0}};
    const double flat[3][3] = {{10, 0, 0}, {0, 10, 0}, {10, 10, 0}};
    double two[2][3] = {{0, 0, 0}, {5, 0, 0}};
    const int one_bond[1][2] = {{0, 1}};
    CHECK_FAILS(ref_regions_unwrap(2, NULL, 1, one_bond, cube, two, &err), MLFF_ERROR_BOX, err,
                "bond of atoms 0 and 1 is 5.000 A");
    CHECK_FAILS(ref_regions_unwrap(2, NULL, 0, NULL, cube, two, &err), MLFF_ERROR_BOX, err,
                "add bonds");
    /* each near the first atom, but 2.4 A apart through the box or 7.6 A within it */
    double three[3][3] = {{0, 0, 0}, {3.8, 0, 0}, {-3.8, 0, 0}};
    CHECK_FAILS(ref_regions_unwrap(3, NULL, 0, NULL, cube, three, &err), MLFF_ERROR_BOX, err,
                "atoms 1 and 2 of region 0 are 7.600 A apart");
    double through[3][3] = {{0, 0, 0}, {3.3, 0, 0}, {6.6, 0, 0}};
    CHECK_FAILS(ref_regions_unwrap(3, NULL, 3, ring, cube, through, &err), MLFF_ERROR_BOX, err,
                "closes a chain");
    CHECK_FAILS(ref_regions_unwrap(2, NULL, 0, NULL, flat, two, &err), MLFF_ERROR_BOX, err,
                "volume");
    const int beyond[1][2] = {{0, 2}}, negative[2] = {0, -1};
    CHECK_FAILS(ref_regions_unwrap(2, NULL, 1, beyond, cube, two, &err), MLFF_ERROR_ARGUMENT, err,
                "atoms 0 and 2");
    CHECK_FAILS(ref_regions_unwrap(2, negative, 0, NULL, cube, two, &err), MLFF_ERROR_ARGUMENT, err,
                "region -1");
    two[1][2] = NAN;
    CHECK_FAILS(ref_regions_unwrap(2, NULL, 1, one_bond, cube, two, &err), MLFF_ERROR_NUMBER, err,
                "atom 1");
}

/* Small systems, the usual ones, are put together without an allocation. */
static void test_no_allocation(void) {
    double x[3][3] = {{0, 0, 0}, {9, 0, 0}, {0, 9, 0}};
    mlff_error err;
    const size_t before = allocation_count;
    CHECK_OK(ref_regions_unwrap(3, NULL, 0, NULL, cube, x, &err), err);
    CHECK(allocation_count == before && x[1][0] == -1 && x[2][1] == -1);
}

int main(void) {
    test_bonded_chain();
    test_without_bonds();
    test_parts();
    test_not_unique();
    test_no_allocation();
    return check_report("test_regions");
}
