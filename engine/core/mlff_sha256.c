#include "mlff_sha256.h"

#include <stdint.h>
#include <string.h>

/* FIPS 180-4, 4.2.2: first 32 bits of the fractional parts of the cube roots of the primes. */
static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, int n) {
    return x >> n | x << (32 - n);
}

/* FIPS 180-4, 6.2.2: one block of 64 bytes into the state. */
static void add_block(uint32_t state[8], const unsigned char *block) {
    uint32_t w[64];
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t) block[4*t] << 24 | (uint32_t) block[4*t + 1] << 16 |
               (uint32_t) block[4*t + 2] << 8 | (uint32_t) block[4*t + 3];
    for (int t = 16; t < 64; t++) {
        const uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
        const uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }

    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int t = 0; t < 64; t++) {
        const uint32_t sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        const uint32_t choose = (e & f) ^ (~e & g);
        const uint32_t t1 = h + sum1 + choose + round_constant[t] + w[t];
        const uint32_t sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        const uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + sum0 + majority;
    }
    const uint32_t add[8] = {a, b, c, d, e, f, g, h};
    for (int k = 0; k < 8; k++)
        state[k] += add[k];
}

void mlff_sha256_hex(const void *bytes, size_t n_bytes, char hex[65]) {
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const unsigned char *data = bytes;
    const size_t n_full = n_bytes/64;
    for (size_t k = 0; k < n_full; k++)
        add_block(state, data + 64*k);

    // padding: one bit, zeros, the length in bits as 64-bit big-endian
    unsigned char tail[128] = {0};
    const size_t n_rest = n_bytes%64, n_tail = n_rest < 56 ? 64 : 128;
    if (n_rest > 0)
        memcpy(tail, data + 64*n_full, n_rest);
    tail[n_rest] = 0x80;
    const uint64_t n_bits = (uint64_t) n_bytes*8;
    for (int k = 0; k < 8; k++)
        tail[n_tail - 1 - (size_t) k] = (unsigned char) (n_bits >> 8*k);
    for (size_t k = 0; k < n_tail; k += 64)
        add_block(state, tail + k);

    static const char digits[] = "0123456789abcdef";
    for (int k = 0; k < 64; k++)
        hex[k] = digits[state[k/8] >> (28 - 4*(k%8)) & 0xF];
    hex[64] = 0;
}
