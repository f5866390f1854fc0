/* PaiNN files: every switch is read, every wrong value refused with its own message. */
#include "broken_files.h"
#include "mlff_model_private.h"
#include "mlff_painn.h"

#include <stdint.h>

/* ------------------------------------------------------------------------ broken files -- */

/* One changed thing in the file of painn_small. */
#define CONFIG(from, to, message_) {.config_from = from, .config_to = to, \
                                    .status = MLFF_ERROR_FORMAT, .message = message_}
#define CHANGE(function, message_) {.change = function, .status = MLFF_ERROR_FORMAT, \
                                    .message = message_}

static void drop_tensor(st_builder *b) { st_remove(b, "layer.1.mix.w"); }
static void drop_readout(st_builder *b) { st_remove(b, "readout.1.b"); }
static void drop_basis(st_builder *b) { st_remove(b, "rbf.mu"); }

static void add_atomref(st_builder *b) { painn_add(b, "", "atomref", 9, 0); }
static void add_layer(st_builder *b) { painn_add_layer(b, &painn_small, 2); }
static void add_unknown(st_builder *b) { painn_add(b, "", "optimizer.state", 3, 0); }
static void add_context(st_builder *b) {  // tensors that the switch leaves out
    st_edit_metadata(b, "config", "\"context\": true", "\"context\": false");
}

static void transpose(st_builder *b) {
    int64_t *shape = b->tensor[st_find(b, "layer.0.upd.w0")].shape;
    shape[0] = 4;
    shape[1] = 2;
}

static void flatten(st_builder *b) {
    st_tensor *t = &b->tensor[st_find(b, "readout.0.w")];
    t->n_dims = 1;
    t->shape[0] = 4;
}

static void make_integers(st_builder *b) {
    strcpy(b->tensor[st_find(b, "layer.0.filter.b0")].dtype, "I32");
}

static void short_atomref(st_builder *b) {
    st_edit_metadata(b, "config", "\"has_atomref\": false", "\"has_atomref\": true");
    painn_add(b, "", "atomref", 8, 0);
}

static void elements(st_builder *b, const char *text) { st_metadata(b, "elements", text); }
static void elements_beyond(st_builder *b) { elements(b, "[1, 6, 9]"); }
static void elements_negative(st_builder *b) { elements(b, "[1, -6]"); }
static void elements_twice(st_builder *b) { elements(b, "H C O C"); }
static void elements_unknown(st_builder *b) { elements(b, "H C Xx"); }
static void elements_remark(st_builder *b) { elements(b, "H C (claimed) O"); }
static void elements_none(st_builder *b) { elements(b, " (none)"); }
static void elements_crowd(st_builder *b) {
    char text[1000] = "H";
    for (int k = 0; k < 118; k++)
        strcat(text, " H");
    elements(b, text);
}
static void elements_many(st_builder *b) {
    char text[1000] = "[1";
    for (int k = 0; k < 118; k++)
        strcat(text, ",1");
    elements(b, strcat(text, "]"));
}
static void elements_json(st_builder *b) { elements(b, "[1, 6,"); }
static void elements_zero(st_builder *b) {
    st_metadata(b, "elements", NULL);
    st_tensor *t = &b->tensor[st_find(b, "embedding")];
    memset(t->data, 0, t->n_bytes);
}

