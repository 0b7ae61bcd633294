/* read.h - optional fields of a table of settings, for C.
 *
 * Types were checked on the Lua side (lua/confab/options.lua), so a wrong one here is our own
 * mistake; absent fields leave *out alone. Strings are lent while the table keeps them. */
#ifndef CONFAB_LUA_READ_H
#define CONFAB_LUA_READ_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "base/text.h"

struct cf_limit_config;
struct cf_retry_policy;

const char *cf_lua_read_string(lua_State *L, int idx, const char *name);     /* NULL if absent */
struct cf_text cf_lua_read_text(lua_State *L, int idx, const char *name);
void cf_lua_read_int(lua_State *L, int idx, const char *name, int64_t *out);
/* false if absent */
bool cf_lua_read_number(lua_State *L, int idx, const char *name, double *out);
void cf_lua_read_bool(lua_State *L, int idx, const char *name, bool *out);

/* The fields of DESIGN's `limits`; raises config_error if they do not fit together. */
void cf_lua_read_limits(lua_State *L, int idx, struct cf_limit_config *out);

/* The fields of `retry`; raises config_error likewise. */
void cf_lua_read_retry(lua_State *L, int idx, struct cf_retry_policy *out);
#endif
