#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lua.h>

#include "confab/cost.h"
#include "confab/error.h"
#include "confab/money.h"
#include "lua/price.h"

/* Reads the value of a Lua expression as a price; the stack must be as it was. */
static bool read_price(lua_State *L, const char *expression, struct cf_price *out,
                       struct cf_error *err)
{
    lua_settop(L, 0);
    lua_pushfstring(L, "return %s", expression);
    assert_int_equal(luaL_dostring(L, lua_tostring(L, 1)), LUA_OK);
    bool ok = cf_lua_read_price(L, -1, out, err);
    assert_int_equal(lua_gettop(L), 2);
    return ok;
}

static struct refusal {
    const char *name, *expression, *message;
} refusals[] = {
    { "a price is a table", "3", "a price must be a table or \"free\", not number" },
    { "no other text than free is a price", "'gratis'",
      "a price must be a table or \"free\", not another text" },
    { "nothing is no price", "nil", "a price must be a table or \"free\", not nil" },
    { "a misspelt name gets the nearest", "{ inptu = 3 }",
      "unknown price \"inptu\"; did you mean \"input\"?" },
    { "of two unknown names the first by its letters is named", "{ zzzzzzz = 1, qqqqqqq = 2 }",
      "unknown price \"qqqqqqq\"" },
    { "a list is no price", "{ 3, 15 }", "a price has names, not list entries" },
    { "a price is a number or a text", "{ output = true }",
      "price of output: must be a number or a decimal text, not boolean" },
    { "a price is not negative", "{ input = -1 }",
      "price of input: not a number of dollars from 0 to 1000000" },
    { "a text must be a decimal number", "{ batch_input = '1/2' }",
      "price of batch_input: not a decimal number of dollars from 0 to 1000000" },
    { "a price has at most six decimals", "{ input = '0.0000001' }",
      "price of input: more than six decimals of a dollar per million tokens" },
    { "tiers are a list", "{ tiers = 'long' }", "tiers must be a list, not string" },
    { "a tier is a table", "{ tiers = { 5 } }", "tiers[1]: a tier must be a table, not number" },
    { "a tier has a threshold", "{ tiers = { { input = 1 } } }",
      "tiers[1]: threshold_prompt_tokens must be a whole number of tokens" },
    { "a threshold is a number, not a text", "{ tiers = { { threshold_prompt_tokens = '7' } } }",
      "tiers[1]: threshold_prompt_tokens must be a whole number of tokens" },
    { "tiers rise",
      "{ tiers = { { threshold_prompt_tokens = 9 }, { threshold_prompt_tokens = 9 } } }",
      "tiers[2]: price tiers must come by rising threshold" },
    { "a tier's misspelt name gets the nearest",
      "{ tiers = { { threshold_prompt_token = 9 } } }",
      "tiers[1]: unknown price \"threshold_prompt_token\"; "
      "did you mean \"threshold_prompt_tokens\"?" },
    { "a tier's bad price is named", "{ tiers = { { threshold_prompt_tokens = 9, input = 'x' } } }",
      "tiers[1]: price of input: not a decimal number of dollars from 0 to 1000000" },
};

static void check_refusal(void **state)
{
    const struct refusal *row = *state;
    lua_State *L = luaL_newstate();
    struct cf_price price, before;
    struct cf_error err;

    memset(&price, 7, sizeof price);
    before = price;
    assert_false(read_price(L, row->expression, &price, &err));
    assert_int_equal(err.kind, CF_ERR_CONFIG);
    assert_string_equal(err.message, row->message);
    assert_memory_equal(&price, &before, sizeof price);
    lua_close(L);
}

static void reads_texts_and_numbers_alike(void **state)
{
    (void)state;
    lua_State *L = luaL_newstate();
    struct cf_price price;

    assert_true(read_price(
        L, "{ input = '3', output = 15, cache_read = 0.3, batch_input = '1.5' }", &price, NULL));
    assert_int_equal(cf_price_rate(&price, 0, CF_TOKENS_INPUT, false), 3000000);
    assert_int_equal(cf_price_rate(&price, 0, CF_TOKENS_OUTPUT, false), 15000000);
    assert_int_equal(cf_price_rate(&price, 0, CF_TOKENS_CACHE_READ, false), 300000);
    assert_int_equal(cf_price_rate(&price, 0, CF_TOKENS_INPUT, true), 1500000);
    assert_int_equal(cf_price_rate(&price, 0, CF_TOKENS_CACHE_WRITE_1H, false), CF_COST_UNKNOWN);
    lua_close(L);
}

static void reads_tiers(void **state)
{
    (void)state;
    lua_State *L = luaL_newstate();
    struct cf_price price;

    assert_true(read_price(
        L,
        "{ input = 1, tiers = { { threshold_prompt_tokens = 1000, input = '2' }, "
        "{ threshold_prompt_tokens = 5000.0, batch_output = '4' } } }",
        &price, NULL));
    assert_int_equal(price.tier_count, 2);
    assert_int_equal(cf_price_tier_of(&price, 1000), 0);
    assert_int_equal(cf_price_tier_of(&price, 1001), 1);
    assert_int_equal(cf_price_tier_of(&price, 5001), 2);
    assert_int_equal(cf_price_rate(&price, 1, CF_TOKENS_INPUT, false), 2000000);
    assert_int_equal(cf_price_rate(&price, 2, CF_TOKENS_OUTPUT, true), 4000000);
    lua_close(L);
}

static void free_is_a_known_zero(void **state)
{
    (void)state;
    lua_State *L = luaL_newstate();
    struct cf_price price;

    assert_true(read_price(L, "'free'", &price, NULL));
    assert_int_equal(cf_price_rate(&price, 0, CF_TOKENS_OUTPUT, false), 0);
    assert_true(read_price(L, "{}", &price, NULL));
    assert_int_equal(cf_price_rate(&price, 0, CF_TOKENS_OUTPUT, false), CF_COST_UNKNOWN);
    lua_close(L);
}

int main(void)
{
    enum { REFUSALS = sizeof refusals / sizeof refusals[0] };
    struct CMUnitTest tests[REFUSALS + 3] = {
        cmocka_unit_test(reads_texts_and_numbers_alike),
        cmocka_unit_test(reads_tiers),
        cmocka_unit_test(free_is_a_known_zero),
    };

    for (size_t i = 0; i < REFUSALS; i++)
        tests[i + 3] = (struct CMUnitTest){ refusals[i].name, check_refusal, NULL, NULL,
                                            &refusals[i] };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
