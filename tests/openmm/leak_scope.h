/*
 * Between leak_allow() and leak_forbid(), LeakSanitizer does not follow allocations of this thread.
 * For calls in which OpenMM itself is known to leak; narrower than a line in lsan.supp, which would
 * hide our own leaks below the same OpenMM function.
 */
#ifndef LEAK_SCOPE_H_
#define LEAK_SCOPE_H_

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
static inline void leak_allow(void) { __lsan_disable(); }
static inline void leak_forbid(void) { __lsan_enable(); }
#else
static inline void leak_allow(void) {}
static inline void leak_forbid(void) {}
#endif

#endif
