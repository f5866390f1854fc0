/* Activation functions and their derivatives. */
#include "ref_ops.h"

#include <math.h>

static const double sqrt_half = 0.70710678118654752440;          /* 1/sqrt(2) */
static const double inverse_sqrt_2pi = 0.39894228040143267794;   /* 1/sqrt(2 pi) */

void ref_silu_forward(size_t n, const double *x, double *y) {
    for (size_t k = 0; k < n; k++)
        y[k] = x[k]/(1 + exp(-x[k]));
}

/* With g = 1/(1+exp(-x)): f' = g (1 + x (1 - g)). */
void ref_silu_backward(size_t n, const double *x, const double *grad_y, double *grad_x) {
    for (size_t k = 0; k < n; k++) {
        const double g = 1/(1 + exp(-x[k]));
        grad_x[k] = grad_y[k]*g*(1 + x[k]*(1 - g));
    }
}

void ref_gelu_forward(size_t n, const double *x, double *y) {
    for (size_t k = 0; k < n; k++)
        y[k] = 0.5*x[k]*(1 + erf(x[k]*sqrt_half));
}

/* f' = (1 + erf(x/sqrt 2))/2 + x exp(-x^2/2)/sqrt(2 pi). */
void ref_gelu_backward(size_t n, const double *x, const double *grad_y, double *grad_x) {
    for (size_t k = 0; k < n; k++)
        grad_x[k] = grad_y[k]*(0.5*(1 + erf(x[k]*sqrt_half)) +
                               x[k]*inverse_sqrt_2pi*exp(-0.5*x[k]*x[k]));
}
