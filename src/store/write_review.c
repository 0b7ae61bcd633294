#include "store/write_review.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "confab/error.h"
#include "store/conversation_insert.h"
#include "store/tx.h"

static bool no_such(int64_t conversation, struct cf_error *err)
{
    return cf_fail(err, CF_ERR_CONFIG, "there is no conversation %" PRId64, conversation);
}

struct edit {
    int64_t conversation;
    const char *field;
    int64_t turn_index;              /* -1: none */
    struct cf_text before, after;
    const char *note, *author;
};

static bool insert_edit(struct cf_store_tx *tx, const struct edit *edit, struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &tx->db, "INSERT INTO edits (conversation, field, turn_index, before, after, note, author,"
                 " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    cf_query_int(&query, edit->conversation);
    cf_query_str(&query, edit->field);
    cf_query_count(&query, edit->turn_index);
    cf_query_text(&query, edit->before);
    cf_query_text(&query, edit->after);
    cf_query_str(&query, edit->note);
    cf_query_str(&query, edit->author);
    cf_query_str(&query, tx->now);
    return cf_query_run(&query, err);
}

/* A status has changed: the item counts as accepted while all its current conversations are. */
static bool recount_item(struct cf_store_tx *tx, int64_t item, struct cf_error *err)
{
    struct cf_item_standing standing;
    if (!cf_tx_item_standing(tx, item, &standing, err))
        return false;
    if (standing.state != CF_ITEM_DONE)
        return true;

    struct cf_query query = cf_db_query(
        &tx->db, "UPDATE items SET accepted = NOT EXISTS (SELECT 1 FROM conversations"
                 " WHERE item = ?1 AND superseded_by IS NULL AND NOT withdrawn"
                 " AND status NOT IN ('generated', 'approved')) WHERE id = ?1 RETURNING accepted");
    cf_query_int(&query, item);
    if (cf_query_next(&query, err) <= 0)
        return false;
    bool accepted = cf_column_int(&query, 0) != 0;
    cf_query_end(&query);

    cf_tx_count_item(tx, &standing, -1);
    standing.accepted = accepted;
    cf_tx_count_item(tx, &standing, 1);
    return true;
}

/* The conversation as it is before a change. */
struct before {
    int64_t item;
    char status[24];
    double score;                    /* NaN while not scored */
};

#define SCORE_TEXT_MAX 32

/* "8.5"; "" for none. */
static struct cf_text score_text(double score, char out[SCORE_TEXT_MAX])
{
    out[0] = '\0';
    if (!isnan(score))
        snprintf(out, SCORE_TEXT_MAX, "%.15g", score);
    return cf_text_of(out);
}

static bool read_before(struct cf_store_tx *tx, int64_t conversation, struct before *out_before,
                        struct cf_error *err)
{
    struct cf_query query =
        cf_db_query(&tx->db, "SELECT item, status, quality_score FROM conversations WHERE id = ?");
    cf_query_int(&query, conversation);
    int found = cf_query_next(&query, err);
    if (found < 0)
        return false;
    if (found == 0)
        return no_such(conversation, err);
    out_before->item = cf_column_int(&query, 0);
    cf_column_copy(&query, 1, out_before->status, sizeof out_before->status);
    out_before->score = cf_column_real(&query, 2);
    cf_query_end(&query);
    return true;
}

bool cf_write_review(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_review *review = (struct cf_write_review *)write;
    struct before before = { .item = 0 };
    CF_TX_KIND(tx, "review");

    if (!read_before(tx, review->conversation, &before, err))
        return false;

    struct cf_query query = cf_db_query(
        &tx->db,
        "UPDATE conversations SET status = ?, review_note = ?, reviewed_at = ? WHERE id = ?");
    cf_query_str(&query, review->status);
    cf_query_str(&query, review->note);
    cf_query_str(&query, tx->now);
    cf_query_int(&query, review->conversation);
    if (!cf_query_run(&query, err))
        return false;

    struct edit edit = {
        .conversation = review->conversation,
        .field = "status",
        .turn_index = -1,
        .before = cf_text_of(before.status),
        .after = cf_text_of(review->status),
        .note = review->note,
        .author = review->author,
    };
    return insert_edit(tx, &edit, err) && recount_item(tx, before.item, err);
}

