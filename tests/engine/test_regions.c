/* Putting wrapped regions together. */
#include "check.h"
#include "count_allocations.h"
#include "mlff_host.h"
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
        CHECK_OK(host_regions_unwrap(n, NULL, n - 1, (const int (*)[2])bond, cell, x, &err), err);
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
        CHECK_OK(host_regions_unwrap(N, region, 0, NULL, cells[k % 3], x, &err), err);
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
    CHECK_OK(host_regions_unwrap(5, region, 3, bond, cube, x, &err), err);
    for (int i = 0; i < 5; i++)
        for (int d = 0; d < 3; d++)
            CHECK_NEAR(whole[i][d], x[i][d], 1e-12);
    /* open systems and systems without atoms are left alone */
    x[1][0] = 77;
    CHECK_OK(host_regions_unwrap(5, region, 3, bond, NULL, x, &err), err);
    CHECK(x[1][0] == 77);
    CHECK_OK(host_regions_unwrap(0, NULL, 0, NULL, cube, NULL, &err), err);
}

static void test_not_unique(void) {
    mlff_error err;
    const int ring[3][2] = {{0, 1}, {1, 2}, {2, 0}};
    const double flat[3][3] = {{10, 0, 0}, {0, 10, 0}, {10, 10, 0}};
    double two[2][3] = {{0, 0, 0}, {5, 0, 0}};
    const int one_bond[1][2] = {{0, 1}};
    CHECK_FAILS(host_regions_unwrap(2, NULL, 1, one_bond, cube, two, &err), MLFF_ERROR_SPAN, err,
                "bond of atoms 0 and 1 is 5.000 A");
    CHECK_FAILS(host_regions_unwrap(2, NULL, 0, NULL, cube, two, &err), MLFF_ERROR_SPAN, err,
                "add bonds");
    CHECK(strstr(err.message, "setUsesPeriodicBoundaryConditions(True)"));
    /* each near the first atom, but 2.4 A apart through the box or 7.6 A within it */
    double three[3][3] = {{0, 0, 0}, {3.8, 0, 0}, {-3.8, 0, 0}};
    CHECK_FAILS(host_regions_unwrap(3, NULL, 0, NULL, cube, three, &err), MLFF_ERROR_SPAN, err,
                "atoms 1 and 2 of region 0 are 7.600 A apart");
    double through[3][3] = {{0, 0, 0}, {3.3, 0, 0}, {6.6, 0, 0}};
    CHECK_FAILS(host_regions_unwrap(3, NULL, 3, ring, cube, through, &err), MLFF_ERROR_BOX, err,
                "closes a chain");
    CHECK_FAILS(host_regions_unwrap(2, NULL, 0, NULL, flat, two, &err), MLFF_ERROR_BOX, err,
                "volume");
    const int beyond[1][2] = {{0, 2}}, negative[2] = {0, -1};
    CHECK_FAILS(host_regions_unwrap(2, NULL, 1, beyond, cube, two, &err), MLFF_ERROR_ARGUMENT, err,
                "atoms 0 and 2");
    CHECK_FAILS(host_regions_unwrap(2, negative, 0, NULL, cube, two, &err), MLFF_ERROR_ARGUMENT, err,
                "region -1");
    two[1][2] = NAN;
    CHECK_FAILS(host_regions_unwrap(2, NULL, 1, one_bond, cube, two, &err), MLFF_ERROR_NUMBER, err,
                "atom 1");
}

/* -------------------------------------------------------------------- several molecules -- */

enum { N_MOLECULES = 9, N_WATER = 3*N_MOLECULES };

/* The shortest copy of x_j - x_i by trying 343 of them, and its lattice vector. */
static double shortest(const double cell[3][3], const double xi[3], const double xj[3],
                       int best[3]) {
    double least = INFINITY;
    memset(best, 0, 3*sizeof best[0]);
    for (int k = 0; k < 343; k++) {
        const int n[3] = {k/49 - 3, k/7%7 - 3, k%7 - 3};
        double d2 = 0;
        for (int d = 0; d < 3; d++) {
            const double r = xj[d] - xi[d] + n[0]*cell[0][d] + n[1]*cell[1][d] + n[2]*cell[2][d];
            d2 += r*r;
        }
        if (d2 < least) {
            least = d2;
            memcpy(best, n, sizeof n);
        }
    }
    return sqrt(least);
}

