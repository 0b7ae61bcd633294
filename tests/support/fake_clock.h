/* fake_clock.h - a clock that moves only when told to. */
#ifndef CONFAB_TESTS_FAKE_CLOCK_H
#define CONFAB_TESTS_FAKE_CLOCK_H

#include <stdint.h>

#include "confab/clock.h"

struct fake_clock {
    struct cf_clock clock;     /* hand this to the code under test */
    int64_t now_ms, unix_ms;
};

static inline int64_t fake_now_ms(void *self)
{
    return ((struct fake_clock *)self)->now_ms;
}

static inline int64_t fake_unix_ms(void *self)
{
    return ((struct fake_clock *)self)->unix_ms;
}

static inline void fake_clock_init(struct fake_clock *fake, int64_t now_ms, int64_t unix_ms)
{
    *fake = (struct fake_clock){
        .clock = { fake_now_ms, fake_unix_ms, fake }, .now_ms = now_ms, .unix_ms = unix_ms,
    };
}

static inline void fake_clock_move(struct fake_clock *fake, int64_t ms)
{
    fake->now_ms += ms;
    fake->unix_ms += ms;
}
#endif
