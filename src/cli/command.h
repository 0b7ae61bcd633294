/* command.h - what a command of confab is: one table gives its parsing and its help.
 *
 * An option is one row; `confab help CMD`, `CMD --help` and the parsing all read it,
 * so they cannot disagree. */
#ifndef CONFAB_CLI_COMMAND_H
#define CONFAB_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "confab/error.h"

struct cf_buf;

/* Exit statuses (DESIGN.md, section 12). */
enum {
    CF_EXIT_OK = 0,
    CF_EXIT_FAILED_ITEMS = 1,
    CF_EXIT_USAGE = 2,          /* wrong use or configuration */
    CF_EXIT_BUDGET = 3,
    CF_EXIT_RESUMABLE = 4,      /* stopped by something every item would meet */
    CF_EXIT_SCRIPT = 5,
    CF_EXIT_INTERRUPTED = 130,
};

/* The one that an error of this kind gives. */
int cf_exit_status(enum cf_error_kind kind);

struct cf_option {
    const char *name;        /* without "--"; NULL ends a table */
    char        letter;      /* "-o"; 0: none */
    /* what stands for the value in the help, such as "FILE"; NULL: a flag */
    const char *value;
    bool        is_optional; /* the value may be left out, and then only --name=VALUE gives one */
    const char *help;
};

struct cf_args;

struct cf_command {
    const char *name;
    const char *synopsis;    /* what follows the name: "SCRIPT.lua [ARGS...]" */
    const char *summary;     /* one sentence without a full stop */
    const char *example;     /* real command lines, one a line; the first opens the help */
    const char *details;     /* more paragraphs, or NULL */
    const struct cf_option *options;    /* own ones */
    const struct cf_option *common;     /* a shared table, or NULL */
    bool        stops_at_positional;    /* what follows the first positional belongs to a script */
    int min_positionals, max_positionals;   /* max -1: any number */

    /* Returns the exit status, or -1 with *err filled; main prints it and turns it into one. */
    int (*run)(const struct cf_args *args, struct cf_error *err);
};

/* Parsed words. Strings are those of argv. */
struct cf_args {
    const struct cf_command *command;
    struct cf_arg { const struct cf_option *option; const char *value; } *given;
    size_t given_count;
    const char **positionals;
    size_t positional_count;
    bool wants_help;         /* --help or -h was there; nothing else was checked */
};

/* Reads the words after the command's name. On failure CF_ERR_CONFIG names the word and, for
 * a misspelt option, the nearest one. cf_args_done frees. */
bool cf_args_parse(const struct cf_command *command, int argc, char **argv,
                   struct cf_args *out, struct cf_error *err);
void cf_args_done(struct cf_args *args);

/* Whether --name was given. */
bool cf_args_has(const struct cf_args *args, const char *name);

/* The last value given for --name; NULL if not given ("" for an optional value left out). Lent. */
const char *cf_args_get(const struct cf_args *args, const char *name);

/* Reads --name as a whole number low..high; leaves *out alone if not given. False with *err
 * naming option and range otherwise. */
bool cf_args_int(const struct cf_args *args, const char *name, int64_t low, int64_t high,
                 int64_t *out, struct cf_error *err);

/* Reads --name as a number low..high, likewise. */
bool cf_args_number(const struct cf_args *args, const char *name, double low, double high,
                    double *out, struct cf_error *err);

/* The options that a command takes by number: its own, the common ones, --help; NULL behind the
 * last. */
const struct cf_option *cf_command_option(const struct cf_command *command, size_t index);

/* Appends the help of a command: summary, example, usage, options, details. */
void cf_command_format_help(const struct cf_command *command, struct cf_buf *out);

/* All commands, ended by NULL, in the order in which help lists them; and one by name or NULL. */
extern const struct cf_command *const cf_commands[];
const struct cf_command *cf_command_find(const char *name);

/* The nearest of `count` names by edit distance, or NULL if none is near enough to be meant. */
const char *cf_nearest_name(const char *word, const char *const *names, size_t count);
#endif
