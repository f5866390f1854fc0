/*
 * Neighbor search: every directed pair i <- j, all images, closer than a cutoff.
 *
 * A pair's vector is r = (x_j - x_i) + (n_a a + n_b b + n_c c), in this order of sums, so that the
 * vector of the opposite pair is exactly -r and both pass or fail the cutoff together.
 *
 * Small systems are searched atom by atom, large ones by bins of the cell: the list is the same.
 */
#include "host_neighbors.h"
#include "mlff_box.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Below this number of atoms bins do not pay. */
enum { BIN_SEARCH_ATOMS = 200 };

/* Two atoms of a region closer than this, in angstrom, are at the same place. */
static const double same_place = 1e-8;

/* One neighbor of the row that is being searched. */
typedef struct candidate {
    int j;
    int image[3];
    double r[3];
} candidate;

struct host_neighbor_scratch {
    size_t atom_capacity, row_capacity, bin_capacity;
    double (*fraction)[3];   /* [n_atoms] in units of the cell, wrapped into 0 ... 1 */
    int (*wrap)[3];          /* [n_atoms] cells that wrapping subtracted */
    int *next;               /* [n_atoms] next atom of the same bin, or -1 */
    int *bin_first;          /* [n_bins] first atom of a bin, or -1 */
    candidate *row;          /* [row_capacity] */
};

/* The question, and what both searches need to know about the cell. */
typedef struct search {
    int n_atoms;
    const double (*position)[3];
    const int *region;
    double cutoff;
    bool periodic;
    double cell[3][3];     /* open systems: the bounding box, never repeated */
    double inverse[3][3];  /* fraction_a = sum_b x_b inverse_ba */
    double origin[3];
    double reach[3];       /* cutoff in units of the cell's heights */
    host_neighbor_scratch *scratch;
    int n_row;             /* candidates in the row */
    host_pair_list *list;
} search;

/* ---------------------------------------------------------------------------- the cell -- */

static double dot(const double a[3], const double b[3]) {
    return a[0]*b[0] + a[1]*b[1] + a[2]*b[2];
}

/* Atoms of the largest region; regions whose numbers differ by a multiple of n_atoms count as one. */
static int largest_region(const search *s) {
    if (!s->region || s->n_atoms == 0)
        return s->n_atoms;
    int *count = s->scratch->next, largest = 0;
    memset(count, 0, (size_t)s->n_atoms*sizeof *count);
    for (int i = 0; i < s->n_atoms; i++) {
        const int n = ++count[(unsigned)s->region[i] % (unsigned)s->n_atoms];
        largest = n > largest ? n : largest;
    }
    return largest;
}

/* Measure the cell and judge it, before memory for its pairs is taken. */
static mlff_status set_cell(search *s, const double (*cell)[3], mlff_error *err) {
    mlff_box box;
    MLFF_TRY(mlff_box_measure(cell, &box, err));
    MLFF_TRY(mlff_box_check_pairs(&box, largest_region(s), s->cutoff, err));
    MLFF_TRY(mlff_box_check_positions(&box, s->n_atoms, s->position, err));
    memcpy(s->cell, cell, sizeof s->cell);
    memcpy(s->inverse, box.inverse, sizeof s->inverse);
    for (int a = 0; a < 3; a++)
        s->reach[a] = s->cutoff/box.width[a];
    return MLFF_OK;
}

/* Open systems: bins over the bounding box. */
static void set_bounding_box(search *s) {
    for (int a = 0; a < 3; a++) {
        double low = 0, high = 0;
        for (int i = 0; i < s->n_atoms; i++) {
            const double x = s->position[i][a];
            low = i == 0 || x < low ? x : low;
            high = i == 0 || x > high ? x : high;
        }
        const double length = high - low + 1;
        s->origin[a] = low;
        s->cell[a][a] = length;
        s->inverse[a][a] = 1/length;
        s->reach[a] = s->cutoff/length;
    }
}

/* Positions in units of the cell, wrapped into it. */
static void set_fractions(search *s) {
    for (int i = 0; i < s->n_atoms; i++) {
        const double *x = s->position[i];
        for (int a = 0; a < 3; a++) {
            double f = 0;
            for (int b = 0; b < 3; b++)
                f += (x[b] - s->origin[b])*s->inverse[b][a];
            const double cells = s->periodic ? floor(f) : 0;
            s->scratch->wrap[i][a] = (int)cells;
            s->scratch->fraction[i][a] = f - cells;
        }
    }
}

/* ----------------------------------------------------------------------------- one row -- */

