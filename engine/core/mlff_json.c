#define _POSIX_C_SOURCE 200809L  // newlocale, uselocale

#include "mlff_json.h"
#include "mlff_utf8.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__APPLE__)
#include <xlocale.h>
#endif

/* -------------------------------------------------------------------------------- arena -- */

/* All values and strings of a text live in blocks that are freed together. */
typedef struct arena_block {
    struct arena_block *next;
    size_t used, size;
    max_align_t data[];
} arena_block;

struct mlff_json {
    arena_block *blocks;
    const mlff_json_value *root;
};

enum { FIRST_BLOCK = 1 << 12, LARGEST_BLOCK = 1 << 20 };

/* n_bytes of zeros, aligned for any type; NULL without memory. */
static void *arena_take(mlff_json *json, size_t n_bytes) {
    const size_t unit = sizeof(max_align_t);
    if (n_bytes > SIZE_MAX/2)
        return NULL;
    n_bytes = (n_bytes + unit - 1)/unit*unit;

    arena_block *block = json->blocks;
    if (!block || block->size - block->used < n_bytes) {
        size_t size = block ? 2*block->size : FIRST_BLOCK;
        if (size > LARGEST_BLOCK)
            size = LARGEST_BLOCK;
        if (size < n_bytes)
            size = n_bytes;
        block = calloc(1, sizeof *block + size);
        if (!block)
            return NULL;
        block->size = size;
        block->next = json->blocks;
        json->blocks = block;
    }
    void *taken = (unsigned char *) block->data + block->used;
    block->used += n_bytes;
    return taken;
}

void mlff_json_free(mlff_json *json) {
    if (!json)
        return;
    for (arena_block *block = json->blocks; block;) {
        arena_block *next = block->next;
        free(block);
        block = next;
    }
    free(json);
}

/* ------------------------------------------------------------------------------- parser -- */

typedef struct parser {
    const char *text;
    size_t length, at;
    const char *where;
    mlff_json *json;
    int n_values;
    const mlff_json_value **stack;  // finished values whose array or object is still open
    size_t stack_used, stack_size;
    locale_t c_locale;
    mlff_error *err;
} parser;

static mlff_status parse_value(parser *p, int depth, mlff_json_value *value);

static mlff_status fail(const parser *p, const char *what) {
    return mlff_fail(p->err, MLFF_ERROR_FORMAT, "%s: broken JSON at byte %zu of %zu: %s", p->where,
                     p->at, p->length, what);
}

static mlff_status fail_memory(const parser *p) {
    return mlff_fail(p->err, MLFF_ERROR_MEMORY, "%s: no memory to read its JSON", p->where);
}

/* Next byte, -1 at the end. */
static int peek(const parser *p) {
    return p->at < p->length ? (unsigned char) p->text[p->at] : -1;
}

static void skip_space(parser *p) {
    while (p->at < p->length && strchr(" \t\n\r", p->text[p->at]) && p->text[p->at] != 0)
        p->at++;
}

static bool accept_text(parser *p, const char *text) {
    const size_t n = strlen(text);
    if (p->length - p->at < n || memcmp(p->text + p->at, text, n) != 0)
        return false;
    p->at += n;
    return true;
}

/* ------------------------------------------------------------------------------ strings -- */

/* Four hexadecimal digits at p->at; -1 if they are not. */
static long read_hex4(parser *p) {
    if (p->length - p->at < 4)
        return -1;
    long code = 0;
    for (int k = 0; k < 4; k++) {
        const char c = p->text[p->at + (size_t) k];
        const int digit = c >= '0' && c <= '9' ? c - '0' :
                          c >= 'a' && c <= 'f' ? c - 'a' + 10 :
                          c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return -1;
        code = 16*code + digit;
    }
    p->at += 4;
    return code;
}

