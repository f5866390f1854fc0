#include "ptx_harness.h"

#include <float.h>

/* ------------------------------------------------------------------------------ memory -- */

static const uintptr_t IN = 0x10000000, OUT = 0x20000000;   // on the device
static const run *running;
static uint64_t shadows[2][4096];

static bool find(uintptr_t address, ptx_range *range) {
    if (address-IN < running->in_bytes) {
        *range = (ptx_range) {IN, IN+running->in_bytes, (ptrdiff_t) ((uintptr_t) running->in-IN)};
        return true;
    }
    if (address-OUT < running->out_bytes) {
        *range = (ptx_range) {OUT, OUT+running->out_bytes,
                              (ptrdiff_t) ((uintptr_t) running->out-OUT)};
        return true;
    }
    return false;
}

static unsigned char variables[4096];
static size_t variables_end;
static const uintptr_t VARIABLES = 0x30000000;

static bool find_any(uintptr_t address, ptx_range *range) {
    if (address-VARIABLES < sizeof variables) {
        *range = (ptx_range) {VARIABLES, VARIABLES+sizeof variables,
                              (ptrdiff_t) ((uintptr_t) variables-VARIABLES)};
        return true;
    }
    return find(address, range);
}

static uintptr_t allocate(size_t bytes) {
    const uintptr_t address = VARIABLES+variables_end;
    variables_end += (bytes+15)/16*16;
    return variables_end <= sizeof variables ? address : 0;
}

static void *content(uintptr_t address) {
    return variables+(address-VARIABLES);
}

static uint64_t *shadow(uintptr_t address) {
    const int which = address >= OUT;
    const size_t word = (address-(which ? OUT : IN))/4;
    return word < 4096 ? &shadows[which][word] : NULL;
}

/* -------------------------------------------------------------------------------- runs -- */

bool run_module(const char *text, const run *r, char *message) {
    static const ptx_memory memory = {find_any, allocate, content, shadow};
    static uint32_t n_launches;
    const uintptr_t arguments[2] = {IN, OUT};
    const ptx_launch launch = {{r->blocks, 1, 1}, {r->threads, 1, 1}, r->dynamic_shared,
                               ++n_launches, arguments, &r->checks};
    running = r;
    variables_end = 0;
    message[0] = 0;
    ptx_module *module = ptx_load(text, &memory, message);
    if (module == NULL)
        return false;
    ptx_kernel *kernel = ptx_find(module, "k", message);
    const bool done = kernel != NULL && ptx_run(kernel, &launch, message);
    ptx_unload(module);
    return done;
}

bool run_body(const char *declarations, const char *body, const run *r, char *message) {
    static char text[16384];
    snprintf(text, sizeof text, ".version 8.0\n.target sm_90\n.address_size 64\n"
             ".extern .shared .align 16 .b8 more[]; "
             ".visible .entry k(.param .u64 from, .param .u64 to) {\n"
             ".reg .b32 %%t, %%block, %%size; .reg .b64 %%in, %%out; %s\n"
             "ld.param.u64 %%in, [from]; ld.param.u64 %%out, [to];\n"
             "mov.u32 %%block, %%ctaid.x; mov.u32 %%size, %%ntid.x; mov.u32 %%t, %%tid.x;\n"
             "mad.lo.u32 %%t, %%block, %%size, %%t;\n%s\nret;\n}\n", declarations, body);
    return run_module(text, r, message);
}

void check_body_fails(const char *declarations, const char *body, const run *r, const char *text,
                      const char *more) {
    char message[PTX_MESSAGE];
    const bool done = run_body(declarations, body, r, message);
    check_count++;
    if (done || strstr(message, text) == NULL || strstr(message, more) == NULL)
        CHECK_SAY("%s: expected \"%s\" and \"%s\", found: %s", body, text, more,
                  done ? "(it ran)" : message);
}

/* -------------------------------------------------------------------------- operations -- */

static const float FLOATS[] = {0, -0.0f, 1, -1, 0.5f, 1.5f, -2.5f, 3, 1/3.0f, 1e-20f, -7e19f, 1e30f,
    FLT_MAX, -FLT_MAX, FLT_MIN, FLT_MIN/4, -FLT_MIN/3, FLT_TRUE_MIN, FLT_EPSILON, 1+FLT_EPSILON,
    16777217, 2147483648.0f, -1e10f, 65504, 65520, INFINITY, -INFINITY, NAN};
