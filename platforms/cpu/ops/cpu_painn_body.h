/* PaiNN's kernels; see cpu_kernels_body.h for what must be set. */
/* -------------------------------------------------------------------------- PaiNN message -- */

/* An edge's row of the filter table for one feature block. */
CPU_INLINE const float *filter_row(const cpu_filter_table *filter, int block,
                                   const cpu_edge *edge) {
    return filter->table + ((size_t) block * filter->n_intervals + edge->interval) * (12 * B);
}

/* Filter block q (s, r, v) at one vector of features. */
CPU_INLINE vf filter_value(const float *row, int q, float t) {
    const float *c = row + 4 * q * B;
    return vload(c) + t * (vload(c + B) + t * (vload(c + 2 * B) + t * vload(c + 3 * B)));
}

/* The same with its derivative by t. */
CPU_INLINE vf filter_slope(const float *row, int q, float t, vf *slope) {
    const float *c = row + 4 * q * B;
    const vf c3 = vload(c + 3 * B), a = vload(c + 2 * B) + t * c3, b = vload(c + B) + t * a;
    *slope = b + t * (a + t * c3);
    return vload(c) + t * b;
}

/* One tile of features at offset c of block b; context and first are constants after inlining. */
CPU_INLINE void message_tile(const cpu_message *m, const bool context, const bool first, int k,
                             int block, int c, int n_edges, const cpu_edge *edges, float *s_out,
                             float *v_out) {
    const size_t F = (size_t) m->n_features, f = (size_t) block * B + c;
    vf s[TILE_VECTORS], v[3][TILE_VECTORS];
    for (int i = 0; i < TILE_VECTORS; i++) {
        s[i] = vload(m->s + k * F + f + i * CPU_LANES);
        for (int a = 0; a < 3; a++)
            v[a][i] = first ? vset(0) : vload(m->v + (3 * (size_t) k + a) * F + f + i * CPU_LANES);
    }

    for (int e = 0; e < n_edges; e++) {
        const cpu_edge *edge = &edges[e];
        const float *row = filter_row(m->filter, block, edge) + c;
        const size_t j = (size_t) edge->neighbor;
#pragma GCC unroll 4
        for (int i = 0; i < TILE_VECTORS; i++) {
            const size_t at = f + i * CPU_LANES;
            const vf ws = filter_value(row + i * CPU_LANES, 0, edge->t);
            const vf wr = filter_value(row + i * CPU_LANES, 1, edge->t);
            const float *x = context ? m->x + 3 * j * F + at : NULL;
            s[i] += ws * (context ? vload(x) : vload(m->s + j * F + at));
            const vf along = context ? wr * vload(x + F) : wr;
            for (int a = 0; a < 3; a++)
                v[a][i] += along * edge->u[a];
            if (!first) {
                vf wv = filter_value(row + i * CPU_LANES, 2, edge->t);
                if (context)
                    wv *= vload(x + 2 * F);
                for (int a = 0; a < 3; a++)
                    v[a][i] += wv * vload(m->v + (3 * j + a) * F + at);
            }
        }
    }

    for (int i = 0; i < TILE_VECTORS; i++) {
        vstore(s_out + f + i * CPU_LANES, s[i]);
        for (int a = 0; a < 3; a++)
            vstore(v_out + a * F + f + i * CPU_LANES, v[a][i]);
    }
}

static void painn_message(const cpu_message *m, int k, int block, int n_edges,
                          const cpu_edge *edges, float *s_out, float *v_out) {
    for (int c = 0; c < B; c += TILE_WIDTH) {
        if (m->x && m->v)
            message_tile(m, true, false, k, block, c, n_edges, edges, s_out, v_out);
        else if (m->x)
            message_tile(m, true, true, k, block, c, n_edges, edges, s_out, v_out);
        else if (m->v)
            message_tile(m, false, false, k, block, c, n_edges, edges, s_out, v_out);
        else
            message_tile(m, false, true, k, block, c, n_edges, edges, s_out, v_out);
    }
}

/* One atom's side of a pair at one vector of features: its context, state and gradients. */
typedef struct side {
    vf xs, xr, xv, v[3], gs, gv[3];
} side;

CPU_INLINE side load_side(const cpu_message *m, const bool context, const bool first, size_t i,
                          size_t at) {
    const size_t F = (size_t) m->n_features;
    side p;
    p.xs = context ? vload(m->x + 3 * i * F + at) : vload(m->s + i * F + at);
    p.xr = context ? vload(m->x + (3 * i + 1) * F + at) : vset(1);
    p.xv = context && !first ? vload(m->x + (3 * i + 2) * F + at) : vset(1);
    p.gs = vload(m->grad_s + i * F + at);
    for (int a = 0; a < 3; a++) {
        p.v[a] = first ? vset(0) : vload(m->v + (3 * i + a) * F + at);
        p.gv[a] = vload(m->grad_v + (3 * i + a) * F + at);
    }
    return p;
}

