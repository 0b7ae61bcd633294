#include "confab/limiter.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "confab/error.h"
#include "limit/limiter_impl.h"

#define TIME_MAX_MS (INT64_C(1) << 42)    /* 139 years; in nanoseconds it still fits 63 bits */
#define AMOUNT_MAX  INT64_C(1000000000000)

/* Time that stands or runs backwards is taken as standing. */
int64_t cf_limiter_take_now(struct cf_limiter *limiter, int64_t now_ms)
{
    if (now_ms > TIME_MAX_MS)
        now_ms = TIME_MAX_MS;
    if (now_ms > limiter->now_ms)
        limiter->now_ms = now_ms;
    return limiter->now_ms;
}

static struct cf_lane *lane_of_node(struct cf_heap_node *node)
{
    return (struct cf_lane *)((char *)node - offsetof(struct cf_lane, node));
}

static void leave_heap(struct cf_lane *lane)
{
    if (lane->heap != NULL)
        cf_heap_remove(lane->heap, &lane->node);
    lane->heap = NULL;
}

static void enter_heap(struct cf_heap *heap, struct cf_lane *lane, int64_t at_ms)
{
    if (at_ms == CF_LANE_NEVER)
        return;
    lane->heap = heap;
    cf_heap_set(heap, &lane->node, at_ms);
}

void cf_limiter_file(struct cf_limiter *limiter, struct cf_lane *lane)
{
    leave_heap(lane);
    if (lane->first != NULL)
        enter_heap(&limiter->waiting, lane,
                   cf_lane_ready_ms(lane, &lane->first->amounts, limiter->now_ms));
    else
        enter_heap(&limiter->idle, lane, cf_lane_forget_ms(lane));
}

void cf_limiter_drop(struct cf_limiter *limiter, struct cf_lane *lane)
{
    struct cf_limit_learnt learnt;
    cf_lane_learnt(lane, &learnt);
    if (cf_limit_learnt_any(&learnt))
        cf_records_get(&limiter->records, lane->key)->learnt = learnt;
    leave_heap(lane);
    HASH_DEL(limiter->lanes, lane);
    cf_lane_free(lane);
}

static void forget_idle(struct cf_limiter *limiter)
{
    struct cf_heap_node *node;
    while ((node = cf_heap_top(&limiter->idle)) != NULL && node->at_ms <= limiter->now_ms)
        cf_limiter_drop(limiter, lane_of_node(node));
}

struct cf_lane *cf_limiter_find_lane(struct cf_limiter *limiter, const char *key)
{
    key = cf_records_resolve(&limiter->records, key);
    struct cf_lane *lane;
    HASH_FIND_STR(limiter->lanes, key, lane);
    return lane;
}

void cf_limiter_configure(struct cf_limiter *limiter, struct cf_lane *lane)
{
    const struct cf_record *own = cf_records_find(&limiter->records, lane->key);
    lane->has_own_config = own != NULL && own->has_config;
    lane->config = lane->has_own_config ? own->config : limiter->config;
    cf_lane_update_limits(lane, limiter->now_ms);
    cf_limiter_file(limiter, lane);
}

struct cf_lane *cf_limiter_get_lane(struct cf_limiter *limiter, const char *key)
{
    struct cf_lane *lane = cf_limiter_find_lane(limiter, key);
    if (lane != NULL)
        return lane;

    key = cf_records_resolve(&limiter->records, key);
    lane = cf_lane_new(key, &limiter->config);
    struct cf_record *record = cf_records_find(&limiter->records, key);
    cf_limiter_configure(limiter, lane);
    if (record != NULL) {
        cf_lane_restore(lane, &record->learnt, limiter->now_ms);
        record->learnt = (struct cf_limit_learnt){ 0 };
        cf_records_trim(&limiter->records, record);
    }
    HASH_ADD_KEYPTR(hh, limiter->lanes, lane->key, strlen(lane->key), lane);
    return lane;
}

