#include <string.h>
#include <strings.h>

#include "conversation/transcript.h"

#define TAG_MAX_BYTES 128    /* an opening tag with its attributes */

/* The role in an attribute such as role="user" of an opening tag's inside. */
static bool attribute_role(const char *tag, const char *end, enum cf_role *out)
{
    static const char *const names[] = { "role=", "speaker=", "from=" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = memmem(tag, (size_t)(end - tag), names[i], strlen(names[i]));
        if (value == NULL)
            continue;
        value += strlen(names[i]);
        if (value < end && (*value == '"' || *value == '\'')) {
            char quote = *value++;
            const char *stop = memchr(value, quote, (size_t)(end - value));
            if (stop != NULL)
                return cf_role_parse(value, (size_t)(stop - value), out);
        }
    }
    return false;
}

static bool is_turn_name(const char *name, size_t len)
{
    static const char *const names[] = { "turn", "message", "msg", "utterance" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i]) == len && strncasecmp(names[i], name, len) == 0)
            return true;
    }
    return false;
}

/* at: a '<'. Returns the byte behind the tag if it begins a turn. */
static const char *read_open_tag(const char *at, const char *end, enum cf_role *out_role,
                                 size_t *out_name_len)
{
    size_t room = (size_t)(end - at);
    const char *close = memchr(at, '>', room < TAG_MAX_BYTES ? room : TAG_MAX_BYTES);
    if (close == NULL)
        return NULL;

    const char *name = at + 1, *name_end = name;
    while (name_end < close && *name_end != ' ' && *name_end != '\n' && *name_end != '\t')
        name_end++;
    *out_name_len = (size_t)(name_end - name);
    if (cf_role_parse(name, *out_name_len, out_role))
        return close + 1;
    if (is_turn_name(name, *out_name_len) && attribute_role(name_end, close, out_role))
        return close + 1;
    return NULL;
}

/* The "</name>" from `at` on. */
static const char *find_close_tag(const char *at, const char *end, const char *name, size_t len)
{
    while ((at = memmem(at, (size_t)(end - at), "</", 2)) != NULL) {
        if ((size_t)(end - at) >= len + 3 && memcmp(at + 2, name, len) == 0 && at[len + 2] == '>')
            return at;
        at += 2;
    }
    return NULL;
}

bool cf_transcript_tags(const char *text, size_t len, struct cf_conversation *out, bool *out_cut)
{
    const char *at = text, *end = text + len;
    enum cf_role role;
    size_t name_len;

    *out_cut = false;
    while (out->turn_count < CF_TURNS_MAX &&
           (at = memchr(at, '<', (size_t)(end - at))) != NULL) {
        const char *content = read_open_tag(at, end, &role, &name_len);
        if (content == NULL) {
            at++;
            continue;
        }

        const char *close = find_close_tag(content, end, at + 1, name_len);
        if (close == NULL) {
            *out_cut = true;
            break;
        }
        at = close + name_len + 3;
        size_t size = (size_t)(close - content);
        cf_transcript_trim(&content, &size);
        cf_conversation_add(out, role, content, size);
    }
    return cf_transcript_accept(out);
}
