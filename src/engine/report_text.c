#include "engine/report_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/format.h"
#include "base/json.h"
#include "base/words.h"
#include "confab/buf.h"
#include "confab/money.h"

#define REPLACEMENT 0xfffd

/* Control characters, and the embeddings, overrides and isolates that let text look as it does not
 * read. */
static bool is_hidden(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

static void add_code(struct cf_buf *out, uint32_t code)
{
    switch (code) {
    case '&': cf_buf_adds(out, "&amp;"); return;
    case '<': cf_buf_adds(out, "&lt;"); return;
    case '>': cf_buf_adds(out, "&gt;"); return;
    case '"': cf_buf_adds(out, "&quot;"); return;
    case '\'': cf_buf_adds(out, "&#39;"); return;
    case '\n':
    case '\t': cf_buf_addc(out, (char)code); return;
    default: break;
    }
    if (is_hidden(code))
        cf_buf_addf(out, "[U+%04" PRIX32 "]", code);
    else if ((code & 0xfffe) == 0xfffe) /* never a character; XML refuses some of them */
        cf_utf8_add(out, REPLACEMENT);
    else
        cf_utf8_add(out, code);
}

void cf_report_text(struct cf_buf *out, struct cf_text text, size_t max_chars)
{
    size_t at = 0;
    for (size_t chars = 0; at < text.len && chars < max_chars; chars++) {
        size_t size = cf_utf8_sequence(text.data + at, text.len - at);
        bool is_break = text.data[at] == '\r' && at + 1 < text.len && text.data[at + 1] == '\n';
        if (size == 0)
            cf_utf8_add(out, REPLACEMENT);
        else if (!is_break)
            add_code(out, cf_utf8_read(text.data + at, size, &size));
        at += size > 0 ? size : 1;
    }
    if (at < text.len) {
        cf_buf_adds(out, "… [");
        cf_report_count(out, (int64_t)cf_utf8_length(text.data + at, text.len - at));
        cf_buf_adds(out, " more]");
    }
}

void cf_report_str(struct cf_buf *out, const char *text)
{
    if (text != NULL)
        cf_report_text(out, (struct cf_text){ text, strlen(text) }, CF_REPORT_NAME_MAX);
}

void cf_report_count(struct cf_buf *out, int64_t number)
{
    char text[CF_NUMBER_TEXT_MAX];
    cf_buf_adds(out, number < 0 ? "–" : cf_format_count(number, text));
}

void cf_report_money(struct cf_buf *out, int64_t pico)
{
    char text[CF_MONEY_TEXT_MAX];
    cf_money_format(pico, text);
    cf_buf_adds(out, text);
}

void cf_report_duration(struct cf_buf *out, int64_t ms)
{
    char text[CF_NUMBER_TEXT_MAX];
    cf_buf_adds(out, ms < 0 ? "–" : cf_format_duration(ms, text));
}

void cf_report_time(struct cf_buf *out, const char *iso)
{
    char text[CF_NUMBER_TEXT_MAX];
    if (iso == NULL) {
        cf_buf_adds(out, "–");
        return;
    }
    cf_report_str(out, cf_format_time(iso, text));
}

void cf_report_number(struct cf_buf *out, double value)
{
    if (!isfinite(value)) {
        cf_buf_adds(out, "–");
        return;
    }
    cf_json_add_number(out, round(value * 100) / 100 + 0.0);    /* no -0 */
}

void cf_report_share(struct cf_buf *out, int64_t part, int64_t whole)
{
    if (whole <= 0) {
        cf_buf_adds(out, "–");
        return;
    }
    int percent = (int)lround(100.0 * (double)part / (double)whole);
    if (part > 0 && percent == 0)
        cf_buf_adds(out, "&lt;1%");
    else
        cf_buf_addf(out, "%d%%", part < whole && percent > 99 ? 99 : percent);
}
