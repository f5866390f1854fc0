/*
 * PaiNN between atoms: filters and messages, forward and in reverse; docs/math/painn.md has the
 * equations. A block works on a row; a thread owns a feature and sums what the row's pairs bring,
 * so that sums have a fixed order and nothing is kept of a pair.
 *
 *   FEATURES       F
 *   LANES          threads side by side on features; a wider model takes several rounds
 *   GROUPS         groups of LANES threads that share out the pairs, four at a time
 *   BLOCK          LANES*GROUPS
 *   PAIRS, QUADS   pairs staged at a time in local memory, and a quarter of that
 *   TERMS          a filter is a sum of TERMS coefficients times functions of the distance:
 *                  the radial basis under the envelope and the bias; with TABLE the powers of the
 *                  place in an interval, whose coefficients stand in rows from 6*interval on
 *   FILTER_HELD    a thread reads the coefficients of its feature once and keeps them in registers:
 *                  few terms, no table, F at most LANES
 *   SENT           blocks of x: 3 with context (s, r, v), else 1 (s; r and v are 1)
 *   STATE_ARG      where a row's sums go: GLOBAL; LOCAL_ARG, where the same kernel takes them on
 *                  (painnFused.cc)
 *
 * Layouts: x [row][SENT][F], v [row][3][F], filter [TERMS rows][3][F] (blocks s, r, v).
 */

/* --------------------------------------------------------------------------- distances -- */

/* (d+e)/d, where u = r/(d+e): staged behind the slopes. */
#ifdef DIR_EPS
#define SLOPES (TERMS+1)
#define PAINN_STRETCH(e) (((LOCAL_ARG const real*) slope)[TERMS*PAIRS+e])
#else
#define DIR_EPS 0
#define SLOPES TERMS
#define PAINN_STRETCH(e) 1
#endif

/* Cutoff function, and its derivative by d in y. */
DEVICE real2 painnEnvelope(real d) {
    real x = d*INVERSE_CUTOFF;
#ifdef COSINE
    return make_real2((1+cospi(x))/2, -HALF_PI_OVER_CUTOFF*sinpi(x));
#else
    real power = 1;
    for (int k = 1; k < POLY_P; k++)
        power *= x;
    real value = 1-power*x*(POLY_A-POLY_B*x+POLY_C*x*x);
    return make_real2(value, -POLY_SLOPE*power*(1-x)*(1-x));
#endif
}

#ifdef TABLE
/* Term k at the place t of an interval, and its derivative by d in y. */
DEVICE real2 painnTerm(real t, int k) {
    real power = 1;
    for (int m = 1; m < k; m++)
        power *= t;
    return (k == 0 ? make_real2(1, 0) : make_real2(power*t, k*power*INTERVALS_PER_ANGSTROM));
}
#else
/* Term k at distance d, and its derivative in y; radial [2][RBF]. */
DEVICE real2 painnTerm(real d, real2 envelope, int k, GLOBAL const real* RESTRICT radial) {
    if (k == RBF)
        return (BIAS_UNDER_ENVELOPE ? envelope : make_real2(1, 0));
#ifdef GAUSSIAN
    real x = d-radial[k], b = radial[RBF+k];
    real value = EXP(-b*x*x);
    real slope = -2*b*x*value;
#else
    real w = radial[k], halfTurns = radial[RBF+k];
    real value = sinpi(halfTurns*d)/d;
    real slope = (w*cospi(halfTurns*d)-value)/d;
#endif
    return make_real2(envelope.x*value, envelope.y*value+envelope.x*slope);
}
#endif

/* What a block stages, and where its groups join; at the top of a kernel. */
/* With ORDERED the number of a block's row stands in local memory: registers are scarce. */
#ifdef ORDERED
#define ROW_ARG LOCAL_ARG const int* row
#define THE_ROW (*row)
#define PAINN_ROW LOCAL int row[1];
#define PAINN_TAKE_ROW \
        SYNC_THREADS; \
        if (LOCAL_ID == 0) \
            *row = order[place]; \
        SYNC_THREADS;
#else
#define ROW_ARG int row
#define THE_ROW row
#define PAINN_ROW
#define PAINN_TAKE_ROW int row = place;
#endif

/* What a row writes: in fused kernels its state, else its place among all rows. */
#ifdef FUSED
#define OF_ROW(array, width) (array)
#else
#define OF_ROW(array, width) ((array)+(size_t) THE_ROW*(width))
#endif

