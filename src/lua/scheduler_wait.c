#include "lua/scheduler_impl.h"

#include <string.h>

#include <lauxlib.h>

#include "lua/raise.h"

static int after_wait(lua_State *L, int status, lua_KContext first)
{
    (void)status;
    int base = (int)first;
    int count = lua_gettop(L) - base;
    if (count == 2 && lua_isnil(L, base + 1) && !lua_isnil(L, base + 2))
        return lua_error(L);
    return count;
}

/* Pushes the name of the function at the top (popped) in a library of Lua's, such as "table.sort";
 * false, pushing nothing, if it is in none. */
static bool push_library_name(lua_State *L)
{
    static const char *const libraries[] = { "table", "string", "_G", "utf8", "coroutine" };
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);            /* f loaded */
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        lua_getfield(L, -1, libraries[i]);                               /* f loaded library */
        if (!lua_istable(L, -1)) {
            lua_pop(L, 1);
            continue;
        }
        for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {      /* f loaded library name value */
            if (lua_type(L, -2) != LUA_TSTRING || !lua_rawequal(L, -1, -5))
                continue;
            bool is_global = strcmp(libraries[i], "_G") == 0;
            lua_pushfstring(L, "%s%s%s", is_global ? "" : libraries[i], is_global ? "" : ".",
                            lua_tostring(L, -2));
            lua_replace(L, -6);
            lua_pop(L, 4);
            return true;
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 2);
    return false;
}

/* Pushes the name of the nearest function on the stack that cannot be suspended, other than the caller. */
static bool push_name_in_the_way(lua_State *L)
{
    lua_Debug ar;
    for (int level = 1; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Snf", &ar);                                      /* f */
        if (ar.what[0] != 'C') {
            lua_pop(L, 1);
            continue;
        }
        if (!push_library_name(L)) {
            if (ar.name == NULL)
                continue;
            lua_pushstring(L, ar.name);
        }
        const char *name = lua_tostring(L, -1);
        if (strcmp(name, "pcall") != 0 && strcmp(name, "xpcall") != 0)   /* these can */
            return true;
        lua_pop(L, 1);
    }
    return false;
}

static bool is_pumping(const struct cf_scheduler *sched, lua_State *L)
{
    return !sched->is_program && sched->current == NULL && !lua_isyieldable(L);
}

void cf_lua_check_wait(lua_State *L, const char *what)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    if (is_pumping(sched, L) || (lua_isyieldable(L) && L == sched->current))
        return;

    struct cf_error err;
    const char *culprit = NULL;
    luaL_checkstack(L, LUA_MINSTACK, "too deep");
    if (!lua_isyieldable(L) && push_name_in_the_way(L))
        culprit = lua_tostring(L, -1);
    if (culprit != NULL)
        cf_fail(&err, CF_ERR_SCRIPT, "%s cannot wait here: %s cannot be suspended; "
                "call %s first and pass the answers in", what, culprit, what);
    else if (!lua_isyieldable(L))
        cf_fail(&err, CF_ERR_SCRIPT, "%s cannot wait here, inside a function that cannot be suspended",
                what);
    else
        cf_fail(&err, CF_ERR_SCRIPT, "%s cannot wait here, inside a coroutine of the script's own", what);
    cf_lua_raise(L, &err);
}

int cf_scheduler_return_arguments(lua_State *L)
{
    return lua_gettop(L);
}

/* Turns the scheduler inside a call from a main chunk that cannot yield. */
static int pump(lua_State *L, struct cf_scheduler *sched, uint64_t ticket)
{
    /* The answer starts a coroutine that only returns it. */
    int base = lua_gettop(L);
    lua_State *waiter = lua_newthread(L);            /* waiter */
    lua_pushcfunction(waiter, cf_scheduler_return_arguments);
    lua_pushvalue(L, -1);
    cf_scheduler_set_waiting(L, ticket);
    for (;;) {
        cf_scheduler_push_table(L, CF_SCHEDULER_WAITING);
        bool is_waiting = lua_rawgeti(L, -1, (lua_Integer)ticket) != LUA_TNIL;
        lua_pop(L, 2);
        if (!is_waiting)
            break;
        cf_scheduler_turn(L, sched);
        if (sched->main_failed) {
            struct cf_error err = sched->main_error;
            sched->main_failed = sched->main_done = false;
            lua_pushnil(L);
            cf_scheduler_set_waiting(L, ticket);
            return cf_lua_raise(L, &err);
        }
    }
    int count = lua_gettop(waiter);
    lua_xmove(waiter, L, count);
    lua_remove(L, base + 1);
    return after_wait(L, LUA_YIELD, base);
}

int cf_lua_wait(lua_State *L, uint64_t ticket, const char *what)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    if (is_pumping(sched, L))
        return pump(L, sched, ticket);
    cf_lua_check_wait(L, what);
    lua_pushthread(L);
    cf_scheduler_set_waiting(L, ticket);
    sched->is_waiting = true;
    return lua_yieldk(L, 0, lua_gettop(L), after_wait);
}

int cf_lua_wait_for_ever(lua_State *L)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    if (!lua_isyieldable(L)) {
        struct cf_error err;
        cf_fail(&err, CF_ERR_CANCELLED, "stopped");
        return cf_lua_raise(L, &err);
    }
    if (L == sched->main_thread)
        sched->ended = sched->ended || sched->outstanding == 0;
    sched->is_waiting = true;
    return lua_yield(L, 0);
}
