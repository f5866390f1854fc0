/* UTF-8: is a byte sequence well-formed (RFC 3629: no overlong forms, no surrogates)? */
#ifndef MLFF_UTF8_H_
#define MLFF_UTF8_H_

#include <stddef.h>

/* Length 1 ... 4 of the well-formed character at text[0], 0 if there is none within n bytes. */
int mlff_utf8_length(const char *text, size_t n);

/* Write the character (not a surrogate, at most 0x10FFFF) to out; returns its length. */
int mlff_utf8_encode(unsigned long code, char out[4]);

#endif
