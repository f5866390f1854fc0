/* The judgement of periodic boxes: measures, what is refused always, what is refused unless meant. */
#include "check.h"
#include "mlff_box.h"
#include "mlff_reference.h"
#include "random_numbers.h"
#include "../../platforms/host/geometry/host_neighbors.h"
#include "mlff_reference.h"

#include <float.h>

typedef double cell3[3][3];
#define CELL(c) ((const double (*)[3])(c))

static double determinant(const cell3 c) {
    return c[0][0]*(c[1][1]*c[2][2] - c[1][2]*c[2][1]) -
           c[0][1]*(c[1][0]*c[2][2] - c[1][2]*c[2][0]) +
           c[0][2]*(c[1][0]*c[2][1] - c[1][1]*c[2][0]);
}

static void random_cell(random_numbers *random, cell3 cell) {
    do {
        for (int k = 0; k < 9; k++)
            cell[k/3][k%3] = random_real(random, -10, 10);
    } while (fabs(determinant(CELL(cell))) < 50);
}

static void cube(double edge, cell3 cell) {
    memset(cell, 0, sizeof(cell3));
    for (int a = 0; a < 3; a++)
        cell[a][a] = edge;
}

static void brick(double x, double y, double z, cell3 cell) {
    cube(x, cell);
    cell[1][1] = y;
    cell[2][2] = z;
}

/* ---------------------------------------------------------------------------- measures -- */

/* Volume, inverse and widths by their definitions, at any scale. */
static void test_measures(void) {
    random_numbers random = {1};
    mlff_error err;
    for (int k = 0; k < 300; k++) {
        cell3 cell, scaled;
        random_cell(&random, cell);
        const double scale = k % 3 == 0 ? 1 : k % 3 == 1 ? 1e-90 : 1e90;
        for (int n = 0; n < 9; n++)
            scaled[n/3][n%3] = scale*cell[n/3][n%3];
        mlff_box box;
        CHECK_OK(mlff_box_measure(CELL(scaled), &box, &err), err);
        CHECK_NEAR(1, box.volume/fabs(determinant(CELL(cell)))/scale/scale/scale, 1e-12);
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++) {
                double fraction = 0;  /* of vector b along a */
                for (int x = 0; x < 3; x++)
                    fraction += scaled[b][x]*box.inverse[x][a];
                CHECK_NEAR(a == b, fraction, 1e-11);
            }
        for (int a = 0; a < 3; a++) {
            /* planes of equal fraction are as far apart as the gradient says */
            double gradient = 0;
            for (int x = 0; x < 3; x++)
                gradient += pow(scale*box.inverse[x][a], 2);
            CHECK_NEAR(1, box.width[a]/scale*sqrt(gradient), 1e-12);
        }
    }
}

/* The shortest repeat of a lattice does not depend on the vectors that span it. */
static void test_shortest_repeat(void) {
    random_numbers random = {2};
    for (int k = 0; k < 300; k++) {
        cell3 cell;
        random_cell(&random, cell);
        double shortest = INFINITY;
        for (int i = -12; i <= 12; i++)
            for (int j = -12; j <= 12; j++)
                for (int l = -12; l <= 12; l++) {
                    double d2 = 0;
                    for (int x = 0; x < 3; x++)
                        d2 += pow(i*cell[0][x] + j*cell[1][x] + l*cell[2][x], 2);
                    if (d2 > 0 && (i || j || l))
                        shortest = fmin(shortest, sqrt(d2));
                }
        CHECK_NEAR(shortest, mlff_box_shortest_repeat(CELL(cell)), 1e-10);
        for (int n = 0; n < 6; n++) {  /* the same lattice in long vectors */
            const int a = random_int(&random, 0, 2), b = (a + random_int(&random, 1, 2)) % 3;
            const int times = random_int(&random, -3, 3);
            for (int x = 0; x < 3; x++)
                cell[a][x] += times*cell[b][x];
        }
        CHECK_NEAR(shortest, mlff_box_shortest_repeat(CELL(cell)), 1e-9);
    }
    /* OpenMM's reduced form allows a flat one: 2 b - a = (0 0.02 0) */
    const cell3 flat = {{10, 0, 0}, {5, 0.01, 0}, {0, 0, 10}};
    CHECK_NEAR(0.02, mlff_box_shortest_repeat(flat), 1e-12);
}

