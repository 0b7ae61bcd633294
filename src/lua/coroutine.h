/* coroutine.h - Lua's coroutine library, for coroutines in which calls of confab wait.
 *
 * With Lua's own functions a wait inside of a coroutine would end in the coroutine.resume around
 * it, as if the script had yielded. These pass it on outwards, to the scheduler, and the answer
 * inwards:
 *
 *   scheduler -> fiber -> resume -> coroutine -> resume -> coroutine: ask
 *       ^------------------- the wait -------------------------------'
 *
 * For everything else they do what Lua's own do. */
#ifndef CONFAB_LUA_COROUTINE_H
#define CONFAB_LUA_COROUTINE_H

#include <lua.h>

/* Pushes { close, isyieldable, resume, running, status, wrap, yield }. A coroutine that waits is
 * "normal"; to resume or to close it is an error. */
int cf_lua_open_coroutine(lua_State *L);
#endif
