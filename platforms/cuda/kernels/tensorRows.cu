/*
 * Dense layers of ROWS rows on tensor cores, for painnNode.cc: stands before it, behind tensor.cu.
 *
 *   ROWS           16, the rows of a fragment; inputs stand in scratch memory (WIDE), from where
 *                  they are staged as operands
 *   OUT_COLUMNS    outputs of a round; a warp has 16 of them, of each block of columns
 */
#define WARP_FRAGMENTS 2
#define WARP_SUMS (4*WARP_FRAGMENTS)       /* of a lane, for one block of columns */

/* Inputs that are staged at a time, whole groups: all of a layer, as far as local memory goes. */
#if FEATURES > 128
#define STAGE_TERMS 384
#else
#define STAGE_TERMS ((3*FEATURES+GROUP_TERMS-1)/GROUP_TERMS*GROUP_TERMS)
#endif
#define STAGE_STRIDE (STAGE_TERMS/GROUP_TERMS*GROUP_WORDS+4)
#define STAGE_LOW (ROWS*STAGE_STRIDE)

/* Two blocks fit a multiprocessor, if the compiler is told; later devices have other code for the
   same, which would spill. */
#ifndef __CUDACC__
#define NODE_BOUNDS
#elif __CUDA_ARCH__ < 1000
#define NODE_BOUNDS __launch_bounds__(BLOCK, 2)
#else
#define NODE_BOUNDS __launch_bounds__(BLOCK, 1)
#endif

/* Sums of a column: its rows, and a gap, so that a warp's stores go to different banks. */
#define JOIN_QUARTERS 5

/* real4 of local memory: the operands (with TF32 only the high ones), then the sums, and a mark
   behind them. */
#define OPERANDS_SIZE ((1+TENSOR_PAIRS)*STAGE_LOW/4)
#define SUMS_SIZE (3*OUT_COLUMNS*JOIN_QUARTERS)
#define JOIN ((OPERANDS_SIZE > SUMS_SIZE ? OPERANDS_SIZE : SUMS_SIZE)+1)

/* ------------------------------------------------------------------------------- range -- */

/* Whether an operand was outside the range: a mark of the block. */
DEVICE LOCAL_ARG int* painnRangeMark(LOCAL_ARG real4* join) {
    return (LOCAL_ARG int*) (join+JOIN-1);
}

/* At the start of a kernel; a barrier follows before the first layer. */
DEVICE void painnWatchRange(LOCAL_ARG real4* join) {
    if (LOCAL_ID == 0)
        *painnRangeMark(join) = 0;
}

/* At its end, behind a barrier. */
DEVICE void painnReportRange(LOCAL_ARG real4* join, GLOBAL int* status) {
    if (LOCAL_ID == 0 && *painnRangeMark(join))
        status[STATUS_RANGE] = 1;
}

/* ------------------------------------------------------------------------------- layer -- */

/* Inputs [terms] of all rows as operands; zeros up to whole groups. */
DEVICE void painnStageInputs(GLOBAL const real4* in, int terms, LOCAL_ARG real4* join) {
    const int quarter = LOCAL_ID%4, words = (terms+GROUP_TERMS-1)/GROUP_TERMS*16;
    bool outside = false;
    for (int t = LOCAL_ID/4; t < words; t += BLOCK/4) {
        const int k = t/16*GROUP_TERMS+t%16;
        LOCAL_ARG float* place = (LOCAL_ARG float*) join+4*quarter*STAGE_STRIDE+
            t/16*GROUP_WORDS+t%16;
        real4 a = make_real4(0, 0, 0, 0), b = a;
        if (k < terms)
            a = in[k*4+quarter];
        if (k+16 < terms)
            b = in[(k+16)*4+quarter];
        outside |= stageTerms(place, STAGE_LOW, a.x, b.x);
        outside |= stageTerms(place+STAGE_STRIDE, STAGE_LOW, a.y, b.y);
        outside |= stageTerms(place+2*STAGE_STRIDE, STAGE_LOW, a.z, b.z);
        outside |= stageTerms(place+3*STAGE_STRIDE, STAGE_LOW, a.w, b.w);
    }
    if (outside)
        *painnRangeMark(join) = 1;
}

