#include "server/params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "confab/buf.h"
#include "server/problems.h"
#include "server/request.h"

void cf_params_int(struct cf_params *params, const char *name, int64_t least, int64_t most,
                   int64_t *out)
{
    const char *text = cf_request_query(params->exchange, name);
    char *end;
    if (text == NULL)
        return;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < least || value > most)
        cf_problems_add(params->problems, name, "must be a whole number from %lld to %lld",
                        (long long)least, (long long)most);
    else
        *out = value;
}

void cf_params_number(struct cf_params *params, const char *name, double least, double most,
                      double *out)
{
    const char *text = cf_request_query(params->exchange, name);
    if (text == NULL)
        return;
    double value = cf_json_number(text);
    if (*text == '\0' || text[strspn(text, "0123456789.-")] != '\0' ||
        !(value >= least && value <= most))
        cf_problems_add(params->problems, name, "must be a number from %g to %g", least, most);
    else
        *out = value;
}

void cf_params_bool(struct cf_params *params, const char *name, bool *out)
{
    const char *text = cf_request_query(params->exchange, name);
    if (text == NULL)
        return;
    if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
        *out = true;
    else if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
        *out = false;
    else
        cf_problems_add(params->problems, name, "must be true or false");
}

void cf_params_text(struct cf_params *params, const char *name, const char **out)
{
    const char *text = cf_request_query(params->exchange, name);
    if (text != NULL && *text == '\0')
        cf_problems_add(params->problems, name, "is empty");
    else if (text != NULL)
        *out = text;
}

/* The name as it stands in the list; NULL: it does not. */
static const char *find(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0)
            return *names;
    return NULL;
}

void cf_params_word(struct cf_params *params, const char *name, const char *const *words,
                    const char **out)
{
    const char *text = cf_request_query(params->exchange, name);
    const char *word = text != NULL ? find(text, words) : NULL;
    if (word != NULL)
        *out = word;
    if (text == NULL || word != NULL)
        return;

    struct cf_buf list;
    cf_buf_init(&list, 1024);
    for (const char *const *at = words; *at != NULL; at++)
        cf_buf_addf(&list, "%s%s", at == words ? "" : at[1] == NULL ? " or " : ", ", *at);
    cf_problems_add(params->problems, name, "must be %s", cf_buf_str(&list));
    cf_buf_done(&list);
}

void cf_params_only(struct cf_params *params, const char *const *names)
{
    for (size_t i = 0; i < params->exchange->query_count; i++)
        if (find(params->exchange->query[i].name, names) == NULL)
            cf_problems_add(params->problems, params->exchange->query[i].name,
                            "this path has no such parameter");
}
