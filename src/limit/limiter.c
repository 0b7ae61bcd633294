#include "confab/limiter.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "confab/error.h"
#include "limit/lane.h"

#define TIME_MAX_MS (INT64_C(1) << 42)    /* 139 years; in nanoseconds it still fits 63 bits */
#define AMOUNT_MAX  INT64_C(1000000000000)

struct key_config {
    UT_hash_handle hh;
    char *key;                       /* owned */
    struct cf_limit_config config;
};

struct cf_limiter {
    struct cf_limit_config config;   /* of lanes without their own */
    bool     is_config_set;
    struct key_config *key_configs;
    struct cf_lane *lanes;
    struct cf_heap waiting;          /* lanes with a line, by when its head may go */
    struct cf_heap idle;             /* lanes without one, by when they can be forgotten */
    int64_t  now_ms;                 /* the latest seen */
    uint64_t next_order, next_grant;
};

/* Time that stands or runs backwards is taken as standing. */
static int64_t take_now(struct cf_limiter *limiter, int64_t now_ms)
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

/* Files the lane under the time at which it must be looked at again. */
static void file_lane(struct cf_limiter *limiter, struct cf_lane *lane)
{
    leave_heap(lane);
    if (lane->first != NULL)
        enter_heap(&limiter->waiting, lane,
                   cf_lane_ready_ms(lane, &lane->first->amounts, limiter->now_ms));
    else
        enter_heap(&limiter->idle, lane, cf_lane_forget_ms(lane));
}

static void drop_lane(struct cf_limiter *limiter, struct cf_lane *lane)
{
    leave_heap(lane);
    HASH_DEL(limiter->lanes, lane);
    cf_lane_free(lane);
}

static void forget_idle(struct cf_limiter *limiter)
{
    struct cf_heap_node *node;
    while ((node = cf_heap_top(&limiter->idle)) != NULL && node->at_ms <= limiter->now_ms)
        drop_lane(limiter, lane_of_node(node));
}

static struct cf_lane *find_lane(struct cf_limiter *limiter, const char *key)
{
    struct cf_lane *lane;
    HASH_FIND_STR(limiter->lanes, key, lane);
    return lane;
}

static struct key_config *find_config(struct cf_limiter *limiter, const char *key)
{
    struct key_config *own;
    HASH_FIND_STR(limiter->key_configs, key, own);
    return own;
}

static void configure(struct cf_limiter *limiter, struct cf_lane *lane)
{
    struct key_config *own = find_config(limiter, lane->key);
    lane->config = own ? own->config : limiter->config;
    lane->has_own_config = own != NULL;
    file_lane(limiter, lane);
}

static struct cf_lane *get_lane(struct cf_limiter *limiter, const char *key)
{
    struct cf_lane *lane = find_lane(limiter, key);
    if (lane != NULL)
        return lane;

    lane = cf_lane_new(key, &limiter->config);
    configure(limiter, lane);
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
        drop_lane(limiter, lane);
    struct key_config *own, *next_own;
    HASH_ITER(hh, limiter->key_configs, own, next_own) {
        HASH_DEL(limiter->key_configs, own);
        free(own->key);
        free(own);
    }
    cf_heap_done(&limiter->waiting);
    cf_heap_done(&limiter->idle);
    free(limiter);
}

static void set_key_config(struct cf_limiter *limiter, const char *key,
                           const struct cf_limit_config *config)
{
    struct key_config *own = find_config(limiter, key);
    if (own == NULL && config != NULL) {
        own = cf_calloc(1, sizeof *own);
        own->key = cf_strdup(key);
        HASH_ADD_KEYPTR(hh, limiter->key_configs, own->key, strlen(own->key), own);
    }
    if (config != NULL) {
        own->config = *config;
    } else if (own != NULL) {
        HASH_DEL(limiter->key_configs, own);
        free(own->key);
        free(own);
    }
}

bool cf_limiter_set_config(struct cf_limiter *limiter, const char *key,
                           const struct cf_limit_config *config, int64_t now_ms,
                           struct cf_error *err)
{
    if (config != NULL && !cf_limit_config_check(config, err))
        return false;

    take_now(limiter, now_ms);
    if (key != NULL) {
        set_key_config(limiter, key, config);
    } else {
        limiter->is_config_set = config != NULL;
        if (config != NULL)
            limiter->config = *config;
        else
            cf_limit_config_default(&limiter->config);
    }