/* What follows "\u": one character, or a pair of surrogates. */
static mlff_status parse_unicode_escape(parser *p, char **out) {
    long code = read_hex4(p);
    if (code < 0)
        return fail(p, "\\u must be followed by four hexadecimal digits");
    if (code == 0)
        return fail(p, "\\u0000 is not accepted in a string");
    if (code >= 0xDC00 && code <= 0xDFFF)
        return fail(p, "the second half of a surrogate pair without its first");
    if (code >= 0xD800 && code <= 0xDBFF) {
        const long low = accept_text(p, "\\u") ? read_hex4(p) : -1;
        if (low < 0xDC00 || low > 0xDFFF)
            return fail(p, "the first half of a surrogate pair without its second");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    *out += mlff_utf8_encode((unsigned long) code, *out);
    return MLFF_OK;
}

/* What follows a backslash. */
static mlff_status parse_escape(parser *p, char **out) {
    static const char letters[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";
    const int c = peek(p);
    const char *letter = c > 0 ? strchr(letters, c) : NULL;
    if (letter) {
        p->at++;
        *(*out)++ = meaning[letter - letters];
        return MLFF_OK;
    }
    if (c != 'u')
        return fail(p, "unknown escape after a backslash");
    p->at++;
    return parse_unicode_escape(p, out);
}

/* Length of the raw text up to the closing quote, at most the rest of the text. */
static size_t raw_string_length(const parser *p) {
    size_t end = p->at;
    while (end < p->length && p->text[end] != '"')
        end += p->text[end] == '\\' ? 2 : 1;
    return (end < p->length ? end : p->length) - p->at;
}

/* p->at is at the opening quote. */
static mlff_status parse_string(parser *p, const char **string) {
    p->at++;
    // an escape is never shorter than the character it stands for
    char *text = arena_take(p->json, raw_string_length(p) + 1);
    if (!text)
        return fail_memory(p);
    *string = text;

    for (;;) {
        const int c = peek(p);
        if (c < 0)
            return fail(p, "the text ends inside a string");
        if (c < 0x20)
            return fail(p, "a control character in a string must be written as an escape");
        if (c == '"') {
            p->at++;
            return MLFF_OK;  // terminated: the arena gives zeros
        }
        if (c == '\\') {
            p->at++;
            MLFF_TRY(parse_escape(p, &text));
            continue;
        }
        const int n = mlff_utf8_length(p->text + p->at, p->length - p->at);
        if (n == 0)
            return fail(p, "a string is not UTF-8");
        memcpy(text, p->text + p->at, (size_t) n);
        text += n;
        p->at += (size_t) n;
    }
}

/* ------------------------------------------------------------------------------ numbers -- */

static size_t skip_digits(parser *p) {
    const size_t start = p->at;
    while (peek(p) >= '0' && peek(p) <= '9')
        p->at++;
    return p->at - start;
}

/* Exact value of an integer's text; false if it does not fit. */
static bool read_integer(const char *text, int64_t *out) {
    const bool negative = *text == '-';
    int64_t value = 0;  // negated, as the negative range is the larger one
    for (text += negative; *text; text++) {
        const int digit = *text - '0';
        if (value < (INT64_MIN + digit)/10)
            return false;
        value = 10*value - digit;
    }
    if (!negative && value == INT64_MIN)
        return false;
    *out = negative ? value : -value;
    return true;
}

/* The host may have set a decimal comma: read under the "C" locale, of this thread alone. */
static double read_double(const parser *p, const char *text) {
    const locale_t before = uselocale(p->c_locale);
    const double value = strtod(text, NULL);
    uselocale(before);
    return value;
}

static mlff_status parse_number(parser *p, mlff_json_value *value) {
    const size_t start = p->at;
    if (peek(p) == '-')
        p->at++;
    if (accept_text(p, "Infinity"))
        return fail(p, "NaN and Infinity are no JSON numbers");
    const bool leading_zero = peek(p) == '0';
    const size_t n_digits = skip_digits(p);
    if (n_digits == 0)
        return fail(p, "a number needs a digit here");
    if (leading_zero && n_digits > 1)
        return fail(p, "a number must not start with a superfluous 0");
    bool is_integer = true;
    if (peek(p) == '.') {
        is_integer = false;
        p->at++;
        if (skip_digits(p) == 0)
            return fail(p, "a number needs a digit after its decimal point");
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        is_integer = false;
        p->at++;
        if (peek(p) == '+' || peek(p) == '-')
            p->at++;
        if (skip_digits(p) == 0)
            return fail(p, "a number needs a digit in its exponent");
    }

    const size_t length = p->at - start;
    char *text = arena_take(p->json, length + 1);
    if (!text)
        return fail_memory(p);
    memcpy(text, p->text + start, length);
    value->type = MLFF_JSON_NUMBER;
    value->number = read_double(p, text);
    value->is_integer = is_integer && read_integer(text, &value->integer);
    if (!isfinite(value->number))
        return fail(p, "a number is too large");
    return MLFF_OK;
}

/* --------------------------------------------------------------------- arrays, objects -- */

static mlff_status push(parser *p, const mlff_json_value *value) {
    if (p->stack_used == p->stack_size) {
        const size_t size = p->stack_size ? 2*p->stack_size : 64;
        void *stack = p->stack;
        MLFF_TRY(mlff_resize(&stack, size, sizeof *p->stack, "JSON values", p->err));
        p->stack = stack;
        p->stack_size = size;
    }
    p->stack[p->stack_used++] = value;
    return MLFF_OK;
}

/* Parse the next value of an array or object and put it on the stack. */
static mlff_status parse_child(parser *p, int depth, const char *key) {
    if (p->n_values++ == MLFF_JSON_MAX_VALUES)
        return fail(p, "too many values");
    mlff_json_value *child = arena_take(p->json, sizeof *child);
    if (!child)
        return fail_memory(p);
    child->key = key;
    MLFF_TRY(parse_value(p, depth, child));
    return push(p, child);
}

/* Give the values above base on the stack to their array or object. */
static mlff_status take_children(parser *p, size_t base, mlff_json_value *value) {
    const size_t n = p->stack_used - base;
    const mlff_json_value **item = arena_take(p->json, n*sizeof *item);
    if (!item)
        return fail_memory(p);
    if (n > 0)
        memcpy(item, p->stack + base, n*sizeof *item);
    p->stack_used = base;
    value->n = (int) n;  // at most MLFF_JSON_MAX_VALUES
    value->item = item;
    return MLFF_OK;
}

static mlff_status parse_array(parser *p, int depth, mlff_json_value *value) {
    value->type = MLFF_JSON_ARRAY;
    const size_t base = p->stack_used;
    p->at++;
    skip_space(p);
    if (peek(p) == ']') {
        p->at++;
        return take_children(p, base, value);
    }
    for (;;) {
        MLFF_TRY(parse_child(p, depth + 1, NULL));
        skip_space(p);
        if (peek(p) == ']') {
            p->at++;
            return take_children(p, base, value);
        }
        if (peek(p) != ',')
            return fail(p, "expected , or ] in an array");
        p->at++;
    }
}

static int compare_keys(const void *a, const void *b) {
    const mlff_json_value *const *u = a, *const *v = b;
    return strcmp((*u)->key, (*v)->key);
}

/* Sort the members for look-up; equal keys end up side by side. */
static mlff_status index_keys(parser *p, mlff_json_value *object) {
    const size_t n = (size_t) object->n;
    const mlff_json_value **by_key = arena_take(p->json, n*sizeof *by_key);
    if (!by_key)
        return fail_memory(p);
    if (n > 0) {
        memcpy(by_key, object->item, n*sizeof *by_key);
        qsort(by_key, n, sizeof *by_key, compare_keys);
    }
    for (size_t k = 1; k < n; k++)
        if (strcmp(by_key[k - 1]->key, by_key[k]->key) == 0)
            return mlff_fail(p->err, MLFF_ERROR_FORMAT, "%s: broken JSON before byte %zu: the key "
                             "'%.100s' stands twice in one object", p->where, p->at,
                             by_key[k]->key);
    object->by_key = by_key;
    return MLFF_OK;
}

static mlff_status close_object(parser *p, size_t base, mlff_json_value *value) {
    p->at++;
    MLFF_TRY(take_children(p, base, value));
    return index_keys(p, value);
}

static mlff_status parse_object(parser *p, int depth, mlff_json_value *value) {
    value->type = MLFF_JSON_OBJECT;
    const size_t base = p->stack_used;
    p->at++;
    skip_space(p);
    if (peek(p) == '}')
        return close_object(p, base, value);
    for (;;) {
        skip_space(p);
        if (peek(p) != '"')
            return fail(p, "expected a key in quotes");
        const char *key;
        MLFF_TRY(parse_string(p, &key));
        skip_space(p);
        if (peek(p) != ':')
            return fail(p, "expected : after a key");
        p->at++;
        MLFF_TRY(parse_child(p, depth + 1, key));
        skip_space(p);
        if (peek(p) == '}')
            return close_object(p, base, value);
        if (peek(p) != ',')
            return fail(p, "expected , or } in an object");
        p->at++;
    }
}

static mlff_status parse_value(parser *p, int depth, mlff_json_value *value) {
    if (depth > MLFF_JSON_MAX_DEPTH)
        return fail(p, "arrays and objects are nested too deeply");
    skip_space(p);
    const int c = peek(p);
    if (c < 0)
        return fail(p, "the text ends where a value should stand");
    if (c == '{')
        return parse_object(p, depth, value);
    if (c == '[')
        return parse_array(p, depth, value);
    if (c == '-' || (c >= '0' && c <= '9'))
        return parse_number(p, value);
    if (c == '"') {
        value->type = MLFF_JSON_STRING;
        return parse_string(p, &value->string);
    }
    if (accept_text(p, "null")) {
        value->type = MLFF_JSON_NULL;
        return MLFF_OK;
    }
    value->type = MLFF_JSON_BOOL;
    if (accept_text(p, "false"))
        return MLFF_OK;
    if (accept_text(p, "true")) {
        value->boolean = true;
        return MLFF_OK;
    }
    if (accept_text(p, "NaN") || accept_text(p, "Infinity"))
        return fail(p, "NaN and Infinity are no JSON numbers");
    return fail(p, "expected a value");
}

static mlff_status parse_text(parser *p) {
    mlff_json_value *root = arena_take(p->json, sizeof *root);
    if (!root)
        return fail_memory(p);
    p->json->root = root;
    p->n_values = 1;
    MLFF_TRY(parse_value(p, 1, root));
    skip_space(p);
    if (p->at < p->length)
        return fail(p, "something follows the value");
    return MLFF_OK;
}

mlff_status mlff_json_parse(const char *text, size_t length, const char *where, mlff_json **out,
                            mlff_error *err) {
    *out = NULL;
    parser p = {.text = text, .length = length, .where = where, .err = err};
    p.c_locale = newlocale(LC_ALL_MASK, "C", (locale_t) 0);
    p.json = calloc(1, sizeof *p.json);

    mlff_status status;
    if (p.json && p.c_locale)
        status = parse_text(&p);
    else
        status = fail_memory(&p);

    if (p.c_locale)
        freelocale(p.c_locale);
    free(p.stack);
    if (status != MLFF_OK) {
        mlff_json_free(p.json);
        return status;
    }
    *out = p.json;
    return MLFF_OK;
}

/* ------------------------------------------------------------------------------ look-up -- */

const mlff_json_value *mlff_json_root(const mlff_json *json) {
    return json->root;
}

const mlff_json_value *mlff_json_get(const mlff_json_value *object, const char *key) {
    if (!object || object->type != MLFF_JSON_OBJECT)
        return NULL;
    int low = 0, high = object->n;
    while (low < high) {
        const int middle = low + (high - low)/2;
        const int order = strcmp(object->by_key[middle]->key, key);
        if (order == 0)
            return object->by_key[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const char *mlff_json_type_name(mlff_json_type type) {
    static const char *const name[] = {"null", "true or false", "a number", "a string", "an array",
                                       "an object"};
    return name[type];
}
