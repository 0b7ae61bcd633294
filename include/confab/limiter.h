/* limiter.h - who may send when, so that a provider's limits are never exceeded.
 *
 * Arithmetic only: no lock, no clock, no waiting. Time is an argument; a time before the
 * last one seen counts as that one. One thread at a time (limiter_shared.h is for several).
 *
 * A *lane* is what the provider limits, named by a key of the caller's. Lanes come into
 * being when used and go when nothing is known about them any more. A call has a waiter,
 * which lives in the caller's struct, and goes through
 *
 *     idle -- acquire --> queued -- next --> granted -- sent --> sent -- release --> idle
 *                 \________________________/     \_______________________/
 *                       (goes at once)               (was never sent)
 *
 * A grant counts until `sent` says that the request was fully written, and from that moment
 * on for window_ms + guard: the server sees it somewhere between the two, so no window of
 * window_ms, wherever it is placed, holds more than the limit at the server. */
#ifndef CONFAB_LIMITER_H
#define CONFAB_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_error;
struct cf_lane;
struct cf_limiter;

enum cf_pacing {
    CF_PACING_AUTO,      /* "auto": smooth, until the server has shown that it lets bursts pass */
    CF_PACING_SMOOTH,    /* "smooth": grants spread evenly, fit for limits enforced by the second */
    CF_PACING_BURST,     /* "burst": the window as it comes, up to pause_threshold of it */
};

struct cf_limit_config {
    int64_t max_requests;         /* a window; at least 1 */
    int64_t max_input_tokens;     /* a window; 0: no limit */
    int64_t max_output_tokens;    /* a window; 0: no limit */
    int64_t window_ms;
    int64_t concurrency;          /* most calls between grant and release; 0: no cap */
    bool    enable_queue;         /* false: who cannot go is refused; nothing is spread then */
    double  pause_threshold;      /* 0 < x <= 1: calls queue from this part of the window on */
    enum cf_pacing pacing;
    bool    is_default;           /* max_requests gives way to what the server says. Else it is a
                                   * ceiling, which that only lowers, as a token limit is if set */
};

/* An amount for each limited resource. */
struct cf_amounts { int64_t requests, input, output; };

enum cf_waiter_state { CF_WAITER_IDLE, CF_WAITER_QUEUED, CF_WAITER_GRANTED, CF_WAITER_SENT };

/* Lives in its owner's struct; zero is valid and idle. Only `state` is for reading. It must stay
 * in place while it is not idle. */
struct cf_waiter {
    enum cf_waiter_state state;
    struct cf_lane *lane;
    struct cf_waiter *prev, *next;
    struct cf_amounts amounts;
    uint64_t order;               /* place in the line, kept through a refusal */
    uint64_t sent_order;          /* of the last request written; 0: none yet */
    uint64_t grant;               /* the grant's number, to know its slot again */
    uint32_t slot;
};

/* What the headers of one reply say about one resource. */
struct cf_limit_news {
    bool    has_limit, has_remaining;
    int64_t limit, remaining;     /* a window; a limit below 1 counts as not said */
};

struct cf_limit_feedback {
    struct cf_limit_news requests, input, output;
    bool is_refusal;              /* they came with a 429 */
};

/* Whether a server lets through what comes faster than evenly. */
enum cf_bursts { CF_BURSTS_UNKNOWN, CF_BURSTS_PASS, CF_BURSTS_REFUSED };

/* What a lane has learnt from replies, to be kept and given back by cf_limiter_restore. */
struct cf_limit_learnt {
    struct cf_amounts limits;     /* a window; 0: never said */
    enum cf_bursts bursts;
};

/* How a granted call ended; decides what of its amounts goes on counting. */
enum cf_release {
    CF_RELEASE_DONE,              /* a reply came: all of it */
    CF_RELEASE_NEVER_SENT,        /* no byte reached the server: nothing */
    CF_RELEASE_FAILED,            /* the server saw it and made no reply: request and input */
    CF_RELEASE_UNKNOWN,           /* nobody knows: all of it */
};

