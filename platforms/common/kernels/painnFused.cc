/*
 * Few rows: messages and node part of a layer in one kernel, a block per row (painnMessage.cc and
 * painnNode.cc stand before this text). Between them a row stays in local memory.
 *
 * What the reverse pass needs of a row is kept in one piece, [row][KEPT]: p and q, or with a 3x3
 * matrix v after the messages; hidden and gate of the update; hidden of the next layer's context.
 * A block writes gradients to other arrays than those from which all blocks read neighbors'.
 *
 *   SHARED    real4 that messages stage and join in, and then dense layers join in
 *   STATE     reals of a row in local memory
 */

/* Where in a row's state things stand. */
#ifdef CHANNEL
#define AT_HIDDEN (6*FEATURES)
#define AT_V (KEPT+FEATURES)       /* after the messages; reverse: its gradient */
#define AT_OUT (AT_V+3*FEATURES)
#else
#define AT_HIDDEN (3*FEATURES)
#define AT_V 0
#define AT_OUT (KEPT+FEATURES)
#endif
#define AT_GATE (AT_HIDDEN+FEATURES)
#define AT_CONTEXT (AT_GATE+2*FEATURES)
#define AT_S KEPT                  /* reverse: its gradient */
#define AT_X (AT_OUT+3*FEATURES)   /* of the next layer, behind its v */

#define PAINN_FUSED_LOCAL \
    LOCAL real4 shared[SHARED]; \
    LOCAL real4 direction[PAIRS]; \
    LOCAL int sender[PAIRS]; \
    LOCAL int start[PAIRS]; \
    LOCAL real state[STATE]; \
    LOCAL real in[ROOM]; \
    LOCAL_ARG real4* term = shared; \
    LOCAL_ARG real4* slope = shared+TERMS*QUADS; \
    LOCAL_ARG real4* sums = shared+(TERMS+SLOPES)*QUADS; \
    LOCAL_ARG part* join = (LOCAL_ARG part*) shared;

DEVICE void painnCopyOut(int count, LOCAL_ARG const real* from, GLOBAL real* to) {
    for (int k = LOCAL_ID; k < count; k += BLOCK)
        to[k] = from[k];
}

DEVICE void painnCopyIn(int count, GLOBAL const real* from, LOCAL_ARG real* to) {
    for (int k = LOCAL_ID; k < count; k += BLOCK)
        to[k] = from[k];
}

/* Behind the messages to row i: update, and x and v at the next layer's start. */
DEVICE void painnFusedNode(int i, GLOBAL const real* RESTRICT own, GLOBAL const real* RESTRICT next,
        GLOBAL real* s, GLOBAL real* kept, GLOBAL real* vOut,
        GLOBAL real* xOut, LOCAL_ARG real* state, LOCAL_ARG real* in,
        LOCAL_ARG part* join) {
    SYNC_THREADS;
    painnNode(own, next, state+AT_S, state+AT_V, state, state+AT_HIDDEN, state+AT_GATE,
        state+AT_OUT, state+AT_CONTEXT, state+AT_X, in, 0, 1, join);
    painnCopyOut(FEATURES, state+AT_S, s+(size_t) i*FEATURES);
    painnCopyOut(KEPT, state, kept+(size_t) i*KEPT);
    painnCopyOut(3*FEATURES, state+AT_OUT, vOut+(size_t) i*(3*FEATURES));
    painnCopyOut(SENT*FEATURES, state+AT_X, xOut+(size_t) i*(SENT*FEATURES));
    SYNC_THREADS;
}

/* First layer; also clears the energies, mm_ulong [numEnergies]. */
KERNEL void mlffPainnFusedFirst(GLOBAL const int* RESTRICT counts,
        GLOBAL const int* RESTRICT neighbor, GLOBAL const real4* RESTRICT vector,
        GLOBAL const real* RESTRICT radial, GLOBAL const real* RESTRICT filter,
        GLOBAL const int* RESTRICT species, GLOBAL const real* RESTRICT embedding,
        GLOBAL const real* RESTRICT x, GLOBAL const real* RESTRICT weights, int layer, int next,
        GLOBAL real* s, GLOBAL real* kept, GLOBAL real* vOut,
        GLOBAL real* xOut, GLOBAL mm_ulong* energies, int numEnergies, int n,
        int capacity) {
    PAINN_FUSED_LOCAL
    PAINN_FILTER(2)
    for (int k = GLOBAL_ID; k < numEnergies; k += GLOBAL_SIZE)
        energies[k] = 0;
    for (int i = GROUP_ID; i < n; i += NUM_GROUPS) {
        painnMessage(1, i, min(counts[i], capacity), capacity, neighbor, vector, radial, own,
            species, embedding+(size_t) species[i]*FEATURES, x, x, state+AT_S, state+AT_V, term,
            direction, sums, sender, start);
        painnFusedNode(i, weights+(size_t) layer*WEIGHTS, weights+(size_t) next*WEIGHTS, s, kept,
            vOut, xOut, state, in, join);
    }
}

