/*
 * PaiNN within atoms: update, context of the next layer and readout, forward and in reverse;
 * docs/math/painn.md has the equations. A block works on ROWS rows at a time: a weight is read once
 * for all of them, inputs of a dense layer are broadcast from local memory.
 *
 *   FEATURES       F
 *   LANES          threads side by side on the outputs of a dense layer; more take several rounds
 *   GROUPS         1 or 2 groups of LANES threads that share out the inputs
 *   BLOCK          LANES*GROUPS
 *   QUARTERS       ROWS/4; values of ROWS rows are QUARTERS real4
 *   ROOM           real4 a block needs for inputs of dense layers; in scratch memory with WIDE
 *   JOIN           real4 for joining groups
 *   WEIGHTS        reals of a layer's weights, and where in them each tensor stands: names ending
 *                  in _T are [in][out], for the forward pass, the others [out][in]
 *
 * Element k of an input stands at in[k*QUARTERS], so that columns of a row are apart by QUARTERS.
 * The threads of group 0 own features: what they write to global memory between two barriers, they
 * themselves read.
 */

#define ROWS (4*QUARTERS)
#ifdef WIDE
#define ROOM_ARG GLOBAL
#else
#define ROOM_ARG LOCAL_ARG
#endif

/* -------------------------------------------------------------------------------- rows -- */

/* A column of rows first ... first+3, p already on it; rows behind the last stand for the last. */
DEVICE real4 painnLoad(GLOBAL const real* p, int width, int first, int n) {
    int last = n-1;
    return make_real4(p[(size_t) min(first, last)*width], p[(size_t) min(first+1, last)*width],
        p[(size_t) min(first+2, last)*width], p[(size_t) min(first+3, last)*width]);
}

DEVICE void painnStore(GLOBAL real* p, int width, int first, int n, real4 value) {
    if (first < n)
        p[(size_t) first*width] = value.x;
    if (first+1 < n)
        p[(size_t) (first+1)*width] = value.y;
    if (first+2 < n)
        p[(size_t) (first+2)*width] = value.z;
    if (first+3 < n)
        p[(size_t) (first+3)*width] = value.w;
}

/* Columns of rows base ... base+ROWS-1 to in[]. */
DEVICE void painnFill(int columns, GLOBAL const real* p, int width, int base, int n,
        ROOM_ARG real4* in) {
    for (int k = LOCAL_ID; k < columns; k += BLOCK)
        for (int q = 0; q < QUARTERS; q++)
            in[k*QUARTERS+q] = painnLoad(p+k, width, base+4*q, n);
}

DEVICE real painnLogistic(real x) {
    return 1/(1+EXP(-x));
}

DEVICE real4 painnSilu(real4 x) {
    return make_real4(x.x*painnLogistic(x.x), x.y*painnLogistic(x.y), x.z*painnLogistic(x.z),
        x.w*painnLogistic(x.w));
}

DEVICE real painnSiluSlope1(real x) {
    real g = painnLogistic(x);
    return g*(1+x*(1-g));
}

DEVICE real4 painnSiluSlope(real4 x) {
    return make_real4(painnSiluSlope1(x.x), painnSiluSlope1(x.y), painnSiluSlope1(x.z),
        painnSiluSlope1(x.w));
}

DEVICE real4 painnSpread(real x) {
    return make_real4(x, x, x, x);
}

/* Norm of a vector feature, from its square. */
DEVICE real4 painnLength(real4 x) {
    return make_real4(SQRT(x.x+NORM_EPS), SQRT(x.y+NORM_EPS), SQRT(x.z+NORM_EPS),
        SQRT(x.w+NORM_EPS));
}

/* a/b, 0 where b is 0. */
DEVICE real4 painnRatio(real4 a, real4 b) {
    return make_real4(b.x > 0 ? a.x/b.x : 0, b.y > 0 ? a.y/b.y : 0, b.z > 0 ? a.z/b.z : 0,
        b.w > 0 ? a.w/b.w : 0);
}

/* ----------------------------------------------------------------------- dense layers -- */

/*
 * sum[c] += the group's share of  sum_k w[k*width+c*apart] in[k]  for columns c; w already on the
 * thread's first column.
 */
DEVICE void painnDense(const int columns, int inputs, GLOBAL const real* RESTRICT w, int width,
        int apart, ROOM_ARG const real4* in, real4* sum) {
    int share = (inputs+GROUPS-1)/GROUPS;
    int first = (LOCAL_ID/LANES)*share, last = min(first+share, inputs);
#pragma unroll 4
    for (int k = first; k < last; k++) {
#pragma unroll
        for (int c = 0; c < columns; c++) {
            real weight = w[(size_t) k*width+c*apart];
#pragma unroll
            for (int q = 0; q < QUARTERS; q++)
                sum[c*QUARTERS+q] = sum[c*QUARTERS+q]+weight*in[k*QUARTERS+q];
        }
    }
}

