/* db.h - one SQLite connection with its prepared statements, as the rest of src/store uses it.
 *
 * A query is a run of binds followed by one of run, next or insert; the statement is
 * prepared once for each place in the code and kept. Bind errors cannot happen but
 * for lack of memory, which SQLite reports on the step. One thread at a time. */
#ifndef CONFAB_STORE_DB_H
#define CONFAB_STORE_DB_H

#include <math.h>
#include <sqlite3.h>

#include "store/store.h"

#define CF_DB_STATEMENTS_MAX 128     /* places that query; far more than there are */

struct cf_db {
    sqlite3 *handle;
    char *path;
    int busy_ms;
    struct {
        const char *sql;             /* by address: each place has its own literal */
        sqlite3_stmt *stmt;
    } cache[CF_DB_STATEMENTS_MAX];
};

/* SQL: the kinds of failures on what a reply said, not on the way to it. The same reply would
 * fail again. */
#define CF_KINDS_ON_CONTENT "('parse_error', 'validation_error', 'refusal', 'script_error')"

/* A statement being filled and stepped; lives on the stack of one function. */
struct cf_query {
    struct cf_db *db;
    sqlite3_stmt *stmt;              /* NULL: preparing failed */
    int bound;                       /* parameters bound so far */
    bool ended;                      /* the last row was given: further steps would begin anew */
};

/* Opens path with SQLite's flags. Checks that it is a file that may be a database. */
bool cf_db_open(struct cf_db *db, const char *path, int flags, int busy_ms, struct cf_error *err);
void cf_db_close(struct cf_db *db);

/* storage_error (or config_error for a file of another program) with SQLite's words,
 * the path and what to do about it. Returns false. */
bool cf_db_fail(struct cf_db *db, struct cf_error *err);

/* Runs statements without parameters and results. */
bool cf_db_exec(struct cf_db *db, const char *sql, struct cf_error *err);

/* The single integer that a statement gives. */
bool cf_db_int(struct cf_db *db, const char *sql, int64_t *out_value, struct cf_error *err);

/* The cached statement of this literal, reset. */
struct cf_query cf_db_query(struct cf_db *db, const char *sql);

void cf_query_int(struct cf_query *query, int64_t value);
void cf_query_id(struct cf_query *query, int64_t id);             /* 0 is NULL */
void cf_query_count(struct cf_query *query, int64_t value);       /* negative is NULL */
void cf_query_real(struct cf_query *query, double value);         /* NaN is NULL */
void cf_query_str(struct cf_query *query,
                  const char *text); /* NULL is NULL; borrowed until the step */
void cf_query_text(struct cf_query *query, struct cf_text text);  /* likewise */
/* Words of people, scripts and servers: a copy without the keys that are in use. */
void cf_query_words(struct cf_query *query, const char *words);
void cf_query_blob(struct cf_query *query, const void *bytes, size_t len);

/* Steps a statement that gives no row. */
bool cf_query_run(struct cf_query *query, struct cf_error *err);

/* The same; gives the rowid of the row it inserted. */
bool cf_query_insert(struct cf_query *query, int64_t *out_id, struct cf_error *err);

/* 1: there is a row, columns can be read; 0: the end; -1: failed. After 0 and -1 it is reset. */
int cf_query_next(struct cf_query *query, struct cf_error *err);

/* Lets go of a statement that was not stepped to its end. */
void cf_query_end(struct cf_query *query);

int64_t        cf_column_int(const struct cf_query *query, int column);
int64_t        cf_column_count(const struct cf_query *query, int column);   /* NULL is -1 */
double         cf_column_real(const struct cf_query *query, int column);    /* NULL is NaN */
const char *cf_column_str(const struct cf_query *query,
                          int column); /* NULL is NULL; lent until the next step */
struct cf_text cf_column_text(const struct cf_query *query, int column);    /* likewise */

/* Copies a text column into a field, cut to its size; NULL is "". */
void cf_column_copy(const struct cf_query *query, int column, char *field, size_t size);
#endif
