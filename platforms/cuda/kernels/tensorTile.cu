/*
 * The sums of a tile on tensor cores, in place of denseTile.cc: stands before dense.cc. For CUDA
 * devices of compute capability 8.0 or more; `real` is float.
 *
 * Eight warps share a tile: a warp has a piece of WARP_ROWS x WARP_COLUMNS sums, made of fragments
 * of 16 x 8. Where there are fewer pieces than warps, DEPTH_SPLIT warps have the same piece and
 * take the groups of 32 terms in turn. How lanes hold a fragment: PTX ISA, "Matrix Fragments for
 * mma.m16n8k16" and "mma.m16n8k8"; in its words, groupID is lane/4 and threadID_in_group lane%4.
 *
 * TENSOR_PAIRS 1: an operand is a pair of halves, x = high + low/2048, 22 bits in all, and a
 *                 product is high high + (high low + low high)/2048.
 *              0: operands are rounded to TF32, 11 bits, and the product is one.
 *
 * Tensor cores cut their sums off instead of rounding, always towards zero: over many terms that is
 * a bias. So a fragment's sum starts from zero for every 32 terms and is added to that of the
 * others in ordinary arithmetic. The small products stay in one sum: 1/2048 of the bias.
 */
#define WARPS (DENSE_THREADS/32)
#define GROUP_TERMS 32

#if TILE_ROWS*TILE_COLUMNS > 4096
#define WARP_ROWS 32
#else
#define WARP_ROWS 16
#endif
#if TILE_COLUMNS == 16
#define WARP_COLUMNS 16
#else
#define WARP_COLUMNS 32
#endif
#define ROW_FRAGMENTS (WARP_ROWS/16)
#define COLUMN_FRAGMENTS (WARP_COLUMNS/8)
#define PIECE_SUMS (ROW_FRAGMENTS*COLUMN_FRAGMENTS*4)     /* of a lane */
#define PIECE_COLUMNS (TILE_COLUMNS/WARP_COLUMNS)
#define PIECES (TILE_ROWS/WARP_ROWS*PIECE_COLUMNS)
#define DEPTH_SPLIT (WARPS/PIECES)
#define TILE_SIZE (TILE_ROWS*TILE_COLUMNS)
#define TILE_DEPTH (GROUP_TERMS*DEPTH_SPLIT)

/*
 * x stands as [row][word]. A word of pairs holds two halves: terms w and w+16 of a group; any order
 * will do if weights have the same, and in this one neighboring threads fetch neighboring terms.
 * With these strides the 8 rows x 4 words that a warp reads at once are in 32 different banks.
 */
#if TENSOR_PAIRS
#define GROUP_WORDS 16
#define X_STRIDE (TILE_DEPTH/2+4)
#define X_LOW (TILE_ROWS*X_STRIDE)
#define X_SIZE (2*X_LOW)
#else
#define GROUP_WORDS 32
#define X_STRIDE (TILE_DEPTH+4)
#define X_SIZE (TILE_ROWS*X_STRIDE)
#endif

/* Sums stand with gaps: 4 rows x 8 of them are in different banks. */
#define SUM_STRIDE (TILE_COLUMNS+8)
#define SUMS_SIZE (TILE_ROWS*SUM_STRIDE)
#define SUM_PLACE(o) ((o)/TILE_COLUMNS*SUM_STRIDE+(o)%TILE_COLUMNS)

#if X_SIZE > DEPTH_SPLIT*SUMS_SIZE
#define DENSE_BUFFER X_SIZE
#else
#define DENSE_BUFFER (DEPTH_SPLIT*SUMS_SIZE)
#endif

/*
 * What a thread fetches of x: terms w and w+16 of a group, of all groups, then 16 rows further on.
 * 16 threads have a row; the two rows of a warp are 4 apart, so that their words are in different
 * banks.
 */
#define X_FETCHES (TILE_ROWS*TILE_DEPTH/DENSE_THREADS)
#define X_GROUP(f) ((f)/2%DEPTH_SPLIT)
#define X_ROW(f) ((int) (LOCAL_ID/32%4+LOCAL_ID/16%2*4+LOCAL_ID/128*8)+(f)/2/DEPTH_SPLIT*16)
#define X_WORD(f) (X_GROUP(f)*16+(int) LOCAL_ID%16)
#define X_DEPTH(f) (X_GROUP(f)*GROUP_TERMS+(int) LOCAL_ID%16+(f)%2*16)

/* Largest operand: halves end at 65504. */
#define HALF_LIMIT 3e4f
#define LOW_SCALE 2048.0f

/* ------------------------------------------------------------------------- instructions -- */

/* Tests that run without a GPU bring their own. */
#ifndef TENSOR_INSTRUCTIONS

/* Two halves in a word, rounded to nearest. */
DEVICE unsigned int packHalves(float first, float second) {
    unsigned int word;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(second), "f"(first));
    return word;
}