/* Take j at this image (relative to the positions as given) into row i if it is close enough. */
static mlff_status consider(search *s, int i, int j, int n_a, int n_b, int n_c, mlff_error *err) {
    if (i == j && n_a == 0 && n_b == 0 && n_c == 0)
        return MLFF_OK;
    const double *x_i = s->position[i], *x_j = s->position[j];
    double r[3];
    for (int a = 0; a < 3; a++)
        r[a] = x_j[a] - x_i[a];
    if (s->periodic)
        for (int a = 0; a < 3; a++)
            r[a] += n_a*s->cell[0][a] + n_b*s->cell[1][a] + n_c*s->cell[2][a];
    const double d2 = dot(r, r);
    if (!(d2 < s->cutoff*s->cutoff))
        return MLFF_OK;
    if (d2 < same_place*same_place)
        return mlff_fail(err, MLFF_ERROR_NUMBER, "atoms %d and %d are at the same place, (%g, %g, "
                         "%g) A", i < j ? i : j, i < j ? j : i, x_i[0], x_i[1], x_i[2]);

    /* atoms that are crowded into a part of their cell */
    if (s->periodic && s->n_row == MLFF_BOX_MOST_PAIRS)
        return mlff_box_fail_crowded(i, s->cutoff, err);
    host_neighbor_scratch *scratch = s->scratch;
    if ((size_t)s->n_row == scratch->row_capacity) {
        const size_t capacity = 2*scratch->row_capacity + 64;
        MLFF_TRY(mlff_resize((void **)&scratch->row, capacity, sizeof *scratch->row,
                             "a row of the neighbor list", err));
        scratch->row_capacity = capacity;
    }
    scratch->row[s->n_row++] = (candidate){j, {n_a, n_b, n_c}, {r[0], r[1], r[2]}};
    return MLFF_OK;
}

static bool comes_before(const candidate *x, const candidate *y) {
    if (x->j != y->j)
        return x->j < y->j;
    for (int a = 0; a < 2; a++)
        if (x->image[a] != y->image[a])
            return x->image[a] < y->image[a];
    return x->image[2] < y->image[2];
}

/* Shell sort (gaps of Ciura 2001); rows are short, and qsort() may allocate. */
static void sort_row(int n, candidate *row) {
    static const int gaps[] = {1750, 701, 301, 132, 57, 23, 10, 4, 1};
    for (size_t g = 0; g < sizeof gaps/sizeof gaps[0]; g++)
        for (int k = gaps[g]; k < n; k++) {
            const candidate moved = row[k];
            int hole = k;
            for (; hole >= gaps[g] && comes_before(&moved, &row[hole - gaps[g]]); hole -= gaps[g])
                row[hole] = row[hole - gaps[g]];
            row[hole] = moved;
        }
}

/* Append the row to the list. */
static mlff_status finish_row(search *s, int i, mlff_error *err) {
    host_pair_list *list = s->list;
    if (s->n_row > INT_MAX - list->n_pairs)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "the neighbor list has more than %d pairs: "
                         "expected a smaller cutoff or system", INT_MAX);
    const size_t n_pairs = (size_t)list->n_pairs + (size_t)s->n_row;
    if (n_pairs > list->pair_capacity) {
        const size_t capacity = n_pairs + n_pairs/2 + 64;
        MLFF_TRY(mlff_resize((void **)&list->neighbor, capacity, sizeof *list->neighbor,
                             "the neighbor list", err));
        MLFF_TRY(mlff_resize((void **)&list->rij, capacity, sizeof *list->rij, "the neighbor list",
                             err));
        list->pair_capacity = capacity;
    }
    sort_row(s->n_row, s->scratch->row);
    for (int k = 0; k < s->n_row; k++) {
        list->neighbor[list->n_pairs + k] = s->scratch->row[k].j;
        memcpy(list->rij[list->n_pairs + k], s->scratch->row[k].r, sizeof list->rij[0]);
    }
    list->n_pairs = (int)n_pairs;
    list->first[i + 1] = list->n_pairs;
    s->n_row = 0;
    return MLFF_OK;
}

static bool see_each_other(const search *s, int i, int j) {
    return !s->region || s->region[i] == s->region[j];
}

/* -------------------------------------------------------------------------- atom search -- */

/* All images of j within reach of i: along each cell vector those whose fraction differs by at
   most the reach. */
