#include "provider/anthropic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "provider/clean.h"

#define COUNT_MAX 2147483648.0    /* 2^31: more tokens than any model takes */

/* The body is read once, without a tree: of equal keys in one object the first counts, what is not
 * known is passed over. */
struct decoder {
    const char *body;                /* borrowed */
    struct cf_json_reader *reader;   /* owned */
    struct cf_json_token token;      /* the last one that was read */
    double number;                   /* of a number token */
    bool failed;                     /* it is not JSON: nothing more is read */
    bool is_error, has_content;
    struct cf_buf text;              /* owned: of the text blocks */
    struct cf_reply reply;           /* owned until it is given */
};

/* Reads the next token; false at the body's end, or when it is no JSON. A number too large for a
 * double is none, whatever it would have been for. */
static bool advance(struct decoder *decoder)
{
    struct cf_json_token *token = &decoder->token;

    if (decoder->failed)
        return false;
    int got = cf_json_next(decoder->reader, token, NULL);
    if (got > 0 && token->type == CF_JSON_NUMBER) {
        decoder->number = cf_json_number(token->text);
        decoder->failed = !isfinite(decoder->number);
    } else {
        decoder->failed = got < 0;
    }
    return got > 0 && !decoder->failed;
}

/* Reads past the rest of the value that the last token begins. */
static void skip(struct decoder *decoder)
{
    size_t depth = 0;

    do {
        if (decoder->token.type == CF_JSON_OBJECT || decoder->token.type == CF_JSON_ARRAY)
            depth++;
        else if (decoder->token.type == CF_JSON_OBJECT_END ||
                 decoder->token.type == CF_JSON_ARRAY_END)
            depth--;
    } while (depth > 0 && advance(decoder));
}

/* The place in names (which NULL ends) of the open object's next member that is one of them and was
 * not seen before; the last token is then its value's first. -1 at the object's end, or when the
 * body is no JSON. */
static int next_member(struct decoder *decoder, const char *const *names, unsigned *seen)
{
    while (advance(decoder) && decoder->token.type == CF_JSON_KEY) {
        int place = 0;
        while (names[place] != NULL && strcmp(names[place], decoder->token.text) != 0)
            place++;
        if (!advance(decoder))
            break;
        if (names[place] != NULL && (*seen >> place & 1) == 0) {
            *seen |= 1u << place;
            return place;
        }
        skip(decoder);
    }
    return -1;
}

static bool is_string(const struct decoder *decoder)
{
    return decoder->token.type == CF_JSON_STRING;
}

/* A string value as a copy; *out stays as it is for anything else. */
static void copy_value(struct decoder *decoder, char **out)
{
    if (is_string(decoder))
        *out = cf_memdup(decoder->token.text, decoder->token.len);
    else
        skip(decoder);
}

static void print_value(struct decoder *decoder, char *out, size_t size)
{
    if (is_string(decoder))
        clean_text(decoder->token.text, decoder->token.len, out, size);
    else
        skip(decoder);
}

/* --- usage --- */

/* Null counts as absent, which is 0; what is no count makes the whole usage unknown. */
static void read_count(struct decoder *decoder, unsigned bit, int64_t *out)
{
    struct cf_reply_usage *usage = &decoder->reply.usage;
    double value = decoder->number;

    if (decoder->token.type == CF_JSON_NULL)
        return;
    if (decoder->token.type != CF_JSON_NUMBER || !(value >= 0 && value <= COUNT_MAX) ||
        value != (double)(int64_t)value) {
        usage->is_known = false;
        skip(decoder);
        return;
    }
    *out = (int64_t)value;
    usage->present |= bit;
}

/* Reads counts from an object, the first of each name; anything else has none. */
static void read_counts(struct decoder *decoder, const char *const *names, const unsigned *bits,
                        int64_t *const *out)
{
    unsigned seen = 0;
    int place;

    if (decoder->token.type != CF_JSON_OBJECT) {
        skip(decoder);
        return;
    }
    while ((place = next_member(decoder, names, &seen)) >= 0)
        read_count(decoder, bits[place], out[place]);
}

