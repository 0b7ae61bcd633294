#include "lua/regex.h"

#include <stdbool.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <lauxlib.h>

#include "base/json.h"
#include "confab/error.h"
#include "lua/raise.h"

#define REGEX_MT "confab.regex"
#define PATTERN_MAX 65536
#define STEPS_MAX   1000000    /* of backtracking in one match: some ten milliseconds */

struct regex {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
};

static int regex_gc(lua_State *L)
{
    struct regex *self = luaL_checkudata(L, 1, REGEX_MT);
    pcre2_code_free(self->code);
    pcre2_match_data_free(self->match);
    pcre2_match_context_free(self->context);
    *self = (struct regex){ NULL, NULL, NULL };
    return 0;
}

static uint32_t read_flags(lua_State *L, const char *flags)
{
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
    struct cf_error err;
    for (const char *flag = flags; *flag != '\0'; flag++) {
        switch (*flag) {
        case 'i': options |= PCRE2_CASELESS; break;
        case 'm': options |= PCRE2_MULTILINE; break;
        case 's': options |= PCRE2_DOTALL; break;
        case 'x': options |= PCRE2_EXTENDED; break;
        default:
            cf_fail(&err, CF_ERR_CONFIG, "confab.regex: the flags are of i, m, s, x, not \"%s\"",
                    flags);
            cf_lua_raise(L, &err);
        }
    }
    return options;
}

static int regex_new(lua_State *L)
{
    size_t len, at;
    int code;
    struct cf_error err;
    const char *pattern = luaL_checklstring(L, 1, &len);
    uint32_t options = read_flags(L, luaL_optstring(L, 2, ""));
    if (len > PATTERN_MAX) {
        cf_fail(&err, CF_ERR_CONFIG, "confab.regex: a pattern of more than %d bytes", PATTERN_MAX);
        return cf_lua_raise(L, &err);
    }
    struct regex *self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = (struct regex){ NULL, NULL, NULL };
    luaL_setmetatable(L, REGEX_MT);

    self->code = pcre2_compile((PCRE2_SPTR)pattern, len, options, &code, &at, NULL);
    if (self->code == NULL) {
        char why[256];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        cf_fail(&err, CF_ERR_CONFIG, "confab.regex: %s, at byte %zu of \"%.200s\"", why, at + 1,
                pattern);
        return cf_lua_raise(L, &err);
    }
    /* where there is none, it is interpreted */
    pcre2_jit_compile(self->code, PCRE2_JIT_COMPLETE);
    self->match = pcre2_match_data_create_from_pattern(self->code, NULL);
    self->context = pcre2_match_context_create(NULL);
    if (self->match == NULL || self->context == NULL)
        return luaL_error(L, "not enough memory");
    pcre2_set_match_limit(self->context, STEPS_MAX);
    return 1;
}

/* Matches from byte `at` on. False: no match; raises for a text that is not UTF-8 and for a match
 * that takes too long. */
static bool match_at(lua_State *L, const struct regex *self, const char *text, size_t len,
                     size_t at, uint32_t options)
{
    int rc =
        pcre2_match(self->code, (PCRE2_SPTR)text, len, at, options, self->match, self->context);
    if (rc >= 0)
        return true;
    if (rc == PCRE2_ERROR_NOMATCH)
        return false;
    struct cf_error err;
    size_t valid = cf_utf8_valid_prefix(text, len);
    if (valid < len) {
        cf_fail(&err, CF_ERR_SCRIPT, "regex: the text is not valid UTF-8 at byte %zu", valid + 1);
    } else {
        char why[256];
        pcre2_get_error_message(rc, (PCRE2_UCHAR *)why, sizeof why);
        cf_fail(&err, CF_ERR_SCRIPT, "regex: %s: the pattern tries too much on this text", why);
    }
    cf_lua_raise(L, &err);
    return false;
}

/* Pushes group i of the last match; nil if it took no part in it. */
static void push_group(lua_State *L, const struct regex *self, const char *text, uint32_t i)
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(self->match);
    if (at[2 * i] == PCRE2_UNSET)
        lua_pushnil(L);
    else
        lua_pushlstring(L, text + at[2 * i], at[2 * i + 1] - at[2 * i]);
}

