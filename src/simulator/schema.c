#include "simulator/schema.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "confab/buf.h"
#include "confab/rng.h"
#include "simulator/brief.h"
#include "simulator/dialogue.h"

#define ITEMS_MAX 100      /* of a list, however long it should be */
#define TEXT_MAX  4096     /* bytes of a text, however long it should be */
#define DEPTH_MAX 16       /* a schema that refers to itself ends there, in nulls */

struct job {
    const cJSON *root;
    const struct cf_sim_brief *brief;
    const struct cf_sim_dialogue *dialogue;
    struct cf_rng *rng;
    struct cf_buf *out;
};

static const cJSON *get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* A limit that the schema has, or that its description tells as "{minItems: 8, maxItems: 12}". */
static bool get_limit(const cJSON *schema, const char *key, double *out)
{
    const cJSON *limit = get(schema, key), *told = get(schema, "description");
    if (cJSON_IsNumber(limit)) {
        *out = limit->valuedouble;
        return true;
    }
    char words[64];
    snprintf(words, sizeof words, "%s: ", key);
    for (const char *at = cJSON_IsString(told) ? strchr(told->valuestring, '{') : NULL; at != NULL;
         at++) {
        at = strstr(at, words);
        if (at == NULL)
            return false;
        if (at[-1] != '{' && at[-1] != ' ')
            continue;
        char *end;
        double value = strtod(at + strlen(words), &end);
        if (end == at + strlen(words))
            return false;
        *out = value;
        return true;
    }
    return false;
}

/* Follows "#/a/b" from the root. */
static const cJSON *resolve(const struct job *job, const char *ref)
{
    const cJSON *at = job->root;
    if (ref[0] != '#')
        return NULL;
    ref++;
    while (*ref == '/' && at != NULL) {
        char key[128];
        size_t len = strcspn(++ref, "/");
        if (len >= sizeof key)
            return NULL;
        memcpy(key, ref, len);
        key[len] = '\0';
        at = get(at, key);
        ref += len;
    }
    return at;
}

/* The schema behind references and choices; NULL if it cannot be told. */
static const cJSON *settle(const struct job *job, const cJSON *schema)
{
    for (int hops = 0; hops < DEPTH_MAX && schema != NULL; hops++) {
        const cJSON *ref = get(schema, "$ref"), *any = get(schema, "anyOf"),
                    *all = get(schema, "allOf");
        if (cJSON_IsString(ref))
            schema = resolve(job, ref->valuestring);
        else if (cJSON_IsArray(any) && any->child != NULL)
            schema = any->child;
        else if (cJSON_IsArray(all) && all->child != NULL && get(schema, "properties") == NULL)
            schema = all->child;
        else
            return schema;
    }
    return NULL;
}

static const char *type_of(const cJSON *schema)
{
    const cJSON *type = get(schema, "type"), *item;
    if (cJSON_IsString(type))
        return type->valuestring;
    cJSON_ArrayForEach(item, type)
        if (cJSON_IsString(item) && strcmp(item->valuestring, "null") != 0)
            return item->valuestring;
    if (get(schema, "properties") != NULL)
        return "object";
    return get(schema, "items") != NULL ? "array" : "string";
}

static const char *first_of(const cJSON *properties, const char *const *names)
{
    for (; *names != NULL; names++)
        if (get(properties, *names) != NULL)
            return *names;
    return NULL;
}

static void add_string(struct job *job, const char *text)
{
    cf_json_add_string(job->out, text, strlen(text));
}

