/*
 * Pair lists, and the message pairs of an evaluation. One block works on a row; the block's threads
 * look at candidates side by side, and hits keep the order of the candidates.
 */

/* Sum of the values of the threads before this one in a block of `size`; *total: of all.
   scan [size]. */
DEVICE int sumBefore(int value, LOCAL_ARG int* scan, const int size, int* total) {
    scan[LOCAL_ID] = value;
    SYNC_THREADS;
    for (int step = 1; step < size; step *= 2) {
        int before = (LOCAL_ID >= step ? scan[LOCAL_ID-step] : 0);
        SYNC_THREADS;
        scan[LOCAL_ID] += before;
        SYNC_THREADS;
    }
    int mine = scan[LOCAL_ID]-value;
    *total = scan[size-1];
    SYNC_THREADS;
    return mine;
}

#ifdef LISTS
/* Integers of the frame. */
DEVICE int4 whole(exact4 v) {
    return make_int4((int) v.x, (int) v.y, (int) v.z, 0);
}

#ifdef CELLS
/* Cell of a point inside the box, along a, b, c. */
DEVICE int4 cellAt(exact4 p, int4 cells, exact4 a, exact4 b, exact4 c) {
    exact fc = p.z/c.z;
    exact fb = (p.y-fc*c.y)/b.y;
    exact fa = (p.x-fc*c.x-fb*b.x)/a.x;
    return make_int4(min(max((int) (fa*cells.x), 0), cells.x-1),
                     min(max((int) (fb*cells.y), 0), cells.y-1),
                     min(max((int) (fc*cells.z), 0), cells.z-1), 0);
}

/*
 * Number of the first cell of the line along a that passes b, c. Lines are numbered in tiles of
 * 4 x 4: what is near in the order of the cells is near in space, in all directions.
 */
DEVICE int firstOfLine(int b, int c, int4 cells) {
    int b0 = b-b%4, c0 = c-c%4;
    int width = min(4, cells.y-b0), height = min(4, cells.z-c0);
    return (c0*cells.y+b0*height+(c-c0)*width+(b-b0))*cells.x;
}

/*
 * Rows sorted by cell, then by number. One block.
 *   cellOfRow    [n]
 *   start        [cells + 1] first place of each cell in order
 *   cursor       [cells] scratch
 *   order        [n] rows
 */
KERNEL void mlffSortRows(GLOBAL const int* RESTRICT status, GLOBAL const exact4* RESTRICT position,
        GLOBAL int* cellOfRow, GLOBAL int* start, GLOBAL int* cursor,
        GLOBAL int* order, GLOBAL const exact4* RESTRICT frame, int n) {
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
        int4 at = cellAt(position[i], cells, boxA, boxB, boxC);
        int k = firstOfLine(at.y, at.z, cells)+at.x;
        cellOfRow[i] = k;
        ATOMIC_ADD(&cursor[k], 1);
    }
    SYNC_THREADS;

    /* every thread adds up a part of the cells, then all of them the parts */
    int part = (numCells+LOCAL_SIZE-1)/LOCAL_SIZE;
    int first = min((int) LOCAL_ID*part, numCells), last = min(first+part, numCells);
    int sum = 0;
    for (int k = first; k < last; k++)
        sum += cursor[k];
    int total, place = sumBefore(sum, sums, SORT_BLOCK, &total);
    if (LOCAL_ID == 0)
        start[numCells] = n;
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
 *
 * Candidates come in spans, neighbors in `order`: of each line of cells along a that the reach
 * touches, one for each image of the box. Without CELLS a box is one cell, all rows of the region.
 * BLOCK spans at a time stand in local memory, and their candidates are numbered through.
 */
