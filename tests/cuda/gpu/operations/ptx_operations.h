/*
 * What each operation does with 32 lanes.
 *
 *   ptx_floats        arithmetic, .approx functions
 *   ptx_integers      arithmetic, bits, carries
 *   ptx_comparisons   setp, set, slct, testp, logic of predicates
 *   ptx_conversions   cvt
 *   ptx_moves         mov of vectors, cvta
 *   ptx_lanes         shuffles, votes, redux, barriers of a warp
 *   ptx_matrices      mma.sync
 *   ptx_access        ld, st, atom, red
 *   ptx_choice        which of them an opcode names
 *
 * An operation that is not in the tables, or has modifiers or types that change its meaning and are
 * not there, is refused: ptx_choose is false.
 */
#ifndef PTX_OPERATIONS_H
#define PTX_OPERATIONS_H

#include <fenv.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "../execution/ptx_execution.h"

/* Sets what an instruction with its operands and types runs. modifiers: those that are left. */
bool ptx_choose(instruction *i, const char *base, char *const *modifiers, int n_modifiers);

/* ------------------------------------------------------------------ for the operations -- */

/* Operations by their names: "add.ftz.f32"; the order of modifiers is the text's. */
typedef struct {
    const char *key;
    handler run;
} choice;

typedef struct {
    const choice *list;
    size_t n;
} choices;

extern const choices PTX_FLOATS, PTX_INTEGERS, PTX_COMPARISONS, PTX_LANE_CHOICES;

/* Those that a table cannot name; true: the instruction is complete. */
bool ptx_choose_comparison(instruction *i, const char *base, char *const *mods, int n);
bool ptx_choose_conversion(instruction *i, char *const *mods, int n);
bool ptx_choose_several(instruction *i, const char *base, char *const *mods, int n);
bool ptx_choose_matrix(instruction *i, char *const *mods, int n);
bool ptx_choose_load(instruction *i);
bool ptx_choose_store(instruction *i);
bool ptx_choose_atomic(instruction *i, const char *base, char *const *mods, int n);
bool ptx_choose_carry(instruction *i, const char *base, char *const *mods, int n);
bool ptx_choose_move(instruction *i, const char *base, char *const *mods, int n);

int ptx_position(const char *name, const char *const *list, int n);     // -1: it is not there
bool ptx_is_signed(type t);

/* The operand k of all lanes. */
#define R(T, k) ((T *) ptx_word_of(w, &i->o[k]))
#define HANDLER(name) static void name(warp *w, const instruction *i, uint32_t m)
#define ALL_LANES 0xffffffffu

/* All lanes, or those of the mask; statements have no effect beyond their lane. */
#define EACH(m, ...)                                                                              \
    do {                                                                                          \
        if ((m) == ALL_LANES) {                                                                   \
            _Pragma("GCC ivdep") for (int l = 0; l < PTX_LANES; l++) { __VA_ARGS__ }              \
        }                                                                                         \
        else {                                                                                    \
            _Pragma("GCC ivdep") for (int l = 0; l < PTX_LANES; l++)                              \
                if ((m) >> l & 1) { __VA_ARGS__ }                                                 \
        }                                                                                         \
    } while (0)

#define UNARY(name, T, ex)                                                                        \
    HANDLER(name) {                                                                               \
        T *d = R(T, 0);                                                                           \
        const T *a_ = R(T, 1);                                                                    \
        EACH(m, const T a = a_[l]; d[l] = (T) (ex););                                             \
    }
#define BINARY(name, T, ex)                                                                       \
    HANDLER(name) {                                                                               \
        T *d = R(T, 0);                                                                           \
        const T *a_ = R(T, 1), *b_ = R(T, 2);                                                     \
        EACH(m, const T a = a_[l]; const T b = b_[l]; d[l] = (T) (ex););                          \
    }
#define TERNARY(name, T, ex)                                                                      \
    HANDLER(name) {                                                                               \
        T *d = R(T, 0);                                                                           \
        const T *a_ = R(T, 1), *b_ = R(T, 2), *c_ = R(T, 3);                                      \
        EACH(m, const T a = a_[l]; const T b = b_[l]; const T c = c_[l]; d[l] = (T) (ex););       \
    }

static inline uint32_t ptx_predicate(const warp *w, const operand *o) {
    uint32_t p;
    memcpy(&p, ptx_word_of(w, o), sizeof p);
    return o->negated ? ~p : p;
}

static inline void ptx_set_predicate(const warp *w, const operand *o, uint32_t p, uint32_t m) {
    if (!o->sink) {
        uint32_t *to = ptx_word_of(w, o);
        *to = (*to & ~m) | (p & m);
    }
}

/* An integer operand of 4 or 8 bytes. */
static inline uint64_t ptx_lane(const warp *w, const instruction *i, int k, int l) {
    return i->o[k].size == 4 ? R(uint32_t, k)[l] : R(uint64_t, k)[l];
}

/* Subnormal numbers are 0 (.ftz). */
static inline float ptx_flush(float x) {
    return fabsf(x) < FLT_MIN ? copysignf(0, x) : x;
}

static inline int ptx_fe_rounding(int how) {
    return how == NEAREST ? FE_TONEAREST : how == ZERO ? FE_TOWARDZERO :
        how == DOWN ? FE_DOWNWARD : FE_UPWARD;
}

#endif
