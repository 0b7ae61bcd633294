#include "lua/write.h"

#include <lauxlib.h>

#include "engine/engine.h"
#include "lua/engine.h"
#include "lua/raise.h"
#include "store/store.h"

static int push_write_result(lua_State *L, void *data)
{
    struct cf_lua_write *waiting = data;
    int count = 0;
    if (L != NULL && waiting->failed) {
        lua_pushnil(L);
        cf_lua_push_error(L, &waiting->error);
        lua_pushboolean(L, true);
        lua_setfield(L, -2, "stops_run");
        count = 2;
    } else if (L != NULL) {
        count = waiting->push(L, waiting);
    }
    luaL_unref(waiting->L, LUA_REGISTRYINDEX, waiting->anchor);
    waiting->release(waiting);
    return count;
}

static void deliver_write(struct cf_completion *completion, void *context)
{
    (void)context;
    struct cf_lua_write *waiting = (struct cf_lua_write *)completion;
    cf_scheduler_wake(waiting->L, waiting->ticket, push_write_result, waiting);
}

/* Store thread. */
static void on_written(struct cf_write *write, const struct cf_error *err)
{
    struct cf_lua_write *waiting = write->owner;
    waiting->failed = err != NULL;
    if (err != NULL)
        waiting->error = *err;
    cf_queue_push(waiting->completions, &waiting->completion.link);
}

int cf_lua_write_and_wait(lua_State *L, struct cf_lua_write *waiting, struct cf_write *write,
                          bool (*apply)(struct cf_write *, struct cf_store_tx *, struct cf_error *),
                          int anchored)
{
    lua_pushvalue(L, anchored);
    waiting->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
    waiting->completion.deliver = deliver_write;
    waiting->completions = cf_scheduler_completions(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    waiting->L = lua_tothread(L, -1);
    lua_pop(L, 1);
    waiting->ticket = cf_scheduler_ticket(L);
    write->apply = apply;
    write->on_done = on_written;
    write->owner = waiting;
    uint64_t ticket = waiting->ticket;
    cf_store_submit(cf_engine_store(cf_lua_check_engine(L)), write);
    return cf_lua_wait(L, ticket, "the database");
}
