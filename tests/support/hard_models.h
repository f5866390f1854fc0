/* PaiNN with radial filters that a table on a grid may not hold. */
#ifndef MLFF_HARD_MODELS_H_
#define MLFF_HARD_MODELS_H_

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hard_filters {
    bool bessel;        /* else Gaussians */
    bool two_layers;    /* of the filter network; else it is linear */
    double cutoff;      /* angstrom */
    double basis[3];    /* frequencies, 1/angstrom, or centers, angstrom */
    double beta[3];     /* exponents of Gaussians, 1/angstrom^2 */
} hard_filters;

/* Build the content of a small model file for H, C and O: n bytes, to be freed with free(); NULL
   if it cannot be built. */
unsigned char *hard_model_build(const hard_filters *filters, size_t *n);

#ifdef __cplusplus
}
#endif

#endif
