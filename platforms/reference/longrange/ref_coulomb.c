#include "ref_longrange_private.h"
#include "ref_ops.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

/* h(d)/d of the short-range envelope; *dphi its derivative. */
static double short_range(const ref_kernel *kernel, double d, double *dphi) {
    double h, dh;
    if (kernel->form == REF_KERNEL_SHORT_COSINE) {
        h = ref_cutoff_cosine(d, kernel->range, &dh);
    } else {
        const double t = d/kernel->range, rest = 1 - t*t;
        h = exp(1 - 1/rest);
        dh = -2*t/(kernel->range*rest*rest)*h;
    }
    *dphi = (dh - h/d)/d;
    return h/d;
}

/* erfc(alpha d)/d; *dphi its derivative. */
static double screened(double alpha, double d, double *dphi) {
    const double phi = erfc(alpha*d)/d;
    *dphi = -(phi + 2*alpha/sqrt(pi)*exp(-alpha*alpha*d*d))/d;
    return phi;
}

static double kernel_value(const ref_kernel *kernel, double d, double *dphi) {
    switch (kernel->form) {
    case REF_KERNEL_SHORT_EXP:
    case REF_KERNEL_SHORT_COSINE:
        return short_range(kernel, d, dphi);
    case REF_KERNEL_PLAIN:
        *dphi = -1/(d*d);
        return 1/d;
    case REF_KERNEL_SCREENED:
        return screened(kernel->alpha, d, dphi);
    case REF_KERNEL_SHIFTED:
        break;
    }
    const double phi = screened(kernel->alpha, d, dphi);
    *dphi += kernel->slope;
    return phi - kernel->shift + (d - kernel->range)*kernel->slope;
}

double ref_coulomb_pairs(const ref_charges *s, const mlff_pairs *pairs, double c,
                         const ref_kernel *kernel, bool per_region) {
    double energy = 0;
    for (int i = 0; i < s->graph->n_local; i++) {
        const ref_kernel *row = &kernel[per_region ? ref_region(s->graph, i) : 0];
        for (int p = pairs->first[i]; p < pairs->first[i+1]; p++) {
            const int j = pairs->neighbor[p];
            const double *R = pairs->rij[p];
            const double d = sqrt(R[0]*R[0] + R[1]*R[1] + R[2]*R[2]);
            if (!(d < row->range))
                continue;
            double dphi;
            const double phi = kernel_value(row, d, &dphi);
            energy += c*s->q[i]*s->q[j]*phi;
            if (s->gq) {
                s->gq[i] += c*s->q[j]*phi;
                s->gq[j] += c*s->q[i]*phi;
            }
            if (s->force)
                ref_pair_force(s->force, s->strain, i, j, R, c*s->q[i]*s->q[j]*dphi/d);
        }
    }
    return energy;
}

/*
 * Damped shifted force (Fennell, Gezelter, J. Chem. Phys. 124, 234104 (2006)):
 *   kh sum_pairs q_i q_j [erfc(alpha d)/d - A + (d - Rc) B]
 *   - 2 kh sum_i q_i^2 [A/2 + alpha/sqrt(pi)]
 *   kh = ke/2, pairs in both directions, A = erfc(alpha Rc)/Rc, -B its derivative by Rc
 */
double ref_coulomb_dsf(const ref_charges *s, double alpha, double range) {
    ref_kernel kernel = {.form = REF_KERNEL_SHIFTED, .range = range, .alpha = alpha};
    kernel.shift = screened(alpha, range, &kernel.slope);
    kernel.slope = -kernel.slope;
    double energy = ref_coulomb_pairs(s, &s->graph->long_range, s->ke/2, &kernel, false);

    const double self = -s->ke*(kernel.shift/2 + alpha/sqrt(pi));
    for (int i = 0; i < s->graph->n_local; i++) {
        energy += self*s->q[i]*s->q[i];
        if (s->gq)
            s->gq[i] += 2*self*s->q[i];
    }
    return energy;
}
