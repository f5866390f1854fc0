/*
 * Reciprocal sum of one region by smooth particle mesh Ewald (Essmann et al., J. Chem. Phys. 103,
 * 8577 (1995)) with B-splines M_5, as the paper writes it: splines and Fourier transforms by their
 * recursions.
 *   Q(g) = sum_i q_i M5(u_i1 - g1) M5(u_i2 - g2) M5(u_i3 - g3),  u = K x.b
 *   E = 1/2 sum_{m != 0} w |F(m)|^2,  w = (4 pi ke/V) exp(-k^2/(4 alpha^2))/k^2 B(m)
 *   F the Fourier transform of Q,  B the product of 1/|sum_k M5(k+1) exp(2 pi i m k/K)|^2 per axis
 */
#include "ref_longrange_private.h"

#include <math.h>
#include <string.h>

enum { ORDER = 5, LARGEST_FACTOR = 7 };

static const double pi = 3.14159265358979323846;

/* One region's mesh. */
typedef struct pme {
    const ref_charges *s;
    const ref_reciprocal *r;
    int K[3];
    size_t n_points;
    double (*own)[2], (*all)[2];  // [K1][K2][K3] complex; the same array in one process
    double (*line)[2];            // [3 max(K)]
    double *modulus[3];           // B of each axis
} pme;

/* ----------------------------------------------------------------------------- splines -- */

/* M_n(u), eq. 3.3. */
static double spline(int n, double u) {
    if (n == 2)
        return u < 0 || u > 2 ? 0 : 1 - fabs(u - 1);
    return (u*spline(n - 1, u) + (n - u)*spline(n - 1, u - 1))/(n - 1);
}

static double spline_slope(int n, double u) {
    return spline(n - 1, u) - spline(n - 1, u - 1);
}

/* B of one axis; 0 at m = K/2 of an even mesh, a wave that odd splines cannot hold. */
static double spline_modulus(int K, int m) {
    double re = 0, im = 0;
    for (int k = 0; k < ORDER - 1; k++) {
        re += spline(ORDER, k + 1)*cos(2*pi*m*k/K);
        im += spline(ORDER, k + 1)*sin(2*pi*m*k/K);
    }
    return 2*m == K ? 0 : 1/(re*re + im*im);
}

/* The mesh points that an atom covers along one axis, with its splines there. */
typedef struct cover {
    int point[ORDER];
    double value[ORDER], slope[ORDER];
} cover;

static cover cover_axis(const pme *p, int i, int d) {
    const double *x = p->s->graph->position[i], *b = p->r->b[d];
    const double f = x[0]*b[0] + x[1]*b[1] + x[2]*b[2];
    const double u = (f - floor(f))*p->K[d], base = floor(u);
    cover c;
    for (int k = 0; k < ORDER; k++) {
        c.point[k] = ((int) base - k + p->K[d]) % p->K[d];
        c.value[k] = spline(ORDER, u - base + k);
        c.slope[k] = spline_slope(ORDER, u - base + k);
    }
    return c;
}

static size_t mesh_index(const pme *p, const cover c[3], const int k[3]) {
    size_t index = 0;
    for (int d = 0; d < 3; d++)
        index = index*(size_t) p->K[d] + (size_t) c[d].point[k[d]];
    return index;
}

/* for each of the mesh points that an atom covers */
#define FOR_POINTS(k)                                                                             \
    for (int k[3] = {0, 0, 0}; k[0] < ORDER; k[0]++)                                              \
        for (k[1] = 0; k[1] < ORDER; k[1]++)                                                      \
            for (k[2] = 0; k[2] < ORDER; k[2]++)

/* -------------------------------------------------------------------------------- mesh -- */