static void grant(struct cf_limiter *limiter, struct cf_lane *lane, struct cf_waiter *waiter,
                  bool was_queued)
{
    cf_lane_grant(lane, waiter, ++limiter->next_grant, was_queued, limiter->now_ms);
    waiter->lane = lane;
}

struct cf_limiter *cf_limiter_new(void)
{
    struct cf_limiter *limiter = cf_calloc(1, sizeof *limiter);
    cf_limit_config_default(&limiter->config);
    return limiter;
}

void cf_limiter_free(struct cf_limiter *limiter)
{
    if (limiter == NULL)
        return;

    struct cf_lane *lane, *next_lane;
    HASH_ITER(hh, limiter->lanes, lane, next_lane)
        cf_limiter_drop(limiter, lane);
    cf_records_done(&limiter->records);
    cf_heap_done(&limiter->waiting);
    cf_heap_done(&limiter->idle);
    free(limiter);
}

static void set_key_config(struct cf_limiter *limiter, const char *key,
                           const struct cf_limit_config *config)
{
    struct cf_record *own = cf_records_get(&limiter->records, key);
    own->has_config = config != NULL;
    if (config != NULL)
        own->config = *config;
    cf_records_trim(&limiter->records, own);
}

bool cf_limiter_set_config(struct cf_limiter *limiter, const char *key,
                           const struct cf_limit_config *config, int64_t now_ms,
                           struct cf_error *err)
{
    if (config != NULL && !cf_limit_config_check(config, err))
        return false;

    cf_limiter_take_now(limiter, now_ms);
    if (key != NULL) {
        set_key_config(limiter, key, config);
    } else {
        if (config != NULL)
            limiter->config = *config;
        else
            cf_limit_config_default(&limiter->config);
    }

    if (key != NULL) {
        struct cf_lane *lane = cf_limiter_find_lane(limiter, key);
        if (lane != NULL)
            cf_limiter_configure(limiter, lane);
        return true;
    }
    struct cf_lane *lane, *next_lane;
    HASH_ITER(hh, limiter->lanes, lane, next_lane)
        cf_limiter_configure(limiter, lane);
    return true;
}

static bool check_amounts(const struct cf_lane *lane, const struct cf_amounts *amounts,
                          struct cf_error *err)
{
    if (amounts->requests < 1 || amounts->requests > lane->limit[CF_REQUESTS])
        return cf_fail(err, CF_ERR_CONFIG,
                       "a call of %" PRId64 " requests does not fit a limit of %" PRId64,
                       amounts->requests, lane->limit[CF_REQUESTS]);
    if (amounts->input < 0 || amounts->input > AMOUNT_MAX ||
        amounts->output < 0 || amounts->output > AMOUNT_MAX)
        return cf_fail(err, CF_ERR_CONFIG, "tokens must be from 0 to %" PRId64, AMOUNT_MAX);
    return true;
}

static void refuse(struct cf_lane *lane, const struct cf_amounts *amounts, int64_t now_ms,
                   struct cf_error *err)
{
    int64_t at_ms = cf_lane_estimate_ms(lane, amounts, now_ms);
    if (at_ms == CF_LANE_NEVER)
        cf_fail(err, CF_ERR_RATE_LIMIT, "rate limit reached: calls in flight must end first");
    else
        cf_fail(err, CF_ERR_RATE_LIMIT, "rate limit reached: try again in %" PRId64 " ms",
                at_ms - now_ms);
    if (err != NULL) {
        err->retryable = true;
        err->retry_after_ms = at_ms == CF_LANE_NEVER ? -1 : at_ms - now_ms;
    }
}

