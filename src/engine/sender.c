#include "engine/sender.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/mem.h"
#include "confab/clock.h"
#include "engine/sender_impl.h"
#include "provider/anthropic.h"
#include "store/store.h"

void cf_sender_lane_key(const struct cf_sender *sender, const struct cf_key *key,
                        const char *limit_class, char out[CF_LANE_KEY_MAX])
{
    snprintf(out, CF_LANE_KEY_MAX, "%s|%s|%s", limit_class, key->name, sender->base_url);
}

/* --- the queue --- */

static void handle_submitted(struct cf_sender *sender, struct cf_sender_message *message)
{
    cf_attempt_begin_call(sender,
                          (struct cf_call *)((char *)message - offsetof(struct cf_call, message)));
}

struct control {
    struct cf_sender_message message;
    sem_t done;
    const char *key_name, *limit_class;    /* NULL: see cf_sender_limits */
    struct cf_limit_status *status;
    const struct cf_limit_config *change;  /* see cf_sender_tune */
    int64_t max_outage_ms;
    const struct cf_account *account;      /* see cf_sender_return_waiting */
    struct cf_error *err;
    void (*look)(struct cf_sender *sender, void *self);    /* see cf_sender_look */
    void *self;
    bool found;
};

static struct control *control_of(struct cf_sender_message *message)
{
    return (struct control *)((char *)message - offsetof(struct control, message));
}

static void handle_drain(struct cf_sender *sender, struct cf_sender_message *message)
{
    free(control_of(message));
    sender->is_draining = true;
    cf_attempt_return_waiting(sender, NULL);
}

static void handle_return_waiting(struct cf_sender *sender, struct cf_sender_message *message)
{
    struct control *control = control_of(message);
    cf_attempt_return_waiting(sender, control->account);
    free(control);
}

static void handle_abandon(struct cf_sender *sender, struct cf_sender_message *message)
{
    free(control_of(message));
    sender->is_draining = sender->is_abandoned = true;
    cf_store_hurry(sender->store);
    cf_attempt_abandon(sender);
}

static void handle_hold(struct cf_sender *sender, struct cf_sender_message *message)
{
    free(control_of(message));
    sender->is_held = true;
}

static void handle_unhold(struct cf_sender *sender, struct cf_sender_message *message)
{
    free(control_of(message));
    sender->is_held = false;
    cf_attempt_begin_held(sender);
}

static void handle_max_outage(struct cf_sender *sender, struct cf_sender_message *message)
{
    sender->breaker_policy.max_outage_ms = control_of(message)->max_outage_ms;
    free(control_of(message));
}

static void handle_end(struct cf_sender *sender, struct cf_sender_message *message)
{
    sender->is_ending = true;
    handle_abandon(sender, message);
}

static void handle_limits(struct cf_sender *sender, struct cf_sender_message *message)
{
    struct control *control = control_of(message);
    struct cf_key *key = cf_keys_find(&sender->keys, control->key_name);
    control->found = key != NULL;
    if (key != NULL) {
        char lane[CF_LANE_KEY_MAX];
        cf_sender_lane_key(sender, key, control->limit_class, lane);
        cf_limiter_status(sender->limiter, lane, cf_loop_now(sender->loop), control->status);
    }
    sem_post(&control->done);
}

static void handle_reset(struct cf_sender *sender, struct cf_sender_message *message)
{
    struct control *control = control_of(message);
    struct cf_key *key = cf_keys_find(&sender->keys, control->key_name);
    int64_t now = cf_loop_now(sender->loop);
    control->found = key != NULL;
    if (control->key_name == NULL) {
        cf_limiter_clear_all(sender->limiter, now);
    } else if (key != NULL) {
        char lane[CF_LANE_KEY_MAX];
        cf_sender_lane_key(sender, key, control->limit_class, lane);
        cf_limiter_reset(sender->limiter, lane, now);
    }
    sem_post(&control->done);
}

static void handle_tune(struct cf_sender *sender, struct cf_sender_message *message)
{
    struct control *control = control_of(message);
    const struct cf_limit_config *change = control->change;
    struct cf_limit_config limits = sender->limits;
    if (change->max_requests > 0) {
        limits.max_requests = change->max_requests;
        limits.is_default = false;
    }
    if (change->max_input_tokens > 0)
        limits.max_input_tokens = change->max_input_tokens;
    if (change->max_output_tokens > 0)
        limits.max_output_tokens = change->max_output_tokens;
    if (change->concurrency > 0)
        limits.concurrency = change->concurrency;
    control->found = cf_limiter_set_config(sender->limiter, NULL, &limits,
                                           cf_loop_now(sender->loop), control->err);
    if (control->found)
        sender->limits = limits;
    sem_post(&control->done);
}

static void handle_look(struct cf_sender *sender, struct cf_sender_message *message)
{
    struct control *control = control_of(message);
    control->look(sender, control->self);
    sem_post(&control->done);
}

