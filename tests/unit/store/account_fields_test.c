/* The names under which an account is shown, by each who shows it. */
#include "fixture.h"

#include "store/account_fields.h"

/* Every figure another one, but for tokens that are not known. */
static struct cf_run_account account = {
    .planned = 1, .accepted = 2, .needs_revision = 3, .failed = 4, .pending = 5, .skipped = 6,
    .surplus = 7, .orphans = 8, .calls = 9, .attempts = 10, .replies = 11, .failures = 12,
    .spent_pico = INT64_C(1500000000000), .at_risk_pico = INT64_C(250000000000),
    .unknown_cost_replies = 13,
    .tokens = { .input = 14, .output = 15, .cache_write_5m = 16, .cache_write_1h = 17,
                .cache_read = -1, .thinking = 18 },
};

static void check(void (*add)(struct cf_buf *out, const struct cf_run_account *account),
                  const char *expected)
{
    struct cf_buf out = { .max = 4096 };
    cf_buf_adds(&out, "{");
    add(&out, &account);
    cf_buf_adds(&out, "}");
    assert_string_equal(cf_buf_str(&out), expected);
    cf_buf_done(&out);
}

static void the_command_line_spells_with_underscores(void **state)
{
    (void)state;
    check(cf_account_add,
          "{\"planned\":1,\"accepted\":2,\"needs_revision\":3,\"failed\":4,\"pending\":5,\"skipped\":6,"
          "\"surplus\":7,\"orphans\":8,\"calls\":9,\"attempts\":10,\"replies\":11,\"failures\":12,"
          "\"spent_usd\":1.5,\"at_risk_usd\":0.25,\"unknown_cost_replies\":13,\"input_tokens\":14,"
          "\"output_tokens\":15,\"cache_write_5m_tokens\":16,\"cache_write_1h_tokens\":17,"
          "\"cache_read_tokens\":null,\"thinking_tokens\":18}");
}

static void the_api_spells_in_one_word(void **state)
{
    (void)state;
    check(cf_account_add_api,
          "{\"planned\":1,\"accepted\":2,\"needsRevision\":3,\"failed\":4,\"pending\":5,\"skipped\":6,"
          "\"surplus\":7,\"orphans\":8,\"calls\":9,\"attempts\":10,\"replies\":11,\"failures\":12,"
          "\"spent\":1.5,\"atRisk\":0.25,\"unknownCostReplies\":13,\"inputTokens\":14,"
          "\"outputTokens\":15,\"cacheReadTokens\":null,\"thinkingTokens\":18}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_command_line_spells_with_underscores),
        cmocka_unit_test(the_api_spells_in_one_word),
    };
    return cmocka_run_group_tests_name("account_fields", tests, NULL, NULL);
}
