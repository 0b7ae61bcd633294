#include "engine/sender_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <utlist.h>

#include "base/log.h"
#include "confab/clock.h"
#include "confab/cost.h"
#include "confab/money.h"
#include "confab/retry_after.h"
#include "engine/ending.h"
#include "engine/models.h"
#include "engine/stream.h"
#include "engine/telling.h"
#include "provider/anthropic.h"
#include "provider/limits.h"
#include "store/store.h"

/* --- keys --- */

static void take_key_out(struct cf_sender *sender, struct cf_key *key, const struct cf_error *why)
{
    if (key->is_out)
        return;
    if (cf_keys_take_out(&sender->keys, key)) {
        cf_log(CF_LOG_WARN, "key \"%s\" is taken out of the run: %s", key->name, why->message);
        return;
    }
    struct cf_error stop = *why;
    if (sender->keys.count == 1)
        cf_fail_prefix(&stop, "key \"%s\": ", key->name);
    else
        cf_fail_prefix(&stop, "no key is left; the last, \"%s\": ", key->name);
    cf_attempt_stop_all(sender, &stop);
}

/* --- failures, stored --- */

static void handle_failure_stored(struct cf_sender *sender, struct cf_sender_message *message)
{
    struct cf_call *call = cf_attempt_call_of(message);
    bool was_refused = call->is_write_refused;
    call->is_writing = false;
    if (was_refused)
        cf_attempt_stop_all(sender, &call->error);

    bool is_over = cf_attempt_is_over(sender, call);
    if (call->is_granted) { /* a 429: the lane let it go meanwhile */
        cf_attempt_granted(sender, call);
    } else if (call->waiter.state == CF_WAITER_QUEUED) { /* a 429: first in its lane */
        if (is_over) {
            cf_limiter_cancel(sender->limiter, &call->waiter, cf_loop_now(sender->loop));
            sender->waiting--;
            cf_attempt_give_back_unsent(sender, call);
        }
    } else if (call->will_retry && !is_over) {
        cf_attempt_wait(sender, call);
    } else if (call->will_retry || was_refused) {
        cf_attempt_give_back_unsent(sender, call);
    } else {
        cf_attempt_give_back(sender, call);
    }
    if (was_refused)
        cf_attempt_return_waiting(sender, NULL);
}

/* Records a failed attempt. What follows, call->will_retry at call->due_ms, waits for the
 * commit. */
static void store_failure(struct cf_sender *sender, struct cf_call *call, bool may_be_billed)
{
    struct cf_write_call_failed *failed = &call->write.failed;
    int64_t duration_ms = cf_loop_now(sender->loop) - call->begun_ms;
    *failed = (struct cf_write_call_failed){
        .run = call->run,
        .item = call->item,
        .call = call->call_id,
        .will_retry = call->will_retry,
        .may_be_billed = may_be_billed,
        .http_status = call->error.http_status,
        .error_kind = cf_error_kind_name(call->error.kind),
        .error_message = call->error.message,
        .usage = CF_TOKEN_USAGE_NONE,
        .duration_ms = duration_ms,
        .request_id = call->request_id[0] != '\0' ? call->request_id : NULL,
    };
    if (call->stream != NULL && may_be_billed)    /* else it may be of an earlier attempt */
        cf_stream_tokens(call->stream, &failed->usage.input, &failed->usage.output);
    cf_attempt_write(sender, call, &failed->write, cf_write_call_failed, handle_failure_stored);
}

void cf_outcome_unsent(struct cf_sender *sender, struct cf_call *call)
{
    cf_fail(&call->error, CF_ERR_CANCELLED, "stopped before it was sent");
    call->will_retry = true;
    store_failure(sender, call, false);
}

/* Tells the script and the account of an attempt that is followed by another one. */
static void tell_retry(struct cf_sender *sender, struct cf_call *call,
                       const struct cf_retry_step *step, bool was_refused)
{
    cf_account_count_retry(call->account, was_refused);
    cf_log(CF_LOG_DEBUG, "call %" PRId64 ", attempt %d: %s; again in %" PRId64 " ms", call->call_id,
           call->attempts, call->error.message, call->due_ms - cf_loop_now(sender->loop));
    cf_telling_retry(sender, call);
    if (call->on_retry != NULL)
        call->on_retry(call, step, &call->error);
}

void cf_outcome_decided(struct cf_sender *sender, struct cf_call *call, bool again)
{
    call->will_retry = again;
    call->due_ms = cf_loop_now(sender->loop);
    if (again) {
        struct cf_retry_step step = { .verdict = CF_VERDICT_RETRY,
                                      .attempt = call->retry.attempts + 1 };
        tell_retry(sender, call, &step, false);
    }
    store_failure(sender, call, call->may_be_billed);
}

