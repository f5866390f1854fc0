/* Lanes together: shuffles, votes, sums, matrices; branches that part and meet; barriers. */
#include "ptx_harness.h"

enum {LANES = PTX_LANES, MOST = 256};

/* Runs a body that leaves a word per thread in %d; in and out have a word per thread. */
static bool run_words(const char *body, const uint32_t *in, uint32_t *out, unsigned threads,
                      ptx_checks checks, char *message) {
    char text[4096];
    const run r = {.blocks = 1, .threads = threads, .dynamic_shared = 1024, .checks = checks,
                   .in = in, .out = out, .in_bytes = 4*threads, .out_bytes = 4*threads};
    memset(out, 0, 4*threads);
    snprintf(text, sizeof text, "mul.wide.u32 %%x, %%t, 4; add.u64 %%y, %%x, %%out;"
             "add.u64 %%x, %%x, %%in; ld.global.u32 %%a, [%%x];\n%s\n"
             "st.global.u32 [%%y], %%d;", body);
    return run_body(".reg .b64 %x, %y, %z; .reg .b32 %a, %b, %c, %d, %e; .reg .pred %p, %q;"
                    ".shared .align 8 .b8 room[1024];", text, &r, message);
}

#define RUN(body, in, out, threads)                                                               \
    do {                                                                                          \
        char message_[PTX_MESSAGE];                                                               \
        const bool done_ = run_words(body, in, out, threads, (ptx_checks) {0}, message_);         \
        check_count++;                                                                            \
        if (!done_)                                                                               \
            CHECK_SAY("%s: %s", body, message_);                                                  \
    } while (0)
#define RUN_FAILS(body, in, threads, text)                                                        \
    do {                                                                                          \
        char message_[PTX_MESSAGE];                                                               \
        uint32_t out_[MOST];                                                                      \
        const bool done_ = run_words(body, in, out_, threads, (ptx_checks) {0}, message_);        \
        check_count++;                                                                            \
        if (done_ || strstr(message_, text) == NULL)                                              \
            CHECK_SAY("%s: expected \"%s\", found: %s", body, text,                                \
                      done_ ? "(it ran)" : message_);                                             \
    } while (0)

static uint32_t in[MOST], out[MOST];

static void fill(void) {
    for (uint32_t k = 0; k < MOST; k++)
        in[k] = 1000+7*k;
}

/* ------------------------------------------------------------------------------- shuffles -- */

/* Of every fourth lane group of 8 lanes: c is 0x1800 | clamp. */
static void test_shuffles(void) {
    RUN("shfl.sync.idx.b32 %d, %a, 5, 31, 0xffffffff;", in, out, LANES);
    for (int l = 0; l < LANES; l++)
        CHECK(out[l] == in[5]);
    RUN("shfl.sync.idx.b32 %d, %a, 5, 0x181f, 0xffffffff;", in, out, LANES);
    for (int l = 0; l < LANES; l++)
        CHECK(out[l] == in[l/8*8+5]);
    RUN("shfl.sync.up.b32 %d, %a, 3, 0, 0xffffffff;", in, out, LANES);
    for (int l = 0; l < LANES; l++)
        CHECK(out[l] == in[l >= 3 ? l-3 : l]);
    RUN("shfl.sync.up.b32 %d, %a, 3, 0x1800, 0xffffffff;", in, out, LANES);
    for (int l = 0; l < LANES; l++)
        CHECK(out[l] == in[l%8 >= 3 ? l-3 : l]);
    RUN("shfl.sync.down.b32 %d|%p, %a, 2, 31, 0xffffffff; @!%p mov.u32 %d, 1;", in, out, LANES);
    for (int l = 0; l < LANES; l++)
        CHECK(out[l] == (l < 30 ? in[l+2] : 1));
    RUN("shfl.sync.bfly.b32 %d, %a, 4, 31, 0xffffffff;", in, out, LANES);
    for (int l = 0; l < LANES; l++)
        CHECK(out[l] == in[l ^ 4]);
    RUN("mov.u32 %d, 0; setp.lt.u32 %p, %t, 16;\n@!%p bra AFTER;\n"
        "shfl.sync.idx.b32 %d, %a, 3, 31, 0x0000ffff;\nAFTER:", in, out, LANES);
    for (int l = 0; l < LANES; l++)
        CHECK(out[l] == (l < 16 ? in[3] : 0));
    RUN_FAILS("mov.u32 %d, 0; setp.lt.u32 %p, %t, 16;\n@%p shfl.sync.idx.b32 %d, %a, 20, 31, "
              "0xffffffff;", in, LANES, "reads lane 20, which does not take part");
    RUN_FAILS("shfl.sync.idx.b32 %d, %a, 0, 31, 0x7fffffff;", in, LANES, "without this lane");
}

