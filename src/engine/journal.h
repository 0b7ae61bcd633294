/* journal.h - what an item has already been answered, so that nothing is bought twice.
 *
 * A call is known by item, branch, request hash and ordinal among equal requests of its
 * branch. A cf_item is loaded once, when its work begins, and is used by the script thread. */
#ifndef CONFAB_ENGINE_JOURNAL_H
#define CONFAB_ENGINE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "store/reader.h"

struct cf_run;

struct cf_item {
    struct cf_run *run;                  /* borrowed */
    int64_t id, ordinal;
    enum cf_item_state state;            /* as it was found */
    bool    existed;                     /* before this pass */
    /* as it was found: done, and all its conversations accepted */
    bool    accepted;
    char    error_kind[24];              /* of one that had failed */
    char    name[64];                    /* its key, perhaps cut; for messages */

    struct cf_journal_call *calls;       /* owned; in the order they were made */
    size_t  call_count;
    bool   *used;                        /* owned; of calls: asked for in this pass */
    /* owned */
    struct cf_asked {
        char branch[64];
        uint8_t hash[CF_SHA256_SIZE];
        int64_t next;                    /* ordinal of the next equal request */
        int64_t unanswered;              /* of those that the journal did not answer */
    } *asked;
    size_t  asked_count;
    int64_t new_calls;                   /* asked for that the journal could not answer */
};

/* Keeps what of the key fits, for messages. */
void cf_item_set_name(struct cf_item *item, struct cf_text key);

/* Gives an item its journal, of which it makes a copy. Once. */
void cf_item_set_journal(struct cf_item *item, const struct cf_journal_call *calls, size_t count);

/* Loads the journal of an item that was there before; a new one has none. No effect if it has its
 * journal. */
bool cf_item_load(struct cf_item *item, struct cf_reader *reader, struct cf_error *err);

/* Empties it. Zero is valid. */
void cf_item_done(struct cf_item *item);

/* The identity of the next call with this hash on this branch: *out_ordinal, and the journal's
 * row of that identity, or NULL if there is none. *out_serves: its reply answers the call; a
 * reply that was cut off by a smaller max_tokens does not, nor one that was set aside. */
const struct cf_journal_call *cf_item_ask(struct cf_item *item, const char *branch,
                                          const uint8_t hash[CF_SHA256_SIZE], int64_t max_tokens,
                                          int64_t *out_ordinal, bool *out_serves);

/* A call that the journal did not answer has come back to who asked. */
void cf_item_answered(struct cf_item *item, const char *branch, const uint8_t hash[CF_SHA256_SIZE]);

/* Those who waited for answers are gone: their calls are as if they had not been asked for, so
 * that the replies that have come since serve whoever asks next. Reads the journal again. */
bool cf_item_renew(struct cf_item *item, struct cf_reader *reader, struct cf_error *err);

/* Whether the item was done with one call, and this is it: the journal would answer it with the
 * same reply, which was not cut off. Counts nothing as asked. */
bool cf_item_stands(const struct cf_item *item, const uint8_t hash[CF_SHA256_SIZE]);

/* Why the journal has no answer to a call. */
enum cf_new_call {
    CF_NEW_CALL,           /* nothing like it was asked for */
    CF_NEW_UNFINISHED,     /* it was, and no whole reply came */
    CF_NEW_SET_ASIDE,      /* its reply was set aside */
    CF_NEW_CUT,            /* its reply was cut off by a smaller max_tokens */
    CF_NEW_CHANGED,        /* it takes the place of an earlier call */
};

/* "new", "unfinished", "set aside", "cut off", "changed". Static. */
const char *cf_new_call_name(enum cf_new_call why);

/* Says why of a call that cf_item_ask has just said does not serve. With CF_NEW_CHANGED,
 * *out_instead is the earlier call: the first of the branch that was not asked for (yet). */
enum cf_new_call cf_item_why_new(const struct cf_item *item, const char *branch,
                                 const uint8_t hash[CF_SHA256_SIZE], int64_t max_tokens,
                                 int64_t ordinal, const struct cf_journal_call **out_instead);
#endif
