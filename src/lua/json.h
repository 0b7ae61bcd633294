/* json.h - JSON both ways between texts and Lua values.
 *
 * Arrays are told from objects by a metatable that decoding (or json.array) sets, so
 * that {} and [] both come back as they were; null is one userdata; integers of 64
 * bits are exact. What is not JSON (functions, NaN, cycles, mixed keys) is refused,
 * naming the place. */
#ifndef CONFAB_LUA_JSON_H
#define CONFAB_LUA_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

struct cf_error;

/* Pushes the value of a JSON text and returns true; or pushes nothing, fills *err
 * (CF_ERR_PARSE with line and column) and returns false. May raise for lack of memory. */
bool cf_lua_json_decode(lua_State *L, const char *text, size_t len, struct cf_error *err);

/* Pushes the JSON of the value at idx as a string, object keys sorted. indent: spaces a
 * level, 0 for one line. Raises config_error where the value cannot be JSON. */
void cf_lua_json_encode(lua_State *L, int idx, int indent);

/* Pushes the canonical form: keys in byte order, shortest numbers, 1.0 as 1, no white
 * space: equal values, equal bytes. Raises as above. */
void cf_lua_json_canonical(lua_State *L, int idx);

/* confab.null: pushes it; whether the value at idx is it. */
void cf_lua_push_null(lua_State *L);
bool cf_lua_is_null(lua_State *L, int idx);

/* Marks the table at idx as an array, so that it is one even when empty. */
void cf_lua_json_mark_array(lua_State *L, int idx);
bool cf_lua_json_is_array(lua_State *L, int idx);    /* only whether it is marked */

/* Pushes { decode, encode, canonical, array, is_array, null }. */
int cf_lua_open_json(lua_State *L);
#endif
