#include "lua/review.h"

#include <lauxlib.h>

#include "confab/error.h"
#include "engine/engine.h"
#include "lua/engine.h"
#include "lua/raise.h"
#include "lua/read.h"
#include "store/write_review.h"

/* Writes through the engine's store, or through one opened for this. */
static int write_now(lua_State *L, const char *path, struct cf_write *write)
{
    struct cf_engine *engine = cf_lua_engine(L);
    struct cf_error err;
    struct cf_store *own = NULL;
    bool ok = engine != NULL || cf_store_open(path, &(struct cf_store_options){ 0 }, &own, &err);
    if (ok)
        ok = cf_store_write(engine != NULL ? cf_engine_store(engine) : own, write, &err);
    cf_store_free(own);
    return ok ? 0 : cf_lua_raise(L, &err);
}

static int review_set_status(lua_State *L)
{
    struct cf_write_review review = {
        .write.apply = cf_write_review, .conversation = luaL_checkinteger(L, 2),
        .status = luaL_checkstring(L, 3), .note = luaL_optstring(L, 4, NULL),
    };
    return write_now(L, luaL_checkstring(L, 1), &review.write);
}

static int review_tag(lua_State *L)
{
    luaL_checktype(L, 3, LUA_TTABLE);
    struct cf_write_tag tag = {
        .write.apply = cf_write_tag, .conversation = luaL_checkinteger(L, 2),
        .tag.name = cf_lua_read_string(L, 3, "name"), .tag.text = cf_lua_read_text(L, 3, "text"),
        .remove = lua_toboolean(L, 4),
    };
    tag.tag.is_number = cf_lua_read_number(L, 3, "number", &tag.tag.number);
    return write_now(L, luaL_checkstring(L, 1), &tag.write);
}

int cf_lua_open_review(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "set_status", review_set_status },
        { "tag", review_tag },
        { NULL, NULL },
    };
    luaL_newlib(L, functions);
    return 1;
}
