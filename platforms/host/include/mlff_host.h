/*
 * What fast platforms and OpenMM's hosts need around an evaluation, in plain C: pair lists by bins,
 * and regions put together that a periodic box has cut. Knows nothing of OpenMM.
 */
#ifndef MLFF_HOST_H_
#define MLFF_HOST_H_

#include "mlff.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct host_neighbor_scratch host_neighbor_scratch;

/* A pair list that owns its arrays; start from all zeros, reuse it, free it once. */
typedef struct host_pair_list {
    int n_atoms;
    int n_pairs;
    int *first;          /* [n_atoms + 1] */
    int *neighbor;       /* [n_pairs] */
    double (*rij)[3];    /* [n_pairs][3] angstrom */
    size_t row_capacity, pair_capacity;
    host_neighbor_scratch *scratch;  /* of the search */
} host_pair_list;

/*
 * Find every directed pair i <- j (all images) closer than the cutoff. Rows are sorted by j, then
 * by image (a, b, c), so the list does not depend on how it was searched.
 *
 *   n_atoms    0 or more
 *   position   [n_atoms][3] angstrom; need not be wrapped into the cell
 *   region     [n_atoms] only atoms of one region see each other; NULL: all do
 *   cell       [3][3] angstrom, rows a b c, any shape and size; NULL: open
 *   cutoff     angstrom; pairs with 0 < d < cutoff; infinity: all pairs, open systems only
 *   list       in/out; buffers grow and stay
 *
 * Returns MLFF_OK, MLFF_ERROR_ARGUMENT, MLFF_ERROR_BOX (mlff_box.h), MLFF_ERROR_NUMBER
 * (a position is not finite, two atoms of a region at the same place), MLFF_ERROR_MEMORY.
 */
mlff_status host_neighbors_build(int n_atoms, const double (*position)[3], const int *region,
                                 const double (*cell)[3], double cutoff, host_pair_list *list,
                                 mlff_error *err);

void host_pair_list_free(host_pair_list *list);  /* leaves all zeros */

/* The list as an evaluation wants it; borrows the list's arrays. */
mlff_pairs host_pair_list_view(const host_pair_list *list);

/*
 * Memory of host_regions_place(), kept from call to call: {0} before the first,
 * host_regions_memory_free() after the last.
 */
typedef struct host_regions_memory {
    void *nodes, *places, *regions;
    int n_atoms, n_regions;     /* room for as many */
} host_regions_memory;

void host_regions_memory_free(host_regions_memory *memory);

/*
 * Put wrapped regions together: choose each atom's periodic copy so that a region is one piece.
 * Bonds make molecules, each of them whole. The molecules of a region are placed one by one: first
 * that of the region's first atom, then always the one whose nearest pair of atoms, it and one
 * placed, is closest in any periodic copy, at that copy. In a region without any bonds, every atom
 * takes the copy nearest to the region's first atom.
 *
 *   region     [n_atoms] or NULL
 *   bond       [n_bonds][2] indices of atoms
 *   cutoff     angstrom: two molecules of a bonded region that are within it in a copy other than
 *              the one placed are refused; 0: are not looked for
 *   memory     grows where it has to, so that later calls need no allocation
 *   position   in/out [n_atoms][3] angstrom
 *
 * The first atom of each region stays where it is. Bonds between regions say nothing. The time is
 * in proportion to the atoms of a region that is compact (all atoms within half the box of each
 * other), or one molecule, and to their square in others.
 *
 * Returns MLFF_OK, or, where the copy is not unique, MLFF_ERROR_SPAN (a bond as long as half the box,
 * a region without bonds that spans half the box: an unstable simulation comes there too) or
 * MLFF_ERROR_BOX (bonds that close a chain through the box, molecules that reach around the box: no
 * matter of stability); MLFF_ERROR_ARGUMENT (a bond's atom, a negative region), MLFF_ERROR_NUMBER (a
 * position is not finite), MLFF_ERROR_MEMORY.
 */
mlff_status host_regions_place(int n_atoms, const int *region, int n_bonds, const int (*bond)[2],
                               const double (*cell)[3], double cutoff, host_regions_memory *memory,
                               double (*position)[3], mlff_error *err);

/* The same with a cutoff of 0 and memory of its own. */
mlff_status host_regions_unwrap(int n_atoms, const int *region, int n_bonds, const int (*bond)[2],
                                const double (*cell)[3], double (*position)[3], mlff_error *err);

#ifdef __cplusplus
}
#endif
#endif
