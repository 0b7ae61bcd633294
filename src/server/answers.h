/* answers.h - answers that take long to make, given again while they are right, or nearly.
 *
 * What goes through all conversations takes a fifth of a second where there are a hundred
 * thousand. Such an answer is given again as long as nothing was written to the database since.
 * While a run writes, one of the last seconds is given at once, and a thread of its own makes
 * the next one, for those who come after. So many can watch, and nobody waits. Answers that take
 * no time are not kept: they are always those of this moment. Any thread. */
#ifndef CONFAB_SERVER_ANSWERS_H
#define CONFAB_SERVER_ANSWERS_H

#include <stdbool.h>
#include <stdint.h>

struct cf_answers;
struct cf_buf;
struct cf_clock;

#define CF_ANSWERS_OLD_MS   10000    /* older ones are given only if nothing was written since */
#define CF_ANSWERS_QUICK_US 20000    /* of processor time: what takes less is not kept */
#define CF_ANSWERS_MAX      32       /* different ones */

struct cf_answers *cf_answers_new(const char *db_path, const struct cf_clock *clock);

/* Waits for what is being made. NULL is fine. */
void cf_answers_free(struct cf_answers *answers);

enum cf_answer_found {
    CF_ANSWER_NONE,     /* make it, and tell cf_answers_made */
    CF_ANSWER_OLD,      /* give it, and have it made anew: cf_answers_make_later */
    CF_ANSWER_GOOD,     /* give it */
};

/* What the database was like before an answer was made. */
struct cf_answer_base {
    int64_t version;    /* changes with each commit; -1: it cannot be told */
    int64_t forgotten;  /* how often cf_answers_forget was called */
};

/* Looks for the answer to that path and query; adds it to the buffer. *out_base is of the answer
 * that is to be made. */
enum cf_answer_found cf_answers_find(struct cf_answers *answers, const char *request,
                                     struct cf_buf *out, struct cf_answer_base *out_base);

/* It was made, and took so long; json NULL: it could not be. */
void cf_answers_made(struct cf_answers *answers, const char *request,
                     const struct cf_answer_base *base, int64_t cpu_us,
                     const struct cf_buf *json);

/* Calls make in a thread of the answers', one at a time; with is_wanted false if there will be
 * no time for it. make frees self. */
void cf_answers_make_later(struct cf_answers *answers, void (*make)(void *self, bool is_wanted),
                           void *self);

/* Forgets all: somebody has changed something here and wants to see it. */
void cf_answers_forget(struct cf_answers *answers);
#endif
