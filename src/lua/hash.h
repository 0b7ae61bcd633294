/* hash.h - hashes for Lua: item keys, and the order of :sample and :shuffle. */
#ifndef CONFAB_LUA_HASH_H
#define CONFAB_LUA_HASH_H

#include <lua.h>

/* Pushes { hash64, digest, item, product, sha256hex, order }. */
int cf_lua_open_hash(lua_State *L);
#endif