#define PAINN_STAGED \
    LOCAL real4 term[TERMS*QUADS]; \
    LOCAL real4 direction[PAIRS]; \
    LOCAL real4 sums[BLOCK]; \
    LOCAL int sender[PAIRS]; \
    LOCAL int start[PAIRS]; \
    PAINN_ROW

/*
 * Stage pairs first ... first+PAIRS-1 of row i; those behind the last have zero terms.
 *   term, slope   [TERMS][PAIRS] functions of the distance and their derivatives, [SLOPES][PAIRS];
 *                 slope may be left out (derivatives 0)
 *   direction     [PAIRS] u = r/(d+eps), 1/(d+eps) in w
 *   sender        [PAIRS] row j
 *   start         [PAIRS] row of the filter's first coefficient
 */
DEVICE void painnStage(int i, int first, int count, int capacity,
        GLOBAL const int* RESTRICT neighbor, GLOBAL const real4* RESTRICT vector,
        GLOBAL const real* RESTRICT radial, const int derivatives, LOCAL_ARG real* term,
        LOCAL_ARG real* slope, LOCAL_ARG real4* direction,
        LOCAL_ARG int* sender, LOCAL_ARG int* start) {
    int e = LOCAL_ID%PAIRS;
    int there = (first+e < count);
    size_t place = (size_t) i*capacity+first+e;
    real4 r = (there ? vector[place] : make_real4(0, 0, 0, 1));
    real d = r.w;
#ifdef TABLE
    real t = d*INTERVALS_PER_ANGSTROM;
    int interval = min((int) t, INTERVALS-1);
    t -= interval;
#else
    real2 envelope = painnEnvelope(d);
#endif
    for (int k = LOCAL_ID/PAIRS; k < TERMS; k += BLOCK/PAIRS) {
#ifdef TABLE
        real2 value = painnTerm(t, k);
#else
        real2 value = painnTerm(d, envelope, k, radial);
#endif
        term[k*PAIRS+e] = (there ? value.x : 0);
        if (derivatives)
            slope[k*PAIRS+e] = (there ? value.y : 0);
    }
    if (LOCAL_ID < PAIRS) {
        real inverse = (there ? 1/(d+DIR_EPS) : 0);
        direction[e] = make_real4(r.x*inverse, r.y*inverse, r.z*inverse, inverse);
        sender[e] = (there ? neighbor[place] : i);
#if SLOPES > TERMS
        if (derivatives)
            slope[TERMS*PAIRS+e] = (d+DIR_EPS)/d;
#endif
#ifdef TABLE
        start[e] = 6*interval;
#endif
    }
}

/* ----------------------------------------------------------------------------- filters -- */

/* Registers are to leave room for so many threads on a multiprocessor, where it has 65,536. The
   filter takes 63 of them. */
#if defined(__CUDACC__) && !defined(USE_DOUBLE_PRECISION)
#define PAINN_BOUNDS(threads) __launch_bounds__(BLOCK, threads/BLOCK)
#else
#define PAINN_BOUNDS(threads)
#endif
#if !defined(ORDERED) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800)
#define FORWARD_THREADS 384   /* with 512, compilers spill some */
#else
#define FORWARD_THREADS 512
#endif
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
#define REVERSE_THREADS 256   /* with 384, the compiler for these spills */
#else
#define REVERSE_THREADS 384
#endif

/* At the top of a kernel: blocks 0 ... blocks-1 of the filter as functions take it, own. */
#ifdef FILTER_HELD
#define FILTER_ARG const real*
#define PAINN_FILTER(blocks) \
    real own[3*TERMS]; \
    painnHold(blocks, filter, own);

DEVICE void painnHold(const int blocks, GLOBAL const real* RESTRICT filter, real* own) {
    int f = min((int) LOCAL_ID%LANES, FEATURES-1);
#pragma unroll
    for (int k = 0; k < TERMS; k++)
#pragma unroll
        for (int b = 0; b < blocks; b++)
            own[k*3+b] = filter[(k*3+b)*FEATURES+f];
}
#else
#define FILTER_ARG GLOBAL const real* RESTRICT
#define PAINN_FILTER(blocks) GLOBAL const real* own = filter;
#endif

