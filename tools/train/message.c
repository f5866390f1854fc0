/*
 * PaiNN's message step over pairs, with its first and second derivatives, for training.
 * Compiled by message.py with -DF=<number of features>.
 *
 *   ds_i = sum_j W_s x_s,j      dv_i = sum_j ( W_r x_r,j u_ij + W_v x_v,j v_j )
 *
 *   a, b   [n_pairs]          each pair once; a receives from b along +u, b from a along -u
 *   u      [n_pairs][3]       unit vector from a to b
 *   W      [n_pairs][3][F]    filters, blocks s, r, v, the same for both directions
 *   x      [n_atoms][3][F]    what an atom sends, blocks s, r, v
 *   v      [n_atoms][3][F]    vector features; has_v = 0: they are zero (first layer)
 *
 * grad_X is dE/dX; t_X, in the second derivative, is the direction that belongs to X.
 */
typedef const float *restrict in;
typedef float *restrict out;

#define FEATURES for (int f = 0; f < F; f++)

/* one edge i <- j; sign: +1 along u, -1 against it */
static void edge_forward(long i, long j, float sign, in W, in x_all, in v_all, in u, out ds_all,
                         out dv_all, int has_v) {
    in x = x_all + j*3*F, v = v_all + j*3*F;
    out ds = ds_all + i*F, dv = dv_all + i*3*F;
    const float u0 = sign*u[0], u1 = sign*u[1], u2 = sign*u[2];
    FEATURES {
        ds[f] += W[f]*x[f];
        const float r = W[F+f]*x[F+f];
        dv[f] += r*u0;
        dv[F+f] += r*u1;
        dv[2*F+f] += r*u2;
    }
    if (has_v)
        FEATURES {
            const float g = W[2*F+f]*x[2*F+f];
            dv[f] += g*v[f];
            dv[F+f] += g*v[F+f];
            dv[2*F+f] += g*v[2*F+f];
        }
}

/* adds to ds [n_atoms][F] and dv [n_atoms][3][F] */
void message_forward(long n_pairs, const long *a, const long *b, in W, in x, in v, in u, out ds,
                     out dv, int has_v) {
    for (long p = 0; p < n_pairs; p++) {
        edge_forward(a[p], b[p], 1, W + p*3*F, x, v, u + 3*p, ds, dv, has_v);
        edge_forward(b[p], a[p], -1, W + p*3*F, x, v, u + 3*p, ds, dv, has_v);
    }
}

static void edge_backward(long i, long j, float sign, in W, in x_all, in v_all, in u,
                          in grad_ds_all, in grad_dv_all, out grad_W, out grad_x_all,
                          out grad_v_all, float *grad_u, int has_v) {
    in x = x_all + j*3*F, v = v_all + j*3*F;
    in grad_ds = grad_ds_all + i*F, grad_dv = grad_dv_all + i*3*F;
    out grad_x = grad_x_all + j*3*F, grad_v = grad_v_all + j*3*F;
    const float u0 = sign*u[0], u1 = sign*u[1], u2 = sign*u[2];
    float sum0 = 0, sum1 = 0, sum2 = 0;
    FEATURES {
        grad_W[f] += x[f]*grad_ds[f];
        grad_x[f] += W[f]*grad_ds[f];
        const float c = u0*grad_dv[f] + u1*grad_dv[F+f] + u2*grad_dv[2*F+f];
        const float r = W[F+f]*x[F+f];
        grad_W[F+f] += x[F+f]*c;
        grad_x[F+f] += W[F+f]*c;
        sum0 += r*grad_dv[f];
        sum1 += r*grad_dv[F+f];
        sum2 += r*grad_dv[2*F+f];
    }
    grad_u[0] += sign*sum0;
    grad_u[1] += sign*sum1;
    grad_u[2] += sign*sum2;
    if (has_v)
        FEATURES {
            const float c = v[f]*grad_dv[f] + v[F+f]*grad_dv[F+f] + v[2*F+f]*grad_dv[2*F+f];
            const float g = W[2*F+f]*x[2*F+f];
            grad_W[2*F+f] += x[2*F+f]*c;
            grad_x[2*F+f] += W[2*F+f]*c;
            grad_v[f] += g*grad_dv[f];
            grad_v[F+f] += g*grad_dv[F+f];
            grad_v[2*F+f] += g*grad_dv[2*F+f];
        }
}

/* overwrites grad_W and grad_u, adds to grad_x and grad_v */
void message_backward(long n_pairs, const long *a, const long *b, in W, in x, in v, in u,
                      in grad_ds, in grad_dv, out grad_W, out grad_x, out grad_v, out grad_u,
                      int has_v) {
    for (long p = 0; p < n_pairs; p++) {
        float *gW = grad_W + p*3*F, *gu = grad_u + 3*p;
        for (int f = 0; f < 3*F; f++)
            gW[f] = 0;
        gu[0] = gu[1] = gu[2] = 0;
        edge_backward(a[p], b[p], 1, W + p*3*F, x, v, u + 3*p, grad_ds, grad_dv, gW, grad_x,
                      grad_v, gu, has_v);
        edge_backward(b[p], a[p], -1, W + p*3*F, x, v, u + 3*p, grad_ds, grad_dv, gW, grad_x,
                      grad_v, gu, has_v);
    }
}

