#include "server/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <civetweb.h>

#include "base/log.h"
#include "base/object.h"
#include "confab/buf.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "engine/event_form.h"
#include "engine/events.h"
#include "server/problems.h"
#include "server/readers.h"
#include "server/respond.h"
#include "server/run_object.h"
#include "server/server.h"
#include "store/reader.h"

#define RETRY_MS 2000       /* until a browser connects again */

struct watch {
    struct cf_http_exchange *exchange;
    struct cf_server *server;
    struct cf_watcher *watcher;      /* NULL: this process does not work on the run */
    int64_t after;                   /* -1: it has not watched before */
    char uuid[CF_UUID_TEXT_SIZE];
    bool is_over;                    /* the run, as the database has it */
    struct cf_buf state;             /* its object */
    struct cf_buf out;
};

bool cf_watch_parse_id(const char *text, int64_t *out_id)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    long long id = strtoll(text, &end, 10);
    if (*end != '\0' || errno != 0)
        return false;
    *out_id = id;
    return true;
}

/* --- what is sent --- */

static bool send(struct watch *watch, const char *bytes, size_t len)
{
    return mg_write(watch->exchange->connection, bytes, len) == (int)len;
}

static bool flush(struct watch *watch)
{
    bool ok = cf_buf_ok(&watch->out) && send(watch, watch->out.data, watch->out.len);
    cf_buf_clear(&watch->out);
    return ok;
}

static void add_head(struct watch *watch)
{
    struct cf_http_exchange *exchange = watch->exchange;
    mg_disable_connection_keep_alive(exchange->connection);
    exchange->status = 200;
    cf_buf_adds(&watch->out, "HTTP/1.1 200 OK\r\n"
                             "Content-Type: text/event-stream; charset=utf-8\r\n"
                             "Cache-Control: no-store\r\n"
                             "X-Content-Type-Options: nosniff\r\n"
                             "X-Frame-Options: DENY\r\n"
                             "Referrer-Policy: no-referrer\r\n"
                             "Cross-Origin-Resource-Policy: same-origin\r\n"
                             "X-Accel-Buffering: no\r\n"
                             "Connection: close\r\n");
    cf_buf_add(&watch->out, exchange->headers.data, exchange->headers.len);
    cf_buf_adds(&watch->out, "\r\n");
    if (!exchange->is_head)
        cf_buf_addf(&watch->out, "retry: %d\n\n", RETRY_MS);
}

/* Adds an event of ours. id -1: it has none. data: complete JSON. */
static void add_own(struct watch *watch, const char *type, int64_t id, const struct cf_buf *data)
{
    struct cf_buf rest;
    cf_buf_init(&rest, CF_OBJECT_MAX);
    cf_event_rest(&rest, type, cf_unix_ms(cf_server_clock(watch->server)),
                  (struct cf_text){ cf_buf_str(data), data->len });
    const struct cf_event event = { id, watch->uuid, type, { cf_buf_str(&rest), rest.len } };
    cf_event_add(&watch->out, CF_EVENT_STREAM, &event);
    cf_buf_done(&rest);
}

static void add_state(struct watch *watch)
{
    struct cf_buf data;
    bool is_live = watch->watcher != NULL;
    cf_buf_init(&data, CF_OBJECT_MAX);
    cf_object_open(&data, NULL);
    cf_object_json(&data, "run", (struct cf_text){ cf_buf_str(&watch->state), watch->state.len });
    cf_object_bool(&data, "isLive", is_live);
    cf_object_bool(&data, "missed", is_live && cf_watcher_has_missed(watch->watcher));
    cf_object_close(&data);
    add_own(watch, "state", is_live ? cf_watcher_begin(watch->watcher) : -1, &data);
    cf_buf_done(&data);
}

static void end(struct watch *watch, const char *reason)
{
    struct cf_buf data;
    cf_buf_init(&data, CF_OBJECT_MAX);
    cf_object_open(&data, NULL);
    cf_object_str(&data, "reason", reason);
    cf_object_close(&data);
    add_own(watch, "end", -1, &data);
    cf_buf_done(&data);
    flush(watch);
}

/* --- the stream --- */

/* Another process works on it, or none does any more. */
static void tell_not_live(struct watch *watch)
{
    if (watch->is_over && watch->after >= 0) {    /* 204 keeps a browser from coming back */
        cf_respond_empty(watch->exchange, 204);
        return;
    }
    add_head(watch);
    if (watch->exchange->is_head) {
        flush(watch);
        return;
    }
    add_state(watch);
    end(watch, watch->is_over ? "over" : "not_here");
}

