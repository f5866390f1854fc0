/*
 * D3(BJ): reference tables in model files, energies, forces.
 *
 * Expected values: golden/aimnet2 (the published code, see its README); the formula itself where
 * one reference per element leaves no interpolation.
 */
#define _POSIX_C_SOURCE 200809L  // mkdtemp, symlink

#include "longrange_support.h"
#include "mlff_aimnet2.h"
#include "mlff_cpu.h"
#include "mlff_model_private.h"
#include "safetensors_builder.h"

#include <unistd.h>

enum { N_Z = 18, N_REF = MLFF_D3_REFERENCES, BLOCK = N_REF*N_REF };

/* ------------------------------------------------------------------------ made-up tables -- */

/* References of an element: hydrogen 2, the others up to 5. */
static int n_references(int z) {
    return z == 1 ? 2 : 2 + z % 4;
}

/* A table file of atomic numbers 0 ... N_Z-1 with different numbers everywhere. The references'
   coordination numbers lie close together, so that none is dropped (a jump of the energy that
   differences would see; the goldens have dropped ones). */
static void build_table(st_builder *b) {
    static float c6[N_Z][N_Z][N_REF][N_REF], cn[N_Z][N_Z][N_REF][N_REF], rcov[N_Z], r4r2[N_Z];
    const int64_t pairs[4] = {N_Z, N_Z, N_REF, N_REF}, single[1] = {N_Z};
    memset(b, 0, sizeof *b);
    for (int i = 1; i < N_Z; i++) {
        rcov[i] = (float) (1.2 + 0.08*i);
        r4r2[i] = (float) (2 + 0.11*i);
        for (int j = 1; j < N_Z; j++)
            for (int p = 0; p < N_REF; p++)
                for (int s = 0; s < N_REF; s++) {
                    const bool used = p < n_references(i) && s < n_references(j);
                    cn[i][j][p][s] = (float) (p < n_references(i) ? 1.2 + 0.08*p + 0.01*i : -1);
                    c6[i][j][p][s] = (float) (used ? (3 + i)*(3 + j)/(1 + 0.1*p + 0.1*s) : 0);
                }
    }
    st_add(b, "c6ref", "F32", 4, pairs, c6);
    st_add(b, "cnref", "F32", 4, pairs, cn);
    st_add(b, "rcov", "F32", 1, single, rcov);
    st_add(b, "r4r2", "F32", 1, single, r4r2);
}

/* A model as far as tables need one: content and elements. Free with close_model(). */
static mlff_model open_model(const st_bytes *content, int n_elements, const int *elements) {
    static char name[] = "model";
    mlff_model m = {.name = name, .bytes = content->data};
    m.info.n_bytes = content->n;
    m.info.n_elements = n_elements;
    m.info.elements = elements;
    CHECK_OK(mlff_safetensors_read(content->data, content->n, name, &m.file, &lr_error), lr_error);
    m.tensor_used = calloc((size_t) m.file.n_tensors + 1, sizeof *m.tensor_used);
    return m;
}

static void close_model(mlff_model *m) {
    mlff_safetensors_free(&m->file);
    free(m->tensor_used);
}

static const int elements[] = {1, 6, 7, 8, 16, 17};
enum { N_ELEMENTS = 6 };

/* A small model file without a table. */
static st_bytes build_model(void) {
    static st_builder b;
    static const float values[3] = {1.5f, -2, 0.25f};
    static const int64_t shape[1] = {3};
    st_clear(&b);
    st_add(&b, "weights", "F32", 1, shape, values);
    st_metadata(&b, "kind", "a test }");
    const st_bytes bytes = st_build(&b);
    st_clear(&b);
    return bytes;
}

/* The model file with the made-up table's rows. */
static st_bytes build_model_with_table(void) {
    static st_builder b;
    build_table(&b);
    st_bytes plain = build_model(), table = st_build(&b), out = {0};
    mlff_model m = open_model(&plain, N_ELEMENTS, elements);
    CHECK_OK(mlff_dispersion_embed(&m, table.data, table.n, "table", &out.data, &out.n, &lr_error),
             lr_error);
    close_model(&m);
    st_clear(&b);
    st_bytes_free(&plain);
    st_bytes_free(&table);
    return out;
}

