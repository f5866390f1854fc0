/* One growing block of scratch, carved into aligned arrays. */
#include "ref_ops.h"

#include <stdlib.h>

enum { ALIGNMENT = 64 };

void *ref_arena_take(ref_arena *arena, size_t n, size_t size) {
    if (arena->used == SIZE_MAX || (size > 0 && n > (SIZE_MAX - arena->used - ALIGNMENT)/size)) {
        arena->used = SIZE_MAX;
        return NULL;
    }
    const size_t offset = arena->used;
    const size_t n_bytes = n*size;
    arena->used = offset + (n_bytes + ALIGNMENT - 1)/ALIGNMENT*ALIGNMENT;
    return arena->block ? arena->block + offset : NULL;
}

mlff_status ref_arena_reserve(ref_arena *arena, size_t n_bytes, mlff_error *err) {
    if (n_bytes > SIZE_MAX/2)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "the scratch memory of this evaluation exceeds "
                         "what a machine can address: evaluate a smaller system");
    if (n_bytes > arena->capacity || !arena->block) {
        /* the old content has no meaning for the new size: free first, never copy */
        ref_arena_free(arena);
        /* an eighth more: the number of pairs changes a little at every step */
        const size_t capacity = (n_bytes + n_bytes/8)/ALIGNMENT*ALIGNMENT + ALIGNMENT;
        arena->block = aligned_alloc(ALIGNMENT, capacity);
        if (!arena->block)
            return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for %zu bytes of scratch",
                             capacity);
        arena->capacity = capacity;
    }
    arena->used = 0;
    return MLFF_OK;
}

void ref_arena_free(ref_arena *arena) {
    free(arena->block);
    *arena = (ref_arena){0};
}