static const broken_file broken[] = {
    // format and keys
    {.config_from = "mlff-painn-1", .config_to = "mlff-painn-2", .status = MLFF_ERROR_UNSUPPORTED,
     .message = "the format is 'mlff-painn-2', this version reads 'mlff-painn-1'"},
    CONFIG("{\"format\": \"mlff-painn-1\"", "[\"mlff-painn-1\"", "expected , or ] in an array"),
    CONFIG("\"rbf\":", "\"smoothing\": 1, \"rbf\":", "unknown key 'smoothing'"),
    CONFIG("\"rbf\": \"gaussian\", ", "", "'rbf' is missing"),
    CONFIG("\"context\": true, ", "", "'context' is missing"),
    CONFIG("\"n_rbf\": 3, ", "\"n_rbf\": 3, \"n_rbf\": 3, ", "'n_rbf' stands twice"),

    // sizes
    CONFIG("\"n_features\": 2", "\"n_features\": 0", "'n_features' is 0, expected"),
    CONFIG("\"n_features\": 2", "\"n_features\": 4097", "'n_features' is 4097, expected"),
    CONFIG("\"n_features\": 2", "\"n_features\": \"2\"", "'n_features' is a string"),
    CONFIG("\"n_layers\": 2", "\"n_layers\": 0", "'n_layers' is 0, expected"),
    CONFIG("\"n_layers\": 2", "\"n_layers\": 65", "'n_layers' is 65, expected"),
    CONFIG("\"n_layers\": 2", "\"n_layers\": 2.5", "'n_layers' is 2.5, expected"),
    CONFIG("\"n_rbf\": 3", "\"n_rbf\": -3", "'n_rbf' is -3, expected"),
    CONFIG("\"n_rbf\": 3", "\"n_rbf\": 1025", "'n_rbf' is 1025, expected"),
    CONFIG("\"n_z\": 9", "\"n_z\": 1", "'n_z' is 1, expected"),
    CONFIG("\"n_z\": 9", "\"n_z\": 9007199254740993", "'n_z' is 9007199254740992, expected"),
    CONFIG("\"cutoff\": 5.0", "\"cutoff\": 0", "'cutoff' is 0 angstrom"),
    CONFIG("\"cutoff\": 5.0", "\"cutoff\": -5.0", "'cutoff' is -5 angstrom"),
    CONFIG("\"cutoff\": 5.0", "\"cutoff\": Infinity", "NaN and Infinity"),
    CONFIG("\"cutoff\": 5.0", "\"cutoff\": 1e400", "a number is too large"),
    CONFIG("\"cutoff\": 5.0", "\"cutoff\": null", "'cutoff' is null"),

    // switches
    CONFIG("\"gaussian\"", "\"gauss\"", "'rbf' is 'gauss', expected gaussian or bessel"),
    CONFIG("\"gaussian\"", "1", "'rbf' is a number"),
    CONFIG("\"cosine\"", "\"cos\"", "'cutoff_fn' is 'cos', expected cosine or poly"),
    CONFIG("\"poly_p\": 6", "\"poly_p\": 0", "'poly_p' is 0, expected"),
    CONFIG("\"poly_p\": 6", "\"poly_p\": 5.5", "'poly_p' is 5.5, expected"),
    CONFIG("\"filter\"", "\"Filter\"", "'envelope_on' is 'Filter', expected filter or rbf"),
    CONFIG("\"filter_layers\": 1", "\"filter_layers\": 3", "'filter_layers' is 3, expected"),
    CONFIG("\"shared_filters\": false", "\"shared_filters\": 0", "'shared_filters' is a number"),
    CONFIG("\"shared_interactions\": false", "\"shared_interactions\": \"false\"",
           "'shared_interactions' is a string"),
    CONFIG("\"context\": true", "\"context\": 1", "'context' is a number"),
    CONFIG("\"channel\"", "\"tensor\"", "'update' is 'tensor', expected channel or spatial"),
    CONFIG("\"norm_eps\": 1e-08", "\"norm_eps\": -1e-08", "'norm_eps' is -1e-08"),
    CONFIG("\"norm_eps\": 1e-08", "\"norm_eps\": false", "'norm_eps' is true or false"),
    CONFIG("\"dir_eps\": 0.001", "\"dir_eps\": -0.001", "'dir_eps' is -0.001"),

    // readout
    CONFIG("[2, 2, 1]", "[3, 2, 1]", "'readout' starts with 3, expected n_features = 2"),
    CONFIG("[2, 2, 1]", "[2, 2, 2]", "'readout' ends with 2, expected 1"),
    CONFIG("[2, 2, 1]", "[2]", "'readout' has 1 values"),
    CONFIG("[2, 2, 1]", "[2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]",
           "'readout' has 18 values"),
    CONFIG("[2, 2, 1]", "[2, 0, 1]", "value 1 of 'readout'"),
    CONFIG("[2, 2, 1]", "[2, 2, \"1\"]", "value 2 of 'readout'"),
    CONFIG("[2, 2, 1]", "null", "'readout' is null"),

    // energy and units
    CONFIG("\"energy_shift\": -10.25", "\"energy_shift\": [0]", "'energy_shift' is an array"),
    CONFIG("\"energy_scale\": 1.5", "\"energy_scale\": 0.0", "'energy_scale' is 0"),
    CONFIG("\"energy_unit\": \"eV\"", "\"energy_unit\": \"ev\"",
           "'energy_unit' is 'ev', expected eV, kcal/mol, kJ/mol or Hartree"),
    CONFIG("\"angstrom\"", "\"nm\"", "'length_unit' is 'nm', expected angstrom"),
    CONFIG("\"has_atomref\": false", "\"has_atomref\": null", "'has_atomref' is null"),
    CONFIG("\"has_atomref\": false", "\"has_atomref\": true", "there is no tensor 'atomref'"),
    CHANGE(add_atomref, "'has_atomref' is false, but there is a tensor"),

    // tensors
    CHANGE(drop_tensor, "tensor 'layer.1.mix.w' is missing"),
    CHANGE(drop_readout, "tensor 'readout.1.b' is missing"),
    CHANGE(drop_basis, "tensor 'rbf.mu' is missing"),
    CHANGE(add_layer, "unexpected tensor 'layer.2.ctx.b0'"),
    CHANGE(add_unknown, "unexpected tensor 'optimizer.state'"),
    CHANGE(add_context, "unexpected tensor 'layer.0.ctx.b0'"),
    CHANGE(transpose, "tensor 'layer.0.upd.w0' has the shape [4, 2], expected [2, 4]"),
    CHANGE(flatten, "tensor 'readout.0.w' has the shape [4], expected [2, 2]"),
    CHANGE(make_integers, "tensor 'layer.0.filter.b0' has integers"),
    CHANGE(short_atomref, "tensor 'atomref' has the shape [8], expected [9]"),
    CONFIG("\"n_z\": 9", "\"n_z\": 10",
           "tensor 'embedding' has the shape [9, 2], expected [10, 2]"),
    CONFIG("\"filter_layers\": 1", "\"filter_layers\": 2",
           "tensor 'layer.0.filter.w0' has the shape [6, 3], expected [2, 3]"),
    CONFIG("\"n_layers\": 2", "\"n_layers\": 3", "tensor 'layer.2.filter.w0' is missing"),
    CONFIG("\"shared_filters\": false", "\"shared_filters\": true",
           "unexpected tensor 'layer.1.filter.b0'"),
    CONFIG("\"shared_interactions\": false", "\"shared_interactions\": true",
           "unexpected tensor 'layer.1.ctx.b0'"),
    CONFIG("\"gaussian\"", "\"bessel\"", "tensor 'rbf.freq' is missing"),
    CONFIG("\"channel\"", "\"spatial\"", "tensor 'layer.0.mix.m' is missing"),

    // elements
    CHANGE(elements_beyond, "'elements' has F (atomic number 9), but 'embedding' has only"),
    CHANGE(elements_negative, "'elements': value 1 is not an atomic number"),
    CHANGE(elements_twice, "its list of elements has C twice"),
    CHANGE(elements_unknown, "'Xx' is not the symbol"),
    CHANGE(elements_remark, "found '(claimed) O'"),
    CHANGE(elements_none, "its list of elements is empty"),
    CHANGE(elements_many, "119 numbers, there are only 118 elements"),
    CHANGE(elements_crowd, "more symbols than there are elements"),
    CHANGE(elements_json, "the text ends where a value should stand"),
    CHANGE(elements_zero, "every row of 'embedding' is zero"),
};