/* --- failures --- */

static enum cf_transport transport_of(const struct cf_http_result *result)
{
    switch (result->failure) {
    case CF_HTTP_OK: return CF_TRANSPORT_OK;
    case CF_HTTP_REFUSED: return CF_TRANSPORT_CONNECT_REFUSED;
    case CF_HTTP_PROXY: return CF_TRANSPORT_CONNECT_REFUSED;
    case CF_HTTP_DNS: return CF_TRANSPORT_DNS;
    case CF_HTTP_TLS: return CF_TRANSPORT_TLS;
    case CF_HTTP_CONNECT_TIMEOUT: return CF_TRANSPORT_TIMEOUT_CONNECT;
    case CF_HTTP_FIRST_BYTE_TIMEOUT: return CF_TRANSPORT_TIMEOUT_FIRST_BYTE;
    case CF_HTTP_IDLE_TIMEOUT: return CF_TRANSPORT_TIMEOUT_IDLE;
    case CF_HTTP_TOTAL_TIMEOUT: return CF_TRANSPORT_TIMEOUT_TOTAL;
    case CF_HTTP_RESET:
        return result->any_written ? CF_TRANSPORT_RESET_AFTER_SEND : CF_TRANSPORT_RESET_BEFORE_SEND;
    case CF_HTTP_CUT: return CF_TRANSPORT_CUT_SHORT;
    case CF_HTTP_TOO_LARGE: return CF_TRANSPORT_TOO_LARGE;
    case CF_HTTP_GARBAGE: return CF_TRANSPORT_BAD_REPLY;
    case CF_HTTP_BAD_URL: return CF_TRANSPORT_BAD_URL;
    case CF_HTTP_CANCELLED: return CF_TRANSPORT_CANCELLED;
    default: return CF_TRANSPORT_OTHER;
    }
}

static enum cf_should_retry should_retry_of(const struct cf_limit_headers *limits)
{
    if (strcmp(limits->should_retry, "true") == 0)
        return CF_SHOULD_RETRY_YES;
    return strcmp(limits->should_retry, "false") == 0 ? CF_SHOULD_RETRY_NO : CF_SHOULD_RETRY_UNSAID;
}

/* Books what the attempt may have cost, in the ledger and the limiter. */
static void book_failure(struct cf_sender *sender, struct cf_call *call,
                         const struct cf_retry_step *step, bool is_refused)
{
    if (step->judgement.billing == CF_BILLING_UNKNOWN)
        cf_budget_lose(sender, call);
    else
        cf_budget_release(sender, call);
    cf_attempt_count_back(sender, call);

    int64_t now = cf_loop_now(sender->loop);
    if (is_refused && call->will_retry) {
        cf_limiter_refused(sender->limiter, &call->waiter, step->delay_ms, 0, now);
        cf_telling_rate_limit(sender, call->lane, step->delay_ms);
        sender->waiting++;
        return;
    }
    static const enum cf_release releases[] = {
        [CF_BILLING_NEVER_SENT] = CF_RELEASE_NEVER_SENT,
        [CF_BILLING_REFUSED] = CF_RELEASE_FAILED,
        [CF_BILLING_UNKNOWN] = CF_RELEASE_UNKNOWN,
    };
    cf_limiter_release(sender->limiter, &call->waiter,
                       is_refused ? CF_RELEASE_NEVER_SENT : releases[step->judgement.billing], now);
}

static bool is_timeout(enum cf_transport transport)
{
    return transport == CF_TRANSPORT_TIMEOUT_FIRST_BYTE || transport == CF_TRANSPORT_TIMEOUT_IDLE ||
           transport == CF_TRANSPORT_TIMEOUT_TOTAL;
}

