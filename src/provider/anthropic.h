/* anthropic.h - the Messages API: calls to bytes, bytes to replies and errors.
 *
 * Pure functions: no I/O, no clock, no state. Unknown reply fields and block types are
 * counted or ignored, never errors. Keys pass through the header fields only. */
#ifndef CONFAB_PROVIDER_ANTHROPIC_H
#define CONFAB_PROVIDER_ANTHROPIC_H

#include <stdbool.h>
#include <stddef.h>

#include "http/http.h"
#include "provider/reply.h"
#include "provider/request.h"

struct cf_buf;
struct cf_error;

#define CF_ANTHROPIC_BASE_URL "https://api.anthropic.com/v1"
#define CF_ANTHROPIC_VERSION  "2023-06-01"
#define CF_ANTHROPIC_FIELDS   4

/* The most output tokens to be asked for without a stream. At 128,000 an hour, the speed that the
 * provider's own clients reckon with, more take over ten minutes, and connections that are quiet
 * for so long get lost. */
#define CF_ANTHROPIC_UNSTREAMED_MAX 21333

/* Parameters that were asked for and not sent, since the model refuses them. */
struct cf_dropped { bool temperature, top_p, top_k, tool_choice, effort; };

#define CF_DROPPED_TEXT_MAX 96

/* "temperature, top_p"; "" if nothing was dropped. */
void cf_dropped_format(const struct cf_dropped *dropped, char out[CF_DROPPED_TEXT_MAX]);

/* The address of the messages endpoint under a base URL with or without "/v1" and trailing slashes.
 * The caller frees it. */
char *cf_anthropic_url(const char *base_url);

/* Whether the base URL is the provider's own service and not a gateway, simulator or mock. */
bool cf_anthropic_is_own_url(const char *base_url);

/* The header fields of a request. key is borrowed by them. Returns how many. */
size_t cf_anthropic_fields(const char *key, struct cf_http_field out[CF_ANTHROPIC_FIELDS]);

/* Checks the call (cf_chat_request_check and the model's limits) and appends its JSON body. A
 * schema goes out as the form of the reply, else as the tool that is forced, else in the system
 * prompt, whatever the model takes first. The same call always gives the same bytes.
 * CF_ERR_CONFIG names field and value; body is then as before. body->max bounds the size
 * (CF_REQUEST_BYTES_MAX is the provider's own). */
bool cf_anthropic_build(const struct cf_chat_request *request, const struct cf_features *features,
                        struct cf_buf *body, struct cf_dropped *dropped, struct cf_error *err);

/* Reads the body of a 200. CF_ERR_PARSE says what was found instead of a message (HTML, nothing,
 * the first bytes); CF_ERR_API if it is an error envelope. *out is untouched on failure. */
bool cf_anthropic_decode(const char *body, size_t len, struct cf_reply *out, struct cf_error *err);

/* What a reply with an error status says. Texts are cleaned (one line, no
 * control characters) and cut. */
struct cf_api_error {
    int  status;
    bool is_envelope;           /* the body is the API's own error envelope */
    char type[64];              /* "overloaded_error"; "" if there is no envelope */
    char message[512];          /* the server's, or what the body looks like; never "" */
    char code[64];              /* details.error_code, "" if absent */
    char request_id[128];       /* header, else body; "" if absent */
};

/* Never fails: HTML and empty bodies are described. headers may be NULL. */
void cf_anthropic_error(int status, const struct cf_http_headers *headers,
                        const char *body, size_t len, struct cf_api_error *out);

/* Fills *err: CF_ERR_RATE_LIMIT for 429, else CF_ERR_API, with http_status and a message such as
 * "529 overloaded_error: Overloaded (req_...)". Whether and when to retry is decided elsewhere:
 * retryable is false, retry_after_ms -1. Returns false. */
bool cf_api_error_fail(const struct cf_api_error *error, struct cf_error *err);
#endif
