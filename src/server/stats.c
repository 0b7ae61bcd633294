#include "server/stats.h"

#include "base/object.h"
#include "confab/buf.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "server/params.h"
#include "server/problems.h"
#include "server/readers.h"
#include "server/respond.h"
#include "server/run_object.h"
#include "server/server.h"
#include "store/reader.h"
#include "store/stats.h"

static void add_status(const struct cf_stats_status *row, void *self)
{
    struct cf_buf *out = self;
    cf_object_open(out, NULL);
    cf_object_str(out, "status", row->status);
    cf_object_int(out, "conversations", row->conversations);
    cf_object_number(out, "meanScore", row->mean_score);
    cf_object_number(out, "meanTurns", row->mean_turns);
    cf_object_close(out);
}

static void add_score(const struct cf_stats_score *row, void *self)
{
    struct cf_buf *out = self;
    cf_object_open(out, NULL);
    cf_object_count(out, "score", row->score);
    cf_object_int(out, "conversations", row->conversations);
    cf_object_close(out);
}

static void add_group(const struct cf_stats_group *row, void *self)
{
    struct cf_buf *out = self;
    cf_object_open(out, NULL);
    cf_object_str(out, "name", row->name);
    cf_object_int(out, "replies", row->replies);
    cf_object_count(out, "inputTokens", row->input_tokens);
    cf_object_count(out, "outputTokens", row->output_tokens);
    cf_object_usd(out, "cost", row->cost_pico);
    cf_object_number(out, "meanOutputTokens", row->mean_output_tokens);
    cf_object_open(out, "latencyMs");
    cf_object_count(out, "p50", row->p50_ms);
    cf_object_count(out, "p95", row->p95_ms);
    cf_object_count(out, "p99", row->p99_ms);
    cf_object_close(out);
    cf_object_close(out);
}

static bool add_lists(struct cf_buf *out, struct cf_reader *reader, int64_t run,
                      struct cf_error *err)
{
    cf_object_open_list(out, "statuses");
    bool ok = cf_stats_statuses(reader, run, add_status, out, err);
    cf_object_close_list(out);
    cf_object_open_list(out, "scores");
    ok = ok && cf_stats_scores(reader, run, add_score, out, err);
    cf_object_close_list(out);
    cf_object_open_list(out, "models");
    ok = ok && cf_stats_groups(reader, run, CF_STATS_BY_MODEL, add_group, out, err);
    cf_object_close_list(out);
    cf_object_open_list(out, "templates");
    ok = ok && cf_stats_groups(reader, run, CF_STATS_BY_TEMPLATE, add_group, out, err);
    cf_object_close_list(out);
    return ok;
}

/* 1, 0 (no such run), -1. run NULL: all. */
static int make(struct cf_buf *out, struct cf_reader *reader, const char *run, int64_t unix_ms,
                struct cf_error *err)
{
    const struct cf_run_row *row;
    int64_t id = 0;
    int found = run != NULL ? cf_reader_find_run(reader, run, &id, err) : 1;
    if (found > 0 && id != 0)
        found = cf_reader_run(reader, id, &row, err);
    if (found <= 0)
        return found;
    cf_respond_open(out);
    cf_object_open(out, "data");
    if (id != 0)
        cf_run_api_object(out, "run", row, unix_ms);
    bool ok = add_lists(out, reader, id, err);
    cf_object_close(out);
    cf_object_close(out);
    return ok ? 1 : -1;
}

void cf_stats_show(struct cf_http_exchange *exchange, struct cf_server *server)
{
    static const char *const names[] = { "run", NULL };
    struct cf_problems problems;
    struct cf_reader *reader = NULL;
    struct cf_buf json;
    struct cf_error err;
    const char *run = NULL;
    int made = 1;
    cf_problems_init(&problems);
    cf_buf_init(&json, CF_OBJECT_MAX);
    struct cf_params params = { exchange, &problems };
    cf_params_only(&params, names);
    cf_params_text(&params, "run", &run);
    if (problems.count == 0) {
        made = cf_readers_take(cf_server_readers(server), &reader, &err)
                   ? make(&json, reader, run, cf_unix_ms(cf_server_clock(server)), &err)
                   : -1;
        cf_readers_give(cf_server_readers(server), reader);
    }

    if (problems.count > 0)
        cf_respond_problems(exchange, &problems);
    else if (made < 0)
        cf_respond_error(exchange, &err);
    else if (made == 0)
        cf_respond_fail(exchange, 404, "there is no such run");
    else
        cf_respond_json(exchange, 200, &json);
    cf_buf_done(&json);
    cf_problems_done(&problems);
}
