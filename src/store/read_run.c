/* Reads of runs, of what is asked of them, and of templates. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/owner.h"
#include "store/reader_impl.h"

#define RUN_COLUMNS                                                                                \
    "SELECT id, uuid, name, provider, state, state_reason, source, generation, simulated, script," \
    " script_text, script_hash, args, options, model, base_url, seed, budget_pico, created_at, "   \
    "started_at,"                                                                                  \
    " finished_at, owner_host, owner_started_at, owner_pid, planned, items_drawn, items_accepted," \
    " items_needs_revision, items_failed, items_skipped, items_surplus, items_orphan, calls, "     \
    "attempts,"                                                                                    \
    " replies, failures, unknown_cost_replies, spent_pico, at_risk_pico, input_tokens, "           \
    "output_tokens,"                                                                               \
    " cache_write_5m_tokens, cache_write_1h_tokens, cache_read_tokens, thinking_tokens FROM runs"

static void fill_account(struct cf_run_account *account, const struct cf_query *query)
{
    int64_t planned = cf_column_int(query, 24), drawn = cf_column_int(query, 25);

    account->accepted = cf_column_int(query, 26);
    account->needs_revision = cf_column_int(query, 27);
    account->failed = cf_column_int(query, 28);
    account->skipped = cf_column_int(query, 29);
    account->planned = planned > drawn ? planned : drawn;
    account->pending = account->planned - account->accepted - account->needs_revision -
                       account->failed - account->skipped;
    account->surplus = cf_column_int(query, 30);
    account->orphans = cf_column_int(query, 31);
    account->calls = cf_column_int(query, 32);
    account->attempts = cf_column_int(query, 33);
    account->replies = cf_column_int(query, 34);
    account->failures = cf_column_int(query, 35);
    account->unknown_cost_replies = cf_column_int(query, 36);
    account->spent_pico = cf_column_int(query, 37);
    account->at_risk_pico = cf_column_int(query, 38);
    account->tokens = (struct cf_token_usage){
        .input = cf_column_int(query, 39),
        .output = cf_column_int(query, 40),
        .cache_write_5m = cf_column_int(query, 41),
        .cache_write_1h = cf_column_int(query, 42),
        .cache_read = cf_column_int(query, 43),
        .thinking = cf_column_int(query, 44),
    };
}

/* A process that was killed could not say so: what stands there then is what it did last. */
static bool has_died(const struct cf_run_row *row, const struct cf_query *query)
{
    bool is_in_work = row->owner_host != NULL &&
                      (strcmp(row->state, "running") == 0 || strcmp(row->state, "paused") == 0);
    return is_in_work && !cf_owner_is_held(query->db->path, row->run);
}

static void fill_run(struct cf_run_row *row, const struct cf_query *query, struct cf_kept *kept)
{
    row->run = cf_column_int(query, 0);
    row->uuid = cf_keep_str(query, 1, kept);
    row->name = cf_keep_str(query, 2, kept);
    row->provider = cf_keep_str(query, 3, kept);
    row->state = cf_keep_str(query, 4, kept);
    row->state_reason = cf_keep_str(query, 5, kept);
    row->source = cf_keep_str(query, 6, kept);
    row->generation = cf_column_int(query, 7);
    row->simulated = cf_column_int(query, 8) != 0;
    row->script = cf_keep_str(query, 9, kept);
    row->script_text = cf_keep_str(query, 10, kept);
    row->script_hash = cf_keep_str(query, 11, kept);
    row->args = cf_keep_str(query, 12, kept);
    row->options = cf_keep_str(query, 13, kept);
    row->model = cf_keep_str(query, 14, kept);
    row->base_url = cf_keep_str(query, 15, kept);
    row->seed = (uint64_t)cf_column_int(query, 16);
    row->budget_pico = cf_column_count(query, 17);
    row->created_at = cf_keep_str(query, 18, kept);
    row->started_at = cf_keep_str(query, 19, kept);
    row->finished_at = cf_keep_str(query, 20, kept);
    row->owner_host = cf_keep_str(query, 21, kept);
    row->owner_started_at = cf_keep_str(query, 22, kept);
    row->owner_pid = cf_column_int(query, 23);
    if (has_died(row, query))
        row->state = "died";
    fill_account(&row->account, query);
}

struct cf_run_cursor {
    struct cf_query query;
    struct cf_run_row row;
};

