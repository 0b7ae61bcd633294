#include "simulator/simulator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "simulator/server.h"

#define BACKLOG 4096

_Static_assert(CF_SIM_FAULT_NONE <= CF_SIMULATOR_FAULT_MAX, "each kind has a counter");

static void on_turn(void *self)
{
    struct cf_simulator *sim = self;
    if (sim->log.lines.len > 0)
        cf_sim_log_flush(&sim->log);
}

static bool listen_on(struct cf_simulator *sim, uint16_t port, struct cf_error *err)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int one = 1;

    sim->listener = (struct cf_watch){ .on_ready = cf_sim_conn_accept, .self = sim };
    sim->listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (sim->listener.fd < 0)
        return cf_fail(err, CF_ERR_CONFIG, "simulator: no socket: %s", strerror(errno));
    setsockopt(sim->listener.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(sim->listener.fd, (struct sockaddr *)&address, size) != 0
        || listen(sim->listener.fd, BACKLOG) != 0
        || getsockname(sim->listener.fd, (struct sockaddr *)&address, &size) != 0
        || !cf_loop_watch(sim->loop, &sim->listener, EPOLLIN))
        return cf_fail(err, CF_ERR_CONFIG, "simulator: port %u: %s", port, strerror(errno));
    sim->port = ntohs(address.sin_port);
    snprintf(sim->url, sizeof sim->url, "http://127.0.0.1:%u/v1", sim->port);
    return true;
}

bool cf_simulator_open(const struct cf_simulator_options *options, struct cf_simulator **out,
                       struct cf_error *err)
{
    struct cf_sim_spec spec;
    bool ok = false;
    if (!cf_sim_spec_parse(options->spec, &spec, err))
        return false;

    struct cf_simulator *sim = cf_calloc(1, sizeof *sim);
    sim->spec = spec;
    sim->clock = options->clock != NULL ? options->clock : cf_clock_system();
    sim->api_key = options->api_key != NULL ? cf_strdup(options->api_key) : NULL;
    sim->listener.fd = -1;
    sim->date_s = -1;
    cf_buf_init(&sim->head, 8192);
    sim->loop = cf_loop_new(sim->clock);
    if (sim->loop == NULL) {
        cf_fail(err, CF_ERR_CONFIG, "simulator: no file descriptor is left");
        goto done;
    }

    sim->start_ms = cf_loop_now(sim->loop);
    cf_sim_window_init(&sim->window, spec.window_ms, sim->start_ms);
    sim->change = (struct cf_timer){ .on_fire = cf_sim_answer_change_limits, .self = sim };
    cf_sim_answer_change_limits(sim);
    cf_loop_set_idle(sim->loop, on_turn, sim);
    if (options->log_path != NULL && !cf_sim_log_open(&sim->log, options->log_path, err))
        goto done;
    if (sim->log.is_open)
        cf_buf_addf(&sim->log.lines, "{\"event\":\"start\",\"unix_ms\":%lld}\n",
                    (long long)cf_unix_ms(sim->clock));
    if (!listen_on(sim, options->port, err))
        goto done;

    *out = sim;
    sim = NULL;
    ok = true;
done:
    cf_simulator_free(sim);
    return ok;
}

void cf_simulator_run(struct cf_simulator *sim)
{
    cf_loop_run(sim->loop);
}

void cf_simulator_turn(struct cf_simulator *sim, int64_t wait_ms)
{
    cf_loop_turn(sim->loop, wait_ms);
}

void cf_simulator_interrupt(struct cf_simulator *sim)
{
    cf_loop_stop(sim->loop);
}

void cf_simulator_counters(const struct cf_simulator *sim, struct cf_simulator_counters *out)
{
    *out = sim->counters;
    out->most_in_window = sim->window.most;
    out->window_ms = sim->window.window_ms;
}

void cf_simulator_free(struct cf_simulator *sim)
{
    if (sim == NULL)
        return;
    while (sim->conns != NULL)
        cf_sim_conn_free(sim->conns);
    if (sim->listener.fd >= 0)
        close(sim->listener.fd);
    cf_loop_free(sim->loop);
    for (size_t i = 0; i < sim->lane_count; i++)
        free(sim->lanes[i]);
    free(sim->lanes);
    cf_sim_window_done(&sim->window);
    cf_sim_repeats_done(&sim->repeats);
    cf_sim_log_done(&sim->log);
    cf_buf_done(&sim->head);
    free(sim->api_key);
    free(sim);
}

static void *serve(void *self)
{
    cf_simulator_run(self);
    return NULL;
}

bool cf_simulator_start(const struct cf_simulator_options *options, struct cf_simulator **out,
                        struct cf_error *err)
{
    struct cf_simulator *sim;
    sigset_t all, before;
    if (!cf_simulator_open(options, &sim, err))
        return false;

    /* Signals are for the threads that wait for them. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = pthread_create(&sim->thread, NULL, serve, sim);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status != 0) {
        cf_simulator_free(sim);
        return cf_fail(err, CF_ERR_CONFIG, "simulator: no thread: %s", strerror(status));
    }
    sim->has_thread = true;
    *out = sim;
    return true;
}

void cf_simulator_stop(struct cf_simulator *sim, struct cf_simulator_counters *out_counters)
{
    if (sim == NULL)
        return;
    cf_simulator_interrupt(sim);
    if (sim->has_thread)
        pthread_join(sim->thread, NULL);
    if (out_counters != NULL)
        cf_simulator_counters(sim, out_counters);
    cf_simulator_free(sim);
}

uint16_t cf_simulator_port(const struct cf_simulator *sim)
{
    return sim->port;
}

const char *cf_simulator_url(const struct cf_simulator *sim)
{
    return sim->url;
}

bool cf_simulator_check_spec(const char *spec, struct cf_error *err)
{
    struct cf_sim_spec ignored;
    return cf_sim_spec_parse(spec, &ignored, err);
}

const char *cf_simulator_fault_name(unsigned kind)
{
    return cf_sim_fault_name((enum cf_sim_fault_kind)kind);
}
