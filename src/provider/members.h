/* members.h - JSON values as they stand in their text.
 *
 * What a tree would round or rewrite stays as the server wrote it. Internal to src/provider. */
#ifndef CONFAB_PROVIDER_MEMBERS_H
#define CONFAB_PROVIDER_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/text.h"

struct member {
    char name[48];              /* decoded; a longer one is cut: none of the API's is */
    enum cf_json_type type;     /* CF_JSON_OBJECT and CF_JSON_ARRAY stand for whole ones */
    struct cf_text raw;         /* the value, a string with its quotes; lent with the text read */
    struct cf_text text;        /* a string's, decoded; NULL else. Lent until the next call */
};

struct members {
    const char *json;           /* borrowed */
    struct cf_json_reader *reader;
    struct cf_json_repairs repairs;
};

/* Begins with an object's text; false if it is none. members_close in any case. */
bool members_open(struct members *members, struct cf_text json);

/* 1: *out is the next one; 0: the object is over, and nothing follows it; -1: it is no JSON. */
int members_next(struct members *members, struct member *out);
void members_close(struct members *members);

/* The text between the quotes of a string's raw value, escapes and all. */
struct cf_text member_inside(const struct member *member);
#endif
