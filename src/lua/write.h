/* write.h - a message to the store thread that a coroutine waits for.
 *
 * Texts travel without copies: Lua strings do not move, and a registry reference keeps the value
 * that holds them alive until the commit. */
#ifndef CONFAB_LUA_WRITE_H
#define CONFAB_LUA_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "confab/error.h"
#include "engine/completion.h"
#include "lua/scheduler.h"

struct cf_store_tx;
struct cf_write;

/* The first member of a struct that also has the typed write. The caller fills push and release. */
struct cf_lua_write {
    struct cf_completion completion;
    struct cf_queue *completions;
    lua_State *L;                    /* the main state */
    uint64_t ticket;
    int  anchor;                     /* registry reference; released on the script thread */
    bool failed;
    struct cf_error error;
    cf_lua_push_result push;         /* for a write that was committed; frees the whole */
    void (*release)(struct cf_lua_write *waiting);
};

/* To be returned from a lua_CFunction: sends the write (a member of the same struct) and waits for
 * its commit; then returns what push gives, or raises the error, with stops_run set. The value at
 * `anchored` stays alive meanwhile. The struct is released in every case. */
int cf_lua_write_and_wait(lua_State *L, struct cf_lua_write *waiting, struct cf_write *write,
                          bool (*apply)(struct cf_write *, struct cf_store_tx *, struct cf_error *),
                          int anchored);
#endif
