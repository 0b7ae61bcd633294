/* record.h - the times that an item's step was told, from and to the database. */
#ifndef CONFAB_LUA_RECORD_H
#define CONFAB_LUA_RECORD_H

#include <lua.h>

struct cf_run;

/* record(item, json): keeps it with the item, without waiting: it is committed before any call
 * that is asked for later. */
int cf_lua_record(lua_State *L);

/* Pushes the JSON that was kept with the item of this key, or nil. */
int cf_lua_push_recorded(lua_State *L, struct cf_run *run, const char *key, size_t key_len);
#endif
