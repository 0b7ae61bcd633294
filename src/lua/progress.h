/* progress.h - the one line at the bottom of a terminal that tells how a run is doing.
 *
 * The Lua side makes the text; this keeps it apart from log lines that other threads print. */
#ifndef CONFAB_LUA_PROGRESS_H
#define CONFAB_LUA_PROGRESS_H

#include <lua.h>

/* Pushes { width, draw, clear, say, warn }.
 *  width()     columns of the terminal on standard error; nil if it is none
 *  draw(text)  puts the line there, cut to the width; it comes back after each log line
 *  clear()     takes it off
 *  say(text)   a line through the log (so --quiet silences it)
 *  warn(text)  the same, as a warning, which is shown even so
 *  detail(text)  the same, shown with --verbose only */
int cf_lua_open_progress(lua_State *L);
#endif
