#include "mlff_safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "model files are little-endian and are read in place: this machine needs a byte swap"
#endif

/* What is being read: for messages, and the values' place. */
typedef struct reader {
    const char *file;
    const unsigned char *data;  // values
    size_t n_data;              // bytes
    mlff_error *err;
} reader;

/* Bytes of one tensor in the data, as data_offsets says. */
typedef struct span {
    int64_t begin, end;
    int tensor;
} span;

static const char *const dtype_name[] = {"F32", "F64", "I32", "I64"};
static const size_t dtype_size[] = {4, 8, 4, 8};

static mlff_status fail_tensor(const reader *r, const char *tensor, const char *what) {
    return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: tensor '%.100s': %s", r->file, tensor, what);
}

/* ------------------------------------------------------------------------------- header -- */

/* Find the header's text and the data behind it. */
static mlff_status find_header(reader *r, const unsigned char *bytes, size_t n_bytes,
                               const char **text, size_t *length) {
    if (n_bytes == 0)
        return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: the file is empty", r->file);
    if (n_bytes < 8)
        return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: %zu bytes are too short for a safetensors "
                         "file, which starts with 8 bytes of header length", r->file, n_bytes);
    uint64_t n = 0;
    for (int k = 7; k >= 0; k--)
        n = n << 8 | bytes[k];
    if (n > MLFF_SAFETENSORS_MAX_HEADER)
        return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: its first 8 bytes give a header of %llu "
                         "bytes, more than the %d that safetensors allows: not a safetensors file?",
                         r->file, (unsigned long long) n, MLFF_SAFETENSORS_MAX_HEADER);
    if (n > n_bytes - 8)
        return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: the header should have %llu bytes, but "
                         "only %zu follow: the file is cut off or not a safetensors file", r->file,
                         (unsigned long long) n, n_bytes - 8);
    *text = (const char *) bytes + 8;
    *length = (size_t) n;
    if (n == 0 || (*text)[0] != '{')
        return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: the header does not start with {: not a "
                         "safetensors file?", r->file);
    r->data = bytes + 8 + n;
    r->n_data = n_bytes - 8 - (size_t) n;
    return MLFF_OK;
}

static mlff_status check_metadata(const reader *r, const mlff_json_value *metadata) {
    if (!metadata)
        return MLFF_OK;
    if (metadata->type != MLFF_JSON_OBJECT)
        return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: __metadata__ is %s, expected an object",
                         r->file, mlff_json_type_name(metadata->type));
    for (int k = 0; k < metadata->n; k++)
        if (metadata->item[k]->type != MLFF_JSON_STRING)
            return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: __metadata__ '%.100s' is %s, expected "
                             "a string", r->file, metadata->item[k]->key,
                             mlff_json_type_name(metadata->item[k]->type));
    return MLFF_OK;
}

/* --------------------------------------------------------------------- one tensor's entry -- */

static mlff_status check_entry_keys(const reader *r, const mlff_json_value *entry) {
    static const char *const known[] = {"dtype", "shape", "data_offsets"};
    if (entry->type != MLFF_JSON_OBJECT)
        return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: tensor '%.100s': its entry is %s, "
                         "expected an object", r->file, entry->key,
                         mlff_json_type_name(entry->type));
    for (int k = 0; k < 3; k++)
        if (!mlff_json_get(entry, known[k]))
            return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: tensor '%.100s': %s is missing",
                             r->file, entry->key, known[k]);
    for (int k = 0; k < entry->n; k++) {
        const char *key = entry->item[k]->key;
        if (strcmp(key, known[0]) != 0 && strcmp(key, known[1]) != 0 && strcmp(key, known[2]) != 0)
            return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: tensor '%.100s': its entry has an "
                             "unknown key '%.100s'", r->file, entry->key, key);
    }
    return MLFF_OK;
}

static mlff_status read_dtype(const reader *r, const mlff_json_value *dtype, mlff_tensor *t) {
    if (dtype->type != MLFF_JSON_STRING)
        return fail_tensor(r, t->name, "its dtype is not a string");
    for (int k = 0; k < 4; k++)
        if (strcmp(dtype->string, dtype_name[k]) == 0) {
            t->dtype = (mlff_dtype) k;
            return MLFF_OK;
        }
    return mlff_fail(r->err, MLFF_ERROR_UNSUPPORTED, "%s: tensor '%.100s': unsupported dtype "
                     "'%.40s', expected F32, F64, I32 or I64: convert the file", r->file, t->name,
                     dtype->string);
}

