/* schema.h - the tables of a database file, its identity, and how older files become new ones.
 *
 * `application_id` says that a file is ours, `user_version` which schema it has. A migration
 * that has shipped is never edited: a change is a new one at the end of the list. */
#ifndef CONFAB_STORE_SCHEMA_H
#define CONFAB_STORE_SCHEMA_H

#include "store/db.h"

#define CF_SCHEMA_APPLICATION_ID 0x63666162            /* "cfab" */
#define CF_SCHEMA_COPY_MAX_BYTES INT64_C(1000000000) /* larger files are migrated without a copy */

struct cf_schema {
    const char *const *migrations; /* [0] makes version 1 of an empty file, [1] makes 2 of 1, ... */
    int version;                        /* their number: the newest schema */
};

/* What this program reads and writes. */
extern const struct cf_schema cf_schema_current;

/* Makes an empty file a database of ours, migrates an older one (each step in one transaction,
 * a copy "PATH.schema<N>.bak" beside it first), leaves the newest as it is. config_error for a
 * file of another program and for a newer schema. */
bool cf_schema_upgrade(struct cf_db *db, const struct cf_schema *schema, struct cf_error *err);

/* The same checks for a reader, which changes nothing: an older schema is a config_error as
 * well. */
bool cf_schema_check(struct cf_db *db, const struct cf_schema *schema, struct cf_error *err);
#endif
