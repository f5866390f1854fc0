#include "mlff_exchange.h"
#include "mlff_longrange.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* ----------------------------------------------------------------------------- regions -- */

static mlff_status check_volume(const double (*cell)[3], mlff_error *err) {
    double reciprocal[3][3];
    const double volume = mlff_cell_reciprocal(cell, reciprocal);
    if (volume > 1e-9 && isfinite(volume))
        return MLFF_OK;
    return mlff_fail(err, MLFF_ERROR_BOX, "the box has a volume of %g angstrom^3: its vectors lie "
                     "in a plane", volume);
}

static mlff_status make_room(mlff_ewald_list *list, int n_regions, mlff_error *err) {
    if (list->region && list->room >= n_regions)
        return MLFF_OK;
    const size_t n = n_regions > 0 ? (size_t) n_regions : 1;
    MLFF_TRY(mlff_resize((void **) &list->region, n, sizeof *list->region, "regions", err));
    MLFF_TRY(mlff_resize((void **) &list->n_atoms, n, sizeof *list->n_atoms, "regions", err));
    list->room = n_regions;
    return MLFF_OK;
}

mlff_status mlff_ewald_list_choose(mlff_ewald_list *list, double tolerance, const mlff_graph *graph,
                                   const mlff_exchange *exchange, double *range, mlff_error *err) {
    const size_t n = (size_t) graph->n_regions;
    MLFF_TRY(check_volume(graph->cell, err));
    MLFF_TRY(make_room(list, graph->n_regions, err));
    memset(list->n_atoms, 0, n*sizeof *list->n_atoms);
    for (int i = 0; i < graph->n_local; i++)
        list->n_atoms[graph->region ? graph->region[i] : 0]++;
    MLFF_TRY(mlff_exchange_sum(exchange, list->n_atoms, n, err));
    double largest = 0;
    for (size_t k = 0; k < n; k++) {
        list->region[k] = (mlff_ewald) {0};
        if (list->n_atoms[k] > 0)
            list->region[k] = mlff_ewald_choose(tolerance, list->n_atoms[k], graph->cell);
        largest = fmax(largest, list->region[k].r_cut);
    }
    if (range)
        *range = largest;
    return MLFF_OK;
}

void mlff_ewald_list_free(mlff_ewald_list *list) {
    free(list->region);
    free(list->n_atoms);
    *list = (mlff_ewald_list) {0};
}

/* -------------------------------------------------------------------------- waves, mesh -- */

mlff_status mlff_ewald_waves(const mlff_ewald *ewald, const double (*cell)[3], int largest[3],
                             mlff_error *err) {
    enum { MOST_WAVES = 1 << 26 };
    double count = 1;
    for (int d = 0; d < 3; d++) {
        const double length = sqrt(dot(cell[d], cell[d]));
        const double m = ceil(ewald->k_cut*length/(2*pi));  // k.a = 2 pi m
        largest[d] = (int) fmin(m, INT_MAX);
        count *= 2*m + 1;
    }
    if (count <= MOST_WAVES)
        return MLFF_OK;
    return mlff_fail(err, MLFF_ERROR_BOX, "Ewald's sum needs %.3g wave vectors in a cell of %g A^3, "
                     "more than %d: choose a larger tolerance, PME or a less elongated cell", count,
                     ewald->volume, MOST_WAVES);
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

mlff_status mlff_pme_check_mesh(double tolerance, const int mesh[3], mlff_error *err) {
    enum { LARGEST_MESH = 1 << 26 };
    if ((double) mesh[0]*mesh[1]*mesh[2] <= LARGEST_MESH)
        return MLFF_OK;
    return mlff_fail(err, MLFF_ERROR_ARGUMENT, "PME needs a mesh of %d x %d x %d points at the "
                     "tolerance %g, more than %d in all: choose a larger tolerance, or Ewald",
                     mesh[0], mesh[1], mesh[2], tolerance, LARGEST_MESH);
}
