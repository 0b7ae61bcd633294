#include "conversation/plain.h"

#include "base/json.h"
#include "confab/conversation.h"
#include "conversation/words.h"

/* Reads the next token into *token; false at the end, or where the text is no JSON. */
static bool advance(struct cf_json_reader *reader, struct cf_json_token *token)
{
    return cf_json_next(reader, token, NULL) > 0;
}

static bool is_scalar(const struct cf_json_token *token)
{
    return token->type <= CF_JSON_STRING;
}

/* Reads an open object. The content is added before the role may be known. */
static bool read_turn(struct cf_json_reader *reader, struct cf_conversation *out)
{
    struct cf_json_token token = { 0 };
    enum cf_role role = CF_ROLE_USER;
    size_t turn = out->turn_count;
    bool has_role = false;

    while (advance(reader, &token) && token.type == CF_JSON_KEY) {
        enum cf_key_class class = cf_key_lookup(token.text, token.len).class;
        if (!advance(reader, &token))
            return false;
        if (class == CF_KEY_CONTENT && token.type == CF_JSON_STRING && out->turn_count == turn) {
            cf_conversation_add(out, role, token.text, token.len);
        } else if (class == CF_KEY_ROLE && token.type == CF_JSON_STRING && !has_role) {
            has_role = cf_role_parse(token.text, token.len, &role);
            if (!has_role)
                return false;
        } else if (class != CF_KEY_OTHER || !is_scalar(&token)) {
            return false;
        }
    }
    if (token.type != CF_JSON_OBJECT_END || !has_role || out->turn_count == turn)
        return false;
    out->turns[turn].role = role;
    return true;
}

/* Reads an open array. */
static bool read_turns(struct cf_json_reader *reader, struct cf_conversation *out)
{
    struct cf_json_token token = { 0 };

    while (advance(reader, &token) && token.type == CF_JSON_OBJECT) {
        if (out->turn_count == CF_TURNS_MAX || !read_turn(reader, out))
            return false;
    }
    return token.type == CF_JSON_ARRAY_END && out->turn_count > 0;
}

/* Reads an open object that holds the list, and perhaps what is neither turn nor system text. */
static bool read_wrapper(struct cf_json_reader *reader, struct cf_conversation *out)
{
    struct cf_json_token token = { 0 };

    while (advance(reader, &token) && token.type == CF_JSON_KEY) {
        enum cf_key_class class = cf_key_lookup(token.text, token.len).class;
        if (!advance(reader, &token))
            return false;
        if (class == CF_KEY_LIST && token.type == CF_JSON_ARRAY && out->turn_count == 0) {
            if (!read_turns(reader, out))
                return false;
        } else if (class != CF_KEY_OTHER || !is_scalar(&token)) {
            return false;
        }
    }
    return token.type == CF_JSON_OBJECT_END && out->turn_count > 0;
}

bool cf_plain_read(const char *text, size_t len, struct cf_conversation *out)
{
    struct cf_json_token token = { 0 };
    bool ok = false;

    if (len == 0 || (*text != '{' && *text != '['))
        return false;

    struct cf_json_reader *reader = cf_json_open(text, len, NULL);
    cf_conversation_reserve(out, len);    /* decoded, what is said is no longer */
    if (advance(reader, &token))
        ok = token.type == CF_JSON_OBJECT ? read_wrapper(reader, out) : read_turns(reader, out);
    ok = ok && cf_json_next(reader, &token, NULL) == 0;
    cf_json_free(reader);
    if (!ok)
        cf_conversation_done(out);
    return ok;
}
