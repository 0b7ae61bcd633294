#include "lua/random.h"

#include <string.h>

#include <lauxlib.h>

#include "confab/rng.h"

static const char state_key;    /* its address is the registry key of the current state */

/* Pushes the userdata that holds the current state. */
static struct cf_rng *push_current(lua_State *L)
{
    luaL_checkstack(L, 2, "too deep");
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &state_key) == LUA_TUSERDATA)
        return lua_touserdata(L, -1);

    lua_pop(L, 1);
    struct cf_rng *rng = lua_newuserdatauv(L, sizeof *rng, 0);        /* state */
    cf_rng_seed(rng, 0);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &state_key);
    return rng;
}

struct cf_rng *cf_lua_random(lua_State *L)
{
    struct cf_rng *rng = push_current(L);
    lua_pop(L, 1);    /* the registry holds it */
    return rng;
}

/* random(), random(n), random(low, high), random(0), as Lua's own. Upvalue 1: the state. */
static int random_random(lua_State *L)
{
    struct cf_rng *rng = lua_touserdata(L, lua_upvalueindex(1));
    lua_Integer low = 1, high;

    switch (lua_gettop(L)) {
    case 0:
        lua_pushnumber(L, cf_rng_unit(rng));
        return 1;
    case 1:
        high = luaL_checkinteger(L, 1);
        if (high == 0) {
            lua_pushinteger(L, (lua_Integer)cf_rng_next(rng));
            return 1;
        }
        break;
    case 2:
        low = luaL_checkinteger(L, 1);
        high = luaL_checkinteger(L, 2);
        break;
    default:
        return luaL_error(L, "wrong number of arguments");
    }
    luaL_argcheck(L, low <= high, lua_gettop(L), "interval is empty");
    lua_pushinteger(L, cf_rng_range(rng, low, high));
    return 1;
}

/* What an integer, or a float by its bits, gives as a seed. */
static uint64_t check_seed(lua_State *L, int arg)
{
    int is_integer;
    lua_Integer integer = lua_tointegerx(L, arg, &is_integer);
    if (is_integer)
        return (uint64_t)integer;

    lua_Number number = luaL_checknumber(L, arg);
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

/* randomseed(x [, y]). Without arguments Lua would take the time; here the state draws its own
 * next seed, so that a script that calls it still repeats itself. Returns the two parts. */
static int random_randomseed(lua_State *L)
{
    struct cf_rng *rng = lua_touserdata(L, lua_upvalueindex(1));
    uint64_t first = lua_isnone(L, 1) ? cf_rng_next(rng) : check_seed(L, 1);
    uint64_t second = lua_isnoneornil(L, 2) ? 0 : check_seed(L, 2);

    /* An odd factor keeps different pairs from falling together easily. */
    cf_rng_seed(rng, first + second * UINT64_C(0x9E3779B97F4A7C15));
    lua_pushinteger(L, (lua_Integer)first);
    lua_pushinteger(L, (lua_Integer)second);
    return 2;
}

/* Pushes random and randomseed over the state on top of the stack, and removes it. */
static void push_pair(lua_State *L)
{
    lua_pushvalue(L, -1);                             /* state state */
    lua_pushcclosure(L, random_random, 1);            /* state random */
    lua_insert(L, -2);                                /* random state */
    lua_pushcclosure(L, random_randomseed, 1);        /* random randomseed */
}

/* new(seed): random and randomseed with a state of their own. */
static int random_new(lua_State *L)
{
    uint64_t seed = check_seed(L, 1);
    struct cf_rng *rng = lua_newuserdatauv(L, sizeof *rng, 0);
    cf_rng_seed(rng, seed);
    push_pair(L);
    return 2;
}

int cf_lua_open_random(lua_State *L)
{
    lua_createtable(L, 0, 3);                         /* random */
    push_current(L);
    push_pair(L);                                     /* random random randomseed */
    lua_setfield(L, -3, "randomseed");
    lua_setfield(L, -2, "random");
    lua_pushcfunction(L, random_new);
    lua_setfield(L, -2, "new");
    return 1;
}
