#include "engine/sender_impl.h"

#include <stdio.h>
#include <string.h>

#include <utlist.h>

#include "base/log.h"
#include "confab/clock.h"
#include "engine/models.h"
#include "engine/stream.h"
#include "engine/telling.h"
#include "store/store.h"

struct cf_call *cf_attempt_call_of(struct cf_sender_message *message)
{
    return (struct cf_call *)((char *)message - offsetof(struct cf_call, message));
}

/* --- coming back --- */

void cf_attempt_give_back(struct cf_sender *sender, struct cf_call *call)
{
    DL_DELETE(sender->calls, call);
    cf_queue_push(call->completions, &call->completion.link);
}

/* Why nothing more is sent for runs of this account; NULL if that is not so. */
static const struct cf_error *stop_of(const struct cf_account *account)
{
    for (; account != NULL; account = account->parent)
        if (account->stop.kind != CF_OK)
            return &account->stop;
    return NULL;
}

bool cf_attempt_is_over(const struct cf_sender *sender, const struct cf_call *call)
{
    return sender->is_draining || sender->has_stopped || stop_of(call->account) != NULL;
}

void cf_attempt_give_back_unsent(struct cf_sender *sender, struct cf_call *call)
{
    const struct cf_error *why = sender->has_stopped ? &sender->stop_error : stop_of(call->account);
    call->stops_run = why != NULL;
    if (why != NULL)
        call->error = *why;
    else
        cf_fail(&call->error, CF_ERR_CANCELLED, "stopped before it was sent");
    cf_outage_not_gone(sender, call);
    cf_budget_release(sender, call);
    cf_attempt_give_back(sender, call);
}

void cf_attempt_stop_all(struct cf_sender *sender, const struct cf_error *why)
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
    cf_attempt_give_back_unsent(sender, call);
}

void cf_attempt_return_waiting(struct cf_sender *sender, const struct cf_account *account)
{
    struct cf_call *call, *next;
    DL_FOREACH_SAFE(sender->calls, call, next)
    {
        if (account != NULL && call->account != account && call->account->parent != account)
            continue;
        if (call->is_writing)
            continue; /* its commit will find out */
        if (call->waiter.state == CF_WAITER_QUEUED) {
            cancel_waiting(sender, call);
        } else if (call->parked == CF_PARKED_VERDICT) {
            cf_verdict_end(call, true); /* by the next session */
        } else if (call->parked != CF_PARKED_NOT) {
            cf_attempt_unpark(sender, call);
            cf_attempt_give_back_unsent(sender, call);
        } else if (call->timer.slot != 0) {
            cf_loop_clear_timer(sender->loop, &call->timer);
            sender->backing_off--;
            cf_attempt_give_back_unsent(sender, call);
        }
    }
}

void cf_attempt_abandon(struct cf_sender *sender)
{
    cf_attempt_return_waiting(sender, NULL);
    struct cf_call *call, *next;
    DL_FOREACH_SAFE(sender->calls, call, next)
    {
        if (call->http.transfer != NULL)
            cf_http_cancel(sender->http, &call->http);
    }
}

/* --- calls put aside --- */

/* Where calls of that kind are listed, and counted; NULL: nobody counts them. */
static struct cf_call **parked_list(struct cf_sender *sender, struct cf_call *call,
                                    enum cf_parked why, int64_t **out_count)
{
    switch (why) {
    case CF_PARKED_BUDGET: *out_count = &sender->waiting_for_budget; return &call->account->waiting;
    case CF_PARKED_SERVICE: *out_count = &sender->waiting_for_service; return &call->lane->parked;
    default: *out_count = &sender->waiting_to_be_let_go; return &sender->held;
    }
}

void cf_attempt_park(struct cf_sender *sender, struct cf_call *call, enum cf_parked why)
{
    int64_t *count;
    struct cf_call **list = parked_list(sender, call, why, &count);
    DL_APPEND2(*list, call, park_prev, park_next);
    ++*count;
    call->parked = why;
}

void cf_attempt_unpark(struct cf_sender *sender, struct cf_call *call)
{
    int64_t *count;
    struct cf_call **list = parked_list(sender, call, call->parked, &count);
    DL_DELETE2(*list, call, park_prev, park_next);
    --*count;
    call->parked = CF_PARKED_NOT;
}

bool cf_attempt_is_held(const struct cf_sender *sender)
{
    return sender->is_held || sender->is_disk_low;
}

void cf_attempt_begin_held(struct cf_sender *sender)
{
    while (sender->held != NULL && !cf_attempt_is_held(sender)) {
        struct cf_call *call = sender->held;
        cf_attempt_unpark(sender, call);
        cf_attempt_begin(sender, call);
    }
}

