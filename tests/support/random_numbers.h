/* Repeatable random numbers for tests (splitmix64, Steele, Lea, Flood 2014). */
#ifndef RANDOM_NUMBERS_H_
#define RANDOM_NUMBERS_H_

#include <stdint.h>

typedef struct random_numbers {
    uint64_t state;
} random_numbers;

static inline uint64_t random_bits(random_numbers *random) {
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30))*0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27))*0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform in low ... high. */
static inline double random_real(random_numbers *random, double low, double high) {
    return low + (high - low)*((double)(random_bits(random) >> 11)*0x1p-53);
}

/* low ... high, both included. */
static inline int random_int(random_numbers *random, int low, int high) {
    return low + (int)(random_bits(random) % (uint64_t)(high - low + 1));
}

#endif
