#include "mlff_internal.h"

#include <stdlib.h>

mlff_status mlff_resize(void **block, size_t count, size_t size, const char *what,
                        mlff_error *err) {
    if (size != 0 && count > SIZE_MAX/size)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for %s: %zu elements of %zu bytes "
                         "are more than this machine can address", what, count, size);
    const size_t n_bytes = count*size;
    void *grown = realloc(*block, n_bytes > 0 ? n_bytes : 1);  // never a NULL that means success
    if (!grown)
        return mlff_fail(err, MLFF_ERROR_MEMORY, "no memory for %s: %zu bytes", what, n_bytes);
    *block = grown;
    return MLFF_OK;
}

mlff_status mlff_reserve(void **block, size_t *capacity, size_t count, size_t size,
                         const char *what, mlff_error *err) {
    if (count == 0)
        count = 1;
    if (*capacity >= count)
        return MLFF_OK;
    MLFF_TRY(mlff_resize(block, count, size, what, err));
    *capacity = count;
    return MLFF_OK;
}
