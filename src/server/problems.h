/* problems.h - all that is wrong with a request, told at once: a list of paths and reasons. */
#ifndef CONFAB_SERVER_PROBLEMS_H
#define CONFAB_SERVER_PROBLEMS_H

#include <stddef.h>

#include "confab/buf.h"

#define CF_PROBLEMS_MAX 100    /* told; a batch of ten thousand may be wrong in each */

/* Zero but for init is not needed: cf_problems_init. */
struct cf_problems {
    struct cf_buf json;        /* the list so far: [{path, reason}, …] without its end */
    size_t count;              /* found, those beyond CF_PROBLEMS_MAX included */
};

void cf_problems_init(struct cf_problems *problems);
void cf_problems_done(struct cf_problems *problems);

/* One more. The path is as in "requests[3].templateId"; "" is the body as a whole. */
void cf_problems_add(struct cf_problems *problems, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#endif
