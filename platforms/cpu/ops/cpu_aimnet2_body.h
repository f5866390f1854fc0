/* AIMNet2's kernels; see cpu_kernels_body.h for what must be set. */
/* ---------------------------------------------------------------------------- AIMNet2 pairs -- */

/* sin(x), 0 <= x <= pi/2, absolute error below 1e-9: its Taylor sum to x^13. */
CPU_INLINE double quarter_sine(double x) {
    const double t = x * x;
    double p = 1 / 6227020800.0;
    p = p * t - 1 / 39916800.0;
    p = p * t + 1 / 362880.0;
    p = p * t - 1 / 5040.0;
    p = p * t + 1 / 120.0;
    p = p * t - 1 / 6.0;
    return x + x * t * p;
}

/* gs = exp(-eta (d - s)^2) fc, and its derivative; fc = cos^2(pi d/(2 rc)). */
CPU_INLINE void pair_gaussians(const cpu_conv *v, double d, float *gs, float *dgs) {
    const double half_pi = 1.57079632679489661923, x = d < v->cutoff ? d / v->cutoff : 1;
    const double s = quarter_sine(half_pi * x), c = quarter_sine(half_pi * (1 - x));
    const float fc = (float) (c * c), dfc = (float) (-2 * half_pi / v->cutoff * s * c);
    for (int g = 0; g < v->n_lanes; g += CPU_LANES) {
        const vf t = (float) d - vload(v->shifts + g), power = v->eta * t * t;
        // what would only give denormal numbers is left out
        const vf e = vselect(power > 60.0f, vset(0), vexp(-power));
        vstore(gs + g, e * fc);
        vstore(dgs + g, e * (dfc - 2 * v->eta * fc * t));
    }
}

/* First radial channel that a pair at distance d feels. */
CPU_INLINE int pair_window(const cpu_conv *v, float d) {
    int window = 0;
    while (window < v->n_radial - v->n_window && v->shifts[window] < d - v->reach)
        window++;
    return window;
}

CPU_INLINE double pair_length(const double r[3]) {
    return __builtin_sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
}

static void aimnet2_pairs(const cpu_conv *v, int n, const int *neighbor, const double (*r)[3],
                          double sign, cpu_pair *pairs, float *gauss) {
    enum { MAX_WINDOWS = 64 };
    const bool sorted = v->n_radial - v->n_window < MAX_WINDOWS && n > 1;
    const size_t G = (size_t) v->n_lanes;
    int start[MAX_WINDOWS + 1] = {0};
    for (int e = 0; sorted && e < n; e++)
        start[pair_window(v, (float) pair_length(r[e])) + 1]++;
    for (int w = 0; w < MAX_WINDOWS; w++)
        start[w + 1] += start[w];
    for (int e = 0; e < n; e++) {
        const double d = pair_length(r[e]), inv = 1 / d;
        const int window = pair_window(v, (float) d), at = sorted ? start[window]++ : e;
        cpu_pair *p = &pairs[at];
        for (int b = 0; b < 3; b++)
            p->u[b] = (float) (sign * r[e][b] * inv);
        p->d = (float) d;
        p->inv = (float) inv;
        p->window = window;
        p->neighbor = neighbor[e];
        pair_gaussians(v, d, gauss + 2 * G * at, gauss + 2 * G * at + G);
    }
}

/* ---------------------------------------------------------------------- AIMNet2 convolution -- */

/* o of n_w radial channels and one vector of features from pairs that stand at one window. */
CPU_INLINE void conv_gather_run(const cpu_conv *v, const int A, const int n_w, int w, int c,
                                int n_pairs, const cpu_pair *pairs, const float *gauss, float *o) {
    const size_t G = (size_t) v->n_radial, g = (size_t) (pairs->window + w);
    vf sum[4][4];
    for (int i = 0; i < n_w; i++)
        for (int b = 0; b < 4; b++)
            sum[i][b] = vload(o + (4 * (g + i) + b) * A + c);
    for (int e = 0; e < n_pairs; e++) {
        const cpu_pair *p = &pairs[e];
        const float *a = v->a + (p->neighbor * G + g) * A + c;
        const float *gs = gauss + 2 * (size_t) e * v->n_lanes + g;
        for (int i = 0; i < n_w; i++) {
            const vf t = vload(a + i * A) * gs[i];
            sum[i][0] += t;
            for (int b = 0; b < 3; b++)
                sum[i][b + 1] += t * p->u[b];
        }
    }
    for (int i = 0; i < n_w; i++)
        for (int b = 0; b < 4; b++)
            vstore(o + (4 * (g + i) + b) * A + c, sum[i][b]);
}

