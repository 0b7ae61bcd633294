#include "server/patch_body.h"

#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "server/find.h"
#include "server/problems.h"

#define NAME_MAX_BYTES 200     /* of a tag or an author */
#define TEXT_MAX_BYTES 4096    /* of a note or a tag's value */

static void read_text(const cJSON *field, size_t most, const char **out,
                      struct cf_problems *problems)
{
    const char *text = cJSON_GetStringValue(field);
    if (text == NULL)
        cf_problems_add(problems, field->string, "must be a text");
    else if (strlen(text) > most)
        cf_problems_add(problems, field->string, "must not be longer than %zu bytes", most);
    else
        *out = text;
}

static void read_status(const cJSON *field, const char **out, struct cf_problems *problems)
{
    const char *text = cJSON_GetStringValue(field);
    const char *status = text != NULL ? cf_find_status(text, strlen(text)) : NULL;
    if (status == NULL)
        cf_problems_add(problems, "status",
                        "must be approved, rejected, generated or needs_revision");
    else
        *out = status;
}

/* --- tags --- */

static void add_tag(struct cf_patch_body *body, const struct cf_patch_tag *tag, const char *path,
                    struct cf_problems *problems)
{
    size_t len = strlen(tag->tag.name);
    if (len == 0 || len > NAME_MAX_BYTES)
        cf_problems_add(problems, path, "a tag's name has 1 to %d bytes", NAME_MAX_BYTES);
    else if (body->tag_count == CF_PATCH_TAGS_MAX)
        cf_problems_add(problems, path, "no more than %d tags at once", CF_PATCH_TAGS_MAX);
    else
        body->tags[body->tag_count++] = *tag;
}

static void read_tag_value(struct cf_patch_body *body, const cJSON *field,
                           struct cf_problems *problems)
{
    struct cf_patch_tag tag = { .tag.name = field->string };
    char path[64 + NAME_MAX_BYTES];
    snprintf(path, sizeof path, "tags.set.%.200s", field->string);
    if (cJSON_IsNumber(field)) {
        tag.tag.is_number = true;
        tag.tag.number = field->valuedouble;
    } else if (cJSON_IsString(field) && strlen(field->valuestring) <= TEXT_MAX_BYTES) {
        tag.tag.text = cf_text_of(field->valuestring);
    } else if (!cJSON_IsNull(field) && !cJSON_IsTrue(field)) {
        cf_problems_add(problems, path, "must be a number, a text of up to %d bytes, true or null",
                        TEXT_MAX_BYTES);
        return;
    }
    add_tag(body, &tag, path, problems);
}

static void read_tag_names(struct cf_patch_body *body, const cJSON *list,
                           struct cf_problems *problems)
{
    const cJSON *element;
    int index = 0;
    if (!cJSON_IsArray(list)) {
        cf_problems_add(problems, "tags.remove", "must be a list of names");
        return;
    }
    cJSON_ArrayForEach(element, list) {
        char path[48];
        snprintf(path, sizeof path, "tags.remove[%d]", index++);
        if (!cJSON_IsString(element))
            cf_problems_add(problems, path, "must be a text");
        else
            add_tag(body,
                    &(struct cf_patch_tag){ .tag.name = element->valuestring, .remove = true },
                    path, problems);
    }
}

static void read_tags(struct cf_patch_body *body, const cJSON *tags, struct cf_problems *problems)
{
    const cJSON *field, *value;
    if (!cJSON_IsObject(tags)) {
        cf_problems_add(problems, "tags", "must be an object with set and remove");
        return;
    }
    cJSON_ArrayForEach(field, tags) {
        char path[64];
        if (strcmp(field->string, "remove") == 0) {
            read_tag_names(body, field, problems);
        } else if (strcmp(field->string, "set") != 0) {
            snprintf(path, sizeof path, "tags.%.50s", field->string);
            cf_problems_add(problems, path, "there is no such field; there are set and remove");
        } else if (!cJSON_IsObject(field)) {
            cf_problems_add(problems, "tags.set", "must be an object of names and values");
        } else {
            cJSON_ArrayForEach(value, field) read_tag_value(body, value, problems);
        }
    }
}

