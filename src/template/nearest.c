#include "template/nearest.h"

#include <string.h>

static size_t min2(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edit distance in bytes, letter case ignored for ASCII; a swap of neighbours is one edit. */
static size_t distance_of(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][CF_NEAREST_NAME_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b_len; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = last[j - 1] + ((a[i - 1] | 0x20) != (b[j - 1] | 0x20));
            row[j] = min2(change, min2(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min2(row[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[b_len];
}

void cf_nearest_init(struct cf_nearest *nearest, const char *wanted, size_t len)
{
    /* A third of the letters may be wrong; one more is too far. */
    *nearest = (struct cf_nearest){
        .wanted = wanted, .wanted_len = len, .distance = (len < 3 ? 1 : len / 3) + 1,
    };
}

void cf_nearest_offer(struct cf_nearest *nearest, const char *name, size_t len)
{
    if (len == 0 || len > CF_NEAREST_NAME_MAX || nearest->wanted_len > CF_NEAREST_NAME_MAX)
        return;

    size_t distance = distance_of(nearest->wanted, nearest->wanted_len, name, len);
    if (distance < nearest->distance) {
        nearest->distance = distance;
        memcpy(nearest->best, name, len);
        nearest->best[len] = '\0';
    }
}
