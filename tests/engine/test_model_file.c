/* The model file: good files, broken files, hostile files. Everything is built in memory. */
#define _POSIX_C_SOURCE 200809L  // truncate, mkdtemp

#include "broken_files.h"
#include "mlff_elements.h"
#include "mlff_internal.h"
#include "mlff_safetensors.h"

#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------------------ broken files -- */

static void make_nan(st_builder *b) {
    const float value = NAN;
    memcpy(b->tensor[st_find(b, "layer.1.upd.w0")].data + 4*3, &value, 4);
}

static void make_infinite(st_builder *b) {
    const double value = -INFINITY;
    memcpy(b->tensor[st_find(b, "rbf.mu")].data + 8, &value, 8);
}

static void drop_metadata(st_builder *b) { b->n_metadata = 0; }
static void drop_config(st_builder *b) { st_metadata(b, "config", NULL); }

static void cut_to_nothing(st_bytes *bytes) { st_set_size(bytes, 0); }
static void cut_to_five(st_bytes *bytes) { st_set_size(bytes, 5); }
static void cut_header(st_bytes *bytes) { st_set_size(bytes, 100); }
static void cut_data(st_bytes *bytes) { st_set_size(bytes, bytes->n - 4); }
static void add_trailing(st_bytes *bytes) { st_set_size(bytes, bytes->n + 5); }
static void lengthen_header(st_bytes *bytes) { st_put_length(bytes->data, 100000001); }
static void empty_header(st_bytes *bytes) { st_put_length(bytes->data, 0); }
static void shorten_header(st_bytes *bytes) {
    st_put_length(bytes->data, st_header_length(bytes) - 1);
}
static void space_first(st_bytes *bytes) { bytes->data[8] = ' '; }

#define EMBEDDING "\"embedding\":{\"dtype\":\"F32\",\"shape\":[9,2],\"data_offsets\":[0,72]}"
#define RBF_MU "\"rbf.mu\":{\"dtype\":\"F64\",\"shape\":[3],\"data_offsets\":[96,120]}"
#define DEEP "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
#define HEADER(from, to, message_) {.header_from = from, .header_to = to, \
                                    .status = MLFF_ERROR_FORMAT, .message = message_}
#define PATCH(function, message_) {.patch = function, .status = MLFF_ERROR_FORMAT, \
                                   .message = message_}

