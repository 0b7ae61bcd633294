/* drawn.h - a stretch of a run's plan as the database has it, read at once: its items and the
 * journal of each. What a pass over known inputs compares them with. */
#ifndef CONFAB_STORE_DRAWN_H
#define CONFAB_STORE_DRAWN_H

#include "confab/buf.h"
#include "store/reader.h"
#include "store/write_item.h"

struct cf_drawn_item {
    int64_t item;                    /* 0: there is none at this place */
    bool is_current;                 /* written by the present drawing */
    bool is_doubled;                 /* there is a further one, and neither was: which is meant? */
    bool accepted;
    enum cf_item_state state;
    char error_kind[24];             /* of a failed one, "" otherwise */
    size_t key_at, key_len;          /* in texts */
    size_t params_at, params_len;    /* in texts; JSON */
    size_t first_call, call_count;   /* in calls, in the order they were made */
};

/* Zero is valid and empty. Used again, it keeps its memory. */
struct cf_drawn {
    int64_t first;                   /* the ordinal of items[0] */
    struct cf_drawn_item *items;     /* owned; one for each place */
    size_t count, cap;
    struct cf_journal_call *calls;   /* owned */
    size_t call_count, call_cap;
    struct cf_buf texts;
};

#define CF_DRAWN_MAX 1024            /* places */

/* Reads the places first, first + 1, ... of the plan; orphans are in none. What the present drawing
 * wrote takes a place from what is there no longer. count is at most CF_DRAWN_MAX. After a failure
 * it is empty. */
bool cf_drawn_read(struct cf_drawn *drawn, struct cf_reader *reader, int64_t run, int64_t drawing,
                   int64_t first, size_t count, struct cf_error *err);
void cf_drawn_done(struct cf_drawn *drawn);

/* The item at a place; NULL outside the stretch or if there is none, or more than one. Lent. */
const struct cf_drawn_item *cf_drawn_get(const struct cf_drawn *drawn, int64_t ordinal);
struct cf_text cf_drawn_key(const struct cf_drawn *drawn, const struct cf_drawn_item *item);
struct cf_text cf_drawn_params(const struct cf_drawn *drawn, const struct cf_drawn_item *item);

/* How many items the plan of a run has: all but the orphans. */
bool cf_reader_plan_size(struct cf_reader *reader, int64_t run, int64_t *out_count,
                         struct cf_error *err);
#endif
