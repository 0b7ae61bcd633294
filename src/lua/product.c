#include "lua/product.h"

#include <stdbool.h>
#include <stddef.h>

#include <lauxlib.h>

#define PRODUCT_MT "confab.product"

/* Combinations looked at before the script has its turn: 10 to 20 ms, in which a signal waits. */
#define SLICE (1u << 23)

struct axis {
    const uint64_t *digests;    /* in the userdata's own memory */
    size_t count, picked;
    uint64_t sum;               /* of the digests picked of the axes before */
};

/* Hashes from low to low + span. */
struct band { uint64_t low, span; };

/*  struct product | axes | digests of all axes | bands | groups : one block */
struct product {
    size_t axis_count;
    struct axis *axes;
    struct band *bands;         /* a combination of group g shows if its hash is in bands[g] */
    size_t group_count;
    size_t by;                  /* the axis with groups; axis_count: there is one group only */
    uint32_t *groups;           /* from 0, of each value of axis `by` */
    uint64_t place, total;
};

static struct product *check_product(lua_State *L)
{
    return luaL_checkudata(L, 1, PRODUCT_MT);
}

static void sum_up(struct product *product, size_t from)
{
    for (size_t i = from; i < product->axis_count; i++) {
        const struct axis *before = &product->axes[i - 1];
        product->axes[i].sum = before->sum + before->digests[before->picked];
    }
}

/* The last axis is through: the axis before moves on, and so forth. */
static void carry(struct product *product)
{
    for (size_t i = product->axis_count; i-- > 0;) {
        struct axis *axis = &product->axes[i];
        if (i + 1 < product->axis_count && ++axis->picked < axis->count) {
            sum_up(product, i + 1);
            return;
        }
        axis->picked = 0;
    }
}

static size_t find(const struct axis *axis, size_t end, struct band band)
{
    size_t at = axis->picked;
    while (at < end && cf_lua_mix_digests(axis->sum + axis->digests[at]) - band.low > band.span)
        at++;
    return at;
}

static size_t find_in_groups(const struct axis *axis, size_t end, const struct band *bands,
                             const uint32_t *groups)
{
    size_t at = axis->picked;
    for (; at < end; at++) {
        const struct band *band = &bands[groups[at]];
        if (cf_lua_mix_digests(axis->sum + axis->digests[at]) - band->low <= band->span)
            break;
    }
    return at;
}

/* walker:next() -> hash, place, group of the next combination within its group's band; false and
 * the place reached if there was none in this slice; nil at the end. Places count from 0. */
static int product_next(lua_State *L)
{
    struct product *product = check_product(L);
    struct axis *last = &product->axes[product->axis_count - 1];
    bool has_groups = product->by < product->axis_count;

    for (uint64_t left = SLICE; product->place < product->total && left > 0;) {
        size_t begin = last->picked;
        size_t end = last->count - begin > left ? begin + (size_t)left : last->count;
        size_t group = has_groups ? product->groups[product->axes[product->by].picked] : 0;
        bool is_last = has_groups && &product->axes[product->by] == last;
        size_t at = is_last ? find_in_groups(last, end, product->bands, product->groups)
                            : find(last, end, product->bands[group]);

        product->place += at - begin;
        left -= at - begin;
        last->picked = at;
        if (at < end) {
            lua_pushinteger(L, (lua_Integer)cf_lua_mix_digests(last->sum + last->digests[at]));
            lua_pushinteger(L, (lua_Integer)product->place);
            lua_pushinteger(L, (lua_Integer)(is_last ? product->groups[at] : group) + 1);
            product->place++;
            last->picked++;
        }
        if (last->picked == last->count)
            carry(product);
        if (at < end)
            return 3;
    }
    if (product->place == product->total)
        return 0;
    lua_pushboolean(L, false);
    lua_pushinteger(L, (lua_Integer)product->place);
    return 2;
}

/* walker:band(group, low, high): from here on the group shows hashes from low to high
 * (unsigned). */
static int product_band(lua_State *L)
{
    struct product *product = check_product(L);
    lua_Integer group = luaL_checkinteger(L, 2);
    luaL_argcheck(L, group >= 1 && (uint64_t)group <= product->group_count, 2,
                  "there is no such group");
    uint64_t low = (uint64_t)luaL_checkinteger(L, 3), high = (uint64_t)luaL_checkinteger(L, 4);
    luaL_argcheck(L, low <= high, 4, "the band is empty");
    product->bands[group - 1] = (struct band){ low, high - low };
    return 0;
}