static mlff_status prepare(pme *p, double tolerance, ref_longrange_work *w, mlff_error *err) {
    static const char what[] = "PME mesh";
    mlff_pme_mesh(tolerance, p->r->ewald.alpha, p->s->graph->cell, p->K);
    MLFF_TRY(mlff_pme_check_mesh(tolerance, p->K, err));
    const size_t n_axes = (size_t) p->K[0] + (size_t) p->K[1] + (size_t) p->K[2];
    p->n_points = (size_t) p->K[0]*(size_t) p->K[1]*(size_t) p->K[2];
    MLFF_TRY(mlff_reserve((void **) &w->mesh, &w->mesh_room, p->n_points, sizeof *w->mesh,
                          what, err));
    MLFF_TRY(mlff_reserve((void **) &w->line, &w->line_room, 3*n_axes, sizeof *w->line, what, err));
    MLFF_TRY(mlff_reserve((void **) &w->modulus, &w->modulus_room, n_axes,
                          sizeof *w->modulus, what, err));
    p->own = p->all = w->mesh;
    p->line = w->line;
    if (p->s->exchange->sum) {
        MLFF_TRY(mlff_reserve((void **) &w->mesh_all, &w->mesh_all_room, p->n_points,
                              sizeof *w->mesh_all, what, err));
        p->all = w->mesh_all;
    }
    double *modulus = w->modulus;
    for (int d = 0; d < 3; d++) {
        p->modulus[d] = modulus;
        for (int m = 0; m < p->K[d]; m++)
            *modulus++ = spline_modulus(p->K[d], m);
    }
    return MLFF_OK;
}

static void spread_charges(const pme *p) {
    memset(p->own, 0, p->n_points*sizeof *p->own);
    for (int i = 0; i < p->s->graph->n_local; i++) {
        if (ref_region(p->s->graph, i) != p->r->region)
            continue;
        const cover c[3] = {cover_axis(p, i, 0), cover_axis(p, i, 1), cover_axis(p, i, 2)};
        FOR_POINTS(k)
            p->own[mesh_index(p, c, k)][0] += p->s->q[i]*c[0].value[k[0]]*c[1].value[k[1]]*
                                              c[2].value[k[2]];
    }
}

/*
 * out[m] = sum_g in[g step] root[m g step], m, g = 0 ... n-1, with the n step powers of the first
 * root: sums of every f-th value by themselves, then those of each m together.
 */
static void transform_line(int n, int step, const double (*in)[2], const double (*root)[2],
                           double (*out)[2]) {
    int f = 2;  // the smallest factor of n
    while (n > 1 && n % f != 0)
        f++;
    if (n == 1) {
        memcpy(out[0], in[0], sizeof out[0]);
        return;
    }
    const int part = n/f;
    for (int a = 0; a < f; a++)
        transform_line(part, f*step, in + a*step, root, out + a*part);
    for (int k = 0; k < part; k++) {
        double value[LARGEST_FACTOR][2];
        for (int a = 0; a < f; a++)
            memcpy(value[a], out[a*part + k], sizeof value[a]);
        for (int m = k; m < n; m += part) {
            double re = 0, im = 0;
            for (int a = 0; a < f; a++) {
                const double *w = root[a*m % n*step];
                re += value[a][0]*w[0] - value[a][1]*w[1];
                im += value[a][0]*w[1] + value[a][1]*w[0];
            }
            out[m][0] = re;
            out[m][1] = im;
        }
    }
}

/* All lines along an axis: `outer` blocks of n rows of `inner` values. */
static void transform_axis(const pme *p, int n, size_t outer, size_t inner, double (*mesh)[2],
                           int sign) {
    double (*in)[2] = p->line, (*out)[2] = p->line + n, (*root)[2] = p->line + 2*n;
    for (int g = 0; g < n; g++) {
        root[g][0] = cos(2*pi*g/n);
        root[g][1] = sign*sin(2*pi*g/n);
    }
    for (size_t a = 0; a < outer; a++)
        for (size_t b = 0; b < inner; b++) {
            double (*first)[2] = mesh + a*(size_t) n*inner + b;
            for (int g = 0; g < n; g++)
                memcpy(in[g], first[(size_t) g*inner], sizeof in[g]);
            transform_line(n, 1, (const double (*)[2]) in, (const double (*)[2]) root, out);
            for (int m = 0; m < n; m++)
                memcpy(first[(size_t) m*inner], out[m], sizeof out[m]);
        }
}

