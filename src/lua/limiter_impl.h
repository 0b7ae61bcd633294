/* limiter_impl.h - what the files of confab.limiter{} share.
 *
 *   limiter.c              the limiter's methods
 *   limiter_turn.c         one call's turn: waiting for it, and its way back to the coroutine
 *   limiter_reservation.c  what a script holds of a turn that it has got
 *   limit_status.c         how a lane stands, as a table */
#ifndef CONFAB_LUA_LIMITER_IMPL_H
#define CONFAB_LUA_LIMITER_IMPL_H

#include <pthread.h>

#include <lua.h>

#include "confab/limiter_shared.h"
#include "engine/completion.h"

#define LIMITER_MT     "confab.limiter"
#define RESERVATION_MT "confab.reservation"

enum { UV_LIMITER = 1 };    /* a reservation keeps its limiter */

extern const char cf_lua_limiters_key;    /* registry: limiter userdata by address, weak */

struct lua_limiter {
    struct cf_limiter_shared *shared;    /* owned; NULL before new succeeded and after __gc */
    struct turn *waiting;                /* list of those whose coroutine waits */
    bool has_queue, is_closed;
};

/* One call's turn: waited for, then held by a reservation or gone.
 *
 *   start_wait -> limiter's thread (or one of its own) -> completion queue -> deliver */
struct turn {
    struct cf_completion completion;
    struct cf_limiter_call call;
    struct cf_amounts amounts;           /* reserved, or settled since */
    struct lua_limiter *limiter;         /* borrowed; NULL: it was closed meanwhile */
    struct turn *prev, *next;            /* while waiting */
    struct cf_queue *completions;        /* borrowed from the scheduler */
    uint64_t ticket;
    enum turn_kind { TURN_ACQUIRE, TURN_RESERVE, TURN_CAPACITY } kind;
    struct reservation *holder;          /* borrowed; NULL: none yet, or collected */
    bool is_waiting, is_cancelled;
    pthread_t thread;                    /* TURN_CAPACITY */
    char *key;                           /* owned; TURN_CAPACITY */
};

struct reservation { struct turn *turn; };    /* owned; NULL after the release */

/* --- limiter.c --- */

/* Reads a table of amounts over *out; nothing if there is none. */
void cf_limiter_read_amounts(lua_State *L, int arg, struct cf_amounts *out);

/* --- limiter_turn.c --- */

struct turn *cf_limiter_turn_new(struct lua_limiter *limiter, enum turn_kind kind,
                                 const struct cf_amounts *amounts);
void cf_limiter_turn_free(struct turn *turn);

/* Gives back what the turn holds, and frees it. */
void cf_limiter_turn_release(struct turn *turn, enum cf_release how);

/* Grants come by callback from now on. */
void cf_limiter_turn_call_back(struct turn *turn);

/* Lists the turn with those whose coroutine waits. */
void cf_limiter_turn_link(struct lua_limiter *limiter, struct turn *turn);

/* Takes a waiting turn back. True: it is the caller's again and its ticket is dropped; false: it is
 * on its way through the completion queue. */
bool cf_limiter_turn_take_back(lua_State *L, struct turn *turn);

/* A thread for one waiter: the limiter has no callback for room, only for turns. */
void *cf_limiter_turn_wait_for_room(void *self);

/* Pushes a reservation that holds the turn. */
void cf_limiter_turn_push(lua_State *L, struct turn *turn);

int cf_limiter_raise_closed(lua_State *L);

/* --- limiter_reservation.c --- */

/* Makes the metatable of reservations; pushes nothing. */
void cf_limiter_open_reservation(lua_State *L);
#endif
