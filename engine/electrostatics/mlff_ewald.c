#include "mlff_longrange.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

static void cross(const double a[3], const double b[3], double out[3]) {
    out[0] = a[1]*b[2] - a[2]*b[1];
    out[1] = a[2]*b[0] - a[0]*b[2];
    out[2] = a[0]*b[1] - a[1]*b[0];
}

static double dot(const double a[3], const double b[3]) {
    return a[0]*b[0] + a[1]*b[1] + a[2]*b[2];
}

double mlff_cell_reciprocal(const double (*cell)[3], double reciprocal[3][3]) {
    for (int d = 0; d < 3; d++)
        cross(cell[(d + 1) % 3], cell[(d + 2) % 3], reciprocal[d]);
    const double volume = dot(cell[0], reciprocal[0]);  // signed: a left-handed cell is fine
    for (int d = 0; d < 3; d++)
        for (int x = 0; x < 3; x++)
            reciprocal[d][x] /= volume;
    return fabs(volume);
}

mlff_ewald mlff_ewald_choose(double tolerance, double n_atoms, const double (*cell)[3]) {
    double reciprocal[3][3];
    const double volume = mlff_cell_reciprocal(cell, reciprocal);
    const double length = cbrt(volume)/pow(n_atoms, 1.0/6)/sqrt(2*pi);
    const double reach = sqrt(-2*log(tolerance));
    return (mlff_ewald) {
        .volume = volume,
        .alpha = 1/(sqrt(2)*length),
        .r_cut = reach*length,
        .k_cut = reach/length,
    };
}

/* Smallest number >= n whose prime factors are 2, 3, 5 and 7. */
static int round_up_smooth(int n) {
    static const int primes[] = {2, 3, 5, 7};
    for (;; n++) {
        int rest = n;
        for (int p = 0; p < 4; p++)
            while (rest % primes[p] == 0)
                rest /= primes[p];
        if (rest == 1)
            return n;
    }
}

void mlff_pme_mesh(double tolerance, double alpha, const double (*cell)[3], int mesh[3]) {
    enum { SMALLEST = 6, LARGEST = 1 << 20 };  // a spline covers 5 points
    for (int d = 0; d < 3; d++) {
        const double length = sqrt(dot(cell[d], cell[d]));
        const double wanted = ceil(2*alpha*length/(3*pow(tolerance, 0.2)));
        mesh[d] = round_up_smooth((int) fmin(fmax(wanted, SMALLEST), LARGEST));
    }
}
