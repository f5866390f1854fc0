/*
 * From OpenMM's particles to the rows of the model, and back.
 *
 * A particle stands in a slot of OpenMM's arrays; slots change when OpenMM reorders atoms, rows do
 * not. When OpenMM reorders, it also moves molecules by whole lattice vectors.
 */

DEVICE exact4 exactPosition(GLOBAL const real4* RESTRICT posq,
        GLOBAL const real4* RESTRICT correction, int slot) {
    real4 p = posq[slot];
#ifdef USE_MIXED
    real4 c = correction[slot];
    return make_exact4((exact) p.x+c.x, (exact) p.y+c.y, (exact) p.z+c.z, 0);
#else
    return make_exact4(p.x, p.y, p.z, 0);
#endif
}

DEVICE exact4 shifted(exact4 p, exact na, exact nb, exact nc, exact4 a, exact4 b, exact4 c) {
    return make_exact4(p.x+(na*a.x+nb*b.x+nc*c.x), p.y+(na*a.y+nb*b.y+nc*c.y),
                       p.z+(na*a.z+nb*b.z+nc*c.z), 0);
}

/* Lattice coordinates, rounded down, of a point in a box with rows (ax,0,0), (bx,by,0), c. */
DEVICE int4 latticeFloor(exact4 p, exact4 a, exact4 b, exact4 c) {
    exact fc = p.z/c.z;
    exact fb = (p.y-fc*c.y)/b.y;
    exact fa = (p.x-fc*c.x-fb*b.x)/a.x;
    return make_int4((int) floor(fa), (int) floor(fb), (int) floor(fc), 0);
}

/* Set the frame, see support.cc. */
KERNEL void mlffSetFrame(GLOBAL exact4* frame, exact4 boxA, exact4 boxB, exact4 boxC,
        exact4 scale, exact4 cells, exact4 message, exact4 longRange) {
    if (GLOBAL_ID == 0) {
        frame[0] = boxA;
        frame[1] = boxB;
        frame[2] = boxC;
        frame[FRAME_SCALE] = scale;
        frame[FRAME_CELLS] = cells;
        frame[FRAME_LIST] = message;
        frame[FRAME_LIST+1] = longRange;
    }
}

#ifdef FARTHEST
/* Without lists: position of row i, sums to zero. FARTHEST: largest coordinate, nm. */
DEVICE exact4 gatherRow(int i, GLOBAL const real4* RESTRICT posq,
        GLOBAL const real4* RESTRICT correction, GLOBAL const int* RESTRICT slots,
        GLOBAL exact4* position, GLOBAL mm_ulong* force,
        GLOBAL int* status, int n) {
    exact4 p = exactPosition(posq, correction, slots[i]);
    if (p.x-p.x != 0 || p.y-p.y != 0 || p.z-p.z != 0)
        status[STATUS_POSITION] = i+1;
    else if (fabs(p.x) > FARTHEST || fabs(p.y) > FARTHEST || fabs(p.z) > FARTHEST)
        status[STATUS_FAR] = i+1;
    position[i] = p;
    force[i] = 0;
    force[i+n] = 0;
    force[i+2*n] = 0;
    return p;
}
#endif

#ifdef LISTS
/*
 * First kernel of an evaluation: positions in the frame of the lists, sums to zero, and whether the
 * lists still hold.
 *   cell       [n] lattice vectors that the frame takes off, of the last search
 *   saved      [n] exact positions at the last search, nm
 *   soon, now  nm^2: squared displacements at which a search will be due, and is
 */