/*
 * Reverse of one vector of features, c of block b. For the pair (k, m) with u from k to m:
 *   k <- m:  c^r = u.gv_k, c^v = gv_k.v_m        m <- k:  d^r = -u.gv_m, d^v = gv_m.v_k
 *   dbar = W'^s (gs_k x^s_m + gs_m x^s_k) + W'^r T + W'^v (c^v x^v_m + d^v x^v_k)
 *   p    = W^r (x^r_m gv_k - x^r_k gv_m)                        ubar of k <- m minus that of m <- k
 *   T    = c^r x^r_m + d^r x^r_k                                so that p.u = W^r T
 *   gx_k += (W^s gs_m, W^r d^r, W^v d^v),   gv_k += W^v x^v_k gv_m
 *   force on k = p inv + (dbar - (p.u) inv) n
 * What belongs to k alone leaves the sums over pairs: sum p inv = gv_k A - x^r_k G.
 */
CPU_INLINE void reverse_vector(const cpu_message *m, const bool context, const bool first,
                               const bool strained, int k, int block, int c, int n_edges,
                               const cpu_edge *edges, float *grad_x_out, float *grad_v_out,
                               double *force, double *strain) {
    const size_t F = (size_t) m->n_features, f = (size_t) block * B + c;
    const float per_angstrom = (float) m->filter->inv_spacing;
    const side mine = load_side(m, context, first, (size_t) k, f);
    const vf zero = vset(0);
    vf radial[3] = {zero, zero, zero}, G[3] = {zero, zero, zero}, A = zero;
    vf gx[3] = {zero, zero, zero}, gv[3] = {zero, zero, zero}, stress[9];
    for (int i = 0; i < 9; i++)
        stress[i] = zero;

    for (int e = 0; e < n_edges; e++) {
        const cpu_edge *edge = &edges[e];
        const float *row = filter_row(m->filter, block, edge) + c, *u = edge->u;
        const side other = load_side(m, context, first, (size_t) edge->neighbor, f);
        vf slope;

        const vf ws = filter_slope(row, 0, edge->t, &slope);
        vf dbar = slope * (mine.gs * other.xs + other.gs * mine.xs);
        gx[0] += ws * other.gs;

        const vf wr = filter_slope(row, 1, edge->t, &slope), over_d = wr * edge->inv;
        const vf cr = u[0] * mine.gv[0] + u[1] * mine.gv[1] + u[2] * mine.gv[2];
        const vf dr = -(u[0] * other.gv[0] + u[1] * other.gv[1] + u[2] * other.gv[2]);
        dbar += (slope - over_d) * (cr * other.xr + dr * mine.xr);
        gx[1] += wr * dr;
        A += over_d * other.xr;
        for (int a = 0; a < 3; a++)
            G[a] += over_d * other.gv[a];

        if (!first) {
            const vf wv = filter_slope(row, 2, edge->t, &slope);
            const vf cv = mine.gv[0] * other.v[0] + mine.gv[1] * other.v[1] +
                          mine.gv[2] * other.v[2];
            const vf dv = other.gv[0] * mine.v[0] + other.gv[1] * mine.v[1] +
                          other.gv[2] * mine.v[2];
            dbar += slope * (cv * other.xv + dv * mine.xv);
            gx[2] += wv * dv;
            for (int a = 0; a < 3; a++)
                gv[a] += wv * other.gv[a];
        }

        for (int a = 0; a < 3; a++)
            radial[a] += dbar * edge->n[a];
        for (int a = 0; strained && a < 3; a++) {
            const vf p = over_d * (other.xr * mine.gv[a] - mine.xr * other.gv[a]);
            const vf pair = p * per_angstrom + dbar * edge->n[a];
            for (int b = 0; b < 3; b++)
                stress[3 * b + a] += edge->r[b] * pair;
        }
    }

    for (int a = 0; a < 3; a++) {
        force[a] += vsum(radial[a] + (mine.gv[a] * A - mine.xr * G[a]) * per_angstrom);
        if (!first)
            vstore(grad_v_out + a * F + f, mine.gv[a] + mine.xv * gv[a]);
        if (!first && (context || a == 0))
            vstore(grad_x_out + a * F + f, gx[a]);
    }
    for (int i = 0; strained && i < 9; i++)
        strain[i] += 0.5 * vsum(stress[i]);
}

#define REVERSE(context, first, strained)                                                         \
    reverse_vector(m, context, first, strained, k, block, c, n_edges, edges, grad_x_out,          \
                   grad_v_out, force, strain)