static const broken_file broken[] = {
    // the frame
    PATCH(cut_to_nothing, "the file is empty"),
    PATCH(cut_to_five, "5 bytes are too short"),
    PATCH(cut_header, "but only 92 follow"),
    PATCH(lengthen_header, "a header of 100000001 bytes"),
    PATCH(empty_header, "header does not start with {"),
    PATCH(shorten_header, "expected , or } in an object"),
    PATCH(cut_data, "'readout.1.b': its data ends at byte"),
    PATCH(add_trailing, "5 bytes follow the data"),

    // the header's JSON
    HEADER("{\"__metadata__\"", "{__metadata__\"", "expected a key in quotes"),
    HEADER("\"__metadata__\":", "\"__metadata__\" ", "expected : after a key"),
    HEADER("\"shape\":[9,2]", "\"shape\":[9;2]", "expected , or ] in an array"),
    HEADER("\"shape\":[9,2]", "\"shape\":[9,02]", "superfluous 0"),
    HEADER("\"shape\":[9,2]", "\"shape\":[9,-]", "needs a digit here"),
    HEADER("\"shape\":[9,2]", "\"shape\":[9,2.]", "after its decimal point"),
    HEADER("\"shape\":[9,2]", "\"shape\":[9,2e+]", "digit in its exponent"),
    HEADER("\"shape\":[9,2]", "\"shape\":[9,2e999]", "a number is too large"),
    HEADER("\"shape\":[9,2]", "\"shape\":[9,NaN]", "NaN and Infinity"),
    HEADER("\"shape\":[9,2]", "\"shape\":[9,two]", "expected a value"),
    HEADER("\"shape\":[9,2]", "\"shape\":" DEEP, "nested too deeply"),
    HEADER("\"embedding\"", "\"embed\\x64ing\"", "unknown escape"),
    HEADER("\"embedding\"", "\"embed\\u00g4ing\"", "four hexadecimal digits"),
    HEADER("\"embedding\"", "\"embed\\u0000ing\"", "\\u0000 is not accepted"),
    HEADER("\"embedding\"", "\"embed\\ud834ing\"", "surrogate pair without its second"),
    HEADER("\"embedding\"", "\"embed\\udd1eing\"", "surrogate pair without its first"),
    HEADER("\"embedding\"", "\"embed\xC0\xA4ing\"", "not UTF-8"),
    HEADER("\"embedding\"", "\"embed\ning\"", "control character"),
    HEADER(RBF_MU, RBF_MU "}", "something follows the value"),
    HEADER("\"rbf.mu\"", "\"rbf.beta\"", "'rbf.beta' stands twice"),

    // metadata
    HEADER("\"__metadata__\":{", "\"__metadata__\":[],\"x\":{", "__metadata__ is an array"),
    HEADER("\"licence\":\"MIT\"", "\"licence\":17", "'licence' is a number"),

    // one tensor's entry
    HEADER(EMBEDDING, "\"embedding\":true", "its entry is true or false"),
    HEADER("\"dtype\":\"F32\",", "", "dtype is missing"),
    HEADER("\"shape\":[9,2],", "", "shape is missing"),
    HEADER(",\"data_offsets\":[0,72]", "", "data_offsets is missing"),
    HEADER("\"shape\":[9,2]", "\"shape\":[9,2],\"order\":1", "unknown key 'order'"),
    HEADER("\"dtype\":\"F32\"", "\"dtype\":32", "dtype is not a string"),
    {.header_from = "\"dtype\":\"F32\"", .header_to = "\"dtype\":\"BF16\"",
     .status = MLFF_ERROR_UNSUPPORTED, .message = "'embedding': unsupported dtype 'BF16'"},
    HEADER("\"shape\":[9,2]", "\"shape\":18", "shape is not an array"),
    HEADER("\"shape\":[9,2]", "\"shape\":[-9,-2]", "an extent of its shape"),
    HEADER("\"shape\":[9,2]", "\"shape\":[4294967296,4294967296]", "product of its shape"),
    {.header_from = "\"shape\":[9,2]", .header_to = "\"shape\":[9,2,1,1,1,1,1,1,1]",
     .status = MLFF_ERROR_UNSUPPORTED, .message = "9 dimensions"},
    HEADER("\"data_offsets\":[0,72]", "\"data_offsets\":[72]", "not an array [begin, end]"),
    HEADER("\"data_offsets\":[0,72]", "\"data_offsets\":[-1,71]", "a data offset is not"),
    HEADER("\"data_offsets\":[96,120]", "\"data_offsets\":[120,96]",
           "ends at 96, before it begins at 120"),
    HEADER("\"data_offsets\":[0,72]", "\"data_offsets\":[0,99999]",
           "'embedding': its data ends at byte 99999"),
    HEADER("\"data_offsets\":[0,72]", "\"data_offsets\":[0,68]",
           "span 68 bytes, but its shape and dtype need 72"),

    // all tensors together
    HEADER("\"data_offsets\":[96,120]", "\"data_offsets\":[72,96]",
           "tensors 'rbf.beta' and 'rbf.mu' overlap"),
    HEADER(RBF_MU ",", "", "a hole of 24 bytes in the data before tensor 'layer.0.filter.w0'"),
    {.change = make_nan, .status = MLFF_ERROR_FORMAT,
     .message = "'layer.1.upd.w0': value 3 of 8 is not finite"},
    {.change = make_infinite, .status = MLFF_ERROR_FORMAT,
     .message = "'rbf.mu': value 1 of 3 is not finite"},

    // not ours
    {.change = drop_metadata, .status = MLFF_ERROR_UNSUPPORTED, .message = "known architecture"},
};

static void test_broken_files(void) {
    broken_files_check(&painn_small, (int) (sizeof broken/sizeof broken[0]), broken);
}