bool cf_runs_open(struct cf_reader *reader, const char *name, struct cf_run_cursor **out_cursor,
                  struct cf_error *err)
{
    struct cf_query query;
    if (!cf_cursor_open(reader, RUN_COLUMNS " WHERE ?1 IS NULL OR name = ?1 ORDER BY id DESC",
                        &query, err))
        return false;
    /* A cursor outlives this call, and so must what it has bound. */
    sqlite3_bind_text(query.stmt, 1, name, -1, SQLITE_TRANSIENT);

    struct cf_run_cursor *cursor = cf_calloc(1, sizeof *cursor);
    cursor->query = query;
    *out_cursor = cursor;
    return true;
}

int cf_runs_next(struct cf_run_cursor *cursor, const struct cf_run_row **out_row,
                 struct cf_error *err)
{
    int next = cf_query_next(&cursor->query, err);
    if (next > 0) {
        fill_run(&cursor->row, &cursor->query, NULL);
        *out_row = &cursor->row;
    }
    return next;
}

void cf_runs_free(struct cf_run_cursor *cursor)
{
    if (cursor == NULL)
        return;
    cf_cursor_close(&cursor->query);
    free(cursor);
}

int cf_reader_run(struct cf_reader *reader, int64_t run, const struct cf_run_row **out_row,
                  struct cf_error *err)
{
    struct cf_query query = cf_db_query(&reader->db, RUN_COLUMNS " WHERE id = ?");
    cf_query_int(&query, run);
    int found = cf_query_next(&query, err);
    if (found <= 0)
        return found;
    cf_kept_clear(&reader->run_kept);
    fill_run(&reader->run, &query, &reader->run_kept);
    cf_query_end(&query);
    *out_row = &reader->run;
    return 1;
}

int cf_reader_template(struct cf_reader *reader, int64_t template,
                       const struct cf_template_row **out_row, struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &reader->db,
        "SELECT id, version, usage_count, success_count, uuid, name, tier, settings, created_at,"
        " system, prompt, output_calls, output_tokens, output_tokens_max FROM templates"
        " WHERE id = ?");
    struct cf_kept *kept = &reader->template_kept;
    struct cf_template_row *row = &reader->template;

    cf_query_int(&query, template);
    int found = cf_query_next(&query, err);
    if (found <= 0)
        return found;
    cf_kept_clear(kept);
    row->template = cf_column_int(&query, 0);
    row->version = cf_column_int(&query, 1);
    row->usage_count = cf_column_int(&query, 2);
    row->success_count = cf_column_int(&query, 3);
    row->uuid = cf_keep_str(&query, 4, kept);
    row->name = cf_keep_str(&query, 5, kept);
    row->tier = cf_keep_str(&query, 6, kept);
    row->settings = cf_keep_str(&query, 7, kept);
    row->created_at = cf_keep_str(&query, 8, kept);
    row->system = cf_keep_text(&query, 9, kept);
    row->prompt = cf_keep_text(&query, 10, kept);
    row->output_calls = cf_column_int(&query, 11);
    row->output_tokens = cf_column_int(&query, 12);
    row->output_tokens_max = cf_column_int(&query, 13);
    cf_query_end(&query);
    *out_row = row;
    return 1;
}

int cf_reader_control(struct cf_reader *reader, int64_t run, const struct cf_control_row **out_row,
                      struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &reader->db, "SELECT id, command, arguments FROM run_control INDEXED BY run_control_open"
                     " WHERE run = ? AND handled_at IS NULL ORDER BY id LIMIT 1");
    struct cf_kept *kept = &reader->control_kept;

    cf_query_int(&query, run);
    int found = cf_query_next(&query, err);
    if (found <= 0)
        return found;
    cf_kept_clear(kept);
    reader->control = (struct cf_control_row){
        .control = cf_column_int(&query, 0),
        .command = cf_keep_str(&query, 1, kept),
        .arguments = cf_keep_str(&query, 2, kept),
    };
    cf_query_end(&query);
    *out_row = &reader->control;
    return 1;
}

int cf_reader_control_is_handled(struct cf_reader *reader, int64_t control, struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &reader->db, "SELECT 1 FROM run_control WHERE id = ? AND handled_at IS NOT NULL");
    cf_query_int(&query, control);
    int found = cf_query_next(&query, err);
    cf_query_end(&query);
    return found;
}
