/*
 * Linear maps of rows: sum_k x[row][k] W[k][column].
 *
 * A block takes a tile of TILE_ROWS x TILE_COLUMNS sums. TILE_DEPTH terms of x at a time stand in
 * local memory; the next ones are fetched meanwhile. Each sum is made in DEPTH_SPLIT parts, which
 * are added in order. How a tile is computed stands before: denseTile.cc, or tensorTile.cu for
 * CUDA's tensor cores. It defines
 *
 *   DENSE_BUFFER       words of local memory
 *   SUMS_SIZE          words of the parts of one kind, left in the buffer,
 *   SUM_PLACE(o)       and the place among them of sum number o
 *   X_FETCHES, X_ROW(f), X_DEPTH(f)    what a thread fetches of x: row and term in the tile
 *   computeTile()
 *
 *     The sums of one tile, left in the buffer for tileSum(). Before the first one after a change
 *     of tail: SYNC_THREADS.
 *       weight         as CommonDense keeps it: weightStride columns, of which column0 counts from
 *                      firstColumn
 *       buffer         [DENSE_BUFFER] words
 *       status         STATUS_RANGE is set where x is outside the range of the arithmetic
 */

/* CUDA's compiler takes more registers than leave room for two blocks, unless it is told; in double
   precision two blocks have too few. */
#if defined(__CUDACC__) && (defined(USE_DOUBLE_PRECISION) || TILE_SIZE > 4096)
#define DENSE_BOUNDS __launch_bounds__(DENSE_THREADS, 1)
#elif defined(__CUDACC__)
#define DENSE_BOUNDS __launch_bounds__(DENSE_THREADS, 2)
#else
#define DENSE_BOUNDS
#endif

/*
 * Terms of x from depth on into registers, 0 beyond the rows and terms there are.
 *   slope      [rows][slopeStride] factors of x; read only if hasSlope
 *   tail       [...][TILE_ROWS] terms that are not in x but here: those from tailStart on
 */
DEVICE void fetchX(GLOBAL const real* RESTRICT x, int xStride, int hasSlope,
        GLOBAL const real* RESTRICT slope, int slopeStride, LOCAL_ARG const real* tail,
        int tailStart, int row0, int depth, int numRows, int numTerms, real* fetched) {
#pragma unroll
    for (int f = 0; f < X_FETCHES; f++) {
        const int k = depth+X_DEPTH(f), row = row0+X_ROW(f);
        real value = 0;
        if (row < numRows && k < numTerms)
            value = (k < tailStart ? x[row*xStride+k] : tail[(k-tailStart)*TILE_ROWS+X_ROW(f)]);
        fetched[f] = value;
    }
    if (!hasSlope)
        return;
    /* a loop of its own: in one loop, CUDA's compiler spills registers */
#pragma unroll
    for (int f = 0; f < X_FETCHES; f++) {
        const int k = depth+X_DEPTH(f), row = row0+X_ROW(f);
        if (row < numRows && k < numTerms)
            fetched[f] *= slope[row*slopeStride+k];
    }
}

/* Sum number o of the tile: row o/TILE_COLUMNS, column o%TILE_COLUMNS. */
DEVICE real tileSum(LOCAL_ARG const real* buffer, int o) {
    real sum = buffer[SUM_PLACE(o)];
#pragma unroll
    for (int split = 1; split < DEPTH_SPLIT; split++)
        sum += buffer[split*SUMS_SIZE+SUM_PLACE(o)];
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
        GLOBAL const real* RESTRICT bias, int activate, int keep, GLOBAL real* slope,
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
        GLOBAL const real* RESTRICT bias, int activate, int keep, GLOBAL real* y,
        int yStride, GLOBAL real* slope, int slopeStride, GLOBAL int* status) {
    LOCAL real4 words[DENSE_BUFFER/4];
    LOCAL_ARG real* buffer = (LOCAL_ARG real*) words;
    const int columnTiles = (numOut+TILE_COLUMNS-1)/TILE_COLUMNS;
    const int numTiles = (numRows+TILE_ROWS-1)/TILE_ROWS*columnTiles;
    for (int tile = GROUP_ID; tile < numTiles; tile += NUM_GROUPS) {
        const int row0 = tile/columnTiles*TILE_ROWS, column0 = tile%columnTiles*TILE_COLUMNS;
        computeTile(x, xStride, 0, x, 0, buffer, numIn, weight, numOut, 0, row0, column0, numRows,
                    numOut, numIn, buffer, status);
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
        GLOBAL real* gradX, int xStride, GLOBAL int* status) {
    LOCAL real4 words[DENSE_BUFFER/4];
    LOCAL_ARG real* buffer = (LOCAL_ARG real*) words;
    const int numColumns = numIn-firstColumn;
    const int columnTiles = (numColumns+TILE_COLUMNS-1)/TILE_COLUMNS;
    const int numTiles = (numRows+TILE_ROWS-1)/TILE_ROWS*columnTiles;
    for (int tile = GROUP_ID; tile < numTiles; tile += NUM_GROUPS) {
        const int row0 = tile/columnTiles*TILE_ROWS, column0 = tile%columnTiles*TILE_COLUMNS;
        computeTile(gradY, yStride, hasSlope, slope, slopeStride, buffer, numOut, weight, numIn,
                    firstColumn, row0, column0, numRows, numColumns, numOut, buffer, status);
#pragma unroll 1
        for (int o = LOCAL_ID; o < TILE_SIZE; o += DENSE_THREADS) {
            const int row = row0+o/TILE_COLUMNS, column = column0+o%TILE_COLUMNS;
            if (row < numRows && column < numColumns)
                gradX[row*xStride+firstColumn+column] = tileSum(buffer, o);
        }
    }
}