/* --- writing --- */

static void on_write_done(struct cf_write *write, const struct cf_error *err)
{
    struct cf_call *call = write->owner;
    struct cf_sender *sender = call->http.self;
    call->is_write_refused = err != NULL;
    if (err != NULL)
        call->error = *err;
    cf_queue_push(&sender->queue, &call->message.link);
}

void cf_attempt_write(struct cf_sender *sender, struct cf_call *call, struct cf_write *write,
                      bool (*apply)(struct cf_write *, struct cf_store_tx *, struct cf_error *),
                      void (*handle)(struct cf_sender *, struct cf_sender_message *))
{
    write->apply = apply;
    write->on_done = on_write_done;
    write->owner = call;
    call->message.handle = handle;
    call->is_writing = true;
    cf_store_submit(sender->store, write);
}

/* --- sending --- */

static void on_request_sent(struct cf_http_request *request, void *self)
{
    struct cf_sender *sender = self;
    struct cf_call *call = (struct cf_call *)((char *)request - offsetof(struct cf_call, http));
    sender->has_written = true;
    cf_limiter_sent(sender->limiter, &call->waiter, cf_now_ms(sender->clock));
}

static enum cf_http_piece on_request_piece(struct cf_http_request *request,
                                           const struct cf_http_result *so_far, const char *bytes,
                                           size_t len, void *self)
{
    struct cf_call *call = (struct cf_call *)((char *)request - offsetof(struct cf_call, http));
    enum cf_http_piece verdict = cf_stream_read(call->stream, so_far, bytes, len);
    if (verdict != CF_HTTP_COLLECT)
        cf_telling_text(self, call);
    return verdict;
}

static void begin_stream(struct cf_call *call)
{
    cf_stream_begin(call->stream, call->attempts);
    call->http.on_piece = on_request_piece;
    if (call->http.timeouts.total_ms == 0)
        call->http.timeouts.total_ms = cf_stream_total_ms(call->output_bound);
}

void cf_attempt_count_back(struct cf_sender *sender, struct cf_call *call)
{
    sender->in_flight--;
    if (call->bound_pico > 0)
        sender->at_stake_pico -= call->bound_pico;
}

/* Takes back a grant of which nothing was sent. */
static void undo_grant(struct cf_sender *sender, struct cf_call *call)
{
    cf_limiter_release(sender->limiter, &call->waiter, CF_RELEASE_NEVER_SENT,
                       cf_loop_now(sender->loop));
}

/* The row 'sent' is committed: now, and not before, a byte may leave. */
static void handle_sent_stored(struct cf_sender *sender, struct cf_sender_message *message)
{
    struct cf_call *call = cf_attempt_call_of(message);
    call->is_writing = false;
    bool is_over = cf_attempt_is_over(sender, call);
    bool has_row = !call->is_write_refused && call->write.sent.room == CF_SCRIPT_HAS_ROOM;
    if (!has_row || is_over) {
        undo_grant(sender, call);
        cf_outage_not_gone(sender, call);
        cf_budget_release(sender, call);
        cf_attempt_count_back(sender, call);
    }
    if (call->is_write_refused) {
        cf_attempt_stop_all(sender, &call->error);
        cf_attempt_give_back_unsent(sender, call);
        cf_attempt_return_waiting(sender, NULL);
        return;
    }
    if (!has_row) {
        cf_budget_refused(sender, call);
        return;
    }
    cf_account_count_attempt(call->account);
    call->call_id = call->write.sent.call;
    call->begun_ms = cf_loop_now(sender->loop);
    call->request_id[0] = '\0';
    if (is_over) {
        cf_outcome_unsent(sender, call);
        return;
    }

    call->attempts++;
    call->was_named = false;
    call->http.method = CF_HTTP_POST;
    call->http.url = sender->url;
    call->http.fields = call->key->fields;
    call->http.field_count = call->key->field_count;
    call->http.body = call->body;
    call->http.body_len = call->body_len;
    call->http.timeouts = sender->timeouts;
    call->http.on_sent = on_request_sent;
    call->http.on_done = cf_outcome_take;
    call->http.self = sender;
    if (call->stream != NULL)
        begin_stream(call);
    cf_outage_sending(sender);
    cf_http_send(sender->http, &call->http);
}

