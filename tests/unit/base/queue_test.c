#include "base/queue.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "messages come in the order pushed", test_messages_come_in_the_order_pushed, NULL, NULL, NULL },
        { "waiting ends without a message when poked", test_waiting_ends_without_a_message_when_poked, NULL, NULL, NULL },
        { "nothing is lost between threads", test_nothing_is_lost_between_threads, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
