#define _POSIX_C_SOURCE 200809L  // stat

#include "mlff_dispersion.h"
#include "mlff_model_private.h"
#include "mlff_sha256.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Published models have a few megabytes; the limit keeps a wrong file from filling the memory. */
static const unsigned long long max_file_bytes = 4ULL << 30;

/* -------------------------------------------------------------------------------- load -- */

/* A regular file's size. */
static mlff_status file_size(const char *path, size_t *n_bytes, mlff_error *err) {
    struct stat about;
    if (stat(path, &about) != 0)
        return mlff_fail(err, MLFF_ERROR_FILE, "cannot open the model file '%s': %s", path,
                         strerror(errno));
    if (S_ISDIR(about.st_mode))
        return mlff_fail(err, MLFF_ERROR_FILE, "the model file '%s' is a directory: give the file "
                         "in it", path);
    if (!S_ISREG(about.st_mode))
        return mlff_fail(err, MLFF_ERROR_FILE, "the model file '%s' is not a regular file", path);
    if (about.st_size == 0)
        return mlff_fail(err, MLFF_ERROR_FILE, "the model file '%s' is empty", path);
    if ((unsigned long long) about.st_size > max_file_bytes)
        return mlff_fail(err, MLFF_ERROR_FILE, "the model file '%s' has %llu bytes, more than the "
                         "limit of %llu: not a model?", path, (unsigned long long) about.st_size,
                         max_file_bytes);
    *n_bytes = (size_t) about.st_size;
    return MLFF_OK;
}

/* The whole content, allocated with malloc. */
static mlff_status read_file(const char *path, unsigned char **bytes, size_t *n_bytes,
                             mlff_error *err) {
    MLFF_TRY(file_size(path, n_bytes, err));
    FILE *file = fopen(path, "rb");
    if (!file)
        return mlff_fail(err, MLFF_ERROR_FILE, "cannot open the model file '%s': %s", path,
                         strerror(errno));
    mlff_status status = MLFF_OK;
    *bytes = malloc(*n_bytes);
    if (!*bytes) {
        status = mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for the model file '%s': %zu bytes",
                           path, *n_bytes);
    } else if (fread(*bytes, 1, *n_bytes, file) != *n_bytes) {
        status = mlff_fail(err, MLFF_ERROR_FILE, "cannot read the %zu bytes of the model file "
                           "'%s': %s", *n_bytes, path,
                           ferror(file) ? strerror(errno) : "it became shorter");
        free(*bytes);
    }
    fclose(file);
    return status;
}

/* The name for messages; of a very long one its end. */
static char *copy_name(const char *name) {
    enum { LONGEST = 300 };
    const size_t n = strlen(name);
    char *copy = malloc(LONGEST + 4);
    if (copy && n <= LONGEST)
        strcpy(copy, name);
    else if (copy)
        sprintf(copy, "...%s", name + n - LONGEST);
    return copy;
}

static const char *metadata_or_empty(const mlff_model *model, const char *key) {
    const char *text = mlff_model_metadata(model, key);
    return text ? text : "";
}

static void fill_texts(mlff_model *model) {
    const bool british = mlff_model_metadata(model, "licence") != NULL;
    model->info.licence = metadata_or_empty(model, british ? "licence" : "license");
    model->info.source = metadata_or_empty(model, "source");
    model->info.citation = metadata_or_empty(model, "citation");
    model->info.scope = metadata_or_empty(model, "scope");
    model->info.charge = metadata_or_empty(model, "charge");
    model->info.multiplicity = metadata_or_empty(model, "multiplicity");
}

/* Metadata trained_atoms, "[3, 36]": fewest and most atoms of a training system. */
static mlff_status fill_trained_atoms(mlff_model *model, mlff_error *err) {
    const char *text = mlff_model_metadata(model, "trained_atoms");
    if (!text)
        return MLFF_OK;
    mlff_json *json = NULL;
    mlff_error unused;  // that it is no JSON is said below, with what was expected
    if (mlff_json_parse(text, strlen(text), "trained_atoms", &json, &unused) == MLFF_OK) {
        const mlff_json_value *root = mlff_json_root(json);
        bool good = root->type == MLFF_JSON_ARRAY && root->n == 2;
        for (int k = 0; good && k < 2; k++) {
            const mlff_json_value *value = root->item[k];
            good = value->type == MLFF_JSON_NUMBER && value->is_integer && value->integer >= 1 &&
                   value->integer <= INT_MAX;
            model->info.trained_atoms[k] = good ? (int) value->integer : 0;
        }
        mlff_json_free(json);
        if (good && model->info.trained_atoms[0] <= model->info.trained_atoms[1])
            return MLFF_OK;
    }
    return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: the metadata trained_atoms are '%.60s': expected "
                     "the fewest and the most atoms of a training system, such as [3, 36]",
                     model->name, text);
}

