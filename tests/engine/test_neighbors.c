/* The searches by bins and by atoms, and the reference platform's, against one that tries every image. */
#include "check.h"
#include "count_allocations.h"
#include "mlff_host.h"
#include "mlff_reference.h"
#include "random_numbers.h"
#include "../../platforms/host/geometry/host_neighbors.h"

#include <time.h>

enum { MAX_ATOMS = 20000 };

typedef struct box {
    int n_atoms;
    bool periodic, with_regions;
    double cell[3][3];
    double cutoff;
    double position[MAX_ATOMS][3];
    int region[MAX_ATOMS];
} box;

static box here;

/* ------------------------------------------------------------------------ random boxes -- */

static double determinant(const double c[3][3]) {
    return c[0][0]*(c[1][1]*c[2][2] - c[1][2]*c[2][1]) -
           c[0][1]*(c[1][0]*c[2][2] - c[1][2]*c[2][0]) +
           c[0][2]*(c[1][0]*c[2][1] - c[1][1]*c[2][0]);
}

/* kind 0 open, 1 orthorhombic, 2 triclinic, 3 the same lattice in long vectors, 4 mirrored,
   5 smaller than the cutoff */
static void random_box(box *b, random_numbers *random, int kind) {
    const double size = kind == 5 ? 2.5 : random_real(random, 4, 9);
    memset(b->cell, 0, sizeof b->cell);
    b->periodic = kind != 0;
    for (int a = 0; a < 3; a++)
        b->cell[a][a] = size*random_real(random, 0.8, 1.5);
    if (kind >= 2)
        for (int a = 1; a < 3; a++)
            for (int k = 0; k < a; k++)
                b->cell[a][k] = random_real(random, -0.5, 0.5)*b->cell[k][k];
    if (kind == 3)
        for (int d = 0; d < 3; d++) {
            b->cell[1][d] += b->cell[0][d];
            b->cell[2][d] += 2*b->cell[1][d] - b->cell[0][d];
        }
    if (kind == 4)
        for (int d = 0; d < 3; d++) {
            const double x = b->cell[0][d];
            b->cell[0][d] = b->cell[1][d];
            b->cell[1][d] = x;
        }
    b->cutoff = random_real(random, 2, 5);
    b->n_atoms = random_int(random, 1, kind == 5 ? 4 : 9);
    b->with_regions = random_int(random, 0, 3) == 0;
    const double outside = random_int(random, 0, 3) ? 0 : 2;
    for (int i = 0; i < b->n_atoms; i++) {
        b->region[i] = random_int(random, 0, 2);
        double f[3];
        for (int a = 0; a < 3; a++)
            f[a] = random_real(random, -outside, 1 + outside);
        for (int d = 0; d < 3; d++)
            b->position[i][d] = !b->periodic ? 2*size*f[d]/(1 + outside)
                                             : f[0]*b->cell[0][d] + f[1]*b->cell[1][d] +
                                                   f[2]*b->cell[2][d];
    }
}

/* -------------------------------------------------------------------- the naive search -- */

typedef struct naive_pair {
    int j, image[3];
    double r[3];
} naive_pair;

static double height(const double c[3][3], int a) {
    const double *v = c[(a + 1) % 3], *w = c[(a + 2) % 3];
    const double x = v[1]*w[2] - v[2]*w[1], y = v[2]*w[0] - v[0]*w[2], z = v[0]*w[1] - v[1]*w[0];
    return fabs(determinant(c))/sqrt(x*x + y*y + z*z);
}

/* Neighbors of atom i in order of j and image; how near a pair came to the cutoff lowers
   *margin. */
