#include "mlff_config.h"

#include <stdio.h>
#include <string.h>

/* The value of a key, which must be there and of this type. */
static mlff_status get(const mlff_config *c, const char *key, mlff_json_type type,
                       const mlff_json_value **out, mlff_error *err) {
    *out = mlff_json_get(c->object, key);
    if (!*out)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: '%s' is missing", c->file, c->part, key);
    if ((*out)->type != type)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: '%s' is %s, expected %s", c->file,
                         c->part, key, mlff_json_type_name((*out)->type),
                         mlff_json_type_name(type));
    return MLFF_OK;
}

bool mlff_config_has(const mlff_config *config, const char *key) {
    return mlff_json_get(config->object, key) != NULL;
}

mlff_status mlff_config_check_keys(const mlff_config *config, int n, const char *const *known,
                                   mlff_error *err) {
    for (int k = 0; k < config->object->n; k++) {
        const char *key = config->object->item[k]->key;
        bool found = false;
        for (int m = 0; m < n && !found; m++)
            found = strcmp(key, known[m]) == 0;
        if (!found)
            return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: unknown key '%.100s': made for a "
                             "newer version?", config->file, config->part, key);
    }
    return MLFF_OK;
}

mlff_status mlff_config_int(const mlff_config *config, const char *key, int low, int high, int *out,
                            mlff_error *err) {
    const mlff_json_value *value;
    MLFF_TRY(get(config, key, MLFF_JSON_NUMBER, &value, err));
    if (!value->is_integer || value->integer < low || value->integer > high)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: '%s' is %.17g, expected an integer "
                         "%d ... %d", config->file, config->part, key, value->number, low, high);
    *out = (int) value->integer;
    return MLFF_OK;
}

mlff_status mlff_config_number(const mlff_config *config, const char *key, double *out,
                               mlff_error *err) {
    const mlff_json_value *value;
    MLFF_TRY(get(config, key, MLFF_JSON_NUMBER, &value, err));
    *out = value->number;
    return MLFF_OK;
}

mlff_status mlff_config_bool(const mlff_config *config, const char *key, bool *out,
                             mlff_error *err) {
    const mlff_json_value *value;
    MLFF_TRY(get(config, key, MLFF_JSON_BOOL, &value, err));
    *out = value->boolean;
    return MLFF_OK;
}

mlff_status mlff_config_string(const mlff_config *config, const char *key, const char **out,
                               mlff_error *err) {
    const mlff_json_value *value;
    MLFF_TRY(get(config, key, MLFF_JSON_STRING, &value, err));
    *out = value->string;
    return MLFF_OK;
}

mlff_status mlff_config_choice(const mlff_config *config, const char *key, int n,
                               const char *const *names, int *out, mlff_error *err) {
    const char *string;
    MLFF_TRY(mlff_config_string(config, key, &string, err));
    for (int k = 0; k < n; k++)
        if (strcmp(string, names[k]) == 0) {
            *out = k;
            return MLFF_OK;
        }
    char list[200] = "";
    for (int k = 0; k < n; k++) {
        const size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", k == 0 ? "" : k < n - 1 ? ", " : " or ",
                 names[k]);
    }
    return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: '%s' is '%.60s', expected %s", config->file,
                     config->part, key, string, list);
}

mlff_status mlff_config_int_array(const mlff_config *config, const char *key, int min_n, int max_n,
                                  int low, int high, int *out, int *n, mlff_error *err) {
    const mlff_json_value *array;
    MLFF_TRY(get(config, key, MLFF_JSON_ARRAY, &array, err));
    if (array->n < min_n || array->n > max_n)
        return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: '%s' has %d values, expected %d ... %d",
                         config->file, config->part, key, array->n, min_n, max_n);
    for (int k = 0; k < array->n; k++) {
        const mlff_json_value *value = array->item[k];
        if (value->type != MLFF_JSON_NUMBER || !value->is_integer || value->integer < low ||
            value->integer > high)
            return mlff_fail(err, MLFF_ERROR_FORMAT, "%s: %s: value %d of '%s' is not an integer "
                             "%d ... %d", config->file, config->part, k, key, low, high);
        out[k] = (int) value->integer;
    }
    *n = array->n;
    return MLFF_OK;
}
