/* Lattices in short vectors. */
#ifndef MLFF_LATTICE_H_
#define MLFF_LATTICE_H_

#include "mlff.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The same lattice in short vectors, so that the nearest copy of an atom is among the 27 around the
 * one that rounding finds.
 *
 *   cell       [3][3] rows a b c of nonzero volume, any unit of length
 *   reduced    [3][3] filled in; may be cell itself
 */
MLFF_API void mlff_lattice_reduce(const double (*cell)[3], double (*reduced)[3]);

#ifdef __cplusplus
}
#endif
#endif
