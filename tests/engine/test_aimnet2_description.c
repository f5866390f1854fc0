/* AIMNet2 files: everything is read, every wrong value refused with its own message. */
#include "aimnet2_builder.h"
#include "mlff_aimnet2.h"

/* as in aimnet2_small */
#define D3 "\"d3\": {\"kind\": \"d3bj\", \"s6\": 1.0, \"s8\": 0.4, \"a1\": 0.5, \"a2\": 3.0, " \
           "\"k1\": 16.0, \"k3\": -4.0, \"cutoff\": 15.0, \"smoothing_on\": 12.0}"

static mlff_error err;

/* -------------------------------------------------------------------------- good files -- */

/* Load what the builder holds, and clear it. */
static mlff_model *load(st_builder *b) {
    st_bytes bytes = st_build(b);
    mlff_model *model = NULL;
    CHECK_OK(mlff_model_load_memory(bytes.data, bytes.n, "good.file", &model, &err), err);
    st_bytes_free(&bytes);
    st_clear(b);
    if (!model)
        exit(check_report("test_aimnet2_description"));
    return model;
}

static void check_tensor(const mlff_tensor *tensor, const char *name) {
    CHECK(tensor && strcmp(tensor->name, name) == 0);
}

static void check_network(const mlff_aimnet2 *p) {
    static const int width[3][5] = {{16, 5, 8}, {22, 5, 8}, {22, 5, 3, 4}};
    CHECK(p->n_features == 2 && p->n_radial == 3 && p->n_combinations == 2 && p->n_charges == 1);
    CHECK(p->n_aim == 4 && p->n_z == 9 && p->charged);
    CHECK(p->cutoff == 5 && p->eta == 2 && p->charge_epsilon == 1e-6);
    check_tensor(p->afv, "afv.weight");
    check_tensor(p->shifts, "aev.shifts_s");
    check_tensor(p->agh_a, "conv_a.agh");
    check_tensor(p->agh_q, "conv_q.agh");
    check_tensor(p->atomic_shift, "atomic_shift.shifts.weight");
    for (int t = 0; t < MLFF_AIMNET2_PASSES; t++) {
        const mlff_aimnet2_mlp *mlp = &p->pass[t];
        CHECK(mlp->n_linear == (t == 2 ? 3 : 2) && mlp->last_linear == (t == 0));
        for (int k = 0; k <= mlp->n_linear; k++)
            CHECK(mlp->width[k] == width[t][k]);
        for (int k = 0; k < mlp->n_linear; k++) {
            char name[32];
            snprintf(name, sizeof name, "mlps.%d.%d.weight", t, 2*k);
            check_tensor(mlp->w[k], name);
            snprintf(name, sizeof name, "mlps.%d.%d.bias", t, 2*k);
            check_tensor(mlp->b[k], name);
        }
    }
    CHECK(p->head.n_linear == 2 && p->head.last_linear);
    CHECK(p->head.width[0] == 4 && p->head.width[1] == 3 && p->head.width[2] == 1);
    check_tensor(p->head.w[1], "energy_mlp.mlp.2.weight");
}

static void test_good_file(void) {
    static st_builder b;
    aimnet2_fill(&b);
    mlff_model *model = load(&b);
    const mlff_model_info *info = mlff_model_get_info(model);
    CHECK(strcmp(info->architecture, "aimnet2") == 0 && strcmp(info->format, "aimnet2") == 0);
    CHECK(strcmp(info->display_name, "AIMNet2") == 0 && strcmp(info->energy_unit, "eV") == 0);
    CHECK(strcmp(info->licence, "MIT") == 0);
    CHECK(info->cutoff == 5 && info->n_layers == 3 && info->has_charges && !info->has_spin);
    CHECK(info->rotation_invariant);
    CHECK(info->n_elements == 2 && info->elements[0] == 1 && info->elements[1] == 8);
    /* table 54, agh 12 + 6, passes 133 + 163 + 149, head 19 */
    CHECK(info->n_parameters == 54 + 18 + 133 + 163 + 149 + 19);

    const mlff_aimnet2 *p = mlff_model_description(model);
    check_network(p);
    const mlff_longrange_model *lr = &p->longrange;
    CHECK(lr->coulomb && lr->coulomb_constant == MLFF_HARTREE*MLFF_BOHR);
    CHECK(lr->short_range_radius == (double) 4.6f);
    CHECK(lr->short_range_envelope == MLFF_ENVELOPE_EXP);
    CHECK(lr->dispersion && lr->dispersion_cutoff == 15 && lr->table && lr->table->n == 2);
    CHECK(lr->damping.s6 == 1 && lr->damping.s8 == 0.4 && lr->damping.a1 == 0.5 &&
          lr->damping.a2 == 3);
    mlff_model_free(model);
}