static mlff_dispersion_table *made_up_table(void) {
    st_bytes content = build_model_with_table();
    mlff_model m = open_model(&content, N_ELEMENTS, elements);
    mlff_dispersion_table *table;
    CHECK_OK(mlff_dispersion_table_new(&m, &table, &lr_error), lr_error);
    CHECK(table != NULL);
    CHECK_FAILS(mlff_model_check_all_used(&m, &lr_error), MLFF_ERROR_FORMAT, lr_error, "weights");
    close_model(&m);
    st_bytes_free(&content);
    return table;
}

/* ---------------------------------------------------------------------- tables in files -- */

// The new file holds the old content and the table's rows, to the bit.
static void test_embed(void) {
    static st_builder b;
    build_table(&b);
    st_bytes content = build_model_with_table();
    mlff_model m = open_model(&content, N_ELEMENTS, elements);
    const mlff_tensor *weights = mlff_model_tensor(&m, "weights");
    CHECK(weights && weights->n_values == 3 && mlff_tensor_value(weights, 1) == -2);
    const char *kind = mlff_model_metadata(&m, "kind");
    CHECK(kind && strcmp(kind, "a test }") == 0);
    CHECK((8 + st_header_length(&content)) % 8 == 0);

    mlff_dispersion_table *t;
    CHECK_OK(mlff_dispersion_table_new(&m, &t, &lr_error), lr_error);
    CHECK(t && t->n == N_ELEMENTS && t->row[2] == -1 && t->row[17] == 5);
    const float *c6 = (const float *) b.tensor[0].data, *cn = (const float *) b.tensor[1].data;
    const float *rcov = (const float *) b.tensor[2].data, *r4r2 = (const float *) b.tensor[3].data;
    bool same = t != NULL;
    for (int i = 0; i < N_ELEMENTS && same; i++) {
        same &= t->rcov[i] == rcov[elements[i]] && t->r4r2[i] == r4r2[elements[i]];
        for (int j = 0; j < N_ELEMENTS; j++)
            for (int k = 0; k < BLOCK; k++) {
                const int from = (elements[i]*N_Z + elements[j])*BLOCK + k;
                const int to = (i*N_ELEMENTS + j)*BLOCK + k;
                same &= t->c6ref[to] == c6[from] && t->cnref[to] == cn[from];
            }
    }
    CHECK(same);

    unsigned char *bytes;
    size_t n;
    CHECK_FAILS(mlff_dispersion_embed(&m, content.data, content.n, "table", &bytes, &n, &lr_error),
                MLFF_ERROR_ARGUMENT, lr_error, "has a dispersion table already");
    mlff_dispersion_table_free(t);
    close_model(&m);
    st_bytes_free(&content);
    st_clear(&b);
}

static void check_embed_fails(const st_builder *b, int n_elements, const int *z, const char *why) {
    st_bytes plain = build_model(), table = st_build(b);
    mlff_model m = open_model(&plain, n_elements, z);
    unsigned char *bytes;
    size_t n;
    CHECK_FAILS(mlff_dispersion_embed(&m, table.data, table.n, "table", &bytes, &n, &lr_error),
                MLFF_ERROR_FORMAT, lr_error, why);
    CHECK(bytes == NULL);
    free(bytes);
    close_model(&m);
    st_bytes_free(&plain);
    st_bytes_free(&table);
}

