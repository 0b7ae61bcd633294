/* raise.h - errors as Lua sees them.
 *
 * One metatable for every error table of confab, whether C or lua/confab/errors.lua
 * made it, so that pcall gets fields and tostring gives the console text:
 * { kind, message, retryable, status, retry_after, details }. */
#ifndef CONFAB_LUA_RAISE_H
#define CONFAB_LUA_RAISE_H

#include <stdbool.h>

#include <lua.h>

struct cf_error;

/* Pushes the error table for *err. status is absent when 0, retry_after (seconds)
 * when nothing was asked for. */
void cf_lua_push_error(lua_State *L, const struct cf_error *err);

/* Raises it; `return cf_lua_raise(L, &err);`. Never returns. */
int cf_lua_raise(lua_State *L, const struct cf_error *err);

/* Whether the value at idx is one of confab's error tables. */
bool cf_lua_is_error(lua_State *L, int idx);

/* The error value at idx as C has it: confab's own tables with their kind, anything else as
 * a script_error with its text. Does not raise. */
void cf_lua_read_error(lua_State *L, int idx, struct cf_error *out);

/* Pushes { metatable = the metatable of error tables }. */
int cf_lua_open_raise(lua_State *L);
#endif
