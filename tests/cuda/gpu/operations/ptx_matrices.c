/*
 * mma.sync.aligned: d [16][8] = a [16][k] b [k][8] + c, all lanes together. Where the elements of a
 * matrix are is in the PTX manual ("Matrix Fragments for mma.m16n8k16" with .f16, "... m16n8k8"
 * with .tf32). A device sums products in its own way and cuts off bits; here they are summed in
 * double precision and rounded once.
 */
#include "ptx_operations.h"

enum {ROWS = 16, COLUMNS = 8, MOST_DEPTH = 16};

typedef struct {
    float a[ROWS][MOST_DEPTH], b[MOST_DEPTH][COLUMNS];
} factors;

/* Element k of the four that a lane has of c and d. */
static int row_of(int l, int k) {
    return l/4+k/2*8;
}

static int column_of(int l, int k) {
    return l%4*2+k%2;
}

static void multiply(const warp *w, const instruction *i, const factors *f, int depth) {
    float sums[ROWS][COLUMNS];
    for (int l = 0; l < PTX_LANES; l++)
        for (int k = 0; k < 4; k++)
            sums[row_of(l, k)][column_of(l, k)] = R(float, 10+k)[l];
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLUMNS; c++) {
            double sum = sums[r][c];
            for (int k = 0; k < depth; k++)
                sum += (double) f->a[r][k]*f->b[k][c];
            sums[r][c] = (float) sum;
        }
    for (int l = 0; l < PTX_LANES; l++)
        for (int k = 0; k < 4; k++)
            R(float, k)[l] = sums[row_of(l, k)][column_of(l, k)];
}

static void need_all(const warp *w, const instruction *i, uint32_t m) {
    if (m != ALL_LANES)
        ptx_fail(w, i, __builtin_ctz(m), "needs all lanes, and has 0x%x", m);
}

static float half_at(const uint32_t *words, int l, int upper) {
    const uint16_t bits = (uint16_t) (words[l] >> 16*upper);
    _Float16 h;
    memcpy(&h, &bits, sizeof h);
    return (float) h;
}

HANDLER(mma_f16) {
    factors f;
    need_all(w, i, m);
    for (int l = 0; l < PTX_LANES; l++) {
        for (int k = 0; k < 8; k++)
            f.a[l/4+k/2%2*8][l%4*2+k%2+k/4*8] = half_at(R(uint32_t, 4+k/2), l, k%2);
        for (int k = 0; k < 4; k++)
            f.b[l%4*2+k%2+k/2*8][l/4] = half_at(R(uint32_t, 8+k/2), l, k%2);
    }
    multiply(w, i, &f, 16);
    w->syncs++;
}

/* The lower 13 bits of operands do not count. */
static float tf32_at(const uint32_t *words, int l) {
    const uint32_t bits = words[l] & 0xffffe000u;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

HANDLER(mma_tf32) {
    factors f;
    need_all(w, i, m);
    for (int l = 0; l < PTX_LANES; l++) {
        for (int k = 0; k < 4; k++)
            f.a[l/4+k%2*8][l%4+k/2*4] = tf32_at(R(uint32_t, 4+k), l);
        for (int k = 0; k < 2; k++)
            f.b[l%4+k*4][l/4] = tf32_at(R(uint32_t, 8+k), l);
    }
    multiply(w, i, &f, 8);
    w->syncs++;
}

/* mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 d[4], a[4], b[2], c[4] */
bool ptx_choose_matrix(instruction *i, char *const *mods, int n) {
    if (n != 3 || strcmp(mods[1], "row") != 0 || strcmp(mods[2], "col") != 0 ||
            i->n_operands != 14 || i->n_destinations != 4 || i->n_types != 4 || i->type != F32)
        return false;
    for (int k = 0; k < 14; k++)
        if (i->o[k].sink || i->o[k].size != 4)
            return false;
    const bool half = strcmp(mods[0], "m16n8k16") == 0 && i->from == F16;
    const bool tf32 = strcmp(mods[0], "m16n8k8") == 0 && i->from == TF32;
    i->run = half ? mma_f16 : mma_tf32;
    return half || tf32;
}
