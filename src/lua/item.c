#include "lua/item.h"

#include <string.h>

#include <lauxlib.h>

#include "engine/journal.h"

#define ITEM_MT "confab.item"

struct cf_item *cf_lua_push_item(lua_State *L)
{
    struct cf_item *item = lua_newuserdatauv(L, sizeof *item, 0);
    memset(item, 0, sizeof *item);
    luaL_setmetatable(L, ITEM_MT);
    return item;
}

struct cf_item *cf_lua_check_item(lua_State *L, int idx)
{
    return luaL_checkudata(L, idx, ITEM_MT);
}

static int item_gc(lua_State *L)
{
    cf_item_done(cf_lua_check_item(L, 1));
    return 0;
}

static int item_index(lua_State *L)
{
    const struct cf_item *item = cf_lua_check_item(L, 1);
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "id") == 0)
        lua_pushinteger(L, item->id);
    else if (strcmp(name, "ordinal") == 0)
        lua_pushinteger(L, item->ordinal);
    else if (strcmp(name, "state") == 0)
        lua_pushstring(L, cf_item_state_name(item->state));
    else if (strcmp(name, "existed") == 0)
        lua_pushboolean(L, item->existed);
    else if (strcmp(name, "accepted") == 0)
        lua_pushboolean(L, item->accepted);
    else if (strcmp(name, "error_kind") == 0)
        lua_pushstring(L, item->error_kind);
    else if (strcmp(name, "new_calls") == 0)
        lua_pushinteger(L, item->new_calls);
    else if (strcmp(name, "call_count") == 0)
        lua_pushinteger(L, (lua_Integer)item->call_count);
    else
        lua_pushnil(L);
    return 1;
}

void cf_lua_open_item(lua_State *L)
{
    luaL_newmetatable(L, ITEM_MT);
    lua_pushcfunction(L, item_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, item_index);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
