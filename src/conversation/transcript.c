#include "conversation/transcript.h"

#include <string.h>

#define NAME_MAX_BYTES  32     /* longer than any role's name */
#define ASIDE_MAX_BYTES 64     /* "Customer (Maria, calm):" */

void cf_transcript_trim(const char **text, size_t *len)
{
    while (*len > 0 && (unsigned char)**text <= ' ')
        (*text)++, (*len)--;
    while (*len > 0 && (unsigned char)(*text)[*len - 1] <= ' ')
        (*len)--;
}

bool cf_transcript_accept(struct cf_conversation *out)
{
    bool user = false, assistant = false;

    for (size_t i = 0; i < out->turn_count; i++) {
        user = user || out->turns[i].role == CF_ROLE_USER;
        assistant = assistant || out->turns[i].role == CF_ROLE_ASSISTANT;
    }
    if (user && assistant)
        return true;
    cf_conversation_done(out);
    return false;
}

static const char *skip_any(const char *at, const char *end, const char *set)
{
    while (at < end && *at != '\0' && strchr(set, *at) != NULL)
        at++;
    return at;
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == ' ' || c == '_' || c == '-';
}

/* A line that begins with a role: marks, name, perhaps an aside in brackets, marks around a
 * colon. A heading or a bold line may do without the colon. Returns what follows, else NULL. */
static const char *read_label(const char *line, const char *end, enum cf_role *out_role)
{
    const char *name = skip_any(line, end, " \t>#*_-[(");
    size_t marks = (size_t)(name - line);
    bool is_marked = memchr(line, '#', marks) != NULL || memmem(line, marks, "**", 2) != NULL;

    const char *at = name;
    while (at < end && is_name_byte(*at) && at - name <= NAME_MAX_BYTES)
        at++;
    const char *name_end = at;
    while (name_end > name && (name_end[-1] == ' ' || name_end[-1] == '_'))
        name_end--;
    if (!cf_role_parse(name, (size_t)(name_end - name), out_role))
        return NULL;

    at = skip_any(at, end, " *_])");
    if (at < end && *at == '(') {
        size_t room = (size_t)(end - at);
        const char *close = memchr(at, ')', room < ASIDE_MAX_BYTES ? room : ASIDE_MAX_BYTES);
        if (close == NULL)
            return NULL;
        at = skip_any(close + 1, end, " *_])");
    }
    if (at < end && *at == ':')
        return skip_any(at + 1, end, " *_");
    return is_marked && skip_any(at, end, " \t\r*_#") == end ? end : NULL;
}

/* The mark of a code fence at the beginning of a line, or 0; *out_bare: nothing follows it. */
static char fence_of(const char *line, const char *end, bool *out_bare)
{
    const char *at = skip_any(line, end, " \t");
    if (end - at < 3 || (*at != '`' && *at != '~') || at[1] != *at || at[2] != *at)
        return 0;
    char mark[] = { *at, '\0' };
    *out_bare = skip_any(skip_any(at, end, mark), end, " \t\r") == end;
    return *at;
}

/* "---" between turns is no part of them. */
static size_t without_rules(const char *text, size_t len)
{
    for (;;) {
        while (len > 0 && (unsigned char)text[len - 1] <= ' ')
            len--;

        const char *newline = memrchr(text, '\n', len);
        const char *last = newline == NULL ? text : newline + 1;
        size_t size = (size_t)(text + len - last);
        if (size < 3 || (memcmp(last, "---", 3) != 0 && memcmp(last, "***", 3) != 0) ||
            skip_any(last, text + len, " -*") != text + len)
            return len;
        len -= size;
    }
}

static void add_turn(struct cf_conversation *out, enum cf_role role, const char *from,
                     const char *to)
{
    size_t len = (size_t)(to - from);
    cf_transcript_trim(&from, &len);
    cf_conversation_add(out, role, from, without_rules(from, len));
}

bool cf_transcript_labels(const char *text, size_t len, bool cut, struct cf_conversation *out)
{
    const char *end = text + len, *begin = NULL;    /* begin: of the turn being read */
    enum cf_role role = CF_ROLE_USER, next_role;
    bool in_outer = false, in_inner = false, bare = false;

    const char *stop = end;
    for (const char *line = text; line < end && out->turn_count < CF_TURNS_MAX;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *line_end = newline == NULL ? end : newline;

        if (fence_of(line, line_end, &bare) != 0) {
            if (begin == NULL) {
                in_outer = !in_outer;       /* around the whole transcript, or before it */
            } else if (in_outer && bare && !in_inner) {
                stop = line;
                cut = false;
                break;
            } else {
                in_inner = !in_inner;
            }
        } else if (!in_inner) {
            const char *rest = read_label(line, line_end, &next_role);
            if (rest != NULL) {
                if (begin != NULL)
                    add_turn(out, role, begin, line);
                begin = rest;
                role = next_role;
            }
        }
        line = newline == NULL ? end : newline + 1;
    }
    if (begin != NULL && !cut && out->turn_count < CF_TURNS_MAX)
        add_turn(out, role, begin, stop);
    return cf_transcript_accept(out);
}