/* The switches of the other families. */
static void test_families(void) {
    static st_builder b;
    aimnet2_fill(&b);
    st_edit_metadata(&b, "architecture", "\"num_charge_channels\": 1",
                     "\"num_charge_channels\": 2");
    st_edit_metadata(&b, "architecture", "\"exp\"", "\"cosine\"");
    const char *const replaced[] = {"conv_q.agh", "mlps.0.2.weight", "mlps.0.2.bias",
                                    "mlps.1.0.weight", "mlps.1.2.weight", "mlps.1.2.bias",
                                    "mlps.2.0.weight"};
    const int shape[][3] = {{2, 3, 2}, {10, 5}, {10}, {5, 28}, {10, 5}, {10}, {5, 28}};
    for (int k = 0; k < 7; k++) {
        st_remove(&b, replaced[k]);
        aimnet2_add(&b, replaced[k], shape[k][0], shape[k][1], shape[k][2]);
    }
    mlff_model *model = load(&b);
    const mlff_aimnet2 *p = mlff_model_description(model);
    CHECK(p->n_charges == 2 && mlff_model_get_info(model)->has_spin);
    CHECK(p->longrange.short_range_envelope == MLFF_ENVELOPE_COSINE);
    mlff_model_free(model);

    aimnet2_fill(&b);
    st_edit_metadata(&b, "architecture", "\"sr_coulomb\": {\"rc\": 4.6, \"envelope\": \"exp\"}",
                     "\"needs_coulomb\": true, \"sr_coulomb\": null, "
                     "\"supports_charged_systems\": false");
    st_remove(&b, "srcoulomb.rc");
    const double charges[] = {0, 0.5};
    mlff_graph graph = {.n_regions = 2, .total_charge = charges};
    model = load(&b);
    p = mlff_model_description(model);
    CHECK(p->longrange.coulomb && p->longrange.short_range_radius == 0 && !p->charged);
    CHECK_FAILS(mlff_aimnet2_check_graph(p, &graph, &err), MLFF_ERROR_CHARGE, err,
                "region 1: its total charge is 0.5 e");
    graph.n_regions = 1;
    CHECK_OK(mlff_aimnet2_check_graph(p, &graph, &err), err);
    mlff_model_free(model);
}

/* Without a table the model can be read, but wants one. */
static void test_no_table(void) {
    static st_builder b;
    aimnet2_fill(&b);
    const char *const parts[] = {"d3.numbers", "d3.c6ref", "d3.cnref", "d3.rcov", "d3.r4r2"};
    for (int k = 0; k < 5; k++)
        st_remove(&b, parts[k]);
    mlff_model *model = load(&b);
    const mlff_aimnet2 *p = mlff_model_description(model);
    CHECK(p->longrange.dispersion && !p->longrange.table);
    CHECK_FAILS(mlff_longrange_check(&p->longrange, NULL, &err), MLFF_ERROR_UNSUPPORTED, err,
                "d3.*");
    mlff_model_free(model);

    aimnet2_fill(&b);
    for (int k = 0; k < 5; k++)
        st_remove(&b, parts[k]);
    st_edit_metadata(&b, "architecture", D3, "\"d3\": null");
    model = load(&b);
    p = mlff_model_description(model);
    CHECK(!p->longrange.dispersion);
    CHECK_OK(mlff_longrange_check(&p->longrange, NULL, &err), err);
    mlff_model_free(model);
}

