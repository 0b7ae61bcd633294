#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "engine/keys.h"

static void fill(struct cf_keys *keys)
{
    static const struct cf_limit_config own = { .max_requests = 7,
                                                .window_ms = 1000,
                                                .pause_threshold = 1 };
    static const struct cf_key_options options[] = {
        { "a", "sk-aaaaaaaa", NULL }, { "b", "sk-bbbbbbbb", &own }, { "c", "sk-cccccccc", NULL },
    };
    cf_keys_init(keys, options, 3);
}

static void keys_take_turns(void **state)
{
    (void)state;
    struct cf_keys keys;
    fill(&keys);
    for (const char *want = "abcabc"; *want != '\0'; want++)
        assert_int_equal(cf_keys_next(&keys)->name[0], *want);
    cf_keys_done(&keys);
}

static void a_key_that_is_out_is_left_out(void **state)
{
    (void)state;
    struct cf_keys keys;
    fill(&keys);
    assert_true(cf_keys_take_out(&keys, cf_keys_find(&keys, "b")));
    for (const char *want = "acac"; *want != '\0'; want++)
        assert_int_equal(cf_keys_next(&keys)->name[0], *want);
    assert_true(cf_keys_take_out(&keys, cf_keys_find(&keys, "a")));
    assert_int_equal(cf_keys_next(&keys)->name[0], 'c');
    assert_false(cf_keys_take_out(&keys, cf_keys_find(&keys, "c")));
    assert_null(cf_keys_next(&keys));
    cf_keys_done(&keys);
}

static void keys_are_found_by_name(void **state)
{
    (void)state;
    struct cf_keys keys;
    fill(&keys);
    assert_string_equal(cf_keys_find(&keys, "c")->name, "c");
    assert_string_equal(cf_keys_find(&keys, NULL)->name, "a");
    assert_null(cf_keys_find(&keys, "sk-aaaaaaaa"));
    cf_keys_done(&keys);
}

static void a_key_may_have_limits_of_its_own(void **state)
{
    (void)state;
    struct cf_keys keys;
    fill(&keys);
    assert_false(cf_keys_find(&keys, "a")->has_limits);
    assert_true(cf_keys_find(&keys, "b")->has_limits);
    assert_int_equal(cf_keys_find(&keys, "b")->limits.max_requests, 7);
    cf_keys_done(&keys);
}

static void the_request_carries_the_key_and_the_log_does_not(void **state)
{
    (void)state;
    struct cf_keys keys;
    bool is_there = false;
    fill(&keys);
    const struct cf_key *key = cf_keys_find(&keys, "b");
    for (size_t i = 0; i < key->field_count; i++)
        is_there = is_there || strcmp(key->fields[i].value, "sk-bbbbbbbb") == 0;
    assert_true(is_there);
    cf_keys_done(&keys);

    char text[] = "said sk-bbbbbbbb aloud";
    cf_redact(text);
    assert_null(strstr(text, "bbbb"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_take_turns),
        cmocka_unit_test(a_key_that_is_out_is_left_out),
        cmocka_unit_test(keys_are_found_by_name),
        cmocka_unit_test(a_key_may_have_limits_of_its_own),
        cmocka_unit_test(the_request_carries_the_key_and_the_log_does_not),
    };
    return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
