/*
 * Derivatives by central differences of fourth order,
 *
 *   D(h) = (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / (12 h),
 *
 * and what they can be trusted to: D(2h) is 16 times as wrong as D(h), so their difference is 15
 * times the error of D(h), beside the rounding of f.
 */
#ifndef FINITE_DIFFERENCE_H_
#define FINITE_DIFFERENCE_H_

#include <math.h>

typedef struct finite_difference {
    double value;  /* D(h) */
    double error;  /* bound, with a factor of 4 on what is estimated */
} finite_difference;

/* f(ctx, x): the function at displacement x; rounding: its absolute error. */
static inline finite_difference finite_difference_of(double (*f)(void *ctx, double x), void *ctx,
                                                     double h, double rounding) {
    const double f1 = f(ctx, h) - f(ctx, -h), f2 = f(ctx, 2*h) - f(ctx, -2*h);
    const double f4 = f(ctx, 4*h) - f(ctx, -4*h);
    const double fine = (8*f1 - f2)/(12*h), coarse = (8*f2 - f4)/(24*h);
    return (finite_difference){
        .value = fine,
        .error = 4*(fabs(fine - coarse)/15 + 1.5*rounding/h),
    };
}

#endif
