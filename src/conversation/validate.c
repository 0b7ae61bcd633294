#include "conversation/validate.h"

#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "confab/conversation.h"
#include "confab/error.h"

/* The spaces of Unicode that show nothing: no-break, en to hair, zero width, ideographic, BOM. */
static bool is_wide_space(const char *at, size_t size)
{
    const unsigned char *p = (const unsigned char *)at;
    if (size == 2)
        return p[0] == 0xC2 && (p[1] == 0xA0 || p[1] == 0x85);
    if (size != 3)
        return false;
    if (p[0] == 0xE2 && p[1] == 0x80)
        return p[2] <= 0x8D || p[2] == 0xA8 || p[2] == 0xA9 || p[2] == 0xAF;
    return memcmp(at, "\xE3\x80\x80", 3) == 0 || memcmp(at, "\xEF\xBB\xBF", 3) == 0 ||
           memcmp(at, "\xE2\x81\xA0", 3) == 0 || memcmp(at, "\xE2\x81\x9F", 3) == 0;
}

static bool is_blank(const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t size = cf_utf8_sequence(text + at, len - at);
        if (size == 0 || (size == 1 && (unsigned char)text[at] > ' ') ||
            (size > 1 && !is_wide_space(text + at, size)))
            return false;
        at += size;
    }
    return true;
}

static bool check_role(const struct cf_conversation *conversation, size_t first, size_t i,
                       struct cf_error *err)
{
    enum cf_role role = conversation->turns[i].role;

    if (role == CF_ROLE_SYSTEM)
        return cf_fail(err, CF_ERR_VALIDATION, "turn %zu: a system turn after the beginning",
                       i + 1);
    if (i == first && role != CF_ROLE_USER)
        return cf_fail(err, CF_ERR_VALIDATION, "turn %zu: the first turn must be the user's",
                       i + 1);
    if (i > first && role == conversation->turns[i - 1].role)
        return cf_fail(err, CF_ERR_VALIDATION, "turn %zu: two %s turns in a row", i + 1,
                       cf_role_name(role));
    return true;
}

static bool check_content(const struct cf_turn *turn, size_t i, struct cf_error *err)
{
    if (turn->len == 0)
        return cf_fail(err, CF_ERR_VALIDATION, "turn %zu: the content is empty", i + 1);

    size_t valid = cf_utf8_valid_prefix(turn->content, turn->len);
    if (valid < turn->len)
        return cf_fail(err, CF_ERR_VALIDATION, "turn %zu: invalid UTF-8 at byte %zu", i + 1,
                       valid + 1);
    if (is_blank(turn->content, turn->len))
        return cf_fail(err, CF_ERR_VALIDATION, "turn %zu: the content is only white space", i + 1);
    return true;
}

bool cf_validate_turns(const struct cf_conversation *conversation, size_t least, bool salvaged,
                       struct cf_error *err)
{
    size_t first = cf_conversation_system(conversation) != NULL ? 1 : 0;
    size_t count = conversation->turn_count - first;

    for (size_t i = 0; i < conversation->turn_count; i++) {
        if (!(i < first || check_role(conversation, first, i, err)) ||
            !check_content(&conversation->turns[i], i, err))
            return false;
    }
    if (count < least)
        return cf_fail(err, CF_ERR_VALIDATION,
                       "a conversation has at least %zu turns, this one %zu", least, count);
    if (!salvaged && count > 0 && conversation->turns[first + count - 1].role != CF_ROLE_ASSISTANT)
        return cf_fail(err, CF_ERR_VALIDATION, "turn %zu: the last turn must be the assistant's",
                       first + count);
    return true;
}

bool cf_conversation_validate(const struct cf_conversation *conversation, bool salvaged,
                              struct cf_error *err)
{
    return cf_validate_turns(conversation, 2, salvaged, err);
}
