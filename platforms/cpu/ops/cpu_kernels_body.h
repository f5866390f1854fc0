/*
 * Bodies of the CPU platform's kernels, compiled once per instruction set. The including file sets
 *   CPU_LANES   floats in a vector
 *   CPU_ROWS    rows of a dense microkernel tile: as many as the registers hold
 * and ends with cpu_isa_table.h.
 */
#include "cpu_kernels.h"
#include "cpu_simd.h"

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

static void dense(const cpu_dense *layer, cpu_epilogue epilogue, int n_rows, const float *x,
                  size_t x_stride, float *y, float *d, size_t y_stride, int panel0, int panel1) {
    for (int p = panel0; p < panel1; p++)
        for (int c = 0; c < B; c += TILE_WIDTH) {
            const size_t column = (size_t) p * B + c;
            const float *w = layer->packed + (size_t) p * B * layer->n_in + c;
            const float *bias = layer->bias + column;
            int m = 0;
            for (; m < n_rows;) {
                const float *xm = x + (size_t) m * x_stride;
                float *ym = y + (size_t) m * y_stride + column;
                float *dm = d ? d + (size_t) m * y_stride + column : NULL;
                const int left = n_rows - m;
#define TILE(n)                                                                                   \
    dense_tile(n, layer->n_in, xm, x_stride, w, bias, epilogue, ym, dm, y_stride);                \
    m += n
                if (left >= CPU_ROWS) {
                    TILE(CPU_ROWS);
                } else if (left >= 4) {
                    TILE(4);
                } else if (left >= 2) {
                    TILE(2);
                } else {
                    TILE(1);
                }
#undef TILE
            }
        }
}
