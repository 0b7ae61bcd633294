/* core.h - the module "confab.core": the C functions that the Lua side stands on. */
#ifndef CONFAB_LUA_CORE_H
#define CONFAB_LUA_CORE_H

#include <lua.h>

/* Pushes { json, hash, pairs, random, text, fs, raise }. A lua_CFunction for luaL_requiref or
 * package.preload. */
int luaopen_confab_core(lua_State *L);
#endif
