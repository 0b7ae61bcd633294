#include "cli/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/loop.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "confab/retry_after.h"
#include "http/http.h"
#include "provider/anthropic.h"

#define WAIT_MS        15000
#define BODY_BYTES_MAX (8u << 20)
#define URL_MAX_BYTES  4096

struct question {
    struct cf_probe *probe;
    struct cf_loop *loop;
    int64_t begun_unix_ms;
};

/* Half the way there and back is how old the server's clock is when its date arrives. */
static void read_date(struct question *question, const struct cf_http_result *result)
{
    const char *date = cf_http_headers_get(&result->headers, "date");
    int64_t server_ms;
    if (date == NULL || !cf_http_date_parse(date, &server_ms))
        return;
    question->probe->has_time = true;
    /* The date has whole seconds: half of one is its mean error. */
    question->probe->clock_ahead_ms =
        question->begun_unix_ms + question->probe->latency_ms / 2 - (server_ms + 500);
}

static void on_done(struct cf_http_request *request, struct cf_http_result *result, void *self)
{
    struct question *question = self;
    struct cf_probe *probe = question->probe;
    (void)request;
    probe->latency_ms = result->timings.total_ms;
    if (result->failure != CF_HTTP_OK) {
        snprintf(probe->message, sizeof probe->message, "%s", result->message);
    } else {
        probe->status = result->status;
        read_date(question, result);
        if (result->status == 200) {
            cf_buf_add(&probe->body, cf_buf_str(&result->body), result->body.len);
        } else {
            struct cf_api_error error;
            cf_anthropic_error(result->status, &result->headers, cf_buf_str(&result->body),
                               result->body.len, &error);
            snprintf(probe->message, sizeof probe->message, "%d %s: %.400s", error.status,
                     error.type, error.message);
        }
    }
    cf_loop_stop(question->loop);
}

/* The messages address with "models" in the place of "messages". */
static void format_url(const char *base_url, char out[URL_MAX_BYTES])
{
    char *messages = cf_anthropic_url(base_url);
    size_t len = strlen(messages) - strlen("messages");
    snprintf(out, URL_MAX_BYTES, "%.*smodels?limit=1000", (int)len, messages);
    free(messages);
}

bool cf_probe_models(const char *base_url, const char *key, struct cf_probe *out,
                     struct cf_error *err)
{
    struct question question = { .probe = out };
    struct cf_http_field fields[CF_ANTHROPIC_FIELDS];
    char url[URL_MAX_BYTES];
    *out = (struct cf_probe){ .status = 0 };
    cf_buf_init(&out->body, BODY_BYTES_MAX);
    format_url(base_url, url);

    question.loop = cf_loop_new(cf_clock_system());
    if (question.loop == NULL)
        return cf_fail(err, CF_ERR_CONFIG,
                       "no file descriptor is left; raise the limit with ulimit -n");
    struct cf_http *http = cf_http_new(question.loop, NULL, err);
    if (http == NULL) {
        cf_loop_free(question.loop);
        return false;
    }
    struct cf_http_request request = {
        .method = CF_HTTP_GET,
        .url = url,
        .fields = fields,
        .field_count = cf_anthropic_fields(key, fields),
        .timeouts = { WAIT_MS, WAIT_MS, WAIT_MS, WAIT_MS },
        .max_reply_bytes = BODY_BYTES_MAX,
        .on_done = on_done,
        .self = &question,
    };
    question.begun_unix_ms = cf_unix_ms(cf_clock_system());
    cf_http_send(http, &request);
    cf_loop_run(question.loop);
    cf_http_free(http);
    cf_loop_free(question.loop);
    return true;
}

bool cf_probe_has_model(const struct cf_probe *probe, const char *id)
{
    cJSON *tree;
    bool found = false;
    if (!cf_json_parse(cf_buf_str(&probe->body), probe->body.len, NULL, &tree, NULL))
        return false;
    const cJSON *model;
    cJSON_ArrayForEach (model, cJSON_GetObjectItemCaseSensitive(tree, "data")) {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(model, "id"));
        found = found || (name != NULL && strcmp(name, id) == 0);
    }
    cJSON_Delete(tree);
    return found;
}

void cf_probe_done(struct cf_probe *probe)
{
    cf_buf_done(&probe->body);
}
