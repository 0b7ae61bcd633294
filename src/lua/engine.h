/* engine.h - the engine of a Lua state: opened once, with the script's settings. */
#ifndef CONFAB_LUA_ENGINE_H
#define CONFAB_LUA_ENGINE_H

#include <lua.h>

struct cf_engine;

/* The engine; NULL before it is opened. */
struct cf_engine *cf_lua_engine(lua_State *L);

/* The same; raises config_error if it is not open. */
struct cf_engine *cf_lua_check_engine(lua_State *L);

/* Books runs that are still open as `state`; see cf_engine_end_runs. No effect if it is not
 * open. */
void cf_lua_end_runs(lua_State *L, const char *state);

/* Closes it; every call must have come back. For the program's end. */
void cf_lua_close_engine(lua_State *L);

/* Pushes { open, is_open, status, limits, reset_limits, is_simulated, hold, tune }.
 *  open(settings)   settings: db, provider, base_url, keys = {{name, value, limits?}}, limits, retry,
 *                   timeouts, http2, seed, simulate (spec), plan (only reads), offline, max_new, models (the table of lua/confab/models.lua)
 *  hold(whether)    sends nothing new, or goes on
 *  return_waiting() what waits to be sent comes back as cancelled; no effect if it is not open
 *  tune(limits)     changes max_requests, max_input_tokens, max_output_tokens, where given */
int cf_lua_open_engine(lua_State *L);
#endif
