#include "store/distribution.h"

static void add_score(const struct cf_stats_score *row, void *self)
{
    struct cf_scores *scores = self;
    int64_t bin = row->score < CF_SCORE_BINS ? row->score : CF_SCORE_BINS - 1;
    if (row->score < 0)
        scores->unscored += row->conversations;
    else
        scores->counts[bin] += row->conversations;
}

bool cf_scores_read(struct cf_reader *reader, struct cf_stats_of of, struct cf_scores *out,
                    struct cf_error *err)
{
    struct cf_scores scores = { .unscored = 0 };
    if (!cf_stats_scores(reader, of, add_score, &scores, err))
        return false;
    *out = scores;
    return true;
}

/* 1, 2, 5, 10, ... */
static int64_t edge(size_t i)
{
    static const int64_t steps[] = { 1, 2, 5 };
    int64_t tens = 1;
    for (size_t decade = 0; decade < i / 3; decade++)
        tens *= 10;
    return tens * steps[i % 3];
}

void cf_latencies_count(const uint32_t *ms, size_t count, struct cf_latencies *out)
{
    size_t first = 0, at = 0;
    *out = (struct cf_latencies){ .bins = 0 };
    if (count == 0)
        return;
    while (edge(first + 1) <= ms[0])
        first++;
    out->edges[0] = first == 0 ? 0 : edge(first); /* below 1 ms, too */
    do {
        int64_t above = edge(first + out->bins + 1);
        size_t begin = at;
        while (at < count && ms[at] < above)
            at++;
        out->counts[out->bins++] = (int64_t)(at - begin);
        out->edges[out->bins] = above;
    } while (at < count);
}
