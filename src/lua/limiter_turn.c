/* One call's turn in a script's limiter: waiting for it, and its way back to the coroutine. */
#include "lua/limiter_impl.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "confab/error.h"
#include "lua/raise.h"
#include "lua/scheduler.h"

const char cf_lua_limiters_key;

void cf_limiter_turn_link(struct lua_limiter *limiter, struct turn *turn)
{
    turn->is_waiting = true;
    turn->prev = NULL;
    turn->next = limiter->waiting;
    if (turn->next != NULL)
        turn->next->prev = turn;
    limiter->waiting = turn;
}

static void unlink_waiting(struct turn *turn)
{
    if (!turn->is_waiting || turn->limiter == NULL)
        return;
    if (turn->prev != NULL)
        turn->prev->next = turn->next;
    else
        turn->limiter->waiting = turn->next;
    if (turn->next != NULL)
        turn->next->prev = turn->prev;
    turn->is_waiting = false;
}

void cf_limiter_turn_free(struct turn *turn)
{
    free(turn->key);
    free(turn);
}

void cf_limiter_turn_release(struct turn *turn, enum cf_release how)
{
    if (turn->limiter != NULL && turn->call.waiter.state != CF_WAITER_IDLE)
        cf_limiter_shared_release(turn->limiter->shared, &turn->call, how);
    cf_limiter_turn_free(turn);
}

void cf_limiter_turn_push(lua_State *L, struct turn *turn)
{
    struct reservation *self = lua_newuserdatauv(L, sizeof *self, UV_LIMITER);    /* self */
    self->turn = NULL;
    luaL_setmetatable(L, RESERVATION_MT);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &cf_lua_limiters_key);
    lua_rawgetp(L, -1, turn->limiter);                /* self limiters limiter */
    lua_setiuservalue(L, -3, UV_LIMITER);
    lua_pop(L, 1);                                    /* self */
    self->turn = turn;
    turn->holder = self;
}

static void fail_closed(struct cf_error *err)
{
    cf_fail(err, CF_ERR_CANCELLED, "the rate limiter is closed");
}

int cf_limiter_raise_closed(lua_State *L)
{
    struct cf_error err;
    fail_closed(&err);
    return cf_lua_raise(L, &err);
}

/* What the wait gives to the coroutine; L NULL: nobody is there any more. */
static int push_turn(lua_State *L, void *data)
{
    struct turn *turn = data;
    bool is_again = turn->holder != NULL;    /* a reservation that was refused */

    if (turn->is_cancelled || turn->limiter == NULL) {
        struct cf_error err;
        fail_closed(&err);
        if (is_again)
            turn->holder->turn = NULL;
        cf_limiter_turn_free(turn);
        if (L == NULL)
            return 0;
        lua_pushnil(L);
        cf_lua_push_error(L, &err);
        return 2;
    }
    if (turn->kind == TURN_CAPACITY) {
        cf_limiter_turn_free(turn);
        return 0;
    }
    if (turn->kind == TURN_ACQUIRE) {
        cf_limiter_turn_release(turn, L != NULL ? CF_RELEASE_DONE : CF_RELEASE_NEVER_SENT);
        return 0;
    }
    if (is_again)
        return 0;
    if (L == NULL) {
        cf_limiter_turn_release(turn, CF_RELEASE_NEVER_SENT);
        return 0;
    }
    cf_limiter_turn_push(L, turn);
    return 1;
}

static void deliver_turn(struct cf_completion *completion, void *context)
{
    struct turn *turn = (struct turn *)completion;
    lua_State *L = context;

    if (turn->kind == TURN_CAPACITY && turn->limiter != NULL)
        pthread_join(turn->thread, NULL);
    unlink_waiting(turn);
    /* After a stop the step that waited is not to go on. */
    if (turn->is_cancelled && cf_scheduler_stop_level(L) > CF_STOP_LEVEL_NONE) {
        cf_scheduler_drop(L, turn->ticket);
        push_turn(NULL, turn);
        return;
    }
    cf_scheduler_wake(L, turn->ticket, push_turn, turn);
}

/* Limiter's thread. */
static void on_grant(struct cf_limiter_call *call, void *self)
{
    struct turn *turn = self;
    (void)call;
    cf_queue_push(turn->completions, &turn->completion.link);
}

void cf_limiter_turn_call_back(struct turn *turn)
{
    turn->call.on_grant = on_grant;
    turn->call.self = turn;
}

void *cf_limiter_turn_wait_for_room(void *self)
{
    struct turn *turn = self;
    turn->is_cancelled = !cf_limiter_shared_wait_for_capacity(turn->limiter->shared, turn->key, -1);
    cf_queue_push(turn->completions, &turn->completion.link);
    return NULL;
}

struct turn *cf_limiter_turn_new(struct lua_limiter *limiter, enum turn_kind kind,
                             const struct cf_amounts *amounts)
{
    struct turn *turn = cf_calloc(1, sizeof *turn);
    turn->completion.deliver = deliver_turn;
    cf_limiter_turn_call_back(turn);
    turn->limiter = limiter;
    turn->kind = kind;
    turn->amounts = *amounts;
    return turn;
}

bool cf_limiter_turn_take_back(lua_State *L, struct turn *turn)
{
    if (turn->limiter == NULL || turn->kind == TURN_CAPACITY ||
        !cf_limiter_shared_cancel(turn->limiter->shared, &turn->call))
        return false;
    unlink_waiting(turn);
    cf_scheduler_drop(L, turn->ticket);
    return true;
}