KERNEL void mlffGather(GLOBAL const real4* RESTRICT posq, GLOBAL const real4* RESTRICT correction,
        GLOBAL const int* RESTRICT slots, GLOBAL const int4* RESTRICT cell,
        GLOBAL const exact4* RESTRICT saved, GLOBAL exact4* position,
        GLOBAL mm_ulong* force, GLOBAL int* status,
        GLOBAL const exact4* RESTRICT frame, int n, int rebuild, exact soon, exact now) {
    READ_BOX
    for (int i = GLOBAL_ID; i < n; i += GLOBAL_SIZE) {
        exact4 p = gatherRow(i, posq, correction, slots, position, force, status, n);
        exact4 s = saved[i];
        exact d2 = (p.x-s.x)*(p.x-s.x)+(p.y-s.y)*(p.y-s.y)+(p.z-s.z)*(p.z-s.z);
        if (!(d2 < soon))
            status[STATUS_MOVED] = 1;
        if (rebuild || !(d2 < now))
            status[STATUS_REBUILD] = 1;
#ifdef PERIODIC
        int4 m = cell[i];
        position[i] = shifted(p, -m.x, -m.y, -m.z, boxA, boxB, boxC);
#endif
    }
}

/* A new frame for the lists, every atom inside the box, if they are to be built. */
KERNEL void mlffBeginLists(GLOBAL const real4* RESTRICT posq,
        GLOBAL const real4* RESTRICT correction, GLOBAL const int* RESTRICT slots,
        GLOBAL int4* cell, GLOBAL exact4* saved,
        GLOBAL exact4* position, GLOBAL int* status,
        GLOBAL const exact4* RESTRICT frame, int n) {
    READ_BOX
    if (status[STATUS_REBUILD] == 0)
        return;
    if (GLOBAL_ID == 0) {
        status[STATUS_MOVED] = 0;
        status[STATUS_OVERFLOW] = 0;
        status[STATUS_OVERFLOW+1] = 0;
        status[STATUS_FULL] = 0;
        status[STATUS_FULL+1] = 0;
        status[STATUS_HALF] = 0;
        status[STATUS_HALF+1] = 0;
    }
    for (int i = GLOBAL_ID; i < n; i += GLOBAL_SIZE) {
        exact4 p = exactPosition(posq, correction, slots[i]);
        saved[i] = p;
#ifdef PERIODIC
        int4 m = latticeFloor(p, boxA, boxB, boxC);
        cell[i] = m;
        p = shifted(p, -m.x, -m.y, -m.z, boxA, boxB, boxC);
#endif
        position[i] = p;
    }
}

#endif

#ifdef UNWRAP
/* Whole lattice vectors nearest to a vector, with the opposite sign. */
DEVICE int4 nearestCopy(exact4 r, exact4 a, exact4 b, exact4 c) {
    int nc = -(int) floor(r.z/c.z+0.5f);
    exact y = r.y+nc*c.y, x = r.x+nc*c.x;
    int nb = -(int) floor(y/b.y+0.5f);
    x += nb*b.x;
    int na = -(int) floor(x/a.x+0.5f);
    return make_int4(na, nb, nc, 0);
}

/*
 * Put regions together that the box has cut: every atom takes the copy nearest to its parent, all
 * the way to the first atom of its region. One block; the way to the root is halved each round.
 *   parent         [n] row of the parent; the first atom of a region is its own
 *   root           [2][n] scratch: the ancestor reached so far
 *   shift          [2][n] scratch: lattice vectors relative to it
 *   rounds         of halving: 2^rounds is at least the length of the longest way
 * An atom must be nearer to its parent than half the box, or the copy is not unique. Without lists
 * this is the first kernel of an evaluation, and gathers as well.
 */
