/* run_object.h - a run as the API gives it, its summary with the names of the original system. */
#ifndef CONFAB_SERVER_RUN_OBJECT_H
#define CONFAB_SERVER_RUN_OBJECT_H

#include <stdint.h>

struct cf_buf;
struct cf_run_row;

/* Under that name in the open object; NULL: on its own. unix_ms: now, for a run that goes on. */
void cf_run_api_object(struct cf_buf *out, const char *name, const struct cf_run_row *row,
                       int64_t unix_ms);
#endif
