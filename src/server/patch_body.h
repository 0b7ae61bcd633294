/* patch_body.h - what a PATCH asks for, read from its JSON; every wrong field is a problem. */
#ifndef CONFAB_SERVER_PATCH_BODY_H
#define CONFAB_SERVER_PATCH_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/patch.h"
#include "store/write_review.h"

struct cf_problems;
struct cJSON;

struct cf_patch_tag {
    struct cf_tag_row tag;
    bool remove;
};

/* Its texts are lent by the JSON. */
struct cf_patch_body {
    const char *status, *note, *author;       /* NULL: not given */
    struct cf_patch_tag tags[CF_PATCH_TAGS_MAX];
    size_t tag_count;
    bool has_turn;
    int64_t turn_index;
    struct cf_text content, before;           /* before NULL: whatever is there */
    const struct cJSON *ids;                  /* of a list of texts; NULL: not taken */
};

/* Reads it. with_ids: the list is required, and turn is not taken. */
void cf_patch_body_read(struct cf_patch_body *body, const struct cJSON *json, bool with_ids,
                        struct cf_problems *problems);
#endif