/* The filter's blocks 0 ... blocks-1 of feature f for a quad of pairs, and derivatives by d. */
DEVICE void painnFilter(const int blocks, const int derivatives, FILTER_ARG filter, int f,
        int quad, LOCAL_ARG const real4* term, LOCAL_ARG const real4* slope,
        LOCAL_ARG const int* start, real4* w, real4* dw) {
    for (int b = 0; b < 3; b++)
        w[b] = dw[b] = make_real4(0, 0, 0, 0);
#ifdef TABLE
    GLOBAL const real* c0 = filter+(size_t) start[4*quad]*(3*FEATURES)+f;
    GLOBAL const real* c1 = filter+(size_t) start[4*quad+1]*(3*FEATURES)+f;
    GLOBAL const real* c2 = filter+(size_t) start[4*quad+2]*(3*FEATURES)+f;
    GLOBAL const real* c3 = filter+(size_t) start[4*quad+3]*(3*FEATURES)+f;
#endif
#ifdef FILTER_HELD
#pragma unroll
#else
#pragma unroll 2
#endif
    for (int k = 0; k < TERMS; k++) {
        real4 value = term[k*QUADS+quad];
#pragma unroll
        for (int b = 0; b < blocks; b++) {
            int at = (k*3+b)*FEATURES;
#if defined(TABLE)
            real4 c = make_real4(c0[at], c1[at], c2[at], c3[at]);
#elif defined(FILTER_HELD)
            real c = filter[k*3+b];
#else
            real c = filter[at+f];
#endif
            w[b] = w[b]+c*value;
            if (derivatives)
                dw[b] = dw[b]+c*slope[k*QUADS+quad];
        }
    }
}

/* x of the sender, blocks s, r, v; the last two are 1 without context. */
DEVICE real4 painnSent(GLOBAL const real* RESTRICT x, int row, int f) {
    GLOBAL const real* own = x+(size_t) row*(SENT*FEATURES)+f;
#if SENT == 3
    return make_real4(own[0], own[FEATURES], own[2*FEATURES], 0);
#else
    return make_real4(own[0], 1, 1, 0);
#endif
}

DEVICE real4 painnVector(GLOBAL const real* RESTRICT v, int row, int f) {
    GLOBAL const real* own = v+(size_t) row*(3*FEATURES)+f;
    return make_real4(own[0], own[FEATURES], own[2*FEATURES], 0);
}

DEVICE real painnDot(real4 a, real4 b) {
    return a.x*b.x+a.y*b.y+a.z*b.z;
}

/* The sum over the groups; sums [BLOCK]. Two barriers, with no condition of a thread between. */
DEVICE real4 painnJoin(real4 value, LOCAL_ARG real4* sums) {
#if GROUPS > 1
    int lane = LOCAL_ID%LANES;
    SYNC_THREADS;
    sums[LOCAL_ID] = value;
    SYNC_THREADS;
    value = sums[lane];
    for (int g = 1; g < GROUPS; g++)
        value = value+sums[g*LANES+lane];
#endif
    return value;
}

/* ----------------------------------------------------------------------------- forward -- */

/* What one pair brings to s, and to v in y z w. */
DEVICE real4 painnReceive(const int first, real ws, real wr, real wv, real4 u, real4 x, real4 v) {
    real along = wr*x.y;
    real4 sum = make_real4(ws*x.x, along*u.x, along*u.y, along*u.z);
    if (!first) {
        real scale = wv*x.z;
        sum = sum+make_real4(0, scale*v.x, scale*v.y, scale*v.z);
    }
    return sum;
}

#define PAINN_RECEIVE(c, e) \
    sum = sum+painnReceive(first, w[0].c, w[1].c, w[2].c, direction[4*quad+e], xj[e], vj[e]);

/*
 * Messages of a layer to row i. In the first layer v is 0, and x is a table by species
 * [n_z][SENT][F].
 *   before    s of the row at the layer's start, [F]
 *   s, vMid   after the messages: [F], [3][F], see OF_ROW
 */
