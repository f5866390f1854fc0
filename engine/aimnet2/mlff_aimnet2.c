#include "mlff_aimnet2.h"
#include "mlff_config.h"
#include "mlff_model_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FEATURES = 1024, MAX_RADIAL = 256, MAX_COMBINATIONS = 256, MAX_WIDTH = 65536 };

static const char part[] = "architecture";  // the metadata key, for messages

/* Every key of metadata 'architecture'. */
static const char *const known_keys[] = {
    "architecture", "variant", "nfeature", "nshifts", "d2features", "ncomb_v", "rc", "rmin", "eta",
    "num_charge_channels", "aim_size", "mlp_hidden", "mlp_last_linear", "activation",
    "energy_mlp_hidden", "nse_epsilon", "sr_coulomb", "d3", "elements", "hartree_eV", "bohr_A",
    "energy_unit", "length_unit", "member", "needs_coulomb", "needs_dispersion", "coulomb_mode",
    "supports_charged_systems"};

/* ----------------------------------------------------------------------------- helpers -- */

/* A number that the file states twice: here and as a tensor, or as a constant of the engine. */
static mlff_status check_same(const mlff_config *c, const char *key, const char *other,
                              double expected, double tolerance, mlff_error *err) {
    double found;
    MLFF_TRY(mlff_config_number(c, key, &found, err));
    if (!(fabs(found - expected) <= tolerance*fabs(expected)))
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: '%s' is %.12g, but %s is %.12g", c->file,
                         c->part, key, found, other, expected);
    return MLFF_OK;
}

static mlff_status read_positive(const mlff_config *c, const char *key, double *out,
                                 mlff_error *err) {
    MLFF_TRY(mlff_config_number(c, key, out, err));
    if (!(*out > 0))
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: '%s' is %g, expected more than 0",
                         c->file, c->part, key, *out);
    return MLFF_OK;
}

/* A value that this version knows only one of; another one is a model of another kind. */
static mlff_status check_only(const mlff_config *c, const char *key, const char *known,
                              mlff_error *err) {
    const char *found;
    MLFF_TRY(mlff_config_string(c, key, &found, err));
    if (strcmp(found, known) != 0)
        return mlff_fail(err, MLFF_ERROR_UNSUPPORTED, "%s: %s: '%s' is '%.60s', this version "
                         "computes '%s' only", c->file, c->part, key, found, known);
    return MLFF_OK;
}

static mlff_status read_bool_or(const mlff_config *c, const char *key, bool standard, bool *out,
                                mlff_error *err) {
    *out = standard;
    return mlff_config_has(c, key) ? mlff_config_bool(c, key, out, err) : MLFF_OK;
}

/* The object under a key; NULL where it is absent or null. */
static mlff_status read_object(const mlff_config *c, const char *key, const mlff_json_value **out,
                               mlff_error *err) {
    *out = mlff_json_get(c->object, key);
    if (*out && (*out)->type == MLFF_JSON_NULL)
        *out = NULL;
    if (*out && (*out)->type != MLFF_JSON_OBJECT)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: '%s' is %s, expected an object or null",
                         c->file, c->part, key, mlff_json_type_name((*out)->type));
    return MLFF_OK;
}

/* ------------------------------------------------------------------------- the network -- */

static mlff_status read_sizes(const mlff_config *c, mlff_aimnet2 *p, mlff_error *err) {
    bool d2features;
    MLFF_TRY(mlff_config_bool(c, "d2features", &d2features, err));
    if (!d2features)
        return mlff_fail(err, MLFF_ERROR_UNSUPPORTED, "%s: %s: 'd2features' is false: this version "
                         "computes models with a feature for every radial index only", c->file,
                         c->part);
    MLFF_TRY(check_only(c, "activation", "gelu_erf", err));
    MLFF_TRY(mlff_config_int(c, "nfeature", 1, MAX_FEATURES, &p->n_features, err));
    MLFF_TRY(mlff_config_int(c, "nshifts", 1, MAX_RADIAL, &p->n_radial, err));
    MLFF_TRY(mlff_config_int(c, "ncomb_v", 1, MAX_COMBINATIONS, &p->n_combinations, err));
    MLFF_TRY(mlff_config_int(c, "num_charge_channels", 1, MLFF_AIMNET2_MAX_CHARGES, &p->n_charges,
                             err));
    MLFF_TRY(mlff_config_int(c, "aim_size", 1, MAX_WIDTH, &p->n_aim, err));
    return read_positive(c, "nse_epsilon", &p->charge_epsilon, err);
}

