#include "export/export.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "export/format.h"
#include "export/target.h"

#define MARK "{split}"

struct cf_export {
    enum cf_export_format format;
    struct cf_export_options options;
    bool is_array;                       /* one JSON array a file instead of lines */
    size_t target_count;                 /* 1 without splits */
    struct cf_export_target targets[CF_EXPORT_SPLIT_MAX];
    char *paths[CF_EXPORT_SPLIT_MAX];    /* owned */
    struct cf_export_result result;
};

static const char *const format_names[CF_EXPORT_FORMATS] = { "messages", "sharegpt", "alpaca",
                                                             "jsonl" };

bool cf_export_format_parse(const char *name, enum cf_export_format *out_format,
                            struct cf_error *err)
{
    for (int i = 0; i < CF_EXPORT_FORMATS; i++) {
        if (strcmp(name, format_names[i]) == 0) {
            *out_format = (enum cf_export_format)i;
            return true;
        }
    }
    return cf_fail(err, CF_ERR_CONFIG,
                   "unknown format \"%s\"; there are messages, sharegpt, alpaca, jsonl", name);
}

const char *cf_export_format_name(enum cf_export_format format)
{
    return format_names[format];
}

const char *cf_export_skip_text(enum cf_export_skip skip)
{
    static const char *const texts[CF_EXPORT_SKIPS] = {
        [CF_EXPORT_SKIP_NO_PAIR] = "has no user turn with an answer",
        [CF_EXPORT_SKIP_ASSISTANT_FIRST] = "starts with an assistant turn",
        [CF_EXPORT_SKIP_ORDER] = "does not alternate between user and assistant",
        [CF_EXPORT_SKIP_ROLE] = "has a role other than system, user, assistant",
        [CF_EXPORT_SKIP_EMPTY] = "has a turn without text",
    };
    return texts[skip];
}

/* --- opening --- */

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* "{split}" replaced; without it "-NAME" goes before the extension of the file's name. */
static char *path_of_split(const char *path, const char *split)
{
    struct cf_buf buf = { .max = 65536 };
    const char *mark = strstr(path, MARK);
    if (mark == NULL) {
        const char *slash = strrchr(path, '/');
        const char *name = slash == NULL ? path : slash + 1;
        const char *dot = strrchr(name, '.');
        size_t stem = dot == NULL || dot == name ? strlen(path) : (size_t)(dot - path);
        cf_buf_add(&buf, path, stem);
        cf_buf_addf(&buf, "-%s%s", split, path + stem);
        return cf_buf_take(&buf, &(size_t){ 0 });
    }
    for (; mark != NULL; path = mark + strlen(MARK), mark = strstr(path, MARK)) {
        cf_buf_add(&buf, path, (size_t)(mark - path));
        cf_buf_adds(&buf, split);
    }
    cf_buf_adds(&buf, path);
    return cf_buf_take(&buf, &(size_t){ 0 });
}

static bool open_targets(struct cf_export *exporter, const char *path, struct cf_error *err)
{
    const struct cf_export_splits *splits = &exporter->options.splits;

    if (splits->count == 0 && strstr(path, MARK) != NULL)
        return cf_fail(err, CF_ERR_CONFIG, "%s: " MARK " needs a split such as train=0.9,val=0.1",
                       path);
    if (splits->count > 0 && strcmp(path, "-") == 0)
        return cf_fail(err, CF_ERR_CONFIG,
                       "a split makes several files and cannot go to standard output");

    exporter->target_count = splits->count == 0 ? 1 : splits->count;
    for (size_t i = 0; i < exporter->target_count; i++) {
        struct cf_export_target *target = &exporter->targets[i];
        exporter->paths[i] =
            splits->count == 0 ? cf_strdup(path) : path_of_split(path, splits->names[i]);
        if (!cf_export_target_open(target, exporter->paths[i], err))
            return false;
        if (exporter->is_array)
            cf_buf_addc(&target->buf, '[');
    }
    return true;
}

bool cf_export_open(const char *path, enum cf_export_format format,
                    const struct cf_export_options *options, struct cf_export **out_exporter,
                    struct cf_error *err)
{
    struct cf_export *exporter = cf_calloc(1, sizeof *exporter);
    for (size_t i = 0; i < CF_EXPORT_SPLIT_MAX; i++)
        exporter->targets[i].fd = -1;
    exporter->format = format;
    if (options != NULL)
        exporter->options = *options;
    exporter->is_array = ends_with(path, ".json");