/* A warp's sums, of so many blocks of columns, to their places. */
DEVICE void painnStoreSums(const int columns, const float* sums, LOCAL_ARG real4* join) {
    const int lane = LOCAL_ID%32, column = LOCAL_ID/32*8*WARP_FRAGMENTS+lane%4*2;
#pragma unroll
    for (int i = 0; i < WARP_SUMS*columns; i++) {
        const int c = i/WARP_SUMS, n = i/4%WARP_FRAGMENTS;
        const int place = c*OUT_COLUMNS+column+8*n+i%2;
        ((LOCAL_ARG float*) (join+place*JOIN_QUARTERS))[lane/4+i%4/2*8] = sums[i];
    }
}

/*
 * Products of groups first ... first+count-1, which are staged, added to a warp's sums of one block
 * of columns.
 *   packed    weights of all groups
 *   place     [WARP_FRAGMENTS] see fetchW()
 *   sums      [WARP_SUMS]
 */
DEVICE void painnAddGroups(GLOBAL const uint4* RESTRICT packed, const int* place, int first,
        int count, LOCAL_ARG const float* x, float* sums) {
    const int lane = LOCAL_ID%32, last = 2*(first+count)-1;
    float large[WARP_SUMS], small[WARP_SUMS];
    uint4 fetched[2][WARP_FRAGMENTS];
#pragma unroll
    for (int i = 0; i < WARP_SUMS; i++)
        large[i] = small[i] = 0;
    fetchW(WARP_FRAGMENTS, packed, place, 2*first, fetched[0]);
    fetchW(WARP_FRAGMENTS, packed, place, 2*first+1, fetched[1]);
#pragma unroll 1
    for (int group = 0; group < count; group++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            addProducts(1, WARP_FRAGMENTS, x+group*GROUP_WORDS, STAGE_STRIDE, STAGE_LOW, half,
                        lane, fetched[half], large, small);
            fetchW(WARP_FRAGMENTS, packed, place, min(2*(first+group+1)+half, last),
                   fetched[half]);
        }
        addGroup(WARP_SUMS, sums, large, small);
    }
#pragma unroll
    for (int i = 0; i < WARP_SUMS; i++)
        sums[i] = finishSum(sums[i], small[i]);
}

/*
 * What painnLinear() of one vector computes, with the weights of CommonTensor.h: columns
 * c*apart+o, c < columns, of as many terms as there are inputs. The mark of the range may be set.
 */
DEVICE void painnTensor(const int columns, const int vectors, int inputs,
        GLOBAL const real* RESTRICT w, int width, int apart, int f0, int outputs,
        GLOBAL const real4* in, int step, real4* sum, LOCAL_ARG real4* join) {
    const int lane = LOCAL_ID%32, groups = (inputs+GROUP_TERMS-1)/GROUP_TERMS;
    const int stages = STAGE_TERMS/GROUP_TERMS;
    float sums[3*WARP_SUMS];
#pragma unroll
    for (int i = 0; i < WARP_SUMS*columns; i++)
        sums[i] = 0;
#pragma unroll 1
    for (int first = 0; first < groups; first += stages) {
        SYNC_THREADS;
        painnStageInputs(in+first*GROUP_TERMS*4, min(inputs-first*GROUP_TERMS, STAGE_TERMS), join);
        SYNC_THREADS;
#pragma unroll
        for (int c = 0; c < columns; c++) {
            int place[WARP_FRAGMENTS];
#pragma unroll
            for (int n = 0; n < WARP_FRAGMENTS; n++) {
                const int o = f0+(LOCAL_ID/32*WARP_FRAGMENTS+n)*8+lane/4;
                const int column = c*apart+min(o, outputs-1);
                place[n] = column/8*groups*64+column%8*4+lane%4;
            }
            painnAddGroups((GLOBAL const uint4*) w, place, first, min(stages, groups-first),
                           (LOCAL_ARG const float*) join, sums+c*WARP_SUMS);
        }
    }
    SYNC_THREADS;
    painnStoreSums(columns, sums, join);
    SYNC_THREADS;
    const int own = min((int) LOCAL_ID, OUT_COLUMNS-1);
#pragma unroll
    for (int c = 0; c < columns; c++)
#pragma unroll
        for (int q = 0; q < 4; q++)
            sum[4*c+q] = join[(c*OUT_COLUMNS+own)*JOIN_QUARTERS+q];
}
