/*
 * Linear maps of rows: sum_k x[row][k] W[k][column].
 *
 * A block takes a tile of TILE_ROWS x TILE_COLUMNS sums. TILE_DEPTH terms at a time stand in local
 * memory; the next ones are fetched meanwhile. A thread has a piece of 4 x 4 sums. A tile has fewer
 * pieces than the block has threads where tiles are small: then each piece has DEPTH_SPLIT
 * threads, which take every DEPTH_SPLIT-th term, and their sums are added in order.
 */
#define DENSE_THREADS 256

/* CUDA's compiler takes more registers than leave room for two blocks, unless it is told; in double
   precision two blocks have too few. */
#if defined(__CUDACC__) && defined(USE_DOUBLE_PRECISION)
#define DENSE_BOUNDS __launch_bounds__(DENSE_THREADS, 1)
#elif defined(__CUDACC__)
#define DENSE_BOUNDS __launch_bounds__(DENSE_THREADS, 2)
#else
#define DENSE_BOUNDS
#endif

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

/* The numerical order of a fetch: 8 terms of a row, then the rows, then further terms. */
#define X_DEPTH(i) ((i)%8+(i)/(8*TILE_ROWS)*8)
#define X_ROW(i) ((i)/8%TILE_ROWS)

/*
 * Terms of x from depth on into registers, 0 beyond the rows and terms there are.
 *   slope      [rows][slopeStride] factors of x; read only if hasSlope
 *   tail       [...][TILE_ROWS] terms that are not in x but here: those from tailStart on
 */
DEVICE void fetchX(GLOBAL const real* RESTRICT x, int xStride, int hasSlope,
        GLOBAL const real* RESTRICT slope, int slopeStride, LOCAL_ARG const real* tail,
        int tailStart, int row0, int depth, int numRows, int numTerms, real* RESTRICT fetched) {
#pragma unroll
    for (int f = 0; f < X_FETCHES; f++) {
        const int i = (int) LOCAL_ID+f*DENSE_THREADS, k = depth+X_DEPTH(i), row = row0+X_ROW(i);
        real value = 0;
        if (row < numRows && k < numTerms)
            value = (k < tailStart ? x[row*xStride+k] : tail[(k-tailStart)*TILE_ROWS+X_ROW(i)]);
        fetched[f] = value;
    }
    if (!hasSlope)
        return;
    /* a loop of its own: in one loop, CUDA's compiler spills registers */
#pragma unroll
    for (int f = 0; f < X_FETCHES; f++) {
        const int i = (int) LOCAL_ID+f*DENSE_THREADS, k = depth+X_DEPTH(i), row = row0+X_ROW(i);
        if (row < numRows && k < numTerms)
            fetched[f] *= slope[row*slopeStride+k];
    }
}

/* Terms of W from depth on, for the columns from column0 on. */
DEVICE void fetchW(GLOBAL const real* RESTRICT weight, int weightStride, int column0, int depth,
        int numColumns, int numTerms, real* RESTRICT fetched) {
#pragma unroll
    for (int f = 0; f < W_FETCHES; f++) {
        const int i = (int) LOCAL_ID+f*DENSE_THREADS;
        const int k = depth+i/TILE_COLUMNS, column = column0+i%TILE_COLUMNS;
        fetched[f] = (k < numTerms && column < numColumns ? weight[k*weightStride+column] : 0);
    }
}

/*
 * The sums of one tile, left in the buffer for tileSum(). Before the first one after a change of
 * tail: SYNC_THREADS.
 *   buffer     [DENSE_BUFFER] words
 */
