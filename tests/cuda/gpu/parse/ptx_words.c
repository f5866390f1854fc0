#define _GNU_SOURCE  // strndup
#include "ptx_words.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ptx_refuse(const scanner *s, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int n = snprintf(s->message, PTX_MESSAGE, "PTX line %d: ", s->line);
    vsnprintf(s->message+n, (size_t) (PTX_MESSAGE-n), format, arguments);
    va_end(arguments);
    longjmp(*s->failed, 1);
}

void *ptx_resize(void *memory, size_t bytes) {
    void *larger = realloc(memory, bytes);
    if (larger == NULL)
        abort();
    return larger;
}

void *ptx_zeros(size_t n, size_t bytes) {
    void *made = calloc(n+1, bytes);
    if (made == NULL)
        abort();
    return made;
}

/* ------------------------------------------------------------------------------- types -- */

static const struct {const char *name; size_t size;} TYPES[N_TYPES] = {
    [PRED] = {"pred", 0}, [B8] = {"b8", 1}, [U8] = {"u8", 1}, [S8] = {"s8", 1},
    [B16] = {"b16", 2}, [U16] = {"u16", 2}, [S16] = {"s16", 2}, [F16] = {"f16", 2},
    [BF16] = {"bf16", 2}, [B32] = {"b32", 4}, [U32] = {"u32", 4}, [S32] = {"s32", 4},
    [F32] = {"f32", 4}, [TF32] = {"tf32", 4}, [F16X2] = {"f16x2", 4}, [B64] = {"b64", 8},
    [U64] = {"u64", 8}, [S64] = {"s64", 8}, [F64] = {"f64", 8}, [B128] = {"b128", 16},
    [NO_TYPE] = {"", 0}};

size_t ptx_type_size(type t) {
    return TYPES[t].size;
}

const char *ptx_type_name(type t) {
    return TYPES[t].name;
}

type ptx_type_of(const char *name, int length) {
    if (length < 2 || length > 5 || strchr("pbusft", name[0]) == NULL)
        return NO_TYPE;
    for (type t = PRED; t < N_TYPES; t++)
        if ((int) strlen(TYPES[t].name) == length &&
                memcmp(TYPES[t].name, name, (size_t) length) == 0)
            return t;
    return NO_TYPE;
}

/* ------------------------------------------------------------------------------- words -- */

static void skip_comment(scanner *s) {
    for (s->at += 2; *s->at != 0 && !(s->at[0] == '*' && s->at[1] == '/'); s->at++)
        s->line += *s->at == '\n';
    s->at += *s->at != 0 ? 2 : 0;
}

char ptx_peek(scanner *s) {
    for (;;) {
        if (*s->at == '\n')
            s->line++, s->at++;
        else if (isspace((unsigned char) *s->at))
            s->at++;
        else if (s->at[0] == '/' && s->at[1] == '/')
            s->at += strcspn(s->at, "\n");
        else if (s->at[0] == '/' && s->at[1] == '*')
            skip_comment(s);
        else
            return *s->at;
    }
}

bool ptx_accept(scanner *s, char c) {
    if (ptx_peek(s) != c)
        return false;
    s->at++;
    return true;
}

void ptx_expect(scanner *s, char c) {
    if (!ptx_accept(s, c))
        ptx_refuse(s, "expected '%c' before '%.20s'", c, s->at);
}

static bool in_word(const char *c) {
    return isalnum((unsigned char) *c) || (*c != 0 && strchr("_$%.", *c) != NULL);
}

word ptx_word(scanner *s) {
    ptx_peek(s);
    const char *begin = s->at;
    while (in_word(s->at) || (s->at[0] == ':' && s->at[1] == ':') ||
           (s->at > begin+1 && s->at[-1] == ':' && *s->at == ':'))
        s->at++;
    if (s->at == begin)
        ptx_refuse(s, "expected a word before '%.20s'", s->at);
    return (word) {begin, (int) (s->at-begin)};
}

bool ptx_same(word a, const char *b) {
    return (int) strlen(b) == a.length && memcmp(a.begin, b, (size_t) a.length) == 0;
}

bool ptx_equal(word a, word b) {
    return a.length == b.length && memcmp(a.begin, b.begin, (size_t) a.length) == 0;
}

char *ptx_keep(word w) {
    return strndup(w.begin, (size_t) w.length);
}

void ptx_skip_to(scanner *s, char c) {
    while (ptx_peek(s) != c) {
        if (*s->at == 0)
            ptx_refuse(s, "expected '%c'", c);
        s->at++;
    }
    s->at++;
}

void ptx_skip_body(scanner *s) {
    ptx_expect(s, '{');
    for (int depth = 1; depth > 0; s->at++) {
        const char c = ptx_peek(s);
        if (c == 0)
            ptx_refuse(s, "expected '}'");
        depth += c == '{' ? 1 : c == '}' ? -1 : 0;
    }
}

/* 0f3F800000 and 0d3FF0000000000000 are bits; others are integers in C's notation. */
bool ptx_number(scanner *s, uint64_t *value) {
    ptx_peek(s);
    const bool minus = *s->at == '-';
    const char *begin = s->at+minus;
    char *end;
    if (!isdigit((unsigned char) *begin))
        return false;
    if (begin[0] == '0' && begin[1] != 0 && strchr("fFdD", begin[1]) != NULL) {
        *value = strtoull(begin+2, &end, 16);
        if (minus)
            *value ^= strchr("fF", begin[1]) != NULL ? 0x80000000u : 1ull << 63;
    }
    else {
        *value = strtoull(begin, &end, 0);
        if (minus)
            *value = -*value;
    }
    end += *end == 'U';
    s->at = end;
    if (in_word(end))
        ptx_refuse(s, "'%.*s' is not a number that is known", (int) (end-begin)+8, begin);
    return true;
}