/* More ways to the same message than one. */
static void test_broken_likewise(void) {
    static const broken_file list[] = {
        PATCH(space_first, "header does not start with {"),
        {.change = drop_config, .status = MLFF_ERROR_UNSUPPORTED,
         .message = "known architecture"},
        {.config_from = "mlff-painn-1", .config_to = "other-1", .status = MLFF_ERROR_UNSUPPORTED,
         .message = "known architecture"},
        HEADER("\"shape\":[9,2]", "\"shape\":[9.0,2]", "an extent of its shape"),
        HEADER("\"shape\":[9,2]", "\"shape\":[\"9\",2]", "an extent of its shape"),
        HEADER("\"shape\":[9,2]", "\"shape\":[18446744073709551616,2]", "an extent of its shape"),
        HEADER("\"data_offsets\":[0,72]", "\"data_offsets\":[0,72,72]", "not an array [begin"),
        HEADER("\"data_offsets\":[0,72]", "\"data_offsets\":[0,1e2]", "a data offset is not"),
        HEADER("\"shape\":[9,2]", "\"shape\":[9,-Infinity]", "NaN and Infinity"),
    };
    for (size_t k = 0; k < sizeof list/sizeof list[0]; k++)
        broken_files_check(&painn_small, 1, &list[k]);
}

/* -------------------------------------------------------------------------- good files -- */

/* The data behind a header of any length: the same values, aligned for their type. */
static void test_unaligned_data(void) {
    static st_builder b;
    for (int padding = 0; padding < 8; padding++) {
        painn_fill(&b, &painn_small);
        b.padding = padding;
        st_bytes bytes = st_build(&b);
        mlff_model *model = NULL;
        mlff_error err;
        CHECK_OK(mlff_model_load_memory(bytes.data, bytes.n, "memory", &model, &err), err);
        for (int k = 0; model && k < b.n_tensors; k++) {
            const mlff_tensor *t = mlff_model_tensor(model, b.tensor[k].name);
            CHECK(t != NULL);
            if (!t)
                continue;
            const size_t size = b.tensor[k].dtype[1] == '6' ? 8 : 4;
            CHECK((uintptr_t) t->data%size == 0);
            CHECK((size_t) t->n_values*size == b.tensor[k].n_bytes);
            CHECK(memcmp(t->data, b.tensor[k].data, b.tensor[k].n_bytes) == 0);
        }
        mlff_model_free(model);
        st_bytes_free(&bytes);
        st_clear(&b);
    }
}

static void test_bytes_and_hash(void) {
    static st_builder b;
    painn_fill(&b, &painn_small);
    st_bytes bytes = st_build(&b);
    mlff_model *model = NULL, *again = NULL;
    mlff_error err;
    CHECK_OK(mlff_model_load_memory(bytes.data, bytes.n, "memory", &model, &err), err);
    if (model) {
        size_t n = 0;
        const void *kept = mlff_model_get_bytes(model, &n);
        CHECK(n == bytes.n && memcmp(kept, bytes.data, n) == 0);
        CHECK(mlff_model_get_info(model)->n_bytes == n);
        CHECK(kept != bytes.data);
        // what a saved System carries loads again
        CHECK_OK(mlff_model_load_memory(kept, n, NULL, &again, &err), err);
        CHECK(again && strcmp(mlff_model_get_info(again)->sha256,
                              mlff_model_get_info(model)->sha256) == 0);
        CHECK(strlen(mlff_model_get_info(model)->sha256) == 64);
        CHECK(mlff_model_tensor(model, "embedding") != NULL);
        CHECK(mlff_model_tensor(model, "embeddin") == NULL);
        CHECK(mlff_model_tensor(model, "") == NULL);
        CHECK(mlff_model_tensor(model, "zzz") == NULL);
    }
    mlff_model_free(model);
    mlff_model_free(again);
    st_bytes_free(&bytes);
    st_clear(&b);
}

