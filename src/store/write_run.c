#include "store/write_run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "confab/money.h"
#include "store/tx.h"

static bool same_text(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

/* 1: found, the results are filled; 0: none; -1. */
static int find_run(struct cf_write_run_begin *begin, struct cf_db *db, struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        db, "SELECT id, uuid, generation, seed, script_hash FROM runs"
            " WHERE name = ? AND provider = ? AND simulated = ? ORDER BY generation DESC LIMIT 1");
    cf_query_str(&query, begin->name);
    cf_query_str(&query, begin->provider);
    cf_query_int(&query, begin->simulated);
    int found = cf_query_next(&query, err);
    if (found <= 0)
        return found;

    begin->run = cf_column_int(&query, 0);
    cf_column_copy(&query, 1, begin->uuid, sizeof begin->uuid);
    begin->generation = cf_column_int(&query, 2);
    begin->run_seed = (uint64_t)cf_column_int(&query, 3);
    begin->script_changed = !same_text(cf_column_str(&query, 4), begin->script_hash);
    cf_query_end(&query);
    return 1;
}

bool cf_write_run_begin(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_run_begin *begin = (struct cf_write_run_begin *)write;
    CF_TX_KIND(tx, "run_begin");

    begin->generation = 0;
    int found = find_run(begin, &tx->db, err);
    if (found < 0)
        return false;
    begin->continued = found == 1 && !begin->fresh;
    if (begin->continued)
        return true;

    begin->generation++;
    begin->run_seed = begin->seed;
    begin->script_changed = false;
    cf_uuid_new(tx->unix_ms, begin->uuid);

    struct cf_query query = cf_db_query(
        &tx->db,
        "INSERT INTO runs (uuid, name, provider, simulated, generation, state, source, script,"
        " script_text, script_hash, args, options, seed, model, base_url, created_at)"
        " VALUES (?, ?, ?, ?, ?, 'new', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    cf_query_str(&query, begin->uuid);
    cf_query_str(&query, begin->name);
    cf_query_str(&query, begin->provider);
    cf_query_int(&query, begin->simulated);
    cf_query_int(&query, begin->generation);
    cf_query_str(&query, begin->source);
    cf_query_str(&query, begin->script);
    cf_query_words(&query, begin->script_text);
    cf_query_str(&query, begin->script_hash);
    cf_query_words(&query, begin->args);
    cf_query_words(&query, begin->options);
    cf_query_int(&query, (int64_t)begin->seed);
    cf_query_str(&query, begin->model);
    cf_query_str(&query, begin->base_url);
    cf_query_str(&query, tx->now);
    return cf_query_insert(&query, &begin->run, err);
}

/* Calls of the run that a dead owner left in flight: how many, and what they may have cost. */
static bool count_left_behind(struct cf_write_run_own *own, struct cf_store_tx *tx,
                              struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &tx->db, "SELECT count(*), coalesce(sum(c.bound_pico), 0)"
                 " FROM calls c INDEXED BY calls_in_flight CROSS JOIN items i ON i.id = c.item"
                 " WHERE c.state = 'sent' AND i.run = ?");
    cf_query_int(&query, own->begin->run);
    int found = cf_query_next(&query, err);
    if (found <= 0)
        return false;
    own->unknown_calls = cf_column_int(&query, 0);
    own->unknown_pico = cf_column_int(&query, 1);
    cf_query_end(&query);
    return true;
}

static bool book_left_behind(struct cf_write_run_own *own, struct cf_store_tx *tx,
                             struct cf_error *err)
{
    struct cf_query log = cf_db_query(
        &tx->db,
        "INSERT INTO generation_logs (run, item, call, attempt, status, error_kind, error_message,"
        " model, at_risk_pico, created_at)"
        " SELECT ?1, i.id, c.id, c.attempts, 'unknown', 'api_error',"
        "  'the process ended while this call was in flight; it may have been billed',"
        "  c.model, c.bound_pico, ?2"
        " FROM calls c INDEXED BY calls_in_flight CROSS JOIN items i ON i.id = c.item"
        " WHERE c.state = 'sent' AND i.run = ?1 ORDER BY c.id");
    cf_query_int(&log, own->begin->run);
    cf_query_str(&log, tx->now);
    if (!cf_query_run(&log, err))
        return false;