static void test_broken_files(void) {
    broken_files_check(&painn_small, (int) (sizeof broken/sizeof broken[0]), broken);
}

/* Every key that has no default is missed. */
static void test_every_key_is_required(void) {
    static const char *const required[] = {
        "n_features", "n_layers", "n_rbf", "cutoff", "n_z", "rbf", "cutoff_fn", "envelope_on",
        "filter_layers", "shared_filters", "shared_interactions", "context", "update", "norm_eps",
        "dir_eps", "readout", "energy_shift", "energy_scale", "energy_unit", "length_unit"};
    static st_builder b;
    for (size_t k = 0; k < sizeof required/sizeof required[0]; k++) {
        painn_fill(&b, &painn_small);
        char *config = st_metadata_text(&b, "config"), key[40], expected[60];
        snprintf(key, sizeof key, "\"%s\"", required[k]);
        snprintf(expected, sizeof expected, "'%s' is missing", required[k]);
        char *at = strstr(config, key), *end = strstr(at, ", \"");
        CHECK(at && end);
        memmove(at, end + 2, strlen(end + 2) + 1);
        st_bytes bytes = st_build(&b);
        mlff_model *model = NULL;
        mlff_error err;
        CHECK_FAILS(mlff_model_load_memory(bytes.data, bytes.n, "memory", &model, &err),
                    MLFF_ERROR_FORMAT, err, expected);
        st_bytes_free(&bytes);
        st_clear(&b);
    }
}

