/*
 * Typed, checked reading of a JSON object of settings, with messages that name file and key.
 * All functions return MLFF_OK or MLFF_ERROR_FORMAT (missing, wrong type, out of range).
 */
#ifndef MLFF_CONFIG_H_
#define MLFF_CONFIG_H_

#include "mlff_internal.h"
#include "mlff_json.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mlff_config {
    const char *file, *part;         /* for messages: "model.safetensors", "config" */
    const mlff_json_value *object;
} mlff_config;

bool mlff_config_has(const mlff_config *config, const char *key);

/* Every key of the object must be one of the n known ones. */
mlff_status mlff_config_check_keys(const mlff_config *config, int n, const char *const *known,
                                   mlff_error *err);

/* An integer low ... high. */
mlff_status mlff_config_int(const mlff_config *config, const char *key, int low, int high, int *out,
                            mlff_error *err);

/* Any number that a double holds. */
mlff_status mlff_config_number(const mlff_config *config, const char *key, double *out,
                               mlff_error *err);

mlff_status mlff_config_bool(const mlff_config *config, const char *key, bool *out,
                             mlff_error *err);

/* *out lives as long as the JSON. */
mlff_status mlff_config_string(const mlff_config *config, const char *key, const char **out,
                               mlff_error *err);

/* One of n names; *out is its index. */
mlff_status mlff_config_choice(const mlff_config *config, const char *key, int n,
                               const char *const *names, int *out, mlff_error *err);

/* min_n ... max_n integers low ... high; out has room for max_n. */
mlff_status mlff_config_int_array(const mlff_config *config, const char *key, int min_n, int max_n,
                                  int low, int high, int *out, int *n, mlff_error *err);

#ifdef __cplusplus
}
#endif
#endif
