#include "export/shape.h"

#include <ctype.h>
#include <string.h>

enum role { SYSTEM, USER, ASSISTANT, OTHER };

static enum role role_of(struct cf_export_text role)
{
    static const char *const names[] = { "system", "user", "assistant" };
    for (int i = SYSTEM; i < OTHER; i++)
        if (role.len == strlen(names[i]) && memcmp(role.data, names[i], role.len) == 0)
            return (enum role)i;
    return OTHER;
}

static bool is_blank(struct cf_export_text text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!isspace((unsigned char)text.data[i]) && text.data[i] != '\0')
            return false;
    return true;
}

static bool skip(enum cf_export_skip reason, enum cf_export_skip *out_skip)
{
    *out_skip = reason;
    return false;
}

bool cf_export_shape_of(const struct cf_export_record *record, struct cf_export_shape *out_shape,
                        enum cf_export_skip *out_skip)
{
    struct cf_export_shape shape = { .turns = record->turns, .count = record->turn_count };

    for (size_t i = 0; i < shape.count; i++)
        if (role_of(shape.turns[i].role) == OTHER)
            return skip(CF_EXPORT_SKIP_ROLE, out_skip);

    if (shape.count > 0 && role_of(shape.turns[0].role) == SYSTEM) {
        if (!is_blank(shape.turns[0].content))
            shape.system = shape.turns[0].content;
        shape.turns++;
        shape.count--;
    }
    if (shape.count == 0)
        return skip(CF_EXPORT_SKIP_NO_PAIR, out_skip);
    if (role_of(shape.turns[0].role) == ASSISTANT)
        return skip(CF_EXPORT_SKIP_ASSISTANT_FIRST, out_skip);
    for (size_t i = 0; i < shape.count; i++)
        if (role_of(shape.turns[i].role) != (i % 2 == 0 ? USER : ASSISTANT))
            return skip(CF_EXPORT_SKIP_ORDER, out_skip);

    if (shape.count % 2 == 1) {
        shape.count--;
        shape.trimmed = true;
    }
    if (shape.count == 0)
        return skip(CF_EXPORT_SKIP_NO_PAIR, out_skip);
    for (size_t i = 0; i < shape.count; i++)
        if (is_blank(shape.turns[i].content))
            return skip(CF_EXPORT_SKIP_EMPTY, out_skip);

    *out_shape = shape;
    return true;
}
