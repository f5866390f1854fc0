/* Runs a list of broken model files: each must be refused, each with a message of its own. */
#ifndef MLFF_BROKEN_FILES_H_
#define MLFF_BROKEN_FILES_H_

#include "mlff.h"
#include "painn_builder.h"

/* What is done to a good file; strings and functions that are NULL do nothing. */
typedef struct broken_file {
    const char *config_from, *config_to;  /* in metadata 'config' */
    const char *header_from, *header_to;  /* in the finished header */
    void (*change)(st_builder *b);        /* before the file is built */
    void (*patch)(st_bytes *bytes);       /* at the very end */
    mlff_status status;
    const char *message;                  /* a part of the expected message */
} broken_file;

static inline st_bytes broken_file_build(const painn_spec *spec, const broken_file *how) {
    static st_builder builder;
    st_clear(&builder);
    painn_fill(&builder, spec);
    if (how->config_from)
        st_edit_metadata(&builder, "config", how->config_from, how->config_to);
    if (how->change)
        how->change(&builder);
    st_bytes bytes = st_build(&builder);
    st_clear(&builder);
    if (how->header_from)
        st_edit_header(&bytes, how->header_from, how->header_to);
    if (how->patch)
        how->patch(&bytes);
    return bytes;
}

/* Loads every file; checks status and message, and that no two messages are the same. */
static inline void broken_files_check(const painn_spec *spec, int n, const broken_file *list) {
    char (*message)[MLFF_MESSAGE_SIZE] = calloc((size_t) n, sizeof *message);
    for (int k = 0; k < n; k++) {
        st_bytes bytes = broken_file_build(spec, &list[k]);
        mlff_model *model = NULL;
        mlff_error err = {0};
        CHECK_FAILS(mlff_model_load_memory(bytes.data, bytes.n, "broken.file", &model, &err),
                    list[k].status, err, list[k].message);
        CHECK(model == NULL);
        CHECK(strstr(err.message, "broken.file") != NULL);
        mlff_model_free(model);
        st_bytes_free(&bytes);
        snprintf(message[k], sizeof message[k], "%s", err.message);
        for (int m = 0; m < k; m++) {
            check_count++;
            if (strcmp(message[m], message[k]) == 0)
                CHECK_SAY("broken files %d and %d give the same message: %s", m, k, message[k]);
            if (strstr(message[m], list[k].message) || strstr(message[k], list[m].message))
                CHECK_SAY("broken files %d and %d: the expected text of one also fits the other: "
                          "%s | %s", m, k, message[m], message[k]);
        }
    }
    free(message);
}

#endif
