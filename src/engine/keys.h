/* keys.h - the API keys of a script: which one a call goes with, which ones are out.
 *
 * A key that the provider refuses for good (401, 402, 403, a spent limit) leaves the run.
 * Net thread only. The values never get into a message. */
#ifndef CONFAB_ENGINE_KEYS_H
#define CONFAB_ENGINE_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "confab/limiter.h"
#include "provider/anthropic.h"

struct cf_key_options {
    const char *name;                      /* for messages; never the key itself */
    const char *value;
    const struct cf_limit_config *limits;  /* NULL: the common ones */
};

struct cf_key {
    char *name, *value;                    /* owned */
    struct cf_http_field fields[CF_ANTHROPIC_FIELDS];
    size_t field_count;
    bool   is_out;
    bool   has_limits;
    struct cf_limit_config limits;
};

struct cf_keys {
    struct cf_key *list;                   /* owned */
    size_t count, next;
};

/* Copies the options; registers the values as secrets of the log. */
void cf_keys_init(struct cf_keys *keys, const struct cf_key_options *options, size_t count);
void cf_keys_done(struct cf_keys *keys);

/* The next key in turn that is not out; NULL if none is left. Lent. */
struct cf_key *cf_keys_next(struct cf_keys *keys);

/* The key of that name; NULL: the first one. NULL if there is none. */
struct cf_key *cf_keys_find(struct cf_keys *keys, const char *name);

/* Takes a key out of the run; returns whether another one is left. */
bool cf_keys_take_out(struct cf_keys *keys, struct cf_key *key);
#endif
