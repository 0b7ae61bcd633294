/* sender_impl.h - what the files of the net thread share: its state, what each does for the others.
 *
 *   sender.c   the thread, its queue and its ends
 *   attempt.c  a call on its way out: through the gates and its lane, until HTTP has the request
 *   outcome.c  what came back, and its way into the database
 *   budget.c   the money gate, and calls that wait for others to settle
 *   outage.c   the lanes' breakers, and calls that wait for the service to come back
 *   verdict.c  calls whose last failure may have been the service's
 *   learning.c what replies teach: limits, organisations, lengths
 *   health.c   what is looked at every few seconds: room on the disk, requests that hang
 *   telling.c  what those who watch are told
 *   lanes.c    how the lanes stand, for those who ask
 *
 * Everything here is for the net thread. */
#ifndef CONFAB_ENGINE_SENDER_IMPL_H
#define CONFAB_ENGINE_SENDER_IMPL_H

#include <pthread.h>

#include "base/mem.h"

#define uthash_malloc(size) cf_malloc(size)
#include <uthash.h>

#include "base/loop.h"
#include "base/queue.h"
#include "confab/breaker.h"
#include "confab/concurrency.h"
#include "confab/error.h"
#include "confab/rng.h"
#include "engine/account.h"
#include "engine/call.h"
#include "engine/keys.h"
#include "engine/sender.h"

#define CF_LANE_KEY_MAX 512

struct cf_failure;
struct cf_limit_headers;
struct cf_template_output;
struct cf_sender_lane;

struct cf_sender {
    pthread_t thread;
    struct cf_loop *loop;
    struct cf_http *http;
    struct cf_limiter *limiter;
    struct cf_queue queue; /* of struct cf_sender_message */
    struct cf_watch queue_watch;
    struct cf_timer limiter_timer;
    struct cf_rng rng;

    const struct cf_clock *clock;
    const struct cf_models *models;
    struct cf_events *events;      /* borrowed */
    struct cf_store *store;
    char *base_url, *url; /* owned */
    struct cf_keys keys;
    struct cf_retry_policy retry_policy;
    struct cf_http_timeouts timeouts;
    struct cf_limit_config limits; /* the common ones */

    struct cf_call *calls; /* all that have not come back */
    bool is_draining, is_abandoned;
    bool is_held;     /* nothing new goes, for now: somebody asked for it */
    bool is_ending;   /* the thread ends when no call is left */
    bool has_ended;   /* it was joined; of the thread that owns the sender */
    bool has_stopped; /* every call would meet stop_error */
    struct cf_error stop_error;
    struct cf_call *held; /* wait until new ones may go */

    /* budget.c */
    struct cf_account *short_accounts; /* in which calls wait */
    bool has_settled;                  /* since these were looked at */
    /* set: a budget that is shared has no room, until it is due */
    struct cf_timer shared_timer;

    /* outage.c */
    struct cf_breaker_policy breaker_policy;
    struct cf_sender_lane *lanes;     /* a hash */
    struct cf_sender_lane *last_lane; /* used last; borrowed */
    int64_t open_lanes;               /* whose service is away */
    int64_t undecided;                /* calls: see verdict.c */
    uint64_t failures_to_connect;
    bool has_answered; /* the service did, at least once */
    bool has_told_unreachable;
    bool has_written;            /* a request was, at least once */
    struct cf_timer reach_timer; /* to tell of a service that does not even connect */

    /* learning.c */
    struct cf_template_output *outputs; /* a hash: what each template's replies used */
    int64_t replies, calls_wanted, latency_ms;  /* see struct cf_sender_status */

    /* health.c */
    struct cf_timer health_timer;
    int64_t (*free_bytes)(const char *path);
    bool is_disk_low;

    pthread_mutex_t status_lock;
    struct cf_sender_status status;
    int64_t waiting, in_flight, backing_off, at_stake_pico; /* net thread's own count */
    int64_t waiting_for_budget, waiting_for_service, waiting_to_be_let_go;
};

/* --- sender.c --- */

/* The lane that a key's calls of a limit class go through. */
void cf_sender_lane_key(const struct cf_sender *sender, const struct cf_key *key,
                        const char *limit_class, char out[CF_LANE_KEY_MAX]);

