/* output_estimate.h - how much output a call will have, from what its like have had.
 *
 * Arithmetic only. One for each template (or lane); zero is valid and knows nothing. The
 * prediction is what is reserved of the output limit; settling corrects it afterwards. */
#ifndef CONFAB_OUTPUT_ESTIMATE_H
#define CONFAB_OUTPUT_ESTIMATE_H

#include <stdint.h>

struct cf_output_estimate {
    int64_t count;          /* replies seen */
    double  mean;           /* tokens; of late replies more than of old ones */
    double  variance;
};

/* One more reply with that many output tokens; negative ones are ignored. */
void cf_output_estimate_add(struct cf_output_estimate *estimate, int64_t tokens);

/* A bit above the mean, the more so the less is known; max_tokens if nothing is. From 1 to
 * max_tokens. */
int64_t cf_output_estimate_get(const struct cf_output_estimate *estimate, int64_t max_tokens);
#endif
