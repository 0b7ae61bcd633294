/* events.h - what Lua tells those who watch its runs: see engine/events.h. */
#ifndef CONFAB_LUA_EVENTS_H
#define CONFAB_LUA_EVENTS_H

#include <lua.h>

/* Pushes { is_wanted, publish }.
 *  is_wanted() -> whether anybody watches: to be asked before an event is put together
 *  publish(run, type, json)  the row of the run (0: it concerns all), and its data, an object */
int cf_lua_open_events(lua_State *L);
#endif
