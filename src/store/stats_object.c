#include "store/stats_object.h"

#include <stdlib.h>

#include "base/object.h"
#include "confab/buf.h"
#include "store/stats.h"
#include "store/tally.h"

static void add_score(const struct cf_stats_score *row, void *self)
{
    struct cf_buf *out = self;
    cf_object_open(out, NULL);
    cf_object_count(out, "score", row->score);
    cf_object_int(out, "conversations", row->conversations);
    cf_object_close(out);
}

static void add_groups(struct cf_buf *out, const char *name, struct cf_tally *tally, int64_t run,
                       enum cf_tally_by by, const struct cf_stats_spelling *spelling)
{
    struct cf_tally_group *groups;
    size_t count = cf_tally_groups(tally, run, by, &groups);
    cf_object_open_list(out, name);
    for (size_t i = 0; i < count; i++)
        spelling->add_group(&groups[i], out);
    cf_object_close_list(out);
    free(groups);
}

bool cf_stats_add_lists(struct cf_buf *out, struct cf_reader *reader, struct cf_tally *tally,
                        int64_t run, const struct cf_stats_spelling *spelling,
                        struct cf_error *err)
{
    struct cf_stats_of of = { .run = run };
    cf_object_open_list(out, "statuses");
    bool ok = cf_stats_statuses(reader, of, spelling->add_status, out, err);
    cf_object_close_list(out);
    cf_object_open_list(out, "scores");
    ok = ok && cf_stats_scores(reader, of, add_score, out, err);
    cf_object_close_list(out);
    ok = ok && cf_tally_update(tally, reader, err);
    if (ok) {
        add_groups(out, "models", tally, run, CF_TALLY_BY_MODEL, spelling);
        add_groups(out, "templates", tally, run, CF_TALLY_BY_TEMPLATE, spelling);
    }
    return ok;
}
