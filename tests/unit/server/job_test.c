#include "server/job.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/queue.h"

#define WORKERS 8

static struct cf_queue queue;
static struct cf_jobs *jobs;

static void never(struct cf_completion *completion, void *context)
{
    (void)completion, (void)context;
    fail_msg("the queue delivers, not the jobs");
}

static int set_up(void **state)
{
    (void)state;
    if (!cf_queue_init(&queue))
        return -1;
    jobs = cf_jobs_new(&queue, never);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cf_jobs_free(jobs);
    cf_queue_done(&queue);
    return 0;
}

struct asking {
    pthread_t thread;
    const char *body;
    bool is_answered;
    int status;
    int64_t retry_after_s;
    char json[64];
};

static void *ask(void *self)
{
    struct asking *asking = self;
    struct cf_job_question question = {
        .task = "generate",
        .key = "k",
        .body = { asking->body, strlen(asking->body) },
    };
    struct cf_job *job;
    struct cf_job_answer answer;
    asking->is_answered = cf_jobs_ask(jobs, &question, &job, &answer);
    if (asking->is_answered) {
        asking->status = answer.status;
        asking->retry_after_s = answer.retry_after_s;
        memcpy(asking->json, answer.json.data, answer.json.len);
        cf_job_release(job);
    }
    return NULL;
}

static struct cf_job *take(void)
{
    while (!cf_queue_wait(&queue, -1))
        ;
    struct cf_queue_link *link = cf_queue_take_all(&queue);
    assert_non_null(link);
    assert_null(link->next);
    return cf_job_of((struct cf_completion *)link);
}

static void a_worker_gets_the_answer_to_its_question(void **state)
{
    (void)state;
    struct asking asking = { .body = "{}" };
    pthread_create(&asking.thread, NULL, ask, &asking);
    struct cf_job *job = take();
    const struct cf_job_question *question = cf_job_question(job);
    assert_string_equal(question->task, "generate");
    assert_string_equal(question->key, "k");
    assert_null(question->id);
    assert_int_equal(question->body.len, 2);
    assert_true(cf_job_answer(job, 429, 7, (struct cf_text){ "[1]", 3 }));
    assert_false(cf_job_answer(job, 200, -1, (struct cf_text){ "[2]", 3 }));
    cf_job_release(job);
    pthread_join(asking.thread, NULL);
    assert_true(asking.is_answered);
    assert_int_equal(asking.status, 429);
    assert_int_equal(asking.retry_after_s, 7);
    assert_string_equal(asking.json, "[1]");
}

static void each_of_many_gets_its_own_answer(void **state)
{
    (void)state;
    struct asking asking[WORKERS] = { 0 };
    static const char *const bodies[WORKERS] = { "0", "1", "2", "3", "4", "5", "6", "7" };
    for (int i = 0; i < WORKERS; i++) {
        asking[i].body = bodies[i];
        pthread_create(&asking[i].thread, NULL, ask, &asking[i]);
    }
    for (int left = WORKERS; left > 0;) {
        while (!cf_queue_wait(&queue, -1))
            ;
        for (struct cf_queue_link *link = cf_queue_take_all(&queue), *next; link != NULL;
             link = next, left--) {
            next = link->next;
            struct cf_job *job = cf_job_of((struct cf_completion *)link);
            cf_job_answer(job, 201, -1, cf_job_question(job)->body);
            cf_job_release(job);
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(asking[i].thread, NULL);
        assert_string_equal(asking[i].json, bodies[i]);
    }
}

static void closing_sends_those_who_wait_away_and_their_job_goes_on(void **state)
{
    (void)state;
    struct asking asking = { .body = "{}" };
    pthread_create(&asking.thread, NULL, ask, &asking);
    struct cf_job *job = take();
    cf_jobs_close(jobs);
    pthread_join(asking.thread, NULL);
    assert_false(asking.is_answered);
    assert_string_equal(cf_job_question(job)->body.data, "{}");
    assert_true(cf_job_answer(job, 201, -1, (struct cf_text){ "[]", 2 }));
    cf_job_release(job);
}

static bool is_gone(void *asker)
{
    return *(bool *)asker;
}

static void who_is_gone_does_not_wait(void **state)
{
    (void)state;
    struct cf_job *job, *none;
    struct cf_job_answer answer;
    bool gone = true;
    struct cf_job_question question = { .task = "generate", .is_gone = is_gone, .asker = &gone };
    assert_false(cf_jobs_ask(jobs, &question, &none, &answer));
    job = take();
    assert_true(cf_job_answer(job, 201, -1, (struct cf_text){ "[]", 2 }));    /* for nobody */
    cf_job_release(job);
}

static void nothing_is_taken_once_closed(void **state)
{
    (void)state;
    struct asking asking = { .body = "{}" };
    cf_jobs_close(jobs);
    ask(&asking);
    assert_false(asking.is_answered);
    assert_null(cf_queue_take_all(&queue));
}

static void a_job_outlives_the_jobs(void **state)
{
    (void)state;
    struct asking asking = { .body = "{}" };
    struct cf_jobs *gone = jobs;
    pthread_create(&asking.thread, NULL, ask, &asking);
    struct cf_job *job = take();
    cf_jobs_close(jobs);
    pthread_join(asking.thread, NULL);
    cf_jobs_free(gone);
    jobs = NULL;
    assert_true(cf_job_answer(job, 503, -1, (struct cf_text){ "[]", 2 }));
    cf_job_release(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_worker_gets_the_answer_to_its_question, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(each_of_many_gets_its_own_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(closing_sends_those_who_wait_away_and_their_job_goes_on,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_gone_does_not_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_taken_once_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_job_outlives_the_jobs, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
