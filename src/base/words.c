#include "base/words.h"

#include <utf8proc.h>

#include "base/json.h"
#include "base/mem.h"

uint32_t cf_utf8_read(const char *text, size_t len, size_t *out_size)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t size = cf_utf8_sequence(text, len);

    *out_size = size > 0 ? size : 1;
    switch (size) {
    case 2: return (uint32_t)(p[0] & 0x1F) << 6 | (p[1] & 0x3F);
    case 3: return (uint32_t)(p[0] & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
    case 4:
        return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 |
               (uint32_t)(p[2] & 0x3F) << 6 | (p[3] & 0x3F);
    default: return p[0];
    }
}

bool cf_is_space(uint32_t code)
{
    return code == ' ' || (code >= '\t' && code <= '\r') || code == 0x85 || code == 0xA0 ||
           code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
           code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

/* --- words --- */

/* Scripts written without spaces between words, in which each character counts as one. */
static bool is_word_alone(uint32_t code)
{
    static const struct { uint32_t first, last; } ranges[] = {
        { 0x0E01, 0x0EDF },  { 0x1000, 0x109F },  { 0x1780, 0x17FF },  { 0x2E80, 0x2FDF },
        { 0x3005, 0x3007 },  { 0x3040, 0x312F },  { 0x31A0, 0x31FF },  { 0x3400, 0x4DBF },
        { 0x4E00, 0x9FFF },  { 0xF900, 0xFAFF },  { 0xFF66, 0xFF9F },  { 0x20000, 0x3FFFF },
    };
    if (code < ranges[0].first)
        return false;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    }
    return false;
}

/* The next word from `at` on: false if there is none. */
static bool next_word(const char *text, size_t len, size_t at, size_t *out_start, size_t *out_end)
{
    uint32_t code = 0;
    size_t size;
    while (at < len && cf_is_space(code = cf_utf8_read(text + at, len - at, &size)))
        at += size;
    if (at >= len)
        return false;

    *out_start = at;
    at += size;
    while (!is_word_alone(code) && at < len) {
        code = cf_utf8_read(text + at, len - at, &size);
        if (cf_is_space(code) || is_word_alone(code))
            break;
        at += size;
    }
    *out_end = at;
    return true;
}

size_t cf_words_skip(const char *text, size_t len, size_t at, size_t most, size_t *out_words)
{
    size_t words = 0, start, end = at;
    while (words < most && next_word(text, len, end, &start, &end))
        words++;
    *out_words = words;
    return end;
}

/* Letters, marks and digits; all else around a word is punctuation. */
static bool is_word_part(uint32_t code)
{
    if (code < 0x80)
        return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') ||
               (code >= '0' && code <= '9');
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

static uint32_t fold(uint32_t code)
{
    if (code < 0x80)
        return code >= 'A' && code <= 'Z' ? code + ('a' - 'A') : code;
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)code);
}

/* Fills in the word that stands at [start, end); false if it is punctuation only. */
static bool read_word(const char *text, size_t start, size_t end, struct cf_word *out)
{
    uint64_t hash = UINT64_C(14695981039346656037), hash_at_last = 0;    /* FNV-1a */
    size_t first = end, behind_last = start, size;

    for (size_t at = start; at < end; at += size) {
        uint32_t code = cf_utf8_read(text + at, end - at, &size);
        bool is_part = is_word_part(code);
        if (!is_part && first == end)
            continue;
        if (first == end)
            first = at;
        hash = (hash ^ fold(code)) * UINT64_C(1099511628211);
        if (is_part) {
            behind_last = at + size;
            hash_at_last = hash;    /* what follows may be punctuation behind the word */
        }
    }
    *out = (struct cf_word){ .hash = hash_at_last, .at = first, .len = behind_last - first };
    return first < end;
}

struct cf_word *cf_words_read(const char *text, size_t len, size_t *out_count)
{
    struct cf_word *words = NULL;
    size_t count = 0, room = 0, start, end = 0;
    while (next_word(text, len, end, &start, &end)) {
        struct cf_word word;
        if (!read_word(text, start, end, &word))
            continue;
        if (count == room) {
            room = room > 0 ? 2 * room : 64;
            words = cf_realloc(words, room * sizeof *words);
        }
        words[count++] = word;
    }
    *out_count = count;
    return words;
}

/* --- sentences --- */

static bool is_line_end(uint32_t code)
{
    return code == '\n' || code == '\r' || code == 0x85 || code == 0x2028 || code == 0x2029;
}

