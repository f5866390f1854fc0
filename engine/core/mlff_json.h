/*
 * A small strict reader of JSON (RFC 8259) for model headers and their settings.
 *
 * Stricter than the RFC: no duplicate keys, no \u0000 in strings, numbers must fit a double, at
 * most MLFF_JSON_MAX_DEPTH levels and MLFF_JSON_MAX_VALUES values.
 */
#ifndef MLFF_JSON_H_
#define MLFF_JSON_H_

#include "mlff_internal.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MLFF_JSON_MAX_DEPTH = 32, MLFF_JSON_MAX_VALUES = 1 << 20 };

typedef enum mlff_json_type {
    MLFF_JSON_NULL,
    MLFF_JSON_BOOL,
    MLFF_JSON_NUMBER,
    MLFF_JSON_STRING,
    MLFF_JSON_ARRAY,
    MLFF_JSON_OBJECT
} mlff_json_type;

typedef struct mlff_json_value mlff_json_value;
struct mlff_json_value {
    mlff_json_type type;
    const char *key;               /* of a member of an object, else NULL */
    bool boolean;                  /* BOOL */
    double number;                 /* NUMBER, finite */
    bool is_integer;               /* NUMBER written without fraction and exponent, fits int64_t */
    int64_t integer;               /* its exact value */
    const char *string;            /* STRING: UTF-8, terminated, no zero inside */
    int n;                         /* ARRAY, OBJECT: number of values */
    const mlff_json_value *const *item;    /* [n] in the order of the text */
    const mlff_json_value *const *by_key;  /* [n] OBJECT: sorted by strcmp of the keys */
};

typedef struct mlff_json mlff_json;  /* a parsed text; owns its values */

/*
 * Parse a whole text. Numbers do not depend on the locale of the host.
 *
 *   text     [length] bytes; need not be terminated; not needed afterwards
 *   where    stands at the start of error messages: file and part of it
 *   out      free with mlff_json_free(); NULL on failure
 *
 * Returns MLFF_OK, MLFF_ERROR_FORMAT (with the byte where it went wrong), MLFF_ERROR_MEMORY.
 */
mlff_status mlff_json_parse(const char *text, size_t length, const char *where, mlff_json **out,
                            mlff_error *err);

void mlff_json_free(mlff_json *json);  /* NULL is fine */

const mlff_json_value *mlff_json_root(const mlff_json *json);

/* Member of an object; NULL if there is none, or the value is no object. */
const mlff_json_value *mlff_json_get(const mlff_json_value *object, const char *key);

/* "a string" and so on, for messages. */
const char *mlff_json_type_name(mlff_json_type type);

#ifdef __cplusplus
}
#endif
#endif
