#include "provider/anthropic_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "http/sse.h"
#include "provider/anthropic.h"
#include "provider/clean.h"
#include "provider/members.h"

/* What deltas add to. Texts and signature: what is between the quotes, escaped by the server. */
enum field { FIELD_TEXT, FIELD_THINKING, FIELD_SIGNATURE, FIELD_INPUT, FIELD_CITATIONS, FIELDS };

static const struct {
    const char *name;         /* of the block's member */
    const char *delta;        /* the type of its deltas, */
    const char *piece;        /* and their member with the piece */
} fields[FIELDS] = {
    [FIELD_TEXT]      = { "text", "text_delta", "text" },
    [FIELD_THINKING]  = { "thinking", "thinking_delta", "thinking" },
    [FIELD_SIGNATURE] = { "signature", "signature_delta", "signature" },
    [FIELD_INPUT]     = { "input", "input_json_delta", "partial_json" },
    [FIELD_CITATIONS] = { "citations", "citations_delta", "citation" },
};

struct block {
    long long index;
    char *start;              /* owned: the block as it began, a JSON object */
    size_t start_len;
    bool is_given[FIELDS];    /* the buffer, not the beginning, has it */
    struct cf_buf field[FIELDS];
};

/* Members of the message that a message_delta overrules. */
enum end { END_STOP_REASON, END_STOP_SEQUENCE, END_STOP_DETAILS, END_CONTAINER, ENDS };

static const char *const end_names[ENDS] = {
    [END_STOP_REASON] = "stop_reason", [END_STOP_SEQUENCE] = "stop_sequence",
    [END_STOP_DETAILS] = "stop_details", [END_CONTAINER] = "container",
};

struct cf_anthropic_stream {
    struct cf_sse sse;
    enum cf_stream_state state;
    char *message;            /* owned: as it began, a JSON object; NULL before that */
    size_t message_len;
    cJSON *usage;             /* owned: the last that was said of each count */
    char *end[ENDS];          /* owned, raw JSON; NULL: not said */
    struct block *blocks;     /* owned, in the order in which they began */
    size_t block_count;
    struct cf_api_error error;
    char reason[CF_ERROR_MESSAGE_MAX];
};

struct cf_anthropic_stream *cf_anthropic_stream_new(void)
{
    struct cf_anthropic_stream *stream = cf_calloc(1, sizeof *stream);
    cf_sse_init(&stream->sse);
    return stream;
}

static void block_done(struct block *block)
{
    free(block->start);
    for (int i = 0; i < FIELDS; i++)
        cf_buf_done(&block->field[i]);
}

void cf_anthropic_stream_clear(struct cf_anthropic_stream *stream)
{
    struct cf_sse sse = stream->sse;
    for (size_t i = 0; i < stream->block_count; i++)
        block_done(&stream->blocks[i]);
    free(stream->blocks);
    free(stream->message);
    cJSON_Delete(stream->usage);
    for (int i = 0; i < ENDS; i++)
        free(stream->end[i]);
    memset(stream, 0, sizeof *stream);
    stream->sse = sse;
    cf_sse_clear(&stream->sse);
}

void cf_anthropic_stream_free(struct cf_anthropic_stream *stream)
{
    if (stream == NULL)
        return;
    cf_anthropic_stream_clear(stream);
    cf_sse_done(&stream->sse);
    free(stream);
}

static void break_off(struct cf_anthropic_stream *stream, const char *why)
{
    stream->state = CF_STREAM_BROKEN;
    snprintf(stream->reason, sizeof stream->reason, "%s", why);
}

static void break_off_at(struct cf_anthropic_stream *stream, struct cf_text data,
                         const char *otherwise)
{
    char found[320];
    describe_body(data.data, data.len, otherwise, found, sizeof found);
    break_off(stream, found);
}

/* --- one event's members --- */

struct event {
    char type[48];
    long long index;              /* -1: none */
    struct cf_text message, block, delta, usage, error;    /* raw; NULL: none */
};

static bool is_named(const struct member *member, const char *name)
{
    return strcmp(member->name, name) == 0;
}

static void keep_text(const struct member *member, char *out, size_t size)
{
    if (member->text.data != NULL)
        snprintf(out, size, "%s", member->text.data);
}

