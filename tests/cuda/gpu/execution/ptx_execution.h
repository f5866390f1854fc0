/*
 * Blocks, warps and groups of lanes.
 *
 *   ptx_groups      which lanes go on when they have taken different branches
 *   ptx_warps       instructions of a warp until a barrier or its end
 *   ptx_blocks      warps of a block from barrier to barrier; blocks of a launch
 *   ptx_addresses   from addresses to memory on the host, within its bounds
 */
#ifndef PTX_EXECUTION_H
#define PTX_EXECUTION_H

#include "../ptx_program.h"

typedef struct {
    uint32_t at, mask;
    bool waiting;       // for other lanes, at an operation of several
} group;

typedef enum {RUNNING, AT_BARRIER, ENDED} warp_state;

struct access_record;   // of checks/

typedef struct {
    ptx_kernel *kernel;
    const ptx_launch *launch;
    unsigned char *shared;      // static memory, then dynamic memory
    unsigned char *written;     // of each byte of it: whether someone wrote it; NULL: not watched
    struct access_record *records;      // of each word of it; NULL: not watched
    size_t static_bytes, dynamic_bytes;
    uint32_t barriers;          // so far, and one more per block
    uint32_t number;            // of the block
    unsigned id[3];
    void *failed;               // jmp_buf
    char *message;              // [PTX_MESSAGE]
    uint64_t warp_instructions, lane_instructions, random;
} block_state;

typedef struct warp {
    unsigned char *base[N_BASES];   // registers, constants
    block_state *block;
    uint32_t at, active, alive;     // of the group that runs: its place, its lanes; all lanes left
    uint32_t stop;                  // the place at which the next group waits
    group groups[PTX_LANES];        // the others
    int n_groups;
    uint32_t carry;                 // of each lane
    warp_state state;
    uint32_t barrier;               // the instruction it waits at
    uint32_t syncs;                 // operations of several lanes, and barriers, so far
    int index;
    unsigned char *local;           // local memory, lane after lane
} warp;

/* Ends the launch: "KERNEL, block ..., thread ..., PTX line ..., TEXT: ...". */
_Noreturn void ptx_fail(const warp *w, const instruction *i, int lane, const char *format, ...);

static inline void *ptx_word_of(const warp *w, const operand *o) {
    return w->base[o->base]+o->at;
}

/*
 * Where the address in an operand leads, for each lane; lanes outside the mask: where the first one
 * of it leads. bytes: of the access.
 */
void ptx_pointers(warp *w, const instruction *i, uint32_t m, int address, size_t bytes, bool writes,
                  bool atomic, unsigned char **to);
/* A place in shared memory, in bytes from the begin of b->shared. */
size_t ptx_find_shared(const warp *w, const instruction *i, int lane, uint64_t a, size_t bytes);

void ptx_choose_group(warp *w);
void ptx_rejoin(warp *w);
void ptx_take_branch(warp *w, uint32_t taken, uint32_t target);
void ptx_take_table(warp *w, const instruction *i);
/* False: the group has to wait for other lanes, and another one goes on. */
bool ptx_all_here(warp *w, uint32_t needed);

void ptx_start_warp(warp *w, block_state *b, int index, unsigned n_threads);
/* Until the next barrier, the end, or so many instructions. */
void ptx_run_warp(warp *w, uint64_t most);

#endif
