#include "server/template_variables.h"

#include <string.h>

#include <cjson/cJSON.h>

#include "base/object.h"
#include "confab/error.h"
#include "confab/template.h"
#include "store/reader.h"

#define A_FUNCTION "(a function)"    /* in place of a text: see lua/confab/template.lua */
#define NAMES_MAX  1000

struct names {
    const char *list[NAMES_MAX];
    size_t count;
};

static bool is_function(struct cf_text text)
{
    return text.data != NULL && text.len == sizeof A_FUNCTION - 1 &&
           memcmp(text.data, A_FUNCTION, text.len) == 0;
}

static bool is_str_function(const char *text)
{
    return text != NULL && strcmp(text, A_FUNCTION) == 0;
}

bool cf_template_is_whole(const struct cf_template_row *row, const struct cJSON *settings)
{
    return !is_function(row->system) && !is_function(row->prompt) && !is_str_function(row->tier) &&
           !cJSON_HasObjectItem(settings, "lambdas") &&
           !is_str_function(cJSON_GetStringValue(cJSON_GetObjectItem(settings, "model")));
}

static bool has(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->list[i], name) == 0)
            return true;
    return false;
}

static void add(struct names *names, const char *name)
{
    if (names->count < NAMES_MAX && !has(names, name))
        names->list[names->count++] = name;
}

/* NULL: it has none, is a function, or does not compile any more. */
static struct cf_template *compile(const char *name, struct cf_text text, const cJSON *partials)
{
    struct cf_template_partial list[CF_TEMPLATE_PARTIALS_MAX];
    struct cf_template_options options = { .strict = false, .partials = list };
    struct cf_template *compiled;
    struct cf_error err;
    const cJSON *partial;
    if (text.data == NULL || is_function(text))
        return NULL;
    cJSON_ArrayForEach(partial, partials) {
        const char *content = cJSON_GetStringValue(partial);
        if (content != NULL && options.partial_count < CF_TEMPLATE_PARTIALS_MAX)
            list[options.partial_count++] =
                (struct cf_template_partial){ partial->string, content, strlen(content) };
    }
    return cf_template_compile(name, text.data, text.len, &options, &compiled, &err) ? compiled
                                                                                    : NULL;
}

/* The functions of a template stand in its texts like variables; they are not to be filled in. */
static void add_all(struct cf_buf *out, const struct names *functions,
                    struct cf_template *const *parts, size_t part_count)
{
    struct names seen = { .count = 0 };
    for (size_t i = 0; i < part_count; i++) {
        size_t count = 0;
        const char *const *variables =
            parts[i] != NULL ? cf_template_variables(parts[i], &count) : NULL;
        for (size_t v = 0; v < count; v++)
            if (!has(functions, variables[v]))
                add(&seen, variables[v]);
    }
    for (size_t i = 0; i < seen.count; i++)
        cf_object_str(out, NULL, seen.list[i]);
}

void cf_template_add_variables(struct cf_buf *out, const struct cf_template_row *row,
                               const struct cJSON *settings)
{
    const cJSON *partials = cJSON_GetObjectItem(settings, "partials"), *lambda;
    struct names functions = { .count = 0 };
    cJSON_ArrayForEach(lambda, cJSON_GetObjectItem(settings, "lambdas")) {
        if (cJSON_IsString(lambda))
            add(&functions, lambda->valuestring);
    }
    struct cf_template *parts[] = {
        compile(row->name, row->system, partials),
        compile(row->name, row->prompt, partials),
    };
    cf_object_open_list(out, "variables");
    add_all(out, &functions, parts, 2);
    cf_object_close_list(out);
    cf_template_free(parts[0]);
    cf_template_free(parts[1]);
}
