#include "provider/reply_schema.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "confab/buf.h"

#define OPTIONAL_MAX 24  /* properties that may be left out; the API takes no more */
#define UNIONS_MAX   16  /* properties of several types, likewise */
#define PATTERN_MAX  256 /* bytes; longer ones are not what the API calls simple */
#define HOPS_MAX     64  /* references that lead to references */

/* --- the values of a text, in place --- */

/* A value: where it stands in the text, and the index behind its last member. Members follow it. */
struct node {
    enum cf_json_type type;
    size_t key_at, key_len; /* as written, between the quotes; 0, 0 without one */
    size_t at, len;
    size_t end;
    enum { NOT_SEEN, ON_THE_WAY, SAYABLE, UNSAYABLE } state; /* of a definition */
};

struct document {
    const char *text;
    struct node *nodes;
    size_t count, cap;
    unsigned hops; /* references that are followed now */
};

static struct node *add_node(struct document *doc)
{
    if (doc->count == doc->cap) {
        doc->cap = doc->cap > 0 ? 2 * doc->cap : 64;
        doc->nodes = cf_realloc(doc->nodes, doc->cap * sizeof *doc->nodes);
    }
    struct node *node = &doc->nodes[doc->count++];
    *node = (struct node){ 0 };
    return node;
}

/* The length of the string that begins at the quote, quotes included. */
static size_t string_length(const char *text)
{
    size_t len = 1;
    while (text[len] != '"')
        len += text[len] == '\\' ? 2 : 1;
    return len + 1;
}

static bool read_document(struct cf_text json, struct document *doc)
{
    size_t open[CF_JSON_DEPTH_MAX + 1], depth = 0, key_at = 0, key_len = 0;
    struct cf_json_token token;
    int got;

    *doc = (struct document){ .text = json.data };
    struct cf_json_reader *reader = cf_json_open(json.data, json.len, NULL);
    while ((got = cf_json_next(reader, &token, NULL)) == 1) {
        if (token.type == CF_JSON_KEY) {
            key_at = token.offset + 1;
            key_len = string_length(json.data + token.offset) - 2;
            continue;
        }
        if (token.type == CF_JSON_OBJECT_END || token.type == CF_JSON_ARRAY_END) {
            struct node *closed = &doc->nodes[open[--depth]];
            closed->len = token.offset + 1 - closed->at;
            closed->end = doc->count;
            continue;
        }
        struct node *node = add_node(doc);
        node->type = token.type;
        node->key_at = key_at;
        node->key_len = key_len;
        node->at = token.offset;
        key_at = key_len = 0;
        if (token.type == CF_JSON_OBJECT || token.type == CF_JSON_ARRAY) {
            open[depth++] = doc->count - 1;
            continue;
        }
        node->len = token.type == CF_JSON_STRING   ? string_length(json.data + token.offset)
                    : token.type == CF_JSON_NUMBER ? token.len
                    : token.type == CF_JSON_FALSE  ? 5
                                                   : 4;
        node->end = doc->count;
    }
    cf_json_free(reader);
    return got == 0 && doc->count > 0;
}

static bool has_key(const struct document *doc, const struct node *node, const char *key)
{
    return node->key_len == strlen(key) &&
           memcmp(doc->text + node->key_at, key, node->key_len) == 0;
}

/* Whether it is the string, without escapes. */
static bool is_text(const struct document *doc, const struct node *node, const char *text)
{
    return node->type == CF_JSON_STRING && node->len == strlen(text) + 2 &&
           memcmp(doc->text + node->at + 1, text, node->len - 2) == 0;
}

/* Goes through the members of the object or array at index; i is each one's. */
#define EACH(doc, i, index) \
    for (size_t i = (index) + 1; i < (doc)->nodes[index].end; i = (doc)->nodes[i].end)

