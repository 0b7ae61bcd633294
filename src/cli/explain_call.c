/* Why a call was made, and what came of each of its attempts. */
#include "cli/explain.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "cli/database.h"
#include "base/object.h"
#include "cli/attempt.h"
#include "cli/print.h"
#include "cli/show.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "provider/anthropic.h"
#include "provider/request_diff.h"
#include "store/reader.h"

#define BODY_MAX       (128u << 20)
#define CANDIDATES_MAX 64 /* earlier calls that are compared */

/* The earlier call that this one was made after, or in place of. */
struct earlier {
    int64_t call;    /* 0: none */
    const char *why; /* static */
    char changed[CF_REQUEST_DIFF_MAX];
};

/* --- the same request, asked before --- */

static const char same_sql[] =
    "SELECT e.id, CASE WHEN e.set_aside THEN 'set aside'"
    "  WHEN e.stop_reason = 'max_tokens' AND e.max_tokens < c.max_tokens THEN 'cut off'"
    "  WHEN EXISTS (SELECT 1 FROM generation_logs l WHERE l.call = e.id AND l.status = 'rejected')"
    "   THEN 'rejected' ELSE 'again' END"
    " FROM calls c JOIN calls e ON e.item = c.item AND e.branch = c.branch"
    "  AND e.request_hash = c.request_hash AND e.ordinal = c.ordinal - 1 WHERE c.id = ?1";

static bool find_same(struct cf_reader *reader, int64_t call, struct earlier *out,
                      struct cf_error *err)
{
    static const struct {
        const char *name, *why;
    } reasons[] = {
        { "set aside", "its reply was set aside" },
        { "cut off", "its reply was cut off" },
        { "rejected", "its reply did not serve" },
        { "again", "the same was asked once more" },
    };
    sqlite3_stmt *row;
    if (!cf_database_query(reader, same_sql, call, &row, err))
        return false;
    int next = cf_database_step(row, err);
    if (next > 0) {
        const char *name = (const char *)sqlite3_column_text(row, 1);
        out->call = sqlite3_column_int64(row, 0);
        for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
            if (strcmp(name, reasons[i].name) == 0)
                out->why = reasons[i].why;
        if (strcmp(name, "cut off") == 0)
            snprintf(out->changed, sizeof out->changed, "max_tokens");
    }
    sqlite3_finalize(row);
    return next >= 0;
}

/* --- a reply that was sent back --- */

static const char rejected_sql[] =
    "SELECT e.id FROM calls c JOIN calls e INDEXED BY calls_item ON e.item = c.item"
    "  AND e.branch = c.branch AND e.template IS c.template AND e.id < c.id"
    " WHERE c.id = ?1 AND EXISTS (SELECT 1 FROM generation_logs l"
    "  WHERE l.call = e.id AND l.status = 'rejected') ORDER BY e.id DESC LIMIT ?2";

/* 1: the request of body sends the reply of the candidate back; 0: no; -1: failed. */
static int sends_back(struct cf_reader *reader, int64_t candidate, const struct cf_buf *body,
                      struct cf_error *err)
{
    struct cf_buf before, raw;
    struct cf_reply reply = { 0 };
    cf_buf_init(&before, BODY_MAX);
    cf_buf_init(&raw, BODY_MAX);
    int found = cf_reader_request(reader, candidate, &before, err);
    if (found > 0)
        found = cf_reader_reply(reader, candidate, &raw, err);
    if (found > 0 && cf_anthropic_decode(cf_buf_str(&raw), raw.len, &reply, NULL)) {
        struct cf_text text = { reply.text, reply.text_len };
        if (reply.tool_input != NULL)
            text = (struct cf_text){ reply.tool_input, reply.tool_input_len };
        found = cf_request_sends_back((struct cf_text){ cf_buf_str(&before), before.len }, text,
                                      (struct cf_text){ cf_buf_str(body), body->len });
    } else if (found > 0) {
        found = 0;
    }
    cf_reply_done(&reply);
    cf_buf_done(&before);
    cf_buf_done(&raw);
    return found;
}