static mlff_status find_architecture(mlff_model *model, mlff_error *err) {
    int n;
    const mlff_architecture *const *list = mlff_architectures(&n);
    for (int k = 0; k < n; k++)
        if (list[k]->recognises(model)) {
            model->architecture = list[k];
            model->info.architecture = list[k]->name;
            model->info.display_name = list[k]->display_name;
            return MLFF_OK;
        }
    char names[200] = "";
    for (int k = 0; k < n; k++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", k ? ", " : "",
                 list[k]->display_name);
    return mlff_fail(err, MLFF_ERROR_UNSUPPORTED, "%s: its metadata do not say that it is a model "
                     "of a known architecture (%s): convert the published file first",
                     model->name, names);
}

/* Everything after name and bytes are in place. */
static mlff_status read_model(mlff_model *model, mlff_error *err) {
    const size_t n_bytes = model->info.n_bytes;
    mlff_sha256_hex(model->bytes, n_bytes, model->info.sha256);
    MLFF_TRY(mlff_safetensors_read(model->bytes, n_bytes, model->name, &model->file, err));

    void *used = NULL;
    MLFF_TRY(mlff_resize(&used, (size_t) model->file.n_tensors, sizeof(bool), "tensors", err));
    model->tensor_used = used;
    memset(used, 0, (size_t) model->file.n_tensors*sizeof(bool));

    model->info.elements = model->element;
    model->info.format = model->info.energy_unit = "";
    fill_texts(model);
    MLFF_TRY(fill_trained_atoms(model, err));
    MLFF_TRY(find_architecture(model, err));
    return model->architecture->describe(model, &model->description, err);
}

/* Takes over bytes (from malloc), also when it fails. */
static mlff_status new_model(unsigned char *bytes, size_t n_bytes, const char *name,
                             mlff_model **out, mlff_error *err) {
    mlff_model *model = calloc(1, sizeof *model);
    if (!model) {
        free(bytes);
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for the model '%s'", name);
    }
    atomic_init(&model->n_owners, 1);
    model->bytes = bytes;
    model->info.n_bytes = n_bytes;
    model->name = copy_name(name);
    const mlff_status status = model->name ? read_model(model, err) :
        mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for the model '%s'", name);
    if (status != MLFF_OK) {
        mlff_model_free(model);
        return status;
    }
    *out = model;
    return MLFF_OK;
}

/* Replace a model by the one content that holds it and a table file's rows. */
static mlff_status embed_table(const char *path, const char *table_path, mlff_model **model,
                               mlff_error *err) {
    unsigned char *table = NULL, *bytes = NULL;
    size_t n_table = 0, n_bytes = 0;
    MLFF_TRY(read_file(table_path, &table, &n_table, err));
    const mlff_status status = mlff_dispersion_embed(*model, table, n_table, table_path, &bytes,
                                                     &n_bytes, err);
    free(table);
    MLFF_TRY(status);
    mlff_model *merged;
    MLFF_TRY(new_model(bytes, n_bytes, path, &merged, err));
    mlff_model_free(*model);
    *model = merged;
    return MLFF_OK;
}

/* A model that needs a dispersion table and has none finds it beside its file, or stays without. */
static mlff_status embed_table_beside(const char *path, mlff_model **model, mlff_error *err) {
    const char *slash = strrchr(path, '/');
    const size_t n_folder = slash ? (size_t) (slash - path) + 1 : 0;
    void *block = NULL;
    MLFF_TRY(mlff_resize(&block, n_folder + sizeof MLFF_D3_FILE, 1, "a file name", err));
    char *table_path = block;
    memcpy(table_path, path, n_folder);
    strcpy(table_path + n_folder, MLFF_D3_FILE);
    struct stat about;
    mlff_status status = MLFF_OK;
    if (stat(table_path, &about) == 0)
        status = embed_table(path, table_path, model, err);
    free(table_path);
    return status;
}

mlff_status mlff_model_load(const char *path, mlff_model **out, mlff_error *err) {
    if (!out)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "mlff_model_load: out is NULL");
    *out = NULL;
    if (!path)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "mlff_model_load: path is NULL");
    unsigned char *bytes = NULL;
    size_t n_bytes = 0;
    MLFF_TRY(read_file(path, &bytes, &n_bytes, err));
    MLFF_TRY(new_model(bytes, n_bytes, path, out, err));
    if (!(*out)->wants_dispersion_table)
        return MLFF_OK;
    const mlff_status status = embed_table_beside(path, out, err);
    if (status != MLFF_OK) {
        mlff_model_free(*out);
        *out = NULL;
    }
    return status;
}

