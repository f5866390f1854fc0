/*
 * Reciprocal sum of one region by smooth particle mesh Ewald (Essmann et al., J. Chem. Phys. 103,
 * 8577 (1995)) with B-splines M_5:
 *   Q(g) = sum_i q_i M5(u_i1 - g1) M5(u_i2 - g2) M5(u_i3 - g3),  u = K x.b
 *   |S(k)|^2 = B(m) |F(m)|^2,  F the Fourier transform of Q,  B = product of 1/|b|^2 per axis
 */
#include "host_reciprocal_private.h"

#include <math.h>
#include <string.h>

enum { ORDER = 5 };

static const double pi = 3.14159265358979323846;

/* One axis of one atom. */
typedef struct spline {
    int point[ORDER];      // mesh points it covers
    double value[ORDER];
    double slope[ORDER];   // d(value)/du
} spline;

/* One region's mesh. */
typedef struct pme {
    const host_charges *s;
    const host_region_sum *r;
    int K[3];
    size_t n_points;
    double (*own)[2], (*all)[2];  // the same array in one process
    const double *modulus[3];     // 1/|b|^2
    double (*line)[2];
} pme;

/* ----------------------------------------------------------------------------- splines -- */

/* value[k] = M_n(w + k), k = 0 ... n-1, from value[] of order n - 1 (Essmann, eq. 3.3). */
static void raise_order(int n, double w, double *value) {
    value[n-1] = 0;
    for (int k = n - 1; k >= 0; k--) {
        const double u = w + k, left = k > 0 ? value[k-1] : 0;
        value[k] = (u*value[k] + (n - u)*left)/(n - 1);
    }
}

/* u in units of mesh points, 0 <= u < K. */
static spline make_spline(double u, int K) {
    spline b;
    const int base = (int) u;
    const double w = u - base;
    b.value[0] = w;
    b.value[1] = 1 - w;
    for (int n = 3; n < ORDER; n++)
        raise_order(n, w, b.value);
    for (int k = 0; k < ORDER; k++)  // M_n'(u) = M_{n-1}(u) - M_{n-1}(u - 1)
        b.slope[k] = (k < ORDER - 1 ? b.value[k] : 0) - (k > 0 ? b.value[k-1] : 0);
    raise_order(ORDER, w, b.value);
    for (int k = 0; k < ORDER; k++)
        b.point[k] = (base - k + K) % K;
    return b;
}

static void atom_splines(const pme *p, int i, spline b[3]) {
    const double *x = p->s->graph->position[i];
    for (int d = 0; d < 3; d++) {
        const double *row = p->r->b[d];
        double fraction = row[0]*x[0] + row[1]*x[1] + row[2]*x[2];
        fraction -= floor(fraction);
        const double u = fraction*p->K[d];
        b[d] = make_spline(u < p->K[d] ? u : 0, p->K[d]);  // a fraction can round to 1
    }
}

/* 1/|b(m)|^2 of one axis; 0 at m = K/2 of an even mesh, a wave that odd splines cannot hold. */
static void spline_modulus(int K, double *modulus) {
    const spline b = make_spline(0, K);  // value[k] = M_5(k)
    for (int m = 0; m < K; m++) {
        double re = 0, im = 0;
        for (int k = 1; k < ORDER; k++) {
            re += b.value[k]*cos(2*pi*m*(k - 1)/K);
            im += b.value[k]*sin(2*pi*m*(k - 1)/K);
        }
        modulus[m] = 2*m == K ? 0 : 1/(re*re + im*im);
    }
}

/* -------------------------------------------------------------------------------- mesh -- */

static mlff_status prepare(pme *p, double tolerance, host_reciprocal *w, mlff_error *err) {
    mlff_pme_mesh(tolerance, p->r->ewald.alpha, p->s->graph->cell, p->K);
    MLFF_TRY(mlff_pme_check_mesh(tolerance, p->K, err));
    p->n_points = (size_t) p->K[0]*(size_t) p->K[1]*(size_t) p->K[2];

    static const char what[] = "PME mesh";
    const size_t n_axes = (size_t) p->K[0] + (size_t) p->K[1] + (size_t) p->K[2];
    MLFF_TRY(mlff_reserve((void **) &w->mesh, &w->mesh_room, p->n_points, sizeof *w->mesh,
                          what, err));
    MLFF_TRY(mlff_reserve((void **) &w->line, &w->line_room, 2*n_axes, sizeof *w->line, what, err));
    MLFF_TRY(mlff_reserve((void **) &w->modulus, &w->modulus_room, n_axes,
                          sizeof *w->modulus, what, err));
    p->own = p->all = w->mesh;
    if (p->s->exchange && p->s->exchange->sum) {
        MLFF_TRY(mlff_reserve((void **) &w->mesh_all, &w->mesh_all_room, p->n_points,
                              sizeof *w->mesh_all, what, err));
        p->all = w->mesh_all;
    }
    p->line = w->line;
    double *modulus = w->modulus;
    for (int d = 0; d < 3; d++) {
        spline_modulus(p->K[d], modulus);
        p->modulus[d] = modulus;
        modulus += p->K[d];
    }
    return MLFF_OK;
}

