/* request.h - a call to a model as the script asked for it, whatever the provider.
 *
 * A plain value that borrows all its texts. Zero is "not given" for every field. */
#ifndef CONFAB_PROVIDER_REQUEST_H
#define CONFAB_PROVIDER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "confab/usage.h"
#include "provider/features.h"

struct cf_buf;
struct cf_error;

#define CF_REQUEST_HASH_VERSION 1       /* in every hash: another one finds no older reply */
#define CF_REQUEST_HASH_SIZE    32
#define CF_REQUEST_BYTES_MAX    (32u << 20)   /* the provider refuses more with 413 */
#define CF_MESSAGES_MAX         100000        /* likewise */

struct cf_chat_message {
    const char    *role;                /* "user" or "assistant" */
    struct cf_text content;
};

struct cf_chat_request {
    const char    *model;
    struct cf_text system;
    const struct cf_chat_message *messages;
    size_t         message_count;
    int64_t        max_tokens;          /* room for text; thinking room comes on top */

    bool           has_temperature, has_top_p, has_top_k;
    double         temperature, top_p;  /* 0 to 1 */
    int64_t        top_k;               /* 0 or more */
    const struct cf_text *stop;         /* stop sequences */
    size_t         stop_count;

    struct cf_text tools;               /* JSON array */
    struct cf_text tool_choice;         /* JSON object */
    struct cf_text schema;              /* JSON object: the reply must match it */

    enum cf_thinking thinking;
    int64_t        thinking_budget;     /* tokens, with CF_THINKING_ENABLED: 1024 or more */
    const char    *effort;              /* NULL or low, medium, high, xhigh, max */

    enum cf_cache_mark cache;           /* mark at the end of the system prompt; none without one */
    bool           stream;
    struct cf_text user_id;             /* metadata; no personal data */
};

/* Whether the call is well-formed for any model: a model and messages given, the first from the
 * user, roles known, nothing empty, valid UTF-8, numbers in range, tools and schema valid JSON.
 * CF_ERR_CONFIG naming field and value if not. The model's own limits are checked on building. */
bool cf_chat_request_check(const struct cf_chat_request *request, struct cf_error *err);

/* Appends the canonical JSON that identifies the call: hash version, model, system, messages,
 * tools, tool_choice, schema, temperature, top_p, top_k, stop, and thinking and effort where asked
 * for; keys in byte order, numbers in shortest form, what is not given left out. max_tokens,
 * stream, cache marks and metadata are not in it. Fails with CF_ERR_CONFIG if tools, tool_choice
 * or schema are not JSON, or if it does not fit buf. */
bool cf_chat_request_canonical(const struct cf_chat_request *request, struct cf_buf *buf,
                               struct cf_error *err);

/* SHA-256 over the canonical JSON. */
bool cf_chat_request_hash(const struct cf_chat_request *request, uint8_t out[CF_REQUEST_HASH_SIZE],
                          struct cf_error *err);

/* Makes room in a buffer that the request is to be written to. */
void cf_chat_request_reserve(const struct cf_chat_request *request, struct cf_buf *buf);

/* The most input tokens the call can be billed for: a token is at least a byte of the text
 * sent, plus 16 a message, plus 1,000 with tools or a schema, plus 64 for each object of a schema,
 * which is closed and described before it is sent. */
int64_t cf_chat_request_input_bound(const struct cf_chat_request *request);

/* The most output tokens: max_tokens plus the room for thinking where it is not off, within the
 * model's limit. It is the max_tokens that is sent. */
int64_t cf_chat_request_output_bound(const struct cf_chat_request *request,
                                     const struct cf_features *features);

/* The thinking in force: what was asked for, else the least the model takes; CF_THINKING_LEAST if
 * the field is left out because the model does not think by itself. */
enum cf_thinking cf_chat_request_thinking(const struct cf_chat_request *request,
                                          const struct cf_features *features);
#endif
