#include "pretend.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pthread_mutex_t pretend_lock = PTHREAD_MUTEX_INITIALIZER;

int pretend_setting(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text != NULL ? atoi(text) : otherwise;
}

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

void pretend_say(const char *format, ...) {
    static FILE *file;
    const char *name = getenv("PRETEND_CUDA_LOG");
    const bool always = begins(format, "refused") || begins(format, "same") ||
                        begins(format, "counts");
    if (name == NULL || (!always && pretend_setting("PRETEND_CUDA_QUIET", 0)))
        return;
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&pretend_lock);
    if (file == NULL)
        file = fopen(name, "a");
    if (file != NULL) {
        vfprintf(file, format, arguments);
        fputc('\n', file);
        if (!begins(format, "launch"))
            fflush(file);
    }
    pthread_mutex_unlock(&pretend_lock);
    va_end(arguments);
}

/* Programs find it by dlsym(): says what they are about to do. */
VISIBLE void pretend_cuda_mark(const char *text);
VISIBLE void pretend_cuda_mark(const char *text) {
    pretend_say("mark %s", text);
}