/* walker:rewind(): the next combination is the first one again. */
static int product_rewind(lua_State *L)
{
    struct product *product = check_product(L);
    product->place = 0;
    for (size_t i = 0; i < product->axis_count; i++)
        product->axes[i].picked = 0;
    sum_up(product, 1);
    return 0;
}

static int product_len(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check_product(L)->total);
    return 1;
}

/* What the arguments ask for, checked as a whole before the block is made. */
static struct product measure(lua_State *L, size_t *out_values)
{
    struct product product = { .axis_count = lua_rawlen(L, 1), .group_count = 1, .total = 1 };
    luaL_argcheck(L, product.axis_count > 0, 1, "there is no axis");
    product.by = product.axis_count;
    *out_values = 0;
    for (size_t i = 1; i <= product.axis_count; i++) {
        luaL_argcheck(L, lua_rawgeti(L, 1, (lua_Integer)i) == LUA_TTABLE, 1,
                      "a list of lists was expected");
        size_t count = lua_rawlen(L, -1);
        luaL_argcheck(L, count > 0, 1, "an axis is empty");
        luaL_argcheck(L, !__builtin_mul_overflow(product.total, count, &product.total) &&
                         product.total <= INT64_MAX, 1, "too many combinations");
        *out_values += count;
        lua_pop(L, 1);
    }
    if (!lua_isnoneornil(L, 2)) {
        lua_Integer by = luaL_checkinteger(L, 2);
        luaL_argcheck(L, by >= 1 && (size_t)by <= product.axis_count, 2, "there is no such axis");
        luaL_checktype(L, 3, LUA_TTABLE);
        product.by = (size_t)by - 1;
        lua_rawgeti(L, 1, by);
        luaL_argcheck(L, lua_rawlen(L, 3) == lua_rawlen(L, -1), 3,
                      "a group for each value was expected");
        lua_pop(L, 1);
        size_t count = lua_rawlen(L, 3);
        for (size_t i = 1; i <= count; i++) {
            lua_rawgeti(L, 3, (lua_Integer)i);
            lua_Integer group = lua_tointeger(L, -1);
            luaL_argcheck(L, group >= 1 && (size_t)group <= count, 3, "groups count from 1");
            if ((size_t)group > product.group_count)
                product.group_count = (size_t)group;
            lua_pop(L, 1);
        }
    }
    return product;
}

int cf_lua_product(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 3);
    size_t values;
    struct product made = measure(L, &values);
    size_t group_values = made.by < made.axis_count ? lua_rawlen(L, 3) : 0;

    size_t size = sizeof made + made.axis_count * sizeof *made.axes + values * sizeof(uint64_t) +
                  made.group_count * sizeof *made.bands +
                  group_values * sizeof *made.groups;
    /* digests by groups product */
    struct product *product = lua_newuserdatauv(L, size, 0);
    *product = made;
    product->axes = (struct axis *)(product + 1);
    uint64_t *digests = (uint64_t *)(product->axes + made.axis_count);
    product->bands = (struct band *)(digests + values);
    product->groups = (uint32_t *)(product->bands + made.group_count);

    for (size_t i = 0; i < made.axis_count; i++) {
        /* digests by groups product axis */
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        product->axes[i] = (struct axis){ .digests = digests, .count = lua_rawlen(L, -1) };
        for (size_t j = 0; j < product->axes[i].count; j++) {
            lua_rawgeti(L, -1, (lua_Integer)j + 1);
            *digests++ = (uint64_t)lua_tointeger(L, -1);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    for (size_t i = 0; i < made.group_count; i++)
        product->bands[i] = (struct band){ 0, UINT64_MAX };
    for (size_t i = 0; i < group_values; i++) {
        lua_rawgeti(L, 3, (lua_Integer)i + 1);
        product->groups[i] = (uint32_t)lua_tointeger(L, -1) - 1;
        lua_pop(L, 1);
    }
    sum_up(product, 1);
    luaL_setmetatable(L, PRODUCT_MT);
    return 1;
}

void cf_lua_open_product(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "next", product_next },
        { "band", product_band },
        { "rewind", product_rewind },
        { NULL, NULL },
    };
    luaL_newmetatable(L, PRODUCT_MT);                                 /* mt */
    luaL_newlib(L, methods);                                          /* mt methods */
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, product_len);
    lua_setfield(L, -2, "__len");
    lua_pop(L, 1);
}