/* Shape and number of values; the product must fit. */
static mlff_status read_shape(const reader *r, const mlff_json_value *shape, mlff_tensor *t) {
    if (shape->type != MLFF_JSON_ARRAY)
        return fail_tensor(r, t->name, "its shape is not an array");
    if (shape->n > MLFF_SAFETENSORS_MAX_DIMS)
        return mlff_fail(r->err, MLFF_ERROR_UNSUPPORTED, "%s: tensor '%.100s': %d dimensions, at "
                         "most %d are supported", r->file, t->name, shape->n,
                         MLFF_SAFETENSORS_MAX_DIMS);
    t->n_dims = shape->n;
    t->n_values = 1;
    bool overflow = false;
    for (int k = 0; k < shape->n; k++) {
        const mlff_json_value *extent = shape->item[k];
        if (extent->type != MLFF_JSON_NUMBER || !extent->is_integer || extent->integer < 0)
            return fail_tensor(r, t->name, "an extent of its shape is not a non-negative integer");
        t->shape[k] = extent->integer;
        if (extent->integer == 0)
            t->n_values = 0;
        else if (t->n_values > INT64_MAX/8/extent->integer)
            overflow = true;  // unless a zero follows
        else
            t->n_values *= extent->integer;
    }
    if (overflow && t->n_values != 0)
        return fail_tensor(r, t->name, "the product of its shape overflows");
    return MLFF_OK;
}

static mlff_status read_offsets(const reader *r, const mlff_json_value *offsets,
                                const mlff_tensor *t, span *s) {
    if (offsets->type != MLFF_JSON_ARRAY || offsets->n != 2)
        return fail_tensor(r, t->name, "its data_offsets are not an array [begin, end]");
    int64_t value[2];
    for (int k = 0; k < 2; k++) {
        const mlff_json_value *offset = offsets->item[k];
        if (offset->type != MLFF_JSON_NUMBER || !offset->is_integer || offset->integer < 0)
            return fail_tensor(r, t->name, "a data offset is not a non-negative integer");
        value[k] = offset->integer;
    }
    s->begin = value[0];
    s->end = value[1];
    if (s->begin > s->end)
        return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: tensor '%.100s': its data ends at %lld, "
                         "before it begins at %lld", r->file, t->name, (long long) s->end,
                         (long long) s->begin);
    if ((uint64_t) s->end > r->n_data)
        return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: tensor '%.100s': its data ends at byte "
                         "%lld, but the file has only %zu bytes of data: it is cut off", r->file,
                         t->name, (long long) s->end, r->n_data);
    const int64_t n_bytes = t->n_values*(int64_t) dtype_size[t->dtype];
    if (s->end - s->begin != n_bytes)
        return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: tensor '%.100s': its data_offsets span "
                         "%lld bytes, but its shape and dtype need %lld", r->file, t->name,
                         (long long) (s->end - s->begin), (long long) n_bytes);
    return MLFF_OK;
}

static mlff_status read_entry(const reader *r, const mlff_json_value *entry, mlff_tensor *t,
                              span *s) {
    t->name = entry->key;
    MLFF_TRY(check_entry_keys(r, entry));
    MLFF_TRY(read_dtype(r, mlff_json_get(entry, "dtype"), t));
    MLFF_TRY(read_shape(r, mlff_json_get(entry, "shape"), t));
    return read_offsets(r, mlff_json_get(entry, "data_offsets"), t, s);
}

/* --------------------------------------------------------------------------- all tensors -- */

static int compare_spans(const void *a, const void *b) {
    const span *u = a, *v = b;
    if (u->begin != v->begin)
        return u->begin < v->begin ? -1 : 1;
    if (u->end != v->end)
        return u->end < v->end ? -1 : 1;
    return u->tensor - v->tensor;
}

/* The tensors must cover the data exactly once. */
static mlff_status check_coverage(const reader *r, const mlff_safetensors *file, span *spans) {
    const int n = file->n_tensors;
    if (n > 0)
        qsort(spans, (size_t) n, sizeof *spans, compare_spans);
    int64_t covered = 0;
    for (int k = 0; k < n; k++) {
        const char *name = file->tensors[spans[k].tensor].name;
        if (spans[k].begin < covered)
            return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: the data of tensors '%.100s' and "
                             "'%.100s' overlap", r->file,
                             file->tensors[spans[k - 1].tensor].name, name);
        if (spans[k].begin > covered)
            return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: a hole of %lld bytes in the data "
                             "before tensor '%.100s'", r->file,
                             (long long) (spans[k].begin - covered), name);
        covered = spans[k].end;
    }
    if ((uint64_t) covered != r->n_data)
        return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: %zu bytes follow the data of the last "
                         "tensor", r->file, r->n_data - (size_t) covered);
    return MLFF_OK;
}

