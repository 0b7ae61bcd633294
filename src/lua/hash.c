#include "lua/hash.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "base/hash.h"
#include "lua/json.h"
#include "lua/product.h"

/* hash64(seed, bytes): an integer to be compared unsigned (math.ult). */
static int hash_hash64(lua_State *L)
{
    size_t len;
    uint64_t seed = (uint64_t)luaL_checkinteger(L, 1);
    const char *bytes = luaL_checklstring(L, 2, &len);
    lua_pushinteger(L, (lua_Integer)cf_hash64(seed, bytes, len));
    return 1;
}

/* Whether the value at 2 is a table of names: what else there is has no parameters. */
static bool has_names(lua_State *L)
{
    if (!lua_istable(L, 2) || cf_lua_json_is_array(L, 2) || lua_rawlen(L, 2) > 0)
        return false;
    lua_pushnil(L);
    if (!lua_next(L, 2))
        return false;
    lua_pop(L, 2);
    return true;
}

/* digest(seed, name, value): what a parameter adds to the hash of its item: hash64 of its name and
 * value in canonical JSON, `"name":value`. */
static int hash_digest(lua_State *L)
{
    uint64_t seed = (uint64_t)luaL_checkinteger(L, 1);
    lua_settop(L, 3);
    cf_lua_json_canonical(L, 2);                                       /* seed name value json */
    lua_pushliteral(L, ":");
    cf_lua_json_canonical(L, 3);
    lua_concat(L, 3);

    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    lua_pushinteger(L, (lua_Integer)cf_hash64(seed, text, len));
    return 1;
}

/* item(seed, value): the hash that orders :sample and :shuffle. Of a table of parameters it is
 * their digests' sum, mixed; of another value hash64 of its canonical JSON. */
static int hash_item(lua_State *L)
{
    luaL_checkinteger(L, 1);
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    if (!has_names(L)) {
        cf_lua_json_canonical(L, 2);
        lua_replace(L, 2);
        return hash_hash64(L);
    }
    uint64_t sum = 0;
    lua_pushnil(L);                                                    /* seed item name */
    while (lua_next(L, 2)) {                                           /* seed item name value */
        if (lua_type(L, -2) != LUA_TSTRING) {
            /* raises, naming the place */
            cf_lua_json_canonical(L, 2);
            return 0;
        }
        lua_pushcfunction(L, hash_digest);
        lua_pushvalue(L, 1);
        lua_pushvalue(L, -4);
        /* ... name value digest seed name value */
        lua_pushvalue(L, -4);
        if (lua_pcall(L, 3, 1, 0) != LUA_OK) {
            cf_lua_json_canonical(L, 2);                               /* as above */
            return lua_error(L);
        }
        sum += (uint64_t)lua_tointeger(L, -1);
        lua_pop(L, 2);                                                 /* seed item name */
    }
    lua_pushinteger(L, (lua_Integer)cf_lua_mix_digests(sum));
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
        { "digest", hash_digest },
        { "item", hash_item },
        { "product", cf_lua_product },
        { "sha256hex", hash_sha256hex },
        { "order", hash_order },
        { NULL, NULL },
    };
    cf_lua_open_product(L);
    luaL_newlib(L, functions);
    return 1;
}