/*
 * o [G][4][A] = sum over pairs of a_m[g] gs_g (1, u); A and W are constants after inlining. Pairs
 * that follow each other at one window share sums in registers.
 */
CPU_INLINE void conv_gather(const cpu_conv *v, const int A, const int W, int n_pairs,
                            const cpu_pair *pairs, const float *gauss, float *o) {
    enum { STEP = CPU_LANES == 16 ? 4 : 2 };
    memset(o, 0, 4 * (size_t) v->n_radial * A * sizeof *o);
    for (int e = 0, end; e < n_pairs; e = end) {
        for (end = e + 1; end < n_pairs && pairs[end].window == pairs[e].window;)
            end++;
        const float *gs = gauss + 2 * (size_t) e * v->n_lanes;
        for (int c = 0; c < A; c += CPU_LANES) {
            int w = 0;
            for (; w + STEP <= W; w += STEP)
                conv_gather_run(v, A, STEP, w, c, end - e, pairs + e, gs, o);
            for (; w < W; w++)
                conv_gather_run(v, A, 1, w, c, end - e, pairs + e, gs, o);
        }
    }
}

/* v = sum_g agh o, V = v^2 for combinations h ... h + n_h - 1 and one vector of features. */
CPU_INLINE void conv_mix(const cpu_conv *v, const int n_h, int h, int c, const float *o, float *vk,
                         float *V) {
    const size_t A = (size_t) v->n_features, C = (size_t) v->n_combinations;
    vf sum[4][3];
    for (int i = 0; i < n_h; i++)
        for (int x = 0; x < 3; x++)
            sum[i][x] = vset(0);
    for (size_t g = 0; g < (size_t) v->n_radial; g++) {
        const float *og = o + 4 * g * A + c, *w = v->agh + (g * C + h) * A + c;
        for (int i = 0; i < n_h; i++)
            for (int x = 0; x < 3; x++)
                sum[i][x] += vload(w + i * A) * vload(og + (x + 1) * A);
    }
    for (int i = 0; i < n_h; i++) {
        for (int x = 0; x < 3; x++)
            vstore(vk + (3 * (size_t) (h + i) + x) * A + c, sum[i][x]);
        vstore(V + (h + i) * A + c,
               sum[i][0] * sum[i][0] + sum[i][1] * sum[i][1] + sum[i][2] * sum[i][2]);
    }
}

/* The charges' part of row k: a charge counts as a feature that is equal for every g. */
static void conv_charges(const cpu_conv *v, int k, int n_pairs, const cpu_pair *pairs,
                         const float *gauss, float *x, float *scratch) {
    const size_t G = (size_t) v->n_lanes, M = (size_t) v->n_mixes, Q = (size_t) v->n_charges;
    float *o = scratch, *V = scratch + 4 * G;
    float *xs = x + Q, *xv = xs + Q * v->n_radial;
    for (size_t c = 0; c < Q; c++) {
        for (size_t g = 0; g < G; g += CPU_LANES) {
            vf sum[4] = {vset(0), vset(0), vset(0), vset(0)};
            for (int e = 0; e < n_pairs; e++) {
                const vf t = v->q[pairs[e].neighbor * Q + c] * vload(gauss + 2 * G * e + g);
                sum[0] += t;
                for (int b = 0; b < 3; b++)
                    sum[b + 1] += t * pairs[e].u[b];
            }
            for (int b = 0; b < 4; b++)
                vstore(o + b * G + g, sum[b]);
        }
        for (size_t h = 0; h < M; h += CPU_LANES) {
            vf sum[3] = {vset(0), vset(0), vset(0)};
            for (int g = 0; g < v->n_radial; g++)
                for (int b = 0; b < 3; b++)
                    sum[b] += vload(v->agh_q + (c * v->n_radial + g) * M + h) * o[(b + 1) * G + g];
            for (int b = 0; b < 3; b++)
                vstore(v->v_q + (3 * (k * Q + c) + b) * M + h, sum[b]);
            vstore(V + h, sum[0] * sum[0] + sum[1] * sum[1] + sum[2] * sum[2]);
        }
        x[c] = v->q[k * Q + c];
        memcpy(xs + c * v->n_radial, o, v->n_radial * sizeof *x);
        memcpy(xv + c * v->n_combinations, V, v->n_combinations * sizeof *x);
    }
}