static const double DOUBLES[] = {0, -0.0, 1, -1, 0.5, 1.5, -2.5, 3, 1/3.0, 1e-200, -7e190, 1e30,
    DBL_MAX, -DBL_MAX, DBL_MIN, DBL_MIN/4, DBL_TRUE_MIN, DBL_EPSILON, 1+DBL_EPSILON, 4294967296.5,
    -2147483649.0, 9223372036854775808.0, 1.8446744073709552e19, 3e-39, 1.0000000596046448, 65520,
    INFINITY, -INFINITY, NAN};
static const uint64_t WORDS[] = {0, 1, 2, 3, 5, 7, 8, 15, 16, 31, 32, 33, 63, 64, 255, 256, 0x1234,
    0x7fff, 0x8000, 0xffff, 0x10000, 0x12345678, 0x7fffffff, 0x80000000u, 0x80000001u, 0xffff8000u,
    0xfffffff0u, 0xffffffffu};
static const uint64_t LONGS[] = {0, 1, 2, 7, 31, 32, 33, 63, 64, 0xffff, 0x7fffffff, 0x80000000u,
    0xffffffffu, 0x100000000, 0x123456789abcdef0, 0x7fffffffffffffff, 0x8000000000000000,
    0x8000000000000001, 0xffffffff80000000, 0xfffffffffffffffe, 0xffffffffffffffff};

#define COUNT(list) ((int) (sizeof (list)/sizeof (list)[0]))

static int n_usual(char kind) {
    return kind == 'f' ? COUNT(FLOATS) : kind == 'd' ? COUNT(DOUBLES) : kind == 'l' ? COUNT(LONGS) :
        kind == 'p' ? 2 : COUNT(WORDS);
}

static uint64_t usual(char kind, int k) {
    switch (kind) {
        case 'f': return bits_f(FLOATS[k]);
        case 'd': return bits_d(DOUBLES[k]);
        case 'l': return LONGS[k];
        case 'p': return (uint64_t) k;
        default: return kind == 'h' ? WORDS[k] & 0xffff : WORDS[k];
    }
}

static int size_of(char kind) {
    return kind == 'h' ? 16 : kind == 'l' || kind == 'd' ? 64 : 32;
}

static bool is_nan(char kind, uint64_t bits) {
    return (kind == 'f' && isnan(f_of(bits))) || (kind == 'd' && isnan(d_of(bits)));
}

/* The distance in units of the last place of what is expected. */
static double distance(char kind, uint64_t expected, uint64_t found) {
    if (expected == found || (is_nan(kind, expected) && is_nan(kind, found)))
        return 0;
    if (kind != 'f' && kind != 'd')
        return INFINITY;
    const double e = kind == 'f' ? f_of(expected) : d_of(expected);
    const double f = kind == 'f' ? f_of(found) : d_of(found);
    const double unit = kind == 'f' ? nextafterf(fabsf((float) e), INFINITY)-fabs(e) :
        nextafter(fabs(e), INFINITY)-fabs(e);
    return e == f && signbit(e) != signbit(f) ? INFINITY : fabs(e-f)/unit;
}

