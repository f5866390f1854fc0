/* The words of a text, one after the other, and their lines. */
#ifndef PTX_WORDS_H
#define PTX_WORDS_H

#include <setjmp.h>

#include "../ptx_program.h"

/* A part of the text, which the text owns. */
typedef struct {
    const char *begin;
    int length;
} word;

typedef struct {
    const char *at;
    int line;
    char *message;      // [PTX_MESSAGE]
    jmp_buf *failed;    // where a text that is refused leads
} scanner;

/* Ends the parsing: "PTX line 12: ...". */
_Noreturn void ptx_refuse(const scanner *s, const char *format, ...);

/* The next character after blanks and comments; 0 at the end. */
char ptx_peek(scanner *s);
bool ptx_accept(scanner *s, char c);    // skips c if it is next
void ptx_expect(scanner *s, char c);    // refuses the text otherwise
word ptx_word(scanner *s);              // "::" is part of it
bool ptx_number(scanner *s, uint64_t *value);   // an immediate, or the bits of a float
void ptx_skip_to(scanner *s, char c);           // and over it
void ptx_skip_body(scanner *s);                 // from "{" to its "}"

bool ptx_same(word a, const char *b);
bool ptx_equal(word a, word b);
char *ptx_keep(word w);                 // a copy, the caller's
type ptx_type_of(const char *name, int length);     // "f32" is F32; NO_TYPE: no type

/* Room for one more. */
#define GROW(array, n, capacity)                                                                  \
    do {                                                                                          \
        if ((n) == (capacity)) {                                                                  \
            (capacity) = 2*(capacity)+64;                                                         \
            (array) = ptx_resize((array), (size_t) (capacity)*sizeof *(array));                   \
        }                                                                                         \
    } while (0)
void *ptx_resize(void *memory, size_t bytes);   // aborts without memory
void *ptx_zeros(size_t n, size_t bytes);

#endif
