#include "provider/members.h"

#include <stdio.h>
#include <string.h>

/* Reads past the value that begins with token; *out_end is the offset behind it. */
static bool skip_value(struct cf_json_reader *reader, struct cf_json_token *token,
                       size_t *out_end)
{
    unsigned depth = 0;
    for (;;) {
        if (token->type == CF_JSON_OBJECT || token->type == CF_JSON_ARRAY)
            depth++;
        else if (token->type == CF_JSON_OBJECT_END || token->type == CF_JSON_ARRAY_END)
            depth--;
        if (depth == 0) {
            *out_end = cf_json_offset(reader);
            return true;
        }
        if (cf_json_next(reader, token, NULL) != 1)
            return false;
    }
}

bool members_open(struct members *members, struct cf_text json)
{
    struct cf_json_token token;
    *members = (struct members){ .json = json.data };
    members->reader = cf_json_open(json.data, json.len, &members->repairs);
    return cf_json_next(members->reader, &token, NULL) == 1 && token.type == CF_JSON_OBJECT;
}

int members_next(struct members *members, struct member *out)
{
    struct cf_json_token token;
    size_t end;
    if (cf_json_next(members->reader, &token, NULL) != 1)
        return -1;
    if (token.type == CF_JSON_OBJECT_END)
        return cf_json_next(members->reader, &token, NULL);

    snprintf(out->name, sizeof out->name, "%s", token.text);
    if (cf_json_next(members->reader, &token, NULL) != 1)
        return -1;
    size_t start = token.offset;
    out->type = token.type;
    out->text = (struct cf_text){ NULL, 0 };
    if (token.type == CF_JSON_STRING)
        out->text = (struct cf_text){ token.text, token.len };
    if (!skip_value(members->reader, &token, &end))
        return -1;
    out->raw = (struct cf_text){ members->json + start, end - start };
    return 1;
}

void members_close(struct members *members)
{
    cf_json_free(members->reader);
    members->reader = NULL;
}

struct cf_text member_inside(const struct member *member)
{
    return (struct cf_text){ member->raw.data + 1, member->raw.len - 2 };
}
