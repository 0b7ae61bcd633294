/* write_call.h - the journal's messages: a call sent, an attempt failed, a reply received.
 *
 * Each struct is sent with `.write.apply` set to the function of the same name. Everything
 * pointed to is borrowed until on_done. Order that makes money safe: cf_write_call_sent is
 * committed before a byte leaves, cf_write_call_reply before anyone uses the reply. */
#ifndef CONFAB_STORE_WRITE_CALL_H
#define CONFAB_STORE_WRITE_CALL_H

#include "base/hash.h"
#include "store/script_budget.h"
#include "store/store.h"
#include "store/write_item.h"

/* Tokens as the provider counted them; -1: not told. */
struct cf_token_usage {
    int64_t input, output;
    int64_t cache_write_5m, cache_write_1h, cache_read;
    int64_t thinking;                /* part of output */
    const char *service_tier;        /* NULL: not told */
};

#define CF_TOKEN_USAGE_NONE { -1, -1, -1, -1, -1, -1, NULL }

/* An attempt is about to be sent. The first makes the row, later ones count up. If the budget of
 * the script has no room for it nothing is written, which is no error: `room` says so. */
struct cf_write_call_sent {
    struct cf_write write;
    int64_t run, item;
    int64_t call; /* 0: the first attempt, which puts the new id here; later ones pass it */
    bool    is_first;                /* set by apply, which may run twice; leave it false */

    /* identity: only read for the first attempt */
    const char *branch;              /* "" outside parallel and map, else a path such as "1.3" */
    uint8_t request_hash[CF_SHA256_SIZE];
    int64_t ordinal;                 /* among equal requests of the branch, from 0 */

    const char *model;               /* asked for */
    int64_t template;                /* 0: none */
    int64_t max_tokens;
    int64_t bound_pico; /* the most this attempt may cost; CF_COST_UNKNOWN without a price */
    struct cf_text
        request; /* JSON as sent, without keys; NULL data on a later attempt: unchanged */
    const struct cf_script_budget *budget; /* NULL: none */

    enum cf_script_room room;        /* result; and without room, */
    struct cf_script_use use;        /* what counts against the budget */
};
bool cf_write_call_sent(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

/* An attempt did not bring a whole reply. */
struct cf_write_call_failed {
    struct cf_write write;
    int64_t run, item, call;
    bool will_retry; /* state 'waiting', else 'failed' ('unknown' if may_be_billed) */
    bool may_be_billed;              /* the bound of this attempt goes to at_risk for good */
    int http_status;                 /* 0: none arrived */
    const char *error_kind;          /* DESIGN's name */
    const char *error_message;
    struct cf_token_usage usage;     /* what a cut stream had told */
    int64_t duration_ms;
    const char *request_id;          /* NULL: none */
};
bool cf_write_call_failed(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

/* A whole 200 reply. */
struct cf_write_call_reply {
    struct cf_write write;
    int64_t run, item, call;
    struct cf_text reply;            /* the raw body */
    struct cf_token_usage usage;
    /* CF_COST_UNKNOWN is stored as NULL; the bound is at risk then */
    int64_t cost_pico;
    const char *model_answered;
    const char *stop_reason;
    int64_t latency_ms;
    const char *request_id;
    struct cf_write_item_finish *finish; /* of its item, in the same transaction; NULL: none */
};
bool cf_write_call_reply(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

/* A reply that came whole but does not serve (parse_error, validation_error, refusal): a log row
 * that says so. No tokens, no cost: cf_write_call_reply has booked them. Said again of the same
 * call, as on a replay, it changes nothing. */
struct cf_write_call_rejected {
    struct cf_write write;
    int64_t run, item, call;
    const char *error_kind, *error_message;
};
bool cf_write_call_rejected(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

/* Sets aside the last reply of each item of the run that failed on content (parse, validation,
 * refusal, script): it stays in the journal, but the call is asked for anew. Orphans are left. */
struct cf_write_call_set_aside {
    struct cf_write write;
    int64_t run;
    int64_t drawing;                 /* the pass, from 1: it may take that back */

    /* results */
    int64_t calls;                   /* set aside just now */
};
bool cf_write_call_set_aside(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);
#endif
