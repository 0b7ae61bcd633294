#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "confab/error.h"

#define SCRATCH_FIRST_MAX 16384    /* a reply's text has 6 KB; beyond it memory doubles */

/* What may come next at the current nesting. */
enum state {
    AT_VALUE,          /* a value and nothing else */
    AT_FIRST_VALUE,    /* just after '[' */
    AT_FIRST_KEY,      /* just after '{' */
    AT_SEPARATOR,      /* after a value inside something */
    AT_END,            /* after the outermost value */
    FAILED,
};

struct cf_json_reader {
    const char *text, *end;             /* borrowed */
    const char *at;                     /* next byte to look at */
    struct cf_json_repairs *repairs;    /* borrowed; NULL: none are made */
    enum state state;
    bool decode;                        /* false: only the grammar counts, tokens have no text */
    unsigned depth;
    uint64_t objects;                   /* bit n: nesting level n is an object */
    char *scratch;                      /* owned: the decoded string */
    size_t used, cap;
    const char *why;                    /* FAILED: static reason, and where */
    const char *where;
};

static bool fail_at(struct cf_json_reader *reader, const char *where, const char *why)
{
    reader->state = FAILED;
    reader->where = where;
    reader->why = why;
    return false;
}

/* Lines and columns are counted only now, when somebody wants to see them. */
static void report(const struct cf_json_reader *reader, struct cf_error *err)
{
    size_t line = 1;
    const char *start = reader->text, *at = reader->text;

    while ((at = memchr(at, '\n', (size_t)(reader->where - at))) != NULL) {
        line++;
        start = ++at;
    }
    size_t column = cf_utf8_length(start, (size_t)(reader->where - start)) + 1;
    cf_fail(err, CF_ERR_PARSE, "line %zu, column %zu: %s", line, column, reader->why);
}

/* One string is often nearly all of a text, so the first piece of memory holds the whole of it. */
static void grow(struct cf_json_reader *reader, size_t len)
{
    size_t text_len = (size_t)(reader->end - reader->text);
    size_t first = text_len < SCRATCH_FIRST_MAX ? text_len + 1 : SCRATCH_FIRST_MAX;
    size_t cap = reader->cap > 0 ? reader->cap : first;
    while (cap - reader->used <= len)
        cap *= 2;
    reader->scratch = cf_realloc(reader->scratch, cap);
    reader->cap = cap;
}

static inline void keep(struct cf_json_reader *reader, const char *bytes, size_t len)
{
    if (!reader->decode)
        return;
    if (reader->cap - reader->used <= len)
        grow(reader, len);
    memcpy(reader->scratch + reader->used, bytes, len);
    reader->used += len;
}

static bool read_hex4(const char *at, const char *end, uint32_t *out)
{
    if (end - at < 4)
        return false;

    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)at[i];
        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            value = value * 16 + ((c | 0x20) - 'a' + 10);
        else
            return false;
    }
    *out = value;
    return true;
}

/* at: the 'u' of an escape whose backslash is at[-1]. Returns the byte after it, or NULL. */
static const char *read_unicode(struct cf_json_reader *reader, const char *at)
{
    uint32_t code, low;
    char bytes[4];

    if (!read_hex4(at + 1, reader->end, &code)) {
        fail_at(reader, at - 1, "\\u needs four hexadecimal digits");
        return NULL;
    }

    const char *next = at + 5;
    if (code == 0) {
        if (reader->repairs == NULL) {
            fail_at(reader, at - 1, "the character U+0000 cannot be kept");
            return NULL;
        }
        reader->repairs->nul_dropped++;
        return next;
    }

    if (code >= 0xD800 && code <= 0xDFFF) {
        if (code < 0xDC00 && reader->end - next >= 6 && next[0] == '\\' && next[1] == 'u' &&
            read_hex4(next + 2, reader->end, &low) && low >= 0xDC00 && low <= 0xDFFF) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            next += 6;
        } else if (reader->repairs == NULL) {
            fail_at(reader, at - 1, "half a surrogate pair");
            return NULL;
        } else {
            reader->repairs->surrogates_replaced++;
            code = 0xFFFD;
        }
    }
    keep(reader, bytes, cf_utf8_encode(code, bytes));
    return next;
}

/* What the letter behind a backslash stands for; 0 if nothing. */
static char escape_meaning(char letter)
{
    switch (letter) {
    case '"': case '\\': case '/': return letter;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
    }
}

