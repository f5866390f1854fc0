/*
 * Pair lists, and the message pairs of an evaluation. One block works on a row; the block's threads
 * look at candidates side by side, and hits keep the order of the candidates.
 */

/* How many threads of the block before this one have a hit; *total: how many have. scan [BLOCK]. */
DEVICE int hitsBefore(int hit, LOCAL_ARG int* RESTRICT scan, int* total) {
    scan[LOCAL_ID] = hit;
    SYNC_THREADS;
    for (int step = 1; step < BLOCK; step *= 2) {
        int before = (LOCAL_ID >= step ? scan[LOCAL_ID-step] : 0);
        SYNC_THREADS;
        scan[LOCAL_ID] += before;
        SYNC_THREADS;
    }
    int mine = scan[LOCAL_ID]-hit;
    *total = scan[BLOCK-1];
    SYNC_THREADS;
    return mine;
}

#ifdef LISTS
/* Integers of the frame. */
DEVICE int4 whole(exact4 v) {
    return make_int4((int) v.x, (int) v.y, (int) v.z, 0);
}

#ifdef CELLS
/* Cell of a point inside the box. */
DEVICE int cellOf(exact4 p, int4 cells, exact4 a, exact4 b, exact4 c) {
    exact fc = p.z/c.z;
    exact fb = (p.y-fc*c.y)/b.y;
    exact fa = (p.x-fc*c.x-fb*b.x)/a.x;
    int ia = min(max((int) (fa*cells.x), 0), cells.x-1);
    int ib = min(max((int) (fb*cells.y), 0), cells.y-1);
    int ic = min(max((int) (fc*cells.z), 0), cells.z-1);
    return (ic*cells.y+ib)*cells.x+ia;
}

/*
 * Rows sorted by cell, then by number. One block.
 *   cellOfRow    [n]
 *   start        [cells + 1] first place of each cell in order
 *   cursor       [cells] scratch
 *   order        [n] rows
 */
KERNEL void mlffSortRows(GLOBAL const int* RESTRICT status, GLOBAL const exact4* RESTRICT position,
        GLOBAL int* RESTRICT cellOfRow, GLOBAL int* RESTRICT start, GLOBAL int* RESTRICT cursor,
        GLOBAL int* RESTRICT order, GLOBAL const exact4* RESTRICT frame, int n) {
    READ_BOX
    int4 cells = whole(frame[FRAME_CELLS]);
    LOCAL int sums[SORT_BLOCK];
    if (GROUP_ID > 0 || status[STATUS_REBUILD] == 0)
        return;
    int numCells = cells.x*cells.y*cells.z;
    for (int k = LOCAL_ID; k < numCells; k += LOCAL_SIZE)
        cursor[k] = 0;
    SYNC_THREADS;
    for (int i = LOCAL_ID; i < n; i += LOCAL_SIZE) {
        int k = cellOf(position[i], cells, boxA, boxB, boxC);
        cellOfRow[i] = k;
        ATOMIC_ADD(&cursor[k], 1);
    }
    SYNC_THREADS;

    /* every thread adds up a part of the cells, thread 0 the parts */
    int part = (numCells+LOCAL_SIZE-1)/LOCAL_SIZE;
    int first = min((int) LOCAL_ID*part, numCells), last = min(first+part, numCells);
    int sum = 0;
    for (int k = first; k < last; k++)
        sum += cursor[k];
    sums[LOCAL_ID] = sum;
    SYNC_THREADS;
    if (LOCAL_ID == 0) {
        int before = 0;
        for (int t = 0; t < LOCAL_SIZE; t++) {
            int own = sums[t];
            sums[t] = before;
            before += own;
        }
        start[numCells] = n;
    }
    SYNC_THREADS;
    int place = sums[LOCAL_ID];
    for (int k = first; k < last; k++) {
        start[k] = place;
        place += cursor[k];
        cursor[k] = start[k];
    }
    SYNC_THREADS;

    /* the order in which atoms come to their cell is not fixed: sort each cell */
    for (int i = LOCAL_ID; i < n; i += LOCAL_SIZE)
        order[ATOMIC_ADD(&cursor[cellOfRow[i]], 1)] = i;
    SYNC_THREADS;
    for (int k = first; k < last; k++)
        for (int at = start[k]+1; at < cursor[k]; at++) {
            int row = order[at], to = at;
            for (; to > start[k] && order[to-1] > row; to--)
                order[to] = order[to-1];
            order[to] = row;
        }
}
#endif

/*
 * The skin list of every row: pairs closer than the range, nm, with their images. Does nothing
 * unless lists are to be built.
 *   which    0 message list, 1 long-range list
 */
