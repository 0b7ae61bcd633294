#include "cli/command.h"
#include "cli/commands.h"
#include "cli/database.h"
#include "cli/loose.h"
#include "cli/print.h"
#include "cli/run_object.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "confab/money.h"
#include "store/reader.h"

static const struct cf_option options[] = {
    { "json", 0, NULL, false, "print a JSON array, one run a line" },
    { NULL, 0, NULL, false, NULL },
};

static void add_row(struct cf_table *table, const struct cf_run_row *row,
                    const struct cf_loose *loose)
{
    const struct cf_run_account *account = &row->account;
    char text[CF_NUMBER_TEXT_MAX], money[CF_MONEY_TEXT_MAX];
    struct cf_buf name;
    cf_buf_init(&name, 4096);
    cf_buf_adds(&name, row->name);
    if (row->generation > 1)
        cf_buf_addf(&name, " (%lld)", (long long)row->generation);
    if (row->simulated)
        cf_buf_adds(&name, " simulated");

    cf_table_add_text(table, (struct cf_text){ row->uuid, 13 }, 0);
    cf_table_add_text(table, (struct cf_text){ cf_buf_str(&name), name.len }, 40);
    cf_table_add(table, row->state);
    const int64_t planned[] = { account->planned, account->accepted, account->needs_revision,
                                account->failed, account->pending };
    const int64_t unplanned[] = { -1, loose->accepted, loose->needs_revision, loose->failed, -1 };
    for (int i = 0; i < 5; i++)
        cf_table_add(table, cf_format_count(loose->is_all ? unplanned[i] : planned[i], text));
    cf_money_format(account->spent_pico, money);
    cf_table_add(table, money);
    cf_table_add(table, cf_format_time(row->created_at, text));
    cf_buf_done(&name);
}

static bool print_table(struct cf_reader *reader, struct cf_run_cursor *cursor,
                        struct cf_error *err)
{
    static const char *const heads[] = { "RUN",    "NAME",   "STATE",   "PLANNED", "ACCEPTED",
                                         "REVISE", "FAILED", "PENDING", "SPENT",   "BEGUN (UTC)" };
    const struct cf_run_row *row;
    struct cf_table table;
    int next;
    cf_table_init(&table, "lllrrrrrrl");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        cf_table_add(&table, heads[i]);
    bool any = false;
    for (; (next = cf_runs_next(cursor, &row, err)) > 0; any = true) {
        struct cf_loose loose;
        if (!cf_loose_count(reader, row, &loose, err)) {
            next = -1;
            break;
        }
        add_row(&table, row, &loose);
    }
    if (next == 0 && any)
        cf_table_print(&table);
    else if (next == 0)
        cf_printf("no runs yet; `confab run SCRIPT.lua` makes one\n");
    cf_table_done(&table);
    return next == 0;
}

static bool print_json(struct cf_reader *reader, struct cf_run_cursor *cursor, struct cf_error *err)
{
    const struct cf_run_row *row;
    struct cf_object_list list;
    struct cf_buf object;
    int next;
    cf_buf_init(&object, CF_OBJECT_MAX);
    cf_object_list_begin(&list);
    while ((next = cf_runs_next(cursor, &row, err)) > 0) {
        struct cf_loose loose;
        if (!cf_loose_count(reader, row, &loose, err)) {
            next = -1;
            break;
        }
        cf_run_object(&object, NULL, row, &loose);
        if (!cf_object_list_add(&list, &object, err)) {
            next = -1;
            break;
        }
    }
    cf_object_list_end(&list);
    cf_buf_done(&object);
    return next == 0;
}

static int runs(const struct cf_args *args, struct cf_error *err)
{
    struct cf_reader *reader;
    struct cf_run_cursor *cursor = NULL;
    bool ok = false;
    if (!cf_database_open(args, &reader, err))
        return -1;
    if (cf_runs_open(reader, NULL, &cursor, err)) {
        ok = cf_args_has(args, "json") ? print_json(reader, cursor, err)
                                       : print_table(reader, cursor, err);
        cf_runs_free(cursor);
    }
    cf_reader_free(reader);
    return ok ? CF_EXIT_OK : -1;
}

const struct cf_command cf_command_runs = {
    .name = "runs",
    .synopsis = "",
    .summary = "List the runs of the database, newest first",
    .example =
        "confab runs\n"
        "confab runs --json | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))'",
    .details =
        "A run can be named elsewhere by its name, or by the start of its id (4 characters or\n"
        "more).",
    .options = options,
    .common = cf_database_options,
    .run = runs,
};
