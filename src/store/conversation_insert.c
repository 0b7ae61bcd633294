#include "store/conversation_insert.h"

#include <string.h>

#include "confab/error.h"

bool cf_status_is_accepted(const char *status)
{
    return strcmp(status, "generated") == 0 || strcmp(status, "approved") == 0;
}

bool cf_run_is_simulated(struct cf_store_tx *tx, int64_t run, bool *out_simulated,
                         struct cf_error *err)
{
    if (tx->simulated.run != run) {
        struct cf_query query = cf_db_query(&tx->db, "SELECT simulated FROM runs WHERE id = ?");
        cf_query_int(&query, run);
        if (cf_query_next(&query, err) < 0)
            return false;
        tx->simulated.is_so = cf_column_int(&query, 0) != 0;
        tx->simulated.run = run;
        cf_query_end(&query);
    }
    *out_simulated = tx->simulated.is_so;
    return true;
}

bool cf_tag_set(struct cf_store_tx *tx, int64_t conversation, const struct cf_tag_row *tag,
                struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &tx->db, "INSERT INTO tags (conversation, name, value) VALUES (?, ?, ?)"
                 " ON CONFLICT (conversation, name) DO UPDATE SET value = excluded.value");
    cf_query_int(&query, conversation);
    cf_query_str(&query, tag->name);
    if (tag->is_number)
        cf_query_real(&query, tag->number);
    else
        cf_query_text(&query, tag->text);
    return cf_query_run(&query, err);
}

static bool count_version(struct cf_store_tx *tx, int64_t item,
                          struct cf_conversation_new *conversation, struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &tx->db, "SELECT coalesce(max(version), 0) FROM conversations WHERE item = ? AND part = ?");
    cf_query_int(&query, item);
    cf_query_int(&query, conversation->part);
    if (cf_query_next(&query, err) < 0)
        return false;
    conversation->version = cf_column_int(&query, 0) + 1;
    cf_query_end(&query);
    return true;
}

static bool insert_row(struct cf_store_tx *tx, const struct cf_conversation_place *place,
                       struct cf_conversation_new *conversation, struct cf_error *err)
{
    conversation->version = 1;
    if (place->has_earlier && !count_version(tx, place->item, conversation, err))
        return false;

    cf_uuid_new(tx->unix_ms, conversation->uuid);
    struct cf_query query = cf_db_query(
        &tx->db,
        "INSERT INTO conversations (uuid, item, part, version, branch_of, branch_turn, template,"
        " persona, emotion, topic, tier, parameters, status, quality_score, quality_breakdown,"
        " turn_count, cost_pico, model, document_id, chunk_id, truncated, simulated, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    cf_query_str(&query, conversation->uuid);
    cf_query_int(&query, place->item);
    cf_query_int(&query, conversation->part);
    cf_query_int(&query, conversation->version);
    cf_query_id(&query, conversation->branch_of);
    cf_query_count(&query, conversation->branch_of == 0 ? -1 : conversation->branch_turn);
    cf_query_id(&query, conversation->template);
    cf_query_text(&query, conversation->persona);
    cf_query_text(&query, conversation->emotion);
    cf_query_text(&query, conversation->topic);
    cf_query_text(&query, conversation->tier);
    cf_query_text(&query, conversation->parameters);
    cf_query_str(&query, conversation->status);
    cf_query_real(&query, conversation->quality_score);
    cf_query_text(&query, conversation->quality_breakdown);
    cf_query_int(&query, (int64_t)conversation->turn_count);
    cf_query_count(&query, conversation->cost_pico);
    cf_query_str(&query, conversation->model);
    cf_query_text(&query, conversation->document_id);
    cf_query_text(&query, conversation->chunk_id);
    cf_query_int(&query, conversation->truncated);
    cf_query_int(&query, place->simulated);
    cf_query_str(&query, tx->now);
    return cf_query_insert(&query, &conversation->conversation, err);
}

bool cf_conversation_insert(struct cf_store_tx *tx, const struct cf_conversation_place *place,
                            struct cf_conversation_new *conversation, struct cf_error *err)
{
    if (!insert_row(tx, place, conversation, err))
        return false;

    for (size_t i = 0; i < conversation->turn_count; i++) {
        struct cf_query query = cf_db_query(
            &tx->db, "INSERT INTO conversation_turns (conversation, turn_index, role, content)"
                     " VALUES (?, ?, ?, ?)");
        cf_query_int(&query, conversation->conversation);
        cf_query_int(&query, (int64_t)i);
        cf_query_text(&query, conversation->turns[i].role);
        cf_query_text(&query, conversation->turns[i].content);
        if (!cf_query_run(&query, err))
            return false;
    }

    for (size_t i = 0; i < conversation->call_count; i++) {
        const struct cf_turn_call *call = &conversation->calls[i];
        struct cf_query query =
            cf_db_query(&tx->db, "INSERT INTO turn_calls (conversation, first_turn, last_turn, "
                                 "call) VALUES (?, ?, ?, ?)");
        cf_query_int(&query, conversation->conversation);
        cf_query_int(&query, call->first_turn);
        cf_query_int(&query, call->last_turn);
        cf_query_int(&query, call->call);
        if (!cf_query_run(&query, err))
            return false;
    }

    for (size_t i = 0; i < conversation->tag_count; i++)
        if (!cf_tag_set(tx, conversation->conversation, &conversation->tags[i], err))
            return false;
    return true;
}