static bool read_event(struct cf_text data, struct event *out)
{
    struct members members;
    struct member member;
    int next = -1;
    *out = (struct event){ .index = -1 };

    if (members_open(&members, data)) {
        while ((next = members_next(&members, &member)) > 0) {
            bool is_object = member.type == CF_JSON_OBJECT;
            if (is_named(&member, "type"))
                keep_text(&member, out->type, sizeof out->type);
            else if (is_named(&member, "index") && member.type == CF_JSON_NUMBER)
                out->index = strtoll(member.raw.data, NULL, 10);
            else if (is_named(&member, "message") && is_object)
                out->message = member.raw;
            else if (is_named(&member, "content_block") && is_object)
                out->block = member.raw;
            else if (is_named(&member, "delta") && is_object)
                out->delta = member.raw;
            else if (is_named(&member, "usage") && is_object)
                out->usage = member.raw;
            else if (is_named(&member, "error"))
                out->error = member.raw;
        }
    }
    members_close(&members);
    return next == 0;
}

/* --- what events do --- */

/* What is null in a later usage was said before. */
static void merge_usage(struct cf_anthropic_stream *stream, struct cf_text usage)
{
    struct cf_json_repairs repairs = { 0 };
    cJSON *tree = NULL;
    if (!cf_json_parse(usage.data, usage.len, &repairs, &tree, NULL)) {
        break_off_at(stream, usage, "the usage cannot be read");
        return;
    }
    if (stream->usage == NULL)
        stream->usage = cJSON_CreateObject();
    cJSON *count;
    while ((count = tree->child) != NULL) {
        cJSON_DetachItemViaPointer(tree, count);
        if (cJSON_IsNull(count) && cJSON_HasObjectItem(stream->usage, count->string)) {
            cJSON_Delete(count);
            continue;
        }
        cJSON_DeleteItemFromObjectCaseSensitive(stream->usage, count->string);
        cJSON_AddItemToObject(stream->usage, count->string, count);
    }
    cJSON_Delete(tree);
}

static void begin_message(struct cf_anthropic_stream *stream, const struct event *event)
{
    struct members members;
    struct member member;
    if (stream->message != NULL || event->message.data == NULL) {
        break_off(stream, stream->message != NULL ? "a second message began in the stream"
                                                  : "message_start has no message");
        return;
    }
    stream->message = cf_memdup(event->message.data, event->message.len);
    stream->message_len = event->message.len;
    if (members_open(&members, event->message)) {
        while (members_next(&members, &member) > 0)
            if (is_named(&member, "usage") && member.type == CF_JSON_OBJECT)
                merge_usage(stream, member.raw);
    }
    members_close(&members);
}

static struct block *find_block(struct cf_anthropic_stream *stream, long long index)
{
    for (size_t i = stream->block_count; i > 0; i--)
        if (stream->blocks[i - 1].index == index)
            return &stream->blocks[i - 1];
    return NULL;
}

static void add_text(struct cf_buf *buf, struct cf_text text)
{
    cf_buf_add(buf, text.data, text.len);
}

static void begin_block(struct cf_anthropic_stream *stream, const struct event *event,
                        struct cf_buf *text)
{
    struct members members;
    struct member member;
    if (event->block.data == NULL || event->index < 0 || find_block(stream, event->index) != NULL) {
        break_off(stream, "a content block of the stream has no place");
        return;
    }
    if ((stream->block_count & (stream->block_count - 1)) == 0) {    /* full at powers of two */
        size_t cap = stream->block_count > 0 ? 2 * stream->block_count : 1;
        stream->blocks = cf_realloc(stream->blocks, cap * sizeof *stream->blocks);
    }
    struct block *block = &stream->blocks[stream->block_count++];
    memset(block, 0, sizeof *block);
    block->index = event->index;
    block->start = cf_memdup(event->block.data, event->block.len);
    block->start_len = event->block.len;
    for (int i = 0; i < FIELDS; i++)
        cf_buf_init(&block->field[i], CF_JSON_SIZE_MAX);

    bool is_text = false;
    struct cf_buf begun;
    cf_buf_init(&begun, CF_JSON_SIZE_MAX);
    if (members_open(&members, event->block)) {
        while (members_next(&members, &member) > 0) {
            if (is_named(&member, "type") && member.type == CF_JSON_STRING)
                is_text = strcmp(member.text.data, "text") == 0;
            for (int i = FIELD_TEXT; i <= FIELD_SIGNATURE; i++) {
                if (!is_named(&member, fields[i].name) || member.type != CF_JSON_STRING)
                    continue;
                block->is_given[i] = true;
                add_text(&block->field[i], member_inside(&member));
                if (i == FIELD_TEXT)
                    add_text(&begun, member.text);
            }
        }
    }
    members_close(&members);
    if (is_text)
        add_text(text, (struct cf_text){ cf_buf_str(&begun), begun.len });
    cf_buf_done(&begun);
}

