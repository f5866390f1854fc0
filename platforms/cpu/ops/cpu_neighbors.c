#include "mlff_cpu_neighbors.h"

#include "mlff_team.h"
#include "mlff_box.h"
#include "mlff_host.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = 8,            /* rows of one piece of work */
    MANY_PAIRS = 50000    /* from here on threads are worth their waking */
};

struct cpu_neighbors {
    double cutoff, skin;
    const mlff_parallel *parallel;  /* borrowed, may be NULL */
    long searches;
    bool valid;                /* the last search succeeded */

    /* of the last search */
    host_pair_list found;       /* pairs within cutoff + skin */
    double (*offset)[3];       /* [found.n_pairs] image of each pair, angstrom: moves x_j */
    double (*saved)[3];        /* [n_atoms] positions then */
    int *saved_region;         /* [n_atoms] */
    double cell[3][3];
    bool periodic, has_region;
    size_t saved_capacity, region_capacity, offset_capacity;

    /* of the last update */
    int *first, *neighbor;     /* [n_atoms + 1], [found.n_pairs] */
    double (*rij)[3];          /* [found.n_pairs] angstrom */
    int *wide_neighbor;        /* [found.n_pairs] several threads: rows as they come, each where it
                                  stands in found; their vectors are in found.rij */
    size_t first_capacity, neighbor_capacity, rij_capacity, wide_capacity;
};

mlff_status cpu_neighbors_new(double cutoff, double skin, const mlff_parallel *parallel,
                              cpu_neighbors **out, mlff_error *err) {
    *out = NULL;
    if (!(cutoff > 0) || !(skin >= 0) || !isfinite(skin))
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "a pair list of cutoff %g and skin %g: expected "
                         "a positive and a finite, not negative number", cutoff, skin);
    *out = calloc(1, sizeof **out);
    if (!*out)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for a pair list");
    (*out)->cutoff = cutoff;
    (*out)->skin = skin;
    (*out)->parallel = parallel && parallel->n_threads > 1 ? parallel : NULL;
    return MLFF_OK;
}

void cpu_neighbors_free(cpu_neighbors *list) {
    if (!list)
        return;
    host_pair_list_free(&list->found);
    void *all[] = {list->offset, list->saved, list->saved_region, list->first, list->neighbor,
                   list->rij, list->wide_neighbor};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        free(all[k]);
    free(list);
}

long cpu_neighbors_searches(const cpu_neighbors *list) {
    return list->searches;
}

/* Grow an array of the list; its capacity is kept beside it. */
static mlff_status grow(void **array, size_t *capacity, size_t count, size_t size,
                        mlff_error *err) {
    if (count <= *capacity && *array)
        return MLFF_OK;
    const size_t wanted = count + count / 4 + 1;
    MLFF_TRY(mlff_resize(array, wanted, size, "pair list", err));
    *capacity = wanted;
    return MLFF_OK;
}

/* Whether the pairs found before still hold every pair within the cutoff. */
static bool still_good(const cpu_neighbors *list, int n_atoms, const double (*position)[3],
                       const int *region, const double (*cell)[3]) {
    if (!list->valid || list->found.n_atoms != n_atoms || list->skin == 0)
        return false;
    if (list->periodic != (cell != NULL) || (cell && memcmp(cell, list->cell, sizeof list->cell)))
        return false;
    if (list->has_region != (region != NULL) ||
        (region && n_atoms > 0 &&
         memcmp(region, list->saved_region, (size_t) n_atoms * sizeof *region)))
        return false;
    const double limit = 0.25 * list->skin * list->skin;
    for (int i = 0; i < n_atoms; i++) {
        double moved = 0;
        for (int d = 0; d < 3; d++) {
            const double step = position[i][d] - list->saved[i][d];
            moved += step * step;
        }
        if (!(moved < limit))  // also when it is not a number
            return false;
    }
    return true;
}

/* The lattice vector nearest to w; inverse: fraction_a = sum_d w_d inverse[d][a]. */
static void nearest_image(const double cell[3][3], const double inverse[3][3], const double w[3],
                          double image[3]) {
    image[0] = image[1] = image[2] = 0;
    for (int a = 0; a < 3; a++) {
        const double n = round(w[0] * inverse[0][a] + w[1] * inverse[1][a] + w[2] * inverse[2][a]);
        for (int d = 0; d < 3; d++)
            image[d] += n * cell[a][d];
    }
}