/* All dtypes, a scalar, an empty tensor, eight dimensions, an escaped name. */
static void test_all_kinds_of_tensors(void) {
    static st_builder b;
    const float f32[] = {0.5f, -2.25f};
    const double f64[] = {0.1};
    const int32_t i32[] = {-7, 8};
    const int64_t i64[] = {9007199254740993LL};
    st_add(&b, "wide", "F64", 0, NULL, f64);
    st_add(&b, "empty", "F32", 2, (const int64_t[]) {0, 5}, NULL);
    st_add(&b, "eight", "F32", 8, (const int64_t[]) {1, 1, 2, 1, 1, 1, 1, 1}, f32);
    st_add(&b, "long", "I64", 1, (const int64_t[]) {1}, i64);
    st_add(&b, "\\u00e9\\ud83d\\ude00", "I32", 1, (const int64_t[]) {2}, i32);
    st_bytes bytes = st_build(&b);

    mlff_safetensors file;
    mlff_error err;
    CHECK_OK(mlff_safetensors_read(bytes.data, bytes.n, "memory", &file, &err), err);
    CHECK(file.n_tensors == 5 && file.metadata == NULL);
    const mlff_tensor *wide = mlff_safetensors_find(&file, "wide");
    CHECK(wide && wide->n_dims == 0 && wide->n_values == 1 && mlff_tensor_value(wide, 0) == 0.1);
    const mlff_tensor *empty = mlff_safetensors_find(&file, "empty");
    CHECK(empty && empty->n_values == 0 && empty->shape[1] == 5);
    const mlff_tensor *eight = mlff_safetensors_find(&file, "eight");
    CHECK(eight && eight->n_dims == 8 && eight->shape[2] == 2 && eight->dtype == MLFF_F32);
    double values[2] = {0, 0};
    if (eight)
        mlff_tensor_to_double(eight, values);
    CHECK(values[0] == 0.5 && values[1] == -2.25);
    const mlff_tensor *exact = mlff_safetensors_find(&file, "long");
    CHECK(exact && exact->dtype == MLFF_I64 && *(const int64_t *) exact->data == i64[0]);
    const mlff_tensor *escaped = mlff_safetensors_find(&file, "\xC3\xA9\xF0\x9F\x98\x80");
    CHECK(escaped && escaped->dtype == MLFF_I32);
    float narrow[2] = {0, 0};
    if (escaped)
        mlff_tensor_to_float(escaped, narrow);
    CHECK(narrow[0] == -7 && narrow[1] == 8);

    mlff_safetensors_free(&file);
    mlff_safetensors_free(&file);  // leaves all zeros: twice is fine
    st_bytes_free(&bytes);
    st_clear(&b);
}

/* A product of extents that overflows counts only if no extent is zero. */
static void test_zero_extent(void) {
    static st_builder b;
    st_add(&b, "empty", "F32", 1, (const int64_t[]) {0}, NULL);
    st_bytes bytes = st_build(&b);
    st_edit_header(&bytes, "\"shape\":[0]",
                   "\"shape\":[9223372036854775807,9223372036854775807,0]");
    mlff_safetensors file;
    mlff_error err;
    CHECK_OK(mlff_safetensors_read(bytes.data, bytes.n, "memory", &file, &err), err);
    CHECK(file.n_tensors == 1 && file.tensors[0].n_values == 0);
    mlff_safetensors_free(&file);
    st_bytes_free(&bytes);
    st_clear(&b);
}

/* ------------------------------------------------------------------------------- files -- */

static void write_file(const char *path, const void *bytes, size_t n) {
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    if (!file)
        return;
    CHECK(fwrite(bytes, 1, n, file) == n);
    fclose(file);
}

static void test_load_file(const char *folder) {
    static st_builder b;
    painn_fill(&b, &painn_small);
    st_bytes bytes = st_build(&b);
    st_clear(&b);
    char path[256];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    write_file(path, bytes.data, bytes.n);
    mlff_model *model = NULL;
    mlff_error err;
    CHECK_OK(mlff_model_load(path, &model, &err), err);
    size_t n = 0;
    CHECK(model && memcmp(mlff_model_get_bytes(model, &n), bytes.data, bytes.n) == 0);
    mlff_model_free(model);

    // a broken file's message names the path
    write_file(path, bytes.data, bytes.n - 4);
    CHECK_FAILS(mlff_model_load(path, &model, &err), MLFF_ERROR_FORMAT, err, path);
    CHECK(model == NULL);
    remove(path);
    st_bytes_free(&bytes);
}

