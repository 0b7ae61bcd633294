#include "confab/conversation.h"

#include <stdio.h>

static bool is_within(double value, double low, double high)
{
    return value >= low && value <= high;
}

void cf_default_score(const struct cf_conversation_measure *measure, struct cf_default_score *out)
{
    double count = (double)measure->turn_count, mean = measure->mean_length;

    out->turn_count = is_within(count, 8, 16)   ? 3
                      : is_within(count, 6, 20) ? 2
                      : count >= 4              ? 1
                                                : 0;
    out->turn_length = is_within(mean, 100, 400)  ? 3
                       : is_within(mean, 50, 600) ? 2
                       : mean >= 20               ? 1
                                                  : 0;
    out->structure = measure->alternates ? CF_DEFAULT_STRUCTURE_MAX : 0;

    int sum = out->turn_count + out->turn_length + out->structure;
    out->score = sum > 1 ? sum : 1;    /* the most possible is 10 */
}

void cf_default_score_format(const struct cf_conversation_measure *measure,
                             const struct cf_default_score *score,
                             char out[CF_DEFAULT_SCORE_TEXT_MAX])
{
    snprintf(out, CF_DEFAULT_SCORE_TEXT_MAX,
             "[{\"max\":%d,\"name\":\"turn count\",\"note\":\"%zu turn%s\",\"points\":%d},"
             "{\"max\":%d,\"name\":\"turn length\",\"note\":\"%.1f characters on "
             "average\",\"points\":%d},"
             "{\"max\":%d,\"name\":\"structure\",\"points\":%d}]",
             CF_DEFAULT_COUNT_MAX, measure->turn_count, measure->turn_count == 1 ? "" : "s",
             score->turn_count, CF_DEFAULT_LENGTH_MAX, measure->mean_length, score->turn_length,
             CF_DEFAULT_STRUCTURE_MAX, score->structure);
}
