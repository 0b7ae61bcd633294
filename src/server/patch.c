#include "server/patch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/object.h"
#include "confab/buf.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "server/answers.h"
#include "server/conversation_object.h"
#include "server/find.h"
#include "server/job.h"
#include "server/patch_body.h"
#include "server/problems.h"
#include "server/readers.h"
#include "server/respond.h"
#include "server/server.h"
#include "store/reader.h"
#include "store/store.h"
#include "store/write_review.h"

/* What is known of a conversation to be changed. */
struct target {
    int64_t conversation;
    char status[24];
    bool is_superseded;
    size_t turn_count;
};

/* 1, 0 (there is none), -1. */
static int find_target(struct cf_reader *reader, const char *id, struct target *out,
                       struct cf_error *err)
{
    struct cf_conversation_filter filter = { 0 };
    struct cf_conversation_cursor *cursor;
    const struct cf_conversation_row *row;
    int found = cf_find_id(reader, id, CF_ID_CONVERSATION, &filter.conversation, err);
    if (found <= 0)
        return found;
    if (!cf_conversations_open(reader, &filter, &cursor, err))
        return -1;
    found = cf_conversations_next(cursor, &row, err);
    if (found > 0) {
        out->conversation = row->conversation;
        out->is_superseded = row->superseded_by != 0;
        out->turn_count = row->turn_count;
        snprintf(out->status, sizeof out->status, "%s", row->status);
    }
    cf_conversations_free(cursor);
    return found;
}

/* --- the write: as many messages of the store as it takes, applied as one --- */

struct changes {
    struct cf_write write;
    const struct cf_patch_body *body;
    const struct target *targets;
    size_t count;
};

static bool change_one(const struct changes *changes, const struct target *target,
                       struct cf_store_tx *tx, struct cf_error *err)
{
    const struct cf_patch_body *body = changes->body;
    if (body->status != NULL || body->note != NULL) {
        struct cf_write_review review = {
            .conversation = target->conversation,
            .status = body->status != NULL ? body->status : target->status,
            .note = body->note,
            .author = body->author,
        };
        if (!cf_write_review(&review.write, tx, err))
            return false;
    }
    for (size_t i = 0; i < body->tag_count; i++) {
        struct cf_write_tag tag = {
            .conversation = target->conversation,
            .tag = body->tags[i].tag,
            .remove = body->tags[i].remove,
        };
        if (!cf_write_tag(&tag.write, tx, err))
            return false;
    }
    if (!body->has_turn)
        return true;
    struct cf_write_turn_edit edit = {
        .conversation = target->conversation,
        .turn_index = body->turn_index,
        .content = body->content,
        .expected = body->before,
        .author = body->author,
    };
    return cf_write_turn_edit(&edit.write, tx, err);
}

/* Store thread. */
static bool change_all(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    const struct changes *changes = (const struct changes *)write;
    for (size_t i = 0; i < changes->count; i++)
        if (!change_one(changes, &changes->targets[i], tx, err))
            return false;
    return true;
}

/* False: it has answered. */
static bool write_changes(struct cf_http_exchange *exchange, struct cf_server *server,
                          const struct cf_patch_body *body, const struct target *targets,
                          size_t count)
{
    struct changes changes = {
        .write.apply = change_all, .body = body, .targets = targets, .count = count
    };
    struct cf_error err;
    if (cf_server_store(server) == NULL) {
        cf_respond_fail(exchange, 503, "this server only reads");
        return false;
    }
    if (cf_store_write(cf_server_store(server), &changes.write, &err)) {
        cf_answers_forget(cf_server_answers(server));
        return true;
    }
    if (err.kind == CF_ERR_VALIDATION)    /* a turn that does not read as expected */
        cf_respond_fail(exchange, 409, "%s", err.message);
    else
        cf_respond_error(exchange, &err);
    return false;
}

/* --- one --- */

#define RESCORE_MS 3000    /* a script that is busy for longer scores it when it comes to it */

struct patience {
    const struct cf_clock *clock;
    int64_t until_ms;
};

static bool is_over(void *self)
{
    const struct patience *patience = self;
    return cf_now_ms(patience->clock) >= patience->until_ms;
}

/* Has the rules of the script that is served score the conversation, whose text has changed. */
static void rescore(struct cf_server *server, int64_t conversation)
{
    struct cf_jobs *jobs = cf_server_jobs(server);
    struct patience patience = { .clock = cf_server_clock(server) };
    char id[24];
    struct cf_job_question question = {
        .task = "rescore", .id = id, .is_gone = is_over, .asker = &patience,
    };
    struct cf_job *job;
    struct cf_job_answer answer;
    snprintf(id, sizeof id, "%lld", (long long)conversation);
    patience.until_ms = cf_now_ms(patience.clock) + RESCORE_MS;
    if (jobs == NULL || cf_server_is_draining(server) ||
        !cf_jobs_ask(jobs, &question, &job, &answer))
        return;
    if (answer.status != 200)
        cf_log(CF_LOG_WARN, "conversation %s was edited, but not scored anew: %.*s", id,
               (int)answer.json.len, answer.json.data);
    cf_job_release(job);
    cf_answers_forget(cf_server_answers(server));
}