static void test_load_no_file(const char *folder) {
    mlff_model *model = NULL;
    mlff_error err;
    char path[256];
    snprintf(path, sizeof path, "%s/absent.safetensors", folder);
    CHECK_FAILS(mlff_model_load(path, &model, &err), MLFF_ERROR_FILE, err, "cannot open");
    CHECK(strstr(err.message, path) != NULL);
    CHECK_FAILS(mlff_model_load(folder, &model, &err), MLFF_ERROR_FILE, err, "is a directory");
    CHECK_FAILS(mlff_model_load("/dev/null", &model, &err), MLFF_ERROR_FILE, err,
                "not a regular file");
    CHECK_FAILS(mlff_model_load("", &model, &err), MLFF_ERROR_FILE, err, "cannot open");

    snprintf(path, sizeof path, "%s/odd.safetensors", folder);
    write_file(path, "", 0);
    CHECK_FAILS(mlff_model_load(path, &model, &err), MLFF_ERROR_FILE, err, "is empty");
    if (truncate(path, (off_t) 5 << 30) == 0)
        CHECK_FAILS(mlff_model_load(path, &model, &err), MLFF_ERROR_FILE, err, "limit");
    else
        printf("skipped: a file beyond the size limit (no sparse files here)\n");
    write_file(path, "12345", 5);
    chmod(path, 0);
    if (geteuid() != 0)
        CHECK_FAILS(mlff_model_load(path, &model, &err), MLFF_ERROR_FILE, err, "cannot open");
    else
        printf("skipped: a file that may not be read (root may read all)\n");
    remove(path);
    CHECK(model == NULL);
}

/* A name longer than a message leaves room for what is wrong. */
static void test_long_name(void) {
    char name[3000];
    memset(name, 'n', sizeof name);
    strcpy(name + sizeof name - 12, "/end.broken");
    mlff_model *model = NULL;
    mlff_error err;
    CHECK_FAILS(mlff_model_load_memory("12345", 5, name, &model, &err), MLFF_ERROR_FORMAT, err,
                "/end.broken: 5 bytes are too short");
    CHECK(strncmp(err.message, "...nnn", 6) == 0);
}

static void test_misuse(void) {
    mlff_model *model = NULL;
    mlff_error err;
    CHECK_FAILS(mlff_model_load(NULL, &model, &err), MLFF_ERROR_ARGUMENT, err, "path is NULL");
    CHECK_FAILS(mlff_model_load("x", NULL, &err), MLFF_ERROR_ARGUMENT, err, "out is NULL");
    CHECK_FAILS(mlff_model_load_memory(NULL, 5, "x", &model, &err), MLFF_ERROR_ARGUMENT, err,
                "bytes is NULL");
    CHECK_FAILS(mlff_model_load_memory("x", 1, "x", NULL, &err), MLFF_ERROR_ARGUMENT, err,
                "out is NULL");
    CHECK(mlff_model_load_memory("x", 1, "x", &model, NULL) == MLFF_ERROR_FORMAT);
    mlff_model_free(NULL);
}

static void test_elements(void) {
    CHECK(strcmp(mlff_element_symbol(1), "H") == 0 && strcmp(mlff_element_symbol(118), "Og") == 0);
    CHECK(strcmp(mlff_element_symbol(26), "Fe") == 0 && strcmp(mlff_element_symbol(53), "I") == 0);
    CHECK(strcmp(mlff_element_symbol(74), "W") == 0 && strcmp(mlff_element_symbol(92), "U") == 0);
    CHECK(strcmp(mlff_element_symbol(0), "?") == 0 && strcmp(mlff_element_symbol(119), "?") == 0);
    CHECK(strcmp(mlff_element_symbol(-1), "?") == 0);
    for (int z = 1; z <= 118; z++)
        CHECK(mlff_element_number(mlff_element_symbol(z)) == z);
    CHECK(mlff_element_number("h") == 0 && mlff_element_number("CL") == 0);
    CHECK(mlff_element_number("") == 0 && mlff_element_number("Xx") == 0);
    CHECK(mlff_element_number("H ") == 0 && mlff_element_number(NULL) == 0);
}

