/* Facts about the elements. mlff_element_symbol() and mlff_element_number() are in mlff.h. */
#ifndef MLFF_ELEMENTS_H_
#define MLFF_ELEMENTS_H_

#include "mlff.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MLFF_N_ELEMENTS = 118 };

/*
 * Covalent radius of atomic number z, angstrom (Cordero et al. 2008): two bonded atoms are about the
 * sum of their radii apart. Elements after curium (96), for which there is no measured value, have
 * curium's; a number that is no element has 0.
 */
MLFF_API double mlff_covalent_radius(int z);

#ifdef __cplusplus
}
#endif

#endif