int cf_limiter_acquire(struct cf_limiter *limiter, const char *key, struct cf_waiter *waiter,
                       const struct cf_amounts *amounts, int64_t now_ms, struct cf_error *err)
{
    assert(waiter->state == CF_WAITER_IDLE);
    now_ms = cf_limiter_take_now(limiter, now_ms);
    forget_idle(limiter);

    struct cf_lane *lane = cf_limiter_get_lane(limiter, key);
    int result = -1;
    if (!check_amounts(lane, amounts, err))
        goto done;

    bool goes_now = lane->first == NULL && cf_lane_ready_ms(lane, amounts, now_ms) <= now_ms;
    if (!goes_now && !lane->config.enable_queue) {
        refuse(lane, amounts, now_ms, err);
        goto done;
    }

    waiter->lane = lane;
    waiter->amounts = *amounts;
    waiter->order = ++limiter->next_order;
    if (goes_now)
        grant(limiter, lane, waiter, false);
    else
        cf_lane_push(lane, waiter);
    result = goes_now;
done:
    cf_limiter_file(limiter, lane);
    return result;
}

int cf_limiter_next(struct cf_limiter *limiter, int64_t now_ms, struct cf_waiter **out_waiter)
{
    now_ms = cf_limiter_take_now(limiter, now_ms);
    forget_idle(limiter);

    struct cf_heap_node *node;
    while ((node = cf_heap_top(&limiter->waiting)) != NULL && node->at_ms <= now_ms) {
        struct cf_lane *lane = lane_of_node(node);
        struct cf_waiter *waiter = lane->first;
        bool goes_now = cf_lane_ready_ms(lane, &waiter->amounts, now_ms) <= now_ms;
        if (goes_now) {
            cf_lane_take(lane, waiter);
            grant(limiter, lane, waiter, true);
        }
        cf_limiter_file(limiter, lane);
        if (goes_now) {
            *out_waiter = waiter;
            return 1;
        }
    }
    return 0;
}

void cf_limiter_ask_again(struct cf_limiter *limiter, struct cf_waiter *waiter,
                          const struct cf_amounts *amounts, int64_t now_ms)
{
    cf_limiter_take_now(limiter, now_ms);
    if (waiter->state != CF_WAITER_QUEUED)
        return;
    struct cf_lane *lane = waiter->lane;
    cf_lane_ask_again(lane, waiter, amounts);
    if (lane->first == waiter)
        cf_limiter_file(limiter, lane);
}

int64_t cf_limiter_wake_ms(const struct cf_limiter *limiter)
{
    const struct cf_heap_node *node = cf_heap_top(&limiter->waiting);
    return node ? node->at_ms : -1;
}

void cf_limiter_mark_sent(struct cf_limiter *limiter, struct cf_waiter *waiter, bool is_told)
{
    if (waiter->state == CF_WAITER_SENT)
        return;
    waiter->sent_order = ++limiter->next_sent;
    cf_lane_written(waiter->lane, waiter, is_told, limiter->now_ms);
}

void cf_limiter_sent(struct cf_limiter *limiter, struct cf_waiter *waiter, int64_t now_ms)
{
    assert(waiter->state == CF_WAITER_GRANTED || waiter->state == CF_WAITER_SENT);
    cf_limiter_take_now(limiter, now_ms);
    cf_limiter_mark_sent(limiter, waiter, true);
    cf_limiter_file(limiter, waiter->lane);
}

void cf_limiter_settle(struct cf_limiter *limiter, struct cf_waiter *waiter,
                       const struct cf_amounts *actual, int64_t now_ms)
{
    assert(waiter->state == CF_WAITER_GRANTED || waiter->state == CF_WAITER_SENT);
    now_ms = cf_limiter_take_now(limiter, now_ms);
    struct cf_amounts amounts = *actual;
    int64_t *const fields[] = { &amounts.requests, &amounts.input, &amounts.output };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (*fields[i] < 0)
            *fields[i] = 0;
        if (*fields[i] > AMOUNT_MAX)
            *fields[i] = AMOUNT_MAX;
    }
    cf_lane_correct(waiter->lane, waiter, &amounts, now_ms);
    cf_limiter_file(limiter, waiter->lane);
}