    if (key != NULL) {
        struct cf_lane *lane = find_lane(limiter, key);
        if (lane != NULL)
            configure(limiter, lane);
        return true;
    }
    struct cf_lane *lane, *next_lane;
    HASH_ITER(hh, limiter->lanes, lane, next_lane)
        configure(limiter, lane);
    return true;
}

static bool check_amounts(const struct cf_lane *lane, const struct cf_amounts *amounts,
                          struct cf_error *err)
{
    if (amounts->requests < 1 || amounts->requests > lane->config.max_requests)
        return cf_fail(err, CF_ERR_CONFIG,
                       "a call of %" PRId64 " requests does not fit a limit of %" PRId64,
                       amounts->requests, lane->config.max_requests);
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
    now_ms = take_now(limiter, now_ms);
    forget_idle(limiter);

    struct cf_lane *lane = get_lane(limiter, key);
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
    file_lane(limiter, lane);
    return result;
}

int cf_limiter_next(struct cf_limiter *limiter, int64_t now_ms, struct cf_waiter **out_waiter)
{
    now_ms = take_now(limiter, now_ms);
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
        file_lane(limiter, lane);
        if (goes_now) {
            *out_waiter = waiter;
            return 1;
        }
    }
    return 0;
}

int64_t cf_limiter_wake_ms(const struct cf_limiter *limiter)
{
    const struct cf_heap_node *node = cf_heap_top(&limiter->waiting);
    return node ? node->at_ms : -1;
}

static void date(struct cf_lane *lane, struct cf_waiter *waiter, int64_t now_ms)
{
    struct cf_slot *slot = cf_window_get(&lane->window, waiter->slot, waiter->grant);
    if (slot != NULL && !slot->is_sent)
        cf_window_date(&lane->window, slot, now_ms);
}

void cf_limiter_sent(struct cf_limiter *limiter, struct cf_waiter *waiter, int64_t now_ms)
{
    assert(waiter->state == CF_WAITER_GRANTED || waiter->state == CF_WAITER_SENT);
    now_ms = take_now(limiter, now_ms);
    if (waiter->state == CF_WAITER_SENT)
        return;
    waiter->state = CF_WAITER_SENT;
    date(waiter->lane, waiter, now_ms);
    file_lane(limiter, waiter->lane);
}

void cf_limiter_settle(struct cf_limiter *limiter, struct cf_waiter *waiter,
                       const struct cf_amounts *actual, int64_t now_ms)
{
    assert(waiter->state == CF_WAITER_GRANTED || waiter->state == CF_WAITER_SENT);
    now_ms = take_now(limiter, now_ms);
    struct cf_amounts amounts = *actual;
    int64_t *const fields[] = { &amounts.requests, &amounts.input, &amounts.output };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (*fields[i] < 0)
            *fields[i] = 0;
        if (*fields[i] > AMOUNT_MAX)
            *fields[i] = AMOUNT_MAX;
    }
    cf_lane_correct(waiter->lane, waiter, &amounts, now_ms);
    waiter->amounts = amounts;
    file_lane(limiter, waiter->lane);
}

void cf_limiter_release(struct cf_limiter *limiter, struct cf_waiter *waiter, enum cf_release how,
                        int64_t now_ms)
{
    assert(waiter->state == CF_WAITER_GRANTED || waiter->state == CF_WAITER_SENT);
    now_ms = take_now(limiter, now_ms);
    struct cf_lane *lane = waiter->lane;

    if (how == CF_RELEASE_NEVER_SENT) {
        cf_lane_correct(lane, waiter, NULL, now_ms);
    } else {
        struct cf_amounts kept = waiter->amounts;
        kept.output = 0;
        if (how == CF_RELEASE_FAILED)
            cf_lane_correct(lane, waiter, &kept, now_ms);
        date(lane, waiter, now_ms);
    }
    lane->in_flight--;
    waiter->state = CF_WAITER_IDLE;
    waiter->lane = NULL;
    file_lane(limiter, lane);
}

void cf_limiter_refused(struct cf_limiter *limiter, struct cf_waiter *waiter, int64_t wait_ms,
                        int64_t jitter_ms, int64_t now_ms)
{
    assert(waiter->state == CF_WAITER_GRANTED || waiter->state == CF_WAITER_SENT);
    now_ms = take_now(limiter, now_ms);
    struct cf_lane *lane = waiter->lane;

    int64_t pause_ms = (wait_ms > 0 ? wait_ms : 0);
    pause_ms = pause_ms < TIME_MAX_MS ? pause_ms : TIME_MAX_MS;
    if (jitter_ms > 0 && jitter_ms < TIME_MAX_MS)
        pause_ms += jitter_ms;

    cf_lane_correct(lane, waiter, NULL, now_ms);
    lane->in_flight--;
    cf_lane_pause(lane, now_ms + pause_ms);
    cf_lane_push_refused(lane, waiter);
    file_lane(limiter, lane);
}

