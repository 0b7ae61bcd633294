/* template.h - Mustache templates over Lua values, for lua/confab/template.lua. */
#ifndef CONFAB_LUA_TEMPLATE_H
#define CONFAB_LUA_TEMPLATE_H

#include <lua.h>

/* Pushes { compile }.
 *  compile(name, text, options) -> a compiled template; raises config_error with line and column.
 *      options: strict (true), escape ("html"), partials = { name = text }, lambdas = { name =
 *      function } (see template_call.h), line and column of the text in its file (1, 1)
 *  compiled:render(params) -> text. params: a table, or what has an __index; a text or number
 *      for {{.}}. Raises config_error.
 *  compiled:variables() -> a list of names */
int cf_lua_open_template(lua_State *L);
#endif