KERNEL void mlffFindPairs(GLOBAL int* status, GLOBAL const exact4* RESTRICT position,
        GLOBAL const int* RESTRICT regionOfRow, GLOBAL const int2* RESTRICT regionRange,
#ifdef CELLS
        GLOBAL const int* RESTRICT start, GLOBAL const int* RESTRICT order,
#endif
        GLOBAL int* count, GLOBAL int2* entry,
        GLOBAL const exact4* RESTRICT frame, int n, int capacity, int which) {
    LOCAL int scan[BLOCK];
    LOCAL int spanFirst[BLOCK];     /* place in order of candidate 0, if the span began there */
    LOCAL int spanEnd[BLOCK];       /* number behind its last candidate */
    LOCAL int spanImage[BLOCK];
    LOCAL exact4 spanShift[BLOCK];  /* the image's lattice vector */
    if (status[STATUS_REBUILD] == 0)
        return;
    READ_BOX
    int4 cells = whole(frame[FRAME_CELLS]), reach = whole(frame[FRAME_LIST+which]);
    exact range = frame[FRAME_LIST+which].w;
    int width = 2*reach.y+1;
    for (int i = GROUP_ID; i < n; i += NUM_GROUPS) {
        exact4 xi = position[i];
        int region = regionOfRow[i], found = 0;
#ifdef CELLS
        int4 at = cellAt(xi, cells, boxA, boxB, boxC);
#else
        int4 at = make_int4(0, 0, 0, 0);
#endif
        int firstImage = (int) floor((at.x-reach.x)/(exact) cells.x);
        int images = (int) floor((at.x+reach.x)/(exact) cells.x)-firstImage+1;
        int spans = width*(2*reach.z+1)*images;
        for (int chunk = 0; chunk < spans; chunk += BLOCK) {
            int span = chunk+LOCAL_ID, length = 0, candidates;
            if (span < spans) {
                int line = span/images, na = firstImage+span%images;
                int b = at.y+line%width-reach.y, c = at.z+line/width-reach.z;
                int nb = (int) floor(b/(exact) cells.y), nc = (int) floor(c/(exact) cells.z);
#ifdef CELLS
                int cell = firstOfLine(b-nb*cells.y, c-nc*cells.z, cells);
                int first = start[cell+max(at.x-reach.x-na*cells.x, 0)];
                int last = start[cell+min(at.x+reach.x-na*cells.x, cells.x-1)+1];
#else
                int first = regionRange[region].x, last = regionRange[region].y;
#endif
                length = last-first;
                spanFirst[LOCAL_ID] = first;
                spanImage[LOCAL_ID] = packImage(na, nb, nc);
                spanShift[LOCAL_ID] = make_exact4(na*boxA.x+nb*boxB.x+nc*boxC.x,
                                                  nb*boxB.y+nc*boxC.y, nc*boxC.z, 0);
            }
            int before = sumBefore(length, scan, BLOCK, &candidates);
            spanFirst[LOCAL_ID] -= before;
            spanEnd[LOCAL_ID] = before+length;
            SYNC_THREADS;
            for (int base = 0; base < candidates; base += BLOCK) {
                int k = base+LOCAL_ID, j = 0, image = 0, hit = 0, total;
                if (k < candidates) {
                    int s = 0;      /* the first span that ends behind k */
                    for (int step = BLOCK/2; step > 0; step /= 2)
                        if (spanEnd[s+step-1] <= k)
                            s += step;
                    j = spanFirst[s]+k;
#ifdef CELLS
                    j = order[j];
#endif
                    image = spanImage[s];
                    exact4 xj = position[j], shift = spanShift[s];
                    exact x = xj.x+shift.x-xi.x, y = xj.y+shift.y-xi.y, z = xj.z+shift.z-xi.z;
                    hit = (x*x+y*y+z*z < range*range && regionOfRow[j] == region &&
                           !(image == IMAGE_NONE && j == i));
                }
                int place = found+sumBefore(hit, scan, BLOCK, &total);
                if (hit && place < capacity)
                    entry[(mm_long) i*capacity+place] = make_int2(j, image);
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
 *   radius    [n] a share of the covalent radius, angstrom: pairs closer than the sum are reported
 *   closest   no two of them add up to more; 0: only atoms at the same place are reported
 *   gather    without lists: positions are those of the particles, and are stored
 */
KERNEL void mlffMessagePairs(GLOBAL int* status, GLOBAL exact4* position,
        GLOBAL const int* RESTRICT regionOfRow, GLOBAL const int2* RESTRICT regionRange,
        GLOBAL const int* RESTRICT listCount, GLOBAL const int2* RESTRICT entry,
        GLOBAL int* count, GLOBAL int* neighbor, GLOBAL real4* vector,
        GLOBAL const exact4* RESTRICT frame, int n, int capacity, real cutoff,
        GLOBAL const real* RESTRICT radius, real closest
#ifndef LISTS
        , GLOBAL const real4* RESTRICT posq, GLOBAL const real4* RESTRICT correction,
        GLOBAL const int* RESTRICT slots, GLOBAL mm_ulong* force, int gather
#endif
        ) {
    LOCAL int scan[BLOCK];
    READ_BOX
    /* the last kernel of the lists */
    if (GLOBAL_ID == 0)
        status[STATUS_REBUILD] = 0;
    for (int i = GROUP_ID; i < n; i += NUM_GROUPS) {
        int found = 0;
#ifdef LISTS
        exact4 xi = position[i];
        int first = 0, last = min(listCount[i], capacity);
#else
        exact4 xi = gather ? exactPosition(posq, correction, slots[i]) : position[i];
        if (gather && LOCAL_ID == 0)
            gatherRow(i, posq, correction, slots, position, force, status, n);
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
                exact4 xj = gather ? exactPosition(posq, correction, slots[j]) : position[j];
                r = pairVector(xi, xj, IMAGE_NONE, boxA, boxB, boxC);
                hit = (r.w < cutoff && j != i);
#endif
            }
            int place = found+sumBefore(hit, scan, BLOCK, &total);
            if (hit && !(r.w > 0))
                status[STATUS_NOT_FINITE] = i+1;
            if (hit && (r.w < closest ? r.w < radius[i]+radius[j] : !(r.w > 0)))
                reportClose(i, j, r.w, status);
            if (hit && place < capacity) {
                neighbor[(mm_long) i*capacity+place] = j;
                vector[(mm_long) i*capacity+place] = r;
            }
            found += total;
        }
        if (LOCAL_ID == 0)
            count[i] = found;
    }
}
