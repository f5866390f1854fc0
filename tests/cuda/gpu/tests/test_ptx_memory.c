/* Loads, stores and atomic operations; what their checks find. */
#include "ptx_harness.h"

enum {THREADS = 64};

static uint32_t in[256], out[256];
static const char *const DECLARATIONS = ".reg .b64 %x, %y, %z, %w; .reg .b32 %a, %b, %c, %d, %e;"
    ".reg .b16 %h; .reg .pred %p; .shared .align 16 .b8 room[256]; .local .align 16 .b8 own[64];";

static run usual(ptx_checks checks) {
    return (run) {.blocks = 2, .threads = THREADS, .dynamic_shared = 256, .checks = checks,
                  .in = in, .out = out, .in_bytes = sizeof in, .out_bytes = sizeof out};
}

static void runs(const char *body, ptx_checks checks) {
    char message[PTX_MESSAGE];
    const run r = usual(checks);
    memset(out, 0, sizeof out);
    for (uint32_t k = 0; k < 256; k++)
        in[k] = 0x80f07f01u+k*0x01010101u;
    check_count++;
    if (!run_body(DECLARATIONS, body, &r, message))
        CHECK_SAY("%s: %s", body, message);
}

static void fails(const char *body, ptx_checks checks, const char *text, const char *more) {
    const run r = usual(checks);
    check_body_fails(DECLARATIONS, body, &r, text, more);
}

static const ptx_checks NONE;

/* ----------------------------------------------------------------------- loads and stores -- */

#define AT_T "mul.wide.u32 %x, %t, 4; add.u64 %y, %x, %out; add.u64 %x, %x, %in; "

static void test_loads(void) {
    runs(AT_T "ld.global.s8 %a, [%x+1]; st.global.u32 [%y], %a;", NONE);
    CHECK(out[3] == (uint32_t) (int32_t) (int8_t) (in[3] >> 8));
    runs(AT_T "ld.global.u8 %a, [%x+1]; st.global.u32 [%y], %a;", NONE);
    CHECK(out[3] == (in[3] >> 8 & 255));
    runs(AT_T "ld.global.s16 %a, [%x+2]; st.global.u32 [%y], %a;", NONE);
    CHECK(out[3] == (uint32_t) (int32_t) (int16_t) (in[3] >> 16));
    runs(AT_T "ld.global.u16 %h, [%x+2]; cvt.u32.u16 %a, %h; st.global.u32 [%y], %a;", NONE);
    CHECK(out[3] == in[3] >> 16);
    runs(AT_T "ld.global.s32 %z, [%x]; shr.s64 %z, %z, 32; st.global.u32 [%y], %z;", NONE);
    CHECK(out[3] == 0xffffffffu);
    runs(AT_T "ld.global.u32 %a, [%in]; st.global.u32 [%y], %a;", NONE);
    CHECK(out[0] == in[0] && out[127] == in[0]);
    runs("mul.wide.u32 %x, %t, 8; add.u64 %y, %x, %out; add.u64 %x, %x, %in;"
         "ld.global.v2.u32 {%a, %b}, [%x]; st.global.v2.u32 [%y], {%b, %a};", NONE);
    for (int k = 0; k < 128; k++)
        CHECK(out[2*k] == in[2*k+1] && out[2*k+1] == in[2*k]);
    runs(AT_T "ld.global.u32 %a, [%x]; st.global.u8 [%y+2], %a;", NONE);
    CHECK(out[9] == (in[9] & 255) << 16);
    runs(AT_T "ld.global.u32 %a, [%x]; and.b32 %b, %t, 1; setp.eq.u32 %p, %b, 0;"
         "@%p st.global.u32 [%y], %a;", NONE);
    CHECK(out[8] == in[8] && out[9] == 0);
}

/* A space of its own, through a generic address, and through both. */
static void test_spaces(void) {
    runs(AT_T "ld.global.u32 %a, [%x]; st.local.u32 [own+8], %a; mov.u64 %z, own;"
         "cvta.local.u64 %z, %z; ld.u32 %b, [%z+8]; st.global.u32 [%y], %b;", NONE);
    for (int k = 0; k < 128; k++)
        CHECK(out[k] == in[k]);
    runs(AT_T "ld.global.u32 %a, [%x]; mov.u32 %c, %tid.x; mul.wide.u32 %w, %c, 4;"
         "mov.u64 %z, room; add.u64 %z, %z, %w; st.shared.u32 [%z], %a;\n"
         "bar.sync 0;\ncvta.shared.u64 %z, %z;"
         "ld.u32 %b, [%z]; st.global.u32 [%y], %b;", NONE);
    for (int k = 0; k < 128; k++)
        CHECK(out[k] == in[k]);
    runs(AT_T "ld.global.u32 %a, [%x]; mov.u32 %c, %tid.x; mul.wide.u32 %w, %c, 4;"
         "mov.u64 %z, more; add.u64 %z, %z, %w; st.shared.u32 [%z], %a; ld.shared.u32 %b, [%z];"
         "st.global.u32 [%y], %b;", NONE);
    CHECK(out[100] == in[100]);
    fails("mov.u64 %z, room; cvta.shared.u64 %z, %z; cvta.to.local.u64 %z, %z;", NONE,
          "is not an address of this space", "block (0, 0, 0), thread (0, 0, 0)");
}