/* Pushes the groups; the whole match where there are none and it is wanted. */
static int push_groups(lua_State *L, const struct regex *self, const char *text, bool or_whole)
{
    uint32_t count = pcre2_get_ovector_count(self->match);
    luaL_checkstack(L, (int)count, "too many captures");
    for (uint32_t i = 1; i < count; i++)
        push_group(L, self, text, i);
    if (count > 1 || !or_whole)
        return (int)count - 1;
    push_group(L, self, text, 0);
    return 1;
}

/* The byte at which to begin, from 0; false if that is behind the text. It must not lie within a
 * character. */
static bool read_init(lua_State *L, const char *text, size_t len, size_t *out_at)
{
    lua_Integer init = luaL_optinteger(L, 3, 1);
    if (init < 0)
        init += (lua_Integer)len + 1;
    if (init < 1)
        init = 1;
    if ((lua_Unsigned)init - 1 > len)
        return false;
    *out_at = (size_t)init - 1;
    while (*out_at < len && ((unsigned char)text[*out_at] & 0xC0) == 0x80)
        ++*out_at;
    return true;
}

static int regex_find(lua_State *L)
{
    size_t len, at;
    struct regex *self = luaL_checkudata(L, 1, REGEX_MT);
    const char *text = luaL_checklstring(L, 2, &len);
    if (!read_init(L, text, len, &at) || !match_at(L, self, text, len, at, 0))
        return 0;
    const PCRE2_SIZE *where = pcre2_get_ovector_pointer(self->match);
    lua_pushinteger(L, (lua_Integer)where[0] + 1);
    lua_pushinteger(L, (lua_Integer)where[1]);
    return 2 + push_groups(L, self, text, false);
}

static int regex_match(lua_State *L)
{
    size_t len, at;
    struct regex *self = luaL_checkudata(L, 1, REGEX_MT);
    const char *text = luaL_checklstring(L, 2, &len);
    if (!read_init(L, text, len, &at) || !match_at(L, self, text, len, at, 0))
        return 0;
    return push_groups(L, self, text, true);
}

/* Finds the next match from *at on and moves *at behind it. An empty one is not found twice at
 * its place. */
static bool next_match(lua_State *L, const struct regex *self, const char *text, size_t len,
                       size_t *at, bool *was_empty)
{
    while (*at <= len) {
        uint32_t options = *was_empty ? PCRE2_NOTEMPTY_ATSTART | PCRE2_ANCHORED : 0;
        if (match_at(L, self, text, len, *at, options)) {
            const PCRE2_SIZE *where = pcre2_get_ovector_pointer(self->match);
            *was_empty = where[0] == where[1];
            *at = where[1];
            return true;
        }
        if (!*was_empty)
            return false;
        size_t size = cf_utf8_sequence(text + *at, len - *at);
        *at += size > 0 ? size : 1;
        *was_empty = false;
    }
    return false;
}

/* Upvalues: the regex, the text, the place, whether the last match was empty. */
static int next_groups(lua_State *L)
{
    size_t len;
    struct regex *self = lua_touserdata(L, lua_upvalueindex(1));
    const char *text = lua_tolstring(L, lua_upvalueindex(2), &len);
    size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(3));
    bool was_empty = lua_toboolean(L, lua_upvalueindex(4));
    if (!next_match(L, self, text, len, &at, &was_empty))
        return 0;
    lua_pushinteger(L, (lua_Integer)at);
    lua_replace(L, lua_upvalueindex(3));
    lua_pushboolean(L, was_empty);
    lua_replace(L, lua_upvalueindex(4));
    return push_groups(L, self, text, true);
}

static int regex_gmatch(lua_State *L)
{
    luaL_checkudata(L, 1, REGEX_MT);
    luaL_checkstring(L, 2);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushboolean(L, false);
    lua_pushcclosure(L, next_groups, 4);
    return 1;
}

static int regex_count(lua_State *L)
{
    size_t len, at = 0;
    bool was_empty = false;
    lua_Integer count = 0;
    struct regex *self = luaL_checkudata(L, 1, REGEX_MT);
    const char *text = luaL_checklstring(L, 2, &len);
    while (next_match(L, self, text, len, &at, &was_empty))
        count++;
    lua_pushinteger(L, count);
    return 1;
}

int cf_lua_open_regex(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "find", regex_find },   { "match", regex_match }, { "gmatch", regex_gmatch },
        { "count", regex_count }, { NULL, NULL },
    };
    luaL_newmetatable(L, REGEX_MT);                   /* mt */
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, regex_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_pushcfunction(L, regex_new);
    return 1;
}
