/* When an answer is given again, and when it is made anew; by a clock and a database that the
 * test moves. */
#include "dataset.h"

#include <pthread.h>
#include <time.h>

#include "server/answers.h"

#include "fake_clock.h"

struct world {
    struct fixture f;
    struct cf_write_run_begin run;
    struct fake_clock time;
    struct cf_answers *answers;
};

#define SLOW_US (CF_ANSWERS_QUICK_US + 1)

static int open_world(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    fixture_open_store(&w->f);
    w->run = (struct cf_write_run_begin){ .write.apply = cf_write_run_begin, .name = "demo",
                                          .provider = "anthropic", .source = "script" };
    must(&w->f, &w->run.write);
    fake_clock_init(&w->time, 1000, 0);
    w->answers = cf_answers_new(w->f.path, &w->time.clock);
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    cf_answers_free(w->answers);
    fixture_close(&w->f);
    free(w);
    return 0;
}

/* A commit. */
static void write_something(struct world *w)
{
    struct cf_write_run_begin another = { .write.apply = cf_write_run_begin, .name = "another", .fresh = true,
                                          .provider = "anthropic", .source = "script" };
    must(&w->f, &another.write);
}

/* What is found, and that its text is this. */
static struct cf_answer_base expect(struct world *w, const char *request, enum cf_answer_found found,
                                    const char *text)
{
    struct cf_buf got;
    struct cf_answer_base base;
    cf_buf_init(&got, 4096);
    assert_int_equal(cf_answers_find(w->answers, request, &got, &base), found);
    assert_string_equal(cf_buf_str(&got), text);
    cf_buf_done(&got);
    return base;
}

static void made(struct world *w, const char *request, struct cf_answer_base base, const char *text,
                 int64_t cpu_us)
{
    struct cf_buf json;
    cf_buf_init(&json, 4096);
    cf_buf_adds(&json, text);
    cf_answers_made(w->answers, request, &base, cpu_us, &json);
    cf_buf_done(&json);
}

static void an_answer_is_good_until_something_is_written(void **state)
{
    struct world *w = *state;
    made(w, "/a?", expect(w, "/a?", CF_ANSWER_NONE, ""), "one", SLOW_US);
    expect(w, "/a?", CF_ANSWER_GOOD, "one");
    expect(w, "/b?", CF_ANSWER_NONE, "");
    fake_clock_move(&w->time, 3600000);
    expect(w, "/a?", CF_ANSWER_GOOD, "one");
}

static void one_who_gets_an_old_answer_makes_it_anew(void **state)
{
    struct world *w = *state;
    made(w, "/a?", expect(w, "/a?", CF_ANSWER_NONE, ""), "one", SLOW_US);
    write_something(w);
    struct cf_answer_base base = expect(w, "/a?", CF_ANSWER_OLD, "one");
    expect(w, "/a?", CF_ANSWER_GOOD, "one");    /* the others only get it */
    made(w, "/a?", base, "two", SLOW_US);
    expect(w, "/a?", CF_ANSWER_GOOD, "two");
}

static void an_answer_that_is_too_old_is_not_given(void **state)
{
    struct world *w = *state;
    made(w, "/a?", expect(w, "/a?", CF_ANSWER_NONE, ""), "one", SLOW_US);
    write_something(w);
    fake_clock_move(&w->time, CF_ANSWERS_OLD_MS - 1);
    struct cf_answer_base base = expect(w, "/a?", CF_ANSWER_OLD, "one");
    fake_clock_move(&w->time, 1);
    expect(w, "/a?", CF_ANSWER_NONE, "");
    made(w, "/a?", base, "two", SLOW_US);
    expect(w, "/a?", CF_ANSWER_GOOD, "two");
}

static void what_takes_no_time_is_not_kept(void **state)
{
    struct world *w = *state;
    made(w, "/a?", expect(w, "/a?", CF_ANSWER_NONE, ""), "one", CF_ANSWERS_QUICK_US - 1);
    expect(w, "/a?", CF_ANSWER_NONE, "");
    made(w, "/a?", expect(w, "/a?", CF_ANSWER_NONE, ""), "one", SLOW_US);
    write_something(w);
    made(w, "/a?", expect(w, "/a?", CF_ANSWER_OLD, "one"), "two", 1);    /* it got quick */
    expect(w, "/a?", CF_ANSWER_NONE, "");
}

static void what_could_not_be_made_is_forgotten(void **state)
{
    struct world *w = *state;
    made(w, "/a?", expect(w, "/a?", CF_ANSWER_NONE, ""), "one", SLOW_US);
    write_something(w);
    struct cf_answer_base base = expect(w, "/a?", CF_ANSWER_OLD, "one");
    cf_answers_made(w->answers, "/a?", &base, SLOW_US, NULL);
    expect(w, "/a?", CF_ANSWER_NONE, "");
}

