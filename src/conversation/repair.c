#include "conversation/repair.h"

#include <string.h>
#include <strings.h>

#include "confab/conversation.h"

enum step { STEP_VALUE, STEP_KEY, STEP_AFTER, STEP_DONE };

void cf_repairer_init(struct cf_repairer *repairer, size_t max_bytes)
{
    memset(repairer, 0, sizeof *repairer);
    cf_buf_init(&repairer->out, max_bytes);
}

void cf_repairer_done(struct cf_repairer *repairer)
{
    cf_buf_done(&repairer->out);
}

static struct cf_repair_level *top(struct cf_repairer *repairer)
{
    return repairer->depth > 0 ? &repairer->levels[repairer->depth - 1] : NULL;
}

/* Skips a comment of any of the three kinds. False: none is here. */
static bool skip_comment(struct cf_repairer *repairer)
{
    const char *at = repairer->at, *end = repairer->end;
    const char *stop;

    if (at == end || (*at != '#' && *at != '/'))
        return false;
    if (*at == '/' && (end - at < 2 || (at[1] != '/' && at[1] != '*')))
        return false;
    if (*at == '/' && at[1] == '*') {
        stop = memmem(at + 2, (size_t)(end - at - 2), "*/", 2);
        repairer->at = stop == NULL ? end : stop + 2;
    } else {
        stop = memchr(at, '\n', (size_t)(end - at));
        repairer->at = stop == NULL ? end : stop + 1;
    }
    repairer->repairs |= CF_REPAIR_COMMENT;
    return true;
}

/* To the next token. False: the text ends, or the fence around it does. */
static bool skip_to_token(struct cf_repairer *repairer)
{
    bool odd = false;

    do {
        repairer->at = cf_repair_skip_space(repairer->at, repairer->end, &odd);
    } while (skip_comment(repairer));
    if (odd)
        repairer->repairs |= CF_REPAIR_ODD_SPACE;

    size_t left = (size_t)(repairer->end - repairer->at);
    return left > 0 && !(left >= 3 && (memcmp(repairer->at, "```", 3) == 0 ||
                                       memcmp(repairer->at, "~~~", 3) == 0));
}

/* Before each key and each element of an array: the comma is written here, so that those that
 * stand before a bracket or are missing need no care. */
static void begin_element(struct cf_repairer *repairer)
{
    struct cf_repair_level *level = top(repairer);
    if (level == NULL)
        return;

    level->element = repairer->out.len;
    if (level->count++ > 0) {
        cf_buf_addc(&repairer->out, ',');
        if (!level->has_comma)
            repairer->repairs |= CF_REPAIR_MISSING_COMMA;
    }
    level->has_comma = false;
}

static void close_level(struct cf_repairer *repairer)
{
    cf_buf_addc(&repairer->out, top(repairer)->is_object ? '}' : ']');
    repairer->depth--;
}

/* Takes back the element that the end of the text went through and closes what is open. */
static enum cf_repair_end cut(struct cf_repairer *repairer, bool in_element)
{
    struct cf_repair_level *level = top(repairer);

    repairer->repairs |= CF_REPAIR_CUT_END;
    if (in_element) {
        if (level == NULL)
            return CF_REPAIR_REFUSED;
        repairer->out.len = level->element;
    }
    repairer->cut_at = repairer->out.len;
    while (repairer->depth > 0)
        close_level(repairer);
    return CF_REPAIR_CUT;
}

static enum cf_repair_end copy_number(struct cf_repairer *repairer)
{
    const char *start = repairer->at, *at = start;

    while (at < repairer->end && memchr("+-._0123456789abcdefABCDEFxX", *at, 28) != NULL)
        at++;
    repairer->at = at;
    if (at == repairer->end)
        return CF_REPAIR_CUT;

    size_t len = (size_t)(at - start);
    if (cf_json_check(start, len, NULL, NULL)) {
        cf_buf_add(&repairer->out, start, len);
    } else {
        cf_json_add_string(&repairer->out, start, len);
        repairer->repairs |= CF_REPAIR_FOREIGN_LITERAL;
    }
    return CF_REPAIR_WHOLE;
}

/* true, None, NaN and the like. Any other bare word is prose. */
static enum cf_repair_end copy_word(struct cf_repairer *repairer)
{
    static const struct { const char *word, *json; } words[] = {
        { "true", "true" }, { "false", "false" }, { "null", "null" }, { "none", "null" },
        { "nan", "null" }, { "infinity", "null" }, { "-infinity", "null" }, { "inf", "null" },
        { "-inf", "null" }, { "undefined", "null" }, { "nil", "null" },
    };
    const char *start = repairer->at, *at = start;

    if (*at == '-')
        at++;
    while (at < repairer->end && ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z')))
        at++;

    size_t len = (size_t)(at - start);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t size = strlen(words[i].word);
        if (at == repairer->end && len > 0 && len < size &&
            strncmp(start, words[i].word, len) == 0) {
            repairer->at = at;
            return CF_REPAIR_CUT;
        }
        if (len != size || strncasecmp(start, words[i].word, len) != 0)
            continue;
        cf_buf_adds(&repairer->out, words[i].json);
        if (strncmp(start, words[i].json, len) != 0 || len != strlen(words[i].json))
            repairer->repairs |= CF_REPAIR_FOREIGN_LITERAL;
        repairer->at = at;
        return CF_REPAIR_WHOLE;
    }
    return CF_REPAIR_REFUSED;
}

