#include "engine/sender_impl.h"

#include <stdio.h>
#include <string.h>

#include <utlist.h>

#include "base/log.h"
#include "confab/clock.h"
#include "confab/cost.h"
#include "confab/money.h"
#include "confab/retry_after.h"
#include "engine/account.h"
#include "engine/models.h"
#include "provider/anthropic.h"
#include "provider/limits.h"
#include "store/store.h"

#define STORE_RETRY_MS    1000     /* a full disk is looked at again so often */
#define STORE_PATIENCE_MS 60000    /* and so long, before the run stops */

static struct cf_call *call_of(struct cf_sender_message *message)
{
    return (struct cf_call *)((char *)message - offsetof(struct cf_call, message));
}

static void begin_attempt(struct cf_sender *sender, struct cf_call *call);

/* --- coming back --- */

/* The call is over and has nothing to store: it goes straight to the script. */
static void give_back(struct cf_sender *sender, struct cf_call *call)
{
    DL_DELETE(sender->calls, call);
    cf_queue_push(call->completions, &call->completion.link);
}

static void fail_cancelled(struct cf_error *err)
{
    cf_fail(err, CF_ERR_CANCELLED, "stopped before it was sent");
}

static void give_back_cancelled(struct cf_sender *sender, struct cf_call *call)
{
    if (sender->has_stopped) {
        call->error = sender->stop_error;
        call->stops_run = true;
    } else {
        fail_cancelled(&call->error);
    }
    give_back(sender, call);
}

/* --- stopping everything --- */

/* From now on no call can succeed: those that wait come back with the reason. */
static void stop_all(struct cf_sender *sender, const struct cf_error *why)
{
    if (sender->has_stopped)
        return;
    sender->has_stopped = true;
    sender->stop_error = *why;
}

/* Takes a call out of the line of its lane. */
static void cancel_waiting(struct cf_sender *sender, struct cf_call *call)
{
    cf_limiter_cancel(sender->limiter, &call->waiter, cf_loop_now(sender->loop));
    sender->waiting--;
    give_back_cancelled(sender, call);
}

/* Takes back what is not in flight, once nothing new is to be sent. */
void cf_attempt_return_waiting(struct cf_sender *sender)
{
    struct cf_call *call, *next;
    DL_FOREACH_SAFE(sender->calls, call, next) {
        if (call->is_writing)
            continue;               /* its commit will find the flags */
        if (call->waiter.state == CF_WAITER_QUEUED) {
            cancel_waiting(sender, call);
        } else if (call->is_held) {
            call->is_held = false;
            give_back_cancelled(sender, call);
        } else if (call->timer.slot != 0) {
            cf_loop_clear_timer(sender->loop, &call->timer);
            sender->backing_off--;
            give_back_cancelled(sender, call);
        }
    }
}

static bool sends_nothing_new(const struct cf_sender *sender)
{
    return sender->is_draining || sender->has_stopped;
}

/* --- keys and lanes --- */

void cf_sender_lane_key(const struct cf_sender *sender, const struct cf_key *key, const char *limit_class,
                        char out[CF_LANE_KEY_MAX])
{
    snprintf(out, CF_LANE_KEY_MAX, "%s|%s|%s", limit_class, key->name, sender->base_url);
}

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
    stop_all(sender, &stop);
}

static void on_write_for_net(struct cf_write *write, const struct cf_error *err);

/* --- attempts --- */

static void set_http_fields(struct cf_call *call)
{
    call->http.fields = call->key->fields;
    call->http.field_count = call->key->field_count;
}

static void submit_write(struct cf_sender *sender, struct cf_call *call, struct cf_write *write,
                         bool (*apply)(struct cf_write *, struct cf_store_tx *, struct cf_error *),
                         void (*handle)(struct cf_sender *, struct cf_sender_message *))
{
    write->apply = apply;
    write->on_done = on_write_for_net;
    write->owner = call;
    call->message.handle = handle;
    call->is_writing = true;
    cf_store_submit(sender->store, write);
}

