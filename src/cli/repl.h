/* repl.h - confab repl: Lua at a prompt. */
#ifndef CONFAB_CLI_REPL_H
#define CONFAB_CLI_REPL_H

struct cf_command;

extern const struct cf_command cf_command_repl;
#endif
