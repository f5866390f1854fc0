/* Inside of the neighbor search, for its tests; callers use mlff_reference.h. */
#ifndef REF_NEIGHBORS_H_
#define REF_NEIGHBORS_H_

#include "mlff_reference.h"

typedef enum ref_neighbors_method {
    REF_NEIGHBORS_AUTO,   /* by the number of atoms */
    REF_NEIGHBORS_ATOMS,  /* every atom against every other */
    REF_NEIGHBORS_BINS    /* bins of the cell; open systems with a finite cutoff, and periodic */
} ref_neighbors_method;

/* ref_neighbors_build() by one method. */
mlff_status ref_neighbors_search(ref_neighbors_method method, int n_atoms,
                                 const double (*position)[3], const int *region,
                                 const double (*cell)[3], double cutoff, ref_pair_list *list,
                                 mlff_error *err);

#endif
