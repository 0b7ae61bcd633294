#include "base/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "confab/buf.h"
#include "confab/error.h"

/* The tree is made from the reader's tokens, not by cJSON's own parser, which would read
 * the text a second time and by rules of its own (numbers of up to 63 characters only). */
static cJSON *make_node(const struct cf_json_token *token)
{
    switch (token->type) {
    case CF_JSON_NULL: return cJSON_CreateNull();
    case CF_JSON_FALSE: return cJSON_CreateFalse();
    case CF_JSON_TRUE: return cJSON_CreateTrue();
    case CF_JSON_NUMBER: return cJSON_CreateNumber(cf_json_number(token->text));
    case CF_JSON_STRING: return cJSON_CreateString(token->text);
    case CF_JSON_ARRAY: return cJSON_CreateArray();
    default: return cJSON_CreateObject();
    }
}

static char *copy_key(const struct cf_json_token *token)
{
    char *key = cJSON_malloc(token->len + 1);
    if (key != NULL)
        memcpy(key, token->text, token->len + 1);
    return key;
}

/* Links a new node into its place; false if memory is gone. Takes the key. */
static bool attach(cJSON *parent, char *key, cJSON *node)
{
    if (node == NULL)
        return false;
    node->string = key;
    return cJSON_AddItemToArray(parent, node);    /* objects are lists too; O(1) */
}

bool cf_json_parse(const char *text, size_t len, struct cf_json_repairs *repairs,
                   struct cJSON **out_tree, struct cf_error *err)
{
    cJSON *open[CF_JSON_DEPTH_MAX + 1];     /* open[depth]: what new nodes go into */
    unsigned depth = 0;
    cJSON *root = NULL;
    char *key = NULL;
    struct cf_json_token token;
    int got;

    struct cf_json_reader *reader = cf_json_open(text, len, repairs);
    while ((got = cf_json_next(reader, &token, err)) > 0) {
        if (token.type == CF_JSON_ARRAY_END || token.type == CF_JSON_OBJECT_END) {
            depth--;
            continue;
        }
        if (token.type == CF_JSON_KEY) {
            key = copy_key(&token);
            if (key == NULL)
                goto no_memory;
            continue;
        }

        cJSON *node = make_node(&token);
        if (root == NULL) {
            root = node;
            if (root == NULL)
                goto no_memory;
        } else if (attach(open[depth], key, node)) {
            key = NULL;
        } else {
            goto no_memory;
        }
        if (token.type == CF_JSON_NUMBER && !isfinite(node->valuedouble)) {
            cf_fail(err, CF_ERR_PARSE, "byte %zu: a number out of range", token.offset + 1);
            got = -1;
            goto done;
        }
        if (token.type == CF_JSON_ARRAY || token.type == CF_JSON_OBJECT)
            open[++depth] = node;
    }
    goto done;

no_memory:
    cf_fail(err, CF_ERR_PARSE, "out of memory");
    got = -1;
done:
    cf_json_free(reader);
    cJSON_free(key);
    if (got == 0)
        *out_tree = root;
    else
        cJSON_Delete(root);
    return got == 0;
}

struct member {
    const cJSON *node;
    size_t place;
};

/* By key; equal keys stay in the order of the text. */
static int compare_members(const void *left, const void *right)
{
    const struct member *a = left, *b = right;
    int order = strcmp(a->node->string, b->node->string);
    return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

static void add_canonical(struct cf_buf *buf, const cJSON *value, unsigned depth);

static void add_array(struct cf_buf *buf, const cJSON *array, unsigned depth)
{
    cf_buf_addc(buf, '[');
    for (const cJSON *node = array->child; node != NULL; node = node->next) {
        if (node != array->child)
            cf_buf_addc(buf, ',');
        add_canonical(buf, node, depth);
    }
    cf_buf_addc(buf, ']');
}

static void add_object(struct cf_buf *buf, const cJSON *object, unsigned depth)
{
    size_t count = 0, i = 0;
    for (const cJSON *node = object->child; node != NULL; node = node->next)
        count++;

    struct member *members = cf_malloc((count + 1) * sizeof *members);
    for (const cJSON *node = object->child; node != NULL; node = node->next, i++)
        members[i] = (struct member){ node, i };
    qsort(members, count, sizeof *members, compare_members);

    cf_buf_addc(buf, '{');
    for (i = 0; i < count; i++) {
        if (i > 0)
            cf_buf_addc(buf, ',');
        cf_json_add_string(buf, members[i].node->string, strlen(members[i].node->string));
        cf_buf_addc(buf, ':');
        add_canonical(buf, members[i].node, depth);
    }
    cf_buf_addc(buf, '}');
    free(members);
}

static void add_canonical(struct cf_buf *buf, const cJSON *value, unsigned depth)
{
    switch (value->type & 0xFF) {
    case cJSON_False: cf_buf_adds(buf, "false"); break;
    case cJSON_True: cf_buf_adds(buf, "true"); break;
    case cJSON_Number:
        cf_json_add_number(buf, value->valuedouble + 0.0);    /* 0 and -0 are equal: both 0 */
        break;
    case cJSON_String:
        cf_json_add_string(buf, value->valuestring, strlen(value->valuestring));
        break;
    case cJSON_Raw: cf_buf_adds(buf, value->valuestring); break;
    case cJSON_Array:
    case cJSON_Object:
        if (depth == CF_JSON_DEPTH_MAX) {
            buf->failed = true;
            return;
        }
        if (cJSON_IsArray(value))
            add_array(buf, value, depth + 1);
        else
            add_object(buf, value, depth + 1);
        break;
    default: cf_buf_adds(buf, "null"); break;
    }
}

void cf_json_add_canonical(struct cf_buf *buf, const struct cJSON *value)
{
    add_canonical(buf, value, 0);
}
