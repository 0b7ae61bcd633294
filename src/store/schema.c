#include "store/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "confab/buf.h"
#include "confab/error.h"
#include "store/schema_v1.h"

static const char *const migrations[] = { cf_schema_v1 };

const struct cf_schema cf_schema_current = {
    .migrations = migrations,
    .version = sizeof migrations / sizeof migrations[0],
};

/* The version of a file that is ours or empty (0). */
static bool read_version(struct cf_db *db, const struct cf_schema *schema, int *out_version,
                         struct cf_error *err)
{
    int64_t tables = 0, application = 0, version = 0;

    if (!cf_db_int(db, "SELECT count(*) FROM sqlite_schema", &tables, err) ||
        !cf_db_int(db, "PRAGMA application_id", &application, err) ||
        !cf_db_int(db, "PRAGMA user_version", &version, err))
        return false;

    if (application != CF_SCHEMA_APPLICATION_ID && (tables > 0 || application != 0))
        return cf_fail(err, CF_ERR_CONFIG,
                       "%s is a database of another program; name another with --db", db->path);
    if (version > schema->version)
        return cf_fail(
            err, CF_ERR_CONFIG,
            "%s was written by a newer confab (schema %d, this one knows %d); upgrade confab",
            db->path, (int)version, schema->version);
    *out_version = application == CF_SCHEMA_APPLICATION_ID ? (int)version : 0;
    return true;
}

/* Copies the file to a name that is free before a migration touches it. */
static bool copy_aside(struct cf_db *db, int version, struct cf_error *err)
{
    int64_t pages = 0, page_size = 0;
    if (!cf_db_int(db, "PRAGMA page_count", &pages, err) ||
        !cf_db_int(db, "PRAGMA page_size", &page_size, err))
        return false;
    if (pages * page_size >= CF_SCHEMA_COPY_MAX_BYTES)
        return true;

    struct cf_buf name = { .max = 8192 };
    struct stat st;
    int number = 1;
    do {
        cf_buf_clear(&name);
        cf_buf_addf(&name, "%s.schema%d.bak", db->path, version);
        if (number > 1)
            cf_buf_addf(&name, ".%d", number);
        number++;
    } while (lstat(cf_buf_str(&name), &st) == 0);

    struct cf_query query = cf_db_query(db, "VACUUM INTO ?");
    cf_query_str(&query, cf_buf_str(&name));
    bool ok = cf_query_run(&query, err);
    if (!ok)
        cf_fail_prefix(err, "copying to %s before the migration: ", cf_buf_str(&name));
    cf_buf_done(&name);
    return ok;
}

/* One step in one transaction. Another process may have made it since we looked. */
static bool migrate(struct cf_db *db, const struct cf_schema *schema, int from,
                    struct cf_error *err)
{
    char stamp[96];
    int now = 0;

    if (!cf_db_exec(db, "BEGIN IMMEDIATE", err))
        return false;

    if (!read_version(db, schema, &now, err))
        goto undo;
    if (now != from)
        return cf_db_exec(db, "ROLLBACK", err);

    snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             CF_SCHEMA_APPLICATION_ID, from + 1);
    if (!cf_db_exec(db, schema->migrations[from], err) || !cf_db_exec(db, stamp, err) ||
        !cf_db_exec(db, "COMMIT", err))
        goto undo;
    return true;
undo:
    sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    return cf_fail_prefix(err, "schema %d: ", from + 1);
}

bool cf_schema_upgrade(struct cf_db *db, const struct cf_schema *schema, struct cf_error *err)
{
    int version = 0, first;
    if (!read_version(db, schema, &version, err))
        return false;

    first = version;
    while (version < schema->version) {
        if (first > 0 && version == first && !copy_aside(db, version, err))
            return false;
        if (!migrate(db, schema, version, err) || !read_version(db, schema, &version, err))
            return false;
    }
    return true;
}

bool cf_schema_check(struct cf_db *db, const struct cf_schema *schema, struct cf_error *err)
{
    int version = 0;
    if (!read_version(db, schema, &version, err))
        return false;
    if (version == 0)
        return cf_fail(err, CF_ERR_CONFIG,
                       "%s is empty; run a pipeline first, or name another with --db", db->path);
    if (version < schema->version)
        return cf_fail(err, CF_ERR_CONFIG,
                       "%s has schema %d, this confab reads %d; any command that writes, such as "
                       "`confab run`, brings it up to date",
                       db->path, version, schema->version);
    return true;
}
