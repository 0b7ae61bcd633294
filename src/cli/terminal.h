/* terminal.h - a person's lines: editing, history and completion by libedit; plain reading where
 * there is no terminal. */
#ifndef CONFAB_CLI_TERMINAL_H
#define CONFAB_CLI_TERMINAL_H

struct lua_State;

/* Makes `require "confab.terminal"` give
 *  is_terminal        whether standard input and output are a terminal
 *  size()             columns, lines; 80, 24 where it is none
 *  read(prompt, complete)  a line without its end; nil at the end of the input; false after an interrupt.
 *                     complete(text before the cursor) -> the byte from which on candidates stand, a list of them
 *  remember(text)     puts an input into the history
 *  load_history(path), save_history(path)  true, or nil and why */
void cf_terminal_open(struct lua_State *L);
#endif