static void read_usage(struct decoder *decoder)
{
    enum { INPUT, OUTPUT, CACHE_READ, CACHE_WRITE, CACHE_SPLIT, DETAILS, TOOLS, TIER, GEO };
    static const char *const names[] = {
        "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
        "cache_creation", "output_tokens_details", "server_tool_use", "service_tier",
        "inference_geo", NULL,
    };
    static const char *const split_names[] = { "ephemeral_5m_input_tokens",
                                               "ephemeral_1h_input_tokens", NULL };
    static const char *const detail_names[] = { "thinking_tokens", NULL };
    static const char *const tool_names[] = { "web_search_requests", "web_fetch_requests", NULL };
    struct cf_reply_usage *usage = &decoder->reply.usage;
    unsigned seen = 0;
    int place;

    if (decoder->token.type != CF_JSON_OBJECT) {
        skip(decoder);
        return;
    }
    while ((place = next_member(decoder, names, &seen)) >= 0) {
        switch (place) {
        case INPUT: read_count(decoder, CF_USAGE_INPUT, &usage->input); break;
        case OUTPUT: read_count(decoder, CF_USAGE_OUTPUT, &usage->output); break;
        case CACHE_READ: read_count(decoder, CF_USAGE_CACHE_READ, &usage->cache_read); break;
        case CACHE_WRITE: read_count(decoder, CF_USAGE_CACHE_WRITE, &usage->cache_write); break;
        case CACHE_SPLIT:
            read_counts(decoder, split_names,
                        (unsigned[]){ CF_USAGE_CACHE_SPLIT, CF_USAGE_CACHE_SPLIT },
                        (int64_t *[]){ &usage->cache_write_5m, &usage->cache_write_1h });
            break;
        case DETAILS:
            read_counts(decoder, detail_names, (unsigned[]){ CF_USAGE_THINKING },
                        (int64_t *[]){ &usage->thinking });
            break;
        case TOOLS:
            read_counts(decoder, tool_names,
                        (unsigned[]){ CF_USAGE_WEB_SEARCHES, CF_USAGE_WEB_FETCHES },
                        (int64_t *[]){ &usage->web_searches, &usage->web_fetches });
            break;
        case TIER:
            print_value(decoder, usage->service_tier, sizeof usage->service_tier);
            break;
        case GEO:
            print_value(decoder, usage->inference_geo, sizeof usage->inference_geo);
            break;
        }
    }
}

/* What follows from all counts together. */
static void settle_usage(struct cf_reply_usage *usage)
{
    const unsigned needed = CF_USAGE_INPUT | CF_USAGE_OUTPUT;
    if ((usage->present & needed) != needed)
        usage->is_known = false;

    /* Writes that the split does not account for are five-minute ones, the provider's default. */
    int64_t accounted = usage->cache_write_5m + usage->cache_write_1h;
    if (usage->cache_write > accounted)
        usage->cache_write_5m += usage->cache_write - accounted;
    else
        usage->cache_write = accounted;
}

/* --- content --- */

enum kind { KIND_UNKNOWN, KIND_TEXT, KIND_THINKING, KIND_TOOL };

static enum kind parse_kind(const char *type)
{
    if (strcmp(type, "text") == 0)
        return KIND_TEXT;
    if (strcmp(type, "thinking") == 0 || strcmp(type, "redacted_thinking") == 0)
        return KIND_THINKING;
    return strcmp(type, "tool_use") == 0 ? KIND_TOOL : KIND_UNKNOWN;
}

/* The type may stand behind what it gives a meaning to, so the text is added at once and taken back
 * if the block is no text. A tool's input is kept as it stands in the body: a number would lose its
 * digits. */
static void read_block(struct decoder *decoder)
{
    enum { TYPE, TEXT, NAME, INPUT };
    static const char *const names[] = { "type", "text", "name", "input", NULL };
    struct cf_reply *reply = &decoder->reply;
    struct cf_buf *text = &decoder->text;
    enum kind kind = KIND_UNKNOWN;
    size_t mark = text->len, input_at = 0, input_end = 0;
    char *name = NULL;
    unsigned seen = 0;
    int place;

    if (decoder->token.type != CF_JSON_OBJECT) {
        skip(decoder);
        reply->unknown_blocks++;
        return;
    }
    while ((place = next_member(decoder, names, &seen)) >= 0) {
        size_t at = decoder->token.offset;
        bool is_object = decoder->token.type == CF_JSON_OBJECT;

        if (place == NAME) {
            copy_value(decoder, &name);
        } else if (place == TYPE && is_string(decoder)) {
            kind = parse_kind(decoder->token.text);
            if (kind == KIND_UNKNOWN && reply->unknown_blocks == 0)
                print_value(decoder, reply->unknown_type, sizeof reply->unknown_type);
        } else if (place == TEXT && is_string(decoder)) {
            cf_buf_add(text, decoder->token.text, decoder->token.len);
        } else {
            skip(decoder);
            if (place == INPUT && is_object) {
                input_at = at;
                input_end = cf_json_offset(decoder->reader);
            }
        }
    }

    if (kind != KIND_TEXT && text->len > mark) {
        text->len = mark;
        text->data[mark] = '\0';
    }
    switch (kind) {
    case KIND_TEXT: reply->text_blocks++; break;
    case KIND_THINKING: reply->thinking_blocks++; break;
    case KIND_UNKNOWN: reply->unknown_blocks++; break;
    case KIND_TOOL:
        if (reply->tool_blocks++ == 0) {
            reply->tool_name = name;
            name = NULL;
        }
        if (reply->tool_input == NULL && input_end > 0) {
            reply->tool_input_len = input_end - input_at;
            reply->tool_input = cf_memdup(decoder->body + input_at, reply->tool_input_len);
        }
        break;
    }
    free(name);
}

