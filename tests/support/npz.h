/*
 * Reads numpy's .npz files: a zip archive of .npy arrays, stored or deflated (RFC 1951). Only what
 * numpy writes: float64, C order. For trusted files of expected values.
 */
#ifndef MLFF_NPZ_H_
#define MLFF_NPZ_H_

#include "check.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct npz_array {
    char name[64];       /* without ".npy" */
    size_t shape[2];     /* missing extents are 1 */
    double *value;       /* owned */
} npz_array;

typedef struct npz {
    int n;
    npz_array array[32];
} npz;

/* ----------------------------------------------------------------------------- inflate -- */

typedef struct npz_stream {
    const unsigned char *in, *in_end;
    uint32_t bits;
    int n_bits;
    unsigned char *out;
    size_t n_out, room;
    bool broken;
} npz_stream;

/* A Huffman code: how many codes of each length, and the symbols in the order of their codes. */
typedef struct npz_code {
    int count[16], symbol[288];
} npz_code;

static inline int npz_bits(npz_stream *s, int n) {
    while (s->n_bits < n) {
        if (s->in == s->in_end) {
            s->broken = true;
            return 0;
        }
        s->bits |= (uint32_t) *s->in++ << s->n_bits;
        s->n_bits += 8;
    }
    const int value = (int) (s->bits & ((1U << n) - 1));
    s->bits >>= n;
    s->n_bits -= n;
    return value;
}

static inline void npz_code_new(npz_code *code, const int *length, int n) {
    int first[16] = {0};
    memset(code->count, 0, sizeof code->count);
    for (int k = 0; k < n; k++)
        code->count[length[k]]++;
    code->count[0] = 0;
    for (int l = 1; l < 15; l++)
        first[l + 1] = first[l] + code->count[l];
    for (int k = 0; k < n; k++)
        if (length[k] > 0)
            code->symbol[first[length[k]]++] = k;
}

static inline int npz_symbol(npz_stream *s, const npz_code *code) {
    int value = 0, first = 0, index = 0;
    for (int l = 1; l < 16; l++) {
        value |= npz_bits(s, 1);
        if (value - first < code->count[l])
            return code->symbol[index + value - first];
        index += code->count[l];
        first = (first + code->count[l]) << 1;
        value <<= 1;
    }
    s->broken = true;
    return 256;
}

static inline void npz_put(npz_stream *s, int byte) {
    if (s->n_out < s->room)
        s->out[s->n_out++] = (unsigned char) byte;
    else
        s->broken = true;
}

