/* stats_object.h - statistics as JSON: the lists, which all who show them have in one order. */
#ifndef CONFAB_STORE_STATS_OBJECT_H
#define CONFAB_STORE_STATS_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

struct cf_buf;
struct cf_error;
struct cf_reader;
struct cf_stats_status;
struct cf_tally;
struct cf_tally_group;

/* How the elements are spelt; out is the buffer, in which the element is to be written whole. */
struct cf_stats_spelling {
    void (*add_status)(const struct cf_stats_status *row, void *out);
    void (*add_group)(const struct cf_tally_group *group, struct cf_buf *out);
};

/* "statuses", "scores", "models", "templates" of a run (0: of all) in the open object. Updates the
 * tally. */
bool cf_stats_add_lists(struct cf_buf *out, struct cf_reader *reader, struct cf_tally *tally,
                        int64_t run, const struct cf_stats_spelling *spelling,
                        struct cf_error *err);
#endif
