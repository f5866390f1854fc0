/*
 * What the stages that put regions together share: host_regions.c follows bonds,
 * host_placement.c places the molecules of a region beside each other.
 */
#ifndef HOST_REGIONS_H_
#define HOST_REGIONS_H_

#include "mlff_box.h"
#include "mlff_host.h"

#include <stdbool.h>

/* An atom's place in its tree of bonds. */
typedef struct host_node {
    int parent;         /* an atom; its own index at the root */
    double shift[3];    /* whole lattice vectors to be added, relative to the parent */
} host_node;

/* An atom of a region of several molecules. */
typedef struct host_place {
    int molecule;       /* the first atom of its molecule */
    bool placed;
    double distance;    /* angstrom, to the nearest atom placed so far */
    double move[3];     /* the whole lattice vectors that bring it there */
} host_place;

typedef struct host_region {
    int first;          /* its first atom, or -1 */
    bool bonded;        /* it has bonds */
    bool loose;         /* it has parts that no bond connects */
} host_region;

typedef struct host_unwrapping {
    int n_atoms, n_regions;
    const int *region;      /* [n_atoms] or NULL */
    double (*position)[3];  /* [n_atoms][3] angstrom */
    double cutoff;          /* angstrom; 0: the question is not asked */
    double cell[3][3];      /* the same lattice in short vectors */
    double inverse[3][3];
    double height[3];       /* between the planes of the short vectors, angstrom */
    double half;            /* half of the shortest lattice vector, angstrom */
    host_node *nodes;        /* [n_atoms] */
    host_place *places;      /* [n_atoms] */
    host_region *regions;    /* [n_regions] */
} host_unwrapping;

static inline int host_region_of(const host_unwrapping *u, int i) {
    return u->region ? u->region[i] : 0;
}

/* Lattice vectors that make r shortest, [3] whole numbers; returns its length then. */
double host_nearest_copy(const host_unwrapping *u, const double r[3], double shift[3]);

/* Move position i by whole lattice vectors. */
void host_move(const host_unwrapping *u, int i, const double shift[3]);

/* Place the molecules (host_place.molecule) of a region beside each other, see host_placement.c. */
mlff_status host_place_molecules(const host_unwrapping *u, int region, mlff_error *err);

/* A region without bonds: every atom at its copy nearest to the first. */
mlff_status host_place_atoms(const host_unwrapping *u, int region, mlff_error *err);

#endif
