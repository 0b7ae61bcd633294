/* run_object.h - a run as JSON, the same in every command that prints one. */
#ifndef CONFAB_CLI_RUN_OBJECT_H
#define CONFAB_CLI_RUN_OBJECT_H

#include "base/object.h"

struct cf_loose;
struct cf_run_row;

/* Under that name in the open object; NULL: on its own. */
void cf_run_object(struct cf_buf *out, const char *name, const struct cf_run_row *row,
                   const struct cf_loose *loose);
#endif