static const char *read_escape(struct cf_json_reader *reader, const char *at)
{
    if (at + 1 == reader->end) {
        fail_at(reader, reader->end, "the text ends inside a string");
        return NULL;
    }
    if (at[1] == 'u')
        return read_unicode(reader, at + 1);

    char meaning = escape_meaning(at[1]);
    if (meaning == 0) {
        fail_at(reader, at, "no such escape in JSON");
        return NULL;
    }
    keep(reader, &meaning, 1);
    return at + 2;
}

/* at: the opening quote. Leaves reader->at behind the closing one. */
static bool read_string(struct cf_json_reader *reader, struct cf_json_token *token)
{
    const char *at = reader->at + 1;
    reader->used = 0;

    for (;;) {
        const char *stop = cf_json_skip_plain(at, reader->end);
        keep(reader, at, (size_t)(stop - at));
        at = stop;

        if (at == reader->end)
            return fail_at(reader, at, "the text ends inside a string");
        if (*at == '"')
            break;
        if (*at != '\\') {
            return fail_at(reader, at, (unsigned char)*at < 0x20
                                           ? "a control character must be escaped in a string"
                                           : "invalid UTF-8");
        }
        at = read_escape(reader, at);
        if (at == NULL)
            return false;
    }

    reader->at = at + 1;
    if (reader->decode) {
        keep(reader, "", 1);
        token->text = reader->scratch;
        token->len = reader->used - 1;
    }
    return true;
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

static bool read_number(struct cf_json_reader *reader, struct cf_json_token *token)
{
    const char *start = reader->at, *end = reader->end, *at = start;

    if (*at == '-')
        at++;
    const char *digits = at;
    at = skip_digits(at, end);
    if (at == digits)
        return fail_at(reader, at, "a digit must follow the sign");
    if (*digits == '0' && at - digits > 1)
        return fail_at(reader, digits, "a number must not begin with 0");

    if (at < end && *at == '.') {
        digits = ++at;
        at = skip_digits(at, end);
        if (at == digits)
            return fail_at(reader, at, "a digit must follow the decimal point");
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        digits = at;
        at = skip_digits(at, end);
        if (at == digits)
            return fail_at(reader, at, "a digit must be in the exponent");
    }

    reader->at = at;
    token->type = CF_JSON_NUMBER;
    if (reader->decode) {
        reader->used = 0;
        keep(reader, start, (size_t)(at - start));
        keep(reader, "", 1);
        token->text = reader->scratch;
        token->len = reader->used - 1;
    }
    return true;
}

static bool read_literal(struct cf_json_reader *reader, const char *word, enum cf_json_type type,
                         struct cf_json_token *token)
{
    size_t len = strlen(word);
    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0)
        return fail_at(reader, reader->at, "a value was expected");
    reader->at += len;
    token->type = type;
    return true;
}

static bool in_object(const struct cf_json_reader *reader)
{
    return reader->depth > 0 && (reader->objects >> (reader->depth - 1) & 1) != 0;
}

static bool enter(struct cf_json_reader *reader, bool object, struct cf_json_token *token)
{
    if (reader->depth == CF_JSON_DEPTH_MAX)
        return fail_at(reader, reader->at, "nested too deep");

    uint64_t bit = UINT64_C(1) << reader->depth++;
    reader->objects = object ? reader->objects | bit : reader->objects & ~bit;
    reader->at++;
    reader->state = object ? AT_FIRST_KEY : AT_FIRST_VALUE;
    token->type = object ? CF_JSON_OBJECT : CF_JSON_ARRAY;
    return true;
}

static void after_value(struct cf_json_reader *reader)
{
    reader->state = reader->depth == 0 ? AT_END : AT_SEPARATOR;
}

static bool leave(struct cf_json_reader *reader, struct cf_json_token *token)
{
    token->type = in_object(reader) ? CF_JSON_OBJECT_END : CF_JSON_ARRAY_END;
    reader->at++;
    reader->depth--;
    after_value(reader);
    return true;
}

