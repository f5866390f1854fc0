/* Multilayer perceptrons of a span of rows. Twin: platforms/reference/aimnet2/ref_aimnet2_mlp.c. */
#include "cpu_aimnet2.h"

static int share(int n, int part, int n_parts) {
    return (int) ((long) n * part / n_parts);
}

/* y rows = epilogue(x rows W^T + b), this span's share of the outputs. */
static void dense(const cpu_aimnet2_span *s, const cpu_dense *layer, cpu_epilogue epilogue,
                  const float *x, size_t x_stride, float *y, float *d, size_t y_stride) {
    const size_t row0 = (size_t) s->row0;
    s->run->p->kernels->dense(layer, epilogue, s->row1 - s->row0, x + row0 * x_stride, x_stride,
                              y + row0 * y_stride, d ? d + row0 * y_stride : NULL, y_stride,
                              share(layer->n_panels, s->part, s->n_parts),
                              share(layer->n_panels, s->part + 1, s->n_parts));
    if (s->n_parts > 1)
        cpu_team_barrier(s->member);
}

const float *cpu_aimnet2_mlp_forward(const cpu_aimnet2_span *s, const cpu_aimnet2_mlp *mlp,
                                     float *const *slope, const float *x, size_t x_stride,
                                     int from) {
    const cpu_aimnet2 *p = s->run->p;
    const size_t width = (size_t) p->weights.n_hidden;
    for (int k = 0; k < mlp->n_linear; k++) {
        const bool plain = k == mlp->n_linear - 1 && mlp->last_linear;
        float *y = p->y[from ^= 1];
        dense(s, &mlp->forward[k], plain ? CPU_PLAIN : CPU_GELU, x, x_stride, y,
              plain ? NULL : slope[k], width);
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
            dense(s, &mlp->reverse[k], CPU_TIMES, grad, width, p->y[from], slope[k - 1], width);
        else
            dense(s, &mlp->reverse[0], CPU_PLAIN, grad, width, grad_x, NULL, x_stride);
    }
}
