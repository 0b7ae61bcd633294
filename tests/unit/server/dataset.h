/* dataset.h - a run of six items with what came of them, to be browsed. */
#ifndef TESTS_SERVER_DATASET_H
#define TESTS_SERVER_DATASET_H

#include "fixture.h"

#define ITEMS 6

struct dataset {
    struct fixture f;
    struct cf_write_run_begin run;
    struct cf_write_template template;
    char ids[ITEMS][CF_UUID_TEXT_SIZE];        /* of conversations; "" if there is none */
    int64_t items[ITEMS], conversations[ITEMS];
};

static inline void must(struct fixture *f, struct cf_write *write)
{
    if (!cf_store_write(f->store, write, &f->err))
        fail_msg("%s", f->err.message);
}

static inline int64_t dataset_reply(struct dataset *d, int64_t item, int64_t latency_ms)
{
    struct cf_write_call_sent sent = {
        .write.apply = cf_write_call_sent, .run = d->run.run, .item = item, .branch = "",
        .model = "claude-x", .max_tokens = 100, .bound_pico = 50, .template = d->template.template,
        .request = cf_text_of("{\"q\":1}"),
    };
    must(&d->f, &sent.write);
    struct cf_write_call_reply reply = {
        .write.apply = cf_write_call_reply, .run = d->run.run, .item = item, .call = sent.call,
        .reply = cf_text_of("{\"content\":[]}"), .usage = CF_TOKEN_USAGE_NONE,
        .cost_pico = INT64_C(2000000000), .model_answered = "claude-x-1", .stop_reason = "end_turn",
        .latency_ms = latency_ms, .request_id = "req_1",
    };
    reply.usage.input = 10;
    reply.usage.output = 20;
    must(&d->f, &reply.write);
    return sent.call;
}

static inline void dataset_finish(struct dataset *d, int i, const char *status, double score,
                                  const char *last)
{
    const struct cf_turn_row turns[] = {
        { cf_text_of("user"), cf_text_of("Is <b>100%</b> \"real\"?") },
        { cf_text_of("assistant"), cf_text_of(last) },
    };
    struct cf_turn_call made = { 0, 1, dataset_reply(d, d->items[i], 10 * (i + 1)) };
    const struct cf_tag_row tag = { .name = "judge", .number = i, .is_number = true };
    struct cf_conversation_new conversation = {
        .part = 1, .status = status, .quality_score = score, .cost_pico = INT64_C(2000000000),
        .template = d->template.template, .model = "claude-x-1",
        .persona = cf_text_of(i % 2 == 0 ? "Ann" : "Bob"), .emotion = cf_text_of("calm"),
        .topic = cf_text_of("loans"), .tier = cf_text_of(i == 0 ? "edge_case" : "template"),
        .parameters = cf_text_of("{\"n\":1}"), .quality_breakdown = cf_text_of("[]"),
        .turns = turns, .turn_count = 2, .calls = &made, .call_count = 1, .tags = &tag, .tag_count = 1,
    };
    struct cf_write_item_finish finish = {
        .write.apply = cf_write_item_finish, .item = d->items[i], .state = CF_ITEM_DONE,
        .conversations = &conversation, .count = 1,
    };
    must(&d->f, &finish.write);
    d->conversations[i] = conversation.conversation;
    memcpy(d->ids[i], conversation.uuid, sizeof d->ids[i]);
}

