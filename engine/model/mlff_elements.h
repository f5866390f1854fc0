/* Symbols of the elements: mlff_element_symbol() and mlff_element_number() are in mlff.h. */
#ifndef MLFF_ELEMENTS_H_
#define MLFF_ELEMENTS_H_

#include "mlff.h"

enum { MLFF_N_ELEMENTS = 118 };

#endif
