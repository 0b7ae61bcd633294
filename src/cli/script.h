/* script.h - a pipeline script, from its text to an exit status: what `run` and `resume` share. */
#ifndef CONFAB_CLI_SCRIPT_H
#define CONFAB_CLI_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/command.h"
#include "confab/buf.h"

struct cf_error;
struct lua_State;

#define CF_SCRIPT_BYTES_MAX (16u << 20)

extern const struct cf_option cf_script_options[]; /* a table for cf_command.common */

/* What the command line says of how a script is run. Texts are lent; NULL or -1: nothing. */
struct cf_script_flags {
    const char *db, *simulate, *model, *base_url, *progress;
    const char *budget;           /* dollars */
    int64_t concurrency, limit, max_new;
    double drain_s;
    double min_acceptance;        /* a share */
    bool fresh, failed, offline;
    bool plan;                    /* an estimate: nothing is sent or written */
    bool plan_json;               /* the estimate as JSON */
};

/* Reads and checks the options of cf_script_options that were given. */
bool cf_script_flags_read(const struct cf_args *args, struct cf_script_flags *out,
                          struct cf_error *err);

/* --budget must be an amount; NULL is fine. */
bool cf_script_flags_check_budget(const char *budget, struct cf_error *err);

/* --simulate's SPEC must be one; NULL is. */
bool cf_script_flags_check_spec(const char *spec, struct cf_error *err);

struct cf_script {
    const char *path;             /* as it was named: arg[0], and the default name of its run */
    struct cf_buf text;           /* owned */
    const char *const *args;      /* arg[1], arg[2], ...; lent */
    size_t arg_count;
    bool is_server;               /* runs until a signal, which is its good end: status 0 */
    /* called once all is set up, before the script runs; NULL: nothing */
    void (*prepare)(struct lua_State *L);
};

void cf_script_init(struct cf_script *script, const char *path);
void cf_script_done(struct cf_script *script);

/* Reads the text from the file of that path. */
bool cf_script_read(const char *path, struct cf_buf *out, struct cf_error *err);

/* Runs it to its end. Returns the exit status, or -1 with *err: the script's, or why it could
 * not be begun. args: of the command, for the line that tells how to go on. */
int cf_script_run(const struct cf_script *script, const struct cf_script_flags *flags,
                  const struct cf_args *args, struct cf_error *err);

/* The same with the file that comes first in args, and what follows it as its arguments. */
int cf_script_run_file(const struct cf_args *args, const struct cf_script_flags *flags,
                       struct cf_error *err);
#endif
