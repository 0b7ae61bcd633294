/* client.h - an HTTP client for one test and one simulator on the same thread.
 *
 * The simulator's loop is turned by hand between reads, and its clock moves only when told to. */
#ifndef SIMULATOR_CLIENT_H
#define SIMULATOR_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "confab/buf.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "simulator/simulator.h"

#define QUIET_TURNS 20      /* turns without a byte after which nothing more is expected */

static int64_t test_now_ms;

static int64_t read_test_clock(void *self)
{
    (void)self;
    return test_now_ms;
}

static int64_t read_test_wall(void *self)
{
    (void)self;
    return INT64_C(1795435200000) + test_now_ms;
}

static const struct cf_clock test_clock = { read_test_clock, read_test_wall, NULL };

static struct cf_simulator *open_simulator(const char *spec, const char *log_path, const char *key)
{
    struct cf_simulator_options options = { .spec = spec, .log_path = log_path, .api_key = key,
                                            .clock = &test_clock };
    struct cf_simulator *sim = NULL;
    struct cf_error err;
    if (!cf_simulator_open(&options, &sim, &err))
        fail_msg("%s", err.message);
    return sim;
}

/* receive_bytes: the kernel's buffer for what is not read yet; 0: as it likes. */
static int connect_with_buffer(const struct cf_simulator *sim, int receive_bytes)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(cf_simulator_port(sim)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (receive_bytes > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int connect_to(const struct cf_simulator *sim)
{
    return connect_with_buffer(sim, 0);
}

/* Lets the simulator do all it can at this moment of its clock. */
static void settle(struct cf_simulator *sim)
{
    for (int i = 0; i < QUIET_TURNS; i++)
        cf_simulator_turn(sim, 0);
}

static void advance(struct cf_simulator *sim, int64_t ms)
{
    test_now_ms += ms;
    settle(sim);
}

static void send_text(int fd, const char *text)
{
    size_t len = strlen(text);
    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

static void send_request(int fd, const char *path, const char *headers, const char *body)
{
    struct cf_buf text;
    cf_buf_init(&text, 64 << 20);
    cf_buf_addf(&text, "POST %s HTTP/1.1\r\nhost: x\r\n%scontent-length: %zu\r\n\r\n%s", path, headers,
                strlen(body), body);
    send_text(fd, cf_buf_str(&text));
    cf_buf_done(&text);
}

#define KEY "x-api-key: key-1\r\nanthropic-version: 2023-06-01\r\n"

static void send_message(int fd, const char *body)
{
    send_request(fd, "/v1/messages", KEY, body);
}

struct answer {
    enum { ANSWER_WHOLE, ANSWER_NONE, ANSWER_CLOSED, ANSWER_RESET } end;
    int status;              /* 0 if no head came */
    struct cf_buf bytes;     /* head and body */
    size_t body_at;
};

static const char *body_of(const struct answer *answer)
{
    return cf_buf_str(&answer->bytes) + answer->body_at;
}

static bool has_header(const struct answer *answer, const char *line)
{
    const char *found = strcasestr(cf_buf_str(&answer->bytes), line);
    return found != NULL && (size_t)(found - answer->bytes.data) < answer->body_at;
}

/* Also says how much to read next, so that an answer behind this one stays where it is. */
static bool is_whole(struct answer *answer, size_t *out_wanted)
{
    const char *text = cf_buf_str(&answer->bytes), *head_end = strstr(text, "\r\n\r\n");
    if (head_end == NULL)
        return false;
    answer->status = atoi(text + 9);
    answer->body_at = (size_t)(head_end - text) + 4;
    if (answer->status == 100)
        return true;
    const char *length = strcasestr(text, "content-length: ");
    if (length != NULL && length < head_end) {
        *out_wanted = strtoul(length + 16, NULL, 10) - (answer->bytes.len - answer->body_at);
        return *out_wanted == 0;
    }
    return answer->bytes.len >= answer->body_at + 5
           && memcmp(text + answer->bytes.len - 5, "0\r\n\r\n", 5) == 0;
}

/* Reads one answer; done with free_answer. */
static struct answer read_answer(struct cf_simulator *sim, int fd)
{
    struct answer answer = { .end = ANSWER_NONE };
    size_t wanted = 1;
    int quiet = 0;
    cf_buf_init(&answer.bytes, 64 << 20);
    while (quiet < QUIET_TURNS) {
        char bytes[65536];
        ssize_t got = recv(fd, bytes, wanted < sizeof bytes ? wanted : sizeof bytes, MSG_DONTWAIT);
        if (got > 0) {
            quiet = 0;
            cf_buf_add(&answer.bytes, bytes, (size_t)got);
            if (is_whole(&answer, &wanted)) {
                answer.end = ANSWER_WHOLE;
                break;
            }
        } else if (got == 0) {
            answer.end = ANSWER_CLOSED;
            break;
        } else if (errno != EAGAIN) {
            answer.end = ANSWER_RESET;
            break;
        } else {
            quiet++;           /* a half-read answer may wait for TCP's own timers */
            cf_simulator_turn(sim, answer.bytes.len > 0 ? 20 : 1);
        }
    }
    return answer;
}

static void free_answer(struct answer *answer)
{
    cf_buf_done(&answer->bytes);
}
#endif
