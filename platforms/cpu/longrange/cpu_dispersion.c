/*
 * D3(BJ) atom by atom. The reference coordination numbers of an element are the same whatever its
 * partner in the published table, so the weight of a pair of references is a product of one weight of
 * each atom; see cpu_dispersion in cpu_kernels.h, also for tables where they are not.
 */
#include "cpu_longrange.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_REF = CPU_D3_REFERENCES, RECORD = CPU_D3_RECORD };

static const double weight_steepness = 4, smallest_exponent = -12;

/* cnref[i][j][p][s] = cn[i][p] for all j, s, wherever c6ref is not 0, and c6ref is 0 exactly where
   one of the two references is unused. */
static bool factorise(const mlff_dispersion_table *t, double *cn) {
    const size_t n = (size_t) t->n;
    for (size_t k = 0; k < n * N_REF; k++)
        cn[k] = INFINITY;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n * N_REF * N_REF; k++) {
            const size_t p = k / N_REF % N_REF, at = i * n * N_REF * N_REF + k;
            double *mine = &cn[i * N_REF + p];
            if (t->c6ref[at] == 0)
                continue;
            if (isfinite(*mine) && *mine != t->cnref[at])
                return false;
            *mine = t->cnref[at];
        }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            for (size_t p = 0; p < N_REF; p++)
                for (size_t s = 0; s < N_REF; s++) {
                    const bool used = isfinite(cn[i * N_REF + p]) && isfinite(cn[j * N_REF + s]);
                    if (used != (t->c6ref[((i * n + j) * N_REF + p) * N_REF + s] != 0))
                        return false;
                }
    return true;
}

mlff_status cpu_dispersion_new(cpu_longrange *work, mlff_error *err) {
    const mlff_dispersion_table *table = work->model->table;
    if (!table)
        return MLFF_OK;
    work->cnref = malloc((size_t) table->n * N_REF * sizeof *work->cnref + 1);
    if (!work->cnref)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for the dispersion table");
    if (!factorise(table, work->cnref)) {
        free(work->cnref);
        work->cnref = NULL;
    }
    return MLFF_OK;
}

/* Kinds of the atoms, and the part of the table that they need. */
mlff_status cpu_dispersion_prepare(cpu_longrange *work, const mlff_graph *graph, mlff_error *err) {
    const mlff_dispersion_table *table = work->model->table;
    int kind_of[MLFF_D3_MAX_Z + 1], row_of[MLFF_D3_MAX_Z + 1], n_kinds = 0;
    for (int k = 0; k < table->n; k++)
        kind_of[k] = -1;
    for (int i = 0; i < graph->n_all; i++) {
        const int row = table->row[graph->species[i]];
        if (row < 0)
            return mlff_fail(err, MLFF_ERROR_ELEMENT, "atom %d: the dispersion table has no data "
                             "of atomic number %d", i, graph->species[i]);
        if (kind_of[row] < 0) {
            row_of[n_kinds] = row;
            kind_of[row] = n_kinds++;
        }
        work->kind[i] = kind_of[row];
        work->rcov[i] = (float) table->rcov[row];
    }
    const size_t block = N_REF * N_REF;
    for (int a = 0; a < n_kinds; a++)
        for (int b = 0; b < n_kinds; b++)
            for (size_t k = 0; k < block; k++) {
                const size_t to = ((size_t) a * n_kinds + b) * block + k;
                const size_t from = ((size_t) row_of[a] * table->n + row_of[b]) * block + k;
                work->c6ref[to] = (float) table->c6ref[from];
                if (work->pair_cnref)
                    work->pair_cnref[to] = (float) table->cnref[from];
            }
    const mlff_dispersion_damping *damping = &work->model->damping;
    work->d3 = (cpu_dispersion) {
        .s6 = (float) damping->s6, .s8 = (float) damping->s8, .a1 = (float) damping->a1,
        .a2 = (float) damping->a2, .bohr = (float) MLFF_BOHR,
        .on = (float) work->lr.dispersion_on, .cutoff = (float) work->lr.dispersion_cutoff,
        .list = (float) work->lr.dispersion_list, .smallest = (float) exp(smallest_exponent),
        .n_atoms = graph->n_all, .n_kinds = n_kinds, .kind = work->kind, .rcov = work->rcov,
        .record = work->record, .w = work->w, .offset = work->offset, .weight = work->weight,
        .slope = work->slope, .c6ref = work->c6ref, .cn = work->cn, .cnref = work->pair_cnref,
    };
    return MLFF_OK;
}

/* w, offset, weight, slope of atom i from its coordination number; returns the smallest w. */
static double weigh_references(const cpu_longrange *work, const double *cnref, size_t i) {
    const double cn = work->cn[i];
    double exponent[N_REF], w[N_REF], largest = -INFINITY, sum = 0, mean = 0, smallest = 1;
    for (int p = 0; p < N_REF; p++) {
        exponent[p] = -weight_steepness * (cn - cnref[p]) * (cn - cnref[p]);
        largest = fmax(largest, exponent[p]);
    }
    for (int p = 0; p < N_REF; p++) {
        w[p] = exponent[p] - largest >= smallest_exponent ? exp(exponent[p] - largest) : 0;
        sum += w[p];
        if (w[p] > 0) {
            mean += w[p] * (cn - cnref[p]);
            smallest = fmin(smallest, w[p]);
        }
    }
    mean /= sum;
    for (size_t p = 0; p < RECORD; p++) {
        const size_t at = i * RECORD + p;
        const bool used = p < N_REF && w[p] > 0;
        const double offset = used ? cn - cnref[p] : 0;
        work->w[at] = used ? (float) w[p] : 0;
        work->offset[at] = (float) offset;
        work->weight[at] = used ? (float) (w[p] / sum) : 0;
        work->slope[at] = used ? (float) (-2 * weight_steepness * w[p] / sum * (offset - mean)) : 0;
    }
    return smallest;
}

void cpu_dispersion_atom(cpu_longrange *work, const mlff_graph *graph, int i) {
    const mlff_dispersion_table *table = work->model->table;
    const int row = table->row[graph->species[i]], n_kinds = work->d3.n_kinds;
    double smallest = 1;
    if (work->cnref)
        smallest = weigh_references(work, work->cnref + (size_t) row * N_REF, (size_t) i);
    const float *weight = work->weight + (size_t) i * RECORD;
    for (int a = 0; a < n_kinds; a++) {
        const float *c6ref = work->c6ref + ((size_t) a * n_kinds + work->kind[i]) * N_REF * N_REF;
        float *record = work->record + ((size_t) a * graph->n_all + i) * RECORD;
        for (int p = 0; p < N_REF; p++) {
            record[p] = 0;
            for (int s = 0; work->cnref && s < N_REF; s++)
                record[p] += weight[s] * c6ref[p * N_REF + s];
        }
        record[5] = (float) sqrt(sqrt(3.0) * table->r4r2[row]);
        record[6] = work->q[i];
        record[7] = (float) smallest;
    }
}
