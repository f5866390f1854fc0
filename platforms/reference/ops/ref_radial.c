/* Radial basis functions and their derivatives. */
#include "ref_ops.h"

#include <math.h>

void ref_radial_gaussian(int n_radial, const double *mu, const double *beta, double d,
                         double *phi, double *dphi) {
    for (int k = 0; k < n_radial; k++) {
        const double t = d - mu[k];
        phi[k] = exp(-beta[k]*t*t);
        dphi[k] = -2*beta[k]*t*phi[k];
    }
}

void ref_radial_bessel(int n_radial, const double *freq, double d, double *phi, double *dphi) {
    for (int k = 0; k < n_radial; k++) {
        phi[k] = sin(freq[k]*d)/d;
        dphi[k] = (freq[k]*cos(freq[k]*d) - phi[k])/d;
    }
}
