#include "export/format.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "confab/buf.h"
#include "confab/money.h"

/* A JSON string. U+0000 is left out: no loader takes it. */
static void add_text(struct cf_buf *buf, struct cf_export_text text)
{
    if (text.data == NULL || memchr(text.data, '\0', text.len) == NULL) {
        cf_json_add_string(buf, text.data == NULL ? "" : text.data, text.len);
        return;
    }
    char *clean = cf_malloc(text.len);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '\0')
            clean[len++] = text.data[i];
    cf_json_add_string(buf, clean, len);
    free(clean);
}

static void add_str(struct cf_buf *buf, const char *text)
{
    add_text(buf, (struct cf_export_text){ text, text == NULL ? 0 : strlen(text) });
}

/* --- for trainers --- */

static void add_message(struct cf_buf *buf, const char *role, struct cf_export_text content)
{
    cf_buf_addf(buf, "{\"role\":\"%s\",\"content\":", role);
    add_text(buf, content);
    cf_buf_addc(buf, '}');
}

void cf_export_add_messages(struct cf_buf *buf, const struct cf_export_shape *shape)
{
    cf_buf_adds(buf, "{\"messages\":[");
    if (shape->system.data != NULL) {
        add_message(buf, "system", shape->system);
        cf_buf_addc(buf, ',');
    }
    for (size_t i = 0; i < shape->count; i++) {
        if (i > 0)
            cf_buf_addc(buf, ',');
        add_message(buf, i % 2 == 0 ? "user" : "assistant", shape->turns[i].content);
    }
    cf_buf_adds(buf, "]}");
}

static void add_saying(struct cf_buf *buf, const char *from, struct cf_export_text value)
{
    cf_buf_addf(buf, "{\"from\":\"%s\",\"value\":", from);
    add_text(buf, value);
    cf_buf_addc(buf, '}');
}

/* The system text, a blank line, the first user text. */
static void add_folded(struct cf_buf *buf, struct cf_export_text system,
                       struct cf_export_text first)
{
    struct cf_buf both = { .max = SIZE_MAX };
    cf_buf_add(&both, system.data, system.len);
    cf_buf_adds(&both, "\n\n");
    cf_buf_add(&both, first.data, first.len);
    add_saying(buf, "human", (struct cf_export_text){ cf_buf_str(&both), both.len });
    cf_buf_done(&both);
}

void cf_export_add_sharegpt(struct cf_buf *buf, const char *id, const struct cf_export_shape *shape,
                            enum cf_export_system system)
{
    bool has_system = shape->system.data != NULL;

    cf_buf_adds(buf, "{\"id\":");
    add_str(buf, id);
    cf_buf_adds(buf, ",\"conversations\":[");
    if (has_system && system == CF_EXPORT_SYSTEM_KEEP) {
        add_saying(buf, "system", shape->system);
        cf_buf_addc(buf, ',');
    }
    for (size_t i = 0; i < shape->count; i++) {
        if (i > 0)
            cf_buf_addc(buf, ',');
        if (i == 0 && has_system && system == CF_EXPORT_SYSTEM_FOLD)
            add_folded(buf, shape->system, shape->turns[0].content);
        else
            add_saying(buf, i % 2 == 0 ? "human" : "gpt", shape->turns[i].content);
    }
    cf_buf_adds(buf, "]}");
}

void cf_export_add_alpaca(struct cf_buf *buf, const struct cf_export_shape *shape)
{
    cf_buf_adds(buf, "{\"instruction\":");
    add_text(buf, shape->turns[shape->count - 2].content);
    cf_buf_adds(buf, ",\"input\":\"\",\"output\":");
    add_text(buf, shape->turns[shape->count - 1].content);
    cf_buf_adds(buf, ",\"system\":");
    add_text(buf, shape->system);
    cf_buf_adds(buf, ",\"history\":[");
    for (size_t i = 0; i + 2 < shape->count; i += 2) {
        cf_buf_adds(buf, i == 0 ? "[" : ",[");
        add_text(buf, shape->turns[i].content);
        cf_buf_addc(buf, ',');
        add_text(buf, shape->turns[i + 1].content);
        cf_buf_addc(buf, ']');
    }
    cf_buf_adds(buf, "]}");
}

