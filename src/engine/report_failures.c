/* Why items failed. */
#include "confab/buf.h"
#include "engine/report_parts.h"
#include "engine/report_text.h"

#define REASONS_MAX   25 /* as many as people read */
#define MESSAGE_CHARS 400

static void add_reason(struct cf_buf *out, const struct cf_failure_row *row)
{
    cf_buf_adds(out, "<tr><td class=\"kind\"><code>");
    cf_report_str(out, row->error_kind);
    cf_buf_adds(out, "</code></td><td class=\"n\">");
    cf_report_count(out, row->count);
    cf_buf_adds(out, "</td><td class=\"text\"><bdi>");
    cf_report_text(out, cf_text_of(row->error_message), MESSAGE_CHARS);
    cf_buf_adds(out, "</bdi></td><td class=\"item\"><code>");
    cf_report_text(out, row->key, CF_REPORT_NAME_MAX);
    cf_buf_adds(out, "</code></td></tr>\n");
}

bool cf_report_failures(struct cf_report *report, struct cf_error *err)
{
    struct cf_buf *out = report->out;
    struct cf_failure_cursor *cursor;
    const struct cf_failure_row *row;
    int64_t reasons = 0, others = 0;
    int next;
    if (!cf_failures_open(report->reader, report->run->run, &cursor, err))
        return false;
    while ((next = cf_failures_next(cursor, &row, err)) > 0) {
        if (reasons == 0)
            cf_buf_adds(
                out, "<section>\n<h2>Failures</h2>\n<div class=\"wide\"><table><thead><tr><th>Kind"
                     "</th><th class=\"n\">Items</th><th>Such as</th><th>Of item</th></tr></thead>"
                     "<tbody>\n");
        if (reasons++ < REASONS_MAX)
            add_reason(out, row);
        else
            others += row->count;
    }
    cf_failures_free(cursor);
    if (others > 0) {
        cf_buf_adds(out, "<tr><td class=\"quiet\">others</td><td class=\"n\">");
        cf_report_count(out, others);
        cf_buf_adds(out, "</td><td colspan=\"2\" class=\"quiet\">for other reasons</td></tr>\n");
    }
    if (reasons > 0)
        cf_buf_adds(out, "</tbody></table></div>\n</section>\n");
    return next == 0;
}
