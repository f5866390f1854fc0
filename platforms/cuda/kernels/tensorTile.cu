/*
 * The sums of a tile on tensor cores, in place of denseTile.cc: stands before dense.cc, behind
 * tensor.cu.
 *
 * Eight warps share a tile: a warp has a piece of WARP_ROWS x WARP_COLUMNS sums, made of fragments
 * of 16 x 8. Where there are fewer pieces than warps, DEPTH_SPLIT warps have the same piece and
 * take the groups of 32 terms in turn.
 */
#define WARPS (DENSE_THREADS/32)

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

/* In different banks, as tensor.cu wants it. */
#define X_STRIDE (GROUP_WORDS*DEPTH_SPLIT+4)
#define X_LOW (TILE_ROWS*X_STRIDE)
#if TENSOR_PAIRS
#define X_SIZE (2*X_LOW)
#else
#define X_SIZE X_LOW
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
#define X_PLACE(f) (X_ROW(f)*X_STRIDE+X_GROUP(f)*GROUP_WORDS+(int) LOCAL_ID%16)
#define X_DEPTH(f) (X_GROUP(f)*GROUP_TERMS+(int) LOCAL_ID%16+(f)%2*16)

/* -------------------------------------------------------------------------------- terms -- */

DEVICE void fetchX(GLOBAL const real* RESTRICT x, int xStride, int hasSlope,
        GLOBAL const real* RESTRICT slope, int slopeStride, LOCAL_ARG const real* tail,
        int tailStart, int row0, int depth, int numRows, int numTerms, real* fetched);

/* Fetched terms as operands into the buffer. */
DEVICE void stageX(const float* fetched, LOCAL_ARG float* buffer, GLOBAL int* status) {
    bool outside = false;
#pragma unroll
    for (int f = 0; f < X_FETCHES; f += 2)
        outside |= stageTerms(buffer+X_PLACE(f), X_LOW, fetched[f], fetched[f+1]);
    if (outside)
        status[STATUS_RANGE] = 1;
}

/* The sums of a piece to their places; out: of its first one. */
DEVICE void storeSums(const float* sums, const float* small, int lane, LOCAL_ARG float* out) {
    out += lane/4*SUM_STRIDE+lane%4*2;
#pragma unroll
    for (int i = 0; i < PIECE_SUMS; i += 2) {
        const int fragment = i/4, m = fragment/COLUMN_FRAGMENTS, n = fragment%COLUMN_FRAGMENTS;
        const float2 two = make_float2(finishSum(sums[i], small[i]),
                                       finishSum(sums[i+1], small[i+1]));
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
        GLOBAL int* status) {
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
    fetchW(COLUMN_FRAGMENTS, packed, place, 2*min(split, groups-1), fetchedW[0]);
    fetchW(COLUMN_FRAGMENTS, packed, place, 2*min(split, groups-1)+1, fetchedW[1]);
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
            addProducts(ROW_FRAGMENTS, COLUMN_FRAGMENTS, buffer+row*X_STRIDE+split*GROUP_WORDS,
                        X_STRIDE, X_LOW, half, lane, fetchedW[half], large, small);
            if (more)
                fetchW(COLUMN_FRAGMENTS, packed, place, 2*next+half, fetchedW[half]);
        }
        addGroup(PIECE_SUMS, sums, large, small);
    }
    SYNC_THREADS;
    storeSums(sums, small, lane, buffer+split*SUMS_SIZE+row*SUM_STRIDE+column);
    SYNC_THREADS;
}
