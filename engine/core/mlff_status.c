#include "mlff_internal.h"
#include "mlff_utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *mlff_status_name(mlff_status status) {
    switch (status) {
    case MLFF_OK: return "MLFF_OK";
    case MLFF_ERROR_ARGUMENT: return "MLFF_ERROR_ARGUMENT";
    case MLFF_ERROR_MEMORY: return "MLFF_ERROR_MEMORY";
    case MLFF_ERROR_FILE: return "MLFF_ERROR_FILE";
    case MLFF_ERROR_FORMAT: return "MLFF_ERROR_FORMAT";
    case MLFF_ERROR_UNSUPPORTED: return "MLFF_ERROR_UNSUPPORTED";
    case MLFF_ERROR_ELEMENT: return "MLFF_ERROR_ELEMENT";
    case MLFF_ERROR_BOX: return "MLFF_ERROR_BOX";
    case MLFF_ERROR_CHARGE: return "MLFF_ERROR_CHARGE";
    case MLFF_ERROR_NUMBER: return "MLFF_ERROR_NUMBER";
    case MLFF_ERROR_OVERLAP: return "MLFF_ERROR_OVERLAP";
    case MLFF_ERROR_SPAN: return "MLFF_ERROR_SPAN";
    }
    return "unknown status";
}

/* Names come from files: what is not UTF-8, and control characters, become question marks. */
static void make_printable(char *message) {
    const size_t n = strlen(message);
    for (size_t k = 0; k < n;) {
        const int length = mlff_utf8_length(message + k, n - k);
        if (length == 0 || (length == 1 && (message[k] < 0x20 || message[k] == 0x7F)))
            message[k++] = '?';
        else
            k += (size_t) length;
    }
}

mlff_status mlff_fail(mlff_error *err, mlff_status status, const char *format, ...) {
    if (!err)
        return status;

    // the arguments may point into err->message: an error that wraps an error
    char message[MLFF_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(message, sizeof message, format, arguments) < 0)
        strcpy(message, "an error whose message could not be written");
    va_end(arguments);

    make_printable(message);
    memcpy(err->message, message, sizeof message);
    err->status = status;
    return status;
}
