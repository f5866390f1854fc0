/* Coulomb and dispersion of the reference platform, for every architecture. */
#ifndef REF_TERMS_H_
#define REF_TERMS_H_

#include "mlff_platform.h"

extern const mlff_longrange_type ref_longrange;

#endif
