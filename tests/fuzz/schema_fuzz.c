/* Whatever a schema holds: what is made of it for the API is JSON that the simulated API takes,
 * within the room that a budget reserves for it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "confab/buf.h"
#include "provider/reply_schema.h"
#include "provider/request.h"
#include "simulator/schema_check.h"

#define BYTES_MAX (1u << 20)

static void require(bool truth)
{
    if (!truth)
        abort();
}

/* Of equal keys the API takes one, and which of them is not told. */
static bool has_equal_keys(const cJSON *value)
{
    for (const cJSON *child = value->child; child != NULL; child = child->next) {
        if (has_equal_keys(child))
            return true;
        for (const cJSON *other = child->next; cJSON_IsObject(value) && other != NULL;
             other = other->next)
            if (strcmp(child->string, other->string) == 0)
                return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cf_text schema = { (const char *)data, size };
    struct cf_buf out;
    cJSON *before = NULL, *after = NULL;
    char why[256] = "";

    /* A request is checked before it is built. */
    if (!cf_json_parse(schema.data, schema.len, NULL, &before, NULL))
        return 0;
    cf_buf_init(&out, BYTES_MAX);
    if (cf_reply_schema_narrow(schema, &out) && cf_buf_ok(&out)) {
        require(cf_json_parse(out.data, out.len, NULL, &after, NULL));
        require(has_equal_keys(before) || cf_sim_schema_check(after, why, sizeof why));

        struct cf_chat_request request = { .schema = schema };
        require((int64_t)out.len <= cf_chat_request_input_bound(&request) + 6 * (int64_t)size);
    }
    cf_reply_schema_is_object(schema);
    cJSON_Delete(before);
    cJSON_Delete(after);
    cf_buf_done(&out);
    return 0;
}
