/* Status, memory, UTF-8, SHA-256, JSON, and everything that an evaluator refuses. */
#define _POSIX_C_SOURCE 200809L  // uselocale, mkdtemp, setenv

#include "mlff_json.h"
#include "mlff_model_private.h"
#include "mlff_platform.h"
#include "mlff_sha256.h"
#include "mlff_utf8.h"
#include "painn_builder.h"

#include <locale.h>

/* ----------------------------------------------------------------------- status, memory -- */

static void test_status_names(void) {
    for (int k = MLFF_OK; k <= MLFF_ERROR_SPAN; k++)
        for (int m = MLFF_OK; m < k; m++)
            CHECK(strcmp(mlff_status_name((mlff_status) k), mlff_status_name((mlff_status) m)));
    CHECK(strcmp(mlff_status_name(MLFF_ERROR_ELEMENT), "MLFF_ERROR_ELEMENT") == 0);
    CHECK(strcmp(mlff_status_name((mlff_status) 99), "unknown status") == 0);
}

static void test_fail(void) {
    mlff_error err;
    CHECK(mlff_fail(NULL, MLFF_ERROR_BOX, "%d", 3) == MLFF_ERROR_BOX);
    CHECK(mlff_fail(&err, MLFF_ERROR_BOX, "%d < %s", 3, "four") == MLFF_ERROR_BOX);
    CHECK(err.status == MLFF_ERROR_BOX && strcmp(err.message, "3 < four") == 0);

    // an error that wraps another one, in the same place
    mlff_fail(&err, MLFF_ERROR_FILE, "atom 7: %s", err.message);
    CHECK(strcmp(err.message, "atom 7: 3 < four") == 0);

    // names from files cannot drive a terminal or break a decoder
    mlff_fail(&err, MLFF_ERROR_FILE, "a\x1B[2Jb\xFF\nc\xC3\xA9");
    CHECK(strcmp(err.message, "a?[2Jb??c\xC3\xA9") == 0);

    // cut in the middle of a character
    char longer[2*MLFF_MESSAGE_SIZE] = "x";
    for (int k = 0; k < MLFF_MESSAGE_SIZE - 30; k++)
        strcat(longer, "\xC3\xA9");
    mlff_fail(&err, MLFF_ERROR_FILE, "%s", longer);
    CHECK(strlen(err.message) == MLFF_MESSAGE_SIZE - 1);
    CHECK(strcmp(err.message + MLFF_MESSAGE_SIZE - 3, "\xC3\xA9") == 0);
    mlff_fail(&err, MLFF_ERROR_FILE, "%s", longer + 1);
    CHECK(strcmp(err.message + MLFF_MESSAGE_SIZE - 4, "\xC3\xA9?") == 0);
}

static void test_resize(void) {
    mlff_error err;
    void *block = NULL;
    CHECK_OK(mlff_resize(&block, 3, sizeof(int), "numbers", &err), err);
    if (!block)
        return;
    ((int *) block)[2] = 17;
    void *const before = block;
    CHECK_FAILS(mlff_resize(&block, SIZE_MAX/4, 8, "numbers", &err), MLFF_ERROR_MEMORY, err,
                "no memory for numbers");
    CHECK(block == before && ((int *) block)[2] == 17);
    CHECK_OK(mlff_resize(&block, 1000, sizeof(int), "numbers", &err), err);
    CHECK(((int *) block)[2] == 17);
    CHECK_OK(mlff_resize(&block, 0, sizeof(int), "numbers", &err), err);
    CHECK(block != NULL);
    free(block);
}

/* Boundaries of RFC 3629, table of well-formed sequences. */
static void test_utf8(void) {
    static const struct {
        const char *text;
        int length;
    } list[] = {
        {"a", 1}, {"\x7F", 1}, {"\x80", 0}, {"\xBF", 0}, {"\xC0\x80", 0}, {"\xC1\xBF", 0},
        {"\xC2\x80", 2}, {"\xDF\xBF", 2}, {"\xC2", 0}, {"\xC2x", 0}, {"\xE0\x9F\xBF", 0},
        {"\xE0\xA0\x80", 3}, {"\xED\x9F\xBF", 3}, {"\xED\xA0\x80", 0}, {"\xEE\x80\x80", 3},
        {"\xEF\xBF\xBF", 3}, {"\xE2\x82", 0}, {"\xE2\x82z", 0}, {"\xF0\x8F\xBF\xBF", 0},
        {"\xF0\x90\x80\x80", 4}, {"\xF4\x8F\xBF\xBF", 4}, {"\xF4\x90\x80\x80", 0},
        {"\xF5\x80\x80\x80", 0}, {"\xF0\x9F\x98", 0}, {"\xFF", 0}, {"", 0}};
    for (size_t k = 0; k < sizeof list/sizeof list[0]; k++)
        CHECK(mlff_utf8_length(list[k].text, strlen(list[k].text)) == list[k].length);

    // encoding and checking agree for every character
    for (unsigned long code = 1; code <= 0x10FFFF; code += code < 0x900 ? 1 : 977) {
        char text[4];
        if (code < 0xD800 || code > 0xDFFF)
            CHECK(mlff_utf8_length(text, (size_t) mlff_utf8_encode(code, text)) > 0);
    }
}