static void fail_attempt(struct cf_sender *sender, struct cf_call *call,
                         const struct cf_failure *failure)
{
    struct cf_retry_step step;
    int64_t min_delay_ms;
    bool counts = cf_outage_failed(sender, call, failure, &min_delay_ms);
    bool again =
        counts ? cf_retry_next(&call->retry, failure, &sender->rng, &step)
               : cf_retry_next_uncounted(&call->retry, failure, min_delay_ms, &sender->rng, &step);
    if (again && step.delay_ms < min_delay_ms)
        step.delay_ms = min_delay_ms;
    cf_retry_error(failure, &call->error);
    bool is_refused = step.judgement.verdict == CF_VERDICT_RETRY_NOT_COUNTED;
    if (is_timeout(failure->transport))
        cf_log(CF_LOG_WARN, "item %s, call %" PRId64 ": %s after %" PRId64 " s", call->item_name,
               call->call_id, step.judgement.reason,
               (cf_loop_now(sender->loop) - call->begun_ms) / 1000);

    if (step.verdict == CF_VERDICT_KEY_OUT) {
        take_key_out(sender, call->key, &call->error);
        again = !sender->has_stopped; /* another key may serve */
        step.delay_ms = 0;
        if (sender->has_stopped)
            call->error = sender->stop_error; /* it names the key */
    } else if (step.verdict == CF_VERDICT_STOP_RUN) {
        cf_attempt_stop_all(sender, &call->error);
    }
    bool may_be_billed = step.judgement.billing == CF_BILLING_UNKNOWN;
    bool is_cancelled = step.verdict == CF_VERDICT_CANCELLED;

    /* What was given up unsent waits for the next session; what was sent is unknown. */
    call->will_retry = is_cancelled ? !may_be_billed : again;
    call->stops_run =
        !again && (step.verdict == CF_VERDICT_KEY_OUT || step.verdict == CF_VERDICT_STOP_RUN);
    call->due_ms = cf_loop_now(sender->loop) + step.delay_ms;
    if (again)
        tell_retry(sender, call, &step, is_refused);
    book_failure(sender, call, &step, is_refused);
    if (!again && counts && cf_verdict_is_open(call, &step))
        cf_verdict_wait(call, may_be_billed);
    else
        store_failure(sender, call, may_be_billed);
    if (sender->has_stopped)
        cf_attempt_return_waiting(sender, NULL);
}

static void fail_with_status(struct cf_sender *sender, struct cf_call *call,
                             struct cf_http_result *result, const struct cf_limit_headers *limits)
{
    struct cf_api_error api;
    cf_anthropic_error(result->status, &result->headers, result->body.data, result->body.len, &api);
    snprintf(call->request_id, sizeof call->request_id, "%s", api.request_id);
    struct cf_failure failure = {
        .transport = CF_TRANSPORT_OK,
        .http_status = result->status,
        .error_type = api.type,
        .error_code = api.code,
        .error_message = api.message,
        .should_retry = should_retry_of(limits),
        .request_written = true,
        .retry_after_ms = cf_retry_after_parse(
            limits->retry_after_ms[0] != '\0' ? limits->retry_after_ms : NULL,
            limits->retry_after[0] != '\0' ? limits->retry_after : NULL,
            cf_http_headers_get(&result->headers, "date"), cf_unix_ms(sender->clock)),
    };
    cf_learning_hear(sender, call, limits, result->status == 429);
    fail_attempt(sender, call, &failure);
}

/* A stream that began well and came to nothing. */
static void fail_stream(struct cf_sender *sender, struct cf_call *call, struct cf_failure *failure,
                        const struct cf_limit_headers *limits)
{
    failure->should_retry = should_retry_of(limits);
    cf_learning_hear(sender, call, limits, false);
    fail_attempt(sender, call, failure);
}

static void fail_without_reply(struct cf_sender *sender, struct cf_call *call,
                               const struct cf_http_result *result)
{
    struct cf_failure failure = {
        .transport = transport_of(result),
        .http_status = result->status,
        .error_message = result->message,
        .request_written = result->any_written,
        .retry_after_ms = -1,
    };
    fail_attempt(sender, call, &failure);
}

/* --- replies --- */

static void to_usage(const struct cf_reply_usage *reply, struct cf_usage *out)
{
    *out = (struct cf_usage){
        .is_known = reply->is_known,
        .is_batch = strcmp(reply->service_tier, "batch") == 0,
        .is_us = strcmp(reply->inference_geo, "us") == 0,
    };
    out->tokens[CF_TOKENS_INPUT] = reply->input;
    out->tokens[CF_TOKENS_OUTPUT] = reply->output;
    out->tokens[CF_TOKENS_CACHE_WRITE_5M] = reply->cache_write_5m;
    out->tokens[CF_TOKENS_CACHE_WRITE_1H] = reply->cache_write_1h;
    out->tokens[CF_TOKENS_CACHE_READ] = reply->cache_read;
}

static int64_t if_present(const struct cf_reply_usage *usage, unsigned bit, int64_t count)
{
    return (usage->present & bit) != 0 ? count : -1;
}

static void handle_reply_refused(struct cf_sender *sender, struct cf_sender_message *message)
{
    struct cf_call *call = cf_attempt_call_of(message);
    call->is_writing = false;
    cf_attempt_stop_all(sender, &call->error);
    call->stops_run = true;
    cf_queue_push(call->completions, &call->completion.link);
    cf_attempt_return_waiting(sender, NULL);
}

/* Store thread. A stored reply goes straight to the script. One that cannot be stored, for as long
 * as the store tries, stops the run: the next session books it as unknown. */
