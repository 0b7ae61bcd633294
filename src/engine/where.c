#include "engine/where.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "confab/error.h"
#include "template/nearest.h"

static const char *const fields[] = { "run", "status", "min_score", "tier", "tag", "persona" };
static const char *const statuses[] = { "generated", "needs_revision", "approved", "rejected" };

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool fail_unknown(const char *what, const char *word, const char *const *names, size_t count,
                         const char *all, struct cf_error *err)
{
    struct cf_nearest nearest;
    cf_nearest_init(&nearest, word, strlen(word));
    for (size_t i = 0; i < count; i++)
        cf_nearest_offer(&nearest, names[i], strlen(names[i]));
    if (nearest.best[0] != '\0')
        return cf_fail(err, CF_ERR_CONFIG, "where: unknown %s \"%s\"; did you mean \"%s\"?", what,
                       word, nearest.best);
    return cf_fail(err, CF_ERR_CONFIG, "where: unknown %s \"%s\"; known are %s", what, word, all);
}

bool cf_where_check_status(const char *name, struct cf_error *err)
{
    for (size_t i = 0; i < COUNT(statuses); i++)
        if (strcmp(name, statuses[i]) == 0)
            return true;
    return fail_unknown("status", name, statuses, COUNT(statuses),
                        "generated, needs_revision, approved, rejected", err);
}

/* Ends the pair that begins at *rest and unescapes it in place; moves *rest behind it. */
static char *take_pair(char **rest)
{
    char *pair = *rest, *to = pair, *from = pair;
    while (*from != '\0' && *from != ',') {
        if (from[0] == '\\' && (from[1] == ',' || from[1] == '\\'))
            from++;
        *to++ = *from++;
    }
    *rest = *from == ',' ? from + 1 : NULL;
    *to = '\0';
    return pair;
}

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t len = strlen(text);
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        text[--len] = '\0';
    return text;
}

static bool add_statuses(struct cf_where *where, char *value, struct cf_error *err)
{
    for (char *rest = value; rest != NULL;) {
        char *name = rest;
        rest = strchr(name, '|');
        if (rest != NULL)
            *rest++ = '\0';
        name = trim(name);
        if (!cf_where_check_status(name, err))
            return false;
        bool is_new = true;
        for (size_t i = 0; i < where->status_count; i++)
            is_new = is_new && strcmp(where->statuses[i], name) != 0;
        if (is_new)
            where->statuses[where->status_count++] = name;
    }
    return true;
}

static bool set_min_score(struct cf_where *where, const char *value, struct cf_error *err)
{
    char *end;
    double score = strtod(value, &end);
    if (*end != '\0' || !isfinite(score) || score < 0 || score > 10)
        return cf_fail(err, CF_ERR_CONFIG,
                       "where: min_score must be a number from 0 to 10, not \"%s\"", value);
    where->min_score = score;
    return true;
}

static bool set_text(const char **field, const char *name, const char *value, struct cf_error *err)
{
    if (*field != NULL)
        return cf_fail(err, CF_ERR_CONFIG, "where: %s is given twice", name);
    *field = value;
    return true;
}

static bool set_pair(struct cf_where *where, char *pair, struct cf_error *err)
{
    char *value = strchr(pair, '=');
    if (value == NULL)
        return cf_fail(err, CF_ERR_CONFIG, "where: \"%s\" is not of the form FIELD=VALUE", pair);
    *value++ = '\0';
    const char *name = trim(pair);
    value = trim(value);
    if (*value == '\0')
        return cf_fail(err, CF_ERR_CONFIG, "where: %s has no value",
                       *name != '\0' ? name : "a field");

    if (strcmp(name, "run") == 0)
        return set_text(&where->run, name, value, err);
    if (strcmp(name, "tier") == 0)
        return set_text(&where->tier, name, value, err);
    if (strcmp(name, "tag") == 0)
        return set_text(&where->tag, name, value, err);
    if (strcmp(name, "persona") == 0)
        return set_text(&where->persona, name, value, err);
    if (strcmp(name, "status") == 0)
        return add_statuses(where, value, err);
    if (strcmp(name, "min_score") == 0)
        return set_min_score(where, value, err);
    return fail_unknown("field", name, fields, COUNT(fields),
                        "run, status, min_score, tier, tag, persona", err);
}

bool cf_where_parse(const char *text, struct cf_where *out, struct cf_error *err)
{
    struct cf_where where = { .text = cf_strdup(text) };
    char *rest = where.text[strspn(where.text, " \t")] != '\0' ? where.text : NULL;
    while (rest != NULL) {
        if (!set_pair(&where, take_pair(&rest), err)) {
            cf_where_done(&where);
            return false;
        }
    }
    *out = where;
    return true;
}

void cf_where_done(struct cf_where *where)
{
    free(where->text);
    *where = (struct cf_where){ 0 };
}