struct cf_limit_status {
    int64_t used, remaining, limit;      /* requests in the window, those left, and their limit */
    struct cf_amounts amounts_used;
    struct cf_amounts amounts_limit;     /* 0: no limit */
    int64_t reset_ms;                    /* until the window is empty, if nothing more is sent */
    int64_t wait_ms;                     /* until one more could go; -1: after a release */
    int64_t queued, in_flight;
    int64_t paused_until_ms;             /* on the caller's clock; 0: not paused */
    const char *source;                  /* of `limit`: "default", "config", "header"; static */
};

/* 50 requests in 60000 ms until the server says more or less (is_default), no token limits, no
 * cap, queue on, threshold 0.9, auto. */
void cf_limit_config_default(struct cf_limit_config *config);

/* False with a CF_ERR_CONFIG that names the field, the value and what is allowed. */
bool cf_limit_config_check(const struct cf_limit_config *config, struct cf_error *err);

/* "auto", "smooth", "burst". False, *out_pacing untouched, for anything else. */
bool cf_pacing_parse(const char *name, enum cf_pacing *out_pacing);
const char *cf_pacing_name(enum cf_pacing pacing);

struct cf_limiter *cf_limiter_new(void);

/* Waiters that are not idle must not be used with it any more. NULL is fine. */
void cf_limiter_free(struct cf_limiter *limiter);

/* Sets the limits of one lane, or with key NULL of every lane without its own. A lane in use
 * changes at once: what it has granted stays counted. config NULL takes the setting back. A key
 * that was merged into another keeps its config, but its lane goes by the other's. False, nothing
 * changed, if the config is not valid. */
bool cf_limiter_set_config(struct cf_limiter *limiter, const char *key,
                           const struct cf_limit_config *config, int64_t now_ms,
                           struct cf_error *err);

/* Asks for one call's amounts. An amount above a token limit goes alone, when the window is
 * empty of that resource.
 *  1: granted, send it now.
 *  0: queued; cf_limiter_next gives it when its turn has come.
 * -1: refused: CF_ERR_RATE_LIMIT, retryable, with retry_after_ms (-1 if it waits for a release),
 *     only without enable_queue; CF_ERR_CONFIG for negative amounts or requests above the limit.
 *     The waiter stays idle. */
int cf_limiter_acquire(struct cf_limiter *limiter, const char *key, struct cf_waiter *waiter,
                       const struct cf_amounts *amounts, int64_t now_ms, struct cf_error *err);

/* Grants the next waiter that may go now: 1 and *out_waiter, or 0. Call it until it says 0, when
 * cf_limiter_wake_ms has come and after every call here that can make room (sent, release, ...). */
int cf_limiter_next(struct cf_limiter *limiter, int64_t now_ms, struct cf_waiter **out_waiter);

/* Replaces what a queued waiter asks for: its estimate has become better. No effect otherwise. */
void cf_limiter_ask_again(struct cf_limiter *limiter, struct cf_waiter *waiter,
                          const struct cf_amounts *amounts, int64_t now_ms);

/* When cf_limiter_next should be called again, as a time: no queued waiter can go earlier, unless
 * another call here makes room. -1: nothing waits for time. */
int64_t cf_limiter_wake_ms(const struct cf_limiter *limiter);

/* The request was fully written: its slot is dated now. No effect if it was said before. */
void cf_limiter_sent(struct cf_limiter *limiter, struct cf_waiter *waiter, int64_t now_ms);

/* Replaces the amounts of a granted call by what they turned out to be, at their old date. More
 * than was reserved is a debt: later grants wait for it. Before the release. */
void cf_limiter_settle(struct cf_limiter *limiter, struct cf_waiter *waiter,
                       const struct cf_amounts *actual, int64_t now_ms);