static void painn_message_reverse(const cpu_message *m, int k, int block, int n_edges,
                                  const cpu_edge *edges, float *grad_x_out, float *grad_v_out,
                                  double *force, double *strain) {
    for (int c = 0; c < B; c += CPU_LANES) {
        if (strain) {
            if (m->x && m->v)
                REVERSE(true, false, true);
            else if (m->x)
                REVERSE(true, true, true);
            else if (m->v)
                REVERSE(false, false, true);
            else
                REVERSE(false, true, true);
        } else if (m->x && m->v) {
            REVERSE(true, false, false);
        } else if (m->x) {
            REVERSE(true, true, false);
        } else if (m->v) {
            REVERSE(false, false, false);
        } else {
            REVERSE(false, true, false);
        }
    }
}
#undef REVERSE

/* --------------------------------------------------------------------------- PaiNN node -- */

/*
 * Elementwise stages of the update of n_rows rows. Symbols of docs/math/painn.md; F the padded
 * number of features.
 */

/* channel: n = sqrt(sum_a p_a^2 + eps), t = sum_a p_a q_a.  pq [n][3][2F] (p, q), cat [n][2F] */
static void painn_norms_channel(const cpu_update *u, int n_rows) {
    const size_t F = (size_t) u->n_features;
    for (size_t i = 0; i < (size_t) n_rows; i++) {
        const float *pq = u->pq + i * 6 * F;
        float *n = u->cat + i * 2 * F + F, *t = u->t + i * F;
        for (size_t f = 0; f < F; f++) {
            float pp = u->norm_eps, tt = 0;
            for (int a = 0; a < 3; a++) {
                const float p = pq[2 * a * F + f], q = pq[(2 * a + 1) * F + f];
                pp += p * p;
                tt += p * q;
            }
            n[f] = __builtin_sqrtf(pp);
            t[f] = tt;
        }
    }
}

/* spatial: p = v, q_a = sum_b M_ab v_b, n as above.  q [n][3][F] in u->pq */
static void painn_norms_spatial(const cpu_update *u, int n_rows) {
    const size_t F = (size_t) u->n_features;
    for (size_t i = 0; i < (size_t) n_rows; i++) {
        const float *v = u->v_mid + i * 3 * F;
        float *n = u->cat + i * 2 * F + F, *q = u->pq + i * 3 * F;
        for (size_t f = 0; f < F; f++) {
            const float x = v[f], y = v[F + f], z = v[2 * F + f];
            for (int a = 0; a < 3; a++)
                q[a * F + f] = u->m[3 * a] * x + u->m[3 * a + 1] * y + u->m[3 * a + 2] * z;
            n[f] = __builtin_sqrtf(x * x + y * y + z * z + u->norm_eps);
        }
    }
}

/* channel: s = s_mid + y^ss + y^sv t, v_a = v_mid,a + y^vv q_a */
static void painn_update_channel(const cpu_update *u, int n_rows) {
    const size_t F = (size_t) u->n_features;
    for (size_t i = 0; i < (size_t) n_rows; i++) {
        const float *y = u->y + i * 3 * F, *t = u->t + i * F, *s_mid = u->cat + i * 2 * F;
        const float *v_mid = u->v_mid + i * 3 * F, *pq = u->pq + i * 6 * F;
        float *s = u->s + i * F;
        for (size_t f = 0; f < F; f++)
            s[f] = s_mid[f] + y[f] + y[F + f] * t[f];
        for (size_t a = 0; a < 3 && !u->last; a++) {
            float *v = u->v + (3 * i + a) * F;
            for (size_t f = 0; f < F; f++)
                v[f] = v_mid[a * F + f] + y[2 * F + f] * pq[(2 * a + 1) * F + f];
        }
    }
}

/* spatial: s = s_mid + y^s, v_a = g1 v_mid,a + g2 q_a */
static void painn_update_spatial(const cpu_update *u, int n_rows) {
    const size_t F = (size_t) u->n_features;
    for (size_t i = 0; i < (size_t) n_rows; i++) {
        const float *y = u->y + i * 3 * F, *s_mid = u->cat + i * 2 * F;
        const float *v_mid = u->v_mid + i * 3 * F, *q = u->pq + i * 3 * F;
        float *s = u->s + i * F;
        for (size_t f = 0; f < F; f++)
            s[f] = s_mid[f] + y[f];
        for (size_t a = 0; a < 3 && !u->last; a++) {
            float *v = u->v + (3 * i + a) * F;
            for (size_t f = 0; f < F; f++)
                v[f] = y[F + f] * v_mid[a * F + f] + y[2 * F + f] * q[a * F + f];
        }
    }
}

