#include "provider/anthropic.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "confab/error.h"
#include "provider/clean.h"

static void print_member(const cJSON *object, const char *name, char *out, size_t size)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    clean_text(text != NULL ? text : "", text != NULL ? strlen(text) : 0, out, size);
}

void cf_anthropic_error(int status, const struct cf_http_headers *headers,
                        const char *body, size_t len, struct cf_api_error *out)
{
    *out = (struct cf_api_error){ .status = status };
    if (headers != NULL) {
        const char *id = cf_http_headers_get(headers, "request-id");
        if (id != NULL)
            clean_text(id, strlen(id), out->request_id, sizeof out->request_id);
    }

    struct cf_json_repairs repairs = { 0 };
    cJSON *tree = NULL;
    if (cf_json_parse(body, len, &repairs, &tree, NULL)) {
        const cJSON *error = cJSON_GetObjectItemCaseSensitive(tree, "error");
        print_member(error, "type", out->type, sizeof out->type);
        print_member(error, "message", out->message, sizeof out->message);
        print_member(cJSON_GetObjectItemCaseSensitive(error, "details"), "error_code", out->code,
                     sizeof out->code);
        if (out->request_id[0] == '\0')
            print_member(tree, "request_id", out->request_id, sizeof out->request_id);
        out->is_envelope = out->type[0] != '\0';
        cJSON_Delete(tree);
    }
    if (out->message[0] == '\0')
        describe_body(body, len, "the reply explains nothing", out->message, sizeof out->message);
}

bool cf_api_error_fail(const struct cf_api_error *error, struct cf_error *err)
{
    bool has_id = error->request_id[0] != '\0';
    cf_fail(err, error->status == 429 ? CF_ERR_RATE_LIMIT : CF_ERR_API, "%d%s%s: %s%s%s%s",
            error->status, error->type[0] != '\0' ? " " : "", error->type, error->message,
            has_id ? " (" : "", error->request_id, has_id ? ")" : "");
    if (err != NULL)
        err->http_status = error->status;
    return false;
}
