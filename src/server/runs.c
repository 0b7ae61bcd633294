#include "server/runs.h"

#include <string.h>

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

#define LIMIT_MAX 500

/* 1: the answer is in json; 0: there is no such run; 2: problems say what is wrong; -1: *err. */
struct work {
    struct cf_http_exchange *exchange;
    struct cf_reader *reader;
    struct cf_problems problems;
    struct cf_buf json;
    int64_t unix_ms;
    struct cf_error err;
};

static void answer(struct cf_http_exchange *exchange, struct cf_server *server,
                   int (*make)(struct work *work))
{
    struct work work = { .exchange = exchange, .unix_ms = cf_unix_ms(cf_server_clock(server)) };
    cf_problems_init(&work.problems);
    cf_buf_init(&work.json, CF_OBJECT_MAX);
    int made =
        cf_readers_take(cf_server_readers(server), &work.reader, &work.err) ? make(&work) : -1;
    cf_readers_give(cf_server_readers(server), work.reader);

    if (made < 0)
        cf_respond_error(exchange, &work.err);
    else if (made == 0)
        cf_respond_fail(exchange, 404, "there is no such run");
    else if (work.problems.count > 0)
        cf_respond_problems(exchange, &work.problems);
    else
        cf_respond_json(exchange, 200, &work.json);
    cf_buf_done(&work.json);
    cf_problems_done(&work.problems);
}

/* --- the list --- */

static int make_list(struct work *work)
{
    static const char *const names[] = { "name", "state", "limit", "offset", NULL };
    struct cf_params params = { work->exchange, &work->problems };
    struct cf_run_cursor *cursor;
    const struct cf_run_row *row;
    const char *name = NULL, *state = NULL;
    int64_t limit = 100, offset = 0, total = 0;
    int next;
    cf_params_only(&params, names);
    cf_params_text(&params, "name", &name);
    cf_params_text(&params, "state", &state);
    cf_params_int(&params, "limit", 1, LIMIT_MAX, &limit);
    cf_params_int(&params, "offset", 0, INT64_C(1) << 40, &offset);
    if (work->problems.count > 0)
        return 1;
    if (!cf_runs_open(work->reader, name, &cursor, &work->err))
        return -1;

    cf_respond_open(&work->json);
    cf_object_open_list(&work->json, "data");
    while ((next = cf_runs_next(cursor, &row, &work->err)) > 0) {
        if (state != NULL && strcmp(state, row->state) != 0)
            continue;
        if (total >= offset && total < offset + limit)
            cf_run_api_object(&work->json, NULL, row, work->unix_ms);
        total++;
    }
    cf_runs_free(cursor);
    cf_object_close_list(&work->json);
    cf_object_int(&work->json, "total", total);
    cf_object_close(&work->json);
    return next < 0 ? -1 : 1;
}

void cf_runs_list(struct cf_http_exchange *exchange, struct cf_server *server)
{
    answer(exchange, server, make_list);
}

/* --- one --- */

static int find(struct work *work, const struct cf_run_row **out_row)
{
    int64_t run;
    int found = cf_reader_find_run(work->reader, work->exchange->id, &run, &work->err);
    return found > 0 ? cf_reader_run(work->reader, run, out_row, &work->err) : found;
}

static int make_one(struct work *work)
{
    const struct cf_run_row *row;
    int found = find(work, &row);
    if (found <= 0)
        return found;
    cf_respond_open(&work->json);
    cf_run_api_object(&work->json, "data", row, work->unix_ms);
    cf_object_close(&work->json);
    return 1;
}

void cf_runs_show(struct cf_http_exchange *exchange, struct cf_server *server)
{
    answer(exchange, server, make_one);
}

/* --- failures --- */

static int make_failures(struct work *work)
{
    struct cf_failure_cursor *cursor;
    const struct cf_failure_row *row;
    const struct cf_run_row *run;
    int next, found = find(work, &run);
    if (found <= 0)
        return found;
    if (!cf_failures_open(work->reader, run->run, &cursor, &work->err))
        return -1;
    cf_respond_open(&work->json);
    cf_object_open_list(&work->json, "data");
    while ((next = cf_failures_next(cursor, &row, &work->err)) > 0) {
        cf_object_open(&work->json, NULL);
        cf_object_str(&work->json, "kind", row->error_kind);
        cf_object_int(&work->json, "count", row->count);
        cf_object_text(&work->json, "item", row->key);
        cf_object_str(&work->json, "message", row->error_message);
        cf_object_close(&work->json);
    }
    cf_failures_free(cursor);
    cf_object_close_list(&work->json);
    cf_object_close(&work->json);
    return next < 0 ? -1 : 1;
}

void cf_runs_failures(struct cf_http_exchange *exchange, struct cf_server *server)
{
    answer(exchange, server, make_failures);
}