static int naive_row(const box *b, int i, naive_pair *row, int capacity, double *margin) {
    int m[3] = {0}, n = 0;
    double span = 0;
    for (int j = 0; j < b->n_atoms; j++)
        span = fmax(span, sqrt(pow(b->position[j][0] - b->position[i][0], 2) +
                               pow(b->position[j][1] - b->position[i][1], 2) +
                               pow(b->position[j][2] - b->position[i][2], 2)));
    for (int a = 0; a < 3 && b->periodic; a++)
        m[a] = (int)ceil((b->cutoff + span)/height((const double (*)[3])b->cell, a));
    for (int j = 0; j < b->n_atoms; j++)
        for (int n_a = -m[0]; n_a <= m[0]; n_a++)
            for (int n_b = -m[1]; n_b <= m[1]; n_b++)
                for (int n_c = -m[2]; n_c <= m[2]; n_c++) {
                    if (b->with_regions && b->region[i] != b->region[j])
                        continue;
                    naive_pair pair = {j, {n_a, n_b, n_c}, {0}};
                    double d2 = 0;
                    for (int d = 0; d < 3; d++) {
                        pair.r[d] = b->position[j][d] + n_a*b->cell[0][d]*b->periodic +
                                    n_b*b->cell[1][d]*b->periodic + n_c*b->cell[2][d]*b->periodic -
                                    b->position[i][d];
                        d2 += pair.r[d]*pair.r[d];
                    }
                    if (i == j && n_a == 0 && n_b == 0 && n_c == 0)
                        continue;
                    if (fabs(d2 - b->cutoff*b->cutoff) < 1e-6)
                        *margin = fmin(*margin, fabs(sqrt(d2) - b->cutoff));
                    if (d2 < b->cutoff*b->cutoff && n < capacity)
                        row[n++] = pair;
                }
    return n;
}

/* ----------------------------------------------------------------------------- helpers -- */

static mlff_status search(const box *b, host_neighbors_method method, host_pair_list *list,
                          mlff_error *err) {
    return host_neighbors_search(method, b->n_atoms, (const double (*)[3])b->position,
                                 b->with_regions ? b->region : NULL,
                                 b->periodic ? (const double (*)[3])b->cell : NULL, b->cutoff, list,
                                 err);
}

static bool same_list(const host_pair_list *x, const host_pair_list *y) {
    return x->n_atoms == y->n_atoms && x->n_pairs == y->n_pairs &&
           memcmp(x->first, y->first, ((size_t)x->n_atoms + 1)*sizeof(int)) == 0 &&
           (x->n_pairs == 0 ||
            (memcmp(x->neighbor, y->neighbor, (size_t)x->n_pairs*sizeof(int)) == 0 &&
             memcmp(x->rij, y->rij, (size_t)x->n_pairs*sizeof x->rij[0]) == 0));
}

/* The reference platform finds the same pairs, with the same bits. */
static bool reference_agrees(const box *b, const host_pair_list *list) {
    ref_pair_list want = {0};
    mlff_error err;
    CHECK_OK(ref_neighbors_build(b->n_atoms, (const double (*)[3])b->position,
                                 b->with_regions ? b->region : NULL,
                                 b->periodic ? (const double (*)[3])b->cell : NULL, b->cutoff, &want,
                                 &err), err);
    const host_pair_list same = {.n_atoms = want.n_atoms, .n_pairs = want.n_pairs,
                                 .first = want.first, .neighbor = want.neighbor, .rij = want.rij};
    const bool agrees = same_list(&same, list);
    ref_pair_list_free(&want);
    return agrees;
}

/* Every pair's opposite is in the list, with exactly the opposite vector. */
static bool is_symmetric(const host_pair_list *list) {
    for (int i = 0; i < list->n_atoms; i++)
        for (int e = list->first[i]; e < list->first[i + 1]; e++) {
            const int j = list->neighbor[e];
            const double *r = list->rij[e];
            bool found = false;
            for (int o = list->first[j]; o < list->first[j + 1] && !found; o++)
                found = list->neighbor[o] == i && list->rij[o][0] == -r[0] &&
                        list->rij[o][1] == -r[1] && list->rij[o][2] == -r[2];
            if (!found)
                return false;
        }
    return true;
}

/* ------------------------------------------------------------------------------- tests -- */

static void compare_with_naive(const box *b, const host_pair_list *list, double *worst,
                               double *margin) {
    enum { CAPACITY = 20000 };
    static naive_pair row[CAPACITY];
    for (int i = 0; i < b->n_atoms; i++) {
        const int n = naive_row(b, i, row, CAPACITY, margin);
        CHECK(n < CAPACITY && n == list->first[i + 1] - list->first[i]);
        for (int k = 0; k < n && k < list->first[i + 1] - list->first[i]; k++) {
            const int e = list->first[i] + k;
            CHECK(list->neighbor[e] == row[k].j);
            for (int d = 0; d < 3; d++)
                *worst = fmax(*worst, fabs(list->rij[e][d] - row[k].r[d]));
        }
    }
}