static void test_votes(void) {
    RUN("setp.lt.u32 %p, %t, 5; vote.sync.ballot.b32 %d, %p, 0xffffffff;", in, out, LANES);
    CHECK(out[0] == 31 && out[31] == 31);
    RUN("setp.lt.u32 %p, %t, 5; vote.sync.ballot.b32 %d, !%p, 0xffffffff;", in, out, LANES);
    CHECK(out[9] == ~31u);
    RUN("setp.lt.u32 %p, %t, 5; vote.sync.any.pred %q, %p, 0xffffffff; selp.u32 %d, 1, 0, %q;", in,
        out, LANES);
    CHECK(out[0] == 1 && out[31] == 1);
    RUN("setp.lt.u32 %p, %t, 5; vote.sync.all.pred %q, %p, 0xffffffff; selp.u32 %d, 1, 0, %q;", in,
        out, LANES);
    CHECK(out[0] == 0 && out[31] == 0);
    RUN("setp.lt.u32 %p, %t, 5; vote.sync.uni.pred %q, %p, 0xffffffff; selp.u32 %d, 1, 0, %q;", in,
        out, LANES);
    CHECK(out[0] == 0);
    RUN("setp.lt.u32 %p, %t, 50; vote.sync.uni.pred %q, %p, 0xffffffff; selp.u32 %d, 1, 0, %q;", in,
        out, LANES);
    CHECK(out[0] == 1);
    // the second warp has eight threads
    RUN("setp.lt.u32 %p, %t, 50; vote.sync.ballot.b32 %d, %p, 0xffffffff;", in, out, 40);
    CHECK(out[0] == ~0u && out[39] == 255);
    RUN("activemask.b32 %d;", in, out, 40);
    CHECK(out[0] == ~0u && out[39] == 255);
}

static void test_reductions(void) {
    static const int32_t values[5] = {7, -3, 100, -50, 12};
    uint32_t words[LANES], sum = 0, bits = ~0u, any = 0, odd = 0;
    for (int l = 0; l < LANES; l++) {
        words[l] = (uint32_t) values[l%5];
        sum += words[l], bits &= words[l], any |= words[l], odd ^= words[l];
    }
    const struct {const char *text; uint32_t expected;} list[] = {
        {"add.s32", sum}, {"add.u32", sum}, {"min.s32", (uint32_t) -50}, {"max.s32", 100},
        {"min.u32", 7}, {"max.u32", (uint32_t) -3}, {"and.b32", bits}, {"or.b32", any},
        {"xor.b32", odd}};
    for (int k = 0; k < 9; k++) {
        char body[128];
        snprintf(body, sizeof body, "redux.sync.%s %%d, %%a, 0xffffffff;", list[k].text);
        RUN(body, words, out, LANES);
        for (int l = 0; l < LANES; l++)
            CHECK(out[l] == list[k].expected);
    }
}

/* ------------------------------------------------------------------------------- branches -- */

/* Loops of different lengths; all lanes meet at the vote after them. */
static void test_reconvergence(void) {
    RUN("mov.u32 %d, 0; mov.u32 %b, 0;\nLOOP: setp.ge.u32 %p, %b, %t;\n@%p bra OUT;\n"
        "add.u32 %b, %b, 1; add.u32 %d, %d, %b;\nbra LOOP;\n"
        "OUT: activemask.b32 %c; setp.ne.u32 %q, %c, 0xffffffff;\n@%q mov.u32 %d, 0xdead;", in, out,
        LANES);
    for (uint32_t l = 0; l < LANES; l++)
        CHECK(out[l] == l*(l+1)/2);
    // a branch in a branch, and each lane its own way of four
    RUN("and.b32 %b, %t, 1; setp.eq.u32 %p, %b, 0; and.b32 %c, %t, 2; setp.eq.u32 %q, %c, 0;\n"
        "@%p bra EVEN;\n@%q bra ODD1;\nmov.u32 %d, 3;\nbra END;\nODD1: mov.u32 %d, 1;\nbra END;\n"
        "EVEN: @%q bra EVEN0;\nmov.u32 %d, 2;\nbra END;\nEVEN0: mov.u32 %d, 0;\n"
        "END: activemask.b32 %e; add.u32 %e, %e, 1; add.u32 %d, %d, %e;", in, out, LANES);
    for (uint32_t l = 0; l < LANES; l++)
        CHECK(out[l] == l%4);
    RUN("and.b32 %b, %t, 3;\nTABLE: .branchtargets A0, A1, A2, A3;\nbrx.idx %b, TABLE;\n"
        "A0: mov.u32 %d, 10;\nbra END;\nA1: mov.u32 %d, 11;\nbra END;\nA2: mov.u32 %d, 12;\n"
        "bra END;\nA3: mov.u32 %d, 13;\nEND:", in, out, LANES);
    for (uint32_t l = 0; l < LANES; l++)
        CHECK(out[l] == 10+l%4);
    RUN_FAILS("and.b32 %b, %t, 3;\nTABLE: .branchtargets A0, A1;\nbrx.idx %b, TABLE;\n"
              "A0: mov.u32 %d, 10;\nA1:", in, LANES, "index 2 of 2 targets");
    // lanes that have ended are not waited for
    RUN("setp.lt.u32 %p, %t, 8;\n@%p ret;\nvote.sync.ballot.b32 %d, 1, 0xffffff00;", in, out,
        LANES);
    CHECK(out[0] == 0 && out[8] == 0xffffff00u);
}