static void on_messages(uint32_t events, void *self)
{
    (void)events;
    struct cf_sender *sender = self;
    struct cf_queue_link *list = cf_queue_take_all(&sender->queue);
    while (list != NULL) {
        struct cf_sender_message *message = (struct cf_sender_message *)list;
        list = list->next;
        message->handle(sender, message);
    }
}

static void pump_limiter(struct cf_sender *sender)
{
    if (cf_attempt_is_held(sender)) {
        cf_loop_clear_timer(sender->loop, &sender->limiter_timer);
        return;
    }
    int64_t now = cf_loop_now(sender->loop);
    struct cf_waiter *waiter;
    while (cf_limiter_next(sender->limiter, now, &waiter))
        cf_attempt_granted(sender,
                           (struct cf_call *)((char *)waiter - offsetof(struct cf_call, waiter)));

    int64_t wake_ms = cf_limiter_wake_ms(sender->limiter);
    if (wake_ms < 0)
        cf_loop_clear_timer(sender->loop, &sender->limiter_timer);
    else if (sender->limiter_timer.slot == 0 || sender->limiter_timer.due_ms != wake_ms)
        cf_loop_set_timer(sender->loop, &sender->limiter_timer, wake_ms);
}

static void on_limiter_due(void *self)
{
    pump_limiter(self);
}

static void publish_status(struct cf_sender *sender)
{
    struct cf_limit_status limits = { 0 };
    int64_t away_ms, probe_ms;
    if (sender->last_lane != NULL)
        cf_limiter_status(sender->limiter, sender->last_lane->key, cf_loop_now(sender->loop),
                          &limits);
    cf_outage_status(sender, &away_ms, &probe_ms);

    pthread_mutex_lock(&sender->status_lock);
    sender->status = (struct cf_sender_status){
        .waiting = sender->waiting, .in_flight = sender->in_flight,
        .backing_off = sender->backing_off, .at_stake_pico = sender->at_stake_pico,
        .paused_until_ms = limits.paused_until_ms, .limit_requests = limits.limit,
        .window_ms = sender->limits.window_ms, .is_held = sender->is_held,
        .limit_source = limits.source, .is_storage_full = cf_store_is_in_trouble(sender->store),
        .is_disk_low = sender->is_disk_low,
        .waiting_for_budget = sender->waiting_for_budget,
        .waiting_for_service = sender->waiting_for_service,
        .undecided = sender->undecided, .calls_wanted = sender->calls_wanted,
        .replies = sender->replies, .latency_ms = sender->latency_ms,
        .away_ms = away_ms, .next_probe_ms = probe_ms,
    };
    pthread_mutex_unlock(&sender->status_lock);
}

static void on_turn(void *self)
{
    struct cf_sender *sender = self;
    do {
        cf_budget_turn(sender);
        pump_limiter(sender);
    } while (sender->has_settled && sender->short_accounts != NULL);
    publish_status(sender);
    if (sender->is_ending && sender->calls == NULL)
        cf_loop_stop(sender->loop);
    cf_queue_flush_wakes();
}

/* --- life --- */

static void *run_thread(void *self)
{
    struct cf_sender *sender = self;
    pthread_setname_np(pthread_self(), "confab net");
    cf_queue_hold_wakes();    /* until the end of each turn */
    cf_loop_run(sender->loop);
    cf_queue_let_wakes_go();
    return NULL;
}

bool cf_sender_open(const struct cf_sender_options *options, struct cf_sender **out_sender,
                    struct cf_error *err)
{
    struct cf_sender *sender = cf_calloc(1, sizeof *sender);
    bool has_queue = false;

    sender->clock = options->clock;
    sender->models = options->models;
    sender->events = options->events;
    sender->store = options->store;
    sender->retry_policy = options->retry;
    sender->timeouts = options->timeouts;
    sender->limits = options->limits;
    sender->free_bytes = options->free_bytes;
    cf_breaker_policy_default(&sender->breaker_policy);
    if (options->max_outage_ms > 0)
        sender->breaker_policy.max_outage_ms = options->max_outage_ms;
    sender->base_url = cf_strdup(options->base_url);
    sender->url = cf_anthropic_url(options->base_url);
    cf_rng_seed(&sender->rng, options->seed);
    sender->limiter = cf_limiter_new();
    pthread_mutex_init(&sender->status_lock, NULL);

    cf_keys_init(&sender->keys, options->keys, options->key_count);
    sender->loop = cf_loop_new(options->clock);
    has_queue = sender->loop != NULL && cf_queue_init(&sender->queue);
    if (!has_queue) {
        cf_fail(err, CF_ERR_STORAGE, "no file descriptor is left; raise the limit (ulimit -n)");
        goto failed;
    }
    struct cf_http_options http = { .http2 = options->http2 };
    sender->http = cf_http_new(sender->loop, &http, err);
    if (sender->http == NULL)
        goto failed;
    if (!cf_limiter_set_config(sender->limiter, NULL, &options->limits, cf_loop_now(sender->loop),
                               err))
        goto failed;
    cf_learning_restore(sender, options->learnt, options->learnt_count);

