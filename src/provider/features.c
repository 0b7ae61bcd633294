#include "provider/features.h"

#include <stddef.h>
#include <string.h>

static const struct { enum cf_thinking thinking; const char *name; } kinds[] = {
    { CF_THINKING_LEAST, "least" },
    { CF_THINKING_DISABLED, "disabled" },
    { CF_THINKING_BETWEEN_TOOLS, "between_tools" },
    { CF_THINKING_ADAPTIVE, "adaptive" },
    { CF_THINKING_ENABLED, "enabled" },
};

const char *cf_thinking_name(enum cf_thinking thinking)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].thinking == thinking)
            return kinds[i].name;
    }
    return "unknown";
}

bool cf_thinking_parse(const char *name, enum cf_thinking *out)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            *out = kinds[i].thinking;
            return true;
        }
    }
    return false;
}