static void on_request_sent(struct cf_http_request *request, void *self)
{
    struct cf_sender *sender = self;
    struct cf_call *call = (struct cf_call *)((char *)request - offsetof(struct cf_call, http));
    cf_limiter_sent(sender->limiter, &call->waiter, cf_now_ms(sender->clock));
}

static void on_request_done(struct cf_http_request *request, struct cf_http_result *result, void *self);

/* Ends the grant of an attempt: its slot in the limiter, its reservation in the ledger. */
static void end_grant(struct cf_sender *sender, struct cf_call *call, enum cf_release how)
{
    cf_limiter_release(sender->limiter, &call->waiter, how, cf_loop_now(sender->loop));
}

static void count_out_of_flight(struct cf_sender *sender, struct cf_call *call)
{
    sender->in_flight--;
    if (call->bound_pico > 0)
        sender->at_stake_pico -= call->bound_pico;
}

/* Takes back a grant of which nothing was sent. */
static void undo_grant(struct cf_sender *sender, struct cf_call *call)
{
    end_grant(sender, call, CF_RELEASE_NEVER_SENT);
    cf_account_release(call->account, call->bound_pico);
    count_out_of_flight(sender, call);
}

static void handle_failure_stored(struct cf_sender *sender, struct cf_sender_message *message);

/* Records a failed attempt. What follows, call->will_retry at call->due_ms, waits for the commit. */
static void store_failure(struct cf_sender *sender, struct cf_call *call, bool may_be_billed)
{
    struct cf_write_call_failed *failed = &call->write.failed;
    int64_t duration_ms = cf_loop_now(sender->loop) - call->begun_ms;
    *failed = (struct cf_write_call_failed){
        .run = call->run, .item = call->item, .call = call->call_id,
        .will_retry = call->will_retry, .may_be_billed = may_be_billed,
        .http_status = call->error.http_status,
        .error_kind = cf_error_kind_name(call->error.kind), .error_message = call->error.message,
        .usage = CF_TOKEN_USAGE_NONE, .duration_ms = duration_ms,
        .request_id = call->request_id[0] != '\0' ? call->request_id : NULL,
    };
    submit_write(sender, call, &failed->write, cf_write_call_failed, handle_failure_stored);
}

/* The row 'sent' is committed: now, and not before, a byte may leave. */
static void handle_sent_stored(struct cf_sender *sender, struct cf_sender_message *message)
{
    struct cf_call *call = call_of(message);
    call->is_writing = false;
    if (call->is_write_refused) {
        undo_grant(sender, call);
        stop_all(sender, &call->error);
        give_back_cancelled(sender, call);
        cf_attempt_return_waiting(sender);
        return;
    }
    call->call_id = call->write.sent.call;
    call->begun_ms = cf_loop_now(sender->loop);
    call->request_id[0] = '\0';

    if (sends_nothing_new(sender)) {
        undo_grant(sender, call);
        fail_cancelled(&call->error);
        call->will_retry = true;         /* the call waits, for the next time the run is begun */
        store_failure(sender, call, false);
        return;
    }

    call->attempts++;
    call->http.method = CF_HTTP_POST;
    call->http.url = sender->url;
    set_http_fields(call);
    call->http.body = call->body;
    call->http.body_len = call->body_len;
    call->http.timeouts = sender->timeouts;
    call->http.on_sent = on_request_sent;
    call->http.on_done = on_request_done;
    call->http.self = sender;
    cf_http_send(sender->http, &call->http);
}