/* -------------------------------------------------------------------------- good files -- */

/* The model of a builder, which is cleared; NULL (and a failed check) if it is refused. */
static mlff_model *load(st_builder *b) {
    st_bytes bytes = st_build(b);
    mlff_model *model = NULL;
    mlff_error err;
    CHECK_OK(mlff_model_load_memory(bytes.data, bytes.n, "memory", &model, &err), err);
    st_bytes_free(&bytes);
    st_clear(b);
    return model;
}

static mlff_model *load_spec(const painn_spec *spec) {
    static st_builder b;
    painn_fill(&b, spec);
    return load(&b);
}

/* The pointer is the tensor of this name, with this shape; an empty name: NULL. */
static void check_tensor(const mlff_model *model, const mlff_tensor *tensor, const char *name,
                         int n_out, int n_in) {
    check_count++;
    if (!*name ? tensor != NULL : !tensor || tensor != mlff_model_tensor(model, name))
        CHECK_SAY("'%s' is not where the description points", name);
    else if (tensor && (tensor->shape[0] != n_out || tensor->n_dims != (n_in ? 2 : 1) ||
                        (n_in && tensor->shape[1] != n_in)))
        CHECK_SAY("'%s' has an unexpected shape", name);
}

/* A tensor of layer l, which may be shared (then of layer 0) or absent. */
static void check_part(const mlff_model *model, const mlff_tensor *tensor, int l, bool shared,
                       bool present, const char *part, int n_out, int n_in) {
    char name[64] = "";
    if (present)
        snprintf(name, sizeof name, "layer.%d.%s", shared ? 0 : l, part);
    check_tensor(model, tensor, name, n_out, n_in);
}

static void check_layers(const mlff_model *model, const mlff_painn *p, const painn_spec *s) {
    const int F = s->F, n_first = s->two_filter_layers ? F : 3*F;
    for (int l = 0; l < s->L; l++) {
        const mlff_painn_layer *a = &p->layer[l];
        const bool sf = s->shared_filters, si = s->shared_interactions;
        const bool two = s->two_filter_layers, ctx = !s->no_context, channel = !s->spatial;
        check_part(model, a->filter_w0, l, sf, true, "filter.w0", n_first, s->K);
        check_part(model, a->filter_b0, l, sf, true, "filter.b0", n_first, 0);
        check_part(model, a->filter_w1, l, sf, two, "filter.w1", 3*F, F);
        check_part(model, a->filter_b1, l, sf, two, "filter.b1", 3*F, 0);
        check_part(model, a->ctx_w0, l, si, ctx, "ctx.w0", F, F);
        check_part(model, a->ctx_b0, l, si, ctx, "ctx.b0", F, 0);
        check_part(model, a->ctx_w1, l, si, ctx, "ctx.w1", 3*F, F);
        check_part(model, a->ctx_b1, l, si, ctx, "ctx.b1", 3*F, 0);
        check_part(model, a->mix_v, l, si, channel, "mix.v", F, F);
        check_part(model, a->mix_w, l, si, channel, "mix.w", F, F);
        check_part(model, a->mix_m, l, si, !channel, "mix.m", 3, 3);
        check_part(model, a->upd_w0, l, si, true, "upd.w0", F, 2*F);
        check_part(model, a->upd_b0, l, si, true, "upd.b0", F, 0);
        check_part(model, a->upd_w1, l, si, true, "upd.w1", 3*F, F);
        check_part(model, a->upd_b1, l, si, true, "upd.b1", 3*F, 0);
    }
    for (int l = s->L; l < MLFF_PAINN_MAX_LAYERS; l++)
        CHECK(p->layer[l].upd_w0 == NULL);
}