mlff_status mlff_model_load_memory(const void *bytes, size_t n_bytes, const char *name,
                                   mlff_model **out, mlff_error *err) {
    if (!out)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "mlff_model_load_memory: out is NULL");
    *out = NULL;
    if (!bytes && n_bytes > 0)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "mlff_model_load_memory: bytes is NULL");
    if (!name)
        name = "model in memory";
    unsigned char *copy = malloc(n_bytes > 0 ? n_bytes : 1);
    if (!copy)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for the model '%s': %zu bytes", name,
                         n_bytes);
    if (n_bytes > 0)
        memcpy(copy, bytes, n_bytes);
    return new_model(copy, n_bytes, name, out, err);
}

/* -------------------------------------------------------------------------------- own -- */

const mlff_model *mlff_model_retain(const mlff_model *shared) {
    mlff_model *model = (mlff_model *) shared;  // all but the count is const
    if (model)
        atomic_fetch_add_explicit(&model->n_owners, 1, memory_order_relaxed);
    return shared;
}

void mlff_model_free(const mlff_model *shared) {
    mlff_model *model = (mlff_model *) shared;
    // what other owners read happens before the last one frees
    if (!model || atomic_fetch_sub_explicit(&model->n_owners, 1, memory_order_acq_rel) > 1)
        return;
    if (model->description)
        model->architecture->free_description(model->description);
    mlff_safetensors_free(&model->file);
    free(model->tensor_used);
    free(model->bytes);
    free(model->name);
    free(model);
}

/* -------------------------------------------------------------------------------- read -- */

const mlff_model_info *mlff_model_get_info(const mlff_model *model) {
    return &model->info;
}

const void *mlff_model_get_bytes(const mlff_model *model, size_t *n_bytes) {
    *n_bytes = model->info.n_bytes;
    return model->bytes;
}

const void *mlff_model_description(const mlff_model *model) {
    return model->description;
}

const mlff_tensor *mlff_model_tensor(const mlff_model *model, const char *name) {
    return mlff_safetensors_find(&model->file, name);
}

const char *mlff_model_metadata(const mlff_model *model, const char *key) {
    const mlff_json_value *value = mlff_json_get(model->file.metadata, key);
    return value ? value->string : NULL;
}

mlff_status mlff_model_check_element(const mlff_model *model, int z, mlff_error *err) {
    if (z >= 1 && z <= MLFF_N_ELEMENTS && model->knows_element[z])
        return MLFF_OK;
    char known[4*MLFF_N_ELEMENTS] = "";
    for (int k = 0; k < model->info.n_elements; k++) {
        if (k > 0)
            strcat(known, " ");
        strcat(known, mlff_element_symbol(model->info.elements[k]));
    }
    if (z < 1 || z > MLFF_N_ELEMENTS)
        return mlff_fail(err, MLFF_ERROR_ELEMENT, "%d is not an atomic number; the model %s knows "
                         "%s", z, model->name, known);
    return mlff_fail(err, MLFF_ERROR_ELEMENT, "the model %s does not know %s (atomic number %d); "
                     "it knows %s", model->name, mlff_element_symbol(z), z, known);
}

/* ------------------------------------------------------------- for describe() functions -- */

static void print_shape(int n_dims, const int64_t *shape, char *text, size_t size) {
    snprintf(text, size, "[");
    for (int k = 0; k < n_dims; k++) {
        const size_t used = strlen(text);
        if (shape[k] < 0)
            snprintf(text + used, size - used, "%s*", k ? ", " : "");
        else
            snprintf(text + used, size - used, "%s%lld", k ? ", " : "", (long long) shape[k]);
    }
    snprintf(text + strlen(text), size - strlen(text), "]");
}

mlff_status mlff_model_require(mlff_model *model, const char *name, int n_dims,
                               const int64_t *shape, const mlff_tensor **out, mlff_error *err) {
    const mlff_tensor *tensor = mlff_model_tensor(model, name);
    *out = tensor;
    if (!tensor)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: tensor '%s' is missing", model->name, name);
    model->tensor_used[tensor - model->file.tensors] = true;

    bool same = tensor->n_dims == n_dims;
    for (int k = 0; k < n_dims && same; k++)
        same = shape[k] < 0 || tensor->shape[k] == shape[k];
    if (!same) {
        char found[200], expected[200];
        print_shape(tensor->n_dims, tensor->shape, found, sizeof found);
        print_shape(n_dims, shape, expected, sizeof expected);
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: tensor '%s' has the shape %s, expected %s",
                         model->name, name, found, expected);
    }
    if (tensor->dtype != MLFF_F32 && tensor->dtype != MLFF_F64)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: tensor '%s' has integers, expected F32 or "
                         "F64", model->name, name);
    return MLFF_OK;
}

