#include "server/runs.h"

#include <string.h>

#include "base/object.h"
#include "server/reading.h"
#include "server/request.h"
#include "server/run_object.h"
#include "store/reader.h"

#define LIMIT_MAX 500

/* --- the list --- */

static int make_list(struct cf_reading *reading)
{
    static const char *const names[] = { "name", "state", "limit", "offset", NULL };
    static const char *const states[] = { "running", "paused", "done", "budget", "stopped",
                                          "interrupted", "failed", "died", NULL };
    struct cf_params *params = &reading->params;
    struct cf_run_cursor *cursor;
    const struct cf_run_row *row;
    const char *name = NULL, *state = NULL;
    int64_t limit = 100, offset = 0, total = 0;
    int next;
    cf_params_only(params, names);
    cf_params_text(params, "name", &name);
    cf_params_word(params, "state", states, &state);
    cf_params_int(params, "limit", 1, LIMIT_MAX, &limit);
    cf_params_int(params, "offset", 0, INT64_C(1) << 40, &offset);
    if (reading->problems.count > 0)
        return 1;
    if (!cf_runs_open(reading->reader, name, &cursor, &reading->err))
        return -1;

    cf_object_open_list(&reading->json, "data");
    while ((next = cf_runs_next(cursor, &row, &reading->err)) > 0) {
        if (state != NULL && strcmp(state, row->state) != 0)
            continue;
        if (total >= offset && total < offset + limit)
            cf_run_api_object(&reading->json, NULL, row, reading->unix_ms);
        total++;
    }
    cf_runs_free(cursor);
    cf_object_close_list(&reading->json);
    cf_object_int(&reading->json, "total", total);
    return next < 0 ? -1 : 1;
}

void cf_runs_list(struct cf_http_exchange *exchange, struct cf_server *server)
{
    cf_reading_answer(exchange, server, "run", make_list);
}

/* --- one --- */

static int make_one(struct cf_reading *reading)
{
    const struct cf_run_row *row;
    int found = cf_reading_run(reading, reading->exchange->id, &row);
    if (found <= 0)
        return found;
    cf_run_api_object(&reading->json, "data", row, reading->unix_ms);
    return 1;
}

void cf_runs_show(struct cf_http_exchange *exchange, struct cf_server *server)
{
    cf_reading_answer(exchange, server, "run", make_one);
}

/* --- failures --- */

static int make_failures(struct cf_reading *reading)
{
    struct cf_failure_cursor *cursor;
    const struct cf_failure_row *row;
    const struct cf_run_row *run;
    int next, found = cf_reading_run(reading, reading->exchange->id, &run);
    if (found <= 0)
        return found;
    if (!cf_failures_open(reading->reader, run->run, &cursor, &reading->err))
        return -1;
    cf_object_open_list(&reading->json, "data");
    while ((next = cf_failures_next(cursor, &row, &reading->err)) > 0) {
        cf_object_open(&reading->json, NULL);
        cf_object_str(&reading->json, "kind", row->error_kind);
        cf_object_int(&reading->json, "count", row->count);
        cf_object_text(&reading->json, "item", row->key);
        cf_object_str(&reading->json, "message", row->error_message);
        cf_object_close(&reading->json);
    }
    cf_failures_free(cursor);
    cf_object_close_list(&reading->json);
    return next < 0 ? -1 : 1;
}

void cf_runs_failures(struct cf_http_exchange *exchange, struct cf_server *server)
{
    cf_reading_answer(exchange, server, "run", make_failures);
}
