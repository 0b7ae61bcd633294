#include "conversation/reply_text.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "confab/buf.h"
#include "confab/conversation.h"

#define REFUSAL_LOOK_BYTES 400    /* a refusal says so at once */

static bool begins(const char *text, size_t len, const char *word)
{
    size_t size = strlen(word);
    return len >= size && memcmp(text, word, size) == 0;
}

static size_t skip_space(const char *text, size_t len, size_t at)
{
    while (at < len && (text[at] == ' ' || (text[at] >= '\t' && text[at] <= '\r')))
        at++;
    return at;
}

void cf_reply_skip_blank(const char **text, size_t *len)
{
    size_t at = skip_space(*text, *len, 0);
    while (begins(*text + at, *len - at, "\xEF\xBB\xBF"))
        at = skip_space(*text, *len, at + 3);
    *text += at;
    *len -= at;
}

/* The length of the name of the thinking tag at text ('<'); 0 if it is none. */
static size_t thinking_tag(const char *text, size_t len)
{
    static const char *const names[] = { "think", "thinking", "reasoning", "scratchpad" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t size = strlen(names[i]);
        if (len >= size + 2 && strncasecmp(text + 1, names[i], size) == 0 && text[size + 1] == '>')
            return size;
    }
    return 0;
}

bool cf_reply_skip_thinking(const char **text, size_t *len)
{
    const char *at = *text, *end = *text + *len;

    while (at < end && *at != '{' && *at != '[') {
        if (*at != '<') {
            at++;
            continue;
        }

        size_t size = thinking_tag(at, (size_t)(end - at));
        if (size == 0) {
            at++;
            continue;
        }
        const char *close = at + size + 2;
        for (;; close += 2) {
            close = memmem(close, (size_t)(end - close), "</", 2);
            if (close == NULL)
                return false;
            if ((size_t)(end - close) >= size + 3 && strncasecmp(close + 2, at + 1, size + 1) == 0)
                break;
        }
        at = close + size + 3;
        *text = at;
        *len = (size_t)(end - at);
    }
    return true;
}

struct entity {
    const char *name;
    const char *text;
};

static const struct entity entities[] = {
    { "&quot;", "\"" }, { "&#34;", "\"" }, { "&#x22;", "\"" }, { "&amp;", "&" }, { "&lt;", "<" },
    { "&gt;", ">" }, { "&#39;", "'" }, { "&#x27;", "'" }, { "&apos;", "'" }, { "&nbsp;", " " },
};

bool cf_reply_unescape_html(const char *text, size_t len, struct cf_buf *out)
{
    size_t at = 0;
    while (at < len && (text[at] == '{' || text[at] == '[' || text[at] <= ' '))
        at++;
    if (at == 0 ||
        !(begins(text + at, len - at, "&quot;") || begins(text + at, len - at, "&#34;")))
        return false;

    const char *end = text + len;
    while (text < end) {
        const char *ampersand = memchr(text, '&', (size_t)(end - text));
        const char *stop = ampersand == NULL ? end : ampersand;
        cf_buf_add(out, text, (size_t)(stop - text));
        text = stop;
        if (text == end)
            break;

        size_t size = 1;
        const char *meaning = "&";
        for (size_t i = 0; i < sizeof entities / sizeof *entities; i++) {
            if (begins(text, (size_t)(end - text), entities[i].name)) {
                size = strlen(entities[i].name);
                meaning = entities[i].text;
                break;
            }
        }
        cf_buf_adds(out, meaning);
        text += size;
    }
    return cf_buf_ok(out);
}

/* Reads text as one JSON string and nothing else. */
static bool decode_string(const char *text, size_t len, struct cf_buf *out, uint32_t *repairs)
{
    struct cf_json_repairs changes = { 0 };
    struct cf_json_token token;
    struct cf_json_reader *reader = cf_json_open(text, len, &changes);

    bool ok = cf_json_next(reader, &token, NULL) == 1 && token.type == CF_JSON_STRING;
    if (ok)
        cf_buf_add(out, token.text, token.len);
    ok = ok && cf_json_next(reader, &token, NULL) == 0;
    cf_json_free(reader);

    if (!ok) {
        cf_buf_clear(out);
        return false;
    }
    if (changes.nul_dropped > 0)
        *repairs |= CF_REPAIR_NUL_DROPPED;
    if (changes.surrogates_replaced > 0)
        *repairs |= CF_REPAIR_SURROGATE;
    return cf_buf_ok(out);
}

bool cf_reply_decode_string(const char *text, size_t len, struct cf_buf *out, uint32_t *repairs)
{
    bool is_quoted = len > 0 && *text == '"';
    size_t at = skip_space(text, len, is_quoted ? 1 : 0);

    /* Brackets, then an escaped quote: JSON inside a string. */
    while (at < len && (text[at] == '{' || text[at] == '[' || text[at] == ' ' ||
                        begins(text + at, len - at, "\\n")))
        at += text[at] == '\\' ? 2 : 1;
    if (at == 0 || !begins(text + at, len - at, "\\\""))
        return false;
    if (is_quoted && decode_string(text, len, out, repairs))
        return true;

    struct cf_buf quoted;
    cf_buf_init(&quoted, len + 2);
    cf_buf_adds(&quoted, is_quoted ? "" : "\"");
    cf_buf_add(&quoted, text, len);
    cf_buf_addc(&quoted, '"');
    bool ok = decode_string(quoted.data, quoted.len, out, repairs);
    cf_buf_done(&quoted);
    return ok;
}

size_t cf_reply_find_fence(const char *text, size_t len)
{
    for (size_t line = 0; line < len;) {
        const char *newline = memchr(text + line, '\n', len - line);
        size_t next = newline == NULL ? len : (size_t)(newline - text) + 1;
        size_t at = line;

        while (at < next && (text[at] == ' ' || text[at] == '\t'))
            at++;
        if (begins(text + at, len - at, "```") || begins(text + at, len - at, "~~~")) {
            size_t inside = skip_space(text, len, next);
            if (inside < len && (text[inside] == '{' || text[inside] == '['))
                return inside;
        }
        line = next;
    }
    return len;
}

bool cf_reply_is_refusal(const char *text, size_t len)
{
    static const char *const phrases[] = {
        "i can't ", "i cannot ", "i can not ", "i'm not able to", "i am not able to",
        "i'm unable to", "i am unable to", "i won't ", "i will not ", "i must decline",
        "i have to decline", "i need to decline", "i'd rather not", "i'm not comfortable",
        "i am not comfortable", "i'm not going to", "can't help with", "cannot help with",
        "can't assist", "cannot assist",
    };
    char head[REFUSAL_LOOK_BYTES + 1];
    size_t size = 0;

    for (size_t at = 0; at < len && size < REFUSAL_LOOK_BYTES; at++) {
        char c = text[at];
        if (begins(text + at, len - at, "\xE2\x80\x99")) {    /* the typographic apostrophe */
            c = '\'';
            at += 2;
        } else if (c >= 'A' && c <= 'Z') {
            c = (char)(c + ('a' - 'A'));
        } else if (c == '\0' || c == '\n') {
            c = ' ';
        }
        head[size++] = c;
    }
    head[size] = '\0';
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
        if (strstr(head, phrases[i]) != NULL)
            return true;
    }
    return false;
}
