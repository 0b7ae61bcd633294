#include "lua/scheduler_impl.h"

#include <string.h>

#include <lauxlib.h>

#include "lua/raise.h"

#define HANDLER "a message handler of xpcall"

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
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE); /* f loaded */
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        lua_getfield(L, -1, libraries[i]); /* f loaded library */
        if (!lua_istable(L, -1)) {
            lua_pop(L, 1);
            continue;
        }
        for (lua_pushnil(L); lua_next(L, -2) != 0;
             lua_pop(L, 1)) { /* f loaded library name value */
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

/* A function that can be suspended while it runs another. */
static bool is_transparent(const char *name)
{
    static const char *const names[] = { "pcall", "xpcall", "dofile", "coroutine.resume" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Pushes the name of the function at the top (popped) that cannot be suspended; false, pushing
 * nothing, if it can. */
static bool push_name_if_in_the_way(lua_State *L, const lua_Debug *ar)
{
    lua_CFunction function = lua_tocfunction(L, -1);         /* f */
    if (ar->name != NULL && strcmp(ar->name, "__gc") == 0) { /* of any language */
        lua_pop(L, 1);
        lua_pushliteral(L, "a __gc metamethod");
        return true;
    }
    if (function == NULL || cf_coroutine_can_wait(function)) {
        lua_pop(L, 1);
        return false;
    }
    if (!push_library_name(L)) {
        if (ar->name == NULL)
            return false;
        lua_pushstring(L, ar->name);
    }
    const char *name = lua_tostring(L, -1);
    if (is_transparent(name)) {
        lua_pop(L, 1);
        return false;
    }
    if (strcmp(name, "error") == 0 || strcmp(name, "assert") == 0) { /* these call the handler */
        lua_pop(L, 1);
        lua_pushstring(L, HANDLER);
    }
    return true;
}

/* Pushes onto L the name of the nearest function on the stack of `at` that cannot be suspended,
 * from this level on. The message handler of an error that Lua raised itself is told by there
 * being nothing else. */
static bool push_name_in_the_way(lua_State *L, lua_State *at, int level)
{
    lua_Debug ar;
    bool has_xpcall = false;
    luaL_checkstack(L, LUA_MINSTACK, "too deep");
    if (!lua_checkstack(at, LUA_MINSTACK))
        return false;
    for (; lua_getstack(at, level, &ar); level++) {
        lua_getinfo(at, "Snf", &ar); /* f, there */
        if (at != L)
            lua_xmove(at, L, 1);
        has_xpcall = has_xpcall || (ar.name != NULL && strcmp(ar.name, "xpcall") == 0);
        if (push_name_if_in_the_way(L, &ar))
            return true;
    }
    if (has_xpcall)
        lua_pushstring(L, HANDLER);
    return has_xpcall;
}

/* In a user's own interpreter a call outside of all fibers, also in a coroutine, turns the
 * scheduler itself. */
static bool is_pumping(const struct cf_scheduler *sched)
{
    return !sched->is_program && sched->current == NULL && sched->callbacks == 0;
}

void cf_lua_check_wait(lua_State *L, const char *what)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    if (is_pumping(sched) || cf_scheduler_can_yield(sched, L))
        return;

    struct cf_error err;
    if (sched->running != L && lua_isyieldable(L)) {
        cf_fail(&err, CF_ERR_SCRIPT,
                "%s cannot wait here, inside a coroutine that was not begun by "
                "coroutine.resume or coroutine.wrap as confab has them",
                what);
        cf_lua_raise(L, &err);
    }
    /* The nearest one around L that is in the way. */
    bool has_name = !lua_isyieldable(L) && push_name_in_the_way(L, L, 1);
    if (!has_name && sched->blocked != NULL)
        has_name = push_name_in_the_way(L, sched->blocked, 0);
    if (has_name)
        cf_fail(&err, CF_ERR_SCRIPT,
                "%s cannot wait here: %s cannot be suspended; "
                "call %s first and pass the answers in",
                what, lua_tostring(L, -1), what);
    else
        cf_fail(&err, CF_ERR_SCRIPT,
                "%s cannot wait here, inside a function that cannot be suspended", what);
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
    lua_State *waiter = lua_newthread(L); /* waiter */
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
    if (is_pumping(sched))
        return pump(L, sched, ticket);
    cf_lua_check_wait(L, what);
    lua_pushthread(sched->current);
    if (sched->current != L)
        lua_xmove(sched->current, L, 1);
    cf_scheduler_set_waiting(L, ticket);
    sched->is_waiting = true;
    return lua_yieldk(L, 0, lua_gettop(L), after_wait);
}

void cf_scheduler_call(lua_State *L, int nargs)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    sched->callbacks++;
    int status = lua_pcall(L, nargs, 0, 0);
    sched->callbacks--;
    if (status != LUA_OK)
        lua_error(L);
}

int cf_lua_wait_for_ever(lua_State *L)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    if (!cf_scheduler_can_yield(sched, L)) {
        struct cf_error err;
        cf_fail(&err, CF_ERR_CANCELLED, "stopped");
        return cf_lua_raise(L, &err);
    }
    if (sched->current == sched->main_thread)
        sched->ended = sched->ended || sched->outstanding == 0;
    sched->is_waiting = true;
    return lua_yield(L, 0);
}
