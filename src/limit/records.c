#include "limit/records.h"

#include <stdlib.h>
#include <string.h>

static void drop(struct cf_records *records, struct cf_record *record)
{
    HASH_DEL(records->table, record);
    free(record->key);
    free(record->into);
    free(record);
}

void cf_records_done(struct cf_records *records)
{
    struct cf_record *record, *next;
    HASH_ITER(hh, records->table, record, next)
        drop(records, record);
}

struct cf_record *cf_records_find(const struct cf_records *records, const char *key)
{
    struct cf_record *record;
    HASH_FIND_STR(records->table, key, record);
    return record;
}

struct cf_record *cf_records_get(struct cf_records *records, const char *key)
{
    struct cf_record *record = cf_records_find(records, key);
    if (record != NULL)
        return record;
    record = cf_calloc(1, sizeof *record);
    record->key = cf_strdup(key);
    HASH_ADD_KEYPTR(hh, records->table, record->key, strlen(record->key), record);
    return record;
}

bool cf_limit_learnt_any(const struct cf_limit_learnt *learnt)
{
    const struct cf_amounts *limits = &learnt->limits;
    return limits->requests > 0 || limits->input > 0 || limits->output > 0 ||
           learnt->bursts != CF_BURSTS_UNKNOWN;
}

void cf_records_trim(struct cf_records *records, struct cf_record *record)
{
    if (record != NULL && !record->has_config && record->into == NULL &&
        !cf_limit_learnt_any(&record->learnt))
        drop(records, record);
}

const char *cf_records_resolve(const struct cf_records *records, const char *key)
{
    const struct cf_record *record = cf_records_find(records, key);
    return record != NULL && record->into != NULL ? record->into : key;
}

static void redirect(struct cf_record *record, const char *into)
{
    free(record->into);
    record->into = cf_strdup(into);
}

void cf_records_merge(struct cf_records *records, const char *from, const char *into)
{
    struct cf_record *record, *next;
    HASH_ITER(hh, records->table, record, next)
        if (record->into != NULL && strcmp(record->into, from) == 0)
            redirect(record, into);
    redirect(cf_records_get(records, from), into);
}
