/* What a script holds of a turn that it has got: limiter:reserve. */
#include "lua/limiter_impl.h"

#include <lauxlib.h>

#include "lua/raise.h"
#include "lua/scheduler.h"

static struct turn *check_turn(lua_State *L)
{
    const struct reservation *self = luaL_checkudata(L, 1, RESERVATION_MT);
    luaL_argcheck(L, self->turn != NULL, 1, "this reservation is released");
    luaL_argcheck(L, !self->turn->is_waiting, 1, "this reservation waits for its turn");
    return self->turn;
}

static int reservation_sent(lua_State *L)
{
    struct turn *turn = check_turn(L);
    cf_limiter_shared_sent(turn->limiter->shared, &turn->call);
    return 0;
}

static int reservation_settle(lua_State *L)
{
    struct turn *turn = check_turn(L);
    struct cf_amounts actual = turn->amounts;
    cf_limiter_read_amounts(L, 2, &actual);
    turn->amounts = actual;
    cf_limiter_shared_settle(turn->limiter->shared, &turn->call, &actual);
    return 0;
}

static int reservation_release(lua_State *L)
{
    static const char *const names[] = { "done", "never_sent", "failed", "unknown", NULL };
    static const enum cf_release ways[] = {
        CF_RELEASE_DONE, CF_RELEASE_NEVER_SENT, CF_RELEASE_FAILED, CF_RELEASE_UNKNOWN,
    };
    struct turn *turn = check_turn(L);
    enum cf_release how = ways[luaL_checkoption(L, 2, "done", names)];

    turn->holder->turn = NULL;
    cf_limiter_turn_release(turn, how);
    return 0;
}

static int reservation_refused(lua_State *L)
{
    struct turn *turn = check_turn(L);
    lua_Integer wait_ms = luaL_optinteger(L, 2, 0);
    luaL_argcheck(L, wait_ms >= 0, 2, "a wait is not negative");
    if (turn->limiter->is_closed)
        return cf_limiter_raise_closed(L);
    cf_lua_check_wait(L, "reservation:refused");
    luaL_checkstack(L, LUA_MINSTACK, "too deep");

    turn->completions = cf_scheduler_completions(L);
    turn->ticket = cf_scheduler_ticket(L);
    cf_limiter_turn_link(turn->limiter, turn);
    cf_limiter_shared_refused(turn->limiter->shared, &turn->call, wait_ms, 0, -1, NULL);
    return cf_lua_wait(L, turn->ticket, "reservation:refused");
}

/* __gc and __close. Who loses a reservation without a word has probably sent its request. */
static int reservation_gc(lua_State *L)
{
    struct reservation *self = luaL_checkudata(L, 1, RESERVATION_MT);
    struct turn *turn = self->turn;

    self->turn = NULL;
    if (turn == NULL)
        return 0;
    turn->holder = NULL;
    if (!turn->is_waiting)
        cf_limiter_turn_release(turn, CF_RELEASE_UNKNOWN);
    else if (cf_limiter_turn_take_back(L, turn))
        cf_limiter_turn_free(turn);
    return 0;
}

void cf_limiter_open_reservation(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "sent", reservation_sent },
        { "settle", reservation_settle },
        { "release", reservation_release },
        { "refused", reservation_refused },
        { NULL, NULL },
    };
    luaL_newmetatable(L, RESERVATION_MT);             /* mt */
    lua_pushcfunction(L, reservation_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, reservation_gc);
    lua_setfield(L, -2, "__close");
    lua_newtable(L);                                  /* mt methods */
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
