/* ending.h - what ends an item together with the reply to its call.
 *
 * An item of a template needs no script between its reply and its rows, unless the script has rules
 * of its own. Its call then brings along what is to stand beside the turns; the net thread makes a
 * conversation of the reply, scored by the default rules, and one transaction stores both.
 * A reply that does not serve as it is (cut off, refused, no conversation) is stored alone: what
 * becomes of it is decided by who asked.
 *
 * A cf_ending is a call's, and moves with it from thread to thread. */
#ifndef CONFAB_ENGINE_ENDING_H
#define CONFAB_ENGINE_ENDING_H

#include "confab/conversation.h"
#include "store/write_item.h"

struct cf_reply;

struct cf_ending {
    bool is_taken; /* the reply serves: the item ends with it, and then */
    int score;     /* 1 to 10 */
    bool is_accepted;

    struct cf_write_item_finish finish; /* of one conversation: */
    struct cf_conversation_new row;     /* its texts stand in `texts` */
    struct cf_turn_call call;
    struct cf_conversation conversation;
    struct cf_turn_row *turns; /* owned */
    char breakdown[CF_DEFAULT_SCORE_TEXT_MAX];
    char texts[];
};

/* Of an item; row has the template's id, the columns and the parameters, which are copied. */
struct cf_ending *cf_ending_new(int64_t item, const struct cf_conversation_new *row);

/* NULL is fine. */
void cf_ending_free(struct cf_ending *ending);

/* Makes the conversation of the reply, which must stay as it is until the write is done. Returns
 * what is to be stored with the reply; NULL, leaving the ending as it was, if it does not serve. */
struct cf_write_item_finish *cf_ending_take(struct cf_ending *ending, const struct cf_reply *reply,
                                            int64_t call, int64_t cost_pico);
#endif
