/* Integers and their bits against C: overflow, shifts beyond the width, carries, comparisons. */
#include "ptx_harness.h"

#define C(name, type, ex)                                                                         \
    static uint64_t name(uint64_t x, uint64_t y, uint64_t z) {                                    \
        const type a = (type) x, b = (type) y, c = (type) z;                                      \
        (void) b, (void) c;                                                                       \
        return (uint64_t) (ex);                                                                   \
    }
#define IS_SIGNED(T) ((T) -1 < (T) 1)
/* Results of 16 and 32 bits are compared as such. */
#define H(ex) (uint16_t) (ex)
#define W(ex) (uint32_t) (ex)

/* ---------------------------------------------------------------------------- arithmetic -- */

/* The upper half of a product, from halves of the factors. */
static uint64_t high_u64(uint64_t a, uint64_t b) {
    const uint64_t al = a & 0xffffffffu, ah = a >> 32, bl = b & 0xffffffffu, bh = b >> 32;
    const uint64_t middle = ah*bl+(al*bl >> 32), other = al*bh+(middle & 0xffffffffu);
    return ah*bh+(middle >> 32)+(other >> 32);
}
static uint64_t high_s64(int64_t a, int64_t b) {
    return high_u64((uint64_t) a, (uint64_t) b)-(a < 0 ? (uint64_t) b : 0)-
        (b < 0 ? (uint64_t) a : 0);
}