/* Optional statements may be left out. */
static void test_short_metadata(void) {
    static st_builder b;
    aimnet2_fill(&b);
    st_edit_metadata(&b, "architecture", "\"rmin\": 0.8, \"eta\": 2.0, ", "");
    st_edit_metadata(&b, "architecture", "\"k1\": 16.0, \"k3\": -4.0, \"cutoff\": 15.0, "
                     "\"smoothing_on\": 12.0", "\"cutoff\": 10");
    st_edit_metadata(&b, "architecture", "\"hartree_eV\": 27.211386024367243, "
                     "\"bohr_A\": 0.5291772105638411, ", "\"coulomb_mode\": \"sr_embedded\", ");
    st_remove(&b, "aev.rc_v");
    st_remove(&b, "aev.eta_v");
    st_remove(&b, "aev.shifts_v");
    mlff_model *model = load(&b);
    const mlff_aimnet2 *p = mlff_model_description(model);
    CHECK(p->longrange.dispersion_cutoff == 10);
    mlff_model_free(model);
}

/* The published file, where it is at hand. */
static void test_published_file(void) {
    const char *path = check_path("MLFF_SHARED", "models/aimnet2_wb97m_d3_member0.safetensors");
    if (!check_file_exists(path)) {
        printf("skipped: the published model is not there\n");
        return;
    }
    mlff_model *model = NULL;
    CHECK_OK(mlff_model_load(path, &model, &err), err);
    const mlff_model_info *info = mlff_model_get_info(model);
    CHECK(info->n_parameters == 2205493 && info->n_elements == 14 && info->elements[13] == 53);
    const mlff_aimnet2 *p = mlff_model_description(model);
    CHECK(p->n_features == 16 && p->n_radial == 16 && p->n_combinations == 12 && p->n_z == 64);
    CHECK(p->pass[0].width[0] == 704 && p->pass[1].width[0] == 733 && p->pass[2].width[4] == 256);
    CHECK(p->longrange.table != NULL);
    mlff_model_free(model);
}

/* ------------------------------------------------------------------------ broken files -- */

static void swap(st_builder *b, const char *name, int n0, int n1, int n2) {
    st_remove(b, name);
    aimnet2_add(b, name, n0, n1, n2);
}

static void few_rows(st_builder *b) { swap(b, "afv.weight", 8, 6, 0); }
static void wrong_afv(st_builder *b) { swap(b, "afv.weight", 9, 5, 0); }
static void wrong_agh(st_builder *b) { swap(b, "conv_a.agh", 2, 2, 3); }
static void wrong_agh_q(st_builder *b) { swap(b, "conv_q.agh", 2, 3, 2); }
static void wrong_shifts(st_builder *b) { swap(b, "aev.shifts_s", 4, 0, 0); }
static void wrong_layer(st_builder *b) { swap(b, "mlps.1.0.weight", 5, 16, 0); }
static void wrong_bias(st_builder *b) { swap(b, "mlps.2.4.bias", 3, 0, 0); }
static void wrong_head(st_builder *b) { swap(b, "energy_mlp.mlp.2.weight", 2, 3, 0); }
static void wrong_constants(st_builder *b) { swap(b, "atomic_shift.shifts.weight", 8, 1, 0); }
static void no_head(st_builder *b) { st_remove(b, "energy_mlp.mlp.0.bias"); }
static void no_cutoff(st_builder *b) { st_remove(b, "aev.rc_s"); }
static void no_radius(st_builder *b) { st_remove(b, "srcoulomb.rc"); }
static void no_weights(st_builder *b) { st_remove(b, "d3.cnref"); }
static void no_numbers(st_builder *b) { st_remove(b, "d3.numbers"); }
static void extra_layer(st_builder *b) { aimnet2_add(b, "mlps.0.4.weight", 8, 8, 0); }
static void extra_pass(st_builder *b) { aimnet2_add(b, "mlps.3.0.weight", 8, 8, 0); }
static void integers(st_builder *b) { strcpy(b->tensor[st_find(b, "conv_a.agh")].dtype, "I32"); }

static void scalar(st_builder *b, const char *name, double value) {
    st_remove(b, name);
    aimnet2_add_scalar(b, name, value);
}