DEVICE void painnZero(const int count, real4* sum) {
#pragma unroll
    for (int k = 0; k < count; k++)
        sum[k] = make_real4(0, 0, 0, 0);
}

/*
 * The groups' sums, in group 0; what group 1 gets has no meaning. Another barrier must stand before
 * the next join. No condition stands behind the barrier: PoCL's compiler would thread it through
 * the barrier to its opposite before it, and drop group 1's part.
 */
DEVICE void painnCollect(const int count, real4* sum, LOCAL_ARG real4* RESTRICT join) {
#if GROUPS > 1
    int lane = LOCAL_ID%LANES;
    if (LOCAL_ID >= LANES) {
#pragma unroll
        for (int k = 0; k < count; k++)
            join[k*LANES+lane] = sum[k];
    }
    SYNC_THREADS;
#pragma unroll
    for (int k = 0; k < count; k++)
        sum[k] = sum[k]+join[k*LANES+lane];
#endif
}

/* The feature of a thread in the round from f0 on, if it owns one, else -1. */
DEVICE int painnOwn(int f0, int width) {
    int f = f0+LOCAL_ID;
    return (LOCAL_ID < LANES && f < width ? f : -1);
}

/* out[f] = silu(bias + W in), and what silu is taken of to hidden [row][F]. */
DEVICE void painnHidden(int inputs, GLOBAL const real* RESTRICT w, GLOBAL const real* RESTRICT bias,
        ROOM_ARG const real4* in, GLOBAL real* hidden, ROOM_ARG real4* out, int base, int n,
        LOCAL_ARG real4* RESTRICT join) {
    for (int f0 = 0; f0 < FEATURES; f0 += LANES) {
        int column = min(f0+(int) (LOCAL_ID%LANES), FEATURES-1), f = painnOwn(f0, FEATURES);
        real4 sum[QUARTERS];
        painnZero(QUARTERS, sum);
        painnDense(1, inputs, w+column, FEATURES, 0, in, sum);
        painnCollect(QUARTERS, sum, join);
        if (f >= 0)
            for (int q = 0; q < QUARTERS; q++) {
                real4 h = sum[q]+painnSpread(bias[f]);
                painnStore(hidden+f, FEATURES, base+4*q, n, h);
                out[f*QUARTERS+q] = painnSilu(h);
            }
        SYNC_THREADS;
    }
}

/* out[f] = silu'(hidden) (W^T in). */
DEVICE void painnHiddenBackward(int inputs, GLOBAL const real* RESTRICT w,
        ROOM_ARG const real4* in, GLOBAL const real* hidden, ROOM_ARG real4* out, int base, int n,
        LOCAL_ARG real4* RESTRICT join) {
    for (int f0 = 0; f0 < FEATURES; f0 += LANES) {
        int column = min(f0+(int) (LOCAL_ID%LANES), FEATURES-1), f = painnOwn(f0, FEATURES);
        real4 sum[QUARTERS];
        painnZero(QUARTERS, sum);
        painnDense(1, inputs, w+column, FEATURES, 0, in, sum);
        painnCollect(QUARTERS, sum, join);
        if (f >= 0)
            for (int q = 0; q < QUARTERS; q++)
                out[f*QUARTERS+q] =
                    sum[q]*painnSiluSlope(painnLoad(hidden+f, FEATURES, base+4*q, n));
        SYNC_THREADS;
    }
}

/* ----------------------------------------------------------------------------- context -- */

#ifdef CONTEXT
/* x [row][3][F] of the next layer, with its weights, from s at in; hidden [row][F]. */
DEVICE void painnContext(GLOBAL const real* RESTRICT weights, ROOM_ARG real4* in,
        ROOM_ARG real4* hiddenOut, GLOBAL real* hidden, GLOBAL real* x, int base, int n,
        LOCAL_ARG real4* RESTRICT join) {
    painnHidden(FEATURES, weights+CTX_W0_T, weights+CTX_B0, in, hidden, hiddenOut, base, n, join);
    for (int f0 = 0; f0 < FEATURES; f0 += LANES) {
        int column = min(f0+(int) (LOCAL_ID%LANES), FEATURES-1), f = painnOwn(f0, FEATURES);
        real4 sum[3*QUARTERS];
        painnZero(3*QUARTERS, sum);
        painnDense(3, FEATURES, weights+CTX_W1_T+column, 3*FEATURES, FEATURES, hiddenOut, sum);
        painnCollect(3*QUARTERS, sum, join);
        if (f >= 0) {
#pragma unroll
            for (int c = 0; c < 3; c++)
                for (int q = 0; q < QUARTERS; q++)
                    painnStore(x+c*FEATURES+f, 3*FEATURES, base+4*q, n,
                        sum[c*QUARTERS+q]+painnSpread(weights[CTX_B1+c*FEATURES+f]));
        }
        SYNC_THREADS;
    }
}
#endif

