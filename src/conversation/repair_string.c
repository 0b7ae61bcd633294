#include <string.h>

#include "confab/conversation.h"
#include "conversation/repair.h"

#define KEY_BYTES_MAX 256    /* a "key" longer than this is prose after a stray brace */
#define AHEAD_MAX     64     /* how far a next key is looked for behind a quote */

enum cf_quote cf_repair_quote(const char *at, const char *end, size_t *out_size)
{
    *out_size = 1;
    if (at == end)
        return CF_QUOTE_NONE;
    if (*at == '"')
        return CF_QUOTE_DOUBLE;
    if (*at == '\'')
        return CF_QUOTE_SINGLE;
    if (end - at < 3 || at[0] != '\xE2' || at[1] != '\x80')
        return CF_QUOTE_NONE;

    *out_size = 3;
    switch ((unsigned char)at[2]) {
    case 0x98: case 0x99: return CF_QUOTE_SMART_SINGLE;              /* U+2018, U+2019 */
    case 0x9C: case 0x9D: case 0x9E: return CF_QUOTE_SMART;          /* U+201C to U+201E */
    default: return CF_QUOTE_NONE;
    }
}

const char *cf_repair_skip_space(const char *at, const char *end, bool *out_odd)
{
    while (at < end) {
        const unsigned char *p = (const unsigned char *)at;
        size_t left = (size_t)(end - at);

        if (*p == ' ' || (*p >= '\t' && *p <= '\r')) {
            if (*p == '\v' || *p == '\f')
                *out_odd = true;
            at++;
        } else if (left >= 2 && p[0] == 0xC2 && p[1] == 0xA0) {
            *out_odd = true;
            at += 2;
        } else if (left >= 3 && ((p[0] == 0xE2 && p[1] == 0x80 &&
                                  (p[2] <= 0x8B || p[2] == 0xA8 || p[2] == 0xA9 || p[2] == 0xAF)) ||
                                 memcmp(at, "\xE3\x80\x80", 3) == 0 ||
                                 memcmp(at, "\xEF\xBB\xBF", 3) == 0)) {
            *out_odd = true;
            at += 3;
        } else {
            break;
        }
    }
    return at;
}