/* Gradient of y.  channel: (gs, gs t, sum_a gv_a q_a); spatial: (gs, sum gv_a v_a, sum gv_a q_a) */
static void painn_reverse_y_channel(const cpu_update *u, int n_rows) {
    const size_t F = (size_t) u->n_features;
    for (size_t i = 0; i < (size_t) n_rows; i++) {
        const float *gs = u->grad_s + i * F, *gv = u->grad_v + i * 3 * F;
        const float *q = u->pq + i * 6 * F + F, *t = u->t + i * F;
        float *gy = u->grad_y + i * 3 * F;
        for (size_t f = 0; f < F; f++) {
            gy[f] = gs[f];
            gy[F + f] = gs[f] * t[f];
        }
        for (size_t f = 0; f < F && !u->last; f++)
            gy[2 * F + f] = gv[f] * q[f] + gv[F + f] * q[2 * F + f] + gv[2 * F + f] * q[4 * F + f];
    }
}

static void painn_reverse_y_spatial(const cpu_update *u, int n_rows) {
    const size_t F = (size_t) u->n_features;
    for (size_t i = 0; i < (size_t) n_rows; i++) {
        const float *gs = u->grad_s + i * F, *gv = u->grad_v + i * 3 * F;
        const float *q = u->pq + i * 3 * F, *v = u->v_mid + i * 3 * F;
        float *gy = u->grad_y + i * 3 * F;
        for (size_t f = 0; f < F; f++)
            gy[f] = gs[f];
        for (size_t f = 0; f < F && !u->last; f++) {
            gy[F + f] = gv[f] * v[f] + gv[F + f] * v[F + f] + gv[2 * F + f] * v[2 * F + f];
            gy[2 * F + f] = gv[f] * q[f] + gv[F + f] * q[F + f] + gv[2 * F + f] * q[2 * F + f];
        }
    }
}

/*
 * channel: gp_a = gt q_a + (gn/n) p_a, gq_a = gt p_a + y^vv gv_a with gt = gs y^sv; then gs += gc.
 *   grad_cat [n][2F] (gc, gn), grad_pq [n][3][2F]
 */
static void painn_reverse_channel(const cpu_update *u, int n_rows) {
    const size_t F = (size_t) u->n_features;
    for (size_t i = 0; i < (size_t) n_rows; i++) {
        const float *y = u->y + i * 3 * F, *n = u->cat + i * 2 * F + F, *pq = u->pq + i * 6 * F;
        const float *gc = u->grad_cat + i * 2 * F, *gv = u->grad_v + i * 3 * F;
        float *gs = u->grad_s + i * F, *gpq = u->grad_pq + i * 6 * F;
        for (size_t f = 0; f < F; f++) {
            const float gt = gs[f] * y[F + f];
            const float gn = n[f] > 0 ? gc[F + f] / n[f] : 0;
            for (int a = 0; a < 3; a++) {
                const float p = pq[2 * a * F + f], q = pq[(2 * a + 1) * F + f];
                gpq[2 * a * F + f] = gt * q + gn * p;
                gpq[(2 * a + 1) * F + f] = gt * p;
            }
            gs[f] += gc[f];
        }
        for (size_t a = 0; a < 3 && !u->last; a++)
            for (size_t f = 0; f < F; f++)
                gpq[(2 * a + 1) * F + f] += y[2 * F + f] * gv[a * F + f];
    }
}

/* spatial: gv_a <- g1 gv_a + sum_b M_ba g2 gv_b + (gn/n) v_mid,a; gs += gc */
static void painn_reverse_spatial(const cpu_update *u, int n_rows) {
    const size_t F = (size_t) u->n_features;
    for (size_t i = 0; i < (size_t) n_rows; i++) {
        const float *y = u->y + i * 3 * F, *n = u->cat + i * 2 * F + F, *v = u->v_mid + i * 3 * F;
        const float *gc = u->grad_cat + i * 2 * F;
        float *gs = u->grad_s + i * F, *gv = u->grad_v + i * 3 * F;
        for (size_t f = 0; f < F; f++) {
            const float gn = n[f] > 0 ? gc[F + f] / n[f] : 0;
            const float direct[3] = {gn * v[f], gn * v[F + f], gn * v[2 * F + f]};
            gs[f] += gc[f];
            if (u->last) {
                for (int a = 0; a < 3; a++)
                    gv[a * F + f] = direct[a];
                continue;
            }
            const float g1 = y[F + f], g2 = y[2 * F + f];
            const float g[3] = {gv[f], gv[F + f], gv[2 * F + f]};
            for (int a = 0; a < 3; a++)
                gv[a * F + f] = g1 * g[a] + direct[a] +
                                g2 * (u->m[a] * g[0] + u->m[3 + a] * g[1] + u->m[6 + a] * g[2]);
        }
    }
}
