/*
 * Neighbor search of the reference platform: every atom against every other, at every image.
 *
 * A pair's vector is r = (x_j - x_i) + (n_a a + n_b b + n_c c), in this order of sums, so that the
 * vector of the opposite pair is exactly -r and both pass or fail the cutoff together.
 */
#include "mlff_reference.h"
#include "mlff_box.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Two atoms of a region closer than this, in angstrom, are at the same place. */
static const double same_place = 1e-8;

/* The question. */
typedef struct search {
    int n_atoms;
    const double (*position)[3];
    const int *region;
    const double (*cell)[3];  /* NULL: open */
    double cutoff;
    mlff_box box;             /* of a periodic system */
    ref_pair_list *list;
} search;

static bool see_each_other(const search *s, int i, int j) {
    return !s->region || s->region[i] == s->region[j];
}

/* Atoms of the largest region. */
static int largest_region(const search *s) {
    int largest = s->region ? 0 : s->n_atoms;
    for (int i = 0; s->region && i < s->n_atoms; i++) {
        int n = 0;
        for (int j = 0; j < s->n_atoms; j++)
            n += see_each_other(s, i, j);
        largest = n > largest ? n : largest;
    }
    return largest;
}

/* ------------------------------------------------------------------------------- pairs -- */

static mlff_status append(ref_pair_list *list, int j, const double r[3], mlff_error *err) {
    if (list->n_pairs == INT_MAX)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "the neighbor list has more than %d pairs: "
                         "expected a smaller cutoff or system", INT_MAX);
    if ((size_t) list->n_pairs == list->pair_capacity) {
        const size_t capacity = 2*list->pair_capacity + 64;
        MLFF_TRY(mlff_resize((void **) &list->neighbor, capacity, sizeof *list->neighbor,
                             "the neighbor list", err));
        MLFF_TRY(mlff_resize((void **) &list->rij, capacity, sizeof *list->rij, "the neighbor list",
                             err));
        list->pair_capacity = capacity;
    }
    list->neighbor[list->n_pairs] = j;
    memcpy(list->rij[list->n_pairs], r, sizeof list->rij[0]);
    list->n_pairs++;
    return MLFF_OK;
}

/* Append j, whose image is at r from i, to row i if it is close enough. */
static mlff_status consider(search *s, int i, int j, const double r[3], mlff_error *err) {
    const double d2 = r[0]*r[0] + r[1]*r[1] + r[2]*r[2], *x = s->position[i];
    if (!(d2 < s->cutoff*s->cutoff))
        return MLFF_OK;
    if (d2 < same_place*same_place)
        return mlff_fail(err, MLFF_ERROR_NUMBER, "atoms %d and %d are at the same place, (%g, %g, "
                         "%g) A", i < j ? i : j, i < j ? j : i, x[0], x[1], x[2]);
    if (s->cell && s->list->n_pairs - s->list->first[i] == MLFF_BOX_MOST_PAIRS)
        return mlff_box_fail_crowded(i, s->cutoff, err);
    return append(s->list, j, r, err);
}

/* All images of j that can be within the cutoff of i: along each vector of the cell, those whose
   distance in units of the cell's width is. */
static mlff_status consider_images(search *s, int i, int j, mlff_error *err) {
    const double slack = 1e-6;  // of a cell; the distance itself decides
    double r0[3];
    int low[3], high[3];
    for (int x = 0; x < 3; x++)
        r0[x] = s->position[j][x] - s->position[i][x];
    for (int a = 0; a < 3; a++) {
        const double reach = s->cutoff/s->box.width[a] + slack;
        double f = 0;
        for (int x = 0; x < 3; x++)
            f += r0[x]*s->box.inverse[x][a];
        low[a] = (int) ceil(-reach - f);
        high[a] = (int) floor(reach - f);
    }
    for (int a = low[0]; a <= high[0]; a++)
        for (int b = low[1]; b <= high[1]; b++)
            for (int c = low[2]; c <= high[2]; c++) {
                double r[3];
                for (int x = 0; x < 3; x++)
                    r[x] = r0[x] + (a*s->cell[0][x] + b*s->cell[1][x] + c*s->cell[2][x]);
                if (i != j || a != 0 || b != 0 || c != 0)
                    MLFF_TRY(consider(s, i, j, r, err));
            }
    return MLFF_OK;
}

static mlff_status search_row(search *s, int i, mlff_error *err) {
    for (int j = 0; j < s->n_atoms; j++) {
        if (!see_each_other(s, i, j))
            continue;
        const double *x_i = s->position[i], *x_j = s->position[j];
        const double r[3] = {x_j[0] - x_i[0], x_j[1] - x_i[1], x_j[2] - x_i[2]};
        if (s->cell)
            MLFF_TRY(consider_images(s, i, j, err));
        else if (i != j)
            MLFF_TRY(consider(s, i, j, r, err));
    }
    s->list->first[i + 1] = s->list->n_pairs;
    return MLFF_OK;
}

/* ------------------------------------------------------------------------------ driver -- */

static mlff_status check_request(search *s, mlff_error *err) {
    if (s->n_atoms < 0 || (s->n_atoms > 0 && !s->position) || !s->list)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "neighbor search: %d atoms, positions %s, list "
                         "%s", s->n_atoms, s->position ? "given" : "NULL",
                         s->list ? "given" : "NULL");
    if (!(s->cutoff > 0) || (s->cell && !(s->cutoff < INFINITY)))
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "neighbor search: the cutoff is %g A, expected "
                         "a positive number%s", s->cutoff, s->cell
                             ? ", finite because the system is periodic" : "");
    MLFF_TRY(mlff_box_check_positions(NULL, s->n_atoms, s->position, err));
    if (!s->cell)
        return MLFF_OK;
    MLFF_TRY(mlff_box_measure(s->cell, &s->box, err));
    MLFF_TRY(mlff_box_check_pairs(&s->box, largest_region(s), s->cutoff, err));
    return mlff_box_check_positions(&s->box, s->n_atoms, s->position, err);
}

mlff_status ref_neighbors_build(int n_atoms, const double (*position)[3], const int *region,
                                const double (*cell)[3], double cutoff, ref_pair_list *list,
                                mlff_error *err) {
    search s = {.n_atoms = n_atoms, .position = position, .region = region, .cell = cell,
                .cutoff = cutoff, .list = list};
    MLFF_TRY(check_request(&s, err));
    const size_t n_rows = (size_t) n_atoms + 1;
    if (n_rows > list->row_capacity) {
        MLFF_TRY(mlff_resize((void **) &list->first, n_rows, sizeof(int), "the neighbor list", err));
        list->row_capacity = n_rows;
    }
    list->n_atoms = n_atoms;
    list->n_pairs = 0;
    list->first[0] = 0;
    for (int i = 0; i < n_atoms; i++)
        MLFF_TRY(search_row(&s, i, err));
    return MLFF_OK;
}

void ref_pair_list_free(ref_pair_list *list) {
    free(list->first);
    free(list->neighbor);
    free(list->rij);
    *list = (ref_pair_list) {0};
}

mlff_pairs ref_pair_list_view(const ref_pair_list *list) {
    return (mlff_pairs) {list->first, list->neighbor, (const double (*)[3]) list->rij};
}