/* The lane let it go: its cost is reserved, and its row written before anything is sent. */
void cf_attempt_granted(struct cf_sender *sender, struct cf_call *call)
{
    if (call->is_writing) {
        call->is_granted = true;         /* the log row of the last attempt is still on its way */
        return;
    }
    call->is_granted = false;
    sender->waiting--;
    if (sends_nothing_new(sender)) {
        end_grant(sender, call, CF_RELEASE_NEVER_SENT);
        give_back_cancelled(sender, call);
        return;
    }
    if (call->key->is_out) {             /* meanwhile: another key's lane may have room */
        end_grant(sender, call, CF_RELEASE_NEVER_SENT);
        begin_attempt(sender, call);
        return;
    }
    sender->in_flight++;
    if (call->bound_pico > 0)
        sender->at_stake_pico += call->bound_pico;
    cf_account_reserve(call->account, call->bound_pico);

    struct cf_write_call_sent *sent = &call->write.sent;
    *sent = (struct cf_write_call_sent){
        .run = call->run, .item = call->item, .call = call->call_id,
        .branch = call->branch, .ordinal = call->ordinal, .model = call->model->name,
        .template = call->template_id, .max_tokens = call->max_tokens,
        .bound_pico = call->bound_pico,
        .request = call->attempts == 0 ? (struct cf_text){ call->body, call->body_len }
                                       : (struct cf_text){ NULL, 0 },
    };
    memcpy(sent->request_hash, call->hash, sizeof sent->request_hash);
    submit_write(sender, call, &sent->write, cf_write_call_sent, handle_sent_stored);
}

static void begin_attempt(struct cf_sender *sender, struct cf_call *call)
{
    if (sends_nothing_new(sender)) {
        give_back_cancelled(sender, call);
        return;
    }
    if (sender->is_held) {
        call->is_held = true;
        return;
    }
    call->error.kind = CF_OK;
    call->key = cf_keys_next(&sender->keys);
    cf_sender_lane_key(sender, call->key, call->model->limit_class, sender->last_lane);

    int64_t now = cf_loop_now(sender->loop);
    if (call->key->has_limits)
        cf_limiter_set_config(sender->limiter, sender->last_lane, &call->key->limits, now, NULL);
    sender->waiting++;
    int granted = cf_limiter_acquire(sender->limiter, sender->last_lane, &call->waiter, &call->amounts,
                                     now, &call->error);
    if (granted < 0) {
        sender->waiting--;
        give_back(sender, call);
    } else if (granted > 0) {
        cf_attempt_granted(sender, call);
    }
}

void cf_attempt_begin_held(struct cf_sender *sender)
{
    struct cf_call *call, *next;
    DL_FOREACH_SAFE(sender->calls, call, next) {
        if (call->is_held) {
            call->is_held = false;
            begin_attempt(sender, call);
        }
    }
}

static void on_retry_due(void *self)
{
    struct cf_call *call = self;
    struct cf_sender *sender = call->http.self;
    sender->backing_off--;
    begin_attempt(sender, call);
}

static void wait_for_retry(struct cf_sender *sender, struct cf_call *call)
{
    sender->backing_off++;
    call->timer.on_fire = on_retry_due;
    call->timer.self = call;
    cf_loop_set_timer(sender->loop, &call->timer, call->due_ms);
}

static void handle_failure_stored(struct cf_sender *sender, struct cf_sender_message *message)
{
    struct cf_call *call = call_of(message);
    bool was_refused = call->is_write_refused;
    call->is_writing = false;
    if (was_refused)
        stop_all(sender, &call->error);

    if (call->is_granted) {                             /* a 429: the lane let it go meanwhile */
        cf_attempt_granted(sender, call);
    } else if (call->waiter.state == CF_WAITER_QUEUED) {    /* a 429: first in its lane */
        if (sends_nothing_new(sender))
            cancel_waiting(sender, call);
    } else if (call->will_retry && !sends_nothing_new(sender)) {
        wait_for_retry(sender, call);
    } else if (call->will_retry || was_refused) {
        give_back_cancelled(sender, call);
    } else {
        give_back(sender, call);
    }
    if (was_refused)
        cf_attempt_return_waiting(sender);
}

static void on_write_for_net(struct cf_write *write, const struct cf_error *err)
{
    struct cf_call *call = write->owner;
    struct cf_sender *sender = call->http.self;
    call->is_write_refused = err != NULL;
    if (err != NULL)
        call->error = *err;
    cf_queue_push(&sender->queue, &call->message.link);
}

/* --- failures --- */

