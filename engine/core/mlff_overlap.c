/*
 * Search for overlaps. Atoms are sorted into bins as wide as the longest overlap, so that those an
 * atom can overlap with are in its own bin and the bins around it. Bins have no place of their own
 * in memory: a hash of their three coordinates gives the list that their atoms are in. Two bins may
 * share a list; this costs time but changes nothing, since every pair is measured.
 */
#include "mlff_overlap.h"
#include "mlff_elements.h"
#include "mlff_internal.h"
#include "mlff_longrange.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* More images of an atom than this within the longest overlap, and the cell is refused. */
static const double most_images = 1e5;

typedef struct search {
    int n_atoms;
    const int *species, *region;
    const double (*position)[3], (*cell)[3];
    double width;            /* angstrom: the longest overlap of any two atoms */
    double reciprocal[3][3]; /* fraction_a = x . reciprocal[a] */
    double n_bins[3];        /* per cell vector; periodic only */
    int reach[3];            /* bins to look at on each side */
    double (*x)[3];          /* [n_atoms] positions, in the cell */
    double (*bin)[3];        /* [n_atoms] whole numbers */
    int *next;               /* [n_atoms] next atom of the same list, or -1 */
    int *list;               /* [n_lists] first atom, or -1 */
    size_t n_lists;          /* a power of two */
} search;

static double dot(const double a[3], const double b[3]) {
    return a[0]*b[0] + a[1]*b[1] + a[2]*b[2];
}

/* ---------------------------------------------------------------------------- one pair -- */

static double ratio(const mlff_overlap *o) {
    return o->first < 0 ? MLFF_OVERLAP_SHARE : o->distance/o->radii;
}

/* Keep the pair if it is worse than what was found before. Not a distance: no overlap. */
static void consider(int i, int j, const int *species, const double r[3], mlff_overlap *worst) {
    const double radii = mlff_covalent_radius(species[i]) + mlff_covalent_radius(species[j]);
    const double distance = sqrt(dot(r, r));
    if (distance < ratio(worst)*radii)
        *worst = (mlff_overlap){i < j ? i : j, i < j ? j : i, distance, radii};
}

void mlff_overlap_find_in_row(const mlff_pairs *pairs, int i, const int *species,
                              mlff_overlap *worst) {
    for (int k = pairs->first[i]; k < pairs->first[i + 1]; k++)
        consider(i, pairs->neighbor[k], species, pairs->rij[k], worst);
}

/* -------------------------------------------------------------------------------- bins -- */

static mlff_status check_positions(const search *s, mlff_error *err) {
    for (int i = 0; i < s->n_atoms; i++) {
        const double *x = s->position[i];
        if (!isfinite(x[0]) || !isfinite(x[1]) || !isfinite(x[2]))
            return mlff_fail(err, MLFF_ERROR_NUMBER, "atom %d: its position (%g, %g, %g) is not "
                             "finite", i, x[0], x[1], x[2]);
    }
    return MLFF_OK;
}

/* Bins of a periodic cell: as many as are not thinner than the width, at least 1 per vector. */
static mlff_status divide_cell(search *s, mlff_error *err) {
    const double volume = mlff_cell_reciprocal(s->cell, s->reciprocal);
    double images = 1;
    for (int a = 0; a < 3; a++) {
        const double height = 1/sqrt(dot(s->reciprocal[a], s->reciprocal[a]));
        s->n_bins[a] = fmin(fmax(floor(height/s->width), 1), 1e6);
        const double reach = s->n_bins[a] > 1 ? 1 : ceil(s->width/height);
        images *= 2*reach + 1;
        s->reach[a] = (int) fmin(reach, most_images);
    }
    if (!(volume > 0 && images <= most_images))
        return mlff_fail(err, MLFF_ERROR_BOX, "the periodic cell (%g %g %g), (%g %g %g), (%g %g %g) "
                         "A has no volume or is so flat that atoms overlap with many images of "
                         "their own: expected a cell that is larger than an atom; is it given in "
                         "the right unit?", s->cell[0][0], s->cell[0][1], s->cell[0][2],
                         s->cell[1][0], s->cell[1][1], s->cell[1][2], s->cell[2][0],
                         s->cell[2][1], s->cell[2][2]);
    return MLFF_OK;
}

/* The bin of a position; a position in a cell is moved into it. */
static void place(const search *s, double x[3], double bin[3]) {
    for (int a = 0; s->cell && a < 3; a++) {
        const double n = floor(dot(x, s->reciprocal[a]));
        for (int d = 0; d < 3; d++)
            x[d] -= n*s->cell[a][d];
    }
    for (int a = 0; a < 3; a++)
        bin[a] = !s->cell ? floor(x[a]/s->width) :
            fmin(fmax(floor(dot(x, s->reciprocal[a])*s->n_bins[a]), 0), s->n_bins[a] - 1);
}

