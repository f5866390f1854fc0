#include "cpu_memory.h"

#include <stdlib.h>

enum { LINE = 64 };

mlff_status cpu_buffer_reserve(cpu_buffer *buffer, size_t n_bytes, mlff_error *err) {
    if (buffer->data && n_bytes <= buffer->n_bytes)
        return MLFF_OK;
    const size_t rounded = n_bytes > LINE ? (n_bytes + LINE - 1) / LINE * LINE : LINE;
    void *data = aligned_alloc(LINE, rounded);
    if (!data)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for %zu bytes of scratch", n_bytes);
    free(buffer->data);
    buffer->data = data;
    buffer->n_bytes = rounded;
    return MLFF_OK;
}

void cpu_buffer_free(cpu_buffer *buffer) {
    free(buffer->data);
    *buffer = (cpu_buffer) {0};
}

void *cpu_carve(cpu_carver *carver, size_t count, size_t size) {
    void *here = carver->base ? carver->base + carver->used : NULL;
    carver->used += (count * size + LINE - 1) / LINE * LINE;
    return here;
}