/* The lane let it go: its row is written before anything is sent. */
void cf_attempt_granted(struct cf_sender *sender, struct cf_call *call)
{
    if (call->is_writing) {
        call->is_granted = true; /* the log row of the last attempt is still on its way */
        return;
    }
    call->is_granted = false;
    sender->waiting--;
    if (cf_attempt_is_over(sender, call)) {
        undo_grant(sender, call);
        cf_attempt_give_back_unsent(sender, call);
        return;
    }
    if (call->key->is_out) { /* meanwhile: another key's lane may have room */
        undo_grant(sender, call);
        cf_outage_not_gone(sender, call);
        cf_attempt_begin(sender, call);
        return;
    }
    if (!cf_outage_may_go(sender, call)) {
        undo_grant(sender, call);
        cf_budget_release(sender, call);
        cf_attempt_park(sender, call, CF_PARKED_SERVICE);
        cf_outage_watch(call->lane);
        return;
    }
    if (!cf_budget_reserve(sender, call)) { /* after a 429: each attempt reserves anew */
        undo_grant(sender, call);
        cf_outage_not_gone(sender, call);
        cf_attempt_park(sender, call, CF_PARKED_BUDGET);
        return;
    }
    sender->in_flight++;
    if (call->bound_pico > 0)
        sender->at_stake_pico += call->bound_pico;

    struct cf_account *shared = cf_account_shared(call->account);
    struct cf_write_call_sent *sent = &call->write.sent;
    *sent = (struct cf_write_call_sent){
        .run = call->run,
        .item = call->item,
        .call = call->call_id,
        .branch = call->branch,
        .ordinal = call->ordinal,
        .model = call->model->name,
        .template = call->template_id,
        .max_tokens = call->max_tokens,
        .bound_pico = call->bound_pico,
        .budget = shared != NULL ? shared->shared : NULL,
        .request = call->attempts == 0 ? (struct cf_text){ call->body, call->body_len }
                                       : (struct cf_text){ NULL, 0 },
    };
    memcpy(sent->request_hash, call->hash, sizeof sent->request_hash);
    cf_attempt_write(sender, call, &sent->write, cf_write_call_sent, handle_sent_stored);
}

/* --- the gates --- */

/* Chooses a key whose lane is open to the call; false if the service is away for all of them. */
static bool choose_lane(struct cf_sender *sender, struct cf_call *call)
{
    for (size_t i = 0; i < sender->keys.count; i++) {
        call->key = cf_keys_next(&sender->keys);
        call->lane = cf_outage_lane(sender, call->key, call->model->limit_class);
        if (cf_outage_may_go(sender, call))
            return true;
    }
    return false;
}

/* The cheap gates come first, then the money, then the line of the lane: what waits there has
 * its bound reserved, so that it goes as soon as it is let go. */
void cf_attempt_begin(struct cf_sender *sender, struct cf_call *call)
{
    if (cf_attempt_is_over(sender, call)) {
        cf_attempt_give_back_unsent(sender, call);
        return;
    }
    if (cf_attempt_is_held(sender)) {
        cf_budget_release(sender, call);
        cf_attempt_park(sender, call, CF_PARKED_HELD);
        return;
    }
    call->error.kind = CF_OK;
    if (!choose_lane(sender, call)) {
        cf_budget_release(sender, call);
        cf_attempt_park(sender, call, CF_PARKED_SERVICE);
        cf_outage_watch(call->lane);
        return;
    }
    if (!cf_budget_reserve(sender, call)) {
        cf_outage_not_gone(sender, call);
        cf_attempt_park(sender, call, CF_PARKED_BUDGET);
        return;
    }

    int64_t now = cf_loop_now(sender->loop);
    sender->last_lane = call->lane;
    if (call->key->has_limits)
        cf_limiter_set_config(sender->limiter, call->lane->key, &call->key->limits, now, NULL);
    cf_learning_predict(sender, call);
    sender->waiting++;
    int granted = cf_limiter_acquire(sender->limiter, call->lane->key, &call->waiter,
                                     &call->amounts, now, &call->error);
    if (granted < 0) {
        sender->waiting--;
        cf_outage_not_gone(sender, call);
        cf_budget_release(sender, call);
        cf_attempt_give_back(sender, call);
    } else if (granted > 0) {
        cf_attempt_granted(sender, call);
    }
}

static void on_retry_due(void *self)
{
    struct cf_call *call = self;
    struct cf_sender *sender = call->http.self;
    sender->backing_off--;
    cf_attempt_begin(sender, call);
}

void cf_attempt_wait(struct cf_sender *sender, struct cf_call *call)
{
    sender->backing_off++;
    call->timer.on_fire = on_retry_due;
    call->timer.self = call;
    cf_loop_set_timer(sender->loop, &call->timer, call->due_ms);
}

void cf_attempt_begin_call(struct cf_sender *sender, struct cf_call *call)
{
    DL_APPEND(sender->calls, call);
    call->http.self = sender;
    cf_retry_init(&call->retry, &sender->retry_policy);
    cf_attempt_begin(sender, call);
}
