/* records.h - what is kept about a key, whether or not its lane is in memory: its own limits, what
 * was learnt of it, and the key it was merged into. */
#ifndef CONFAB_LIMIT_RECORDS_H
#define CONFAB_LIMIT_RECORDS_H

#include "base/mem.h"

#define uthash_malloc(size) cf_malloc(size)
#include <uthash.h>

#include "confab/limiter.h"

struct cf_record {
    UT_hash_handle hh;
    char *key;                           /* owned */
    bool  has_config;
    struct cf_limit_config config;
    struct cf_limit_learnt learnt;       /* of a lane that was forgotten */
    char *into;                          /* owned; NULL: it was not merged */
};

struct cf_records { struct cf_record *table; };     /* zero is valid and empty */

void cf_records_done(struct cf_records *records);

struct cf_record *cf_records_find(const struct cf_records *records, const char *key);
struct cf_record *cf_records_get(struct cf_records *records, const char *key);    /* or a new one */

/* Drops the record if nothing is kept in it. NULL is fine. */
void cf_records_trim(struct cf_records *records, struct cf_record *record);

/* The key whose lane is meant; lent until the next change. */
const char *cf_records_resolve(const struct cf_records *records, const char *key);

/* Makes `from`, and all that was merged into it, mean `into`. Both are resolved keys. */
void cf_records_merge(struct cf_records *records, const char *from, const char *into);

bool cf_limit_learnt_any(const struct cf_limit_learnt *learnt);
#endif
