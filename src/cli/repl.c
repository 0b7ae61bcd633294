#include "cli/repl.h"

#include "cli/script.h"
#include "cli/terminal.h"
#include "lua/scheduler.h"

static void prepare(struct lua_State *L)
{
    cf_terminal_open(L);
    cf_scheduler_catch_interrupts(L);
}

/* The loop is Lua's: lua/confab/repl.lua. */
static int repl(const struct cf_args *args, struct cf_error *err)
{
    struct cf_script script;
    struct cf_script_flags flags;
    if (!cf_script_flags_read(args, &flags, err))
        return -1;
    cf_script_init(&script, args->positional_count > 0 ? args->positionals[0] : "repl");
    script.args = args->positionals;
    script.arg_count = args->positional_count;
    script.prepare = prepare;
    cf_buf_adds(&script.text, "return require('confab.repl').main(...)");
    int status = cf_script_run(&script, &flags, args, err);
    cf_script_done(&script);
    return status;
}

const struct cf_command cf_command_repl = {
    .name = "repl",
    .synopsis = "[SCRIPT.lua [ARGS...]]",
    .summary = "Try things at a prompt: Lua with confab, line by line",
    .example = "confab repl --simulate\n"
               "confab repl support_chats.lua --simulate",
    .details = "A value is shown as it is for people: a conversation as its turns, with score and "
               "cost. The prompt\n"
               "tells what the session has cost. _ is the last value, help() lists what there is, "
               "help(confab.run)\n"
               "tells of one of it; Tab completes names, options and files. Ctrl-C ends what runs, "
               "not the session; Ctrl-D\n"
               "ends the session.\n\n"
               "SCRIPT.lua is run first, and its local names are kept. Its confab.run only defines "
               "a run, which run:start()\n"
               "begins. reload() reads the script again. :save FILE.lua writes what was typed into "
               "a script.\n\n"
               "Fed from a file, it takes input after input; status 5 says that one of them failed.",
    .common = cf_script_options,
    .max_positionals = -1,
    .run = repl,
};