/* --- a turn --- */

static void read_turn(struct cf_patch_body *body, const cJSON *turn, struct cf_problems *problems)
{
    const cJSON *field;
    bool has_index = false;
    if (!cJSON_IsObject(turn)) {
        cf_problems_add(problems, "turn", "must be an object with index and content");
        return;
    }
    cJSON_ArrayForEach(field, turn) {
        char path[64];
        snprintf(path, sizeof path, "turn.%.50s", field->string);
        if (strcmp(field->string, "index") == 0) {
            has_index = true;
            if (cJSON_IsNumber(field) && field->valueint >= 0 &&
                field->valuedouble == (double)field->valueint)
                body->turn_index = field->valueint;
            else
                cf_problems_add(problems, path, "must be a whole number, 0 for the first turn");
        } else if (strcmp(field->string, "content") == 0) {
            body->content = cf_text_of(cJSON_GetStringValue(field));
            if (body->content.len == 0)
                cf_problems_add(problems, path, "must be a text that is not empty");
        } else if (strcmp(field->string, "before") == 0) {
            body->before = cf_text_of(cJSON_GetStringValue(field));
            if (body->before.data == NULL)
                cf_problems_add(problems, path, "must be a text");
        } else {
            cf_problems_add(problems, path,
                            "there is no such field; there are index, content and before");
        }
    }
    if (!has_index)
        cf_problems_add(problems, "turn.index", "is missing");
    if (cJSON_GetObjectItemCaseSensitive(turn, "content") == NULL)
        cf_problems_add(problems, "turn.content", "is missing");
    body->has_turn = true;
}

/* --- ids --- */

static void read_ids(struct cf_patch_body *body, const cJSON *list, struct cf_problems *problems)
{
    const cJSON *element;
    int count = cJSON_GetArraySize(list), index = 0;
    if (!cJSON_IsArray(list) || count == 0 || count > CF_PATCH_IDS_MAX) {
        cf_problems_add(problems, "ids", "must be a list of 1 to %d ids", CF_PATCH_IDS_MAX);
        return;
    }
    cJSON_ArrayForEach(element, list) {
        char path[32];
        snprintf(path, sizeof path, "ids[%d]", index++);
        if (!cJSON_IsString(element))
            cf_problems_add(problems, path, "must be a text");
    }
    body->ids = list;
}

static void read_field(struct cf_patch_body *body, const cJSON *field, bool with_ids,
                       struct cf_problems *problems)
{
    if (strcmp(field->string, "status") == 0)
        read_status(field, &body->status, problems);
    else if (strcmp(field->string, "note") == 0)
        read_text(field, TEXT_MAX_BYTES, &body->note, problems);
    else if (strcmp(field->string, "author") == 0)
        read_text(field, NAME_MAX_BYTES, &body->author, problems);
    else if (strcmp(field->string, "tags") == 0)
        read_tags(body, field, problems);
    else if (strcmp(field->string, "turn") == 0 && !with_ids)
        read_turn(body, field, problems);
    else if (strcmp(field->string, "ids") == 0 && with_ids)
        read_ids(body, field, problems);
    else
        cf_problems_add(problems, field->string, "there is no such field");
}

void cf_patch_body_read(struct cf_patch_body *body, const struct cJSON *json, bool with_ids,
                        struct cf_problems *problems)
{
    const cJSON *field;
    *body = (struct cf_patch_body){ .turn_index = -1 };
    if (!cJSON_IsObject(json)) {
        cf_problems_add(problems, "", "must be an object");
        return;
    }
    cJSON_ArrayForEach(field, json) read_field(body, field, with_ids, problems);
    if (with_ids && cJSON_GetObjectItemCaseSensitive(json, "ids") == NULL)
        cf_problems_add(problems, "ids", "is missing");
    if (problems->count == 0 && body->status == NULL && body->note == NULL &&
        body->tag_count == 0 && !body->has_turn)
        cf_problems_add(problems, "", "asks for nothing: give status, note, tags%s",
                        with_ids ? "" : " or turn");
}
