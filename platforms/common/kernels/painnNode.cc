/*
 * PaiNN within atoms: update, context of the next layer and readout, forward and in reverse;
 * docs/math/painn.md has the equations. A block works on ROWS rows at a time: a weight is read once
 * for all of them, inputs of a dense layer are broadcast from local memory.
 *
 *   FEATURES       F
 *   ROWS           1, or 4*QUARTERS; the values of ROWS rows are QUARTERS of type `rows`: real for
 *                  one row, else real4
 *   WIDTH          outputs of a dense layer that a thread computes: of one row 4, 2 or 1, whatever
 *                  are 16 bytes at most and divides F, else 1
 *   OUT_LANES      threads side by side on the outputs; more of these take several rounds
 *   OUT_GROUPS     groups of OUT_LANES threads that share out the inputs
 *   OUT_COLUMNS    OUT_LANES*WIDTH, at most BLOCK
 *   BLOCK          threads; those behind OUT_LANES*OUT_GROUPS have no part in dense layers
 *   DEPTH          reads of weights that a thread has on their way at once
 *   ROOM           `rows` a block needs for inputs of dense layers; in scratch memory with WIDE
 *   JOIN           `part` for joining groups; of tensor cores, tensorRows.cu says how many
 *   STATE_ARG      where the values of rows stand that kernels pass on: GLOBAL; LOCAL_ARG, where
 *                  messages are in the same kernel (painnFused.cc)
 *   WEIGHTS        reals of a layer's weights, and where in them each tensor stands, on multiples
 *                  of 4: names ending in _T are [in][out], for the forward pass, the others
 *                  [out][in].
 *                  MIX is both matrices, V first
 *   TENSOR_PAIRS   if defined, tensor cores compute the layers' products (tensorRows.cu), of 16
 *                  rows, from weights in their own order; those of the readout stay here
 *
 * Element k of an input stands at in[k*QUARTERS], so that columns of a row are apart by QUARTERS.
 * A thread owns features LOCAL_ID, LOCAL_ID+OUT_COLUMNS ...: what it writes of them between two
 * barriers, it itself reads.
 */

#ifdef WIDE
#define ROOM_ARG GLOBAL
#else
#define ROOM_ARG LOCAL_ARG
#endif

#if ROWS == 1
#define QUARTERS 1
#define rows real
#define make_rows(f, x) f(x)
#else
#define rows real4
#define make_rows(f, x) make_real4(f((x).x), f((x).y), f((x).z), f((x).w))
#endif

/* What computes the products of a layer, and vectors that it takes at once. */
#ifdef TENSOR_PAIRS
#define painnLayer painnTensor
#define MIX_VECTORS 1
#define MIX_APART FEATURES
#else
#define painnLayer painnLinear
#define MIX_VECTORS 3
#define MIX_APART (FEATURES*FEATURES)
#endif

/* Weights that a thread reads at once, and what it sums of them. */
#if WIDTH == 4
#define weights_t real4
#define part real4
#define PART_ZERO make_real4(0, 0, 0, 0)
#elif WIDTH == 2
#define weights_t real2
#define part real2
#define PART_ZERO make_real2(0, 0)
#else
#define weights_t real
#define part rows
#if ROWS == 1
#define PART_ZERO 0
#else
#define PART_ZERO make_real4(0, 0, 0, 0)
#endif
#endif

/* -------------------------------------------------------------------------------- rows -- */

/* A column of a lane's rows, p already on it; rows behind the last stand for the last. */
DEVICE rows painnLoad(STATE_ARG const real* p, int width, int first, int n) {
#if ROWS == 1
    return p[(size_t) first*width];
#else
    int last = n-1;
    return make_real4(p[(size_t) min(first, last)*width], p[(size_t) min(first+1, last)*width],
        p[(size_t) min(first+2, last)*width], p[(size_t) min(first+3, last)*width]);
#endif
}

DEVICE void painnStore(STATE_ARG real* p, int width, int first, int n, rows value) {
#if ROWS == 1
    p[(size_t) first*width] = value;
#else
    if (first < n)
        p[(size_t) first*width] = value.x;
    if (first+1 < n)
        p[(size_t) (first+1)*width] = value.y;
    if (first+2 < n)
        p[(size_t) (first+2)*width] = value.z;
    if (first+3 < n)
        p[(size_t) (first+3)*width] = value.w;
#endif
}

/* Columns of rows base ... base+ROWS-1 to in[]. */
DEVICE void painnFill(int columns, STATE_ARG const real* p, int width, int base, int n,
        ROOM_ARG rows* in) {
    for (int k = LOCAL_ID; k < columns; k += BLOCK)
        for (int q = 0; q < QUARTERS; q++)
            in[k*QUARTERS+q] = painnLoad(p+k, width, base+4*q, n);
}

