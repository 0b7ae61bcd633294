/* clock.h - where the time comes from.
 *
 * One clock is made in main and handed down; whatever decides by time takes
 * now_ms as an argument. Tests hand in their own (tests/support/fake_clock.h). */
#ifndef CONFAB_CLOCK_H
#define CONFAB_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_clock {
    int64_t (*now_ms)(void *self);     /* monotonic: deadlines, waits, rates */
    int64_t (*unix_ms)(void *self);    /* wall time: records and file names only */
    void   *self;
};

/* The system's clock: CLOCK_MONOTONIC and CLOCK_REALTIME. Static. */
const struct cf_clock *cf_clock_system(void);

static inline int64_t cf_now_ms(const struct cf_clock *clock) { return clock->now_ms(clock->self); }
static inline int64_t cf_unix_ms(const struct cf_clock *clock)
{
    return clock->unix_ms(clock->self);
}

#define CF_TIME_TEXT_MAX 32

/* Writes UTC in ISO 8601 with milliseconds, "2026-11-23T12:00:00.000Z". */
void cf_time_format(int64_t unix_ms, char out[CF_TIME_TEXT_MAX]);

/* Reads RFC 3339 with optional fraction and 'Z' or a numeric offset.
 * Returns false, leaving *out_unix_ms alone, if text is anything else. */
bool cf_time_parse(const char *text, size_t len, int64_t *out_unix_ms);
#endif
