#include "store/write_call.h"

#include <inttypes.h>

#include "confab/error.h"
#include "confab/money.h"
#include "store/tx.h"

#define CALL_MODEL_MAX 256

static bool no_such_call(int64_t call, struct cf_error *err)
{
    return cf_fail(err, CF_ERR_STORAGE, "there is no call %" PRId64, call);
}

/* --- sent --- */

static bool insert_call(struct cf_write_call_sent *sent, struct cf_store_tx *tx,
                        struct cf_error *err)
{
    struct cf_query call = cf_db_query(
        &tx->db,
        "INSERT INTO calls (item, branch, request_hash, ordinal, state, attempts, template, model,"
        " max_tokens, bound_pico, sent_at) VALUES (?, ?, ?, ?, 'sent', 1, ?, ?, ?, ?, ?)");
    cf_query_int(&call, sent->item);
    cf_query_str(&call, sent->branch == NULL ? "" : sent->branch);
    cf_query_blob(&call, sent->request_hash, sizeof sent->request_hash);
    cf_query_int(&call, sent->ordinal);
    cf_query_id(&call, sent->template);
    cf_query_str(&call, sent->model);
    cf_query_int(&call, sent->max_tokens);
    cf_query_count(&call, sent->bound_pico);
    cf_query_str(&call, tx->now);
    return cf_query_insert(&call, &sent->call, err);
}

static bool resend_call(struct cf_write_call_sent *sent, struct cf_store_tx *tx,
                        struct cf_error *err)
{
    struct cf_query call = cf_db_query(
        &tx->db,
        "UPDATE calls SET state = 'sent', attempts = attempts + 1, model = ?, max_tokens = ?,"
        " bound_pico = ?, sent_at = ? WHERE id = ?");
    cf_query_str(&call, sent->model);
    cf_query_int(&call, sent->max_tokens);
    cf_query_count(&call, sent->bound_pico);
    cf_query_str(&call, tx->now);
    cf_query_int(&call, sent->call);
    if (!cf_query_run(&call, err))
        return false;
    return sqlite3_changes(tx->db.handle) == 1 || no_such_call(sent->call, err);
}

bool cf_write_call_sent(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_call_sent *sent = (struct cf_write_call_sent *)write;
    CF_TX_KIND(tx, "call_sent");

    sent->room = CF_SCRIPT_HAS_ROOM;
    if (sent->budget != NULL &&
        !cf_script_budget_take(tx, sent->budget, sent->bound_pico, &sent->room, &sent->use, err))
        return false;
    if (sent->room != CF_SCRIPT_HAS_ROOM)
        return true;

    /* Applied again after its group failed, `call` holds the id of the row that was undone. */
    sent->is_first = sent->is_first || sent->call == 0;
    if (!(sent->is_first ? insert_call(sent, tx, err) : resend_call(sent, tx, err)))
        return false;

    if (sent->request.data != NULL) {
        struct cf_query request = cf_db_query(
            &tx->db, "INSERT INTO call_requests (call, body) VALUES (?, ?)"
                     " ON CONFLICT (call) DO UPDATE SET body = excluded.body");
        cf_query_int(&request, sent->call);
        cf_query_text(&request, sent->request);
        if (!cf_query_run(&request, err))
            return false;
    }

    if (sent->is_first)
        cf_tx_add_run(tx, sent->run, CF_TOTAL_CALLS, 1);
    cf_tx_add_run(tx, sent->run, CF_TOTAL_ATTEMPTS, 1);
    return true;
}

/* --- outcomes --- */

struct log_entry {
    int64_t run, item, call, attempt;
    const char *model;
    const char *status;
    int http_status;
    const char *error_kind, *error_message, *request_id;
    int64_t input_tokens, output_tokens, cost_pico, at_risk_pico, duration_ms;   /* -1: NULL */
};

/* What the row of a call says of it. */
struct call_facts {
    int64_t template;        /* 0: none */
    int64_t bound_pico;      /* -1: unknown */
    int64_t attempts;
    char    model[CALL_MODEL_MAX];    /* that answered, else that was asked */
};

/* Read before the row is changed: an UPDATE that RETURNs them builds a table for its answer, and
 * costs six times as much. */
static bool read_call(struct cf_store_tx *tx, int64_t call, struct call_facts *out,
                      struct cf_error *err)
{
    struct cf_query query =
        cf_db_query(&tx->db, "SELECT template, bound_pico, attempts,"
                             " coalesce(model_answered, model) FROM calls WHERE id = ?");
    cf_query_int(&query, call);
    int found = cf_query_next(&query, err);
    if (found < 0)
        return false;
    if (found == 0)
        return no_such_call(call, err);
    out->template = cf_column_int(&query, 0);
    out->bound_pico = cf_column_count(&query, 1);
    out->attempts = cf_column_int(&query, 2);
    cf_column_copy(&query, 3, out->model, sizeof out->model);
    cf_query_end(&query);
    return true;
}

