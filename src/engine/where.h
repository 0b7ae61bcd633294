/* where.h - a filter of conversations as people type it: "status=approved,min_score=6,tag=x".
 *
 * Parsing only: what `run` means is for the reader to find. */
#ifndef CONFAB_ENGINE_WHERE_H
#define CONFAB_ENGINE_WHERE_H

#include <stdbool.h>
#include <stddef.h>

struct cf_error;

#define CF_WHERE_STATUSES_MAX 4 /* there are no more */

/* Zero is valid: no condition. */
struct cf_where {
    char *text;                                  /* owned: the strings below point into it */
    const char *run, *tier, *tag, *persona;      /* NULL: not given */
    const char *statuses[CF_WHERE_STATUSES_MAX]; /* "status=a|b" or status given again */
    size_t status_count;
    double min_score; /* 0: not given */
};

/* Reads FIELD=VALUE pairs separated by commas; a comma in a value is written "\,". An empty text
 * is no condition. config_error names the field or value and the nearest one known. */
bool cf_where_parse(const char *text, struct cf_where *out, struct cf_error *err);
void cf_where_done(struct cf_where *where);

/* Whether name is a status of conversations; else config_error with the nearest. */
bool cf_where_check_status(const char *name, struct cf_error *err);
#endif
