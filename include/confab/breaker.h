/* breaker.h - telling an outage of the service from the failure of a call.
 *
 * Arithmetic only: no clock, no waiting. One breaker belongs to one lane and one thread.
 *
 *   CLOSED --5 failures in a row, of 3 different calls--> SUSPECTED --no success for 5 s--> OPEN
 *      ^                                                      |                              |
 *      +------------------- a success ------------------------+------------------------------+
 *
 * A success is any reply that the service made by itself, a 429 or a 400 too. It ends a streak
 * only if its request was sent after the streak's first failure: replies of before arrive for
 * minutes. They show that the service is not silent, so they put off that the breaker opens.
 * While it is not closed a failure says nothing about the call that met it, so it does not count
 * against it. While it is open one call at a time goes out to probe, on the back-off schedule. */
#ifndef CONFAB_BREAKER_H
#define CONFAB_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "confab/retry.h"

struct cf_rng;

#define CF_BREAKER_CALLS_MAX 8 /* different calls of a streak that are told apart */

struct cf_breaker_policy {
    int failures;                  /* in a row */
    int calls;                     /* different ones among them; at most CF_BREAKER_CALLS_MAX */
    int64_t quiet_ms;              /* without a success, before it opens */
    int64_t max_outage_ms;         /* how long it may last */
    struct cf_retry_policy probes; /* max_attempts is not used */
};

enum cf_breaker_state { CF_BREAKER_CLOSED, CF_BREAKER_SUSPECTED, CF_BREAKER_OPEN };

struct cf_breaker {
    const struct cf_breaker_policy *policy; /* borrowed */
    enum cf_breaker_state state;
    int failures;                         /* in the streak */
    uint64_t calls[CF_BREAKER_CALLS_MAX]; /* the first different ones of the streak */
    int call_count;
    uint64_t streak;               /* number of the streak; grows with each success */
    int64_t success_ms;            /* of the last success, or of the beginning */
    int64_t failing_ms, failed_ms; /* of the streak's first and last failure */
    int64_t next_probe_ms;
    int probes;      /* that failed since it opened */
    bool is_probing; /* one is out */
};

/* 5 failures of 3 calls, 5 s, 6 h; probes after 1 s, doubling to 60 s, with a jitter of 1 s. */
void cf_breaker_policy_default(struct cf_breaker_policy *policy);

void cf_breaker_init(struct cf_breaker *breaker, const struct cf_breaker_policy *policy,
                     int64_t now_ms);

/* A call met the service down: a 5xx, a 529, no connection, a reset, a time-out. call tells
 * calls apart. Returns whether the failure counts against the call: not while an outage is
 * suspected or seen. */
bool cf_breaker_failure(struct cf_breaker *breaker, uint64_t call, int64_t now_ms,
                        struct cf_rng *rng);

/* Opens it within a streak that is shorter: nobody is left from whom more could be learnt. No
 * effect if it is open. */
void cf_breaker_open(struct cf_breaker *breaker, int64_t now_ms, struct cf_rng *rng);

/* The service answered a request that was sent at sent_ms. Returns true if that ended an outage
 * that was seen. */
bool cf_breaker_success(struct cf_breaker *breaker, int64_t sent_ms, int64_t now_ms);

/* Whether a call may be sent now; if so while it is open, that call is the probe. Else
 * *out_wait_until_ms is when to ask again; -1: when the probe that is out has come back. */
bool cf_breaker_may_send(struct cf_breaker *breaker, int64_t now_ms, int64_t *out_wait_until_ms);

/* The probe was not sent after all, or taken back; another call may be it. */
void cf_breaker_probe_lost(struct cf_breaker *breaker);

/* How long the service has been away: since the streak began; 0 while the breaker is closed. */
int64_t cf_breaker_outage_ms(const struct cf_breaker *breaker, int64_t now_ms);

/* Whether it was found to be away for longer than max_outage_ms: a failure after that time says
 * so, not the clock, which may have jumped. */
bool cf_breaker_has_given_up(const struct cf_breaker *breaker);

/* The next probe is due at once. */
void cf_breaker_ask_now(struct cf_breaker *breaker, int64_t now_ms);
#endif
