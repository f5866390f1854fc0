/*
 * Put wrapped regions together.
 *
 * Bonds join atoms to trees: a tree knows of each atom which copy (lattice vector) belongs to the
 * copy of its root. A bond between two trees joins them by the shortest copy of the bond. What
 * remains apart in a region joins the tree of its first atom, by the copy nearest to that atom.
 *
 * A distance shorter than half the shortest lattice vector has no equal among its copies; a longer
 * one is refused.
 */
#include "mlff_reference.h"
#include "ref_ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An atom's place in its tree. */
typedef struct node {
    int parent;         /* an atom; its own index at the root */
    double shift[3];    /* whole lattice vectors to be added, relative to the parent */
} node;

typedef struct region_state {
    int first;          /* its first atom, or -1 */
    bool loose;         /* parts that no bond connects */
} region_state;

typedef struct unwrapping {
    int n_atoms;
    const int *region;
    const double (*position)[3];
    double cell[3][3];      /* the same lattice in short vectors */
    double inverse[3][3];
    double half;            /* half of the shortest lattice vector, angstrom */
    node *nodes;            /* [n_atoms] */
    region_state *regions;  /* by region */
} unwrapping;

/* ------------------------------------------------------------------------- the lattice -- */

static double length(const double v[3]) {
    return sqrt(v[0]*v[0] + v[1]*v[1] + v[2]*v[2]);
}

static void to_cartesian(const double cell[3][3], const double n[3], double out[3]) {
    for (int a = 0; a < 3; a++)
        out[a] = n[0]*cell[0][a] + n[1]*cell[1][a] + n[2]*cell[2][a];
}

