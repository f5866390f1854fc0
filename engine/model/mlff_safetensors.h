/*
 * A strict reader of the safetensors format.
 *
 *   8 bytes              N, length of the header, unsigned, little-endian
 *   N bytes              JSON object: name -> {"dtype", "shape", "data_offsets": [begin, end]},
 *                        and "__metadata__" -> {text: text}
 *   the rest             the tensors' values, little-endian, without gaps or overlaps
 */
#ifndef MLFF_SAFETENSORS_H_
#define MLFF_SAFETENSORS_H_

#include "mlff_internal.h"
#include "mlff_json.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MLFF_SAFETENSORS_MAX_HEADER = 100000000, MLFF_SAFETENSORS_MAX_DIMS = 8 };

typedef struct mlff_safetensors {
    mlff_json *header;                /* owns the names */
    const mlff_json_value *metadata;  /* object of strings, or NULL */
    int n_tensors;
    mlff_tensor *tensors;             /* [n_tensors] sorted by strcmp of their names */
    void *aligned;                    /* copies of tensors that lie unaligned in the bytes */
} mlff_safetensors;

/*
 * Read and check everything: offsets, sizes, finite values.
 *
 *   bytes    [n_bytes] the file's content, aligned to 8; borrowed: tensors point into it
 *   name     stands for the file in messages
 *   out      filled; free with mlff_safetensors_free(), also after a failure
 *
 * Returns MLFF_OK, MLFF_ERROR_FORMAT, MLFF_ERROR_UNSUPPORTED (dtype), MLFF_ERROR_MEMORY.
 */
mlff_status mlff_safetensors_read(const unsigned char *bytes, size_t n_bytes, const char *name,
                                  mlff_safetensors *out, mlff_error *err);

void mlff_safetensors_free(mlff_safetensors *file);

/* NULL if there is none of that name. */
const mlff_tensor *mlff_safetensors_find(const mlff_safetensors *file, const char *name);

#ifdef __cplusplus
}
#endif
#endif