void cf_limiter_release(struct cf_limiter *limiter, struct cf_waiter *waiter, enum cf_release how,
                        int64_t now_ms)
{
    assert(waiter->state == CF_WAITER_GRANTED || waiter->state == CF_WAITER_SENT);
    now_ms = cf_limiter_take_now(limiter, now_ms);
    struct cf_lane *lane = waiter->lane;

    if (how == CF_RELEASE_NEVER_SENT) {
        cf_lane_correct(lane, waiter, NULL, now_ms);
    } else {
        struct cf_amounts kept = waiter->amounts;
        kept.output = 0;
        cf_lane_written(lane, waiter, false, now_ms);
        if (how == CF_RELEASE_FAILED)
            cf_lane_correct(lane, waiter, &kept, now_ms);
    }
    cf_lane_end(lane, waiter, now_ms);
    waiter->state = CF_WAITER_IDLE;
    waiter->lane = NULL;
    cf_limiter_file(limiter, lane);
}

void cf_limiter_refused(struct cf_limiter *limiter, struct cf_waiter *waiter, int64_t wait_ms,
                        int64_t jitter_ms, int64_t now_ms)
{
    assert(waiter->state == CF_WAITER_GRANTED || waiter->state == CF_WAITER_SENT);
    now_ms = cf_limiter_take_now(limiter, now_ms);
    struct cf_lane *lane = waiter->lane;

    int64_t pause_ms = (wait_ms > 0 ? wait_ms : 0);
    pause_ms = pause_ms < TIME_MAX_MS ? pause_ms : TIME_MAX_MS;
    if (jitter_ms > 0 && jitter_ms < TIME_MAX_MS)
        pause_ms += jitter_ms;

    struct cf_amounts asked = waiter->amounts;
    cf_lane_correct(lane, waiter, NULL, now_ms);
    cf_lane_end(lane, waiter, now_ms);
    waiter->amounts = asked;
    cf_lane_pause(lane, now_ms + pause_ms);
    cf_lane_push_refused(lane, waiter);
    cf_limiter_file(limiter, lane);
}

void cf_limiter_cancel(struct cf_limiter *limiter, struct cf_waiter *waiter, int64_t now_ms)
{
    assert(waiter->state == CF_WAITER_IDLE || waiter->state == CF_WAITER_QUEUED);
    cf_limiter_take_now(limiter, now_ms);
    if (waiter->state == CF_WAITER_IDLE)
        return;
    struct cf_lane *lane = waiter->lane;
    cf_lane_take(lane, waiter);
    waiter->lane = NULL;
    cf_limiter_file(limiter, lane);
}

void cf_limiter_note_delay(struct cf_limiter *limiter, const char *key, int64_t delay_ms)
{
    struct cf_lane *lane = cf_limiter_find_lane(limiter, key);
    if (lane == NULL)
        return;
    cf_lane_note_delay(lane, delay_ms);
    cf_limiter_file(limiter, lane);
}

bool cf_limiter_in_force(struct cf_limiter *limiter, const char *key,
                         struct cf_limit_config *out_config)
{
    const struct cf_lane *lane = cf_limiter_find_lane(limiter, key);
    if (lane == NULL)
        return false;
    *out_config = lane->config;
    out_config->max_requests = lane->limit[CF_REQUESTS];
    out_config->max_input_tokens = lane->limit[CF_INPUT];
    out_config->max_output_tokens = lane->limit[CF_OUTPUT];
    return true;
}

static int64_t wait_of(struct cf_lane *lane, const struct cf_amounts *amounts, int64_t now_ms)
{
    int64_t at_ms = cf_lane_estimate_ms(lane, amounts, now_ms);
    if (at_ms == CF_LANE_NEVER)
        return -1;
    if (lane->first != NULL && at_ms <= now_ms)
        return 1;
    return at_ms - now_ms;
}

bool cf_limiter_status(struct cf_limiter *limiter, const char *key, int64_t now_ms,
                       struct cf_limit_status *out_status)
{
    if (key == NULL)
        return false;
    now_ms = cf_limiter_take_now(limiter, now_ms);
    forget_idle(limiter);

