/* report.h - writing the report of a run from Lua. */
#ifndef CONFAB_LUA_REPORT_H
#define CONFAB_LUA_REPORT_H

#include <lua.h>

/* Pushes { write }.
 *  write(run, path)  the report of a run (its row) as one HTML file -> its size in bytes
 * Errors are raised; no file has changed then. The store (lua/store.h) must be open. */
int cf_lua_open_report(lua_State *L);
#endif
