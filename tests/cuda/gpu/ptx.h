/*
 * PTX on the processor: modules as NVRTC writes them, and launches of their kernels.
 *
 * A register of a warp is a vector of 32 lanes. Lanes that take different branches are executed in
 * groups: the group with the smallest place in the program goes on, groups at the same place become
 * one. Operations of several lanes (.sync) wait for the lanes of their mask, a barrier for all
 * lanes of the warp and all warps of the block. Blocks run one after the other.
 *
 * Arithmetic is IEEE's, with PTX's rounding modes, .ftz and .sat. Functions that a device
 * approximates (.approx) are rounded from double precision; products of matrices (mma) are summed
 * in double precision and rounded once.
 *
 * Text that the interpreter does not know is refused, with its line, when the kernel is looked up.
 * These end a launch, with kernel, block, thread, line and text: an address outside live memory, a
 * vector that is not aligned, a barrier or .sync that not all threads reach, threads that ended
 * before a barrier, lanes that read a lane that does not take part; and what ptx_checks asks for.
 *
 * Rooms: parse/ makes instructions of text, operations/ says what each does with 32 lanes,
 * execution/ runs blocks, warps and groups of lanes, checks/ watches memory, driver/ is a CUDA
 * driver on top, tests/ compares operations with C. One thread at a time may use a
 * module and its kernels.
 */
#ifndef PTX_H
#define PTX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {PTX_LANES = 32, PTX_MAX_PARAMETERS = 64, PTX_MESSAGE = 1024};

typedef struct ptx_module ptx_module;
typedef struct ptx_kernel ptx_kernel;

/* A live allocation. */
typedef struct {
    uintptr_t begin, end;   // addresses on the device
    ptrdiff_t shift;        // from an address on the device to its content on the host
} ptx_range;

/* The device's memory, which the caller owns. */
typedef struct {
    bool (*find)(uintptr_t address, ptx_range *range);  // false: in no live allocation
    uintptr_t (*allocate)(size_t bytes);        // for a variable of a module; 0: no memory
    void *(*content)(uintptr_t address);        // of a variable, on the host
    uint64_t *(*shadow)(uintptr_t address);     // of a word of 4 bytes, zeros at first; NULL: none
} ptx_memory;

/* What is looked for beside the errors above. */
typedef struct {
    bool races;             // in shared memory: threads of a block, and no barrier between
    bool global_races;      // between blocks; and ld.global.nc of what the launch writes
    bool handed_over;       // lines on stderr: a thread reads global memory that another one wrote
    bool unwritten;         // reads of shared memory that nobody has written
    unsigned shuffle;       // seed: warps are interrupted at random, blocks in another order; 0: no
} ptx_checks;

/*
 * NULL: message [PTX_MESSAGE] says why. The text and the memory stay the caller's and must live as
 * long as the module; ptx_unload frees it and its kernels, not the memory of its variables.
 */
ptx_module *ptx_load(const char *text, const ptx_memory *memory, char *message);
void ptx_unload(ptx_module *module);

/* By name, parsed when it is first asked for; the module owns it. NULL: message says why. */
ptx_kernel *ptx_find(ptx_module *module, const char *name, char *message);

/* A module without variables has no state: it may serve for every module of the same text. */
bool ptx_has_variables(const ptx_module *module);

typedef struct {
    unsigned grid[3], block[3];     // blocks, threads
    unsigned dynamic_shared;        // bytes
    uint32_t number;                // of the launch: another one than any that left its shadow
    const void *arguments;          // one after the other, without gaps
    const ptx_checks *checks;
} ptx_launch;

/* Executes all blocks; false: message [PTX_MESSAGE] says what is wrong, and where. */
bool ptx_run(ptx_kernel *kernel, const ptx_launch *launch, char *message);

/* Of all launches of a kernel so far. */
typedef struct {
    uint64_t launches, warp_instructions, lane_instructions;
    double seconds;     // of the processor
} ptx_counts;
ptx_counts ptx_counted(const ptx_kernel *kernel);
const char *ptx_name(const ptx_kernel *kernel);

#endif
