/* retry.h - what a failed call means, whether it is tried again, and after how long.
 *
 * Arithmetic only: no clock, no sleep, no I/O. The caller does the waiting and the logging. A
 * cf_retry belongs to one call and is used by one thread at a time. */
#ifndef CONFAB_RETRY_H
#define CONFAB_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "confab/error.h"

struct cf_rng;

struct cf_retry_policy {
    int     max_attempts;     /* the first one included; at least 1 */
    int64_t base_delay_ms;    /* before the first retry; doubles from there */
    int64_t max_delay_ms;     /* the doubling ends here; a server may ask for more */
    int64_t jitter_ms;        /* 0 to this is added at random */
};

/* How the way to the server failed; in what libcurl's errors are told to everyone else. */
enum cf_transport {
    CF_TRANSPORT_OK,                    /* a whole reply with a status arrived */
    CF_TRANSPORT_CONNECT_REFUSED,       /* or no route, or the proxy would not connect */
    CF_TRANSPORT_DNS,
    CF_TRANSPORT_TLS,                   /* handshake or certificate */
    CF_TRANSPORT_RESET_BEFORE_SEND,     /* closed before a byte of the request was written */
    CF_TRANSPORT_RESET_AFTER_SEND,      /* closed after that, before a status arrived */
    CF_TRANSPORT_TIMEOUT_CONNECT,
    CF_TRANSPORT_TIMEOUT_FIRST_BYTE,
    CF_TRANSPORT_TIMEOUT_IDLE,
    CF_TRANSPORT_TIMEOUT_TOTAL,
    CF_TRANSPORT_CUT_SHORT,             /* the reply ended before its end */
    CF_TRANSPORT_BAD_REPLY,             /* whole, but not of this API: broken JSON, HTML with 200 */
    CF_TRANSPORT_STREAM_ERROR,          /* an error event inside a stream; error_type says which */
    CF_TRANSPORT_TOO_LARGE,             /* the reply was over our cap */
    CF_TRANSPORT_BAD_URL,               /* not an address or a protocol we speak */
    CF_TRANSPORT_CANCELLED,             /* by us */
    CF_TRANSPORT_OTHER,
    CF_TRANSPORTS
};

enum cf_should_retry { CF_SHOULD_RETRY_UNSAID, CF_SHOULD_RETRY_NO, CF_SHOULD_RETRY_YES };

/* One failed attempt, as far as it is known. Texts are borrowed and may be NULL. */
struct cf_failure {
    enum cf_transport transport;
    int         http_status;            /* 0: none arrived */
    const char *error_type;             /* the reply's error.type */
    const char *error_code;             /* error.code or error.details.error_code, as text */
    const char *error_message;
    enum cf_should_retry should_retry;  /* the x-should-retry header */
    bool        request_written;        /* at least one byte of the request went out */
    int64_t     retry_after_ms;         /* from cf_retry_after_parse; -1: not said */
};

enum cf_verdict {
    CF_VERDICT_RETRY,                   /* try again after delay_ms */
    CF_VERDICT_RETRY_NOT_COUNTED,       /* a 429: wait with the whole lane; no failed attempt */
    CF_VERDICT_FAIL_ITEM,               /* this call cannot succeed */
    CF_VERDICT_KEY_OUT,                 /* no call with this key can */
    CF_VERDICT_STOP_RUN,                /* no call of this run can: unknown model, wrong address */
    CF_VERDICT_CANCELLED,               /* we stopped it ourselves */
};

/* What the attempt may have cost. */
enum cf_billing {
    CF_BILLING_NEVER_SENT,              /* nothing: the server did not see it */
    CF_BILLING_REFUSED,                 /* nothing: the server said no */
    CF_BILLING_UNKNOWN,                 /* perhaps: keep its bound at risk */
};

struct cf_judgement {
    enum cf_verdict verdict;            /* as if attempts were left */
    enum cf_verdict last;               /* and when none is: never one of the retries */
    enum cf_billing billing;
    const char *reason;                 /* "rate limit", "connection reset"; static, for people */
};

struct cf_retry {
    const struct cf_retry_policy *policy;   /* borrowed */
    int attempts;                           /* failed so far, as counted */
    int waits;                              /* 429s since the last counted one */
};

/* What on_retry and the log are told. */
struct cf_retry_step {
    enum cf_verdict verdict;
    int     attempt;                    /* the number of the attempt that failed, from 1 */
    int64_t delay_ms;                   /* before the next one; 0 if there is none */
    struct cf_judgement judgement;
};

void cf_retry_policy_default(struct cf_retry_policy *policy);    /* 3, 1000, 300000, 1000 */

/* False with a CF_ERR_CONFIG that names the field, the value and what is allowed. */
bool cf_retry_policy_check(const struct cf_retry_policy *policy, struct cf_error *err);

/* What the failure means, whatever was tried before. What is unknown goes by the class of its
 * status. */
void cf_retry_classify(const struct cf_failure *failure, struct cf_judgement *out_judgement);

/* base * 2^(n-1), at most max_delay_ms, plus jitter, before retry n (from 1); retry_after_ms where
 * that is longer. rng NULL: no jitter. */
int64_t cf_retry_delay_ms(const struct cf_retry_policy *policy, int n, int64_t retry_after_ms,
                          struct cf_rng *rng);

void cf_retry_init(struct cf_retry *retry, const struct cf_retry_policy *policy);

/* Counts one failure and says what follows. True if the call is tried again. After a 429 the
 * delay is the lane's pause, its jitter included. */
bool cf_retry_next(struct cf_retry *retry, const struct cf_failure *failure, struct cf_rng *rng,
                   struct cf_retry_step *out_step);

/* As cf_retry_next for a failure that says nothing about the call, such as one of an outage: it
 * is not counted, so it never is the last. The delay is that of the next retry, at least
 * min_delay_ms. */
bool cf_retry_next_uncounted(struct cf_retry *retry, const struct cf_failure *failure,
                             int64_t min_delay_ms, struct cf_rng *rng,
                             struct cf_retry_step *out_step);

/* The failure as an error: kind, status, retryable, retry_after_ms, and one line made of the
 * server's words where it said any. Always fills *err. */
void cf_retry_error(const struct cf_failure *failure, struct cf_error *err);

const char *cf_transport_name(enum cf_transport transport);    /* "connection refused"; static */
const char *cf_verdict_name(enum cf_verdict verdict);          /* "retry", "key_out"; static */
#endif