/* ------------------------------------------------------------------------------ update -- */

#ifndef CHANNEL
/* q_a = sum_b M_ab v_b, m on its row a. */
#define PAINN_MIX(m, v0, v1, v2) ((m)[0]*(v0)+(m)[1]*(v1)+(m)[2]*(v2))
#define PAINN_MIX_T(m, v0, v1, v2) ((m)[0]*(v0)+(m)[3]*(v1)+(m)[6]*(v2))
#endif

/*
 * c = [s; n] at in+3F, from s and v after the messages; p and q to mixed [row][p, q][3][F]
 * (channel; otherwise p is v).
 */
DEVICE void painnNorm(GLOBAL const real* RESTRICT weights, GLOBAL const real* s,
        GLOBAL const real* vMid, GLOBAL real* pq, ROOM_ARG real4* in, int base, int n,
        LOCAL_ARG real4* RESTRICT join) {
    ROOM_ARG real4* c = in+3*FEATURES*QUARTERS;
#ifdef CHANNEL
    painnFill(3*FEATURES, vMid, 3*FEATURES, base, n, in);
    SYNC_THREADS;
#endif
    for (int f0 = 0; f0 < FEATURES; f0 += LANES) {
        int f = painnOwn(f0, FEATURES);
        real4 p[3*QUARTERS];
#ifdef CHANNEL
        int column = min(f0+(int) (LOCAL_ID%LANES), FEATURES-1);
        real4 r[3*QUARTERS];
        painnZero(3*QUARTERS, p);
        painnZero(3*QUARTERS, r);
        GLOBAL const real* wp = weights+MIX_V_T+column;
        GLOBAL const real* wq = weights+MIX_W_T+column;
        int share = (FEATURES+GROUPS-1)/GROUPS;
        int first = (LOCAL_ID/LANES)*share, last = min(first+share, FEATURES);
#pragma unroll 2
        for (int k = first; k < last; k++) {
            real weightP = wp[k*FEATURES], weightQ = wq[k*FEATURES];
#pragma unroll
            for (int a = 0; a < 3; a++) {
#pragma unroll
                for (int q = 0; q < QUARTERS; q++) {
                    real4 v = in[(a*FEATURES+k)*QUARTERS+q];
                    p[a*QUARTERS+q] = p[a*QUARTERS+q]+weightP*v;
                    r[a*QUARTERS+q] = r[a*QUARTERS+q]+weightQ*v;
                }
            }
        }
        painnCollect(3*QUARTERS, p, join);
        SYNC_THREADS;
        painnCollect(3*QUARTERS, r, join);
        if (f >= 0) {
#pragma unroll
            for (int a = 0; a < 3; a++)
#pragma unroll
                for (int q = 0; q < QUARTERS; q++) {
                    painnStore(pq+a*FEATURES+f, 6*FEATURES, base+4*q, n, p[a*QUARTERS+q]);
                    painnStore(pq+(3+a)*FEATURES+f, 6*FEATURES, base+4*q, n, r[a*QUARTERS+q]);
                }
        }
#else
        if (f >= 0)
            for (int a = 0; a < 3; a++)
                for (int q = 0; q < QUARTERS; q++)
                    p[a*QUARTERS+q] = painnLoad(vMid+a*FEATURES+f, 3*FEATURES, base+4*q, n);
#endif
        if (f >= 0) {
#pragma unroll
            for (int q = 0; q < QUARTERS; q++) {
                real4 p0 = p[q], p1 = p[QUARTERS+q], p2 = p[2*QUARTERS+q];
                c[f*QUARTERS+q] = painnLoad(s+f, FEATURES, base+4*q, n);
                c[(FEATURES+f)*QUARTERS+q] = painnLength(p0*p0+p1*p1+p2*p2);
            }
        }
        SYNC_THREADS;
    }
}

/*
 * Update of ROWS rows. s after it stands at in+3F.
 *   pq  [row][6][F] kept: p and q (channel)
 *   hidden  [row][F]    kept
 *   gate    [row][2][F] kept: y^vv and y^sv; spatial: g1 and g2
 *   vOut    [row][3][F] v after the update; not in the last layer, which nothing follows
 */
