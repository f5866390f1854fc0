#include "mlff_painn.h"
#include "mlff_config.h"
#include "mlff_model_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_FEATURES = 4096,
    MAX_RBF = 1024,
    MAX_Z = 1024,  // rows of the embedding
    MAX_POLY_P = 64
};

static const char format[] = "mlff-painn-1";

/* ------------------------------------------------------------------------------ config -- */

/* Every key of metadata 'config'; gaussian_width only tells how rbf.mu and rbf.beta were made. */
static const char *const known_keys[] = {
    "format", "n_features", "n_layers", "n_rbf", "cutoff", "n_z", "rbf", "cutoff_fn", "poly_p",
    "envelope_on", "filter_layers", "shared_filters", "shared_interactions", "context", "update",
    "norm_eps", "dir_eps", "readout", "energy_shift", "energy_scale", "energy_unit", "length_unit",
    "has_atomref", "gaussian_width"};

/* 1 eV = 96.48533212331002 kJ/mol, 1 kcal = 4.184 kJ, 1 Hartree = 27.211386024367243 eV */
static const struct {
    const char *name;
    double to_ev;
} energy_unit[] = {{"eV", 1.0},
                   {"kcal/mol", 4.184/96.48533212331002},
                   {"kJ/mol", 1.0/96.48533212331002},
                   {"Hartree", 27.211386024367243}};
enum { N_ENERGY_UNITS = sizeof energy_unit/sizeof energy_unit[0] };

static mlff_status read_format(const mlff_config *c, mlff_error *err) {
    const char *found;
    MLFF_TRY(mlff_config_string(c, "format", &found, err));
    if (strcmp(found, format) != 0)
        return mlff_fail(err, MLFF_ERROR_UNSUPPORTED, "%s: config: the format is '%.60s', this "
                         "version reads '%s'", c->file, found, format);
    return mlff_config_check_keys(c, (int) (sizeof known_keys/sizeof known_keys[0]), known_keys,
                                  err);
}

static mlff_status read_sizes(const mlff_config *c, mlff_painn *p, mlff_error *err) {
    MLFF_TRY(mlff_config_int(c, "n_features", 1, MAX_FEATURES, &p->n_features, err));
    MLFF_TRY(mlff_config_int(c, "n_layers", 1, MLFF_PAINN_MAX_LAYERS, &p->n_layers, err));
    MLFF_TRY(mlff_config_int(c, "n_rbf", 1, MAX_RBF, &p->n_rbf, err));
    MLFF_TRY(mlff_config_int(c, "n_z", 2, MAX_Z, &p->n_z, err));
    MLFF_TRY(mlff_config_number(c, "cutoff", &p->cutoff, err));
    if (!(p->cutoff > 0))
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: config: 'cutoff' is %g angstrom, expected "
                         "more than 0", c->file, p->cutoff);
    return MLFF_OK;
}

static mlff_status read_choice(const mlff_config *c, const char *key, const char *first,
                               const char *second, int *out, mlff_error *err) {
    const char *const names[] = {first, second};
    return mlff_config_choice(c, key, 2, names, out, err);
}

static mlff_status read_switches(const mlff_config *c, mlff_painn *p, mlff_error *err) {
    int rbf = 0, cutoff_fn = 0, envelope = 0, update = 0;
    MLFF_TRY(read_choice(c, "rbf", "gaussian", "bessel", &rbf, err));
    MLFF_TRY(read_choice(c, "cutoff_fn", "cosine", "poly", &cutoff_fn, err));
    MLFF_TRY(read_choice(c, "envelope_on", "filter", "rbf", &envelope, err));
    MLFF_TRY(read_choice(c, "update", "channel", "spatial", &update, err));
    p->rbf = (mlff_painn_rbf) rbf;
    p->cutoff_fn = (mlff_painn_cutoff) cutoff_fn;
    p->envelope = (mlff_painn_envelope) envelope;
    p->update = (mlff_painn_update) update;

    p->poly_p = 5;
    if (mlff_config_has(c, "poly_p"))
        MLFF_TRY(mlff_config_int(c, "poly_p", 1, MAX_POLY_P, &p->poly_p, err));
    MLFF_TRY(mlff_config_int(c, "filter_layers", 1, 2, &p->filter_layers, err));
    MLFF_TRY(mlff_config_bool(c, "shared_filters", &p->shared_filters, err));
    MLFF_TRY(mlff_config_bool(c, "shared_interactions", &p->shared_interactions, err));
    return mlff_config_bool(c, "context", &p->context, err);
}