// Table files that are none, or do not hold the model's elements.
static void test_broken_tables(void) {
    static st_builder b;
    static const int heavy[2] = {1, 35};
    static const int64_t shape[4] = {N_Z, N_Z, N_REF, N_REF - 1};
    build_table(&b);
    check_embed_fails(&b, 2, heavy, "ends before Br");
    st_remove(&b, "rcov");
    check_embed_fails(&b, N_ELEMENTS, elements, "'rcov'");
    st_clear(&b);
    build_table(&b);
    st_remove(&b, "c6ref");
    st_add(&b, "c6ref", "F32", 4, shape, NULL);
    check_embed_fails(&b, N_ELEMENTS, elements, "[n, n, 5, 5]");
    st_clear(&b);

    st_bytes plain = build_model();
    mlff_model m = open_model(&plain, N_ELEMENTS, elements);
    unsigned char *bytes;
    size_t n;
    CHECK_FAILS(mlff_dispersion_embed(&m, "not a table", 11, "table", &bytes, &n, &lr_error),
                MLFF_ERROR_FORMAT, lr_error, "table");
    mlff_dispersion_table *none;
    CHECK_OK(mlff_dispersion_table_new(&m, &none, &lr_error), lr_error);
    CHECK(none == NULL);
    close_model(&m);
    st_bytes_free(&plain);
}

static void check_model_fails(st_builder *b, const char *why) {
    st_bytes content = st_build(b);
    mlff_model m = open_model(&content, N_ELEMENTS, elements);
    mlff_dispersion_table *t;
    CHECK_FAILS(mlff_dispersion_table_new(&m, &t, &lr_error), MLFF_ERROR_FORMAT, lr_error, why);
    CHECK(t == NULL);
    close_model(&m);
    st_bytes_free(&content);
    st_clear(b);
}

/* A model file whose d3.* tensors are all zeros but for the numbers. */
static void build_rows(st_builder *b, int n, const int32_t *numbers, const char *dtype) {
    const int64_t single[1] = {n}, pairs[4] = {n, n, N_REF, N_REF};
    memset(b, 0, sizeof *b);
    st_add(b, "d3.numbers", dtype, 1, single, numbers);
    st_add(b, "d3.c6ref", "F32", 4, pairs, NULL);
    st_add(b, "d3.cnref", "F32", 4, pairs, NULL);
    st_add(b, "d3.rcov", "F32", 1, single, NULL);
    st_add(b, "d3.r4r2", "F32", 1, single, NULL);
}

// Model files with a broken table.
static void test_broken_rows(void) {
    static st_builder b;
    static const int32_t good[N_ELEMENTS] = {1, 6, 7, 8, 16, 17}, twice[2] = {6, 6}, big[1] = {119};
    build_rows(&b, N_ELEMENTS, good, "F32");
    check_model_fails(&b, "int32");
    build_rows(&b, 2, twice, "I32");
    check_model_fails(&b, "ascending");
    build_rows(&b, 1, big, "I32");
    check_model_fails(&b, "has 119");
    build_rows(&b, N_ELEMENTS, good, "I32");
    st_remove(&b, "d3.cnref");
    check_model_fails(&b, "'d3.cnref' is missing");
    build_rows(&b, 3, good, "I32");
    check_model_fails(&b, "no data of H");
    build_rows(&b, N_ELEMENTS, good, "I32");
    for (int k = 0; k < N_ELEMENTS; k++) {
        ((float *) b.tensor[3].data)[k] = 1;
        ((float *) b.tensor[4].data)[k] = 1;
    }
    check_model_fails(&b, "no coefficient of H with H");
}

/* ------------------------------------------------------------------------------ settings -- */