static const char *skip_space(const char *at, const char *end)
{
    bool odd;
    return cf_repair_skip_space(at, end, &odd);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Whether a key with its colon is at `at`; the end of the text counts as one. A bare word is one
 * only where that is likely: "he said "no", because: ..." is text. */
static bool is_key_ahead(const char *at, const char *end, bool may_be_bare)
{
    size_t size;
    const char *limit = end - at > AHEAD_MAX ? at + AHEAD_MAX : end;
    enum cf_quote quote = cf_repair_quote(at, end, &size);

    if (quote == CF_QUOTE_NONE) {
        if (at < end && !(may_be_bare && is_word(*at)))
            return false;
        while (at < limit && is_word(*at))
            at++;
    } else {
        at += size;
        if (at < end && !is_word(*at) && (unsigned char)*at < 0x80)
            return false;
        while (at < limit && *at != '\n' && cf_repair_quote(at, end, &size) == CF_QUOTE_NONE)
            at++;
        if (at < limit && *at == '\n')
            return false;
        if (at < limit)
            at += size;
    }
    if (at == limit)
        return at == end;
    at = skip_space(at, end);
    return at == end || *at == ':';
}

/* Whether a line break lies between the two. */
static bool is_next_line(const char *from, const char *to)
{
    return memchr(from, '\n', (size_t)(to - from)) != NULL;
}

/* What may follow the comma behind a string; else the quote before it was part of the text. */
static bool is_element_ahead(const struct cf_repairer *repairer, const char *at, bool in_object)
{
    const char *end = repairer->end;
    size_t size;

    at = skip_space(at + 1, end);
    if (at == end || memchr("}],/#", *at, 5) != NULL)
        return true;
    if (in_object) {
        bool may_be_bare = (repairer->repairs & CF_REPAIR_UNQUOTED_KEY) != 0;
        return *at == '{' || is_key_ahead(at, end, may_be_bare);
    }
    return *at == '{' || *at == '[' || cf_repair_quote(at, end, &size) != CF_QUOTE_NONE;
}

/* Whether the quote before `from` ends its string, judging by what follows. Models forget to
 * escape quotes inside of strings, hardly ever what must follow a string. */
static bool ends_string(const struct cf_repairer *repairer, const char *from, bool is_key,
                        bool in_object)
{
    const char *end = repairer->end;
    size_t size;
    const char *at = skip_space(from, end);

    if (at == end)
        return true;
    if (is_key)
        return *at == ':';

    switch (*at) {
    case '}': case ']': return true;
    case ',': return is_element_ahead(repairer, at, in_object);
    case '/': return end - at >= 2 && (at[1] == '/' || at[1] == '*');
    case '#': return at > from;
    case '`': return end - at >= 3 && memcmp(at, "```", 3) == 0 && is_next_line(from, at);
    case '~': return end - at >= 3 && memcmp(at, "~~~", 3) == 0 && is_next_line(from, at);
    default: break;
    }
    if (in_object)
        return is_key_ahead(at, end, is_next_line(from, at));
    return cf_repair_quote(at, end, &size) != CF_QUOTE_NONE && is_next_line(from, at);
}

/* How many of the next four bytes are hexadecimal digits. */
static int count_hex4(const char *at, const char *end)
{
    int count = 0;
    while (count < 4 && at + count < end && memchr("0123456789abcdefABCDEF", at[count], 22) != NULL)
        count++;
    return count;
}

/* at: a backslash. Returns the byte after what it escapes; NULL if the text ends in between. */
static const char *copy_escape(struct cf_repairer *repairer, const char *at)
{
    const char *end = repairer->end;

    if (end - at < 2)
        return NULL;
    char c = at[1];
    if (c == 'u') {
        int digits = count_hex4(at + 2, end);
        if (digits == 4) {
            cf_buf_add(&repairer->out, at, 6);
            return at + 6;
        }
        if (at + 2 + digits == end)
            return NULL;
    } else if (memchr("\"\\/bfnrt", c, 8) != NULL) {
        cf_buf_add(&repairer->out, at, 2);
        return at + 2;
    } else if (c == '\'') {
        cf_buf_addc(&repairer->out, '\'');
        repairer->repairs |= CF_REPAIR_BAD_ESCAPE;
        return at + 2;
    }

    cf_buf_adds(&repairer->out, "\\\\");    /* the backslash is text */
    repairer->repairs |= CF_REPAIR_BAD_ESCAPE;
    return at + 1;
}

static void copy_control(struct cf_repairer *repairer, unsigned char byte)
{
    switch (byte) {
    case '\n': cf_buf_adds(&repairer->out, "\\n"); break;
    case '\r': cf_buf_adds(&repairer->out, "\\r"); break;
    case '\t': cf_buf_adds(&repairer->out, "\\t"); break;
    default: cf_buf_addf(&repairer->out, "\\u%04x", byte); break;
    }
    repairer->repairs |= byte == '\n' || byte == '\r' ? CF_REPAIR_RAW_NEWLINE
                                                      : CF_REPAIR_RAW_CONTROL;
}

/* Copies up to the next byte that needs a look. */
static const char *copy_plain(struct cf_repairer *repairer, const char *at)
{
    const char *start = at;
    while (at < repairer->end && (unsigned char)*at >= 0x20 && *at != '\\' && *at != '"' &&
           *at != '\'' && *at != '\xE2')
        at++;
    cf_buf_add(&repairer->out, start, (size_t)(at - start));
    return at;
}

/* Which quotes may close a string that this one opened. */
static bool closes(enum cf_quote opener, enum cf_quote quote)
{
    return quote == opener || (opener == CF_QUOTE_SMART && quote == CF_QUOTE_DOUBLE) ||
           (opener == CF_QUOTE_SMART_SINGLE && quote == CF_QUOTE_SINGLE);
}

enum cf_repair_end cf_repair_string(struct cf_repairer *repairer, bool is_key)
{
    const char *start = repairer->at, *end = repairer->end;
    bool in_object = repairer->depth > 0 && repairer->levels[repairer->depth - 1].is_object;
    size_t size;
    enum cf_quote opener = cf_repair_quote(start, end, &size);
    const char *at = start + size;

    if (opener == CF_QUOTE_SINGLE || opener == CF_QUOTE_SMART_SINGLE)
        repairer->repairs |= CF_REPAIR_SINGLE_QUOTES;
    if (opener == CF_QUOTE_SMART || opener == CF_QUOTE_SMART_SINGLE)
        repairer->repairs |= CF_REPAIR_SMART_QUOTES;

    cf_buf_addc(&repairer->out, '"');
    for (;;) {
        at = copy_plain(repairer, at);
        if (is_key && at - start > KEY_BYTES_MAX) {
            repairer->at = at;
            return CF_REPAIR_REFUSED;
        }
        if (at == end)
            break;

        if (*at == '\\') {
            const char *next = copy_escape(repairer, at);
            if (next == NULL)
                break;
            at = next;
            continue;
        }
        if ((unsigned char)*at < 0x20) {
            copy_control(repairer, (unsigned char)*at++);
            continue;
        }

        enum cf_quote quote = cf_repair_quote(at, end, &size);
        bool fits = closes(opener, quote);
        if (fits && ends_string(repairer, at + size, is_key, in_object)) {
            cf_buf_addc(&repairer->out, '"');
            repairer->at = at + size;
            return CF_REPAIR_WHOLE;
        }
        if (fits && quote != CF_QUOTE_SMART_SINGLE)
            repairer->repairs |= CF_REPAIR_INNER_QUOTES;
        if (*at == '"')
            cf_buf_addc(&repairer->out, '\\');
        size = quote == CF_QUOTE_NONE ? 1 : size;
        cf_buf_add(&repairer->out, at, size);
        at += size;
    }
    repairer->at = end;
    return CF_REPAIR_CUT;
}