bool cf_write_rescore(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_rescore *rescore = (struct cf_write_rescore *)write;
    struct before before = { .item = 0 };
    char old_score[SCORE_TEXT_MAX], new_score[SCORE_TEXT_MAX];
    CF_TX_KIND(tx, "rescore");

    if (!read_before(tx, rescore->conversation, &before, err))
        return false;

    struct cf_query query = cf_db_query(
        &tx->db, "UPDATE conversations SET quality_score = ?1, quality_breakdown = ?2,"
                 " status = CASE WHEN status IN ('approved', 'rejected') THEN status ELSE ?3 END"
                 " WHERE id = ?4");
    cf_query_real(&query, rescore->quality_score);
    cf_query_text(&query, rescore->quality_breakdown);
    cf_query_str(&query, rescore->status);
    cf_query_int(&query, rescore->conversation);
    if (!cf_query_run(&query, err))
        return false;

    struct edit edit = {
        .conversation = rescore->conversation,
        .field = "quality_score",
        .turn_index = -1,
        .before = score_text(before.score, old_score),
        .after = score_text(rescore->quality_score, new_score),
    };
    bool is_same = strcmp(old_score, new_score) == 0;    /* its rules may say otherwise all the same */
    return (is_same || insert_edit(tx, &edit, err)) && recount_item(tx, before.item, err);
}

bool cf_write_tag(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_tag *tag = (struct cf_write_tag *)write;
    struct before before = { .item = 0 };
    CF_TX_KIND(tx, "tag");

    if (!read_before(tx, tag->conversation, &before, err))
        return false;
    if (!tag->remove)
        return cf_tag_set(tx, tag->conversation, &tag->tag, err);

    struct cf_query query =
        cf_db_query(&tx->db, "DELETE FROM tags WHERE conversation = ? AND name = ?");
    cf_query_int(&query, tag->conversation);
    cf_query_str(&query, tag->tag.name);
    return cf_query_run(&query, err);
}

/* Whether a turn still reads so; one that is not there is found missing later. */
static bool is_as_expected(struct cf_store_tx *tx, const struct cf_write_turn_edit *turn,
                           struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &tx->db, "SELECT 1 FROM conversation_turns WHERE conversation = ? AND turn_index = ?"
                 " AND content <> ?");
    cf_query_int(&query, turn->conversation);
    cf_query_int(&query, turn->turn_index);
    cf_query_text(&query, turn->expected);
    int differs = cf_query_next(&query, err);
    if (differs <= 0)
        return differs == 0;
    cf_query_end(&query);
    return cf_fail(err, CF_ERR_VALIDATION, "turn %" PRId64 " was changed by somebody else",
                   turn->turn_index);
}

bool cf_write_turn_edit(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_turn_edit *turn = (struct cf_write_turn_edit *)write;
    CF_TX_KIND(tx, "turn_edit");

    if (turn->expected.data != NULL && !is_as_expected(tx, turn, err))
        return false;

    /* The old text goes into the history within the database; nothing to copy here. */
    struct cf_query history = cf_db_query(
        &tx->db,
        "INSERT INTO edits (conversation, field, turn_index, before, after, author, created_at)"
        " SELECT conversation, 'turn', turn_index, content, ?3, ?4, ?5 FROM conversation_turns"
        " WHERE conversation = ?1 AND turn_index = ?2 RETURNING id");
    cf_query_int(&history, turn->conversation);
    cf_query_int(&history, turn->turn_index);
    cf_query_text(&history, turn->content);
    cf_query_str(&history, turn->author);
    cf_query_str(&history, tx->now);
    int found = cf_query_next(&history, err);
    if (found < 0)
        return false;
    if (found == 0)
        return cf_fail(err, CF_ERR_CONFIG, "conversation %" PRId64 " has no turn %" PRId64,
                       turn->conversation, turn->turn_index);
    cf_query_end(&history);

    struct cf_query query = cf_db_query(
        &tx->db,
        "UPDATE conversation_turns SET content = ? WHERE conversation = ? AND turn_index = ?");
    cf_query_text(&query, turn->content);
    cf_query_int(&query, turn->conversation);
    cf_query_int(&query, turn->turn_index);
    return cf_query_run(&query, err);
}