static void other_cutoff(st_builder *b) { scalar(b, "aev.rc_s", 6); scalar(b, "aev.rc_v", 6); }
static void other_eta(st_builder *b) { scalar(b, "aev.eta_s", 3); scalar(b, "aev.eta_v", 3); }
static void negative_eta(st_builder *b) { scalar(b, "aev.eta_s", -2); scalar(b, "aev.eta_v", -2); }
static void vector_cutoff(st_builder *b) { scalar(b, "aev.rc_v", 4); }
static void vector_eta(st_builder *b) { scalar(b, "aev.eta_v", 4); }
static void other_radius(st_builder *b) { scalar(b, "srcoulomb.rc", 4.5); }
static void vector_shifts(st_builder *b) { swap(b, "aev.shifts_v", 3, 0, 0); }
static void large_radius(st_builder *b) {
    scalar(b, "srcoulomb.rc", 5.5);
    st_edit_metadata(b, "architecture", "\"rc\": 4.6", "\"rc\": 5.5");
}
static void radius_unused(st_builder *b) {
    st_edit_metadata(b, "architecture", "\"sr_coulomb\": {\"rc\": 4.6, \"envelope\": \"exp\"}, ",
                     "");
}

/* One changed thing in the small file; config_from is replaced in metadata 'architecture'. */
typedef struct broken {
    const char *from, *to;
    void (*change)(st_builder *b);
    mlff_status status;
    const char *message;
} broken;

#define CONFIG(from_, to_, message_) {from_, to_, NULL, MLFF_ERROR_FORMAT, message_}
#define KIND(from_, to_, message_) {from_, to_, NULL, MLFF_ERROR_UNSUPPORTED, message_}
#define CHANGE(change_, message_) {NULL, NULL, change_, MLFF_ERROR_FORMAT, message_}