static void who_changes_something_sees_it(void **state)
{
    struct world *w = *state;
    made(w, "/a?", expect(w, "/a?", CF_ANSWER_NONE, ""), "one", SLOW_US);
    struct cf_answer_base base = expect(w, "/b?", CF_ANSWER_NONE, "");
    cf_answers_forget(w->answers);
    expect(w, "/a?", CF_ANSWER_NONE, "");
    made(w, "/b?", base, "begun before", SLOW_US);
    expect(w, "/b?", CF_ANSWER_NONE, "");
}

static void the_one_not_asked_for_the_longest_makes_room(void **state)
{
    struct world *w = *state;
    char request[32];
    for (int i = 0; i < CF_ANSWERS_MAX; i++) {
        fake_clock_move(&w->time, 1);
        snprintf(request, sizeof request, "/%d?", i);
        made(w, request, expect(w, request, CF_ANSWER_NONE, ""), request, SLOW_US);
    }
    fake_clock_move(&w->time, 1);
    expect(w, "/0?", CF_ANSWER_GOOD, "/0?");
    made(w, "/new?", expect(w, "/new?", CF_ANSWER_NONE, ""), "new", SLOW_US);
    expect(w, "/1?", CF_ANSWER_NONE, "");
    expect(w, "/0?", CF_ANSWER_GOOD, "/0?");
    expect(w, "/new?", CF_ANSWER_GOOD, "new");
}

static void without_a_database_an_answer_is_good_for_a_while_only(void **state)
{
    struct world *w = *state;
    struct cf_answers *answers = cf_answers_new("/nowhere/at/all.db", &w->time.clock);
    struct cf_answers *those = w->answers;
    w->answers = answers;
    struct cf_answer_base base = expect(w, "/a?", CF_ANSWER_NONE, "");
    assert_int_equal(base.version, -1);
    made(w, "/a?", base, "one", SLOW_US);
    expect(w, "/a?", CF_ANSWER_OLD, "one");
    w->answers = those;
    cf_answers_free(answers);
}

/* --- made later --- */

struct later {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int made, left;
};

#define LATER { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER }

static void make(void *self, bool is_wanted)
{
    struct later *later = self;
    pthread_mutex_lock(&later->lock);
    later->made += is_wanted;
    later->left += !is_wanted;
    pthread_cond_signal(&later->changed);
    pthread_mutex_unlock(&later->lock);
}

static void every_task_is_made_or_let_go_of(void **state)
{
    struct world *w = *state;
    struct later later = LATER;
    for (int i = 0; i < 100; i++)
        cf_answers_make_later(w->answers, make, &later);
    cf_answers_free(w->answers);
    w->answers = NULL;
    assert_int_equal(later.made + later.left, 100);
}

static void those_who_get_an_old_answer_get_the_next_one_soon(void **state)
{
    struct world *w = *state;
    struct later later = LATER;
    cf_answers_make_later(w->answers, make, &later);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;    /* to fail rather than to hang */
    pthread_mutex_lock(&later.lock);
    while (later.made == 0 && pthread_cond_timedwait(&later.changed, &later.lock, &until) == 0) {}
    int made = later.made;
    pthread_mutex_unlock(&later.lock);
    assert_int_equal(made, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_is_good_until_something_is_written, open_world, close_world),
        cmocka_unit_test_setup_teardown(one_who_gets_an_old_answer_makes_it_anew, open_world, close_world),
        cmocka_unit_test_setup_teardown(an_answer_that_is_too_old_is_not_given, open_world, close_world),
        cmocka_unit_test_setup_teardown(what_takes_no_time_is_not_kept, open_world, close_world),
        cmocka_unit_test_setup_teardown(what_could_not_be_made_is_forgotten, open_world, close_world),
        cmocka_unit_test_setup_teardown(who_changes_something_sees_it, open_world, close_world),
        cmocka_unit_test_setup_teardown(the_one_not_asked_for_the_longest_makes_room, open_world, close_world),
        cmocka_unit_test_setup_teardown(without_a_database_an_answer_is_good_for_a_while_only, open_world, close_world),
        cmocka_unit_test_setup_teardown(every_task_is_made_or_let_go_of, open_world, close_world),
        cmocka_unit_test_setup_teardown(those_who_get_an_old_answer_get_the_next_one_soon, open_world, close_world),
    };
    return cmocka_run_group_tests_name("answers", tests, NULL, NULL);
}