DEVICE real painnSilu1(real x) {
    return x*(1/(1+EXP(-x)));
}

DEVICE rows painnSilu(rows x) {
    return make_rows(painnSilu1, x);
}

DEVICE real painnSiluSlope1(real x) {
    real g = 1/(1+EXP(-x));
    return g*(1+x*(1-g));
}

DEVICE rows painnSiluSlope(rows x) {
    return make_rows(painnSiluSlope1, x);
}

DEVICE rows painnSpread(real x) {
#if ROWS == 1
    return x;
#else
    return make_real4(x, x, x, x);
#endif
}

/* Norm of a vector feature, from its square. */
DEVICE real painnLength1(real x) {
    return SQRT(x+NORM_EPS);
}

DEVICE rows painnLength(rows x) {
    return make_rows(painnLength1, x);
}

/* a/b, 0 where b is 0. */
DEVICE rows painnRatio(rows a, rows b) {
#if ROWS == 1
    return b > 0 ? a/b : 0;
#else
    return make_real4(b.x > 0 ? a.x/b.x : 0, b.y > 0 ? a.y/b.y : 0, b.z > 0 ? a.z/b.z : 0,
        b.w > 0 ? a.w/b.w : 0);
#endif
}

/* ----------------------------------------------------------------------- dense layers -- */

/* The feature of a thread in the round from f0 on, if it owns one, else -1. */
DEVICE int painnOwn(int f0, int width) {
    int f = f0+LOCAL_ID;
    return (LOCAL_ID < OUT_COLUMNS && f < width ? f : -1);
}

/*
 * The groups' sums, in the threads that own an output; what others get has no meaning. Another
 * barrier must stand before the next join. No condition stands behind the barrier: PoCL's compiler
 * would thread it through the barrier to its opposite before it, and drop group 1's part.
 */
DEVICE void painnCollect(const int count, part* sums, rows* sum, LOCAL_ARG part* join) {
    int lane = LOCAL_ID%OUT_LANES;
#if ROWS == 1
    int group = LOCAL_ID/OUT_LANES;
    if (group < OUT_GROUPS) {
#pragma unroll
        for (int c = 0; c < count; c++)
            join[(c*OUT_GROUPS+group)*OUT_LANES+lane] = sums[c];
    }
    SYNC_THREADS;
    LOCAL_ARG const real* own = (LOCAL_ARG const real*) join;
    own += min((int) LOCAL_ID, OUT_COLUMNS-1);
#pragma unroll
    for (int c = 0; c < count; c++) {
        real total = 0;
#pragma unroll
        for (int g = 0; g < OUT_GROUPS; g++)
            total += own[(c*OUT_GROUPS+g)*OUT_COLUMNS];
        sum[c] = total;
    }
#elif OUT_GROUPS > 1
    if (LOCAL_ID >= OUT_LANES) {
#pragma unroll
        for (int c = 0; c < count; c++)
            join[c*OUT_LANES+lane] = sums[c];
    }
    SYNC_THREADS;
#pragma unroll
    for (int c = 0; c < count; c++)
        sum[c] = sums[c]+join[c*OUT_LANES+lane];
#else
#pragma unroll
    for (int c = 0; c < count; c++)
        sum[c] = sums[c];
#endif
}

/*
 * A dense layer without its bias, of one vector or of several; in the threads that own an output o
 * of the round from f0 on:
 *   sum[c*vectors+a] = sum_k w[k*width+c*apart+o] in[a*step+k],  c < columns, a < vectors
 * each of them QUARTERS. The groups take a share of k each.
 */
DEVICE void painnLinear(const int columns, const int vectors, int inputs,
        GLOBAL const real* RESTRICT w, int width, int apart, int f0, int outputs,
        ROOM_ARG const rows* in, int step, rows* sum, LOCAL_ARG part* join) {
    part sums[6*QUARTERS];
#pragma unroll
    for (int c = 0; c < columns*vectors*QUARTERS; c++)
        sums[c] = PART_ZERO;
    w += min(f0+WIDTH*((int) LOCAL_ID%OUT_LANES), outputs-WIDTH);
    int share = (inputs+OUT_GROUPS-1)/OUT_GROUPS;
    int first = ((int) LOCAL_ID/OUT_LANES)*share, last = min(first+share, inputs);
#pragma unroll DEPTH
    for (int k = first; k < last; k++) {
#pragma unroll
        for (int c = 0; c < columns; c++) {
            weights_t weight = *((GLOBAL const weights_t*) (w+(size_t) k*width+c*apart));
#pragma unroll
            for (int a = 0; a < vectors; a++)
#pragma unroll
                for (int q = 0; q < QUARTERS; q++) {
                    int at = (c*vectors+a)*QUARTERS+q;
                    sums[at] = sums[at]+weight*in[(a*step+k)*QUARTERS+q];
                }
        }
    }
    /* three at a time */
    painnCollect(min(columns*vectors, 3)*QUARTERS, sums, sum, join);
    if (columns*vectors > 3) {
        SYNC_THREADS;
        painnCollect((columns*vectors-3)*QUARTERS, sums+3*QUARTERS, sum+3*QUARTERS, join);
    }
}