DEVICE void painnMessage(const int first, ROW_ARG, int count, int capacity,
        GLOBAL const int* RESTRICT neighbor, GLOBAL const real4* RESTRICT vector,
        GLOBAL const real* RESTRICT radial, FILTER_ARG filter,
        GLOBAL const int* RESTRICT species, GLOBAL const real* before,
        GLOBAL const real* RESTRICT x, GLOBAL const real* RESTRICT v, STATE_ARG real* s,
        STATE_ARG real* vMid, LOCAL_ARG real4* term,
        LOCAL_ARG real4* direction, LOCAL_ARG real4* sums,
        LOCAL_ARG int* sender, LOCAL_ARG int* start) {
    const real4 zero = make_real4(0, 0, 0, 0);
    int lane = LOCAL_ID%LANES, group = LOCAL_ID/LANES;
    for (int f0 = 0; f0 < FEATURES; f0 += LANES) {
        int f = f0+lane;
        real4 sum = zero;
        for (int p = 0; p < count; p += PAIRS) {
            SYNC_THREADS;
            painnStage(THE_ROW, p, count, capacity, neighbor, vector, radial, 0,
                (LOCAL_ARG real*) term, (LOCAL_ARG real*) term, direction, sender, start);
            SYNC_THREADS;
            int quads = min((count-p+3)/4, QUADS);
            if (f < FEATURES)
                for (int quad = group; quad < quads; quad += GROUPS) {
                    /* what neighbors send is on its way while the filter is computed */
                    real4 w[3], dw[3], xj[4], vj[4];
#pragma unroll
                    for (int e = 0; e < 4; e++) {
                        int j = sender[4*quad+e];
                        xj[e] = painnSent(x, first ? species[j] : j, f);
                        vj[e] = (first ? zero : painnVector(v, j, f));
                    }
                    painnFilter(first ? 2 : 3, 0, filter, f, quad, term, term, start, w, dw);
                    PAINN_RECEIVE(x, 0)
                    PAINN_RECEIVE(y, 1)
                    PAINN_RECEIVE(z, 2)
                    PAINN_RECEIVE(w, 3)
                }
        }
        sum = painnJoin(sum, sums);
        if (group == 0 && f < FEATURES) {
            real4 old = (first ? zero : painnVector(v, THE_ROW, f));
            STATE_ARG real* to = OF_ROW(vMid, 3*FEATURES)+f;
            OF_ROW(s, FEATURES)[f] = sum.x+before[f];
            to[0] = old.x+sum.y;
            to[FEATURES] = old.y+sum.z;
            to[2*FEATURES] = old.z+sum.w;
        }
    }
}

#ifndef FUSED

/* First layer, from s of the species, embedding [n_z][F]; also clears the energies, mm_ulong
   [numEnergies]. */
KERNEL void PAINN_BOUNDS(FORWARD_THREADS) mlffPainnMessageFirst(GLOBAL const int* RESTRICT counts,
        GLOBAL const int* RESTRICT neighbor, GLOBAL const real4* RESTRICT vector,
        ORDER_ARGUMENT GLOBAL const real* RESTRICT radial, GLOBAL const real* RESTRICT filter,
        GLOBAL const int* RESTRICT species, GLOBAL const real* RESTRICT embedding,
        GLOBAL const real* RESTRICT x, GLOBAL real* s, GLOBAL real* vMid,
        GLOBAL mm_ulong* energies, int numEnergies, int n, int capacity) {
    PAINN_STAGED
    PAINN_FILTER(2)
    for (int k = GLOBAL_ID; k < numEnergies; k += GLOBAL_SIZE)
        energies[k] = 0;
    for (int place = GROUP_ID; place < n; place += NUM_GROUPS) {
        PAINN_TAKE_ROW
        painnMessage(1, row, min(counts[THE_ROW], capacity), capacity, neighbor, vector, radial,
            own, species, embedding+(size_t) species[THE_ROW]*FEATURES, x, x, s, vMid, term,
            direction, sums, sender, start);
    }
}

/* Layers behind it; x and v of all rows at the layer's start. */
KERNEL void PAINN_BOUNDS(FORWARD_THREADS) mlffPainnMessage(GLOBAL const int* RESTRICT counts,
        GLOBAL const int* RESTRICT neighbor, GLOBAL const real4* RESTRICT vector,
        ORDER_ARGUMENT GLOBAL const real* RESTRICT radial, GLOBAL const real* RESTRICT filter,
        GLOBAL const real* RESTRICT x, GLOBAL const real* RESTRICT v, GLOBAL real* s,
        GLOBAL real* vMid, int n, int capacity) {
    PAINN_STAGED
    PAINN_FILTER(3)
    for (int place = GROUP_ID; place < n; place += NUM_GROUPS) {
        PAINN_TAKE_ROW
        painnMessage(0, row, min(counts[THE_ROW], capacity), capacity, neighbor, vector, radial,
            own, counts, s+(size_t) THE_ROW*FEATURES, x, v, s, vMid, term, direction, sums, sender,
            start);
    }
}

#endif

/* ----------------------------------------------------------------------------- reverse -- */

/* A row as sender and receiver: its x and v at the layer's start, gradients of s and v after the
   messages; s of the gradient in gv.w. */