static bool read_value(struct cf_json_reader *reader, struct cf_json_token *token)
{
    bool ok = false;

    switch (*reader->at) {
    case '{': return enter(reader, true, token);
    case '[': return enter(reader, false, token);
    case '"':
        token->type = CF_JSON_STRING;
        ok = read_string(reader, token);
        break;
    case 't': ok = read_literal(reader, "true", CF_JSON_TRUE, token); break;
    case 'f': ok = read_literal(reader, "false", CF_JSON_FALSE, token); break;
    case 'n': ok = read_literal(reader, "null", CF_JSON_NULL, token); break;
    case '-': case '0': case '1': case '2': case '3': case '4':
    case '5': case '6': case '7': case '8': case '9':
        ok = read_number(reader, token);
        break;
    default:
        return fail_at(reader, reader->at, "a value was expected");
    }
    if (ok)
        after_value(reader);
    return ok;
}

static void skip_space(struct cf_json_reader *reader)
{
    const char *at = reader->at, *end = reader->end;
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    reader->at = at;
}

static bool read_key(struct cf_json_reader *reader, struct cf_json_token *token)
{
    if (*reader->at != '"')
        return fail_at(reader, reader->at, "a key in double quotes was expected");
    if (!read_string(reader, token))
        return false;

    skip_space(reader);
    if (reader->at == reader->end)
        return fail_at(reader, reader->at, "the text ends after a key");
    if (*reader->at != ':')
        return fail_at(reader, reader->at, "':' was expected");
    reader->at++;
    reader->state = AT_VALUE;
    token->type = CF_JSON_KEY;
    return true;
}

static bool next_token(struct cf_json_reader *reader, struct cf_json_token *token)
{
    skip_space(reader);
    token->text = NULL;
    token->len = 0;
    token->offset = (size_t)(reader->at - reader->text);

    if (reader->state == AT_END) {
        if (reader->at < reader->end)
            return fail_at(reader, reader->at, "something follows the value");
        token->type = CF_JSON_END;
        return true;
    }
    if (reader->at == reader->end) {
        return fail_at(reader, reader->at, reader->depth > 0 ? "the text ends too early"
                                                             : "the text is empty");
    }

    char byte = *reader->at;
    if (reader->state == AT_SEPARATOR) {
        bool object = in_object(reader);
        if (byte == (object ? '}' : ']'))
            return leave(reader, token);
        if (byte != ',')
            return fail_at(reader, reader->at, object ? "',' or '}' was expected"
                                                      : "',' or ']' was expected");
        reader->at++;
        skip_space(reader);
        if (reader->at == reader->end)
            return fail_at(reader, reader->at, "the text ends too early");
        token->offset = (size_t)(reader->at - reader->text);
        return object ? read_key(reader, token) : read_value(reader, token);
    }
    if ((reader->state == AT_FIRST_VALUE && byte == ']') ||
        (reader->state == AT_FIRST_KEY && byte == '}'))
        return leave(reader, token);
    if (reader->state == AT_FIRST_KEY)
        return read_key(reader, token);
    return read_value(reader, token);
}

static void start(struct cf_json_reader *reader, const char *text, size_t len,
                  struct cf_json_repairs *repairs, bool decode)
{
    if (text == NULL)
        text = "";
    *reader = (struct cf_json_reader){ .text = text, .end = text + len, .at = text,
                                       .repairs = repairs, .decode = decode };
    if (len > CF_JSON_SIZE_MAX)
        fail_at(reader, text, "the text is too long");
    else if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        fail_at(reader, text, "a byte order mark in front");
}

struct cf_json_reader *cf_json_open(const char *text, size_t len, struct cf_json_repairs *repairs)
{
    struct cf_json_reader *reader = cf_malloc(sizeof *reader);
    start(reader, text, len, repairs, true);
    return reader;
}

void cf_json_free(struct cf_json_reader *reader)
{
    if (reader == NULL)
        return;
    free(reader->scratch);
    free(reader);
}

int cf_json_next(struct cf_json_reader *reader, struct cf_json_token *out_token,
                 struct cf_error *err)
{
    if (reader->state == FAILED || !next_token(reader, out_token)) {
        if (err != NULL)
            report(reader, err);
        return -1;
    }
    return out_token->type == CF_JSON_END ? 0 : 1;
}

size_t cf_json_offset(const struct cf_json_reader *reader)
{
    const char *at = reader->state == FAILED ? reader->where : reader->at;
    return (size_t)(at - reader->text);
}

bool cf_json_check(const char *text, size_t len, struct cf_json_repairs *repairs,
                   struct cf_error *err)
{
    struct cf_json_reader reader;
    struct cf_json_token token;
    int got;

    start(&reader, text, len, repairs, false);
    do {
        got = cf_json_next(&reader, &token, err);
    } while (got > 0);
    return got == 0;
}
