#include "fixture.h"

static int open_all(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    fixture_open_store(f);
    fixture_start(f, (struct cf_server_options){ 0 });
    *state = f;
    return 0;
}

static int close_all(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

static void is_alive(void **state)
{
    struct answer answer = fixture_ask(*state, "GET", "/healthz", NULL, NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer_str(&answer, "status"), "ok");
    assert_string_equal(answer_str(&answer, "version"), CONFAB_VERSION);
    assert_non_null(strstr(answer.head, "Cache-Control: no-store\r\n"));
    assert_non_null(strstr(answer.head, "X-Content-Type-Options: nosniff\r\n"));
    answer_done(&answer);
}

static void is_ready_until_it_drains(void **state)
{
    struct fixture *f = *state;
    struct answer answer = fixture_ask(f, "GET", "/readyz", NULL, NULL);
    assert_int_equal(answer.status, 200);
    answer_done(&answer);

    cf_server_drain(f->server);
    answer = fixture_ask(f, "GET", "/readyz", NULL, NULL);
    assert_int_equal(answer.status, 503);
    assert_string_equal(answer_str(&answer, "status"), "draining");
    answer_done(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_alive),
        cmocka_unit_test(is_ready_until_it_drains),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
