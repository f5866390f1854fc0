/* Everything that a host can get wrong about a graph, refused once for all platforms. */
#include "mlff_graph.h"
#include "mlff_box.h"
#include "mlff_model_private.h"
#include "mlff_overlap.h"

#include <float.h>
#include <math.h>

static mlff_status check_counts(const mlff_graph *g, mlff_error *err) {
    if (g->n_local < 0 || g->n_all < g->n_local)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "n_local = %d and n_all = %d: expected 0 <= "
                         "n_local <= n_all", g->n_local, g->n_all);
    return MLFF_OK;
}

static mlff_status check_species(const mlff_model *model, const mlff_graph *g, mlff_error *err) {
    if (g->n_all > 0 && !g->species)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the graph's species is NULL");
    for (int i = 0; i < g->n_all; i++) {
        const int z = g->species[i];
        if (z >= 1 && z <= MLFF_N_ELEMENTS && model->knows_element[z])
            continue;
        mlff_error why;
        mlff_model_check_element(model, z, &why);
        return mlff_fail(err, MLFF_ERROR_ELEMENT, "atom %d: %s", i, why.message);
    }
    return MLFF_OK;
}

static mlff_status check_rows(const mlff_model_info *info, const mlff_graph *g, mlff_error *err) {
    if (!g->n_row)
        return MLFF_OK;
    if (g->n_layers != info->n_layers)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "n_row has n_layers = %d entries, but the model "
                         "has %d layers", g->n_layers, info->n_layers);
    for (int l = 0; l < g->n_layers; l++) {
        if (g->n_row[l] < g->n_local || g->n_row[l] > g->n_all)
            return mlff_fail(err, MLFF_ERROR_ARGUMENT, "n_row[%d] = %d, expected n_local = %d ... "
                             "n_all = %d", l, g->n_row[l], g->n_local, g->n_all);
        if (l > 0 && g->n_row[l] > g->n_row[l - 1])
            return mlff_fail(err, MLFF_ERROR_ARGUMENT, "n_row[%d] = %d is larger than n_row[%d] = "
                             "%d: the rows must not increase", l, g->n_row[l], l - 1,
                             g->n_row[l - 1]);
    }
    return MLFF_OK;
}

/* first starts at 0 and never falls. */
static mlff_status check_first(const char *name, const mlff_pairs *p, int n_all, mlff_error *err) {
    if (!p->first)
        return n_all == 0 ? MLFF_OK :
            mlff_fail(err, MLFF_ERROR_ARGUMENT, "the %s pairs' first is NULL", name);
    if (p->first[0] != 0)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the %s pairs' first[0] is %d, expected 0", name,
                         p->first[0]);
    for (int i = 0; i < n_all; i++)
        if (p->first[i + 1] < p->first[i])
            return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the %s pairs' first falls from %d to %d "
                             "behind row %d: it must not decrease", name, p->first[i],
                             p->first[i + 1], i);
    if (p->first[n_all] > 0 && (!p->neighbor || !p->rij))
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the %s pairs' %s is NULL", name,
                         p->neighbor ? "rij" : "neighbor");
    return MLFF_OK;
}

/* What is wrong about pair k of row i. */
static mlff_status fail_pair(const char *name, const mlff_pairs *p, int i, int k, int n_all,
                             double cutoff, mlff_error *err) {
    const int j = p->neighbor[k];
    const double *r = p->rij[k], d = sqrt(r[0]*r[0] + r[1]*r[1] + r[2]*r[2]);
    if (j < 0 || j >= n_all)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "%s pair %d of atom %d: neighbor %d, expected "
                         "0 ... %d", name, k, i, j, n_all - 1);
    if (!isfinite(d))
        return mlff_fail(err, MLFF_ERROR_NUMBER, "%s pair %d, atoms %d <- %d: its vector (%g, %g, "
                         "%g) is not finite", name, k, i, j, r[0], r[1], r[2]);
    if (d == 0)
        return mlff_fail(err, MLFF_ERROR_NUMBER, "%s pair %d, atoms %d <- %d: its length is 0: "
                         "two atoms at the same place?", name, k, i, j);
    return mlff_fail(err, MLFF_ERROR_ARGUMENT, "%s pair %d, atoms %d <- %d: its length of %.9g "
                     "angstrom exceeds the model's cutoff of %.9g: leave longer pairs out", name, k,
                     i, j, d, cutoff);
}