static enum cf_repair_end copy_scalar(struct cf_repairer *repairer)
{
    size_t size;
    const char *at = repairer->at;

    if (cf_repair_quote(at, repairer->end, &size) != CF_QUOTE_NONE)
        return cf_repair_string(repairer, false);
    if ((*at >= '0' && *at <= '9') || *at == '.' || *at == '+' ||
        (*at == '-' && repairer->end - at >= 2 && at[1] >= '.' && at[1] <= '9'))
        return copy_number(repairer);
    return copy_word(repairer);
}

static bool is_name(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
           (!first && ((c >= '0' && c <= '9') || c == '-'));
}

/* A key and its colon. */
static enum cf_repair_end copy_key(struct cf_repairer *repairer)
{
    size_t size;

    if (cf_repair_quote(repairer->at, repairer->end, &size) != CF_QUOTE_NONE) {
        enum cf_repair_end got = cf_repair_string(repairer, true);
        if (got != CF_REPAIR_WHOLE)
            return got;
    } else {
        const char *start = repairer->at, *at = start;
        while (at < repairer->end && is_name(*at, at == start))
            at++;
        repairer->at = at;
        if (at == start || at - start > CF_JSON_DEPTH_MAX)
            return CF_REPAIR_REFUSED;
        cf_json_add_string(&repairer->out, start, (size_t)(at - start));
        repairer->repairs |= CF_REPAIR_UNQUOTED_KEY;
    }

    if (!skip_to_token(repairer))
        return CF_REPAIR_CUT;
    if (*repairer->at != ':')
        return CF_REPAIR_REFUSED;
    repairer->at++;
    cf_buf_addc(&repairer->out, ':');
    return CF_REPAIR_WHOLE;
}

/* A closing bracket: closes the nearest level of its kind, and what was left open inside. */
static bool close_bracket(struct cf_repairer *repairer)
{
    bool is_object = *repairer->at == '}';
    unsigned level = repairer->depth;

    while (level > 0 && repairer->levels[level - 1].is_object != is_object)
        level--;
    if (level == 0)
        return false;

    if (level < repairer->depth)
        repairer->repairs |= CF_REPAIR_UNBALANCED;
    while (repairer->depth >= level) {
        if (top(repairer)->has_comma)
            repairer->repairs |= CF_REPAIR_TRAILING_COMMA;
        close_level(repairer);
    }
    repairer->at++;
    return true;
}

static bool open_bracket(struct cf_repairer *repairer)
{
    if (repairer->depth == CF_JSON_DEPTH_MAX)
        return false;
    repairer->levels[repairer->depth++] =
        (struct cf_repair_level){ .is_object = *repairer->at == '{' };
    cf_buf_addc(&repairer->out, *repairer->at++);
    return true;
}

static enum step after(const struct cf_repairer *repairer)
{
    return repairer->depth == 0 ? STEP_DONE : STEP_AFTER;
}

/* Inside an object or array, before an element, a comma or the closing bracket. */
static enum cf_repair_end step_after(struct cf_repairer *repairer, enum step *step)
{
    struct cf_repair_level *level = top(repairer);
    char c = *repairer->at;

    if (c == '}' || c == ']') {
        if (!close_bracket(repairer))
            return CF_REPAIR_REFUSED;
        *step = after(repairer);
    } else if (c == ',') {
        if (level->has_comma || level->count == 0)
            repairer->repairs |= CF_REPAIR_TRAILING_COMMA;
        level->has_comma = true;
        repairer->at++;
    } else if (level->is_object && c == '{' && level->count > 0 && repairer->depth > 1 &&
               !repairer->levels[repairer->depth - 2].is_object) {
        /* The next object of the list, though this one was not closed. */
        repairer->repairs |= CF_REPAIR_UNBALANCED;
        level[-1].has_comma = level->has_comma;
        close_level(repairer);
    } else {
        begin_element(repairer);
        *step = level->is_object ? STEP_KEY : STEP_VALUE;
    }
    return CF_REPAIR_WHOLE;
}

enum cf_repair_end cf_repair_run(struct cf_repairer *repairer, const char *text, size_t len)
{
    enum step step = STEP_VALUE;
    enum cf_repair_end got = CF_REPAIR_WHOLE;

    repairer->text = repairer->at = text;
    repairer->end = text + len;
    repairer->repairs = 0;
    repairer->depth = 0;
    repairer->cut_at = SIZE_MAX;
    cf_buf_clear(&repairer->out);

    while (step != STEP_DONE) {
        if (!skip_to_token(repairer))
            return cut(repairer, step != STEP_AFTER);

        switch (step) {
        case STEP_AFTER: got = step_after(repairer, &step); break;
        case STEP_KEY:
            got = copy_key(repairer);
            step = STEP_VALUE;
            break;
        default:
            if (*repairer->at == '{' || *repairer->at == '[') {
                got = open_bracket(repairer) ? CF_REPAIR_WHOLE : CF_REPAIR_REFUSED;
                step = STEP_AFTER;
            } else {
                got = copy_scalar(repairer);
                step = after(repairer);
            }
            break;
        }
        if (got == CF_REPAIR_CUT)
            return cut(repairer, true);
        if (got == CF_REPAIR_REFUSED || !cf_buf_ok(&repairer->out))
            return CF_REPAIR_REFUSED;
    }
    return CF_REPAIR_WHOLE;
}