/* Calls look on the net thread and waits for it. Not for that thread. */
void cf_sender_look(struct cf_sender *sender, void (*look)(struct cf_sender *sender, void *self),
                    void *self);

/* --- attempt.c --- */

/* Takes over a call that was submitted. */
void cf_attempt_begin_call(struct cf_sender *sender, struct cf_call *call);

/* Begins the call's next attempt, as far as the gates let it. */
void cf_attempt_begin(struct cf_sender *sender, struct cf_call *call);

/* The limiter let the call go. */
void cf_attempt_granted(struct cf_sender *sender, struct cf_call *call);

/* Lets go on what was held back, if nothing holds it any more. */
void cf_attempt_begin_held(struct cf_sender *sender);

/* Whether new calls are held back, for now. */
bool cf_attempt_is_held(const struct cf_sender *sender);

/* Whether nothing new is to be sent for this call any more. */
bool cf_attempt_is_over(const struct cf_sender *sender, const struct cf_call *call);

/* Puts a call aside, at the end of the list of that kind; takes it out again. */
void cf_attempt_park(struct cf_sender *sender, struct cf_call *call, enum cf_parked why);
void cf_attempt_unpark(struct cf_sender *sender, struct cf_call *call);

/* From now on no call can succeed: those that wait are to come back with the reason. */
void cf_attempt_stop_all(struct cf_sender *sender, const struct cf_error *why);

/* Once nothing new is to be sent: gives back what is not in flight; with an account, only what is
 * its. */
void cf_attempt_return_waiting(struct cf_sender *sender, const struct cf_account *account);

/* Gives up what is in flight, too. */
void cf_attempt_abandon(struct cf_sender *sender);

/* The call is over and has nothing more to store: it goes to the script. */
void cf_attempt_give_back(struct cf_sender *sender, struct cf_call *call);

/* The same for one that nothing more is sent for, with the reason. */
void cf_attempt_give_back_unsent(struct cf_sender *sender, struct cf_call *call);

/* The call is not in flight any more. */
void cf_attempt_count_back(struct cf_sender *sender, struct cf_call *call);

/* Waits until call->due_ms for its next attempt. */
void cf_attempt_wait(struct cf_sender *sender, struct cf_call *call);

/* Sends a write of the call to the store; `handle` follows on the net thread, is_write_refused says
 * how it went. */
void cf_attempt_write(struct cf_sender *sender, struct cf_call *call, struct cf_write *write,
                      bool (*apply)(struct cf_write *, struct cf_store_tx *, struct cf_error *),
                      void (*handle)(struct cf_sender *, struct cf_sender_message *));

/* The call of a message. */
struct cf_call *cf_attempt_call_of(struct cf_sender_message *message);

/* --- outcome.c --- */

/* For cf_http_request's on_done: books and stores what came back. */
void cf_outcome_take(struct cf_http_request *request, struct cf_http_result *result, void *self);

/* Records an attempt that nothing was sent of after all; the call waits for the next session. */
void cf_outcome_unsent(struct cf_sender *sender, struct cf_call *call);

/* Stores a failure whose verdict was open: what follows from it is known now. */
void cf_outcome_decided(struct cf_sender *sender, struct cf_call *call, bool again);

/* --- budget.c --- */

/* Reserves the call's bound, unless that was done. If there is no room now it is not reserved, and
 * the call is to be parked for it. */
bool cf_budget_reserve(struct cf_sender *sender, struct cf_call *call);

/* Gives the reservation back, if there is one, of an attempt that was not sent, or refused
 * unbilled. */
void cf_budget_release(struct cf_sender *sender, struct cf_call *call);

/* The other ends of a reservation; settling stops the run if the reply cost more than its bound. */
void cf_budget_lose(struct cf_sender *sender, struct cf_call *call);
void cf_budget_settle(struct cf_sender *sender, struct cf_call *call, const struct cf_usage *usage);

/* The database refused the row of the call, whose attempt nothing is left of: the budget that other
 * processes share has no room. It is parked until the database is asked again, or given back. */
void cf_budget_refused(struct cf_sender *sender, struct cf_call *call);

