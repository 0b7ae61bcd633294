#include "engine/dataset.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "store/reader.h"

#define HASH_KEY_LEN 16 /* lua/confab/keys.lua: the hash of an item's parameters */
#define TAGS_MAX     (1u << 20)

/* Memory of one record, kept from row to row. */
struct record {
    struct cf_export_record out;
    struct cf_export_turn *turns; /* owned */
    size_t turn_cap;
    struct cf_buf tags;
};

static struct cf_export_text text_of(struct cf_text text)
{
    return (struct cf_export_text){ text.data, text.len };
}

/* Items with equal parameters are "HASH", "HASH#2", ...: they share a split, so that no prompt is
 * both trained on and validated with. Calls outside an item have nothing but their id. */
static struct cf_export_text split_key(const struct cf_conversation_row *row)
{
    struct cf_export_text key = text_of(row->key);
    if (key.len == 0)
        return (struct cf_export_text){ row->uuid, strlen(row->uuid) };
    if (key.len <= HASH_KEY_LEN || key.data[HASH_KEY_LEN] != '#')
        return key;
    for (size_t i = 0; i < key.len; i++)
        if (i < HASH_KEY_LEN ? !isxdigit((unsigned char)key.data[i])
                             : i > HASH_KEY_LEN && !isdigit((unsigned char)key.data[i]))
            return key;
    key.len = HASH_KEY_LEN;
    return key;
}

/* {"name":value}, null for a bare tag. */
static void fill_tags(struct cf_buf *out, const struct cf_conversation_row *row)
{
    cf_buf_clear(out);
    cf_buf_addc(out, '{');
    for (size_t i = 0; i < row->tag_count; i++) {
        const struct cf_tag_row *tag = &row->tags[i];
        if (i > 0)
            cf_buf_addc(out, ',');
        cf_json_add_string(out, tag->name, strlen(tag->name));
        cf_buf_addc(out, ':');
        if (tag->is_number)
            cf_json_add_number(out, tag->number);
        else if (tag->text.data != NULL)
            cf_json_add_string(out, tag->text.data, tag->text.len);
        else
            cf_buf_adds(out, "null");
    }
    cf_buf_addc(out, '}');
}

static bool fill_record(struct record *record, const struct cf_conversation_row *row,
                        struct cf_error *err)
{
    if (record->turn_cap < row->turn_count) {
        record->turn_cap = row->turn_count * 2;
        record->turns = cf_realloc(record->turns, record->turn_cap * sizeof *record->turns);
    }
    for (size_t i = 0; i < row->turn_count; i++) {
        record->turns[i].role = text_of(row->turns[i].role);
        record->turns[i].content = text_of(row->turns[i].content);
    }
    fill_tags(&record->tags, row);
    if (!cf_buf_ok(&record->tags))
        return cf_fail(err, CF_ERR_STORAGE, "conversation %s: its tags are over %u bytes",
                       row->uuid, TAGS_MAX);

    record->out = (struct cf_export_record){
        .id = row->uuid,
        .split_key = split_key(row),
        .turns = record->turns,
        .turn_count = row->turn_count,
        .run_id = row->run_uuid,
        .run = row->run_name,
        .template_id = row->template_uuid,
        .template = row->template_name,
        .template_version = row->template_version,
        .item = text_of(row->key),
        .ordinal = row->ordinal,
        .part = row->part,
        .version = row->version,
        .persona = text_of(row->persona),
        .emotion = text_of(row->emotion),
        .topic = text_of(row->topic),
        .tier = text_of(row->tier),
        .document_id = text_of(row->document_id),
        .chunk_id = text_of(row->chunk_id),
        .parameters = text_of(row->parameters),
        .quality_breakdown = text_of(row->quality_breakdown),
        .tags = { record->tags.data, record->tags.len },
        .status = row->status,
        .quality_score = row->quality_score,
        .cost_pico = row->cost_pico,
        .model = row->model,
        .created_at = row->created_at,
        .review_note = row->review_note,
        .truncated = row->truncated,
        .simulated = row->simulated,
    };
    return true;
}

