/*
 * Place the molecules of a region, each in one piece, beside each other.
 *
 * The region grows from the molecule of its first atom. Of the molecules that are left, the one
 * comes next whose nearest pair of atoms, it and one placed, is closest in any periodic copy, and
 * it comes at that copy. Equal distances: the atom that comes first. So molecules that move apart
 * stay where they are, until another copy is nearer.
 *
 * A network sees one copy of each molecule then. That is an answer as long as no other copy is
 * within its cutoff: else the region is a chain around the box, and refused.
 */
#include "host_regions.h"
#include "mlff_box.h"

#include <math.h>
#include <string.h>

static double length(const double v[3]) {
    return sqrt(v[0]*v[0] + v[1]*v[1] + v[2]*v[2]);
}

static void vector_between(const host_unwrapping *u, int i, int j, double r[3]) {
    for (int a = 0; a < 3; a++)
        r[a] = u->position[j][a] - u->position[i][a];
}

/* The largest distance of a region's atoms from its first. */
static double radius(const host_unwrapping *u, int region) {
    const int first = u->regions[region].first;
    double r[3], largest = 0;
    for (int i = first; i < u->n_atoms; i++)
        if (host_region_of(u, i) == region) {
            vector_between(u, first, i, r);
            largest = fmax(largest, length(r));
        }
    return largest;
}

/* ----------------------------------------------------------------------------- growth -- */

/* Move the molecule of atom j. */
static void move_molecule(const host_unwrapping *u, int j, const double move[3]) {
    const int molecule = u->places[j].molecule;
    const double shift[3] = {move[0], move[1], move[2]};
    for (int i = molecule; i < u->n_atoms; i++)
        if (u->places[i].molecule == molecule && host_region_of(u, i) ==
                                                 host_region_of(u, molecule))
            host_move(u, i, shift);
}

/* Every molecule at the copy at which its first atom is nearest to the region's first. */
static void gather_around_first(const host_unwrapping *u, int region) {
    const int first = u->regions[region].first;
    for (int i = first + 1; i < u->n_atoms; i++) {
        if (host_region_of(u, i) != region || u->places[i].molecule != i)
            continue;
        double r[3], shift[3];
        vector_between(u, first, i, r);
        host_nearest_copy(u, r, shift);
        move_molecule(u, i, shift);
    }
}

/* The molecule is placed: the others learn how near its atoms are. */
static void place(const host_unwrapping *u, int molecule) {
    const int region = host_region_of(u, molecule);
    for (int i = molecule; i < u->n_atoms; i++)
        if (host_region_of(u, i) == region && u->places[i].molecule == molecule)
            u->places[i].placed = true;
    for (int i = molecule; i < u->n_atoms; i++) {
        if (host_region_of(u, i) != region || u->places[i].molecule != molecule)
            continue;
        for (int j = u->regions[region].first; j < u->n_atoms; j++) {
            host_place *other = &u->places[j];
            if (host_region_of(u, j) != region || other->placed)
                continue;
            double r[3], move[3];
            vector_between(u, i, j, r);
            const double d = host_nearest_copy(u, r, move);
            if (d < other->distance) {
                other->distance = d;
                memcpy(other->move, move, sizeof move);
            }
        }
    }
}

static void grow(const host_unwrapping *u, int region) {
    const int first = u->regions[region].first;
    for (int i = first; i < u->n_atoms; i++)
        if (host_region_of(u, i) == region) {
            u->places[i].placed = false;
            u->places[i].distance = INFINITY;
        }
    for (int next = first; next >= 0;) {
        const int molecule = u->places[next].molecule;
        if (next != first)
            move_molecule(u, next, u->places[next].move);
        place(u, molecule);
        next = -1;
        for (int j = first; j < u->n_atoms; j++)
            if (host_region_of(u, j) == region && !u->places[j].placed &&
                (next < 0 || u->places[j].distance < u->places[next].distance))
                next = j;
    }
}

/* -------------------------------------------------------------------------- ambiguity -- */

