/* ending.h - what a call's settings say of the item's end; see engine/ending.h. */
#ifndef CONFAB_LUA_ENDING_H
#define CONFAB_LUA_ENDING_H

#include <lua.h>

struct cf_call;
struct cf_item;

/* Reads `ending` of the request table at idx: { template = id of its row, parameters = JSON,
 * columns = { persona = ... } }. The item then ends with the reply, if that serves. */
void cf_lua_read_ending(lua_State *L, int idx, const struct cf_item *item, struct cf_call *call);

/* Pushes what is told of a reply that its item has ended with: { score, cost_pico, cost }. */
void cf_lua_push_ended(lua_State *L, const struct cf_call *call);
#endif