KERNEL void mlffFindPairs(GLOBAL int* RESTRICT status, GLOBAL const exact4* RESTRICT position,
        GLOBAL const int* RESTRICT regionOfRow, GLOBAL const int2* RESTRICT regionRange,
#ifdef CELLS
        GLOBAL const int* RESTRICT cellOfRow, GLOBAL const int* RESTRICT start,
        GLOBAL const int* RESTRICT order,
#endif
        GLOBAL int* RESTRICT count, GLOBAL int2* RESTRICT entry,
        GLOBAL const exact4* RESTRICT frame, int n, int capacity, int which) {
    LOCAL int scan[BLOCK];
    READ_BOX
    /* without CELLS one cell, all rows of the region; images where the reach leaves the box */
    int4 cells = whole(frame[FRAME_CELLS]), reach = whole(frame[FRAME_LIST+which]);
    exact range = frame[FRAME_LIST+which].w;
    if (status[STATUS_REBUILD] == 0)
        return;
    for (int i = GROUP_ID; i < n; i += NUM_GROUPS) {
        exact4 xi = position[i];
        int region = regionOfRow[i], found = 0;
#ifdef CELLS
        int own = cellOfRow[i];
        int ia = own%cells.x, ib = (own/cells.x)%cells.y, ic = own/(cells.x*cells.y);
#else
        int ia = 0, ib = 0, ic = 0;
#endif
        for (int oc = -reach.z; oc <= reach.z; oc++)
        for (int ob = -reach.y; ob <= reach.y; ob++)
        for (int oa = -reach.x; oa <= reach.x; oa++) {
            /* image and cell of the box that the offset leads to */
            int na = (int) floor((ia+oa)/(exact) cells.x), ka = ia+oa-na*cells.x;
            int nb = (int) floor((ib+ob)/(exact) cells.y), kb = ib+ob-nb*cells.y;
            int nc = (int) floor((ic+oc)/(exact) cells.z), kc = ic+oc-nc*cells.z;
#ifdef CELLS
            int cell = (kc*cells.y+kb)*cells.x+ka;
            int first = start[cell], last = start[cell+1];
#else
            int first = regionRange[region].x, last = regionRange[region].y;
#endif
            exact sx = na*boxA.x+nb*boxB.x+nc*boxC.x;
            exact sy = nb*boxB.y+nc*boxC.y;
            exact sz = nc*boxC.z;
            int home = (na == 0 && nb == 0 && nc == 0);
            for (int base = first; base < last; base += BLOCK) {
                int k = base+LOCAL_ID, j = 0, hit = 0, total;
                if (k < last) {
#ifdef CELLS
                    j = order[k];
#else
                    j = k;
#endif
                    exact4 xj = position[j];
                    exact x = xj.x+sx-xi.x, y = xj.y+sy-xi.y, z = xj.z+sz-xi.z;
                    hit = (x*x+y*y+z*z < range*range && regionOfRow[j] == region &&
                           !(home && j == i));
                }
                int place = found+hitsBefore(hit, scan, &total);
                if (hit && place < capacity)
                    entry[(mm_long) i*capacity+place] = make_int2(j, packImage(na, nb, nc));
                found += total;
            }
        }
        if (LOCAL_ID == 0) {
            count[i] = found;
            if (found > capacity)
                status[STATUS_OVERFLOW+which] = 1;
            if (10*found > 9*capacity)
                status[STATUS_FULL+which] = 1;
            if (2*found > capacity)
                status[STATUS_HALF+which] = 1;
        }
    }
}
#endif

/*
 * The message pairs of this evaluation: closer than the cutoff, angstrom. Candidates are the skin
 * list (LISTS), else all rows of the region.
 */
KERNEL void mlffMessagePairs(GLOBAL int* RESTRICT status, GLOBAL const exact4* RESTRICT position,
        GLOBAL const int* RESTRICT regionOfRow, GLOBAL const int2* RESTRICT regionRange,
        GLOBAL const int* RESTRICT listCount, GLOBAL const int2* RESTRICT entry,
        GLOBAL int* RESTRICT count, GLOBAL int* RESTRICT neighbor, GLOBAL real4* RESTRICT vector,
        GLOBAL const exact4* RESTRICT frame, int n, int capacity, real cutoff) {
    LOCAL int scan[BLOCK];
    READ_BOX
    /* the last kernel of the lists */
    if (GLOBAL_ID == 0)
        status[STATUS_REBUILD] = 0;
    for (int i = GROUP_ID; i < n; i += NUM_GROUPS) {
        exact4 xi = position[i];
        int found = 0;
#ifdef LISTS
        int first = 0, last = min(listCount[i], capacity);
#else
        int first = regionRange[regionOfRow[i]].x, last = regionRange[regionOfRow[i]].y;
#endif
        for (int base = first; base < last; base += BLOCK) {
            int k = base+LOCAL_ID, j = 0, hit = 0, total;
            real4 r = make_real4(0, 0, 0, 0);
            if (k < last) {
#ifdef LISTS
                int2 e = entry[(mm_long) i*capacity+k];
                j = e.x;
                r = pairVector(xi, position[j], e.y, boxA, boxB, boxC);
                hit = (r.w < cutoff);
#else
                j = k;
                r = pairVector(xi, position[j], IMAGE_NONE, boxA, boxB, boxC);
                hit = (r.w < cutoff && j != i);
#endif
            }
            int place = found+hitsBefore(hit, scan, &total);
            if (hit && place < capacity) {
                if (!(r.w > 0))
                    status[STATUS_NOT_FINITE] = i+1;
                neighbor[(mm_long) i*capacity+place] = j;
                vector[(mm_long) i*capacity+place] = r;
            }
            found += total;
        }
        if (LOCAL_ID == 0)
            count[i] = found;
    }
}