/* Loads the sources, which lie 8 bytes apart, 32 bytes per thread; predicates become such. */
static void write_body(const operation *o, bool odd_lanes, char *declarations, char *body,
                       size_t size) {
    const int n = (int) strlen(o->kinds)-1;
    int d = snprintf(declarations, size, ".reg .b64 %%row, %%to; .reg .pred %%odd, %%pd; "
                     ".reg .b32 %%one, %%d32; ");
    int b = snprintf(body, size, "mul.wide.u32 %%row, %%t, 32; add.u64 %%row, %%row, %%in;\n"
                     "mul.wide.u32 %%to, %%t, 8; add.u64 %%to, %%to, %%out;\n"
                     "and.b32 %%one, %%t, 1; setp.ne.u32 %%odd, %%one, 0;\n");
    for (int k = 0; k <= n; k++) {
        const int bits = size_of(o->kinds[k]);
        if (o->kinds[k] != 'p')
            d += snprintf(declarations+d, size-(size_t) d, ".reg .b%d %%%c; ", bits, "dabc"[k]);
        else if (k > 0)
            d += snprintf(declarations+d, size-(size_t) d, ".reg .pred %%%c; .reg .b32 %%w%d; ",
                          "dabc"[k], k);
        if (k > 0 && o->kinds[k] != 'p')
            b += snprintf(body+b, size-(size_t) b, "ld.global.b%d %%%c, [%%row+%d];\n", bits,
                          "dabc"[k], 8*(k-1));
        else if (k > 0)
            b += snprintf(body+b, size-(size_t) b, "ld.global.b32 %%w%d, [%%row+%d]; "
                          "setp.ne.u32 %%%c, %%w%d, 0;\n", k, 8*(k-1), "dabc"[k], k);
    }
    const bool predicate = o->kinds[0] == 'p';
    const char *name = predicate ? "pd" : "d";
    if (predicate)
        b += snprintf(body+b, size-(size_t) b, "setp.eq.u32 %%pd, 0, 1;\n");
    else
        b += snprintf(body+b, size-(size_t) b, "mov.b%d %%d, 0x1357;\n", size_of(o->kinds[0]));
    b += snprintf(body+b, size-(size_t) b, "%s%s %%%s%s%s%s;\n", odd_lanes ? "@%odd " : "", o->text,
                  name, n > 0 ? ", %a" : "", n > 1 ? ", %b" : "", n > 2 ? ", %c" : "");
    if (predicate)
        snprintf(body+b, size-(size_t) b, "selp.u32 %%d32, 1, 0, %%pd; "
                 "st.global.b32 [%%to], %%d32;");
    else
        snprintf(body+b, size-(size_t) b, "st.global.b%d [%%to], %%d;", size_of(o->kinds[0]));
}

enum {MOST = 32768, THREADS = 96};

/* All combinations of the sources' values. */
static int combine(const operation *o, const values *own, uint64_t (*in)[4]) {
    const int n = (int) strlen(o->kinds)-1;
    int n_values[3] = {1, 1, 1}, total = 0;
    for (int k = 0; k < n; k++)
        n_values[k] = own != NULL && own[k].n > 0 ? own[k].n : n_usual(o->kinds[k+1]);
    for (int a = 0; a < n_values[0]; a++)
        for (int b = 0; b < n_values[1]; b++)
            for (int c = 0; c < n_values[2] && total < MOST; c++, total++) {
                const int at[3] = {a, b, c};
                for (int k = 0; k < 3; k++)
                    in[total][k] = k >= n ? 0 : own != NULL && own[k].n > 0 ?
                        own[k].list[at[k]] : usual(o->kinds[k+1], at[k]);
            }
    return total;
}

void check_operation(const operation *o, const values *own) {
    static uint64_t in[MOST+THREADS][4], out[MOST+THREADS];
    char declarations[2048], body[2048], message[PTX_MESSAGE];
    const int n = combine(o, own, in);
    const unsigned blocks = (unsigned) (n+THREADS-1)/THREADS;
    const uint64_t kept = o->kinds[0] == 'p' ? 0 : 0x1357;
    int n_wrong = 0;
    for (int odd = 0; odd < 2; odd++) {
        memset(out, 0, sizeof out);
        const run r = {.blocks = blocks, .threads = THREADS, .in = in, .out = out,
                       .in_bytes = sizeof in, .out_bytes = sizeof out};
        write_body(o, odd, declarations, body, sizeof body);
        check_count++;
        if (!run_body(declarations, body, &r, message)) {
            CHECK_SAY("%s: %s", o->text, message);
            return;
        }
        for (int k = 0; k < n; k++) {
            const bool keeps = odd && k%2 == 0;
            const uint64_t expected = keeps ? kept : o->c(in[k][0], in[k][1], in[k][2]);
            check_count++;
            if (!(distance(o->kinds[0], expected, out[k]) <= (keeps ? 0 : o->ulps)) &&
                    n_wrong++ < 3)
                CHECK_SAY("%s of %llx %llx %llx: expected %llx, found %llx", o->text,
                          (unsigned long long) in[k][0], (unsigned long long) in[k][1],
                          (unsigned long long) in[k][2], (unsigned long long) expected,
                          (unsigned long long) out[k]);
        }
    }
}

void harness_counts(int *checks, int *failures) {
    *checks = check_count;
    *failures = check_failures;
}