static mlff_status consider_images(search *s, int i, int j, mlff_error *err) {
    const host_neighbor_scratch *scratch = s->scratch;
    int low[3], high[3];
    for (int a = 0; a < 3; a++) {
        const double df = scratch->fraction[j][a] - scratch->fraction[i][a];
        const int shift = scratch->wrap[i][a] - scratch->wrap[j][a];
        low[a] = (int)ceil(-s->reach[a] - df - 1e-6) + shift;
        high[a] = (int)floor(s->reach[a] - df + 1e-6) + shift;
    }
    for (int n_a = low[0]; n_a <= high[0]; n_a++)
        for (int n_b = low[1]; n_b <= high[1]; n_b++)
            for (int n_c = low[2]; n_c <= high[2]; n_c++)
                MLFF_TRY(consider(s, i, j, n_a, n_b, n_c, err));
    return MLFF_OK;
}

static mlff_status search_atoms(search *s, mlff_error *err) {
    for (int i = 0; i < s->n_atoms; i++) {
        for (int j = 0; j < s->n_atoms; j++) {
            if (!see_each_other(s, i, j))
                continue;
            if (s->periodic)
                MLFF_TRY(consider_images(s, i, j, err));
            else
                MLFF_TRY(consider(s, i, j, 0, 0, 0, err));
        }
        MLFF_TRY(finish_row(s, i, err));
    }
    return MLFF_OK;
}

/* --------------------------------------------------------------------------- bin search -- */

/* Bins along each cell vector: as high as the cutoff, and not more bins than atoms. */
static void choose_bins(const search *s, int n_bins[3]) {
    const double per_axis = cbrt((double)s->n_atoms);
    double n[3], product = 1;
    for (int a = 0; a < 3; a++) {
        n[a] = fmin(fmax(floor(1/s->reach[a]), 1), 1e6);
        product *= n[a];
    }
    /* too many: as many per axis as a cube of the atoms would have */
    for (int a = 0; a < 3; a++)
        n_bins[a] = (int)(product > s->n_atoms ? fmin(n[a], fmax(floor(per_axis), 1)) : n[a]);
}

static int bin_of(const search *s, const int n_bins[3], int i, int a) {
    const int bin = (int)(s->scratch->fraction[i][a]*n_bins[a]);
    return bin < n_bins[a] ? bin : n_bins[a] - 1;
}

static mlff_status fill_bins(search *s, const int n_bins[3], mlff_error *err) {
    host_neighbor_scratch *scratch = s->scratch;
    const size_t total = (size_t)n_bins[0]*(size_t)n_bins[1]*(size_t)n_bins[2];
    if (total > scratch->bin_capacity) {
        MLFF_TRY(mlff_resize((void **)&scratch->bin_first, total, sizeof(int),
                             "the bins of the neighbor search", err));
        scratch->bin_capacity = total;
    }
    for (size_t b = 0; b < total; b++)
        scratch->bin_first[b] = -1;
    for (int i = s->n_atoms - 1; i >= 0; i--) {
        const int bin = (bin_of(s, n_bins, i, 0)*n_bins[1] + bin_of(s, n_bins, i, 1))*n_bins[2] +
                        bin_of(s, n_bins, i, 2);
        scratch->next[i] = scratch->bin_first[bin];
        scratch->bin_first[bin] = i;
    }
    return MLFF_OK;
}

/* The atoms of the bin at grid point (any integers; the cell repeats) as neighbors of i. */
static mlff_status consider_bin(search *s, const int n_bins[3], int i, const int grid[3],
                                mlff_error *err) {
    const host_neighbor_scratch *scratch = s->scratch;
    int bin = 0, image[3];
    for (int a = 0; a < 3; a++) {
        image[a] = (grid[a] - (grid[a] < 0 ? n_bins[a] - 1 : 0))/n_bins[a];  /* rounded down */
        bin = bin*n_bins[a] + grid[a] - image[a]*n_bins[a];
    }
    for (int j = scratch->bin_first[bin]; j >= 0; j = scratch->next[j])
        if (see_each_other(s, i, j))
            MLFF_TRY(consider(s, i, j, image[0] + scratch->wrap[i][0] - scratch->wrap[j][0],
                              image[1] + scratch->wrap[i][1] - scratch->wrap[j][1],
                              image[2] + scratch->wrap[i][2] - scratch->wrap[j][2], err));
    return MLFF_OK;
}

