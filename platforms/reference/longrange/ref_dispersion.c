/*
 * D3(BJ), two-body (engine/dispersion/mlff_dispersion.h), in atomic units: r = d/bohr.
 *   CN_i   = sum_j n_ij,  n = 1/(1 + exp(-16 ((rcov_i + rcov_j)/r - 1)))
 *   C6_ij  = sum_ref w c6ref / sum_ref w,  w = exp(-4 [(CN_i - cnref_i)^2 + (CN_j - cnref_j)^2])
 *   R0     = a1 sqrt(3 r4r2_i r4r2_j) + a2
 *   D(r)   = s6/(r^6 + R0^6) + s8 3 r4r2_i r4r2_j/(r^8 + R0^8)
 *   E      = -1/2 Hartree sum over directed pairs of C6 D sw
 * sw is the switch 1 - (10 t^3 - 15 t^4 + 6 t^5) between dispersion_on and dispersion_cutoff.
 */
#include "ref_longrange_private.h"

#include <math.h>
#include <string.h>

enum { N_REF = MLFF_D3_REFERENCES };

static const double counting_steepness = 16;    // k1 of the paper
static const double weight_steepness = 4;       // -k3
static const double smallest_exponent = -12;    // references this far below the best are dropped

typedef struct dispersion {
    const mlff_longrange *lr;
    const mlff_dispersion_table *table;
    const mlff_graph *graph;
    const mlff_pairs *pairs;
    double *cn, *grad_cn;
    double (*force)[3];
    double *strain;
} dispersion;

static int table_row(const dispersion *s, int i) {
    return s->table->row[s->graph->species[i]];
}

static double length(const double R[3]) {
    return sqrt(R[0]*R[0] + R[1]*R[1] + R[2]*R[2]);
}

/* ---------------------------------------------------------------- coordination numbers -- */

/* n_ij and its derivative with respect to d, 1/angstrom. */
static double count_neighbor(const dispersion *s, int i, int j, double d, double *slope) {
    const double rcov = s->table->rcov[table_row(s, i)] + s->table->rcov[table_row(s, j)];
    const double ratio = rcov*MLFF_BOHR/d;
    const double n = 1/(1 + exp(-counting_steepness*(ratio - 1)));
    *slope = -counting_steepness*n*(1 - n)*ratio/d;
    return n;
}

static void coordination_forward(const dispersion *s) {
    for (int i = 0; i < s->graph->n_local; i++) {
        s->cn[i] = 0;
        for (int p = s->pairs->first[i]; p < s->pairs->first[i+1]; p++) {
            const double d = length(s->pairs->rij[p]);
            double slope;
            if (d < s->lr->dispersion_list)
                s->cn[i] += count_neighbor(s, i, s->pairs->neighbor[p], d, &slope);
        }
    }
}

static void coordination_backward(const dispersion *s) {
    for (int i = 0; i < s->graph->n_local; i++)
        for (int p = s->pairs->first[i]; p < s->pairs->first[i+1]; p++) {
            const int j = s->pairs->neighbor[p];
            const double d = length(s->pairs->rij[p]);
            double slope;
            if (!(d < s->lr->dispersion_list))
                continue;
            count_neighbor(s, i, j, d, &slope);
            ref_pair_force(s->force, s->strain, i, j, s->pairs->rij[p], s->grad_cn[i]*slope/d);
        }
}

/* ----------------------------------------------------------------------- coefficients -- */

/* Exponents of the weights; returns the largest. Unused references get -infinity. */
static double weight_exponents(const double *c6ref, const double *cnref_i, const double *cnref_j,
                               double cn_i, double cn_j, double exponent[N_REF][N_REF]) {
    double largest = -INFINITY;
    for (int p = 0; p < N_REF; p++)
        for (int s = 0; s < N_REF; s++) {
            exponent[p][s] = -INFINITY;
            if (c6ref[p*N_REF + s] == 0)
                continue;
            const double di = cn_i - cnref_i[p*N_REF + s];
            const double dj = cn_j - cnref_j[s*N_REF + p];
            exponent[p][s] = -weight_steepness*(di*di + dj*dj);
            largest = fmax(largest, exponent[p][s]);
        }
    return largest;
}

/* C6 of a pair, Hartree bohr^6, and its derivatives by both coordination numbers:
   dC6/dCN_i = -8 [<c6 (CN_i - cnref)> - C6 <CN_i - cnref>], <> weighted means. */
static double pair_c6(const dispersion *s, int i, int j, double *dci, double *dcj) {
    const size_t n = (size_t) s->table->n, ri = (size_t) table_row(s, i),
                 rj = (size_t) table_row(s, j), block = N_REF*N_REF;
    const double *c6ref = s->table->c6ref + (ri*n + rj)*block;
    const double *cnref_i = s->table->cnref + (ri*n + rj)*block;
    const double *cnref_j = s->table->cnref + (rj*n + ri)*block;
    double exponent[N_REF][N_REF];
    const double largest = weight_exponents(c6ref, cnref_i, cnref_j, s->cn[i], s->cn[j], exponent);

    double sum = 0, c6 = 0, mean_i = 0, mean_j = 0, c6_i = 0, c6_j = 0;
    for (int p = 0; p < N_REF; p++)
        for (int q = 0; q < N_REF; q++) {
            if (!(exponent[p][q] - largest >= smallest_exponent))
                continue;
            const double w = exp(exponent[p][q] - largest), c = c6ref[p*N_REF + q];
            const double di = s->cn[i] - cnref_i[p*N_REF + q];
            const double dj = s->cn[j] - cnref_j[q*N_REF + p];
            sum += w;
            c6 += w*c;
            mean_i += w*di;
            mean_j += w*dj;
            c6_i += w*c*di;
            c6_j += w*c*dj;
        }
    c6 /= sum;
    *dci = -2*weight_steepness*(c6_i - c6*mean_i)/sum;
    *dcj = -2*weight_steepness*(c6_j - c6*mean_j)/sum;
    return c6;
}

