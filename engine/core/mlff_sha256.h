/* SHA-256 (FIPS 180-4): the fingerprint of a model file. */
#ifndef MLFF_SHA256_H_
#define MLFF_SHA256_H_

#include <stddef.h>

/* hex [65]: 64 lower-case digits and the end of the string. */
void mlff_sha256_hex(const void *bytes, size_t n_bytes, char hex[65]);

#endif