// The list: all pairs with Simple, else the cutoff; the switch starts at 0.8 of the cutoff.
static void test_settings(void) {
    mlff_dispersion_table *t = made_up_table();
    const mlff_longrange_model model = lr_aimnet2(t), no_table = {.dispersion = true};
    mlff_longrange lr;
    mlff_settings s = {0};
    CHECK_OK(mlff_longrange_resolve(&model, &s, false, &lr, &lr_error), lr_error);
    CHECK(lr.dispersion && lr.dispersion_list == INFINITY);
    CHECK_NEAR(12, lr.dispersion_on, 1e-14);
    CHECK_OK(mlff_longrange_resolve(&model, &s, true, &lr, &lr_error), lr_error);
    CHECK(lr.dispersion_list == 15 && lr.dispersion_cutoff == 15);
    s = (mlff_settings) {.coulomb = MLFF_COULOMB_DSF, .coulomb_cutoff = 9, .dispersion_cutoff = 10};
    CHECK_OK(mlff_longrange_resolve(&model, &s, false, &lr, &lr_error), lr_error);
    CHECK(lr.dispersion_list == 10 && mlff_longrange_range(&lr) == 10);
    CHECK_NEAR(8, lr.dispersion_on, 1e-14);
    s = (mlff_settings) {.dispersion = -1};
    CHECK_OK(mlff_longrange_resolve(&model, &s, true, &lr, &lr_error), lr_error);
    CHECK(!lr.dispersion && mlff_longrange_range(&lr) == 15);
    s.dispersion_cutoff = 9;
    CHECK_FAILS(mlff_longrange_resolve(&model, &s, true, &lr, &lr_error), MLFF_ERROR_ARGUMENT,
                lr_error, "dispersion is switched off");
    CHECK_FAILS(mlff_longrange_check(&no_table, NULL, &lr_error), MLFF_ERROR_UNSUPPORTED, lr_error,
                MLFF_D3_FILE);
    s = (mlff_settings) {.dispersion = -1};
    CHECK_OK(mlff_longrange_check(&no_table, &s, &lr_error), lr_error);
    const mlff_longrange_model none = lr_aimnet2(NULL);
    s.dispersion = 1;
    CHECK_FAILS(mlff_longrange_check(&none, &s, &lr_error), MLFF_ERROR_UNSUPPORTED, lr_error,
                "not made for a dispersion term");
    mlff_dispersion_table_free(t);
}

/* ------------------------------------------------------------------------------ energies -- */

// One reference per element: C6 is the table's number, and the energy the formula, inside, within
// and beyond the switch.
static void test_formula(void) {
    static double c6[BLOCK] = {40}, cn[BLOCK] = {0.5}, rcov[1] = {1.5}, r4r2[1] = {2.5};
    mlff_dispersion_table t = {.n = 1, .c6ref = c6, .cnref = cn, .rcov = rcov, .r4r2 = r4r2};
    memset(t.row, -1, sizeof t.row);
    t.row[6] = 0;
    static lr_system s = {.n = 2, .n_regions = 1, .species = {6, 6}, .name = "pair"};
    static const double distance[4] = {3.1, 11.9, 13.2, 15.1}, sw[4] = {1, 1, 0.68256, 0};
    static lr_result r;
    const mlff_longrange lr = lr_resolve(&s, &t, (mlff_settings) {.coulomb = MLFF_COULOMB_NONE});
    for (int k = 0; k < 4; k++) {
        s.x[1][0] = distance[k];
        lr_evaluate(&lr, &s, true, &r);
        const double d = distance[k]/0.5291772105638411, rr = 3*2.5*2.5;
        const double r0 = 0.566*sqrt(rr) + 3.128;
        const double e = -27.211386024367243*40*sw[k]*(1/(pow(d, 6) + pow(r0, 6)) +
                                                       0.3908*rr/(pow(d, 8) + pow(r0, 8)));
        CHECK_NEAR(e, r.component[MLFF_DISPERSION], 1e-15);
        CHECK_NEAR(0, r.force[0][0] + r.force[1][0], 1e-18);
    }
    s.species[1] = 7;
    static lr_piece p;
    lr_make_piece(&s, 0, 1, &p);
    CHECK_FAILS(lr_evaluate_piece(&lr, &s, &p, NULL, false, &r, &lr_error), MLFF_ERROR_ELEMENT,
                lr_error, "no data of atomic number 7");
}

/* The table of the published model; NULL where it is absent. *model owns it. */
static const mlff_dispersion_table *published_table(mlff_model **model) {
    const char *path = check_path("MLFF_SHARED", "models/aimnet2_wb97m_d3_member0.safetensors");
    *model = NULL;
    if (!check_file_exists(path))
        return NULL;
    CHECK_OK(mlff_model_load(path, model, &lr_error), lr_error);
    const mlff_aimnet2 *aimnet2 = *model ? mlff_model_description(*model) : NULL;
    CHECK(aimnet2 && aimnet2->longrange.table);
    return aimnet2 ? aimnet2->longrange.table : NULL;
}

