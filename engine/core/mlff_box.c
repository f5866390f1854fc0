/*
 * Periodic boxes, judged.
 *
 * With unit vectors u_a along the cell's vectors of length l_a and d = u_a . (u_b x u_c), which lies
 * between -1 and 1 whatever the lengths are,
 *   volume = |d| l_a l_b l_c,  width_a = |d| l_a/|u_b x u_c|,  inverse_a = (u_b x u_c)/(d l_a)
 */
#include "mlff_box.h"
#include "mlff_lattice.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Vectors whose d is smaller lie in a plane: fractions then lose more than half of their digits. */
static const double least_sine = 1e-9;

static void cross(const double a[3], const double b[3], double out[3]) {
    out[0] = a[1]*b[2] - a[2]*b[1];
    out[1] = a[2]*b[0] - a[0]*b[2];
    out[2] = a[0]*b[1] - a[1]*b[0];
}

static double dot(const double a[3], const double b[3]) {
    return a[0]*b[0] + a[1]*b[1] + a[2]*b[2];
}

static double length(const double v[3]) {
    return hypot(hypot(v[0], v[1]), v[2]);
}

static mlff_status fail_volume(const double (*cell)[3], double volume, mlff_error *err) {
    return mlff_fail(err, MLFF_ERROR_BOX, "the periodic cell (%g %g %g), (%g %g %g), (%g %g %g) A "
                     "has a volume of %g A^3: expected three finite vectors that do not lie in a "
                     "plane", cell[0][0], cell[0][1], cell[0][2], cell[1][0], cell[1][1],
                     cell[1][2], cell[2][0], cell[2][1], cell[2][2], volume);
}

mlff_status mlff_box_measure(const double (*cell)[3], mlff_box *out, mlff_error *err) {
    /* directions and lengths apart, so that no product under- or overflows */
    double unit[3][3], l[3], normal[3][3];
    for (int a = 0; a < 3; a++) {
        l[a] = length(cell[a]);
        if (!(l[a] <= DBL_MAX))
            return mlff_fail(err, MLFF_ERROR_BOX, "the cell's vector %c is (%g %g %g) A: expected "
                             "finite numbers, so that the cell has a volume", "abc"[a], cell[a][0],
                             cell[a][1], cell[a][2]);
        if (l[a] < DBL_MIN)
            return fail_volume(cell, 0, err);
        for (int x = 0; x < 3; x++)
            unit[a][x] = cell[a][x]/l[a];
    }
    for (int a = 0; a < 3; a++)
        cross(unit[(a + 1) % 3], unit[(a + 2) % 3], normal[a]);
    const double sine = dot(unit[0], normal[0]);
    const double volume = fabs(sine)*l[0]*l[1]*l[2];
    if (!(fabs(sine) >= least_sine && volume >= DBL_MIN && volume <= DBL_MAX))
        return fail_volume(cell, volume, err);

    out->volume = volume;
    for (int a = 0; a < 3; a++) {
        out->width[a] = fabs(sine)*l[a]/length(normal[a]);
        for (int x = 0; x < 3; x++)
            out->inverse[x][a] = normal[a][x]/sine/l[a];
    }
    return MLFF_OK;
}

/* ------------------------------------------------------------------------------- pairs -- */

mlff_status mlff_box_check_pairs(const mlff_box *box, int n_atoms, double cutoff,
                                 mlff_error *err) {
    /* images of one atom that a search looks at */
    double images = 1;
    for (int a = 0; a < 3; a++) {
        const double reach = cutoff/box->width[a];
        if (!(reach <= MLFF_BOX_MOST_CELLS))
            return mlff_fail(err, MLFF_ERROR_BOX, "the cutoff of %g A reaches over %g periodic "
                             "cells, which are %g A wide: expected at most %d (is the cell given in "
                             "angstrom?)", cutoff, reach, box->width[a], MLFF_BOX_MOST_CELLS);
        images *= fmax(1, 2*reach);
    }
    /* pairs of atoms spread evenly, and the images alone */
    const double sphere = 4.18879020478639*cutoff*cutoff*cutoff;
    const double pairs = fmax(images, n_atoms*sphere/box->volume);
    if (!(pairs <= MLFF_BOX_MOST_PAIRS))
        return mlff_fail(err, MLFF_ERROR_BOX, "%d atoms in a periodic cell of %g A^3 have about %.3g "
                         "pairs per atom within %g A: expected at most %d (is the cell given in "
                         "angstrom?)", n_atoms, box->volume, pairs, cutoff, MLFF_BOX_MOST_PAIRS);
    return MLFF_OK;
}

