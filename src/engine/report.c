#include "engine/report.h"

#include <string.h>

#include "confab/buf.h"
#include "confab/error.h"
#include "engine/report_parts.h"
#include "engine/report_style.h"
#include "engine/report_text.h"
#include "export/target.h"
#include "store/tally.h"

static void add_begin(const struct cf_report *report)
{
    struct cf_buf *out = report->out;
    cf_buf_adds(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
    cf_report_str(out, report->run->name);
    cf_buf_adds(out, report->run->simulated ? " (simulated)" : "");
    cf_buf_adds(out, " – confab report</title>\n<style>\n");
    cf_buf_adds(out, cf_report_style);
    cf_buf_adds(out, "</style>\n</head>\n<body>\n<main>\n");
}

static void add_end(const struct cf_report *report)
{
    struct cf_buf *out = report->out;
    cf_buf_adds(out, "</main>\n<footer><p>Made by confab " CONFAB_VERSION " of run <code>");
    cf_report_str(out, report->run->uuid);
    cf_buf_adds(out,
                "</code>. Conversations count once each: no earlier versions, nothing beyond the "
                "plan. Usable is what <code>confab export</code> takes unless told otherwise: "
                "generated or approved, and not cut off.</p></footer>\n</body>\n</html>\n");
}

static bool write_parts(struct cf_report *report, struct cf_error *err)
{
    static bool (*const parts[])(struct cf_report *, struct cf_error *) = {
        cf_report_head,      cf_report_quality,  cf_report_course,
        cf_report_templates, cf_report_failures, cf_report_chats,
    };
    add_begin(report);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!parts[i](report, err))
            return false;
    add_end(report);
    return true;
}

static bool read_and_write(struct cf_report *report, int64_t run, struct cf_error *err)
{
    int found = cf_reader_run(report->reader, run, &report->run, err);
    if (found == 0)
        return cf_fail(err, CF_ERR_CONFIG, "there is no such run");
    return found > 0 && cf_tally_update(report->tally, report->reader, err) &&
           cf_stats_sum(report->reader, run, &report->sum, err) &&
           cf_series_read(report->reader, run, report->points, &report->point_count, err) &&
           write_parts(report, err);
}

bool cf_report_write(struct cf_reader *reader, int64_t run, const char *path, int64_t *out_bytes,
                     struct cf_error *err)
{
    struct cf_export_target target = { .fd = -1 };
    struct cf_report report = { .reader = reader, .tally = NULL };
    bool ok = false;

    if (!cf_export_target_open(&target, path, err))
        goto done;
    if (!cf_reader_hold(reader, err))
        goto done;
    report.tally = cf_tally_new();
    report.out = &target.buf;
    ok = read_and_write(&report, run, err);
    cf_tally_free(report.tally);
    cf_reader_release(reader);
    if (!ok)
        goto done;

    int64_t bytes = (int64_t)target.buf.len;
    ok = cf_export_target_sync(&target, err) && cf_export_target_rename(&target, err);
    if (ok)
        *out_bytes = bytes;
done:
    cf_export_target_done(&target);
    return ok;
}