static size_t mesh_index(const pme *p, const spline b[3], int k0, int k1) {
    return ((size_t) b[0].point[k0]*(size_t) p->K[1] + (size_t) b[1].point[k1])*(size_t) p->K[2];
}

static void spread_charges(const pme *p) {
    memset(p->own, 0, p->n_points*sizeof *p->own);
    for (int i = 0; i < p->s->graph->n_local; i++) {
        if (!host_is_member(p->s, p->r, i))
            continue;
        spline b[3];
        atom_splines(p, i, b);
        for (int k0 = 0; k0 < ORDER; k0++)
            for (int k1 = 0; k1 < ORDER; k1++) {
                double (*row)[2] = p->own + mesh_index(p, b, k0, k1);
                const double q = p->s->q[i]*b[0].value[k0]*b[1].value[k1];
                for (int k2 = 0; k2 < ORDER; k2++)
                    row[b[2].point[k2]][0] += q*b[2].value[k2];
            }
    }
}

/* m or m - K, whichever is nearer to 0. */
static int centered(int m, int K) {
    return 2*m <= K ? m : m - K;
}

/*
 * With w = 2c exp(-k^2/(4 alpha^2))/k^2 B, the energy is sum_m w/2 conj(F_own) F, and the
 * potential's transform w F replaces F. Terms at k = 0 are left out.
 */
static double convolve(const pme *p) {
    const double c = 2*pi*p->s->ke/p->r->ewald.volume, alpha = p->r->ewald.alpha;
    double energy = 0;
    size_t g = 0;
    for (int m0 = 0; m0 < p->K[0]; m0++)
        for (int m1 = 0; m1 < p->K[1]; m1++)
            for (int m2 = 0; m2 < p->K[2]; m2++, g++) {
                const int m[3] = {centered(m0, p->K[0]), centered(m1, p->K[1]),
                                  centered(m2, p->K[2])};
                double k[3] = {0}, w = 0;
                for (int d = 0; d < 3; d++)
                    for (int x = 0; x < 3; x++)
                        k[x] += 2*pi*m[d]*p->r->b[d][x];
                if (g > 0) {
                    const double k2 = k[0]*k[0] + k[1]*k[1] + k[2]*k[2];
                    w = 2*c*exp(-k2/(4*alpha*alpha))/k2*p->modulus[0][m0]*p->modulus[1][m1]*
                        p->modulus[2][m2];
                    const double *own = p->own[g], *all = p->all[g];
                    const double term = w/2*(own[0]*all[0] + own[1]*all[1]);
                    energy += term;
                    if (p->s->strain)
                        host_reciprocal_strain(p->s->strain, k, alpha, term);
                }
                p->all[g][0] *= w;
                p->all[g][1] *= w;
            }
    return energy;
}

/* dE/dq_i is the mesh potential at the atom, the force its negative gradient times q_i. */
static void gather(const pme *p, int i) {
    spline b[3];
    atom_splines(p, i, b);
    double potential = 0, slope[3] = {0};  // d(potential)/du
    for (int k0 = 0; k0 < ORDER; k0++)
        for (int k1 = 0; k1 < ORDER; k1++) {
            double (*row)[2] = p->all + mesh_index(p, b, k0, k1);
            double line = 0, line_slope = 0;
            for (int k2 = 0; k2 < ORDER; k2++) {
                line += b[2].value[k2]*row[b[2].point[k2]][0];
                line_slope += b[2].slope[k2]*row[b[2].point[k2]][0];
            }
            potential += b[0].value[k0]*b[1].value[k1]*line;
            slope[0] += b[0].slope[k0]*b[1].value[k1]*line;
            slope[1] += b[0].value[k0]*b[1].slope[k1]*line;
            slope[2] += b[0].value[k0]*b[1].value[k1]*line_slope;
        }
    if (p->s->grad_q)
        p->s->grad_q[i] += potential;
    for (int d = 0; p->s->force && d < 3; d++)
        for (int x = 0; x < 3; x++)
            p->s->force[i][x] -= p->s->q[i]*slope[d]*p->K[d]*p->r->b[d][x];
}

/* ------------------------------------------------------------------------------ driver -- */

mlff_status host_pme_add(const host_charges *s, const host_region_sum *r, double tolerance,
                         host_reciprocal *work, double *energy, mlff_error *err) {
    pme p = {.s = s, .r = r};
    MLFF_TRY(prepare(&p, tolerance, work, err));
    spread_charges(&p);
    host_fft(p.K, p.own, -1, p.line);
    if (p.all != p.own) {
        memcpy(p.all, p.own, p.n_points*sizeof *p.own);
        MLFF_TRY(mlff_exchange_sum(s->exchange, &p.all[0][0], 2*p.n_points, err));
    }
    *energy += convolve(&p);
    if (!s->grad_q && !s->force)
        return MLFF_OK;
    host_fft(p.K, p.all, +1, p.line);
    for (int i = 0; i < s->graph->n_local; i++)
        if (host_is_member(s, r, i))
            gather(&p, i);
    return MLFF_OK;
}