/* Hidden widths under a key of an object, between given input and output widths. */
static mlff_status read_widths(const mlff_config *c, const char *key, int n_in, int n_out,
                               mlff_aimnet2_mlp *mlp, mlff_error *err) {
    int n_hidden;
    MLFF_TRY(mlff_config_int_array(c, key, 0, MLFF_AIMNET2_MAX_LINEAR - 1, 1, MAX_WIDTH,
                                   mlp->width + 1, &n_hidden, err));
    mlp->n_linear = n_hidden + 1;
    mlp->width[0] = n_in;
    mlp->width[mlp->n_linear] = n_out;
    return MLFF_OK;
}

/* An array with one value a pass. */
static mlff_status get_passes(const mlff_config *c, const char *key, const mlff_json_value **out,
                              mlff_error *err) {
    *out = mlff_json_get(c->object, key);
    if (!*out || (*out)->type != MLFF_JSON_ARRAY)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: '%s' is %s, expected an array", c->file,
                         c->part, key, *out ? mlff_json_type_name((*out)->type) : "missing");
    if ((*out)->n != MLFF_AIMNET2_PASSES)
        return mlff_fail(err, MLFF_ERROR_UNSUPPORTED, "%s: %s: '%s' has %d passes, this version "
                         "computes models with %d", c->file, c->part, key, (*out)->n,
                         MLFF_AIMNET2_PASSES);
    return MLFF_OK;
}

/* Widths of the passes; the config reader wants an object, so each array stands in one. */
static mlff_status read_passes(const mlff_config *c, mlff_aimnet2 *p, mlff_error *err) {
    const mlff_json_value *hidden, *linear;
    MLFF_TRY(get_passes(c, "mlp_hidden", &hidden, err));
    MLFF_TRY(get_passes(c, "mlp_last_linear", &linear, err));
    const int A = p->n_features, G = p->n_radial, C = p->n_combinations, Q = p->n_charges;
    for (int t = 0; t < MLFF_AIMNET2_PASSES; t++) {
        mlff_json_value item = *hidden->item[t];
        item.key = "mlp_hidden";
        const mlff_json_value *const items[] = {&item};
        const mlff_json_value object = {.type = MLFF_JSON_OBJECT, .n = 1, .item = items,
                                        .by_key = items};
        const mlff_config one = {.file = c->file, .part = c->part, .object = &object};
        if (item.type != MLFF_JSON_ARRAY)
            return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: pass %d of 'mlp_hidden' is %s, "
                             "expected an array of widths", c->file, c->part, t,
                             mlff_json_type_name(item.type));
        const int n_in = A*(2*G + C) + (t > 0 ? Q*(1 + G + C) : 0);
        const int n_out = t < MLFF_AIMNET2_UPDATES ? 2*Q + A*G : p->n_aim;
        MLFF_TRY(read_widths(&one, "mlp_hidden", n_in, n_out, &p->pass[t], err));
        if (linear->item[t]->type != MLFF_JSON_BOOL)
            return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: pass %d of 'mlp_last_linear' is %s, "
                             "expected true or false", c->file, c->part, t,
                             mlff_json_type_name(linear->item[t]->type));
        p->pass[t].last_linear = linear->item[t]->boolean;
    }
    p->head.last_linear = true;
    return read_widths(c, "energy_mlp_hidden", p->n_aim, 1, &p->head, err);
}

/* ------------------------------------------------------------------- long-range energy -- */

