#include "cli/show.h"

#include <string.h>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/database.h"
#include "cli/loose.h"
#include "base/object.h"
#include "cli/print.h"
#include "cli/run_object.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "confab/money.h"
#include "store/reader.h"

#define FAILURES_SHOWN 20

static const struct cf_option options[] = {
    { "json", 0, NULL, false, "print one JSON object" },
    { NULL, 0, NULL, false, NULL },
};

/* --- how things are shown --- */

void cf_show_field(const char *label, struct cf_text value)
{
    if (value.len == 0)
        return;
    cf_printf("  %-12s ", label);
    cf_print_line(value, 0);
    cf_printf("\n");
}

void cf_show_str(const char *label, const char *value)
{
    cf_show_field(label, cf_text_of(value));
}

void cf_show_count(const char *label, int64_t value)
{
    char text[CF_NUMBER_TEXT_MAX];
    if (value >= 0)
        cf_show_str(label, cf_format_count(value, text));
}

void cf_show_usd(const char *label, int64_t pico)
{
    char text[CF_MONEY_TEXT_MAX];
    cf_money_format(pico, text);
    cf_show_str(label, text);
}

void cf_show_block(const char *heading, struct cf_text text)
{
    if (text.len == 0)
        return;
    cf_printf("\n%s\n", heading);
    cf_print_text(text);
    if (text.data[text.len - 1] != '\n')
        cf_printf("\n");
}

bool cf_show_found(int found, struct cf_error *err)
{
    if (found == 0)
        return cf_fail(err, CF_ERR_STORAGE, "it is no longer in the database");
    return found > 0;
}

/* --- runs --- */

static void print_items(const struct cf_run_account *a, const struct cf_loose *loose)
{
    if (loose->is_all)
        cf_printf("  %-12s outside a plan: %lld accepted + %lld to revise + %lld failed\n", "items",
                  (long long)loose->accepted, (long long)loose->needs_revision,
                  (long long)loose->failed);
    else
        cf_printf("  %-12s %lld planned = %lld accepted + %lld to revise + %lld failed "
                  "+ %lld pending + %lld skipped\n",
                  "items", (long long)a->planned, (long long)a->accepted,
                  (long long)a->needs_revision, (long long)a->failed, (long long)a->pending,
                  (long long)a->skipped);
}

static void print_run(const struct cf_run_row *row, const struct cf_loose *loose)
{
    const struct cf_run_account *a = &row->account;
    cf_printf("run %s%s\n", row->uuid, row->simulated ? " (simulated)" : "");
    cf_show_str("name", row->name);
    cf_show_count("generation", row->generation);
    cf_show_str("state", row->state);
    cf_show_str("because", row->state_reason);
    cf_show_str("script", row->script);
    if (row->args != NULL && strcmp(row->args, "[]") != 0)
        cf_show_str("arguments", row->args);
    cf_show_str("model", row->model);
    /* Where the simulator listened is of no use any more. */
    cf_show_str("service", row->simulated ? "simulator" : row->base_url);
    print_items(a, loose);
    if (a->surplus > 0)
        cf_show_count("surplus", a->surplus);
    if (a->orphans > 0)
        cf_show_count("set aside", a->orphans);
    cf_show_usd("spent", a->spent_pico);
    cf_show_usd("at risk", a->at_risk_pico);
    if (row->budget_pico >= 0)
        cf_show_usd("budget", row->budget_pico);
    cf_show_count("calls", a->calls);
    cf_show_count("attempts", a->attempts);
    cf_show_count("tokens in", a->tokens.input);
    cf_show_count("tokens out", a->tokens.output);
    cf_show_str("begun", row->created_at);
    cf_show_str("ended", row->finished_at);
    if (row->owner_host != NULL)
        cf_printf("  %-12s process %lld on %s\n",
                  strcmp(row->state, "died") == 0 ? "died with" : "worked on by",
                  (long long)row->owner_pid, row->owner_host);
}

/* Failures that are alike together; as JSON into the open object, else the most frequent
 * printed. */
static bool add_failures(struct cf_reader *reader, int64_t run, struct cf_buf *json,
                         struct cf_error *err)
{
    struct cf_failure_cursor *cursor;
    const struct cf_failure_row *row;
    int next;
    if (!cf_failures_open(reader, run, &cursor, err))
        return false;
    if (json != NULL)
        cf_object_open_list(json, "failed_items");
    int64_t shown = 0, others = 0;
    for (; (next = cf_failures_next(cursor, &row, err)) > 0; shown++) {
        if (json == NULL && shown >= FAILURES_SHOWN) {
            others += row->count;
            continue;
        }
        if (json == NULL) {
            cf_printf("%s  %lld x %s, first at ", shown > 0 ? "" : "\nfailed items\n",
                      (long long)row->count, row->error_kind);
            cf_print_line(row->key, 60);
            cf_printf(": ");
            cf_print_line(cf_text_of(row->error_message), 0);
            cf_printf("\n");
            continue;
        }
        cf_object_open(json, NULL);
        cf_object_str(json, "kind", row->error_kind);
        cf_object_int(json, "count", row->count);
        cf_object_text(json, "key", row->key);
        cf_object_str(json, "message", row->error_message);
        cf_object_close(json);
    }
    if (json != NULL)
        cf_object_close_list(json);
    if (others > 0)
        cf_printf("  %lld more, for other reasons; --json has all\n", (long long)others);
    cf_failures_free(cursor);
    return next == 0;
}

