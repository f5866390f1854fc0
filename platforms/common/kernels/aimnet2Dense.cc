/*
 * Layers of AIMNet2's networks that do more than mlffDenseForward() and mlffDenseReverse():
 * dense.cc and aimnet2.cc stand before.
 */

/*
 * Last layer of passes 0 and 1, and the update behind it but for the shift of the charges:
 *   a_new = a + increment,  q~ = p (pass 0), q + p (pass 1),  f = w^2
 *
 *   a            [...][GA] features at the start of the pass: of the row, or, with fromTable, of
 *                its element
 *   charge       [numRows][Q] q at the start of the pass; read only if addCharge
 *   newA         [numRows][GA]
 *   state        [numRows][2Q] q~, w
 *   sums         [numRegions][REGION_SUMS] q~ and f are added
 */
KERNEL DENSE_BOUNDS void mlffAimnet2Update(int numRows, int numIn,
        GLOBAL const real* RESTRICT x, int xStride, GLOBAL const real* RESTRICT weight,
        GLOBAL const real* RESTRICT bias, int activate, int keep, GLOBAL real* slope,
        int slopeStride, GLOBAL const real* RESTRICT a, int fromTable,
        GLOBAL const int* RESTRICT species, GLOBAL const real* RESTRICT charge, int addCharge,
        GLOBAL real* newA, GLOBAL real* state,
        GLOBAL const int* RESTRICT regionOfRow, GLOBAL const real* RESTRICT regionScale,
        GLOBAL mm_ulong* sums, GLOBAL int* status) {
    LOCAL real4 words[DENSE_BUFFER/4];
    LOCAL_ARG real* buffer = (LOCAL_ARG real*) words;
    const int numOut = GA+2*Q;
    const int columnTiles = (numOut+TILE_COLUMNS-1)/TILE_COLUMNS;
    const int numTiles = (numRows+TILE_ROWS-1)/TILE_ROWS*columnTiles;
    for (int tile = GROUP_ID; tile < numTiles; tile += NUM_GROUPS) {
        const int row0 = tile/columnTiles*TILE_ROWS, column0 = tile%columnTiles*TILE_COLUMNS;
        computeTile(x, xStride, 0, x, 0, buffer, numIn, weight, numOut, 0, row0, column0, numRows,
                    numOut, numIn, buffer, status);
#pragma unroll 1
        for (int o = LOCAL_ID; o < TILE_SIZE; o += DENSE_THREADS) {
            const int row = row0+o/TILE_COLUMNS, column = column0+o%TILE_COLUMNS;
            if (row >= numRows || column >= numOut)
                continue;
            real value = tileOutput(buffer, o, row, column, bias, activate, keep, slope,
                                    slopeStride);
            if (column < GA) {
                const int from = (fromTable ? species[row] : row);
                newA[row*GA+column] = a[from*GA+column]+value;
            }
            else {
                const int k = column-GA, region = regionOfRow[row];
                if (addCharge && k < Q)
                    value += charge[row*Q+k];
                state[row*2*Q+k] = value;
                addToRegion(&sums[region*REGION_SUMS+k], k < Q ? value : value*value,
                            regionScale[region], row, status);
            }
        }
    }
}

/*
 * The same in reverse: gradient of that layer's input, given ga = dE/da_new and gq = dE/dq.
 *   s = sum gq f/F;  gp = gq - s,  gw = 2 w (D/F)(gq - s),  gradient of the increment = ga
 *
 *   gradA        [numRows][GA]
 *   gradCharge   [numRows][Q]
 *   weight       [GA+2Q][numIn]
 *   gradX        [numRows][xStride] columns firstColumn ... numIn-1
 */
