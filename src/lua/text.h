/* text.h - what Lua scripts count and check in texts, at C speed. */
#ifndef CONFAB_LUA_TEXT_H
#define CONFAB_LUA_TEXT_H

#include <lua.h>

/* Pushes { valid_prefix, invalid_at, from_latin1, length, words, newlines, word_offset, tokens }. */
int cf_lua_open_text(lua_State *L);
#endif