static void aimnet2_conv(const cpu_conv *v, int k, int n_pairs, const cpu_pair *pairs,
                         const float *gauss, float *scratch) {
    const size_t A = (size_t) v->n_features, G = (size_t) v->n_radial, row = G * A;
    const int C = v->n_combinations;
    float *x = v->x + k * v->x_stride, *o = scratch;
    if (A == 16 && v->n_window == 8)
        conv_gather(v, 16, 8, n_pairs, pairs, gauss, o);
    else
        conv_gather(v, (int) A, v->n_window, n_pairs, pairs, gauss, o);

    memcpy(x, v->a + k * row, row * sizeof *x);
    for (size_t g = 0; g < G; g++)
        memcpy(x + row + g * A, o + 4 * g * A, A * sizeof *x);
    float *vk = v->v + k * 3 * (size_t) C * A, *V = x + 2 * row;
    for (int c = 0; c < (int) A; c += CPU_LANES) {
        int h = 0;
        for (; h + 4 <= C; h += 4)
            conv_mix(v, 4, h, c, o, vk, V);
        for (; h < C; h++)
            conv_mix(v, 1, h, c, o, vk, V);
    }
    size_t used = 2 * row + C * A;
    if (v->q) {
        conv_charges(v, k, n_pairs, pairs, gauss, x + used, scratch);
        used += (size_t) v->n_charges * (1 + G + C);
    }
    memset(x + used, 0, (v->x_stride - used) * sizeof *x);
}

/* ------------------------------------------------------------- AIMNet2 convolution, reverse -- */

/* grad_o[g][x] = sum_h agh grad_v for g ... g + n_g - 1 and one vector of features. */
CPU_INLINE void conv_unmix(const cpu_conv *v, const int n_g, size_t g, int c, const float *grad_v,
                           float *grad_o) {
    const size_t A = (size_t) v->n_features, C = (size_t) v->n_combinations;
    vf sum[4][3];
    for (int i = 0; i < n_g; i++)
        for (int x = 0; x < 3; x++)
            sum[i][x] = vset(0);
    for (size_t h = 0; h < C; h++)
        for (int i = 0; i < n_g; i++)
            for (int x = 0; x < 3; x++)
                sum[i][x] += vload(v->agh + ((g + i) * C + h) * A + c) *
                             vload(grad_v + (3 * h + x) * A + c);
    for (int i = 0; i < n_g; i++)
        for (int x = 0; x < 3; x++)
            vstore(grad_o + (4 * (g + i) + x + 1) * A + c, sum[i][x]);
}

static void reverse_mix_charges(const cpu_conv *v, int k, const float *grad_x, float *scratch) {
    const size_t G = (size_t) v->n_lanes, M = (size_t) v->n_mixes, Q = (size_t) v->n_charges;
    const size_t C = (size_t) v->n_combinations;
    const float *grad_s = grad_x + Q, *grad_V = grad_s + Q * v->n_radial;
    float *grad_v = scratch;
    for (size_t c = 0; c < Q; c++) {
        const float *vk = v->v_q + 3 * (k * Q + c) * M;
        float *grad_o = v->grad_oq + 4 * (k * Q + c) * G;
        for (size_t h = 0; h < C; h++)
            for (int x = 0; x < 3; x++)
                grad_v[3 * h + x] = 2 * vk[x * M + h] * grad_V[c * C + h];
        memset(grad_o, 0, G * sizeof *grad_o);
        memcpy(grad_o, grad_s + c * v->n_radial, v->n_radial * sizeof *grad_o);
        for (size_t g = 0; g < G; g += CPU_LANES) {
            vf sum[3] = {vset(0), vset(0), vset(0)};
            for (size_t h = 0; h < C; h++)
                for (int x = 0; x < 3; x++)
                    sum[x] += vload(v->agh_qt + (c * C + h) * G + g) * grad_v[3 * h + x];
            for (int x = 0; x < 3; x++)
                vstore(grad_o + (x + 1) * G + g, sum[x]);
        }
    }
}

