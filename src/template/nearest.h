/* nearest.h - the known name that a misspelt one most likely means. */
#ifndef CONFAB_TEMPLATE_NEAREST_H
#define CONFAB_TEMPLATE_NEAREST_H

#include <stddef.h>

#define CF_NEAREST_NAME_MAX 64    /* longer ones are not compared: quadratic work */

struct cf_nearest {
    const char *wanted;           /* borrowed */
    size_t wanted_len;
    size_t distance;              /* of best: letters added, dropped, changed or swapped */
    char   best[CF_NEAREST_NAME_MAX + 1];    /* "" if nothing is near */
};

void cf_nearest_init(struct cf_nearest *nearest, const char *wanted, size_t len);

/* Offers a known name; of equally near ones the first is kept. */
void cf_nearest_offer(struct cf_nearest *nearest, const char *name, size_t len);
#endif
