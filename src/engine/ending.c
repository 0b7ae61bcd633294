#include "engine/ending.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "confab/error.h"
#include "provider/reply.h"

#define TEXTS 7

/* The texts of a row that are copied. */
static void texts_of(struct cf_conversation_new *row, struct cf_text *out[TEXTS])
{
    struct cf_text *texts[TEXTS] = { &row->persona,     &row->emotion,  &row->topic,     &row->tier,
                                     &row->document_id, &row->chunk_id, &row->parameters };
    memcpy(out, texts, sizeof texts);
}

struct cf_ending *cf_ending_new(int64_t item, const struct cf_conversation_new *row)
{
    struct cf_conversation_new copy = *row;
    struct cf_text *texts[TEXTS];
    size_t bytes = 0;
    texts_of(&copy, texts);
    for (size_t i = 0; i < TEXTS; i++)
        bytes += texts[i]->len;

    struct cf_ending *ending = cf_malloc(sizeof *ending + bytes);
    memset(ending, 0, sizeof *ending);
    char *at = ending->texts;
    for (size_t i = 0; i < TEXTS; i++) {
        if (texts[i]->data == NULL)
            continue;
        memcpy(at, texts[i]->data, texts[i]->len);
        texts[i]->data = at;
        at += texts[i]->len;
    }
    ending->row = copy;
    ending->finish = (struct cf_write_item_finish){
        .item = item,
        .state = CF_ITEM_DONE,
        .conversations = &ending->row,
        .count = 1,
    };
    return ending;
}

void cf_ending_free(struct cf_ending *ending)
{
    if (ending == NULL)
        return;
    cf_conversation_done(&ending->conversation);
    free(ending->turns);
    free(ending);
}

/* Whether the reply is the text of a conversation, as far as can be told without reading it. */
static bool may_serve(const struct cf_reply *reply)
{
    return cf_reply_is_complete(reply) && reply->stop != CF_STOP_TOOL_USE &&
           reply->tool_input == NULL;
}

static void score(struct cf_ending *ending)
{
    struct cf_conversation_measure measure;
    struct cf_default_score points;
    cf_conversation_measure(&ending->conversation, &measure);
    cf_default_score(&measure, &points);
    cf_default_score_format(&measure, &points, ending->breakdown);
    ending->score = points.score;
    ending->is_accepted = points.score >= CF_SCORE_GENERATED;
    ending->row.quality_score = points.score;
    ending->row.quality_breakdown = cf_text_of(ending->breakdown);
    ending->row.status = ending->is_accepted ? "generated" : "needs_revision";
}

static void fill_turns(struct cf_ending *ending)
{
    const struct cf_conversation *conv = &ending->conversation;
    ending->turns = cf_malloc(conv->turn_count * sizeof *ending->turns);
    for (size_t i = 0; i < conv->turn_count; i++)
        ending->turns[i] = (struct cf_turn_row){
            cf_text_of(cf_role_name(conv->turns[i].role)),
            { conv->turns[i].content, conv->turns[i].len },
        };
    ending->row.turns = ending->turns;
    ending->row.turn_count = conv->turn_count;
}

struct cf_write_item_finish *cf_ending_take(struct cf_ending *ending, const struct cf_reply *reply,
                                            int64_t call, int64_t cost_pico)
{
    struct cf_error err;
    if (!may_serve(reply))
        return NULL;
    enum cf_outcome outcome =
        cf_conversation_parse(reply->text, reply->text_len, false, &ending->conversation, &err);
    if (outcome != CF_OUTCOME_OK && outcome != CF_OUTCOME_REPAIRED) {
        cf_conversation_done(&ending->conversation);
        return NULL;
    }
    score(ending);
    fill_turns(ending);
    ending->call = (struct cf_turn_call){
        .last_turn = (int64_t)ending->conversation.turn_count - 1,
        .call = call,
    };
    ending->row.calls = &ending->call;
    ending->row.call_count = 1;
    ending->row.part = 1;
    ending->row.cost_pico = cost_pico;
    ending->row.model = reply->model[0] != '\0' ? reply->model : NULL;
    ending->is_taken = true;
    return &ending->finish;
}