/* out[f] = silu(bias + W in), and what silu is taken of to hidden [row][F]. */
DEVICE void painnHidden(int inputs, GLOBAL const real* RESTRICT w, GLOBAL const real* RESTRICT bias,
        ROOM_ARG const rows* in, STATE_ARG real* hidden, ROOM_ARG rows* out, int base, int n,
        LOCAL_ARG part* join) {
    for (int f0 = 0; f0 < FEATURES; f0 += OUT_COLUMNS) {
        int f = painnOwn(f0, FEATURES);
        rows sum[QUARTERS];
        painnLayer(1, 1, inputs, w, FEATURES, 0, f0, FEATURES, in, 0, sum, join);
        if (f >= 0)
            for (int q = 0; q < QUARTERS; q++) {
                rows h = sum[q]+painnSpread(bias[f]);
                painnStore(hidden+f, FEATURES, base+4*q, n, h);
                out[f*QUARTERS+q] = painnSilu(h);
            }
        SYNC_THREADS;
    }
}

/* out[f] = silu'(hidden) (W^T in). */
DEVICE void painnHiddenBackward(int inputs, GLOBAL const real* RESTRICT w,
        ROOM_ARG const rows* in, STATE_ARG const real* hidden, ROOM_ARG rows* out, int base, int n,
        LOCAL_ARG part* join) {
    for (int f0 = 0; f0 < FEATURES; f0 += OUT_COLUMNS) {
        int f = painnOwn(f0, FEATURES);
        rows sum[QUARTERS];
        painnLayer(1, 1, inputs, w, FEATURES, 0, f0, FEATURES, in, 0, sum, join);
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
DEVICE void painnContext(GLOBAL const real* RESTRICT weights, ROOM_ARG rows* in,
        ROOM_ARG rows* hiddenOut, STATE_ARG real* hidden, STATE_ARG real* x, int base, int n,
        LOCAL_ARG part* join) {
    painnHidden(FEATURES, weights+CTX_W0_T, weights+CTX_B0, in, hidden, hiddenOut, base, n, join);
    for (int f0 = 0; f0 < FEATURES; f0 += OUT_COLUMNS) {
        int f = painnOwn(f0, FEATURES);
        rows sum[3*QUARTERS];
        painnLayer(3, 1, FEATURES, weights+CTX_W1_T, 3*FEATURES, FEATURES, f0, FEATURES, hiddenOut,
            0, sum, join);
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

#ifdef CHANNEL
/* p and q, of the vectors at in, of the thread's feature; square: |p|^2 is added. */
DEVICE void painnMix(GLOBAL const real* RESTRICT weights, STATE_ARG real* pq,
        ROOM_ARG const rows* in, int f, int f0, rows* square, int base, int n,
        LOCAL_ARG part* join) {
    for (int a0 = 0; a0 < 3; a0 += MIX_VECTORS) {
        rows p[2*MIX_VECTORS*QUARTERS];
        painnLayer(2, MIX_VECTORS, FEATURES, weights+MIX_T, FEATURES, MIX_APART, f0, FEATURES,
            in+a0*FEATURES*QUARTERS, FEATURES, p, join);
        if (f >= 0) {
#pragma unroll
            for (int a = 0; a < MIX_VECTORS; a++)
#pragma unroll
                for (int q = 0; q < QUARTERS; q++) {
                    rows own = p[a*QUARTERS+q];
                    painnStore(pq+(a0+a)*FEATURES+f, 6*FEATURES, base+4*q, n, own);
                    painnStore(pq+(3+a0+a)*FEATURES+f, 6*FEATURES, base+4*q, n,
                        p[(MIX_VECTORS+a)*QUARTERS+q]);
                    square[q] = square[q]+own*own;
                }
        }
    }
}
#endif

/*
 * c = [s; n] at in+3F, from s and v after the messages; p and q to pq [row][p, q][3][F]
 * (channel; otherwise p is v).
 */
DEVICE void painnNorm(GLOBAL const real* RESTRICT weights, STATE_ARG const real* s,
        STATE_ARG const real* vMid, STATE_ARG real* pq, ROOM_ARG rows* in, int base, int n,
        LOCAL_ARG part* join) {
    ROOM_ARG rows* c = in+3*FEATURES*QUARTERS;
#ifdef CHANNEL
    painnFill(3*FEATURES, vMid, 3*FEATURES, base, n, in);
    SYNC_THREADS;
#endif
    for (int f0 = 0; f0 < FEATURES; f0 += OUT_COLUMNS) {
        int f = painnOwn(f0, FEATURES);
        rows square[QUARTERS];
#pragma unroll
        for (int q = 0; q < QUARTERS; q++)
            square[q] = painnSpread(0);
#ifdef CHANNEL
        painnMix(weights, pq, in, f, f0, square, base, n, join);
#else
        if (f >= 0)
            for (int a = 0; a < 3; a++)
                for (int q = 0; q < QUARTERS; q++) {
                    rows p = painnLoad(vMid+a*FEATURES+f, 3*FEATURES, base+4*q, n);
                    square[q] = square[q]+p*p;
                }
#endif
        if (f >= 0)
#pragma unroll
            for (int q = 0; q < QUARTERS; q++) {
                c[f*QUARTERS+q] = painnLoad(s+f, FEATURES, base+4*q, n);
                c[(FEATURES+f)*QUARTERS+q] = painnLength(square[q]);
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
DEVICE void painnUpdate(const int last, GLOBAL const real* RESTRICT weights,
        STATE_ARG const real* s, STATE_ARG const real* vMid, STATE_ARG real* pq,
        STATE_ARG real* hidden, STATE_ARG real* gate,
        STATE_ARG real* vOut, ROOM_ARG rows* in, int base, int n, LOCAL_ARG part* join) {
    ROOM_ARG rows* c = in+3*FEATURES*QUARTERS;
    painnNorm(weights, s, vMid, pq, in, base, n, join);
    painnHidden(2*FEATURES, weights+UPD_W0_T, weights+UPD_B0, c, hidden, in, base, n, join);
    for (int f0 = 0; f0 < FEATURES; f0 += OUT_COLUMNS) {
        int f = painnOwn(f0, FEATURES);
        GLOBAL const real* bias = weights+UPD_B1+f;
        rows y[3*QUARTERS];
        painnLayer(3, 1, FEATURES, weights+UPD_W1_T, 3*FEATURES, FEATURES, f0, FEATURES, in, 0, y,
            join);
        if (f >= 0) {
#pragma unroll
            for (int q = 0; q < QUARTERS; q++) {
                int row = base+4*q;
                rows y0 = y[q]+painnSpread(bias[0]);
                rows y1 = y[QUARTERS+q]+painnSpread(bias[FEATURES]);
                rows y2 = y[2*QUARTERS+q]+painnSpread(bias[2*FEATURES]);
                rows v0 = painnLoad(vMid+f, 3*FEATURES, row, n);
                rows v1 = painnLoad(vMid+FEATURES+f, 3*FEATURES, row, n);
                rows v2 = painnLoad(vMid+2*FEATURES+f, 3*FEATURES, row, n);
#ifdef CHANNEL
                rows p0 = painnLoad(pq+f, 6*FEATURES, row, n);
                rows p1 = painnLoad(pq+FEATURES+f, 6*FEATURES, row, n);
                rows p2 = painnLoad(pq+2*FEATURES+f, 6*FEATURES, row, n);
                rows q0 = painnLoad(pq+3*FEATURES+f, 6*FEATURES, row, n);
                rows q1 = painnLoad(pq+4*FEATURES+f, 6*FEATURES, row, n);
                rows q2 = painnLoad(pq+5*FEATURES+f, 6*FEATURES, row, n);
                c[f*QUARTERS+q] = c[f*QUARTERS+q]+y0+y2*(p0*q0+p1*q1+p2*q2);
                v0 = v0+y1*q0;
                v1 = v1+y1*q1;
                v2 = v2+y1*q2;
#else
                GLOBAL const real* m = weights+MIX_M;
                c[f*QUARTERS+q] = c[f*QUARTERS+q]+y0;
                rows q0 = y1*v0+y2*PAINN_MIX(m, v0, v1, v2);
                rows q1 = y1*v1+y2*PAINN_MIX(m+3, v0, v1, v2);
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
        STATE_ARG const real* vMid, STATE_ARG const real* pq, rows gs, STATE_ARG const real* gv,
        int gvWidth, ROOM_ARG rows* in, int f, int q, int row, int n) {
#ifdef CHANNEL
    rows gradY1 = painnSpread(0), product = gradY1;
    for (int a = 0; a < 3; a++) {
        rows q_a = painnLoad(pq+(3+a)*FEATURES+f, 6*FEATURES, row, n);
        product = product+q_a*painnLoad(pq+a*FEATURES+f, 6*FEATURES, row, n);
        if (!last)
            gradY1 = gradY1+q_a*painnLoad(gv+a*FEATURES+f, gvWidth, row, n);
    }
    in[(FEATURES+f)*QUARTERS+q] = gradY1;
    in[(2*FEATURES+f)*QUARTERS+q] = gs*product;
#else
    rows g0 = painnSpread(0), g1 = g0, g2 = g0;
    if (!last) {
        g0 = painnLoad(gv+f, gvWidth, row, n);
        g1 = painnLoad(gv+FEATURES+f, gvWidth, row, n);
        g2 = painnLoad(gv+2*FEATURES+f, gvWidth, row, n);
    }
    GLOBAL const real* m = weights+MIX_M;
    rows v0 = painnLoad(vMid+f, 3*FEATURES, row, n);
    rows v1 = painnLoad(vMid+FEATURES+f, 3*FEATURES, row, n);
    rows v2 = painnLoad(vMid+2*FEATURES+f, 3*FEATURES, row, n);
    in[(FEATURES+f)*QUARTERS+q] = g0*v0+g1*v1+g2*v2;
    in[(2*FEATURES+f)*QUARTERS+q] = g0*PAINN_MIX(m, v0, v1, v2)+g1*PAINN_MIX(m+3, v0, v1, v2)+
        g2*PAINN_MIX(m+6, v0, v1, v2);
#endif
    in[f*QUARTERS+q] = gs;
}

/*
 * What the norm and the products leave of the gradients of one feature: channel, gradP and gradQ
 * to in (3 x 2F); spatial, the new gradient of v.
 *   gs       before the update's own share is added
 *   gn       gradient of the norm
 */
DEVICE void painnUpdateBackwardV(const int last, GLOBAL const real* RESTRICT weights,
        STATE_ARG const real* vMid, STATE_ARG const real* pq, STATE_ARG const real* gate, rows gs,
        rows gn, STATE_ARG const real* gvOld, int gvWidth, STATE_ARG real* gv, ROOM_ARG rows* in,
        int f, int q, int row, int n) {
    rows y1 = painnLoad(gate+f, 2*FEATURES, row, n);
    rows y2 = painnLoad(gate+FEATURES+f, 2*FEATURES, row, n);
#ifdef CHANNEL
    rows square = painnSpread(0), gt = gs*y2;
    for (int a = 0; a < 3; a++) {
        rows p = painnLoad(pq+a*FEATURES+f, 6*FEATURES, row, n);
        square = square+p*p;
    }
    rows over = painnRatio(gn, painnLength(square));
    /* p is read again: to keep it takes too many registers */
    for (int a = 0; a < 3; a++) {
        rows p = painnLoad(pq+a*FEATURES+f, 6*FEATURES, row, n);
        rows gradP = gt*painnLoad(pq+(3+a)*FEATURES+f, 6*FEATURES, row, n)+over*p, gradQ = gt*p;
        if (!last)
            gradQ = gradQ+y1*painnLoad(gvOld+a*FEATURES+f, gvWidth, row, n);
        in[(2*a*FEATURES+f)*QUARTERS+q] = gradP;
        in[((2*a+1)*FEATURES+f)*QUARTERS+q] = gradQ;
    }
#else
    rows g0 = painnSpread(0), g1 = g0, g2 = g0;
    if (!last) {
        g0 = painnLoad(gvOld+f, gvWidth, row, n);
        g1 = painnLoad(gvOld+FEATURES+f, gvWidth, row, n);
        g2 = painnLoad(gvOld+2*FEATURES+f, gvWidth, row, n);
    }
    GLOBAL const real* m = weights+MIX_M;
    rows v0 = painnLoad(vMid+f, 3*FEATURES, row, n);
    rows v1 = painnLoad(vMid+FEATURES+f, 3*FEATURES, row, n);
    rows v2 = painnLoad(vMid+2*FEATURES+f, 3*FEATURES, row, n);
    rows over = painnRatio(gn, painnLength(v0*v0+v1*v1+v2*v2));
    painnStore(gv+f, 3*FEATURES, row, n, y1*g0+y2*PAINN_MIX_T(m, g0, g1, g2)+over*v0);
    painnStore(gv+FEATURES+f, 3*FEATURES, row, n,
        y1*g1+y2*PAINN_MIX_T(m+1, g0, g1, g2)+over*v1);
    painnStore(gv+2*FEATURES+f, 3*FEATURES, row, n,
        y1*g2+y2*PAINN_MIX_T(m+2, g0, g1, g2)+over*v2);
#endif
}

#ifdef CHANNEL
/* gv = gvOld + V^T gradP + U^T gradQ, with gradP and gradQ side by side at in (3 x 2F). */
DEVICE void painnMixBackward(const int last, GLOBAL const real* RESTRICT weights,
        STATE_ARG const real* gvOld, int gvWidth, STATE_ARG real* gv, ROOM_ARG const rows* in,
        int base, int n, LOCAL_ARG part* join) {
    for (int f0 = 0; f0 < FEATURES; f0 += OUT_COLUMNS) {
        int f = painnOwn(f0, FEATURES);
        for (int a0 = 0; a0 < 3; a0 += MIX_VECTORS) {
            rows sum[MIX_VECTORS*QUARTERS];
            painnLayer(1, MIX_VECTORS, 2*FEATURES, weights+MIX, FEATURES, 0, f0, FEATURES,
                in+a0*2*FEATURES*QUARTERS, 2*FEATURES, sum, join);
            if (f >= 0) {
#pragma unroll
                for (int a = 0; a < MIX_VECTORS; a++)
#pragma unroll
                    for (int q = 0; q < QUARTERS; q++) {
                        rows value = sum[a*QUARTERS+q];
                        if (!last)
                            value = value+painnLoad(gvOld+(a0+a)*FEATURES+f, gvWidth, base+4*q, n);
                        painnStore(gv+(a0+a)*FEATURES+f, 3*FEATURES, base+4*q, n, value);
                    }
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
        STATE_ARG const real* vMid, STATE_ARG const real* pq, STATE_ARG const real* hidden,
        STATE_ARG const real* gate, STATE_ARG real* gs, STATE_ARG const real* gvOld, int gvWidth,
        STATE_ARG real* gv, ROOM_ARG rows* in, int base, int n, LOCAL_ARG part* join) {
    ROOM_ARG rows* gradHidden = in+6*FEATURES*QUARTERS;
    painnHiddenBackward(3*FEATURES, weights+UPD_W1, in, hidden, gradHidden, base, n, join);
    for (int f0 = 0; f0 < FEATURES; f0 += OUT_COLUMNS) {
        int f = painnOwn(f0, FEATURES);
        rows sum[2*QUARTERS];
        painnLayer(2, 1, FEATURES, weights+UPD_W0, 2*FEATURES, FEATURES, f0, FEATURES, gradHidden,
            0, sum, join);
        if (f >= 0) {
#pragma unroll
            for (int q = 0; q < QUARTERS; q++) {
                rows old = painnLoad(gs+f, FEATURES, base+4*q, n);
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
 * OUT_COLUMNS outputs of a linear layer each, so that one loop serves layers of any number and
 * width. Widths between layers are multiples of 4, filled up with zeros.
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
DEVICE ROOM_ARG rows* painnReadoutSteps(const int reverse, int first, int steps,
        GLOBAL const int* RESTRICT plan, GLOBAL const real* RESTRICT weights,
        STATE_ARG real* hidden, ROOM_ARG rows* in, ROOM_ARG rows* other, int base, int n,
        LOCAL_ARG part* join) {
    for (int step = first; step < first+steps; step++) {
        GLOBAL const int* what = plan+step*PAINN_STEP;
        int outputs = what[1], kept = what[5];
        int f = painnOwn(what[2], outputs);
        rows sum[QUARTERS];
        painnLinear(1, 1, what[0], weights+what[3], outputs, 0, what[2], outputs, in, 0, sum, join);
        if (f >= 0)
            for (int q = 0; q < QUARTERS; q++) {
                rows value = sum[q];
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
            ROOM_ARG rows* done = other;
            other = in;
            in = done;
        }
    }
    return in;
}

/*
 * Energies of ROWS rows, without the element constants and in units of the last linear layer, first
 * at the place returned; from s at in.
 */
DEVICE ROOM_ARG rows* painnReadout(GLOBAL const int* RESTRICT plan,
        GLOBAL const real* RESTRICT weights, STATE_ARG real* hidden, ROOM_ARG rows* in,
        ROOM_ARG rows* other, int base, int n, LOCAL_ARG part* join) {
    return painnReadoutSteps(0, 0, READOUT_STEPS, plan, weights, hidden, in, other, base, n, join);
}

/*
 * Reverse of painnReadout(), from 1: the gradient of s, at the place returned. The first barrier is
 * in here; until then what stands at other may be read.
 */
DEVICE ROOM_ARG rows* painnReadoutBackward(GLOBAL const int* RESTRICT plan,
        GLOBAL const real* RESTRICT weights, STATE_ARG real* hidden, ROOM_ARG rows* in,
        ROOM_ARG rows* other, int base, int n, LOCAL_ARG part* join) {
    for (int q = LOCAL_ID; q < QUARTERS; q += BLOCK)
        in[q] = painnSpread(1);
    SYNC_THREADS;
    return painnReadoutSteps(1, READOUT_STEPS, READOUT_BACK_STEPS, plan, weights, hidden, in, other,
        base, n, join);
}

/* ----------------------------------------------------------------------------- a layer -- */

/*
 * Update of a layer, and x of the next, of ROWS rows.
 *   own, next     weights of this layer and of the next
 *   s             after the messages; out: after the update
 *   vOut          v after the update: at the start of the next layer
 *   xHidden       [row][F] kept, context only
 *   x             of the next layer
 */
DEVICE void painnNode(GLOBAL const real* RESTRICT own, GLOBAL const real* RESTRICT next,
        STATE_ARG real* s, STATE_ARG const real* vMid, STATE_ARG real* pq, STATE_ARG real* hidden,
        STATE_ARG real* gate, STATE_ARG real* vOut, STATE_ARG real* xHidden, STATE_ARG real* x,
        ROOM_ARG rows* in, int base, int n, LOCAL_ARG part* join) {
    painnUpdate(0, own, s, vMid, pq, hidden, gate, vOut, in, base, n, join);
    for (int f = LOCAL_ID; f < FEATURES; f += BLOCK)
        for (int q = 0; q < QUARTERS; q++) {
            rows value = in[(3*FEATURES+f)*QUARTERS+q];
            painnStore(s+f, FEATURES, base+4*q, n, value);
#ifndef CONTEXT
            painnStore(x+f, FEATURES, base+4*q, n, value);
#endif
        }
#ifdef CONTEXT
    painnContext(next, in+3*FEATURES*QUARTERS, in, xHidden, x, base, n, join);
#endif
    SYNC_THREADS;
}

/*
 * Last layer: update, readout, and, if forces are wanted, both in reverse.
 *   s, vMid       after the messages; out, with forces: gradients there
 *   energies      that of the network is added, eV
 *   scale         eV per unit of the last linear layer
 *   row           that of the first in the System, for the status; rows may be counted from 0
 */
DEVICE void painnNodeLast(GLOBAL const real* RESTRICT own, GLOBAL const int* RESTRICT plan,
        GLOBAL const real* RESTRICT readout, STATE_ARG real* s, STATE_ARG real* vMid,
        STATE_ARG real* pq, STATE_ARG real* hidden, STATE_ARG real* gate,
        STATE_ARG real* readoutHidden, GLOBAL mm_ulong* energies,
        GLOBAL int* status, ROOM_ARG rows* in, int row, int base, int n, real scale,
        int forces, LOCAL_ARG part* join) {
    ROOM_ARG rows* after = in+3*FEATURES*QUARTERS;
    painnUpdate(1, own, s, vMid, pq, hidden, gate, s, in, base, n, join);
    ROOM_ARG rows* other = after+READOUT_WIDEST*QUARTERS;
    ROOM_ARG rows* e = painnReadout(plan, readout, readoutHidden, after, other, base, n, join);
    for (int t = LOCAL_ID; t < ROWS && base+t < n; t += BLOCK)
        addEnergy(&energies[0],
            guardEnergy(scale*((ROOM_ARG const real*) e)[t], row+t, status));
    if (forces) {
        ROOM_ARG rows* gs = painnReadoutBackward(plan, readout, readoutHidden,
            e == after ? other : after, e, base, n, join);
        for (int f0 = 0; f0 < FEATURES; f0 += OUT_COLUMNS) {
            int f = painnOwn(f0, FEATURES);
            if (f >= 0)
                for (int q = 0; q < QUARTERS; q++) {
                    rows g = gs[f*QUARTERS+q];
                    painnStore(s+f, FEATURES, base+4*q, n, g);
                    painnUpdateBackwardY(1, own, vMid, pq, g, s, 0, in, f, q, base+4*q, n);
                }
        }
        SYNC_THREADS;
        painnUpdateBackward(1, own, vMid, pq, hidden, gate, s, s, 0, vMid, in, base, n, join);
    }
    SYNC_THREADS;
}

/*
 * Reverse of painnNode().
 *   sent    [row][SENT+3][F] gradients of x and v at the start of the next layer
 *   gs, gv  in: of s after the next layer's messages; out: of s and v after this layer's
 */
DEVICE void painnNodeBackward(GLOBAL const real* RESTRICT own, GLOBAL const real* RESTRICT next,
        STATE_ARG const real* vMid, STATE_ARG const real* pq, STATE_ARG const real* hidden,
        STATE_ARG const real* gate, STATE_ARG const real* xHidden, STATE_ARG const real* sent,
        STATE_ARG real* gs, STATE_ARG real* gv, ROOM_ARG rows* in, int base, int n,
        LOCAL_ARG part* join) {
    const int width = (SENT+3)*FEATURES;
    STATE_ARG const real* gvOld = sent+SENT*FEATURES;
#ifdef CONTEXT
    ROOM_ARG rows* gradHidden = in+6*FEATURES*QUARTERS;
    painnFill(3*FEATURES, sent, width, base, n, in);
    SYNC_THREADS;
    painnHiddenBackward(3*FEATURES, next+CTX_W1, in, xHidden, gradHidden, base, n, join);
#endif
    for (int f0 = 0; f0 < FEATURES; f0 += OUT_COLUMNS) {
        int f = painnOwn(f0, FEATURES);
        rows sum[QUARTERS];
#ifdef CONTEXT
        painnLayer(1, 1, FEATURES, next+CTX_W0, FEATURES, 0, f0, FEATURES, gradHidden, 0, sum,
            join);
#else
        if (f >= 0)
            for (int q = 0; q < QUARTERS; q++)
                sum[q] = painnLoad(sent+f, width, base+4*q, n);
#endif
        if (f >= 0) {
#pragma unroll
            for (int q = 0; q < QUARTERS; q++) {
                rows g = sum[q]+painnLoad(gs+f, FEATURES, base+4*q, n);
                painnStore(gs+f, FEATURES, base+4*q, n, g);
                painnUpdateBackwardY(0, own, vMid, pq, g, gvOld, width, in, f, q, base+4*q, n);
            }
        }
        SYNC_THREADS;
    }
    painnUpdateBackward(0, own, vMid, pq, hidden, gate, gs, gvOld, width, gv, in, base, n, join);
    SYNC_THREADS;
}

/* ----------------------------------------------------------------------------- kernels -- */

#ifndef FUSED

/* Ordinary arithmetic has no range to watch. */
#ifndef TENSOR_PAIRS
#define NODE_BOUNDS

DEVICE void painnWatchRange(LOCAL_ARG part* join) {
}

DEVICE void painnReportRange(LOCAL_ARG part* join, GLOBAL int* status) {
}
#endif

#ifdef WIDE
#define PAINN_ROOM GLOBAL rows* in = scratch+(size_t) GROUP_ID*ROOM;
#else
#define PAINN_ROOM LOCAL rows in[ROOM];
#endif

/* painnNode() of all rows; layer, next: sets of weights. */
KERNEL NODE_BOUNDS void mlffPainnNode(GLOBAL const real* RESTRICT weights, int layer, int next,
        GLOBAL real* s, GLOBAL const real* RESTRICT vMid, GLOBAL real* pq,
        GLOBAL real* hidden, GLOBAL real* gate, GLOBAL real* vOut,
        GLOBAL real* xHidden, GLOBAL real* x, GLOBAL int* status,
        GLOBAL rows* scratch, int n) {
    PAINN_ROOM
    LOCAL part join[JOIN];
    painnWatchRange(join);
    for (int base = GROUP_ID*ROWS; base < n; base += NUM_GROUPS*ROWS)
        painnNode(weights+(size_t) layer*WEIGHTS, weights+(size_t) next*WEIGHTS, s, vMid, pq,
            hidden, gate, vOut, xHidden, x, in, base, n, join);
    painnReportRange(join, status);
}

KERNEL NODE_BOUNDS void mlffPainnNodeLast(GLOBAL const real* RESTRICT weights, int layer,
        GLOBAL const int* RESTRICT plan, GLOBAL const real* RESTRICT readout,
        GLOBAL real* s, GLOBAL real* vMid, GLOBAL real* pq,
        GLOBAL real* hidden, GLOBAL real* gate,
        GLOBAL real* readoutHidden, GLOBAL mm_ulong* energies,
        GLOBAL int* status, GLOBAL rows* scratch, int n, real scale,
        int forces) {
    PAINN_ROOM
    LOCAL part join[JOIN];
    painnWatchRange(join);
    for (int base = GROUP_ID*ROWS; base < n; base += NUM_GROUPS*ROWS)
        painnNodeLast(weights+(size_t) layer*WEIGHTS, plan, readout, s, vMid, pq, hidden, gate,
            readoutHidden, energies, status, in, base, base, n, scale, forces, join);
    painnReportRange(join, status);
}

KERNEL NODE_BOUNDS void mlffPainnNodeBackward(GLOBAL const real* RESTRICT weights, int layer, int next,
        GLOBAL const real* vMid, GLOBAL const real* RESTRICT pq,
        GLOBAL const real* RESTRICT hidden, GLOBAL const real* RESTRICT gate,
        GLOBAL const real* RESTRICT xHidden, GLOBAL const real* RESTRICT sent,
        GLOBAL real* gs, GLOBAL real* gv, GLOBAL int* status,
        GLOBAL rows* scratch, int n) {
    PAINN_ROOM
    LOCAL part join[JOIN];
    painnWatchRange(join);
    for (int base = GROUP_ID*ROWS; base < n; base += NUM_GROUPS*ROWS)
        painnNodeBackward(weights+(size_t) layer*WEIGHTS, weights+(size_t) next*WEIGHTS, vMid, pq,
            hidden, gate, xHidden, sent, gs, gv, in, base, n, join);
    painnReportRange(join, status);
}

#endif
