/* export.h - writing a dataset from Lua. */
#ifndef CONFAB_LUA_EXPORT_H
#define CONFAB_LUA_EXPORT_H

#include <lua.h>

/* Pushes { write }.
 *  write(options)  path, format (default "messages"), split ("train=0.9,val=0.1" or a table
 *      { train = 0.9, ... }), system ("fold" or "keep", for sharegpt), seed; run (row, id or name;
 *      nil: all), item (row), statuses (list; nil: generated and approved), min_score, tier, tag, persona,
 *      simulated, truncated (true: take those too) -> { written, skipped, skipped_by =
 *      {[reason] = n}, trimmed, folded, held_back = {status, truncated, simulated}, files =
 *      {path...}, written_to = {n...}, summary }
 * Errors are raised; no file has changed then. The store (lua/store.h) must be open. */
int cf_lua_open_export(lua_State *L);
#endif