DEVICE float firstHalf(unsigned int word) {
    float value;
    asm("{ .reg .f16 a, b; mov.b32 {a, b}, %1; cvt.f32.f16 %0, a; }" : "=f"(value) : "r"(word));
    return value;
}

DEVICE float secondHalf(unsigned int word) {
    float value;
    asm("{ .reg .f16 a, b; mov.b32 {a, b}, %1; cvt.f32.f16 %0, b; }" : "=f"(value) : "r"(word));
    return value;
}

/* To nearest: what tensor cores do by themselves is cutting off. */
DEVICE unsigned int roundToTF32(float value) {
    unsigned int word;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(value));
    return word;
}

/* sum [4] += a [16][16] b [16][8] */
DEVICE void multiplyHalves(float* sum, const unsigned int* a, unsigned int b0, unsigned int b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* sum [4] += a [16][8] b [8][8] */
DEVICE void multiplyTF32(float* sum, const unsigned int* a, unsigned int b0, unsigned int b1) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

#endif

/* -------------------------------------------------------------------------------- terms -- */

DEVICE void fetchX(GLOBAL const real* RESTRICT x, int xStride, int hasSlope,
        GLOBAL const real* RESTRICT slope, int slopeStride, LOCAL_ARG const real* tail,
        int tailStart, int row0, int depth, int numRows, int numTerms, real* RESTRICT fetched);

/* Fetched terms as operands into the buffer. */
DEVICE void stageX(const float* fetched, LOCAL_ARG float* buffer, GLOBAL int* RESTRICT status) {
#if TENSOR_PAIRS
    bool outside = false;
#pragma unroll
    for (int f = 0; f < X_FETCHES; f += 2) {
        const float a = fetched[f], b = fetched[f+1];
        const unsigned int high = packHalves(a, b);
        const unsigned int low = packHalves((a-firstHalf(high))*LOW_SCALE,
                                            (b-secondHalf(high))*LOW_SCALE);
        const int place = X_ROW(f)*X_STRIDE+X_WORD(f);
        buffer[place] = __uint_as_float(high);
        buffer[X_LOW+place] = __uint_as_float(low);
        outside |= !(fabsf(a) <= HALF_LIMIT && fabsf(b) <= HALF_LIMIT);     // NaN too
    }
    if (outside)
        status[STATUS_RANGE] = 1;
#else
#pragma unroll
    for (int f = 0; f < X_FETCHES; f++)
        buffer[X_ROW(f)*X_STRIDE+X_DEPTH(f)] = __uint_as_float(roundToTF32(fetched[f]));
#endif
}

/* A lane's words of 16 rows of x, from a word on. */
DEVICE void loadFragment(LOCAL_ARG const float* x, int lane, unsigned int* a) {
    LOCAL_ARG const float* own = x+lane/4*X_STRIDE+lane%4;
    a[0] = __float_as_uint(own[0]);
    a[1] = __float_as_uint(own[8*X_STRIDE]);
    a[2] = __float_as_uint(own[4]);
    a[3] = __float_as_uint(own[8*X_STRIDE+4]);
}

/* -------------------------------------------------------------------------------- piece -- */

/* Weights of half a group, 16 terms, for the columns of a piece. See CommonTensor.h.
     place      [COLUMN_FRAGMENTS] of the lane's columns, in the first half group */
DEVICE void fetchW(GLOBAL const uint4* RESTRICT packed, const int* place, int group, int half,
        uint4* fetched) {
#pragma unroll
    for (int n = 0; n < COLUMN_FRAGMENTS; n++)
        fetched[n] = packed[place[n]+(2*group+half)*32];
}

/*
 * Half a group times its weights, added to the sums of a piece.
 *   x              the group's first word of the piece's first row
 *   w              [COLUMN_FRAGMENTS]
 *   large, small   [PIECE_SUMS] sums of large and of small products; with TF32, of the first and of
 *                  the second half
 */
DEVICE void addProducts(LOCAL_ARG const float* x, int half, int lane, const uint4* w, float* large,
        float* small) {
#pragma unroll
    for (int m = 0; m < ROW_FRAGMENTS; m++) {
        const int first = m*COLUMN_FRAGMENTS*4;
        unsigned int a[4], b[4];
        // in this order, a product does not wait for the one before
#if TENSOR_PAIRS
        loadFragment(x+16*m*X_STRIDE+8*half, lane, a);
        loadFragment(x+16*m*X_STRIDE+8*half+X_LOW, lane, b);
#pragma unroll
        for (int n = 0; n < COLUMN_FRAGMENTS; n++)
            multiplyHalves(small+first+4*n, b, w[n].x, w[n].y);
#pragma unroll
        for (int n = 0; n < COLUMN_FRAGMENTS; n++)
            multiplyHalves(large+first+4*n, a, w[n].x, w[n].y);
#pragma unroll
        for (int n = 0; n < COLUMN_FRAGMENTS; n++)
            multiplyHalves(small+first+4*n, a, w[n].z, w[n].w);
#else
        float* sum = (half == 0 ? large : small)+first;
        loadFragment(x+16*m*X_STRIDE+16*half, lane, a);
        loadFragment(x+16*m*X_STRIDE+16*half+8, lane, b);
#pragma unroll
        for (int n = 0; n < COLUMN_FRAGMENTS; n++)
            multiplyTF32(sum+4*n, a, w[n].x, w[n].y);
#pragma unroll
        for (int n = 0; n < COLUMN_FRAGMENTS; n++)
            multiplyTF32(sum+4*n, b, w[n].z, w[n].w);
#endif
    }
}

/* A group's sums to those of the groups before, rounded; the next group starts from zero. */
DEVICE void addGroup(float* sums, float* large, float* small) {
#pragma unroll
    for (int i = 0; i < PIECE_SUMS; i++) {
#if TENSOR_PAIRS
        sums[i] += large[i];
#else
        sums[i] += large[i]+small[i];
        small[i] = 0;
#endif
        large[i] = 0;
    }
}

/* The sums of a piece to their places; out: of its first one. */
DEVICE void storeSums(const float* sums, const float* small, int lane, LOCAL_ARG float* out) {
    out += lane/4*SUM_STRIDE+lane%4*2;
#pragma unroll
    for (int i = 0; i < PIECE_SUMS; i += 2) {
        const int fragment = i/4, m = fragment/COLUMN_FRAGMENTS, n = fragment%COLUMN_FRAGMENTS;
        float2 two = make_float2(sums[i], sums[i+1]);
#if TENSOR_PAIRS
        two.x += small[i]*(1/LOW_SCALE);
        two.y += small[i+1]*(1/LOW_SCALE);
#endif
        *((LOCAL_ARG float2*) (out+(16*m+i%4*4)*SUM_STRIDE+8*n)) = two;
    }
}

/* --------------------------------------------------------------------------------- tile -- */

/*
 * What dense.cc says. Beyond the last column or group the last ones are read: such columns are not
 * used, and such terms of x are 0.
 */
DEVICE void computeTile(GLOBAL const real* RESTRICT x, int xStride, int hasSlope,
        GLOBAL const real* RESTRICT slope, int slopeStride, LOCAL_ARG const real* tail,
        int tailStart, GLOBAL const real* RESTRICT weight, int weightStride, int firstColumn,
        int row0, int column0, int numRows, int numColumns, int numTerms, LOCAL_ARG real* buffer,
        GLOBAL int* RESTRICT status) {
    const int lane = (int) LOCAL_ID%32, warp = (int) LOCAL_ID/32;
    const int piece = warp%PIECES, split = warp/PIECES;
    const int row = piece/PIECE_COLUMNS*WARP_ROWS, column = piece%PIECE_COLUMNS*WARP_COLUMNS;
    const int groups = (numTerms+GROUP_TERMS-1)/GROUP_TERMS;
    GLOBAL const uint4* RESTRICT packed = (GLOBAL const uint4*) weight;
    float sums[PIECE_SUMS], large[PIECE_SUMS], small[PIECE_SUMS], fetchedX[X_FETCHES];
    uint4 fetchedW[2][COLUMN_FRAGMENTS];
    int place[COLUMN_FRAGMENTS];

#pragma unroll
    for (int n = 0; n < COLUMN_FRAGMENTS; n++) {
        const int c = firstColumn+min(column0+column+8*n+lane/4, numColumns-1);
        place[n] = c/8*groups*64+c%8*4+lane%4;
    }
#pragma unroll
    for (int i = 0; i < PIECE_SUMS; i++)
        sums[i] = large[i] = small[i] = 0;
    fetchX(x, xStride, hasSlope, slope, slopeStride, tail, tailStart, row0, 0, numRows, numTerms,
           fetchedX);
    fetchW(packed, place, min(split, groups-1), 0, fetchedW[0]);
    fetchW(packed, place, min(split, groups-1), 1, fetchedW[1]);
#pragma unroll 1
    for (int depth = 0; depth < numTerms; depth += TILE_DEPTH) {
        const bool more = depth+TILE_DEPTH < numTerms;
        const int next = min((depth+TILE_DEPTH)/GROUP_TERMS+split, groups-1);
        SYNC_THREADS;
        stageX(fetchedX, buffer, status);
        SYNC_THREADS;
        if (more)
            fetchX(x, xStride, hasSlope, slope, slopeStride, tail, tailStart, row0,
                   depth+TILE_DEPTH, numRows, numTerms, fetchedX);
#pragma unroll
        for (int half = 0; half < 2; half++) {
            addProducts(buffer+row*X_STRIDE+split*GROUP_WORDS, half, lane, fetchedW[half], large,
                        small);
            if (more)
                fetchW(packed, place, next, half, fetchedW[half]);
        }
        addGroup(sums, large, small);
    }
    SYNC_THREADS;
    storeSums(sums, small, lane, buffer+split*SUMS_SIZE+row*SUM_STRIDE+column);
    SYNC_THREADS;
}