static void on_reply_write(struct cf_write *write, const struct cf_error *err)
{
    struct cf_call *call = write->owner;
    struct cf_sender *sender = call->http.self;
    if (err == NULL) {
        call->has_reply = true;
        cf_queue_push(call->completions, &call->completion.link);
        return;
    }
    call->error = *err;
    call->message.handle = handle_reply_refused;
    cf_queue_push(&sender->queue, &call->message.link);
}

static void take_reply(struct cf_sender *sender, struct cf_call *call,
                       struct cf_http_result *result, const struct cf_limit_headers *limits)
{
    struct cf_error err;
    if (!cf_anthropic_decode(result->body.data, result->body.len, &call->reply, &err)) {
        struct cf_failure failure = {
            .transport = CF_TRANSPORT_BAD_REPLY,
            .http_status = result->status,
            .error_message = err.message,
            .request_written = true,
            .retry_after_ms = -1,
        };
        fail_attempt(sender, call, &failure);
        return;
    }
    call->raw = cf_buf_take(&result->body, &call->raw_len);
    call->latency_ms = result->timings.total_ms;

    struct cf_usage usage;
    to_usage(&call->reply.usage, &usage);
    const struct cf_model *answered =
        cf_models_answered(sender->models, call->model, call->reply.model);
    call->cost_pico = cf_cost_of(answered != NULL ? &answered->price : NULL, &usage);
    cf_outage_answered(sender, call, false);
    cf_budget_settle(sender, call, &usage);

    if (usage.is_known) {
        struct cf_amounts actual = {
            1,
            call->reply.usage.input + call->reply.usage.cache_write,
            call->reply.usage.output,
        };
        cf_limiter_settle(sender->limiter, &call->waiter, &actual, cf_loop_now(sender->loop));
        cf_learning_output(sender, call->template_id, actual.output);
    }
    cf_learning_hear(sender, call, limits, false);
    cf_limiter_release(sender->limiter, &call->waiter, CF_RELEASE_DONE, cf_loop_now(sender->loop));
    cf_attempt_count_back(sender, call);

    const struct cf_reply_usage *counted = &call->reply.usage;
    unsigned writes = CF_USAGE_CACHE_WRITE | CF_USAGE_CACHE_SPLIT;
    call->write.reply = (struct cf_write_call_reply){
        .write = { .apply = cf_write_call_reply, .on_done = on_reply_write, .owner = call },
        .run = call->run, .item = call->item, .call = call->call_id,
        .reply = { call->raw, call->raw_len },
        .usage = {
            .input = if_present(counted, CF_USAGE_INPUT, counted->input),
            .output = if_present(counted, CF_USAGE_OUTPUT, counted->output),
            .cache_write_5m = if_present(counted, writes, counted->cache_write_5m),
            .cache_write_1h = if_present(counted, writes, counted->cache_write_1h),
            .cache_read = if_present(counted, CF_USAGE_CACHE_READ, counted->cache_read),
            .thinking = if_present(counted, CF_USAGE_THINKING, counted->thinking),
            .service_tier = counted->service_tier[0] != '\0' ? counted->service_tier : NULL,
        },
        .cost_pico = call->cost_pico,
        .model_answered = call->reply.model,
        .stop_reason = call->reply.stop_text,
        .latency_ms = call->latency_ms,
        .request_id = limits->request_id[0] != '\0' ? limits->request_id : NULL,
    };
    if (call->ending != NULL)
        call->write.reply.finish =
            cf_ending_take(call->ending, &call->reply, call->call_id, call->cost_pico);
    snprintf(call->request_id, sizeof call->request_id, "%s", limits->request_id);
    if (call->write.reply.request_id != NULL)
        call->write.reply.request_id = call->request_id;
    call->is_writing = true;
    DL_DELETE(sender->calls, call); /* from here on it is the store's, then the script's */
    cf_store_submit(sender->store, &call->write.reply.write);
}

void cf_outcome_take(struct cf_http_request *request, struct cf_http_result *result, void *self)
{
    struct cf_sender *sender = self;
    struct cf_call *call = (struct cf_call *)((char *)request - offsetof(struct cf_call, http));
    struct cf_limit_headers limits;
    cf_limit_headers_read(&result->headers, &limits);
    snprintf(call->request_id, sizeof call->request_id, "%s", limits.request_id);

    struct cf_failure failure;
    enum cf_stream_end end = CF_STREAM_ENDED_NOT;
    if (call->stream != NULL) {
        cf_telling_text_end(sender, call);
        end = cf_stream_conclude(call->stream, result, &failure);
    }

    if (end == CF_STREAM_ENDED_FAILED)
        fail_stream(sender, call, &failure, &limits);
    else if (result->failure != CF_HTTP_OK)
        fail_without_reply(sender, call, result);
    else if (result->status == 200)
        take_reply(sender, call, result, &limits);
    else
        fail_with_status(sender, call, result, &limits);
}