static void aimnet2_reverse_mix(const cpu_conv *v, int k, float *scratch) {
    const size_t A = (size_t) v->n_features, G = (size_t) v->n_radial, row = G * A;
    const size_t C = (size_t) v->n_combinations;
    const float *grad_x = v->x + k * v->x_stride, *grad_V = grad_x + 2 * row;
    const float *vk = v->v + k * 3 * C * A;
    float *grad_o = v->grad_o + k * 4 * row, *grad_v = scratch;
    for (size_t h = 0; h < C; h++)
        for (size_t x = 0; x < 3; x++)
            for (size_t c = 0; c < A; c += CPU_LANES)
                vstore(grad_v + (3 * h + x) * A + c,
                       2 * vload(vk + (3 * h + x) * A + c) * vload(grad_V + h * A + c));
    for (size_t g = 0; g < G; g++)
        memcpy(grad_o + 4 * g * A, grad_x + row + g * A, A * sizeof *grad_o);
    for (int c = 0; c < (int) A; c += CPU_LANES) {
        size_t g = 0;
        for (; g + 4 <= G; g += 4)
            conv_unmix(v, 4, g, c, grad_v, grad_o);
        for (; g < G; g++)
            conv_unmix(v, 1, g, c, grad_v, grad_o);
    }
    if (v->q)
        reverse_mix_charges(v, k, grad_V + C * A, scratch);
}

/* Sums of one row over its pairs, lane by lane. */
typedef struct conv_total {
    vf force[3], stress[9];
} conv_total;

/*
 * One pair's force on k from s = dE/d(gs) dgs and t_x = dE/du_x:
 *   s u + (t - (t.u) u)/d
 */
CPU_INLINE void add_pair_force(conv_total *total, const bool strained, const cpu_pair *p, vf s,
                               const vf t[3]) {
    const vf along = t[0] * p->u[0] + t[1] * p->u[1] + t[2] * p->u[2];
    const vf radial = s - along * p->inv;
    for (int b = 0; b < 3; b++) {
        const vf f = t[b] * p->inv + radial * p->u[b];
        total->force[b] += f;
        for (int a = 0; strained && a < 3; a++)
            total->stress[3 * a + b] += p->d * p->u[a] * f;
    }
}

/*
 * For the pair (k, m), u from k to m, both directions, g by g:
 *   x = go_k0 + go_k.u,  y = go_m0 - go_m.u
 *   s += dgs (x a_m + y a_k),  t += gs (go_k a_m - go_m a_k),  ga_k += gs y
 * n_p pairs at one window read row k once; A, W, n_p, inner and strained are constants after
 * inlining.
 */
CPU_INLINE void reverse_pairs(const cpu_conv *v, const int A, const int W, const int n_p,
                              const bool inner, const bool strained, int k, const cpu_pair *pairs,
                              const float *gauss, conv_total *total) {
    const size_t row = (size_t) v->n_radial * A, at = (size_t) pairs->window * A;
    const float *a_k = v->a + k * row + at, *go_k = v->grad_o + 4 * (k * row + at);
    float *grad_a = v->grad_a + k * row + at;
    const float *a_m[2], *go_m[2], *gs[2];
    vf s[2], t[2][3];
    for (int i = 0; i < n_p; i++) {
        const size_t m = (size_t) pairs[i].neighbor;
        a_m[i] = v->a + m * row + at;
        go_m[i] = v->grad_o + 4 * (m * row + at);
        gs[i] = gauss + 2 * (size_t) i * v->n_lanes + pairs->window;
        s[i] = t[i][0] = t[i][1] = t[i][2] = vset(0);
    }
    for (int w = 0; w < W; w++)
        for (int c = 0; c < A; c += CPU_LANES) {
            const int f = w * A + c, o = 4 * w * A + c;
            const vf ak = vload(a_k + f), gk0 = vload(go_k + o), gk1 = vload(go_k + o + A);
            const vf gk2 = vload(go_k + o + 2 * A), gk3 = vload(go_k + o + 3 * A);
            vf back = inner ? vload(grad_a + f) : vset(0);
            for (int i = 0; i < n_p; i++) {
                const float *u = pairs[i].u, value = gs[i][w], slope = gs[i][v->n_lanes + w];
                const vf am = vload(a_m[i] + f), am_gs = am * value, ak_gs = ak * value;
                const vf gm1 = vload(go_m[i] + o + A), gm2 = vload(go_m[i] + o + 2 * A);
                const vf gm3 = vload(go_m[i] + o + 3 * A);
                const vf x = gk0 + gk1 * u[0] + gk2 * u[1] + gk3 * u[2];
                const vf y = vload(go_m[i] + o) - gm1 * u[0] - gm2 * u[1] - gm3 * u[2];
                t[i][0] += gk1 * am_gs;
                t[i][0] -= gm1 * ak_gs;
                t[i][1] += gk2 * am_gs;
                t[i][1] -= gm2 * ak_gs;
                t[i][2] += gk3 * am_gs;
                t[i][2] -= gm3 * ak_gs;
                s[i] += slope * (x * am + y * ak);
                back += value * y;
            }
            if (inner)
                vstore(grad_a + f, back);
        }
    for (int i = 0; i < n_p; i++)
        add_pair_force(total, strained, &pairs[i], s[i], t[i]);
}