mlff_status mlff_box_fail_crowded(int atom, double cutoff, mlff_error *err) {
    return mlff_fail(err, MLFF_ERROR_BOX, "atom %d has more than %d pairs within %g A in the periodic "
                     "cell: expected a larger cell or a shorter cutoff", atom, MLFF_BOX_MOST_PAIRS,
                     cutoff);
}

mlff_status mlff_box_fail_around(int first, int second, int region, double cutoff,
                                 mlff_error *err) {
    return mlff_fail(err, MLFF_ERROR_BOX, "atoms %d and %d of region %d belong to two molecules "
                     "that are within the network's cutoff of %g A in a periodic copy other than "
                     "the one placed: the region reaches around the box, so it is no group of "
                     "molecules in vacuum; " MLFF_BOX_REMEDY, first, second, region, cutoff);
}

/* MLFF_OK unless the atom is too many cells away from the box. */
static mlff_status check_distance(const mlff_box *box, int i, const double x[3], mlff_error *err) {
    static const double farthest_cell = 1e8;
    for (int a = 0; a < 3; a++) {
        double f = 0;
        for (int b = 0; b < 3; b++)
            f += x[b]*box->inverse[b][a];
        if (fabs(floor(f)) > farthest_cell)
            return mlff_fail(err, MLFF_ERROR_NUMBER, "atom %d is at (%g, %g, %g) A, %g cells away "
                             "from the periodic cell: expected less than %g; wrap it", i, x[0], x[1],
                             x[2], fabs(floor(f)), farthest_cell);
    }
    return MLFF_OK;
}

mlff_status mlff_box_check_positions(const mlff_box *box, int n_atoms, const double (*position)[3],
                                     mlff_error *err) {
    static const double farthest = 1e100;  // A; the square of a larger coordinate may overflow
    for (int i = 0; i < n_atoms; i++) {
        const double *x = position[i];
        if (!(fabs(x[0]) < farthest && fabs(x[1]) < farthest && fabs(x[2]) < farthest))
            return mlff_fail(err, MLFF_ERROR_NUMBER, "atom %d is at (%g, %g, %g) A: expected "
                             "finite coordinates", i, x[0], x[1], x[2]);
        if (box)
            MLFF_TRY(check_distance(box, i, x, err));
    }
    return MLFF_OK;
}

/* ------------------------------------------------------------------------------- meant -- */

bool mlff_box_is_dummy(const double (*cell)[3]) {
    for (int a = 0; a < 3; a++)
        for (int x = 0; x < 3; x++)
            if (!(fabs(cell[a][x] - (a == x)) < 1e-5))
                return false;
    return true;
}

double mlff_box_shortest_repeat(const double (*cell)[3]) {
    /* in units of the longest vector: squares do not overflow */
    double c[3][3], unit = 0;
    for (int a = 0; a < 3; a++)
        unit = fmax(unit, length(cell[a]));
    for (int a = 0; a < 3; a++)
        for (int x = 0; x < 3; x++)
            c[a][x] = cell[a][x]/unit;

    mlff_lattice_reduce((const double (*)[3]) c, c);

    /* what is left is a sum of at most one of each */
    double shortest = INFINITY;
    for (int k = 0; k < 27; k++) {
        double v[3];
        for (int x = 0; x < 3; x++)
            v[x] = (k/9 - 1)*c[0][x] + (k/3 % 3 - 1)*c[1][x] + (k % 3 - 1)*c[2][x];
        if (k != 13)
            shortest = fmin(shortest, length(v));
    }
    return shortest*unit;
}

mlff_status mlff_box_check_meant(const double (*cell)[3], int n_atoms, mlff_error *err) {
    if (mlff_box_is_dummy(cell))
        return mlff_fail(err, MLFF_ERROR_BOX, "a periodic cube of 1 A holds no molecule (is it "
                         "the dummy CRYST1 record of an NMR or cryo-EM structure?)");
    const double repeat = mlff_box_shortest_repeat(cell);
    if (!(repeat >= MLFF_BOX_LEAST_REPEAT))
        return mlff_fail(err, MLFF_ERROR_BOX, "every atom is only %g A from its own periodic image: "
                         "expected at least %g A (is a length in the wrong unit?)", repeat,
                         MLFF_BOX_LEAST_REPEAT);
    mlff_box box;
    MLFF_TRY(mlff_box_measure(cell, &box, err));
    if (!(box.volume >= MLFF_BOX_LEAST_VOLUME*n_atoms))
        return mlff_fail(err, MLFF_ERROR_BOX, "%d atoms share a periodic box of %g A^3, %.3g A^3 per "
                         "atom: expected at least %g, since no solid has less and liquids have about "
                         "10 (is a length in the wrong unit, or the box that of another system?)",
                         n_atoms, box.volume, box.volume/n_atoms, MLFF_BOX_LEAST_VOLUME);
    return MLFF_OK;
}
