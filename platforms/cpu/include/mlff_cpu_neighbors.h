/*
 * Pair lists with a skin: found with a larger cutoff, then filtered by distance at every
 * evaluation until an atom has moved half the skin or the cell has changed.
 */
#ifndef MLFF_CPU_NEIGHBORS_H_
#define MLFF_CPU_NEIGHBORS_H_

#include "mlff.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cpu_neighbors cpu_neighbors;

/*
 * A list for one cutoff.
 *   cutoff   angstrom; infinity: all pairs of an open system
 *   skin     angstrom, 0 or more; 0 searches anew every time
 *   parallel threads for long lists; borrowed, NULL: one. Lists do not depend on it
 */
mlff_status cpu_neighbors_new(double cutoff, double skin, const mlff_parallel *parallel,
                              cpu_neighbors **out, mlff_error *err);
void cpu_neighbors_free(cpu_neighbors *list);  /* NULL is fine */

/*
 * The directed pairs closer than the cutoff at these positions: exactly what
 * host_neighbors_build() finds (mlff_host.h), with the same arguments and errors.
 *
 *   pairs   out; valid until the next call, owned by the list
 */
mlff_status cpu_neighbors_update(cpu_neighbors *list, int n_atoms, const double (*position)[3],
                                 const int *region, const double (*cell)[3], mlff_pairs *pairs,
                                 mlff_error *err);

/* How many times the list was searched anew, for reports and tests. */
long cpu_neighbors_searches(const cpu_neighbors *list);

#ifdef __cplusplus
}
#endif
#endif