CPU_INLINE void reverse_features(const cpu_conv *v, const int A, const int W, const bool inner,
                                 const bool strained, int k, int n_pairs, const cpu_pair *pairs,
                                 const float *gauss, conv_total *total) {
    const size_t width = 2 * (size_t) v->n_lanes;
    for (int e = 0; e < n_pairs;)
        if (CPU_LANES == 16 && e + 1 < n_pairs && pairs[e + 1].window == pairs[e].window) {
            reverse_pairs(v, A, W, 2, inner, strained, k, pairs + e, gauss + width * e, total);
            e += 2;
        } else {
            reverse_pairs(v, A, W, 1, inner, strained, k, pairs + e, gauss + width * e, total);
            e += 1;
        }
}

/* The same for charge channel c, all radial channels. */
CPU_INLINE void reverse_charge(const cpu_conv *v, size_t c, const bool strained, int k, int n_pairs,
                               const cpu_pair *pairs, const float *gauss, conv_total *total) {
    const size_t G = (size_t) v->n_lanes, Q = (size_t) v->n_charges;
    const float *go_k = v->grad_oq + 4 * (k * Q + c) * G;
    const float q_k = v->q[k * Q + c];
    vf grad_q = vset(0);
    for (int e = 0; e < n_pairs; e++) {
        const cpu_pair *p = &pairs[e];
        const size_t at = (size_t) p->neighbor * Q + c;
        const float *go_m = v->grad_oq + 4 * at * G, *gs = gauss + 2 * G * e, *dgs = gs + G;
        const float q_m = v->q[at];
        vf s = vset(0), t[3] = {vset(0), vset(0), vset(0)};
        for (size_t g = 0; g < G; g += CPU_LANES) {
            vf x = vload(go_k + g), y = vload(go_m + g);
            for (int b = 0; b < 3; b++) {
                const vf gk = vload(go_k + (b + 1) * G + g), gm = vload(go_m + (b + 1) * G + g);
                x += gk * p->u[b];
                y -= gm * p->u[b];
                t[b] += (gk * q_m - gm * q_k) * vload(gs + g);
            }
            s += vload(dgs + g) * (x * q_m + y * q_k);
            grad_q += vload(gs + g) * y;
        }
        add_pair_force(total, strained, p, s, t);
    }
    v->grad_q[k * Q + c] += vsum(grad_q);
}

CPU_INLINE void reverse_row(const cpu_conv *v, const bool strained, int k, int n_pairs,
                            const cpu_pair *pairs, const float *gauss, conv_total *total) {
    const int A = v->n_features, W = v->n_window;
    if (A == 16 && W == 8 && v->q)
        reverse_features(v, 16, 8, true, strained, k, n_pairs, pairs, gauss, total);
    else if (A == 16 && W == 8)
        reverse_features(v, 16, 8, false, strained, k, n_pairs, pairs, gauss, total);
    else
        reverse_features(v, A, W, v->q != NULL, strained, k, n_pairs, pairs, gauss, total);
    for (int c = 0; v->q && c < v->n_charges; c++)
        reverse_charge(v, (size_t) c, strained, k, n_pairs, pairs, gauss, total);
}

static void aimnet2_reverse(const cpu_conv *v, int k, int n_pairs, const cpu_pair *pairs,
                            const float *gauss, double *force, double *strain) {
    conv_total total;
    for (int b = 0; b < 3; b++)
        total.force[b] = vset(0);
    for (int b = 0; b < 9; b++)
        total.stress[b] = vset(0);
    if (strain)
        reverse_row(v, true, k, n_pairs, pairs, gauss, &total);
    else
        reverse_row(v, false, k, n_pairs, pairs, gauss, &total);
    for (int b = 0; b < 3; b++)
        force[b] += vsum(total.force[b]);
    for (int b = 0; strain && b < 9; b++)
        strain[b] += 0.5 * vsum(total.stress[b]);
}
