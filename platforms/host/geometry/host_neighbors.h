/* Inside of the neighbor search, for its tests; callers use mlff_host.h. */
#ifndef HOST_NEIGHBORS_H_
#define HOST_NEIGHBORS_H_

#include "mlff_host.h"

typedef enum host_neighbors_method {
    HOST_NEIGHBORS_AUTO,   /* by the number of atoms */
    HOST_NEIGHBORS_ATOMS,  /* every atom against every other */
    HOST_NEIGHBORS_BINS    /* bins of the cell; open systems with a finite cutoff, and periodic */
} host_neighbors_method;

/* host_neighbors_build() by one method. */
mlff_status host_neighbors_search(host_neighbors_method method, int n_atoms,
                                  const double (*position)[3], const int *region,
                                  const double (*cell)[3], double cutoff, host_pair_list *list,
                                  mlff_error *err);

#endif
