#include "provider/clean.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/log.h"

#define BODY_SHOWN_MAX 160    /* bytes: enough to recognise a proxy's page */

static bool is_space(unsigned char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* The length of the character at text, 0 if it is invalid or a control character. */
static size_t character_length(const char *text, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)text;
    if (bytes[0] < 0x80)
        return bytes[0] > ' ' && bytes[0] != 0x7f ? 1 : 0;

    size_t size = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
    if (size > len || cf_utf8_valid_prefix(text, size) != size)
        return 0;
    return bytes[0] == 0xc2 && bytes[1] < 0xa0 ? 0 : size;    /* U+0080 to U+009F are controls */
}

void clean_text(const char *text, size_t len, char *out, size_t size)
{
    size_t at = 0, n = 0, fits = 0;    /* fits: the end of what leaves room for "..." */
    bool space_due = false, is_cut = false;

    while (at < len) {
        if (is_space((unsigned char)text[at])) {
            space_due = n > 0;
            at++;
            continue;
        }
        size_t length = character_length(text + at, len - at);
        size_t need = (length > 0 ? length : 1) + (space_due ? 1 : 0);
        if (n + need >= size) {
            is_cut = true;
            break;
        }
        if (space_due)
            out[n++] = ' ';
        space_due = false;
        if (length > 0)
            memcpy(out + n, text + at, length);
        else
            out[n] = '?';
        n += length > 0 ? length : 1;
        at += length > 0 ? length : 1;
        if (n + 4 <= size)
            fits = n;
    }
    if (is_cut) {
        memcpy(out + fits, "...", 3);
        n = fits + 3;
    }
    out[n] = '\0';
    cf_redact(out);
}

void describe_body(const char *body, size_t len, const char *otherwise, char *out, size_t size)
{
    char shown[BODY_SHOWN_MAX];
    clean_text(body, len, shown, sizeof shown);

    if (shown[0] == '\0')
        snprintf(out, size, "the reply is empty");
    else if (strncasecmp(shown, "<!doctype html", 14) == 0 || strncasecmp(shown, "<html", 5) == 0)
        snprintf(out, size, "the reply is an HTML page: %s", shown);
    else
        snprintf(out, size, "%s, it begins with: %s", otherwise, shown);
}
