#include "lua/scheduler_impl.h"

#include <string.h>

#include <lauxlib.h>

/* What the extra space of a coroutine of the script points to while it waits. */
static struct cf_fiber waiting_mark;

static struct cf_fiber **place_of(lua_State *co)
{
    return lua_getextraspace(co);
}

struct cf_fiber *cf_fiber_of(lua_State *co)
{
    struct cf_fiber *fiber = *place_of(co);
    return fiber != &waiting_mark ? fiber : NULL;
}

bool cf_coroutine_is_waiting(lua_State *co)
{
    return *place_of(co) == &waiting_mark;
}

void cf_coroutine_set_waiting(lua_State *co, bool is_waiting)
{
    *place_of(co) = is_waiting ? &waiting_mark : NULL;
}

struct cf_fiber *cf_fiber_new(lua_State *L, lua_State *co)
{
    struct cf_fiber *fiber = lua_newuserdatauv(L, sizeof *fiber, CF_FIBER_VALUES);
    memset(fiber, 0, sizeof *fiber);
    lua_rawsetp(L, LUA_REGISTRYINDEX, co);
    *place_of(co) = fiber;
    return fiber;
}

void cf_fiber_push_value(lua_State *L, lua_State *co, int which)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, co) != LUA_TUSERDATA) /* fiber */
        return;                                                 /* nil */
    lua_getiuservalue(L, -1, which);
    lua_remove(L, -2);
}

void cf_fiber_set_value(lua_State *L, lua_State *co, int which)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, co); /* value fiber */
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, which);
    lua_pop(L, 1);
}

void cf_fiber_forget(lua_State *L, lua_State *co)
{
    if (cf_fiber_of(co) == NULL)
        return;
    *place_of(co) = NULL;
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, co);
}