static void transform(const pme *p, double (*mesh)[2], int sign) {
    const size_t n0 = (size_t) p->K[0], n1 = (size_t) p->K[1], n2 = (size_t) p->K[2];
    transform_axis(p, p->K[0], 1, n1*n2, mesh, sign);
    transform_axis(p, p->K[1], n0, n2, mesh, sign);
    transform_axis(p, p->K[2], n0*n1, 1, mesh, sign);
}

/* The wave vector of mesh point m: the nearer of m and m - K along each axis. */
static void wave_vector(const pme *p, const int m[3], double k[3]) {
    k[0] = k[1] = k[2] = 0;
    for (int d = 0; d < 3; d++)
        for (int x = 0; x < 3; x++)
            k[x] += 2*pi*(2*m[d] <= p->K[d] ? m[d] : m[d] - p->K[d])*p->r->b[d][x];
}

/* The energy; F becomes w F, the potential's transform. */
static double convolve(const pme *p) {
    const double alpha = p->r->ewald.alpha, c = 4*pi*p->s->ke/p->r->ewald.volume;
    double energy = 0;
    size_t g = 0;
    int m[3];
    for (m[0] = 0; m[0] < p->K[0]; m[0]++)
        for (m[1] = 0; m[1] < p->K[1]; m[1]++)
            for (m[2] = 0; m[2] < p->K[2]; m[2]++, g++) {
                double k[3], w = 0;
                wave_vector(p, m, k);
                const double k2 = k[0]*k[0] + k[1]*k[1] + k[2]*k[2];
                if (g > 0) {  // k = 0 is the background's
                    w = c*exp(-k2/(4*alpha*alpha))/k2*p->modulus[0][m[0]]*p->modulus[1][m[1]]*
                        p->modulus[2][m[2]];
                    const double term = w/2*(p->own[g][0]*p->all[g][0] + p->own[g][1]*p->all[g][1]);
                    energy += term;
                    if (p->s->strain)
                        ref_reciprocal_strain(p->s->strain, k, alpha, term);
                }
                p->all[g][0] *= w;
                p->all[g][1] *= w;
            }
    return energy;
}

/* dE/dq_i is the mesh potential at the atom, the force its negative gradient times q_i. */
static void gather(const pme *p, int i) {
    const cover c[3] = {cover_axis(p, i, 0), cover_axis(p, i, 1), cover_axis(p, i, 2)};
    double potential = 0, slope[3] = {0};  // d(potential)/du
    FOR_POINTS(k) {
        const double v = p->all[mesh_index(p, c, k)][0];
        const double x = c[0].value[k[0]], y = c[1].value[k[1]], z = c[2].value[k[2]];
        potential += v*x*y*z;
        slope[0] += v*c[0].slope[k[0]]*y*z;
        slope[1] += v*x*c[1].slope[k[1]]*z;
        slope[2] += v*x*y*c[2].slope[k[2]];
    }
    if (p->s->gq)
        p->s->gq[i] += potential;
    for (int d = 0; p->s->force && d < 3; d++)
        for (int x = 0; x < 3; x++)
            p->s->force[i][x] -= p->s->q[i]*slope[d]*p->K[d]*p->r->b[d][x];
}

/* ------------------------------------------------------------------------------ driver -- */

mlff_status ref_pme_reciprocal(const ref_charges *s, const ref_reciprocal *r, double tolerance,
                               ref_longrange_work *work, double *energy, mlff_error *err) {
    pme p = {.s = s, .r = r};
    MLFF_TRY(prepare(&p, tolerance, work, err));
    spread_charges(&p);
    transform(&p, p.own, -1);
    if (p.all != p.own) {
        memcpy(p.all, p.own, p.n_points*sizeof *p.own);
        MLFF_TRY(mlff_exchange_sum(s->exchange, &p.all[0][0], 2*p.n_points, err));
    }
    *energy += convolve(&p);
    if (!s->gq && !s->force)
        return MLFF_OK;
    transform(&p, p.all, +1);
    for (int i = 0; i < s->graph->n_local; i++)
        if (ref_region(s->graph, i) == r->region)
            gather(&p, i);
    return MLFF_OK;
}
