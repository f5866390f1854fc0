/*
 * The sums of a tile, in arithmetic of type real: stands before dense.cc.
 *
 * A thread has a piece of 4 x 4 sums. A tile has fewer pieces than the block has threads where
 * tiles are small: then each piece has DEPTH_SPLIT threads, which take every DEPTH_SPLIT-th term.
 */
#define PIECE_COLUMNS (TILE_COLUMNS/4)
#define PIECES (TILE_ROWS/4*PIECE_COLUMNS)
#define DEPTH_SPLIT (DENSE_THREADS/PIECES)
#define TILE_SIZE (TILE_ROWS*TILE_COLUMNS)
#define X_FETCHES (TILE_ROWS*TILE_DEPTH/DENSE_THREADS)
#define W_FETCHES (TILE_COLUMNS*TILE_DEPTH/DENSE_THREADS)

/* x stands as [depth][row]; with this stride 8 terms of 4 rows go to 32 different banks. */
#define X_STRIDE (TILE_ROWS+4)
#define X_SIZE (TILE_DEPTH*X_STRIDE)

/* Words of a block's buffer: the terms, later the sums of all threads. */
#if X_SIZE+TILE_DEPTH*TILE_COLUMNS > DEPTH_SPLIT*TILE_SIZE
#define DENSE_BUFFER (X_SIZE+TILE_DEPTH*TILE_COLUMNS)
#else
#define DENSE_BUFFER (DEPTH_SPLIT*TILE_SIZE)
#endif
#define SUMS_SIZE TILE_SIZE
#define SUM_PLACE(o) (o)

/* What a thread fetches of x, in the order of its numbers: 8 terms of a row, then the rows, then
   further terms. */
#define X_NUMBER(f) ((int) LOCAL_ID+(f)*DENSE_THREADS)
#define X_DEPTH(f) (X_NUMBER(f)%8+X_NUMBER(f)/(8*TILE_ROWS)*8)
#define X_ROW(f) (X_NUMBER(f)/8%TILE_ROWS)

DEVICE void fetchX(GLOBAL const real* RESTRICT x, int xStride, int hasSlope,
        GLOBAL const real* RESTRICT slope, int slopeStride, LOCAL_ARG const real* tail,
        int tailStart, int row0, int depth, int numRows, int numTerms, real* fetched);

/* Terms of W from depth on, for the columns from column0 on. */
DEVICE void fetchW(GLOBAL const real* RESTRICT weight, int weightStride, int column0, int depth,
        int numColumns, int numTerms, real* fetched) {
#pragma unroll
    for (int f = 0; f < W_FETCHES; f++) {
        const int i = (int) LOCAL_ID+f*DENSE_THREADS;
        const int k = depth+i/TILE_COLUMNS, column = column0+i%TILE_COLUMNS;
        fetched[f] = (k < numTerms && column < numColumns ? weight[k*weightStride+column] : 0);
    }
}

/* What dense.cc says. */
DEVICE void computeTile(GLOBAL const real* RESTRICT x, int xStride, int hasSlope,
        GLOBAL const real* RESTRICT slope, int slopeStride, LOCAL_ARG const real* tail,
        int tailStart, GLOBAL const real* RESTRICT weight, int weightStride, int firstColumn,
        int row0, int column0, int numRows, int numColumns, int numTerms, LOCAL_ARG real* buffer,
        GLOBAL int* status) {
    LOCAL_ARG real* w = buffer+X_SIZE;
    const int piece = (int) LOCAL_ID%PIECES, split = (int) LOCAL_ID/PIECES;
    const int row = piece/PIECE_COLUMNS*4, column = piece%PIECE_COLUMNS*4;
    real fetchedX[X_FETCHES], fetchedW[W_FETCHES];
    real4 s0 = make_real4(0, 0, 0, 0), s1 = s0, s2 = s0, s3 = s0;

    fetchX(x, xStride, hasSlope, slope, slopeStride, tail, tailStart, row0, 0, numRows, numTerms,
           fetchedX);
    fetchW(weight+firstColumn, weightStride, column0, 0, numColumns, numTerms, fetchedW);
    for (int depth = 0; depth < numTerms; depth += TILE_DEPTH) {
        SYNC_THREADS;
#pragma unroll
        for (int f = 0; f < X_FETCHES; f++)
            buffer[X_DEPTH(f)*X_STRIDE+X_ROW(f)] = fetchedX[f];
#pragma unroll
        for (int f = 0; f < W_FETCHES; f++)
            w[(int) LOCAL_ID+f*DENSE_THREADS] = fetchedW[f];
        SYNC_THREADS;
        if (depth+TILE_DEPTH < numTerms) {
            fetchX(x, xStride, hasSlope, slope, slopeStride, tail, tailStart, row0,
                   depth+TILE_DEPTH, numRows, numTerms, fetchedX);
            fetchW(weight+firstColumn, weightStride, column0, depth+TILE_DEPTH, numColumns,
                   numTerms, fetchedW);
        }
#pragma unroll 2
        for (int k = split; k < TILE_DEPTH; k += DEPTH_SPLIT) {
            const real4 xs = *((LOCAL_ARG const real4*) (buffer+k*X_STRIDE+row));
            const real4 ws = *((LOCAL_ARG const real4*) (w+k*TILE_COLUMNS+column));
            s0 += xs.x*ws;
            s1 += xs.y*ws;
            s2 += xs.z*ws;
            s3 += xs.w*ws;
        }
    }

    SYNC_THREADS;
    LOCAL_ARG real* sums = buffer+split*TILE_SIZE+row*TILE_COLUMNS+column;
    *((LOCAL_ARG real4*) sums) = s0;
    *((LOCAL_ARG real4*) (sums+TILE_COLUMNS)) = s1;
    *((LOCAL_ARG real4*) (sums+2*TILE_COLUMNS)) = s2;
    *((LOCAL_ARG real4*) (sums+3*TILE_COLUMNS)) = s3;
    SYNC_THREADS;
}