/* Items 0 to 3 are done with scores 9, 7, 5, 3; item 4 failed; item 5 is pending. */
static inline void dataset_fill(struct dataset *d)
{
    static const char *const lasts[] = { "The alpha answer.", "Beta_1 it is.", "Gamma.", "Delta." };
    struct cf_item_draw draws[ITEMS];
    char keys[ITEMS][8];
    d->run = (struct cf_write_run_begin){
        .write.apply = cf_write_run_begin, .name = "demo", .provider = "anthropic", .source = "script",
        .model = "claude-x", .script_hash = "aa",
    };
    must(&d->f, &d->run.write);
    struct cf_write_run_own own = {
        .write.apply = cf_write_run_own, .begin = &d->run, .host = "here", .pid = 42
    };
    must(&d->f, &own.write);
    d->template = (struct cf_write_template){
        .write.apply = cf_write_template, .name = "support", .tier = "template",
        .system = cf_text_of("Be kind."), .prompt = cf_text_of("A chat about {{topic}}."),
        .settings = "{\"max_tokens\":100}",
    };
    must(&d->f, &d->template.write);
    for (int i = 0; i < ITEMS; i++) {
        snprintf(keys[i], sizeof keys[i], "key%d", i);
        draws[i] = (struct cf_item_draw){ .key = cf_text_of(keys[i]), .ordinal = i,
                                          .params = cf_text_of("{\"n\":1}") };
    }
    struct cf_write_item_draw draw = { .write.apply = cf_write_item_draw, .run = d->run.run,
                                       .drawing = own.drawing, .items = draws, .count = ITEMS };
    must(&d->f, &draw.write);
    for (int i = 0; i < ITEMS; i++)
        d->items[i] = draws[i].item;
    for (int i = 0; i < 4; i++)
        dataset_finish(d, i, i < 2 ? "generated" : "needs_revision", 9 - 2 * i, lasts[i]);
    struct cf_write_item_finish failure = {
        .write.apply = cf_write_item_finish, .item = d->items[4], .state = CF_ITEM_FAILED,
        .error_kind = "parse_error", .error_message = "no <JSON> here",
    };
    must(&d->f, &failure.write);
}

static inline int dataset_open(void **state)
{
    struct dataset *d = calloc(1, sizeof *d);
    fixture_open_store(&d->f);
    dataset_fill(d);
    fixture_start(&d->f, (struct cf_server_options){ 0 });
    *state = d;
    return 0;
}

static inline int dataset_close(void **state)
{
    struct dataset *d = *state;
    fixture_close(&d->f);
    free(d);
    return 0;
}

/* One dataset for all tests of a group, whose state is a row each. */
static struct dataset *shared;

static inline int dataset_share(void **state)
{
    int rc = dataset_open(state);
    shared = *state;
    *state = NULL;
    return rc;
}

static inline int dataset_unshare(void **state)
{
    (void)state;
    return dataset_close((void *[]){ shared });
}

/* --- what stands in JSON, by a path such as "data.0.turns.1.content" --- */

static inline const cJSON *at(const cJSON *json, const char *path)
{
    while (*path != '\0') {
        char name[64];
        size_t len = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)len, path);
        json = cJSON_IsArray(json) ? cJSON_GetArrayItem(json, atoi(name))
                                   : cJSON_GetObjectItemCaseSensitive(json, name);
        path += len + (path[len] == '.');
    }
    return json;
}

static inline void assert_str(const struct answer *answer, const char *path, const char *expected)
{
    const char *text = cJSON_GetStringValue(at(answer->json, path));
    if (text == NULL)
        fail_msg("no text at %s of %s", path, answer->body);
    assert_string_equal(text, expected);
}

static inline void assert_number(const struct answer *answer, const char *path, double expected)
{
    const cJSON *number = at(answer->json, path);
    if (!cJSON_IsNumber(number))
        fail_msg("no number at %s of %s", path, answer->body);
    if (number->valuedouble < expected - 1e-9 || number->valuedouble > expected + 1e-9)
        fail_msg("%g at %s, not %g", number->valuedouble, path, expected);
}

static inline struct answer get(struct dataset *d, const char *path, int status)
{
    struct answer answer = fixture_ask(&d->f, "GET", path, NULL, NULL);
    if (answer.status != status)
        fail_msg("%s: %d %s", path, answer.status, answer.body);
    return answer;
}

static inline struct answer patch(struct dataset *d, const char *path, const char *body, int status)
{
    struct answer answer = fixture_ask(&d->f, "PATCH", path, NULL, body);
    if (answer.status != status)
        fail_msg("%s %s: %d %s", path, body, answer.status, answer.body);
    return answer;
}
#endif