#define PAINN_PAIR(c, e) \
    painnPair(first, w[0].c, w[1].c, w[2].c, dw[0].c, dw[1].c, dw[2].c, direction[4*quad+e], \
        PAINN_STRETCH(4*quad+e), xi, vi, gi, xj[e], vj[e], gj[e], &gx, &gvIn, &force);

DEVICE real4 painnGradient(GLOBAL const real* RESTRICT gs, GLOBAL const real* RESTRICT gv,
        int row, int f) {
    real4 g = painnVector(gv, row, f);
    g.w = gs[(size_t) row*FEATURES+f];
    return g;
}

/*
 * Feature f of the edges i <- j and j <- i, which share W and W' = dW/dd and have opposite u: what
 * comes to x and v of i as the sender, and the force on i from both.
 *
 *   grad_d = W' . (c x_j + c' x_i),  grad_u = W^r (x^r_j gv_i - x^r_i gv_j)
 *   force += grad_u/(d+e) + (grad_d - (grad_u . u)/(d+e)) r/d
 */
DEVICE void painnPair(const int first, real ws, real wr, real wv, real ds, real dr, real dv,
        real4 u, real stretch, real4 xi, real4 vi, real4 gi, real4 xj, real4 vj, real4 gj, real4* gx,
        real4* gvIn, real4* force) {
    real here = painnDot(u, gi), back = -painnDot(u, gj);
    real gradD = ds*(gi.w*xj.x+gj.w*xi.x)+dr*(here*xj.y+back*xi.y);
    if (!first) {
        real there = painnDot(vj, gi), own = painnDot(vi, gj), scale = wv*xi.z;
        gradD += dv*(there*xj.z+own*xi.z);
        *gx = *gx+make_real4(ws*gj.w, wr*back, wv*own, 0);
        *gvIn = *gvIn+make_real4(scale*gj.x, scale*gj.y, scale*gj.z, 0);
    }
    real a = wr*xj.y, b = wr*xi.y;
    real4 gradU = make_real4(a*gi.x-b*gj.x, a*gi.y-b*gj.y, a*gi.z-b*gj.z, 0);
    real radial = (gradD-painnDot(gradU, u)*u.w)*stretch;
    *force = *force+make_real4(u.w*gradU.x+radial*u.x, u.w*gradU.y+radial*u.y,
        u.w*gradU.z+radial*u.z, 0);
}

/*
 * Reverse of painnMessage() for row i.
 *   gs, gv    gradients of s and v after the messages, all rows
 *   sent      see OF_ROW: gradients of its own x, and of its v at the layer's start, [SENT+3][F];
 *             not in the first layer, before which nothing depends on positions
 *   force     of the row, added scale times
 */