    struct cf_query calls = cf_db_query(
        &tx->db, "UPDATE calls INDEXED BY calls_in_flight"
                 " SET state = 'unknown', at_risk_pico = at_risk_pico + coalesce(bound_pico, 0)"
                 " WHERE state = 'sent' AND (SELECT run FROM items WHERE id = calls.item) = ?");
    cf_query_int(&calls, own->begin->run);
    if (!cf_query_run(&calls, err))
        return false;

    cf_tx_add_run(tx, own->begin->run, CF_TOTAL_AT_RISK, own->unknown_pico);
    cf_tx_add_run(tx, own->begin->run, CF_TOTAL_FAILURES, own->unknown_calls);
    return true;
}

/* What was asked of an owner that is gone is not for the next one. */
static bool drop_controls(int64_t run, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &tx->db, "UPDATE run_control SET handled_at = ? WHERE run = ? AND handled_at IS NULL");
    cf_query_str(&query, tx->now);
    cf_query_int(&query, run);
    return cf_query_run(&query, err);
}

bool cf_write_run_own(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_run_own *own = (struct cf_write_run_own *)write;
    const struct cf_write_run_begin *begin = own->begin;
    CF_TX_KIND(tx, "run_own");

    if (!count_left_behind(own, tx, err))
        return false;
    if (own->unknown_calls > 0 && !book_left_behind(own, tx, err))
        return false;
    if (!drop_controls(begin->run, tx, err))
        return false;

    struct cf_query query = cf_db_query(
        &tx->db,
        "UPDATE runs SET state = 'running', state_reason = NULL, source = coalesce(?, source),"
        " script = coalesce(?, script), script_text = coalesce(?, script_text),"
        " script_hash = coalesce(?, script_hash), args = coalesce(?, args),"
        " options = coalesce(?, options), model = coalesce(?, model),"
        " base_url = coalesce(?, base_url), owner_host = ?, owner_pid = ?, owner_started_at = ?,"
        " started_at = coalesce(started_at, ?), finished_at = NULL, drawing = drawing + 1"
        " WHERE id = ? RETURNING drawing");
    cf_query_str(&query, begin->source);
    cf_query_str(&query, begin->script);
    cf_query_words(&query, begin->script_text);
    cf_query_str(&query, begin->script_hash);
    cf_query_words(&query, begin->args);
    cf_query_words(&query, begin->options);
    cf_query_str(&query, begin->model);
    cf_query_str(&query, begin->base_url);
    cf_query_str(&query, own->host);
    cf_query_int(&query, own->pid);
    cf_query_str(&query, tx->now);
    cf_query_str(&query, tx->now);
    cf_query_int(&query, begin->run);
    int found = cf_query_next(&query, err);
    if (found < 0)
        return false;
    if (found == 0)
        return cf_fail(err, CF_ERR_CONFIG, "there is no run %" PRId64, begin->run);
    own->drawing = cf_column_int(&query, 0);
    cf_query_end(&query);
    return true;
}

bool cf_write_run_update(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_run_update *update = (struct cf_write_run_update *)write;
    CF_TX_KIND(tx, "run_update");

    struct cf_query query = cf_db_query(
        &tx->db, "UPDATE runs SET state = coalesce(?1, state),"
                 " state_reason = CASE WHEN ?1 IS NULL THEN coalesce(?2, state_reason) ELSE ?2 END,"
                 " options = coalesce(?3, options), planned = coalesce(?4, planned),"
                 " budget_pico = coalesce(?5, budget_pico),"
                 " finished_at = CASE ?6 WHEN 0 THEN finished_at ELSE ?7 END,"
                 " owner_host = CASE ?6 WHEN 0 THEN owner_host END,"
                 " owner_pid = CASE ?6 WHEN 0 THEN owner_pid END,"
                 " owner_started_at = CASE ?6 WHEN 0 THEN owner_started_at END"
                 " WHERE id = ?8");
    cf_query_str(&query, update->state);
    cf_query_words(&query, update->state_reason);
    cf_query_words(&query, update->options);
    cf_query_count(&query, update->planned);
    cf_query_count(&query, update->budget_pico);
    cf_query_int(&query, update->finished);
    cf_query_str(&query, tx->now);
    cf_query_int(&query, update->run);
    return cf_query_run(&query, err);
}