#define FAMILY(s, T, U, X)                                                                        \
    C(add_##s, T, X((U) a+(U) b)) C(sub_##s, T, X((U) a-(U) b))                                   \
    C(mul_##s, T, X((uint64_t) a*(uint64_t) b))                                                   \
    C(mad_##s, T, X((uint64_t) a*(uint64_t) b+(uint64_t) c))                                      \
    C(min_##s, T, X(a <= b ? a : b)) C(max_##s, T, X(a >= b ? a : b))                             \
    C(div_##s, T, X(a == 0 ? 0 : IS_SIGNED(T) && b == (T) -1 ? 0-(U) a : (U) (a/b)))              \
    C(rem_##s, T, X(a == 0 || (IS_SIGNED(T) && b == (T) -1) ? 0 : a%b))
FAMILY(u16, uint16_t, uint16_t, H)
FAMILY(s16, int16_t, uint16_t, H)
FAMILY(u32, uint32_t, uint32_t, W)
FAMILY(s32, int32_t, uint32_t, W)
FAMILY(u64, uint64_t, uint64_t, (uint64_t))
FAMILY(s64, int64_t, uint64_t, (uint64_t))
C(hi_u16, uint16_t, H((uint32_t) a*b >> 16))
C(hi_s16, int16_t, H((int32_t) a*b >> 16))
C(hi_u32, uint32_t, (uint64_t) a*b >> 32)
C(hi_s32, int32_t, W((int64_t) a*b >> 32))
C(hi_u64, uint64_t, high_u64(a, b))
C(hi_s64, int64_t, high_s64(a, b))
C(mad_hi_u32, uint32_t, W(((uint64_t) a*b >> 32)+c))
C(mad_hi_s32, int32_t, W((uint32_t) ((int64_t) a*b >> 32)+(uint32_t) c))
C(neg_s32, int32_t, W(~(uint32_t) a+1))
C(neg_s64, int64_t, ~(uint64_t) a+1)
C(abs_s32, int32_t, W(a < 0 ? ~(uint32_t) a+1 : (uint32_t) a))
C(abs_s64, int64_t, a < 0 ? ~(uint64_t) a+1 : (uint64_t) a)
C(wide_u16, uint16_t, (uint32_t) a*b)
C(wide_s16, int16_t, W((int32_t) a*b))
C(wide_u32, uint32_t, (uint64_t) a*b)
C(wide_s32, int32_t, (int64_t) a*b)
static uint64_t mad_wide_u32(uint64_t a, uint64_t b, uint64_t c) {
    return (uint64_t) (uint32_t) a*(uint32_t) b+c;
}
static uint64_t mad_wide_s32(uint64_t a, uint64_t b, uint64_t c) {
    return (uint64_t) ((int64_t) (int32_t) a*(int32_t) b)+c;
}
C(sad_u32, uint32_t, W((a > b ? a-b : b-a)+c))
C(sad_s32, int32_t, W((a > b ? (uint32_t) a-(uint32_t) b : (uint32_t) b-(uint32_t) a)+(uint32_t) c))

#define ROWS(s, k) {"add." #s, k k k, add_##s, 0}, {"sub." #s, k k k, sub_##s, 0},                \
    {"mul.lo." #s, k k k, mul_##s, 0}, {"mad.lo." #s, k k k k, mad_##s, 0},                       \
    {"min." #s, k k k, min_##s, 0}, {"max." #s, k k k, max_##s, 0},                               \
    {"mul.hi." #s, k k k, hi_##s, 0}

static void test_arithmetic(void) {
    static const operation list[] = {ROWS(u16, "h"), ROWS(s16, "h"), ROWS(u32, "i"),
        ROWS(s32, "i"), ROWS(u64, "l"), ROWS(s64, "l"),
        {"mad.hi.u32", "iiii", mad_hi_u32, 0}, {"mad.hi.s32", "iiii", mad_hi_s32, 0},
        {"neg.s32", "ii", neg_s32, 0}, {"neg.s64", "ll", neg_s64, 0},
        {"abs.s32", "ii", abs_s32, 0}, {"abs.s64", "ll", abs_s64, 0},
        {"mul.wide.u16", "ihh", wide_u16, 0}, {"mul.wide.s16", "ihh", wide_s16, 0},
        {"mul.wide.u32", "lii", wide_u32, 0}, {"mul.wide.s32", "lii", wide_s32, 0},
        {"mad.wide.u32", "liil", mad_wide_u32, 0}, {"mad.wide.s32", "liil", mad_wide_s32, 0},
        {"sad.u32", "iiii", sad_u32, 0}, {"sad.s32", "iiii", sad_s32, 0}};
    CHECK_OPERATIONS(list);
}

/* What a division by 0 gives is the device's business: divisors are others. */
static void test_division(void) {
    static const uint64_t divisors[] = {1, 2, 3, 7, 100, 0x7fff, 0x8000, 0x7fffffff, 0x80000000u,
        0xfffffffeu, 0xffffffffu, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff};
    static const operation words[] = {{"div.u32", "iii", div_u32, 0},
        {"div.s32", "iii", div_s32, 0}, {"rem.u32", "iii", rem_u32, 0},
        {"rem.s32", "iii", rem_s32, 0}};
    static const operation longs[] = {{"div.u64", "lll", div_u64, 0},
        {"div.s64", "lll", div_s64, 0}, {"rem.u64", "lll", rem_u64, 0},
        {"rem.s64", "lll", rem_s64, 0}};
    static const operation halves[] = {{"div.u16", "hhh", div_u16, 0},
        {"div.s16", "hhh", div_s16, 0}, {"rem.u16", "hhh", rem_u16, 0},
        {"rem.s16", "hhh", rem_s16, 0}};
    for (int k = 0; k < 4; k++) {
        check_operation(&words[k], (values[]) {{NULL, 0}, {divisors, 11}});
        check_operation(&longs[k], (values[]) {{NULL, 0}, {divisors, 14}});
        check_operation(&halves[k], (values[]) {{NULL, 0}, {divisors, 7}});
    }
}

/* ---------------------------------------------------------------------------------- bits -- */

C(and_, uint64_t, a & b)
C(or_, uint64_t, a | b)
C(xor_, uint64_t, a ^ b)
C(not32, uint32_t, W(~a))
C(not64, uint64_t, ~a)
C(cnot32, uint32_t, a == 0 ? 1 : 0)
C(same, uint64_t, a)

/* Shifts bit by bit. */
static uint64_t shifted(uint64_t x, uint64_t n, int width, bool left, bool arithmetic) {
    const uint64_t top = 1ull << (width-1), all = top | (top-1), sign = arithmetic ? x & top : 0;
    for (uint64_t k = 0; k < n && k < 65; k++)
        x = (left ? x << 1 : x >> 1 | sign) & all;
    return x;
}
#define SHIFT(name, width, left, arithmetic)                                                      \
    static uint64_t name(uint64_t x, uint64_t y, uint64_t z) {                                    \
        (void) z;                                                                                 \
        return shifted(x, y, width, left, arithmetic);                                            \
    }
SHIFT(shl16, 16, true, false)
SHIFT(shl32, 32, true, false)
SHIFT(shl64, 64, true, false)
SHIFT(shru16, 16, false, false)
SHIFT(shru32, 32, false, false)
SHIFT(shru64, 64, false, false)
SHIFT(shrs16, 16, false, true)
SHIFT(shrs32, 32, false, true)
SHIFT(shrs64, 64, false, true)

/* The manual's text, bit by bit. */
static uint64_t field(uint64_t a, uint64_t pos, uint64_t len, int width, bool is_signed) {
    pos &= 255, len &= 255;
    const uint64_t msb = (uint64_t) width-1, last = pos+len-1 < msb ? pos+len-1 : msb;
    const uint64_t sign = !is_signed || len == 0 ? 0 : a >> last & 1;
    uint64_t d = 0;
    for (uint64_t k = 0; k <= msb; k++)
        d |= (k < len && pos+k <= msb ? a >> (pos+k) & 1 : sign) << k;
    return d;
}
static uint64_t bfe_u32(uint64_t a, uint64_t b, uint64_t c) {
    return field(a, b, c, 32, false);
}
static uint64_t bfe_s32(uint64_t a, uint64_t b, uint64_t c) {
    return field(a, b, c, 32, true);
}
static uint64_t bfe_u64(uint64_t a, uint64_t b, uint64_t c) {
    return field(a, b, c, 64, false);
}
static uint64_t bfe_s64(uint64_t a, uint64_t b, uint64_t c) {
    return field(a, b, c, 64, true);
}
static uint64_t prmt(uint64_t a, uint64_t b, uint64_t c) {
    unsigned char bytes[8], made[4];
    uint32_t d;
    const uint32_t words[2] = {(uint32_t) a, (uint32_t) b};
    memcpy(bytes, words, 8);
    for (int k = 0; k < 4; k++) {
        const unsigned selector = (unsigned) (c >> 4*k) & 15;
        const unsigned char byte = bytes[selector & 7];
        made[k] = selector < 8 ? byte : byte > 127 ? 255 : 0;
    }
    memcpy(&d, made, 4);
    return d;
}
static uint64_t funnel(uint64_t a, uint64_t b, uint64_t n, bool left) {
    uint64_t both = b << 32 | a;
    for (uint64_t k = 0; k < n; k++)
        both = left ? both << 1 : both >> 1;
    return left ? both >> 32 : both & 0xffffffffu;
}
static uint64_t shf_l_wrap(uint64_t a, uint64_t b, uint64_t c) {
    return funnel(a, b, c%32, true);
}
static uint64_t shf_l_clamp(uint64_t a, uint64_t b, uint64_t c) {
    return funnel(a, b, c < 32 ? c : 32, true);
}
static uint64_t shf_r_wrap(uint64_t a, uint64_t b, uint64_t c) {
    return funnel(a, b, c%32, false);
}
static uint64_t shf_r_clamp(uint64_t a, uint64_t b, uint64_t c) {
    return funnel(a, b, c < 32 ? c : 32, false);
}
static uint64_t ones(uint64_t a, uint64_t b, uint64_t c) {
    (void) b, (void) c;
    uint64_t n = 0;
    for (int k = 0; k < 64; k++)
        n += a >> k & 1;
    return n;
}
static int top_bit(uint64_t a) {
    int k = 63;
    while (k >= 0 && !(a >> k & 1))
        k--;
    return k;
}
C(clz32, uint32_t, 31-top_bit(a))
C(clz64, uint64_t, 63-top_bit(a))
C(bfind_u, uint64_t, W(top_bit(a)))
C(bfind_s32, int32_t, W(top_bit((uint32_t) (a < 0 ? ~a : a))))
C(bfind_s64, int64_t, W(top_bit((uint64_t) (a < 0 ? ~a : a))))
C(bfind_shift32, uint32_t, W(a == 0 ? -1 : 31-top_bit(a)))
static uint64_t reversed(uint64_t a, int width) {
    uint64_t d = 0;
    for (int k = 0; k < width; k++, a >>= 1)
        d = d << 1 | (a & 1);
    return d;
}
C(brev32, uint32_t, reversed(a, 32))
C(brev64, uint64_t, reversed(a, 64))
C(lop3_96, uint32_t, W(a ^ b ^ c))
C(lop3_ca, uint32_t, W((a & b) | (~a & c)))
C(lop3_80, uint32_t, W(a & b & c))

static void test_bits(void) {
    static const operation list[] = {
        {"and.b32", "iii", and_, 0}, {"or.b32", "iii", or_, 0}, {"xor.b32", "iii", xor_, 0},
        {"and.b64", "lll", and_, 0}, {"or.b64", "lll", or_, 0}, {"xor.b16", "hhh", xor_, 0},
        {"not.b32", "ii", not32, 0}, {"not.b64", "ll", not64, 0}, {"cnot.b32", "ii", cnot32, 0},
        {"mov.b32", "ii", same, 0}, {"mov.b64", "ll", same, 0}, {"mov.u16", "hh", same, 0},
        {"shl.b16", "hhi", shl16, 0}, {"shl.b32", "iii", shl32, 0}, {"shl.b64", "lli", shl64, 0},
        {"shr.u16", "hhi", shru16, 0}, {"shr.u32", "iii", shru32, 0},
        {"shr.u64", "lli", shru64, 0}, {"shr.s16", "hhi", shrs16, 0},
        {"shr.s32", "iii", shrs32, 0}, {"shr.s64", "lli", shrs64, 0},
        {"shr.b32", "iii", shru32, 0}, {"bfe.u32", "iiii", bfe_u32, 0},
        {"bfe.s32", "iiii", bfe_s32, 0}, {"bfe.u64", "llii", bfe_u64, 0},
        {"bfe.s64", "llii", bfe_s64, 0}, {"prmt.b32", "iiii", prmt, 0},
        {"shf.l.wrap.b32", "iiii", shf_l_wrap, 0}, {"shf.l.clamp.b32", "iiii", shf_l_clamp, 0},
        {"shf.r.wrap.b32", "iiii", shf_r_wrap, 0}, {"shf.r.clamp.b32", "iiii", shf_r_clamp, 0},
        {"popc.b32", "ii", ones, 0}, {"popc.b64", "il", ones, 0}, {"clz.b32", "ii", clz32, 0},
        {"clz.b64", "il", clz64, 0}, {"bfind.u32", "ii", bfind_u, 0},
        {"bfind.u64", "il", bfind_u, 0}, {"bfind.s32", "ii", bfind_s32, 0},
        {"bfind.s64", "il", bfind_s64, 0}, {"bfind.shiftamt.u32", "ii", bfind_shift32, 0},
        {"brev.b32", "ii", brev32, 0}, {"brev.b64", "ll", brev64, 0}};
    CHECK_OPERATIONS(list);
}

/* --------------------------------------------------------------------------- comparisons -- */

#define CMP(name, type, of, ex)                                                                   \
    static uint64_t name(uint64_t x, uint64_t y, uint64_t z) {                                    \
        (void) z;                                                                                 \
        const type a = (type) of(x), b = (type) of(y);                                            \
        const bool none = a != a || b != b;                                                       \
        (void) none;                                                                              \
        return (ex);                                                                              \
    }
#define SIX(s, type, of)                                                                          \
    CMP(eq_##s, type, of, !none && a == b) CMP(ne_##s, type, of, !none && a != b)                 \
    CMP(lt_##s, type, of, a < b) CMP(le_##s, type, of, a <= b)                                    \
    CMP(gt_##s, type, of, a > b) CMP(ge_##s, type, of, a >= b)
SIX(s32, int32_t, )
SIX(u32, uint32_t, )
SIX(s64, int64_t, )
SIX(u64, uint64_t, )
SIX(s16, int16_t, )
SIX(u16, uint16_t, )
SIX(f32, float, f_of)
SIX(f64, double, d_of)
CMP(equ, float, f_of, none || a == b)
CMP(neu, float, f_of, none || a != b)
CMP(ltu, float, f_of, none || a < b)
CMP(leu, float, f_of, none || a <= b)
CMP(gtu, float, f_of, none || a > b)
CMP(geu, float, f_of, none || a >= b)
CMP(num, float, f_of, !none)
CMP(nan_, float, f_of, none)

#define SIX_ROWS(s, k) {"setp.eq." #s, "p" k k, eq_##s, 0}, {"setp.ne." #s, "p" k k, ne_##s, 0},  \
    {"setp.lt." #s, "p" k k, lt_##s, 0}, {"setp.le." #s, "p" k k, le_##s, 0},                     \
    {"setp.gt." #s, "p" k k, gt_##s, 0}, {"setp.ge." #s, "p" k k, ge_##s, 0}

static uint64_t lt_and(uint64_t a, uint64_t b, uint64_t c) {
    return (int32_t) a < (int32_t) b && c != 0;
}
static uint64_t lt_or(uint64_t a, uint64_t b, uint64_t c) {
    return (int32_t) a < (int32_t) b || c != 0;
}
static uint64_t lt_xor(uint64_t a, uint64_t b, uint64_t c) {
    return ((int32_t) a < (int32_t) b) != (c != 0);
}
static uint64_t set_u(uint64_t a, uint64_t b, uint64_t c) {
    return lt_f32(a, b, c) ? 0xffffffffu : 0;
}
static uint64_t set_f(uint64_t a, uint64_t b, uint64_t c) {
    return lt_f32(a, b, c) ? 0x3f800000u : 0;
}
static uint64_t chosen(uint64_t a, uint64_t b, uint64_t c) {
    return c != 0 ? a : b;
}
static uint64_t slct_s(uint64_t a, uint64_t b, uint64_t c) {
    return (int32_t) c >= 0 ? a : b;
}
static uint64_t slct_f(uint64_t a, uint64_t b, uint64_t c) {
    return f_of(c) >= 0 ? a : b;
}
CMP(p_and, uint64_t, , a & b)
CMP(p_or, uint64_t, , a | b)
CMP(p_xor, uint64_t, , a ^ b)
CMP(p_not, uint64_t, , !a)
CMP(finite_f, float, f_of, isfinite(a) != 0)
CMP(infinite_f, float, f_of, isinf(a) != 0)
CMP(normal_f, float, f_of, fpclassify(a) == FP_NORMAL)
CMP(subnormal_f, float, f_of, fpclassify(a) == FP_SUBNORMAL)
CMP(number_d, double, d_of, isnan(a) == 0)
CMP(nan_d, double, d_of, isnan(a) != 0)

static void test_comparisons(void) {
    static const operation list[] = {
        SIX_ROWS(s32, "i"), SIX_ROWS(u32, "i"), SIX_ROWS(s64, "l"), SIX_ROWS(u64, "l"),
        SIX_ROWS(s16, "h"), SIX_ROWS(u16, "h"), SIX_ROWS(f32, "f"), SIX_ROWS(f64, "d"),
        {"setp.equ.f32", "pff", equ, 0}, {"setp.neu.f32", "pff", neu, 0},
        {"setp.ltu.f32", "pff", ltu, 0}, {"setp.leu.f32", "pff", leu, 0},
        {"setp.gtu.f32", "pff", gtu, 0}, {"setp.geu.f32", "pff", geu, 0},
        {"setp.num.f32", "pff", num, 0}, {"setp.nan.f32", "pff", nan_, 0},
        {"setp.lo.u32", "pii", lt_u32, 0}, {"setp.ls.u32", "pii", le_u32, 0},
        {"setp.hi.u64", "pll", gt_u64, 0}, {"setp.hs.u32", "pii", ge_u32, 0},
        {"setp.eq.b32", "pii", eq_u32, 0}, {"setp.ne.b64", "pll", ne_u64, 0},
        {"setp.lt.and.s32", "piip", lt_and, 0}, {"setp.lt.or.s32", "piip", lt_or, 0},
        {"setp.lt.xor.s32", "piip", lt_xor, 0}, {"set.lt.u32.f32", "iff", set_u, 0},
        {"set.lt.f32.f32", "iff", set_f, 0}, {"selp.b32", "iiip", chosen, 0},
        {"selp.f64", "ddd" "p", chosen, 0}, {"selp.pred", "pppp", chosen, 0},
        {"slct.b32.s32", "iiii", slct_s, 0}, {"slct.f32.f32", "ffff", slct_f, 0},
        {"and.pred", "ppp", p_and, 0}, {"or.pred", "ppp", p_or, 0}, {"xor.pred", "ppp", p_xor, 0},
        {"not.pred", "pp", p_not, 0}, {"testp.finite.f32", "pf", finite_f, 0},
        {"testp.infinite.f32", "pf", infinite_f, 0}, {"testp.normal.f32", "pf", normal_f, 0},
        {"testp.subnormal.f32", "pf", subnormal_f, 0}, {"testp.number.f64", "pd", number_d, 0},
        {"testp.notanumber.f64", "pd", nan_d, 0}};
    CHECK_OPERATIONS(list);
}

/* ----------------------------------------------------- more than the harness has operands -- */

/* out[t] = what a body of one thread leaves in %d, of in[2*t], in[2*t+1]. */
static void run_pairs(const char *body, const uint32_t *in, uint32_t *out, int n) {
    char text[1024], message[PTX_MESSAGE];
    const run r = {.blocks = 1, .threads = (unsigned) n, .in = in, .out = out,
                   .in_bytes = 8*(size_t) n, .out_bytes = 4*(size_t) n};
    snprintf(text, sizeof text, "mul.wide.u32 %%x, %%t, 8; add.u64 %%x, %%x, %%in;"
             "ld.global.v2.u32 {%%a, %%b}, [%%x]; %s mul.wide.u32 %%x, %%t, 4;"
             "add.u64 %%x, %%x, %%out; st.global.u32 [%%x], %%d;", body);
    if (!run_body(".reg .b64 %x, %y, %z; .reg .b32 %a, %b, %c, %d, %e; .reg .pred %p, %q;", text,
                  &r, message))
        CHECK_SAY("%s: %s", body, message);
}

static void test_four_operands(void) {
    static const uint32_t in[] = {0xf0f0f0f0u, 0x00ffff00u, 0x12345678, 0xffffffffu, 5, 0};
    uint32_t out[3];
    run_pairs("lop3.b32 %d, %a, %b, 0x0ff00ff0, 0x96;", in, out, 3);
    for (int k = 0; k < 3; k++)
        CHECK(out[k] == lop3_96(in[2*k], in[2*k+1], 0x0ff00ff0));
    run_pairs("lop3.b32 %d, %a, %b, 0x0ff00ff0, 0xca;", in, out, 3);
    for (int k = 0; k < 3; k++)
        CHECK(out[k] == lop3_ca(in[2*k], in[2*k+1], 0x0ff00ff0));
    run_pairs("lop3.b32 %d, %a, %b, 0x0ff00ff0, 0x80;", in, out, 3);
    for (int k = 0; k < 3; k++)
        CHECK(out[k] == lop3_80(in[2*k], in[2*k+1], 0x0ff00ff0));
    // 8 bits of a into b, from 12 on; beyond the top they are lost
    run_pairs("bfi.b32 %d, %a, %b, 12, 8;", in, out, 3);
    for (int k = 0; k < 3; k++)
        CHECK(out[k] == ((in[2*k+1] & ~0xff000u) | (in[2*k] & 255) << 12));
    run_pairs("bfi.b32 %d, %a, %b, 28, 8;", in, out, 3);
    for (int k = 0; k < 3; k++)
        CHECK(out[k] == ((in[2*k+1] & 0x0fffffffu) | in[2*k] << 28));
}

/* Sums of 64 bits by words. */
static void test_carries(void) {
    static const uint32_t in[] = {0xffffffffu, 1, 0x80000000u, 0x80000000u, 7, 8, 0, 0};
    uint32_t out[4];
    run_pairs("add.cc.u32 %c, %a, %b; addc.u32 %d, 0, 0;", in, out, 4);
    for (int k = 0; k < 4; k++)
        CHECK(out[k] == ((uint64_t) in[2*k]+in[2*k+1]) >> 32);
    run_pairs("sub.cc.u32 %c, %a, %b; subc.u32 %d, 5, 0;", in, out, 4);
    for (int k = 0; k < 4; k++)
        CHECK(out[k] == 5u-(in[2*k] < in[2*k+1]));
    run_pairs("mad.lo.cc.u32 %c, %a, %b, 0xffffffff; madc.hi.u32 %d, %a, %b, 3;", in, out, 4);
    for (int k = 0; k < 4; k++)
        CHECK(out[k] == (uint32_t) (((uint64_t) in[2*k]*in[2*k+1]+0xffffffffu) >> 32)+3);
}

/* The other predicate of a comparison is for the opposite; a negated one is turned around. */
static void test_two_predicates(void) {
    static const uint32_t in[] = {1, 2, 2, 1, 3, 3};
    uint32_t out[3];
    run_pairs("setp.lt.u32 %p|%q, %a, %b; selp.u32 %d, 1, 0, %p; selp.u32 %e, 2, 0, %q;"
              "add.u32 %d, %d, %e;", in, out, 3);
    CHECK(out[0] == 1 && out[1] == 2 && out[2] == 2);
    run_pairs("setp.lt.u32 %p, %a, %b; mov.u32 %d, 7; @!%p mov.u32 %d, 9;", in, out, 3);
    CHECK(out[0] == 7 && out[1] == 9 && out[2] == 9);
    run_pairs("setp.lt.u32 %p, %a, %b; setp.eq.or.u32 %q, %a, %b, !%p; selp.u32 %d, 1, 0, %q;", in,
              out, 3);
    CHECK(out[0] == 0 && out[1] == 1 && out[2] == 1);
}

/* Vectors in registers: the first has the lowest bits. */
static void test_packing(void) {
    static const uint32_t in[] = {0x11112222, 0x33334444, 5, 6};
    uint32_t out[2];
    run_pairs("mov.b64 %y, {%a, %b}; shr.u64 %y, %y, 16; cvt.u32.u64 %d, %y;", in, out, 2);
    CHECK(out[0] == 0x44441111u && out[1] == 0x60000u);
    run_pairs("mov.b64 %y, {%a, %b}; mov.b64 {_, %d}, %y;", in, out, 2);
    CHECK(out[0] == 0x33334444u && out[1] == 6);
    run_pairs(".reg .b16 %h, %g; mov.b32 {%h, %g}, %a; mov.b32 %d, {%g, %h};", in, out, 2);
    CHECK(out[0] == 0x22221111u && out[1] == 0x50000u);
}

int main(void) {
    test_arithmetic();
    test_division();
    test_bits();
    test_comparisons();
    test_four_operands();
    test_carries();
    test_two_predicates();
    test_packing();
    return ptx_report("integers and bits in PTX");
}