/* Half of the lanes come late to an operation of all: it waits. */
static void test_waiting(void) {
    RUN("mov.u32 %d, 1; setp.lt.u32 %p, %t, 16;\n@%p bra MEET;\nmov.u32 %d, 2;\n"
        "MEET: shfl.sync.bfly.b32 %d, %d, 16, 31, 0xffffffff;", in, out, LANES);
    for (int l = 0; l < LANES; l++)
        CHECK(out[l] == (l < 16 ? 2 : 1));
    RUN_FAILS("mov.u32 %d, 1; setp.lt.u32 %p, %t, 16;\n@%p bra A;\n"
              "shfl.sync.bfly.b32 %d, %d, 1, 31, 0xffffffff;\nbra END;\n"
              "A: shfl.sync.bfly.b32 %d, %d, 1, 31, 0xffffffff;\nEND:", in, LANES,
              "wait for others, which are elsewhere");
}

/* ------------------------------------------------------------------------------- barriers -- */

/* Each thread reads what one of another warp wrote. */
static void test_barriers(void) {
    RUN("mov.u32 %b, room; shl.b32 %c, %t, 2; add.u32 %c, %c, %b; st.shared.u32 [%c], %a;\n"
        "bar.sync 0;\nxor.b32 %e, %t, 64; shl.b32 %e, %e, 2; add.u32 %e, %e, %b;"
        "ld.shared.u32 %d, [%e];", in, out, 128);
    for (int k = 0; k < 128; k++)
        CHECK(out[k] == in[k ^ 64]);
    RUN_FAILS("mov.u32 %d, 0; setp.lt.u32 %p, %t, 64;\n@%p bra A;\nbar.sync 0;\nbra END;\n"
              "A: bar.sync 0;\nEND:", in, 128, "another warp is at the barrier");
    RUN_FAILS("mov.u32 %d, 0; setp.lt.u32 %p, %t, 8;\n@%p bra AFTER;\nbar.sync 0;\nAFTER:", in, 64,
              "wait for others");
    RUN_FAILS("mov.u32 %d, 0; setp.lt.u32 %p, %t, 8;\n@%p bar.sync 0;", in, 64,
              "a barrier with a condition");
    RUN_FAILS("mov.u32 %d, 0; setp.lt.u32 %p, %t, 32;\n@%p ret;\nbar.sync 0;", in, 64,
              "warp 0 has ended before this barrier");
    RUN_FAILS("mov.u32 %d, 0; setp.lt.u32 %p, %t, 40;\n@!%p ret;\nbar.sync 0;", in, 64,
              "have ended before this barrier");
}

/* Warps interrupted anywhere: the same. */
static void test_shuffled_schedule(void) {
    char message[PTX_MESSAGE];
    for (unsigned seed = 1; seed < 20; seed++) {
        CHECK(run_words("mov.u32 %b, room; shl.b32 %c, %t, 2; add.u32 %c, %c, %b;"
                        "st.shared.u32 [%c], %a;\nbar.sync 0;\nxor.b32 %e, %t, 64;"
                        "shl.b32 %e, %e, 2; add.u32 %e, %e, %b; ld.shared.u32 %d, [%e];", in, out,
                        128, (ptx_checks) {.shuffle = seed}, message));
        for (int k = 0; k < 128; k++)
            CHECK(out[k] == in[k ^ 64]);
    }
    // what depends on the order of warps does show
    int different = 0;
    for (unsigned seed = 1; seed < 20; seed++) {
        CHECK(run_words("mov.u32 %b, room; atom.shared.add.u32 %d, [%b], 1; sub.u32 %d, %d, -1;",
                        in, out, 128, (ptx_checks) {.shuffle = seed}, message));
        different += out[0] != 0;
    }
    CHECK(different > 0);
}