/* Every field with its length before it, so that no two texts run into each other. */
static void hash_template(const struct cf_write_template *template,
                          char out_hex[2 * CF_SHA256_SIZE + 1])
{
    struct cf_text parts[] = { cf_text_of(template->tier), template->system, template->prompt,
                               cf_text_of(template->settings) };
    struct cf_buf buf = { .max = SIZE_MAX };
    uint8_t digest[CF_SHA256_SIZE];

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].data == NULL) {
            cf_buf_addc(&buf, '-');
            continue;
        }
        cf_buf_addf(&buf, "%zu:", parts[i].len);
        cf_buf_add(&buf, parts[i].data, parts[i].len);
    }
    cf_sha256(cf_buf_str(&buf), buf.len, digest);
    cf_hex(digest, sizeof digest, out_hex);
    cf_buf_done(&buf);
}

bool cf_write_template(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_template *template = (struct cf_write_template *)write;
    char hash[2 * CF_SHA256_SIZE + 1];
    CF_TX_KIND(tx, "template");

    hash_template(template, hash);
    struct cf_query find = cf_db_query(
        &tx->db, "SELECT id, version, uuid FROM templates WHERE name = ? AND content_hash = ?");
    cf_query_str(&find, template->name);
    cf_query_str(&find, hash);
    int found = cf_query_next(&find, err);
    if (found < 0)
        return false;
    template->is_new = found == 0;
    if (found == 1) {
        template->template = cf_column_int(&find, 0);
        template->version = cf_column_int(&find, 1);
        cf_column_copy(&find, 2, template->uuid, sizeof template->uuid);
        cf_query_end(&find);
        return true;
    }

    struct cf_query last =
        cf_db_query(&tx->db, "SELECT coalesce(max(version), 0) FROM templates WHERE name = ?");
    cf_query_str(&last, template->name);
    if (cf_query_next(&last, err) < 0)
        return false;
    template->version = cf_column_int(&last, 0) + 1;
    cf_query_end(&last);

    cf_uuid_new(tx->unix_ms, template->uuid);
    struct cf_query insert = cf_db_query(
        &tx->db,
        "INSERT INTO templates (uuid, name, version, tier, system, prompt, settings, content_hash,"
        " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    cf_query_str(&insert, template->uuid);
    cf_query_str(&insert, template->name);
    cf_query_int(&insert, template->version);
    cf_query_str(&insert, template->tier);
    cf_query_text(&insert, template->system);
    cf_query_text(&insert, template->prompt);
    cf_query_str(&insert, template->settings);
    cf_query_str(&insert, hash);
    cf_query_str(&insert, tx->now);
    return cf_query_insert(&insert, &template->template, err);
}

bool cf_write_lane(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_lane *lane = (struct cf_write_lane *)write;
    CF_TX_KIND(tx, "lane");

    struct cf_query query = cf_db_query(
        &tx->db,
        "INSERT INTO lanes (base_url, organisation, limit_class, max_requests, max_input_tokens,"
        " max_output_tokens, window_ms, source, learnt_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (base_url, organisation, limit_class) DO UPDATE SET"
        " max_requests = excluded.max_requests, max_input_tokens = excluded.max_input_tokens,"
        " max_output_tokens = excluded.max_output_tokens, window_ms = excluded.window_ms,"
        " source = excluded.source, learnt_at = excluded.learnt_at");
    cf_query_str(&query, lane->base_url);
    cf_query_str(&query, lane->organisation == NULL ? "" : lane->organisation);
    cf_query_str(&query, lane->limit_class);
    cf_query_count(&query, lane->max_requests);
    cf_query_count(&query, lane->max_input_tokens);
    cf_query_count(&query, lane->max_output_tokens);
    cf_query_count(&query, lane->window_ms);
    cf_query_str(&query, lane->source);
    cf_query_str(&query, tx->now);
    return cf_query_run(&query, err);
}

bool cf_write_control(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_control *control = (struct cf_write_control *)write;
    CF_TX_KIND(tx, "control");

    if (control->handled != 0) {
        struct cf_query update =
            cf_db_query(&tx->db, "UPDATE run_control SET handled_at = ? WHERE id = ?");
        cf_query_str(&update, tx->now);
        cf_query_int(&update, control->handled);
        control->control = control->handled;
        return cf_query_run(&update, err);
    }
    struct cf_query insert = cf_db_query(
        &tx->db,
        "INSERT INTO run_control (run, command, arguments, created_at) VALUES (?, ?, ?, ?)");
    cf_query_int(&insert, control->run);
    cf_query_str(&insert, control->command);
    cf_query_str(&insert, control->arguments);
    cf_query_str(&insert, tx->now);
    return cf_query_insert(&insert, &control->control, err);
}
