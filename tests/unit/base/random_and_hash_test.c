/* The values here are part of the product: sampling, shuffling, splits and item keys depend on
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/uuid.h"
#include "confab/rng.h"

static void test_sha256_of_abc(void **state)
{
    (void)state;
    uint8_t digest[CF_SHA256_SIZE];
    char hex[2 * CF_SHA256_SIZE + 1];
    cf_sha256("abc", 3, digest);
    cf_hex(digest, sizeof digest, hex);
    /* FIPS 180-2, B.1 */
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_hash64_depends_on_seed_and_bytes(void **state)
{
    (void)state;
    /* sha256(00..00 "abc") and sha256(00..07 "abc"), first 8 bytes */
    uint8_t input[11] = { 0, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 'c' }, digest[CF_SHA256_SIZE];
    for (uint64_t seed = 0; seed < 8; seed += 7) {
        input[7] = (uint8_t)seed;
        cf_sha256(input, sizeof input, digest);
        uint64_t expected = 0;
        for (int i = 0; i < 8; i++)
            expected = expected << 8 | digest[i];
        assert_true(cf_hash64(seed, "abc", 3) == expected);
    }
    assert_true(cf_hash64(0, "abc", 3) != cf_hash64(1, "abc", 3));
    assert_true(cf_hash64(0, "abc", 3) != cf_hash64(0, "abd", 3));
}

static void test_the_same_seed_gives_the_same_numbers(void **state)
{
    (void)state;
    struct cf_rng a, b;
    cf_rng_seed(&a, 42);
    cf_rng_seed(&b, 42);
    for (int i = 0; i < 100; i++)
        assert_true(cf_rng_next(&a) == cf_rng_next(&b));
    cf_rng_seed(&b, 43);
    assert_true(cf_rng_next(&a) != cf_rng_next(&b));
}

static void test_numbers_stay_in_their_range(void **state)
{
    (void)state;
    struct cf_rng rng;
    cf_rng_seed(&rng, 0);
    int seen[3] = { 0 };
    double sum = 0;
    for (int i = 0; i < 3000; i++) {
        int64_t value = cf_rng_range(&rng, -1, 1);
        assert_in_range(value + 1, 0, 2);
        seen[value + 1]++;
        double unit = cf_rng_unit(&rng);
        assert_true(unit >= 0 && unit < 1);
        sum += cf_rng_normal(&rng);
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(seen[i], 850, 1150);
    assert_true(sum / 3000 > -0.1 && sum / 3000 < 0.1);
    cf_rng_range(&rng, INT64_MIN, INT64_MAX);
    assert_int_equal(cf_rng_range(&rng, 5, 5), 5);
}

static void test_uuids_are_version_7_and_ordered_by_time(void **state)
{
    (void)state;
    char a[CF_UUID_TEXT_SIZE], b[CF_UUID_TEXT_SIZE], again[CF_UUID_TEXT_SIZE];
    cf_uuid_new(1795435265250, a);
    cf_uuid_new(1795435265251, b);
    cf_uuid_new(1795435265250, again);
    assert_true(cf_uuid_is_valid(a));
    assert_int_equal(a[14], '7');
    assert_non_null(strchr("89ab", a[19]));
    assert_true(strcmp(a, b) < 0);
    assert_string_not_equal(a, again);
}

static void test_what_is_no_uuid_is_refused(void **state)
{
    (void)state;
    const char *const bad[] = { "",
                                "0192f0c1",
                                "0192f0c1-0000-7000-8000-00000000000",
                                "0192f0c1-0000-7000-8000-0000000000000",
                                "0192f0c1x0000-7000-8000-000000000000",
                                "g192f0c1-0000-7000-8000-000000000000" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(cf_uuid_is_valid(bad[i]));
    assert_true(cf_uuid_is_valid("0192F0C1-0000-4000-8000-000000000000"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "SHA-256 of abc", test_sha256_of_abc, NULL, NULL, NULL },
        { "hash64 depends on seed and bytes", test_hash64_depends_on_seed_and_bytes, NULL, NULL,
          NULL },
        { "the same seed gives the same numbers", test_the_same_seed_gives_the_same_numbers, NULL,
          NULL, NULL },
        { "numbers stay in their range", test_numbers_stay_in_their_range, NULL, NULL, NULL },
        { "UUIDs are version 7 and ordered by time", test_uuids_are_version_7_and_ordered_by_time,
          NULL, NULL, NULL },
        { "what is no UUID is refused", test_what_is_no_uuid_is_refused, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