/* Values from Cordero et al. 2008, table 2. */
static void test_covalent_radii(void) {
    CHECK(mlff_covalent_radius(1) == 0.31 && mlff_covalent_radius(6) == 0.76);
    CHECK(mlff_covalent_radius(7) == 0.71 && mlff_covalent_radius(8) == 0.66);
    CHECK(mlff_covalent_radius(17) == 1.02 && mlff_covalent_radius(26) == 1.32);
    CHECK(mlff_covalent_radius(53) == 1.39 && mlff_covalent_radius(71) == 1.87);
    CHECK(mlff_covalent_radius(79) == 1.36 && mlff_covalent_radius(92) == 1.96);
    CHECK(mlff_covalent_radius(96) == 1.69);
    for (int z = 97; z <= 118; z++)  // beyond the table
        CHECK(mlff_covalent_radius(z) == 1.69);
    CHECK(mlff_covalent_radius(0) == 0 && mlff_covalent_radius(119) == 0);
    CHECK(mlff_covalent_radius(-1) == 0);
}

/* -------------------------------------------------------------------------------- fuzz -- */

/* xorshift64*: the same files on every machine. */
static uint64_t next_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state*2685821657736338717ULL;
}

/* Load whatever it is; a model that comes out must be usable. Returns whether one did. */
static bool load_anything(const unsigned char *bytes, size_t n) {
    unsigned char *exact = malloc(n ? n : 1);  // a sanitizer sees reads beyond the end
    memcpy(exact, bytes, n);
    mlff_model *model = NULL;
    mlff_error err = {0};
    const mlff_status status = mlff_model_load_memory(exact, n, "fuzz", &model, &err);
    free(exact);
    if (status != MLFF_OK) {
        check_count++;
        if (model || err.status != status || err.message[0] == 0)
            CHECK_SAY("a refusal without status and message, %zu bytes", n);
        return false;
    }
    const mlff_model_info *info = mlff_model_get_info(model);
    const mlff_tensor *embedding = mlff_model_tensor(model, "embedding");
    check_count++;
    if (!embedding || !mlff_model_description(model) || info->n_elements < 1 ||
        info->elements[info->n_elements - 1] >= embedding->shape[0] ||
        !isfinite(mlff_tensor_value(embedding, embedding->n_values - 1)))
        CHECK_SAY("a model that contradicts itself, %zu bytes", n);
    mlff_model_free(model);
    return true;
}

static void test_truncations(void) {
    static st_builder b;
    painn_fill(&b, &painn_small);
    st_bytes bytes = st_build(&b);
    for (size_t n = 0; n < bytes.n; n++)
        CHECK(!load_anything(bytes.data, n));
    CHECK(load_anything(bytes.data, bytes.n));
    st_bytes_free(&bytes);
    st_clear(&b);
}

/* One to three bytes are replaced: in the first 8, the header, or anywhere. */
static void test_random_flips(void) {
    static st_builder b;
    painn_fill(&b, &painn_small);
    const st_bytes good = st_build(&b);
    st_bytes bytes = {.n = good.n, .data = malloc(good.n)};
    const size_t n_front = 8 + st_header_length(&good);
    uint64_t state = 20261121;
    int n_loaded = 0;
    for (int k = 0; k < 20000; k++) {
        memcpy(bytes.data, good.data, good.n);
        const int n_flips = 1 + (int) (next_random(&state)%3);
        for (int m = 0; m < n_flips; m++) {
            const size_t range = k%8 == 0 ? 8 : k%8 < 6 ? n_front : good.n;
            bytes.data[next_random(&state)%range] = (unsigned char) (next_random(&state) >> 32);
        }
        n_loaded += load_anything(bytes.data, bytes.n);
    }
    printf("of 20000 damaged files %d still made a model\n", n_loaded);
    CHECK(n_loaded > 0 && n_loaded < 10000);
    free(bytes.data);
    free(good.data);
    st_clear(&b);
}

int main(void) {
    test_broken_files();
    test_broken_likewise();
    test_unaligned_data();
    test_bytes_and_hash();
    test_all_kinds_of_tensors();
    test_zero_extent();
    char folder[] = "test_model_file.XXXXXX";
    if (mkdtemp(folder)) {
        test_load_file(folder);
        test_load_no_file(folder);
        rmdir(folder);
    } else {
        printf("skipped: loading from files (cannot write here)\n");
    }
    test_long_name();
    test_misuse();
    test_elements();
    test_covalent_radii();
    test_truncations();
    test_random_flips();
    return check_report("test_model_file");
}
