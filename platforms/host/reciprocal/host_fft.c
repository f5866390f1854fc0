/*
 * Mixed-radix Fourier transform (Cooley, Tukey, Math. Comput. 19, 297 (1965)), written for
 * reading. No Fourier library comes with OpenMM's wheel for use from C; the mesh is small beside the
 * network's work.
 */
#include "host_reciprocal.h"

#include <math.h>
#include <stddef.h>

enum { LARGEST_FACTOR = 7 };

static const double pi = 3.14159265358979323846;

static void multiply(const double a[2], const double b[2], double out[2]) {
    out[0] = a[0]*b[0] - a[1]*b[1];
    out[1] = a[0]*b[1] + a[1]*b[0];
}

/*
 * out[k] = sum_g in[g stride] root^(k g step), k, g = 0 ... n-1, where root[] holds the n_top =
 * n step powers of the first root. With n = f m: f transforms of length m over every f-th value,
 * then one butterfly of f values for each k < m.
 */
static void transform(int n, const double (*in)[2], size_t stride, double (*out)[2],
                      const double (*root)[2], int step) {
    if (n == 1) {
        out[0][0] = in[0][0];
        out[0][1] = in[0][1];
        return;
    }
    int f = 2;
    while (n % f != 0)
        f++;
    const int m = n/f;
    for (int a = 0; a < f; a++)
        transform(m, in + (size_t) a*stride, stride*(size_t) f, out + a*m, root, step*f);

    for (int k = 0; k < m; k++) {
        double part[LARGEST_FACTOR][2];
        for (int a = 0; a < f; a++)
            multiply(out[a*m + k], root[a*k*step], part[a]);
        for (int b = 0; b < f; b++) {
            double sum[2] = {0, 0}, term[2];
            for (int a = 0; a < f; a++) {
                multiply(part[a], root[a*b % f*m*step], term);
                sum[0] += term[0];
                sum[1] += term[1];
            }
            out[b*m + k][0] = sum[0];
            out[b*m + k][1] = sum[1];
        }
    }
}

/* All lines along one axis: `outer` blocks of n rows of `inner` values. */
static void transform_axis(int n, size_t outer, size_t inner, double (*mesh)[2], int sign,
                           double (*line)[2]) {
    double (*root)[2] = line + n;
    for (int k = 0; k < n; k++) {
        root[k][0] = cos(2*pi*k/n);
        root[k][1] = sign*sin(2*pi*k/n);
    }
    for (size_t a = 0; a < outer; a++)
        for (size_t b = 0; b < inner; b++) {
            double (*first)[2] = mesh + a*(size_t) n*inner + b;
            transform(n, (const double (*)[2]) first, inner, line, (const double (*)[2]) root, 1);
            for (int k = 0; k < n; k++) {
                first[(size_t) k*inner][0] = line[k][0];
                first[(size_t) k*inner][1] = line[k][1];
            }
        }
}

void host_fft(const int n[3], double (*mesh)[2], int sign, double (*line)[2]) {
    const size_t n0 = (size_t) n[0], n1 = (size_t) n[1], n2 = (size_t) n[2];
    transform_axis(n[0], 1, n1*n2, mesh, sign, line);
    transform_axis(n[1], n0, n2, mesh, sign, line);
    transform_axis(n[2], n0*n1, 1, mesh, sign, line);
}
