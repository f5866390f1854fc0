/*
 * What is looked for in memory beside addresses: races, reads before writes, values that threads
 * hand over (ptx_checks).
 *
 * In shared memory two threads of a block race if both touch a word, one of them writes, and no
 * barrier is between; within a warp an operation of several lanes is one. Atomic operations do not
 * race with each other.
 *
 * In global memory two blocks race if both touch a word in one launch and one of them writes. A
 * write that changes nothing does no harm. ld.global.nc may find what was there before the launch:
 * it must not read what the launch writes.
 */
#ifndef PTX_WATCH_H
#define PTX_WATCH_H

#include "../execution/ptx_execution.h"

/* For the shared memory of a launch; zeros. NULL without memory. */
struct access_record *ptx_new_records(size_t bytes);

/* Lanes m are about to access shared memory; a: from its begin. Fails at the first that may not. */
void ptx_watch_shared(const warp *w, const instruction *i, uint32_t m, const uint64_t *a,
                      size_t bytes, bool writes, bool atomic);
/* The same of global memory; at: the content. */
void ptx_watch_global(const warp *w, instruction *i, uint32_t m, const uint64_t *a,
                      unsigned char *const *at, size_t bytes, bool writes, bool atomic);

#endif