// Energies and forces of the published code. Dispersion does not see the charges, so its forces
// there are the explicit ones.
static void check_golden(const mlff_json *json, const mlff_dispersion_table *table,
                         const char *name, mlff_coulomb coulomb) {
    const mlff_json_value *all = mlff_json_get(mlff_json_root(json), "methods");
    const mlff_json_value *method = mlff_json_get(all, name);
    if (!method)
        return;
    static lr_system s;
    static lr_result r;
    static double want[MAX_ATOMS][3];
    lr_golden_system(json, method, &s);
    memset(s.q, 0, sizeof s.q);
    lr_vectors(mlff_json_get(mlff_json_get(mlff_json_get(method, "components"), "d3"), "forces"),
               want);
    const mlff_longrange lr = lr_resolve(&s, table, (mlff_settings) {.coulomb = coulomb});
    lr_evaluate(&lr, &s, true, &r);
    const double difference = r.component[MLFF_DISPERSION] - lr_golden_component(method, "d3");
    CHECK_NEAR(0, difference, 1e-10);
    double worst = 0;
    for (int i = 0; i < s.n; i++)
        for (int d = 0; d < 3; d++)
            worst = fmax(worst, fabs(r.force[i][d] - want[i][d]));
    CHECK_NEAR(0, worst, 1e-10);
    if (getenv("MLFF_VERBOSE"))
        printf("%-20s %-8s energy %9.2e force %8.2e\n", s.name, name, difference, worst);
}

static void test_goldens(void) {
    mlff_model *model;
    const mlff_dispersion_table *table = published_table(&model);
    if (!table) {
        printf("skipped: golden/aimnet2 is not below MLFF_SHARED\n");
        return;
    }
    for (int k = 0; k < LR_N_GOLDEN; k++) {
        mlff_json *json = lr_golden(lr_golden_names[k]);
        CHECK(json != NULL);
        if (!json)
            continue;
        check_golden(json, table, "simple", MLFF_COULOMB_SIMPLE);
        check_golden(json, table, "dsf", MLFF_COULOMB_DSF);
        check_golden(json, table, "ewald", MLFF_COULOMB_EWALD);
        mlff_json_free(json);
    }
    mlff_model_free(model);
}

// A model and a table side by side become one content, which loads alone.
static void test_published_content(void) {
    mlff_model *model, *again, *bare;
    if (!published_table(&model)) {
        printf("skipped: the published model is not below MLFF_SHARED\n");
        return;
    }
    size_t n, n_file;
    const void *bytes = mlff_model_get_bytes(model, &n);
    CHECK_OK(mlff_model_load_memory(bytes, n, "saved", &again, &lr_error), lr_error);
    CHECK(again && strcmp(mlff_model_get_info(again)->sha256,
                          mlff_model_get_info(model)->sha256) == 0);
    CHECK(again && ((const mlff_aimnet2 *) mlff_model_description(again))->longrange.table);
    mlff_model_free(again);

    const char *path = check_path("MLFF_SHARED", "models/aimnet2_wb97m_d3_member0.safetensors");
    unsigned char *file = lr_read_file(path, &n_file);
    CHECK(n > n_file);
    CHECK_OK(mlff_model_load_memory(file, n_file, "bare", &bare, &lr_error), lr_error);
    const mlff_aimnet2 *aimnet2 = bare ? mlff_model_description(bare) : NULL;
    CHECK(aimnet2 && aimnet2->longrange.dispersion && !aimnet2->longrange.table);
    mlff_evaluator *evaluator;
    CHECK_FAILS(mlff_evaluator_new(mlff_reference_platform(), bare, NULL, &evaluator, &lr_error),
                MLFF_ERROR_UNSUPPORTED, lr_error, "no reference table");
    mlff_model_free(bare);
    free(file);

    // beside a table that is none
    char folder[] = "mlff_dispersion_XXXXXX", link[300], table[300];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(link, sizeof link, "%s/model.safetensors", folder);
    snprintf(table, sizeof table, "%s/" MLFF_D3_FILE, folder);
    CHECK(symlink(path, link) == 0);
    FILE *broken = fopen(table, "wb");
    fputs("no table", broken);
    fclose(broken);
    CHECK_FAILS(mlff_model_load(link, &bare, &lr_error), MLFF_ERROR_FORMAT, lr_error, MLFF_D3_FILE);
    CHECK(bare == NULL);
    CHECK(remove(table) == 0);
    CHECK_OK(mlff_model_load(link, &bare, &lr_error), lr_error);
    mlff_model_free(bare);
    CHECK(remove(link) == 0 && rmdir(folder) == 0);
    mlff_model_free(model);
}

