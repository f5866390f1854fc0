/*
 * Builds safetensors files in memory, good ones and, by editing, broken ones.
 *
 *   st_builder: tensors and metadata  ->  st_build()  ->  st_bytes: the file's content
 *
 * Fixed capacities, no error handling beyond a failed check: it serves small test files.
 */
#ifndef MLFF_SAFETENSORS_BUILDER_H_
#define MLFF_SAFETENSORS_BUILDER_H_

#include "check.h"

#include <stddef.h>
#include <stdint.h>

enum { ST_MAX_TENSORS = 160, ST_MAX_METADATA = 8, ST_TEXT = 4096 };

typedef struct st_tensor {
    char name[64], dtype[8];
    int n_dims;
    int64_t shape[8];
    size_t n_bytes;
    unsigned char *data;  /* owned */
} st_tensor;

typedef struct st_builder {
    int n_tensors, n_metadata;
    st_tensor tensor[ST_MAX_TENSORS];
    struct { char key[64], text[ST_TEXT]; } metadata[ST_MAX_METADATA];
    int padding;          /* spaces behind the header: moves the data */
} st_builder;

typedef struct st_bytes {
    size_t n;
    unsigned char *data;  /* owned; exactly n bytes, so that a sanitizer sees every overrun */
} st_bytes;

/* ------------------------------------------------------------------------------ builder -- */

static inline int st_find(const st_builder *b, const char *name) {
    for (int k = 0; k < b->n_tensors; k++)
        if (strcmp(b->tensor[k].name, name) == 0)
            return k;
    return -1;
}

/* Add a tensor; data has the bytes of its values, or is NULL for zeros. */
static inline void st_add(st_builder *b, const char *name, const char *dtype, int n_dims,
                          const int64_t *shape, const void *data) {
    st_tensor *t = &b->tensor[b->n_tensors++];
    memset(t, 0, sizeof *t);
    snprintf(t->name, sizeof t->name, "%s", name);
    snprintf(t->dtype, sizeof t->dtype, "%s", dtype);
    t->n_dims = n_dims;
    t->n_bytes = strstr(dtype, "64") ? 8 : 4;
    for (int k = 0; k < n_dims; k++) {
        t->shape[k] = shape[k];
        t->n_bytes *= (size_t) shape[k];
    }
    t->data = calloc(t->n_bytes + 1, 1);
    if (data)
        memcpy(t->data, data, t->n_bytes);
}

static inline void st_remove(st_builder *b, const char *name) {
    const int at = st_find(b, name);
    CHECK(at >= 0);
    if (at < 0)
        return;
    free(b->tensor[at].data);
    memmove(&b->tensor[at], &b->tensor[at + 1],
            (size_t) (b->n_tensors - at - 1)*sizeof b->tensor[0]);
    b->n_tensors--;
}

/* Set, replace, or (text NULL) remove a metadata text. */
static inline void st_metadata(st_builder *b, const char *key, const char *text) {
    int at = 0;
    while (at < b->n_metadata && strcmp(b->metadata[at].key, key) != 0)
        at++;
    if (text) {
        snprintf(b->metadata[at].key, sizeof b->metadata[at].key, "%s", key);
        snprintf(b->metadata[at].text, sizeof b->metadata[at].text, "%s", text);
        if (at == b->n_metadata)
            b->n_metadata++;
    } else if (at < b->n_metadata) {
        b->metadata[at] = b->metadata[--b->n_metadata];
    }
}

static inline char *st_metadata_text(st_builder *b, const char *key) {
    for (int k = 0; k < b->n_metadata; k++)
        if (strcmp(b->metadata[k].key, key) == 0)
            return b->metadata[k].text;
    return NULL;
}

/* Replace the first "from" in a metadata text. */
static inline void st_edit_metadata(st_builder *b, const char *key, const char *from,
                                    const char *to) {
    char *text = st_metadata_text(b, key), *at = text ? strstr(text, from) : NULL;
    check_count++;
    if (!at) {
        CHECK_SAY("metadata '%s' has no \"%s\" to edit", key, from);
        return;
    }
    char rest[ST_TEXT];
    snprintf(rest, sizeof rest, "%s", at + strlen(from));
    snprintf(at, ST_TEXT - (size_t) (at - text), "%s%s", to, rest);
}

