/*
 * Put wrapped regions together.
 *
 * Bonds join atoms to trees: a tree knows of each atom which copy (lattice vector) belongs to the
 * copy of its root. A bond between two trees joins them by the shortest copy of the bond. A tree
 * is a molecule; host_placement.c places those of one region beside each other.
 *
 * A bond shorter than half the shortest lattice vector has no equal among its copies; a longer
 * one is refused.
 */
#include "host_regions.h"
#include "mlff_lattice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------- the lattice -- */

static double length(const double v[3]) {
    return sqrt(v[0]*v[0] + v[1]*v[1] + v[2]*v[2]);
}

static void to_cartesian(const double cell[3][3], const double n[3], double out[3]) {
    for (int a = 0; a < 3; a++)
        out[a] = n[0]*cell[0][a] + n[1]*cell[1][a] + n[2]*cell[2][a];
}

/* The same lattice in short vectors, so that the nearest copy is one of few. */
static mlff_status reduce_lattice(host_unwrapping *u, const double (*cell)[3], mlff_error *err) {
    mlff_box box;
    MLFF_TRY(mlff_box_measure(cell, &box, err));
    mlff_lattice_reduce(cell, u->cell);
    MLFF_TRY(mlff_box_measure((const double (*)[3])u->cell, &box, err));
    memcpy(u->inverse, box.inverse, sizeof u->inverse);
    memcpy(u->height, box.width, sizeof u->height);
    u->half = 0.5*fmin(length(u->cell[0]), fmin(length(u->cell[1]), length(u->cell[2])));
    return MLFF_OK;
}

