#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"
#include "simulator/server.h"

#define ACCEPTS_PER_TURN 256
#define ACCEPT_PAUSE_MS  50
#define TRICKLE_PIECES   50
#define DRAIN_MS         2000
#define AHEAD_MAX        (64u << 10)    /* pipelined bytes taken while an answer is pending */

static bool process(struct cf_sim_conn *conn);

static void watch(struct cf_sim_conn *conn)
{
    uint32_t events = conn->is_paused ? EPOLLRDHUP : EPOLLIN;
    if (conn->state == CF_SIM_WRITING)
        events |= EPOLLOUT;
    cf_loop_watch(conn->sim->loop, &conn->watch, events);
}

/* Closing with a pending answer of nobody: the client sees a reset. */
static void make_reset(struct cf_sim_conn *conn)
{
    struct linger linger = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(conn->watch.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

void cf_sim_conn_free(struct cf_sim_conn *conn)
{
    struct cf_simulator *sim = conn->sim;
    if (conn->state != CF_SIM_READING && conn->state != CF_SIM_DRAINING)
        cf_sim_answer_end(conn, false);
    cf_loop_clear_timer(sim->loop, &conn->timer);
    cf_loop_unwatch(sim->loop, &conn->watch);
    close(conn->watch.fd);
    if (conn->previous != NULL)
        conn->previous->next = conn->next;
    else
        sim->conns = conn->next;
    if (conn->next != NULL)
        conn->next->previous = conn->previous;
    cf_sim_reply_done(&conn->reply);
    cf_buf_done(&conn->in);
    cf_buf_done(&conn->out);
    free(conn);
}

static void end_drain(void *self)
{
    cf_sim_conn_free(self);
}

/* A refused request may still be arriving: closing now would send a reset, and the client would
 * never read the refusal. So what comes is thrown away until the client closes. */
static bool drain(struct cf_sim_conn *conn)
{
    shutdown(conn->watch.fd, SHUT_WR);
    conn->state = CF_SIM_DRAINING;
    conn->timer.on_fire = end_drain;
    cf_loop_set_timer(conn->sim->loop, &conn->timer, cf_loop_now(conn->sim->loop) + DRAIN_MS);
    cf_buf_done(&conn->in);
    watch(conn);
    return true;
}

/* The answer is out: the next request, if the connection stays. */
static bool finish(struct cf_sim_conn *conn)
{
    cf_sim_answer_end(conn, true);
    cf_sim_reply_done(&conn->reply);
    cf_buf_done(&conn->out);
    conn->out_at = 0;
    bool was_writing = conn->state == CF_SIM_WRITING;
    conn->state = CF_SIM_READING;
    if (conn->http.status != 0)
        return drain(conn);
    if (!conn->http.keep_alive) {
        cf_sim_conn_free(conn);
        return false;
    }

    size_t rest = conn->in.len - conn->http.at;
    if (rest > 0) {
        memmove(conn->in.data, conn->in.data + conn->http.at, rest);
        conn->in.len = rest;
        conn->in.data[rest] = '\0';
    } else {
        cf_buf_done(&conn->in);          /* an idle connection holds no buffer */
    }
    cf_sim_http_clear(&conn->http);
    if (was_writing || conn->is_paused) {
        conn->is_paused = false;
        watch(conn);
    }
    return true;
}

/* Writes from conn->out up to `limit` bytes more. -1: the client is gone. */
static int write_out(struct cf_sim_conn *conn, size_t limit)
{
    size_t rest = conn->out.len - conn->out_at;
    ssize_t sent = send(conn->watch.fd, conn->out.data + conn->out_at, rest < limit ? rest : limit,
                        MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    conn->out_at += (size_t)sent;
    return 0;
}

static void trickle(void *self)
{
    struct cf_sim_conn *conn = self;
    if (write_out(conn, conn->out.len / TRICKLE_PIECES + 1) < 0) {
        cf_sim_conn_free(conn);
        return;
    }
    if (conn->out_at == conn->out.len) {
        if (finish(conn))
            process(conn);
        return;
    }
    conn->timer.on_fire = trickle;
    cf_loop_set_timer(conn->sim->loop, &conn->timer,
                      cf_loop_now(conn->sim->loop) + conn->sim->spec.trickle_ms / TRICKLE_PIECES);
}

/* Head and body, or as much as the kernel takes; the rest waits in conn->out. */
static bool write_reply(struct cf_sim_conn *conn, size_t body_len, bool *out_whole)
{
    struct cf_buf *head = &conn->sim->head;
    struct iovec parts[] = { { head->data, head->len }, { conn->reply.body.data, body_len } };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = body_len > 0 ? 2 : 1 };
    ssize_t sent = sendmsg(conn->watch.fd, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    size_t done = sent < 0 ? 0 : (size_t)sent;

    *out_whole = done == head->len + body_len;
    if (!*out_whole) {
        cf_buf_init(&conn->out, head->len + body_len + 1);
        if (done < head->len)
            cf_buf_add(&conn->out, head->data + done, head->len - done);
        size_t body_done = done > head->len ? done - head->len : 0;
        cf_buf_add(&conn->out, conn->reply.body.data + body_done, body_len - body_done);
    }
    return true;
}

/* Puts the reply on the wire now. */
static bool deliver(struct cf_sim_conn *conn)
{
    enum cf_sim_fault_kind kind = conn->fault == NULL ? CF_SIM_FAULT_NONE : conn->fault->kind;
    size_t body_len = conn->reply.body.len;
    bool is_whole = false;

    if (kind == CF_SIM_FAULT_SILENT) {
        conn->state = CF_SIM_SILENT;
        return true;
    }
    if (kind == CF_SIM_FAULT_RESET) {
        make_reset(conn);
        cf_sim_conn_free(conn);
        return false;
    }

    cf_buf_clear(&conn->sim->head);
    cf_sim_answer_add_head(conn, &conn->sim->head);
    if (kind == CF_SIM_FAULT_TRICKLE) {
        cf_buf_init(&conn->out, conn->sim->head.len + body_len + 1);
        cf_buf_add(&conn->out, conn->sim->head.data, conn->sim->head.len);
        cf_buf_add(&conn->out, conn->reply.body.data, body_len);
        conn->state = CF_SIM_TRICKLING;
        conn->timer.on_fire = trickle;
        cf_loop_set_timer(conn->sim->loop, &conn->timer, cf_loop_now(conn->sim->loop));
        return true;
    }
    if (kind == CF_SIM_FAULT_RESET_BODY || kind == CF_SIM_FAULT_CUT) {
        write_reply(conn, body_len / 2, &is_whole);
        if (kind == CF_SIM_FAULT_RESET_BODY)
            make_reset(conn);
        cf_sim_conn_free(conn);
        return false;
    }
    if (kind == CF_SIM_FAULT_STALL) {        /* half of it, and the connection stays */
        write_reply(conn, body_len / 2, &is_whole);
        conn->state = CF_SIM_SILENT;
        return true;
    }
    if (!write_reply(conn, body_len, &is_whole)) {
        cf_sim_conn_free(conn);
        return false;
    }
    if (is_whole)
        return finish(conn);
    conn->state = CF_SIM_WRITING;
    watch(conn);
    return true;
}

static void on_latency(void *self)
{
    struct cf_sim_conn *conn = self;
    if (deliver(conn))
        process(conn);
}

bool cf_sim_conn_send(struct cf_sim_conn *conn, int64_t latency_ms)
{
    conn->state = CF_SIM_WAITING;
    if (latency_ms <= 0)
        return deliver(conn);
    conn->timer.on_fire = on_latency;
    cf_loop_set_timer(conn->sim->loop, &conn->timer, cf_loop_now(conn->sim->loop) + latency_ms);
    return true;
}

/* Answers whole requests in the buffer, one after the other. */
static bool process(struct cf_sim_conn *conn)
{
    while (conn->state == CF_SIM_READING && conn->in.len > 0) {
        int result = cf_sim_http_read(&conn->http, &conn->in);
        if (result == 0) {
            if (conn->http.wants_continue && conn->http.state != CF_SIM_HTTP_HEAD) {
                static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
                conn->http.wants_continue = false;
                if (send(conn->watch.fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL) < 0) {
                    cf_sim_conn_free(conn);
                    return false;
                }
            }
            return true;
        }
        if (!cf_sim_answer(conn, result < 0 ? conn->http.status : 0))
            return false;
    }
    return true;
}

static void on_ready(uint32_t events, void *self)
{
    struct cf_sim_conn *conn = self;
    struct cf_simulator *sim = conn->sim;

    if ((events & EPOLLOUT) != 0 && conn->state == CF_SIM_WRITING) {
        if (write_out(conn, SIZE_MAX) < 0) {
            cf_sim_conn_free(conn);
            return;
        }
        if (conn->out_at == conn->out.len && (!finish(conn) || !process(conn)))
            return;
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) == 0)
        return;

    ssize_t got = recv(conn->watch.fd, sim->read_buffer, sizeof sim->read_buffer, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {                      /* gone, whatever it was waiting for */
        cf_sim_conn_free(conn);
        return;
    }
    if (conn->state == CF_SIM_DRAINING)
        return;
    cf_buf_add(&conn->in, sim->read_buffer, (size_t)got);
    if (!cf_buf_ok(&conn->in)) {         /* more frame than body: nobody we serve does that */
        cf_sim_conn_free(conn);
        return;
    }
    if (conn->state == CF_SIM_READING) {
        process(conn);
    } else if (conn->in.len - conn->http.at > AHEAD_MAX) {
        conn->is_paused = true;
        watch(conn);
    }
}

static void add_conn(struct cf_simulator *sim, int fd)
{
    struct cf_sim_conn *conn = cf_calloc(1, sizeof *conn);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    conn->sim = sim;
    conn->watch = (struct cf_watch){ .on_ready = on_ready, .self = conn, .fd = fd };
    conn->timer.self = conn;
    /* chunks have frames */
    cf_buf_init(&conn->in, CF_SIM_HEAD_MAX + 2 * (size_t)CF_SIM_BODY_MAX);
    conn->next = sim->conns;
    if (sim->conns != NULL)
        sim->conns->previous = conn;
    sim->conns = conn;
    sim->counters.connections++;
    if (!cf_loop_watch(sim->loop, &conn->watch, EPOLLIN))
        cf_sim_conn_free(conn);
}

static void accept_again(void *self)
{
    struct cf_simulator *sim = self;
    cf_loop_watch(sim->loop, &sim->listener, EPOLLIN);
}

void cf_sim_conn_accept(uint32_t events, void *self)
{
    struct cf_simulator *sim = self;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(sim->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            add_conn(sim, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            /* The backlog keeps them until a descriptor is free; asking at once would spin. */
            cf_loop_unwatch(sim->loop, &sim->listener);
            sim->accept_again = (struct cf_timer){ .on_fire = accept_again, .self = sim };
            cf_loop_set_timer(sim->loop, &sim->accept_again,
                              cf_loop_now(sim->loop) + ACCEPT_PAUSE_MS);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}