mlff_status mlff_model_check_all_used(const mlff_model *model, mlff_error *err) {
    for (int k = 0; k < model->file.n_tensors; k++)
        if (!model->tensor_used[k])
            return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: unexpected tensor '%.100s': the settings "
                             "of this model have no place for it", model->name,
                             model->file.tensors[k].name);
    return MLFF_OK;
}

mlff_status mlff_model_set_elements(mlff_model *model, int n, const int *z, mlff_error *err) {
    memset(model->knows_element, 0, sizeof model->knows_element);
    model->info.n_elements = 0;
    for (int k = 0; k < n; k++) {
        if (z[k] < 1 || z[k] > MLFF_N_ELEMENTS)
            return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: its list of elements has %d, expected "
                             "atomic numbers 1 ... %d", model->name, z[k], MLFF_N_ELEMENTS);
        if (model->knows_element[z[k]])
            return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: its list of elements has %s twice",
                             model->name, mlff_element_symbol(z[k]));
        model->knows_element[z[k]] = true;
    }
    if (n == 0)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: its list of elements is empty", model->name);
    for (int k = 1; k <= MLFF_N_ELEMENTS; k++)
        if (model->knows_element[k])
            model->element[model->info.n_elements++] = k;
    return MLFF_OK;
}

/* "[1, 6, 7]" */
static mlff_status parse_numbers(mlff_model *model, const char *text, mlff_error *err) {
    char where[400];
    snprintf(where, sizeof where, "%s: metadata 'elements'", model->name);
    mlff_json *json;
    MLFF_TRY(mlff_json_parse(text, strlen(text), where, &json, err));
    const mlff_json_value *array = mlff_json_root(json);

    mlff_status status = MLFF_OK;
    int z[MLFF_N_ELEMENTS];
    if (array->n > MLFF_N_ELEMENTS)
        status = mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %d numbers, there are only %d elements",
                           where, array->n, MLFF_N_ELEMENTS);
    for (int k = 0; k < array->n && status == MLFF_OK; k++) {
        const mlff_json_value *item = array->item[k];
        const bool fits = item->type == MLFF_JSON_NUMBER && item->is_integer &&
                          item->integer >= 1 && item->integer <= MLFF_N_ELEMENTS;
        if (fits)
            z[k] = (int) item->integer;
        else
            status = mlff_fail(err, MLFF_ERROR_FORMAT, "%s: value %d is not an atomic number "
                               "1 ... %d", where, k, MLFF_N_ELEMENTS);
    }
    if (status == MLFF_OK)
        status = mlff_model_set_elements(model, array->n, z, err);
    mlff_json_free(json);
    return status;
}

/* "H C, N (remark)" */
static mlff_status parse_symbols(mlff_model *model, const char *text, mlff_error *err) {
    static const char separators[] = " ,\t\n";
    int z[MLFF_N_ELEMENTS], n = 0;
    for (;;) {
        text += strspn(text, separators);
        if (*text == 0)
            break;
        if (*text == '(') {
            const char *end = strchr(text, ')');
            if (!end || end[1 + strspn(end + 1, separators)] != 0)
                return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: metadata 'elements': a remark in "
                                 "parentheses must stand at the end, found '%.60s'", model->name,
                                 text);
            break;
        }
        const size_t length = strcspn(text, " ,\t\n(");
        char symbol[4] = "";
        if (length < sizeof symbol)
            memcpy(symbol, text, length);
        const int number = mlff_element_number(symbol);
        if (number == 0)
            return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: metadata 'elements': '%.*s' is not the "
                             "symbol of an element", model->name,
                             (int) (length < 60 ? length : 60), text);
        if (n == MLFF_N_ELEMENTS)
            return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: metadata 'elements': more symbols than "
                             "there are elements", model->name);
        z[n++] = number;
        text += length;
    }
    return mlff_model_set_elements(model, n, z, err);
}

mlff_status mlff_model_parse_elements(mlff_model *model, const char *text, mlff_error *err) {
    text += strspn(text, " \t\n");
    return *text == '[' ? parse_numbers(model, text, err) : parse_symbols(model, text, err);
}
