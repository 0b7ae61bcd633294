/* calibrations.h - the calibration of each model's token estimates, begun with the journal. */
#ifndef CONFAB_ENGINE_CALIBRATIONS_H
#define CONFAB_ENGINE_CALIBRATIONS_H

#include <stdbool.h>

#include "confab/calibration.h"

struct cf_calibrations;
struct cf_reader;

struct cf_calibrations *cf_calibrations_new(void);
void cf_calibrations_free(struct cf_calibrations *calibrations);

/* The one of a model. Asked for the first time, it learns from the last replies that the database
 * has of the model, simulated ones or real ones; what cannot be read teaches nothing. Lent until
 * cf_calibrations_free; add to it with what later replies say. */
struct cf_calibration *cf_calibrations_get(struct cf_calibrations *calibrations,
                                           struct cf_reader *reader, const char *model,
                                           bool is_simulated);
#endif