/* Takes in what the reply to this call says: the limits hold from now on for all three resources,
 * and what others have used of them is left free. Where the server changes a limit that it has said
 * before, what was granted goes on taking its part of a window, as it does there: no window holds
 * more than the largest limit in force in it. Replies to requests sent before the latest one heard
 * of are passed over. After settle, before release or refused. */
void cf_limiter_feedback(struct cf_limiter *limiter, struct cf_waiter *waiter,
                         const struct cf_limit_feedback *feedback, int64_t now_ms);

/* Ends a granted call; the waiter is idle afterwards. If `sent` was not said, it is dated now. */
void cf_limiter_release(struct cf_limiter *limiter, struct cf_waiter *waiter, enum cf_release how,
                        int64_t now_ms);

/* The server refused it with a 429: counts nothing of it, pauses the whole lane for wait_ms +
 * jitter_ms (a longer pause stays) and queues the waiter again, before all who came after it.
 * After the pause grants begin slowly. */
void cf_limiter_refused(struct cf_limiter *limiter, struct cf_waiter *waiter, int64_t wait_ms,
                        int64_t jitter_ms, int64_t now_ms);

/* Takes a queued waiter out of the line; no effect if it is idle. Not for granted ones. */
void cf_limiter_cancel(struct cf_limiter *limiter, struct cf_waiter *waiter, int64_t now_ms);

/* From now on `from` means the lane of `into`, for ever and transitively: it takes over what
 * `from` has counted, its line, its calls in flight, its pause. Of two configs of their own the
 * lower amounts hold. No effect if they are one already. O(calls in the windows). */
void cf_limiter_merge(struct cf_limiter *limiter, const char *from, const char *into,
                      int64_t now_ms);

/* False, *out_learnt untouched, if the lane has learnt nothing. It outlives an idle lane. */
bool cf_limiter_learnt(struct cf_limiter *limiter, const char *key,
                       struct cf_limit_learnt *out_learnt);

/* Starts a lane with what was learnt; what replies say replaces it. */
void cf_limiter_restore(struct cf_limiter *limiter, const char *key,
                        const struct cf_limit_learnt *learnt, int64_t now_ms);

/* A delay seen between writing a request and the server getting it (half a round trip will do).
 * The spread of these widens the lane's guard: 20 ms up to 1 % of the window. */
void cf_limiter_note_delay(struct cf_limiter *limiter, const char *key, int64_t delay_ms);

/* The limits in force (0: none) and the rest of a lane's config, max_requests and so on being those
 * limits. False, nothing set, if the lane is not in memory. */
bool cf_limiter_in_force(struct cf_limiter *limiter, const char *key,
                         struct cf_limit_config *out_config);

/* True also for a lane nobody used: then nothing is used. False only for a NULL key. */
bool cf_limiter_status(struct cf_limiter *limiter, const char *key, int64_t now_ms,
                       struct cf_limit_status *out_status);

/* How long a call with these amounts that came now would wait: 0: it would go at once, -1: it
 * depends on a release. Those who queue already are taken as going first. */
int64_t cf_limiter_wait_ms(struct cf_limiter *limiter, const char *key,
                           const struct cf_amounts *amounts, int64_t now_ms);

/* Forgets what the lane (clear_all: every lane) has counted, its pause and its pace; the limits
 * learnt stay. Calls in flight stay in flight, waiters stay queued and may now go. Returns how
 * many are queued. */
size_t cf_limiter_reset(struct cf_limiter *limiter, const char *key, int64_t now_ms);
size_t cf_limiter_clear_all(struct cf_limiter *limiter, int64_t now_ms);

/* Calls back for each queued waiter of the lane in its order, or of all lanes with key NULL. The
 * callback must not change the limiter. */
void cf_limiter_each_queued(struct cf_limiter *limiter, const char *key,
                            void (*on_waiter)(struct cf_waiter *waiter, void *self), void *self);

/* How many lanes are in memory. */
size_t cf_limiter_lanes(const struct cf_limiter *limiter);
#endif
