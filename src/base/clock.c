#include "confab/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_now_ms(void *self)
{
    (void)self;
    return read_ms(CLOCK_MONOTONIC);
}

static int64_t system_unix_ms(void *self)
{
    (void)self;
    return read_ms(CLOCK_REALTIME);
}

const struct cf_clock *cf_clock_system(void)
{
    static const struct cf_clock clock = { system_now_ms, system_unix_ms, NULL };
    return &clock;
}

void cf_time_format(int64_t unix_ms, char out[CF_TIME_TEXT_MAX])
{
    int64_t ms = unix_ms % 1000;
    time_t seconds = (time_t)(unix_ms / 1000);
    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    struct tm utc;
    if (gmtime_r(&seconds, &utc) == NULL || utc.tm_year + 1900 > 9999 || utc.tm_year + 1900 < 0) {
        snprintf(out, CF_TIME_TEXT_MAX, "1970-01-01T00:00:00.000Z");
        return;
    }
    /* The masks bound what the compiler must assume of each field's width. */
    snprintf(out, CF_TIME_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
             (unsigned)(utc.tm_year + 1900) % 10000, (unsigned)(utc.tm_mon + 1) % 100,
             (unsigned)utc.tm_mday % 100, (unsigned)utc.tm_hour % 100, (unsigned)utc.tm_min % 100,
             (unsigned)utc.tm_sec % 100, (unsigned)ms % 1000);
}

/* Reads exactly `digits` digits; -1 if there are none. */
static int read_digits(const char **at, const char *end, int digits)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (*at == end || **at < '0' || **at > '9')
            return -1;
        value = value * 10 + (*(*at)++ - '0');
    }
    return value;
}

static bool read_char(const char **at, const char *end, const char *any_of)
{
    if (*at == end || **at == '\0' || strchr(any_of, **at) == NULL)
        return false;
    (*at)++;
    return true;
}

bool cf_time_parse(const char *text, size_t len, int64_t *out_unix_ms)
{
    const char *at = text, *end = text + len;

    int year = read_digits(&at, end, 4);
    if (year < 0 || !read_char(&at, end, "-"))
        return false;
    int month = read_digits(&at, end, 2);
    if (month < 1 || month > 12 || !read_char(&at, end, "-"))
        return false;
    int day = read_digits(&at, end, 2);
    if (day < 1 || day > 31 || !read_char(&at, end, "Tt "))
        return false;
    int hour = read_digits(&at, end, 2);
    if (hour < 0 || hour > 23 || !read_char(&at, end, ":"))
        return false;
    int minute = read_digits(&at, end, 2);
    if (minute < 0 || minute > 59 || !read_char(&at, end, ":"))
        return false;
    int second = read_digits(&at, end, 2);
    if (second < 0 || second > 60)
        return false;

    int ms = 0;
    if (read_char(&at, end, ".")) {
        int scale = 100, digits = 0;
        while (at < end && *at >= '0' && *at <= '9') {
            ms += (*at++ - '0') * scale;
            scale /= 10;
            digits++;
        }
        if (digits == 0)
            return false;
    }

    int offset_minutes = 0;
    if (!read_char(&at, end, "Zz")) {
        int sign = at < end && *at == '-' ? -1 : 1;
        if (!read_char(&at, end, "+-"))
            return false;
        int hours = read_digits(&at, end, 2);
        if (hours < 0 || hours > 23 || !read_char(&at, end, ":"))
            return false;
        int minutes = read_digits(&at, end, 2);
        if (minutes < 0 || minutes > 59)
            return false;
        offset_minutes = sign * (hours * 60 + minutes);
    }
    if (at != end)
        return false;

    struct tm utc = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day,
                      .tm_hour = hour, .tm_min = minute, .tm_sec = second };
    time_t seconds = timegm(&utc);
    if (utc.tm_mday != day)      /* 31 June rolled over */
        return false;
    *out_unix_ms = ((int64_t)seconds - (int64_t)offset_minutes * 60) * 1000 + ms;
    return true;
}
