/* Dense layer: y = W x + b, and its transposed product. */
#include "ref_ops.h"

#include <stdlib.h>
#include <string.h>

/* A tile of the product is kept in registers: TILE_ROWS rows times TILE_COLUMNS outputs. */
enum { TILE_ROWS = 4, TILE_COLUMNS = 4 };

mlff_status ref_dense_new(ref_dense *dense, const mlff_tensor *w, const mlff_tensor *b,
                          mlff_error *err) {
    if (w->n_dims != 2 || (b && b->n_values != w->shape[0]))
        return mlff_fail(err, MLFF_ERROR_FORMAT, "dense layer %s: its matrix has %d dimensions and "
                         "its bias %lld values, expected 2 and one value per row", w->name,
                         w->n_dims, b ? (long long)b->n_values : 0LL);
    const size_t n_out = (size_t)w->shape[0], n_in = (size_t)w->shape[1];
    dense->n_out = (int)n_out;
    dense->n_in = (int)n_in;

    mlff_status status = mlff_resize((void **)&dense->w, n_out*n_in, sizeof(double), w->name, err);
    if (status == MLFF_OK)
        status = mlff_resize((void **)&dense->wt, n_out*n_in, sizeof(double), w->name, err);
    if (status == MLFF_OK)
        status = mlff_resize((void **)&dense->b, n_out, sizeof(double), w->name, err);
    if (status != MLFF_OK) {
        ref_dense_free(dense);
        return status;
    }

    mlff_tensor_to_double(w, dense->w);
    for (size_t o = 0; o < n_out; o++)
        for (size_t i = 0; i < n_in; i++)
            dense->wt[i*n_out + o] = dense->w[o*n_in + i];
    if (b)
        mlff_tensor_to_double(b, dense->b);
    else
        memset(dense->b, 0, n_out*sizeof(double));
    return MLFF_OK;
}

void ref_dense_free(ref_dense *dense) {
    free(dense->w);
    free(dense->wt);
    free(dense->b);
    *dense = (ref_dense){0};
}

/* One full tile: y += x m over all n_in inputs, in ascending order of the input. */
static void tile_product(size_t n_in, size_t n_out, const double *restrict x,
                         const double *restrict m, double *restrict y) {
    double sum[TILE_ROWS][TILE_COLUMNS];
    for (int r = 0; r < TILE_ROWS; r++)
        for (int o = 0; o < TILE_COLUMNS; o++)
            sum[r][o] = y[(size_t)r*n_out + o];
    for (size_t i = 0; i < n_in; i++)
        for (int r = 0; r < TILE_ROWS; r++)
            for (int o = 0; o < TILE_COLUMNS; o++)
                sum[r][o] += x[(size_t)r*n_in + i]*m[i*n_out + o];
    for (int r = 0; r < TILE_ROWS; r++)
        for (int o = 0; o < TILE_COLUMNS; o++)
            y[(size_t)r*n_out + o] = sum[r][o];
}

/* The same for a tile cut off by the matrix' edge. Sums in the same order: the same bits. */
static void edge_product(size_t n_rows, size_t n_columns, size_t n_in, size_t n_out,
                         const double *restrict x, const double *restrict m,
                         double *restrict y) {
    for (size_t r = 0; r < n_rows; r++)
        for (size_t i = 0; i < n_in; i++)
            for (size_t o = 0; o < n_columns; o++)
                y[r*n_out + o] += x[r*n_in + i]*m[i*n_out + o];
}

/* y [n_rows][n_out] += x [n_rows][n_in] m [n_in][n_out]; a row's bits do not depend on the
   others. */
static void product_add(size_t n_rows, size_t n_in, size_t n_out, const double *x, const double *m,
                        double *y) {
    const size_t full_rows = n_rows - n_rows % TILE_ROWS;
    const size_t full_columns = n_out - n_out % TILE_COLUMNS;
    for (size_t o = 0; o < full_columns; o += TILE_COLUMNS)
        for (size_t r = 0; r < full_rows; r += TILE_ROWS)
            tile_product(n_in, n_out, x + r*n_in, m + o, y + r*n_out + o);
    if (full_columns < n_out)
        edge_product(full_rows, n_out - full_columns, n_in, n_out, x, m + full_columns,
                     y + full_columns);
    if (full_rows < n_rows)
        edge_product(n_rows - full_rows, n_out, n_in, n_out, x + full_rows*n_in, m,
                     y + full_rows*n_out);
}

void ref_dense_forward(const ref_dense *dense, size_t n_rows, const double *x, double *y) {
    const size_t n_out = (size_t)dense->n_out;
    for (size_t r = 0; r < n_rows; r++)
        memcpy(y + r*n_out, dense->b, n_out*sizeof(double));
    product_add(n_rows, (size_t)dense->n_in, n_out, x, dense->wt, y);
}

void ref_dense_backward(const ref_dense *dense, size_t n_rows, const double *grad_y,
                        double *grad_x) {
    memset(grad_x, 0, n_rows*(size_t)dense->n_in*sizeof(double));
    ref_dense_backward_add(dense, n_rows, grad_y, grad_x);
}

void ref_dense_backward_add(const ref_dense *dense, size_t n_rows, const double *grad_y,
                            double *grad_x) {
    product_add(n_rows, (size_t)dense->n_out, (size_t)dense->n_in, grad_y, dense->w, grad_x);
}
