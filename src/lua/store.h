/* store.h - what Lua reads from the database: runs, failures, conversations, any query.
 *
 * Reads go over the engine's reader once the engine is open, before that over one of the store's
 * own. Conversations are streamed over a connection of their own: their cursor holds a snapshot,
 * and the engine must not look its journal up in an old one. */
#ifndef CONFAB_LUA_STORE_H
#define CONFAB_LUA_STORE_H

#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "engine/where.h"

struct cf_reader;

/* The reader to use now; raises config_error if neither engine nor store is open. Lent: until Lua
 * runs again. */
struct cf_reader *cf_lua_store_reader(lua_State *L);

/* The path of its database. Lent, like the reader. */
const char *cf_lua_store_path(lua_State *L);

/* The run that the value at idx means: nil is the newest, an integer a row, a text an id or a
 * name. Raises config_error if there is none. */
int64_t cf_lua_store_run(lua_State *L, struct cf_reader *reader, int idx);

/* Reads the field `statuses` of the table at idx, a list of names; returns how many. They are lent
 * by the table. Raises config_error for one that is no status. */
size_t cf_lua_store_statuses(lua_State *L, int idx, const char *out[CF_WHERE_STATUSES_MAX]);

/* Pushes { open, run, runs, failures, conversations, sql }.
 *  open(path)         names the database; opens it unless the engine has
 *  run(id)            a run as a table, with its sums in `account`: by row (an integer), uuid,
 *                     start of a uuid or name; without id the newest; nil if there is none
 *  runs()             all of them, newest first
 *  failures(run)      list of { kind, count, key, message }, most frequent first
 *  conversations(filter)   iterator, nil, nil, closing value, for `for`; see store_conversations.c
 *  sql(query, ...)    list of rows by column name; see store_sql.c */
int cf_lua_open_store(lua_State *L);

int cf_lua_store_conversations(lua_State *L);
int cf_lua_store_sql(lua_State *L);
#endif