DEVICE void painnUpdate(const int last, GLOBAL const real* RESTRICT weights, GLOBAL const real* s,
        GLOBAL const real* vMid, GLOBAL real* pq, GLOBAL real* hidden, GLOBAL real* gate,
        GLOBAL real* vOut, ROOM_ARG real4* in, int base, int n, LOCAL_ARG real4* RESTRICT join) {
    ROOM_ARG real4* c = in+3*FEATURES*QUARTERS;
    painnNorm(weights, s, vMid, pq, in, base, n, join);
    painnHidden(2*FEATURES, weights+UPD_W0_T, weights+UPD_B0, c, hidden, in, base, n, join);
    for (int f0 = 0; f0 < FEATURES; f0 += LANES) {
        int column = min(f0+(int) (LOCAL_ID%LANES), FEATURES-1), f = painnOwn(f0, FEATURES);
        GLOBAL const real* bias = weights+UPD_B1+f;
        real4 y[3*QUARTERS];
        painnZero(3*QUARTERS, y);
        painnDense(3, FEATURES, weights+UPD_W1_T+column, 3*FEATURES, FEATURES, in, y);
        painnCollect(3*QUARTERS, y, join);
        if (f >= 0) {
#pragma unroll
            for (int q = 0; q < QUARTERS; q++) {
                int row = base+4*q;
                real4 y0 = y[q]+painnSpread(bias[0]);
                real4 y1 = y[QUARTERS+q]+painnSpread(bias[FEATURES]);
                real4 y2 = y[2*QUARTERS+q]+painnSpread(bias[2*FEATURES]);
                real4 v0 = painnLoad(vMid+f, 3*FEATURES, row, n);
                real4 v1 = painnLoad(vMid+FEATURES+f, 3*FEATURES, row, n);
                real4 v2 = painnLoad(vMid+2*FEATURES+f, 3*FEATURES, row, n);
#ifdef CHANNEL
                real4 p0 = painnLoad(pq+f, 6*FEATURES, row, n);
                real4 p1 = painnLoad(pq+FEATURES+f, 6*FEATURES, row, n);
                real4 p2 = painnLoad(pq+2*FEATURES+f, 6*FEATURES, row, n);
                real4 q0 = painnLoad(pq+3*FEATURES+f, 6*FEATURES, row, n);
                real4 q1 = painnLoad(pq+4*FEATURES+f, 6*FEATURES, row, n);
                real4 q2 = painnLoad(pq+5*FEATURES+f, 6*FEATURES, row, n);
                c[f*QUARTERS+q] = c[f*QUARTERS+q]+y0+y2*(p0*q0+p1*q1+p2*q2);
                v0 = v0+y1*q0;
                v1 = v1+y1*q1;
                v2 = v2+y1*q2;
#else
                GLOBAL const real* m = weights+MIX_M;
                c[f*QUARTERS+q] = c[f*QUARTERS+q]+y0;
                real4 q0 = y1*v0+y2*PAINN_MIX(m, v0, v1, v2);
                real4 q1 = y1*v1+y2*PAINN_MIX(m+3, v0, v1, v2);
                v2 = y1*v2+y2*PAINN_MIX(m+6, v0, v1, v2);
                v0 = q0;
                v1 = q1;
#endif
                painnStore(gate+f, 2*FEATURES, row, n, y1);
                painnStore(gate+FEATURES+f, 2*FEATURES, row, n, y2);
                if (!last) {
                    painnStore(vOut+f, 3*FEATURES, row, n, v0);
                    painnStore(vOut+FEATURES+f, 3*FEATURES, row, n, v1);
                    painnStore(vOut+2*FEATURES+f, 3*FEATURES, row, n, v2);
                }
            }
        }
        SYNC_THREADS;
    }
}

/* gradY at in (3F) of one feature, from gs and gv after the update. */
DEVICE void painnUpdateBackwardY(const int last, GLOBAL const real* RESTRICT weights,
        GLOBAL const real* vMid, GLOBAL const real* pq, real4 gs, GLOBAL const real* gv,
        int gvWidth, ROOM_ARG real4* in, int f, int q, int row, int n) {
    real4 g0 = make_real4(0, 0, 0, 0), g1 = g0, g2 = g0;
    if (!last) {
        g0 = painnLoad(gv+f, gvWidth, row, n);
        g1 = painnLoad(gv+FEATURES+f, gvWidth, row, n);
        g2 = painnLoad(gv+2*FEATURES+f, gvWidth, row, n);
    }
#ifdef CHANNEL
    real4 p0 = painnLoad(pq+f, 6*FEATURES, row, n);
    real4 p1 = painnLoad(pq+FEATURES+f, 6*FEATURES, row, n);
    real4 p2 = painnLoad(pq+2*FEATURES+f, 6*FEATURES, row, n);
    real4 q0 = painnLoad(pq+3*FEATURES+f, 6*FEATURES, row, n);
    real4 q1 = painnLoad(pq+4*FEATURES+f, 6*FEATURES, row, n);
    real4 q2 = painnLoad(pq+5*FEATURES+f, 6*FEATURES, row, n);
    in[(FEATURES+f)*QUARTERS+q] = g0*q0+g1*q1+g2*q2;
    in[(2*FEATURES+f)*QUARTERS+q] = gs*(p0*q0+p1*q1+p2*q2);
#else
    GLOBAL const real* m = weights+MIX_M;
    real4 v0 = painnLoad(vMid+f, 3*FEATURES, row, n);
    real4 v1 = painnLoad(vMid+FEATURES+f, 3*FEATURES, row, n);
    real4 v2 = painnLoad(vMid+2*FEATURES+f, 3*FEATURES, row, n);
    in[(FEATURES+f)*QUARTERS+q] = g0*v0+g1*v1+g2*v2;
    in[(2*FEATURES+f)*QUARTERS+q] = g0*PAINN_MIX(m, v0, v1, v2)+g1*PAINN_MIX(m+3, v0, v1, v2)+
        g2*PAINN_MIX(m+6, v0, v1, v2);
#endif
    in[f*QUARTERS+q] = gs;
}

