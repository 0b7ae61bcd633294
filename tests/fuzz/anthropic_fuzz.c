/* A reply's body as a message and as an error: both must be described, whatever it is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "confab/error.h"
#include "provider/anthropic.h"

static void require(bool truth)
{
    if (!truth)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *body = (const char *)data;
    struct cf_reply reply = { 0 };
    struct cf_error err = { 0 };
    if (cf_anthropic_decode(body, size, &reply, &err)) {
        require(reply.text != NULL &&
                cf_utf8_valid_prefix(reply.text, reply.text_len) == reply.text_len);
        if (reply.usage.is_known)
            require(reply.usage.input >= 0 && reply.usage.output >= 0);
        cf_reply_done(&reply);
    } else {
        require(err.kind != CF_OK && err.message[0] != '\0' && strchr(err.message, '\n') == NULL);
    }

    struct cf_api_error error;
    cf_anthropic_error(500, NULL, body, size, &error);
    require(error.message[0] != '\0' && strchr(error.message, '\n') == NULL);
    return 0;
}