static void check_description(const mlff_model *model, const painn_spec *s) {
    const mlff_painn *p = mlff_model_description(model);
    CHECK(p->n_features == s->F && p->n_layers == s->L && p->n_rbf == s->K && p->n_z == s->n_z);
    CHECK(p->cutoff == 5 && p->poly_p == 6);
    CHECK(p->rbf == (s->bessel ? MLFF_PAINN_BESSEL : MLFF_PAINN_GAUSSIAN));
    CHECK(p->cutoff_fn == (s->poly ? MLFF_PAINN_POLY : MLFF_PAINN_COSINE));
    CHECK(p->envelope == (s->envelope_rbf ? MLFF_PAINN_ENVELOPE_RBF : MLFF_PAINN_ENVELOPE_FILTER));
    CHECK(p->filter_layers == (s->two_filter_layers ? 2 : 1));
    CHECK(p->shared_filters == s->shared_filters);
    CHECK(p->shared_interactions == s->shared_interactions);
    CHECK(p->context == !s->no_context);
    CHECK(p->update == (s->spatial ? MLFF_PAINN_SPATIAL : MLFF_PAINN_CHANNEL));
    CHECK(p->norm_eps == 1e-8 && p->dir_eps == 0.001);
    CHECK(p->energy_shift == -10.25 && p->energy_scale == 1.5);

    check_tensor(model, p->embedding, "embedding", s->n_z, s->F);
    check_tensor(model, p->rbf_mu, s->bessel ? "" : "rbf.mu", s->K, 0);
    check_tensor(model, p->rbf_beta, s->bessel ? "" : "rbf.beta", s->K, 0);
    check_tensor(model, p->rbf_freq, s->bessel ? "rbf.freq" : "", s->K, 0);
    check_tensor(model, p->atomref, s->atomref ? "atomref" : "", s->n_z, 0);
    check_layers(model, p, s);

    CHECK(p->n_readout == s->n_widths - 1);
    for (int k = 0; k < p->n_readout; k++) {
        char w[32], b[32];
        snprintf(w, sizeof w, "readout.%d.w", k);
        snprintf(b, sizeof b, "readout.%d.b", k);
        check_tensor(model, p->readout_w[k], w, s->width[k + 1], s->width[k]);
        check_tensor(model, p->readout_b[k], b, s->width[k + 1], 0);
        CHECK(p->readout_width[k] == s->width[k]);
    }
    CHECK(p->readout_width[p->n_readout] == 1);
}

/* All combinations of the switches: flags say which of them are on. */
static void test_every_switch(void) {
    for (int flags = 0; flags < 1 << 9; flags++) {
        painn_spec s = {.F = 4, .L = 3, .K = 2, .n_z = 9, .energy_unit = "eV", .n_widths = 4,
                        .width = {4, 3, 2, 1}};
        s.bessel = flags & 1;
        s.poly = flags & 2;
        s.envelope_rbf = flags & 4;
        s.two_filter_layers = flags & 8;
        s.shared_filters = flags & 16;
        s.shared_interactions = flags & 32;
        s.no_context = flags & 64;
        s.spatial = flags & 128;
        s.atomref = flags & 256;
        mlff_model *model = load_spec(&s);
        if (model)
            check_description(model, &s);
        mlff_model_free(model);
    }
}

static void test_info(void) {
    mlff_model *model = load_spec(&painn_small);
    if (!model)
        return;
    const mlff_model_info *info = mlff_model_get_info(model);
    CHECK(strcmp(info->architecture, "painn") == 0 && strcmp(info->display_name, "PaiNN") == 0);
    CHECK(strcmp(info->format, "mlff-painn-1") == 0 && strcmp(info->energy_unit, "eV") == 0);
    CHECK(strcmp(info->licence, "MIT") == 0 && strcmp(info->source, "a test") == 0);
    CHECK(strcmp(info->citation, "") == 0);
    CHECK(strcmp(info->scope, "") == 0 && strcmp(info->charge, "") == 0 &&
          strcmp(info->multiplicity, "") == 0);
    CHECK(info->trained_atoms[0] == 0 && info->trained_atoms[1] == 0);
    CHECK(info->cutoff == 5 && info->n_layers == 2);
    // embedding 9*2; per layer filter 6*3 + 6, ctx 4 + 2 + 12 + 6, mix 4 + 4, upd 8 + 2 + 12 + 6;
    // readout 4 + 2 + 2 + 1
    CHECK(info->n_parameters == 18 + 2*(24 + 24 + 8 + 28) + 9);
    CHECK(info->n_elements == 3 && info->elements[0] == 1 && info->elements[1] == 6 &&
          info->elements[2] == 8);
    CHECK(!info->has_charges && !info->has_spin);
    mlff_model_free(model);
}

