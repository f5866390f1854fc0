/*
 * The reference platform: double-precision C, written to be read. What it says is the answer that
 * the other platforms are compared with. It knows nothing of OpenMM.
 */
#ifndef MLFF_REFERENCE_H_
#define MLFF_REFERENCE_H_

#include "mlff.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The platform for mlff_evaluator_new(). */
const mlff_platform *mlff_reference_platform(void);

/* A pair list that owns its arrays; start from all zeros, reuse it, free it once. */
typedef struct ref_pair_list {
    int n_atoms;
    int n_pairs;
    int *first;          /* [n_atoms + 1] */
    int *neighbor;       /* [n_pairs] */
    double (*rij)[3];    /* [n_pairs][3] angstrom */
    size_t row_capacity, pair_capacity;
} ref_pair_list;

/*
 * Find every directed pair i <- j (all images) closer than the cutoff, by trying every atom and
 * image. Rows are sorted by j, then by image (a, b, c), so that the list does not depend on how it
 * was searched: platforms/host/geometry finds the same by bins.
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
mlff_status ref_neighbors_build(int n_atoms, const double (*position)[3], const int *region,
                                const double (*cell)[3], double cutoff, ref_pair_list *list,
                                mlff_error *err);

void ref_pair_list_free(ref_pair_list *list);  /* leaves all zeros */

/* The list as an evaluation wants it; borrows the list's arrays. */
mlff_pairs ref_pair_list_view(const ref_pair_list *list);

#ifdef __cplusplus
}
#endif
#endif