    sender->limiter_timer.on_fire = on_limiter_due;
    sender->limiter_timer.self = sender;
    sender->queue_watch = (struct cf_watch){ on_messages, sender, cf_queue_fd(&sender->queue) };
    cf_loop_watch(sender->loop, &sender->queue_watch, EPOLLIN);
    cf_loop_set_idle(sender->loop, on_turn, sender);
    cf_health_begin(sender);
    if (pthread_create(&sender->thread, NULL, run_thread, sender) != 0) {
        cf_fail(err, CF_ERR_STORAGE, "no thread could be started");
        goto failed;
    }
    *out_sender = sender;
    return true;

failed:
    if (has_queue)
        cf_queue_done(&sender->queue);
    has_queue = false;
    cf_http_free(sender->http);
    cf_loop_free(sender->loop);
    sender->loop = NULL;
    cf_sender_free(sender);
    return false;
}

static void post_control(struct cf_sender *sender,
                         void (*handle)(struct cf_sender *, struct cf_sender_message *))
{
    struct control *control = cf_calloc(1, sizeof *control);
    control->message.handle = handle;
    cf_queue_push(&sender->queue, &control->message.link);
}

void cf_sender_end(struct cf_sender *sender)
{
    if (sender == NULL || sender->has_ended)
        return;
    post_control(sender, handle_end);
    pthread_join(sender->thread, NULL);
    sender->has_ended = true;
}

void cf_sender_free(struct cf_sender *sender)
{
    if (sender == NULL)
        return;
    if (sender->loop != NULL) {
        cf_sender_end(sender);
        on_messages(0, sender);      /* replies that could not be stored at last */
        cf_http_free(sender->http);
        cf_loop_free(sender->loop);
        cf_queue_done(&sender->queue);
    }
    cf_outage_free_lanes(sender);
    cf_learning_free(sender);
    cf_limiter_free(sender->limiter);
    cf_keys_done(&sender->keys);
    free(sender->base_url);
    free(sender->url);
    pthread_mutex_destroy(&sender->status_lock);
    free(sender);
}

void cf_sender_submit(struct cf_sender *sender, struct cf_call *call)
{
    call->message.handle = handle_submitted;
    cf_queue_push(&sender->queue, &call->message.link);
}

void cf_sender_drain(struct cf_sender *sender)
{
    post_control(sender, handle_drain);
}

void cf_sender_return_waiting(struct cf_sender *sender, const struct cf_account *account)
{
    struct control *control = cf_calloc(1, sizeof *control);
    control->message.handle = handle_return_waiting;
    control->account = account;
    cf_queue_push(&sender->queue, &control->message.link);
}

void cf_sender_hold(struct cf_sender *sender, bool is_held)
{
    post_control(sender, is_held ? handle_hold : handle_unhold);
}

void cf_sender_set_max_outage(struct cf_sender *sender, int64_t max_outage_ms)
{
    struct control *control = cf_calloc(1, sizeof *control);
    control->message.handle = handle_max_outage;
    control->max_outage_ms = max_outage_ms;
    cf_queue_push(&sender->queue, &control->message.link);
}

void cf_sender_abandon(struct cf_sender *sender)
{
    post_control(sender, handle_abandon);
}

void cf_sender_status(struct cf_sender *sender, struct cf_sender_status *out_status)
{
    pthread_mutex_lock(&sender->status_lock);
    *out_status = sender->status;
    pthread_mutex_unlock(&sender->status_lock);
}

static bool ask(struct cf_sender *sender, struct control *control)
{
    sem_init(&control->done, 0, 0);
    cf_queue_push(&sender->queue, &control->message.link);
    cf_queue_flush_wakes();
    while (sem_wait(&control->done) != 0)
        ;
    sem_destroy(&control->done);
    return control->found;
}

void cf_sender_look(struct cf_sender *sender, void (*look)(struct cf_sender *sender, void *self),
                    void *self)
{
    struct control control = {
        .message = { .handle = handle_look }, .look = look, .self = self,
    };
    ask(sender, &control);
}

bool cf_sender_limits(struct cf_sender *sender, const char *key_name, const char *limit_class,
                      struct cf_limit_status *out_status)
{
    struct control control = {
        .message = { .handle = handle_limits }, .key_name = key_name, .limit_class = limit_class,
        .status = out_status,
    };
    return ask(sender, &control);
}

bool cf_sender_reset_limits(struct cf_sender *sender, const char *key_name, const char *limit_class)
{
    struct control control = {
        .message = { .handle = handle_reset }, .key_name = key_name, .limit_class = limit_class,
    };
    return ask(sender, &control);
}

bool cf_sender_tune(struct cf_sender *sender, const struct cf_limit_config *change,
                    struct cf_error *err)
{
    struct control control = { .message = { .handle = handle_tune }, .change = change, .err = err };
    return ask(sender, &control);
}
