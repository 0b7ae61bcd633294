/* write_take_back.h - message for a pass that looked and is to do nothing.
 *
 * Sent with `.write.apply` set to the function of the same name; see store.h. */
#ifndef CONFAB_STORE_WRITE_TAKE_BACK_H
#define CONFAB_STORE_WRITE_TAKE_BACK_H

#include "store/store.h"

/* Items of the plan that were never begun leave the database; nothing is lost with them, a later
 * pass draws them again. Of the run's replies those that this pass set aside serve again. */
struct cf_write_take_back {
    struct cf_write write;
    int64_t run;
    int64_t drawing;                 /* of this pass */

    /* results */
    int64_t dropped;
};
bool cf_write_take_back(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

/* The first half of it, for other messages. */
bool cf_items_drop_unbegun(struct cf_store_tx *tx, int64_t run, int64_t *out_dropped,
                           struct cf_error *err);
#endif
