/* Text: what the parser makes of it, and what it refuses by name and line. */
#include "ptx_harness.h"

static uint32_t in[64], out[64];

static const run RUN = {.blocks = 1, .threads = 32, .in = in, .out = out, .in_bytes = sizeof in,
                        .out_bytes = sizeof out};
static const char *const DECLARATIONS = ".reg .b64 %x, %y; .reg .b32 %a, %b, %c, %d;"
    ".reg .b16 %h, %g; .reg .pred %p, %q;";

/* An instruction at line 9. */
static void refuses(const char *body) {
    char name[64];
    snprintf(name, sizeof name, "no operation %.*s", (int) strcspn(body, " ;"), body);
    check_body_fails(DECLARATIONS, body, &RUN, "PTX line 9: ", name);
}

/* Operations that are not there; each would be a wrong number if it were taken for another one. */
static void test_unknown_operations(void) {
    static const char *const list[] = {
        "wgmma.fence.sync.aligned;", "frobnicate.b32 %a, %b;", "add.f16 %h, %h, %g;",
        "fma.rn.bf16 %h, %h, %g, %g;", "add.rn.f16x2 %a, %b, %c;", "setp.lt.f16 %p, %h, %g;",
        "setp.lo.s32 %p, %a, %b;", "setp.ltu.s32 %p, %a, %b;", "setp.lt.b32 %p, %a, %b;",
        "min.NaN.f32 %a, %b, %c;", "ex2.approx.f16 %h, %g;", "tanh.approx.f16x2 %a, %b;",
        "add.sat.s32 %a, %b, %c;", "add.rz.sat.f32 %a, %b, %c;", "add.rz.s32 %a, %b, %c;",
        "mul24.lo.s32 %a, %b, %c;", "dp4a.s32.s32 %a, %b, %c, %d;", "prmt.b32.f4e %a, %b, %c, %d;",
        "cvt.rn.bf16.f32 %h, %a;", "cvt.rn.f16x2.f32 %a, %b;", "cvt.rn.tf32.f32 %a, %b;",
        "cvt.rn.relu.f16.f32 %h, %a;", "cvt.f32.tf32 %a, %b;", "slct.b16.s32 %h, %h, %g, %a;",
        "slct.ftz.f32.f32 %a, %b, %c, %d;", "atom.global.add.noftz.f16x2 %a, [%in], %b;",
        "atom.global.min.f32 %a, [%in], %b;", "atom.global.exch.b128 %x, [%in], %y;",
        "atom.global.add.b32 %a, [%in], %b;", "redux.sync.min.f32 %a, %b, 0xffffffff;",
        "redux.sync.and.s32 %a, %b, 0xffffffff;", "vote.sync.ballot.pred %p, %q, 0xffffffff;",
        "vote.all.pred %p, %q;", "shfl.idx.b32 %a, %b, 0, 31;", "match.any.sync.b32 %a, %b, -1;",
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%a,%b,%c,%d}, {%a,%b,%c,%d}, "
        "{%a,%b}, {%a,%b,%c,%d};",
        "mma.sync.aligned.m16n8k16.col.row.f32.f16.f16.f32 {%a,%b,%c,%d}, "
        "{%a,%b,%c,%d}, {%a,%b}, {%a,%b,%c,%d};", "bar.sync 0, 64;", "bar.arrive 0, 64;",
        "bar.red.popc.u32 %a, 0, %p;", "cp.async.ca.shared.global [%in], [%out], 16;",
        "ld.shared::cluster.u32 %a, [%in];", "ld.global.u32 %h, [%in];", "st.global.u32 [%in], %h;",
        "ld.global.v2.u32 %a, [%in];",
        "mov.b128 {%x, %y}, %a;", "mul.wide.s32 %a, %b, %c;", "add.s32 %x, %a, %b;",
        "madc.hi.cc.s32 %a, %b, %c, %d;"};
    for (size_t k = 0; k < sizeof list/sizeof list[0]; k++)
        refuses(list[k]);
}

static void test_unknown_text(void) {
    check_body_fails(DECLARATIONS, "mov.u32 %a, %nothere;", &RUN, "PTX line 9: ",
                     "%nothere is not");
    check_body_fails(DECLARATIONS, "mov.u32 %a, %clock;", &RUN, "PTX line 9: ", "%clock is not");
    check_body_fails(DECLARATIONS, "tex.2d.v4.f32.f32 {%a,%b,%c,%d}, [%x, {%a, %b}];", &RUN,
                     "PTX line 9: ", "expected ']'");
    check_body_fails(DECLARATIONS, "bra NOWHERE;", &RUN, "PTX line ", "no label NOWHERE");
    check_body_fails(DECLARATIONS, "call.uni vprintf;", &RUN, "PTX line 9: ", "call of vprintf");
    check_body_fails(DECLARATIONS, ".section x;", &RUN, "PTX line 9: ", ".section is not known");
    check_body_fails(DECLARATIONS, ".reg .b128 %w;", &RUN, "PTX line 9: ", "type .b128");
    check_body_fails(DECLARATIONS, "mov.f32 %a, 1.5;", &RUN, "PTX line 9: ", "is not a number");
    check_body_fails(DECLARATIONS, "mov.u32 %a, 0", &RUN, "PTX line 10: ", "expected ';'");
    check_body_fails(DECLARATIONS, "mov.u32 3, %a;", &RUN, "PTX line 9: ", "not a register");
}