static void tell_live(struct watch *watch)
{
    const struct cf_server_options *options = cf_server_options(watch->server);
    struct cf_watched_events events;
    bool goes_on = watch->after >= 0 && !cf_watcher_has_missed(watch->watcher);
    enum cf_watched found = cf_watcher_take(watch->watcher, 0, &events);
    if (found == CF_WATCH_OVER && goes_on) {
        cf_respond_empty(watch->exchange, 204);
        return;
    }
    add_head(watch);
    if (!watch->exchange->is_head && !goes_on)
        add_state(watch);
    if (!flush(watch) || watch->exchange->is_head)
        return;
    for (;; found = cf_watcher_take(watch->watcher, options->heartbeat_ms, &events)) {
        switch (found) {
        case CF_WATCH_OVER: end(watch, "over"); return;
        case CF_WATCH_DROPPED: end(watch, "too_slow"); return;
        case CF_WATCH_STOPPED:
        case CF_WATCH_ENDED: end(watch, "server_stops"); return;
        case CF_WATCH_QUIET:
            if (!send(watch, ":\n\n", 3))
                return;
            break;
        case CF_WATCH_EVENTS:
            if (!send(watch, events.text.data, events.text.len))
                return;
            break;
        }
    }
}

/* --- the run --- */

/* Whether nobody will go on with it by himself. */
static bool is_over(const char *state)
{
    static const char *const open[] = { "running", "paused", "interrupted", "died" };
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        if (strcmp(state, open[i]) == 0)
            return false;
    return true;
}

/* Finds the run, begins to watch it, and only then looks how it stands, so that nothing is missed
 * in between. 1, 0 (there is no such run), -1. */
static int begin(struct watch *watch, struct cf_reader *reader, struct cf_error *err)
{
    const struct cf_run_row *row;
    int64_t run;
    int found = cf_reader_find_run(reader, watch->exchange->id, &run, err);
    if (found > 0)
        found = cf_reader_run(reader, run, &row, err);
    if (found <= 0)
        return found;
    snprintf(watch->uuid, sizeof watch->uuid, "%s", row->uuid);
    cf_events_watch(cf_server_options(watch->server)->events, watch->uuid, watch->after,
                    &watch->watcher);
    found = cf_reader_run(reader, run, &row, err);
    if (found <= 0)
        return found;
    watch->is_over = is_over(row->state);
    cf_run_api_object(&watch->state, NULL, row, cf_unix_ms(cf_server_clock(watch->server)));
    cf_redact(watch->state.data);
    watch->state.len = strlen(watch->state.data);
    return 1;
}

void cf_watch_refuse_id(struct cf_http_exchange *exchange, const char *name)
{
    struct cf_problems problems;
    cf_problems_init(&problems);
    cf_problems_add(&problems, name, "must be the number of an event");
    cf_respond_problems(exchange, &problems);
    cf_problems_done(&problems);
}

static bool read_after(struct watch *watch)
{
    const char *name = "Last-Event-ID", *text = cf_request_header(watch->exchange, name);
    if (text == NULL) {
        name = "lastEventId";
        text = cf_request_query(watch->exchange, name);
    }
    if (text == NULL || cf_watch_parse_id(text, &watch->after))
        return true;
    cf_watch_refuse_id(watch->exchange, name);
    return false;
}

void cf_watch_run(struct cf_http_exchange *exchange, struct cf_server *server)
{
    struct watch watch = { .exchange = exchange, .server = server, .after = -1 };
    struct cf_reader *reader = NULL;
    struct cf_error err;
    cf_buf_init(&watch.state, CF_OBJECT_MAX);
    cf_buf_init(&watch.out, CF_OBJECT_MAX);
    if (!read_after(&watch))
        goto done;

    bool has_reader = cf_readers_take(cf_server_readers(server), &reader, &err);
    int found = has_reader ? begin(&watch, reader, &err) : -1;
    cf_readers_give(cf_server_readers(server), reader);    /* the stream may last for hours */

    if (found < 0)
        cf_respond_error(exchange, &err);
    else if (found == 0)
        cf_respond_fail(exchange, 404, "there is no such run");
    else if (watch.watcher == NULL)
        tell_not_live(&watch);
    else
        tell_live(&watch);
done:
    cf_watcher_free(watch.watcher);
    cf_buf_done(&watch.out);
    cf_buf_done(&watch.state);
}
