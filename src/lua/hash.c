#include "lua/hash.h"

#include <stdint.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "base/hash.h"

/* hash64(seed, bytes): an integer to be compared unsigned (math.ult). */
static int hash_hash64(lua_State *L)
{
    size_t len;
    uint64_t seed = (uint64_t)luaL_checkinteger(L, 1);
    const char *bytes = luaL_checklstring(L, 2, &len);
    lua_pushinteger(L, (lua_Integer)cf_hash64(seed, bytes, len));
    return 1;
}

static int hash_sha256hex(lua_State *L)
{
    size_t len;
    uint8_t digest[CF_SHA256_SIZE];
    char hex[2 * CF_SHA256_SIZE + 1];
    const char *bytes = luaL_checklstring(L, 1, &len);

    cf_sha256(bytes, len, digest);
    cf_hex(digest, sizeof digest, hex);
    lua_pushlstring(L, hex, sizeof hex - 1);
    return 1;
}

struct place { uint64_t hash; lua_Integer index; };

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* order(hashes): the indexes 1..#hashes by unsigned hash, equal ones as they stood. */
static int hash_order(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    size_t count = lua_rawlen(L, 1);

    struct place *places = lua_newuserdatauv(L, count * sizeof *places, 0);    /* hashes places */
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        luaL_argcheck(L, lua_isinteger(L, -1), 1, "a list of integers was expected");
        places[i].hash = (uint64_t)lua_tointeger(L, -1);
        places[i].index = (lua_Integer)i + 1;
        lua_pop(L, 1);
    }
    qsort(places, count, sizeof *places, compare_places);

    lua_createtable(L, count < INT32_MAX ? (int)count : 0, 0);         /* hashes places order */
    for (size_t i = 0; i < count; i++) {
        lua_pushinteger(L, places[i].index);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

int cf_lua_open_hash(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "hash64", hash_hash64 },
        { "sha256hex", hash_sha256hex },
        { "order", hash_order },
        { NULL, NULL },
    };
    luaL_newlib(L, functions);
    return 1;
}