/*
 * The backward step, differentiated once more: with the directions t_W, t_x, t_v, t_u of its
 * outputs, gradients with respect to W, x, v, u, grad_ds and grad_dv.
 */
static void edge_second(long i, long j, float sign, in W, in x_all, in v_all, in u, in grad_ds_all,
                        in grad_dv_all, in t_W, in t_x_all, in t_v_all, in t_u, out out_W,
                        out out_x_all, out out_v_all, float *out_u, out out_ds_all, out out_dv_all,
                        int has_v) {
    in x = x_all + j*3*F, v = v_all + j*3*F, t_x = t_x_all + j*3*F, t_v = t_v_all + j*3*F;
    in gs = grad_ds_all + i*F, gv = grad_dv_all + i*3*F;
    out out_x = out_x_all + j*3*F, out_v = out_v_all + j*3*F;
    out out_ds = out_ds_all + i*F, out_dv = out_dv_all + i*3*F;
    const float u0 = sign*u[0], u1 = sign*u[1], u2 = sign*u[2];
    const float t0 = sign*t_u[0], t1 = sign*t_u[1], t2 = sign*t_u[2];
    float sum0 = 0, sum1 = 0, sum2 = 0;
    FEATURES {
        out_W[f] += gs[f]*t_x[f];
        out_x[f] += gs[f]*t_W[f];
        out_ds[f] += t_W[f]*x[f] + W[f]*t_x[f];
        const float c = u0*gv[f] + u1*gv[F+f] + u2*gv[2*F+f];
        const float t_c = t0*gv[f] + t1*gv[F+f] + t2*gv[2*F+f];
        const float t_r = t_W[F+f]*x[F+f] + W[F+f]*t_x[F+f], r = W[F+f]*x[F+f];
        out_W[F+f] += t_x[F+f]*c + x[F+f]*t_c;
        out_x[F+f] += t_W[F+f]*c + W[F+f]*t_c;
        sum0 += t_r*gv[f];
        sum1 += t_r*gv[F+f];
        sum2 += t_r*gv[2*F+f];
        out_dv[f] += t_r*u0 + r*t0;
        out_dv[F+f] += t_r*u1 + r*t1;
        out_dv[2*F+f] += t_r*u2 + r*t2;
    }
    out_u[0] += sign*sum0;
    out_u[1] += sign*sum1;
    out_u[2] += sign*sum2;
    if (has_v)
        FEATURES {
            const float c = v[f]*gv[f] + v[F+f]*gv[F+f] + v[2*F+f]*gv[2*F+f];
            const float t_c = t_v[f]*gv[f] + t_v[F+f]*gv[F+f] + t_v[2*F+f]*gv[2*F+f];
            const float t_g = t_W[2*F+f]*x[2*F+f] + W[2*F+f]*t_x[2*F+f];
            const float g = W[2*F+f]*x[2*F+f];
            out_W[2*F+f] += t_x[2*F+f]*c + x[2*F+f]*t_c;
            out_x[2*F+f] += t_W[2*F+f]*c + W[2*F+f]*t_c;
            out_v[f] += t_g*gv[f];
            out_v[F+f] += t_g*gv[F+f];
            out_v[2*F+f] += t_g*gv[2*F+f];
            out_dv[f] += t_g*v[f] + g*t_v[f];
            out_dv[F+f] += t_g*v[F+f] + g*t_v[F+f];
            out_dv[2*F+f] += t_g*v[2*F+f] + g*t_v[2*F+f];
        }
}

/* overwrites out_W and out_u, adds to the others */
void message_second(long n_pairs, const long *a, const long *b, in W, in x, in v, in u, in grad_ds,
                    in grad_dv, in t_W, in t_x, in t_v, in t_u, out out_W, out out_x, out out_v,
                    out out_u, out out_ds, out out_dv, int has_v) {
    for (long p = 0; p < n_pairs; p++) {
        float *oW = out_W + p*3*F, *ou = out_u + 3*p;
        for (int f = 0; f < 3*F; f++)
            oW[f] = 0;
        ou[0] = ou[1] = ou[2] = 0;
        edge_second(a[p], b[p], 1, W + p*3*F, x, v, u + 3*p, grad_ds, grad_dv, t_W + p*3*F, t_x,
                    t_v, t_u + 3*p, oW, out_x, out_v, ou, out_ds, out_dv, has_v);
        edge_second(b[p], a[p], -1, W + p*3*F, x, v, u + 3*p, grad_ds, grad_dv, t_W + p*3*F, t_x,
                    t_v, t_u + 3*p, oW, out_x, out_v, ou, out_ds, out_dv, has_v);
    }
}
