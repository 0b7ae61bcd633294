/* write_item.h - messages for items: drawn from the plan, finished with their conversations.
 *
 * Each struct is sent with `.write.apply` set to the function of the same name. Everything
 * pointed to is borrowed until on_done. Fields are inputs unless they stand under "results". */
#ifndef CONFAB_STORE_WRITE_ITEM_H
#define CONFAB_STORE_WRITE_ITEM_H

#include "base/uuid.h"
#include "store/store.h"

enum cf_item_state { CF_ITEM_PENDING, CF_ITEM_DONE, CF_ITEM_FAILED, CF_ITEM_SKIPPED };

/* "pending", "done", "failed", "skipped". Static. */
const char *cf_item_state_name(enum cf_item_state state);

/* The state of that name; pending if there is none. */
enum cf_item_state cf_item_state_parse(const char *name);

#define CF_ITEM_NO_ORDINAL \
    INT64_C(-1) /* not part of the plan: the item "" of calls outside a run */

struct cf_item_draw {
    struct cf_text key;
    bool is_numbered;                /* equal ones are told apart as "key", "key#2", "key#3" ... */
    int64_t ordinal;                 /* place in the plan, from 0, or CF_ITEM_NO_ORDINAL */
    struct cf_text params;           /* JSON */

    /* results */
    int64_t item;
    enum cf_item_state state;
    int64_t attempts;                /* how often it was finished before */
    bool    existed;
    bool    accepted;                /* was done, and all its conversations accepted */
    bool drawn_before; /* in this same drawing: the key is taken, nothing was changed */
    int64_t number;                  /* 1, or that of "key#2" */
    char    error_kind[24];          /* of a failed one, "" otherwise */
};

/* Draws a batch of items of one run. An item that is there keeps its state, takes the new ordinal
 * and parameters, and is no orphan any more. */
struct cf_write_item_draw {
    struct cf_write write;
    int64_t run;
    int64_t drawing;                 /* from cf_write_run_own */
    struct cf_item_draw *items;      /* results are filled in place */
    size_t count;
};
bool cf_write_item_draw(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

/* The items at these places of the plan, first to last, are what the inputs have there: this
 * drawing has drawn them, and nothing of them changes. */
struct cf_write_item_stay {
    struct cf_write write;
    int64_t run, drawing;
    int64_t first, last;             /* ordinals */
};
bool cf_write_item_stay(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

/* After the last draw of a pass over the whole input: what it did not draw becomes an orphan. */
struct cf_write_item_orphans {
    struct cf_write write;
    int64_t run;
    int64_t drawing;

    /* results */
    int64_t orphans;                 /* marked just now */
};
bool cf_write_item_orphans(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

/* Keeps what a step observed of the outside (times), to be given again on replay. */
struct cf_write_item_record {
    struct cf_write write;
    int64_t item;
    struct cf_text recorded;         /* JSON; replaces what was there */
};
bool cf_write_item_record(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

struct cf_turn_row {
    struct cf_text role;             /* "system", "user", "assistant" */
    struct cf_text content;
};

/* Turns first..last (from 0, both included) were made by this call. */
struct cf_turn_call {
    int64_t first_turn, last_turn, call;
};

struct cf_tag_row {
    const char *name;
    struct cf_text text;             /* the value; NULL: a bare tag */
    double number;                   /* the value, if is_number */
    bool is_number;
};

/* A conversation to be stored as a part of an item. NULL strings and 0 ids are stored as NULL. */
struct cf_conversation_new {
    int64_t part;                    /* 1.. */
    int64_t template;                /* id */
    struct cf_text persona, emotion, topic, tier, document_id, chunk_id;
    struct cf_text parameters;       /* JSON object */
    const char *status;              /* "generated", "needs_revision", "approved", "rejected" */
    double quality_score;            /* NaN: not scored */
    struct cf_text quality_breakdown;   /* JSON */
    int64_t cost_pico;               /* CF_COST_UNKNOWN is stored as NULL */
    const char *model;               /* that answered */
    bool truncated;                  /* salvaged from a reply that was cut off */
    int64_t branch_of;               /* the conversation that its first turns are from; or */
    int64_t branch_part;             /* the part of it, among those before it in the same message */
    int64_t branch_turn;             /* the first turn that differs, from 0 */
    const struct cf_turn_row *turns;
    size_t turn_count;
    const struct cf_turn_call *calls;
    size_t call_count;
    const struct cf_tag_row *tags;
    size_t tag_count;

    /* results */
    int64_t conversation;
    int64_t version;                 /* 1, 2, ... of this part */
    char    uuid[CF_UUID_TEXT_SIZE];
};

/* Ends a pass of an item: its state and its conversations in one transaction. When it is done or
 * skipped, its earlier conversations leave the listings: superseded_by points to the new one of
 * the same part, or to the first new one. A failure leaves them as they are. */
struct cf_write_item_finish {
    struct cf_write write;
    int64_t item;
    enum cf_item_state state;        /* not CF_ITEM_PENDING */
    const char *error_kind;          /* DESIGN's name; NULL unless failed */
    const char *error_message;
    bool surplus;                    /* accepted beyond the number asked for */
    struct cf_conversation_new *conversations;   /* results are filled in place */
    size_t count;
};
bool cf_write_item_finish(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);
#endif
