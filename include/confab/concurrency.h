/* concurrency.h - how many calls must be in flight to use a lane's limits.
 *
 * Arithmetic only. One for each lane; zero is valid and knows nothing. */
#ifndef CONFAB_CONCURRENCY_H
#define CONFAB_CONCURRENCY_H

#include <stdint.h>

#include "confab/limiter.h"

struct cf_concurrency {
    int64_t count;                       /* calls seen */
    double  latency_ms, latency_dev_ms;  /* mean and mean deviation, rather of late calls */
    double  input, output;               /* mean tokens of a call */
};

/* One more call that ended: its latency from grant to release and what it used. */
void cf_concurrency_add(struct cf_concurrency *concurrency, int64_t latency_ms,
                        const struct cf_amounts *used);

/* Just enough in flight for these limits a window (0: no limit), with some to spare for calls that
 * take longer; at least 1, at most cap (0: no cap). Before any call was seen: a few. */
int64_t cf_concurrency_wanted(const struct cf_concurrency *concurrency,
                              const struct cf_amounts *limits, int64_t window_ms, int64_t cap);
#endif