static enum cf_transport transport_of(const struct cf_http_result *result)
{
    switch (result->failure) {
    case CF_HTTP_OK:                 return CF_TRANSPORT_OK;
    case CF_HTTP_REFUSED:            return CF_TRANSPORT_CONNECT_REFUSED;
    case CF_HTTP_PROXY:              return CF_TRANSPORT_CONNECT_REFUSED;
    case CF_HTTP_DNS:                return CF_TRANSPORT_DNS;
    case CF_HTTP_TLS:                return CF_TRANSPORT_TLS;
    case CF_HTTP_CONNECT_TIMEOUT:    return CF_TRANSPORT_TIMEOUT_CONNECT;
    case CF_HTTP_FIRST_BYTE_TIMEOUT: return CF_TRANSPORT_TIMEOUT_FIRST_BYTE;
    case CF_HTTP_IDLE_TIMEOUT:       return CF_TRANSPORT_TIMEOUT_IDLE;
    case CF_HTTP_TOTAL_TIMEOUT:      return CF_TRANSPORT_TIMEOUT_TOTAL;
    case CF_HTTP_RESET:              return result->any_written ? CF_TRANSPORT_RESET_AFTER_SEND
                                                                : CF_TRANSPORT_RESET_BEFORE_SEND;
    case CF_HTTP_CUT:                return CF_TRANSPORT_CUT_SHORT;
    case CF_HTTP_TOO_LARGE:          return CF_TRANSPORT_TOO_LARGE;
    case CF_HTTP_GARBAGE:            return CF_TRANSPORT_BAD_REPLY;
    case CF_HTTP_BAD_URL:            return CF_TRANSPORT_BAD_URL;
    case CF_HTTP_CANCELLED:          return CF_TRANSPORT_CANCELLED;
    default:                         return CF_TRANSPORT_OTHER;
    }
}

static enum cf_should_retry should_retry_of(const struct cf_limit_headers *limits)
{
    if (strcmp(limits->should_retry, "true") == 0)
        return CF_SHOULD_RETRY_YES;
    return strcmp(limits->should_retry, "false") == 0 ? CF_SHOULD_RETRY_NO : CF_SHOULD_RETRY_UNSAID;
}

/* Books what the attempt may have cost, in the ledger and the limiter. */
static void book_failure(struct cf_sender *sender, struct cf_call *call, const struct cf_retry_step *step,
                         bool is_refused)
{
    bool may_be_billed = step->judgement.billing == CF_BILLING_UNKNOWN;
    if (may_be_billed)
        cf_account_lose(call->account, call->bound_pico);
    else
        cf_account_release(call->account, call->bound_pico);
    count_out_of_flight(sender, call);

    if (is_refused && call->will_retry) {
        cf_limiter_refused(sender->limiter, &call->waiter, step->delay_ms, 0, cf_loop_now(sender->loop));
        sender->waiting++;
        return;
    }
    static const enum cf_release releases[] = {
        [CF_BILLING_NEVER_SENT] = CF_RELEASE_NEVER_SENT,
        [CF_BILLING_REFUSED] = CF_RELEASE_FAILED,
        [CF_BILLING_UNKNOWN] = CF_RELEASE_UNKNOWN,
    };
    end_grant(sender, call, is_refused ? CF_RELEASE_NEVER_SENT : releases[step->judgement.billing]);
}