static void test_bounds(void) {
    fails("ld.global.u32 %a, [%in+1024];", NONE, "is in no live memory of the device", "line 9");
    fails("ld.global.u32 %a, [%in+-4];", NONE, "is in no live memory", "ld.global.u32");
    fails("ld.global.v4.u32 {%a, %b, %c, %d}, [%in+1024-16+16];", NONE, "no live memory", "");
    fails("st.global.u32 [8], 0;", NONE, "0x8 is in no live memory", "");
    fails("mov.u64 %z, -4; ld.global.u32 %a, [%z];", NONE, "is in no live memory", "");
    fails("ld.shared.u32 %a, [room+256];", NONE, "256 static and 256 dynamic bytes", "");
    fails("mov.u64 %z, -4; ld.shared.u32 %a, [%z];", NONE, "256 static and 256 dynamic bytes", "");
    fails("mov.u64 %z, room; cvta.shared.u64 %z, %z; add.u64 %z, %z, -4;\nld.u32 %a, [%z];", NONE,
          "", "");
    fails("ld.shared.u32 %a, [more+256];", NONE, "256 static and 256 dynamic bytes", "");
    fails("ld.local.u32 %a, [own+64];", NONE, "there are 64 bytes", "");
    fails("mov.u64 %z, -4; ld.local.u32 %a, [%z];", NONE, "there are 64 bytes", "");
    fails("ld.param.u64 %z, [to+8];", NONE, "reads beyond the arguments", "");
    fails(AT_T "setp.eq.u32 %p, %t, 70; @%p add.u64 %x, %x, 4096;\nld.global.u32 %a, [%x];", NONE,
          "block (1, 0, 0), thread (6, 0, 0)", "no live memory");
    fails("trap;", NONE, "trap", "");
}

static void test_alignment(void) {
    fails("ld.global.u32 %a, [%in+2];", NONE, "of 4 bytes is not aligned", "");
    fails("ld.global.v2.u32 {%a, %b}, [%in+4];", NONE, "of 8 bytes is not aligned", "");
    fails("st.shared.v4.u32 [room+8], {%a, %b, %c, %d};", NONE, "of 16 bytes is not aligned", "");
    runs("ld.global.v2.u32 {%a, %b}, [%in+8];", NONE);
}

/* -------------------------------------------------------------------------------- atomics -- */

/* Of all threads on one word, from a start on. */
static uint32_t atomics(const char *text, uint32_t start, const char *operand) {
    char body[512];
    snprintf(body, sizeof body, "mov.u64 %%z, room; mov.u32 %%c, %%tid.x;\n"
             "st.shared.u32 [%%z], %u;\nbar.sync 0;\nadd.u32 %%a, %%c, 3;\n"
             "%s %%d, [%%z], %s;\nbar.sync 0;\n"
             "ld.shared.u32 %%b, [%%z]; st.global.u32 [%%out], %%b;", start, text, operand);
    runs(body, NONE);
    return out[0];
}

static void test_atomics(void) {
    uint32_t all = 0, odd = 0;
    for (uint32_t k = 3; k < 67; k++)
        all |= k, odd ^= k;
    CHECK(atomics("atom.shared.add.u32", 5, "%a") == 5+64*3+63*32);
    CHECK(atomics("atom.shared.min.u32", 40, "%a") == 3);
    CHECK(atomics("atom.shared.max.u32", 40, "%a") == 66);
    CHECK(atomics("atom.shared.min.s32", 0xfffffff0u, "%a") == 0xfffffff0u);
    CHECK(atomics("atom.shared.max.s32", 0xfffffff0u, "%a") == 66);
    CHECK(atomics("atom.shared.or.b32", 256, "%a") == (256 | all));
    CHECK(atomics("atom.shared.xor.b32", 7, "%a") == (7 ^ odd));
    CHECK(atomics("atom.shared.and.b32", 0xff, "2") == 2);
    CHECK(atomics("atom.shared.inc.u32", 0, "9") == 64%10);
    CHECK(atomics("atom.shared.dec.u32", 0, "9") == 6);    // 9 8 ... 0 9 ...: 64 steps
    CHECK(atomics("atom.shared.exch.b32", 0, "77") == 77);
    CHECK(atomics("atom.shared.cas.b32", 10, "10, 11") == 11);
    CHECK(atomics("atom.shared.cas.b32", 12, "10, 11") == 12);
    CHECK(atomics("atom.shared.add.f32", 0, "0f3f000000") == bits_f(32));
    // the value before: every one once
    runs("mov.u32 %c, %tid.x; mov.u64 %z, room; st.shared.u32 [%z], 0;\nbar.sync 0;\n"
         "atom.shared.add.u32 %d, [%z], 1;\nmul.wide.u32 %w, %d, 4; add.u64 %w, %w, %out;"
         "atom.global.add.u32 %e, [%w], 1;", NONE);
    for (int k = 0; k < THREADS; k++)
        CHECK(out[k] == 2);    // of two blocks
    runs("atom.global.add.u64 %z, [%out], 0x100000001; red.global.add.u32 [%out+8], 3;"
         "atom.global.add.f64 %z, [%out+16], 0d3fe0000000000000;", NONE);
    CHECK(out[0] == 128 && out[1] == 128 && out[2] == 384);
    CHECK(d_of((uint64_t) out[5] << 32 | out[4]) == 64);
}