/* Whether the neighbors of pairs k0 ... k1-1 exist and the squares of their lengths are above least
   and at most largest. No branches: they are many and good. */
static bool are_good(const mlff_pairs *p, int k0, int k1, int n_all, double least,
                     double largest) {
    bool bad = false;
    for (int k = k0; k < k1; k++) {
        const double *r = p->rij[k], d2 = r[0]*r[0] + r[1]*r[1] + r[2]*r[2];
        bad |= (p->neighbor[k] < 0) | (p->neighbor[k] >= n_all) | !(d2 > least) | !(d2 <= largest);
    }
    return !bad;
}

static mlff_status fail_overlap(const mlff_graph *g, const mlff_overlap *o, mlff_error *err) {
    return mlff_fail(err, MLFF_ERROR_OVERLAP, "atoms %d (%s) and %d (%s) are %.3f A apart: they "
                     "overlap, and no model was made for less than %g of the sum of their covalent "
                     "radii (%.2f A)", o->first, mlff_element_symbol(g->species[o->first]),
                     o->second, mlff_element_symbol(g->species[o->second]), o->distance,
                     MLFF_OVERLAP_SHARE, o->radii);
}

static double largest_radius(const mlff_graph *g) {
    double largest = 0;
    for (int i = 0; i < g->n_all; i++)
        largest = fmax(largest, mlff_covalent_radius(g->species[i]));
    return largest;
}

/*
 * Neighbors in range, lengths finite, not 0, and at most the cutoff (with room for rounding); on
 * request no overlaps. The length below which atom i may overlap with a neighbor of any element
 * sorts out all rows but a few, at no cost.
 */
static mlff_status check_pairs(const char *name, const mlff_graph *g, const mlff_pairs *p,
                               double cutoff, bool refuse_overlaps, mlff_error *err) {
    const int n_all = g->n_all;
    MLFF_TRY(check_first(name, p, n_all, err));
    if (!p->first)
        return MLFF_OK;
    const double largest = fmin(cutoff*cutoff*(1 + 1e-5), DBL_MAX);
    const double radius = refuse_overlaps ? largest_radius(g) : 0;
    mlff_overlap worst = MLFF_NO_OVERLAP;
    for (int i = 0; i < n_all; i++) {
        const double touch = refuse_overlaps ?
            MLFF_OVERLAP_SHARE*(mlff_covalent_radius(g->species[i]) + radius) : 0;
        if (are_good(p, p->first[i], p->first[i + 1], n_all, touch*touch, largest))
            continue;
        for (int k = p->first[i]; k < p->first[i + 1]; k++)
            if (!are_good(p, k, k + 1, n_all, 0, largest))
                return fail_pair(name, p, i, k, n_all, cutoff, err);
        mlff_overlap_find_in_row(p, i, g->species, &worst);
    }
    return worst.first < 0 ? MLFF_OK : fail_overlap(g, &worst, err);
}

/*
 * Ghosts that nobody refreshes between the layers must be computed here: a row of layer l reads
 * what layer l - 1 made of its neighbors.
 */
static mlff_status check_ghosts(const mlff_graph *g, int n_layers, const mlff_exchange *exchange,
                                mlff_error *err) {
    if (g->n_all == g->n_local || (exchange && exchange->forward))
        return MLFF_OK;
    for (int l = 1; l < n_layers; l++) {
        const int n_row = g->n_row ? g->n_row[l] : g->n_local;
        const int n_known = g->n_row ? g->n_row[l - 1] : g->n_local;
        const int n_pairs = g->message.first[n_row];
        for (int k = 0; k < n_pairs; k++)
            if (g->message.neighbor[k] >= n_known)
                return mlff_fail(err, MLFF_ERROR_ARGUMENT, "layer %d reads ghost %d, but only the "
                                 "first %d rows are computed in layer %d: enlarge n_row or give "
                                 "exchange callbacks", l, g->message.neighbor[k], n_known, l - 1);
    }
    return MLFF_OK;
}