static void add_text(struct job *job, const cJSON *schema)
{
    static const struct {
        const char *format, *example;
    } formats[] = {
        { "date-time", "2026-11-23T12:00:00Z" }, { "date", "2026-11-23" }, { "time", "12:00:00Z" },
        { "duration", "PT15M" }, { "email", "someone@example.org" }, { "hostname", "example.org" },
        { "uri", "https://example.org/" }, { "ipv4", "192.0.2.1" }, { "ipv6", "2001:db8::1" },
        { "uuid", "00000000-0000-4000-8000-000000000001" },
    };
    const cJSON *format = get(schema, "format");
    for (size_t i = 0; cJSON_IsString(format) && i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(format->valuestring, formats[i].format) == 0) {
            add_string(job, formats[i].example);
            return;
        }
    }
    struct cf_buf text;
    double least = 0, most = TEXT_MAX;
    get_limit(schema, "minLength", &least);
    get_limit(schema, "maxLength", &most);
    cf_buf_init(&text, 2 * TEXT_MAX);
    cf_sim_dialogue_add_sentence(&text, job->brief, job->rng);
    while ((double)cf_utf8_length(text.data, text.len) < least && text.len < TEXT_MAX) {
        cf_buf_addc(&text, ' ');
        cf_sim_dialogue_add_sentence(&text, job->brief, job->rng);
    }
    while (text.len > 0 && (double)cf_utf8_length(text.data, text.len) > most) {
        do
            text.len--;
        while (text.len > 0 && ((unsigned char)text.data[text.len] & 0xC0) == 0x80);
    }
    cf_json_add_string(job->out, cf_buf_str(&text), text.len);
    cf_buf_done(&text);
}

static void add_number(struct job *job, const cJSON *schema, bool is_whole)
{
    double low = 1, high, step, grain = is_whole ? 1 : 0.01;
    bool has_low = get_limit(schema, "minimum", &low);
    if (!has_low && get_limit(schema, "exclusiveMinimum", &low)) {
        has_low = true;
        low += grain;
    }
    high = low + 9;
    if (!get_limit(schema, "maximum", &high) && get_limit(schema, "exclusiveMaximum", &high))
        high -= grain;
    if (high < low)
        low = has_low ? low : high - 9;
    double value = low + cf_rng_unit(job->rng) * (high - low);
    if (get_limit(schema, "multipleOf", &step) && step > 0) {
        value = floor(value / step) * step;
        if (value < low)
            value += step;
    } else if (is_whole)
        value = fmin(fmax(round(value), ceil(low)), floor(fmax(high, low)));
    else
        value = round(value * 100) / 100;
    cf_json_add_number(job->out, fmin(fmax(value, low), fmax(high, low)));
}

static void add_value(struct job *job, const cJSON *schema, int depth);

static bool add_turns(struct job *job, const cJSON *items, unsigned count)
{
    static const char *const role_names[] = { "role", "speaker", "from", NULL };
    static const char *const text_names[] = { "content", "text", "value", "message", NULL };
    const cJSON *properties = get(items, "properties");
    const char *role = first_of(properties, role_names);
    const char *text = first_of(properties, text_names);
    if (role == NULL || text == NULL)
        return false;

    cf_buf_addc(job->out, '[');
    for (unsigned i = 0; i < count; i++) {
        size_t len;
        const char *turn = cf_sim_dialogue_turn(job->dialogue, i % job->dialogue->turns, &len);
        const cJSON *names = get(get(properties, role), "enum");
        const cJSON *name = cJSON_GetArrayItem(names, (int)(i % 2));
        cf_buf_addf(job->out, "%s{\"%s\":", i == 0 ? "" : ",", role);
        /* An enum usually lists both roles, the person's first; "system" may stand before them. */
        if (cJSON_GetArraySize(names) > 2 && cJSON_IsString(cJSON_GetArrayItem(names, 0))
            && strcmp(cJSON_GetArrayItem(names, 0)->valuestring, "system") == 0)
            name = cJSON_GetArrayItem(names, (int)(i % 2) + 1);
        if (cJSON_IsString(name) && strcmp(name->valuestring, "assistant") == 0 && i % 2 == 0)
            name = NULL;
        add_string(job, cJSON_IsString(name) ? name->valuestring
                        : i % 2 == 0         ? "user"
                                             : "assistant");
        cf_buf_addf(job->out, ",\"%s\":", text);
        cf_json_add_string(job->out, turn, len);

        const cJSON *extra;
        cJSON_ArrayForEach(extra, properties) {
            if (strcmp(extra->string, role) != 0 && strcmp(extra->string, text) != 0) {
                cf_buf_addc(job->out, ',');
                add_string(job, extra->string);
                cf_buf_addc(job->out, ':');
                add_value(job, extra, DEPTH_MAX - 4);
            }
        }
        cf_buf_addc(job->out, '}');
    }
    cf_buf_addc(job->out, ']');
    return true;
}