/* --------------------------------------------------------------------------- derivatives -- */

// Forces and strain against differences of the energy: all pairs, lists, a switch inside the list,
// self images of a triclinic cell.
static void test_derivatives(void) {
    static const struct { bool periodic; mlff_settings settings; } cases[] = {
        {false, {.coulomb = MLFF_COULOMB_SIMPLE}},
        {false, {.coulomb = MLFF_COULOMB_SIMPLE, .dispersion_cutoff = 6}},
        {false, {.coulomb = MLFF_COULOMB_NONE, .dispersion_cutoff = 9}},
        {true, {.coulomb = MLFF_COULOMB_NONE, .dispersion_cutoff = 11}},
    };
    mlff_dispersion_table *t = made_up_table();
    for (size_t k = 0; k < sizeof cases/sizeof *cases; k++) {
        static lr_system s;
        lr_made_up(cases[k].periodic, 0, &s);
        const mlff_longrange lr = lr_resolve(&s, t, cases[k].settings);
        lr_check_derivatives(&lr, &s, s.n, 1e-9);
    }
    mlff_dispersion_table_free(t);
}

// A system split over ranks, coordination numbers exchanged, equals the undivided one.
static void test_ranks(void) {
    mlff_dispersion_table *t = made_up_table();
    for (int periodic = 0; periodic < 2; periodic++) {
        static lr_system s;
        lr_made_up(periodic, 0.3, &s);
        const mlff_longrange lr = lr_resolve(&s, t, (mlff_settings) {0});
        lr_check_ranks(&lr, &s, 2, 1e-12);
        lr_check_ranks(&lr, &s, 4, 1e-12);

        static lr_piece p;
        static lr_result r;
        lr_make_piece(&s, 0, 2, &p);
        CHECK_FAILS(lr_evaluate_piece(&lr, &s, &p, NULL, true, &r, &lr_error), MLFF_ERROR_ARGUMENT,
                    lr_error, "needs the exchange");
    }
    mlff_dispersion_table_free(t);
}

/* --------------------------------------------------------------- models without charges -- */

static mlff_longrange_model dispersion_model;  // what the model below asks for

static const mlff_longrange_model *ask_for_dispersion(const void *description) {
    (void) description;
    return &dispersion_model;
}

/* Energy and forces of an evaluator on a system. */
static void evaluate_model(mlff_evaluator *evaluator, const lr_system *s, lr_result *out) {
    const double (*cell)[3] = s->periodic ? s->cell : NULL;
    mlff_graph graph = {.n_local = s->n, .n_all = s->n, .species = s->species, .n_regions = 1,
                        .position = s->x, .cell = cell};
    ref_pair_list near = {0}, far = {0};
    double message, long_range;
    CHECK_OK(mlff_evaluator_pair_cutoffs(evaluator, &graph, NULL, &message, &long_range, &lr_error),
             lr_error);
    CHECK_OK(ref_neighbors_build(s->n, s->x, NULL, cell, message, &near, &lr_error), lr_error);
    graph.message = ref_pair_list_view(&near);
    if (long_range > 0)
        CHECK_OK(ref_neighbors_build(s->n, s->x, NULL, cell, long_range, &far, &lr_error), lr_error);
    if (long_range > 0)
        graph.long_range = ref_pair_list_view(&far);
    memset(out, 0, sizeof *out);
    mlff_result result = {.force = out->force, .strain = out->strain};
    CHECK_OK(mlff_evaluate(evaluator, &graph, NULL, &result, &lr_error), lr_error);
    memcpy(out->component, result.component, sizeof out->component);
    ref_pair_list_free(&near);
    ref_pair_list_free(&far);
}

