/* xoshiro256** seeded by splitmix64, as published by Blackman and Vigna (public domain
 * algorithms). */
#include "confab/rng.h"

#include <math.h>

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t value, int bits)
{
    return (value << bits) | (value >> (64 - bits));
}

void cf_rng_seed(struct cf_rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        rng->state[i] = splitmix(&seed);
}

uint64_t cf_rng_next(struct cf_rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double cf_rng_unit(struct cf_rng *rng)
{
    return (double)(cf_rng_next(rng) >> 11) * 0x1.0p-53;
}

int64_t cf_rng_range(struct cf_rng *rng, int64_t low, int64_t high)
{
    uint64_t span = (uint64_t)high - (uint64_t)low;
    if (span == UINT64_MAX)
        return (int64_t)cf_rng_next(rng);
    /* Values above the last whole multiple of span + 1 would favour the low end. */
    uint64_t count = span + 1;
    uint64_t limit = UINT64_MAX - UINT64_MAX % count;
    uint64_t value;
    do {
        value = cf_rng_next(rng);
    } while (value >= limit);
    return (int64_t)((uint64_t)low + value % count);
}

double cf_rng_normal(struct cf_rng *rng)
{
    double u = 1.0 - cf_rng_unit(rng);      /* 0 < u <= 1, for the logarithm */
    double v = cf_rng_unit(rng);
    return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}