/* The index of a member; 0 if there is none (the root is nobody's). */
static size_t find(const struct document *doc, size_t index, const char *key)
{
    if (doc->nodes[index].type != CF_JSON_OBJECT)
        return 0;
    EACH(doc, i, index)
    {
        if (has_key(doc, &doc->nodes[i], key))
            return i;
    }
    return 0;
}

/* --- whether it can be said --- */

struct limits {
    unsigned optional, unions;
};

/* Whether a list of strings (0: none) has the name of the member. */
static bool lists_key(const struct document *doc, size_t list, const struct node *named)
{
    if (list == 0)
        return false;
    EACH(doc, i, list)
    {
        const struct node *each = &doc->nodes[i];
        if (each->type == CF_JSON_STRING && each->len == named->key_len + 2 &&
            memcmp(doc->text + each->at + 1, doc->text + named->key_at, named->key_len) == 0)
            return true;
    }
    return false;
}

/* Whether the type is, or may be, the one of the name. */
static bool has_type(const struct document *doc, size_t index, const char *name)
{
    size_t type = find(doc, index, "type");
    if (type == 0)
        return false;
    if (doc->nodes[type].type != CF_JSON_ARRAY)
        return is_text(doc, &doc->nodes[type], name);
    EACH(doc, i, type)
    {
        if (is_text(doc, &doc->nodes[i], name))
            return true;
    }
    return false;
}

/* Whether objects may stand there: by the type, or by properties that are told without one. */
static bool is_object(const struct document *doc, size_t index)
{
    return has_type(doc, index, "object") ||
           (find(doc, index, "type") == 0 && find(doc, index, "properties") != 0);
}

static bool are_scalars(const struct document *doc, size_t index)
{
    if (doc->nodes[index].type != CF_JSON_ARRAY)
        return false;
    EACH(doc, i, index)
    {
        if (doc->nodes[i].type == CF_JSON_ARRAY || doc->nodes[i].type == CF_JSON_OBJECT)
            return false;
    }
    return true;
}

static bool is_scalar(const struct document *doc, size_t index)
{
    return doc->nodes[index].type != CF_JSON_ARRAY && doc->nodes[index].type != CF_JSON_OBJECT;
}

/* Where alternatives stand; 0: there are none, or one of them says nothing by itself. */
static size_t find_choices(const struct document *doc, size_t index);

static bool says_what(const struct document *doc, size_t index)
{
    size_t is_const = find(doc, index, "const"), is_enum = find(doc, index, "enum");
    return find(doc, index, "type") != 0 || find(doc, index, "$ref") != 0 ||
           is_object(doc, index) || (is_const != 0 && is_scalar(doc, is_const)) ||
           (is_enum != 0 && are_scalars(doc, is_enum)) || find_choices(doc, index) != 0 ||
           find(doc, index, "allOf") != 0;
}

static size_t find_choices(const struct document *doc, size_t index)
{
    size_t choices = find(doc, index, "anyOf");
    if (choices == 0)
        choices = find(doc, index, "oneOf");
    if (choices == 0 || doc->nodes[choices].type != CF_JSON_ARRAY ||
        find(doc, index, "properties") != 0)
        return 0;
    EACH(doc, i, choices)
    {
        if (!says_what(doc, i))
            return 0;
    }
    return choices;
}

/* The definition that "#/$defs/name" or "#/definitions/name" points to; 0: it is no such. */
static size_t resolve(const struct document *doc, size_t ref)
{
    static const char *const places[] = { "$defs", "definitions" };
    const struct node *node = &doc->nodes[ref];
    const char *at = doc->text + node->at + 1;
    size_t len = node->type == CF_JSON_STRING ? node->len - 2 : 0;

    for (size_t p = 0; p < 2; p++) {
        size_t skip = strlen(places[p]) + 3, defs = find(doc, 0, places[p]);
        if (defs == 0 || len <= skip || memcmp(at, "#/", 2) != 0 ||
            memcmp(at + 2, places[p], skip - 3) != 0 || at[skip - 1] != '/')
            continue;
        EACH(doc, i, defs)
        {
            const struct node *each = &doc->nodes[i];
            if (each->key_len == len - skip &&
                memcmp(doc->text + each->key_at, at + skip, each->key_len) == 0)
                return i;
        }
    }
    return 0;
}

