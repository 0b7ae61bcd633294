/* sender.h - the net thread: lanes, keys, sending, retries.
 *
 * It owns its epoll loop, the HTTP client, the limiter and the retry timers. Others
 * reach it only by the functions here, which push to its queue. It never blocks. */
#ifndef CONFAB_ENGINE_SENDER_H
#define CONFAB_ENGINE_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "confab/limiter.h"
#include "confab/retry.h"
#include "engine/keys.h"
#include "http/http.h"
#include "store/read_lane.h"

struct cf_account;
struct cf_call;
struct cf_clock;
struct cf_error;
struct cf_events;
struct cf_models;
struct cf_sender;
struct cf_store;

#define CF_LANES_LEARNT_MAX 64     /* limit classes of one provider: a dozen today */

/* What was learnt of the lane of a limit class: kept from one session to the next. */
struct cf_lane_learnt {
    char limit_class[CF_LIMIT_CLASS_MAX];
    struct cf_amounts limits;              /* a window; 0: never said */
    enum cf_bursts bursts;
};

/* Everything is copied unless said otherwise. */
struct cf_sender_options {
    const char *base_url;
    const struct cf_key_options *keys;
    size_t key_count;                      /* at least 1 */
    struct cf_limit_config limits;
    struct cf_retry_policy retry;
    struct cf_http_timeouts timeouts;
    bool http2;
    /* how long the service may be away; 0: the default, 6 h */
    int64_t max_outage_ms;
    /* room on the disk of a file; NULL: as the system says */
    int64_t (*free_bytes)(const char *path);
    const struct cf_lane_learnt *learnt;   /* by earlier sessions */
    size_t learnt_count;                   /* at most CF_LANES_LEARNT_MAX */
    uint64_t seed;                         /* of the jitter */
    const struct cf_clock *clock;          /* borrowed */
    struct cf_events *events;              /* borrowed; NULL: nobody watches */
    const struct cf_models *models;        /* borrowed */
    struct cf_store *store;                /* borrowed; must outlive cf_sender_end */
};

/* What it is doing, for progress and for people. */
struct cf_sender_status {
    int64_t waiting;            /* for their lane */
    int64_t in_flight;          /* between the grant and the end of the attempt */
    /* in flight, to use all limits at the latency seen; 0: not known yet */
    int64_t calls_wanted;
    int64_t replies;            /* that came so far */
    int64_t latency_ms;         /* of late, on average */
    int64_t backing_off;        /* before a retry */
    bool    is_held;            /* cf_sender_hold */
    int64_t paused_until_ms;    /* on the clock given; 0: no lane is paused */
    int64_t limit_requests, window_ms;   /* of the lane used last */
    const char *limit_source;   /* static */
    bool    is_storage_full;    /* what is to be stored waits for the disk */
    bool    is_disk_low;        /* nothing new is sent until it has room */
    int64_t waiting_for_budget; /* until others have settled */
    int64_t waiting_for_service;
    /* failed their last attempt, while it is open whether they are to blame */
    int64_t undecided;
    int64_t away_ms;            /* how long the service has been away; 0: it is not */
    int64_t next_probe_ms;      /* when it is asked again, on the clock given; 0: at this moment */
    int64_t at_stake_pico;      /* the bounds of what is in flight */
};

/* Starts the thread. Checks nothing but what it needs to start. */
bool cf_sender_open(const struct cf_sender_options *options, struct cf_sender **out_sender,
                    struct cf_error *err);

/* Abandons what has not come back and ends the thread; replies that came whole are still on
 * their way to the store then. Nothing may be submitted any more. NULL is fine, twice, too. */
void cf_sender_end(struct cf_sender *sender);

/* Ends it, frees it. If a call may still be on its way: cf_sender_end, cf_store_free, then this, so
 * that each has come back. NULL is fine. */
void cf_sender_free(struct cf_sender *sender);

/* What the lanes have learnt, after cf_sender_end; returns how many. */
size_t cf_sender_learnt(struct cf_sender *sender, struct cf_lane_learnt out[CF_LANES_LEARNT_MAX]);

/* Moves the call to the sender; its completion comes back in every case. Any thread. */
void cf_sender_submit(struct cf_sender *sender, struct cf_call *call);

/* Sends nothing new: what waits comes back as cancelled, what is in flight goes on. Any thread. */
void cf_sender_drain(struct cf_sender *sender);

/* What waits now comes back as cancelled: of this account (lent for as long as the sender), or
 * all with NULL. What is in flight, or comes later, goes on. Any thread. */
void cf_sender_return_waiting(struct cf_sender *sender, const struct cf_account *account);

/* Gives up what is in flight too; it is booked as unknown. Any thread. */
void cf_sender_abandon(struct cf_sender *sender);

/* Holds new calls and retries back, or lets them go again; what is in flight goes on. Any
 * thread. */
void cf_sender_hold(struct cf_sender *sender, bool is_held);

/* How long the service may be away before the run stops. Any thread. */
void cf_sender_set_max_outage(struct cf_sender *sender, int64_t max_outage_ms);

/* Changes the common limits: fields of *change above 0 are set, the others stay (of its
 * concurrency and amounts only). Keys with limits of their own keep them. Blocks for one turn of
 * the loop; not for the net thread. config_error, nothing changed, if the limits would not be
 * valid. */
bool cf_sender_tune(struct cf_sender *sender, const struct cf_limit_config *change,
                    struct cf_error *err);

/* A snapshot, at most a loop turn old. Any thread. */
void cf_sender_status(struct cf_sender *sender, struct cf_sender_status *out_status);

/* The limiter's view of the lane of a model's limit class and a key's name (NULL: the first
 * key). Blocks for one turn of the loop. False if there is no key of that name. Not for the net
 * thread. */
bool cf_sender_limits(struct cf_sender *sender, const char *key_name, const char *limit_class,
                      struct cf_limit_status *out_status);

/* Forgets what the limiter has counted for the key and the limit class; key NULL: for all.
 * Blocks for one turn. False if there is no key of that name. */
bool cf_sender_reset_limits(struct cf_sender *sender, const char *key_name,
                            const char *limit_class);
#endif