/* -------------------------------------------------------------------------------- matrices -- */

static uint16_t half_bits(float x) {    // of small integers and their quarters
    const uint32_t b = (uint32_t) bits_f(x);
    return x == 0 ? 0 : (uint16_t) ((b >> 16 & 0x8000) | ((b >> 23 & 255)-112) << 10 |
                                    (b >> 13 & 1023));
}

/* d = a b + c with elements where the PTX manual has them; depth: 16 halves or 8 of TF32. */
static void test_matrix(const char *opcode, int depth, bool half) {
    float a[16][16], b[16][8], c[16][8];
    static uint32_t words[LANES*12], made[LANES*4];
    char body[2048], message[PTX_MESSAGE];
    for (int r = 0; r < 16; r++)
        for (int k = 0; k < depth; k++)
            a[r][k] = 0.25f*(float) ((r*7+k*3)%23-11);
    for (int k = 0; k < depth; k++)
        for (int n = 0; n < 8; n++)
            b[k][n] = 0.5f*(float) ((k*5+n*11)%19-9);
    for (int r = 0; r < 16; r++)
        for (int n = 0; n < 8; n++)
            c[r][n] = (float) (r*8+n);
    for (int l = 0; l < LANES; l++) {
        const int g = l >> 2, q = l & 3;    // groupID, threadID_in_group
        uint32_t *w = &words[12*l];
        for (int k = 0; k < 4 && half; k++) {
            const int row = k%2 == 0 ? g : g+8, column = 2*q+(k < 2 ? 0 : 8);
            w[k] = half_bits(a[row][column]) | (uint32_t) half_bits(a[row][column+1]) << 16;
        }
        for (int k = 0; k < 2 && half; k++)
            w[4+k] = half_bits(b[2*q+8*k][g]) | (uint32_t) half_bits(b[2*q+8*k+1][g]) << 16;
        for (int k = 0; k < 4 && !half; k++)    // low bits must not count
            w[k] = (uint32_t) bits_f(a[k%2 == 0 ? g : g+8][k < 2 ? q : q+4]) | 0x1555;
        for (int k = 0; k < 2 && !half; k++)
            w[4+k] = (uint32_t) bits_f(b[k == 0 ? q : q+4][g]) | 0x0aaa;
        for (int k = 0; k < 4; k++)
            w[6+k] = (uint32_t) bits_f(c[k < 2 ? g : g+8][2*q+k%2]);
    }
    const run r = {.blocks = 1, .threads = LANES, .in = words, .out = made,
                   .in_bytes = sizeof words, .out_bytes = sizeof made};
    snprintf(body, sizeof body, "mul.wide.u32 %%x, %%t, 48; add.u64 %%x, %%x, %%in;"
             "mul.wide.u32 %%y, %%t, 16; add.u64 %%y, %%y, %%out;"
             "ld.global.v4.u32 {%%r0, %%r1, %%r2, %%r3}, [%%x];"
             "ld.global.v2.u32 {%%r4, %%r5}, [%%x+16]; ld.global.v2.u32 {%%r6, %%r7}, [%%x+24];"
             "ld.global.v2.u32 {%%r8, %%r9}, [%%x+32];\n"
             "%s {%%s0, %%s1, %%s2, %%s3}, {%%r0, %%r1, %%r2, %%r3}, {%%r4, %%r5}, "
             "{%%r6, %%r7, %%r8, %%r9};\n"
             "st.global.v4.u32 [%%y], {%%s0, %%s1, %%s2, %%s3};", opcode);
    CHECK(run_body(".reg .b64 %x, %y; .reg .b32 %r<10>, %s<4>;", body, &r, message));
    for (int l = 0; l < LANES; l++)
        for (int k = 0; k < 4; k++) {
            const int row = (l >> 2)+(k < 2 ? 0 : 8), column = 2*(l & 3)+k%2;
            double sum = c[row][column];
            for (int j = 0; j < depth; j++)
                sum += (double) a[row][j]*(double) b[j][column];
            CHECK(f_of(made[4*l+k]) == (float) sum);    // sums are exact: they have few bits
        }
}

static void test_matrices(void) {
    test_matrix("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", 16, true);
    test_matrix("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", 8, false);
    RUN_FAILS("mov.u32 %d, 0; mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%a, %b, %c, %e}, "
              "{%a, %a, %a, %a}, {%a, %a}, {%a, %a, %a, %a};", in, 16, "needs all lanes");
}

int main(void) {
    fill();
    test_shuffles();
    test_votes();
    test_reductions();
    test_reconvergence();
    test_waiting();
    test_barriers();
    test_shuffled_schedule();
    test_matrices();
    return check_report("lanes together in PTX");
}