static inline void st_clear(st_builder *b) {
    for (int k = 0; k < b->n_tensors; k++)
        free(b->tensor[k].data);
    memset(b, 0, sizeof *b);
}

/* -------------------------------------------------------------------------------- bytes -- */

static inline void st_bytes_free(st_bytes *bytes) {
    free(bytes->data);
    memset(bytes, 0, sizeof *bytes);
}

static inline void st_put_length(unsigned char *at, uint64_t n) {
    for (int k = 0; k < 8; k++)
        at[k] = (unsigned char) (n >> 8*k);
}

static inline size_t st_header_length(const st_bytes *bytes) {
    uint64_t n = 0;
    for (int k = 7; k >= 0; k--)
        n = n << 8 | bytes->data[k];
    return (size_t) n;
}

static inline size_t st_print_json(char *at, const char *text) {
    char *start = at;
    *at++ = '"';
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            *at++ = '\\';
        *at++ = *text;
    }
    *at++ = '"';
    return (size_t) (at - start);
}

static inline st_bytes st_build(const st_builder *b) {
    char *header = calloc(ST_MAX_METADATA*2*ST_TEXT + ST_MAX_TENSORS*256, 1), *at = header;
    at += sprintf(at, "{");
    if (b->n_metadata > 0) {
        at += sprintf(at, "\"__metadata__\":{");
        for (int k = 0; k < b->n_metadata; k++) {
            at += sprintf(at, k ? "," : "");
            at += st_print_json(at, b->metadata[k].key);
            at += sprintf(at, ":");
            at += st_print_json(at, b->metadata[k].text);
        }
        at += sprintf(at, b->n_tensors > 0 ? "}," : "}");
    }
    size_t n_data = 0;
    for (int k = 0; k < b->n_tensors; k++) {
        const st_tensor *t = &b->tensor[k];
        at += sprintf(at, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", k ? "," : "", t->name,
                      t->dtype);
        for (int d = 0; d < t->n_dims; d++)
            at += sprintf(at, "%s%lld", d ? "," : "", (long long) t->shape[d]);
        at += sprintf(at, "],\"data_offsets\":[%zu,%zu]}", n_data, n_data + t->n_bytes);
        n_data += t->n_bytes;
    }
    at += sprintf(at, "}%*s", b->padding, "");

    const size_t n_header = (size_t) (at - header);
    st_bytes out = {.n = 8 + n_header + n_data};
    out.data = malloc(out.n);
    st_put_length(out.data, n_header);
    memcpy(out.data + 8, header, n_header);
    unsigned char *data = out.data + 8 + n_header;
    for (int k = 0; k < b->n_tensors; k++) {
        memcpy(data, b->tensor[k].data, b->tensor[k].n_bytes);
        data += b->tensor[k].n_bytes;
    }
    free(header);
    return out;
}

/* Replace the first "from" in the header and correct the header's length. */
static inline void st_edit_header(st_bytes *bytes, const char *from, const char *to) {
    const size_t n_header = st_header_length(bytes), n_from = strlen(from), n_to = strlen(to);
    size_t at = 8;
    while (at + n_from <= 8 + n_header && memcmp(bytes->data + at, from, n_from) != 0)
        at++;
    check_count++;
    if (at + n_from > 8 + n_header) {
        CHECK_SAY("the header has no \"%s\" to edit", from);
        return;
    }
    st_bytes out = {.n = bytes->n - n_from + n_to};
    out.data = malloc(out.n);
    memcpy(out.data, bytes->data, at);
    memcpy(out.data + at, to, n_to);
    memcpy(out.data + at + n_to, bytes->data + at + n_from, bytes->n - at - n_from);
    st_put_length(out.data, n_header - n_from + n_to);
    st_bytes_free(bytes);
    *bytes = out;
}

/* Another size: cut off, or lengthened by zeros. */
static inline void st_set_size(st_bytes *bytes, size_t n) {
    unsigned char *data = calloc(n ? n : 1, 1);
    memcpy(data, bytes->data, n < bytes->n ? n : bytes->n);
    free(bytes->data);
    bytes->data = data;
    bytes->n = n;
}

#endif
