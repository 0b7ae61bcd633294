#include "server/find.h"

#include <string.h>

int cf_find_id(struct cf_reader *reader, const char *text, enum cf_id_kind kind, int64_t *out_id,
               struct cf_error *err)
{
    enum cf_id_kind found_kind;
    int64_t id;
    int found = cf_reader_find(reader, text, &found_kind, &id, err);
    if (found <= 0)
        return found;
    if (found_kind != kind)
        return 0;
    *out_id = id;
    return 1;
}

const char *cf_find_status(const char *text, size_t len)
{
    static const char *const statuses[] = { "generated", "needs_revision", "approved", "rejected" };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (strlen(statuses[i]) == len && memcmp(statuses[i], text, len) == 0)
            return statuses[i];
    return NULL;
}
