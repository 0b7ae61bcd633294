/* text.h - what Lua scripts count and check in texts, at C speed. */
#ifndef CONFAB_LUA_TEXT_H
#define CONFAB_LUA_TEXT_H

#include <lua.h>

/* Pushes { valid_prefix, invalid_at, from_latin1, length, words, skip_words, newlines, tokens }. */
int cf_lua_open_text(lua_State *L);
#endif
