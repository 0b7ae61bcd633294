/* splits.h - the same bytes, fed to a parser in every way that they can be cut. */
#ifndef SPLITS_H
#define SPLITS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "confab/rng.h"

/* Feeds the pieces of one way to a fresh parser and checks what comes of them. cuts are ascending
 * offsets; `what` names the way in messages. */
typedef void splits_check(const char *bytes, size_t len, const size_t *cuts, size_t cut_count,
                          void *self);

#define SPLITS_DENSE_BYTES 4000 /* a file up to this size is cut at every byte */
#define SPLITS_RANDOM      200

/* Whole; in two at every byte (in a file over SPLITS_DENSE_BYTES only at every thousandth inside a
 * long run of one letter); byte by byte; at random places, by a fixed seed. */
static inline void splits_try_all(const char *bytes, size_t len, splits_check *check, void *self)
{
    size_t *cuts = calloc(len + 1, sizeof *cuts);
    check(bytes, len, cuts, 0, self);
    for (size_t at = 0; at <= len; at++) {
        bool is_dull =
            at > 50 && at + 50 < len && bytes[at] == bytes[at - 50] && bytes[at] == bytes[at + 49];
        if (len > SPLITS_DENSE_BYTES && is_dull && at % 1000 != 0)
            continue;
        cuts[0] = at;
        check(bytes, len, cuts, 1, self);
    }
    for (size_t at = 0; at < len; at++)
        cuts[at] = at;
    check(bytes, len, cuts, len, self);

    struct cf_rng rng;
    cf_rng_seed(&rng, 7);
    for (int round = 0; round < SPLITS_RANDOM; round++) {
        size_t count = 0, step = 1 + cf_rng_next(&rng) % (round % 2 == 0 ? 10 : len + 1);
        for (size_t at = 0; at < len; at += 1 + cf_rng_next(&rng) % step)
            cuts[count++] = at;
        check(bytes, len, cuts, count, self);
    }
    free(cuts);
}
#endif
