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
#include "limit/server.h"
#include "limit/window.h"

#define CF_LANE_NEVER INT64_MAX      /* depends on a release or on `sent`, not on time */

struct cf_lane {
    UT_hash_handle hh;
    char   *key;                     /* owned */
    struct cf_limit_config config;
    bool    has_own_config;
    int64_t limit[CF_RESOURCES];     /* in force: what is configured and said; 0: none */
    struct cf_heap *heap;            /* the limiter's heap that `node` is in; NULL: in none */
    struct cf_heap_node node;

    /* The line, by `order`: first those that were refused, up to last_refused, then the rest. */
    struct cf_waiter *first, *last, *last_refused;
    size_t  queued;
    int64_t queued_amounts[CF_RESOURCES];

    struct cf_waiter *flying;        /* those between grant and release, in no order */
    int64_t in_flight;
    int64_t flying_amounts[CF_RESOURCES];

    struct cf_window window;
    struct cf_pace pace[CF_RESOURCES];
    struct cf_server server;
    int64_t unfit_ms;                /* until when the head was last seen not to fit */
    int64_t paused_until_ms;
    int64_t ramp_from_ms;            /* the end of the last pause; 0: there was none */
    int64_t delay_low_ms, delay_high_ms;    /* the spread of delays seen; -1: none yet */
};

/* The amounts by resource. */
void cf_lane_amounts(const struct cf_amounts *amounts, int64_t out[CF_RESOURCES]);

struct cf_lane *cf_lane_new(const char *key, const struct cf_limit_config *config);
void cf_lane_free(struct cf_lane *lane);

void cf_lane_push(struct cf_lane *lane, struct cf_waiter *waiter);
void cf_lane_push_refused(struct cf_lane *lane, struct cf_waiter *waiter);
void cf_lane_take(struct cf_lane *lane, struct cf_waiter *waiter);

/* Replaces what a waiter in the line asks for. */
void cf_lane_ask_again(struct cf_lane *lane, struct cf_waiter *waiter,
                       const struct cf_amounts *amounts);

/* Links the waiter into the line behind another, NULL: as the first. */
void cf_lane_link(struct cf_lane *lane, struct cf_waiter *behind, struct cf_waiter *waiter);

/* Counts a waiter among those between grant and release, and no more. */
void cf_lane_fly(struct cf_lane *lane, struct cf_waiter *waiter);
void cf_lane_land(struct cf_lane *lane, struct cf_waiter *waiter);

/* What one of them takes has changed. */
void cf_lane_count_flying(struct cf_lane *lane, const struct cf_amounts *before,
                          const struct cf_amounts *now);

/* How long a slot counts after its request was written: the window and the guard. */
int64_t cf_lane_span_ms(const struct cf_lane *lane);

/* When these amounts may go if they are next: now_ms if now, CF_LANE_NEVER, or when to look
 * again. Drops what has run out. */
int64_t cf_lane_ready_ms(struct cf_lane *lane, const struct cf_amounts *amounts, int64_t now_ms);

/* When these amounts could go behind all who queue, as an estimate; CF_LANE_NEVER as above. */
int64_t cf_lane_estimate_ms(struct cf_lane *lane, const struct cf_amounts *amounts, int64_t now_ms);

/* Takes the amounts. The waiter is in no line; it is the lane's until cf_lane_end. */
void cf_lane_grant(struct cf_lane *lane, struct cf_waiter *waiter, uint64_t grant, bool was_queued,
                   int64_t now_ms);

/* The request of a granted waiter is written, or it is taken as if (is_told false): its slot is
 * dated. No effect if it was said before. */
void cf_lane_written(struct cf_lane *lane, struct cf_waiter *waiter, bool is_told, int64_t now_ms);

/* Replaces what a granted waiter counts; NULL: nothing is to count. */
void cf_lane_correct(struct cf_lane *lane, struct cf_waiter *waiter,
                     const struct cf_amounts *actual, int64_t now_ms);

/* The waiter's call has ended; its output counts at the server from now on. */
void cf_lane_end(struct cf_lane *lane, struct cf_waiter *waiter, int64_t now_ms);

/* A server that refused a call has no more to give until then, and lets no bursts pass. */
void cf_lane_pause(struct cf_lane *lane, int64_t until_ms);

/* Sets the limits in force anew, after a change of the config. */
void cf_lane_update_limits(struct cf_lane *lane, int64_t now_ms);

/* What the headers of a granted call's reply say, and what was learnt from all of them. */
void cf_lane_hear(struct cf_lane *lane, const struct cf_waiter *waiter,
                  const struct cf_limit_feedback *feedback, int64_t now_ms);
void cf_lane_learnt(const struct cf_lane *lane, struct cf_limit_learnt *out_learnt);
void cf_lane_restore(struct cf_lane *lane, const struct cf_limit_learnt *learnt, int64_t now_ms);

/* Moves all that is in `from` over; the one that is left is as new. */
void cf_lane_merge(struct cf_lane *lane, struct cf_lane *from, int64_t now_ms);

/* When nothing about it is worth keeping, if it is not used again; CF_LANE_NEVER while it is. */
int64_t cf_lane_forget_ms(const struct cf_lane *lane);

/* Forgets window, pace and pause. */
void cf_lane_reset(struct cf_lane *lane);

/* Whether the limit of requests is one that the server has said. */
bool cf_lane_is_limit_said(const struct cf_lane *lane);

/* Takes one more delay into the spread that widens the guard. */
void cf_lane_note_delay(struct cf_lane *lane, int64_t delay_ms);
#endif
