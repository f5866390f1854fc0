/* Shared by the engine's rooms and the platforms; not installed. */
#ifndef MLFF_INTERNAL_H_
#define MLFF_INTERNAL_H_

#include "mlff.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Fill *err (may be NULL) and return status, so that callers can `return mlff_fail(...)`. */
MLFF_API mlff_status mlff_fail(mlff_error *err, mlff_status status, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

/* Leave the function with the status of a call that failed. */
#define MLFF_TRY(call)                                                                            \
    do {                                                                                          \
        const mlff_status mlff_try_status_ = (call);                                              \
        if (mlff_try_status_ != MLFF_OK)                                                          \
            return mlff_try_status_;                                                              \
    } while (0)

/* realloc of count elements of size bytes; product checked; *block is kept on failure. */
MLFF_API mlff_status mlff_resize(void **block, size_t count, size_t size, const char *what,
                                 mlff_error *err);

/* mlff_resize() where *capacity, the elements that the block holds, is less than count; never NULL
   afterwards, for a count of 0 neither. */
MLFF_API mlff_status mlff_reserve(void **block, size_t *capacity, size_t count, size_t size,
                                  const char *what, mlff_error *err);

/* ------------------------------------------------------------------------ tensors -- */

typedef enum mlff_dtype { MLFF_F32, MLFF_F64, MLFF_I32, MLFF_I64 } mlff_dtype;

/* A tensor in the model's memory: row-major, little-endian, aligned to its element size. */
typedef struct mlff_tensor {
    const char *name;
    mlff_dtype dtype;
    int n_dims;
    int64_t shape[8];
    int64_t n_values;
    const void *data;  /* borrowed from the model */
} mlff_tensor;

/* NULL if the model has no tensor of that name. */
MLFF_API const mlff_tensor *mlff_model_tensor(const mlff_model *model, const char *name);

/* Value at a flat index, widened to double. */
MLFF_API double mlff_tensor_value(const mlff_tensor *tensor, int64_t index);

/* Copy all values, widened (or rounded) to the type; out has n_values elements. */
MLFF_API void mlff_tensor_to_double(const mlff_tensor *tensor, double *out);
MLFF_API void mlff_tensor_to_float(const mlff_tensor *tensor, float *out);

/* ------------------------------------------------------------------- architectures -- */

/*
 * What the engine knows about one architecture: how to recognise its files, and how to make the
 * checked description (mlff_painn, mlff_aimnet2) that every platform reads.
 */
typedef struct mlff_architecture {
    const char *name;          /* "painn" */
    const char *display_name;  /* "PaiNN" */
    bool (*recognises)(const mlff_model *model);
    /* checks everything, fills the model's info; *description is freed with free_description() */
    mlff_status (*describe)(mlff_model *model, void **description, mlff_error *err);
    void (*free_description)(void *description);
    /* constant of an element that the model knows, eV: shift and atomic reference energy */
    double (*element_energy)(const void *description, int z);
    /* (optional) the Coulomb and dispersion part of the description (mlff_longrange.h) */
    const struct mlff_longrange_model *(*longrange)(const void *description);
} mlff_architecture;

/* The list of architectures: one line each in engine/core/mlff_architectures.c. */
MLFF_API const mlff_architecture *const *mlff_architectures(int *n);

/* The architecture's description of a model: (const mlff_painn *) when info->architecture is
   "painn", and so on. */
MLFF_API const void *mlff_model_description(const mlff_model *model);

#ifdef __cplusplus
}
#endif
#endif