/* 1,000 boxes of every kind: the same pairs in the same order, whatever the method. */
static void test_random_boxes(void) {
    random_numbers random = {1};
    host_pair_list list = {0}, atoms = {0}, bins = {0};
    mlff_error err;
    double worst = 0;
    long n_pairs = 0;
    for (int k = 0; k < 1000; k++) {
        random_box(&here, &random, k % 6);
        CHECK_OK(search(&here, HOST_NEIGHBORS_AUTO, &list, &err), err);
        CHECK_OK(search(&here, HOST_NEIGHBORS_ATOMS, &atoms, &err), err);
        CHECK_OK(search(&here, HOST_NEIGHBORS_BINS, &bins, &err), err);
        CHECK(same_list(&atoms, &list) && same_list(&atoms, &bins) && is_symmetric(&list));
        CHECK(reference_agrees(&here, &list));
        double margin = 1;
        compare_with_naive(&here, &list, &worst, &margin);
        CHECK(margin > 1e-10);  /* else rounding decides what is a neighbor */
        n_pairs += list.n_pairs;
    }
    printf("1000 boxes, %ld pairs, largest difference of a vector %.2g A\n", n_pairs, worst);
    CHECK(n_pairs > 10000);
    CHECK_NEAR(0, worst, 1e-12);
    host_pair_list_free(&list);
    host_pair_list_free(&atoms);
    host_pair_list_free(&bins);
}

static void fill_dense_box(box *b, int n_atoms, int kind, random_numbers *random) {
    const double length = cbrt(n_atoms/0.1);
    b->n_atoms = n_atoms;
    b->cutoff = 5;
    b->periodic = kind > 0;
    b->with_regions = false;
    memset(b->cell, 0, sizeof b->cell);
    for (int a = 0; a < 3; a++)
        b->cell[a][a] = length;
    if (kind == 2) {
        b->cell[1][0] = 0.4*length;
        b->cell[2][0] = -0.3*length;
        b->cell[2][1] = 0.45*length;
    }
    for (int i = 0; i < n_atoms; i++)
        for (int d = 0; d < 3; d++)
            b->position[i][d] = random_real(random, -length, 2*length)*(kind > 0 ? 1 : 0.5);
}

/* Systems large enough for bins: bins and atoms agree to the bit. */
static void test_methods_agree(void) {
    random_numbers random = {2};
    host_pair_list atoms = {0}, bins = {0}, list = {0};
    mlff_error err;
    for (int kind = 0; kind < 3; kind++) {
        fill_dense_box(&here, 700, kind, &random);
        CHECK_OK(search(&here, HOST_NEIGHBORS_ATOMS, &atoms, &err), err);
        CHECK_OK(search(&here, HOST_NEIGHBORS_BINS, &bins, &err), err);
        CHECK_OK(search(&here, HOST_NEIGHBORS_AUTO, &list, &err), err);
        CHECK(atoms.n_pairs > 2000 && same_list(&atoms, &bins) && same_list(&atoms, &list));
        CHECK(reference_agrees(&here, &list));
    }
    host_pair_list_free(&atoms);
    host_pair_list_free(&bins);
    host_pair_list_free(&list);
}

/* 10,000 and 20,000 atoms; the rows of some atoms by the naive search. */
static void test_large_systems(void) {
    random_numbers random = {3};
    host_pair_list list = {0};
    mlff_error err;
    static naive_pair row[1000];
    for (int n_atoms = 10000; n_atoms <= 20000; n_atoms += 10000) {
        fill_dense_box(&here, n_atoms, 2, &random);
        const clock_t start = clock();
        CHECK_OK(search(&here, HOST_NEIGHBORS_AUTO, &list, &err), err);
        printf("%d atoms, %d pairs: %.0f ms\n", n_atoms, list.n_pairs,
               1e3*(double)(clock() - start)/CLOCKS_PER_SEC);
        for (int k = 0; k < 3; k++) {
            const int i = random_int(&random, 0, n_atoms - 1);
            double margin = 1;
            const int n = naive_row(&here, i, row, 1000, &margin);
            CHECK(margin > 1e-10 && n == list.first[i + 1] - list.first[i]);
        }
    }
    host_pair_list_free(&list);
}