/* Shorten vector a of the cell by whole multiples of the other two; true if it became shorter. */
static bool shorten(double cell[3][3], int a) {
    const double before = length(cell[a]);
    double *v = cell[a], best[3];
    for (int k = 1; k <= 2; k++) {
        const double *w = cell[(a + k) % 3];
        const double n = round((v[0]*w[0] + v[1]*w[1] + v[2]*w[2])/
                               (w[0]*w[0] + w[1]*w[1] + w[2]*w[2]));
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

/* The same lattice in short vectors, so that the nearest copy is one of few. */
static mlff_status reduce_lattice(unwrapping *u, const double (*cell)[3], mlff_error *err) {
    double height[3];
    MLFF_TRY(ref_cell_inverse(cell, u->inverse, height, err));
    memcpy(u->cell, cell, sizeof u->cell);
    for (int round = 0, kept = 0; round < 1000 && kept < 3; round++)
        kept = shorten(u->cell, round % 3) ? 0 : kept + 1;
    MLFF_TRY(ref_cell_inverse((const double (*)[3])u->cell, u->inverse, height, err));
    u->half = 0.5*fmin(length(u->cell[0]), fmin(length(u->cell[1]), length(u->cell[2])));
    return MLFF_OK;
}

/* Lattice vectors that make r shortest; returns its length then. */
static double nearest_copy(const unwrapping *u, const double r[3], double shift[3]) {
    double base[3], best = INFINITY;
    for (int a = 0; a < 3; a++)
        base[a] = -round(r[0]*u->inverse[0][a] + r[1]*u->inverse[1][a] + r[2]*u->inverse[2][a]);
    for (int k = 0; k < 27; k++) {
        const double n[3] = {base[0] + k/9 - 1, base[1] + k/3%3 - 1, base[2] + k%3 - 1};
        double copy[3];
        to_cartesian(u->cell, n, copy);
        for (int a = 0; a < 3; a++)
            copy[a] += r[a];
        if (length(copy) < best) {
            best = length(copy);
            memcpy(shift, n, sizeof base);
        }
    }
    return best;
}

/* ------------------------------------------------------------------------------- trees -- */

/* The root of atom i; its shift is then relative to the root. */
static int find_root(node *nodes, int i) {
    int root = i;
    double shift[3] = {0};
    for (; nodes[root].parent != root; root = nodes[root].parent)
        for (int a = 0; a < 3; a++)
            shift[a] += nodes[root].shift[a];
    /* hang everything on the way directly below the root */
    for (int k = i; k != root;) {
        const node old = nodes[k];
        nodes[k].parent = root;
        memcpy(nodes[k].shift, shift, sizeof shift);
        for (int a = 0; a < 3; a++)
            shift[a] -= old.shift[a];
        k = old.parent;
    }
    return root;
}

/* From the copy of p in its tree to the copy of q in its tree. */
static void copy_vector(const unwrapping *u, int p, int q, double r[3]) {
    double n[3];
    find_root(u->nodes, p);
    find_root(u->nodes, q);
    for (int a = 0; a < 3; a++)
        n[a] = u->nodes[q].shift[a] - u->nodes[p].shift[a];
    to_cartesian(u->cell, n, r);
    for (int a = 0; a < 3; a++)
        r[a] += u->position[q][a] - u->position[p][a];
}

/* Hang q's tree below p's, moved so that q's copy is the one nearest to p's. Returns |q - p|. */
static double join(const unwrapping *u, int p, int q, bool *loop) {
    double r[3], shift[3] = {0};
    copy_vector(u, p, q, r);
    const double d = nearest_copy(u, r, shift);
    const int root_p = find_root(u->nodes, p), root_q = find_root(u->nodes, q);
    *loop = root_p == root_q && (shift[0] != 0 || shift[1] != 0 || shift[2] != 0);
    if (root_p != root_q) {
        u->nodes[root_q].parent = root_p;
        memcpy(u->nodes[root_q].shift, shift, sizeof shift);
    }
    return d;
}

static int region_of(const unwrapping *u, int i) {
    return u->region ? u->region[i] : 0;
}

static mlff_status join_bonds(unwrapping *u, int n_bonds, const int (*bond)[2], mlff_error *err) {
    for (int b = 0; b < n_bonds; b++) {
        const int p = bond[b][0], q = bond[b][1];
        if (p < 0 || p >= u->n_atoms || q < 0 || q >= u->n_atoms)
            return mlff_fail(err, MLFF_ERROR_ARGUMENT, "bond %d joins atoms %d and %d, expected 0 "
                             "to %d", b, p, q, u->n_atoms - 1);
        if (region_of(u, p) != region_of(u, q))
            continue;
        bool loop;
        const double d = join(u, p, q, &loop);
        if (!(d < u->half))
            return mlff_fail(err, MLFF_ERROR_BOX, "the bond of atoms %d and %d is %.3f A long, "
                             "half the periodic box (%.3f A) or more, so its periodic copy is not "
                             "unique: use a larger box", p, q, d, u->half);
        if (loop)
            return mlff_fail(err, MLFF_ERROR_BOX, "the bond of atoms %d and %d closes a chain "
                             "through the periodic box, so region %d has no end: leave out a bond",
                             p, q, region_of(u, p));
    }
    return MLFF_OK;
}

static mlff_status join_parts(unwrapping *u, mlff_error *err) {
    for (int i = 0; i < u->n_atoms; i++) {
        region_state *region = &u->regions[region_of(u, i)];
        if (region->first < 0)
            region->first = i;
        if (find_root(u->nodes, i) == find_root(u->nodes, region->first))
            continue;
        region->loose = true;
        bool loop;
        const double d = join(u, region->first, i, &loop);
        if (!(d < u->half))
            return mlff_fail(err, MLFF_ERROR_BOX, "atom %d is %.3f A away from atom %d, the first "
                             "of its region %d, half the periodic box (%.3f A) or more, so its "
                             "periodic copy is not unique: add bonds that connect them, or use a "
                             "larger box", i, d, region->first, region_of(u, i), u->half);
    }
    return MLFF_OK;
}

/* Parts that only distance holds together: no two atoms half the box apart. */
static mlff_status check_loose_region(const unwrapping *u, int region, mlff_error *err) {
    const int first = u->regions[region].first;
    double r[3], radius = 0;
    for (int i = first; i < u->n_atoms; i++)
        if (region_of(u, i) == region) {
            copy_vector(u, first, i, r);
            radius = fmax(radius, length(r));
        }
    if (2*radius < u->half)
        return MLFF_OK;
    for (int i = first; i < u->n_atoms; i++)
        for (int j = i + 1; j < u->n_atoms && region_of(u, i) == region; j++) {
            if (region_of(u, j) != region)
                continue;
            copy_vector(u, i, j, r);
            if (!(length(r) < u->half))
                return mlff_fail(err, MLFF_ERROR_BOX, "atoms %d and %d of region %d are %.3f A "
                                 "apart, half the periodic box (%.3f A) or more, and not all of "
                                 "its atoms are connected by bonds, so its periodic copy is not "
                                 "unique: add bonds, or use a larger box", i, j, region, length(r),
                                 u->half);
        }
    return MLFF_OK;
}

/* ------------------------------------------------------------------------------ driver -- */

static mlff_status unwrap(unwrapping *u, int n_regions, int n_bonds, const int (*bond)[2],
                          double (*position)[3], mlff_error *err) {
    for (int i = 0; i < u->n_atoms; i++)
        u->nodes[i] = (node){.parent = i};
    for (int k = 0; k < n_regions; k++)
        u->regions[k] = (region_state){.first = -1};
    MLFF_TRY(join_bonds(u, n_bonds, bond, err));
    MLFF_TRY(join_parts(u, err));
    for (int k = 0; k < n_regions; k++)
        if (u->regions[k].loose)
            MLFF_TRY(check_loose_region(u, k, err));

    /* a region's first atom stays where it is */
    for (int i = u->n_atoms - 1; i >= 0; i--) {
        const int first = u->regions[region_of(u, i)].first;
        double n[3], moved[3];
        find_root(u->nodes, i);
        find_root(u->nodes, first);
        for (int a = 0; a < 3; a++)
            n[a] = u->nodes[i].shift[a] - u->nodes[first].shift[a];
        to_cartesian(u->cell, n, moved);
        for (int a = 0; a < 3; a++)
            position[i][a] += moved[a];
    }
    return MLFF_OK;
}

mlff_status ref_regions_unwrap(int n_atoms, const int *region, int n_bonds, const int (*bond)[2],
                               const double (*cell)[3], double (*position)[3], mlff_error *err) {
    if (!cell || n_atoms == 0)
        return MLFF_OK;
    unwrapping u = {.n_atoms = n_atoms, .region = region,
                    .position = (const double (*)[3])position};
    MLFF_TRY(ref_positions_check(n_atoms, u.position, err));
    MLFF_TRY(reduce_lattice(&u, cell, err));
    int n_regions = 1;
    for (int i = 0; region && i < n_atoms; i++) {
        if (region[i] < 0)
            return mlff_fail(err, MLFF_ERROR_ARGUMENT, "atom %d is in region %d, expected 0 or "
                             "more", i, region[i]);
        n_regions = region[i] >= n_regions ? region[i] + 1 : n_regions;
    }

    /* small systems need no allocation at a step */
    enum { SMALL = 512 };
    node few_nodes[SMALL];
    region_state few_regions[SMALL];
    node *nodes = NULL;
    region_state *regions = NULL;
    mlff_status status = MLFF_OK;
    if (n_atoms > SMALL)
        status = mlff_resize((void **)&nodes, (size_t)n_atoms, sizeof *nodes, "unwrapping", err);
    if (status == MLFF_OK && n_regions > SMALL)
        status = mlff_resize((void **)&regions, (size_t)n_regions, sizeof *regions, "unwrapping",
                             err);
    if (status == MLFF_OK) {
        u.nodes = nodes ? nodes : few_nodes;
        u.regions = regions ? regions : few_regions;
        status = unwrap(&u, n_regions, n_bonds, bond, position, err);
    }
    free(nodes);
    free(regions);
    return status;
}