static bool find_sent_back(struct cf_reader *reader, int64_t call, struct earlier *out,
                           struct cf_error *err)
{
    sqlite3_stmt *row;
    struct cf_buf body;
    int next = -1;
    cf_buf_init(&body, BODY_MAX);
    if (cf_reader_request(reader, call, &body, err) < 0 ||
        !cf_database_query(reader, rejected_sql, call, &row, err))
        goto done;
    sqlite3_bind_int(row, 2, CANDIDATES_MAX);
    while (out->call == 0 && (next = cf_database_step(row, err)) > 0) {
        int64_t candidate = sqlite3_column_int64(row, 0);
        int sent = sends_back(reader, candidate, &body, err);
        if (sent < 0) {
            next = -1;
            break;
        }
        if (sent > 0) {
            out->call = candidate;
            out->why = "its reply was sent back with what was wrong";
        }
    }
    sqlite3_finalize(row);
done:
    cf_buf_done(&body);
    return next >= 0;
}

/* --- another request, in its place --- */

/* The journal does not say which call another one took the place of. It is looked for among the
 * earlier calls of the item and branch that were made with the same template (or both without
 * one):
 *  - of a conversation: those of the earlier versions of the same part;
 *  - of no conversation: those of no conversation, from before an earlier version was finished;
 *  - in both cases those of no conversation whose reply did not serve, or did not come. */
static const char changed_sql[] =
    "WITH used AS (SELECT t.call, v.part, v.version FROM conversations v"
    "  JOIN turn_calls t ON t.conversation = v.id"
    "  WHERE v.item = (SELECT item FROM calls WHERE id = ?1)),"
    " this AS (SELECT c.id, c.item, c.branch, c.request_hash, t.name AS template,"
    "  (SELECT part FROM used WHERE call = c.id ORDER BY version LIMIT 1) AS part,"
    "  (SELECT min(version) FROM used WHERE call = c.id) AS version,"
    "  coalesce((SELECT min(version) FROM used WHERE call > c.id),"
    "   (SELECT max(version) + 1 FROM used), 1) AS pass"
    "  FROM calls c LEFT JOIN templates t ON t.id = c.template WHERE c.id = ?1)"
    " SELECT e.id FROM this JOIN calls e INDEXED BY calls_item ON e.item = this.item"
    " LEFT JOIN templates t ON t.id = e.template"
    " WHERE e.branch = this.branch AND e.id < this.id AND e.request_hash <> this.request_hash"
    "  AND t.name IS this.template"
    "  AND CASE WHEN e.id IN (SELECT call FROM used)"
    "   THEN EXISTS (SELECT 1 FROM used WHERE call = e.id AND part = this.part AND version < "
    "this.version)"
    "   ELSE (this.part IS NULL AND e.id <= (SELECT max(call) FROM used WHERE version < this.pass))"
    "    OR EXISTS (SELECT 1 FROM generation_logs l WHERE l.call = e.id"
    "     AND l.status IN ('rejected', 'failure', 'unknown')) END"
    " ORDER BY e.id DESC LIMIT ?2";

static size_t common_prefix(const struct cf_buf *a, const struct cf_buf *b)
{
    size_t len = 0;
    while (len < a->len && len < b->len && a->data[len] == b->data[len])
        len++;
    return len;
}

static size_t count_fields(const char *diff)
{
    size_t count = diff[0] != '\0';
    for (; *diff != '\0'; diff++)
        count += *diff == ',';
    return count;
}

