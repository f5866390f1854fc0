/* Periodic cells and positions: what every search needs to know about them. */
#include "ref_ops.h"

#include "mlff_box.h"

#include <math.h>
#include <string.h>

/* Coordinates above this, in angstrom, count as infinite. */
static const double farthest = 1e100;

mlff_status ref_cell_inverse(const double (*cell)[3], double inverse[3][3], double height[3],
                             mlff_error *err) {
    mlff_box box;
    MLFF_TRY(mlff_box_measure(cell, &box, err));
    memcpy(inverse, box.inverse, sizeof box.inverse);
    memcpy(height, box.width, sizeof box.width);
    return MLFF_OK;
}

mlff_status ref_positions_check(int n_atoms, const double (*position)[3], mlff_error *err) {
    for (int i = 0; i < n_atoms; i++) {
        const double *x = position[i];
        if (!(fabs(x[0]) < farthest && fabs(x[1]) < farthest && fabs(x[2]) < farthest))
            return mlff_fail(err, MLFF_ERROR_NUMBER, "atom %d is at (%g, %g, %g) A: expected "
                             "finite coordinates", i, x[0], x[1], x[2]);
    }
    return MLFF_OK;
}
