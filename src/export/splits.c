#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "confab/error.h"
#include "export/export.h"

/* Shares are typed as decimals; three thirds of them do not add up to 1 exactly. */
#define SHARE_SLACK 0.0001

static bool is_name(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_')
            return false;
    return len > 0 && len < CF_EXPORT_SPLIT_NAME_MAX;
}

static bool add_split(struct cf_export_splits *splits, const char *part, size_t len,
                      struct cf_error *err)
{
    const char *equals = memchr(part, '=', len);
    size_t name_len = equals == NULL ? 0 : (size_t)(equals - part);
    char *end;

    if (equals == NULL || !is_name(part, name_len))
        return cf_fail(
            err, CF_ERR_CONFIG,
            "split \"%.*s\": expected NAME=SHARE such as train=0.9, a name of letters, digits "
            "and underscores",
            (int)len, part);
    if (splits->count == CF_EXPORT_SPLIT_MAX)
        return cf_fail(err, CF_ERR_CONFIG, "a split has at most %d parts", CF_EXPORT_SPLIT_MAX);

    double share = strtod(equals + 1, &end);
    if (end != part + len || end == equals + 1 || !(share > 0 && share <= 1))
        return cf_fail(err, CF_ERR_CONFIG,
                       "split \"%.*s\": a share is a number above 0 and up to 1", (int)len, part);

    char *name = splits->names[splits->count];
    memcpy(name, part, name_len);
    name[name_len] = '\0';
    for (size_t i = 0; i < splits->count; i++)
        if (strcmp(splits->names[i], name) == 0)
            return cf_fail(err, CF_ERR_CONFIG, "split \"%s\" is named twice", name);
    splits->shares[splits->count++] = share;
    return true;
}

bool cf_export_splits_parse(const char *text, struct cf_export_splits *out_splits,
                            struct cf_error *err)
{
    struct cf_export_splits splits = { .count = 0 };
    double sum = 0;

    for (const char *part = text;;) {
        size_t len = strcspn(part, ",");
        if (!add_split(&splits, part, len, err))
            return false;
        if (part[len] == '\0')
            break;
        part += len + 1;
    }
    for (size_t i = 0; i < splits.count; i++)
        sum += splits.shares[i];
    if (fabs(sum - 1) > SHARE_SLACK)
        return cf_fail(err, CF_ERR_CONFIG, "the shares of split \"%s\" add up to %g, not to 1",
                       text, sum);
    *out_splits = splits;
    return true;
}