/* A row for one attempt, the call's last. As an INSERT from a SELECT of the call it would be
 * taken for one of many rows, and SQLite would keep a journal for it alone. */
static bool insert_log(const struct log_entry *entry, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &tx->db,
        "INSERT INTO generation_logs (run, item, call, attempt, status, http_status, error_kind,"
        " error_message, model, input_tokens, output_tokens, cost_pico, at_risk_pico, duration_ms,"
        " request_id, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    cf_query_int(&query, entry->run);
    cf_query_int(&query, entry->item);
    cf_query_int(&query, entry->call);
    cf_query_int(&query, entry->attempt);
    cf_query_str(&query, entry->status);
    cf_query_id(&query, entry->http_status);
    cf_query_str(&query, entry->error_kind);
    cf_query_str(&query, entry->error_message);
    cf_query_str(&query, entry->model);
    cf_query_count(&query, entry->input_tokens);
    cf_query_count(&query, entry->output_tokens);
    cf_query_count(&query, entry->cost_pico);
    cf_query_count(&query, entry->at_risk_pico);
    cf_query_count(&query, entry->duration_ms);
    cf_query_str(&query, entry->request_id);
    cf_query_str(&query, tx->now);
    return cf_query_run(&query, err);
}

bool cf_write_call_failed(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_call_failed *failed = (struct cf_write_call_failed *)write;
    struct call_facts facts;
    CF_TX_KIND(tx, "call_failed");

    if (!read_call(tx, failed->call, &facts, err))
        return false;
    struct cf_query call = cf_db_query(
        &tx->db,
        "UPDATE calls SET state = ?1,"
        " at_risk_pico = at_risk_pico + iif(?2, coalesce(bound_pico, 0), 0) WHERE id = ?3");
    cf_query_str(&call, failed->will_retry      ? "waiting"
                        : failed->may_be_billed ? "unknown"
                                                : "failed");
    cf_query_int(&call, failed->may_be_billed);
    cf_query_int(&call, failed->call);
    if (!cf_query_run(&call, err))
        return false;

    cf_tx_add_run(tx, failed->run, CF_TOTAL_FAILURES, 1);
    if (failed->may_be_billed && facts.bound_pico > 0)
        cf_tx_add_run(tx, failed->run, CF_TOTAL_AT_RISK, facts.bound_pico);

    return insert_log(
        &(struct log_entry){
            .run = failed->run,
            .item = failed->item,
            .call = failed->call,
            .attempt = facts.attempts,
            .model = facts.model,
            .status = failed->will_retry ? "retry" : failed->may_be_billed ? "unknown" : "failure",
            .http_status = failed->http_status,
            .error_kind = failed->error_kind,
            .error_message = failed->error_message,
            .request_id = failed->request_id,
            .input_tokens = failed->usage.input,
            .output_tokens = failed->usage.output,
            .cost_pico = -1,
            .at_risk_pico = failed->may_be_billed ? facts.bound_pico : -1,
            .duration_ms = failed->duration_ms,
        },
        tx, err);
}

static void add_tokens(struct cf_store_tx *tx, int64_t run, enum cf_run_total total, int64_t tokens)
{
    if (tokens > 0)
        cf_tx_add_run(tx, run, total, tokens);
}

static void add_reply_totals(const struct cf_write_call_reply *reply, int64_t template,
                             struct cf_store_tx *tx)
{
    const struct cf_token_usage *usage = &reply->usage;

    cf_tx_add_run(tx, reply->run, CF_TOTAL_REPLIES, 1);
    if (reply->cost_pico == CF_COST_UNKNOWN)
        cf_tx_add_run(tx, reply->run, CF_TOTAL_UNKNOWN_COST, 1);
    else
        cf_tx_add_run(tx, reply->run, CF_TOTAL_SPENT, reply->cost_pico);
    add_tokens(tx, reply->run, CF_TOTAL_INPUT, usage->input);
    add_tokens(tx, reply->run, CF_TOTAL_OUTPUT, usage->output);
    add_tokens(tx, reply->run, CF_TOTAL_WRITE_5M, usage->cache_write_5m);
    add_tokens(tx, reply->run, CF_TOTAL_WRITE_1H, usage->cache_write_1h);
    add_tokens(tx, reply->run, CF_TOTAL_READ, usage->cache_read);
    add_tokens(tx, reply->run, CF_TOTAL_THINKING, usage->thinking);

    cf_tx_add_template(tx, template, CF_TEMPLATE_USAGE, 1);
    if (usage->output >= 0) {
        cf_tx_add_template(tx, template, CF_TEMPLATE_CALLS, 1);
        cf_tx_add_template(tx, template, CF_TEMPLATE_TOKENS, usage->output);
        cf_tx_add_template(tx, template, CF_TEMPLATE_TOKENS_MAX, usage->output);
    }
}