/* ---------------------------------------------------------------------------------- races -- */

static const ptx_checks RACES = {.races = true}, GLOBAL_RACES = {.global_races = true},
    UNWRITTEN = {.unwritten = true};

#define SHARED_T "mov.u32 %c, %tid.x; shl.b32 %b, %c, 2; mov.u32 %e, room; add.u32 %b, %b, %e;\n"
#define NEXT "xor.b32 %d, %c, 40; shl.b32 %d, %d, 2; add.u32 %d, %d, %e;\n"

static void test_shared_races(void) {
    runs(SHARED_T NEXT "st.shared.u32 [%b], %c;\nbar.sync 0;\nld.shared.u32 %a, [%d];", RACES);
    fails(SHARED_T NEXT "st.shared.u32 [%b], %c;\nld.shared.u32 %a, [%d];", RACES, "race",
          "thread (32, 0, 0), PTX line 11");
    fails(SHARED_T NEXT "ld.shared.u32 %a, [%d];\nst.shared.u32 [%b], %c;", RACES, "race",
          "written by thread 8 at line 12, is read before a barrier");
    fails(SHARED_T "st.shared.u32 [room], %c;", RACES, "race", "is written before a barrier");
    runs(SHARED_T "atom.shared.add.u32 %a, [room], 1;", RACES);
    fails(SHARED_T "atom.shared.add.u32 %a, [room], 1;\nld.shared.u32 %a, [room];", RACES, "race",
          "");
    fails(SHARED_T "ld.shared.u32 %a, [room];\natom.shared.add.u32 %a, [room], 1;", RACES, "race",
          "");
    // within a warp, a barrier of the warp is enough
    runs(SHARED_T "xor.b32 %d, %c, 8; shl.b32 %d, %d, 2; add.u32 %d, %d, %e;\n"
         "st.shared.u32 [%b], %c;\nbar.warp.sync 0xffffffff;\nld.shared.u32 %a, [%d];", RACES);
    fails(SHARED_T "xor.b32 %d, %c, 8; shl.b32 %d, %d, 2; add.u32 %d, %d, %e;\n"
          "st.shared.u32 [%b], %c;\nld.shared.u32 %a, [%d];", RACES, "race", "");
    // unwatched, it is not looked for
    runs(SHARED_T NEXT "st.shared.u32 [%b], %c;\nld.shared.u32 %a, [%d];", NONE);
}

static void test_unwritten(void) {
    runs(SHARED_T "st.shared.u32 [%b], %c;\nld.shared.u32 %a, [%b];", UNWRITTEN);
    fails(SHARED_T "ld.shared.u32 %a, [%b];", UNWRITTEN, "read before it is written", "ld.shared");
    fails(SHARED_T "st.shared.u16 [%b], %c;\nld.shared.u32 %a, [%b];", UNWRITTEN,
          "read before it is written", "");
    fails(SHARED_T "atom.shared.add.u32 %a, [%b], 1;", UNWRITTEN, "read before it is written", "");
    // and is NaN otherwise
    runs(SHARED_T AT_T "ld.shared.u32 %a, [%b]; st.global.u32 [%y], %a;", NONE);
    CHECK(out[5] == 0xffffffffu && out[100] == 0xffffffffu);
}

static void test_global_races(void) {
    runs(AT_T "st.global.u32 [%y], %t;", GLOBAL_RACES);
    fails("mov.u32 %c, %ctaid.x; add.u32 %c, %c, 5; st.global.u32 [%out], %c;", GLOBAL_RACES,
          "race", "was written by block 0 in this launch");
    fails("mov.u32 %c, %ctaid.x; ld.global.u32 %a, [%out]; add.u32 %c, %c, %t; add.u32 %c, %c, 5;\n"
          "st.global.u32 [%out], %c;", GLOBAL_RACES, "race", "");
    runs("red.global.add.u32 [%out], 1;", GLOBAL_RACES);
    fails("setp.eq.u32 %p, %t, 0; @%p st.global.u32 [%out], 3;\nld.global.nc.u32 %a, [%out];",
          GLOBAL_RACES, "read as if it never was", "ld.global.nc");
    fails("ld.global.nc.u32 %a, [%out]; add.u32 %a, %a, 1;\nst.global.u32 [%out], %a;",
          GLOBAL_RACES, "was read by this launch as if never written", "st.global");
}

int main(void) {
    test_loads();
    test_spaces();
    test_bounds();
    test_alignment();
    test_atomics();
    test_shared_races();
    test_unwritten();
    test_global_races();
    return ptx_report("memory in PTX");
}