static mlff_status check_regions(const mlff_graph *g, mlff_error *err) {
    if (g->n_regions < 1)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "n_regions = %d, expected at least 1",
                         g->n_regions);
    for (int i = 0; g->region && i < g->n_all; i++)
        if (g->region[i] < 0 || g->region[i] >= g->n_regions)
            return mlff_fail(err, MLFF_ERROR_ARGUMENT, "atom %d is in region %d, expected 0 ... %d",
                             i, g->region[i], g->n_regions - 1);
    return MLFF_OK;
}

static mlff_status check_charges(const mlff_model_info *info, const mlff_graph *g,
                                 mlff_error *err) {
    for (int k = 0; k < g->n_regions; k++) {
        const double charge = g->total_charge ? g->total_charge[k] : 0;
        const double multiplicity = g->multiplicity ? g->multiplicity[k] : 1;
        if (!isfinite(charge))
            return mlff_fail(err, MLFF_ERROR_CHARGE, "region %d: its total charge %g is not finite",
                             k, charge);
        if (!info->has_charges && charge != 0)
            return mlff_fail(err, MLFF_ERROR_CHARGE, "region %d: its total charge is %g e, but "
                             "%s models have no charges, so it would have no effect: expected 0",
                             k, charge, info->display_name);
        if (!(isfinite(multiplicity) && multiplicity >= 1))
            return mlff_fail(err, MLFF_ERROR_CHARGE, "region %d: its multiplicity is %g, expected "
                             "2S+1 of at least 1", k, multiplicity);
        if (!info->has_spin && multiplicity != 1)
            return mlff_fail(err, MLFF_ERROR_CHARGE, "region %d: its multiplicity is %g, but this "
                             "%s model does not know spin, so it would have no effect: expected 1",
                             k, multiplicity, info->display_name);
    }
    return MLFF_OK;
}

static mlff_status check_cell(const mlff_graph *g, mlff_error *err) {
    mlff_box box;
    return g->cell ? mlff_box_measure(g->cell, &box, err) : MLFF_OK;
}

static mlff_status check_positions(const mlff_graph *g, mlff_error *err) {
    for (int i = 0; g->position && i < g->n_all; i++) {
        const double *x = g->position[i];
        if (!isfinite(x[0]) || !isfinite(x[1]) || !isfinite(x[2]))
            return mlff_fail(err, MLFF_ERROR_NUMBER, "atom %d: its position (%g, %g, %g) is not "
                             "finite", i, x[0], x[1], x[2]);
    }
    return MLFF_OK;
}

mlff_status mlff_graph_check_outline(const mlff_graph *g, mlff_error *err) {
    MLFF_TRY(check_counts(g, err));
    MLFF_TRY(check_regions(g, err));
    return check_cell(g, err);
}

mlff_status mlff_graph_check(const mlff_graph *g, const mlff_model *model,
                             const mlff_exchange *exchange, mlff_error *err) {
    const mlff_model_info *info = &model->info;
    MLFF_TRY(check_counts(g, err));
    MLFF_TRY(check_species(model, g, err));
    MLFF_TRY(check_rows(info, g, err));
    MLFF_TRY(check_pairs("message", g, &g->message, info->cutoff, g->refuse_overlaps, err));
    MLFF_TRY(check_ghosts(g, info->n_layers, exchange, err));
    if (g->long_range.first)
        MLFF_TRY(check_pairs("long-range", g, &g->long_range, INFINITY, false, err));
    MLFF_TRY(check_regions(g, err));
    MLFF_TRY(check_charges(info, g, err));
    MLFF_TRY(check_cell(g, err));
    return check_positions(g, err);
}