static const broken list[] = {
    /* the text as a whole */
    CONFIG("{\"architecture\"", "{{\"architecture\"", "metadata 'architecture'"),
    KIND("\"aimnet2\"", "\"aimnet2-next\"", "'architecture' is 'aimnet2-next'"),
    CONFIG("\"variant\"", "\"smear\": 1, \"variant\"", "unknown key 'smear'"),
    CONFIG("\"nshifts\": 3, ", "", "'nshifts' is missing"),
    CONFIG("\"elements\": [8, 1], ", "", "'elements' is missing"),
    CONFIG("[8, 1]", "[8, 1, 8]", "O twice"),
    CONFIG("[8, 1]", "[8, 200]", "value 1 of 'elements'"),
    /* a network of another kind */
    KIND("\"d2features\": true", "\"d2features\": false", "'d2features' is false"),
    KIND("gelu_erf", "gelu_tanh", "'activation' is 'gelu_tanh'"),
    KIND("[[5], [5], [5, 3]]", "[[5], [5], [5], [5, 3]]", "'mlp_hidden' has 4 passes"),
    KIND("[true, false, false]", "[true, false]", "'mlp_last_linear' has 2 passes"),
    CONFIG("[[5], [5], [5, 3]]", "5", "'mlp_hidden' is a number"),
    CONFIG("[[5], [5], [5, 3]]", "[[5], 5, [5, 3]]", "pass 1 of 'mlp_hidden' is a number"),
    CONFIG("[[5], [5], [5, 3]]", "[[5], [5], [5, 0]]", "value 1 of 'mlp_hidden'"),
    CONFIG("[true, false, false]", "[true, 0, false]", "pass 1 of 'mlp_last_linear' is a number"),
    CONFIG("charge_channels\": 1", "charge_channels\": 3", "'num_charge_channels' is 3"),
    CONFIG("\"nse_epsilon\": 1e-06", "\"nse_epsilon\": 0", "'nse_epsilon' is 0"),
    CONFIG("energy_mlp_hidden\": [3]", "energy_mlp_hidden\": 3", "'energy_mlp_hidden' is a number"),
    /* stated twice, with two values */
    CONFIG("\"rc\": 5.0", "\"rc\": 5.2", "'rc' is 5.2, but"),
    CONFIG("\"rc\": 5.0", "\"rc\": -5", "'rc' is -5, expected more than 0"),
    CONFIG("\"rmin\": 0.8", "\"rmin\": 0.9", "'rmin' is 0.9"),
    CONFIG("\"eta\": 2.0", "\"eta\": 2.1", "'eta' is 2.1"),
    CHANGE(other_cutoff, "'aev.rc_s' is 6"),
    CHANGE(other_eta, "'aev.eta_s' is 3"),
    CHANGE(negative_eta, "5 and -2, expected more than 0"),
    {NULL, NULL, vector_cutoff, MLFF_ERROR_UNSUPPORTED, "'aev.rc_v' differs"},
    {NULL, NULL, vector_eta, MLFF_ERROR_UNSUPPORTED, "'aev.eta_v' differs"},
    {NULL, NULL, vector_shifts, MLFF_ERROR_UNSUPPORTED, "'aev.shifts_v' differs"},
    CONFIG("27.211386024367243", "27.2114", "'hartree_eV' is 27.2114"),
    CONFIG("0.5291772105638411", "0.529177", "'bohr_A' is 0.529177"),
    KIND("\"eV\"", "\"kcal/mol\"", "'energy_unit' is 'kcal/mol'"),
    KIND("\"length_unit\": \"angstrom\"", "\"length_unit\": \"nm\"", "'length_unit' is 'nm'"),
    /* Coulomb */
    CONFIG("\"exp\"", "\"linear\"", "'envelope' is 'linear'"),
    CONFIG("\"envelope\"", "\"shape\": 1, \"envelope\"", "sr_coulomb: unknown key 'shape'"),
    CONFIG("\"rc\": 4.6", "\"rc\": 0", "sr_coulomb: 'rc' is 0"),
    CONFIG("{\"rc\": 4.6, \"envelope\": \"exp\"}", "4.6", "'sr_coulomb' is a number"),
    CONFIG("\"sr_coulomb\"", "\"needs_coulomb\": false, \"sr_coulomb\"",
           "'needs_coulomb' is false"),
    KIND("\"sr_coulomb\"", "\"coulomb_mode\": \"full_embedded\", \"sr_coulomb\"",
         "'coulomb_mode' is 'full_embedded'"),
    CHANGE(other_radius, "'rc' of 'sr_coulomb' is 4.6"),
    CHANGE(large_radius, "radius is 5.5 angstrom, expected at most the cutoff of 5"),
    CHANGE(radius_unused, "unexpected tensor 'srcoulomb.rc'"),
    CHANGE(no_radius, "'srcoulomb.rc' is missing"),
    /* dispersion */
    KIND("d3bj", "d3ts", "'kind' is 'd3ts'"),
    CONFIG("\"s6\": 1.0, ", "", "'s6' is missing"),
    CONFIG("\"a1\": 0.5", "\"a1\": 0.5, \"s9\": 1", "d3: unknown key 's9'"),
    CONFIG("\"k1\": 16.0", "\"k1\": 17.0", "'k1' is 17"),
    CONFIG("\"k3\": -4.0", "\"k3\": 4.0", "'k3' is 4"),
    CONFIG("\"cutoff\": 15.0", "\"cutoff\": 0", "'cutoff' is 0"),
    CONFIG("\"smoothing_on\": 12.0", "\"smoothing_on\": 10.0", "'smoothing_on' is 10"),
    CONFIG("\"d3\"", "\"needs_dispersion\": false, \"d3\"", "'needs_dispersion' is false"),
    CONFIG(D3, "\"needs_dispersion\": true", "'needs_dispersion' is true, but 'd3'"),
    CONFIG(D3, "\"d3\": [1]", "'d3' is an array, expected an object or null"),
    CHANGE(no_weights, "'d3.cnref' is missing"),
    CHANGE(no_numbers, "unexpected tensor 'd3."),
    /* tensors */
    CHANGE(few_rows, "'afv.weight' has only the rows 0 ... 7"),
    CHANGE(wrong_afv, "'afv.weight' has the shape [9, 5], expected [*, 6]"),
    CHANGE(wrong_agh, "'conv_a.agh' has the shape [2, 2, 3], expected [2, 3, 2]"),
    CHANGE(wrong_agh_q, "'conv_q.agh' has the shape [2, 3, 2], expected [1, 3, 2]"),
    CHANGE(wrong_shifts, "'aev.shifts_s' has the shape [4], expected [3]"),
    CHANGE(wrong_layer, "'mlps.1.0.weight' has the shape [5, 16], expected [5, 22]"),
    CHANGE(wrong_bias, "'mlps.2.4.bias' has the shape [3], expected [4]"),
    CHANGE(wrong_head, "'energy_mlp.mlp.2.weight' has the shape [2, 3], expected [1, 3]"),
    CHANGE(wrong_constants, "'atomic_shift.shifts.weight' has the shape [8, 1], expected [9, 1]"),
    CHANGE(no_head, "'energy_mlp.mlp.0.bias' is missing"),
    CHANGE(no_cutoff, "'aev.rc_s' is missing"),
    CHANGE(extra_layer, "unexpected tensor 'mlps.0.4.weight'"),
    CHANGE(extra_pass, "unexpected tensor 'mlps.3.0.weight'"),
    CHANGE(integers, "'conv_a.agh' has integers"),
    CONFIG("\"nfeature\": 2", "\"nfeature\": 3",
           "'afv.weight' has the shape [9, 6], expected [*, 9]"),
    CONFIG("\"ncomb_v\": 2", "\"ncomb_v\": 4",
           "'conv_a.agh' has the shape [2, 3, 2], expected [2, 3, 4]"),
    CONFIG("\"aim_size\": 4", "\"aim_size\": 6",
           "'mlps.2.4.weight' has the shape [4, 3], expected [6, 3]"),
    CONFIG("[[5], [5], [5, 3]]", "[[5], [6], [5, 3]]", "'mlps.1.0.weight' has the shape [5, 22]"),
};
enum { N_BROKEN = sizeof list/sizeof list[0] };

