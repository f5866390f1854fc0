/* Blocks of memory for the CPU platform, aligned to a cache line. */
#ifndef CPU_MEMORY_H_
#define CPU_MEMORY_H_

#include "mlff_internal.h"

/* A block that grows and keeps its size; start from all zeros. Growing loses the content. */
typedef struct cpu_buffer {
    void *data;
    size_t n_bytes;
} cpu_buffer;

mlff_status cpu_buffer_reserve(cpu_buffer *buffer, size_t n_bytes, mlff_error *err);
void cpu_buffer_free(cpu_buffer *buffer);

/* Cuts one block into arrays: run once with base = NULL to count, once to carve. */
typedef struct cpu_carver {
    char *base;
    size_t used;
} cpu_carver;

/* The next array of count elements of size bytes, aligned to 64; NULL while counting. */
void *cpu_carve(cpu_carver *carver, size_t count, size_t size);

#endif
