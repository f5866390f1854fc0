#include "mlff_lattice.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static double length(const double v[3]) {
    return sqrt(v[0]*v[0] + v[1]*v[1] + v[2]*v[2]);
}

/* Shorten vector a of the cell by whole multiples of the other two; true if it became shorter. */
static bool shorten(double (*cell)[3], int a) {
    const double before = length(cell[a]);
    double *v = cell[a], best[3];
    for (int k = 1; k <= 2; k++) {
        const double *w = cell[(a + k) % 3];
        const double square = w[0]*w[0] + w[1]*w[1] + w[2]*w[2];
        if (!(square > 0))
            continue;  // underflow: too short beside the other vectors
        const double n = round((v[0]*w[0] + v[1]*w[1] + v[2]*w[2])/square);
        for (int d = 0; d < 3; d++)
            v[d] -= n*w[d];
    }
    memcpy(best, v, sizeof best);
    for (int n = -1; n <= 1; n++)
        for (int m = -1; m <= 1; m++) {
            double trial[3];
            for (int d = 0; d < 3; d++)
                trial[d] = v[d] + n*cell[(a + 1) % 3][d] + m*cell[(a + 2) % 3][d];
            if (length(trial) < length(best))
                memcpy(best, trial, sizeof best);
        }
    memcpy(v, best, sizeof best);
    return length(v) < before*(1 - 1e-12);
}

void mlff_lattice_reduce(const double (*cell)[3], double (*reduced)[3]) {
    memmove(reduced, cell, 9*sizeof cell[0][0]);
    for (int round = 0, kept = 0; round < 1000 && kept < 3; round++)
        kept = shorten(reduced, round % 3) ? 0 : kept + 1;
}