/* ---------------------------------------------------------------------- always refused -- */

static void test_not_computable(void) {
    mlff_box box;
    mlff_error err;
    cell3 cell;
    for (int k = 0; k < 9; k++) {
        cube(10, cell);
        cell[k/3][k%3] = k % 2 ? NAN : INFINITY;
        CHECK_FAILS(mlff_box_measure(CELL(cell), &box, &err), MLFF_ERROR_BOX, err, "the cell's vector");
    }
    for (int a = 0; a < 3; a++) {
        cube(10, cell);
        cell[a][a] = 0;
        CHECK_FAILS(mlff_box_measure(CELL(cell), &box, &err), MLFF_ERROR_BOX, err, "volume of 0 A^3");
    }
    static const double edges[] = {0, 1e-110, 1e-300, 1e110, 1e300};
    for (int k = 0; k < 5; k++) {
        cube(edges[k], cell);
        CHECK_FAILS(mlff_box_measure(CELL(cell), &box, &err), MLFF_ERROR_BOX, err,
                    "expected three finite vectors that do not lie in a plane");
    }
    const cell3 plane = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}};
    CHECK_FAILS(mlff_box_measure(plane, &box, &err), MLFF_ERROR_BOX, err, "in a plane");
    const cell3 nearly = {{10, 0, 0}, {10, 1e-9, 0}, {0, 0, 10}};
    CHECK_FAILS(mlff_box_measure(nearly, &box, &err), MLFF_ERROR_BOX, err, "in a plane");
    /* flat, but at right angles: computable, whatever it is good for */
    brick(1000, 1000, 1e-6, cell);
    CHECK_OK(mlff_box_measure(CELL(cell), &box, &err), err);
    CHECK_NEAR(1, box.width[2]/1e-6, 1e-14);
}

/* What check_pairs() says of a cube or slab, and what a search finds where it lets it pass. */
static void test_pairs(void) {
    mlff_box box;
    mlff_error err;
    cell3 cell;
    cube(0.05, cell);
    CHECK_OK(mlff_box_measure(CELL(cell), &box, &err), err);
    CHECK_FAILS(mlff_box_check_pairs(&box, 1, 5, &err), MLFF_ERROR_BOX, err, "pairs per atom");
    brick(0.005, 10, 10, cell);
    CHECK_OK(mlff_box_measure(CELL(cell), &box, &err), err);
    CHECK_FAILS(mlff_box_check_pairs(&box, 1, 5, &err), MLFF_ERROR_BOX, err, "reaches over 1000");

    /* of real systems: 1,000,000 atoms of water within 15 A, a box that is almost all vacuum */
    cube(215, cell);
    CHECK_OK(mlff_box_measure(CELL(cell), &box, &err), err);
    CHECK_OK(mlff_box_check_pairs(&box, 1000000, 15, &err), err);
    cube(1e9, cell);
    CHECK_OK(mlff_box_measure(CELL(cell), &box, &err), err);
    CHECK_OK(mlff_box_check_pairs(&box, 1, 5, &err), err);

    /* the number in the message is the number that a search finds: one atom, a cube of 0.5 A */
    ref_pair_list list = {0};
    const double x[1][3] = {{0, 0, 0}};
    cube(0.5, cell);
    CHECK_OK(ref_neighbors_build(1, x, NULL, CELL(cell), 5, &list, &err), err);
    CHECK_NEAR(4*3.14159265358979/3*1000, list.n_pairs, 0.02*list.n_pairs);
    ref_pair_list_free(&list);
}