/*
 * What the norm and the products leave of the gradients of one feature: channel, gradP and gradQ
 * to in (6F); spatial, the new gradient of v.
 *   gs       before the update's own share is added
 *   gn       gradient of the norm
 */
DEVICE void painnUpdateBackwardV(const int last, GLOBAL const real* RESTRICT weights,
        GLOBAL const real* vMid, GLOBAL const real* pq, GLOBAL const real* gate, real4 gs,
        real4 gn, GLOBAL const real* gvOld, int gvWidth, GLOBAL real* gv, ROOM_ARG real4* in, int f,
        int q, int row, int n) {
    real4 g0 = make_real4(0, 0, 0, 0), g1 = g0, g2 = g0;
    if (!last) {
        g0 = painnLoad(gvOld+f, gvWidth, row, n);
        g1 = painnLoad(gvOld+FEATURES+f, gvWidth, row, n);
        g2 = painnLoad(gvOld+2*FEATURES+f, gvWidth, row, n);
    }
    real4 y1 = painnLoad(gate+f, 2*FEATURES, row, n);
    real4 y2 = painnLoad(gate+FEATURES+f, 2*FEATURES, row, n);
#ifdef CHANNEL
    real4 p0 = painnLoad(pq+f, 6*FEATURES, row, n);
    real4 p1 = painnLoad(pq+FEATURES+f, 6*FEATURES, row, n);
    real4 p2 = painnLoad(pq+2*FEATURES+f, 6*FEATURES, row, n);
    real4 q0 = painnLoad(pq+3*FEATURES+f, 6*FEATURES, row, n);
    real4 q1 = painnLoad(pq+4*FEATURES+f, 6*FEATURES, row, n);
    real4 q2 = painnLoad(pq+5*FEATURES+f, 6*FEATURES, row, n);
    real4 over = painnRatio(gn, painnLength(p0*p0+p1*p1+p2*p2));
    real4 gt = gs*y2;
    in[f*QUARTERS+q] = gt*q0+over*p0;
    in[(FEATURES+f)*QUARTERS+q] = gt*q1+over*p1;
    in[(2*FEATURES+f)*QUARTERS+q] = gt*q2+over*p2;
    in[(3*FEATURES+f)*QUARTERS+q] = gt*p0+y1*g0;
    in[(4*FEATURES+f)*QUARTERS+q] = gt*p1+y1*g1;
    in[(5*FEATURES+f)*QUARTERS+q] = gt*p2+y1*g2;
#else
    GLOBAL const real* m = weights+MIX_M;
    real4 v0 = painnLoad(vMid+f, 3*FEATURES, row, n);
    real4 v1 = painnLoad(vMid+FEATURES+f, 3*FEATURES, row, n);
    real4 v2 = painnLoad(vMid+2*FEATURES+f, 3*FEATURES, row, n);
    real4 over = painnRatio(gn, painnLength(v0*v0+v1*v1+v2*v2));
    painnStore(gv+f, 3*FEATURES, row, n, y1*g0+y2*PAINN_MIX_T(m, g0, g1, g2)+over*v0);
    painnStore(gv+FEATURES+f, 3*FEATURES, row, n,
        y1*g1+y2*PAINN_MIX_T(m+1, g0, g1, g2)+over*v1);
    painnStore(gv+2*FEATURES+f, 3*FEATURES, row, n,
        y1*g2+y2*PAINN_MIX_T(m+2, g0, g1, g2)+over*v2);
#endif
}