/* Adds a piece to a block; what it holds of the reply's text goes to *text as well. */
static void add_piece(struct block *block, int field, const struct member *piece,
                      struct cf_buf *text)
{
    struct cf_buf *buf = &block->field[field];
    bool is_string = piece->type == CF_JSON_STRING;
    if (field == FIELD_CITATIONS) {
        if (block->is_given[field])
            cf_buf_addc(buf, ',');
        add_text(buf, piece->raw);
    } else if (!is_string) {
        return;
    } else if (field == FIELD_INPUT) {
        if (piece->text.len == 0)
            return;
        add_text(buf, piece->text);    /* JSON in a string: its escapes are of two levels */
    } else {
        add_text(buf, member_inside(piece));
        if (field == FIELD_TEXT)
            add_text(text, piece->text);
    }
    block->is_given[field] = true;
}

static int field_of_delta(struct cf_text delta)
{
    struct members members;
    struct member member;
    char type[48] = "";
    if (members_open(&members, delta)) {
        while (members_next(&members, &member) > 0)
            if (is_named(&member, "type"))
                keep_text(&member, type, sizeof type);
    }
    members_close(&members);
    for (int i = 0; i < FIELDS; i++)
        if (strcmp(type, fields[i].delta) == 0)
            return i;
    return -1;
}

static void add_delta(struct cf_anthropic_stream *stream, const struct event *event,
                      struct cf_buf *text)
{
    struct members members;
    struct member member;
    struct block *block = find_block(stream, event->index);
    if (block == NULL) {
        break_off(stream, "a piece of the stream belongs to no content block");
        return;
    }
    int field = event->delta.data != NULL ? field_of_delta(event->delta) : -1;
    if (field < 0)
        return;
    if (members_open(&members, event->delta)) {
        while (members_next(&members, &member) > 0)
            if (is_named(&member, fields[field].piece))
                add_piece(block, field, &member, text);
    }
    members_close(&members);
}

static void end_message(struct cf_anthropic_stream *stream, const struct event *event)
{
    struct members members;
    struct member member;
    if (event->usage.data != NULL)
        merge_usage(stream, event->usage);
    if (event->delta.data == NULL)
        return;
    if (members_open(&members, event->delta)) {
        while (members_next(&members, &member) > 0) {
            for (int i = 0; i < ENDS; i++) {
                if (!is_named(&member, end_names[i]))
                    continue;
                free(stream->end[i]);
                stream->end[i] = cf_memdup(member.raw.data, member.raw.len);
            }
        }
    }
    members_close(&members);
}

static void take_event(struct cf_anthropic_stream *stream, const struct cf_sse_event *sse,
                       struct cf_buf *text)
{
    struct cf_text data = { sse->data, sse->data_len };
    struct event event;
    if (data.len == 0)
        return;
    if (!read_event(data, &event)) {
        break_off_at(stream, data, "an event of the stream is not JSON");
        return;
    }
    bool is_error = strcmp(event.type, "error") == 0 ||    /* gateways leave the type out */
                    (event.type[0] == '\0' && event.error.data != NULL);
    if (is_error) {
        cf_anthropic_error(200, NULL, data.data, data.len, &stream->error);
        stream->state = CF_STREAM_ERROR;
        return;
    }

    /* The data say what an event is; its name only repeats them, where it does not get lost. */
    bool is_start = strcmp(event.type, "message_start") == 0;
    bool is_block = strcmp(event.type, "content_block_start") == 0;
    bool is_delta = strcmp(event.type, "content_block_delta") == 0;
    bool is_end = strcmp(event.type, "message_delta") == 0;
    bool is_stop = strcmp(event.type, "message_stop") == 0;
    if (is_start)
        begin_message(stream, &event);
    else if ((is_block || is_delta || is_end || is_stop) && stream->message == NULL)
        break_off(stream, "the stream does not begin with message_start");
    else if (is_block)
        begin_block(stream, &event, text);
    else if (is_delta)
        add_delta(stream, &event, text);
    else if (is_end)
        end_message(stream, &event);
    else if (is_stop)
        stream->state = CF_STREAM_WHOLE;
}

enum cf_stream_state cf_anthropic_stream_add(struct cf_anthropic_stream *stream, const char *bytes,
                                             size_t len, struct cf_buf *text)
{
    const char *at = bytes;
    while (stream->state == CF_STREAM_OPEN) {
        struct cf_sse_event event;
        struct cf_error err;
        int next = cf_sse_next(&stream->sse, &at, bytes + len, &event, &err);
        if (next == 0)
            break;
        if (next < 0)
            break_off(stream, err.message);
        else
            take_event(stream, &event, text);
    }
    return stream->state;
}

/* --- the message --- */

static void add_name(struct cf_buf *out, const char *name, bool *is_first)
{
    cf_buf_addf(out, "%s\"%s\":", *is_first ? "" : ",", name);
    *is_first = false;
}

