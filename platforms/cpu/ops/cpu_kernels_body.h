/*
 * Bodies of the CPU platform's kernels, compiled once per instruction set. The including file sets
 *   CPU_LANES   floats in a vector
 *   CPU_ROWS    rows of a dense microkernel tile: as many as the registers hold
 * and ends with cpu_isa_table.h.
 */
#include "cpu_kernels.h"
#include "cpu_simd.h"

#include <math.h>

#define B CPU_FEATURE_BLOCK
#define TILE_VECTORS 2                      /* vectors of outputs in a tile */
#define TILE_WIDTH (TILE_VECTORS * CPU_LANES)
#define BLOCK_VECTORS (B / CPU_LANES)

/* ------------------------------------------------------------------------- dense layers -- */

CPU_INLINE void finish(cpu_epilogue epilogue, vf sum, float *y, float *d) {
    vf value = sum, slope;
    switch (epilogue) {
    case CPU_PLAIN:
        break;
    case CPU_ADD:
        value += vload(y);
        break;
    case CPU_SILU:
        vsilu(sum, &value, &slope);
        if (d)
            vstore(d, slope);
        break;
    case CPU_ADD_GELU:
        sum += vload(y);  /* fall through */
    case CPU_GELU:
        vgelu(sum, &value, &slope);
        if (d)
            vstore(d, slope);
        break;
    case CPU_TIMES:
        value *= vload(d);
        break;
    }
    vstore(y, value);
}

/* n_rows x TILE_WIDTH outputs, sums in registers; n_rows is a constant after inlining. */
CPU_INLINE void dense_tile(const int n_rows, int n_in, const float *x, size_t x_stride,
                           const float *w, const float *bias, cpu_epilogue epilogue, float *y,
                           float *d, size_t y_stride) {
    vf sum[CPU_ROWS][TILE_VECTORS];
#pragma GCC unroll 16
    for (int m = 0; m < n_rows; m++)
        for (int i = 0; i < TILE_VECTORS; i++)
            sum[m][i] = vload(bias + i * CPU_LANES);
    for (int k = 0; k < n_in; k++) {
        const vf w0 = vload(w + (size_t) k * B), w1 = vload(w + (size_t) k * B + CPU_LANES);
#pragma GCC unroll 16
        for (int m = 0; m < n_rows; m++) {
            const float a = x[(size_t) m * x_stride + k];
            sum[m][0] += a * w0;
            sum[m][1] += a * w1;
        }
    }
    for (int m = 0; m < n_rows; m++)
        for (int i = 0; i < TILE_VECTORS; i++) {
            const size_t at = (size_t) m * y_stride + (size_t) i * CPU_LANES;
            finish(epilogue, sum[m][i], y + at, d ? d + at : NULL);
        }
}

/* The same for any n_rows from 1 to CPU_ROWS. */
static void dense_rows(int n_rows, int n_in, const float *x, size_t x_stride, const float *w,
                       const float *bias, cpu_epilogue epilogue, float *y, float *d,
                       size_t y_stride) {
#define TILE(n)                                                                                   \
    case n:                                                                                       \
        dense_tile(n, n_in, x, x_stride, w, bias, epilogue, y, d, y_stride);                      \
        break
    switch (n_rows) {
        TILE(1);
        TILE(2);
        TILE(3);
        TILE(4);
        TILE(5);
        TILE(6);
#if CPU_ROWS > 6
        TILE(7);
        TILE(8);
        TILE(9);
        TILE(10);
        TILE(11);
        TILE(12);
#endif
    }
#undef TILE
}

/* Tiles of nearly equal height: a low one waits for its sums. */
static void dense(const cpu_dense *layer, cpu_epilogue epilogue, int n_rows, const float *x,
                  size_t x_stride, float *y, float *d, size_t y_stride, int panel0, int panel1) {
    const int n_tiles = (n_rows + CPU_ROWS - 1) / CPU_ROWS;
    for (int p = panel0; p < panel1; p++)
        for (int c = 0; c < B; c += TILE_WIDTH) {
            const size_t column = (size_t) p * B + c;
            const float *w = layer->packed + (size_t) p * B * layer->n_stored + c;
            for (int t = 0, m = 0, end; t < n_tiles; t++, m = end) {
                end = (int) ((long) n_rows * (t + 1) / n_tiles);
                const size_t at = (size_t) m * y_stride + column;
                dense_rows(end - m, layer->n_in, x + (size_t) m * x_stride, x_stride, w,
                           layer->bias + column, epilogue, y + at, d ? d + at : NULL, y_stride);
            }
        }
}
