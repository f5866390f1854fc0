/* Checks for the C tests. A failed check prints where and both values, and the test goes on. */
#ifndef MLFF_CHECK_H_
#define MLFF_CHECK_H_

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_count, check_failures;

#define CHECK_SAY(...)                                                                            \
    (check_failures++, printf("%s:%d: ", __FILE__, __LINE__), printf(__VA_ARGS__), printf("\n"))

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        check_count++;                                                                            \
        if (!(condition))                                                                         \
            CHECK_SAY("failed: %s", #condition);                                                  \
    } while (0)

/* abs(found - expected) <= tolerance; a NaN fails. */
#define CHECK_NEAR(expected, found, tolerance)                                                    \
    do {                                                                                          \
        const double check_e_ = (expected), check_f_ = (found), check_t_ = (tolerance);           \
        check_count++;                                                                            \
        if (!(fabs(check_f_ - check_e_) <= check_t_))                                             \
            CHECK_SAY("%s: expected %.17g, found %.17g, difference %.3g, allowed %.3g", #found,   \
                      check_e_, check_f_, check_f_ - check_e_, check_t_);                         \
    } while (0)

/* The call must succeed; prints its message otherwise. err is an mlff_error. */
#define CHECK_OK(call, err)                                                                       \
    do {                                                                                          \
        check_count++;                                                                            \
        if ((call) != MLFF_OK)                                                                    \
            CHECK_SAY("%s: %s", #call, (err).message);                                            \
    } while (0)

/* The call must fail with this status and a message that contains the text. */
#define CHECK_FAILS(call, expected_status, err, text)                                             \
    do {                                                                                          \
        check_count++;                                                                            \
        (err).message[0] = 0;                                                                     \
        const mlff_status check_s_ = (call);                                                      \
        if (check_s_ != (expected_status) || (err).status != check_s_ ||                          \
            !strstr((err).message, (text)))                                                       \
            CHECK_SAY("%s: expected %s with \"%s\", found %s: %s", #call,                         \
                      mlff_status_name(expected_status), (text), mlff_status_name(check_s_),      \
                      (err).message);                                                             \
    } while (0)

/* Last line of main: 0 passed, 1 failed; no check at all is a failure. */
static inline int check_report(const char *name) {
    printf("%s: %d checks, %d failed\n", name, check_count, check_failures);
    return check_count == 0 || check_failures > 0;
}

/* A path below an environment variable's folder (MLFF_TEST_DATA, MLFF_SHARED, MLFF_MODELS), in a
   static buffer; NULL if the variable is not set. */
static inline const char *check_path(const char *variable, const char *file) {
    static char buffer[8][1024];
    static int next;
    const char *folder = getenv(variable);
    if (!folder)
        return NULL;
    char *path = buffer[next++ % 8];
    snprintf(path, sizeof buffer[0], "%s/%s", folder, file);
    return path;
}

static inline int check_file_exists(const char *path) {
    FILE *f = path ? fopen(path, "rb") : NULL;
    if (f)
        fclose(f);
    return f != NULL;
}

enum { CHECK_SKIPPED = 77 };

#endif