#ifdef CHANNEL
/* gv = gvOld + V^T gradP + U^T gradQ, with gradP and gradQ at in (6F). */
DEVICE void painnMixBackward(const int last, GLOBAL const real* RESTRICT weights,
        GLOBAL const real* gvOld, int gvWidth, GLOBAL real* gv, ROOM_ARG const real4* in, int base,
        int n, LOCAL_ARG real4* RESTRICT join) {
    for (int f0 = 0; f0 < FEATURES; f0 += LANES) {
        int column = min(f0+(int) (LOCAL_ID%LANES), FEATURES-1), f = painnOwn(f0, FEATURES);
        GLOBAL const real* wp = weights+MIX_V+column;
        GLOBAL const real* wq = weights+MIX_W+column;
        real4 sum[3*QUARTERS];
        painnZero(3*QUARTERS, sum);
        int share = (FEATURES+GROUPS-1)/GROUPS;
        int first = (LOCAL_ID/LANES)*share, end = min(first+share, FEATURES);
#pragma unroll 2
        for (int k = first; k < end; k++) {
            real weightP = wp[k*FEATURES], weightQ = wq[k*FEATURES];
#pragma unroll
            for (int a = 0; a < 3; a++) {
#pragma unroll
                for (int q = 0; q < QUARTERS; q++)
                    sum[a*QUARTERS+q] = sum[a*QUARTERS+q]+
                        weightP*in[(a*FEATURES+k)*QUARTERS+q]+
                        weightQ*in[((3+a)*FEATURES+k)*QUARTERS+q];
            }
        }
        painnCollect(3*QUARTERS, sum, join);
        if (f >= 0) {
#pragma unroll
            for (int a = 0; a < 3; a++)
#pragma unroll
                for (int q = 0; q < QUARTERS; q++) {
                    real4 value = sum[a*QUARTERS+q];
                    if (!last)
                        value = value+painnLoad(gvOld+a*FEATURES+f, gvWidth, base+4*q, n);
                    painnStore(gv+a*FEATURES+f, 3*FEATURES, base+4*q, n, value);
                }
        }
        SYNC_THREADS;
    }
}
#endif

/*
 * Reverse of painnUpdate(): gs [row][F] in place, gv [row][3][F] from gvOld [row][gvWidth]. At in
 * stands gradY (3F), made by painnUpdateBackwardY().  In the last layer gvOld is zero.
 */
DEVICE void painnUpdateBackward(const int last, GLOBAL const real* RESTRICT weights,
        GLOBAL const real* vMid, GLOBAL const real* pq, GLOBAL const real* hidden,
        GLOBAL const real* gate, GLOBAL real* gs, GLOBAL const real* gvOld, int gvWidth,
        GLOBAL real* gv, ROOM_ARG real4* in, int base, int n, LOCAL_ARG real4* RESTRICT join) {
    ROOM_ARG real4* gradHidden = in+6*FEATURES*QUARTERS;
    painnHiddenBackward(3*FEATURES, weights+UPD_W1, in, hidden, gradHidden, base, n, join);
    for (int f0 = 0; f0 < FEATURES; f0 += LANES) {
        int column = min(f0+(int) (LOCAL_ID%LANES), FEATURES-1), f = painnOwn(f0, FEATURES);
        real4 sum[2*QUARTERS];
        painnZero(2*QUARTERS, sum);
        painnDense(2, FEATURES, weights+UPD_W0+column, 2*FEATURES, FEATURES, gradHidden, sum);
        painnCollect(2*QUARTERS, sum, join);
        if (f >= 0) {
#pragma unroll
            for (int q = 0; q < QUARTERS; q++) {
                real4 old = painnLoad(gs+f, FEATURES, base+4*q, n);
                painnUpdateBackwardV(last, weights, vMid, pq, gate, old, sum[QUARTERS+q],
                    gvOld, gvWidth, gv, in, f, q, base+4*q, n);
                painnStore(gs+f, FEATURES, base+4*q, n, old+sum[q]);
            }
        }
        SYNC_THREADS;
    }
#ifdef CHANNEL
    painnMixBackward(last, weights, gvOld, gvWidth, gv, in, base, n, join);
#endif
}

/* ----------------------------------------------------------------------------- readout -- */

/*
 * The readout is a list of steps, READOUT_STEPS forward and READOUT_BACK_STEPS in reverse: at most
 * LANES outputs of a linear layer each, so that one loop serves layers of any number and width.
 * What a step is, in plan [step][8]:
 *   0 inputs   1 outputs of the layer   2 first output of the step   3 weights, [input][output]
 *   4 bias     5 pre-activations in a row of hidden, -1: none        6 whether it ends the layer
 */
#define PAINN_STEP 8

/*
 * Steps first ... first+steps-1 of the plan for ROWS rows, from in; the place of the last layer's
 * outputs is returned.
 *   reverse   outputs are times silu'(hidden); else hidden is kept and silu taken
 *   hidden    [row][READOUT_HIDDEN]
 *   other     room beside in, for the widest layer; in and other change places
 */