DEVICE void painnMessageBackward(const int first, ROW_ARG, int count, int capacity,
        GLOBAL const int* RESTRICT neighbor, GLOBAL const real4* RESTRICT vector,
        GLOBAL const real* RESTRICT radial, FILTER_ARG filter,
        GLOBAL const int* RESTRICT species, GLOBAL const real* RESTRICT x,
        GLOBAL const real* RESTRICT v, GLOBAL const real* RESTRICT gs,
        GLOBAL const real* RESTRICT gv, STATE_ARG real* sent, LOCAL_ARG real4* term,
        LOCAL_ARG real4* slope, LOCAL_ARG real4* direction,
        LOCAL_ARG real4* sums, LOCAL_ARG int* sender,
        LOCAL_ARG int* start, GLOBAL mm_ulong* forces,
        GLOBAL int* status, int n, real scale) {
    const real4 zero = make_real4(0, 0, 0, 0);
    int lane = LOCAL_ID%LANES, group = LOCAL_ID/LANES;
    real4 force = zero;
    for (int f0 = 0; f0 < FEATURES; f0 += LANES) {
        int f = min(f0+lane, FEATURES-1);
        real4 gx = zero, gvIn = zero;
        real4 xi = painnSent(x, first ? species[THE_ROW] : THE_ROW, f);
        real4 vi = (first ? zero : painnVector(v, THE_ROW, f));
        real4 gi = painnGradient(gs, gv, THE_ROW, f);
        for (int p = 0; p < count; p += PAIRS) {
            SYNC_THREADS;
            painnStage(THE_ROW, p, count, capacity, neighbor, vector, radial, 1,
                (LOCAL_ARG real*) term, (LOCAL_ARG real*) slope, direction, sender, start);
            SYNC_THREADS;
            int quads = min((count-p+3)/4, QUADS);
            if (f0+lane < FEATURES)
                for (int quad = group; quad < quads; quad += GROUPS) {
                    real4 w[3], dw[3], xj[4], vj[4], gj[4];
#pragma unroll
                    for (int e = 0; e < 4; e++) {
                        int j = sender[4*quad+e];
                        xj[e] = painnSent(x, first ? species[j] : j, f);
                        vj[e] = (first ? zero : painnVector(v, j, f));
                        gj[e] = painnGradient(gs, gv, j, f);
                    }
                    painnFilter(first ? 2 : 3, 1, filter, f, quad, term, slope, start, w, dw);
                    PAINN_PAIR(x, 0)
                    PAINN_PAIR(y, 1)
                    PAINN_PAIR(z, 2)
                    PAINN_PAIR(w, 3)
                }
        }
        if (!first) {
            gx = painnJoin(gx, sums);
            gvIn = painnJoin(gvIn, sums);
            if (group == 0 && f0+lane < FEATURES) {
                STATE_ARG real* to = OF_ROW(sent, (SENT+3)*FEATURES)+f;
                to[0] = gx.x;
#if SENT == 3
                to[FEATURES] = gx.y;
                to[2*FEATURES] = gx.z;
#endif
                to += SENT*FEATURES;
                to[0] = gi.x+gvIn.x;
                to[FEATURES] = gi.y+gvIn.y;
                to[2*FEATURES] = gi.z+gvIn.z;
            }
        }
    }

    /* the sum over features and groups, halved each round */
    SYNC_THREADS;
    sums[LOCAL_ID] = force;
    SYNC_THREADS;
    for (int step = 128; step > 0; step /= 2) {
        if (LOCAL_ID < step && LOCAL_ID+step < BLOCK)
            sums[LOCAL_ID] = sums[LOCAL_ID]+sums[LOCAL_ID+step];
        SYNC_THREADS;
    }
    if (LOCAL_ID == 0)
        addForce(forces, THE_ROW, n, scale*sums[0].x, scale*sums[0].y, scale*sums[0].z, status);
}

KERNEL void PAINN_BOUNDS(REVERSE_THREADS) mlffPainnMessageBackwardFirst(
        GLOBAL const int* RESTRICT counts,
        GLOBAL const int* RESTRICT neighbor, GLOBAL const real4* RESTRICT vector,
        ORDER_ARGUMENT GLOBAL const real* RESTRICT radial, GLOBAL const real* RESTRICT filter,
        GLOBAL const int* RESTRICT species, GLOBAL const real* RESTRICT x,
        GLOBAL const real* RESTRICT gs, GLOBAL const real* RESTRICT gv,
        GLOBAL mm_ulong* forces, GLOBAL int* status, int n, int capacity,
        real scale) {
    PAINN_STAGED
    LOCAL real4 slope[SLOPES*QUADS];
    PAINN_FILTER(2)
    for (int place = GROUP_ID; place < n; place += NUM_GROUPS) {
        PAINN_TAKE_ROW
        painnMessageBackward(1, row, min(counts[THE_ROW], capacity), capacity, neighbor, vector,
            radial,
            own, species, x, x, gs, gv, 0, term, slope, direction, sums, sender, start, forces,
            status, n, scale);
    }
}

#ifndef FUSED
KERNEL void PAINN_BOUNDS(REVERSE_THREADS) mlffPainnMessageBackward(
        GLOBAL const int* RESTRICT counts,
        GLOBAL const int* RESTRICT neighbor, GLOBAL const real4* RESTRICT vector,
        ORDER_ARGUMENT GLOBAL const real* RESTRICT radial, GLOBAL const real* RESTRICT filter,
        GLOBAL const real* RESTRICT x, GLOBAL const real* RESTRICT v,
        GLOBAL const real* RESTRICT gs, GLOBAL const real* RESTRICT gv,
        GLOBAL real* sent, GLOBAL mm_ulong* forces,
        GLOBAL int* status, int n, int capacity, real scale) {
    PAINN_STAGED
    LOCAL real4 slope[SLOPES*QUADS];
    PAINN_FILTER(3)
    for (int place = GROUP_ID; place < n; place += NUM_GROUPS) {
        PAINN_TAKE_ROW
        painnMessageBackward(0, row, min(counts[THE_ROW], capacity), capacity, neighbor, vector,
            radial,
            own, counts, x, v, gs, gv, sent, term, slope,
            direction, sums, sender, start, forces, status, n, scale);
    }
}
#endif
