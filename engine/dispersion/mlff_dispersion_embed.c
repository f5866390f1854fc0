#include "mlff_dispersion.h"
#include "mlff_model_private.h"

#include <stdlib.h>
#include <string.h>

enum { N_REF = MLFF_D3_REFERENCES*MLFF_D3_REFERENCES, N_TABLES = 4 };

static const char *const table_tensor[N_TABLES] = {"c6ref", "cnref", "rcov", "r4r2"};
static const char *const model_tensor[N_TABLES] = {"d3.c6ref", "d3.cnref", "d3.rcov", "d3.r4r2"};

/* The rows of the model's elements, ready to be written. */
typedef struct rows {
    int n;
    int32_t z[MLFF_N_ELEMENTS];
    mlff_tensor tensor[N_TABLES + 1];  // numbers, then as table_tensor[]
    void *values[N_TABLES];
} rows;

static size_t value_size(mlff_dtype dtype) {
    return dtype == MLFF_F32 || dtype == MLFF_I32 ? 4 : 8;
}

/* A tensor [n_z] or [n_z][n_z][5][5] of floating point numbers. */
static mlff_status find_table(const mlff_safetensors *file, const char *file_name,
                              const char *name, int n_dims, const mlff_tensor **out,
                              mlff_error *err) {
    const mlff_tensor *t = mlff_safetensors_find(file, name);
    *out = t;
    bool good = t && t->n_dims == n_dims && (t->dtype == MLFF_F32 || t->dtype == MLFF_F64);
    if (good && n_dims == 4)
        good = t->shape[0] == t->shape[1] && t->shape[2] == MLFF_D3_REFERENCES &&
               t->shape[3] == MLFF_D3_REFERENCES;
    if (good)
        return MLFF_OK;
    return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: expected a tensor '%s' of floating point numbers "
                     "of the shape %s, row = atomic number: not a D3 reference table?", file_name,
                     name, n_dims == 4 ? "[n, n, 5, 5]" : "[n]");
}

/* Copy the elements' rows (and columns) of one table. */
static mlff_status take_rows(const mlff_tensor *from, rows *r, int k, const char *file_name,
                             mlff_error *err) {
    const size_t n = (size_t) r->n, n_z = (size_t) from->shape[0];
    if ((size_t) r->z[n-1] >= n_z)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: the dispersion table ends before %s (atomic "
                         "number %d), which the model knows", file_name,
                         mlff_element_symbol(r->z[n-1]), (int) r->z[n-1]);
    const bool pairs = from->n_dims == 4;
    const size_t size = value_size(from->dtype);
    const size_t block = pairs ? N_REF*size : size, n_columns = pairs ? n : 1;
    MLFF_TRY(mlff_resize(&r->values[k], n*n_columns, block, "dispersion table", err));
    unsigned char *to = r->values[k];
    for (size_t a = 0; a < n; a++)
        for (size_t b = 0; b < n_columns; b++, to += block) {
            const size_t z = (size_t) r->z[a];
            const size_t source = pairs ? z*n_z + (size_t) r->z[b] : z;
            memcpy(to, (const unsigned char *) from->data + source*block, block);
        }
    r->tensor[k+1] = (mlff_tensor) {
        .name = model_tensor[k], .dtype = from->dtype, .n_dims = from->n_dims,
        .shape = {r->n, r->n, MLFF_D3_REFERENCES, MLFF_D3_REFERENCES},
        .n_values = (int64_t) (n*n_columns*block/size), .data = r->values[k],
    };
    return MLFF_OK;
}

static mlff_status take_all_rows(const mlff_model *model, const mlff_safetensors *file,
                                 const char *file_name, rows *r, mlff_error *err) {
    r->n = model->info.n_elements;
    for (int k = 0; k < r->n; k++)
        r->z[k] = model->info.elements[k];
    r->tensor[0] = (mlff_tensor) {
        .name = "d3.numbers", .dtype = MLFF_I32, .n_dims = 1, .shape = {r->n},
        .n_values = r->n, .data = r->z,
    };
    for (int k = 0; k < N_TABLES; k++) {
        const mlff_tensor *from;
        MLFF_TRY(find_table(file, file_name, table_tensor[k], k < 2 ? 4 : 1, &from, err));
        MLFF_TRY(take_rows(from, r, k, file_name, err));
    }
    return MLFF_OK;
}

mlff_status mlff_dispersion_embed(const mlff_model *model, const void *table, size_t n_table_bytes,
                                  const char *table_name, unsigned char **bytes, size_t *n_bytes,
                                  mlff_error *err) {
    *bytes = NULL;
    *n_bytes = 0;
    if (mlff_model_tensor(model, "d3.numbers"))
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "%s has a dispersion table already",
                         model->name);
    void *aligned = NULL;  // the reader wants its bytes aligned to 8
    MLFF_TRY(mlff_resize(&aligned, n_table_bytes, 1, "dispersion table", err));
    memcpy(aligned, table, n_table_bytes);

    mlff_safetensors file = {0};
    rows r = {0};
    mlff_status status = mlff_safetensors_read(aligned, n_table_bytes, table_name, &file, err);
    if (status == MLFF_OK)
        status = take_all_rows(model, &file, table_name, &r, err);
    if (status == MLFF_OK)
        status = mlff_safetensors_append(model->bytes, model->info.n_bytes, r.tensor, N_TABLES + 1,
                                         bytes, n_bytes, err);
    for (int k = 0; k < N_TABLES; k++)
        free(r.values[k]);
    mlff_safetensors_free(&file);
    free(aligned);
    return status;
}