DEVICE ROOM_ARG real4* painnReadoutSteps(const int reverse, int first, int steps,
        GLOBAL const int* RESTRICT plan, GLOBAL const real* RESTRICT weights,
        GLOBAL real* hidden, ROOM_ARG real4* in, ROOM_ARG real4* other, int base, int n,
        LOCAL_ARG real4* RESTRICT join) {
    for (int step = first; step < first+steps; step++) {
        GLOBAL const int* what = plan+step*PAINN_STEP;
        int outputs = what[1], kept = what[5];
        int column = min(what[2]+(int) (LOCAL_ID%LANES), outputs-1), f = painnOwn(what[2], outputs);
        real4 sum[QUARTERS];
        painnZero(QUARTERS, sum);
        painnDense(1, what[0], weights+what[3]+column, outputs, 0, in, sum);
        painnCollect(QUARTERS, sum, join);
        if (f >= 0)
            for (int q = 0; q < QUARTERS; q++) {
                real4 value = sum[q];
                if (!reverse)
                    value = value+painnSpread(weights[what[4]+f]);
                if (kept >= 0 && reverse)
                    value = value*painnSiluSlope(painnLoad(hidden+kept+f, READOUT_HIDDEN,
                        base+4*q, n));
                else if (kept >= 0) {
                    painnStore(hidden+kept+f, READOUT_HIDDEN, base+4*q, n, value);
                    value = painnSilu(value);
                }
                other[f*QUARTERS+q] = value;
            }
        SYNC_THREADS;
        if (what[6]) {
            ROOM_ARG real4* done = other;
            other = in;
            in = done;
        }
    }
    return in;
}

/*
 * Energies of ROWS rows, without the element constants and in units of the last linear layer, at
 * the place returned; from s at in.
 */
DEVICE ROOM_ARG real4* painnReadout(GLOBAL const int* RESTRICT plan,
        GLOBAL const real* RESTRICT weights, GLOBAL real* hidden, ROOM_ARG real4* in,
        ROOM_ARG real4* other, int base, int n, LOCAL_ARG real4* RESTRICT join) {
    return painnReadoutSteps(0, 0, READOUT_STEPS, plan, weights, hidden, in, other, base, n, join);
}

/* Reverse of painnReadout(), from 1: the gradient of s, at the place returned. */
DEVICE ROOM_ARG real4* painnReadoutBackward(GLOBAL const int* RESTRICT plan,
        GLOBAL const real* RESTRICT weights, GLOBAL real* hidden, ROOM_ARG real4* in,
        ROOM_ARG real4* other, int base, int n, LOCAL_ARG real4* RESTRICT join) {
    for (int q = LOCAL_ID; q < QUARTERS; q += BLOCK)
        in[q] = painnSpread(1);
    SYNC_THREADS;
    return painnReadoutSteps(1, READOUT_STEPS, READOUT_BACK_STEPS, plan, weights, hidden, in, other,
        base, n, join);
}

/* ----------------------------------------------------------------------------- kernels -- */

#ifdef WIDE
#define PAINN_ROOM GLOBAL real4* in = scratch+(size_t) GROUP_ID*ROOM;
#else
#define PAINN_ROOM LOCAL real4 in[ROOM];
#endif

/*
 * Update of a layer, and x of the next.
 *   layer, next   sets of weights
 *   s             after the messages; out: after the update
 *   vOut          v after the update: at the start of the next layer
 *   xHidden       [row][F] kept, context only
 *   x             of the next layer
 */
KERNEL void mlffPainnNode(GLOBAL const real* RESTRICT weights, int layer, int next,
        GLOBAL real* RESTRICT s, GLOBAL const real* RESTRICT vMid, GLOBAL real* RESTRICT pq,
        GLOBAL real* RESTRICT hidden, GLOBAL real* RESTRICT gate, GLOBAL real* RESTRICT vOut,
        GLOBAL real* RESTRICT xHidden, GLOBAL real* RESTRICT x, GLOBAL real4* RESTRICT scratch,
        int n) {
    PAINN_ROOM
    LOCAL real4 join[JOIN];
    for (int base = GROUP_ID*ROWS; base < n; base += NUM_GROUPS*ROWS) {
        painnUpdate(0, weights+(size_t) layer*WEIGHTS, s, vMid, pq, hidden, gate, vOut, in,
            base, n, join);
        for (int f = LOCAL_ID; f < FEATURES; f += BLOCK)
            for (int q = 0; q < QUARTERS; q++) {
                real4 value = in[(3*FEATURES+f)*QUARTERS+q];
                painnStore(s+f, FEATURES, base+4*q, n, value);
#ifndef CONTEXT
                painnStore(x+f, FEATURES, base+4*q, n, value);
#endif
            }
#ifdef CONTEXT
        painnContext(weights+(size_t) next*WEIGHTS, in+3*FEATURES*QUARTERS, in, xHidden, x, base,
            n, join);
#endif
        SYNC_THREADS;
    }
}

/*
 * Last layer: update, readout, and, if forces are wanted, both in reverse.
 *   s, vMid       after the messages; out, with forces: gradients there
 *   energies      that of the network is added, eV
 *   scale         eV per unit of the last linear layer
 */
