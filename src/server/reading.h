/* reading.h - the frame of a route that only reads: its parameters, a database connection, the
 * answer.
 *
 * Worker threads only. */
#ifndef CONFAB_SERVER_READING_H
#define CONFAB_SERVER_READING_H

#include <stdint.h>

#include "confab/buf.h"
#include "confab/error.h"
#include "server/params.h"
#include "server/problems.h"

struct cf_http_exchange;
struct cf_reader;
struct cf_run_row;
struct cf_server;

struct cf_reading {
    struct cf_http_exchange *exchange;
    struct cf_server *server;
    struct cf_reader *reader;
    struct cf_problems problems;
    struct cf_params params;         /* those of the query; what is wrong goes to problems */
    struct cf_buf json;              /* the open object of the answer: `data` is to be added */
    int64_t unix_ms;                 /* now */
    struct cf_error err;
};

/* Takes a connection, calls make and answers. make returns 1: the answer is in json, or problems
 * say what is wrong with the request; 0: what the path means is not there, a `what` ("run"); -1:
 * err. */
void cf_reading_answer(struct cf_http_exchange *exchange, struct cf_server *server,
                       const char *what, int (*make)(struct cf_reading *reading));

/* The same for what takes long where there is much: see answers.h. make goes by path and query
 * alone, and may be called later, in another thread. */
void cf_reading_answer_kept(struct cf_http_exchange *exchange, struct cf_server *server,
                            const char *what, int (*make)(struct cf_reading *reading));

/* The run of that id, start of one or name. 1, 0 (none), -1. Lent until the next. */
int cf_reading_run(struct cf_reading *reading, const char *text, const struct cf_run_row **out_row);
#endif
