/* database.h - the database that a command is about: `--db`, CONFAB_DB, .env, else confab.db. */
#ifndef CONFAB_CLI_DATABASE_H
#define CONFAB_CLI_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/command.h"

struct cf_env;
struct cf_reader;
struct cf_run_row;
struct sqlite3_stmt;

extern const struct cf_option cf_database_options[]; /* --db: a table for cf_command.common */

/* The path. Lent by args or env. */
const char *cf_database_path(const struct cf_args *args, const struct cf_env *env);

/* Opens it for reading: it must exist, and is not changed or migrated. cf_reader_free frees. */
bool cf_database_open(const struct cf_args *args, struct cf_reader **out_reader,
                      struct cf_error *err);

/* The run that the text means, NULL: the newest; config_error if there is none. Lent by the
 * reader. */
bool cf_database_run(struct cf_reader *reader, const char *text, const struct cf_run_row **out_row,
                     struct cf_error *err);

/* Prepares a query of ours with one number as ?1; the caller steps and finalizes it. */
bool cf_database_query(struct cf_reader *reader, const char *sql, int64_t number,
                       struct sqlite3_stmt **out_stmt, struct cf_error *err);

/* 1: there is a row; 0: the end; -1: failed. */
int cf_database_step(struct sqlite3_stmt *stmt, struct cf_error *err);
#endif
