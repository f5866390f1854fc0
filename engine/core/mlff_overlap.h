/*
 * Overlaps: two atoms so close that no model was made for them. The measure is the distance divided
 * by the sum of the covalent radii (mlff_elements.h): bonds are near 1.
 */
#ifndef MLFF_OVERLAP_H_
#define MLFF_OVERLAP_H_

#include "mlff.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Atoms overlap when they are closer than this share of the sum of their covalent radii. The
   shortest bonds of main-group elements, triple bonds, have 0.77; molecules at 800 K come down to
   0.74. */
#define MLFF_OVERLAP_SHARE 0.6

/* A pair of atoms; the first atom is -1 where no atoms overlap. */
typedef struct mlff_overlap {
    int first, second;  /* in ascending order; equal for an atom and a periodic image of it */
    double distance;    /* angstrom */
    double radii;       /* angstrom: sum of the covalent radii */
} mlff_overlap;

#define MLFF_NO_OVERLAP {-1, -1, 0, 0}

/*
 * The worst overlap of two atoms of one region, periodic images included. The time is proportional
 * to the number of atoms.
 *
 *   n_atoms    0 or more
 *   species    [n_atoms] atomic numbers
 *   region     [n_atoms]; NULL: all atoms in region 0
 *   position   [n_atoms][3] angstrom
 *   cell       [3][3] angstrom, rows a b c; NULL: not periodic
 *   worst      out: the pair with the smallest distance per sum of radii
 *
 * Returns MLFF_OK, MLFF_ERROR_NUMBER (a position is not finite: names the atom), MLFF_ERROR_BOX (a
 * cell without volume, or so flat that each atom has more than 100,000 images in reach),
 * MLFF_ERROR_MEMORY.
 */
MLFF_API mlff_status mlff_overlap_find(int n_atoms, const int *species, const int *region,
                                       const double (*position)[3], const double (*cell)[3],
                                       mlff_overlap *worst, mlff_error *err);

/* The same among the pairs of row i of a list; worst is kept where they have no worse overlap. */
MLFF_API void mlff_overlap_find_in_row(const mlff_pairs *pairs, int i, const int *species,
                                       mlff_overlap *worst);

#ifdef __cplusplus
}
#endif

#endif
