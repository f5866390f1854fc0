/*
 * Molecules of a region placed beside each other, after mlffUnwrap (atoms.cc) has put each of them
 * together. The rule is that of the host (platforms/host/geometry/host_placement.c), in the same
 * order: the region grows from the molecule of its first row; next comes the molecule whose nearest
 * row is closest to those placed in any periodic copy, at that copy. One block per region.
 *
 * Needs PLACE_BLOCK, a power of 2.
 *
 * lattice [7]: the box in short vectors, nm.
 *   0 1 2   its rows; w of 0: half the length of the shortest
 *   3 4 5   x y z: scalar products with them are coordinates in the rows; w: how far the cutoff
 *           reaches in these coordinates
 *   6       x: the cutoff within which a second copy is reported; 0: none is looked for
 */

#define PLACE_FAR 1e30f

KERNEL void mlffSetLattice(GLOBAL exact4* lattice, exact4 a, exact4 b, exact4 c, exact4 toA,
        exact4 toB, exact4 toC, exact4 cutoff) {
    if (GLOBAL_ID == 0) {
        lattice[0] = a;
        lattice[1] = b;
        lattice[2] = c;
        lattice[3] = toA;
        lattice[4] = toB;
        lattice[5] = toC;
        lattice[6] = cutoff;
    }
}

DEVICE exact dot4(exact4 p, exact4 q) {
    return p.x*q.x+p.y*q.y+p.z*q.z;
}

/* p plus whole lattice vectors. */
DEVICE exact4 plusLattice(exact4 p, exact na, exact nb, exact nc,
        GLOBAL const exact4* RESTRICT lattice) {
    exact4 a = lattice[0], b = lattice[1], c = lattice[2];
    return make_exact4(p.x+(na*a.x+nb*b.x+nc*c.x), p.y+(na*a.y+nb*b.y+nc*c.y),
                       p.z+(na*a.z+nb*b.z+nc*c.z), 0);
}

/* What makes r shortest: a lattice vector in x y z, the square of the length in w. */
DEVICE exact4 nearestMove(exact4 r, GLOBAL const exact4* RESTRICT lattice) {
    exact halfWidth = lattice[0].w;
    exact na = -floor(dot4(r, lattice[3])+0.5f), nb = -floor(dot4(r, lattice[4])+0.5f),
          nc = -floor(dot4(r, lattice[5])+0.5f);
    exact4 copy = plusLattice(r, na, nb, nc, lattice);
    exact least = dot4(copy, copy);
    exact ka = na, kb = nb, kc = nc;
    if (!(least < halfWidth*halfWidth)) {
        least = PLACE_FAR;
        for (int k = 0; k < 27; k++) {
            exact ma = na+(k/9-1), mb = nb+(k/3%3-1), mc = nc+(k%3-1);
            copy = plusLattice(r, ma, mb, mc, lattice);
            if (dot4(copy, copy) < least) {
                least = dot4(copy, copy);
                ka = ma;
                kb = mb;
                kc = mc;
            }
        }
    }
    exact4 move = plusLattice(make_exact4(0, 0, 0, 0), ka, kb, kc, lattice);
    move.w = least;
    return move;
}

DEVICE exact4 between(exact4 p, exact4 q) {
    return make_exact4(q.x-p.x, q.y-p.y, q.z-p.z, 0);
}

DEVICE exact4 moved(exact4 p, exact4 move) {
    return make_exact4(p.x+move.x, p.y+move.y, p.z+move.z, 0);
}

/* The largest distance of rows first to last-1 from the first: every thread gets it. */
DEVICE exact radiusOf(int first, int last, GLOBAL const exact4* position, LOCAL_ARG exact* values) {
    exact4 origin = position[first];
    exact largest = 0;
    for (int i = first+LOCAL_ID; i < last; i += LOCAL_SIZE) {
        exact4 r = between(origin, position[i]);
        largest = dot4(r, r) > largest ? dot4(r, r) : largest;
    }
    values[LOCAL_ID] = largest;
    for (int width = PLACE_BLOCK/2; width > 0; width /= 2) {
        SYNC_THREADS;
        if (LOCAL_ID < width && values[LOCAL_ID+width] > values[LOCAL_ID])
            values[LOCAL_ID] = values[LOCAL_ID+width];
    }
    SYNC_THREADS;
    largest = values[0];
    SYNC_THREADS;
    return sqrt(largest);
}

/* Of one row per thread (-1: none) that of the smallest value, the first of equals. */
DEVICE int nearestRow(exact value, int row, LOCAL_ARG exact* values, LOCAL_ARG int* rows) {
    values[LOCAL_ID] = value;
    rows[LOCAL_ID] = row;
    for (int width = PLACE_BLOCK/2; width > 0; width /= 2) {
        SYNC_THREADS;
        if (LOCAL_ID < width) {
            int mine = rows[LOCAL_ID], other = rows[LOCAL_ID+width];
            exact a = values[LOCAL_ID], b = values[LOCAL_ID+width];
            if (other >= 0 && (mine < 0 || b < a || (b == a && other < mine))) {
                values[LOCAL_ID] = b;
                rows[LOCAL_ID] = other;
            }
        }
    }
    SYNC_THREADS;
    row = rows[0];
    SYNC_THREADS;
    return row;
}

