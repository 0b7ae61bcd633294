/* live.h - a call whose text a script reads while it arrives.
 *
 * Whoever made the call asks for the next piece of text again and again, and gets the reply at
 * last. In between it waits like for any other call; text that comes while it is busy is there
 * when it asks again, in one piece. */
#ifndef CONFAB_LUA_LIVE_H
#define CONFAB_LUA_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "lua/scheduler.h"

struct cf_call;
struct cf_lua_live;

/* Pushes a Live that belongs to no call yet. */
struct cf_lua_live *cf_lua_push_live(lua_State *L);

/* Makes the call a streamed one that the Live reads. L is the main state, ticket that of the call's
 * answer, which nobody waits for by itself. Before the call is submitted. */
void cf_lua_live_begin(lua_State *L, struct cf_lua_live *live, struct cf_call *call,
                       uint64_t ticket);

/* The call's completion was delivered: push gives what came of it, now or when it is asked for.
 * push NULL: whoever waits is not to go on; data is the caller's still. */
void cf_lua_live_end(struct cf_lua_live *live, cf_lua_push_result push, void *data);

/* Pushes { next, call }.
 *  next(live)  waits -> text, attempt (from 1; a later one begins the text again), or the Reply
 *      at last. Raises the error that the call ended with
 *  call(f, ...)  calls f, which cannot wait: whatever does says so */
int cf_lua_open_live(lua_State *L);
#endif