/* Every file is refused; status, message and that no two messages are the same. */
static void test_broken_files(void) {
    static st_builder b;
    static char message[N_BROKEN][MLFF_MESSAGE_SIZE];
    for (int k = 0; k < N_BROKEN; k++) {
        st_clear(&b);
        aimnet2_fill(&b);
        if (list[k].from)
            st_edit_metadata(&b, "architecture", list[k].from, list[k].to);
        if (list[k].change)
            list[k].change(&b);
        st_bytes bytes = st_build(&b);
        mlff_model *model = NULL;
        CHECK_FAILS(mlff_model_load_memory(bytes.data, bytes.n, "broken.file", &model, &err),
                    list[k].status, err, list[k].message);
        CHECK(model == NULL && strstr(err.message, "broken.file") != NULL);
        mlff_model_free(model);
        st_bytes_free(&bytes);
        snprintf(message[k], sizeof message[k], "%s", err.message);
        for (int m = 0; m < k; m++)
            CHECK(strcmp(message[m], message[k]) != 0);
    }
    st_clear(&b);
}

/* Without any one of its tensors the file is refused, by name. */
static void test_missing_tensors(void) {
    static st_builder b;
    aimnet2_fill(&b);
    const int n = b.n_tensors;
    st_clear(&b);
    for (int k = 0; k < n; k++) {
        aimnet2_fill(&b);
        char name[80], expected[100];
        snprintf(name, sizeof name, "%s", b.tensor[k].name);
        snprintf(expected, sizeof expected, "tensor '%s' is missing", name);
        st_remove(&b, name);
        st_bytes bytes = st_build(&b);
        st_clear(&b);
        mlff_model *model = NULL;
        const bool optional = strstr(name, "_v") || strcmp(name, "d3.numbers") == 0;
        if (!optional)
            CHECK_FAILS(mlff_model_load_memory(bytes.data, bytes.n, "file", &model, &err),
                        MLFF_ERROR_FORMAT, err, expected);
        mlff_model_free(model);
        st_bytes_free(&bytes);
    }
}

int main(void) {
    test_good_file();
    test_families();
    test_no_table();
    test_short_metadata();
    test_published_file();
    test_broken_files();
    test_missing_tensors();
    return check_report("test_aimnet2_description");
}
