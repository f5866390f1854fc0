/*
 * Products of fragments on tensor cores: what tensorTile.cu and tensorRows.cu share; stands before
 * them. For CUDA devices of compute capability 8.0 or more; `real` is float. How lanes hold a
 * fragment: PTX ISA, "Matrix Fragments for mma.m16n8k16" and "mma.m16n8k8"; in its words, groupID is
 * lane/4 and threadID_in_group lane%4.
 *
 * TENSOR_PAIRS 1: an operand is a pair of halves, x = high + low/2048, 22 bits in all, and a
 *                 product is high high + (high low + low high)/2048.
 *              0: operands are rounded to TF32, 11 bits, and the product is one.
 *
 * Tensor cores cut their sums off instead of rounding, always towards zero: over many terms that is
 * a bias. So a fragment's sum starts from zero for every 32 terms and is added to that of the
 * others in ordinary arithmetic. The small products stay in one sum: 1/2048 of the bias.
 *
 * x stands in local memory as [row][word], `stride` words a row; low halves are `low` words behind
 * the high ones. A word of pairs holds two halves: terms w and w+16 of a group; any order will do
 * if weights have the same, and in this one neighboring threads fetch neighboring terms. A stride
 * that is an odd multiple of 4 puts the 8 rows x 4 words that a warp reads at once into 32
 * different banks.
 */
#define GROUP_TERMS 32
#if TENSOR_PAIRS
#define GROUP_WORDS 16
#else
#define GROUP_WORDS 32
#endif

/* Largest operand: halves end at 65504. */
#define HALF_LIMIT 3e4f
#define LOW_SCALE 2048.0f

/* ------------------------------------------------------------------------- instructions -- */

/* Tests that run without a GPU bring their own. */
#ifndef TENSOR_INSTRUCTIONS

/* Two halves in a word, rounded to nearest. */
DEVICE unsigned int packHalves(float first, float second) {
    unsigned int word;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(second), "f"(first));
    return word;
}

DEVICE float firstHalf(unsigned int word) {
    float value;
    asm("{ .reg .f16 a, b; mov.b32 {a, b}, %1; cvt.f32.f16 %0, a; }" : "=f"(value) : "r"(word));
    return value;
}

DEVICE float secondHalf(unsigned int word) {
    float value;
    asm("{ .reg .f16 a, b; mov.b32 {a, b}, %1; cvt.f32.f16 %0, b; }" : "=f"(value) : "r"(word));
    return value;
}

/* To nearest: what tensor cores do by themselves is cutting off. */
DEVICE unsigned int roundToTF32(float value) {
    unsigned int word;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(value));
    return word;
}

/* sum [4] += a [16][16] b [16][8] */
DEVICE void multiplyHalves(float* sum, const unsigned int* a, unsigned int b0, unsigned int b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* sum [4] += a [16][8] b [8][8] */
DEVICE void multiplyTF32(float* sum, const unsigned int* a, unsigned int b0, unsigned int b1) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

#endif

/* ------------------------------------------------------------------------------ operands -- */

/*
 * Terms w and w+16 of a group of a row, as operands, to the place of word w; true if an operand is
 * outside the range.
 */
DEVICE bool stageTerms(LOCAL_ARG float* place, int low, float a, float b) {
#if TENSOR_PAIRS
    const unsigned int high = packHalves(a, b);
    place[0] = __uint_as_float(high);
    place[low] = __uint_as_float(packHalves((a-firstHalf(high))*LOW_SCALE,
                                            (b-secondHalf(high))*LOW_SCALE));
    return !(fabsf(a) <= HALF_LIMIT && fabsf(b) <= HALF_LIMIT);     // NaN too
#else
    place[0] = __uint_as_float(roundToTF32(a));
    place[16] = __uint_as_float(roundToTF32(b));
    return false;
#endif
}

/* A lane's words of 16 rows of x, from a word on. */
DEVICE void loadFragment(LOCAL_ARG const float* x, int stride, int lane, unsigned int* a) {
    LOCAL_ARG const float* own = x+lane/4*stride+lane%4;
    a[0] = __float_as_uint(own[0]);
    a[1] = __float_as_uint(own[8*stride]);
    a[2] = __float_as_uint(own[4]);
    a[3] = __float_as_uint(own[8*stride+4]);
}

/* ------------------------------------------------------------------------------- products -- */

/*
 * Weights of half a group, 16 terms, for so many fragments of columns. See CommonTensor.h.
 *     place      [columns] of the lane's columns, in the first half group
 *     number     of the half group
 */
DEVICE void fetchW(const int columns, GLOBAL const uint4* RESTRICT packed, const int* place,
        int number, uint4* fetched) {
#pragma unroll
    for (int n = 0; n < columns; n++)
        fetched[n] = packed[place[n]+number*32];
}

/*
 * Half a group times its weights, added to the sums of a piece of so many fragments of rows and of
 * columns.
 *   x              the group's first word of the piece's first row
 *   w              [columns]
 *   large, small   [rows][columns][4] sums of large and of small products; with TF32, of the first
 *                  and of the second half
 */
DEVICE void addProducts(const int rows, const int columns, LOCAL_ARG const float* x, int stride,
        int low, int half, int lane, const uint4* w, float* large, float* small) {
#pragma unroll
    for (int m = 0; m < rows; m++) {
        const int first = m*columns*4;
        unsigned int a[4], b[4];
        // in this order, a product does not wait for the one before
#if TENSOR_PAIRS
        loadFragment(x+16*m*stride+8*half, stride, lane, a);
        loadFragment(x+16*m*stride+8*half+low, stride, lane, b);
#pragma unroll
        for (int n = 0; n < columns; n++)
            multiplyHalves(small+first+4*n, b, w[n].x, w[n].y);
#pragma unroll
        for (int n = 0; n < columns; n++)
            multiplyHalves(large+first+4*n, a, w[n].x, w[n].y);
#pragma unroll
        for (int n = 0; n < columns; n++)
            multiplyHalves(small+first+4*n, a, w[n].z, w[n].w);
#else
        float* sum = (half == 0 ? large : small)+first;
        loadFragment(x+16*m*stride+16*half, stride, lane, a);
        loadFragment(x+16*m*stride+16*half+8, stride, lane, b);
#pragma unroll
        for (int n = 0; n < columns; n++)
            multiplyTF32(sum+4*n, a, w[n].x, w[n].y);
#pragma unroll
        for (int n = 0; n < columns; n++)
            multiplyTF32(sum+4*n, b, w[n].z, w[n].w);
#endif
    }
}

/* A group's sums to those of the groups before, rounded; the next group starts from zero. */
DEVICE void addGroup(const int count, float* sums, float* large, float* small) {
#pragma unroll
    for (int i = 0; i < count; i++) {
#if TENSOR_PAIRS
        sums[i] += large[i];
#else
        sums[i] += large[i]+small[i];
        small[i] = 0;
#endif
        large[i] = 0;
    }
}

/* A sum after the last group. */
DEVICE float finishSum(float sum, float small) {
#if TENSOR_PAIRS
    return sum+small*(1/LOW_SCALE);
#else
    return sum;
#endif
}
