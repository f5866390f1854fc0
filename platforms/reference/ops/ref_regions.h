/*
 * What the stages that put regions together share: ref_regions.c follows bonds,
 * ref_placement.c places the molecules of a region beside each other.
 */
#ifndef REF_REGIONS_H_
#define REF_REGIONS_H_

#include "mlff_reference.h"

#include <stdbool.h>

/* An atom's place in its tree of bonds. */
typedef struct ref_node {
    int parent;         /* an atom; its own index at the root */
    double shift[3];    /* whole lattice vectors to be added, relative to the parent */
} ref_node;

/* An atom of a region of several molecules. */
typedef struct ref_place {
    int molecule;       /* the first atom of its molecule */
    bool placed;
    double distance;    /* angstrom, to the nearest atom placed so far */
    double move[3];     /* the whole lattice vectors that bring it there */
} ref_place;

typedef struct ref_region {
    int first;          /* its first atom, or -1 */
    bool bonded;        /* it has bonds */
    bool loose;         /* it has parts that no bond connects */
} ref_region;

typedef struct ref_unwrapping {
    int n_atoms, n_regions;
    const int *region;      /* [n_atoms] or NULL */
    double (*position)[3];  /* [n_atoms][3] angstrom */
    double cutoff;          /* angstrom; 0: the question is not asked */
    double cell[3][3];      /* the same lattice in short vectors */
    double inverse[3][3];
    double height[3];       /* between the planes of the short vectors, angstrom */
    double half;            /* half of the shortest lattice vector, angstrom */
    ref_node *nodes;        /* [n_atoms] */
    ref_place *places;      /* [n_atoms] */
    ref_region *regions;    /* [n_regions] */
} ref_unwrapping;

static inline int ref_region_of(const ref_unwrapping *u, int i) {
    return u->region ? u->region[i] : 0;
}

/* Lattice vectors that make r shortest, [3] whole numbers; returns its length then. */
double ref_nearest_copy(const ref_unwrapping *u, const double r[3], double shift[3]);

/* Move position i by whole lattice vectors. */
void ref_move(const ref_unwrapping *u, int i, const double shift[3]);

/* Place the molecules (ref_place.molecule) of a region beside each other, see ref_placement.c. */
mlff_status ref_place_molecules(const ref_unwrapping *u, int region, mlff_error *err);

/* A region without bonds: every atom at its copy nearest to the first. */
mlff_status ref_place_atoms(const ref_unwrapping *u, int region, mlff_error *err);

#endif
