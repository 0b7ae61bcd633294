/* calibration.h - how far the token estimate of requests is off, learnt from what replies say.
 *
 * Arithmetic only. One for each model; zero is valid and knows nothing. A sample is the ratio of
 * the input tokens that a reply states to the estimate of its request. */
#ifndef CONFAB_CALIBRATION_H
#define CONFAB_CALIBRATION_H

#include <stdint.h>

#define CF_CALIBRATION_MEMORY 200      /* samples after which a new one counts as much as ever */

struct cf_calibration {
    int64_t count;                     /* samples seen */
    double  ratio;                     /* mean; of late samples more than of old ones */
    double  variance;                  /* of one sample */
};

/* One more reply. Nothing happens if either is below 1: it says nothing. */
void cf_calibration_add(struct cf_calibration *calibration, int64_t estimated, int64_t actual);

/* The estimate corrected, at least 1 if it was; as it is while nothing is known. */
int64_t cf_calibration_apply(const struct cf_calibration *calibration, int64_t estimated);

/* The standard error of one corrected estimate, as a share of it; CF_CALIBRATION_GUESS while
 * fewer than two samples are known. */
#define CF_CALIBRATION_GUESS 0.3       /* texts differ so much from 1.3 tokens a word */
double cf_calibration_error(const struct cf_calibration *calibration);
#endif
