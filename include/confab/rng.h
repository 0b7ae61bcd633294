/* rng.h - seeded random numbers: the same seed gives the same numbers on every machine.
 *
 * Not for secrets. A cf_rng belongs to one thread at a time. */
#ifndef CONFAB_RNG_H
#define CONFAB_RNG_H

#include <stddef.h>
#include <stdint.h>

struct cf_rng {
    uint64_t state[4];    /* xoshiro256**; never all zero after seeding */
};

void cf_rng_seed(struct cf_rng *rng, uint64_t seed);

uint64_t cf_rng_next(struct cf_rng *rng);                    /* any 64 bits */
double   cf_rng_unit(struct cf_rng *rng);                    /* 0 <= x < 1 */
/* low..high, both included */
int64_t  cf_rng_range(struct cf_rng *rng, int64_t low, int64_t high);
double   cf_rng_normal(struct cf_rng *rng);                  /* mean 0, deviation 1 */
#endif
