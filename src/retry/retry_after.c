#include "confab/retry_after.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#define NS_PER_MS INT64_C(1000000)
#define EPOCH_DIGITS 10    /* a unix time in seconds has that many until 2286 */

static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

struct text { const char *at, *end; };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct text trimmed(const char *text, size_t len)
{
    struct text out = { text, text + len };
    while (out.at < out.end && (*out.at == ' ' || *out.at == '\t'))
        out.at++;
    while (out.end > out.at && (out.end[-1] == ' ' || out.end[-1] == '\t'))
        out.end--;
    return out;
}

/* Reads a decimal number times `unit_ns`, rounded up to whole ns and cut at CF_WAIT_MAX_MS. Digits
 * beyond 9 decimals only round up. */
static bool take_decimal(struct text *text, int64_t unit_ns, int64_t *out_ns)
{
    const int64_t most_ns = CF_WAIT_MAX_MS * NS_PER_MS;
    bool has_digits = false, is_rest = false;
    int64_t whole = 0, fraction = 0, scale = 1;

    for (; text->at < text->end && is_digit(*text->at); text->at++, has_digits = true)
        if (whole <= most_ns)
            whole = whole * 10 + (*text->at - '0');
    if (text->at < text->end && *text->at == '.') {
        text->at++;
        for (; text->at < text->end && is_digit(*text->at); text->at++, has_digits = true) {
            if (scale < 1000000000) {
                fraction = fraction * 10 + (*text->at - '0');
                scale *= 10;
            } else {
                is_rest |= *text->at != '0';
            }
        }
    }
    if (!has_digits)
        return false;
    if (whole > most_ns / unit_ns) {
        *out_ns = most_ns;
        return true;
    }

    /* unit_ns is up to a day, 8.64e13, and fraction up to 1e9: too much for 64 bits. */
    __int128 product = (__int128)fraction * unit_ns;
    int64_t part_ns = (int64_t)((product + scale - 1) / scale) + is_rest;
    *out_ns = whole * unit_ns + part_ns;
    if (*out_ns > most_ns)
        *out_ns = most_ns;
    return true;
}

static int64_t to_ms(int64_t ns)
{
    int64_t ms = (ns + NS_PER_MS - 1) / NS_PER_MS;
    return ms < CF_WAIT_MAX_MS ? ms : CF_WAIT_MAX_MS;
}

static bool parse_number(const char *value, int64_t unit_ns, int64_t *out_ms)
{
    struct text text = trimmed(value, strlen(value));
    int64_t ns;
    if (!take_decimal(&text, unit_ns, &ns) || text.at != text.end)
        return false;
    *out_ms = to_ms(ns);
    return true;
}

int64_t cf_retry_after_parse(const char *retry_after_ms, const char *retry_after, const char *date,
                             int64_t unix_now_ms)
{
    int64_t ms;
    if (retry_after_ms != NULL && parse_number(retry_after_ms, NS_PER_MS, &ms))
        return ms;
    if (retry_after == NULL)
        return -1;
    if (parse_number(retry_after, 1000 * NS_PER_MS, &ms))
        return ms;

    int64_t until_ms, now_ms = unix_now_ms;
    if (!cf_http_date_parse(retry_after, &until_ms))
        return -1;
    if (date != NULL && !cf_http_date_parse(date, &now_ms))
        now_ms = unix_now_ms;
    if (until_ms <= now_ms)
        return 0;
    return until_ms - now_ms < CF_WAIT_MAX_MS ? until_ms - now_ms : CF_WAIT_MAX_MS;
}

/* --- dates --- */

/* Exactly `digits` digits; a leading space counts as 0 where asctime has one. */
static bool take_int(struct text *text, int digits, bool may_space, int *out)
{
    int value = 0;
    if (text->end - text->at < digits)
        return false;
    for (int i = 0; i < digits; i++) {
        char c = text->at[i];
        if (i == 0 && may_space && c == ' ')
            c = '0';
        if (!is_digit(c))
            return false;
        value = value * 10 + (c - '0');
    }
    text->at += digits;
    *out = value;
    return true;
}

static bool take_word(struct text *text, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(text->end - text->at) < len || strncasecmp(text->at, word, len) != 0)
        return false;
    text->at += len;
    return true;
}