    struct cf_lane *lane = cf_limiter_get_lane(limiter, key);
    const struct cf_amounts one = { .requests = 1 };
    int64_t wait_ms = wait_of(lane, &one, now_ms);
    const struct cf_window *window = &lane->window;
    int64_t limit = lane->limit[CF_REQUESTS];
    int64_t used = cf_window_used(window, CF_REQUESTS);
    int64_t remaining =
        limit - used - cf_server_foreign(&lane->server, CF_REQUESTS, limit, now_ms);
    int64_t reset_ms = 0;
    if (window->open > 0)
        reset_ms = cf_lane_span_ms(lane);
    else if (window->last != CF_SLOT_NONE)
        reset_ms = window->slots[window->last].sent_ms + cf_lane_span_ms(lane) - now_ms;

    *out_status = (struct cf_limit_status){
        .used = used,
        .remaining = remaining > 0 ? remaining : 0,
        .limit = limit,
        .amounts_used = { used, cf_window_used(window, CF_INPUT),
                          cf_window_used(window, CF_OUTPUT) },
        .amounts_limit = { limit, lane->limit[CF_INPUT], lane->limit[CF_OUTPUT] },
        .reset_ms = reset_ms,
        .wait_ms = wait_ms,
        .queued = (int64_t)lane->queued,
        .in_flight = lane->in_flight,
        .paused_until_ms = lane->paused_until_ms > now_ms ? lane->paused_until_ms : 0,
        .source = cf_lane_is_limit_said(lane) ? "header"
                  : lane->config.is_default   ? "default" : "config",
    };
    cf_limiter_file(limiter, lane);
    forget_idle(limiter);
    return true;
}

int64_t cf_limiter_wait_ms(struct cf_limiter *limiter, const char *key,
                           const struct cf_amounts *amounts, int64_t now_ms)
{
    now_ms = cf_limiter_take_now(limiter, now_ms);
    forget_idle(limiter);
    struct cf_lane *lane = cf_limiter_get_lane(limiter, key);
    int64_t wait_ms = wait_of(lane, amounts, now_ms);
    cf_limiter_file(limiter, lane);
    forget_idle(limiter);
    return wait_ms;
}

size_t cf_limiter_reset(struct cf_limiter *limiter, const char *key, int64_t now_ms)
{
    cf_limiter_take_now(limiter, now_ms);
    struct cf_lane *lane = cf_limiter_find_lane(limiter, key);
    if (lane == NULL)
        return 0;
    size_t queued = lane->queued;
    cf_lane_reset(lane);
    cf_limiter_file(limiter, lane);
    forget_idle(limiter);
    return queued;
}

size_t cf_limiter_clear_all(struct cf_limiter *limiter, int64_t now_ms)
{
    cf_limiter_take_now(limiter, now_ms);
    size_t queued = 0;
    struct cf_lane *lane, *next_lane;
    HASH_ITER(hh, limiter->lanes, lane, next_lane) {
        queued += lane->queued;
        cf_lane_reset(lane);
        cf_limiter_file(limiter, lane);
    }
    forget_idle(limiter);
    return queued;
}

void cf_limiter_each_queued(struct cf_limiter *limiter, const char *key,
                            void (*on_waiter)(struct cf_waiter *waiter, void *self), void *self)
{
    struct cf_lane *only = key != NULL ? cf_limiter_find_lane(limiter, key) : NULL;
    if (key != NULL && only == NULL)
        return;
    struct cf_lane *lane, *next_lane;
    HASH_ITER(hh, limiter->lanes, lane, next_lane) {
        if (only != NULL && lane != only)
            continue;
        for (struct cf_waiter *waiter = lane->first; waiter != NULL; waiter = waiter->next)
            on_waiter(waiter, self);
    }
}

size_t cf_limiter_lanes(const struct cf_limiter *limiter)
{
    return HASH_COUNT(limiter->lanes);
}
