#include "simulator/schema_check.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX    64
#define OPTIONAL_MAX 24
#define UNIONS_MAX   16

struct check {
    const cJSON *root;
    unsigned optional, unions;
    char *why;
    size_t size;
};

static const cJSON *get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static bool refuse(struct check *check, const char *message, const char *name)
{
    snprintf(check->why, check->size, "output_config.format.schema: ");
    size_t len = strlen(check->why);
    snprintf(check->why + len, check->size - len, message, name);
    return false;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

static bool has_type(const cJSON *schema, const char *name)
{
    const cJSON *type = get(schema, "type"), *each;
    if (cJSON_IsString(type))
        return strcmp(type->valuestring, name) == 0;
    cJSON_ArrayForEach(each, type)
        if (cJSON_IsString(each) && strcmp(each->valuestring, name) == 0)
            return true;
    return false;
}

/* Of the keywords that stand in a schema, those that are taken. */
static bool check_keyword(struct check *check, const cJSON *field)
{
    static const char *const taken[] = {
        "type",        "title",
        "description", "default",
        "enum",        "const",
        "anyOf",       "allOf",
        "$ref",        "$defs",
        "definitions", "properties",
        "required",    "additionalProperties",
        "items",       "format",
        "pattern",     NULL,
    };
    static const char *const formats[] = {
        "date-time", "time", "date", "duration", "email", "hostname",
        "uri",       "ipv4", "ipv6", "uuid",     NULL,
    };
    const cJSON *each;
    if (strcmp(field->string, "minItems") == 0)
        return (cJSON_IsNumber(field) && (field->valuedouble == 0 || field->valuedouble == 1)) ||
               refuse(check,
                      "For 'array' type, 'minItems' values other than 0 or 1 are not supported%s",
                      "");
    if (!is_one_of(field->string, taken))
        return refuse(check, "property '%s' is not supported", field->string);
    if (strcmp(field->string, "format") == 0 &&
        !(cJSON_IsString(field) && is_one_of(field->valuestring, formats)))
        return refuse(check, "this 'format' is not supported%s", "");
    if (strcmp(field->string, "enum") == 0)
        cJSON_ArrayForEach(each, field)
            if (cJSON_IsObject(each) || cJSON_IsArray(each))
                return refuse(check, "complex types within '%s' are not supported", "enum");
    return true;
}

static bool check_schema(struct check *check, const cJSON *schema, int depth);

static bool check_each(struct check *check, const cJSON *list, int depth)
{
    const cJSON *each;
    cJSON_ArrayForEach(each, list)
        if (!check_schema(check, each, depth + 1))
            return false;
    return true;
}

static bool is_required(const cJSON *schema, const char *name)
{
    const cJSON *each;
    cJSON_ArrayForEach(each, get(schema, "required"))
        if (cJSON_IsString(each) && strcmp(each->valuestring, name) == 0)
            return true;
    return false;
}

static bool check_object(struct check *check, const cJSON *schema, int depth)
{
    const cJSON *property;
    if (!cJSON_IsFalse(get(schema, "additionalProperties")))
        return refuse(check, "For 'object' type, '%s' must be explicitly set to false",
                      "additionalProperties");
    cJSON_ArrayForEach(property, get(schema, "properties")) {
        check->optional += !is_required(schema, property->string);
        check->unions +=
            cJSON_IsArray(get(property, "anyOf")) || cJSON_IsArray(get(property, "type"));
    }
    if (check->optional > OPTIONAL_MAX || check->unions > UNIONS_MAX)
        return refuse(check, "Schema is too complex%s", "");
    return check_each(check, get(schema, "properties"), depth);
}

static const cJSON *resolve(const cJSON *root, const char *ref)
{
    if (strncmp(ref, "#/$defs/", 8) == 0)
        return get(get(root, "$defs"), ref + 8);
    return strncmp(ref, "#/definitions/", 14) == 0 ? get(get(root, "definitions"), ref + 14) : NULL;
}

static bool check_schema(struct check *check, const cJSON *schema, int depth)
{
    static const char *const says[] = { "type", "anyOf", "allOf", "enum", "const", "$ref", NULL };
    const cJSON *field, *ref = get(schema, "$ref");
    bool says_what = false;

    if (depth > DEPTH_MAX)
        return refuse(check, "Too many recursive definitions in schema%s", "");
    if (!cJSON_IsObject(schema))
        return refuse(check, "a schema must be an object%s", "");
    cJSON_ArrayForEach(field, schema) {
        says_what = says_what || is_one_of(field->string, says);
        if (!check_keyword(check, field))
            return false;
    }
    if (!says_what)
        return refuse(check, "a schema needs a '%s'", "type");
    if (cJSON_IsString(ref)) {
        const cJSON *target = resolve(check->root, ref->valuestring);
        if (target == NULL)
            return refuse(check, "external '%s' is not supported", "$ref");
        return check_schema(check, target, depth + 1);
    }
    cJSON_ArrayForEach(field, get(schema, "allOf"))
        if (get(field, "$ref") != NULL)
            return refuse(check, "'allOf' with '%s' is not supported", "$ref");
    if (has_type(schema, "array") && !check_schema(check, get(schema, "items"), depth + 1))
        return false;
    return check_each(check, get(schema, "anyOf"), depth) &&
           check_each(check, get(schema, "allOf"), depth) &&
           (!has_type(schema, "object") || check_object(check, schema, depth));
}

bool cf_sim_schema_check(const struct cJSON *schema, char *why, size_t size)
{
    struct check check = { .root = schema, .why = why, .size = size };
    return check_schema(&check, schema, 0) && check_each(&check, get(schema, "$defs"), 0)
           && check_each(&check, get(schema, "definitions"), 0);
}
