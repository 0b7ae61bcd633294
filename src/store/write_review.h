/* write_review.h - messages that change a stored conversation: review, rescore, tags, edits.
 *
 * Each struct is sent with `.write.apply` set to the function of the same name; strings are
 * borrowed until on_done. Every change but tags leaves a row in `edits`. An unknown
 * conversation is a config_error. */
#ifndef CONFAB_STORE_WRITE_REVIEW_H
#define CONFAB_STORE_WRITE_REVIEW_H

#include "store/write_item.h"

/* Sets the status by a person's judgement. */
struct cf_write_review {
    struct cf_write write;
    int64_t conversation;
    const char *status;              /* "approved", "rejected", "generated", "needs_revision" */
    const char *note;                /* NULL: none */
    const char *author;              /* NULL: not told */
};
bool cf_write_review(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

/* New score; the status follows it unless a review has set it. */
struct cf_write_rescore {
    struct cf_write write;
    int64_t conversation;
    double quality_score;
    const char *status;              /* "generated" or "needs_revision", by the score */
    struct cf_text quality_breakdown;   /* JSON */
};
bool cf_write_rescore(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

/* Sets or removes a tag. */
struct cf_write_tag {
    struct cf_write write;
    int64_t conversation;
    struct cf_tag_row tag;
    bool remove;
};
bool cf_write_tag(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

/* Replaces the text of one turn. validation_error: its text is not the expected one any more. */
struct cf_write_turn_edit {
    struct cf_write write;
    int64_t conversation;
    int64_t turn_index;              /* from 0 */
    struct cf_text content;
    struct cf_text expected;         /* what the editor has read; data NULL: whatever is there */
    const char *author;
};
bool cf_write_turn_edit(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);
#endif