KERNEL DENSE_BOUNDS void mlffAimnet2UpdateReverse(int numRows, int numIn, int firstColumn,
        GLOBAL const real* RESTRICT gradA, GLOBAL const real* RESTRICT gradCharge, int hasSlope,
        GLOBAL const real* RESTRICT slope, int slopeStride, GLOBAL const real* RESTRICT weight,
        GLOBAL real* gradX, int xStride, GLOBAL const real* RESTRICT state,
        GLOBAL const int* RESTRICT regionOfRow, GLOBAL const real* RESTRICT regionScale,
        GLOBAL const mm_long* RESTRICT regionTotal, GLOBAL const mm_ulong* RESTRICT sums,
        GLOBAL int* status) {
    LOCAL real4 words[DENSE_BUFFER/4];
    LOCAL real tail[2*Q*TILE_ROWS];
    LOCAL_ARG real* buffer = (LOCAL_ARG real*) words;
    const int numColumns = numIn-firstColumn;
    const int columnTiles = (numColumns+TILE_COLUMNS-1)/TILE_COLUMNS;
    const int numTiles = (numRows+TILE_ROWS-1)/TILE_ROWS*columnTiles;
    for (int tile = GROUP_ID; tile < numTiles; tile += NUM_GROUPS) {
        const int row0 = tile/columnTiles*TILE_ROWS, column0 = tile%columnTiles*TILE_COLUMNS;
        for (int i = LOCAL_ID; i < Q*TILE_ROWS; i += DENSE_THREADS) {
            const int channel = i/TILE_ROWS, row = row0+i%TILE_ROWS;
            if (row < numRows) {
                const int region = regionOfRow[row];
                const real scale = regionScale[region];
                GLOBAL const mm_ulong* own = sums+region*REGION_SUMS;
                const real shift = regionValue(own[2*Q+channel], scale)/
                                   weightSum(own, scale, channel);
                const real lack = lackPerWeight(own, regionTotal[region*Q+channel], scale,
                                                channel).x;
                const real gp = gradCharge[row*Q+channel]-shift;
                tail[i] = gp;
                tail[Q*TILE_ROWS+i] = 2*state[(row*2+1)*Q+channel]*lack*gp;
            }
        }
        SYNC_THREADS;
        computeTile(gradA, GA, hasSlope, slope, slopeStride, tail, GA, weight, numIn, firstColumn,
                    row0, column0, numRows, numColumns, GA+2*Q, buffer, status);
#pragma unroll 1
        for (int o = LOCAL_ID; o < TILE_SIZE; o += DENSE_THREADS) {
            const int row = row0+o/TILE_COLUMNS, column = column0+o%TILE_COLUMNS;
            if (row < numRows && column < numColumns)
                gradX[row*xStride+firstColumn+column] = tileSum(buffer, o);
        }
    }
}

/*
 * The last layer with more than one output, and the readout behind it, y . readout + readoutBias:
 * the energy of each row, added to the network's.
 */
KERNEL DENSE_BOUNDS void mlffAimnet2Readout(int numRows, int numIn, int numOut,
        GLOBAL const real* RESTRICT x, int xStride, GLOBAL const real* RESTRICT weight,
        GLOBAL const real* RESTRICT bias, int activate, int keep, GLOBAL real* slope,
        int slopeStride, GLOBAL const real* RESTRICT readout,
        GLOBAL const real* RESTRICT readoutBias, GLOBAL mm_ulong* energy,
        GLOBAL int* status) {
    LOCAL real4 words[DENSE_BUFFER/4];
    LOCAL real sums[DENSE_THREADS];
    LOCAL_ARG real* buffer = (LOCAL_ARG real*) words;
    const int columnTiles = (numOut+TILE_COLUMNS-1)/TILE_COLUMNS;
    const int numTiles = (numRows+TILE_ROWS-1)/TILE_ROWS*columnTiles;
    for (int tile = GROUP_ID; tile < numTiles; tile += NUM_GROUPS) {
        const int row0 = tile/columnTiles*TILE_ROWS, column0 = tile%columnTiles*TILE_COLUMNS;
        computeTile(x, xStride, 0, x, 0, buffer, numIn, weight, numOut, 0, row0, column0, numRows,
                    numOut, numIn, buffer, status);
        real sum = 0;
#pragma unroll 1
        for (int o = LOCAL_ID; o < TILE_SIZE; o += DENSE_THREADS) {
            const int row = row0+o/TILE_COLUMNS, column = column0+o%TILE_COLUMNS;
            if (row < numRows && column < numOut) {
                const real value = tileOutput(buffer, o, row, column, bias, activate, keep, slope,
                                              slopeStride);
                sum += guardEnergy(value*readout[column]+(column == 0 ? readoutBias[0] : 0), row,
                                  status);
            }
        }
        sums[LOCAL_ID] = sum;
        for (int step = DENSE_THREADS/2; step > 0; step /= 2) {
            SYNC_THREADS;
            if ((int) LOCAL_ID < step)
                sums[LOCAL_ID] += sums[LOCAL_ID+step];
        }
        if (LOCAL_ID == 0)
            addEnergy(energy, sums[0]);
        SYNC_THREADS;
    }
}