KERNEL void mlffPainnNodeLast(GLOBAL const real* RESTRICT weights, int layer,
        GLOBAL const int* RESTRICT plan, GLOBAL const real* RESTRICT readout,
        GLOBAL real* RESTRICT s, GLOBAL real* RESTRICT vMid, GLOBAL real* RESTRICT pq,
        GLOBAL real* RESTRICT hidden, GLOBAL real* RESTRICT gate,
        GLOBAL real* RESTRICT readoutHidden, GLOBAL mm_ulong* RESTRICT energies,
        GLOBAL int* RESTRICT status, GLOBAL real4* RESTRICT scratch, int n, real scale,
        int forces) {
    PAINN_ROOM
    LOCAL real4 join[JOIN];
    GLOBAL const real* own = weights+(size_t) layer*WEIGHTS;
    for (int base = GROUP_ID*ROWS; base < n; base += NUM_GROUPS*ROWS) {
        ROOM_ARG real4* after = in+3*FEATURES*QUARTERS;
        painnUpdate(1, own, s, vMid, pq, hidden, gate, s, in, base, n, join);
        ROOM_ARG real4* e = painnReadout(plan, readout, readoutHidden, after,
            after+READOUT_WIDEST*QUARTERS, base, n, join);
        for (int t = LOCAL_ID; t < ROWS && base+t < n; t += BLOCK)
            addEnergy(&energies[0],
                guardEnergy(scale*((ROOM_ARG const real*) e)[t], base+t, status));
        SYNC_THREADS;
        if (forces) {
            ROOM_ARG real4* gs = painnReadoutBackward(plan, readout, readoutHidden, after,
                after+READOUT_WIDEST*QUARTERS, base, n, join);
            for (int f0 = 0; f0 < FEATURES; f0 += LANES) {
                int f = painnOwn(f0, FEATURES);
                if (f >= 0)
                    for (int q = 0; q < QUARTERS; q++) {
                        real4 g = gs[f*QUARTERS+q];
                        painnStore(s+f, FEATURES, base+4*q, n, g);
                        painnUpdateBackwardY(1, own, vMid, pq, g, s, 0, in, f, q, base+4*q, n);
                    }
            }
            SYNC_THREADS;
            painnUpdateBackward(1, own, vMid, pq, hidden, gate, s, s, 0, vMid, in, base, n, join);
        }
        SYNC_THREADS;
    }
}

/*
 * Reverse of mlffPainnNode().
 *   sent    [row][SENT+3][F] gradients of x and v at the start of the next layer
 *   gs, gv  in: of s after the next layer's messages; out: of s and v after this layer's
 */
KERNEL void mlffPainnNodeBackward(GLOBAL const real* RESTRICT weights, int layer, int next,
        GLOBAL const real* RESTRICT vMid, GLOBAL const real* RESTRICT pq,
        GLOBAL const real* RESTRICT hidden, GLOBAL const real* RESTRICT gate,
        GLOBAL const real* RESTRICT xHidden, GLOBAL const real* RESTRICT sent,
        GLOBAL real* RESTRICT gs, GLOBAL real* RESTRICT gv, GLOBAL real4* RESTRICT scratch, int n) {
    const int width = (SENT+3)*FEATURES;
    PAINN_ROOM
    LOCAL real4 join[JOIN];
    GLOBAL const real* own = weights+(size_t) layer*WEIGHTS;
    GLOBAL const real* gvOld = sent+SENT*FEATURES;
    for (int base = GROUP_ID*ROWS; base < n; base += NUM_GROUPS*ROWS) {
#ifdef CONTEXT
        GLOBAL const real* context = weights+(size_t) next*WEIGHTS;
        ROOM_ARG real4* gradHidden = in+6*FEATURES*QUARTERS;
        painnFill(3*FEATURES, sent, width, base, n, in);
        SYNC_THREADS;
        painnHiddenBackward(3*FEATURES, context+CTX_W1, in, xHidden, gradHidden, base, n, join);
#endif
        for (int f0 = 0; f0 < FEATURES; f0 += LANES) {
            int f = painnOwn(f0, FEATURES);
            real4 sum[QUARTERS];
            painnZero(QUARTERS, sum);
#ifdef CONTEXT
            int column = min(f0+(int) (LOCAL_ID%LANES), FEATURES-1);
            painnDense(1, FEATURES, context+CTX_W0+column, FEATURES, 0, gradHidden, sum);
            painnCollect(QUARTERS, sum, join);
#else
            if (f >= 0)
                for (int q = 0; q < QUARTERS; q++)
                    sum[q] = painnLoad(sent+f, width, base+4*q, n);
#endif
            if (f >= 0) {
#pragma unroll
                for (int q = 0; q < QUARTERS; q++) {
                    real4 g = sum[q]+painnLoad(gs+f, FEATURES, base+4*q, n);
                    painnStore(gs+f, FEATURES, base+4*q, n, g);
                    painnUpdateBackwardY(0, own, vMid, pq, g, gvOld, width, in, f, q,
                        base+4*q, n);
                }
            }
            SYNC_THREADS;
        }
        painnUpdateBackward(0, own, vMid, pq, hidden, gate, gs, gvOld, width, gv, in, base, n,
            join);
        SYNC_THREADS;
    }
}
