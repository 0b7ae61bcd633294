/* reply.h - what a model answered, whatever the provider. */
#ifndef CONFAB_PROVIDER_REPLY_H
#define CONFAB_PROVIDER_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

enum cf_stop_reason {
    CF_STOP_NONE,               /* absent or null */
    CF_STOP_END_TURN,
    CF_STOP_SEQUENCE,
    CF_STOP_MAX_TOKENS,         /* cut off */
    CF_STOP_CONTEXT_WINDOW,     /* cut off by the model's context window */
    CF_STOP_TOOL_USE,
    CF_STOP_PAUSE_TURN,
    CF_STOP_REFUSAL,
    CF_STOP_OTHER,              /* a value we do not know: not complete */
};

/* Bits of cf_reply_usage.present: the field was there and not null. */
enum {
    CF_USAGE_INPUT = 1, CF_USAGE_OUTPUT = 2, CF_USAGE_CACHE_WRITE = 4, CF_USAGE_CACHE_READ = 8,
    CF_USAGE_CACHE_SPLIT = 16, CF_USAGE_THINKING = 32, CF_USAGE_WEB_SEARCHES = 64,
    CF_USAGE_WEB_FETCHES = 128,
};

/* Tokens as billed. Counts are 0 where absent. input, the two cache writes and cache_read do
 * not overlap; output includes thinking. */
struct cf_reply_usage {
    bool     is_known;          /* input and output are there and every count lies in 0..2^31 */
    unsigned present;           /* CF_USAGE_* */
    int64_t  input;             /* uncached input only */
    int64_t  cache_write;       /* the total as reported */
    int64_t  cache_write_5m;    /* with no split given, all writes */
    int64_t  cache_write_1h;
    int64_t  cache_read;
    int64_t  output;
    int64_t  thinking;          /* share of output */
    int64_t  web_searches, web_fetches;
    char     service_tier[24];  /* "standard", "priority", "batch"; "" if absent */
    char     inference_geo[24]; /* "global", "us"; "" if absent */
};

/* Owned texts are NUL-terminated and NULL where the reply has none. Zero is a valid empty reply. */
struct cf_reply {
    char  *id;                  /* owned; "" if absent */
    char  *model;               /* owned: the model that answered; "" if absent */
    char  *text;                /* owned: all text blocks joined; never NULL after decoding */
    size_t text_len;
    char  *tool_name;           /* owned: of the first tool_use block */
    char  *tool_input;          /* owned: its input as JSON text, as the server wrote it */
    size_t tool_input_len;
    enum cf_stop_reason stop;
    char   stop_text[48];       /* as the server wrote it, cut if longer */
    char  *stop_sequence;       /* owned: the one that matched */
    char  *refusal_category;    /* owned */
    char  *refusal_explanation; /* owned; for display only */
    struct cf_reply_usage usage;
    unsigned text_blocks, thinking_blocks, tool_blocks, unknown_blocks;
    char   unknown_type[48];    /* of the first unknown block */
    struct cf_json_repairs repairs;
};

void cf_reply_done(struct cf_reply *reply);

/* Whether the reply came to its own end (end_turn, a stop sequence, tool_use). */
bool cf_reply_is_complete(const struct cf_reply *reply);

/* Whether it was cut off by max_tokens or by the context window. */
bool cf_reply_is_cut(const struct cf_reply *reply);

/* The provider's word, such as "max_tokens". Static; "" for none, "other" for unknown ones. */
const char *cf_stop_reason_name(enum cf_stop_reason stop);
#endif