/* {"rc", "envelope"}: what the network's Coulomb holds, taken out. */
static mlff_status read_short_range(const mlff_config *c, const mlff_json_value *object,
                                    mlff_longrange_model *lr, mlff_error *err) {
    static const char *const keys[] = {"rc", "envelope"};
    static const char *const envelopes[] = {"exp", "cosine"};
    const mlff_config s = {.file = c->file, .part = "architecture: sr_coulomb", .object = object};
    int envelope;
    MLFF_TRY(mlff_config_check_keys(&s, 2, keys, err));
    MLFF_TRY(read_positive(&s, "rc", &lr->short_range_radius, err));
    MLFF_TRY(mlff_config_choice(&s, "envelope", 2, envelopes, &envelope, err));
    lr->short_range_envelope = envelope == 0 ? MLFF_ENVELOPE_EXP : MLFF_ENVELOPE_COSINE;
    return MLFF_OK;
}

static mlff_status read_coulomb(const mlff_config *c, mlff_longrange_model *lr, mlff_error *err) {
    const mlff_json_value *object;
    MLFF_TRY(read_object(c, "sr_coulomb", &object, err));
    MLFF_TRY(read_bool_or(c, "needs_coulomb", object != NULL, &lr->coulomb, err));
    if (mlff_config_has(c, "coulomb_mode"))
        MLFF_TRY(check_only(c, "coulomb_mode", lr->coulomb ? "sr_embedded" : "none", err));
    if (!lr->coulomb && object)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: 'needs_coulomb' is false, but there is "
                         "'sr_coulomb'", c->file, c->part);
    lr->coulomb_constant = MLFF_HARTREE*MLFF_BOHR;
    return object ? read_short_range(c, object, lr, err) : MLFF_OK;
}

/* {"kind", "s6", "s8", "a1", "a2", ...}: D3(BJ) with its usual k1 and k3. */
static mlff_status read_d3(const mlff_config *c, const mlff_json_value *object,
                           mlff_longrange_model *lr, mlff_error *err) {
    static const char *const keys[] = {"kind", "s6", "s8", "a1", "a2", "k1", "k3", "cutoff",
                                       "smoothing_on"};
    const mlff_config d = {.file = c->file, .part = "architecture: d3", .object = object};
    MLFF_TRY(check_only(&d, "kind", "d3bj", err));
    MLFF_TRY(mlff_config_check_keys(&d, (int) (sizeof keys/sizeof keys[0]), keys, err));
    MLFF_TRY(mlff_config_number(&d, "s6", &lr->damping.s6, err));
    MLFF_TRY(mlff_config_number(&d, "s8", &lr->damping.s8, err));
    MLFF_TRY(mlff_config_number(&d, "a1", &lr->damping.a1, err));
    MLFF_TRY(mlff_config_number(&d, "a2", &lr->damping.a2, err));
    if (mlff_config_has(&d, "k1"))
        MLFF_TRY(check_same(&d, "k1", "the steepness of D3's coordination numbers", 16, 0, err));
    if (mlff_config_has(&d, "k3"))
        MLFF_TRY(check_same(&d, "k3", "the exponent of D3's weights", -4, 0, err));
    lr->dispersion_cutoff = 15;
    if (mlff_config_has(&d, "cutoff"))
        MLFF_TRY(read_positive(&d, "cutoff", &lr->dispersion_cutoff, err));
    if (mlff_config_has(&d, "smoothing_on"))
        MLFF_TRY(check_same(&d, "smoothing_on", "0.8 cutoff, where this version starts switching "
                            "dispersion off,", 0.8*lr->dispersion_cutoff, 1e-12, err));
    return MLFF_OK;
}

static mlff_status read_dispersion(const mlff_config *c, mlff_longrange_model *lr,
                                   mlff_error *err) {
    const mlff_json_value *object;
    MLFF_TRY(read_object(c, "d3", &object, err));
    MLFF_TRY(read_bool_or(c, "needs_dispersion", object != NULL, &lr->dispersion, err));
    if (lr->dispersion && !object)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: 'needs_dispersion' is true, but 'd3' "
                         "with its parameters is missing", c->file, c->part);
    if (!lr->dispersion && object)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: 'needs_dispersion' is false, but there "
                         "is 'd3'", c->file, c->part);
    return object ? read_d3(c, object, lr, err) : MLFF_OK;
}

/* ------------------------------------------------------------------------------ config -- */

