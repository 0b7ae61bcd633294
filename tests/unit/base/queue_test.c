#include "base/queue.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define WRITERS  4
#define MESSAGES 5000

struct message { struct cf_queue_link link; int writer, number; };

static void test_messages_come_in_the_order_pushed(void **state)
{
    (void)state;
    struct cf_queue queue;
    struct message messages[3];
    assert_true(cf_queue_init(&queue));
    assert_null(cf_queue_take_all(&queue));
    for (int i = 0; i < 3; i++) {
        messages[i].number = i;
        cf_queue_push(&queue, &messages[i].link);
    }
    struct cf_queue_link *link = cf_queue_take_all(&queue);
    for (int i = 0; i < 3; i++, link = link->next)
        assert_ptr_equal(link, &messages[i].link);
    assert_null(link);
    assert_null(cf_queue_take_all(&queue));
    cf_queue_done(&queue);
}

static void test_waiting_ends_without_a_message_when_poked(void **state)
{
    (void)state;
    struct cf_queue queue;
    assert_true(cf_queue_init(&queue));
    assert_false(cf_queue_wait(&queue, 0));
    cf_queue_poke(&queue);
    assert_false(cf_queue_wait(&queue, -1));     /* would wait for ever otherwise */
    cf_queue_take_all(&queue);
    struct message message;
    cf_queue_push(&queue, &message.link);
    assert_true(cf_queue_wait(&queue, -1));
    cf_queue_take_all(&queue);
    assert_false(cf_queue_wait(&queue, 0));
    cf_queue_done(&queue);
}

struct writer { struct cf_queue *queue; int id; struct message messages[MESSAGES]; };

static void *write_all(void *self)
{
    struct writer *writer = self;
    for (int i = 0; i < MESSAGES; i++) {
        writer->messages[i] = (struct message){ .writer = writer->id, .number = i };
        cf_queue_push(writer->queue, &writer->messages[i].link);
    }
    return NULL;
}

static void test_nothing_is_lost_between_threads(void **state)
{
    (void)state;
    static struct writer writers[WRITERS];
    struct cf_queue queue;
    pthread_t threads[WRITERS];
    int next[WRITERS] = { 0 };
    assert_true(cf_queue_init(&queue));
    for (int i = 0; i < WRITERS; i++) {
        writers[i].queue = &queue;
        writers[i].id = i;
        assert_int_equal(pthread_create(&threads[i], NULL, write_all, &writers[i]), 0);
    }
    for (int left = WRITERS * MESSAGES; left > 0;) {
        cf_queue_wait(&queue, -1);
        for (struct cf_queue_link *link = cf_queue_take_all(&queue); link != NULL; left--) {
            struct message *message = (struct message *)link;
            link = link->next;
            assert_int_equal(message->number, next[message->writer]++);
        }
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    cf_queue_done(&queue);
}

static bool has_signal(struct cf_queue *queue)
{
    struct pollfd ready = { .fd = cf_queue_fd(queue), .events = POLLIN };
    return poll(&ready, 1, 0) == 1;
}

static void test_held_wakes_wait_until_they_are_let_go(void **state)
{
    (void)state;
    struct cf_queue first, second;
    struct message messages[3];
    assert_true(cf_queue_init(&first) && cf_queue_init(&second));
    cf_queue_hold_wakes();
    cf_queue_push(&first, &messages[0].link);
    cf_queue_push(&first, &messages[1].link);
    cf_queue_push(&second, &messages[2].link);
    assert_false(has_signal(&first));
    /* it is there all the same */
    assert_ptr_equal(cf_queue_take_all(&second), &messages[2].link);

    cf_queue_flush_wakes();
    assert_true(has_signal(&first));
    assert_false(has_signal(&second));          /* taken meanwhile */
    assert_ptr_equal(cf_queue_take_all(&first), &messages[0].link);

    cf_queue_push(&first, &messages[0].link);
    assert_false(has_signal(&first));
    cf_queue_let_wakes_go();
    assert_true(has_signal(&first));
    cf_queue_take_all(&first);
    cf_queue_push(&first, &messages[0].link);
    assert_true(has_signal(&first));
    cf_queue_take_all(&first);
    cf_queue_done(&first);
    cf_queue_done(&second);
}

static void test_another_thread_wakes_though_one_holds(void **state)
{
    (void)state;
    struct cf_queue queue;
    struct message message;
    static struct writer writer;
    pthread_t thread;
    assert_true(cf_queue_init(&queue));
    writer.queue = &queue;
    cf_queue_hold_wakes();
    cf_queue_push(&queue, &message.link);
    assert_int_equal(pthread_create(&thread, NULL, write_all, &writer), 0);
    pthread_join(thread, NULL);
    assert_true(has_signal(&queue));
    cf_queue_take_all(&queue);
    cf_queue_let_wakes_go();
    assert_false(has_signal(&queue));
    cf_queue_done(&queue);
}

static void test_a_queue_that_is_gone_is_not_woken(void **state)
{
    (void)state;
    struct cf_queue gone, stays;
    struct message messages[2];
    assert_true(cf_queue_init(&gone) && cf_queue_init(&stays));
    cf_queue_hold_wakes();
    cf_queue_push(&gone, &messages[0].link);
    cf_queue_push(&stays, &messages[1].link);
    cf_queue_take_all(&gone);
    cf_queue_done(&gone);
    memset(&gone, 0xff, sizeof gone);
    cf_queue_let_wakes_go();
    assert_true(has_signal(&stays));
    cf_queue_take_all(&stays);
    cf_queue_done(&stays);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "messages come in the order pushed", test_messages_come_in_the_order_pushed, NULL, NULL,
          NULL },
        { "waiting ends without a message when poked",
          test_waiting_ends_without_a_message_when_poked, NULL, NULL, NULL },
        { "nothing is lost between threads", test_nothing_is_lost_between_threads, NULL, NULL,
          NULL },
        { "held wakes wait until they are let go", test_held_wakes_wait_until_they_are_let_go, NULL,
          NULL, NULL },
        { "another thread wakes though one holds", test_another_thread_wakes_though_one_holds, NULL,
          NULL, NULL },
        { "a queue that is gone is not woken", test_a_queue_that_is_gone_is_not_woken, NULL, NULL,
          NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
