/*
 * Counts the program's allocations: include in one source file of a test. It takes the place of the
 * C library's functions; where a sanitizer has already done so, allocations_are_counted is 0.
 */
#ifndef COUNT_ALLOCATIONS_H_
#define COUNT_ALLOCATIONS_H_

#include <stddef.h>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

enum { allocations_are_counted = 1 };
static volatile size_t allocation_count;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
    allocation_count++;
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
    allocation_count++;
    return __libc_calloc(n, size);
}

void *realloc(void *block, size_t size) {
    allocation_count++;
    return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    allocation_count++;
    return __libc_memalign(alignment, size);
}

#else

enum { allocations_are_counted = 0 };
static size_t allocation_count;

#endif
#endif
