/*
 * What AIMNet2's kernels share. Sizes: A feature channels, G radial Gaussians, C vector
 * combinations, Q charge channels.
 *
 * Features stand with the Gaussian first: a[g][c], column g*A+c; charges likewise, a charge being
 * a feature that is equal for every g. Rows of a pass:
 *   in    [a (G A) | S of a (G A) | V of a (A C)] and, behind pass 0, [q (Q) | S (G Q) | V (Q C)]
 *   out   [increment of a (G A) | charge p (Q) | weight w (Q)]; of the last pass: aim
 */
#define GA (G*A)
#define AC (A*C)
#define GQ (G*Q)
#define QC (Q*C)

/*
 * Sums over a region, in fixed point: the result does not depend on the order. The scale is a power
 * of two that follows the region's size (CommonAIMNet2.cpp).
 *   [0 ... Q-1]     sum of q~, charges before the update
 *   [Q ... 2Q-1]    sum of f = w^2
 *   [2Q ... 3Q-1]   sum of gq f, for the reverse pass
 */
#define REGION_SUMS (3*Q)
#define REGION_LIMIT 1048576.0f

DEVICE void addToRegion(GLOBAL mm_ulong* sum, real value, real scale, int row,
        GLOBAL int* status) {
    if (value > -REGION_LIMIT && value < REGION_LIMIT)
        ATOMIC_ADD(sum, (mm_ulong) ((mm_long) floor(value*scale+0.5f)));
    else
        status[STATUS_NOT_FINITE] = row+1;
}

DEVICE real regionValue(mm_ulong sum, real scale) {
    return ((real) ((mm_long) sum))/scale;
}

/* F of a channel: sum f + epsilon. */
DEVICE real weightSum(GLOBAL const mm_ulong* RESTRICT sums, real scale, int channel) {
    return regionValue(sums[Q+channel], scale)+CHARGE_EPSILON;
}

/*
 * D/F of a channel: what the charges lack, (total - sum q~), over F. In two words, the second one
 * what rounding took from the first: there are models with a large D, and the charges are to add up
 * to the total all the same.
 */
DEVICE real2 lackPerWeight(GLOBAL const mm_ulong* RESTRICT sums, mm_long total, real scale,
        int channel) {
    const mm_long lack = total-(mm_long) sums[channel];
    const mm_long weight = (mm_long) sums[Q+channel]+(mm_long) (CHARGE_EPSILON*scale+0.5f);
    const real lackHigh = (real) lack, lackLow = (real) (lack-(mm_long) lackHigh);
    const real weightHigh = (real) weight, weightLow = (real) (weight-(mm_long) weightHigh);
    const real ratio = lackHigh/weightHigh;
    const real rest = fma(-ratio, weightHigh, lackHigh)+(lackLow-ratio*weightLow);
    return make_real2(ratio, rest/weightHigh);
}

/* Charge of a row behind the update, from its q~ and w and D/F. */
DEVICE real shiftedCharge(GLOBAL const real* RESTRICT state, int row, int channel, real2 lack) {
    const real w = state[(row*2+1)*Q+channel], f = w*w;
    return fma(f, lack.x, state[row*2*Q+channel])+f*lack.y;
}
