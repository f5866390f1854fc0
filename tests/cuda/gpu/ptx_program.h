/* Instructions as parse/ makes them and as operations/ and execution/ read them. */
#ifndef PTX_PROGRAM_H
#define PTX_PROGRAM_H

#include "ptx.h"

/* Generic addresses of shared and of local memory; addresses of the device lie below. */
static const uint64_t SHARED_WINDOW = (uint64_t) 0x7e00 << 32;
static const uint64_t LOCAL_WINDOW = (uint64_t) 0x7e01 << 32;
static const uint64_t WINDOW = (uint64_t) 1 << 32;  // bytes of each

/* Shared memory: static variables begin at 0, the dynamic one here. */
enum {DYNAMIC_BEGIN = 1 << 20};

typedef enum {NO_TYPE, PRED, B8, U8, S8, B16, U16, S16, F16, BF16, B32, U32, S32, F32, TF32, F16X2,
              B64, U64, S64, F64, B128, N_TYPES} type;
typedef enum {GENERIC, GLOBAL, SHARED, LOCAL, PARAMETER, CONSTANT} space;
enum {REGISTERS, CONSTANTS, N_BASES};
typedef enum {PLAIN, BRANCH, BRANCH_TABLE, END, BARRIER, WARP_SYNC} kind;
typedef enum {NEAREST, ZERO, DOWN, UP} rounding;

/* Registers of a warp that have values from the start, SPECIAL_BYTES each. */
enum {TID_X, TID_Y, TID_Z, NTID_X, NTID_Y, NTID_Z, CTAID_X, CTAID_Y, CTAID_Z, NCTAID_X, NCTAID_Y,
      NCTAID_Z, LANE_ID, WARP_ID, NWARP_ID, MASK_EQ, MASK_LT, MASK_LE, MASK_GT, MASK_GE,
      DYNAMIC_SHARED, TOTAL_SHARED, N_SPECIAL};
enum {SPECIAL_BYTES = 256, CACHE_LINE = 64};

typedef struct {
    uint8_t base;       // REGISTERS, CONSTANTS
    uint8_t size;       // bytes of a lane; 0: a predicate
    bool negated;       // a predicate
    bool sink;          // "_"
    uint32_t at;        // bytes from the base; before registers have places, their number
} operand;

struct warp;
struct instruction;
/* Executes an instruction for the lanes of a mask; other lanes keep their values. */
typedef void (*handler)(struct warp *w, const struct instruction *i, uint32_t mask);

typedef struct instruction {
    handler run;
    operand *o;         // destinations first
    operand guard;
    int64_t offset;     // of an address
    uint8_t kind;
    bool guarded;
    uint8_t n_operands, n_destinations, n_types;
    uint8_t type, from, space, round, vector, memory, operation;
    bool ftz, saturate, sets_carry, integer_round;
    bool stale;             // .nc: may find what was in a cache before the launch
    bool open;              // .volatile, .relaxed: other threads may touch the word
    int8_t mask_operand;    // of WARP_SYNC: the mask of members; -1: all lanes
    int target, n_targets;  // of a branch: index of the instruction
    ptx_range near;         // the allocation that was found last
    handler inner;          // of one that wraps another
    int *targets;           // [n_targets]
    int line;               // of the text
    const char *text;
    bool reported;          // by checks->handed_over
} instruction;

struct ptx_kernel {
    char *name;
    ptx_module *module;
    instruction *code;
    int n_instructions, capacity, n_parameters;
    // bytes: registers and local memory (of a lane), constants of a warp, shared memory, arguments
    size_t register_bytes, local_bytes, constant_bytes, static_shared, parameter_bytes;
    unsigned char *constants;
    ptx_counts counts;
};

size_t ptx_type_size(type t);       // bytes; 0 of a predicate
const char *ptx_type_name(type t);  // "f32"
const ptx_memory *ptx_memory_of(const ptx_module *module);

#endif