KERNEL void mlffUnwrap(GLOBAL const int* RESTRICT parent, GLOBAL exact4* position,
        GLOBAL int* root, GLOBAL int4* shift, GLOBAL int* status,
        GLOBAL const exact4* RESTRICT frame, int n, int rounds
#ifndef LISTS
        , GLOBAL const real4* RESTRICT posq, GLOBAL const real4* RESTRICT correction,
        GLOBAL const int* RESTRICT slots, GLOBAL mm_ulong* force
#endif
        ) {
    READ_BOX
    if (GROUP_ID > 0)
        return;
#ifndef LISTS
    for (int i = LOCAL_ID; i < n; i += LOCAL_SIZE)
        gatherRow(i, posq, correction, slots, position, force, status, n);
    SYNC_THREADS;
#endif
    exact width = min(boxA.x, min(boxB.y, boxC.z)), largest = 0.25f*width*width;
    for (int i = LOCAL_ID; i < n; i += LOCAL_SIZE) {
        exact4 p = position[i], q = position[parent[i]];
        exact4 r = make_exact4(p.x-q.x, p.y-q.y, p.z-q.z, 0);
        int4 m = nearestCopy(r, boxA, boxB, boxC);
        r = shifted(r, m.x, m.y, m.z, boxA, boxB, boxC);
        if (!(r.x*r.x+r.y*r.y+r.z*r.z < largest))
            status[STATUS_SPAN] = i+1;
        root[i] = parent[i];
        shift[i] = m;
    }
    SYNC_THREADS;
    int from = 0;
    for (int k = 0; k < rounds; k++) {
        for (int i = LOCAL_ID; i < n; i += LOCAL_SIZE) {
            int up = root[from+i];
            int4 m = shift[from+i], more = shift[from+up];
            root[n-from+i] = root[from+up];
            shift[n-from+i] = make_int4(m.x+more.x, m.y+more.y, m.z+more.z, 0);
        }
        from = n-from;
        SYNC_THREADS;
    }
    for (int i = LOCAL_ID; i < n; i += LOCAL_SIZE) {
        int4 m = shift[from+i];
        position[i] = shifted(position[i], m.x, m.y, m.z, boxA, boxB, boxC);
    }
}
#endif

/* Forces on the rows to OpenMM's buffer, FAILED_FORCE if they mean nothing. */
KERNEL void mlffAddForces(GLOBAL const mm_ulong* RESTRICT force, GLOBAL const int* RESTRICT slots,
        GLOBAL mm_ulong* buffer, GLOBAL const int* RESTRICT status,
        GLOBAL const exact4* RESTRICT frame, int n, int stride) {
    real scale = frame[FRAME_SCALE].x;
    int failed = hasFailed(status);
    for (int i = GLOBAL_ID; i < n; i += GLOBAL_SIZE)
        for (int d = 0; d < 3; d++) {
            mm_long f = realToFixedPoint(scale*fixedToForce(force[i+d*n]));
            ATOMIC_ADD(&buffer[slots[i]+d*stride], (mm_ulong) (failed ? FAILED_FORCE : f));
        }
}

/* To OpenMM's buffer what is in its fixed point already: sum [3][n] of rows. */
KERNEL void mlffAddFixed(GLOBAL const mm_ulong* RESTRICT sum, GLOBAL const int* RESTRICT slots,
        GLOBAL mm_ulong* buffer, int n, int stride) {
    for (int i = GLOBAL_ID; i < n; i += GLOBAL_SIZE)
        for (int d = 0; d < 3; d++)
            ATOMIC_ADD(&buffer[slots[i]+d*stride], sum[i+d*n]);
}

/* dE/d(scale parameter) of one member, without the constants of the elements; nothing if the energy
   means nothing. */
KERNEL void mlffAddDerivative(GLOBAL const mm_ulong* RESTRICT energies,
        GLOBAL const int* RESTRICT status, int n, GLOBAL mixed* derivatives, int index,
        mixed factor) {
    if (GLOBAL_ID == 0 && !hasFailed(status)) {
        mixed sum = 0;
        for (int k = 0; k < n; k++)
            sum += ((mixed) ((mm_long) energies[k]))/ENERGY_SCALE;
        derivatives[index] += factor*sum;
    }
}

/* Move one row along an axis, nm: for differences of forces. */
KERNEL void mlffDisplace(GLOBAL exact4* position, int row, int axis, exact distance) {
    if (GLOBAL_ID == 0) {
        exact4 p = position[row];
        if (axis == 0)
            p.x += distance;
        else if (axis == 1)
            p.y += distance;
        else
            p.z += distance;
        position[row] = p;
    }
}
