/* call.h - one call to a model, from the script's asking to the stored reply.
 *
 * A call is moved whole from thread to thread:
 *
 *   script --submit--> net: gates, its lane --granted--> store: row 'sent' --> net: HTTP
 *     ^                                                                             |
 *     +---------------- store: reply and log row, or the failure, committed <-------+
 *
 * A failure that is worth a retry goes back to the lane after its log row was committed. */
#ifndef CONFAB_ENGINE_CALL_H
#define CONFAB_ENGINE_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/loop.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "confab/limiter.h"
#include "confab/retry.h"
#include "engine/completion.h"
#include "http/http.h"
#include "provider/limits.h"
#include "provider/reply.h"
#include "store/write_call.h"

struct cf_account;
struct cf_ending;
struct cf_key;
struct cf_model;
struct cf_sender;
struct cf_sender_lane;
struct cf_stream;

#define CF_BRANCH_MAX 64    /* bytes with the NUL; "1.3.2" nests far enough */
#define CF_ITEM_NAME_MAX 64

/* A message to the net thread. */
struct cf_sender_message {
    struct cf_queue_link link;
    void (*handle)(struct cf_sender *sender, struct cf_sender_message *message);
};

/* Why a call is put aside, before its lane or behind it. */
enum cf_parked {
    CF_PARKED_NOT,
    CF_PARKED_HELD,          /* somebody holds the sending, or the disk is low */
    CF_PARKED_SERVICE,       /* the service is away */
    CF_PARKED_BUDGET,        /* until others have settled */
    CF_PARKED_VERDICT,       /* after its last attempt: see verdict.c */
};

struct cf_call {
    /* To the script thread when all is over; set by the submitter. */
    struct cf_completion completion;
    struct cf_queue *completions;         /* where to; borrowed */
    void *owner;                          /* the submitter's */

    /* What is asked. Owned by the call unless said otherwise; not changed after submitting. */
    struct cf_account *account;           /* of the run; borrowed */
    int64_t  run, item, template_id;
    char     item_name[CF_ITEM_NAME_MAX]; /* its key, perhaps cut; for messages */
    char     branch[CF_BRANCH_MAX];
    uint8_t  hash[CF_SHA256_SIZE];
    int64_t  ordinal;
    const struct cf_model *model;         /* borrowed; as long as the engine */
    char    *body;                        /* the JSON to send */
    size_t   body_len;
    int64_t  max_tokens;                  /* as asked for, without thinking room */
    int64_t  output_bound;                /* max_tokens with room for thinking */
    int64_t  bound_pico;                  /* highest possible cost of one attempt */
    struct cf_amounts amounts;            /* estimate for the limiter */
    void   (*on_retry)(struct cf_call *call, const struct cf_retry_step *step,
                       const struct cf_error *err);   /* net thread; may be NULL */
    /* reads the reply while it arrives; NULL: the body asks for no stream */
    struct cf_stream *stream;
    /* what ends the item with the reply, if that serves; NULL: nothing does */
    struct cf_ending *ending;

    /* What came of it. Set when the completion is delivered. */
    bool     has_reply;                   /* else error says why not */
    struct cf_error error;
    bool     stops_run;                   /* every other call would meet the same */
    struct cf_reply reply;                /* owned */
    char    *raw;                         /* owned: the reply's body */
    size_t   raw_len;
    int64_t  call_id;                     /* row; 0 if it was never sent */
    int64_t  cost_pico;                   /* CF_COST_UNKNOWN */
    int64_t  latency_ms;
    int      attempts;                    /* sent */

    /* The sender's. */
    struct cf_sender_message message;
    struct cf_call *prev, *next;          /* in the sender's list of calls */
    struct cf_waiter waiter;
    struct cf_timer timer;                /* the wait before a retry */
    struct cf_retry retry;
    struct cf_key *key;                   /* borrowed; of the current attempt */
    struct cf_sender_lane *lane;          /* the same */
    struct cf_call *park_prev, *park_next;
    enum cf_parked parked;
    bool     is_reserved;                 /* its bound, in the account */
    bool     is_probe;                    /* goes to see whether the service is back */
    struct cf_sender_lane *streak_lane;   /* where its last failures were, */
    uint64_t streak;                      /* in which streak of that lane's breaker, */
    int      streak_failures;             /* and how many of them were counted */
    struct cf_http_request http;
    union {
        struct cf_write_call_sent sent;
        struct cf_write_call_failed failed;
        struct cf_write_call_reply reply;
    } write;
    bool     is_writing;                  /* a write is under way: a grant waits for it */
    bool     is_write_refused;            /* the last write failed; error says why */
    bool     is_granted;                  /* the grant that waits */
    bool     was_named;                   /* for taking too long */
    bool     may_be_billed;               /* the attempt whose verdict is open */
    bool     will_retry;
    int64_t  due_ms;                      /* when the retry is due */
    int64_t  begun_ms;                    /* of the current attempt */
    struct cf_buf telling;                /* text of the stream that watchers were not told yet; */
    int64_t  told_ms;                     /* and when they were told of it last */
    char     request_id[CF_HEADER_TEXT_MAX];
};

/* An empty call. */
struct cf_call *cf_call_new(void);

/* Frees it with all it owns; NULL is fine. Not while it is under way. */
void cf_call_free(struct cf_call *call);
#endif
