#include <inttypes.h>
#include <stdio.h>

#include "cli/attempt.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/database.h"
#include "base/object.h"
#include "cli/print.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "store/reader.h"

#define KEY_CHARS 24

static const struct cf_option options[] = {
    { "failures", 'f', NULL, false, "only attempts that brought no usable reply" },
    { "last", 'n', "N", false, "only the newest N" },
    { "all", 'a', NULL, false, "of all runs" },
    { "json", 0, NULL, false, "print a JSON array, one attempt a line" },
    { NULL, 0, NULL, false, NULL },
};

static void add_object(struct cf_buf *out, const struct cf_log_row *row)
{
    cf_object_open(out, NULL);
    cf_object_int(out, "log", row->log);
    cf_object_int(out, "run", row->run);
    cf_object_text(out, "item", row->key);
    cf_object_int(out, "item_id", row->item);
    cf_object_int(out, "call_id", row->call);
    cf_attempt_add(out, row);
    cf_object_close(out);
}

/* A line an attempt, printed as it is read: time, status, call, item, what it took, what went
 * wrong. */
static void print_line(const struct cf_log_row *row)
{
    char when[CF_NUMBER_TEXT_MAX], took[CF_NUMBER_TEXT_MAX], in[CF_NUMBER_TEXT_MAX],
        out[CF_NUMBER_TEXT_MAX];
    cf_printf("%s  %-8s  call:%-6" PRId64 " ", cf_format_time(row->created_at, when), row->status,
              row->call);
    cf_print_line(row->key, KEY_CHARS);
    cf_printf("  attempt %" PRId64 "  %s", row->attempt,
              cf_format_duration(row->duration_ms, took));
    if (row->input_tokens >= 0 || row->output_tokens >= 0)
        cf_printf("  %s in, %s out", cf_format_count(row->input_tokens, in),
                  cf_format_count(row->output_tokens, out));
    cf_attempt_print_end(row);
}

static bool print_all(struct cf_log_cursor *cursor, bool as_json, int64_t *out_count,
                      struct cf_error *err)
{
    const struct cf_log_row *row;
    struct cf_object_list list;
    struct cf_buf object;
    int next;
    cf_buf_init(&object, CF_OBJECT_MAX);
    if (as_json)
        cf_object_list_begin(&list);
    while ((next = cf_logs_next(cursor, &row, err)) > 0) {
        ++*out_count;
        if (!as_json) {
            print_line(row);
            continue;
        }
        add_object(&object, row);
        if (!cf_object_list_add(&list, &object, err)) {
            next = -1;
            break;
        }
    }
    if (as_json)
        cf_object_list_end(&list);
    cf_buf_done(&object);
    return next == 0;
}

static int logs(const struct cf_args *args, struct cf_error *err)
{
    struct cf_log_filter filter = { .failures_only = cf_args_has(args, "failures") };
    struct cf_reader *reader = NULL;
    struct cf_log_cursor *cursor = NULL;
    const struct cf_run_row *run;
    int64_t count = 0;
    bool ok = false;

    if (!cf_args_int(args, "last", 1, INT64_MAX, &filter.last, err))
        return -1;
    if (cf_args_has(args, "all") && args->positional_count > 0) {
        cf_fail(err, CF_ERR_CONFIG, "logs: --all and a run exclude each other");
        return -1;
    }
    if (!cf_database_open(args, &reader, err))
        return -1;
    if (!cf_args_has(args, "all")) {
        if (!cf_database_run(reader, args->positional_count > 0 ? args->positionals[0] : NULL, &run,
                             err))
            goto done;
        filter.run = run->run;
    }
    if (!cf_logs_open(reader, &filter, &cursor, err))
        goto done;
    ok = print_all(cursor, cf_args_has(args, "json"), &count, err);
    if (ok && count == 0)
        fprintf(stderr, "no %s\n", filter.failures_only ? "failures" : "attempts yet");
done:
    cf_logs_free(cursor);
    cf_reader_free(reader);
    return ok ? CF_EXIT_OK : -1;
}

const struct cf_command cf_command_logs = {
    .name = "logs",
    .synopsis = "[RUN]",
    .summary =
        "List every attempt of a run, oldest first: what it took, what it cost, why it failed",
    .example = "confab logs support-v1 --failures --last 20\n"
               "confab logs --json",
    .details =
        "RUN is a name or the start of an id; without it the newest run is meant.\n\n"
        "A status is success, retry (failed, tried again), failure (failed for good), unknown\n"
        "(no whole reply came, but it may have been billed) or rejected (a whole reply that did\n"
        "not serve).",
    .options = options,
    .common = cf_database_options,
    .max_positionals = 1,
    .run = logs,
};