/* A second search of the same size allocates nothing. */
static void test_no_allocation(void) {
    random_numbers random = {4};
    host_pair_list list = {0};
    mlff_error err;
    for (int kind = 0; kind < 3; kind++)
        for (int n_atoms = 50; n_atoms <= 500; n_atoms += 450) {
            fill_dense_box(&here, n_atoms, kind, &random);
            CHECK_OK(search(&here, HOST_NEIGHBORS_AUTO, &list, &err), err);
            const size_t before = allocation_count;
            CHECK_OK(search(&here, HOST_NEIGHBORS_AUTO, &list, &err), err);
            CHECK(allocation_count == before);
        }
    CHECK(!allocations_are_counted || allocation_count > 0);
    host_pair_list_free(&list);
    CHECK(list.first == NULL && list.scratch == NULL && list.pair_capacity == 0);
}

static void test_open_systems(void) {
    host_pair_list list = {0};
    mlff_error err;
    const double x[4][3] = {{0, 0, 0}, {3, 0, 0}, {0, 4, 0}, {1e6, 0, -1e9}};
    CHECK_OK(host_neighbors_build(0, NULL, NULL, NULL, 5, &list, &err), err);
    CHECK(list.n_pairs == 0 && list.first[0] == 0);
    CHECK_OK(host_neighbors_build(1, x, NULL, NULL, 5, &list, &err), err);
    CHECK(list.n_pairs == 0 && list.first[1] == 0);
    /* the distance of 5 is not below the cutoff of 5 */
    CHECK_OK(host_neighbors_build(4, x, NULL, NULL, 5, &list, &err), err);
    CHECK(list.n_pairs == 4 && list.first[1] == 2 && list.first[4] == 4);
    CHECK_OK(host_neighbors_search(HOST_NEIGHBORS_BINS, 4, x, NULL, NULL, 5, &list, &err), err);
    CHECK(list.n_pairs == 4);
    CHECK_OK(host_neighbors_build(4, x, NULL, NULL, INFINITY, &list, &err), err);
    CHECK(list.n_pairs == 12);
    const mlff_pairs view = host_pair_list_view(&list);
    CHECK(view.first == list.first && view.neighbor == list.neighbor && view.rij[0][0] == 3);
    host_pair_list_free(&list);
}

/* A lattice of one atom: 6 neighbors at a, 12 at sqrt(2) a, wherever the atom is said to be. */
static void test_images_of_one_atom(void) {
    host_pair_list list = {0};
    mlff_error err;
    const double cell[3][3] = {{2, 0, 0}, {0, 2, 0}, {0, 0, 2}};
    const double x[3][1][3] = {{{0, 0, 0}}, {{-1e4, 77.7, 1e5}}, {{2, 2, -2}}};
    for (int k = 0; k < 3; k++)
        for (int method = HOST_NEIGHBORS_ATOMS; method <= HOST_NEIGHBORS_BINS; method++) {
            CHECK_OK(host_neighbors_search(method, 1, x[k], NULL, cell, 2.9, &list, &err), err);
            CHECK(list.n_pairs == 18);
            CHECK(list.rij[0][0] == -2 && list.rij[0][1] == -2 && list.rij[0][2] == 0);
        }
    host_pair_list_free(&list);
}

/* One search's list, as far as the errors are concerned. */
typedef mlff_status search_function(int n_atoms, const double (*position)[3], const int *region,
                                    const double (*cell)[3], double cutoff, int *n_pairs,
                                    mlff_error *err);

static host_pair_list host_list;
static ref_pair_list reference_list;

static mlff_status host_search(int n_atoms, const double (*position)[3], const int *region,
                               const double (*cell)[3], double cutoff, int *n_pairs,
                               mlff_error *err) {
    const mlff_status status = host_neighbors_build(n_atoms, position, region, cell, cutoff,
                                                    &host_list, err);
    *n_pairs = host_list.n_pairs;
    return status;
}

static mlff_status reference_search(int n_atoms, const double (*position)[3], const int *region,
                                    const double (*cell)[3], double cutoff, int *n_pairs,
                                    mlff_error *err) {
    const mlff_status status = ref_neighbors_build(n_atoms, position, region, cell, cutoff,
                                                   &reference_list, err);
    *n_pairs = reference_list.n_pairs;
    return status;
}

