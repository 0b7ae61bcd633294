#include "cli/database.h"

#include <stdlib.h>

#include <sqlite3.h>

#include "base/mem.h"
#include "cli/command.h"
#include "cli/env.h"
#include "confab/error.h"
#include "store/reader.h"

const struct cf_option cf_database_options[] = {
    { "db", 0, "FILE", false, "the database (default: CONFAB_DB, else confab.db)" },
    { NULL, 0, NULL, false, NULL },
};

const char *cf_database_path(const struct cf_args *args, const struct cf_env *env)
{
    const char *path = cf_args_get(args, "db");
    if (path == NULL)
        path = cf_env_get(env, "CONFAB_DB");
    return path != NULL ? path : "confab.db";
}

bool cf_database_open(const struct cf_args *args, struct cf_reader **out_reader,
                      struct cf_error *err)
{
    struct cf_env env;
    cf_env_load(&env, ".env");
    bool ok = cf_reader_open(cf_database_path(args, &env), CF_STORE_CMD_BUSY_MS, out_reader, err);
    cf_env_done(&env);
    return ok;
}

bool cf_database_run(struct cf_reader *reader, const char *text, const struct cf_run_row **out_row,
                     struct cf_error *err)
{
    int64_t run;
    int found = cf_reader_find_run(reader, text, &run, err);
    if (found > 0)
        found = cf_reader_run(reader, run, out_row, err);
    if (found == 0 && text != NULL)
        return cf_fail(err, CF_ERR_CONFIG, "there is no run \"%s\"; `confab runs` lists them",
                       text);
    if (found == 0)
        return cf_fail(err, CF_ERR_CONFIG,
                       "the database has no runs yet; `confab run SCRIPT.lua` makes one");
    return found > 0;
}

bool cf_database_query(struct cf_reader *reader, const char *sql, int64_t number,
                       struct sqlite3_stmt **out_stmt, struct cf_error *err)
{
    if (!cf_reader_sql(reader, sql, out_stmt, err))
        return false;
    if (sqlite3_bind_parameter_count(*out_stmt) > 0)
        sqlite3_bind_int64(*out_stmt, 1, number);
    return true;
}

int cf_database_step(struct sqlite3_stmt *stmt, struct cf_error *err)
{
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc == SQLITE_DONE)
        return 0;
    cf_fail(err, CF_ERR_STORAGE, "reading the database: %s",
            sqlite3_errmsg(sqlite3_db_handle(stmt)));
    return -1;
}
