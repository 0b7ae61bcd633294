/* The lock that makes one process the owner of a run. */
#include "store/owner.h"

#include <signal.h>
#include <sys/wait.h>

#include "fixture.h"

static void a_second_owner_is_refused(void **state)
{
    struct fixture *f = *state;
    struct cf_owner *owner, *second = NULL;
    assert_true(cf_owner_open(f->path, 1, &owner, &f->err));
    assert_false(cf_owner_open(f->path, 1, &second, &f->err));
    assert_int_equal(f->err.kind, CF_ERR_CONFIG);
    assert_non_null(strstr(f->err.message, "in use by another process"));
    assert_null(second);
    assert_true(cf_owner_is_held(f->path, 1));

    cf_owner_free(owner);
    assert_false(cf_owner_is_held(f->path, 1));
    assert_true(cf_owner_open(f->path, 1, &owner, &f->err));
    cf_owner_free(owner);
}

static void different_runs_have_different_owners(void **state)
{
    struct fixture *f = *state;
    struct cf_owner *one, *two;
    assert_true(cf_owner_open(f->path, 1, &one, &f->err));
    assert_true(cf_owner_open(f->path, 2, &two, &f->err));
    cf_owner_free(one);
    assert_true(cf_owner_is_held(f->path, 2));
    cf_owner_free(two);
    cf_owner_free(NULL);
}

static void death_frees_the_lock(void **state)
{
    struct fixture *f = *state;
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct cf_owner *owner;
        struct cf_error err;
        if (!cf_owner_open(f->path, 1, &owner, &err))
            _exit(1);
        if (write(ready[1], "x", 1) != 1)
            _exit(2);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    struct cf_owner *owner;
    assert_false(cf_owner_open(f->path, 1, &owner, &f->err));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_true(cf_owner_open(f->path, 1, &owner, &f->err));
    cf_owner_free(owner);
    close(ready[0]);
    close(ready[1]);
}

static void closing_the_database_does_not_free_the_lock(void **state)
{
    struct fixture *f = *state;
    struct cf_owner *owner;
    assert_true(cf_owner_open(f->path, 1, &owner, &f->err));
    cf_reader_free(fixture_reader(f));
    cf_store_free(f->store);
    f->store = NULL;
    assert_true(cf_owner_is_held(f->path, 1));
    cf_owner_free(owner);
}

static void a_side_file_that_cannot_be_made_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct cf_owner *owner;
    assert_false(cf_owner_open("/nonexistent/x.db", 1, &owner, &f->err));
    assert_int_equal(f->err.kind, CF_ERR_STORAGE);
    assert_non_null(strstr(f->err.message, "/nonexistent/x.db-lock"));
    assert_false(cf_owner_is_held("/nonexistent/x.db", 1));
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_second_owner_is_refused),
        WITH_STORE(different_runs_have_different_owners),
        WITH_STORE(death_frees_the_lock),
        WITH_STORE(closing_the_database_does_not_free_the_lock),
        WITH_STORE(a_side_file_that_cannot_be_made_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
