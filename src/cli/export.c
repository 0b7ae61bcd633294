#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/database.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "engine/dataset.h"
#include "engine/where.h"
#include "store/reader.h"

#define SUMMARY_MAX 4096

static const struct cf_option options[] = {
    { "output", 'o', "FILE", false,
      "where to; '-' is standard output, '{split}' in it the split's name" },
    { "format", 'f', "messages|sharegpt|alpaca|jsonl", false,
      "messages is the default; jsonl has everything" },
    { "where", 'w', "FILTER", false,
      "FIELD=VALUE,...: run, status, min_score, tier, tag, persona" },
    { "split", 0, "SHARES", false,
      "such as train=0.9,val=0.1: a file for each, stable per conversation" },
    { "seed", 0, "N", false, "of the split (default 0)" },
    { "system", 0, "fold|keep", false,
      "sharegpt: fold the system text into the first turn (default), or keep" },
    { "all", 'a', NULL, false, "of all runs" },
    { "include-simulated", 0, NULL, false, "also conversations that the simulator made" },
    { "include-truncated", 0, NULL, false, "also conversations from replies that were cut off" },
    { "quiet", 'q', NULL, false, "print no summary" },
    { NULL, 0, NULL, false, NULL },
};

struct request {
    const char *path;
    enum cf_export_format format;
    struct cf_export_options options;
    struct cf_where where;
    struct cf_dataset_filter filter;
};

static bool read_request(const struct cf_args *args, struct request *out, struct cf_error *err)
{
    const char *format = cf_args_get(args, "format"), *split = cf_args_get(args, "split");
    const char *system = cf_args_get(args, "system"), *where = cf_args_get(args, "where");
    int64_t seed = 0;

    out->path = cf_args_get(args, "output");
    if (out->path == NULL || out->path[0] == '\0')
        return cf_fail(err, CF_ERR_CONFIG,
                       "export: where to? add -o FILE, or -o - for standard output");
    if (!cf_export_format_parse(format != NULL ? format : "messages", &out->format, err))
        return false;
    if (split != NULL && !cf_export_splits_parse(split, &out->options.splits, err))
        return cf_fail_prefix(err, "--split: ");
    if (system != NULL && strcmp(system, "keep") == 0)
        out->options.system = CF_EXPORT_SYSTEM_KEEP;
    else if (system != NULL && strcmp(system, "fold") != 0)
        return cf_fail(err, CF_ERR_CONFIG, "--system must be fold or keep, not '%s'", system);
    if (!cf_args_int(args, "seed", 0, INT64_MAX, &seed, err))
        return false;
    out->options.seed = (uint64_t)seed;
    if (!cf_where_parse(where != NULL ? where : "", &out->where, err))
        return cf_fail_prefix(err, "--");

    out->filter = (struct cf_dataset_filter){
        .statuses = out->where.status_count > 0 ? out->where.statuses : NULL,
        .status_count = out->where.status_count,
        .min_score = out->where.min_score,
        .tier = out->where.tier,
        .tag = out->where.tag,
        .persona = out->where.persona,
        .with_simulated = cf_args_has(args, "include-simulated"),
        .with_truncated = cf_args_has(args, "include-truncated"),
    };
    return true;
}

/* One run unless --all: the positional, that of --where, or the newest. */
static bool find_run(const struct cf_args *args, struct cf_reader *reader, struct request *request,
                     struct cf_error *err)
{
    const char *name = args->positional_count > 0 ? args->positionals[0] : request->where.run;
    const struct cf_run_row *run;
    if (args->positional_count > 0 && request->where.run != NULL)
        return cf_fail(err, CF_ERR_CONFIG,
                       "export: the run is given twice: '%s' and run=%s in --where",
                       args->positionals[0], request->where.run);
    if (cf_args_has(args, "all")) {
        if (name != NULL)
            return cf_fail(err, CF_ERR_CONFIG, "export: --all and a run exclude each other");
        return true;
    }
    if (!cf_database_run(reader, name, &run, err))
        return false;
    if (run->simulated && !request->filter.with_simulated)
        return cf_fail(err, CF_ERR_CONFIG,
                       "run \"%s\" was simulated: its conversations are made up; "
                       "to export them all the same add --include-simulated",
                       run->name);
    request->filter.run = run->run;
    return true;
}

static void print_summary(const struct cf_args *args, const struct cf_dataset_result *result)
{
    struct cf_buf text;
    cf_buf_init(&text, SUMMARY_MAX);
    cf_dataset_result_format(result, &text);
    fprintf(stderr, "%s\n", cf_buf_str(&text));
    cf_buf_done(&text);
    if (result->left_truncated > 0)
        fprintf(stderr, "truncated conversations come along with --include-truncated\n");
    if (result->left_simulated > 0)
        fprintf(stderr, "simulated conversations come along with --include-simulated\n");
    if (strcmp(cf_args_get(args, "output"), "-") == 0)
        return;
    for (size_t i = 0; i < result->path_count; i++)
        fprintf(stderr, "%s: %lld\n", result->paths[i], (long long)result->file.written_to[i]);
}

static int export_dataset(const struct cf_args *args, struct cf_error *err)
{
    struct request request = { .path = NULL };
    struct cf_dataset_result result;
    struct cf_reader *reader = NULL;
    bool ok = false;

    if (!read_request(args, &request, err) || !cf_database_open(args, &reader, err))
        goto done;
    if (!find_run(args, reader, &request, err))
        goto done;
    if (!cf_dataset_export(reader, &request.filter, request.path, request.format, &request.options,
                           &result, err))
        goto done;
    if (!cf_args_has(args, "quiet"))
        print_summary(args, &result);
    cf_dataset_result_done(&result);
    ok = true;
done:
    cf_reader_free(reader);
    cf_where_done(&request.where);
    return ok ? CF_EXIT_OK : -1;
}

const struct cf_command cf_command_export = {
    .name = "export",
    .synopsis = "[RUN] -o FILE",
    .summary = "Write a run's conversations as dataset files for a trainer",
    .example = "confab export support-v1 --include-simulated -o support.jsonl --where min_score=6\n"
               "confab export --include-simulated -o 'support-{split}.jsonl' --split "
               "train=0.9,validation=0.1",
    .details =
        "RUN is a name or the start of an id; without it the newest run is meant.\n\n"
        "What counts and is usable is written: conversations that are generated or approved,\n"
        "not cut off, not simulated. --where status=needs_revision|rejected takes others; in a\n"
        "value, '\\,' is a comma.\n\n"
        "messages is what OpenAI, TRL, Axolotl and LLaMA-Factory read, sharegpt what FastChat\n"
        "does, alpaca the last exchange with the earlier ones as history. A conversation that\n"
        "the format cannot carry is skipped, and the summary says why. A name that ends in\n"
        ".json gets one JSON array.\n\n"
        "A file appears under its name when all of it is on disk. Conversations of one item\n"
        "stay in one split.",
    .options = options,
    .common = cf_database_options,
    .max_positionals = 1,
    .run = export_dataset,
};
