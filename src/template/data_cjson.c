#include "confab/template.h"

#include <cjson/cJSON.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_INTEGER_MAX 9007199254740992.0    /* 2^53: doubles hold every integer up to here */

static enum cf_value_kind kind(void *self, struct cf_value value)
{
    const cJSON *json = value.pointer;

    (void)self;
    if (cJSON_IsFalse(json))
        return CF_VALUE_FALSE;
    if (cJSON_IsTrue(json) || cJSON_IsNumber(json) || cJSON_IsString(json))
        return CF_VALUE_TEXT;
    if (cJSON_IsArray(json))
        return CF_VALUE_LIST;
    if (cJSON_IsObject(json))
        return CF_VALUE_MAP;
    return CF_VALUE_NULL;
}

static bool get(void *self, struct cf_value map, const char *name, size_t len, struct cf_value *out)
{
    const cJSON *member;

    (void)self;
    cJSON_ArrayForEach(member, (const cJSON *)map.pointer) {
        if (strlen(member->string) == len && memcmp(member->string, name, len) == 0) {
            *out = (struct cf_value){ .pointer = member };
            return true;
        }
    }
    return false;
}

/* The shortest decimal form that reads back as the same number. */
static void write_number(double number, char *out, size_t size)
{
    if (number == floor(number) && fabs(number) <= EXACT_INTEGER_MAX) {
        snprintf(out, size, "%.0f", number);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, size, "%.*g", digits, number);
        if (strtod(out, NULL) == number)
            return;
    }
}

static const char *text(void *self, struct cf_value value, size_t *out_len)
{
    struct cf_template_cjson *scratch = self;
    const cJSON *json = value.pointer;
    const char *text_of = json->valuestring;

    if (cJSON_IsNumber(json)) {
        write_number(json->valuedouble, scratch->number, sizeof scratch->number);
        text_of = scratch->number;
    } else if (cJSON_IsBool(json)) {
        text_of = cJSON_IsTrue(json) ? "true" : "false";
    }
    *out_len = strlen(text_of);
    return text_of;
}

static size_t length(void *self, struct cf_value list)
{
    (void)self;
    return (size_t)cJSON_GetArraySize(list.pointer);
}

static struct cf_value at(void *self, struct cf_value list, size_t index, struct cf_value previous)
{
    const cJSON *before = previous.pointer;

    (void)self;
    return (struct cf_value){
        .pointer = index == 0 ? ((const cJSON *)list.pointer)->child : before->next,
    };
}

static const char *name(void *self, struct cf_value map, size_t index, size_t *out_len)
{
    const cJSON *member = cJSON_GetArrayItem(map.pointer, (int)index);

    (void)self;
    if (member == NULL)
        return NULL;
    *out_len = strlen(member->string);
    return member->string;
}

void cf_template_data_cjson(struct cf_template_cjson *scratch, const struct cJSON *root,
                            struct cf_template_data *out_data)
{
    *out_data = (struct cf_template_data){
        .self = scratch,
        .root = { .pointer = root },
        .kind = kind,
        .get = get,
        .text = text,
        .length = length,
        .at = at,
        .name = name,
    };
}
