/* Cutoff functions and their derivatives. */
#include "ref_ops.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

double ref_cutoff_cosine(double d, double cutoff, double *df) {
    if (!(d < cutoff)) {
        *df = 0;
        return 0;
    }
    *df = -0.5*pi/cutoff*sin(pi*d/cutoff);
    return 0.5*(1 + cos(pi*d/cutoff));
}

/* f' = -p(p+1)(p+2)/2 x^(p-1) (1 - x)^2 / cutoff: the same polynomial, differentiated. */
double ref_cutoff_poly(double d, double cutoff, int p, double *df) {
    if (!(d < cutoff)) {
        *df = 0;
        return 0;
    }
    const double x = d/cutoff;
    const double c0 = 0.5*(p + 1.0)*(p + 2.0), c1 = p*(p + 2.0), c2 = 0.5*p*(p + 1.0);
    const double x_p1 = pow(x, p - 1);
    *df = -c0*p*x_p1*(1 - x)*(1 - x)/cutoff;
    return 1 - x_p1*x*(c0 - c1*x + c2*x*x);
}