static mlff_status read_eps(const mlff_config *c, const char *key, double *out, mlff_error *err) {
    MLFF_TRY(mlff_config_number(c, key, out, err));
    if (!(*out >= 0))
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: config: '%s' is %g, expected 0 or more",
                         c->file, key, *out);
    return MLFF_OK;
}

static mlff_status read_energy(const mlff_config *c, mlff_painn *p, int *unit, mlff_error *err) {
    const char *names[N_ENERGY_UNITS];
    for (int k = 0; k < N_ENERGY_UNITS; k++)
        names[k] = energy_unit[k].name;
    MLFF_TRY(mlff_config_choice(c, "energy_unit", N_ENERGY_UNITS, names, unit, err));
    p->unit_to_ev = energy_unit[*unit].to_ev;
    MLFF_TRY(mlff_config_number(c, "energy_shift", &p->energy_shift, err));
    MLFF_TRY(mlff_config_number(c, "energy_scale", &p->energy_scale, err));
    if (p->energy_scale == 0)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: config: 'energy_scale' is 0: the network "
                         "would have no effect", c->file);
    static const char *const angstrom[] = {"angstrom"};
    int only;
    return mlff_config_choice(c, "length_unit", 1, angstrom, &only, err);
}

static mlff_status read_readout(const mlff_config *c, mlff_painn *p, mlff_error *err) {
    int n = 0;
    MLFF_TRY(mlff_config_int_array(c, "readout", 2, MLFF_PAINN_MAX_READOUT + 1, 1, MAX_FEATURES,
                                   p->readout_width, &n, err));
    if (p->readout_width[0] != p->n_features)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: config: 'readout' starts with %d, expected "
                         "n_features = %d", c->file, p->readout_width[0], p->n_features);
    if (p->readout_width[n - 1] != 1)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: config: 'readout' ends with %d, expected 1",
                         c->file, p->readout_width[n - 1]);
    p->n_readout = n - 1;
    return MLFF_OK;
}

/* Presence of the tensor decides; has_atomref, where given, must agree. */
static mlff_status check_atomref(const mlff_config *c, bool present, mlff_error *err) {
    bool expected = present;
    if (mlff_config_has(c, "has_atomref"))
        MLFF_TRY(mlff_config_bool(c, "has_atomref", &expected, err));
    if (expected && !present)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: config: 'has_atomref' is true, but there is "
                         "no tensor 'atomref'", c->file);
    if (!expected && present)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: config: 'has_atomref' is false, but there is "
                         "a tensor 'atomref'", c->file);
    return MLFF_OK;
}

/* object is one, with a string "format": recognises() saw to it. */
static mlff_status read_config(mlff_model *model, const mlff_json_value *object, mlff_painn *p,
                               mlff_error *err) {
    const mlff_config c = {.file = model->name, .part = "config", .object = object};
    int unit = 0;
    MLFF_TRY(read_format(&c, err));
    MLFF_TRY(read_sizes(&c, p, err));
    MLFF_TRY(read_switches(&c, p, err));
    MLFF_TRY(read_eps(&c, "norm_eps", &p->norm_eps, err));
    MLFF_TRY(read_eps(&c, "dir_eps", &p->dir_eps, err));
    MLFF_TRY(read_energy(&c, p, &unit, err));
    MLFF_TRY(read_readout(&c, p, err));
    MLFF_TRY(check_atomref(&c, mlff_model_tensor(model, "atomref") != NULL, err));
    model->info.energy_unit = energy_unit[unit].name;
    return MLFF_OK;
}

/* ----------------------------------------------------------------------------- tensors -- */

/* The vector or matrix prefix + name, for example "layer.0." + "filter.w0"; n_in 0: a vector. */
static mlff_status take(mlff_model *model, const char *prefix, const char *name, int n_out,
                        int n_in, const mlff_tensor **out, mlff_error *err) {
    char full[64];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    const int64_t shape[] = {n_out, n_in};
    return mlff_model_require(model, full, n_in > 0 ? 2 : 1, shape, out, err);
}

