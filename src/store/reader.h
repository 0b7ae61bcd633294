/* reader.h - read-only views of the database: runs, items, the journal, conversations, logs.
 *
 * A reader is one read-only connection for one thread. It sees what is committed; it never
 * blocks the writer. Cursors stream: a row's strings are lent until the next call on that
 * cursor, and an open cursor holds a snapshot, so do not keep one open for long. */
#ifndef CONFAB_STORE_READER_H
#define CONFAB_STORE_READER_H

#include "base/hash.h"
#include "store/write_call.h"
#include "store/write_item.h"

struct cf_buf;
struct cf_reader;

#define CF_READER_CHECK_MAX 256

/* Opens an existing database. config_error: missing, a folder, of another program, other
 * schema. storage_error: unreadable, damaged, locked beyond busy_ms (0: CF_STORE_CMD_BUSY_MS). */
bool cf_reader_open(const char *path, int busy_ms, struct cf_reader **out_reader,
                    struct cf_error *err);

/* A database without rows, in memory: for those who read a file that is not there yet. */
bool cf_reader_open_empty(struct cf_reader **out_reader, struct cf_error *err);
void cf_reader_free(struct cf_reader *reader);

/* Between the two all reads see one state of the database, so that what is counted one after
 * another fits together. Not for long: it keeps the log from being taken over into the file. */
bool cf_reader_hold(struct cf_reader *reader, struct cf_error *err);
void cf_reader_release(struct cf_reader *reader);

/* A number that changes when another connection has committed; -1 if it cannot be told. */
int64_t cf_reader_data_version(struct cf_reader *reader);

/* Looks through the whole file. Gives "ok" or the first thing that is wrong with it. False if it
 * cannot be read. */
bool cf_reader_check(struct cf_reader *reader, char out[CF_READER_CHECK_MAX], struct cf_error *err);

/* --- runs --- */

/* planned = accepted + needs_revision + failed + pending + skipped, always. */
struct cf_run_account {
    int64_t planned, accepted, needs_revision, failed, pending, skipped;
    int64_t surplus, orphans;               /* outside the plan */
    int64_t spent_pico, at_risk_pico;
    int64_t calls, attempts, replies, failures, unknown_cost_replies;
    struct cf_token_usage tokens;           /* sums; service_tier NULL */
};

struct cf_run_row {
    int64_t run;
    /* state also "died": its owner did */
    const char *uuid, *name, *provider, *state, *state_reason, *source;
    int64_t generation;
    bool simulated;
    const char *script, *script_text, *script_hash, *args, *options, *model, *base_url;
    uint64_t seed;
    int64_t budget_pico;                    /* CF_RUN_KEEP (-1): none */
    const char *created_at, *started_at, *finished_at;
    const char *owner_host, *owner_started_at;   /* NULL: nobody */
    int64_t owner_pid;
    struct cf_run_account account;
};

struct cf_run_cursor;

/* All runs, newest first; name NULL: any. */
bool cf_runs_open(struct cf_reader *reader, const char *name, struct cf_run_cursor **out_cursor,
                  struct cf_error *err);
int cf_runs_next(struct cf_run_cursor *cursor, const struct cf_run_row **out_row,
                 struct cf_error *err);
void cf_runs_free(struct cf_run_cursor *cursor);

/* The run by id. 1, 0 (none), -1. The row is lent until the next cf_reader_run. */
int cf_reader_run(struct cf_reader *reader, int64_t run, const struct cf_run_row **out_row,
                  struct cf_error *err);

/* The id of the run that `text` means: a uuid, the start of one (4 characters or more), or a
 * name (the newest generation). NULL: the newest run. 1, 0, -1 (also config_error when several
 * fit). */
int cf_reader_find_run(struct cf_reader *reader, const char *text, int64_t *out_run,
                       struct cf_error *err);

/* --- items --- */

struct cf_item_row {
    int64_t item, run, ordinal;             /* CF_ITEM_NO_ORDINAL if not of the plan */
    struct cf_text key, params, recorded;
    const char *state;
    bool accepted, orphan, surplus;
    int64_t attempts;
    const char *error_kind, *error_message;
};

struct cf_item_cursor;

struct cf_item_filter {
    int64_t run;                            /* required */
    const char *state;                      /* NULL: any */
    bool with_orphans;
};

