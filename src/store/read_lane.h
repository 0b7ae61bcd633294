/* read_lane.h - the limits that earlier runs learnt from a provider's replies. */
#ifndef CONFAB_STORE_READ_LANE_H
#define CONFAB_STORE_READ_LANE_H

#include "store/reader.h"

#define CF_LIMIT_CLASS_MAX 64
#define CF_LANE_SOURCE_MAX 64

struct cf_lane_row {
    char    limit_class[CF_LIMIT_CLASS_MAX];
    int64_t max_requests, max_input_tokens, max_output_tokens;   /* a window; 0: not known */
    int64_t window_ms;
    char    source[CF_LANE_SOURCE_MAX];     /* as written; cut if it is longer */
};

/* The lanes of a base URL, those learnt last first, at most max of them. */
bool cf_reader_lanes(struct cf_reader *reader, const char *base_url, struct cf_lane_row *rows,
                     size_t max, size_t *out_count, struct cf_error *err);
#endif
