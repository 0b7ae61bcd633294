/* lane.h - one lane: its line of waiters, its window, its pace, its pause.
 *
 * Says when the head of the line may go and does the bookkeeping of a grant. Which lane is looked
 * at when is limiter.c's business. now_ms never runs backwards here. */
#ifndef CONFAB_LIMIT_LANE_H
#define CONFAB_LIMIT_LANE_H

#include "base/mem.h"

#define uthash_malloc(size) cf_malloc(size)
#include <uthash.h>

#include "confab/limiter.h"
#include "limit/heap.h"
#include "limit/pace.h"
#include "limit/window.h"

#define CF_LANE_NEVER INT64_MAX      /* depends on a release or on `sent`, not on time */

struct cf_lane {
    UT_hash_handle hh;
    char   *key;                     /* owned */
    struct cf_limit_config config;
    bool    has_own_config;
    struct cf_heap *heap;            /* the limiter's heap that `node` is in; NULL: in none */
    struct cf_heap_node node;

    /* The line, by `order`: first those that were refused, up to last_refused, then the rest. */
    struct cf_waiter *first, *last, *last_refused;
    size_t  queued;
    int64_t queued_amounts[CF_RESOURCES];

    struct cf_window window;
    struct cf_pace pace[CF_RESOURCES];
    int64_t unfit_ms;                /* when the head was last seen not to fit the window */
    int64_t in_flight;
    int64_t paused_until_ms;
    int64_t delay_low_ms, delay_high_ms;    /* the spread of delays seen; -1: none yet */
};

struct cf_lane *cf_lane_new(const char *key, const struct cf_limit_config *config);
void cf_lane_free(struct cf_lane *lane);

void cf_lane_push(struct cf_lane *lane, struct cf_waiter *waiter);
void cf_lane_push_refused(struct cf_lane *lane, struct cf_waiter *waiter);
void cf_lane_take(struct cf_lane *lane, struct cf_waiter *waiter);

/* How long a slot counts after its request was written: the window and the guard. */
int64_t cf_lane_span_ms(const struct cf_lane *lane);

/* When these amounts may go if they are next: now_ms if now, CF_LANE_NEVER, or when to look
 * again. Drops what has run out. */
int64_t cf_lane_ready_ms(struct cf_lane *lane, const struct cf_amounts *amounts, int64_t now_ms);

/* When these amounts could go behind all who queue, as an estimate; CF_LANE_NEVER as above. */
int64_t cf_lane_estimate_ms(struct cf_lane *lane, const struct cf_amounts *amounts, int64_t now_ms);

/* Takes the amounts. The waiter is in no line. */
void cf_lane_grant(struct cf_lane *lane, struct cf_waiter *waiter, uint64_t grant, bool was_queued,
                   int64_t now_ms);

/* Replaces what a granted waiter counts, if its slot is still there; NULL drops it. */
void cf_lane_correct(struct cf_lane *lane, struct cf_waiter *waiter,
                     const struct cf_amounts *actual, int64_t now_ms);

void cf_lane_pause(struct cf_lane *lane, int64_t until_ms);

/* When nothing about it is worth keeping, if it is not used again; CF_LANE_NEVER while it is. */
int64_t cf_lane_forget_ms(const struct cf_lane *lane);

/* Forgets window, pace and pause. */
void cf_lane_reset(struct cf_lane *lane);

/* The limit of a resource; 0: none. */
int64_t cf_lane_limit(const struct cf_lane *lane, enum cf_resource resource);

/* Takes one more delay into the spread that widens the guard. */
void cf_lane_note_delay(struct cf_lane *lane, int64_t delay_ms);
#endif