static mlff_status read_elements(mlff_model *model, const mlff_config *c, mlff_error *err) {
    int z[MLFF_N_ELEMENTS], n;
    MLFF_TRY(mlff_config_int_array(c, "elements", 1, MLFF_N_ELEMENTS, 1, MLFF_N_ELEMENTS, z, &n,
                                   err));
    return mlff_model_set_elements(model, n, z, err);
}

/* Units, and the two constants that E_short and D3 are made with. */
static mlff_status check_units(const mlff_config *c, mlff_error *err) {
    MLFF_TRY(check_only(c, "energy_unit", "eV", err));
    MLFF_TRY(check_only(c, "length_unit", "angstrom", err));
    if (mlff_config_has(c, "hartree_eV"))
        MLFF_TRY(check_same(c, "hartree_eV", "the engine's Hartree", MLFF_HARTREE, 1e-10, err));
    if (mlff_config_has(c, "bohr_A"))
        MLFF_TRY(check_same(c, "bohr_A", "the engine's bohr", MLFF_BOHR, 1e-10, err));
    return MLFF_OK;
}

static mlff_status read_config(mlff_model *model, const mlff_config *c, mlff_aimnet2 *p,
                               mlff_error *err) {
    if (c->object->type != MLFF_JSON_OBJECT)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: metadata '%s' is %s, expected an object",
                         c->file, part, mlff_json_type_name(c->object->type));
    MLFF_TRY(check_only(c, "architecture", "aimnet2", err));
    MLFF_TRY(mlff_config_check_keys(c, (int) (sizeof known_keys/sizeof known_keys[0]), known_keys,
                                    err));
    MLFF_TRY(read_sizes(c, p, err));
    MLFF_TRY(read_passes(c, p, err));
    MLFF_TRY(read_positive(c, "rc", &p->cutoff, err));
    MLFF_TRY(read_coulomb(c, &p->longrange, err));
    MLFF_TRY(read_dispersion(c, &p->longrange, err));
    MLFF_TRY(read_bool_or(c, "supports_charged_systems", true, &p->charged, err));
    MLFF_TRY(check_units(c, err));
    return read_elements(model, c, err);
}

/* ----------------------------------------------------------------------------- tensors -- */

static mlff_status take(mlff_model *model, const char *name, int n_dims, int n0, int n1, int n2,
                        const mlff_tensor **out, mlff_error *err) {
    const int64_t shape[] = {n0, n1, n2};
    return mlff_model_require(model, name, n_dims, shape, out, err);
}

/* prefix.0, prefix.2, ...: every second index is an activation. */
static mlff_status take_mlp(mlff_model *model, const char *prefix, mlff_aimnet2_mlp *mlp,
                            mlff_error *err) {
    for (int k = 0; k < mlp->n_linear; k++) {
        char name[64];
        snprintf(name, sizeof name, "%s.%d.weight", prefix, 2*k);
        MLFF_TRY(take(model, name, 2, mlp->width[k + 1], mlp->width[k], 0, &mlp->w[k], err));
        snprintf(name, sizeof name, "%s.%d.bias", prefix, 2*k);
        MLFF_TRY(take(model, name, 1, mlp->width[k + 1], 0, 0, &mlp->b[k], err));
    }
    return MLFF_OK;
}

/* aev.*_v, where present, must repeat aev.*_s: scalar and vector features share the basis. */
static mlff_status check_vector_basis(mlff_model *model, const char *name, const mlff_tensor *same,
                                      mlff_error *err) {
    if (!mlff_model_tensor(model, name))
        return MLFF_OK;
    const mlff_tensor *tensor;
    MLFF_TRY(mlff_model_require(model, name, same->n_dims, same->shape, &tensor, err));
    for (int64_t k = 0; k < tensor->n_values; k++)
        if (mlff_tensor_value(tensor, k) != mlff_tensor_value(same, k))
            return mlff_fail(err, MLFF_ERROR_UNSUPPORTED, "%s: tensor '%s' differs from '%s': this "
                             "version computes models with one radial basis only", model->name,
                             name, same->name);
    return MLFF_OK;
}

