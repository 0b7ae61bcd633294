#include "lua/cost.h"

#include <string.h>

#include <lauxlib.h>

#include "confab/cost.h"
#include "confab/error.h"
#include "confab/money.h"
#include "lua/price.h"
#include "lua/raise.h"

#define PRICE_MT "confab.price"

static int cost_price(lua_State *L)
{
    struct cf_price price;
    struct cf_error err;

    luaL_checkany(L, 1);
    if (!cf_lua_read_price(L, 1, &price, &err))
        return cf_lua_raise(L, &err);

    struct cf_price *self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = price;
    luaL_setmetatable(L, PRICE_MT);
    return 1;
}

/* Sets a count of usage from the name and value on top of the stack. */
static void read_count(lua_State *L, struct cf_usage *usage)
{
    enum cf_token_kind kind;
    bool is_batch;
    size_t len;

    luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING, 2, "tokens are given by name");
    const char *name = lua_tolstring(L, -2, &len);
    if (strcmp(name, "batch") == 0) {
        usage->is_batch = lua_toboolean(L, -1);
    } else if (strcmp(name, "us") == 0) {
        usage->is_us = lua_toboolean(L, -1);
    } else if (cf_price_field(name, len, &kind, &is_batch) && !is_batch) {
        int is_integer;
        usage->tokens[kind] = lua_tointegerx(L, -1, &is_integer);
        if (!is_integer)
            luaL_error(L, "%s must be a whole number of tokens", name);
    } else {
        luaL_error(L, "there is no kind of tokens named \"%s\"", name);
    }
}

static int cost_of(lua_State *L)
{
    const struct cf_price *price = luaL_checkudata(L, 1, PRICE_MT);
    struct cf_usage usage = { .is_known = true };
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);

    lua_pushnil(L);
    while (lua_next(L, 2) != 0) {                     /* price usage name value */
        read_count(L, &usage);
        lua_pop(L, 1);
    }
    int64_t pico = cf_cost_of(price, &usage);
    if (pico == CF_COST_UNKNOWN) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushnumber(L, (lua_Number)pico / CF_PICO_PER_USD);
    lua_pushinteger(L, pico);
    return 2;
}

int cf_lua_open_cost(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "price", cost_price },
        { "of", cost_of },
        { NULL, NULL },
    };
    luaL_newmetatable(L, PRICE_MT);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
