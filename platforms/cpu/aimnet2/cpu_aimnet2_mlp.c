/* Multilayer perceptrons of a span of rows. Twin: platforms/reference/aimnet2/ref_aimnet2_mlp.c. */
#include "cpu_aimnet2.h"

#include <string.h>

static int share(int n, int part, int n_parts) {
    return (int) ((long) n * part / n_parts);
}

/* y rows = epilogue(x rows W^T + b), this span's share of the outputs from panel `panel0` on. */
static void dense(const cpu_aimnet2_span *s, const cpu_dense *layer, int panel0,
                  cpu_epilogue epilogue, const float *x, size_t x_stride, float *y, float *d,
                  size_t y_stride) {
    const size_t row0 = (size_t) s->row0;
    const int n_panels = layer->n_panels - panel0;
    s->run->p->kernels->dense(layer, epilogue, s->row1 - s->row0, x + row0 * x_stride, x_stride,
                              y + row0 * y_stride, d ? d + row0 * y_stride : NULL, y_stride,
                              panel0 + share(n_panels, s->part, s->n_parts),
                              panel0 + share(n_panels, s->part + 1, s->n_parts));
    if (s->n_parts > 1)
        mlff_team_barrier(s->member);
}

/* The first linear map, the known inputs from the table. */
static void dense_known(const cpu_aimnet2_span *s, const cpu_aimnet2_mlp *mlp, bool plain,
                        const float *x, size_t x_stride, float *y, float *d, size_t y_stride) {
    enum { B = CPU_FEATURE_BLOCK };
    const cpu_dense rest = cpu_dense_behind(&mlp->forward[0], mlp->n_known);
    const size_t width = (size_t) rest.n_panels * B;
    const size_t c0 = (size_t) share(rest.n_panels, s->part, s->n_parts) * B;
    const size_t c1 = (size_t) share(rest.n_panels, s->part + 1, s->n_parts) * B;
    for (size_t i = (size_t) s->row0; i < (size_t) s->row1; i++)
        memcpy(y + i * y_stride + c0, mlp->known + s->run->graph->species[i] * width + c0,
               (c1 - c0) * sizeof *y);
    dense(s, &rest, 0, plain ? CPU_ADD : CPU_ADD_GELU, x + mlp->n_known, x_stride, y, d, y_stride);
}

const float *cpu_aimnet2_mlp_forward(const cpu_aimnet2_span *s, const cpu_aimnet2_mlp *mlp,
                                     float *const *slope, const float *x, size_t x_stride,
                                     int from) {
    const cpu_aimnet2 *p = s->run->p;
    const size_t width = (size_t) p->weights.n_hidden;
    for (int k = 0; k < mlp->n_linear; k++) {
        const bool plain = k == mlp->n_linear - 1 && mlp->last_linear;
        float *y = p->y[from ^= 1], *d = plain ? NULL : slope[k];
        if (k == 0 && mlp->known)
            dense_known(s, mlp, plain, x, x_stride, y, d, width);
        else
            dense(s, &mlp->forward[k], 0, plain ? CPU_PLAIN : CPU_GELU, x, x_stride, y, d, width);
        x = y;
        x_stride = width;
    }
    return x;
}

void cpu_aimnet2_mlp_reverse(const cpu_aimnet2_span *s, const cpu_aimnet2_mlp *mlp,
                             float *const *slope, int from, float *grad_x, size_t x_stride) {
    const cpu_aimnet2 *p = s->run->p;
    const size_t width = (size_t) p->weights.n_hidden;
    for (int k = mlp->n_linear - 1; k >= 0; k--) {
        const float *grad = p->y[from];
        from ^= 1;
        if (k > 0)
            dense(s, &mlp->reverse[k], 0, CPU_TIMES, grad, width, p->y[from], slope[k - 1], width);
        else
            dense(s, &mlp->reverse[0], mlp->n_known / CPU_FEATURE_BLOCK, CPU_PLAIN, grad, width,
                  grad_x, NULL, x_stride);
    }
}
