/* regex.h - Perl-compatible regular expressions for scripts. */
#ifndef CONFAB_LUA_REGEX_H
#define CONFAB_LUA_REGEX_H

#include <lua.h>

/* Pushes new(pattern, flags) -> Regex; raises config_error for a pattern that is none. flags:
 * any of i (case does not count), m (^ and $ at each line), s (a dot takes line ends), x (white
 * space in the pattern does not count). Texts and patterns are UTF-8; \w, \d, \b go by Unicode.
 *  re:find(text, init)   start, end (bytes, from 1), captures; nil if there is none
 *  re:match(text, init)  the captures, or the whole where there are none; nil
 *  re:gmatch(text)       iterates over what match gives
 *  re:count(text)        how often it matches */
int cf_lua_open_regex(lua_State *L);
#endif