/* ------------------------------------------------------------------------------- pairs -- */

/* sw(d); *slope its derivative, 1/angstrom. */
static double switching(const mlff_longrange *lr, double d, double *slope) {
    const double width = lr->dispersion_cutoff - lr->dispersion_on;
    const double t = fmin(fmax((d - lr->dispersion_on)/width, 0), 1);
    *slope = -30*t*t*(1 - t)*(1 - t)/width;
    return 1 - t*t*t*(10 - 15*t + 6*t*t);
}

/* D(r) sw(r), atomic units; *slope its derivative with respect to d, 1/angstrom. */
static double damped(const dispersion *s, int i, int j, double d, double *slope) {
    const mlff_dispersion_damping *p = &s->lr->model.damping;
    const double rr = 3*s->table->r4r2[table_row(s, i)]*s->table->r4r2[table_row(s, j)];
    const double r0 = p->a1*sqrt(rr) + p->a2, r = d/MLFF_BOHR;
    const double r2 = r*r, r6 = r2*r2*r2, r8 = r6*r2;
    const double r02 = r0*r0, r06 = r02*r02*r02, r08 = r06*r02;
    const double e6 = p->s6/(r6 + r06), e8 = p->s8*rr/(r8 + r08);
    const double dD = -(6*r6/(r6 + r06)*e6 + 8*r8/(r8 + r08)*e8)/d;

    double dsw;
    const double sw = switching(s->lr, d, &dsw);
    *slope = dD*sw + (e6 + e8)*dsw;
    return (e6 + e8)*sw;
}

static double pair_energies(const dispersion *s) {
    const double c = -0.5*MLFF_HARTREE;
    double energy = 0;
    for (int i = 0; i < s->graph->n_local; i++)
        for (int p = s->pairs->first[i]; p < s->pairs->first[i+1]; p++) {
            const int j = s->pairs->neighbor[p];
            const double d = length(s->pairs->rij[p]);
            if (!(d < s->lr->dispersion_cutoff))
                continue;
            double dci, dcj, slope;
            const double c6 = pair_c6(s, i, j, &dci, &dcj), D = damped(s, i, j, d, &slope);
            energy += c*c6*D;
            if (!s->force)
                continue;
            s->grad_cn[i] += c*dci*D;
            s->grad_cn[j] += c*dcj*D;
            ref_pair_force(s->force, s->strain, i, j, s->pairs->rij[p], c*c6*slope/d);
        }
    return energy;
}

/* ------------------------------------------------------------------------------ driver -- */

static mlff_status check_elements(const dispersion *s, mlff_error *err) {
    for (int i = 0; i < s->graph->n_all; i++)
        if (table_row(s, i) < 0)
            return mlff_fail(err, MLFF_ERROR_ELEMENT, "atom %d: the dispersion table has no data "
                             "of atomic number %d", i, s->graph->species[i]);
    return MLFF_OK;
}

static mlff_status exchange_result(int answer, const char *what, mlff_error *err) {
    return answer == 0 ? MLFF_OK :
        mlff_fail(err, MLFF_ERROR_ARGUMENT, "the exchange of %s answered %d and so stopped the "
                  "evaluation", what, answer);
}

mlff_status ref_dispersion(const mlff_longrange *lr, ref_longrange_work *work,
                           const mlff_graph *graph, const mlff_exchange *exchange,
                           double (*force)[3], double *strain, double *energy, mlff_error *err) {
    const size_t n = (size_t) graph->n_all;
    MLFF_TRY(mlff_reserve((void **) &work->cn, &work->cn_room, n, sizeof *work->cn,
                          "coordination numbers", err));
    MLFF_TRY(mlff_reserve((void **) &work->grad_cn, &work->grad_cn_room, n,
                          sizeof *work->grad_cn, "coordination numbers", err));
    const dispersion s = {.lr = lr, .table = lr->model.table, .graph = graph,
                          .pairs = &graph->long_range, .cn = work->cn, .grad_cn = work->grad_cn,
                          .force = force, .strain = strain};
    MLFF_TRY(check_elements(&s, err));

    coordination_forward(&s);
    if (exchange->forward)
        MLFF_TRY(exchange_result(exchange->forward(exchange->ctx, MLFF_FLOAT64, s.cn, 1),
                                 "coordination numbers", err));
    memset(s.grad_cn, 0, n*sizeof *s.grad_cn);
    *energy = pair_energies(&s);
    if (!force)
        return MLFF_OK;
    if (exchange->reverse)
        MLFF_TRY(exchange_result(exchange->reverse(exchange->ctx, MLFF_FLOAT64, s.grad_cn, 1),
                                 "coordination gradients", err));
    coordination_backward(&s);
    return MLFF_OK;
}
