#include "mlff_dispersion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const dtype_name[] = {"F32", "F64", "I32", "I64"};
static const size_t dtype_size[] = {4, 8, 4, 8};

static size_t tensor_bytes(const mlff_tensor *t) {
    return (size_t) t->n_values*dtype_size[t->dtype];
}

/* ,"name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}; returns its length as snprintf. */
static size_t print_entry(char *text, size_t size, const mlff_tensor *t, size_t offset,
                          bool first) {
    char shape[8*24] = "";
    for (int k = 0; k < t->n_dims; k++)
        snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%lld", k ? "," : "",
                 (long long) t->shape[k]);
    return (size_t) snprintf(text, size, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],"
                             "\"data_offsets\":[%zu,%zu]}", first ? "" : ",", t->name,
                             dtype_name[t->dtype], shape, offset, offset + tensor_bytes(t));
}

static uint64_t read_u64(const unsigned char *bytes) {
    uint64_t value = 0;
    for (int k = 7; k >= 0; k--)
        value = value << 8 | bytes[k];
    return value;
}

static void write_u64(unsigned char *bytes, uint64_t value) {
    for (int k = 0; k < 8; k++, value >>= 8)
        bytes[k] = (unsigned char) value;
}

/* Length of the header up to its last brace, so that entries can follow; *empty: no entry yet. */
static mlff_status open_header(const unsigned char *bytes, size_t n_bytes, size_t *kept,
                               bool *empty, mlff_error *err) {
    if (n_bytes < 8 || read_u64(bytes) > n_bytes - 8)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "cannot append tensors: not a safetensors file");
    const char *header = (const char *) bytes + 8;
    size_t n = (size_t) read_u64(bytes);
    while (n > 0 && header[n-1] != '}')
        n--;
    if (n == 0)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "cannot append tensors: the safetensors header "
                         "does not end with }");
    *kept = n - 1;
    *empty = true;
    for (size_t k = 1; k < *kept; k++)
        *empty &= header[k] == ' ';
    return MLFF_OK;
}

mlff_status mlff_safetensors_append(const unsigned char *bytes, size_t n_bytes,
                                    const mlff_tensor *tensors, int n_tensors,
                                    unsigned char **out, size_t *n_out, mlff_error *err) {
    *out = NULL;
    *n_out = 0;
    size_t kept = 0;
    bool empty = true;
    MLFF_TRY(open_header(bytes, n_bytes, &kept, &empty, err));
    const size_t header_length = (size_t) read_u64(bytes);
    const size_t data_length = n_bytes - 8 - header_length;

    // measure: entries, the brace, spaces up to a multiple of 8, values
    size_t entries = 0, values = 0;
    for (int k = 0; k < n_tensors; k++) {
        entries += print_entry(NULL, 0, &tensors[k], data_length + values, empty && k == 0);
        values += tensor_bytes(&tensors[k]);
    }
    const size_t new_length = (kept + entries + 1 + 7)/8*8;
    *n_out = 8 + new_length + data_length + values;
    unsigned char *file = malloc(*n_out);
    if (!file)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for a model file of %zu bytes", *n_out);

    write_u64(file, new_length);
    memcpy(file + 8, bytes + 8, kept);
    char *text = (char *) file + 8 + kept;
    unsigned char *data = file + 8 + new_length;
    memcpy(data, bytes + 8 + header_length, data_length);
    size_t offset = data_length;
    for (int k = 0; k < n_tensors; k++) {
        const size_t room = (size_t) ((char *) data - text);
        text += print_entry(text, room, &tensors[k], offset, empty && k == 0);
        memcpy(data + offset, tensors[k].data, tensor_bytes(&tensors[k]));
        offset += tensor_bytes(&tensors[k]);
    }
    *text++ = '}';
    memset(text, ' ', (size_t) ((char *) data - text));
    *out = file;
    return MLFF_OK;
}
