#include "server/problems.h"

#include <stdarg.h>

#include "base/object.h"
#include "base/text.h"

void cf_problems_init(struct cf_problems *problems)
{
    problems->count = 0;
    cf_buf_init(&problems->json, 1u << 20);
    cf_buf_addc(&problems->json, '[');
}

void cf_problems_done(struct cf_problems *problems)
{
    cf_buf_done(&problems->json);
}

void cf_problems_add(struct cf_problems *problems, const char *path, const char *fmt, ...)
{
    struct cf_buf reason;
    va_list args;
    if (problems->count++ >= CF_PROBLEMS_MAX)
        return;
    cf_buf_init(&reason, 4096);
    va_start(args, fmt);
    cf_buf_addv(&reason, fmt, args);
    va_end(args);
    cf_object_open(&problems->json, NULL);
    cf_object_str(&problems->json, "path", path);
    cf_object_str(&problems->json, "reason", cf_buf_ok(&reason) ? cf_buf_str(&reason) : "is wrong");
    cf_object_close(&problems->json);
    cf_buf_done(&reason);
}
