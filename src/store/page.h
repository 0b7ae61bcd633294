/* page.h - the conversations that fit a question, newest first, a page at a time.
 *
 * A page begins after a cursor, the last conversation of the page before, so that what is added
 * meanwhile neither repeats nor hides a row; or at an offset, for who wants to jump. What fits
 * may be rare: so that no question takes long, a page ends where enough conversations were
 * looked at, and the next one goes on from there. */
#ifndef CONFAB_STORE_PAGE_H
#define CONFAB_STORE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_error;
struct cf_reader;

#define CF_PAGE_MAX 500

struct cf_page_question {
    int64_t run, template;               /* 0: any */
    const char *const *statuses;         /* NULL: any; else status_count names */
    size_t status_count;
    double min_score, max_score;         /* 0: any, the unscored included */
    const char *persona, *emotion, *topic, *tier, *tag;    /* NULL: any */
    /* in a turn or one of the above, ASCII letters in either case */
    const char *text;
    /* also what does not count: older versions, orphans, surplus */
    bool with_superseded;
    int simulated;                       /* 0: both; 1: only simulated; -1: only real */
    int64_t before;                      /* the cursor: only older ones; 0: from the newest */
    int64_t offset;                      /* with one, look_most does not count for the page */
    size_t limit;                        /* 1 to CF_PAGE_MAX */
    int64_t look_most;                   /* conversations that are looked at; 0: any number */
};

/* The ids of a page. ids has room for limit. *out_next is the cursor of the next page, which may
 * be there although this one is not full; 0: there is none. */
bool cf_page_read(struct cf_reader *reader, const struct cf_page_question *question, int64_t *ids,
                  size_t *out_count, int64_t *out_next, struct cf_error *err);

/* How many fit in all, whatever cursor, offset and limit; of those newest that may be looked at:
 * then *out_is_exact is false. */
bool cf_page_total(struct cf_reader *reader, const struct cf_page_question *question,
                   int64_t *out_total, bool *out_is_exact, struct cf_error *err);
#endif
