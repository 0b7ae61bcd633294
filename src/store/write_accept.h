/* write_accept.h - message for a run that asks for a number of accepted items.
 *
 * Sent with `.write.apply` set to the function of the same name; see store.h. */
#ifndef CONFAB_STORE_WRITE_ACCEPT_H
#define CONFAB_STORE_WRITE_ACCEPT_H

#include "store/store.h"

/* Of the accepted items of the plan the first `accept`, in its order, count; further ones become
 * surplus. The same again changes nothing, another number gives items back or takes them. */
struct cf_write_accept {
    struct cf_write write;
    int64_t run;
    int64_t accept;                  /* INT64_MAX: all count */
    bool    drops_rest;              /* items drawn and never begun leave the database */

    /* results */
    int64_t surplus;                 /* in all */
    int64_t dropped;
};
bool cf_write_accept(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);
#endif