/*
 * Where whole molecules belong, another way: pairs of molecules joined in the order of their
 * distances, shortest first (Kruskal's tree; the growth is Prim's, and the tree is unique).
 */
static void join_shortest_first(const double cell[3][3], double (*x)[3]) {
    int cluster[N_MOLECULES];
    for (int m = 0; m < N_MOLECULES; m++)
        cluster[m] = m;
    for (int joined = 1; joined < N_MOLECULES; joined++) {
        double least = INFINITY;
        int from = 0, to = 0, shift[3] = {0};
        for (int i = 0; i < N_WATER; i++)
            for (int j = 0; j < N_WATER; j++) {
                int n[3];
                if (cluster[i/3] >= cluster[j/3])
                    continue;
                const double d = shortest(cell, x[i], x[j], n);
                if (d < least) {
                    least = d;
                    from = cluster[i/3], to = cluster[j/3];
                    memcpy(shift, n, sizeof n);
                }
            }
        for (int j = 0; j < N_WATER; j++)
            for (int d = 0; d < 3 && cluster[j/3] == to; d++)
                x[j][d] += shift[0]*cell[0][d] + shift[1]*cell[1][d] + shift[2]*cell[2][d];
        for (int m = 0; m < N_MOLECULES; m++)
            cluster[m] = cluster[m] == to ? from : cluster[m];
    }
}

static void make_waters(random_numbers *random, double box, double (*x)[3], int (*bond)[2]) {
    for (int m = 0; m < N_MOLECULES; m++) {
        for (int d = 0; d < 3; d++)
            x[3*m][d] = random_real(random, 0, box);
        for (int h = 1; h < 3; h++) {
            for (int d = 0; d < 3; d++)
                x[3*m + h][d] = x[3*m][d] + random_real(random, -0.7, 0.7);
            bond[2*m + h - 1][0] = 3*m + h;
            bond[2*m + h - 1][1] = 3*m;
        }
    }
}

static void test_molecules(void) {
    random_numbers random = {3};
    int bond[2*N_MOLECULES][2];
    double x[N_WATER][3], expected[N_WATER][3];
    host_regions_memory memory = {0};
    mlff_error err;
    int spread = 0;
    for (int k = 0; k < 60; k++) {
        const double (*cell)[3] = k % 2 ? cube : triclinic;
        make_waters(&random, k % 3 ? 10 : 3, x, bond);
        memcpy(expected, x, sizeof x);
        join_shortest_first(cell, expected);
        wrap_at_random(N_WATER, cell, &random, x);
        CHECK_OK(host_regions_place(N_WATER, NULL, 2*N_MOLECULES, (const int (*)[2])bond, cell, 0,
                                    &memory, x, &err), err);
        CHECK_NEAR(0, worst_vector(N_WATER, NULL, 0, (const double (*)[3])x,
                                   (const double (*)[3])expected), 1e-12);
        for (int i = 0; i < N_WATER; i++)
            spread += fabs(x[i][0] - x[0][0]) > 5;
    }
    CHECK(spread > 100);
    host_regions_memory_free(&memory);
}

