#include "lua/price.h"

#include <stdint.h>
#include <string.h>

#include <lauxlib.h>

#include "confab/cost.h"
#include "confab/error.h"
#include "template/nearest.h"

#define TIERS     "tiers"
#define THRESHOLD "threshold_prompt_tokens"

/* In the order in which they are read, so that of several mistakes the same one is named. */
static const char *const field_names[] = {
    "input", "output", "cache_write_5m", "cache_write_1h", "cache_read",
    "batch_input", "batch_output",
    "batch_cache_write_5m", "batch_cache_write_1h", "batch_cache_read",
};

#define FIELDS (sizeof field_names / sizeof field_names[0])

static bool is_known(const char *name, size_t len, const char *extra)
{
    enum cf_token_kind kind;
    bool is_batch;
    return cf_price_field(name, len, &kind, &is_batch) ||
           (strlen(extra) == len && memcmp(extra, name, len) == 0);
}

/* Refuses names that are neither a price nor `extra`; the first by its bytes is named. */
static bool check_names(lua_State *L, int table, const char *extra, struct cf_error *err)
{
    const char *unknown = NULL;
    size_t unknown_len = 0;

    lua_pushnil(L);
    while (lua_next(L, table) != 0) {                 /* key value */
        lua_pop(L, 1);                                /* key */
        if (lua_type(L, -1) != LUA_TSTRING) {
            lua_pop(L, 1);
            return cf_fail(err, CF_ERR_CONFIG, "a price has names, not list entries");
        }
        size_t len;
        const char *name = lua_tolstring(L, -1, &len);
        if (!is_known(name, len, extra) && (unknown == NULL || strcmp(name, unknown) < 0)) {
            unknown = name;                           /* lent by the table */
            unknown_len = len;
        }
    }
    if (unknown == NULL)
        return true;

    struct cf_nearest nearest;
    cf_nearest_init(&nearest, unknown, unknown_len);
    for (size_t i = 0; i < FIELDS; i++)
        cf_nearest_offer(&nearest, field_names[i], strlen(field_names[i]));
    cf_nearest_offer(&nearest, extra, strlen(extra));
    if (nearest.best[0] == '\0')
        return cf_fail(err, CF_ERR_CONFIG, "unknown price \"%.64s\"", unknown);
    return cf_fail(err, CF_ERR_CONFIG, "unknown price \"%.64s\"; did you mean \"%s\"?", unknown,
                   nearest.best);
}

/* Sets what the value on top of the stack says for one field. */
static bool set_field(lua_State *L, const char *name, struct cf_price *price, unsigned tier,
                      struct cf_error *err)
{
    enum cf_token_kind kind;
    bool is_batch;
    size_t len;

    cf_price_field(name, strlen(name), &kind, &is_batch);
    switch (lua_type(L, -1)) {
    case LUA_TNIL:
        return true;
    case LUA_TNUMBER:
        return cf_price_set_usd(price, tier, kind, is_batch, lua_tonumber(L, -1), err);
    case LUA_TSTRING: {
        const char *text = lua_tolstring(L, -1, &len);
        return cf_price_set(price, tier, kind, is_batch, text, len, err);
    }
    default:
        return cf_fail(err, CF_ERR_CONFIG,
                       "price of %s: must be a number or a decimal text, not %s", name,
                       luaL_typename(L, -1));
    }
}

/* Reads the rates of the table at index `table` into one tier. */
static bool read_rates(lua_State *L, int table, struct cf_price *price, unsigned tier,
                       struct cf_error *err)
{
    for (size_t i = 0; i < FIELDS; i++) {
        lua_pushstring(L, field_names[i]);
        lua_rawget(L, table);                         /* value */
        bool ok = set_field(L, field_names[i], price, tier, err);
        lua_pop(L, 1);
        if (!ok)
            return false;
    }
    return true;
}

static bool read_threshold(lua_State *L, int table, int64_t *out, struct cf_error *err)
{
    lua_pushliteral(L, THRESHOLD);
    lua_rawget(L, table);                             /* threshold */
    int is_integer = lua_type(L, -1) == LUA_TNUMBER;
    lua_Integer threshold = is_integer ? lua_tointegerx(L, -1, &is_integer) : 0;
    lua_pop(L, 1);
    if (!is_integer)
        return cf_fail(err, CF_ERR_CONFIG, THRESHOLD " must be a whole number of tokens");
    *out = threshold;
    return true;
}

/* Reads the tier that is the table on top of the stack. */
static bool read_tier(lua_State *L, struct cf_price *price, struct cf_error *err)
{
    int table = lua_gettop(L);
    int64_t threshold = 0;
    unsigned tier;

    if (!lua_istable(L, table))
        return cf_fail(err, CF_ERR_CONFIG, "a tier must be a table, not %s",
                       luaL_typename(L, table));
    return check_names(L, table, THRESHOLD, err) && read_threshold(L, table, &threshold, err) &&
           cf_price_add_tier(price, threshold, &tier, err) &&
           read_rates(L, table, price, tier, err);
}

/* Reads the value of `tiers`, on top of the stack. */
static bool read_tiers(lua_State *L, struct cf_price *price, struct cf_error *err)
{
    if (lua_isnil(L, -1))
        return true;
    if (!lua_istable(L, -1))
        return cf_fail(err, CF_ERR_CONFIG, TIERS " must be a list, not %s", luaL_typename(L, -1));

    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);                        /* tiers tier */
        bool ok = read_tier(L, price, err);
        lua_pop(L, 1);                                /* tiers */
        if (!ok)
            return cf_fail_prefix(err, TIERS "[%d]: ", (int)i);
    }
    return true;
}

bool cf_lua_read_price(lua_State *L, int idx, struct cf_price *out, struct cf_error *err)
{
    struct cf_price price = { 0 };
    int table = lua_absindex(L, idx);

    luaL_checkstack(L, 6, "too deep");
    if (lua_type(L, table) == LUA_TSTRING && strcmp(lua_tostring(L, table), "free") == 0) {
        cf_price_set_free(out);
        return true;
    }
    if (!lua_istable(L, table))
        return cf_fail(err, CF_ERR_CONFIG, "a price must be a table or \"free\", not %s",
                       lua_type(L, table) == LUA_TSTRING ? "another text"
                                                         : luaL_typename(L, table));

    if (!check_names(L, table, TIERS, err) || !read_rates(L, table, &price, 0, err))
        return false;
    lua_pushliteral(L, TIERS);
    lua_rawget(L, table);                             /* tiers */
    bool ok = read_tiers(L, &price, err);
    lua_pop(L, 1);
    if (ok)
        *out = price;
    return ok;
}