static void fail_attempt(struct cf_sender *sender, struct cf_call *call, const struct cf_failure *failure)
{
    struct cf_retry_step step;
    bool again = cf_retry_next(&call->retry, failure, &sender->rng, &step);
    cf_retry_error(failure, &call->error);
    bool is_refused = step.judgement.verdict == CF_VERDICT_RETRY_NOT_COUNTED;

    if (step.verdict == CF_VERDICT_KEY_OUT) {
        take_key_out(sender, call->key, &call->error);
        again = !sender->has_stopped;          /* another key may serve */
        step.delay_ms = 0;
        if (sender->has_stopped)
            call->error = sender->stop_error;  /* it names the key */
    } else if (step.verdict == CF_VERDICT_STOP_RUN) {
        stop_all(sender, &call->error);
    }
    bool may_be_billed = step.judgement.billing == CF_BILLING_UNKNOWN;
    bool is_cancelled = step.verdict == CF_VERDICT_CANCELLED;

    /* What was given up unsent waits for the next time the run is begun; what was sent is unknown. */
    call->will_retry = is_cancelled ? !may_be_billed : again;
    call->stops_run = !again && (step.verdict == CF_VERDICT_KEY_OUT || step.verdict == CF_VERDICT_STOP_RUN);
    call->due_ms = cf_loop_now(sender->loop) + step.delay_ms;
    if (again) {
        cf_account_count_retry(call->account, is_refused);
        cf_log(CF_LOG_DEBUG, "call %lld, attempt %d: %s; again in %lld ms", (long long)call->call_id,
               call->attempts, call->error.message, (long long)step.delay_ms);
        if (call->on_retry != NULL)
            call->on_retry(call, &step, &call->error);
    }
    book_failure(sender, call, &step, is_refused);
    store_failure(sender, call, may_be_billed);
    if (sender->has_stopped)
        cf_attempt_return_waiting(sender);
}

static void fail_with_status(struct cf_sender *sender, struct cf_call *call,
                             struct cf_http_result *result, const struct cf_limit_headers *limits)
{
    struct cf_api_error api;
    cf_anthropic_error(result->status, &result->headers, result->body.data, result->body.len, &api);
    snprintf(call->request_id, sizeof call->request_id, "%s", api.request_id);
    struct cf_failure failure = {
        .transport = CF_TRANSPORT_OK, .http_status = result->status,
        .error_type = api.type, .error_code = api.code, .error_message = api.message,
        .should_retry = should_retry_of(limits), .request_written = true,
        .retry_after_ms = cf_retry_after_parse(
            limits->retry_after_ms[0] != '\0' ? limits->retry_after_ms : NULL,
            limits->retry_after[0] != '\0' ? limits->retry_after : NULL,
            cf_unix_ms(sender->clock)),
    };
    fail_attempt(sender, call, &failure);
}