static size_t hash(const search *s, const double bin[3]) {
    static const uint64_t factor[3] = {0x9E3779B97F4A7C15u, 0xC2B2AE3D27D4EB4Fu,
                                       0x165667B19E3779F9u};
    uint64_t h = 0;
    for (int a = 0; a < 3; a++) {
        const double n = fmin(fmax(bin[a], -1e18), 1e18);  // further out nothing is resolved
        h = (h ^ (uint64_t) (int64_t) n)*factor[a];
        h ^= h >> 32;
    }
    return (size_t) h & (s->n_lists - 1);
}

static void fill_lists(search *s) {
    for (size_t k = 0; k < s->n_lists; k++)
        s->list[k] = -1;
    for (int i = 0; i < s->n_atoms; i++) {
        memcpy(s->x[i], s->position[i], sizeof s->x[i]);
        place(s, s->x[i], s->bin[i]);
        const size_t k = hash(s, s->bin[i]);
        s->next[i] = s->list[k];
        s->list[k] = i;
    }
}

/* ------------------------------------------------------------------------------ search -- */

/* Atom i with the atoms j >= i of a bin; a bin outside of the cell is an image of one inside. */
static void consider_bin(const search *s, int i, const double bin[3], mlff_overlap *worst) {
    double inside[3], moved[3] = {0};
    bool itself = true;  // image 0, where atom i is no pair with itself
    for (int a = 0; a < 3; a++) {
        const double image = s->cell ? floor(bin[a]/s->n_bins[a]) : 0;
        inside[a] = s->cell ? bin[a] - image*s->n_bins[a] : bin[a];
        itself &= image == 0;
        for (int d = 0; s->cell && d < 3; d++)
            moved[d] += image*s->cell[a][d];
    }
    for (int j = s->list[hash(s, inside)]; j >= 0; j = s->next[j]) {
        if (j < i || (j == i && itself) || (s->region && s->region[i] != s->region[j]))
            continue;
        double r[3];
        for (int d = 0; d < 3; d++)
            r[d] = s->x[j][d] - s->x[i][d] + moved[d];
        consider(i, j, s->species, r, worst);
    }
}

static void search_all(const search *s, mlff_overlap *worst) {
    for (int i = 0; i < s->n_atoms; i++)
        for (int a = -s->reach[0]; a <= s->reach[0]; a++)
            for (int b = -s->reach[1]; b <= s->reach[1]; b++)
                for (int c = -s->reach[2]; c <= s->reach[2]; c++) {
                    const double *own = s->bin[i], bin[3] = {own[0] + a, own[1] + b, own[2] + c};
                    consider_bin(s, i, bin, worst);
                }
}

mlff_status mlff_overlap_find(int n_atoms, const int *species, const int *region,
                              const double (*position)[3], const double (*cell)[3],
                              mlff_overlap *worst, mlff_error *err) {
    search s = {.n_atoms = n_atoms, .species = species, .region = region, .position = position,
                .cell = cell, .reach = {1, 1, 1}, .n_lists = 1};
    *worst = (mlff_overlap) MLFF_NO_OVERLAP;
    if (n_atoms <= 0)
        return MLFF_OK;
    MLFF_TRY(check_positions(&s, err));
    for (int i = 0; i < n_atoms; i++)
        s.width = fmax(s.width, 2*MLFF_OVERLAP_SHARE*mlff_covalent_radius(species[i]));
    if (s.width == 0)  // no elements
        return MLFF_OK;
    if (cell)
        MLFF_TRY(divide_cell(&s, err));
    while (s.n_lists < (size_t) n_atoms)
        s.n_lists *= 2;

    const char *what = "the search for overlapping atoms";
    const size_t n = (size_t) n_atoms;
    mlff_status status = mlff_resize((void **) &s.x, n, sizeof *s.x, what, err);
    if (status == MLFF_OK)
        status = mlff_resize((void **) &s.bin, n, sizeof *s.bin, what, err);
    if (status == MLFF_OK)
        status = mlff_resize((void **) &s.next, n, sizeof *s.next, what, err);
    if (status == MLFF_OK)
        status = mlff_resize((void **) &s.list, s.n_lists, sizeof *s.list, what, err);
    if (status == MLFF_OK) {
        fill_lists(&s);
        search_all(&s, worst);
    }
    free(s.x);
    free(s.bin);
    free(s.next);
    free(s.list);
    return status;
}