/* Ends a sentence whatever follows. */
static bool is_strong_end(uint32_t code)
{
    switch (code) {
    case '!': case '?':
    case 0x0589: case 0x061D: case 0x061E: case 0x061F: case 0x06D4:
    case 0x0964: case 0x0965: case 0x104A: case 0x104B: case 0x1362: case 0x1367: case 0x1368:
    case 0x17D4: case 0x17D5: case 0x1803: case 0x1809:
    case 0x203C: case 0x203D: case 0x2047: case 0x2048: case 0x2049:
    case 0x3002: case 0xFE56: case 0xFE57: case 0xFF01: case 0xFF1F: case 0xFF61:
        return true;
    default:
        return false;
    }
}

/* Ends one unless what follows goes on with it: a full stop, an ellipsis. */
static bool is_weak_end(uint32_t code)
{
    return code == '.' || code == 0x2024 || code == 0x2026 || code == 0xFE52 || code == 0xFF0E;
}

static bool is_closing(uint32_t code)
{
    if (code < 0x80)
        return code == '"' || code == '\'' || code == ')' || code == ']' || code == '}' ||
               code == '*' || code == '_' || code == '`';    /* the last three: Markdown's */
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category == UTF8PROC_CATEGORY_PE || category == UTF8PROC_CATEGORY_PF ||
           category == UTF8PROC_CATEGORY_PI;
}

static bool is_continuing(uint32_t code)
{
    return code == ',' || code == ';' || code == ':' || code == 0x3001 || code == 0xFF0C ||
           code == 0x060C || code == 0xFF1A || code == 0xFF1B;
}

static bool is_upper(uint32_t code)
{
    return utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_LU;
}

static bool is_letter(uint32_t code)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

/* Whether the first letter of what follows is small, so that an abbreviation stood here. */
static bool goes_on_small(const char *text, size_t len, size_t at)
{
    size_t size;
    for (; at < len; at += size) {
        uint32_t code = cf_utf8_read(text + at, len - at, &size);
        if (is_letter(code))
            return utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_LL;
        if (is_line_end(code) || is_strong_end(code) || is_weak_end(code))
            return false;
    }
    return false;
}

/* Behind the run of ends at `at` (weak ones only, or not) and what closes: does the sentence end?
 * letters: how many stand right before; the last one is a capital if is_initial. */
static bool ends_here(const char *text, size_t len, size_t behind_ends, size_t behind_closing,
                      bool is_weak, bool is_initial)
{
    size_t at = behind_closing, size = 0;
    uint32_t next = at < len ? cf_utf8_read(text + at, len - at, &size) : '\n';
    if (is_weak && behind_ends == behind_closing && at < len && !cf_is_space(next) &&
        is_word_part(next) && !is_word_alone(next))
        return false;                                      /* 3.14, example.com, U.S.A. */

    size_t spaces = at;
    while (at < len && cf_is_space(next = cf_utf8_read(text + at, len - at, &size)) &&
           !is_line_end(next))
        at += size;
    if (at >= len || is_line_end(next))
        return true;
    if (is_continuing(next))
        return false;                                      /* "Really?", he asked. */
    if (is_weak && is_initial && spaces < at)
        return false;                                      /* J. Smith */
    return !is_weak || !goes_on_small(text, len, at);
}

bool cf_sentence_next(const char *text, size_t len, size_t at, size_t *out_start, size_t *out_end)
{
    size_t size, letters = 0;
    uint32_t code, before = 0;
    while (at < len && cf_is_space(cf_utf8_read(text + at, len - at, &size)))
        at += size;
    if (at >= len)
        return false;
    *out_start = at;

    while (at < len) {
        code = cf_utf8_read(text + at, len - at, &size);
        if (is_line_end(code))
            break;
        if (!is_strong_end(code) && !is_weak_end(code)) {
            letters = is_word_part(code) ? letters + 1 : 0;
            before = code;
            at += size;
            continue;
        }

        bool is_weak = true, is_initial = letters == 1 && is_upper(before);
        while (at < len && (is_strong_end(code = cf_utf8_read(text + at, len - at, &size)) ||
                            is_weak_end(code))) {
            is_weak = is_weak && is_weak_end(code);
            at += size;
        }
        size_t behind_ends = at;
        while (at < len && is_closing(cf_utf8_read(text + at, len - at, &size)))
            at += size;
        if (ends_here(text, len, behind_ends, at, is_weak, is_initial))
            break;
        letters = 0;
    }

    /* Spaces before the end of a line are no part of it. */
    size_t end = *out_start;
    for (size_t i = *out_start; i < at; i += size)
        if (!cf_is_space(cf_utf8_read(text + i, at - i, &size)))
            end = i + size;
    *out_end = end;
    return true;
}