/* What the metadata say about the training systems; trained_atoms is read as two counts. */
static void test_scope(void) {
    static const char *const bad[] = {"", "3 36", "[3]", "[3, 36, 40]", "[36, 3]", "[0, 3]",
                                      "[3.0, 36]", "[\"3\", 36]", "[3, 3000000000]", "[3, 36"};
    static st_builder b;
    painn_fill(&b, &painn_small);
    st_metadata(&b, "trained_atoms", "[3, 36]");
    st_metadata(&b, "scope", "molecules");
    st_metadata(&b, "charge", "0");
    st_metadata(&b, "multiplicity", "1");
    mlff_model *model = load(&b);
    if (model) {
        const mlff_model_info *info = mlff_model_get_info(model);
        CHECK(info->trained_atoms[0] == 3 && info->trained_atoms[1] == 36);
        CHECK(strcmp(info->scope, "molecules") == 0 && strcmp(info->charge, "0") == 0 &&
              strcmp(info->multiplicity, "1") == 0);
    }
    mlff_model_free(model);
    for (size_t k = 0; k < sizeof bad/sizeof bad[0]; k++) {
        painn_fill(&b, &painn_small);
        st_metadata(&b, "trained_atoms", bad[k]);
        st_bytes file = st_build(&b);
        mlff_error err;
        model = NULL;
        CHECK(mlff_model_load_memory(file.data, file.n, "file", &model, &err) ==
              MLFF_ERROR_FORMAT);
        CHECK(model == NULL && strstr(err.message, "trained_atoms") != NULL);
        st_bytes_free(&file);
        st_clear(&b);
    }
}

/* 1 eV = 96.48533212331 kJ/mol = 23.060547830619 kcal/mol (CODATA 2018); AIMNet2's Hartree. */
static void test_energy_units(void) {
    static const struct {
        const char *name;
        double to_ev;
    } unit[] = {{"eV", 1}, {"kcal/mol", 1/23.060547830619}, {"kJ/mol", 1/96.48533212331},
                {"Hartree", 27.211386024367}};
    for (int k = 0; k < 4; k++) {
        painn_spec s = painn_small;
        s.energy_unit = unit[k].name;
        mlff_model *model = load_spec(&s);
        if (!model)
            continue;
        const mlff_painn *p = mlff_model_description(model);
        CHECK_NEAR(unit[k].to_ev, p->unit_to_ev, 1e-12*unit[k].to_ev);
        CHECK(strcmp(mlff_model_get_info(model)->energy_unit, unit[k].name) == 0);
        mlff_model_free(model);
    }
}

/* poly_p 5, has_atomref by presence; gaussian_width is known and means nothing. */
static void test_defaults(void) {
    static st_builder b;
    for (int with = 0; with < 2; with++) {
        painn_spec s = painn_small;
        s.atomref = with;
        painn_fill(&b, &s);
        st_edit_metadata(&b, "config", "\"poly_p\": 6, ", "");
        st_edit_metadata(&b, "config",
                         with ? ", \"has_atomref\": true" : ", \"has_atomref\": false",
                         ", \"gaussian_width\": \"spacing\"");
        st_metadata(&b, "licence", NULL);
        st_metadata(&b, "license", "BSD");
        st_metadata(&b, "source", NULL);
        mlff_model *model = load(&b);
        if (!model)
            continue;
        const mlff_painn *p = mlff_model_description(model);
        CHECK(p->poly_p == 5 && (p->atomref != NULL) == (with == 1));
        CHECK(strcmp(mlff_model_get_info(model)->licence, "BSD") == 0);
        CHECK(strcmp(mlff_model_get_info(model)->source, "") == 0);
        mlff_model_free(model);
    }
}