static void read_content(struct decoder *decoder)
{
    if (decoder->token.type != CF_JSON_ARRAY) {
        skip(decoder);
        return;
    }
    decoder->has_content = true;
    while (advance(decoder) && decoder->token.type != CF_JSON_ARRAY_END)
        read_block(decoder);
}

/* --- why it stopped --- */

static enum cf_stop_reason parse_stop(const char *name)
{
    if (name == NULL)
        return CF_STOP_NONE;
    for (int stop = CF_STOP_END_TURN; stop < CF_STOP_OTHER; stop++) {
        if (strcmp(name, cf_stop_reason_name((enum cf_stop_reason)stop)) == 0)
            return (enum cf_stop_reason)stop;
    }
    return CF_STOP_OTHER;
}

static void read_stop(struct decoder *decoder)
{
    struct cf_reply *reply = &decoder->reply;
    reply->stop = parse_stop(is_string(decoder) ? decoder->token.text : NULL);
    print_value(decoder, reply->stop_text, sizeof reply->stop_text);
}

/* They may stand before the reason that they are details of. */
static void read_stop_details(struct decoder *decoder)
{
    static const char *const names[] = { "category", "explanation", NULL };
    unsigned seen = 0;
    int place;

    if (decoder->token.type != CF_JSON_OBJECT) {
        skip(decoder);
        return;
    }
    while ((place = next_member(decoder, names, &seen)) >= 0)
        copy_value(decoder, place == 0 ? &decoder->reply.refusal_category
                                       : &decoder->reply.refusal_explanation);
}

static void drop_stop_details(struct cf_reply *reply)
{
    free(reply->refusal_category);
    free(reply->refusal_explanation);
    reply->refusal_category = reply->refusal_explanation = NULL;
}

/* --- the whole --- */

static void read_message(struct decoder *decoder)
{
    enum { ID, TYPE, MODEL, CONTENT, STOP, SEQUENCE, DETAILS, USAGE };
    static const char *const names[] = { "id", "type", "model", "content", "stop_reason",
                                         "stop_sequence", "stop_details", "usage", NULL };
    struct cf_reply *reply = &decoder->reply;
    unsigned seen = 0;
    int place;

    reply->usage.is_known = true;    /* until something speaks against it */
    while ((place = next_member(decoder, names, &seen)) >= 0) {
        switch (place) {
        case ID: copy_value(decoder, &reply->id); break;
        case TYPE:
            decoder->is_error = is_string(decoder) && strcmp(decoder->token.text, "error") == 0;
            skip(decoder);
            break;
        case MODEL: copy_value(decoder, &reply->model); break;
        case CONTENT: read_content(decoder); break;
        case STOP: read_stop(decoder); break;
        case SEQUENCE: copy_value(decoder, &reply->stop_sequence); break;
        case DETAILS: read_stop_details(decoder); break;
        case USAGE: read_usage(decoder); break;
        }
    }
    settle_usage(&reply->usage);
    if (reply->stop != CF_STOP_REFUSAL)
        drop_stop_details(reply);
    if (reply->id == NULL)
        reply->id = cf_strdup("");
    if (reply->model == NULL)
        reply->model = cf_strdup("");
}

static bool fail_body(const char *body, size_t len, const char *otherwise, struct cf_error *err)
{
    char found[320];
    describe_body(body, len, otherwise, found, sizeof found);
    return cf_fail(err, CF_ERR_PARSE, "%s", found);
}

bool cf_anthropic_decode(const char *body, size_t len, struct cf_reply *out, struct cf_error *err)
{
    struct decoder decoder = { .body = body };
    bool ok = false;

    cf_buf_init(&decoder.text, CF_JSON_SIZE_MAX);
    decoder.reader = cf_json_open(body, len, &decoder.reply.repairs);
    if (advance(&decoder)) {
        if (decoder.token.type == CF_JSON_OBJECT)
            read_message(&decoder);
        else
            skip(&decoder);
        advance(&decoder);    /* nothing may follow */
    }

    if (decoder.failed) {
        fail_body(body, len, "the reply is not JSON", err);
        goto done;
    }
    if (decoder.is_error) {
        struct cf_api_error error;
        cf_anthropic_error(200, NULL, body, len, &error);
        cf_api_error_fail(&error, err);
        goto done;
    }
    if (!decoder.has_content) {
        fail_body(body, len, "the reply is JSON but no message (there is no content array)", err);
        goto done;
    }

    decoder.reply.text = cf_buf_take(&decoder.text, &decoder.reply.text_len);
    *out = decoder.reply;
    decoder.reply = (struct cf_reply){ 0 };    /* moved to the caller */
    ok = true;
done:
    cf_json_free(decoder.reader);
    cf_buf_done(&decoder.text);
    cf_reply_done(&decoder.reply);
    return ok;
}