void cf_limiter_cancel(struct cf_limiter *limiter, struct cf_waiter *waiter, int64_t now_ms)
{
    assert(waiter->state == CF_WAITER_IDLE || waiter->state == CF_WAITER_QUEUED);
    take_now(limiter, now_ms);
    if (waiter->state == CF_WAITER_IDLE)
        return;
    struct cf_lane *lane = waiter->lane;
    cf_lane_take(lane, waiter);
    waiter->lane = NULL;
    file_lane(limiter, lane);
}

void cf_limiter_note_delay(struct cf_limiter *limiter, const char *key, int64_t delay_ms)
{
    struct cf_lane *lane = find_lane(limiter, key);
    if (lane == NULL)
        return;
    cf_lane_note_delay(lane, delay_ms);
    file_lane(limiter, lane);
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
    now_ms = take_now(limiter, now_ms);
    forget_idle(limiter);

    struct cf_lane *lane = get_lane(limiter, key);
    const struct cf_amounts one = { .requests = 1 };
    int64_t wait_ms = wait_of(lane, &one, now_ms);
    const struct cf_window *window = &lane->window;
    int64_t limit = lane->config.max_requests;
    int64_t used = window->used[CF_REQUESTS];
    int64_t reset_ms = 0;
    if (window->open > 0)
        reset_ms = cf_lane_span_ms(lane);
    else if (window->last != CF_SLOT_NONE)
        reset_ms = window->slots[window->last].sent_ms + cf_lane_span_ms(lane) - now_ms;

    *out_status = (struct cf_limit_status){
        .used = used,
        .remaining = used < limit ? limit - used : 0,
        .limit = limit,
        .amounts_used = { used, window->used[CF_INPUT], window->used[CF_OUTPUT] },
        .amounts_limit = { limit, lane->config.max_input_tokens, lane->config.max_output_tokens },
        .reset_ms = reset_ms,
        .wait_ms = wait_ms,
        .queued = (int64_t)lane->queued,
        .in_flight = lane->in_flight,
        .paused_until_ms = lane->paused_until_ms > now_ms ? lane->paused_until_ms : 0,
        .source = lane->has_own_config || limiter->is_config_set ? "config" : "default",
    };
    file_lane(limiter, lane);
    forget_idle(limiter);
    return true;
}

int64_t cf_limiter_wait_ms(struct cf_limiter *limiter, const char *key,
                           const struct cf_amounts *amounts, int64_t now_ms)
{
    now_ms = take_now(limiter, now_ms);
    forget_idle(limiter);
    struct cf_lane *lane = get_lane(limiter, key);
    int64_t wait_ms = wait_of(lane, amounts, now_ms);
    file_lane(limiter, lane);
    forget_idle(limiter);
    return wait_ms;
}

size_t cf_limiter_reset(struct cf_limiter *limiter, const char *key, int64_t now_ms)
{
    take_now(limiter, now_ms);
    struct cf_lane *lane = find_lane(limiter, key);
    if (lane == NULL)
        return 0;
    size_t queued = lane->queued;
    cf_lane_reset(lane);
    file_lane(limiter, lane);
    forget_idle(limiter);
    return queued;
}

size_t cf_limiter_clear_all(struct cf_limiter *limiter, int64_t now_ms)
{
    take_now(limiter, now_ms);
    size_t queued = 0;
    struct cf_lane *lane, *next_lane;
    HASH_ITER(hh, limiter->lanes, lane, next_lane) {
        queued += lane->queued;
        cf_lane_reset(lane);
        file_lane(limiter, lane);
    }
    forget_idle(limiter);
    return queued;
}

void cf_limiter_each_queued(struct cf_limiter *limiter, const char *key,
                            void (*on_waiter)(struct cf_waiter *waiter, void *self), void *self)
{
    struct cf_lane *lane, *next_lane;
    HASH_ITER(hh, limiter->lanes, lane, next_lane) {
        if (key != NULL && strcmp(key, lane->key) != 0)
            continue;
        for (struct cf_waiter *waiter = lane->first; waiter != NULL; waiter = waiter->next)
            on_waiter(waiter, self);
    }
}

size_t cf_limiter_lanes(const struct cf_limiter *limiter)
{
    return HASH_COUNT(limiter->lanes);
}