/* A search refuses before it takes memory for pairs. */
static void test_search_takes_no_memory(void) {
    mlff_error err;
    cell3 cell;
    static const double edges[][3] = {{0.1, 0.1, 0.1}, {0.01, 0.01, 0.01}, {10, 10, 1e-3},
                                      {1e-100, 1e-100, 1e-100}, {0.05, 0.05, 100}};
    double x[24][3];
    random_numbers random = {3};
    for (int k = 0; k < 72; k++)
        x[k/3][k%3] = random_real(&random, 0, 6);
    for (int k = 0; k < 5; k++)
        for (int method = HOST_NEIGHBORS_ATOMS; method <= HOST_NEIGHBORS_BINS; method++) {
            host_pair_list list = {0};
            brick(edges[k][0], edges[k][1], edges[k][2], cell);
            CHECK_FAILS(host_neighbors_search(method, 24, CELL(x), NULL, CELL(cell), 5, &list, &err),
                        MLFF_ERROR_BOX, err, "");
            CHECK(list.pair_capacity == 0 && list.neighbor == NULL);
            host_pair_list_free(&list);
        }
    /* atoms in a corner of a thin box: 300 times 200 images each */
    static double crowd[300][3];
    for (int k = 0; k < 900; k++)
        crowd[k/3][k%3] = random_real(&random, 0, 0.05);
    brick(1000, 1000, 0.02, cell);
    host_pair_list list = {0};
    CHECK_FAILS(host_neighbors_build(300, CELL(crowd), NULL, CELL(cell), 5, &list, &err),
                MLFF_ERROR_BOX, err, "atom 0 has more than 100000 pairs within 5 A");
    CHECK(list.pair_capacity == 0);
    /* of 300 regions, each sees itself alone */
    int region[300];
    for (int i = 0; i < 300; i++)
        region[i] = i;
    CHECK_OK(host_neighbors_build(300, CELL(crowd), region, CELL(cell), 5, &list, &err), err);
    CHECK(list.n_pairs == 300*498);  /* |n| 0.02 < 5 */
    host_pair_list_free(&list);
}

/* -------------------------------------------------------------- refused unless insisted -- */

static void test_meant(void) {
    mlff_error err;
    cell3 cell;
    /* the densest that there is: diamond, aluminium at 5 Mbar, metallic hydrogen at 5 Mbar */
    const cell3 diamond = {{0, 1.7835, 1.7835}, {1.7835, 0, 1.7835}, {1.7835, 1.7835, 0}};
    CHECK_OK(mlff_box_check_meant(diamond, 2, &err), err);
    const cell3 aluminium = {{0, 1.5, 1.5}, {1.5, 0, 1.5}, {1.5, 1.5, 0}};
    CHECK_OK(mlff_box_check_meant(aluminium, 1, &err), err);
    brick(1.205, 1.205, 3.3, cell);
    CHECK_OK(mlff_box_check_meant(CELL(cell), 4, &err), err);
    /* vacuum */
    cube(1e6, cell);
    CHECK_OK(mlff_box_check_meant(CELL(cell), 1, &err), err);

    /* dummies of PDB files, whatever is in them */
    cube(1, cell);
    for (int n = 1; n < 10000; n *= 10)
        CHECK_FAILS(mlff_box_check_meant(CELL(cell), n, &err), MLFF_ERROR_BOX, err, "dummy CRYST1");
    CHECK(mlff_box_is_dummy(CELL(cell)));
    cell[1][1] += 1e-9;  /* from 0.1 nm */
    CHECK(mlff_box_is_dummy(CELL(cell)));
    cell[1][1] = 1.1;
    CHECK(!mlff_box_is_dummy(CELL(cell)));

    /* an atom and its own image */
    brick(6.2, 6.2, 0.5, cell);
    CHECK_FAILS(mlff_box_check_meant(CELL(cell), 1, &err), MLFF_ERROR_BOX, err,
                "only 0.5 A from its own periodic image");
    const cell3 skewed = {{10, 0, 0}, {5, 0.4, 0}, {0, 0, 10}};
    CHECK_FAILS(mlff_box_check_meant(skewed, 1, &err), MLFF_ERROR_BOX, err, "only 0.8 A from");

    /* 0.999 and 1.001 A^3 per atom */
    brick(10, 10, 9.99, cell);
    CHECK_FAILS(mlff_box_check_meant(CELL(cell), 1000, &err), MLFF_ERROR_BOX, err,
                "1000 atoms share a periodic box of 999 A^3");
    brick(10, 10, 10.01, cell);
    CHECK_OK(mlff_box_check_meant(CELL(cell), 1000, &err), err);
    /* a water box of 25 A in nanometers */
    cube(2.5, cell);
    CHECK_FAILS(mlff_box_check_meant(CELL(cell), 1542, &err), MLFF_ERROR_BOX, err, "wrong unit");
}

int main(void) {
    test_measures();
    test_shortest_repeat();
    test_not_computable();
    test_pairs();
    test_search_takes_no_memory();
    test_meant();
    return check_report("test_box");
}
