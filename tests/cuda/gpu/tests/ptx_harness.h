/* Runs small kernels on the interpreter, and compares an operation of PTX with a function of C. */
#ifndef PTX_HARNESS_H
#define PTX_HARNESS_H

#include "../ptx.h"
#include "check.h"

/* What a kernel k(.param .u64 in, .param .u64 out) runs on. */
typedef struct {
    unsigned blocks, threads, dynamic_shared;
    ptx_checks checks;
    const void *in;
    void *out;
    size_t in_bytes, out_bytes;
} run;

/*
 * Runs a kernel with these declarations and this body; false: message [PTX_MESSAGE]. The parameters
 * are in registers already: %in, %out; %t is the number of the thread in the grid; the dynamic
 * shared memory is "more". The body begins at line 9.
 */
bool run_body(const char *declarations, const char *body, const run *r, char *message);
/* The same of a whole module with a kernel k. */
bool run_module(const char *text, const run *r, char *message);

/* The body must be refused, or its run must fail, with a message that has each of two texts. */
void check_body_fails(const char *declarations, const char *body, const run *r, const char *text,
                      const char *more);

/* Bits of operands and of results. */
static inline uint64_t bits_f(float x) {
    uint32_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

static inline uint64_t bits_d(double x) {
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

static inline float f_of(uint64_t bits) {
    const uint32_t b = (uint32_t) bits;
    float x;
    memcpy(&x, &b, sizeof x);
    return x;
}

static inline double d_of(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/*
 * An operation and the same in C. kinds: of the destination, then of the sources:
 *   h 16 bits, i 32 bits, l 64 bits, f float, d double, p predicate (1 or 0 as 32 bits).
 * c: of the bits of the sources to the bits of the destination.
 * ulps: of the result that may be missing (0: the same bits; NaN is any NaN).
 */
typedef struct {
    const char *text;   // "add.rn.f32"
    const char *kinds;
    uint64_t (*c)(uint64_t a, uint64_t b, uint64_t c);
    double ulps;
} operation;

/* Values of a kind that are worth a try; NULL: the usual ones. */
typedef struct {
    const uint64_t *list;
    int n;
} values;

/*
 * Tries all combinations of values, in all lanes, and then in every other lane alone: the others
 * must keep what they have.
 */
void check_operation(const operation *o, const values *own);
#define CHECK_OPERATIONS(list) \
    for (size_t k_ = 0; k_ < sizeof (list)/sizeof (list)[0]; k_++) \
        check_operation(&(list)[k_], NULL)

/* Checks of the harness so far, and those of them that failed. */
void harness_counts(int *checks, int *failures);

/* Last line of main: with the checks of the harness. */
static inline int ptx_report(const char *name) {
    int checks, failures;
    harness_counts(&checks, &failures);
    check_count += checks;
    check_failures += failures;
    return checks == 0 ? 1 : check_report(name);
}

#endif
