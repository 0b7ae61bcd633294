/* fixture.h - a store in a fresh folder, and the shortest way to fill it. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "confab/buf.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "confab/money.h"
#include "store/reader.h"
#include "store/store.h"
#include "store/write_call.h"
#include "store/write_item.h"
#include "store/write_review.h"
#include "store/write_run.h"

struct fixture {
    char folder[64];
    char path[PATH_MAX];
    struct cf_store *store;
    struct cf_write_run_begin run;
    struct cf_error err;
};

static int64_t fixed_time(void *self)
{
    (void)self;
    return INT64_C(1790000000123);    /* 2026-09-21T13:33:20.123Z */
}

static const struct cf_clock fixed_clock = { fixed_time, fixed_time, NULL };

static inline struct cf_text text(const char *words)
{
    return cf_text_of(words);
}

static inline void fixture_open(struct fixture *f)
{
    struct cf_store_options options = { .busy_ms = 200, .clock = &fixed_clock };
    if (!cf_store_open(f->path, &options, &f->store, &f->err))
        fail_msg("%s", f->err.message);
}

static inline void must(struct fixture *f, struct cf_write *write)
{
    if (!cf_store_write(f->store, write, &f->err))
        fail_msg("%s", f->err.message);
}

static inline int fixture_make(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/confab-store-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/test.db", f->folder);
    fixture_open(f);
    f->run = (struct cf_write_run_begin){
        .write.apply = cf_write_run_begin, .name = "demo", .provider = "anthropic", .seed = 7,
        .script_hash = "aa", .source = "script",
    };
    must(f, &f->run.write);
    *state = f;
    return 0;
}

static inline int fixture_remove(void **state)
{
    struct fixture *f = *state;
    char command[256];
    cf_store_free(f->store);
    snprintf(command, sizeof command, "chmod -R u+rwX %s; rm -rf %s", f->folder, f->folder);
    int rc = system(command);
    free(f);
    return rc;
}

static inline struct cf_reader *fixture_reader(struct fixture *f)
{
    struct cf_reader *reader;
    if (!cf_reader_open(f->path, 200, &reader, &f->err))
        fail_msg("%s", f->err.message);
    return reader;
}

/* Takes the run over with a first or next pass; returns its number. */
static inline int64_t fixture_own(struct fixture *f)
{
    struct cf_write_run_own own = {
        .write.apply = cf_write_run_own, .begin = &f->run, .host = "here", .pid = 42
    };
    must(f, &own.write);
    return own.drawing;
}

static inline struct cf_item_draw fixture_draw(struct fixture *f, const char *key, int64_t ordinal,
                                               int64_t drawing)
{
    struct cf_item_draw draw = { .key = text(key),
                                 .ordinal = ordinal,
                                 .params = text("{\"topic\":\"x\"}") };
    struct cf_write_item_draw batch = { .write.apply = cf_write_item_draw, .run = f->run.run,
                                        .drawing = drawing, .items = &draw, .count = 1 };
    must(f, &batch.write);
    return draw;
}

static inline int64_t fixture_item(struct fixture *f, const char *key, int64_t ordinal)
{
    return fixture_draw(f, key, ordinal, 1).item;
}

static inline int64_t fixture_sent(struct fixture *f, int64_t item, int64_t bound_pico)
{
    struct cf_write_call_sent sent = {
        .write.apply = cf_write_call_sent,
        .run = f->run.run,
        .item = item,
        .branch = "",
        .model = "claude-x",
        .max_tokens = 100,
        .bound_pico = bound_pico,
        .request = text("{\"q\":1}"),
    };
    memset(sent.request_hash, 0xab, sizeof sent.request_hash);
    must(f, &sent.write);
    return sent.call;
}

static inline void fixture_reply(struct fixture *f, int64_t item, int64_t call, int64_t cost_pico)
{
    struct cf_write_call_reply reply = {
        .write.apply = cf_write_call_reply,
        .run = f->run.run,
        .item = item,
        .call = call,
        .reply = text("{\"content\":[]}"),
        .usage = CF_TOKEN_USAGE_NONE,
        .cost_pico = cost_pico,
        .model_answered = "claude-x-1",
        .stop_reason = "end_turn",
        .latency_ms = 12,
        .request_id = "req_1",
    };
    reply.usage.input = 10;
    reply.usage.output = 20;
    must(f, &reply.write);
}

static const struct cf_turn_row two_turns[] = {
    { { "user", 4 }, { "Hello?", 6 } },
    { { "assistant", 9 }, { "Hi, how can I help?", 19 } },
};

static inline struct cf_conversation_new fixture_conversation(int64_t part, const char *status,
                                                              double score)
{
    return (struct cf_conversation_new){
        .part = part,
        .status = status,
        .quality_score = score,
        .cost_pico = 5,
        .model = "claude-x-1",
        .persona = { "Ann", 3 },
        .tier = { "template", 8 },
        .turns = two_turns,
        .turn_count = 2,
    };
}

/* Ends an item with one conversation; returns the conversation's id. */
static inline int64_t fixture_finish(struct fixture *f, int64_t item, const char *status,
                                     double score)
{
    struct cf_conversation_new conversation = fixture_conversation(1, status, score);
    struct cf_write_item_finish finish = {
        .write.apply = cf_write_item_finish, .item = item, .state = CF_ITEM_DONE,
        .conversations = &conversation, .count = 1,
    };
    must(f, &finish.write);
    return conversation.conversation;
}

static inline void fixture_fail(struct fixture *f, int64_t item, const char *kind,
                                const char *message)
{
    struct cf_write_item_finish finish = {
        .write.apply = cf_write_item_finish,
        .item = item,
        .state = CF_ITEM_FAILED,
        .error_kind = kind,
        .error_message = message,
    };
    must(f, &finish.write);
}

/* The single value of a query as text, "" for NULL; read past the store, as sqlite3 would. */
static inline const char *fixture_sql(struct fixture *f, const char *sql)
{
    static char value[512];
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    value[0] = '\0';
    if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_text(stmt, 0) != NULL)
        snprintf(value, sizeof value, "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

static inline struct cf_run_account fixture_account(struct fixture *f)
{
    const struct cf_run_row *row;
    struct cf_reader *reader = fixture_reader(f);
    assert_int_equal(cf_reader_run(reader, f->run.run, &row, &f->err), 1);
    struct cf_run_account account = row->account;
    cf_reader_free(reader);
    assert_int_equal(account.planned, account.accepted + account.needs_revision + account.failed +
                                          account.pending + account.skipped);
    return account;
}
#endif
