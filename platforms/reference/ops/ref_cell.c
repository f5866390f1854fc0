/* Periodic cells and positions: what every search needs to know about them. */
#include "ref_ops.h"

#include <math.h>

/* Coordinates above this, in angstrom, count as infinite. */
static const double farthest = 1e100;

static void cross(const double a[3], const double b[3], double out[3]) {
    out[0] = a[1]*b[2] - a[2]*b[1];
    out[1] = a[2]*b[0] - a[0]*b[2];
    out[2] = a[0]*b[1] - a[1]*b[0];
}

static double dot(const double a[3], const double b[3]) {
    return a[0]*b[0] + a[1]*b[1] + a[2]*b[2];
}

mlff_status ref_cell_inverse(const double (*cell)[3], double inverse[3][3], double height[3],
                             mlff_error *err) {
    double normal[3][3], lengths = 1;
    for (int a = 0; a < 3; a++) {
        cross(cell[(a + 1) % 3], cell[(a + 2) % 3], normal[a]);
        lengths *= sqrt(dot(cell[a], cell[a]));
    }
    const double volume = dot(cell[0], normal[0]);
    if (!(fabs(volume) > 1e-12*lengths && lengths < INFINITY))
        return mlff_fail(err, MLFF_ERROR_BOX, "the periodic cell (%g %g %g), (%g %g %g), (%g %g "
                         "%g) has a volume of %g A^3: expected three finite vectors that do not "
                         "lie in a plane", cell[0][0], cell[0][1], cell[0][2], cell[1][0],
                         cell[1][1], cell[1][2], cell[2][0], cell[2][1], cell[2][2],
                         fabs(volume));
    for (int a = 0; a < 3; a++) {
        height[a] = fabs(volume)/sqrt(dot(normal[a], normal[a]));
        for (int b = 0; b < 3; b++)
            inverse[b][a] = normal[a][b]/volume;
    }
    return MLFF_OK;
}

mlff_status ref_positions_check(int n_atoms, const double (*position)[3], mlff_error *err) {
    for (int i = 0; i < n_atoms; i++) {
        const double *x = position[i];
        if (!(fabs(x[0]) < farthest && fabs(x[1]) < farthest && fabs(x[2]) < farthest))
            return mlff_fail(err, MLFF_ERROR_NUMBER, "atom %d is at (%g, %g, %g) A: expected "
                             "finite coordinates; the simulation may have become unstable", i,
                             x[0], x[1], x[2]);
    }
    return MLFF_OK;
}