static void fail_without_reply(struct cf_sender *sender, struct cf_call *call,
                               const struct cf_http_result *result)
{
    struct cf_failure failure = {
        .transport = transport_of(result), .http_status = result->status,
        .error_message = result->message, .request_written = result->any_written,
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

static void handle_reply_refused(struct cf_sender *sender, struct cf_sender_message *message);

static void submit_reply(struct cf_sender *sender, struct cf_call *call)
{
    cf_store_submit(sender->store, &call->write.reply.write);
}

static void handle_reply_stored(struct cf_sender *sender, struct cf_sender_message *message);

/* Store thread. A stored reply goes straight to the script; one that cannot be stored goes back to
 * the net thread, which tries again. */
static void on_reply_write(struct cf_write *write, const struct cf_error *err)
{
    struct cf_call *call = write->owner;
    struct cf_sender *sender = call->http.self;
    if (err == NULL && !call->is_kept) {
        call->has_reply = true;
        cf_queue_push(call->completions, &call->completion.link);
        return;
    }
    if (err != NULL)
        call->error = *err;
    call->message.handle = err != NULL ? handle_reply_refused : handle_reply_stored;
    cf_queue_push(&sender->queue, &call->message.link);
}

static void on_store_again(void *self)
{
    struct cf_call *call = self;
    submit_reply(call->http.self, call);
}

void cf_attempt_abandon(struct cf_sender *sender)
{
    cf_attempt_return_waiting(sender);
    struct cf_call *call, *next;
    DL_FOREACH_SAFE(sender->calls, call, next) {
        if (call->http.transfer != NULL) {
            cf_http_cancel(sender->http, &call->http);
        } else if (call->is_kept && call->timer.slot != 0) {
            cf_loop_clear_timer(sender->loop, &call->timer);
            submit_reply(sender, call);      /* for the last time */
        }
    }
}

/* The reply is paid for, so it is kept and tried again while there is hope of room on the disk. */
static void handle_reply_refused(struct cf_sender *sender, struct cf_sender_message *message)
{
    struct cf_call *call = call_of(message);
    int64_t now = cf_loop_now(sender->loop);
    if (!call->is_kept) {
        call->is_kept = true;
        DL_APPEND(sender->calls, call);
    }
    if (sender->store_trouble_ms == 0) {
        sender->store_trouble_ms = now;
        cf_log(CF_LOG_WARN, "%s; replies are kept and stored as soon as that is possible", call->error.message);
    }
    if (now - sender->store_trouble_ms < STORE_PATIENCE_MS && !sender->is_abandoned) {
        call->timer.on_fire = on_store_again;
        call->timer.self = call;
        cf_loop_set_timer(sender->loop, &call->timer, now + STORE_RETRY_MS);
        return;
    }
    call->is_writing = false;
    stop_all(sender, &call->error);
    give_back_cancelled(sender, call);
    cf_attempt_return_waiting(sender);
}

static void handle_reply_stored(struct cf_sender *sender, struct cf_sender_message *message)
{
    struct cf_call *call = call_of(message);
    if (sender->store_trouble_ms != 0) {
        sender->store_trouble_ms = 0;
        cf_log(CF_LOG_WARN, "storing works again");
    }
    call->is_writing = false;
    call->has_reply = true;
    give_back(sender, call);
}

static void take_reply(struct cf_sender *sender, struct cf_call *call, struct cf_http_result *result,
                       const struct cf_limit_headers *limits)
{
    struct cf_error err;
    if (!cf_anthropic_decode(result->body.data, result->body.len, &call->reply, &err)) {
        struct cf_failure failure = {
            .transport = CF_TRANSPORT_BAD_REPLY, .http_status = result->status,
            .error_message = err.message, .request_written = true, .retry_after_ms = -1,
        };
        fail_attempt(sender, call, &failure);
        return;
    }
    call->raw = cf_buf_take(&result->body, &call->raw_len);
    call->latency_ms = result->timings.total_ms;

    struct cf_usage usage;
    to_usage(&call->reply.usage, &usage);
    const struct cf_model *answered = cf_models_answered(sender->models, call->model, call->reply.model);
    call->cost_pico = cf_cost_of(answered != NULL ? &answered->price : NULL, &usage);
    if (!cf_account_settle(call->account, call->bound_pico, call->cost_pico, &usage))
        cf_log(CF_LOG_WARN, "call %lld cost more than its bound; it is booked in full",
               (long long)call->call_id);

    if (usage.is_known) {
        struct cf_amounts actual = {
            1, call->reply.usage.input + call->reply.usage.cache_write, call->reply.usage.output,
        };
        cf_limiter_settle(sender->limiter, &call->waiter, &actual, cf_loop_now(sender->loop));
    }
    end_grant(sender, call, CF_RELEASE_DONE);
    count_out_of_flight(sender, call);

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
    snprintf(call->request_id, sizeof call->request_id, "%s", limits->request_id);
    if (call->write.reply.request_id != NULL)
        call->write.reply.request_id = call->request_id;
    call->is_writing = true;
    DL_DELETE(sender->calls, call);      /* from here on it is the store's, then the script's */
    submit_reply(sender, call);
}

static void on_request_done(struct cf_http_request *request, struct cf_http_result *result, void *self)
{
    struct cf_sender *sender = self;
    struct cf_call *call = (struct cf_call *)((char *)request - offsetof(struct cf_call, http));
    struct cf_limit_headers limits;
    cf_limit_headers_read(&result->headers, &limits);
    snprintf(call->request_id, sizeof call->request_id, "%s", limits.request_id);

    if (result->failure != CF_HTTP_OK)
        fail_without_reply(sender, call, result);
    else if (result->status == 200)
        take_reply(sender, call, result, &limits);
    else
        fail_with_status(sender, call, result, &limits);
}

void cf_attempt_begin_call(struct cf_sender *sender, struct cf_call *call)
{
    DL_APPEND(sender->calls, call);
    call->http.self = sender;
    cf_retry_init(&call->retry, &sender->retry_policy);
    begin_attempt(sender, call);
}
