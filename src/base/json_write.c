#include "base/json.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "confab/buf.h"

#define EXACT_INTEGER_MAX 9007199254740992.0    /* 2^53: beyond it doubles skip integers */

/* A library that the process loads may set LC_NUMERIC; JSON has its point all the same. */
static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

double cf_json_number(const char *text)
{
    pthread_once(&c_locale_once, make_c_locale);
    return strtod_l(text, NULL, c_locale);
}

#ifdef __SSE2__
#define PLAIN_BYTES 16

/* How many of 16 bytes come before one that ends a plain run: a control character, '"', '\\' or not
 * ASCII, which is below zero as a signed byte. */
static unsigned plain_prefix(const char *bytes)
{
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)bytes);
    __m128i low = _mm_cmplt_epi8(block, _mm_set1_epi8(' '));
    __m128i quote = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));
    int ends = _mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, slash)));
    return (unsigned)__builtin_ctz((unsigned)ends | 1u << PLAIN_BYTES);
}
#else
#define PLAIN_BYTES 8

/* 8 if none of eight bytes ends a plain run; else 0, and they are looked at one by one. A byte
 * below borrows from the next only if it is such a byte itself. */
static unsigned plain_prefix(const char *bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    uint64_t control = word - ones * 0x20;
    uint64_t quote = (word ^ (ones * '"')) - ones;
    uint64_t backslash = (word ^ (ones * '\\')) - ones;
    return ((word | control | quote | backslash) & (ones * 0x80)) == 0 ? PLAIN_BYTES : 0;
}
#endif

const char *cf_json_skip_plain(const char *at, const char *end)
{
    for (;;) {
        unsigned plain = PLAIN_BYTES;
        while (plain == PLAIN_BYTES && end - at >= PLAIN_BYTES) {
            plain = plain_prefix(at);
            at += plain;
        }
        while (at < end && (unsigned char)*at < 0x80) {
            unsigned char byte = (unsigned char)*at;
            if (byte < 0x20 || byte == '"' || byte == '\\')
                return at;
            at++;
        }
        if (at == end)
            return at;

        while (at < end && (unsigned char)*at >= 0x80) {
            size_t size = cf_utf8_sequence(at, (size_t)(end - at));
            if (size == 0)
                return at;
            at += size;
        }
    }
}

static void add_escaped(struct cf_buf *buf, unsigned char byte)
{
    static const char special[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";

    const char *found = byte == 0 ? NULL : strchr(special, byte);
    if (found != NULL) {
        cf_buf_addc(buf, '\\');
        cf_buf_addc(buf, letters[found - special]);
    } else {
        cf_buf_addf(buf, "\\u%04x", byte);
    }
}

void cf_json_add_string(struct cf_buf *buf, const char *text, size_t len)
{
    const char *end = text + len;

    cf_buf_reserve(buf, len + 2);
    cf_buf_addc(buf, '"');
    for (;;) {
        const char *stop = cf_json_skip_plain(text, end);
        cf_buf_add(buf, text, (size_t)(stop - text));
        if (stop == end)
            break;
        if ((unsigned char)*stop < 0x80)
            add_escaped(buf, (unsigned char)*stop);
        else
            cf_utf8_add(buf, 0xFFFD);
        text = stop + 1;
    }
    cf_buf_addc(buf, '"');
}

/* "1.5e+07" to "1.5e7", "1e-07" to "1e-7". */
static void tidy_exponent(char *text)
{
    char *to = strchr(text, 'e');
    if (to == NULL)
        return;

    char *from = ++to;
    if (*from == '-')
        to++, from++;
    else if (*from == '+')
        from++;
    while (*from == '0')
        from++;
    memmove(to, from, strlen(from) + 1);
}

void cf_json_add_number(struct cf_buf *buf, double value)
{
    char text[40];

    if (!isfinite(value)) {
        cf_buf_adds(buf, "null");
        return;
    }
    if (value == trunc(value) && fabs(value) <= EXACT_INTEGER_MAX) {
        if (value == 0 && signbit(value))
            cf_buf_adds(buf, "-0");
        else
            cf_buf_add_int(buf, (int64_t)value);
        return;
    }

    /* Any decimal of up to 15 digits survives the way to a double and back, so fewer need
     * not be tried; below DBL_MIN a double has fewer digits. */
    pthread_once(&c_locale_once, make_c_locale);
    locale_t before = uselocale(c_locale);
    for (int digits = fabs(value) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    uselocale(before);
    tidy_exponent(text);
    cf_buf_adds(buf, text);
}
