#include "base/json.h"
#include "base/object.h"
#include "cli/print.h"
#include "cli/show.h"

#include <math.h>

#include <cjson/cJSON.h>

#include "confab/buf.h"
#include "confab/error.h"
#include "store/reader.h"
#include "store/row_object.h"

static void print_tags(const struct cf_conversation_row *row)
{
    for (size_t i = 0; i < row->tag_count; i++) {
        const struct cf_tag_row *tag = &row->tags[i];
        cf_printf("  %-12s ", "tag");
        cf_print_line(cf_text_of(tag->name), 0);
        if (tag->is_number)
            cf_printf(" = %g", tag->number);
        else if (tag->text.data != NULL) {
            cf_printf(" = ");
            cf_print_line(tag->text, 0);
        }
        cf_printf("\n");
    }
}

/* A line for each rule: its points, the most it gives, its note. */
static void print_breakdown(struct cf_text json)
{
    cJSON *parts;
    struct cf_error err;
    if (json.len == 0 || !cf_json_parse(json.data, json.len, NULL, &parts, &err))
        return;
    const cJSON *part;
    cJSON_ArrayForEach(part, parts) {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(part, "name"));
        const char *note = cJSON_GetStringValue(cJSON_GetObjectItem(part, "note"));
        cf_printf("  %-12s ", "rule");
        cf_print_line(cf_text_of(name), 0);
        cf_printf("  %g/%g", cJSON_GetNumberValue(cJSON_GetObjectItem(part, "points")),
                  cJSON_GetNumberValue(cJSON_GetObjectItem(part, "max")));
        if (note != NULL) {
            cf_printf("  ");
            cf_print_line(cf_text_of(note), 0);
        }
        cf_printf("\n");
    }
    cJSON_Delete(parts);
}

static void print_people(const struct cf_conversation_row *row)
{
    cf_printf("conversation %s%s%s%s\n", row->uuid, row->simulated ? " (simulated)" : "",
              row->truncated ? " (truncated)" : "",
              row->orphan    ? " (of an item set aside)"
              : row->surplus ? " (surplus)"
                             : "");
    cf_show_str("run", row->run_name);
    cf_show_field("item", row->key);
    cf_printf("  %-12s item:%lld\n", "item id", (long long)row->item);
    cf_show_count("part", row->part);
    cf_show_count("version", row->version);
    if (row->superseded_by != 0)
        cf_show_str("superseded", "yes, a newer version counts");
    cf_show_str("status", row->status);
    if (!isnan(row->quality_score))
        cf_printf("  %-12s %.2f\n", "score", row->quality_score);
    print_breakdown(row->quality_breakdown);
    cf_show_str("note", row->review_note);
    cf_show_str("template", row->template_name);
    cf_show_field("persona", row->persona);
    cf_show_field("emotion", row->emotion);
    cf_show_field("topic", row->topic);
    cf_show_field("tier", row->tier);
    cf_show_field("document", row->document_id);
    cf_show_field("chunk", row->chunk_id);
    cf_show_field("parameters", row->parameters);
    cf_show_str("model", row->model);
    cf_show_usd("cost", row->cost_pico);
    print_tags(row);
    cf_show_str("made", row->created_at);
    for (size_t i = 0; i < row->turn_count; i++) {
        cf_printf("\n");
        cf_print_line(row->turns[i].role, 0);
        cf_printf(":\n");
        cf_print_text(row->turns[i].content);
        cf_printf("\n");
    }
}

static void add_object(struct cf_buf *out, const struct cf_conversation_row *row)
{
    cf_object_open(out, NULL);
    cf_object_str(out, "kind", "conversation");
    cf_object_str(out, "id", row->uuid);
    cf_object_str(out, "run", row->run_name);
    cf_object_str(out, "run_id", row->run_uuid);
    cf_object_text(out, "item", row->key);
    cf_object_int(out, "item_id", row->item);
    cf_object_count(out, "ordinal", row->ordinal);
    cf_object_int(out, "part", row->part);
    cf_object_int(out, "version", row->version);
    cf_object_bool(out, "superseded", row->superseded_by != 0);
    cf_object_str(out, "status", row->status);
    cf_object_number(out, "quality_score", row->quality_score);
    cf_object_json(out, "quality_breakdown", row->quality_breakdown);
    cf_object_str(out, "review_note", row->review_note);
    cf_object_str(out, "reviewed_at", row->reviewed_at);
    cf_object_str(out, "template", row->template_name);
    cf_object_str(out, "template_id", row->template_uuid);
    cf_object_text(out, "persona", row->persona);
    cf_object_text(out, "emotion", row->emotion);
    cf_object_text(out, "topic", row->topic);
    cf_object_text(out, "tier", row->tier);
    cf_object_text(out, "document_id", row->document_id);
    cf_object_text(out, "chunk_id", row->chunk_id);
    cf_object_json(out, "parameters", row->parameters);
    cf_object_str(out, "model", row->model);
    cf_object_usd(out, "cost_usd", row->cost_pico);
    cf_object_bool(out, "truncated", row->truncated);
    cf_object_bool(out, "simulated", row->simulated);
    cf_object_str(out, "created_at", row->created_at);
    cf_row_add_tags(out, row);
    cf_row_add_turns(out, row);
    cf_object_close(out);
}

bool cf_show_conversation(struct cf_reader *reader, int64_t id, bool as_json, struct cf_error *err)
{
    struct cf_conversation_filter filter = { .conversation = id };
    struct cf_conversation_cursor *cursor;
    const struct cf_conversation_row *row;
    if (!cf_conversations_open(reader, &filter, &cursor, err))
        return false;

    bool ok = cf_show_found(cf_conversations_next(cursor, &row, err), err);
    if (ok && as_json) {
        struct cf_buf out;
        cf_buf_init(&out, CF_OBJECT_MAX);
        add_object(&out, row);
        ok = cf_object_print(&out, err);
        cf_buf_done(&out);
    } else if (ok) {
        print_people(row);
    }
    cf_conversations_free(cursor);
    return ok;
}