/* Point the tensors into the bytes, or to aligned copies. */
static mlff_status place_tensors(const reader *r, mlff_safetensors *file, const span *spans) {
    const int n = file->n_tensors;
    size_t n_copied = 0;
    for (int k = 0; k < n; k++) {
        mlff_tensor *t = &file->tensors[spans[k].tensor];
        t->data = r->data + spans[k].begin;
        if ((uintptr_t) t->data%dtype_size[t->dtype] != 0)
            n_copied += ((size_t) (spans[k].end - spans[k].begin) + 7)/8*8;
    }
    if (n_copied == 0)
        return MLFF_OK;

    MLFF_TRY(mlff_resize(&file->aligned, n_copied, 1, "aligned tensors", r->err));
    unsigned char *copy = file->aligned;
    for (int k = 0; k < n; k++) {
        mlff_tensor *t = &file->tensors[spans[k].tensor];
        const size_t n_bytes = (size_t) (spans[k].end - spans[k].begin);
        if ((uintptr_t) t->data%dtype_size[t->dtype] == 0)
            continue;
        memcpy(copy, t->data, n_bytes);
        t->data = copy;
        copy += (n_bytes + 7)/8*8;
    }
    return MLFF_OK;
}

static mlff_status check_finite(const reader *r, const mlff_tensor *t) {
    if (t->dtype != MLFF_F32 && t->dtype != MLFF_F64)
        return MLFF_OK;
    for (int64_t k = 0; k < t->n_values; k++)
        if (!isfinite(mlff_tensor_value(t, k)))
            return mlff_fail(r->err, MLFF_ERROR_FORMAT, "%s: tensor '%.100s': value %lld of %lld "
                             "is not finite", r->file, t->name, (long long) k,
                             (long long) t->n_values);
    return MLFF_OK;
}

static mlff_status read_tensors(const reader *r, mlff_safetensors *file, span **spans) {
    const mlff_json_value *root = mlff_json_root(file->header);
    void *tensors = NULL, *memory = NULL;
    MLFF_TRY(mlff_resize(&tensors, (size_t) root->n, sizeof(mlff_tensor), "tensors", r->err));
    file->tensors = tensors;
    memset(tensors, 0, (size_t) root->n*sizeof(mlff_tensor));
    MLFF_TRY(mlff_resize(&memory, (size_t) root->n, sizeof(span), "tensors", r->err));
    *spans = memory;

    for (int k = 0; k < root->n; k++) {
        const mlff_json_value *entry = root->by_key[k];
        if (strcmp(entry->key, "__metadata__") == 0)
            continue;
        const int n = file->n_tensors;
        (*spans)[n].tensor = n;
        MLFF_TRY(read_entry(r, entry, &file->tensors[n], &(*spans)[n]));
        file->n_tensors++;
    }
    MLFF_TRY(check_coverage(r, file, *spans));
    MLFF_TRY(place_tensors(r, file, *spans));
    for (int k = 0; k < file->n_tensors; k++)
        MLFF_TRY(check_finite(r, &file->tensors[k]));
    return MLFF_OK;
}

mlff_status mlff_safetensors_read(const unsigned char *bytes, size_t n_bytes, const char *name,
                                  mlff_safetensors *out, mlff_error *err) {
    memset(out, 0, sizeof *out);
    reader r = {.file = name, .err = err};
    const char *text = NULL;
    size_t length = 0;
    MLFF_TRY(find_header(&r, bytes, n_bytes, &text, &length));
    MLFF_TRY(mlff_json_parse(text, length, name, &out->header, err));
    out->metadata = mlff_json_get(mlff_json_root(out->header), "__metadata__");
    MLFF_TRY(check_metadata(&r, out->metadata));

    span *spans = NULL;
    const mlff_status status = read_tensors(&r, out, &spans);
    free(spans);
    return status;
}

void mlff_safetensors_free(mlff_safetensors *file) {
    mlff_json_free(file->header);
    free(file->tensors);
    free(file->aligned);
    memset(file, 0, sizeof *file);
}

/* ------------------------------------------------------------------------------- tensors -- */

const mlff_tensor *mlff_safetensors_find(const mlff_safetensors *file, const char *name) {
    int low = 0, high = file->n_tensors;
    while (low < high) {
        const int middle = low + (high - low)/2;
        const int order = strcmp(file->tensors[middle].name, name);
        if (order == 0)
            return &file->tensors[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

double mlff_tensor_value(const mlff_tensor *tensor, int64_t index) {
    switch (tensor->dtype) {
    case MLFF_F32: return ((const float *) tensor->data)[index];
    case MLFF_F64: return ((const double *) tensor->data)[index];
    case MLFF_I32: return ((const int32_t *) tensor->data)[index];
    case MLFF_I64: return (double) ((const int64_t *) tensor->data)[index];
    }
    return NAN;
}

void mlff_tensor_to_double(const mlff_tensor *tensor, double *out) {
    for (int64_t k = 0; k < tensor->n_values; k++)
        out[k] = mlff_tensor_value(tensor, k);
}

void mlff_tensor_to_float(const mlff_tensor *tensor, float *out) {
    for (int64_t k = 0; k < tensor->n_values; k++)
        out[k] = (float) mlff_tensor_value(tensor, k);
}
