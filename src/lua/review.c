#include "lua/review.h"

#include <lauxlib.h>

#include "confab/error.h"
#include "engine/engine.h"
#include "lua/engine.h"
#include "lua/raise.h"
#include "lua/read.h"
#include "store/write_review.h"

/* The engine's store, or one opened for this, which *out_own frees. NULL with *err. */
static struct cf_store *open_store(lua_State *L, const char *path, struct cf_store **out_own,
                                   struct cf_error *err)
{
    struct cf_engine *engine = cf_lua_engine(L);
    *out_own = NULL;
    if (engine != NULL)
        return cf_engine_store(engine);
    return cf_store_open(path, &(struct cf_store_options){ 0 }, out_own, err) ? *out_own : NULL;
}

static int write_now(lua_State *L, const char *path, struct cf_write *write)
{
    struct cf_error err;
    struct cf_store *own, *store = open_store(L, path, &own, &err);
    bool ok = store != NULL && cf_store_write(store, write, &err);
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

/* One of a list; what went wrong is told when the last one is done. */
struct rescore {
    struct cf_write_rescore typed;
    struct cf_error err;
    bool failed;
};

/* Store thread; read once a later write has come back. */
static void on_rescored(struct cf_write *write, const struct cf_error *err)
{
    struct rescore *rescore = (struct rescore *)write;
    rescore->failed = err != NULL;
    if (err != NULL)
        rescore->err = *err;
}

static int review_rescore(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    size_t count = (size_t)luaL_len(L, 2);
    /* path list rows */
    struct rescore *list = lua_newuserdatauv(L, (count + 1) * sizeof *list, 0);
    for (size_t i = 0; i < count; i++) {
        list[i] = (struct rescore){ .typed.write.apply = cf_write_rescore,
                                    .typed.write.on_done = on_rescored };
        lua_geti(L, 2, (lua_Integer)i + 1);                                        /* ... row */
        cf_lua_read_int(L, -1, "row", &list[i].typed.conversation);
        cf_lua_read_number(L, -1, "score", &list[i].typed.quality_score);
        list[i].typed.status = cf_lua_read_string(L, -1, "status");
        list[i].typed.quality_breakdown = cf_lua_read_text(L, -1, "breakdown");
        /* the list keeps the row and its texts */
        lua_pop(L, 1);
    }
    if (count == 0)
        return 0;

    struct cf_error err;
    struct cf_store *own, *store = open_store(L, path, &own, &err);
    bool ok = store != NULL;
    for (size_t i = 0; ok && i + 1 < count; i++)
        cf_store_submit(store, &list[i].typed.write);
    if (ok)                                                /* done in order: the last one is last */
        ok = cf_store_write(store, &list[count - 1].typed.write, &err);
    cf_store_free(own);
    for (size_t i = 0; store != NULL && i + 1 < count; i++) {
        if (list[i].failed)
            return cf_lua_raise(L, &list[i].err);
    }
    return ok ? 0 : cf_lua_raise(L, &err);
}

int cf_lua_open_review(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "rescore", review_rescore },
        { "set_status", review_set_status },
        { "tag", review_tag },
        { NULL, NULL },
    };
    luaL_newlib(L, functions);
    return 1;
}
