#include "server/conversations.h"

#include <stdio.h>
#include <string.h>

#include "base/object.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "server/conversation_object.h"
#include "server/find.h"
#include "server/params.h"
#include "server/reading.h"
#include "server/request.h"
#include "store/page.h"
#include "store/reader.h"

#define STATUSES_MAX 4

/* Conversations that are looked at for a page, and for its total: some tenths of a second. With
 * a text to be looked for, each takes six times as long. */
#define PAGE_LOOKS       300000
#define PAGE_TEXT_LOOKS  50000
#define TOTAL_LOOKS      100000
#define TOTAL_TEXT_LOOKS 20000

#define DEFAULT_LIMIT 50

static const char *const names[] = {
    "run",    "status",     "minScore", "maxScore", "tier",      "persona",    "emotion",
    "topic",  "templateId", "tag",      "q",        "simulated", "superseded", "limit",
    "offset", "cursor",     "total",    "turns",    NULL,
};

struct wanted {
    struct cf_page_question question;
    const char *statuses[STATUSES_MAX];
    bool turns, total;
};

static void read_statuses(struct cf_params *params, struct wanted *wanted)
{
    const char *text = NULL;
    cf_params_text(params, "status", &text);
    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, ",");
        const char *status = cf_find_status(text, len);
        if (status == NULL || wanted->question.status_count == STATUSES_MAX) {
            cf_problems_add(
                params->problems, "status",
                "must be generated, needs_revision, approved or rejected, or some of them "
                "between commas");
            return;
        }
        wanted->statuses[wanted->question.status_count++] = status;
        wanted->question.statuses = wanted->statuses;
        text += len + (text[len] == ',');
    }
}

static bool read_ids(struct cf_params *params, struct cf_reader *reader,
                     struct cf_page_question *question, struct cf_error *err)
{
    const char *run = NULL, *template = NULL;
    cf_params_text(params, "run", &run);
    cf_params_text(params, "templateId", &template);
    int found = run != NULL ? cf_reader_find_run(reader, run, &question->run, err) : 1;
    if (found < 0 && err->kind != CF_ERR_CONFIG)
        return false;
    if (found <= 0)
        cf_problems_add(params->problems, "run", found == 0 ? "there is no such run"
                                                            : "several runs have such an id");
    found = template != NULL
                ? cf_find_id(reader, template, CF_ID_TEMPLATE, &question->template, err)
                : 1;
    if (found < 0 && err->kind != CF_ERR_CONFIG)
        return false;
    if (found <= 0)
        cf_problems_add(params->problems, "templateId",
                        found == 0 ? "there is no such template"
                                   : "several templates have such an id");
    return true;
}

static bool read_wanted(struct cf_params *params, struct cf_reader *reader, struct wanted *wanted,
                        struct cf_error *err)
{
    struct cf_page_question *question = &wanted->question;
    int64_t limit = DEFAULT_LIMIT;
    bool simulated = false;
    cf_params_only(params, names);
    read_statuses(params, wanted);
    cf_params_number(params, "minScore", 0, 10, &question->min_score);
    cf_params_number(params, "maxScore", 0, 10, &question->max_score);
    cf_params_text(params, "tier", &question->tier);
    cf_params_text(params, "persona", &question->persona);
    cf_params_text(params, "emotion", &question->emotion);
    cf_params_text(params, "topic", &question->topic);
    cf_params_text(params, "tag", &question->tag);
    cf_params_text(params, "q", &question->text);
    cf_params_bool(params, "simulated", &simulated);
    if (cf_request_query(params->exchange, "simulated") != NULL)
        question->simulated = simulated ? 1 : -1;
    cf_params_bool(params, "superseded", &question->with_superseded);
    cf_params_int(params, "limit", 1, CF_PAGE_MAX, &limit);
    cf_params_int(params, "offset", 0, INT64_C(1) << 40, &question->offset);
    cf_params_int(params, "cursor", 1, INT64_MAX, &question->before);
    cf_params_bool(params, "turns", &wanted->turns);
    cf_params_bool(params, "total", &wanted->total);
    question->limit = (size_t)limit;
    return read_ids(params, reader, question, err);
}

static bool add_page(struct cf_buf *out, struct cf_reader *reader, const struct wanted *wanted,
                     struct cf_error *err)
{
    struct cf_page_question question = wanted->question;
    int64_t ids[CF_PAGE_MAX], next, total = -1;
    bool is_exact = true;
    size_t count;
    question.look_most = question.text != NULL ? PAGE_TEXT_LOOKS : PAGE_LOOKS;
    if (!cf_page_read(reader, &question, ids, &count, &next, err))
        return false;
    question.look_most = question.text != NULL ? TOTAL_TEXT_LOOKS : TOTAL_LOOKS;
    if (wanted->total && !cf_page_total(reader, &question, &total, &is_exact, err))
        return false;

    cf_object_open_list(out, "data");
    for (size_t i = 0; i < count; i++)
        if (cf_conversation_object(out, NULL, reader, ids[i],
                                   (struct cf_conversation_parts){ .turns = wanted->turns },
                                   err) < 0)
            return false;
    cf_object_close_list(out);
    cf_object_count(out, "total", total);
    cf_object_bool(out, "totalIsExact", is_exact);
    if (next != 0) {
        char cursor[24];
        snprintf(cursor, sizeof cursor, "%lld", (long long)next);
        cf_object_str(out, "nextCursor", cursor);
    } else {
        cf_object_str(out, "nextCursor", NULL);
    }
    return true;
}

static int make_list(struct cf_reading *reading)
{
    struct wanted wanted = { .turns = true, .total = true };
    if (!read_wanted(&reading->params, reading->reader, &wanted, &reading->err))
        return -1;
    bool ok = reading->problems.count > 0 ||
              add_page(&reading->json, reading->reader, &wanted, &reading->err);
    return ok ? 1 : -1;
}

void cf_conversations_list(struct cf_http_exchange *exchange, struct cf_server *server)
{
    cf_reading_answer(exchange, server, "conversation", make_list);
}

static int make_one(struct cf_reading *reading)
{
    int64_t conversation;
    int found = cf_find_id(reading->reader, reading->exchange->id, CF_ID_CONVERSATION,
                           &conversation, &reading->err);
    if (found <= 0)
        return found;
    return cf_conversation_object(&reading->json, "data", reading->reader, conversation,
                                  (struct cf_conversation_parts){ .turns = true, .history = true },
                                  &reading->err);
}

void cf_conversations_show(struct cf_http_exchange *exchange, struct cf_server *server)
{
    cf_reading_answer(exchange, server, "conversation", make_one);
}
