#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "confab/money.h"
#include "engine/account.h"

static void reserve(struct cf_account *account, int64_t bound)
{
    struct cf_account *whose;
    assert_int_equal(cf_account_reserve(account, bound, &whose), CF_ACCOUNT_HAS_ROOM);
}

static void it_starts_from_earlier_sessions(void **state)
{
    (void)state;
    struct cf_account account, seen;
    cf_account_init(&account, 70, 30);
    cf_account_read(&account, &seen);
    assert_int_equal(seen.ledger.spent, 70);
    assert_int_equal(seen.ledger.at_risk, 30);
    assert_int_equal(seen.ledger.reserved, 0);
    assert_int_equal(seen.attempts, 0);
    cf_account_done(&account);
}

static void a_reservation_ends_in_one_of_three_ways(void **state)
{
    (void)state;
    struct cf_account account, seen;
    cf_account_init(&account, 0, 0);
    for (int i = 0; i < 3; i++)
        reserve(&account, 100);
    cf_account_count_attempt(&account);
    cf_account_read(&account, &seen);
    assert_int_equal(seen.ledger.reserved, 300);
    assert_int_equal(seen.attempts, 1);

    assert_true(cf_account_settle(&account, 100, 40, NULL));
    cf_account_lose(&account, 100);
    cf_account_release(&account, 100);
    cf_account_read(&account, &seen);
    assert_int_equal(seen.ledger.reserved, 0);
    assert_int_equal(seen.ledger.spent, 40);
    assert_int_equal(seen.ledger.at_risk, 100);
    cf_account_done(&account);
}

static void a_reply_above_its_bound_is_booked_and_told(void **state)
{
    (void)state;
    struct cf_account account, seen;
    cf_account_init(&account, 0, 0);
    reserve(&account, 100);
    assert_false(cf_account_settle(&account, 100, 101, NULL));
    cf_account_read(&account, &seen);
    assert_int_equal(seen.ledger.spent, 101);
    cf_account_done(&account);
}

static void retries_and_refusals_are_counted_apart(void **state)
{
    (void)state;
    struct cf_account account, seen;
    cf_account_init(&account, 0, 0);
    cf_account_count_retry(&account, false);
    cf_account_count_retry(&account, true);
    cf_account_count_retry(&account, true);
    cf_account_read(&account, &seen);
    assert_int_equal(seen.retries, 1);
    assert_int_equal(seen.refusals, 2);
    cf_account_done(&account);
}

static void a_budget_says_whether_waiting_can_help(void **state)
{
    (void)state;
    struct cf_account account, *whose = NULL;
    cf_account_init(&account, 50, 10);
    assert_false(cf_account_has_budget(&account));
    cf_account_set_budget(&account, 160);
    assert_true(cf_account_has_budget(&account));
    reserve(&account, 100);
    assert_int_equal(cf_account_reserve(&account, 1, &whose), CF_ACCOUNT_MAY_HAVE);
    assert_ptr_equal(whose, &account);
    assert_true(cf_account_settle(&account, 100, 99, NULL));
    assert_int_equal(cf_account_reserve(&account, 2, &whose), CF_ACCOUNT_HAS_NONE);
    reserve(&account, 1);
    cf_account_lose(&account, 1);
    assert_int_equal(cf_account_reserve(&account, 1, &whose), CF_ACCOUNT_HAS_NONE);
    reserve(&account, 0);
    cf_account_release(&account, 0);
    cf_account_done(&account);
}

static void what_is_booked_is_booked_in_the_parent_too(void **state)
{
    (void)state;
    struct cf_account all, one, other, *whose = NULL, seen;
    cf_account_init(&all, 0, 0);
    cf_account_init(&one, 0, 0);
    cf_account_init(&other, 0, 0);
    cf_account_set_budget(&all, 100);
    cf_account_set_parent(&one, &all);
    cf_account_set_parent(&other, &all);
    cf_account_add_earlier(&all, 30, 10);
    assert_true(cf_account_has_budget(&one));

    reserve(&one, 40);
    assert_int_equal(cf_account_reserve(&other, 30, &whose), CF_ACCOUNT_MAY_HAVE);
    assert_ptr_equal(whose, &all);
    cf_account_read(&other, &seen);
    assert_int_equal(seen.ledger.reserved, 0);        /* nothing is left of what did not fit */
    cf_account_lose(&one, 40);
    assert_int_equal(cf_account_reserve(&other, 30, &whose), CF_ACCOUNT_HAS_NONE);
    reserve(&other, 20);
    assert_true(cf_account_settle(&other, 20, 5, NULL));
    cf_account_read(&all, &seen);
    assert_int_equal(seen.ledger.spent, 35);
    assert_int_equal(seen.ledger.at_risk, 50);
    assert_int_equal(seen.ledger.reserved, 0);
    cf_account_done(&one);
    cf_account_done(&other);
    cf_account_done(&all);
}

#define ROUNDS 20000

static void *spend(void *self)
{
    struct cf_account *account = self;
    for (int i = 0; i < ROUNDS; i++) {
        reserve(account, 5);
        cf_account_count_attempt(account);
        cf_account_settle(account, 5, 3, NULL);
    }
    return NULL;
}

static void threads_do_not_lose_each_others_sums(void **state)
{
    (void)state;
    struct cf_account account, seen;
    pthread_t threads[3];
    cf_account_init(&account, 0, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, spend, &account), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    cf_account_read(&account, &seen);
    assert_int_equal(seen.ledger.spent, 3 * ROUNDS * 3);
    assert_int_equal(seen.ledger.reserved, 0);
    assert_int_equal(seen.attempts, 3 * ROUNDS);
    cf_account_done(&account);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_starts_from_earlier_sessions),
        cmocka_unit_test(a_reservation_ends_in_one_of_three_ways),
        cmocka_unit_test(a_reply_above_its_bound_is_booked_and_told),
        cmocka_unit_test(retries_and_refusals_are_counted_apart),
        cmocka_unit_test(a_budget_says_whether_waiting_can_help),
        cmocka_unit_test(what_is_booked_is_booked_in_the_parent_too),
        cmocka_unit_test(threads_do_not_lose_each_others_sums),
    };
    return cmocka_run_group_tests_name("account", tests, NULL, NULL);
}