/* --- everything --- */

static void add_key(struct cf_buf *buf, const char *key)
{
    cf_buf_addf(buf, ",\"%s\":", key);
}

static void add_text_field(struct cf_buf *buf, const char *key, struct cf_export_text value)
{
    add_key(buf, key);
    add_text(buf, value);
}

static void add_str_field(struct cf_buf *buf, const char *key, const char *value)
{
    add_key(buf, key);
    add_str(buf, value);
}

static void add_int_field(struct cf_buf *buf, const char *key, int64_t value)
{
    add_key(buf, key);
    cf_buf_addf(buf, "%" PRId64, value);
}

static void add_bool_field(struct cf_buf *buf, const char *key, bool value)
{
    add_key(buf, key);
    cf_buf_adds(buf, value ? "true" : "false");
}

/* Always with a point: a loader that sees only whole numbers at first takes the column for
 * integers. */
static void end_real(struct cf_buf *buf, size_t start)
{
    if (buf->data != NULL && strpbrk(buf->data + start, ".eE") == NULL)
        cf_buf_adds(buf, ".0");
}

static void add_score(struct cf_buf *buf, double score)
{
    add_key(buf, "quality_score");
    size_t start = buf->len;
    cf_json_add_number(buf, isnan(score) ? 0 : score);
    end_real(buf, start);
}

static void add_cost(struct cf_buf *buf, int64_t cost_pico)
{
    char dollars[CF_MONEY_TEXT_MAX];
    bool known = cost_pico != CF_COST_UNKNOWN;

    cf_money_format_exact(known ? cost_pico : 0, dollars);
    add_key(buf, "cost_usd");
    size_t start = buf->len;
    cf_buf_adds(buf, dollars);
    end_real(buf, start);
    add_bool_field(buf, "cost_known", known);
}

void cf_export_add_everything(struct cf_buf *buf, const struct cf_export_record *record)
{
    cf_buf_adds(buf, "{\"id\":");
    add_str(buf, record->id);

    add_key(buf, "turns");
    cf_buf_addc(buf, '[');
    for (size_t i = 0; i < record->turn_count; i++) {
        cf_buf_adds(buf, i == 0 ? "{\"role\":" : ",{\"role\":");
        add_text(buf, record->turns[i].role);
        cf_buf_adds(buf, ",\"content\":");
        add_text(buf, record->turns[i].content);
        cf_buf_addc(buf, '}');
    }
    cf_buf_addc(buf, ']');

    add_int_field(buf, "turn_count", (int64_t)record->turn_count);
    add_str_field(buf, "status", record->status);
    add_score(buf, record->quality_score);
    add_text_field(buf, "quality_breakdown", record->quality_breakdown);
    add_text_field(buf, "persona", record->persona);
    add_text_field(buf, "emotion", record->emotion);
    add_text_field(buf, "topic", record->topic);
    add_text_field(buf, "tier", record->tier);
    add_text_field(buf, "parameters", record->parameters);
    add_text_field(buf, "tags", record->tags);
    add_text_field(buf, "document_id", record->document_id);
    add_text_field(buf, "chunk_id", record->chunk_id);
    add_cost(buf, record->cost_pico);
    add_str_field(buf, "model", record->model);
    add_bool_field(buf, "truncated", record->truncated);
    add_bool_field(buf, "simulated", record->simulated);
    add_str_field(buf, "review_note", record->review_note);
    add_str_field(buf, "run", record->run);
    add_str_field(buf, "run_id", record->run_id);
    add_text_field(buf, "item", record->item);
    add_int_field(buf, "ordinal", record->ordinal);
    add_int_field(buf, "part", record->part);
    add_int_field(buf, "version", record->version);
    add_str_field(buf, "template", record->template);
    add_str_field(buf, "template_id", record->template_id);
    add_int_field(buf, "template_version", record->template_version);
    add_str_field(buf, "created_at", record->created_at);
    cf_buf_addc(buf, '}');
}