static mlff_status take_basis(mlff_model *model, const mlff_config *c, mlff_aimnet2 *p,
                              mlff_error *err) {
    const mlff_tensor *rc, *eta;
    MLFF_TRY(take(model, "aev.rc_s", 0, 0, 0, 0, &rc, err));
    MLFF_TRY(take(model, "aev.eta_s", 0, 0, 0, 0, &eta, err));
    MLFF_TRY(take(model, "aev.shifts_s", 1, p->n_radial, 0, 0, &p->shifts, err));
    MLFF_TRY(check_vector_basis(model, "aev.rc_v", rc, err));
    MLFF_TRY(check_vector_basis(model, "aev.eta_v", eta, err));
    MLFF_TRY(check_vector_basis(model, "aev.shifts_v", p->shifts, err));
    p->cutoff = mlff_tensor_value(rc, 0);
    p->eta = mlff_tensor_value(eta, 0);
    if (!(p->cutoff > 0) || !(p->eta > 0))
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: tensors 'aev.rc_s' and 'aev.eta_s' are %g "
                         "and %g, expected more than 0", model->name, p->cutoff, p->eta);

    // stored as float32: equal to rounding
    MLFF_TRY(check_same(c, "rc", "the value of tensor 'aev.rc_s'", p->cutoff, 1e-6, err));
    if (mlff_config_has(c, "eta"))
        MLFF_TRY(check_same(c, "eta", "the value of tensor 'aev.eta_s'", p->eta, 1e-6, err));
    if (mlff_config_has(c, "rmin"))
        MLFF_TRY(check_same(c, "rmin", "the first value of tensor 'aev.shifts_s'",
                            mlff_tensor_value(p->shifts, 0), 1e-6, err));
    return MLFF_OK;
}

static mlff_status take_short_range(mlff_model *model, mlff_aimnet2 *p, mlff_error *err) {
    mlff_longrange_model *lr = &p->longrange;
    if (lr->short_range_radius == 0)
        return MLFF_OK;
    const mlff_tensor *rc;
    MLFF_TRY(take(model, "srcoulomb.rc", 0, 0, 0, 0, &rc, err));
    const double stored = mlff_tensor_value(rc, 0);
    if (!(fabs(stored - lr->short_range_radius) <= 1e-6*stored))
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: 'rc' of 'sr_coulomb' is %.12g, but "
                         "tensor 'srcoulomb.rc' is %.12g", model->name, part,
                         lr->short_range_radius, stored);
    lr->short_range_radius = stored;
    if (!(stored <= p->cutoff))
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: the short-range Coulomb radius is %g "
                         "angstrom, expected at most the cutoff of %g", model->name, stored,
                         p->cutoff);
    return MLFF_OK;
}

/* The file's own D3 table; without one the loader may find it beside the file. */
static mlff_status take_dispersion(mlff_model *model, mlff_aimnet2 *p, mlff_error *err) {
    if (!p->longrange.dispersion)
        return MLFF_OK;
    MLFF_TRY(mlff_dispersion_table_new(model, &p->longrange_table, err));
    p->longrange.table = p->longrange_table;
    model->wants_dispersion_table = p->longrange_table == NULL;
    return MLFF_OK;
}

static mlff_status take_tensors(mlff_model *model, const mlff_config *c, mlff_aimnet2 *p,
                                mlff_error *err) {
    const int A = p->n_features, G = p->n_radial, C = p->n_combinations;
    MLFF_TRY(take(model, "afv.weight", 2, -1, A*G, 0, &p->afv, err));
    p->n_z = (int) p->afv->shape[0];
    const int largest = model->info.elements[model->info.n_elements - 1];
    if (largest >= p->n_z)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: 'elements' has %s (atomic number %d), "
                         "but 'afv.weight' has only the rows 0 ... %d", model->name, part,
                         mlff_element_symbol(largest), largest, p->n_z - 1);
    MLFF_TRY(take_basis(model, c, p, err));
    MLFF_TRY(take(model, "conv_a.agh", 3, A, G, C, &p->agh_a, err));
    MLFF_TRY(take(model, "conv_q.agh", 3, p->n_charges, G, C, &p->agh_q, err));
    for (int t = 0; t < MLFF_AIMNET2_PASSES; t++) {
        char prefix[24];
        snprintf(prefix, sizeof prefix, "mlps.%d", t);
        MLFF_TRY(take_mlp(model, prefix, &p->pass[t], err));
    }
    MLFF_TRY(take_mlp(model, "energy_mlp.mlp", &p->head, err));
    MLFF_TRY(take(model, "atomic_shift.shifts.weight", 2, p->n_z, 1, 0, &p->atomic_shift, err));
    MLFF_TRY(take_short_range(model, p, err));
    MLFF_TRY(take_dispersion(model, p, err));
    return mlff_model_check_all_used(model, err);
}