static mlff_status search_bins(search *s, mlff_error *err) {
    int n_bins[3];
    choose_bins(s, n_bins);
    MLFF_TRY(fill_bins(s, n_bins, err));
    for (int i = 0; i < s->n_atoms; i++) {
        int low[3], high[3], grid[3];
        for (int a = 0; a < 3; a++) {
            const double f = s->scratch->fraction[i][a], reach = s->reach[a] + 1e-6;
            const double first = s->periodic ? f - reach : fmax(f - reach, 0);
            const double last = s->periodic ? f + reach : fmin(f + reach, 1);
            low[a] = (int)floor(first*n_bins[a]);
            high[a] = (int)floor(last*n_bins[a]);
            if (!s->periodic && high[a] == n_bins[a])
                high[a]--;
        }
        for (grid[0] = low[0]; grid[0] <= high[0]; grid[0]++)
            for (grid[1] = low[1]; grid[1] <= high[1]; grid[1]++)
                for (grid[2] = low[2]; grid[2] <= high[2]; grid[2]++)
                    MLFF_TRY(consider_bin(s, n_bins, i, grid, err));
        MLFF_TRY(finish_row(s, i, err));
    }
    return MLFF_OK;
}

/* ------------------------------------------------------------------------------- driver -- */

/* Room for what is counted per atom. */
static mlff_status reserve_atoms(host_pair_list *list, size_t n_atoms, mlff_error *err) {
    const char *what = "the neighbor search";
    if (!list->scratch) {
        list->scratch = calloc(1, sizeof *list->scratch);
        if (!list->scratch)
            return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for %s", what);
    }
    host_neighbor_scratch *scratch = list->scratch;
    if (n_atoms + 1 > list->row_capacity) {
        MLFF_TRY(mlff_resize((void **)&list->first, n_atoms + 1, sizeof(int), what, err));
        list->row_capacity = n_atoms + 1;
    }
    if (n_atoms > scratch->atom_capacity) {
        MLFF_TRY(mlff_resize((void **)&scratch->fraction, n_atoms, sizeof *scratch->fraction, what,
                             err));
        MLFF_TRY(mlff_resize((void **)&scratch->wrap, n_atoms, sizeof *scratch->wrap, what, err));
        MLFF_TRY(mlff_resize((void **)&scratch->next, n_atoms, sizeof *scratch->next, what, err));
        scratch->atom_capacity = n_atoms;
    }
    return MLFF_OK;
}

static mlff_status check_request(const search *s, const host_pair_list *list, mlff_error *err) {
    if (s->n_atoms < 0 || (s->n_atoms > 0 && !s->position) || !list)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "neighbor search: %d atoms, positions %s, list "
                         "%s", s->n_atoms, s->position ? "given" : "NULL", list ? "given" : "NULL");
    if (!(s->cutoff > 0) || (s->periodic && !(s->cutoff < INFINITY)))
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "neighbor search: the cutoff is %g A, expected "
                         "a positive number%s", s->cutoff, s->periodic
                             ? ", finite because the system is periodic" : "");
    return MLFF_OK;
}

mlff_status host_neighbors_search(host_neighbors_method method, int n_atoms,
                                  const double (*position)[3], const int *region,
                                  const double (*cell)[3], double cutoff, host_pair_list *list,
                                  mlff_error *err) {
    search s = {.n_atoms = n_atoms, .position = position, .region = region, .cutoff = cutoff,
                .periodic = cell != NULL, .list = list};
    MLFF_TRY(check_request(&s, list, err));
    MLFF_TRY(reserve_atoms(list, (size_t)n_atoms, err));
    s.scratch = list->scratch;
    list->n_atoms = n_atoms;
    list->n_pairs = 0;
    list->first[0] = 0;

    MLFF_TRY(mlff_box_check_positions(NULL, n_atoms, position, err));
    if (cell)
        MLFF_TRY(set_cell(&s, cell, err));
    else
        set_bounding_box(&s);
    set_fractions(&s);

    const bool bins = method == HOST_NEIGHBORS_BINS ||
                      (method == HOST_NEIGHBORS_AUTO && n_atoms >= BIN_SEARCH_ATOMS);
    return bins && cutoff < INFINITY ? search_bins(&s, err) : search_atoms(&s, err);
}

mlff_status host_neighbors_build(int n_atoms, const double (*position)[3], const int *region,
                                 const double (*cell)[3], double cutoff, host_pair_list *list,
                                 mlff_error *err) {
    return host_neighbors_search(HOST_NEIGHBORS_AUTO, n_atoms, position, region, cell, cutoff, list,
                                 err);
}

void host_pair_list_free(host_pair_list *list) {
    if (list->scratch) {
        free(list->scratch->fraction);
        free(list->scratch->wrap);
        free(list->scratch->next);
        free(list->scratch->bin_first);
        free(list->scratch->row);
        free(list->scratch);
    }
    free(list->first);
    free(list->neighbor);
    free(list->rij);
    *list = (host_pair_list){0};
}

mlff_pairs host_pair_list_view(const host_pair_list *list) {
    return (mlff_pairs){
        .first = list->first,
        .neighbor = list->neighbor,
        .rij = (const double (*)[3])list->rij,
    };
}