/* FIPS 180-4 examples, and lengths around the padding's edge (values from Python's hashlib). */
static void test_sha256(void) {
    static const struct {
        const char *text;
        const char *hex;
    } list[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
         "lmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"}};
    static const struct {
        size_t n;
        const char *hex;
    } repeated[] = {  // n times the letter a
        {55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
        {56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
        {63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"},
        {64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
        {65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"},
        {119, "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb"},
        {120, "2f3d335432c70b580af0e8e1b3674a7c020d683aa5f73aaaedfdc55af904c21c"},
        {1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}};
    char hex[65];
    for (size_t k = 0; k < sizeof list/sizeof list[0]; k++) {
        mlff_sha256_hex(list[k].text, strlen(list[k].text), hex);
        CHECK(strcmp(hex, list[k].hex) == 0);
    }
    for (size_t k = 0; k < sizeof repeated/sizeof repeated[0]; k++) {
        char *text = malloc(repeated[k].n);
        memset(text, 'a', repeated[k].n);
        mlff_sha256_hex(text, repeated[k].n, hex);
        CHECK(strcmp(hex, repeated[k].hex) == 0);
        free(text);
    }
    mlff_sha256_hex(NULL, 0, hex);
    CHECK(strcmp(hex, list[0].hex) == 0);
}

/* -------------------------------------------------------------------------------- JSON -- */

/* The text lies in a block of exactly its length, so that a sanitizer sees reads beyond it. */
static mlff_json *parse(const char *text, mlff_error *err) {
    const size_t n = strlen(text);
    char *exact = malloc(n ? n : 1);
    memcpy(exact, text, n);
    mlff_json *json = NULL;
    mlff_json_parse(exact, n, "test", &json, err);
    free(exact);
    return json;
}

static void test_json_values(void) {
    mlff_error err = {0};
    mlff_json *json = parse(" {\"b\" : [1, -2.5e+1, true,false , null, \"x\\n\\u00e9\\ud83d\\ude00"
                            "\\\"\\\\\\/\\b\\f\\r\\t\"],\t\"a\":{}, \"\":[]}\r\n", &err);
    CHECK(json != NULL);
    if (!json)
        return;
    const mlff_json_value *root = mlff_json_root(json), *b = mlff_json_get(root, "b");
    CHECK(root->type == MLFF_JSON_OBJECT && root->n == 3 && root->key == NULL);
    CHECK(strcmp(root->item[0]->key, "b") == 0 && strcmp(root->by_key[0]->key, "") == 0);
    CHECK(mlff_json_get(root, "")->type == MLFF_JSON_ARRAY && mlff_json_get(root, "")->n == 0);
    CHECK(mlff_json_get(root, "a")->type == MLFF_JSON_OBJECT);
    CHECK(mlff_json_get(root, "c") == NULL && mlff_json_get(b, "a") == NULL);
    CHECK(mlff_json_get(NULL, "a") == NULL);
    CHECK(b && b->n == 6);
    CHECK(b->item[0]->is_integer && b->item[0]->integer == 1 && b->item[0]->number == 1);
    CHECK(!b->item[1]->is_integer && b->item[1]->number == -25);
    CHECK(b->item[2]->type == MLFF_JSON_BOOL && b->item[2]->boolean);
    CHECK(b->item[3]->type == MLFF_JSON_BOOL && !b->item[3]->boolean);
    CHECK(b->item[4]->type == MLFF_JSON_NULL);
    CHECK(strcmp(b->item[5]->string, "x\n\xC3\xA9\xF0\x9F\x98\x80\"\\/\b\f\r\t") == 0);
    mlff_json_free(json);
    mlff_json_free(NULL);
}

static void test_json_numbers(void) {
    static const struct {
        const char *text;
        double number;
        bool is_integer;
        int64_t integer;
    } list[] = {
        {"0", 0, true, 0}, {"-0", 0, true, 0}, {"-17", -17, true, -17}, {"1.0", 1, false, 0},
        {"1e0", 1, false, 0}, {"0.1", 0.1, false, 0}, {"1E-2", 0.01, false, 0},
        {"9007199254740993", 9007199254740992.0, true, 9007199254740993},
        {"9223372036854775807", 9223372036854775808.0, true, INT64_MAX},
        {"-9223372036854775808", -9223372036854775808.0, true, INT64_MIN},
        {"9223372036854775808", 9223372036854775808.0, false, 0},
        {"-9223372036854775809", -9223372036854775808.0, false, 0},
        {"123456789012345678901234567890", 123456789012345678901234567890.0, false, 0},
        {"14.512471199035645", 14.512471199035645, false, 0}, {"4.9e-324", 4.9e-324, false, 0},
        {"1e-999", 0, false, 0}, {"1.7976931348623157e308", 1.7976931348623157e308, false, 0}};
    for (size_t k = 0; k < sizeof list/sizeof list[0]; k++) {
        mlff_error err = {0};
        mlff_json *json = parse(list[k].text, &err);
        CHECK(json != NULL);
        if (!json)
            continue;
        const mlff_json_value *value = mlff_json_root(json);
        CHECK(value->type == MLFF_JSON_NUMBER && value->number == list[k].number);
        CHECK(value->is_integer == list[k].is_integer);
        CHECK(!value->is_integer || value->integer == list[k].integer);
        mlff_json_free(json);
    }
}

static void test_json_refuses(void) {
    static const char *const bad[] = {
        "", " ", "{", "[", "]", "}", "\"", "\"\\", "\"\\u", "\"\\u12", "\"\\ud800\"",
        "\"\\ud800\\n\"", "\"\\ud800\\ud800\"", "\"\\udc00\"", "\"\\u0000\"", "\"\\a\"", "\"\t\"",
        "\"\x1F\"", "\"\xFF\"", "\"\xED\xA0\x80\"", "\"\xC3", "01", "-", "-01", "+1", ".5", "1.",
        "1.e1", "1e", "1e+", "0x1", "1e999", "-1e999", "NaN", "Infinity", "-Infinity", "nan", "inf",
        "tru", "nulll", "True", "'a'", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
        "{a:1}", "{1:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"\\u0061\":1}", "1 1", "[] []", "// x\n1", "\xEF\xBB\xBF""1", "\x0B""1",
        "[1]\x01", "{\"a\":[{\"b\":]}]}"};
    for (size_t k = 0; k < sizeof bad/sizeof bad[0]; k++) {
        mlff_error err = {0};
        mlff_json *json = parse(bad[k], &err);
        check_count++;
        if (json || err.status != MLFF_ERROR_FORMAT ||
            strncmp(err.message, "test: broken JSON", 17) != 0)
            CHECK_SAY("accepted, or refused without reason: %s: %s", bad[k], err.message);
        mlff_json_free(json);
    }
    mlff_error why = {0};
    CHECK(parse("[\"ab", &why) == NULL);
    CHECK(strstr(why.message, "at byte 4 of 4: the text ends inside"));
    // a zero byte in the text is a byte like others
    mlff_json *json = NULL;
    mlff_error err;
    CHECK_FAILS(mlff_json_parse("1\0", 2, "test", &json, &err), MLFF_ERROR_FORMAT, err,
                "at byte 1 of 2");
}

static void test_json_limits(void) {
    mlff_error err = {0};
    char deep[2*MLFF_JSON_MAX_DEPTH + 3] = "";
    for (int depth = MLFF_JSON_MAX_DEPTH; depth <= MLFF_JSON_MAX_DEPTH + 1; depth++) {
        memset(deep, '[', (size_t) depth);
        memset(deep + depth, ']', (size_t) depth);
        mlff_json *json = parse(deep, &err);
        CHECK((json != NULL) == (depth == MLFF_JSON_MAX_DEPTH));
        mlff_json_free(json);
    }
    CHECK(strstr(err.message, "nested too deeply"));

    // more values than the limit, and just as many
    const size_t n = MLFF_JSON_MAX_VALUES;
    char *many = malloc(2*n + 2);
    many[0] = '[';
    for (size_t k = 0; k < n; k++) {
        many[2*k + 1] = '1';
        many[2*k + 2] = k + 1 < n ? ',' : ']';
    }
    mlff_json *json = NULL;
    CHECK_FAILS(mlff_json_parse(many, 2*n + 1, "test", &json, &err), MLFF_ERROR_FORMAT, err,
                "too many values");
    many[2*n - 2] = ']';
    CHECK_OK(mlff_json_parse(many, 2*n - 1, "test", &json, &err), err);
    CHECK(json && mlff_json_root(json)->n == MLFF_JSON_MAX_VALUES - 1);
    mlff_json_free(json);
    free(many);
}

/* Set an installed locale with a decimal comma, or one made by localedef in the folder. */
static bool set_decimal_comma(const char *folder) {
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8",
                                        "fr_FR.utf8", "cs_CZ.UTF-8", "pt_BR.UTF-8"};
    for (size_t k = 0; k < sizeof names/sizeof names[0]; k++)
        if (setlocale(LC_ALL, names[k]))
            return strcmp(localeconv()->decimal_point, ",") == 0;
    char command[200];
    snprintf(command, sizeof command,
             "localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8' >'%s/log' 2>&1", folder, folder);
    return system(command) == 0 && setenv("LOCPATH", folder, 1) == 0 &&
           setlocale(LC_ALL, "de_DE.UTF-8") && strcmp(localeconv()->decimal_point, ",") == 0;
}

/* A host that speaks a language with a decimal comma reads the same numbers. */
static void check_decimal_comma(void) {
    mlff_error err = {0};
    const locale_t before = uselocale((locale_t) 0);
    mlff_json *json = parse("[3.25, -1.5e-3]", &err);
    CHECK(json && mlff_json_root(json)->item[0]->number == 3.25);
    CHECK(json && mlff_json_root(json)->item[1]->number == -1.5e-3);
    mlff_json_free(json);
    json = parse("[3,25]", &err);
    CHECK(json && mlff_json_root(json)->n == 2);
    mlff_json_free(json);
    CHECK(uselocale((locale_t) 0) == before);
    char text[20];
    snprintf(text, sizeof text, "%.2f", 3.25);
    CHECK(strcmp(text, "3,25") == 0);  // the host's own locale is untouched
}

static void test_json_locale(void) {
    char folder[] = "test_core.XXXXXX", command[100];
    if (!mkdtemp(folder))
        strcpy(folder, ".");
    if (set_decimal_comma(folder))
        check_decimal_comma();
    else
        printf("skipped: numbers under a decimal comma (no such locale here)\n");
    setlocale(LC_ALL, "C");
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (strcmp(folder, ".") != 0 && system(command) != 0)
        printf("%s is left over\n", folder);
}

/* ----------------------------------------------------------------------- the evaluator -- */

/* A network that remembers what it was asked; its energy is what the test wants. */
typedef struct stub {
    int n_created, n_destroyed, n_forward, n_backward;
    double energy, force;   /* of atom 0; on atom 1 along z */
    double charge;          /* of every atom */
    double grad_charge;     /* seen by backward() */
    mlff_status fail_create;
    const mlff_task *task;
} stub;

static stub spy;  // of this test alone

static mlff_status stub_create(const mlff_model *model, const mlff_parallel *parallel, void **state,
                               mlff_error *err) {
    (void) model, (void) parallel;
    if (spy.fail_create)
        return mlff_fail(err, spy.fail_create, "the stub does not want to");
    spy.n_created++;
    *state = &spy;
    return MLFF_OK;
}

static void stub_destroy(void *state) {
    ((stub *) state)->n_destroyed++;
}

static mlff_status stub_prepare(void *state, const mlff_task *task, int *n_charged,
                                mlff_error *err) {
    (void) err;
    ((stub *) state)->task = task;
    *n_charged = task->graph->n_all;
    return MLFF_OK;
}

static void stub_forward(void *state, mlff_member *member) {
    stub *s = state;
    (void) member;
    s->n_forward++;
    for (int i = 0; i < s->task->graph->n_local; i++)
        s->task->atom_energy[i] = i == 0 ? s->energy : 0;
    for (int i = 0; s->task->charge && i < s->task->graph->n_all; i++)
        s->task->charge[i] = s->charge;
}

static void stub_backward(void *state, mlff_member *member) {
    stub *s = state;
    (void) member;
    s->n_backward++;
    s->grad_charge = s->task->grad_charge ? s->task->grad_charge[0] : 0;
}

static void stub_add_force(void *state, double (*force)[3], double *strain) {
    const stub *s = state;
    if (s->task->graph->n_all > 1)
        force[1][2] += s->force;
    if (strain)
        strain[8] += s->force;
}

#define STUB(name)                                                                                \
    {name, stub_create, stub_destroy, stub_prepare, stub_forward, stub_backward, stub_add_force}

static const mlff_network_type stub_painn = STUB("painn"), stub_other = STUB("other"),
                               stub_aimnet2 = STUB("aimnet2");
static const mlff_network_type *const stub_list[] = {&stub_other, &stub_painn, &stub_aimnet2};

/* Long-range terms: dispersion of -1 eV, a Coulomb energy of q[0] 10 eV/e, a force on atom 0. */
static mlff_status far_create(const mlff_longrange_model *model, void **state, mlff_error *err) {
    (void) model, (void) err;
    *state = &spy;
    return MLFF_OK;
}

static void far_destroy(void *state) {
    (void) state;
}

static mlff_status far_cutoff(void *state, const mlff_longrange *lr, const mlff_graph *graph,
                              const mlff_exchange *exchange, double *range, mlff_error *err) {
    (void) state, (void) graph, (void) exchange, (void) err;
    *range = mlff_longrange_range(lr);
    return MLFF_OK;
}

static mlff_status far_prepare(void *state, const mlff_longrange *lr, const mlff_task *task,
                               mlff_error *err) {
    (void) lr, (void) err;
    CHECK(((stub *) state)->task == task);
    return MLFF_OK;
}

static void far_run(void *state, mlff_member *member) {
    const stub *s = state;
    (void) member;
    for (int i = 0; i < s->task->graph->n_all; i++)
        s->task->grad_charge[i] = i == 0 ? 10 : 0;
}

static void far_report(void *state, mlff_result *result) {
    result->component[MLFF_COULOMB_FULL] = 10*((const stub *) state)->task->charge[0];
    result->component[MLFF_DISPERSION] = -1;
    if (result->force)
        result->force[0][0] += 3;
}

static const mlff_longrange_type stub_far = {far_create, far_destroy, far_cutoff, far_prepare,
                                             far_run, far_report};
static const mlff_platform stub_platform = {"Stub", 3, stub_list, &stub_far};
static const mlff_platform poor_platform = {"Poor", 1, stub_list, &stub_far};
static const mlff_platform near_platform = {"Near", 3, stub_list, NULL};

static mlff_model *small_model(void) {
    static st_builder b;
    painn_fill(&b, &painn_small);
    st_bytes bytes = st_build(&b);
    mlff_model *model = NULL;
    mlff_error err;
    CHECK_OK(mlff_model_load_memory(bytes.data, bytes.n, "memory", &model, &err), err);
    st_bytes_free(&bytes);
    st_clear(&b);
    return model;
}

static void check_settings_fail(const mlff_model *model, mlff_settings settings, mlff_status status,
                                const char *message) {
    mlff_evaluator *evaluator = NULL;
    mlff_error err;
    CHECK_FAILS(mlff_evaluator_new(&stub_platform, model, &settings, &evaluator, &err), status, err,
                message);
    CHECK(evaluator == NULL);
}

static void test_evaluator_new(mlff_model *model) {
    mlff_evaluator *evaluator = NULL;
    mlff_error err;
    memset(&spy, 0, sizeof spy);
    CHECK_FAILS(mlff_evaluator_new(&poor_platform, model, NULL, &evaluator, &err),
                MLFF_ERROR_UNSUPPORTED, err, "PaiNN is not available on Poor");
    CHECK_FAILS(mlff_evaluator_new(NULL, model, NULL, &evaluator, &err), MLFF_ERROR_ARGUMENT, err,
                "platform is NULL");
    CHECK_FAILS(mlff_evaluator_new(&stub_platform, NULL, NULL, &evaluator, &err),
                MLFF_ERROR_ARGUMENT, err, "model is NULL");
    CHECK_FAILS(mlff_evaluator_new(&stub_platform, model, NULL, NULL, &err), MLFF_ERROR_ARGUMENT,
                err, "out is NULL");
    CHECK(spy.n_created == 0);
    spy.fail_create = MLFF_ERROR_MEMORY;
    CHECK_FAILS(mlff_evaluator_new(&stub_platform, model, NULL, &evaluator, &err),
                MLFF_ERROR_MEMORY, err, "does not want to");
    CHECK(evaluator == NULL && spy.n_destroyed == 0);
    spy.fail_create = MLFF_OK;

    // no settings, and settings that ask for nothing
    CHECK_OK(mlff_evaluator_new(&stub_platform, model, NULL, &evaluator, &err), err);
    CHECK(spy.n_created == 1 && mlff_evaluator_network(evaluator) == &spy &&
          mlff_evaluator_longrange(evaluator) == NULL);
    mlff_evaluator_free(evaluator);
    CHECK(spy.n_destroyed == 1);
    const mlff_settings nothing = {.coulomb = MLFF_COULOMB_NONE, .dispersion = -1};
    CHECK_OK(mlff_evaluator_new(&stub_platform, model, &nothing, &evaluator, &err), err);
    mlff_evaluator_free(evaluator);
    mlff_evaluator_free(NULL);
}

static void test_settings(mlff_model *model) {
    for (int k = MLFF_COULOMB_SIMPLE; k <= MLFF_COULOMB_PME; k++)
        check_settings_fail(model, (mlff_settings) {.coulomb = (mlff_coulomb) k},
                            MLFF_ERROR_ARGUMENT, "this model has no Coulomb energy");
    check_settings_fail(model, (mlff_settings) {.coulomb = (mlff_coulomb) 6}, MLFF_ERROR_ARGUMENT,
                        "coulomb is 6");
    check_settings_fail(model, (mlff_settings) {.dispersion = 1}, MLFF_ERROR_UNSUPPORTED,
                        "not made for a dispersion term");
    check_settings_fail(model, (mlff_settings) {.dispersion = 2}, MLFF_ERROR_ARGUMENT,
                        "dispersion is 2");
    check_settings_fail(model, (mlff_settings) {.coulomb_cutoff = 8}, MLFF_ERROR_ARGUMENT,
                        "no Coulomb energy");
    check_settings_fail(model, (mlff_settings) {.coulomb_alpha = 0.2}, MLFF_ERROR_ARGUMENT,
                        "no Coulomb energy");
    check_settings_fail(model, (mlff_settings) {.ewald_tolerance = 1e-6}, MLFF_ERROR_ARGUMENT,
                        "no Coulomb energy");
    check_settings_fail(model, (mlff_settings) {.dispersion_cutoff = 15}, MLFF_ERROR_ARGUMENT,
                        "this model has no dispersion");
    check_settings_fail(model, (mlff_settings) {.coulomb_cutoff = -1}, MLFF_ERROR_ARGUMENT,
                        "coulomb_cutoff is -1");
    check_settings_fail(model, (mlff_settings) {.coulomb_alpha = NAN}, MLFF_ERROR_ARGUMENT,
                        "coulomb_alpha is ");
    check_settings_fail(model, (mlff_settings) {.dispersion_cutoff = INFINITY},
                        MLFF_ERROR_ARGUMENT, "dispersion_cutoff is inf");
}

/* A water molecule's graph, every array of its own so that a test can spoil one value. */
typedef struct water {
    int species[3], n_row[2], first[4], neighbor[6], region[3];
    double rij[6][3], charge[2], multiplicity[2], position[3][3], cell[3][3], force[3][3];
    double atom_charge[3], strain[9];
    mlff_graph graph;
    mlff_exchange exchange;
    mlff_result result;
} water;

static void water_make(water *w) {
    *w = (water) {.species = {8, 1, 1}, .n_row = {3, 3}, .first = {0, 2, 4, 6},
                  .neighbor = {1, 2, 0, 2, 0, 1}, .region = {0, 1, 1}, .multiplicity = {1, 1},
                  .position = {{0, 0, 0}, {0.96, 0, 0}, {-0.24, 0.93, 0}},
                  .cell = {{9, 0, 0}, {0, 9, 0}, {0, 0, 9}}};
    for (int i = 0, k = 0; i < 3; i++)
        for (int m = 0; m < 2; m++, k++)
            for (int d = 0; d < 3; d++)
                w->rij[k][d] = w->position[w->neighbor[k]][d] - w->position[i][d];
    const mlff_pairs pairs = {w->first, w->neighbor, (const double (*)[3]) w->rij};
    w->graph = (mlff_graph) {
        .n_local = 3, .n_all = 3, .species = w->species, .n_layers = 2, .n_row = w->n_row,
        .message = pairs, .long_range = pairs, .n_regions = 2, .region = w->region,
        .total_charge = w->charge, .multiplicity = w->multiplicity,
        .position = (const double (*)[3]) w->position, .cell = (const double (*)[3]) w->cell};
    w->result = (mlff_result) {.force = w->force};
}

static int no_exchange(void *ctx, mlff_real type, void *array, int width) {
    (void) ctx, (void) type, (void) array, (void) width;
    return 0;
}

/* Spoil one thing of the water molecule: it must be refused before the backend sees it. */
#define REFUSED(spoil, status, message)                                                           \
    do {                                                                                          \
        water w;                                                                                  \
        water_make(&w);                                                                           \
        spoil;                                                                                    \
        mlff_error err;                                                                           \
        const int n_before = spy.n_forward;                                                     \
        CHECK_FAILS(mlff_evaluate(evaluator, &w.graph, &w.exchange, &w.result, &err), status,     \
                    err, message);                                                                \
        CHECK(spy.n_forward == n_before);                                                       \
    } while (0)

#define ACCEPTED(change)                                                                          \
    do {                                                                                          \
        water w;                                                                                  \
        water_make(&w);                                                                           \
        change;                                                                                   \
        mlff_error err;                                                                           \
        const int n_before = spy.n_forward;                                                     \
        CHECK_OK(mlff_evaluate(evaluator, &w.graph, &w.exchange, &w.result, &err), err);          \
        CHECK(spy.n_forward == n_before + 1);                                                   \
    } while (0)

static void test_graph_accepted(mlff_evaluator *evaluator) {
    ACCEPTED((void) 0);
    ACCEPTED(w.graph.n_row = NULL; w.graph.n_layers = 0);
    ACCEPTED(w.graph.region = NULL; w.graph.total_charge = w.graph.multiplicity = NULL);
    ACCEPTED(w.graph.long_range = (mlff_pairs) {0});
    ACCEPTED(w.graph.position = NULL; w.graph.cell = NULL);
    ACCEPTED(w.result.force = NULL);
    ACCEPTED(w.result.strain = w.strain);
    ACCEPTED(w.graph.n_local = w.graph.n_all = w.graph.n_layers = 0; w.graph.n_row = NULL;
             w.graph.species = NULL; w.graph.message = (mlff_pairs) {0});
    // no pairs: neighbor and rij are never read
    ACCEPTED(memset(w.first, 0, sizeof w.first); w.graph.message.neighbor = NULL;
             w.graph.message.rij = NULL);
    // a length at the cutoff within rounding; long-range pairs have no limit
    ACCEPTED(w.rij[0][0] = 5.000001);
    static const double far_away[6][3] = {{99, 0, 0}, {0, 99, 0}, {0, 0, 99},
                                          {99, 9, 9}, {9, 9, 99}, {9, 99, 9}};
    ACCEPTED(w.graph.long_range.rij = far_away);
    // a ghost whose rows are computed in the first layer, or that is exchanged
    ACCEPTED(w.graph.n_local = 2; w.n_row[1] = 2);
    ACCEPTED(w.graph.n_local = 2; w.graph.n_row = NULL; w.exchange.forward = no_exchange;
             w.exchange.reverse = no_exchange);
}

static void test_graph_refused(mlff_evaluator *evaluator) {
    const mlff_status argument = MLFF_ERROR_ARGUMENT, number = MLFF_ERROR_NUMBER;
    REFUSED(w.graph.n_local = -1, argument, "n_local = -1 and n_all = 3");
    REFUSED(w.graph.n_local = 4, argument, "n_local = 4 and n_all = 3");
    REFUSED(w.graph.species = NULL, argument, "species is NULL");
    REFUSED(w.species[2] = 7, MLFF_ERROR_ELEMENT, "atom 2: the model memory does not know N");
    REFUSED(w.species[1] = 0, MLFF_ERROR_ELEMENT, "atom 1: 0 is not an atomic number");
    REFUSED(w.species[1] = 1 << 30, MLFF_ERROR_ELEMENT, "atom 1: 1073741824 is not");
    REFUSED(w.graph.n_layers = 3, argument, "n_layers = 3 entries, but the model has 2 layers");
    REFUSED(w.n_row[0] = 4, argument, "n_row[0] = 4, expected n_local = 3 ... n_all = 3");
    REFUSED(w.n_row[1] = 2, argument, "n_row[1] = 2, expected");
    REFUSED(w.graph.n_local = 1; w.n_row[0] = 2, argument, "n_row[1] = 3 is larger than n_row[0]");

    REFUSED(w.graph.message.first = NULL, argument, "message pairs' first is NULL");
    REFUSED(w.first[0] = 1, argument, "message pairs' first[0] is 1");
    REFUSED(w.first[2] = 1, argument, "falls from 2 to 1 behind row 1");
    REFUSED(w.first[3] = -6, argument, "falls from 4 to -6 behind row 2");
    REFUSED(w.graph.message.neighbor = NULL, argument, "message pairs' neighbor is NULL");
    REFUSED(w.graph.message.rij = NULL, argument, "message pairs' rij is NULL");
    REFUSED(w.neighbor[3] = 3, argument, "message pair 3 of atom 1: neighbor 3, expected 0 ... 2");
    REFUSED(w.neighbor[3] = -1, argument, "message pair 3 of atom 1: neighbor -1");
    REFUSED(w.rij[4][1] = NAN, number, "message pair 4, atoms 2 <- 0: its vector");
    REFUSED(w.rij[4][1] = -INFINITY, number, "message pair 4, atoms 2 <- 0: its vector");
    REFUSED(w.rij[0][0] = 0, number, "message pair 0, atoms 0 <- 1: its length is 0");
    REFUSED(w.rij[0][0] = 5.001, argument, "5.001 angstrom exceeds the model's cutoff of 5");
    REFUSED(w.graph.n_local = w.n_row[0] = w.n_row[1] = 2, argument, "layer 1 reads ghost 2");
    REFUSED(w.graph.n_local = 2; w.graph.n_row = NULL, argument, "layer 1 reads ghost 2");
    static const int out_of_range[] = {1, 2, 0, 2, 0, 7};
    REFUSED(w.graph.long_range.neighbor = out_of_range, argument, "long-range pair 5 of atom 2");

    REFUSED(w.graph.n_regions = 0, argument, "n_regions = 0");
    REFUSED(w.region[1] = 2, argument, "atom 1 is in region 2, expected 0 ... 1");
    REFUSED(w.region[2] = -1, argument, "atom 2 is in region -1");
    REFUSED(w.charge[1] = 1, MLFF_ERROR_CHARGE, "region 1: its total charge is 1 e, but PaiNN");
    REFUSED(w.charge[0] = NAN, MLFF_ERROR_CHARGE, "region 0: its total charge");
    REFUSED(w.multiplicity[0] = 2, MLFF_ERROR_CHARGE, "region 0: its multiplicity is 2, but this");
    REFUSED(w.multiplicity[1] = 0, MLFF_ERROR_CHARGE, "region 1: its multiplicity is 0, expected");
    REFUSED(w.multiplicity[1] = NAN, MLFF_ERROR_CHARGE, "region 1: its multiplicity is");
    REFUSED(w.position[1][2] = INFINITY, number, "atom 1: its position");
    REFUSED(w.cell[2][0] = NAN, MLFF_ERROR_BOX, "the cell's vector c");

    REFUSED(w.result.charge = w.atom_charge, argument, "PaiNN models have none");
    REFUSED(w.result.strain = w.strain; w.result.force = NULL, argument, "without forces");
    REFUSED(w.exchange.forward = no_exchange, argument, "without a reverse one");
}

static void test_evaluate(mlff_evaluator *evaluator) {
    water w;
    water_make(&w);
    mlff_error err;
    CHECK_FAILS(mlff_evaluate(NULL, &w.graph, NULL, &w.result, &err), MLFF_ERROR_ARGUMENT, err,
                "evaluator is NULL");
    CHECK_FAILS(mlff_evaluate(evaluator, NULL, NULL, &w.result, &err), MLFF_ERROR_ARGUMENT, err,
                "graph is NULL");
    CHECK_FAILS(mlff_evaluate(evaluator, &w.graph, NULL, NULL, &err), MLFF_ERROR_ARGUMENT, err,
                "result is NULL");
    // the network's energy, and the constants of the elements apart
    spy.n_forward = spy.n_backward = 0;
    spy.energy = -2.5;
    spy.force = 0.5;
    double atom_energy[3];
    w.result.atom_energy = atom_energy;
    w.result.strain = w.strain;
    CHECK_OK(mlff_evaluate(evaluator, &w.graph, NULL, &w.result, &err), err);
    const double elements = w.result.component[MLFF_ELEMENTS];
    CHECK(w.result.component[MLFF_NETWORK] == -2.5 && w.result.energy == -2.5 + elements);
    CHECK_NEAR(elements, atom_energy[0] + 2.5 + 2*atom_energy[1], 1e-9*fabs(elements));
    CHECK(w.force[1][2] == 0.5 && w.strain[8] == 0.5 && spy.n_backward == 1);
    CHECK(w.result.component[MLFF_DISPERSION] == 0 && spy.grad_charge == 0);
    w.result.force = NULL;
    w.result.strain = NULL;
    CHECK_OK(mlff_evaluate(evaluator, &w.graph, NULL, &w.result, &err), err);
    CHECK(spy.n_forward == 2 && spy.n_backward == 1);

    // a network that overflows does not go unnoticed; the evaluator stays usable
    spy.energy = NAN;
    CHECK_FAILS(mlff_evaluate(evaluator, &w.graph, NULL, &w.result, &err), MLFF_ERROR_NUMBER, err,
                "the energy of atom 0 (O) is ");
    spy.energy = 0;
    spy.force = INFINITY;
    water_make(&w);
    CHECK_FAILS(mlff_evaluate(evaluator, &w.graph, NULL, &w.result, &err), MLFF_ERROR_NUMBER, err,
                "the force on atom 1 (H) is inf along z");
    spy.force = 0;
    water_make(&w);
    CHECK_OK(mlff_evaluate(evaluator, &w.graph, NULL, &w.result, &err), err);
}

static void test_pair_cutoffs(mlff_evaluator *evaluator) {
    water w;
    water_make(&w);
    mlff_error err;
    double message = 0, long_range = -1;
    // a backend without long-range lists; pairs are not looked at
    w.graph.message = w.graph.long_range = (mlff_pairs) {0};
    CHECK_OK(mlff_evaluator_pair_cutoffs(evaluator, &w.graph, NULL, &message, &long_range, &err),
             err);
    CHECK(message == 5 && long_range == 0);
    CHECK_FAILS(mlff_evaluator_pair_cutoffs(NULL, &w.graph, NULL, &message, &long_range, &err),
                MLFF_ERROR_ARGUMENT, err, "evaluator is NULL");
    CHECK_FAILS(mlff_evaluator_pair_cutoffs(evaluator, NULL, NULL, &message, &long_range, &err),
                MLFF_ERROR_ARGUMENT, err, "graph is NULL");
    CHECK_FAILS(mlff_evaluator_pair_cutoffs(evaluator, &w.graph, NULL, NULL, &long_range, &err),
                MLFF_ERROR_ARGUMENT, err, "message is NULL");
    CHECK_FAILS(mlff_evaluator_pair_cutoffs(evaluator, &w.graph, NULL, &message, NULL, &err),
                MLFF_ERROR_ARGUMENT, err, "long_range is NULL");
}

/* A model with charges and dispersion: its long-range terms are composed with the network. */
static void test_long_range(void) {
    const mlff_settings settings = {.coulomb = MLFF_COULOMB_DSF, .coulomb_cutoff = 15,
                                    .dispersion_cutoff = 12};
    mlff_model *model = NULL;
    mlff_evaluator *evaluator = NULL;
    mlff_error err;
    CHECK_OK(mlff_model_load(check_path("MLFF_TEST_DATA", "aimnet2/published-4x4.safetensors"),
                             &model, &err), err);
    CHECK_FAILS(mlff_evaluator_new(&near_platform, model, &settings, &evaluator, &err),
                MLFF_ERROR_UNSUPPORTED, err, "which Near does not have");
    CHECK_OK(mlff_evaluator_new(&stub_platform, model, &settings, &evaluator, &err), err);
    if (!evaluator)
        return;
    water w;
    water_make(&w);
    w.graph.n_row = NULL;

    // ranges, after the graph was checked
    double message = 0, long_range = -1;
    CHECK_OK(mlff_evaluator_pair_cutoffs(evaluator, &w.graph, NULL, &message, &long_range, &err),
             err);
    CHECK(message == mlff_model_get_info(model)->cutoff && long_range == 15);
    w.cell[0][1] = NAN;
    CHECK_FAILS(mlff_evaluator_pair_cutoffs(evaluator, &w.graph, NULL, &message, &long_range, &err),
                MLFF_ERROR_BOX, err, "the cell's vector a");
    w.cell[0][1] = 0;
    w.graph.n_regions = 0;
    CHECK_FAILS(mlff_evaluator_pair_cutoffs(evaluator, &w.graph, NULL, &message, &long_range, &err),
                MLFF_ERROR_ARGUMENT, err, "n_regions = 0");
    w.graph.n_local = 7;
    CHECK_FAILS(mlff_evaluator_pair_cutoffs(evaluator, &w.graph, NULL, &message, &long_range, &err),
                MLFF_ERROR_ARGUMENT, err, "n_local = 7");
    water_make(&w);
    w.graph.n_row = NULL;

    // sums, and dE/dq for the network's way back
    spy.energy = -2.5;
    spy.charge = 0.25;
    w.result.charge = w.atom_charge;
    CHECK_OK(mlff_evaluate(evaluator, &w.graph, NULL, &w.result, &err), err);
    CHECK(w.result.component[MLFF_COULOMB_FULL] == 2.5);
    CHECK(w.result.component[MLFF_DISPERSION] == -1);
    CHECK_NEAR(w.result.component[MLFF_ELEMENTS] - 1, w.result.energy, 1e-9);
    CHECK(w.force[0][0] == 3 && spy.grad_charge == 10 && w.atom_charge[2] == 0.25);
    spy.charge = NAN;
    CHECK_FAILS(mlff_evaluate(evaluator, &w.graph, NULL, &w.result, &err), MLFF_ERROR_NUMBER, err,
                "the charge of atom 0 (O) is ");
    spy.charge = 0;
    w.graph.long_range = (mlff_pairs) {0};
    CHECK_FAILS(mlff_evaluate(evaluator, &w.graph, NULL, &w.result, &err), MLFF_ERROR_ARGUMENT, err,
                "no long-range pairs");
    check_settings_fail(model, (mlff_settings) {.ewald_tolerance = -1}, MLFF_ERROR_ARGUMENT,
                        "ewald_tolerance is -1");
    mlff_evaluator_free(evaluator);
    mlff_model_free(model);
    spy.energy = 0;
}

/* Models with charges and spin take what the others refuse. */
static void test_models_with_charges(mlff_model *model) {
    model->info.has_charges = model->info.has_spin = true;
    mlff_evaluator *evaluator = NULL;
    mlff_error err;
    CHECK_OK(mlff_evaluator_new(&stub_platform, model, NULL, &evaluator, &err), err);
    if (!evaluator)
        return;
    ACCEPTED(w.charge[1] = -1.5; w.multiplicity[0] = 3; w.result.charge = w.atom_charge);
    REFUSED(w.multiplicity[1] = 0.5, MLFF_ERROR_CHARGE, "region 1: its multiplicity is 0.5");
    REFUSED(w.charge[1] = INFINITY, MLFF_ERROR_CHARGE, "region 1: its total charge");
    mlff_evaluator_free(evaluator);
    model->info.has_charges = model->info.has_spin = false;
}

static void test_evaluator(void) {
    mlff_model *model = small_model();
    if (!model)
        return;
    test_evaluator_new(model);
    test_settings(model);
    mlff_evaluator *evaluator = NULL;
    mlff_error err;
    CHECK_OK(mlff_evaluator_new(&stub_platform, model, NULL, &evaluator, &err), err);
    if (evaluator) {
        test_graph_accepted(evaluator);
        test_graph_refused(evaluator);
        test_evaluate(evaluator);
        test_pair_cutoffs(evaluator);
    }
    mlff_evaluator_free(evaluator);
    test_models_with_charges(model);
    mlff_model_free(model);
    test_long_range();
}

int main(void) {
    test_status_names();
    test_fail();
    test_resize();
    test_utf8();
    test_sha256();
    test_json_values();
    test_json_numbers();
    test_json_refuses();
    test_json_limits();
    test_json_locale();
    test_evaluator();
    return check_report("test_core");
}