// PaiNN knows neither charges nor dispersion: the evaluator adds what the description asks for.
static void test_without_charges(void) {
    static const int species[8] = {1, 8, 6, 7, 1, 6, 8, 1};
    static const double tolerance[2] = {1e-12, 2e-6};  // of numbers of the order of 1 eV
    const mlff_platform *const platforms[2] = {mlff_reference_platform(), mlff_cpu_platform()};
    mlff_dispersion_table *t = made_up_table();
    mlff_model *model;
    CHECK_OK(mlff_model_load(check_path("MLFF_TEST_DATA", "painn/kj-7x2.safetensors"), &model,
                             &lr_error), lr_error);
    mlff_architecture changed = *model->architecture;
    changed.longrange = ask_for_dispersion;
    model->architecture = &changed;
    dispersion_model = lr_aimnet2(t);
    dispersion_model.coulomb = false;
    dispersion_model.short_range_radius = 0;

    for (int p = 0; p < 2; p++)
        for (int periodic = 0; periodic < 2; periodic++) {
            static lr_system s;
            static lr_result with, without, want;
            mlff_evaluator *evaluator;
            mlff_settings settings = {.dispersion_cutoff = 9};
            mlff_longrange lr;
            lr_made_up(periodic, 0, &s);
            memcpy(s.species, species, sizeof species);
            CHECK_OK(mlff_longrange_resolve(&dispersion_model, &settings, periodic, &lr, &lr_error),
                     lr_error);
            lr_evaluate(&lr, &s, true, &want);
            CHECK(fabs(want.component[MLFF_DISPERSION]) > 0.01);
            CHECK_OK(mlff_evaluator_new(platforms[p], model, &settings, &evaluator, &lr_error),
                     lr_error);
            evaluate_model(evaluator, &s, &with);
            mlff_evaluator_free(evaluator);
            settings = (mlff_settings) {.dispersion = -1};
            CHECK_OK(mlff_evaluator_new(platforms[p], model, &settings, &evaluator, &lr_error),
                     lr_error);
            evaluate_model(evaluator, &s, &without);
            mlff_evaluator_free(evaluator);

            CHECK(with.component[MLFF_COULOMB_FULL] == 0);
            CHECK(with.component[MLFF_NETWORK] == without.component[MLFF_NETWORK]);
            CHECK(without.component[MLFF_DISPERSION] == 0);
            CHECK_NEAR(want.component[MLFF_DISPERSION], with.component[MLFF_DISPERSION],
                       tolerance[p]);
            for (int i = 0; i < s.n; i++)
                for (int d = 0; d < 3; d++)
                    CHECK_NEAR(want.force[i][d], with.force[i][d] - without.force[i][d],
                               tolerance[p]);
            for (int k = 0; k < 9; k++)
                CHECK_NEAR(want.strain[k], with.strain[k] - without.strain[k], 10*tolerance[p]);
        }

    // Coulomb stays refused
    mlff_evaluator *evaluator;
    const mlff_settings dsf = {.coulomb = MLFF_COULOMB_DSF};
    CHECK_FAILS(mlff_evaluator_new(platforms[0], model, &dsf, &evaluator, &lr_error),
                MLFF_ERROR_ARGUMENT, lr_error, "no Coulomb energy");
    mlff_model_free(model);
    mlff_dispersion_table_free(t);
}

int main(void) {
    test_embed();
    test_broken_tables();
    test_broken_rows();
    test_settings();
    test_formula();
    test_goldens();
    test_published_content();
    test_derivatives();
    test_ranks();
    test_without_charges();
    return check_report("test_dispersion");
}