static bool take_month(struct text *text, int *out)
{
    for (int i = 0; i < 12; i++) {
        if (take_word(text, months[i])) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool take_time(struct text *text, struct tm *tm)
{
    return take_int(text, 2, false, &tm->tm_hour) && take_word(text, ":") &&
           take_int(text, 2, false, &tm->tm_min) && take_word(text, ":") &&
           take_int(text, 2, false, &tm->tm_sec);
}

/* 23 Nov 2026 12:00:30 GMT */
static bool take_imf(struct text text, struct tm *tm)
{
    return take_int(&text, 2, false, &tm->tm_mday) && take_word(&text, " ") &&
           take_month(&text, &tm->tm_mon) && take_word(&text, " ") &&
           take_int(&text, 4, false, &tm->tm_year) && take_word(&text, " ") &&
           take_time(&text, tm) && take_word(&text, " GMT") && text.at == text.end;
}

/* 23-Nov-26 12:00:30 GMT. Two digits mean this century: no server's wait ends in the last one. */
static bool take_rfc850(struct text text, struct tm *tm)
{
    if (!(take_int(&text, 2, false, &tm->tm_mday) && take_word(&text, "-") &&
          take_month(&text, &tm->tm_mon) && take_word(&text, "-") &&
          take_int(&text, 2, false, &tm->tm_year) && take_word(&text, " ") &&
          take_time(&text, tm) && take_word(&text, " GMT") && text.at == text.end))
        return false;
    tm->tm_year += 2000;
    return true;
}

/* Nov 23 12:00:30 2026, the day padded with a space */
static bool take_asctime(struct text text, struct tm *tm)
{
    return take_month(&text, &tm->tm_mon) && take_word(&text, " ") &&
           take_int(&text, 2, true, &tm->tm_mday) && take_word(&text, " ") &&
           take_time(&text, tm) && take_word(&text, " ") &&
           take_int(&text, 4, false, &tm->tm_year) && text.at == text.end;
}

static bool is_possible(const struct tm *tm)
{
    return tm->tm_mday >= 1 && tm->tm_mday <= 31 && tm->tm_hour <= 23 && tm->tm_min <= 59 &&
           tm->tm_sec <= 60 && tm->tm_year >= 1970;
}

bool cf_http_date_parse(const char *value, int64_t *out_unix_ms)
{
    /* The name of the day says nothing that the date does not. */
    struct text text = trimmed(value, strlen(value));
    const char *day_end = memchr(text.at, ' ', (size_t)(text.end - text.at));
    if (day_end == NULL || day_end - text.at < 3)
        return false;
    text.at = day_end + 1;

    struct tm tm = { 0 };
    if (!take_imf(text, &tm) && !take_rfc850(text, &tm) && !take_asctime(text, &tm))
        return false;
    if (!is_possible(&tm))
        return false;
    int day = tm.tm_mday;
    tm.tm_year -= 1900;
    time_t seconds = timegm(&tm);
    if (tm.tm_mday != day && tm.tm_sec != 60)      /* 30 February became March */
        return false;
    *out_unix_ms = (int64_t)seconds * 1000;
    return true;
}

/* --- durations --- */

/* Longer names before those they begin with. */
static const struct { const char *name; int64_t ns; } units[] = {
    { "ms", NS_PER_MS },
    { "us", 1000 },
    { "\xc2\xb5s", 1000 },     /* micro sign */
    { "\xce\xbcs", 1000 },     /* Greek mu */
    { "ns", 1 },
    { "d", 86400 * 1000 * NS_PER_MS },
    { "h", 3600 * 1000 * NS_PER_MS },
    { "m", 60 * 1000 * NS_PER_MS },
    { "s", 1000 * NS_PER_MS },
};

static int64_t take_unit(struct text *text)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (take_word(text, units[i].name))
            return units[i].ns;
    return 0;
}

/* Some vendors send the unix time, in s or ms, where others send a duration. */
static bool is_epoch(struct text number)
{
    while (number.at < number.end && *number.at == '0')
        number.at++;
    const char *point = memchr(number.at, '.', (size_t)(number.end - number.at));
    return (point ? point : number.end) - number.at >= EPOCH_DIGITS;
}

bool cf_duration_parse(const char *value, size_t len, int64_t *out_ms)
{
    struct text text = trimmed(value, len);
    const char *start = text.at;
    int64_t sum_ns = 0;

    do {
        struct text number = { text.at, text.at };
        while (number.end < text.end && (is_digit(*number.end) || *number.end == '.'))
            number.end++;
        text.at = number.end;
        int64_t unit_ns = take_unit(&text);
        if (unit_ns == 0) {
            if (number.at != start || number.end != text.end || is_epoch(number))
                return false;
            unit_ns = 1000 * NS_PER_MS;
        }
        int64_t ns;
        if (!take_decimal(&number, unit_ns, &ns) || number.at != number.end)
            return false;
        sum_ns += ns;
        if (sum_ns > CF_WAIT_MAX_MS * NS_PER_MS)
            sum_ns = CF_WAIT_MAX_MS * NS_PER_MS;
    } while (text.at < text.end);

    *out_ms = to_ms(sum_ns);
    return true;
}
