#include "cpu_dense.h"
#include "cpu_memory.h"

#include <stdlib.h>
#include <string.h>

/* w element (o, i) is at w[o * out_stride + i * in_stride]. */
static mlff_status pack(int n_out, int n_in, const float *w, size_t out_stride, size_t in_stride,
                        const float *bias, cpu_dense *out, mlff_error *err) {
    enum { B = CPU_FEATURE_BLOCK };
    *out = (cpu_dense) {.n_in = n_in, .n_stored = n_in, .n_panels = n_out / B};
    cpu_buffer block = {0};
    MLFF_TRY(cpu_buffer_reserve(&block, ((size_t) n_out * n_in + n_out) * sizeof(float), err));
    out->packed = block.data;
    out->bias = out->packed + (size_t) n_out * n_in;
    for (int p = 0; p < out->n_panels; p++)
        for (int k = 0; k < n_in; k++)
            for (int c = 0; c < B; c++)
                out->packed[((size_t) p * n_in + k) * B + c] =
                    w[((size_t) p * B + c) * out_stride + k * in_stride];
    if (bias)
        memcpy(out->bias, bias, (size_t) n_out * sizeof(float));
    else
        memset(out->bias, 0, (size_t) n_out * sizeof(float));
    return MLFF_OK;
}

mlff_status cpu_dense_pack(int n_out, int n_in, const float *w, const float *bias, cpu_dense *out,
                           mlff_error *err) {
    return pack(n_out, n_in, w, (size_t) n_in, 1, bias, out, err);
}

mlff_status cpu_dense_pack_transposed(int n_out, int n_in, const float *w, cpu_dense *out,
                                      mlff_error *err) {
    return pack(n_in, n_out, w, 1, (size_t) n_in, NULL, out, err);
}

void cpu_dense_free(cpu_dense *layer) {
    free(layer->packed);
    *layer = (cpu_dense) {0};
}
