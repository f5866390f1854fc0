/*
 * What Coulomb and dispersion share: a row's long-range pairs, sums over a block, energies. A block
 * of BLOCK threads works on a row; thread t takes pairs t, t + BLOCK, ...
 *
 * Defined at compile time: BLOCK; FAR_LIST (pairs of kind List) or FAR_ALL (kind All), or neither
 * where there are no long-range pairs.
 */

/* ------------------------------------------------------------------------------- pairs -- */

#ifdef FAR_LIST
#define FAR_ARGUMENTS GLOBAL const int* RESTRICT farCount, GLOBAL const int2* RESTRICT farEntry, \
        GLOBAL const exact4* RESTRICT frame, int farCapacity
#define FAR_FIRST(i) 0
#define FAR_LAST(i) min(farCount[i], farCapacity)
#define FAR_PAIR(i, k) farEntry[(mm_long) (i)*farCapacity+(k)]
#else
#define FAR_ARGUMENTS GLOBAL const int* RESTRICT regionOfRow, \
        GLOBAL const int2* RESTRICT regionRange, GLOBAL const exact4* RESTRICT frame, \
        int farCapacity
#define FAR_FIRST(i) regionRange[regionOfRow[i]].x
#define FAR_LAST(i) regionRange[regionOfRow[i]].y
#define FAR_PAIR(i, k) make_int2(k, IMAGE_NONE)
#endif

/* A row does not meet itself, but it meets its images. */
DEVICE int isItself(int i, int2 pair) {
    return pair.x == i && pair.y == IMAGE_NONE;
}

/* -------------------------------------------------------------------------------- sums -- */

/*
 * values [count][BLOCK]: leave the sum over the threads at the start of each line. All threads of
 * the block call it; the order of the sum is fixed.
 */
DEVICE void sumBlock(LOCAL_ARG real* values, int count) {
    for (int step = BLOCK/2; step > 0; step /= 2) {
        SYNC_THREADS;
        if (LOCAL_ID < step)
            for (int c = 0; c < count; c++)
                values[c*BLOCK+LOCAL_ID] += values[c*BLOCK+LOCAL_ID+step];
    }
    SYNC_THREADS;
}

/* An energy in fixed point, rounded to the nearest step: many rows are added up. */
DEVICE mm_long energyToFixed(real energy, int row, GLOBAL int* status) {
    return toFixed(guardEnergy(energy, row, status), ENERGY_SCALE);
}