/* Copies the members of an object as they stand, without those that `drops` names. */
static void copy_members(struct cf_buf *out, struct cf_text object, bool *is_first,
                         bool (*drops)(const char *name, const void *self), const void *self)
{
    struct members members;
    struct member member;
    if (members_open(&members, object)) {
        while (members_next(&members, &member) > 0) {
            if (drops(member.name, self))
                continue;
            cf_buf_adds(out, *is_first ? "" : ",");
            cf_json_add_string(out, member.name, strlen(member.name));
            cf_buf_addc(out, ':');
            add_text(out, member.raw);
            *is_first = false;
        }
    }
    members_close(&members);
}

static bool input_is_whole(const struct block *block)
{
    struct cf_json_repairs repairs = { 0 };
    const struct cf_buf *input = &block->field[FIELD_INPUT];
    return cf_json_check(cf_buf_str(input), input->len, &repairs, NULL);
}

/* The input of a tool that was cut off is no JSON: it stays empty, and the text is kept beside
 * it. */
static bool block_drops(const char *name, const void *self)
{
    const struct block *block = self;
    for (int i = 0; i < FIELDS; i++)
        if (block->is_given[i] && strcmp(name, fields[i].name) == 0)
            return i != FIELD_INPUT || input_is_whole(block);
    return false;
}

static void add_block(struct cf_buf *out, const struct block *block)
{
    bool is_first = true;
    struct cf_text start = { block->start, block->start_len };
    cf_buf_addc(out, '{');
    copy_members(out, start, &is_first, block_drops, block);
    for (int i = 0; i < FIELDS; i++) {
        struct cf_text built = { cf_buf_str(&block->field[i]), block->field[i].len };
        if (!block->is_given[i])
            continue;
        if (i == FIELD_INPUT && !input_is_whole(block)) {
            add_name(out, "partial_json", &is_first);
            cf_json_add_string(out, built.data, built.len);
            continue;
        }
        const char *before = i == FIELD_INPUT ? "" : i == FIELD_CITATIONS ? "[" : "\"";
        const char *after = i == FIELD_INPUT ? "" : i == FIELD_CITATIONS ? "]" : "\"";
        add_name(out, fields[i].name, &is_first);
        cf_buf_adds(out, before);
        add_text(out, built);
        cf_buf_adds(out, after);
    }
    cf_buf_addc(out, '}');
}

static bool message_drops(const char *name, const void *self)
{
    const struct cf_anthropic_stream *stream = self;
    if (strcmp(name, "content") == 0)
        return true;
    if (strcmp(name, "usage") == 0)
        return stream->usage != NULL;
    for (int i = 0; i < ENDS; i++)
        if (stream->end[i] != NULL && strcmp(name, end_names[i]) == 0)
            return true;
    return false;
}

void cf_anthropic_stream_message(const struct cf_anthropic_stream *stream, struct cf_buf *out)
{
    bool is_first = true;
    cf_buf_addc(out, '{');
    copy_members(out, (struct cf_text){ stream->message, stream->message_len }, &is_first,
                 message_drops, stream);
    add_name(out, "content", &is_first);
    cf_buf_addc(out, '[');
    for (size_t i = 0; i < stream->block_count; i++) {
        if (i > 0)
            cf_buf_addc(out, ',');
        add_block(out, &stream->blocks[i]);
    }
    cf_buf_addc(out, ']');
    for (int i = 0; i < ENDS; i++) {
        if (stream->end[i] == NULL)
            continue;
        add_name(out, end_names[i], &is_first);
        cf_buf_adds(out, stream->end[i]);
    }
    if (stream->usage != NULL) {
        add_name(out, "usage", &is_first);
        cf_json_add_canonical(out, stream->usage);
    }
    cf_buf_addc(out, '}');
}

static int64_t tokens_of(const struct cf_anthropic_stream *stream, const char *name)
{
    const cJSON *count = cJSON_GetObjectItemCaseSensitive(stream->usage, name);
    double number = cJSON_IsNumber(count) ? count->valuedouble : -1;
    return number >= 0 && number <= INT32_MAX ? (int64_t)number : -1;
}

void cf_anthropic_stream_tokens(const struct cf_anthropic_stream *stream, int64_t *out_input,
                                int64_t *out_output)
{
    *out_input = tokens_of(stream, "input_tokens");
    *out_output = tokens_of(stream, "output_tokens");
}

const struct cf_api_error *cf_anthropic_stream_error(const struct cf_anthropic_stream *stream)
{
    return &stream->error;
}

const char *cf_anthropic_stream_reason(const struct cf_anthropic_stream *stream)
{
    return stream->reason;
}