/* Items in order of the plan. */
bool cf_items_open(struct cf_reader *reader, const struct cf_item_filter *filter,
                   struct cf_item_cursor **out_cursor, struct cf_error *err);
int cf_items_next(struct cf_item_cursor *cursor, const struct cf_item_row **out_row,
                  struct cf_error *err);
void cf_items_free(struct cf_item_cursor *cursor);

/* One item by key. 1, 0, -1. Lent until the next cf_reader_item. */
int cf_reader_item(struct cf_reader *reader, int64_t run, struct cf_text key,
                   const struct cf_item_row **out_row, struct cf_error *err);

/* The place in the plan of the first item that is pending or failed on the way to a reply (any_failed:
 * or failed at all); if there is none, the place after the last item. */
bool cf_reader_first_unfinished(struct cf_reader *reader, int64_t run, bool any_failed,
                                int64_t *out_ordinal, struct cf_error *err);

/* --- journal --- */

struct cf_journal_call {
    int64_t call, ordinal, attempts, max_tokens, template;
    uint8_t request_hash[CF_SHA256_SIZE];
    char    branch[64];
    char    state[12];                      /* sent, waiting, done, failed, unknown */
    char    stop_reason[32];                /* "" if no reply */
    char    model_answered[64];
    bool    set_aside;                      /* a reply that is not to serve again */
    int64_t cost_pico, bound_pico, at_risk_pico, latency_ms;
    struct cf_token_usage usage;            /* service_tier NULL */
    char    request_id[64];
};

/* All calls of an item in the order they were made; given: free() *out_calls. */
bool cf_reader_journal(struct cf_reader *reader, int64_t item, struct cf_journal_call **out_calls,
                       size_t *out_count, struct cf_error *err);

/* Adds the raw reply (or the request) of a call to the buffer. 1, 0 (not stored), -1. */
int cf_reader_reply(struct cf_reader *reader, int64_t call, struct cf_buf *out,
                    struct cf_error *err);
int cf_reader_request(struct cf_reader *reader, int64_t call, struct cf_buf *out,
                      struct cf_error *err);

/* What the newest replies of a model say of their requests. */
struct cf_usage_row {
    struct cf_text request;                 /* the body that was sent */
    int64_t input_tokens;                   /* of the whole prompt, cached or not */
};

struct cf_usage_cursor;

/* The last replies with usage of a model, newest first, of simulated runs or of real ones. */
bool cf_usages_open(struct cf_reader *reader, const char *model, bool simulated, int64_t last,
                    struct cf_usage_cursor **out_cursor, struct cf_error *err);
int cf_usages_next(struct cf_usage_cursor *cursor, const struct cf_usage_row **out_row,
                   struct cf_error *err);
void cf_usages_free(struct cf_usage_cursor *cursor);

/* --- conversations --- */

struct cf_conversation_filter {
    int64_t run;                            /* 0: all */
    int64_t item;                           /* 0: all */
    int64_t conversation;                   /* 0: all; else this one, whatever else holds */
    const char *const *statuses;            /* NULL: any; else status_count names */
    size_t status_count;
    double min_score;                       /* 0: any, the unscored included */
    const char *tier, *tag, *persona;       /* NULL: any */
    bool with_superseded; /* false: only what counts (no superseded, orphan, surplus, failed) */
    int simulated;                          /* 0: both; 1: only simulated; -1: only real */
};

struct cf_conversation_row {
    int64_t conversation, run, item, ordinal, part, version, superseded_by, template;
    const char *uuid, *run_uuid, *run_name, *template_uuid, *template_name;
    int64_t template_version;
    struct cf_text key, persona, emotion, topic, tier, document_id, chunk_id, parameters;
    const char *status;
    double quality_score;                   /* NaN: not scored */
    struct cf_text quality_breakdown;
    int64_t cost_pico;                      /* CF_COST_UNKNOWN */
    const char *model;
    bool truncated, simulated, orphan, surplus;
    const char *review_note, *reviewed_at, *created_at;
    const struct cf_turn_row *turns;
    size_t turn_count;
    const struct cf_tag_row *tags;
    size_t tag_count;
};

struct cf_conversation_cursor;

/* In order of run, item ordinal and part. */
bool cf_conversations_open(struct cf_reader *reader, const struct cf_conversation_filter *filter,
                           struct cf_conversation_cursor **out_cursor, struct cf_error *err);
