/* series.h - how a run went over time: what it had spent, and its items that were done, at some
 * moments. */
#ifndef CONFAB_STORE_SERIES_H
#define CONFAB_STORE_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_error;
struct cf_reader;

/* All that there was up to that moment. */
struct cf_series_point {
    int64_t unix_ms;
    int64_t cost_pico;
    int64_t accepted, needs_revision, failed;      /* items, as in struct cf_run_account */
};

#define CF_SERIES_MAX 120

/* Points at even distances from the run's first event to its last; none if there was no event.
 * Reads all items and calls of the run. */
bool cf_series_read(struct cf_reader *reader, int64_t run,
                    struct cf_series_point points[CF_SERIES_MAX], size_t *out_count,
                    struct cf_error *err);
#endif