/* The shortest other copies of r: whether one is within the cutoff. */
DEVICE int hasOtherCopy(exact4 r, GLOBAL const exact4* RESTRICT lattice) {
    exact cutoff = lattice[6].x;
    exact fa = dot4(r, lattice[3]), fb = dot4(r, lattice[4]), fc = dot4(r, lattice[5]);
    exact reachA = lattice[3].w, reachB = lattice[4].w, reachC = lattice[5].w;
    for (exact na = ceil(-reachA-fa); na <= reachA-fa; na += 1)
        for (exact nb = ceil(-reachB-fb); nb <= reachB-fb; nb += 1)
            for (exact nc = ceil(-reachC-fc); nc <= reachC-fc; nc += 1) {
                exact4 copy = plusLattice(r, na, nb, nc, lattice);
                if ((na != 0 || nb != 0 || nc != 0) && dot4(copy, copy) < cutoff*cutoff)
                    return 1;
            }
    return 0;
}

/* Rows i and j belong to molecules of which a second copy is within the cutoff. */
DEVICE void reportCopies(int i, int j, GLOBAL int* status) {
    if (ATOMIC_ADD(&status[STATUS_COPIES], 1) == 0) {
        status[STATUS_COPIES+1] = i;
        status[STATUS_COPIES+2] = j;
    }
}

/*
 *   position     [n] nm, every molecule in one piece
 *   molecule     [n] of each row of these regions
 *   member       rows by molecule, ascending
 *   memberStart  [molecules + 1] first place of each molecule in member
 *   placed       [numPlaced] x, y: rows x to y-1 of a region; z, w: its molecules z to w-1
 *   distance     [n] scratch: square of the distance to what is placed; -1: it is itself
 *   move         [n] scratch: the lattice vector that brings a row there
 *   saved        [molecules] where each molecule was when lists were built, from the region's first
 *   second       with lists: 0 before it is known whether they are built, 1 after
 */
KERNEL void mlffPlaceMolecules(GLOBAL exact4* position, GLOBAL const int* RESTRICT molecule,
        GLOBAL const int* RESTRICT member, GLOBAL const int* RESTRICT memberStart,
        GLOBAL const int4* RESTRICT placed, GLOBAL exact* distance, GLOBAL exact4* move,
        GLOBAL exact4* saved, GLOBAL int* status, GLOBAL const exact4* RESTRICT lattice,
        int numPlaced, int second) {
    LOCAL exact values[PLACE_BLOCK];
    LOCAL int rows[PLACE_BLOCK];
    exact halfWidth = lattice[0].w, cutoff = lattice[6].x;
    for (int g = GROUP_ID; g < numPlaced; g += NUM_GROUPS) {
        int first = placed[g].x, last = placed[g].y;
        int firstMolecule = placed[g].z, lastMolecule = placed[g].w;

        /* every molecule where its first row is nearest to the region's first */
        for (int i = first+LOCAL_ID; i < last; i += LOCAL_SIZE) {
            move[i] = nearestMove(between(position[first],
                                          position[member[memberStart[molecule[i]]]]), lattice);
            distance[i] = PLACE_FAR;
        }
        SYNC_THREADS;
        for (int i = first+LOCAL_ID; i < last; i += LOCAL_SIZE)
            position[i] = moved(position[i], move[i]);
        SYNC_THREADS;

        /* all distances below half the box are the shortest: nothing to grow */
        exact radius = radiusOf(first, last, position, values);
        int growing = !(2*radius < halfWidth);
        int next = first;
        for (int m = firstMolecule; growing && m < lastMolecule; m++) {
            int start = memberStart[molecule[next]], end = memberStart[molecule[next]+1];
            exact4 jump = move[next];
            for (int k = start+LOCAL_ID; k < end; k += LOCAL_SIZE) {
                if (m > firstMolecule)
                    position[member[k]] = moved(position[member[k]], jump);
                distance[member[k]] = -1;
            }
            SYNC_THREADS;
            exact least = PLACE_FAR;
            int nearest = -1;
            for (int j = first+LOCAL_ID; j < last; j += LOCAL_SIZE) {
                exact shortest = distance[j];
                if (shortest < 0)
                    continue;
                for (int k = start; k < end; k++) {
                    exact4 nearer = nearestMove(between(position[member[k]], position[j]), lattice);
                    if (nearer.w < shortest) {
                        shortest = nearer.w;
                        move[j] = nearer;
                    }
                }
                distance[j] = shortest;
                if (nearest < 0 || shortest < least) {
                    least = shortest;
                    nearest = j;
                }
            }
            next = nearestRow(least, nearest, values, rows);
            next = next < 0 ? first : next;
        }
        if (growing)
            radius = radiusOf(first, last, position, values);

        /* a second copy within the cutoff */
        if (cutoff > 0 && 2*radius+cutoff > 2*halfWidth)
            for (int i = first+LOCAL_ID; i < last; i += LOCAL_SIZE)
                for (int j = i+1; j < last; j++) {
                    exact4 r = between(position[i], position[j]);
                    if (molecule[i] == molecule[j] || sqrt(dot4(r, r))+cutoff <= 2*halfWidth)
                        continue;
                    if (hasOtherCopy(r, lattice))
                        reportCopies(i, j, status);
                }

#ifdef LISTS
        /* lists hold the copies for which they were built */
        for (int m = firstMolecule+LOCAL_ID; m < lastMolecule; m += LOCAL_SIZE) {
            exact4 r = between(position[first], position[member[memberStart[m]]]);
            exact4 step = between(saved[m], r);
            if (second == 0 && !(dot4(step, step) < halfWidth*halfWidth))
                status[STATUS_REBUILD] = 1;
            if (second != 0 && status[STATUS_REBUILD] != 0)
                saved[m] = r;
        }
#endif
        SYNC_THREADS;
    }
}