/* layer.l.filter: K -> 3F, or K -> F -> 3F */
static mlff_status take_filter(mlff_model *model, const char *prefix, const mlff_painn *p,
                               mlff_painn_layer *layer, mlff_error *err) {
    const int F = p->n_features, K = p->n_rbf, n_first = p->filter_layers == 1 ? 3*F : F;
    MLFF_TRY(take(model, prefix, "filter.w0", n_first, K, &layer->filter_w0, err));
    MLFF_TRY(take(model, prefix, "filter.b0", n_first, 0, &layer->filter_b0, err));
    if (p->filter_layers == 1)
        return MLFF_OK;
    MLFF_TRY(take(model, prefix, "filter.w1", 3*F, F, &layer->filter_w1, err));
    return take(model, prefix, "filter.b1", 3*F, 0, &layer->filter_b1, err);
}

/* layer.l.ctx, layer.l.mix, layer.l.upd */
static mlff_status take_interaction(mlff_model *model, const char *prefix, const mlff_painn *p,
                                    mlff_painn_layer *layer, mlff_error *err) {
    const int F = p->n_features;
    if (p->context) {
        MLFF_TRY(take(model, prefix, "ctx.w0", F, F, &layer->ctx_w0, err));
        MLFF_TRY(take(model, prefix, "ctx.b0", F, 0, &layer->ctx_b0, err));
        MLFF_TRY(take(model, prefix, "ctx.w1", 3*F, F, &layer->ctx_w1, err));
        MLFF_TRY(take(model, prefix, "ctx.b1", 3*F, 0, &layer->ctx_b1, err));
    }
    if (p->update == MLFF_PAINN_CHANNEL) {
        MLFF_TRY(take(model, prefix, "mix.v", F, F, &layer->mix_v, err));
        MLFF_TRY(take(model, prefix, "mix.w", F, F, &layer->mix_w, err));
    } else {
        MLFF_TRY(take(model, prefix, "mix.m", 3, 3, &layer->mix_m, err));
    }
    MLFF_TRY(take(model, prefix, "upd.w0", F, 2*F, &layer->upd_w0, err));
    MLFF_TRY(take(model, prefix, "upd.b0", F, 0, &layer->upd_b0, err));
    MLFF_TRY(take(model, prefix, "upd.w1", 3*F, F, &layer->upd_w1, err));
    return take(model, prefix, "upd.b1", 3*F, 0, &layer->upd_b1, err);
}

/* Layers that share a set point to the tensors of layer 0. */
static void share_layer(const mlff_painn *p, const mlff_painn_layer *first,
                        mlff_painn_layer *layer) {
    const mlff_painn_layer own = *layer;
    if (p->shared_interactions)
        *layer = *first;
    const mlff_painn_layer *filter = p->shared_filters ? first : &own;
    layer->filter_w0 = filter->filter_w0;
    layer->filter_b0 = filter->filter_b0;
    layer->filter_w1 = filter->filter_w1;
    layer->filter_b1 = filter->filter_b1;
}

static mlff_status take_layers(mlff_model *model, mlff_painn *p, mlff_error *err) {
    for (int l = 0; l < p->n_layers; l++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "layer.%d.", l);
        if (l == 0 || !p->shared_filters)
            MLFF_TRY(take_filter(model, prefix, p, &p->layer[l], err));
        if (l == 0 || !p->shared_interactions)
            MLFF_TRY(take_interaction(model, prefix, p, &p->layer[l], err));
        share_layer(p, &p->layer[0], &p->layer[l]);
    }
    return MLFF_OK;
}

static mlff_status take_tensors(mlff_model *model, mlff_painn *p, mlff_error *err) {
    const int K = p->n_rbf;
    MLFF_TRY(take(model, "", "embedding", p->n_z, p->n_features, &p->embedding, err));
    if (p->rbf == MLFF_PAINN_GAUSSIAN) {
        MLFF_TRY(take(model, "", "rbf.mu", K, 0, &p->rbf_mu, err));
        MLFF_TRY(take(model, "", "rbf.beta", K, 0, &p->rbf_beta, err));
    } else {
        MLFF_TRY(take(model, "", "rbf.freq", K, 0, &p->rbf_freq, err));
    }
    MLFF_TRY(take_layers(model, p, err));
    for (int k = 0; k < p->n_readout; k++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "readout.%d.", k);
        const int n_in = p->readout_width[k], n_out = p->readout_width[k + 1];
        MLFF_TRY(take(model, prefix, "w", n_out, n_in, &p->readout_w[k], err));
        MLFF_TRY(take(model, prefix, "b", n_out, 0, &p->readout_b[k], err));
    }
    if (mlff_model_tensor(model, "atomref"))
        MLFF_TRY(take(model, "", "atomref", p->n_z, 0, &p->atomref, err));
    return mlff_model_check_all_used(model, err);
}