/* ---------------------------------------------------------------------------- elements -- */

static void check_elements(const mlff_model *model, int n, const int *z) {
    if (!model)
        return;
    const mlff_model_info *info = mlff_model_get_info(model);
    CHECK(info->n_elements == n);
    for (int k = 0; k < n && k < info->n_elements; k++)
        CHECK(info->elements[k] == z[k]);
}

static void test_elements_texts(void) {
    static const char *const same[] = {"[1, 6, 7, 8]", "[8,7,6,1]", " [1,6,7,8] ", "H C N O",
                                       "O, N, C, H", "H,C,N,O", "  H C N O (claimed)",
                                       "H C N O(claimed)", "H C N O ( a remark ) "};
    static st_builder b;
    for (size_t k = 0; k < sizeof same/sizeof same[0]; k++) {
        painn_fill(&b, &painn_small);
        st_metadata(&b, "elements", same[k]);
        mlff_model *model = load(&b);
        check_elements(model, 4, (const int[]) {1, 6, 7, 8});
        mlff_model_free(model);
    }
}

/* Without the metadata: rows of the embedding that are not all zero, row 0 left out. */
static void test_elements_by_rows(void) {
    static st_builder b;
    painn_fill(&b, &painn_small);
    st_metadata(&b, "elements", NULL);
    float *row = (float *) b.tensor[st_find(&b, "embedding")].data;
    for (int z = 2; z < 9; z++)
        row[2*z] = row[2*z + 1] = 0;
    row[2*6 + 1] = 0.5f;
    row[2*8] = -0.0f;
    mlff_model *model = load(&b);
    check_elements(model, 2, (const int[]) {1, 6});
    mlff_model_free(model);

    // rows beyond the last element have no atomic number
    painn_spec s = painn_small;
    s.n_z = 130;
    painn_fill(&b, &s);
    st_metadata(&b, "elements", NULL);
    model = load(&b);
    CHECK(model && mlff_model_get_info(model)->n_elements == 118);
    mlff_model_free(model);
}

/* What other architectures may hand over. */
static void test_set_elements(void) {
    mlff_model *model = load_spec(&painn_small);
    if (!model)
        return;
    mlff_error err;
    CHECK_FAILS(mlff_model_set_elements(model, 2, (const int[]) {1, 119}, &err), MLFF_ERROR_FORMAT,
                err, "its list of elements has 119");
    CHECK_FAILS(mlff_model_set_elements(model, 1, (const int[]) {0}, &err), MLFF_ERROR_FORMAT, err,
                "its list of elements has 0");
    CHECK_OK(mlff_model_set_elements(model, 3, (const int[]) {118, 6, 1}, &err), err);
    check_elements(model, 3, (const int[]) {1, 6, 118});
    CHECK_OK(mlff_model_check_element(model, 118, &err), err);
    CHECK(mlff_model_check_element(model, 8, &err) == MLFF_ERROR_ELEMENT);
    mlff_model_free(model);
}

static void test_check_element(void) {
    mlff_model *model = load_spec(&painn_small);
    if (!model)
        return;
    mlff_error err;
    CHECK_OK(mlff_model_check_element(model, 1, &err), err);
    CHECK_OK(mlff_model_check_element(model, 8, &err), err);
    CHECK_FAILS(mlff_model_check_element(model, 17, &err), MLFF_ERROR_ELEMENT, err,
                "memory does not know Cl (atomic number 17); it knows H C O");
    CHECK_FAILS(mlff_model_check_element(model, 7, &err), MLFF_ERROR_ELEMENT, err, "know N (");
    CHECK_FAILS(mlff_model_check_element(model, 0, &err), MLFF_ERROR_ELEMENT, err,
                "0 is not an atomic number");
    CHECK_FAILS(mlff_model_check_element(model, -1, &err), MLFF_ERROR_ELEMENT, err, "-1 is not");
    CHECK_FAILS(mlff_model_check_element(model, 119, &err), MLFF_ERROR_ELEMENT, err, "119 is not");
    mlff_model_free(model);
}

/* -------------------------------------------------------------------- published models -- */

