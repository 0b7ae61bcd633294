/* completion.h - what may stand where on a command line of confab, as scripts for shells.
 *
 * Made from the tables of command.h, from which parsing and help come, too, so that a shell
 * never offers what confab does not take. */
#ifndef CONFAB_CLI_COMPLETION_H
#define CONFAB_CLI_COMPLETION_H

#include <stdbool.h>
#include <stddef.h>

struct cf_buf;
struct cf_command;
struct cf_option;

enum cf_word_kind {
    CF_WORD_ANY,         /* nothing can be offered */
    CF_WORD_CHOICE,      /* one of a few words */
    CF_WORD_COMMAND,     /* a command's name */
    CF_WORD_FILE,
    CF_WORD_SCRIPT,      /* a file that ends in .lua */
    CF_WORD_FOLDER,
};

/* What a word on the command line is. */
struct cf_word {
    enum cf_word_kind kind;
    /* as the help has it, "SCRIPT.lua" or "bash|zsh|fish"; lent, not ended by a NUL */
    const char *name;
    size_t name_len;
};

/* The value of an option that takes one. */
struct cf_word cf_word_of_option(const struct cf_option *option);

/* The argument with that number, from 0; kind CF_WORD_ANY and no name where none is taken. The last
 * one of a command that takes any number stands for all that follow, and *out_repeats tells so. */
struct cf_word cf_word_of_argument(const struct cf_command *command, size_t index,
                                   bool *out_repeats);

/* Appends the choices of a word, with spaces between them. */
void cf_word_add_choices(const struct cf_word *word, struct cf_buf *out);

/* Appends the script for that shell. */
void cf_completion_bash(struct cf_buf *out);
void cf_completion_zsh(struct cf_buf *out);
void cf_completion_fish(struct cf_buf *out);

extern const struct cf_command cf_command_completion;
#endif
