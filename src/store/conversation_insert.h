/* conversation_insert.h - a conversation's rows: itself, turns, the calls that made them, tags.
 *
 * Within a transaction of the store thread; used when an item ends and when one is reviewed. */
#ifndef CONFAB_STORE_CONVERSATION_INSERT_H
#define CONFAB_STORE_CONVERSATION_INSERT_H

#include "store/tx.h"

/* What holds for all conversations of an item. */
struct cf_conversation_place {
    int64_t item;
    bool simulated;
    bool has_earlier;        /* the item has conversations already: versions go on from theirs */
};

/* Inserts all rows; fills the results. */
bool cf_conversation_insert(struct cf_store_tx *tx, const struct cf_conversation_place *place,
                            struct cf_conversation_new *conversation, struct cf_error *err);

/* Sets one tag. */
bool cf_tag_set(struct cf_store_tx *tx, int64_t conversation, const struct cf_tag_row *tag,
                struct cf_error *err);

/* Whether a conversation of this status counts as accepted: generated or approved. */
bool cf_status_is_accepted(const char *status);

bool cf_run_is_simulated(struct cf_store_tx *tx, int64_t run, bool *out_simulated,
                         struct cf_error *err);
#endif