/* What specs and model cards of the published files say. */
static void test_published_models(void) {
    static const struct {
        const char *file, *unit, *licence;
        int F, L, K, n_elements;
        int element[7];
        long n_parameters;
        bool student, atomref;
    } model_list[] = {
        {"painn-random-128x3", "eV", "same", 128, 3, 20, 99, {1, 2, 3, 4, 5, 6, 7}, 589057, 0, 0},
        {"painn-rmd17-ethanol", "kcal/mol", "MIT", 128, 3, 20, 3, {1, 6, 8}, 589057, 0, 0},
        {"painn-md17-aspirin", "kcal/mol", "MIT", 128, 2, 20, 3, {1, 6, 8}, 399745, 0, 0},
        {"painn-student-427k", "eV", "MIT", 128, 3, 20, 7, {1, 6, 7, 8, 9, 16, 17}, 427292, 1, 0},
        {"painn-student-77k", "eV", "MIT", 64, 2, 12, 7, {1, 6, 7, 8, 9, 16, 17}, 77203, 1, 0},
        {"painn-student-21k", "eV", "MIT", 32, 2, 10, 7, {1, 6, 7, 8, 9, 16, 17}, 21459, 1, 0},
        {"painn-hcno-distilled", "eV", "MIT", 64, 3, 20, 5, {1, 6, 7, 8, 16}, 152001, 0, 1},
    };
    for (size_t k = 0; k < sizeof model_list/sizeof model_list[0]; k++) {
        char name[100];
        snprintf(name, sizeof name, "models/%s.safetensors", model_list[k].file);
        const char *path = check_path("MLFF_SHARED", name);
        if (!check_file_exists(path)) {
            printf("skipped: %s is not here\n", model_list[k].file);
            continue;
        }
        mlff_model *model = NULL;
        mlff_error err;
        CHECK_OK(mlff_model_load(path, &model, &err), err);
        if (!model)
            continue;
        const mlff_model_info *info = mlff_model_get_info(model);
        const mlff_painn *p = mlff_model_description(model);
        CHECK(strcmp(info->architecture, "painn") == 0 && info->cutoff == 5);
        CHECK(strcmp(info->energy_unit, model_list[k].unit) == 0);
        CHECK(strncmp(info->licence, model_list[k].licence, strlen(model_list[k].licence)) == 0);
        CHECK(info->n_parameters == model_list[k].n_parameters);
        CHECK(info->n_layers == model_list[k].L && p->n_features == model_list[k].F);
        CHECK(p->n_rbf == model_list[k].K && p->rbf == MLFF_PAINN_GAUSSIAN);
        CHECK(info->n_elements == model_list[k].n_elements);
        for (int m = 0; m < info->n_elements && m < 7; m++)
            CHECK(info->elements[m] == model_list[k].element[m]);
        CHECK((p->update == MLFF_PAINN_SPATIAL) == model_list[k].student);
        CHECK(p->context == !model_list[k].student);
        CHECK((p->atomref != NULL) == model_list[k].atomref);
        mlff_model_free(model);
    }
}

/* The repository's own files load, and count as many parameters as their maker. */
static void test_repository_models(void) {
    static const struct {
        const char *file;
        long n_parameters;
    } list[] = {{"schnet-16x3", 10449}, {"student-16x2", 6355}, {"shared-both-7x3", 645},
                {"spatial-shared-8x3", 730}, {"poly6-rbf-8x2", 1841}, {"hartree-16x1", 3697}};
    for (size_t k = 0; k < sizeof list/sizeof list[0]; k++) {
        char name[100];
        snprintf(name, sizeof name, "painn/%s.safetensors", list[k].file);
        const char *path = check_path("MLFF_TEST_DATA", name);
        if (!path) {
            printf("skipped: %s, as MLFF_TEST_DATA is not set\n", name);
            continue;
        }
        mlff_model *model = NULL;
        mlff_error err;
        CHECK_OK(mlff_model_load(path, &model, &err), err);
        CHECK(model && mlff_model_get_info(model)->n_parameters == list[k].n_parameters);
        mlff_model_free(model);
    }
}

int main(void) {
    test_broken_files();
    test_every_key_is_required();
    test_every_switch();
    test_info();
    test_scope();
    test_energy_units();
    test_defaults();
    test_elements_texts();
    test_elements_by_rows();
    test_set_elements();
    test_check_element();
    test_published_models();
    test_repository_models();
    return check_report("test_painn_description");
}
