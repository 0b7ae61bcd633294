/* distribution.h - scores and latencies counted into bins, as plots draw them. */
#ifndef CONFAB_STORE_DISTRIBUTION_H
#define CONFAB_STORE_DISTRIBUTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/stats.h"

struct cf_error;
struct cf_reader;

#define CF_SCORE_BINS 11 /* of one point each, from 0 on; the last one is for 10 alone */

/* Conversations by score. */
struct cf_scores {
    int64_t counts[CF_SCORE_BINS], unscored;
};

bool cf_scores_read(struct cf_reader *reader, struct cf_stats_of of, struct cf_scores *out,
                    struct cf_error *err);

#define CF_LATENCY_BINS_MAX 32 /* three a decade, up to the greatest uint32_t */

/* counts[i] latencies lie from edges[i] to below edges[i + 1], in ms; the edges are 1, 2, 5, 10,
 * ... (0 in place of 1), from the one below the least to the one above the greatest. */
struct cf_latencies {
    int64_t edges[CF_LATENCY_BINS_MAX + 1], counts[CF_LATENCY_BINS_MAX];
    size_t bins;
};

/* ms: in ascending order. */
void cf_latencies_count(const uint32_t *ms, size_t count, struct cf_latencies *out);
#endif