    if (!open_targets(exporter, path, err)) {
        cf_export_free(exporter);
        return false;
    }
    *out_exporter = exporter;
    return true;
}

/* --- records --- */

/* The same for a conversation in every export with this seed, whatever else there is. */
static size_t split_of(const struct cf_export *exporter, const struct cf_export_record *record)
{
    const struct cf_export_splits *splits = &exporter->options.splits;
    struct cf_export_text key = record->split_key;

    if (key.data == NULL)
        key = (struct cf_export_text){ record->id, record->id == NULL ? 0 : strlen(record->id) };
    uint64_t hash = cf_hash64(exporter->options.seed, key.data == NULL ? "" : key.data, key.len);
    double place = (double)(hash >> 11) * 0x1p-53;    /* 0 <= place < 1 */

    double edge = 0;
    for (size_t i = 0; i + 1 < splits->count; i++) {
        edge += splits->shares[i];
        if (place < edge)
            return i;
    }
    return splits->count == 0 ? 0 : splits->count - 1;
}

static void add_record(struct cf_export *exporter, struct cf_buf *buf,
                       const struct cf_export_record *record, const struct cf_export_shape *shape)
{
    switch (exporter->format) {
    case CF_EXPORT_MESSAGES:
        cf_export_add_messages(buf, shape);
        break;
    case CF_EXPORT_SHAREGPT:
        cf_export_add_sharegpt(buf, record->id, shape, exporter->options.system);
        break;
    case CF_EXPORT_ALPACA:
        cf_export_add_alpaca(buf, shape);
        break;
    case CF_EXPORT_JSONL:
    case CF_EXPORT_FORMATS:
        cf_export_add_everything(buf, record);
        break;
    }
}

bool cf_export_add(struct cf_export *exporter, const struct cf_export_record *record,
                   struct cf_error *err)
{
    struct cf_export_result *result = &exporter->result;
    struct cf_export_shape shape = { .count = 0 };
    enum cf_export_skip skip;

    if (exporter->format != CF_EXPORT_JSONL && !cf_export_shape_of(record, &shape, &skip)) {
        result->skipped++;
        result->skipped_by[skip]++;
        return true;
    }

    size_t split = split_of(exporter, record);
    struct cf_export_target *target = &exporter->targets[split];
    if (exporter->is_array)
        cf_buf_adds(&target->buf, result->written_to[split] == 0 ? "\n" : ",\n");
    add_record(exporter, &target->buf, record, &shape);
    if (!exporter->is_array)
        cf_buf_addc(&target->buf, '\n');
    if (!cf_export_target_flush(target, false, err))
        return false;

    result->written++;
    result->written_to[split]++;
    result->trimmed += shape.trimmed;
    result->folded += exporter->format == CF_EXPORT_SHAREGPT && shape.system.data != NULL &&
                      exporter->options.system == CF_EXPORT_SYSTEM_FOLD;
    return true;
}

bool cf_export_commit(struct cf_export *exporter, struct cf_error *err)
{
    for (size_t i = 0; i < exporter->target_count; i++) {
        struct cf_export_target *target = &exporter->targets[i];
        if (exporter->is_array)
            cf_buf_adds(&target->buf, exporter->result.written_to[i] == 0 ? "]\n" : "\n]\n");
        if (!cf_export_target_sync(target, err))
            return false;
    }
    for (size_t i = 0; i < exporter->target_count; i++) {
        if (!cf_export_target_rename(&exporter->targets[i], err))
            return i == 0 ? false : cf_fail_prefix(err, "only %zu of %zu files are in place: ", i,
                                                   exporter->target_count);
    }
    return true;
}

const struct cf_export_result *cf_export_result(const struct cf_export *exporter)
{
    return &exporter->result;
}

const char *cf_export_path(const struct cf_export *exporter, size_t split)
{
    return exporter->paths[split];
}

void cf_export_free(struct cf_export *exporter)
{
    if (exporter == NULL)
        return;
    for (size_t i = 0; i < CF_EXPORT_SPLIT_MAX; i++) {
        cf_export_target_done(&exporter->targets[i]);
        free(exporter->paths[i]);
    }
    free(exporter);
}
