#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/database.h"
#include "confab/error.h"
#include "engine/report.h"
#include "store/reader.h"

static const struct cf_option options[] = {
    { "output", 'o', "FILE", false, "where to; '-' is standard output" },
    { "quiet", 'q', NULL, false, "do not say what was written" },
    { NULL, 0, NULL, false, NULL },
};

static int report(const struct cf_args *args, struct cf_error *err)
{
    const char *path = cf_args_get(args, "output");
    const struct cf_run_row *run;
    struct cf_reader *reader;
    int64_t bytes = 0;

    if (path == NULL || path[0] == '\0') {
        cf_fail(err, CF_ERR_CONFIG,
                "report: where to? add -o report.html, or -o - for standard output");
        return -1;
    }
    if (!cf_database_open(args, &reader, err))
        return -1;
    bool ok = cf_database_run(reader, args->positional_count > 0 ? args->positionals[0] : NULL,
                              &run, err) &&
              cf_report_write(reader, run->run, path, &bytes, err);
    cf_reader_free(reader);
    if (ok && !cf_args_has(args, "quiet") && strcmp(path, "-") != 0)
        fprintf(stderr, "%s: %lld KB; open it in a browser\n", path,
                (long long)(bytes + 1023) / 1024);
    return ok ? CF_EXIT_OK : -1;
}

const struct cf_command cf_command_report = {
    .name = "report",
    .synopsis = "[RUN] -o FILE",
    .summary =
        "Write one HTML page about a run: scores, rules, cost, failures, sample conversations",
    .example = "confab report support-v1 -o report.html",
    .details =
        "RUN is a name or the start of an id; without it the newest run is meant.\n\n"
        "The page is one file for those who decide whether the conversations are good enough:\n"
        "it needs no server, no network and no script, and prints well. Sample conversations\n"
        "are that of the lowest score, the median one and that of the highest.\n\n"
        "The file appears under its name when all of it is on disk.",
    .options = options,
    .common = cf_database_options,
    .max_positionals = 1,
    .run = report,
};