static void add_array(struct job *job, const cJSON *schema, int depth)
{
    const cJSON *items = settle(job, get(schema, "items"));
    double least = 0, most = ITEMS_MAX;
    get_limit(schema, "maxItems", &most);
    get_limit(schema, "minItems", &least);
    double turns = fmin(fmax(job->dialogue->turns, fmin(least, ITEMS_MAX)), fmax(most, 0));
    if (items != NULL && job->dialogue->turns > 0 && add_turns(job, items, (unsigned)turns))
        return;
    int64_t count = (int64_t)fmin(
        fmax((double)cf_rng_range(job->rng, 2, 4), fmin(least, ITEMS_MAX)), fmax(most, 0));
    cf_buf_addc(job->out, '[');
    for (int64_t i = 0; i < count; i++) {
        if (i > 0)
            cf_buf_addc(job->out, ',');
        add_value(job, items, depth + 1);
    }
    cf_buf_addc(job->out, ']');
}

static bool is_required(const cJSON *schema, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, get(schema, "required"))
        if (cJSON_IsString(item) && strcmp(item->valuestring, name) == 0)
            return true;
    return false;
}

static void add_object(struct job *job, const cJSON *schema, int depth)
{
    bool is_first = true;
    cf_buf_addc(job->out, '{');
    for (int required = 1; required >= 0; required--) {      /* required ones come out first */
        const cJSON *property;
        cJSON_ArrayForEach(property, get(schema, "properties")) {
            if (is_required(schema, property->string) != (required == 1)
                || (required == 0 && depth > 6))
                continue;
            if (!is_first)
                cf_buf_addc(job->out, ',');
            is_first = false;
            add_string(job, property->string);
            cf_buf_addc(job->out, ':');
            add_value(job, property, depth + 1);
        }
    }
    cf_buf_addc(job->out, '}');
}

static void add_value(struct job *job, const cJSON *schema, int depth)
{
    schema = depth < DEPTH_MAX ? settle(job, schema) : NULL;
    if (schema == NULL) {
        cf_buf_adds(job->out, "null");
        return;
    }
    const cJSON *fixed = get(schema, "const"), *choices = get(schema, "enum");
    int count = cJSON_GetArraySize(choices);
    if (fixed == NULL && count > 0)
        fixed = cJSON_GetArrayItem(choices, (int)(cf_rng_next(job->rng) % (unsigned)count));

    const char *type = type_of(schema);
    if (fixed != NULL)
        cf_json_add_canonical(job->out, fixed);
    else if (strcmp(type, "object") == 0)
        add_object(job, schema, depth);
    else if (strcmp(type, "array") == 0)
        add_array(job, schema, depth);
    else if (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0)
        add_number(job, schema, type[0] == 'i');
    else if (strcmp(type, "boolean") == 0)
        cf_buf_adds(job->out, cf_rng_next(job->rng) % 2 == 0 ? "true" : "false");
    else if (strcmp(type, "null") == 0)
        cf_buf_adds(job->out, "null");
    else
        add_text(job, schema);
}

void cf_sim_schema_add(const struct cJSON *schema, const struct cf_sim_brief *brief,
                       const struct cf_sim_dialogue *dialogue, struct cf_rng *rng,
                       struct cf_buf *out)
{
    struct job job = { schema, brief, dialogue, rng, out };
    add_value(&job, schema, 0);
}
