/* loose.h - items that belong to no plan: what calls outside a confab.run made.
 *
 * The script's own run, "NAME (calls)", has only such items: one with the key "" for what
 * confab.ask asked, and one for each conversation of confab.generate. */
#ifndef CONFAB_CLI_LOOSE_H
#define CONFAB_CLI_LOOSE_H

#include <stdbool.h>
#include <stdint.h>

struct cf_error;
struct cf_reader;
struct cf_run_row;

struct cf_loose {
    bool is_all;                     /* the run has no plan: these are all its items */
    int64_t accepted, needs_revision, failed;
};

/* Counts them; a run with a plan is not looked at, as it has none. */
bool cf_loose_count(struct cf_reader *reader, const struct cf_run_row *row, struct cf_loose *out,
                    struct cf_error *err);
#endif