/* Search with the skin and remember what still_good() compares. */
static mlff_status search(cpu_neighbors *list, int n_atoms, const double (*position)[3],
                          const int *region, const double (*cell)[3], mlff_error *err) {
    list->valid = false;
    list->searches++;
    MLFF_TRY(host_neighbors_build(n_atoms, position, region, cell, list->cutoff + list->skin,
                                  &list->found, err));
    const size_t n = (size_t) n_atoms, n_pairs = (size_t) list->found.n_pairs;
    MLFF_TRY(grow((void **) &list->saved, &list->saved_capacity, n, sizeof *list->saved, err));
    MLFF_TRY(grow((void **) &list->saved_region, &list->region_capacity, n, sizeof(int), err));
    MLFF_TRY(grow((void **) &list->first, &list->first_capacity, n + 1, sizeof(int), err));
    MLFF_TRY(grow((void **) &list->offset, &list->offset_capacity, n_pairs, sizeof *list->offset,
                  err));
    MLFF_TRY(grow((void **) &list->neighbor, &list->neighbor_capacity, n_pairs, sizeof(int), err));
    MLFF_TRY(grow((void **) &list->rij, &list->rij_capacity, n_pairs, sizeof *list->rij, err));
    if (list->parallel)
        MLFF_TRY(grow((void **) &list->wide_neighbor, &list->wide_capacity, n_pairs, sizeof(int),
                      err));

    mlff_box box = {0};
    if (cell)
        MLFF_TRY(mlff_box_measure(cell, &box, err));
    for (int i = 0; i < n_atoms; i++)
        for (int e = list->found.first[i]; e < list->found.first[i + 1]; e++) {
            const double *xj = position[list->found.neighbor[e]];
            double w[3];
            for (int d = 0; d < 3; d++)
                w[d] = list->found.rij[e][d] - (xj[d] - position[i][d]);
            if (cell)
                nearest_image(cell, (const double (*)[3]) box.inverse, w, list->offset[e]);
            else
                memset(list->offset[e], 0, sizeof list->offset[e]);
        }

    if (n > 0)
        memcpy(list->saved, position, n * sizeof *position);
    list->has_region = region != NULL;
    if (region && n > 0)
        memcpy(list->saved_region, region, n * sizeof *region);
    list->periodic = cell != NULL;
    if (cell)
        memcpy(list->cell, cell, sizeof list->cell);
    list->valid = true;
    return MLFF_OK;
}

/*
 * Row i's pairs within the cutoff, one after another; returns their number, or -1 where two atoms
 * are at one place. Every pair is written and then kept or not: a branch would often be mistaken.
 */
static int filter_row(const cpu_neighbors *list, const double (*position)[3], int i,
                      double (*rij)[3], int *neighbor) {
    const double cutoff2 = list->cutoff * list->cutoff, *xi = position[i];
    double closest = INFINITY;
    int n = 0;
    for (int e = list->found.first[i]; e < list->found.first[i + 1]; e++) {
        const int j = list->found.neighbor[e];
        const double *xj = position[j], *offset = list->offset[e];
        const double x = (xj[0] - xi[0]) + offset[0], y = (xj[1] - xi[1]) + offset[1];
        const double z = (xj[2] - xi[2]) + offset[2], d2 = x * x + y * y + z * z;
        rij[n][0] = x;
        rij[n][1] = y;
        rij[n][2] = z;
        neighbor[n] = j;
        n += d2 < cutoff2;
        closest = d2 < closest ? d2 : closest;
    }
    return closest < 1e-16 ? -1 : n;
}

/* All rows on one thread; false where two atoms are at one place. */
static bool filter(cpu_neighbors *list, const double (*position)[3]) {
    int n = 0;
    for (int i = 0; i < list->found.n_atoms; i++) {
        const int n_row = filter_row(list, position, i, list->rij + n, list->neighbor + n);
        if (n_row < 0)
            return false;
        list->first[i] = n;
        n += n_row;
    }
    list->first[list->found.n_atoms] = n;
    return true;
}

/* ------------------------------------------------------------------------------ threads -- */

typedef struct filtering {
    cpu_neighbors *list;
    const double (*position)[3];
    bool collided;
} filtering;

/* for each row i that this thread takes */
#define FOR_ROWS(i, n)                                                                            \
    for (int c_; (c_ = CHUNK * mlff_team_take(member)) < (n);)                                     \
        for (int i = c_; i < (n) && i < c_ + CHUNK; i++)

/* Each row to its place in found, then, when all lengths are known, to where it belongs. */
static void filter_thread(void *arg, mlff_member *member) {
    filtering *f = arg;
    cpu_neighbors *list = f->list;
    const int n_atoms = list->found.n_atoms, *from = list->found.first;
    int *first = list->first;
    FOR_ROWS(i, n_atoms)
        first[i + 1] = filter_row(list, f->position, i, list->found.rij + from[i],
                                  list->wide_neighbor + from[i]);
    mlff_team_barrier(member);
    if (member->thread == 0) {
        first[0] = 0;
        for (int i = 0; i < n_atoms; i++) {
            f->collided |= first[i + 1] < 0;
            first[i + 1] += first[i];
        }
    }
    mlff_team_barrier(member);
    if (f->collided)
        return;
    FOR_ROWS(i, n_atoms) {
        const size_t n = (size_t) (first[i + 1] - first[i]);
        memcpy(list->rij + first[i], list->found.rij + from[i], n * sizeof *list->rij);
        memcpy(list->neighbor + first[i], list->wide_neighbor + from[i], n * sizeof(int));
    }
}

mlff_status cpu_neighbors_update(cpu_neighbors *list, int n_atoms, const double (*position)[3],
                                 const int *region, const double (*cell)[3], mlff_pairs *pairs,
                                 mlff_error *err) {
    if (!still_good(list, n_atoms, position, region, cell))
        MLFF_TRY(search(list, n_atoms, position, region, cell, err));
    bool apart;
    if (list->parallel && list->found.n_pairs >= MANY_PAIRS) {
        filtering f = {list, position, false};
        MLFF_TRY(mlff_team_run(list->parallel, filter_thread, &f, err));
        apart = !f.collided;
    } else {
        apart = filter(list, position);
    }
    if (!apart) {  // the search itself reports it, unless rounding decides otherwise
        list->valid = false;
        MLFF_TRY(host_neighbors_build(n_atoms, position, region, cell, list->cutoff, &list->found,
                                      err));
        *pairs = host_pair_list_view(&list->found);
        return MLFF_OK;
    }
    *pairs = (mlff_pairs) {list->first, list->neighbor, (const double (*)[3]) list->rij};
    return MLFF_OK;
}