/* Layers behind it but the last. */
KERNEL void mlffPainnFused(GLOBAL const int* RESTRICT counts,
        GLOBAL const int* RESTRICT neighbor, GLOBAL const real4* RESTRICT vector,
        GLOBAL const real* RESTRICT radial, GLOBAL const real* RESTRICT filter,
        GLOBAL const real* RESTRICT x, GLOBAL const real* RESTRICT v,
        GLOBAL const real* RESTRICT weights, int layer, int next, GLOBAL real* s,
        GLOBAL real* kept, GLOBAL real* vOut, GLOBAL real* xOut, int n,
        int capacity) {
    PAINN_FUSED_LOCAL
    PAINN_FILTER(3)
    for (int i = GROUP_ID; i < n; i += NUM_GROUPS) {
        painnMessage(0, i, min(counts[i], capacity), capacity, neighbor, vector, radial, own,
            counts, s+(size_t) i*FEATURES, x, v, state+AT_S, state+AT_V, term, direction, sums,
            sender, start);
        painnFusedNode(i, weights+(size_t) layer*WEIGHTS, weights+(size_t) next*WEIGHTS, s, kept,
            vOut, xOut, state, in, join);
    }
}

/*
 * Last layer; gs and gv: gradients of s and v after its messages, if forces are wanted. (They are
 * written in any case: PoCL's compiler gets lost if the condition stands behind a barrier again.)
 *   energies, status, scale    as in painnNodeLast()
 */
KERNEL void mlffPainnFusedLast(GLOBAL const int* RESTRICT counts,
        GLOBAL const int* RESTRICT neighbor, GLOBAL const real4* RESTRICT vector,
        GLOBAL const real* RESTRICT radial, GLOBAL const real* RESTRICT filter,
        GLOBAL const real* RESTRICT x, GLOBAL const real* RESTRICT v,
        GLOBAL const real* RESTRICT weights, int layer, GLOBAL const int* RESTRICT plan,
        GLOBAL const real* RESTRICT readout, GLOBAL const real* RESTRICT s,
        GLOBAL real* gs, GLOBAL real* gv, GLOBAL mm_ulong* energies,
        GLOBAL int* status, int n, int capacity, real scale, int forces) {
    PAINN_FUSED_LOCAL
    PAINN_FILTER(3)
    for (int i = GROUP_ID; i < n; i += NUM_GROUPS) {
        painnMessage(0, i, min(counts[i], capacity), capacity, neighbor, vector, radial, own,
            counts, s+(size_t) i*FEATURES, x, v, state+AT_S, state+AT_V, term, direction, sums,
            sender, start);
        SYNC_THREADS;
        painnNodeLast(weights+(size_t) layer*WEIGHTS, plan, readout, state+AT_S, state+AT_V, state,
            state+AT_HIDDEN, state+AT_GATE, state+AT_OUT, energies, status, in, i, 0, 1, scale,
            forces, join);
        painnCopyOut(FEATURES, state+AT_S, gs+(size_t) i*FEATURES);
        painnCopyOut(3*FEATURES, state+AT_V, gv+(size_t) i*(3*FEATURES));
        SYNC_THREADS;
    }
}

/*
 * Reverse of a layer's messages, then of the layer's context and of the update before it.
 *   gs, gv          of all rows: gradients of s and v after the layer's messages
 *   gsOut, gvOut    those after the messages of the layer before it
 *   layer, next     sets of weights: of the layer before it, and of the layer
 */
KERNEL void mlffPainnFusedBackward(GLOBAL const int* RESTRICT counts,
        GLOBAL const int* RESTRICT neighbor, GLOBAL const real4* RESTRICT vector,
        GLOBAL const real* RESTRICT radial, GLOBAL const real* RESTRICT filter,
        GLOBAL const real* RESTRICT x, GLOBAL const real* RESTRICT v,
        GLOBAL const real* RESTRICT gs, GLOBAL const real* RESTRICT gv,
        GLOBAL const real* RESTRICT weights, int layer, int next,
        GLOBAL const real* RESTRICT kept, GLOBAL real* gsOut,
        GLOBAL real* gvOut, GLOBAL mm_ulong* forces,
        GLOBAL int* status, int n, int capacity, real scale) {
    PAINN_FUSED_LOCAL
    PAINN_FILTER(3)
    for (int i = GROUP_ID; i < n; i += NUM_GROUPS) {
        painnCopyIn(KEPT, kept+(size_t) i*KEPT, state);
        painnCopyIn(FEATURES, gs+(size_t) i*FEATURES, state+AT_S);
        painnMessageBackward(0, i, min(counts[i], capacity), capacity, neighbor, vector, radial,
            own, counts, x, v, gs, gv, state+AT_OUT, term, slope, direction, sums, sender,
            start, forces, status, n, scale);
        SYNC_THREADS;
        painnNodeBackward(weights+(size_t) layer*WEIGHTS, weights+(size_t) next*WEIGHTS,
            state+AT_V, state, state+AT_HIDDEN, state+AT_GATE, state+AT_CONTEXT, state+AT_OUT,
            state+AT_S, state+AT_V, in, 0, 1, join);
        painnCopyOut(FEATURES, state+AT_S, gsOut+(size_t) i*FEATURES);
        painnCopyOut(3*FEATURES, state+AT_V, gvOut+(size_t) i*(3*FEATURES));
        SYNC_THREADS;
    }
}