bool cf_write_call_reply(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_call_reply *reply = (struct cf_write_call_reply *)write;
    bool is_cost_unknown = reply->cost_pico == CF_COST_UNKNOWN;    /* its bound stands for it */
    struct call_facts facts;
    CF_TX_KIND(tx, "call_reply");

    if (!read_call(tx, reply->call, &facts, err))
        return false;
    struct cf_query call = cf_db_query(
        &tx->db,
        "UPDATE calls SET state = 'done', model_answered = ?, stop_reason = ?, service_tier = ?,"
        " input_tokens = ?, output_tokens = ?, cache_write_5m_tokens = ?, cache_write_1h_tokens = "
        "?,"
        " cache_read_tokens = ?, thinking_tokens = ?, cost_pico = ?, latency_ms = ?, request_id = "
        "?,"
        " done_at = ?, at_risk_pico = at_risk_pico + iif(?, coalesce(bound_pico, 0), 0)"
        " WHERE id = ?");
    cf_query_str(&call, reply->model_answered);
    cf_query_str(&call, reply->stop_reason);
    cf_query_str(&call, reply->usage.service_tier);
    cf_query_count(&call, reply->usage.input);
    cf_query_count(&call, reply->usage.output);
    cf_query_count(&call, reply->usage.cache_write_5m);
    cf_query_count(&call, reply->usage.cache_write_1h);
    cf_query_count(&call, reply->usage.cache_read);
    cf_query_count(&call, reply->usage.thinking);
    cf_query_count(&call, reply->cost_pico);
    cf_query_count(&call, reply->latency_ms);
    cf_query_str(&call, reply->request_id);
    cf_query_str(&call, tx->now);
    cf_query_int(&call, is_cost_unknown);
    cf_query_int(&call, reply->call);
    if (!cf_query_run(&call, err))
        return false;

    struct cf_query body = cf_db_query(
        &tx->db, "INSERT INTO call_replies (call, body) VALUES (?, ?)"
                 " ON CONFLICT (call) DO UPDATE SET body = excluded.body");
    cf_query_int(&body, reply->call);
    cf_query_text(&body, reply->reply);
    if (!cf_query_run(&body, err))
        return false;

    add_reply_totals(reply, facts.template, tx);
    if (is_cost_unknown && facts.bound_pico > 0)
        cf_tx_add_run(tx, reply->run, CF_TOTAL_AT_RISK, facts.bound_pico);
    bool is_logged = insert_log(
        &(struct log_entry){
            .run = reply->run,
            .item = reply->item,
            .call = reply->call,
            .attempt = facts.attempts,
            .model = reply->model_answered != NULL ? reply->model_answered : facts.model,
            .status = "success",
            .http_status = 200,
            .request_id = reply->request_id,
            .input_tokens = reply->usage.input,
            .output_tokens = reply->usage.output,
            .cost_pico = reply->cost_pico,
            .at_risk_pico = is_cost_unknown ? facts.bound_pico : -1,
            .duration_ms = reply->latency_ms,
        },
        tx, err);
    return is_logged &&
           (reply->finish == NULL || cf_write_item_finish(&reply->finish->write, tx, err));
}

bool cf_write_call_rejected(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_call_rejected *rejected = (struct cf_write_call_rejected *)write;
    struct call_facts facts;
    CF_TX_KIND(tx, "call_rejected");

    struct cf_query told = cf_db_query(
        &tx->db, "SELECT 1 FROM generation_logs WHERE call = ? AND status = 'rejected'");
    cf_query_int(&told, rejected->call);
    int found = cf_query_next(&told, err);
    if (found != 0) {
        cf_query_end(&told);
        return found > 0;
    }
    if (!read_call(tx, rejected->call, &facts, err))
        return false;

    return insert_log(
        &(struct log_entry){
            .run = rejected->run,
            .item = rejected->item,
            .call = rejected->call,
            .attempt = facts.attempts,
            .model = facts.model,
            .status = "rejected",
            .error_kind = rejected->error_kind,
            .error_message = rejected->error_message,
            .input_tokens = -1,
            .output_tokens = -1,
            .cost_pico = -1,
            .at_risk_pico = -1,
            .duration_ms = -1,
        },
        tx, err);
}

bool cf_write_call_set_aside(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_call_set_aside *aside = (struct cf_write_call_set_aside *)write;
    CF_TX_KIND(tx, "call_set_aside");

    struct cf_query query =
        cf_db_query(&tx->db, "UPDATE calls SET set_aside = ?2 WHERE id IN ("
                             " SELECT (SELECT max(c.id) FROM calls c INDEXED BY calls_item"
                             "  WHERE c.item = i.id AND c.state = 'done' AND NOT c.set_aside)"
                             " FROM items i INDEXED BY items_failed WHERE i.run = ?1 AND i.state = "
                             "'failed' AND NOT i.orphan"
                             " AND i.error_kind IN " CF_KINDS_ON_CONTENT ")");
    cf_query_int(&query, aside->run);
    cf_query_int(&query, aside->drawing);
    if (!cf_query_run(&query, err))
        return false;
    aside->calls = sqlite3_changes(tx->db.handle);
    return true;
}