int cf_conversations_next(struct cf_conversation_cursor *cursor,
                          const struct cf_conversation_row **out_row, struct cf_error *err);
void cf_conversations_free(struct cf_conversation_cursor *cursor);

/* --- ids that people type --- */

enum cf_id_kind {
    CF_ID_NONE,
    CF_ID_RUN,
    CF_ID_TEMPLATE,
    CF_ID_CONVERSATION,
    CF_ID_ITEM,
    CF_ID_CALL
};

/* What `text` means: a uuid of a run, template or conversation or the start of one (4 characters
 * or more), or "item:N", "call:N". Returns 1, 0, -1 (config_error when several fit). */
int cf_reader_find(struct cf_reader *reader, const char *text, enum cf_id_kind *out_kind,
                   int64_t *out_id, struct cf_error *err);

/* The item of that key in the newest run that has one. Returns 1, 0, -1. */
int cf_reader_find_item(struct cf_reader *reader, const char *key, int64_t *out_item,
                        struct cf_error *err);

/* --- logs --- */

struct cf_log_row {
    int64_t log, run, item, call, attempt;
    struct cf_text key;                     /* of the item */
    const char *status; /* "success", "retry", "failure", "unknown", "rejected" */
    int http_status;                        /* 0: none */
    const char *error_kind, *error_message;
    int64_t input_tokens, output_tokens;    /* -1: not told */
    int64_t cost_pico, at_risk_pico;
    int64_t duration_ms;
    const char *request_id, *model, *created_at;
};

struct cf_log_filter {
    int64_t run, item, call;                /* 0: all */
    bool failures_only;
    int64_t last;                           /* only the newest n; 0: all */
};

struct cf_log_cursor;

/* Oldest first. */
bool cf_logs_open(struct cf_reader *reader, const struct cf_log_filter *filter,
                  struct cf_log_cursor **out_cursor, struct cf_error *err);
int cf_logs_next(struct cf_log_cursor *cursor, const struct cf_log_row **out_row,
                 struct cf_error *err);
void cf_logs_free(struct cf_log_cursor *cursor);

/* Failed items by error kind and message, most frequent first, each with one example. Messages that differ in
 * numbers and in what is quoted are one. */
struct cf_failure_row {
    const char *error_kind;
    int64_t count;
    struct cf_text key;                     /* of the example, the first in the plan */
    const char *error_message;
};

struct cf_failure_cursor;

bool cf_failures_open(struct cf_reader *reader, int64_t run, struct cf_failure_cursor **out_cursor,
                      struct cf_error *err);
int  cf_failures_next(struct cf_failure_cursor *cursor, const struct cf_failure_row **out_row,
                      struct cf_error *err);
void cf_failures_free(struct cf_failure_cursor *cursor);

/* --- templates --- */

struct cf_template_row {
    int64_t template, version, usage_count, success_count;
    const char *uuid, *name, *tier, *settings, *created_at;
    struct cf_text system, prompt;
    int64_t output_calls, output_tokens, output_tokens_max;   /* learnt from replies */
};

/* One template by id. 1, 0, -1. Lent until the next cf_reader_template. */
int cf_reader_template(struct cf_reader *reader, int64_t template,
                       const struct cf_template_row **out_row, struct cf_error *err);

/* --- control --- */

struct cf_control_row {
    int64_t control;
    const char *command, *arguments;        /* JSON or NULL */
};

/* The oldest thing asked of the owner of a run that it has not done yet. 1, 0, -1. Lent until the
 * next cf_reader_control. */
int cf_reader_control(struct cf_reader *reader, int64_t run, const struct cf_control_row **out_row,
                      struct cf_error *err);

/* Whether a control row was done with. 1, 0, -1. */
int cf_reader_control_is_handled(struct cf_reader *reader, int64_t control, struct cf_error *err);

/* --- any query, for confab.store:sql --- */

struct sqlite3_stmt;

/* Prepares one read-only statement; the caller binds, steps and finalizes it with SQLite's
 * own calls on this thread. config_error: not SQL, more than one statement, or one that writes. */
bool cf_reader_sql(struct cf_reader *reader, const char *sql, struct sqlite3_stmt **out_stmt,
                   struct cf_error *err);
#endif