static void test_modules(void) {
    char message[PTX_MESSAGE];
    CHECK(!run_module(".version 8.0\n.target sm_90\n.address_size 32\n", &RUN, message));
    CHECK(strstr(message, "PTX line 3") != NULL);
    CHECK(!run_module(".version 8.0\n.target sm_90\n.texref t;", &RUN, message));
    CHECK(strstr(message, ".texref is not known") != NULL);
    CHECK(!run_module(".visible .entry other() {ret;}", &RUN, message));
    CHECK(strstr(message, "no kernel k") != NULL);
    CHECK(!run_module(".global .align 4 .u32 v[2] = {1, 2, 3}; .entry k() {ret;}", &RUN, message));
    CHECK(strstr(message, "more initial values") != NULL);
    CHECK(!run_module(".entry k() { /* never ends", &RUN, message));
}

/* Variables of a module, comments, blocks with names of their own, functions. */
static void test_program(void) {
    char message[PTX_MESSAGE];
    static const char *const text = ".version 8.0 .target sm_90, texmode_independent\n"
        ".address_size 64 // a comment\n.const .align 4 .u32 table[4] = {10, 20, 30, 40};\n"
        ".global .align 4 .u32 count;\n.shared .align 4 .b8 common[128];\n"
        ".func (.param .b32 r) twice(.param .b32 a) {\n.reg .b32 %a; ld.param.u32 %a, [a];\n"
        "add.u32 %a, %a, %a; st.param.u32 [r], %a; ret; }\n"
        ".visible .entry k(.param .u64 from, .param .u64 to) {\n"
        ".reg .b32 %r<4>; .reg .b64 %d<4>; .reg .pred %p;\n"
        "ld.param.u64 %d1, [to]; mov.u32 %r0, %tid.x; and.b32 %r1, %r0, 3;\n"
        "mul.wide.u32 %d2, %r1, 4; mov.u64 %d3, table; add.u64 %d3, %d3, %d2;\n"
        "ld.const.u32 %r2, [%d3]; red.global.add.u32 [count], 1;\n"
        "setp.lt.u32 %p, %r0, 16;\n"
        "{ .reg .b32 %r9; .param .b32 p0; .param .b32 p1; mov.u32 %r9, %r2;\n"
        "st.param.b32 [p0], %r9; @%p call.uni (p1), twice, (p0); @%p ld.param.b32 %r2, [p1]; }\n"
        "mov.u32 %r3, common; shl.b32 %r1, %r0, 2; add.u32 %r3, %r3, %r1;\n"
        "st.shared.u32 [%r3], %r2;\n"
        "ld.shared.u32 %r2, [%r3]; ld.global.u32 %r1, [count]; add.u32 %r2, %r2, %r1;\n"
        "mul.wide.u32 %d2, %r0, 4; add.u64 %d1, %d1, %d2; st.global.u32 [%d1], %r2; ret; }\n";
    CHECK(run_module(text, &RUN, message));
    for (uint32_t l = 0; l < 32; l++)
        CHECK(out[l] == 32+10*(l%4+1)*(l < 16 ? 2 : 1));
}

/*
 * Registers that a loop reads in its next turn, after others have lived at once: these must not get
 * the places of those.
 */
static void test_registers(void) {
    char body[8192], message[PTX_MESSAGE];
    int n = snprintf(body, sizeof body, "mov.u32 %%a, 0; mov.u32 %%b, 0;\n");
    for (int k = 0; k < 20; k++)
        n += snprintf(body+n, sizeof body-(size_t) n, "add.u32 %%r%d, %%t, %d;\n", k, k*k);
    n += snprintf(body+n, sizeof body-(size_t) n, "LOOP:\n");
    for (int k = 0; k < 20; k++)
        n += snprintf(body+n, sizeof body-(size_t) n, "add.u32 %%a, %%a, %%r%d;\n", k);
    for (int k = 0; k < 30; k++)
        n += snprintf(body+n, sizeof body-(size_t) n, "add.u32 %%s%d, %%b, %d;\n", k, k);
    for (int k = 0; k < 30; k++)
        n += snprintf(body+n, sizeof body-(size_t) n, "add.u32 %%a, %%a, %%s%d;\n", k);
    snprintf(body+n, sizeof body-(size_t) n, "add.u32 %%b, %%b, 1; setp.lt.u32 %%p, %%b, 3;\n"
             "@%%p bra LOOP;\nmul.wide.u32 %%x, %%t, 4; add.u64 %%x, %%x, %%out;"
             "st.global.u32 [%%x], %%a;");
    CHECK(run_body(".reg .b64 %x; .reg .b32 %a, %b, %r<20>, %s<30>; .reg .pred %p;", body, &RUN,
                   message));
    uint32_t squares = 0;
    for (uint32_t k = 0; k < 20; k++)
        squares += k*k;
    for (uint32_t l = 0; l < 32; l++)
        CHECK(out[l] == 3*(20*l+squares)+30*(0+1+2)+3*(29*30/2));
}

int main(void) {
    test_unknown_operations();
    test_unknown_text();
    test_modules();
    test_program();
    test_registers();
    return ptx_report("text of PTX");
}