/* What is refused, by either search. */
static void test_errors(search_function *search_pairs) {
    int n_pairs;
    mlff_error err;
    const double cube[3][3] = {{10, 0, 0}, {0, 10, 0}, {0, 0, 10}};
    const double flat[3][3] = {{10, 0, 0}, {0, 10, 0}, {10, 10, 0}};
    const double broken[3][3] = {{10, 0, 0}, {0, NAN, 0}, {0, 0, 10}};
    const double tiny[3][3] = {{1e-3, 0, 0}, {0, 10, 0}, {0, 0, 10}};
    double x[4][3] = {{0, 0, 0}, {1, 1, 1}, {2, 2, 2}, {1, 1, 1}};
    const double (*p)[3] = (const double (*)[3])x;
    const int apart[4] = {0, 0, 0, 1};

    /* the same place: both atoms named; of different regions: no pair */
    CHECK_FAILS(search_pairs(4, p, NULL, NULL, 5, &n_pairs, &err), MLFF_ERROR_NUMBER, err,
                "atoms 1 and 3 are at the same place");
    CHECK_OK(search_pairs(4, p, apart, NULL, 5, &n_pairs, &err), err);
    CHECK(n_pairs == 6);
    /* the same place in another cell */
    x[3][0] = 11;
    CHECK_FAILS(search_pairs(4, p, NULL, cube, 5, &n_pairs, &err), MLFF_ERROR_NUMBER, err,
                "atoms 1 and 3 are at the same place");
    x[3][0] = 4;

    x[2][1] = NAN;
    CHECK_FAILS(search_pairs(4, p, NULL, NULL, 5, &n_pairs, &err), MLFF_ERROR_NUMBER, err,
                "atom 2 is at");
    x[2][1] = INFINITY;
    CHECK_FAILS(search_pairs(4, p, NULL, cube, 5, &n_pairs, &err), MLFF_ERROR_NUMBER, err,
                "atom 2 is at");
    x[2][1] = 1e99;
    CHECK_FAILS(search_pairs(4, p, NULL, cube, 5, &n_pairs, &err), MLFF_ERROR_NUMBER, err,
                "atom 2 is at");
    x[2][1] = 2;

    CHECK_FAILS(search_pairs(4, p, NULL, flat, 5, &n_pairs, &err), MLFF_ERROR_BOX, err,
                "volume");
    CHECK_FAILS(search_pairs(4, p, NULL, broken, 5, &n_pairs, &err), MLFF_ERROR_BOX, err,
                "volume");
    CHECK_FAILS(search_pairs(4, p, NULL, tiny, 5, &n_pairs, &err), MLFF_ERROR_BOX, err,
                "reaches over");
    CHECK_FAILS(search_pairs(-1, p, NULL, NULL, 5, &n_pairs, &err), MLFF_ERROR_ARGUMENT, err,
                "-1 atoms");
    CHECK_FAILS(search_pairs(4, NULL, NULL, NULL, 5, &n_pairs, &err), MLFF_ERROR_ARGUMENT, err,
                "positions NULL");
    CHECK_FAILS(search_pairs(4, p, NULL, NULL, 0, &n_pairs, &err), MLFF_ERROR_ARGUMENT, err,
                "cutoff is 0");
    CHECK_FAILS(search_pairs(4, p, NULL, NULL, NAN, &n_pairs, &err), MLFF_ERROR_ARGUMENT, err,
                "cutoff is");
    CHECK_FAILS(search_pairs(4, p, NULL, cube, INFINITY, &n_pairs, &err), MLFF_ERROR_ARGUMENT,
                err, "finite because");
    /* more than 1e8 cells away */
    x[3][0] = 4e9;
    CHECK_FAILS(search_pairs(4, p, NULL, cube, 5, &n_pairs, &err), MLFF_ERROR_NUMBER, err,
                "cells away from the periodic cell");
    x[3][0] = 4;
    /* after every error the list works on */
    CHECK_OK(search_pairs(4, p, NULL, cube, 5, &n_pairs, &err), err);
    CHECK(n_pairs == 12);
}

int main(void) {
    test_random_boxes();
    test_methods_agree();
    test_large_systems();
    test_no_allocation();
    test_open_systems();
    test_images_of_one_atom();
    test_errors(host_search);
    test_errors(reference_search);
    host_pair_list_free(&host_list);
    ref_pair_list_free(&reference_list);
    return check_report("test_neighbors");
}
