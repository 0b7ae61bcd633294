#include "lua/coroutine.h"

#include <lauxlib.h>

#include "lua/raise.h"
#include "lua/scheduler_impl.h"

/* What became of a resume, where it is not a count of results. */
enum { RAISED = -1, WAITS = -2 };

bool cf_scheduler_can_yield(const struct cf_scheduler *sched, lua_State *L)
{
    return sched->running == L && sched->blocked == NULL && lua_isyieldable(L);
}

/* Resumes co, on whose stack the arguments are, as the coroutine that runs inside of L. */
static int resume_inside(lua_State *L, struct cf_scheduler *sched, lua_State *co, int nargs,
                         int *results)
{
    if (sched->running !=
        L) /* the main chunk of a user's interpreter, or a coroutine that is not ours */
        return lua_resume(co, L, nargs, results);

    struct cf_outer outer = { L, sched->outer };
    lua_State *blocked = sched->blocked;
    sched->outer = &outer;
    sched->running = co;
    if (blocked == NULL && !lua_isyieldable(L))
        sched->blocked = L;
    cf_scheduler_arm(sched, co);
    int status = lua_resume(co, L, nargs, results);
    sched->blocked = blocked;
    sched->running = L;
    sched->outer = outer.next;
    cf_scheduler_arm(sched, L);
    return status;
}

/* Resumes co with the nargs values at the top of L (popped). Pushes what it gave, and returns
 * how many; or an error message, and returns RAISED; or nothing, and returns WAITS: L is to
 * yield. */
static int resume_with(lua_State *L, struct cf_scheduler *sched, lua_State *co, int nargs)
{
    if (!lua_checkstack(co, nargs)) {
        lua_pushliteral(L, "too many arguments to resume");
        return RAISED;
    }
    lua_xmove(L, co, nargs);
    int results = 0;
    int status = resume_inside(L, sched, co, nargs, &results);
    if (status == LUA_YIELD && sched->is_waiting && sched->running == L) {
        lua_pop(co, results);
        if (sched->kill.is_yielded)
            cf_scheduler_close_thread(L, sched, co);
        else
            cf_coroutine_set_waiting(co, true);
        return WAITS;
    }
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return RAISED;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        lua_pushliteral(L, "too many results to resume");
        return RAISED;
    }
    lua_xmove(co, L, results);
    return results;
}

/* The same for a script's resume, which may be a mistake. */
static int resume_first(lua_State *L, struct cf_scheduler *sched, lua_State *co, int nargs)
{
    if (cf_fiber_of(co) == NULL && !cf_coroutine_is_waiting(co))
        return resume_with(L, sched, co, nargs);
    lua_pushliteral(L, "cannot resume a coroutine that waits for a reply");
    return RAISED;
}

/* --- resume --- */

static int resume_after(lua_State *L, int status, lua_KContext context);

/* Stack: co, and what resume_with left. */
static int finish_resume(lua_State *L, int count)
{
    if (count == WAITS)
        return lua_yieldk(L, 0, 0, resume_after);
    lua_pushboolean(L, count != RAISED);
    lua_insert(L, 2);
    return lua_gettop(L) - 1;
}

/* The answer that co waits for is on the stack above it. */
static int resume_after(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    lua_State *co = lua_tothread(L, 1);
    cf_coroutine_set_waiting(co, false);
    return finish_resume(L, resume_with(L, cf_scheduler_get(L), co, lua_gettop(L) - 1));
}

static lua_State *check_thread(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co != NULL, 1, "coroutine");
    return co;
}

static int coroutine_resume(lua_State *L)
{
    lua_State *co = check_thread(L);
    return finish_resume(L, resume_first(L, cf_scheduler_get(L), co, lua_gettop(L) - 1));
}

/* --- wrap --- */

static int wrap_after(lua_State *L, int status, lua_KContext context);

static int finish_wrap(lua_State *L, lua_State *co, int count)
{
    if (count == WAITS)
        return lua_yieldk(L, 0, 0, wrap_after);
    if (count != RAISED)
        return count;

    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD) { /* it died of it: its <close> variables run */
        lua_pushvalue(L, -1);
        lua_xmove(L, co, 1);
        status = cf_scheduler_close_thread(L, cf_scheduler_get(L), co);
        if (status != LUA_OK)
            lua_xmove(co, L, 1); /* the last error */
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static lua_State *wrapped(lua_State *L)
{
    return lua_tothread(L, lua_upvalueindex(1));
}

static int wrap_after(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    lua_State *co = wrapped(L);
    cf_coroutine_set_waiting(co, false);
    return finish_wrap(L, co, resume_with(L, cf_scheduler_get(L), co, lua_gettop(L)));
}

static int call_wrapped(lua_State *L)
{
    lua_State *co = wrapped(L);
    return finish_wrap(L, co, resume_first(L, cf_scheduler_get(L), co, lua_gettop(L)));
}

static int coroutine_wrap(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L); /* f ... co */
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

bool cf_coroutine_can_wait(lua_CFunction function)
{
    return function == coroutine_resume || function == call_wrapped;
}

/* --- the rest --- */

static const char *status_of(lua_State *L, lua_State *co)
{
    lua_Debug ar;
    if (L == co)
        return "running";
    if (cf_coroutine_is_waiting(co) || cf_fiber_of(co) != NULL)
        return "normal";
    switch (lua_status(co)) {
    case LUA_YIELD: return "suspended";
    case LUA_OK:
        if (lua_getstack(co, 0, &ar))
            return "normal";
        return lua_gettop(co) == 0 ? "dead" : "suspended";
    default: return "dead";
    }
}

static int coroutine_status(lua_State *L)
{
    lua_pushstring(L, status_of(L, check_thread(L)));
    return 1;
}

static int coroutine_close(lua_State *L)
{
    lua_State *co = check_thread(L);
    const char *status = status_of(L, co);
    if (cf_coroutine_is_waiting(co))
        return luaL_error(L, "cannot close a coroutine that waits for a reply");
    if (status[0] != 's' && status[0] != 'd')
        return luaL_error(L, "cannot close a %s coroutine", status);
    if (cf_scheduler_close_thread(L, cf_scheduler_get(L), co) == LUA_OK) {
        lua_pushboolean(L, true);
        return 1;
    }
    lua_pushboolean(L, false);
    lua_xmove(co, L, 1);
    return 2;
}

/* The script must not yield where only the scheduler could take it. */
static int coroutine_yield(lua_State *L)
{
    if (cf_fiber_of(L) == NULL)
        return lua_yield(L, lua_gettop(L));
    struct cf_error err;
    cf_fail(&err, CF_ERR_SCRIPT,
            "coroutine.yield was called outside a coroutine of the script's own");
    return cf_lua_raise(L, &err);
}

static int coroutine_isyieldable(lua_State *L)
{
    lua_State *co = lua_isnone(L, 1) ? L : check_thread(L);
    lua_pushboolean(L, cf_fiber_of(co) == NULL && lua_isyieldable(co));
    return 1;
}

static int coroutine_running(lua_State *L)
{
    bool is_main = lua_pushthread(L) != 0;
    lua_pushboolean(L, is_main || cf_fiber_of(L) != NULL);
    return 2;
}

int cf_lua_open_coroutine(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "close", coroutine_close },   { "isyieldable", coroutine_isyieldable },
        { "resume", coroutine_resume }, { "running", coroutine_running },
        { "status", coroutine_status }, { "wrap", coroutine_wrap },
        { "yield", coroutine_yield },   { NULL, NULL },
    };
    luaL_newlib(L, functions);
    return 1;
}