static void respond_conversation(struct cf_http_exchange *exchange, struct cf_server *server,
                                 int64_t conversation)
{
    struct cf_reader *reader = NULL;
    struct cf_buf json;
    struct cf_error err = { .kind = CF_ERR_STORAGE,
                            .message = "the conversation is gone",
                            .retry_after_ms = -1 };
    cf_buf_init(&json, CF_OBJECT_MAX);
    cf_respond_open(&json);
    bool ok = cf_readers_take(cf_server_readers(server), &reader, &err) &&
              cf_conversation_object(
                  &json, "data", reader, conversation,
                  (struct cf_conversation_parts){ .turns = true, .history = true }, &err) > 0;
    cf_object_close(&json);
    cf_readers_give(cf_server_readers(server), reader);
    if (ok)
        cf_respond_json(exchange, 200, &json);
    else
        cf_respond_error(exchange, &err);
    cf_buf_done(&json);
}

void cf_patch_one(struct cf_http_exchange *exchange, struct cf_server *server)
{
    struct cf_patch_body body;
    struct cf_problems problems;
    struct cf_reader *reader = NULL;
    struct target target = { 0 };
    struct cf_error err;
    cf_problems_init(&problems);
    cf_patch_body_read(&body, exchange->json, false, &problems);

    int found = cf_readers_take(cf_server_readers(server), &reader, &err)
                    ? find_target(reader, exchange->id, &target, &err)
                    : -1;
    cf_readers_give(cf_server_readers(server), reader);
    if (found > 0 && body.has_turn && body.turn_index >= (int64_t)target.turn_count)
        cf_problems_add(&problems, "turn.index", "the conversation has %zu turns",
                        target.turn_count);

    if (found < 0)
        cf_respond_error(exchange, &err);
    else if (found == 0)
        cf_respond_fail(exchange, 404, "there is no such conversation");
    else if (problems.count > 0)
        cf_respond_problems(exchange, &problems);
    else if (target.is_superseded)
        cf_respond_fail(exchange, 409, "a newer version has taken the place of this conversation");
    else if (write_changes(exchange, server, &body, &target, 1)) {
        if (body.has_turn)
            rescore(server, target.conversation);
        respond_conversation(exchange, server, target.conversation);
    }
    cf_problems_done(&problems);
}

/* --- many --- */

/* Finds each id; *out_status becomes that of the answer if some are wrong. */
static bool find_targets(struct cf_reader *reader, const struct cJSON *ids, struct target *targets,
                         struct cf_problems *problems, int *out_status, struct cf_error *err)
{
    const cJSON *id;
    size_t index = 0;
    cJSON_ArrayForEach(id, ids) {
        char path[32];
        struct target *target = &targets[index];
        snprintf(path, sizeof path, "ids[%zu]", index++);
        int found = find_target(reader, id->valuestring, target, err);
        if (found < 0 && err->kind != CF_ERR_CONFIG)
            return false;
        if (found <= 0) {
            cf_problems_add(problems, path, found == 0 ? "there is no such conversation"
                                                       : "several ids start so");
            *out_status = 404;
        } else if (target->is_superseded) {
            cf_problems_add(problems, path, "a newer version has taken its place");
            if (*out_status == 400)
                *out_status = 409;
        }
    }
    return true;
}

static void respond_updated(struct cf_http_exchange *exchange, size_t count)
{
    struct cf_buf json;
    cf_buf_init(&json, 4096);
    cf_respond_open(&json);
    cf_object_open(&json, "data");
    cf_object_int(&json, "updated", (int64_t)count);
    cf_object_close(&json);
    cf_object_close(&json);
    cf_respond_json(exchange, 200, &json);
    cf_buf_done(&json);
}

void cf_patch_many(struct cf_http_exchange *exchange, struct cf_server *server)
{
    struct cf_patch_body body;
    struct cf_problems problems;
    struct cf_reader *reader = NULL;
    struct cf_error err;
    int status = 400;
    bool ok = true;
    cf_problems_init(&problems);
    cf_patch_body_read(&body, exchange->json, true, &problems);

    size_t count = (size_t)cJSON_GetArraySize(body.ids);
    struct target *targets = cf_calloc(count + 1, sizeof *targets);
    if (problems.count == 0) {
        ok = cf_readers_take(cf_server_readers(server), &reader, &err) &&
             find_targets(reader, body.ids, targets, &problems, &status, &err);
        cf_readers_give(cf_server_readers(server), reader);
    }

    if (!ok)
        cf_respond_error(exchange, &err);
    else if (problems.count > 0)
        cf_respond_problems_as(exchange, status, &problems);
    else if (write_changes(exchange, server, &body, targets, count))
        respond_updated(exchange, count);
    free(targets);
    cf_problems_done(&problems);
}