bool cf_show_run(struct cf_reader *reader, int64_t id, bool as_json, struct cf_error *err)
{
    const struct cf_run_row *row;
    struct cf_loose loose;
    if (!cf_show_found(cf_reader_run(reader, id, &row, err), err) ||
        !cf_loose_count(reader, row, &loose, err))
        return false;
    if (!as_json) {
        print_run(row, &loose);
        return add_failures(reader, id, NULL, err);
    }
    struct cf_buf out;
    cf_buf_init(&out, CF_OBJECT_MAX);
    cf_object_open(&out, NULL);
    cf_object_str(&out, "kind", "run");
    cf_run_object(&out, "run", row, &loose);
    bool ok = add_failures(reader, id, &out, err);
    cf_object_close(&out);
    ok = ok && cf_object_print(&out, err);
    cf_buf_done(&out);
    return ok;
}

/* --- templates --- */

bool cf_show_template(struct cf_reader *reader, int64_t id, bool as_json, struct cf_error *err)
{
    const struct cf_template_row *row;
    if (!cf_show_found(cf_reader_template(reader, id, &row, err), err))
        return false;
    if (!as_json) {
        cf_printf("template %s\n", row->uuid);
        cf_show_str("name", row->name);
        cf_show_count("version", row->version);
        cf_show_str("tier", row->tier);
        cf_show_str("settings", row->settings);
        cf_show_count("replies", row->usage_count);
        cf_show_count("accepted", row->success_count);
        if (row->output_calls > 0) {
            cf_show_count("mean output", row->output_tokens / row->output_calls);
            cf_show_count("most output", row->output_tokens_max);
        }
        cf_show_str("made", row->created_at);
        cf_show_block("system", row->system);
        cf_show_block("prompt", row->prompt);
        return true;
    }
    struct cf_buf out;
    cf_buf_init(&out, CF_OBJECT_MAX);
    cf_object_open(&out, NULL);
    cf_object_str(&out, "kind", "template");
    cf_object_str(&out, "id", row->uuid);
    cf_object_str(&out, "name", row->name);
    cf_object_int(&out, "version", row->version);
    cf_object_str(&out, "tier", row->tier);
    cf_object_json(&out, "settings", cf_text_of(row->settings));
    cf_object_text(&out, "system", row->system);
    cf_object_text(&out, "prompt", row->prompt);
    cf_object_int(&out, "usage_count", row->usage_count);
    cf_object_int(&out, "success_count", row->success_count);
    cf_object_int(&out, "output_calls", row->output_calls);
    cf_object_int(&out, "output_tokens", row->output_tokens);
    cf_object_int(&out, "output_tokens_max", row->output_tokens_max);
    cf_object_str(&out, "created_at", row->created_at);
    cf_object_close(&out);
    bool ok = cf_object_print(&out, err);
    cf_buf_done(&out);
    return ok;
}

/* --- the command --- */

/* Ids first: a run's name may look like anything. 1, 0, -1. */
static int find(struct cf_reader *reader, const char *text, enum cf_id_kind *out_kind,
                int64_t *out_id, struct cf_error *err)
{
    int found = cf_reader_find(reader, text, out_kind, out_id, err);
    if (found == 0) {
        *out_kind = CF_ID_RUN;
        found = cf_reader_find_run(reader, text, out_id, err);
    }
    if (found == 0) {
        *out_kind = CF_ID_ITEM;
        found = cf_reader_find_item(reader, text, out_id, err);
    }
    if (found == 0)
        cf_fail(err, CF_ERR_CONFIG,
                "nothing has the id or name '%s'; an id is the start of a uuid, item:N, the key of "
                "an item, or call:N",
                text);
    return found;
}

static int show(const struct cf_args *args, struct cf_error *err)
{
    static bool (*const shows[])(struct cf_reader *, int64_t, bool, struct cf_error *) = {
        [CF_ID_RUN] = cf_show_run,
        [CF_ID_TEMPLATE] = cf_show_template,
        [CF_ID_CONVERSATION] = cf_show_conversation,
        [CF_ID_ITEM] = cf_show_item,
        [CF_ID_CALL] = cf_show_call,
    };
    struct cf_reader *reader;
    enum cf_id_kind kind;
    int64_t id;
    if (!cf_database_open(args, &reader, err))
        return -1;
    bool ok = find(reader, args->positionals[0], &kind, &id, err) > 0 &&
              shows[kind](reader, id, cf_args_has(args, "json"), err);
    cf_reader_free(reader);
    return ok ? CF_EXIT_OK : -1;
}

const struct cf_command cf_command_show = {
    .name = "show",
    .synopsis = "ID",
    .summary = "Show a run, conversation, item, call or template",
    .example = "confab show support-v1\n"
               "confab show call:1 --json",
    .details = "ID is a run's name, the start of the id of a run, conversation or template (4\n"
               "characters or more), item:N or the key of an item, or call:N as `confab logs` prints\n"
               "it. Failed items of a run are shown by what they failed of: alike messages, which\n"
               "differ in numbers and in what is quoted, stand together with the first item's key.",
    .options = options,
    .common = cf_database_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = show,
};
