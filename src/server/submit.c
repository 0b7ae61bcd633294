#include "server/submit.h"

#include <civetweb.h>
#include <cjson/cJSON.h>

#include "confab/buf.h"
#include "engine/events.h"
#include "server/batch_body.h"
#include "server/connection.h"
#include "server/job.h"
#include "server/request.h"
#include "server/respond.h"
#include "server/router.h"
#include "server/server.h"

#define RETRY_SECONDS "5" /* a server that was stopped is often started again at once */

static void refuse(struct cf_http_exchange *exchange)
{
    cf_respond_header(exchange, "Retry-After", RETRY_SECONDS);
    cf_respond_fail(
        exchange, 503,
        "the server is about to stop; what was begun is stored and goes on with the next");
}

static bool is_gone(void *asker)
{
    const struct cf_http_exchange *exchange = asker;
    return cf_connection_is_gone(exchange->connection);
}

/* Nobody is told; what was begun goes on, and its result is stored. */
static void give_up(struct cf_http_exchange *exchange)
{
    mg_disable_connection_keep_alive(exchange->connection);
    exchange->status = CF_SUBMIT_GONE_STATUS;
}

/* Hands the request over and passes the answer on. */
static void submit_question(struct cf_http_exchange *exchange, struct cf_server *server,
                            struct cf_job_question question)
{
    struct cf_jobs *jobs = cf_server_jobs(server);
    struct cf_job *job;
    struct cf_job_answer answer;
    question.id = exchange->id;
    question.key = cf_request_header(exchange, "Idempotency-Key");
    if (exchange->route->body_max > 0)
        question.body = (struct cf_text){ cf_buf_str(&exchange->body), exchange->body.len };

    question.has_requests = exchange->batch != NULL;
    question.requests = cf_batch_body_file(exchange->batch);
    question.is_gone = is_gone;
    question.asker = exchange;

    if (jobs == NULL || cf_server_is_draining(server) ||
        !cf_jobs_ask(jobs, &question, &job, &answer)) {
        if (is_gone(exchange))
            give_up(exchange);
        else
            refuse(exchange);
        return;
    }
    if (answer.retry_after_s >= 0)
        cf_respond_header(exchange, "Retry-After", "%lld", (long long)answer.retry_after_s);
    cf_respond(exchange, answer.status, CF_HTTP_JSON, answer.json.data, answer.json.len);
    cf_job_release(job);
}

static void submit(struct cf_http_exchange *exchange, struct cf_server *server, const char *task)
{
    submit_question(exchange, server, (struct cf_job_question){ .task = task });
}

/* Text that is streamed is told to those who watch. One who is told the run's id by the answer
 * comes too late for its beginning: so a watch of our own sees to it that events are kept from
 * here on. */
void cf_submit_generate(struct cf_http_exchange *exchange, struct cf_server *server)
{
    struct cf_job_question question = { .task = "generate" };
    struct cf_watcher *watcher = NULL;
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(exchange->json, "stream")) &&
        cf_events_watch(cf_server_options(server)->events, NULL, -1, &watcher))
        question.last_event_id = cf_watcher_begin(watcher);
    submit_question(exchange, server, question);
    cf_watcher_free(watcher);
}

void cf_submit_estimate(struct cf_http_exchange *exchange, struct cf_server *server)
{
    submit(exchange, server, "estimate");
}

void cf_submit_rate_limit(struct cf_http_exchange *exchange, struct cf_server *server)
{
    submit(exchange, server, "rate_limit");
}

void cf_submit_batch(struct cf_http_exchange *exchange, struct cf_server *server)
{
    submit(exchange, server, "batch");
}

void cf_submit_batch_limits(struct cf_http_exchange *exchange, struct cf_server *server)
{
    submit(exchange, server, "batch_limits");
}

void cf_submit_run(struct cf_http_exchange *exchange, struct cf_server *server)
{
    submit(exchange, server, "start");
}

void cf_submit_cancel(struct cf_http_exchange *exchange, struct cf_server *server)
{
    submit(exchange, server, "cancel");
}

void cf_submit_resume(struct cf_http_exchange *exchange, struct cf_server *server)
{
    submit(exchange, server, "resume");
}