/* A row of molecules, longer than half the box, until its ends meet through the box. */
static void test_chain_of_molecules(void) {
    static const double box[3][3] = {{30, 0, 0}, {0, 30, 0}, {-12, 7, 30}};
    enum { N = 12 };
    const int bond[N/2][2] = {{0, 1}, {2, 3}, {4, 5}, {6, 7}, {8, 9}, {10, 11}};
    random_numbers random = {4};
    double whole[N][3] = {{0}}, x[N][3];
    host_regions_memory memory = {0};
    mlff_error err;
    for (int i = 0; i < N; i++)
        whole[i][0] = 4.4*(i/2) + i%2;  /* 0 1, 4.4 5.4, ... 22 23 */
    memcpy(x, whole, sizeof x);
    wrap_at_random(N, box, &random, x);
    CHECK_OK(host_regions_place(N, NULL, N/2, bond, box, 6.9, &memory, x, &err), err);
    CHECK_NEAR(0, worst_vector(N, NULL, 0, (const double (*)[3])x, (const double (*)[3])whole),
               1e-12);
    CHECK_FAILS(host_regions_place(N, NULL, N/2, bond, box, 7.1, &memory, x, &err), MLFF_ERROR_BOX,
                err, "atoms 0 and 11 of region 0 belong to two molecules");
    CHECK(strstr(err.message, "cutoff of 7.1 A") && strstr(err.message, "periodic=True"));
    /* atoms of one molecule may see themselves around the box: that is what vacuum means */
    const double line[5][3] = {{0}, {7, 0, 0}, {14, 0, 0}, {21, 0, 0}, {28, 0, 0}};
    const int along[4][2] = {{0, 1}, {1, 2}, {2, 3}, {3, 4}};
    memcpy(x, line, sizeof line);
    wrap_at_random(5, box, &random, x);
    CHECK_OK(host_regions_place(5, NULL, 4, along, box, 7.1, &memory, x, &err), err);
    CHECK_NEAR(0, worst_vector(5, NULL, 0, (const double (*)[3])x, line), 1e-12);
    /* a cutoff longer than the box: the other copy of a pair that is close */
    const double two[3][3] = {{0}, {1, 0, 0}, {2, 0, 0}};
    memcpy(x, two, sizeof two);
    CHECK_FAILS(host_regions_place(3, NULL, 1, along, cube, 8.1, &memory, x, &err), MLFF_ERROR_BOX,
                err, "around the box");
    CHECK_OK(host_regions_place(3, NULL, 1, along, cube, 7.9, &memory, x, &err), err);
    host_regions_memory_free(&memory);
}

/* Later calls need no allocation, however many atoms. */
static void test_memory_is_kept(void) {
    static double x[MAX_ATOMS][3];
    static int bond[MAX_ATOMS][2], region[MAX_ATOMS];
    static const double box[3][3] = {{60, 0, 0}, {0, 60, 0}, {0, 0, 60}};
    random_numbers random = {5};
    host_regions_memory memory = {0};
    mlff_error err;
    for (int i = 0; i < MAX_ATOMS; i++) {
        region[i] = i < 900 ? i/300 : i;
        x[i][0] = random_real(&random, 0, 60), x[i][1] = random_real(&random, 0, 60);
        bond[i][0] = i, bond[i][1] = i - i%3;
    }
    for (int i = 0; i < 900; i++)  /* molecules of three */
        x[i][2] = x[i - i%3][2], x[i][1] = x[i - i%3][1], x[i][0] = x[i - i%3][0] + i%3;
    const int n_bonds = 900;
    for (int i = 0; i < n_bonds; i += 3)
        bond[i][1] = i + 1;
    CHECK_OK(host_regions_place(MAX_ATOMS, region, n_bonds, (const int (*)[2])bond, box, 0, &memory,
                                x, &err), err);
    const size_t before = allocation_count;
    CHECK_OK(host_regions_place(MAX_ATOMS, region, n_bonds, (const int (*)[2])bond, box, 0, &memory,
                                x, &err), err);
    CHECK(allocation_count == before);
    host_regions_memory_free(&memory);
}

/* Small systems, the usual ones, are put together without an allocation. */
static void test_no_allocation(void) {
    double x[3][3] = {{0, 0, 0}, {9, 0, 0}, {0, 9, 0}};
    mlff_error err;
    const size_t before = allocation_count;
    CHECK_OK(host_regions_unwrap(3, NULL, 0, NULL, cube, x, &err), err);
    CHECK(allocation_count == before && x[1][0] == -1 && x[2][1] == -1);
}

int main(void) {
    test_bonded_chain();
    test_without_bonds();
    test_parts();
    test_not_unique();
    test_molecules();
    test_chain_of_molecules();
    test_memory_is_kept();
    test_no_allocation();
    return check_report("test_regions");
}