/* -------------------------------------------------------------------------------- info -- */

static long count_mlp(const mlff_aimnet2_mlp *mlp) {
    int64_t n = 0;
    for (int k = 0; k < mlp->n_linear; k++)
        n += mlp->w[k]->n_values + mlp->b[k]->n_values;
    return (long) n;
}

static void fill_info(mlff_model *model, const mlff_aimnet2 *p) {
    mlff_model_info *info = &model->info;
    info->format = "aimnet2";
    info->energy_unit = "eV";
    info->cutoff = p->cutoff;
    info->n_layers = MLFF_AIMNET2_PASSES;
    info->has_charges = true;
    info->has_spin = p->n_charges == 2;
    info->rotation_invariant = true;
    info->neutral_only = !p->charged;
    info->n_parameters = (long) (p->afv->n_values + p->agh_a->n_values + p->agh_q->n_values) +
                         count_mlp(&p->head);
    for (int t = 0; t < MLFF_AIMNET2_PASSES; t++)
        info->n_parameters += count_mlp(&p->pass[t]);
}

mlff_status mlff_aimnet2_check_graph(const mlff_aimnet2 *aimnet2, const mlff_graph *graph,
                                     mlff_error *err) {
    if (aimnet2->charged || !graph->total_charge)
        return MLFF_OK;
    for (int m = 0; m < graph->n_regions; m++)
        if (graph->total_charge[m] != 0)
            return mlff_fail(err, MLFF_ERROR_CHARGE, "region %d: its total charge is %g e, but "
                             "this AIMNet2 model was made for neutral molecules only: expected 0",
                             m, graph->total_charge[m]);
    return MLFF_OK;
}

/* ------------------------------------------------------------------------ architecture -- */

static mlff_status parse_config(const mlff_model *model, mlff_json **json, mlff_error *err) {
    const char *text = mlff_model_metadata(model, part);
    char where[400];
    snprintf(where, sizeof where, "%s: metadata '%s'", model->name, part);
    return mlff_json_parse(text, strlen(text), where, json, err);
}

/* Metadata 'architecture' that speaks of AIMNet2; a broken one counts too, so that describe() can
   say where it is broken. */
static bool recognises(const mlff_model *model) {
    const char *text = mlff_model_metadata(model, part);
    return text && strstr(text, "aimnet2");
}

static mlff_status describe(mlff_model *model, void **description, mlff_error *err) {
    mlff_aimnet2 *p = calloc(1, sizeof *p);
    if (!p)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for the description of %s",
                         model->name);
    *description = p;  // freed with the model, also after a failure below

    mlff_json *json;
    MLFF_TRY(parse_config(model, &json, err));
    const mlff_config c = {.file = model->name, .part = part, .object = mlff_json_root(json)};
    mlff_status status = read_config(model, &c, p, err);
    if (status == MLFF_OK)
        status = take_tensors(model, &c, p, err);
    mlff_json_free(json);
    MLFF_TRY(status);
    fill_info(model, p);
    return MLFF_OK;
}

static void free_description(void *description) {
    mlff_aimnet2 *p = description;
    if (!p)
        return;
    mlff_dispersion_table_free(p->longrange_table);
    free(p);
}

static const mlff_longrange_model *longrange(const void *description) {
    return &((const mlff_aimnet2 *) description)->longrange;
}

static double element_energy(const void *description, int z) {
    return mlff_tensor_value(((const mlff_aimnet2 *) description)->atomic_shift, z);
}

const mlff_architecture mlff_aimnet2_architecture = {
    .name = "aimnet2",
    .display_name = "AIMNet2",
    .recognises = recognises,
    .describe = describe,
    .free_description = free_description,
    .element_energy = element_energy,
    .longrange = longrange};