static bool can_say(struct document *doc, size_t index, struct limits *limits);

/* Each definition is looked at and counted once; one that leads back to itself cannot be said. */
static bool can_say_definition(struct document *doc, size_t index, struct limits *limits)
{
    if (doc->nodes[index].state == NOT_SEEN) {
        doc->nodes[index].state = ON_THE_WAY;
        doc->nodes[index].state = can_say(doc, index, limits) ? SAYABLE : UNSAYABLE;
    }
    return doc->nodes[index].state == SAYABLE;
}

static bool can_say_reference(struct document *doc, size_t ref, struct limits *limits)
{
    size_t target = resolve(doc, ref);
    if (target == 0 || doc->hops == HOPS_MAX)
        return false;
    doc->hops++;
    bool ok = can_say_definition(doc, target, limits);
    doc->hops--;
    return ok;
}

static bool can_say_object(struct document *doc, size_t index, struct limits *limits)
{
    size_t properties = find(doc, index, "properties"), required = find(doc, index, "required");
    size_t more = find(doc, index, "additionalProperties");

    if (find(doc, index, "patternProperties") != 0 ||
        (more != 0 && doc->nodes[more].type == CF_JSON_OBJECT))
        return false;
    if (properties == 0 || doc->nodes[properties].end == properties + 1)
        return more != 0 && doc->nodes[more].type == CF_JSON_FALSE;
    EACH(doc, i, properties)
    {
        size_t type = find(doc, i, "type");
        if (!lists_key(doc, required, &doc->nodes[i]))
            limits->optional++;
        if (find_choices(doc, i) != 0 || (type != 0 && doc->nodes[type].type == CF_JSON_ARRAY))
            limits->unions++;
        if (!can_say(doc, i, limits))
            return false;
    }
    return true;
}

static bool can_say_list(struct document *doc, size_t list, struct limits *limits)
{
    EACH(doc, i, list)
    {
        if (!can_say(doc, i, limits))
            return false;
    }
    return true;
}

static bool can_say(struct document *doc, size_t index, struct limits *limits)
{
    size_t ref = find(doc, index, "$ref"), choices, all = find(doc, index, "allOf");

    if (doc->nodes[index].type != CF_JSON_OBJECT || !says_what(doc, index))
        return false;
    if (ref != 0)
        return can_say_reference(doc, ref, limits);
    /* Two objects that are both closed leave nothing that fits both. */
    if (all != 0 &&
        (doc->nodes[all].end == all + 1 || doc->nodes[all + 1].end != doc->nodes[all].end ||
         find(doc, index, "properties") != 0 || find(doc, all + 1, "$ref") != 0 ||
         !can_say_list(doc, all, limits)))
        return false;
    choices = find_choices(doc, index);
    if (choices != 0 && !can_say_list(doc, choices, limits))
        return false;
    if (has_type(doc, index, "array")) {
        size_t items = find(doc, index, "items");
        if (items == 0 || find(doc, index, "prefixItems") != 0 || !can_say(doc, items, limits))
            return false;
    }
    return !is_object(doc, index) || can_say_object(doc, index, limits);
}

/* --- saying it --- */

/* A pattern without what the API refuses: looking around, edges of words, references to groups,
 * characters by property. */
static bool is_simple_pattern(const struct document *doc, const struct node *node)
{
    if (node->type != CF_JSON_STRING || node->len > PATTERN_MAX)
        return false;
    const char *at = doc->text + node->at, *end = at + node->len;
    for (; at < end; at++) {
        if (*at == '(' && at[1] == '?')
            return false;
        if (*at == '{')
            return false; /* large repetitions are refused, too: which ones is not told */
        if (*at != '\\')
            continue;
        at++; /* JSON's own backslash */
        if (*at == 'u')
            return false;
        if (*at == '\\' && strchr("bBpPkcux0123456789", *++at) != NULL)
            return false;
    }
    return true;
}

