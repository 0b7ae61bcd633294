#include "confab/output_estimate.h"

#include <math.h>

#define MEMORY      64      /* replies after which an old one counts a third */
#define KNOWN_PART  0.1     /* of a deviation, what is added once much is known */
#define FIRST_PART  0.25    /* of the mean, what one reply says about the deviation */

void cf_output_estimate_add(struct cf_output_estimate *estimate, int64_t tokens)
{
    if (tokens < 0)
        return;
    estimate->count++;
    double weight = 1.0 / (double)(estimate->count < MEMORY ? estimate->count : MEMORY);
    double apart = (double)tokens - estimate->mean;
    estimate->mean += weight * apart;
    estimate->variance = (1 - weight) * (estimate->variance + weight * apart * apart);
}

int64_t cf_output_estimate_get(const struct cf_output_estimate *estimate, int64_t max_tokens)
{
    if (max_tokens < 1)
        max_tokens = 1;
    if (estimate->count == 0)
        return max_tokens;
    double known = (double)(estimate->count < MEMORY ? estimate->count : MEMORY);
    double deviation = sqrt(estimate->variance);
    if (estimate->count == 1)
        deviation = estimate->mean * FIRST_PART;
    double guess = ceil(estimate->mean + deviation * (KNOWN_PART + 1 / sqrt(known)));
    if (guess < 1)
        return 1;
    return guess < (double)max_tokens ? (int64_t)guess : max_tokens;
}