/* Takes the candidate with the fewest changed fields, then the longest common beginning. */
static bool compare_with(struct cf_reader *reader, int64_t candidate, const struct cf_buf *body,
                         size_t *best_fields, size_t *best_prefix, struct earlier *out,
                         struct cf_error *err)
{
    struct cf_buf before;
    char changed[CF_REQUEST_DIFF_MAX];
    cf_buf_init(&before, BODY_MAX);
    int found = cf_reader_request(reader, candidate, &before, err);
    if (found > 0) {
        cf_request_diff((struct cf_text){ cf_buf_str(&before), before.len },
                        (struct cf_text){ cf_buf_str(body), body->len }, changed);
        size_t fields = count_fields(changed), prefix = common_prefix(&before, body);
        if (out->call == 0 || fields < *best_fields ||
            (fields == *best_fields && prefix > *best_prefix)) {
            *best_fields = fields;
            *best_prefix = prefix;
            out->call = candidate;
            out->why = "it takes the place of that one";
            memcpy(out->changed, changed, sizeof changed);
        }
    }
    cf_buf_done(&before);
    return found >= 0;
}

static bool find_changed(struct cf_reader *reader, int64_t call, struct earlier *out,
                         struct cf_error *err)
{
    sqlite3_stmt *row;
    struct cf_buf body;
    size_t fields = 0, prefix = 0;
    int next = -1;
    cf_buf_init(&body, BODY_MAX);
    if (cf_reader_request(reader, call, &body, err) < 0 ||
        !cf_database_query(reader, changed_sql, call, &row, err))
        goto done;
    sqlite3_bind_int(row, 2, CANDIDATES_MAX);
    while ((next = cf_database_step(row, err)) > 0) {
        if (!compare_with(reader, sqlite3_column_int64(row, 0), &body, &fields, &prefix, out,
                          err)) {
            next = -1;
            break;
        }
    }
    sqlite3_finalize(row);
done:
    cf_buf_done(&body);
    return next == 0;
}

static bool show_earlier(struct cf_reader *reader, int64_t call, struct cf_buf *json,
                         struct cf_error *err)
{
    struct earlier earlier = { 0 };
    if (!find_same(reader, call, &earlier, err) ||
        (earlier.call == 0 && !find_sent_back(reader, call, &earlier, err)) ||
        (earlier.call == 0 && !find_changed(reader, call, &earlier, err)))
        return false;
    const char *changed = earlier.changed[0] != '\0' ? earlier.changed : NULL;
    if (json != NULL) {
        cf_object_open(json, "earlier");
        cf_object_count(json, "call", earlier.call > 0 ? earlier.call : -1);
        cf_object_str(json, "why", earlier.why);
        cf_object_str(json, "changed", changed);
        cf_object_close(json);
    } else if (earlier.call > 0) {
        cf_printf("  %-12s call:%lld: %s", "after", (long long)earlier.call, earlier.why);
        if (changed != NULL)
            cf_printf("; changed: %s", changed);
        cf_printf("\n");
    }
    return true;
}

/* --- attempts --- */

static void print_attempt(const struct cf_log_row *row)
{
    char when[CF_NUMBER_TEXT_MAX], took[CF_NUMBER_TEXT_MAX];
    cf_printf("  attempt %-4lld %s  %-8s  %s", (long long)row->attempt,
              cf_format_time(row->created_at, when), row->status,
              cf_format_duration(row->duration_ms, took));
    cf_attempt_print_end(row);
}

static bool show_attempts(struct cf_reader *reader, int64_t call, struct cf_buf *json,
                          struct cf_error *err)
{
    struct cf_log_filter filter = { .call = call };
    struct cf_log_cursor *cursor;
    const struct cf_log_row *row;
    int next;
    if (!cf_logs_open(reader, &filter, &cursor, err))
        return false;
    if (json != NULL)
        cf_object_open_list(json, "attempts");
    while ((next = cf_logs_next(cursor, &row, err)) > 0) {
        if (json == NULL) {
            print_attempt(row);
            continue;
        }
        cf_object_open(json, NULL);
        cf_attempt_add(json, row);
        cf_object_close(json);
    }
    if (json != NULL)
        cf_object_close_list(json);
    cf_logs_free(cursor);
    return next == 0;
}

bool cf_explain_call_more(struct cf_reader *reader, int64_t call, struct cf_buf *json,
                          struct cf_error *err)
{
    return show_earlier(reader, call, json, err) && show_attempts(reader, call, json, err);
}