/* ---------------------------------------------------------------------- elements, info -- */

/* Every element whose row of the embedding is not all zero. */
static mlff_status guess_elements(mlff_model *model, const mlff_painn *p, mlff_error *err) {
    int z[MLFF_N_ELEMENTS], n = 0;
    for (int row = 1; row < p->n_z && row <= MLFF_N_ELEMENTS; row++) {
        bool any = false;
        for (int f = 0; f < p->n_features && !any; f++)
            any = mlff_tensor_value(p->embedding, (int64_t) row*p->n_features + f) != 0;
        if (any)
            z[n++] = row;
    }
    if (n == 0)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: knows no element: there is no metadata "
                         "'elements', and every row of 'embedding' is zero", model->name);
    return mlff_model_set_elements(model, n, z, err);
}

static mlff_status find_elements(mlff_model *model, const mlff_painn *p, mlff_error *err) {
    const char *text = mlff_model_metadata(model, "elements");
    if (!text)
        return guess_elements(model, p, err);
    MLFF_TRY(mlff_model_parse_elements(model, text, err));
    const int largest = model->info.elements[model->info.n_elements - 1];
    if (largest >= p->n_z)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: metadata 'elements' has %s (atomic number "
                         "%d), but 'embedding' has only the rows 0 ... %d", model->name,
                         mlff_element_symbol(largest), largest, p->n_z - 1);
    return MLFF_OK;
}

/* Everything but radial basis and atomic reference energies; shared sets count once. */
static long count_parameters(const mlff_model *model) {
    int64_t n = 0;
    for (int k = 0; k < model->file.n_tensors; k++) {
        const mlff_tensor *tensor = &model->file.tensors[k];
        if (strncmp(tensor->name, "rbf.", 4) != 0 && strcmp(tensor->name, "atomref") != 0)
            n += tensor->n_values;
    }
    return (long) n;
}

static void fill_info(mlff_model *model, const mlff_painn *p) {
    mlff_model_info *info = &model->info;
    info->format = format;
    info->cutoff = p->cutoff;
    info->n_layers = p->n_layers;
    info->n_parameters = count_parameters(model);
    info->has_charges = false;
    info->has_spin = false;
    info->rotation_invariant = p->update != MLFF_PAINN_SPATIAL;
}

/* ------------------------------------------------------------------------ architecture -- */

static mlff_status parse_config(const mlff_model *model, mlff_json **json, mlff_error *err) {
    const char *text = mlff_model_metadata(model, "config");
    char where[400];
    snprintf(where, sizeof where, "%s: metadata 'config'", model->name);
    return mlff_json_parse(text, strlen(text), where, json, err);
}

/* Metadata 'config' with a format that starts with mlff-painn; a broken config that mentions it
   counts too, so that describe() can say where it is broken. */
static bool recognises(const mlff_model *model) {
    static const char family[] = "mlff-painn";
    const char *text = mlff_model_metadata(model, "config");
    if (!text || !strstr(text, family))
        return false;
    mlff_json *json;
    if (parse_config(model, &json, NULL) != MLFF_OK)
        return true;
    const mlff_json_value *found = mlff_json_get(mlff_json_root(json), "format");
    const bool ours = found && found->type == MLFF_JSON_STRING &&
                      strncmp(found->string, family, sizeof family - 1) == 0;
    mlff_json_free(json);
    return ours;
}

static mlff_status describe(mlff_model *model, void **description, mlff_error *err) {
    mlff_painn *p = calloc(1, sizeof *p);
    if (!p)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for the description of %s",
                         model->name);
    *description = p;  // freed with the model, also after a failure below

    mlff_json *json;
    MLFF_TRY(parse_config(model, &json, err));
    const mlff_status status = read_config(model, mlff_json_root(json), p, err);
    mlff_json_free(json);
    MLFF_TRY(status);

    MLFF_TRY(take_tensors(model, p, err));
    MLFF_TRY(find_elements(model, p, err));
    fill_info(model, p);
    return MLFF_OK;
}

static double element_energy(const void *description, int z) {
    const mlff_painn *p = description;
    const double reference = p->atomref ? mlff_tensor_value(p->atomref, z) : 0;
    return (p->energy_shift + reference)*p->unit_to_ev;
}

const mlff_architecture mlff_painn_architecture = {
    .name = "painn",
    .display_name = "PaiNN",
    .recognises = recognises,
    .describe = describe,
    .free_description = free,
    .element_energy = element_energy};
