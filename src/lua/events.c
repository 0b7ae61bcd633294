#include "lua/events.h"

#include <string.h>

#include <lauxlib.h>

#include "confab/buf.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "lua/engine.h"

#define DATA_MAX (1u << 20)

static struct cf_events *hub(lua_State *L)
{
    struct cf_engine *engine = cf_lua_engine(L);
    return engine != NULL ? cf_engine_events(engine) : NULL;
}

static int events_is_wanted(lua_State *L)
{
    lua_pushboolean(L, cf_events_is_wanted(hub(L)));
    return 1;
}

static int events_publish(lua_State *L)
{
    size_t len;
    lua_Integer run = luaL_checkinteger(L, 1);
    const char *type = luaL_checkstring(L, 2), *json = luaL_checklstring(L, 3, &len);
    luaL_argcheck(L, strlen(type) < CF_EVENT_TYPE_MAX, 2, "too long");
    struct cf_buf data;
    cf_buf_init(&data, DATA_MAX);
    cf_buf_add(&data, json, len);
    cf_events_publish(hub(L), run, type, &data);
    cf_buf_done(&data);
    return 0;
}

int cf_lua_open_events(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "is_wanted", events_is_wanted },
        { "publish", events_publish },
        { NULL, NULL },
    };
    luaL_newlib(L, functions);
    return 1;
}
