#include "lua/pairs.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

/* What a key is sorted by. The strings are anchored in the list of keys. */
struct entry {
    enum { BY_NUMBER, BY_STRING, BY_BOOLEAN, BY_APPEARANCE } rank;
    bool is_integer;
    union {
        lua_Integer integer;
        lua_Number number;
        struct { const char *text; size_t len; } string;
    };
    lua_Integer place;    /* in the list of keys */
};

/* One traversal: the iterator's upvalue; its user value is the list of keys. */
struct walk {
    size_t count, at;
    struct entry entries[];
};

static int compare_numbers(const struct entry *a, const struct entry *b)
{
    if (a->is_integer && b->is_integer)
        return (a->integer > b->integer) - (a->integer < b->integer);
    /* A float that equals an integer is never a key, so the wider type decides exactly. */
    long double x = a->is_integer ? (long double)a->integer : (long double)a->number;
    long double y = b->is_integer ? (long double)b->integer : (long double)b->number;
    return (x > y) - (x < y);
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = 0;

    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    if (x->rank == BY_NUMBER) {
        order = compare_numbers(x, y);
    } else if (x->rank == BY_STRING) {
        size_t len = x->string.len < y->string.len ? x->string.len : y->string.len;
        order = memcmp(x->string.text, y->string.text, len);
        if (order == 0)
            order = (x->string.len > y->string.len) - (x->string.len < y->string.len);
    } else if (x->rank == BY_BOOLEAN) {
        order = (x->integer > y->integer) - (x->integer < y->integer);
    }
    return order != 0 ? order : (x->place > y->place) - (x->place < y->place);
}

/* Upvalue 1: how far to go. Values that became nil are skipped. */
static int next_index(lua_State *L)
{
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(1));
    lua_Integer i = lua_tointeger(L, 2);    /* nil at first: 0 */
    luaL_checktype(L, 1, LUA_TTABLE);

    while (i < last) {
        lua_pushinteger(L, ++i);
        if (lua_rawgeti(L, 1, i) != LUA_TNIL)
            return 2;
        lua_pop(L, 2);
    }
    lua_pushnil(L);
    return 1;
}

/* Upvalue 1: the walk. */
static int next_sorted(lua_State *L)
{
    struct walk *walk = lua_touserdata(L, lua_upvalueindex(1));
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_getiuservalue(L, lua_upvalueindex(1), 1);     /* ... keys */

    while (walk->at < walk->count) {
        lua_rawgeti(L, -1, walk->entries[walk->at++].place);          /* ... keys key */
        lua_pushvalue(L, -1);
        if (lua_rawget(L, 1) != LUA_TNIL)                             /* ... keys key value */
            return 2;
        lua_pop(L, 2);
    }
    lua_pushnil(L);
    return 1;
}

static void read_entry(lua_State *L, int idx, struct entry *entry, lua_Integer place)
{
    *entry = (struct entry){ .rank = BY_APPEARANCE, .place = place };
    switch (lua_type(L, idx)) {
    case LUA_TNUMBER:
        entry->rank = BY_NUMBER;
        entry->is_integer = lua_isinteger(L, idx);
        if (entry->is_integer)
            entry->integer = lua_tointeger(L, idx);
        else
            entry->number = lua_tonumber(L, idx);
        break;
    case LUA_TSTRING:
        entry->rank = BY_STRING;
        entry->string.text = lua_tolstring(L, idx, &entry->string.len);
        break;
    case LUA_TBOOLEAN:
        entry->rank = BY_BOOLEAN;
        entry->integer = lua_toboolean(L, idx);
        break;
    default:
        break;
    }
}

/* Pushes the iterator over the sorted keys of the table at 1. */
static void push_sorted(lua_State *L, size_t count)
{
    struct walk *walk = lua_newuserdatauv(L, sizeof *walk + count * sizeof walk->entries[0], 1);
    walk->count = count;
    walk->at = 0;
    lua_createtable(L, count < INT32_MAX ? (int)count : 0, 0);        /* walk keys */

    size_t n = 0;
    lua_pushnil(L);
    while (n < count && lua_next(L, 1) != 0) {                        /* walk keys key value */
        lua_pop(L, 1);                                                /* walk keys key */
        read_entry(L, -1, &walk->entries[n], (lua_Integer)n + 1);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, (lua_Integer)++n);                         /* walk keys key */
    }
    lua_settop(L, 3);                                                 /* t walk keys */
    qsort(walk->entries, count, sizeof walk->entries[0], compare_entries);
    lua_setiuservalue(L, -2, 1);                                      /* t walk */
    lua_pushcclosure(L, next_sorted, 1);                              /* t iterator */
}

/* A __pairs that waited has returned. */
static int after_pairs(lua_State *L, int status, lua_KContext context)
{
    (void)L, (void)status, (void)context;
    return 3;
}

static int pairs_pairs(lua_State *L)
{
    luaL_checkany(L, 1);
    if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {             /* ... __pairs */
        lua_pushvalue(L, 1);
        lua_callk(L, 1, 3, 0, after_pairs);
        return after_pairs(L, LUA_OK, 0);
    }

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    size_t count = 0, len = lua_rawlen(L, 1);
    bool is_list = true;
    lua_pushnil(L);
    while (lua_next(L, 1) != 0) {                                     /* t key value */
        lua_pop(L, 1);                                                /* t key */
        is_list = is_list && lua_isinteger(L, -1) && (lua_Unsigned)lua_tointeger(L, -1) - 1 < len;
        count++;
    }

    if (is_list) {
        lua_pushinteger(L, (lua_Integer)len);
        lua_pushcclosure(L, next_index, 1);                           /* t iterator */
    } else {
        push_sorted(L, count);                                        /* t iterator */
    }
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

int cf_lua_open_pairs(lua_State *L)
{
    static const luaL_Reg functions[] = { { "pairs", pairs_pairs }, { NULL, NULL } };
    luaL_newlib(L, functions);
    return 1;
}
