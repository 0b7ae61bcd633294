#include "lua/live.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "confab/buf.h"
#include "engine/call.h"
#include "engine/stream.h"

#define LIVE_MT "confab.live"

/* Shared by the script, through a userdata, and the call under way; whoever is last frees it. */
struct cf_lua_live {
    lua_State *L;              /* the main state */
    struct cf_stream *stream;  /* the call's; NULL before it begins and after it has ended */
    uint64_t ticket;           /* of the call's answer */
    uint64_t wait;             /* that the script waits for; 0: it does not */
    struct cf_buf text;        /* what it gets next, */
    int attempt;               /* and of which attempt that is; 0: there is nothing */
    cf_lua_push_result push;   /* what came of the call; NULL: nothing yet */
    void *data;
    bool is_forgotten;         /* by the script */
};

/* The userdata: the script's hold on it. */
struct hold { struct cf_lua_live *live; };

static void free_live(struct cf_lua_live *live)
{
    if (live->push != NULL)
        live->push(NULL, live->data);
    cf_buf_done(&live->text);
    free(live);
}

static int live_gc(lua_State *L)
{
    struct hold *hold = luaL_checkudata(L, 1, LIVE_MT);
    struct cf_lua_live *live = hold->live;
    hold->live = NULL;
    if (live == NULL)
        return 0;
    live->is_forgotten = true;
    if (live->stream == NULL)
        free_live(live);
    return 0;
}

struct cf_lua_live *cf_lua_push_live(lua_State *L)
{
    struct hold *hold = lua_newuserdatauv(L, sizeof *hold, 0);
    hold->live = NULL;
    luaL_setmetatable(L, LIVE_MT);
    hold->live = cf_calloc(1, sizeof *hold->live);
    cf_buf_init(&hold->live->text, CF_HTTP_REPLY_BYTES_MAX);
    return hold->live;
}

/* Pushes the text that woke the script. */
static int push_text(lua_State *L, void *data)
{
    struct cf_lua_live *live = data;
    if (L == NULL)
        return 0;
    lua_pushlstring(L, cf_buf_str(&live->text), live->text.len);
    lua_pushinteger(L, live->attempt);
    live->attempt = 0;
    return 2;
}

static void deliver_text(struct cf_completion *completion, void *context)
{
    (void)context;
    struct cf_lua_live *live = cf_stream_arrived(completion);
    uint64_t wait = live->wait;
    if (wait == 0)             /* it will be there when somebody asks */
        return;
    live->attempt = cf_stream_take_text(live->stream, &live->text);
    if (live->attempt == 0)
        return;
    live->wait = 0;
    cf_scheduler_wake(live->L, wait, push_text, live);
}

void cf_lua_live_begin(lua_State *L, struct cf_lua_live *live, struct cf_call *call,
                       uint64_t ticket)
{
    live->L = L;
    live->ticket = ticket;
    live->stream = call->stream = cf_stream_new(call->completions, deliver_text, live);
}

/* What came of the call, for the script. */
static int push_end(lua_State *L, void *data)
{
    struct cf_lua_live *live = data;
    cf_lua_push_result push = live->push;
    if (L == NULL)
        return 0;
    live->push = NULL;
    return push(L, live->data);
}

void cf_lua_live_end(struct cf_lua_live *live, cf_lua_push_result push, void *data)
{
    lua_State *L = live->L;
    uint64_t wait = live->wait;
    /* Text that nobody has asked for yet is kept, the stream goes with the call. */
    if (wait == 0 && !live->is_forgotten)
        live->attempt = cf_stream_take_text(live->stream, &live->text);
    live->stream = NULL;
    live->wait = 0;
    live->push = push;
    live->data = data;
    cf_scheduler_drop(L, live->ticket);
    if (live->is_forgotten) {
        if (wait != 0)
            cf_scheduler_drop(L, wait);
        free_live(live);
    } else if (wait != 0 && push == NULL) {
        cf_scheduler_drop(L, wait);
    } else if (wait != 0) {
        cf_scheduler_wake(L, wait, push_end, live);
    }
}

static int live_next(lua_State *L)
{
    struct hold *hold = luaL_checkudata(L, 1, LIVE_MT);
    struct cf_lua_live *live = hold->live;
    lua_settop(L, 1);
    if (live->stream != NULL)
        live->attempt = cf_stream_take_text(live->stream, &live->text);
    if (live->attempt != 0)
        return push_text(L, live);
    if (live->push != NULL) {
        int count = push_end(L, live);
        if (count == 2 && lua_isnil(L, -2))
            return lua_error(L);
        return count;
    }
    luaL_argcheck(L, live->stream != NULL && live->wait == 0, 1, "its reply was given");
    cf_lua_check_wait(L, "a call");
    live->wait = cf_scheduler_ticket(L);
    return cf_lua_wait(L, live->wait, "a call");
}

static int live_call(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    cf_scheduler_call(L, lua_gettop(L) - 1);
    return 0;
}

int cf_lua_open_live(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "next", live_next },
        { "call", live_call },
        { NULL, NULL },
    };
    luaL_newmetatable(L, LIVE_MT);
    lua_pushcfunction(L, live_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
