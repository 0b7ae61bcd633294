#include "base/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *cf_format_count(int64_t number, char out[CF_NUMBER_TEXT_MAX])
{
    char digits[CF_NUMBER_TEXT_MAX];
    if (number < 0)
        return strcpy(out, "-");
    int len = snprintf(digits, sizeof digits, "%" PRId64, number);
    char *to = out;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return out;
}

const char *cf_format_duration(int64_t ms, char out[CF_NUMBER_TEXT_MAX])
{
    int64_t seconds = ms / 1000;
    if (ms < 0)
        snprintf(out, CF_NUMBER_TEXT_MAX, "-");
    else if (ms < 1000)
        snprintf(out, CF_NUMBER_TEXT_MAX, "%" PRId64 " ms", ms);
    else if (ms < 60000)
        snprintf(out, CF_NUMBER_TEXT_MAX, "%.1f s", (double)(ms / 100) / 10);
    else if (seconds < 3600)
        snprintf(out, CF_NUMBER_TEXT_MAX, "%" PRId64 " min %" PRId64 " s", seconds / 60,
                 seconds % 60);
    else
        snprintf(out, CF_NUMBER_TEXT_MAX, "%" PRId64 " h %" PRId64 " min", seconds / 3600,
                 seconds / 60 % 60);
    return out;
}

const char *cf_format_time(const char *iso, char out[CF_NUMBER_TEXT_MAX])
{
    snprintf(out, CF_NUMBER_TEXT_MAX, "%.19s", iso != NULL ? iso : "-");
    char *t = strchr(out, 'T');
    if (t != NULL)
        *t = ' ';
    return out;
}