/* Lets calls go that have room now, and stops runs that will have none. Once a turn. */
void cf_budget_turn(struct cf_sender *sender);

/* --- outage.c --- */

struct cf_sender_lane {
    char key[CF_LANE_KEY_MAX];
    struct cf_sender *sender; /* borrowed */
    struct cf_breaker breaker;
    struct cf_timer timer;  /* when to probe, or to give up */
    struct cf_call *parked; /* wait for the service; first come, first served */
    struct cf_call *undecided;
    struct cf_timer verdict_timer;
    int64_t refused_ms;     /* since when there are only 429s; 0: there are not */
    int64_t pause_told_until_ms; /* its watchers know of the pause up to then */
    char limit_class[CF_LIMIT_CLASS_MAX];
    const char *key_name;   /* borrowed of the sender's keys */
    bool is_merged;         /* into that of its organisation: */
    char organisation[CF_HEADER_TEXT_MAX];
    struct cf_concurrency concurrency;
    int64_t calls_wanted;   /* in flight, its part of the sender's */
    char last_failure[160]; /* in the words of its error */
    int last_status;        /* its HTTP status; 0: there was none */
    UT_hash_handle hh;
};

/* The lane of that name; made if it is new. */
struct cf_sender_lane *cf_outage_lane(struct cf_sender *sender, const struct cf_key *key,
                                      const char *limit_class);
void cf_outage_free_lanes(struct cf_sender *sender);

/* Whether the call may go through its lane now; while the service is away one may, as the probe. */
bool cf_outage_may_go(struct cf_sender *sender, struct cf_call *call);

/* The call that was let go does not go after all. */
void cf_outage_not_gone(struct cf_sender *sender, struct cf_call *call);

/* Something waits in the lane: sees to it that it goes on. */
void cf_outage_watch(struct cf_sender_lane *lane);

/* An attempt is handed to HTTP. */
void cf_outage_sending(struct cf_sender *sender);

/* An attempt failed. Returns whether that counts against its call; *out_min_delay_ms is the least
 * wait before the next one. */
bool cf_outage_failed(struct cf_sender *sender, struct cf_call *call,
                      const struct cf_failure *failure, int64_t *out_min_delay_ms);

/* The service sent a reply. */
void cf_outage_answered(struct cf_sender *sender, struct cf_call *call, bool is_429);

/* How long the service has been away, and when it is probed next (0: at this moment). */
void cf_outage_status(const struct cf_sender *sender, int64_t *out_away_ms, int64_t *out_probe_ms);

/* Whether calls that fail, with nobody left who could tell more, speak of a service that is
 * away; then cf_outage_assume waits for it. */
bool cf_outage_is_likely(const struct cf_sender_lane *lane);
void cf_outage_assume(struct cf_sender_lane *lane);

/* --- verdict.c --- */

/* Whether a failure that ends a call, as far as its attempts go, may be the service's. */
bool cf_verdict_is_open(const struct cf_call *call, const struct cf_retry_step *step);

/* Puts the call aside until that is known. Its attempt is booked, but not stored. */
void cf_verdict_wait(struct cf_call *call, bool may_be_billed);

/* It is known, or nobody can wait for it any more: the call is tried again, or has failed. */
void cf_verdict_end(struct cf_call *call, bool again);
void cf_verdict_end_all(struct cf_sender_lane *lane, bool again);

/* --- health.c --- */

void cf_health_begin(struct cf_sender *sender);

/* --- learning.c --- */

/* What the headers of a reply say of limits and organisation. After the call was settled, before
 * its slot in the limiter is released. */
void cf_learning_hear(struct cf_sender *sender, struct cf_call *call,
                      const struct cf_limit_headers *limits, bool is_refusal);

/* Sets the output that is reserved for the call to what its template's replies used so far. */
void cf_learning_predict(struct cf_sender *sender, struct cf_call *call);

/* One more reply of a template. */
void cf_learning_output(struct cf_sender *sender, int64_t template_id, int64_t tokens);

/* The lanes of all keys start with what earlier sessions learnt. */
void cf_learning_restore(struct cf_sender *sender, const struct cf_lane_learnt *lanes,
                         size_t count);

void cf_learning_free(struct cf_sender *sender);
#endif
