#include "ptx_operations.h"

#include <stdio.h>

/* n bits of a from place `at` on; beyond the top the sign, or 0. */
static uint64_t extract(uint64_t a, uint32_t at, uint32_t n, uint32_t size, bool is_signed) {
    if (n == 0)
        return 0;
    const uint32_t top = at+n-1 < size-1 ? at+n-1 : size-1;
    const uint64_t sign = is_signed ? a >> top & 1 : 0;
    uint64_t d = 0;
    for (uint32_t k = 0; k < size; k++)
        d |= (k < n && at+k < size ? a >> (at+k) & 1 : sign) << k;
    return d;
}

/* T: the type, W: twice as wide. Division by 0 has all bits, its rest is the dividend. */
#define INTEGERS(X) X(s16, int16_t, int32_t) X(u16, uint16_t, uint32_t) X(s32, int32_t, int64_t)  \
    X(u32, uint32_t, uint64_t) X(s64, int64_t, __int128) X(u64, uint64_t, unsigned __int128)
#define INTEGER(s, T, W)                                                                          \
    BINARY(add_##s, T, a+b)                                                                       \
    BINARY(sub_##s, T, a-b)                                                                       \
    BINARY(mul_lo_##s, T, (W) a*(W) b)                                                            \
    BINARY(mul_hi_##s, T, (W) a*(W) b >> 8*sizeof(T))                                             \
    TERNARY(mad_lo_##s, T, (W) a*(W) b+(W) c)                                                     \
    TERNARY(mad_hi_##s, T, (T) ((W) a*(W) b >> 8*sizeof(T))+c)                                    \
    BINARY(divide_##s, T, b == 0 ? (T) -1 : (T) -1 < 0 && b == (T) -1 ? (T) (0-a) : (T) (a/b))    \
    BINARY(rest_##s, T, b == 0 ? a : (T) -1 < 0 && b == (T) -1 ? 0 : a%b)                         \
    BINARY(smaller_##s, T, a < b ? a : b)                                                         \
    BINARY(larger_##s, T, a > b ? a : b)                                                          \
    UNARY(negate_##s, T, 0-a)                                                                     \
    UNARY(absolute_##s, T, a < 0 ? 0-a : a)                                                       \
    HANDLER(shr_##s) {                                                                            \
        T *d = R(T, 0);                                                                           \
        const T *a = R(T, 1);                                                                     \
        const uint32_t *b = R(uint32_t, 2), most = 8*sizeof(T)-1;                                 \
        EACH(m, d[l] = b[l] > most ? (a[l] < 0 ? (T) -1 : 0) : (T) (a[l] >> b[l]););              \
    }                                                                                             \
    HANDLER(bfe_##s) {                                                                            \
        T *d = R(T, 0);                                                                           \
        const T *a = R(T, 1);                                                                     \
        const uint32_t *b = R(uint32_t, 2), *c = R(uint32_t, 3);                                  \
        EACH(m, d[l] = (T) extract((uint64_t) a[l], b[l] & 255, c[l] & 255, 8*sizeof(T),          \
                                   (T) -1 < 0););                                                 \
    }
INTEGERS(INTEGER)

/* Shifts are by bits; those beyond the width leave 0. */
#define BITS(X) X(b16, uint16_t) X(b32, uint32_t) X(b64, uint64_t)
#define BIT(s, T)                                                                                 \
    BINARY(and_##s, T, a & b)                                                                     \
    BINARY(or_##s, T, a | b)                                                                      \
    BINARY(xor_##s, T, a ^ b)                                                                     \
    UNARY(not_##s, T, ~a)                                                                         \
    UNARY(cnot_##s, T, a == 0)                                                                    \
    UNARY(move_##s, T, a)                                                                         \
    HANDLER(shl_##s) {                                                                            \
        T *d = R(T, 0);                                                                           \
        const T *a = R(T, 1);                                                                     \
        const uint32_t *b = R(uint32_t, 2), most = 8*sizeof(T)-1;                                 \
        EACH(m, d[l] = b[l] > most ? 0 : (T) (a[l] << b[l]););                                    \
    }                                                                                             \
    HANDLER(select_##s) {                                                                         \
        T *d = R(T, 0);                                                                           \
        const T *a = R(T, 1), *b = R(T, 2);                                                       \
        const uint32_t p = ptx_predicate(w, &i->o[3]);                                            \
        EACH(m, d[l] = p >> l & 1 ? a[l] : b[l];);                                                \
    }
BITS(BIT)

#define WIDE(s, T, W)                                                                             \
    HANDLER(mul_wide_##s) {                                                                       \
        W *d = R(W, 0);                                                                           \
        const T *a = R(T, 1), *b = R(T, 2);                                                       \
        EACH(m, d[l] = (W) a[l]*(W) b[l];);                                                       \
    }                                                                                             \
    HANDLER(mad_wide_##s) {                                                                       \
        W *d = R(W, 0);                                                                           \
        const T *a = R(T, 1), *b = R(T, 2);                                                       \
        const W *c = R(W, 3);                                                                     \
        EACH(m, d[l] = (W) a[l]*(W) b[l]+c[l];);                                                  \
    }
WIDE(s16, int16_t, int32_t)
WIDE(u16, uint16_t, uint32_t)
WIDE(s32, int32_t, int64_t)
WIDE(u32, uint32_t, uint64_t)

/* ------------------------------------------------------------------------ bits of words -- */

#define COUNT(name, T, ex)                                                                        \
    HANDLER(name) {                                                                               \
        uint32_t *d = R(uint32_t, 0);                                                             \
        const T *a_ = R(T, 1);                                                                    \
        EACH(m, const T a = a_[l]; d[l] = (uint32_t) (ex););                                      \
    }
COUNT(popc_b32, uint32_t, __builtin_popcount(a))
COUNT(popc_b64, uint64_t, __builtin_popcountll(a))
COUNT(clz_b32, uint32_t, a == 0 ? 32 : __builtin_clz(a))
COUNT(clz_b64, uint64_t, a == 0 ? 64 : __builtin_clzll(a))
COUNT(bfind_u32, uint32_t, a == 0 ? -1 : 31-__builtin_clz(a))
COUNT(bfind_u64, uint64_t, a == 0 ? -1 : 63-__builtin_clzll(a))
COUNT(bfind_s32, int32_t, (a ^ a >> 31) == 0 ? -1 : 31-__builtin_clz((uint32_t) (a ^ a >> 31)))
COUNT(bfind_s64, int64_t, (a ^ a >> 63) == 0 ? -1 : 63-__builtin_clzll((uint64_t) (a ^ a >> 63)))
COUNT(bfind_shift_u32, uint32_t, a == 0 ? -1 : __builtin_clz(a))
COUNT(bfind_shift_u64, uint64_t, a == 0 ? -1 : __builtin_clzll(a))

static uint64_t reverse(uint64_t a, int n) {
    uint64_t d = 0;
    for (int k = 0; k < n; k++)
        d |= (a >> k & 1) << (n-1-k);
    return d;
}
UNARY(brev_b32, uint32_t, reverse(a, 32))
UNARY(brev_b64, uint64_t, reverse(a, 64))

static uint64_t insert(uint64_t a, uint64_t b, uint32_t at, uint32_t n, uint32_t size) {
    for (uint32_t k = 0; k < n && at+k < size; k++)
        b = (b & ~(1ull << (at+k))) | (a >> k & 1) << (at+k);
    return b;
}
#define INSERT(s, T)                                                                              \
    HANDLER(bfi_##s) {                                                                            \
        T *d = R(T, 0);                                                                           \
        const T *a = R(T, 1), *b = R(T, 2);                                                       \
        const uint32_t *at = R(uint32_t, 3), *n = R(uint32_t, 4);                                 \
        EACH(m, d[l] = (T) insert(a[l], b[l], at[l] & 255, n[l] & 255, 8*sizeof(T)););            \
    }
INSERT(b32, uint32_t)
INSERT(b64, uint64_t)

/* Four bytes of eight; bit 3 of a selector: the sign of that byte in all its bits. */
static uint32_t permute(uint32_t a, uint32_t b, uint32_t selector) {
    const uint64_t both = (uint64_t) b << 32 | a;
    uint32_t d = 0;
    for (int k = 0; k < 4; k++) {
        const uint32_t s = selector >> 4*k & 15;
        uint32_t byte = (uint32_t) (both >> 8*(s & 7)) & 255;
        if (s & 8)
            byte = byte & 128 ? 255 : 0;
        d |= byte << 8*k;
    }
    return d;
}
TERNARY(prmt_b32, uint32_t, permute(a, b, c))

/* Any function of three bits, by its table. */
HANDLER(lop3_b32) {
    uint32_t *d = R(uint32_t, 0);
    const uint32_t *a = R(uint32_t, 1), *b = R(uint32_t, 2), *c = R(uint32_t, 3);
    const uint32_t table = R(uint32_t, 4)[0];
    EACH(m,
        uint32_t r = 0;
        for (int k = 0; k < 8; k++)
            if (table >> k & 1)
                r |= (k & 4 ? a[l] : ~a[l]) & (k & 2 ? b[l] : ~b[l]) & (k & 1 ? c[l] : ~c[l]);
        d[l] = r;);
}

static uint32_t funnel(uint32_t a, uint32_t b, uint32_t c, bool left, bool wrap) {
    const uint32_t n = wrap ? c & 31 : c < 32 ? c : 32;
    const uint64_t both = (uint64_t) b << 32 | a;
    return left ? (uint32_t) (both << n >> 32) : (uint32_t) (both >> n);
}
TERNARY(shf_l_wrap, uint32_t, funnel(a, b, c, true, true))
TERNARY(shf_l_clamp, uint32_t, funnel(a, b, c, true, false))
TERNARY(shf_r_wrap, uint32_t, funnel(a, b, c, false, true))
TERNARY(shf_r_clamp, uint32_t, funnel(a, b, c, false, false))
TERNARY(sad_u32, uint32_t, c+(a > b ? a-b : b-a))
TERNARY(sad_s32, int32_t, c+(a > b ? a-b : b-a))

/* ------------------------------------------------------------------------------ carries -- */

enum {ADD_CARRY, SUB_CARRY, MAD_LO_CARRY, MAD_HI_CARRY};

static unsigned __int128 sum_of(const warp *w, const instruction *i, int l, size_t size) {
    const uint64_t all = size == 4 ? 0xffffffffu : ~0ull;
    const unsigned __int128 a = ptx_lane(w, i, 1, l), b = ptx_lane(w, i, 2, l);
    const unsigned carry = i->vector ? w->carry >> l & 1 : 0;
    switch (i->operation) {
        case ADD_CARRY: return a+b+carry;
        case SUB_CARRY: return a-b-carry;
        case MAD_LO_CARRY: return ((a*b) & all)+ptx_lane(w, i, 3, l)+carry;
        default: return ((a*b) >> 8*size)+ptx_lane(w, i, 3, l)+carry;
    }
}

/* The carry stays until the next operation that sets it. vector: it is added. */
HANDLER(with_carry) {
    const size_t size = ptx_type_size(i->type);
    for (int l = 0; l < PTX_LANES; l++) {
        if (!(m >> l & 1))
            continue;
        const unsigned __int128 sum = sum_of(w, i, l, size);
        if (size == 4)
            R(uint32_t, 0)[l] = (uint32_t) sum;
        else
            R(uint64_t, 0)[l] = (uint64_t) sum;
        if (i->sets_carry)
            w->carry = (w->carry & ~(1u << l)) | (uint32_t) ((sum >> 8*size) & 1) << l;
    }
}

/* add.cc, addc, sub.cc, subc, mad.lo.cc, madc.hi ...; false: none of them. */
bool ptx_choose_carry(instruction *i, const char *base, char *const *mods, int n) {
    static const char *const names[] = {"add", "sub", "mad"};
    char stem[4];
    snprintf(stem, sizeof stem, "%s", base);
    const int operation = ptx_position(stem, names, 3);
    const bool adds = strlen(base) == 4 && base[3] == 'c';
    const bool sets = n > 0 && strcmp(mods[n-1], "cc") == 0;
    if (operation < 0 || (strlen(base) > 3 && !adds) || !(adds || sets) || i->ftz || i->saturate)
        return false;
    const int left = n-sets;
    const bool lo = left == 1 && strcmp(mods[0], "lo") == 0;
    const bool hi = left == 1 && strcmp(mods[0], "hi") == 0;
    if (operation == 2 ? !lo && !hi : left != 0)
        return false;
    i->operation = (uint8_t) (operation == 2 && hi ? MAD_HI_CARRY : operation);
    i->sets_carry = sets;
    i->vector = adds;
    i->run = with_carry;
    return i->type == U32 || i->type == U64 || ((i->type == S32 || i->type == S64) && !hi);
}

#define KEYS_I(s, T, W) {"add." #s, add_##s}, {"sub." #s, sub_##s}, {"mul.lo." #s, mul_lo_##s},    \
    {"mul.hi." #s, mul_hi_##s}, {"mad.lo." #s, mad_lo_##s}, {"mad.hi." #s, mad_hi_##s},           \
    {"div." #s, divide_##s}, {"rem." #s, rest_##s}, {"min." #s, smaller_##s},                     \
    {"max." #s, larger_##s}, {"neg." #s, negate_##s}, {"abs." #s, absolute_##s},                  \
    {"shr." #s, shr_##s}, {"bfe." #s, bfe_##s},
#define KEYS_B(s, T) {"and." #s, and_##s}, {"or." #s, or_##s}, {"xor." #s, xor_##s},               \
    {"not." #s, not_##s}, {"cnot." #s, cnot_##s}, {"mov." #s, move_##s}, {"shl." #s, shl_##s},    \
    {"selp." #s, select_##s},
#define KEYS_W(s) {"mul.wide." #s, mul_wide_##s}, {"mad.wide." #s, mad_wide_##s},
static const choice LIST[] = {
    INTEGERS(KEYS_I) BITS(KEYS_B) KEYS_W(s16) KEYS_W(u16) KEYS_W(s32) KEYS_W(u32)
    {"shr.b16", shr_u16}, {"shr.b32", shr_u32}, {"shr.b64", shr_u64},
    {"popc.b32", popc_b32}, {"popc.b64", popc_b64}, {"clz.b32", clz_b32}, {"clz.b64", clz_b64},
    {"bfind.u32", bfind_u32}, {"bfind.u64", bfind_u64}, {"bfind.s32", bfind_s32},
    {"bfind.s64", bfind_s64}, {"bfind.shiftamt.u32", bfind_shift_u32},
    {"bfind.shiftamt.u64", bfind_shift_u64}, {"brev.b32", brev_b32}, {"brev.b64", brev_b64},
    {"bfi.b32", bfi_b32}, {"bfi.b64", bfi_b64}, {"prmt.b32", prmt_b32}, {"lop3.b32", lop3_b32},
    {"shf.l.wrap.b32", shf_l_wrap}, {"shf.l.clamp.b32", shf_l_clamp},
    {"shf.r.wrap.b32", shf_r_wrap}, {"shf.r.clamp.b32", shf_r_clamp},
    {"sad.u32", sad_u32}, {"sad.s32", sad_s32}};
const choices PTX_INTEGERS = {LIST, sizeof LIST/sizeof LIST[0]};