/* Whether the filter's defaults hold the conversation back; counts it if so. */
static bool is_held_back(const struct cf_dataset_filter *filter,
                         const struct cf_conversation_row *row, struct cf_dataset_result *result)
{
    int64_t *count = NULL;
    if (filter->statuses == NULL && strcmp(row->status, "generated") != 0 &&
        strcmp(row->status, "approved") != 0)
        count = &result->left_status;
    else if (row->truncated && !filter->with_truncated)
        count = &result->left_truncated;
    else if (row->simulated && !filter->with_simulated)
        count = &result->left_simulated;
    if (count != NULL)
        ++*count;
    return count != NULL;
}

static bool stream(struct cf_reader *reader, const struct cf_dataset_filter *filter,
                   struct cf_export *exporter, struct cf_dataset_result *result,
                   struct cf_error *err)
{
    struct cf_conversation_filter query = {
        .run = filter->run,
        .item = filter->item,
        .statuses = filter->statuses,
        .status_count = filter->status_count,
        .min_score = filter->min_score,
        .tier = filter->tier,
        .tag = filter->tag,
        .persona = filter->persona,
    };
    struct record record = { .turns = NULL };
    cf_buf_init(&record.tags, TAGS_MAX);

    struct cf_conversation_cursor *cursor;
    if (!cf_conversations_open(reader, &query, &cursor, err))
        return false;

    const struct cf_conversation_row *row;
    int next;
    while ((next = cf_conversations_next(cursor, &row, err)) > 0) {
        if (is_held_back(filter, row, result))
            continue;
        if (!fill_record(&record, row, err) || !cf_export_add(exporter, &record.out, err)) {
            next = -1;
            break;
        }
    }
    cf_conversations_free(cursor);
    cf_buf_done(&record.tags);
    free(record.turns);
    return next == 0;
}

bool cf_dataset_export(struct cf_reader *reader, const struct cf_dataset_filter *filter,
                       const char *path, enum cf_export_format format,
                       const struct cf_export_options *options, struct cf_dataset_result *out,
                       struct cf_error *err)
{
    static const struct cf_export_options plain;
    struct cf_dataset_result result = { .path_count = 0 };
    struct cf_export *exporter = NULL;
    bool ok = false;

    if (options == NULL)
        options = &plain;
    if (!cf_export_open(path, format, options, &exporter, err))
        return false;
    if (!stream(reader, filter, exporter, &result, err) || !cf_export_commit(exporter, err))
        goto done;

    result.file = *cf_export_result(exporter);
    result.path_count = options->splits.count > 0 ? options->splits.count : 1;
    for (size_t i = 0; i < result.path_count; i++)
        result.paths[i] = cf_strdup(cf_export_path(exporter, i));
    *out = result;
    ok = true;
done:
    cf_export_free(exporter);
    return ok;
}

void cf_dataset_result_done(struct cf_dataset_result *result)
{
    for (size_t i = 0; i < result->path_count; i++)
        free(result->paths[i]);
    *result = (struct cf_dataset_result){ .path_count = 0 };
}

/* " (this: 2, that: 1" of the parts that count something. */
static void add_part(struct cf_buf *out, bool *is_first, int64_t count, const char *what)
{
    if (count == 0)
        return;
    cf_buf_addf(out, "%s%s: %lld", *is_first ? " (" : ", ", what, (long long)count);
    *is_first = false;
}

void cf_dataset_result_format(const struct cf_dataset_result *result, struct cf_buf *out)
{
    const struct cf_export_result *file = &result->file;
    bool is_first = true;
    cf_buf_addf(out, "%lld written, %lld skipped", (long long)file->written,
                (long long)file->skipped);
    for (int skip = 0; skip < CF_EXPORT_SKIPS; skip++)
        add_part(out, &is_first, file->skipped_by[skip],
                 cf_export_skip_text((enum cf_export_skip)skip));
    if (!is_first)
        cf_buf_addc(out, ')');

    int64_t held = result->left_status + result->left_truncated + result->left_simulated;
    if (held > 0) {
        is_first = true;
        cf_buf_addf(out, ", %lld held back", (long long)held);
        add_part(out, &is_first, result->left_status, "needs revision or rejected");
        add_part(out, &is_first, result->left_truncated, "truncated");
        add_part(out, &is_first, result->left_simulated, "simulated");
        cf_buf_addc(out, ')');
    }
    if (file->trimmed > 0)
        cf_buf_addf(out, "; %lld without a last user turn that nobody answered",
                    (long long)file->trimmed);
    if (file->folded > 0)
        cf_buf_addf(out, "; %lld with the system text in the first user turn",
                    (long long)file->folded);
}