static bool is_known_format(const struct document *doc, const struct node *node)
{
    static const char *const formats[] = {
        "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid",
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (is_text(doc, node, formats[i]))
            return true;
    }
    return false;
}

enum what { KEPT, MOVED, DROPPED, SCHEMA, SCHEMAS, NAMED, CLOSED, TOLD };

/* What becomes of a keyword. */
static enum what sort(const struct document *doc, size_t schema, size_t i)
{
    static const struct {
        const char *key;
        enum what what;
    } rows[] = {
        { "type", KEPT },
        { "title", KEPT },
        { "default", KEPT },
        { "required", KEPT },
        { "description", TOLD },
        { "properties", NAMED },
        { "$defs", NAMED },
        { "definitions", NAMED },
        { "items", SCHEMA },
        { "allOf", SCHEMAS },
        { "additionalProperties", CLOSED },
        { "$schema", DROPPED },
        { "$id", DROPPED },
        { "$comment", DROPPED },
        { "deprecated", DROPPED },
        { "readOnly", DROPPED },
        { "writeOnly", DROPPED },
    };
    const struct node *node = &doc->nodes[i];
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        if (has_key(doc, node, rows[r].key))
            return rows[r].what;
    }
    if (has_key(doc, node, "anyOf") || has_key(doc, node, "oneOf"))
        return find_choices(doc, schema) == i ? SCHEMAS : MOVED;
    if (has_key(doc, node, "enum"))
        return are_scalars(doc, i) ? KEPT : MOVED;
    if (has_key(doc, node, "const"))
        return is_scalar(doc, i) ? KEPT : MOVED;
    if (has_key(doc, node, "format"))
        return is_known_format(doc, node) ? KEPT : MOVED;
    if (has_key(doc, node, "pattern"))
        return is_simple_pattern(doc, node) ? KEPT : MOVED;
    if (has_key(doc, node, "minItems"))
        return node->len == 1 && doc->text[node->at] <= '1' ? KEPT : MOVED;
    return MOVED;
}

static void add_schema(const struct document *doc, size_t index, struct cf_buf *out);

static void add_key(struct cf_buf *out, bool *is_first, const char *key, size_t len)
{
    cf_buf_adds(out, *is_first ? "\"" : ",\"");
    cf_buf_add(out, key, len);
    cf_buf_adds(out, "\":");
    *is_first = false;
}

static void add_member(const struct document *doc, size_t i, enum what what, bool *is_first,
                       struct cf_buf *out)
{
    const struct node *node = &doc->nodes[i];
    if (has_key(doc, node, "oneOf"))
        add_key(out, is_first, "anyOf", 5);
    else
        add_key(out, is_first, doc->text + node->key_at, node->key_len);

    bool is_list = what == SCHEMAS, is_inner_first = true;
    if (what == KEPT) {
        cf_buf_add(out, doc->text + node->at, node->len);
    } else if (what == SCHEMA) {
        add_schema(doc, i, out);
    } else {
        cf_buf_addc(out, is_list ? '[' : '{');
        EACH(doc, m, i)
        {
            if (!is_list)
                add_key(out, &is_inner_first, doc->text + doc->nodes[m].key_at,
                        doc->nodes[m].key_len);
            else if (m != i + 1)
                cf_buf_addc(out, ',');
            add_schema(doc, m, out);
        }
        cf_buf_addc(out, is_list ? ']' : '}');
    }
}

