/* sender_impl.h - what sender.c and attempt.c share: the state of the net thread.
 *
 * sender.c has the thread, its queue and its ends; attempt.c has what happens to one call between
 * being submitted and coming back. Everything here is for the net thread. */
#ifndef CONFAB_ENGINE_SENDER_IMPL_H
#define CONFAB_ENGINE_SENDER_IMPL_H

#include <pthread.h>

#include "base/loop.h"
#include "base/queue.h"
#include "confab/error.h"
#include "confab/rng.h"
#include "engine/call.h"
#include "engine/keys.h"
#include "engine/sender.h"

#define CF_LANE_KEY_MAX 512

struct cf_sender {
    pthread_t thread;
    struct cf_loop *loop;
    struct cf_http *http;
    struct cf_limiter *limiter;
    struct cf_queue queue;         /* of struct cf_sender_message */
    struct cf_watch queue_watch;
    struct cf_timer limiter_timer;
    struct cf_rng rng;

    const struct cf_clock *clock;
    const struct cf_models *models;
    struct cf_store *store;
    char *base_url, *url;          /* owned */
    struct cf_keys keys;
    struct cf_retry_policy retry_policy;
    struct cf_http_timeouts timeouts;
    struct cf_limit_config limits; /* the common ones */

    struct cf_call *calls;         /* all that have not come back */
    bool is_draining, is_abandoned;
    bool is_held;                  /* nothing new goes, for now */
    bool is_ending;                /* the thread ends when no call is left */
    bool has_ended;                /* it was joined; of the thread that owns the sender */
    bool has_stopped;              /* every call would meet stop_error */
    struct cf_error stop_error;
    int64_t store_trouble_ms;      /* since when replies cannot be stored; 0: they can */

    pthread_mutex_t status_lock;
    struct cf_sender_status status;
    int64_t waiting, in_flight, backing_off, at_stake_pico;   /* net thread's own count */
    char last_lane[CF_LANE_KEY_MAX];
};

/* The lane that a key's calls of a limit class go through. */
void cf_sender_lane_key(const struct cf_sender *sender, const struct cf_key *key, const char *limit_class,
                        char out[CF_LANE_KEY_MAX]);

/* Takes over a call that was submitted. */
void cf_attempt_begin_call(struct cf_sender *sender, struct cf_call *call);

/* The limiter let the call go. */
void cf_attempt_granted(struct cf_sender *sender, struct cf_call *call);

/* Lets go on what was held back. */
void cf_attempt_begin_held(struct cf_sender *sender);

/* Once nothing new is to be sent: gives back what is not in flight. */
void cf_attempt_return_waiting(struct cf_sender *sender);

/* Gives up what is in flight, too, and replies that wait for room on the disk. */
void cf_attempt_abandon(struct cf_sender *sender);
#endif
