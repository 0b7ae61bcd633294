#include "limiter_fixture.h"

struct config_row {
    const char *name;
    struct cf_limit_config config;
    const char *message;          /* NULL: valid */
};

#define CONFIG(...) { .max_requests = 50, .window_ms = 60000, .pause_threshold = 0.9, __VA_ARGS__ }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static struct config_row config_rows[] = {
    { "a plain config is valid", CONFIG(.concurrency = 8), NULL },
    { "no request at all is refused", CONFIG(.max_requests = 0),
      "max_requests is 0, but must be from 1 to 1000000" },
    { "too many requests are refused", CONFIG(.max_requests = 1000001),
      "max_requests is 1000001, but must be from 1 to 1000000" },
    { "negative input tokens are refused", CONFIG(.max_input_tokens = -1),
      "max_input_tokens is -1, but must be from 0 to 1000000000000" },
    { "negative output tokens are refused", CONFIG(.max_output_tokens = -1),
      "max_output_tokens is -1, but must be from 0 to 1000000000000" },
    { "an empty window is refused", CONFIG(.window_ms = 0),
      "window_ms is 0, but must be from 1 to 86400000" },
    { "negative concurrency is refused", CONFIG(.concurrency = -1),
      "concurrency is -1, but must be from 0 to 1000000" },
    { "a threshold of zero is refused", CONFIG(.pause_threshold = 0),
      "pause_threshold is 0, but must be above 0 and at most 1" },
    { "a threshold above one is refused", CONFIG(.pause_threshold = 90),
      "pause_threshold is 90, but must be above 0 and at most 1" },
    { "a threshold that is no number is refused", CONFIG(.pause_threshold = 0.0 / 0.0), "" },
    { "an unknown pacing is refused", CONFIG(.pacing = (enum cf_pacing)3),
      "pacing must be \"auto\", \"smooth\" or \"burst\"" },
};
#pragma GCC diagnostic pop

static void check_config(void **state)
{
    const struct config_row *row = *state;
    struct cf_error err = { .kind = CF_OK };
    assert_int_equal(cf_limit_config_check(&row->config, &err), row->message == NULL);
    if (row->message == NULL)
        return;
    assert_int_equal(err.kind, CF_ERR_CONFIG);
    if (row->message[0] != '\0')
        assert_string_equal(err.message, row->message);
}

static void the_default_is_fifty_a_minute(void **state)
{
    (void)state;
    struct cf_limit_config config;
    cf_limit_config_default(&config);
    assert_int_equal(config.max_requests, 50);
    assert_int_equal(config.window_ms, 60000);
    assert_true(config.enable_queue);
    assert_float_equal(config.pause_threshold, 0.9, 0);
    assert_int_equal(config.pacing, CF_PACING_AUTO);
    assert_true(cf_limit_config_check(&config, NULL));
}

static void pacing_has_names(void **state)
{
    (void)state;
    enum cf_pacing pacing = CF_PACING_AUTO;
    assert_true(cf_pacing_parse("burst", &pacing));
    assert_int_equal(pacing, CF_PACING_BURST);
    assert_false(cf_pacing_parse("Burst", &pacing));
    assert_int_equal(pacing, CF_PACING_BURST);
    assert_string_equal(cf_pacing_name(CF_PACING_SMOOTH), "smooth");
}

static void a_bad_config_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(0);
    assert_false(cf_limiter_set_config(fixture->limiter, NULL, &config, 0, &fixture->err));
    assert_false(cf_limiter_set_config(fixture->limiter, "a", &config, 0, &fixture->err));
    assert_int_equal(status(fixture, 0).limit, 50);
    assert_string_equal(status(fixture, 0).source, "default");
}

static void a_key_may_have_its_own_limits(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(7);
    assert_true(cf_limiter_set_config(fixture->limiter, "a", &config, 0, NULL));
    assert_int_equal(status(fixture, 0).limit, 7);
    assert_string_equal(status(fixture, 0).source, "config");

    struct cf_limit_status other;
    assert_true(cf_limiter_status(fixture->limiter, "b", 0, &other));
    assert_int_equal(other.limit, 50);
    assert_string_equal(other.source, "default");
    assert_false(cf_limiter_status(fixture->limiter, NULL, 0, &other));

    assert_true(cf_limiter_set_config(fixture->limiter, "a", NULL, 0, NULL));
    assert_int_equal(status(fixture, 0).limit, 50);
}

static void a_changed_config_holds_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(1);
    use(fixture, &config);
    go(fixture, 0, 0);
    assert_int_equal(ask(fixture, 1, 0), 0);
    assert_int_equal(next(fixture, 0), -1);
    config.max_requests = 2;
    use(fixture, &config);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 0);
    assert_int_equal(next(fixture, 0), 1);
    assert_int_equal(status(fixture, 0).used, 2);
}

int main(void)
{
    static const struct CMUnitTest plain[] = {
        TEST(the_default_is_fifty_a_minute),
        TEST(pacing_has_names),
        TEST(a_bad_config_changes_nothing),
        TEST(a_key_may_have_its_own_limits),
        TEST(a_changed_config_holds_at_once),
    };
    struct CMUnitTest tests[COUNT(plain) + COUNT(config_rows)];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(plain); i++)
        tests[n++] = plain[i];
    for (size_t i = 0; i < COUNT(config_rows); i++)
        tests[n++] =
            (struct CMUnitTest){ config_rows[i].name, check_config, NULL, NULL, &config_rows[i] };
    return cmocka_run_group_tests_name("limit config", tests, NULL, NULL);
}