/* The description with what is not taken behind it: "...\n\n{minLength: 3, maxLength: 80}". */
static void add_description(const struct document *doc, size_t index, size_t told, bool *is_first,
                            struct cf_buf *out)
{
    struct cf_buf moved;
    cf_buf_init(&moved, out->max);
    if (doc->nodes[index].type == CF_JSON_OBJECT) {
        EACH(doc, i, index)
        {
            const struct node *node = &doc->nodes[i];
            if (sort(doc, index, i) != MOVED)
                continue;
            cf_buf_adds(&moved, moved.len == 0 ? "{" : ", ");
            cf_buf_add(&moved, doc->text + node->key_at, node->key_len);
            cf_buf_adds(&moved, ": ");
            cf_buf_add(&moved, doc->text + node->at, node->len);
        }
    }
    if (moved.len > 0)
        cf_buf_addc(&moved, '}');

    bool has_text = told != 0 && doc->nodes[told].type == CF_JSON_STRING;
    if (has_text || moved.len > 0) {
        add_key(out, is_first, "description", 11);
        if (has_text)
            cf_buf_add(out, doc->text + doc->nodes[told].at, doc->nodes[told].len);
    }
    if (moved.len > 0) {
        if (has_text) {
            out->len--; /* the closing quote */
            cf_buf_adds(out, "\\n\\n");
        }
        size_t before = out->len;
        cf_json_add_string(out, cf_buf_str(&moved), moved.len);
        if (has_text && cf_buf_ok(out)) { /* without its opening quote */
            memmove(out->data + before, out->data + before + 1, out->len - before - 1);
            out->len--;
        }
    }
    cf_buf_done(&moved);
}

static void add_schema(const struct document *doc, size_t index, struct cf_buf *out)
{
    bool is_first = true;
    size_t ref = find(doc, index, "$ref"), told = 0;

    cf_buf_addc(out, '{');
    EACH(doc, i, index)
    {
        enum what what = sort(doc, index, i);
        /* A reference stands alone, but for the definitions at the top. */
        if (ref != 0 && (what != NAMED || has_key(doc, &doc->nodes[i], "properties")))
            continue;
        if (what == TOLD)
            told = i;
        else if (what == KEPT || what == SCHEMA || what == SCHEMAS || what == NAMED)
            add_member(doc, i, what, &is_first, out);
    }
    if (ref != 0) {
        add_key(out, &is_first, "$ref", 4);
        cf_buf_add(out, doc->text + doc->nodes[ref].at, doc->nodes[ref].len);
    } else {
        add_description(doc, index, told, &is_first, out);
        if (is_object(doc, index) && find(doc, index, "type") == 0) {
            add_key(out, &is_first, "type", 4);
            cf_buf_adds(out, "\"object\"");
        }
        if (is_object(doc, index)) {
            add_key(out, &is_first, "additionalProperties", 20);
            cf_buf_adds(out, "false");
        }
    }
    cf_buf_addc(out, '}');
}

/* All definitions are sent, so all must be sayable, and they count. */
static bool can_say_definitions(struct document *doc, struct limits *limits)
{
    static const char *const places[] = { "$defs", "definitions" };
    for (size_t p = 0; p < 2; p++) {
        size_t defs = find(doc, 0, places[p]);
        if (defs == 0)
            continue;
        EACH(doc, i, defs)
        {
            if (!can_say_definition(doc, i, limits))
                return false;
        }
    }
    return true;
}

bool cf_reply_schema_narrow(struct cf_text schema, struct cf_buf *out)
{
    struct document doc;
    struct limits limits = { 0 };
    bool ok = read_document(schema, &doc) && can_say(&doc, 0, &limits) &&
              can_say_definitions(&doc, &limits) && limits.optional <= OPTIONAL_MAX &&
              limits.unions <= UNIONS_MAX;
    if (ok)
        add_schema(&doc, 0, out);
    free(doc.nodes);
    return ok;
}

bool cf_reply_schema_is_object(struct cf_text schema)
{
    struct document doc;
    bool ok = false;
    if (read_document(schema, &doc)) {
        size_t type = find(&doc, 0, "type");
        ok = type != 0 && is_text(&doc, &doc.nodes[type], "object");
    }
    free(doc.nodes);
    return ok;
}