/* Literals and copies up to the end of a block. */
static inline void npz_block(npz_stream *s, const npz_code *literals, const npz_code *distances) {
    static const int length_base[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,
                                        15, 17, 19, 23, 27, 31, 35, 43, 51,  59,
                                        67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const int length_bits[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                        2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    while (!s->broken) {
        const int symbol = npz_symbol(s, literals);
        if (symbol < 256) {
            npz_put(s, symbol);
            continue;
        }
        if (symbol == 256)
            return;
        const int at = symbol - 257;
        const size_t length = (size_t) (length_base[at] + npz_bits(s, length_bits[at]));
        const int d = npz_symbol(s, distances), extra = d < 4 ? 0 : d/2 - 1;
        const int base = d < 4 ? d + 1 : (2 + d%2)*(1 << extra) + 1;
        const size_t distance = (size_t) (base + npz_bits(s, extra));
        if (distance > s->n_out) {
            s->broken = true;
            return;
        }
        for (size_t k = 0; k < length; k++)
            npz_put(s, s->n_out >= distance ? s->out[s->n_out - distance] : 0);
    }
}

/* The two codes of a block that carries its own. */
static inline void npz_codes(npz_stream *s, npz_code *literals, npz_code *distances) {
    static const int order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    int length[320] = {0};
    const int n_literals = npz_bits(s, 5) + 257, n_distances = npz_bits(s, 5) + 1;
    const int n_lengths = npz_bits(s, 4) + 4, n = n_literals + n_distances;
    for (int k = 0; k < n_lengths; k++)
        length[order[k]] = npz_bits(s, 3);
    npz_code lengths;
    npz_code_new(&lengths, length, 19);
    memset(length, 0, sizeof length);
    for (int k = 0; k < n && !s->broken;) {
        const int symbol = npz_symbol(s, &lengths);
        int repeat = 1, value = symbol;
        if (symbol >= 16) {
            value = symbol == 16 && k > 0 ? length[k - 1] : 0;
            repeat = symbol == 16 ? 3 + npz_bits(s, 2) : symbol == 17 ? 3 + npz_bits(s, 3) :
                                                                        11 + npz_bits(s, 7);
        }
        for (; repeat > 0 && k < n; repeat--)
            length[k++] = value;
    }
    npz_code_new(literals, length, n_literals);
    npz_code_new(distances, length + n_literals, n_distances);
}

static inline void npz_fixed_codes(npz_code *literals, npz_code *distances) {
    int length[288];
    for (int k = 0; k < 288; k++)
        length[k] = k < 144 ? 8 : k < 256 ? 9 : k < 280 ? 7 : 8;
    npz_code_new(literals, length, 288);
    for (int k = 0; k < 30; k++)
        length[k] = 5;
    npz_code_new(distances, length, 30);
}

static inline void npz_stored_block(npz_stream *s) {
    s->bits = 0;
    s->n_bits = 0;
    const int low = npz_bits(s, 8), high = npz_bits(s, 8);
    npz_bits(s, 16);
    for (int k = 0; k < low + 256*high && !s->broken; k++)
        npz_put(s, npz_bits(s, 8));
}

static inline bool npz_inflate(npz_stream *s) {
    npz_code literals, distances;
    for (bool last = false; !last && !s->broken;) {
        last = npz_bits(s, 1);
        const int type = npz_bits(s, 2);
        if (type == 0) {
            npz_stored_block(s);
            continue;
        }
        if (type == 1)
            npz_fixed_codes(&literals, &distances);
        else
            npz_codes(s, &literals, &distances);
        npz_block(s, &literals, &distances);
    }
    return !s->broken && s->n_out == s->room;
}

/* -------------------------------------------------------------------------- zip and npy -- */

static inline size_t npz_int(const unsigned char *at, int n_bytes) {
    size_t value = 0;
    for (int k = n_bytes - 1; k >= 0; k--)
        value = value << 8 | at[k];
    return value;
}

/* The values behind an .npy header. */
static inline bool npz_read_npy(const unsigned char *bytes, size_t n, npz_array *array) {
    const size_t n_header = npz_int(bytes + 8, 2), at = 10 + n_header;
    char header[512] = "";
    if (n < at || n_header >= sizeof header)
        return false;
    memcpy(header, bytes + 10, n_header);
    const char *shape = strstr(header, "'shape': (");
    if (!shape || !strstr(header, "'<f8'") || strstr(header, "'fortran_order': True"))
        return false;
    array->shape[0] = array->shape[1] = 1;
    if (sscanf(shape, "'shape': (%zu, %zu", &array->shape[0], &array->shape[1]) < 1)
        return false;
    const size_t n_values = array->shape[0]*array->shape[1];
    array->value = malloc((n_values + 1)*sizeof(double));
    memcpy(array->value, bytes + at, n - at < n_values*8 ? n - at : n_values*8);
    return n - at == n_values*8;
}

/* One member: its entry in the archive's directory. */
static inline bool npz_read_member(const unsigned char *zip, size_t n_zip,
                                   const unsigned char *entry, npz_array *array) {
    const size_t method = npz_int(entry + 10, 2), n = npz_int(entry + 24, 4);
    const size_t n_name = npz_int(entry + 28, 2), local = npz_int(entry + 42, 4);
    const size_t data = local + 30 + npz_int(zip + local + 26, 2) + npz_int(zip + local + 28, 2);
    if (n_name < 5 || n_name - 4 >= sizeof array->name || data > n_zip)
        return false;
    memcpy(array->name, entry + 46, n_name - 4);
    array->name[n_name - 4] = 0;
    npz_stream s = {.in = zip + data, .in_end = zip + n_zip, .out = calloc(n + 1, 1), .room = n};
    bool good;
    if (method == 0) {
        good = data + n <= n_zip;
        memcpy(s.out, zip + data, good ? n : 0);
    } else {
        good = method == 8 && npz_inflate(&s);
    }
    good = good && npz_read_npy(s.out, n, array);
    free(s.out);
    return good;
}

static inline void npz_free(npz *file) {
    for (int k = 0; k < file->n; k++)
        free(file->array[k].value);
    *file = (npz) {0};
}

/* bytes [n]: the file's content. False if it is not such a file; free in any case. */
static inline bool npz_read(const unsigned char *bytes, size_t n, npz *file) {
    static const unsigned char end_mark[] = {'P', 'K', 5, 6};
    *file = (npz) {0};
    if (n < 22 || memcmp(bytes + n - 22, end_mark, 4) != 0)
        return false;
    const size_t n_members = npz_int(bytes + n - 12, 2);
    size_t at = npz_int(bytes + n - 6, 4);
    for (size_t k = 0; k < n_members && k < 32; k++) {
        const unsigned char *entry = bytes + at;
        file->n++;
        if (at + 46 > n || !npz_read_member(bytes, n, entry, &file->array[k]))
            return false;
        at += 46 + npz_int(entry + 28, 2) + npz_int(entry + 30, 2) + npz_int(entry + 32, 2);
    }
    return true;
}

static inline const npz_array *npz_find(const npz *file, const char *name) {
    for (int k = 0; k < file->n; k++)
        if (strcmp(file->array[k].name, name) == 0)
            return &file->array[k];
    return NULL;
}

#endif