/* Whether a copy of r other than itself is within the cutoff. */
static bool has_other_copy(const host_unwrapping *u, const double r[3]) {
    int low[3], high[3];
    for (int a = 0; a < 3; a++) {
        const double f = r[0]*u->inverse[0][a] + r[1]*u->inverse[1][a] + r[2]*u->inverse[2][a];
        low[a] = (int)ceil(-u->cutoff/u->height[a] - f);
        high[a] = (int)floor(u->cutoff/u->height[a] - f);
    }
    for (int na = low[0]; na <= high[0]; na++)
        for (int nb = low[1]; nb <= high[1]; nb++)
            for (int nc = low[2]; nc <= high[2]; nc++) {
                double copy[3];
                for (int d = 0; d < 3; d++)
                    copy[d] = r[d] + na*u->cell[0][d] + nb*u->cell[1][d] + nc*u->cell[2][d];
                if ((na || nb || nc) && length(copy) < u->cutoff)
                    return true;
            }
    return false;
}

/* Refuse two molecules of which the network would have to see two copies. */
static mlff_status check_copies(const host_unwrapping *u, int region, mlff_error *err) {
    if (2*radius(u, region) + u->cutoff <= 2*u->half)
        return MLFF_OK;
    for (int i = u->regions[region].first; i < u->n_atoms; i++) {
        if (host_region_of(u, i) != region)
            continue;
        for (int j = i + 1; j < u->n_atoms; j++) {
            if (host_region_of(u, j) != region || u->places[i].molecule == u->places[j].molecule)
                continue;
            double r[3];
            vector_between(u, i, j, r);
            if (length(r) + u->cutoff <= 2*u->half)
                continue;
            if (has_other_copy(u, r))
                return mlff_box_fail_around(i, j, region, u->cutoff, err);
        }
    }
    return MLFF_OK;
}

mlff_status host_place_molecules(const host_unwrapping *u, int region, mlff_error *err) {
    gather_around_first(u, region);
    if (!(2*radius(u, region) < u->half))  /* else all distances are the shortest already */
        grow(u, region);
    return u->cutoff > 0 ? check_copies(u, region, err) : MLFF_OK;
}

/* ----------------------------------------------------------------------- without bonds -- */

/* No two atoms half the box apart. */
static mlff_status check_distances(const host_unwrapping *u, int region, mlff_error *err) {
    if (2*radius(u, region) < u->half)
        return MLFF_OK;
    for (int i = u->regions[region].first; i < u->n_atoms; i++)
        for (int j = i + 1; j < u->n_atoms && host_region_of(u, i) == region; j++) {
            if (host_region_of(u, j) != region)
                continue;
            double r[3];
            vector_between(u, i, j, r);
            if (!(length(r) < u->half))
                return mlff_fail(err, MLFF_ERROR_SPAN, "atoms %d and %d of region %d are %.3f A "
                                 "apart, half the periodic box (%.3f A) or more, and the region "
                                 "has no bonds, so its periodic copy is not unique (free "
                                 "molecules drift apart): "
                                 MLFF_BOX_REMEDY_BONDS, i, j, region, length(r), u->half);
        }
    return MLFF_OK;
}

mlff_status host_place_atoms(const host_unwrapping *u, int region, mlff_error *err) {
    const int first = u->regions[region].first;
    for (int i = first + 1; i < u->n_atoms; i++) {
        if (host_region_of(u, i) != region)
            continue;
        double r[3], shift[3];
        vector_between(u, first, i, r);
        const double d = host_nearest_copy(u, r, shift);
        if (!(d < u->half))
            return mlff_fail(err, MLFF_ERROR_SPAN, "atom %d is %.3f A away from atom %d, the first "
                             "of its region %d, half the periodic box (%.3f A) or more, and the "
                             "region has no bonds, so its periodic copy is not unique (free molecules "
                             "drift apart): "
                             MLFF_BOX_REMEDY_BONDS, i, d, first, region, u->half);
        host_move(u, i, shift);
    }
    return check_distances(u, region, err);
}