DEVICE void computeTile(GLOBAL const real* RESTRICT x, int xStride, int hasSlope,
        GLOBAL const real* RESTRICT slope, int slopeStride, LOCAL_ARG const real* tail,
        int tailStart, GLOBAL const real* RESTRICT weight, int weightStride, int row0, int column0,
        int numRows, int numColumns, int numTerms, LOCAL_ARG real* buffer) {
    LOCAL_ARG real* w = buffer+X_SIZE;
    const int piece = (int) LOCAL_ID%PIECES, split = (int) LOCAL_ID/PIECES;
    const int row = piece/PIECE_COLUMNS*4, column = piece%PIECE_COLUMNS*4;
    real fetchedX[X_FETCHES], fetchedW[W_FETCHES];
    real4 s0 = make_real4(0, 0, 0, 0), s1 = s0, s2 = s0, s3 = s0;

    fetchX(x, xStride, hasSlope, slope, slopeStride, tail, tailStart, row0, 0, numRows, numTerms,
           fetchedX);
    fetchW(weight, weightStride, column0, 0, numColumns, numTerms, fetchedW);
    for (int depth = 0; depth < numTerms; depth += TILE_DEPTH) {
        SYNC_THREADS;
#pragma unroll
        for (int f = 0; f < X_FETCHES; f++) {
            const int i = (int) LOCAL_ID+f*DENSE_THREADS;
            buffer[X_DEPTH(i)*X_STRIDE+X_ROW(i)] = fetchedX[f];
        }
#pragma unroll
        for (int f = 0; f < W_FETCHES; f++)
            w[(int) LOCAL_ID+f*DENSE_THREADS] = fetchedW[f];
        SYNC_THREADS;
        if (depth+TILE_DEPTH < numTerms) {
            fetchX(x, xStride, hasSlope, slope, slopeStride, tail, tailStart, row0,
                   depth+TILE_DEPTH, numRows, numTerms, fetchedX);
            fetchW(weight, weightStride, column0, depth+TILE_DEPTH, numColumns, numTerms,
                   fetchedW);
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

/* Sum number o of the tile: row o/TILE_COLUMNS, column o%TILE_COLUMNS. */
DEVICE real tileSum(LOCAL_ARG const real* buffer, int o) {
    real sum = buffer[o];
#pragma unroll
    for (int split = 1; split < DEPTH_SPLIT; split++)
        sum += buffer[split*TILE_SIZE+o];
    return sum;
}

/* gelu(z) = z Phi(z), the exact erf form, and its derivative. */
DEVICE real gelu(real z, real* slope) {
    const real phi = 0.5f+0.5f*ERF(z*SQRT_HALF);
    *slope = phi+z*EXP(-0.5f*z*z)*INV_SQRT_2PI;
    return z*phi;
}

/*
 * Output number o of the tile: activation(sum + bias).
 *   activate   GELU; else nothing
 *   keep       store GELU's derivative in slope [numRows][slopeStride]
 */
DEVICE real tileOutput(LOCAL_ARG const real* buffer, int o, int row, int column,
        GLOBAL const real* RESTRICT bias, int activate, int keep, GLOBAL real* RESTRICT slope,
        int slopeStride) {
    real value = tileSum(buffer, o)+bias[column], derivative;
    if (activate) {
        value = gelu(value, &derivative);
        if (keep)
            slope[row*slopeStride+column] = derivative;
    }
    return value;
}

/*
 * y = activation(x W + b)
 *   weight     [numIn][numOut]
 *   activate, keep, slope    as in tileOutput()
 */
KERNEL DENSE_BOUNDS void mlffDenseForward(int numRows, int numIn, int numOut,
        GLOBAL const real* RESTRICT x, int xStride, GLOBAL const real* RESTRICT weight,
        GLOBAL const real* RESTRICT bias, int activate, int keep, GLOBAL real* RESTRICT y,
        int yStride, GLOBAL real* RESTRICT slope, int slopeStride) {
    LOCAL real4 words[DENSE_BUFFER/4];
    LOCAL_ARG real* buffer = (LOCAL_ARG real*) words;
    const int columnTiles = (numOut+TILE_COLUMNS-1)/TILE_COLUMNS;
    const int numTiles = (numRows+TILE_ROWS-1)/TILE_ROWS*columnTiles;
    for (int tile = GROUP_ID; tile < numTiles; tile += NUM_GROUPS) {
        const int row0 = tile/columnTiles*TILE_ROWS, column0 = tile%columnTiles*TILE_COLUMNS;
        computeTile(x, xStride, 0, x, 0, buffer, numIn, weight, numOut, row0, column0, numRows,
                    numOut, numIn, buffer);
#pragma unroll 1
        for (int o = LOCAL_ID; o < TILE_SIZE; o += DENSE_THREADS) {
            const int row = row0+o/TILE_COLUMNS, column = column0+o%TILE_COLUMNS;
            if (row < numRows && column < numOut)
                y[row*yStride+column] = tileOutput(buffer, o, row, column, bias, activate, keep,
                                                   slope, slopeStride);
        }
    }
}

/*
 * gradX = (gradY slope) W^T, columns firstColumn ... numIn-1 of it
 *   weight     [numOut][numIn]
 */
KERNEL DENSE_BOUNDS void mlffDenseReverse(int numRows, int numIn, int numOut, int firstColumn,
        GLOBAL const real* RESTRICT gradY, int yStride, int hasSlope,
        GLOBAL const real* RESTRICT slope, int slopeStride, GLOBAL const real* RESTRICT weight,
        GLOBAL real* RESTRICT gradX, int xStride) {
    LOCAL real4 words[DENSE_BUFFER/4];
    LOCAL_ARG real* buffer = (LOCAL_ARG real*) words;
    const int numColumns = numIn-firstColumn;
    const int columnTiles = (numColumns+TILE_COLUMNS-1)/TILE_COLUMNS;
    const int numTiles = (numRows+TILE_ROWS-1)/TILE_ROWS*columnTiles;
    for (int tile = GROUP_ID; tile < numTiles; tile += NUM_GROUPS) {
        const int row0 = tile/columnTiles*TILE_ROWS, column0 = tile%columnTiles*TILE_COLUMNS;
        computeTile(gradY, yStride, hasSlope, slope, slopeStride, buffer, numOut,
                    weight+firstColumn, numIn, row0, column0, numRows, numColumns, numOut, buffer);
#pragma unroll 1
        for (int o = LOCAL_ID; o < TILE_SIZE; o += DENSE_THREADS) {
            const int row = row0+o/TILE_COLUMNS, column = column0+o%TILE_COLUMNS;
            if (row < numRows && column < numColumns)
                gradX[row*xStride+firstColumn+column] = tileSum(buffer, o);
        }
    }
}