/* Rounding finds the nearest copy of nearly all vectors; what is not surely it is compared. */
double host_nearest_copy(const host_unwrapping *u, const double r[3], double shift[3]) {
    double base[3], copy[3], best;
    for (int a = 0; a < 3; a++)
        base[a] = -round(r[0]*u->inverse[0][a] + r[1]*u->inverse[1][a] + r[2]*u->inverse[2][a]);
    to_cartesian(u->cell, base, copy);
    for (int a = 0; a < 3; a++)
        copy[a] += r[a];
    best = length(copy);
    memcpy(shift, base, sizeof base);
    if (best < u->half)
        return best;
    best = INFINITY;
    for (int k = 0; k < 27; k++) {
        const double n[3] = {base[0] + k/9 - 1, base[1] + k/3%3 - 1, base[2] + k%3 - 1};
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

void host_move(const host_unwrapping *u, int i, const double shift[3]) {
    double moved[3];
    to_cartesian(u->cell, shift, moved);
    for (int a = 0; a < 3; a++)
        u->position[i][a] += moved[a];
}

/* ------------------------------------------------------------------------------- trees -- */

/* The root of atom i; its shift is then relative to the root. */
static int find_root(host_node *nodes, int i) {
    int root = i;
    double shift[3] = {0};
    for (; nodes[root].parent != root; root = nodes[root].parent)
        for (int a = 0; a < 3; a++)
            shift[a] += nodes[root].shift[a];
    /* hang everything on the way directly below the root */
    for (int k = i; k != root;) {
        const host_node old = nodes[k];
        nodes[k].parent = root;
        memcpy(nodes[k].shift, shift, sizeof shift);
        for (int a = 0; a < 3; a++)
            shift[a] -= old.shift[a];
        k = old.parent;
    }
    return root;
}

/* From the copy of p in its tree to the copy of q in its tree. */
static void copy_vector(const host_unwrapping *u, int p, int q, double r[3]) {
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
static double join(const host_unwrapping *u, int p, int q, bool *loop) {
    double r[3], shift[3] = {0};
    copy_vector(u, p, q, r);
    const double d = host_nearest_copy(u, r, shift);
    const int root_p = find_root(u->nodes, p), root_q = find_root(u->nodes, q);
    *loop = root_p == root_q && (shift[0] != 0 || shift[1] != 0 || shift[2] != 0);
    if (root_p != root_q) {
        u->nodes[root_q].parent = root_p;
        memcpy(u->nodes[root_q].shift, shift, sizeof shift);
    }
    return d;
}

static mlff_status join_bonds(host_unwrapping *u, int n_bonds, const int (*bond)[2], mlff_error *err) {
    for (int b = 0; b < n_bonds; b++) {
        const int p = bond[b][0], q = bond[b][1];
        if (p < 0 || p >= u->n_atoms || q < 0 || q >= u->n_atoms)
            return mlff_fail(err, MLFF_ERROR_ARGUMENT, "bond %d joins atoms %d and %d, expected 0 "
                             "to %d", b, p, q, u->n_atoms - 1);
        if (host_region_of(u, p) != host_region_of(u, q))
            continue;
        u->regions[host_region_of(u, p)].bonded = true;
        bool loop;
        const double d = join(u, p, q, &loop);
        if (!(d < u->half))
            return mlff_fail(err, MLFF_ERROR_SPAN, "the bond of atoms %d and %d is %.3f A long, "
                             "half the periodic box (%.3f A) or more, so its periodic copy is not "
                             "unique: use a larger box", p, q, d, u->half);
        if (loop)
            return mlff_fail(err, MLFF_ERROR_BOX, "the bond of atoms %d and %d closes a chain "
                             "through the periodic box, so region %d has no end: leave out a bond",
                             p, q, host_region_of(u, p));
    }
    return MLFF_OK;
}

/* Every atom at its place in its tree, relative to the tree's first atom, which stays. */
static void follow_trees(const host_unwrapping *u) {
    /* the first atom of each tree, kept at its root */
    for (int i = u->n_atoms - 1; i >= 0; i--)
        u->places[find_root(u->nodes, i)].molecule = i;
    for (int i = u->n_atoms - 1; i >= 0; i--) {
        const int root = find_root(u->nodes, i), first = u->places[root].molecule;
        find_root(u->nodes, first);
        double n[3];
        for (int a = 0; a < 3; a++)
            n[a] = u->nodes[i].shift[a] - u->nodes[first].shift[a];
        host_move(u, i, n);
    }
}

/* Each atom's molecule; which regions have several. */
static void find_molecules(const host_unwrapping *u) {
    for (int i = 0; i < u->n_atoms; i++) {
        host_region *region = &u->regions[host_region_of(u, i)];
        region->first = region->first < 0 ? i : region->first;
        region->loose |= find_root(u->nodes, i) != find_root(u->nodes, region->first);
    }
    for (int i = 0; i < u->n_atoms; i++)  /* roots last, since the others ask them */
        if (u->nodes[i].parent != i)
            u->places[i].molecule = u->places[u->nodes[i].parent].molecule;
}

/* ------------------------------------------------------------------------------ driver -- */

static mlff_status unwrap(host_unwrapping *u, int n_bonds, const int (*bond)[2], mlff_error *err) {
    for (int i = 0; i < u->n_atoms; i++)
        u->nodes[i] = (host_node){.parent = i};
    for (int k = 0; k < u->n_regions; k++)
        u->regions[k] = (host_region){.first = -1};
    MLFF_TRY(join_bonds(u, n_bonds, bond, err));
    follow_trees(u);
    find_molecules(u);
    for (int k = 0; k < u->n_regions; k++)
        if (u->regions[k].loose)
            MLFF_TRY((u->regions[k].bonded ? host_place_molecules : host_place_atoms)(u, k, err));
    return MLFF_OK;
}

/* Room for as many atoms and regions; what is there already is enough after the first call. */
static mlff_status make_room(host_regions_memory *memory, int n_atoms, int n_regions,
                             mlff_error *err) {
    if (n_atoms > memory->n_atoms) {
        MLFF_TRY(mlff_resize(&memory->nodes, (size_t)n_atoms, sizeof(host_node), "unwrapping", err));
        MLFF_TRY(mlff_resize(&memory->places, (size_t)n_atoms, sizeof(host_place), "unwrapping",
                             err));
        memory->n_atoms = n_atoms;
    }
    if (n_regions > memory->n_regions) {
        MLFF_TRY(mlff_resize(&memory->regions, (size_t)n_regions, sizeof(host_region), "unwrapping",
                             err));
        memory->n_regions = n_regions;
    }
    return MLFF_OK;
}

void host_regions_memory_free(host_regions_memory *memory) {
    free(memory->nodes);
    free(memory->places);
    free(memory->regions);
    *memory = (host_regions_memory){0};
}

/* The lattice and the number of regions, from checked arguments. */
static mlff_status begin(host_unwrapping *u, const double (*cell)[3], mlff_error *err) {
    MLFF_TRY(mlff_box_check_positions(NULL, u->n_atoms, (const double (*)[3])u->position, err));
    MLFF_TRY(reduce_lattice(u, cell, err));
    u->n_regions = 1;
    for (int i = 0; u->region && i < u->n_atoms; i++) {
        if (u->region[i] < 0)
            return mlff_fail(err, MLFF_ERROR_ARGUMENT, "atom %d is in region %d, expected 0 or "
                             "more", i, u->region[i]);
        u->n_regions = u->region[i] >= u->n_regions ? u->region[i] + 1 : u->n_regions;
    }
    return MLFF_OK;
}

mlff_status host_regions_place(int n_atoms, const int *region, int n_bonds, const int (*bond)[2],
                               const double (*cell)[3], double cutoff, host_regions_memory *memory,
                               double (*position)[3], mlff_error *err) {
    if (!cell || n_atoms == 0)
        return MLFF_OK;
    host_unwrapping u = {.n_atoms = n_atoms, .region = region, .position = position,
                        .cutoff = cutoff};
    MLFF_TRY(begin(&u, cell, err));
    MLFF_TRY(make_room(memory, n_atoms, u.n_regions, err));
    u.nodes = memory->nodes;
    u.places = memory->places;
    u.regions = memory->regions;
    return unwrap(&u, n_bonds, bond, err);
}

mlff_status host_regions_unwrap(int n_atoms, const int *region, int n_bonds, const int (*bond)[2],
                                const double (*cell)[3], double (*position)[3], mlff_error *err) {
    /* small systems need no allocation */
    enum { SMALL = 256 };
    host_node nodes[SMALL];
    host_place places[SMALL];
    host_region regions[SMALL];
    host_regions_memory memory = {nodes, places, regions, SMALL, SMALL};
    bool small = n_atoms <= SMALL;
    for (int i = 0; region && i < n_atoms; i++)
        small &= region[i] < SMALL;
    if (!small)
        memory = (host_regions_memory){0};
    const mlff_status status = host_regions_place(n_atoms, region, n_bonds, bond, cell, 0, &memory,
                                                  position, err);
    if (!small)
        host_regions_memory_free(&memory);
    return status;
}
