/*
 * What all kernels share; stands before each of them.
 *
 * Positions, lattice vectors and their differences are of type `exact`: double, wherever the device
 * has it. In single precision too: a position that is moved by a lattice vector in float loses a
 * digit, which OpenMM's forces do not, because they move differences.
 *
 * Rows are the atoms of the model in the order of their regions. Lengths: positions in nm, pair
 * vectors in angstrom. Energies in eV, forces in eV/angstrom.
 */

#ifdef EXACT_DOUBLE
typedef double exact;
typedef double4 exact4;
#define make_exact4 make_double4
#else
typedef float exact;
typedef float4 exact4;
#define make_exact4 make_float4
#endif

/* ------------------------------------------------------------------------------ status -- */

/* Words of the status array. Stores are idempotent: any number of threads may make them. */
#define STATUS_NOT_FINITE 0   /* 1 + a row whose energy or force is not finite, or too large */
#define STATUS_REBUILD 1      /* lists are to be built in this evaluation */
#define STATUS_MOVED 2        /* an atom came near the limit at which lists are built anew */
#define STATUS_SPAN 3         /* 1 + a row too far from its parent to tell which copy is meant */
/* Two words each: of the message list and of the long-range list. */
#define STATUS_OVERFLOW 4     /* a row is longer than its capacity */
#define STATUS_FULL 6         /* a row takes nine tenths of it */
#define STATUS_HALF 8         /* a row takes half of it */
#define STATUS_RANGE 10       /* an operand was outside the range of half precision */
#define STATUS_POSITION 11    /* 1 + a row whose position is not finite */
#define STATUS_FAR 12         /* 1 + a row too far from the origin for this precision */
/* Four words: number of pairs that were too close, and of the first of them that was found the rows
   and the distance, 1e-6 angstrom. */
#define STATUS_CLOSE 13

/* Three words: number of pairs of molecules in one region of which a second copy is within the
   cutoff, and the rows of the first that was found. */
#define STATUS_COPIES 17

/* Whether the forces of an evaluation mean nothing. */
DEVICE int hasFailed(GLOBAL const int* status) {
    return status[STATUS_NOT_FINITE] || status[STATUS_POSITION] || status[STATUS_SPAN] ||
           status[STATUS_OVERFLOW] || status[STATUS_OVERFLOW+1] || status[STATUS_COPIES];
}

/* Two rows are too close, d angstrom apart. */
DEVICE void reportClose(int i, int j, real d, GLOBAL int* status) {
    if (ATOMIC_ADD(&status[STATUS_CLOSE], 1) == 0) {
        status[STATUS_CLOSE+1] = i;
        status[STATUS_CLOSE+2] = j;
        status[STATUS_CLOSE+3] = (int) (d*1e6f+0.5f);
    }
}

/* --------------------------------------------------------------------- fixed-point sums -- */

/*
 * Energies have 2^36 steps to the eV, forces 2^40 to the eV/angstrom: their differences make the
 * Hessian. The result does not depend on the order. Larger values than the limits have no room;
 * OpenMM's own buffer of forces ends at 2.2e6 eV/angstrom.
 */
#define ENERGY_SCALE 68719476736.0f
#define ENERGY_LIMIT 1e7f
#define FORCE_SCALE 1099511627776.0f
#define FORCE_LIMIT 1e6f

/* What a failed evaluation adds to OpenMM's sums of forces, per component: 805306368 kJ/mol/nm. No
   force is as large, and a few such sums do not add up to a small one. */
#define FAILED_FORCE (((mm_long) 3) << 60)

/* A value that a sum can take; 0 and a mark in the status for others, NaN included. */
DEVICE real guard(real value, real limit, int row, GLOBAL int* status) {
    if (value > -limit && value < limit)
        return value;
    status[STATUS_NOT_FINITE] = row+1;
    return 0;
}

DEVICE real guardEnergy(real value, int row, GLOBAL int* status) {
    return guard(value, ENERGY_LIMIT, row, status);
}

/* Rounded, not cut off: many small values add up without a drift. */
DEVICE mm_long toFixed(real value, real scale) {
    return (mm_long) floor(value*scale+0.5f);
}

DEVICE void addEnergy(GLOBAL mm_ulong* sum, real value) {
    ATOMIC_ADD(sum, (mm_ulong) toFixed(value, ENERGY_SCALE));
}

/* force [3][n]: add f to that of a row. */
DEVICE void addForce(GLOBAL mm_ulong* force, int row, int n, real x, real y, real z,
        GLOBAL int* status) {
    ATOMIC_ADD(&force[row], (mm_ulong) toFixed(guard(x, FORCE_LIMIT, row, status), FORCE_SCALE));
    ATOMIC_ADD(&force[row+n], (mm_ulong) toFixed(guard(y, FORCE_LIMIT, row, status), FORCE_SCALE));
    ATOMIC_ADD(&force[row+2*n],
        (mm_ulong) toFixed(guard(z, FORCE_LIMIT, row, status), FORCE_SCALE));
}

DEVICE real fixedToForce(mm_ulong sum) {
    return ((real) ((mm_long) sum))/FORCE_SCALE;
}

/* ------------------------------------------------------------------------------- frame -- */

/*
 * What changes between evaluations without any array changing stands in device memory, exact4
 * frame [FRAME_SIZE], so that launches may be recorded once and repeated:
 *   0 1 2   rows of the box, nm
 *   3       x: what forces on rows are times, (kJ/mol/nm)/(eV/angstrom)
 *   4       numbers of cells along a, b, c; without cells 1 1 1
 *   5 6     of the message list and the long-range list: cells to look at on either side along a,
 *           b, c, and the range with skin, nm
 */
#define FRAME_SCALE 3
#define FRAME_CELLS 4
#define FRAME_LIST 5
#define READ_BOX exact4 boxA = frame[0], boxB = frame[1], boxC = frame[2];

/* ------------------------------------------------------------------------------- pairs -- */

/* Lattice vector (na, nb, nc) of a pair in one word; each within -512 ... 511. */
#define IMAGE_NONE 537395712  /* (0, 0, 0) */

DEVICE int packImage(int na, int nb, int nc) {
    return (na+512) | ((nb+512) << 10) | ((nc+512) << 20);
}

/* Which row a block takes: with ORDERED, blocks at work at the same time have rows that are near
   each other in space, so that what they gather is still in the cache (CommonPairs::order). */
#ifdef ORDERED
#define ORDER_ARGUMENT GLOBAL const int* RESTRICT order,
#define ROW_AT(place) order[place]
#else
#define ORDER_ARGUMENT
#define ROW_AT(place) (place)
#endif

/* r_ij = x_j + image - x_i, angstrom, and its length in w; box rows a, b, c in nm. */
DEVICE real4 pairVector(exact4 xi, exact4 xj, int image, exact4 a, exact4 b, exact4 c) {
    exact na = (image & 1023)-512, nb = ((image >> 10) & 1023)-512, nc = (image >> 20)-512;
    real x = (real) (10*((xj.x-xi.x)+(na*a.x+nb*b.x+nc*c.x)));
    real y = (real) (10*((xj.y-xi.y)+(na*a.y+nb*b.y+nc*c.y)));
    real z = (real) (10*((xj.z-xi.z)+(na*a.z+nb*b.z+nc*c.z)));
    return make_real4(x, y, z, SQRT(x*x+y*y+z*z));
}
