#include "limit/server.h"

#include <math.h>

#define NS_PER_MS 1000000
#define SECONDS   60 /* a server that enforces by the second holds such a part of a window */

/* How far our count and the server's may be apart without anybody else being there: tokens are
 * said in thousands, and for half a second a request may be counted by one of them only. */
#define ROUNDING_TOKENS 1000
#define ROUNDING_FROM   10000
#define TRANSIT_PART    120

/* Output is steered towards so much of a second's worth being used, the more gently the longer its
 * effect takes: steering harder than that overshoots. What comes by chance is left free, the more
 * once a refusal has shown that there is no more than a second's worth. */
#define STEER_TO    0.4
#define STEER_GAIN  0.2
#define STEER_LOW   0.9
#define STEER_HIGH  2
#define CHANCE_FROM 0.6
#define CHANCE_GAIN 0.2
#define REFUSED_GAIN 0.6

/* Where chance alone overflows a second's worth (CHANCE_FROM), one call is risked to find out
 * whether more is there: while so much of it is used that a server which enforces by the second
 * must refuse it. */
#define PROBE_USED 1.5

/* Of a second's worth, what is used of it: requests do not arrive as evenly as they are sent.
 * Output is counted when it is there, so there must be room for a reply that comes in between,
 * be it the longest of late, and for some of a second one. */
#define SECOND_USED       0.8
#define SECOND_OUTPUT     0.85
#define SECOND_OUTPUT_MIN 0.5
#define REPLIES_BETWEEN   1.25
#define REPLIES_MORE      0.25
#define LONGEST_MEMORY    1000 /* replies over which the longest one fades */

/* Of a window's output, what a burst may have used by the time its replies are there. */
#define WINDOW_OUTPUT 0.97

/* What takes a whole second's worth must find it all there: a little later is as good. */
#define LATE_NS   5e6
#define LATE_PART 100

static double share_ns(const struct cf_server *server, enum cf_resource resource)
{
    return (double)server->window_ms * NS_PER_MS / (double)server->rate[resource];
}

void cf_server_set_rate(struct cf_server *server, enum cf_resource resource, int64_t rate,
                        int64_t window_ms, int64_t used, int64_t now_ms)
{
    if (rate == server->rate[resource] && window_ms == server->window_ms)
        return;
    double own = (double)used, foreign = 0;
    if (server->rate[resource] > 0) {
        own = cf_bucket_level(&server->own[resource], share_ns(server, resource), now_ms);
        foreign = cf_bucket_level(&server->foreign[resource], share_ns(server, resource), now_ms);
    }
    server->rate[resource] = rate;
    server->window_ms = window_ms;
    if (rate == 0)
        return;
    cf_bucket_set(&server->own[resource], own, share_ns(server, resource), now_ms);
    cf_bucket_set(&server->written[resource], own - (double)server->unwritten[resource],
                  share_ns(server, resource), now_ms);
    cf_bucket_set(&server->foreign[resource], foreign, share_ns(server, resource), now_ms);
    if (resource == CF_OUTPUT)
        server->exact_ms = now_ms + window_ms;
}

void cf_server_count(struct cf_server *server, enum cf_resource resource, int64_t amount,
                     int64_t now_ms)
{
    if (resource == CF_OUTPUT)
        server->longest_reply =
            fmax((double)amount, server->longest_reply * (1 - 1.0 / LONGEST_MEMORY));
    if (server->rate[resource] > 0 && amount != 0)
        cf_bucket_add(&server->own[resource], (double)amount, share_ns(server, resource), now_ms);
}

void cf_server_count_unwritten(struct cf_server *server, enum cf_resource resource, int64_t amount)
{
    server->unwritten[resource] += amount;
}

void cf_server_count_written(struct cf_server *server, enum cf_resource resource, int64_t amount,
                             int64_t now_ms)
{
    if (server->rate[resource] > 0 && amount != 0)
        cf_bucket_add(&server->written[resource], (double)amount, share_ns(server, resource),
                      now_ms);
}

static const struct cf_limit_news *news_of(const struct cf_limit_feedback *feedback,
                                           enum cf_resource resource)
{
    switch (resource) {
    case CF_REQUESTS: return &feedback->requests;
    case CF_INPUT: return &feedback->input;
    default: return &feedback->output;
    }
}

bool cf_server_hear(struct cf_server *server, const struct cf_server_reply *reply)
{
    if (reply->grant == server->probe && !reply->feedback->is_refusal && !server->was_refused)
        server->has_burst = true;
    if (reply->order < server->latest_order)
        return false;
    server->latest_order = reply->order;
    for (enum cf_resource r = 0; r < CF_RESOURCES; r++) {
        const struct cf_limit_news *news = news_of(reply->feedback, r);
        if (news->has_limit && news->limit > 0)
            server->limit[r] = news->limit;
    }
    return true;
}

static double uncertain(const struct cf_server *server, enum cf_resource resource)
{
    double limit = (double)server->limit[resource];
    double rounding = resource == CF_REQUESTS ? 1 : limit < ROUNDING_FROM ? 0 : ROUNDING_TOKENS;
    return rounding + limit / TRANSIT_PART;
}

void cf_server_compare(struct cf_server *server, const struct cf_server_reply *reply)
{
    for (enum cf_resource r = 0; r < CF_RESOURCES; r++) {
        const struct cf_limit_news *news = news_of(reply->feedback, r);
        if (!news->has_remaining || server->limit[r] == 0)
            continue;
        double limit = (double)server->limit[r];
        server->shows_burst[r] = (double)news->remaining > limit / 2;
        double used = fmax(0, limit - (double)news->remaining);
        double own = cf_bucket_level(&server->own[r], share_ns(server, r), reply->now_ms);
        if (reply->feedback->is_refusal && used > own) {
            own = used; /* whoever it was: it is not there */
            cf_bucket_set(&server->own[r], own, share_ns(server, r), reply->now_ms);
        }

        /* In flight: the server may know by now how much it really is. */
        double extra = used - own - uncertain(server, r);
        if (r != CF_REQUESTS)
            extra -= (double)reply->in_flight[r];
        cf_bucket_set(&server->foreign[r], fmax(0, extra), share_ns(server, r), reply->now_ms);
    }
}

void cf_server_refused(struct cf_server *server)
{
    server->probe_refused |= server->probe != 0 && !server->has_burst && !server->was_refused;
    server->has_burst = false;
    server->was_refused = true;
}

enum cf_bursts cf_server_bursts(const struct cf_server *server)
{
    if (server->has_burst)
        return CF_BURSTS_PASS;
    return server->probe_refused ? CF_BURSTS_REFUSED : CF_BURSTS_UNKNOWN;
}

void cf_server_restore_bursts(struct cf_server *server, enum cf_bursts bursts)
{
    server->has_burst = bursts == CF_BURSTS_PASS && !server->was_refused;
    server->probe_refused |= bursts == CF_BURSTS_REFUSED;
    server->was_refused |= server->probe_refused;
}

int64_t cf_server_foreign(const struct cf_server *server, enum cf_resource resource, int64_t limit,
                          int64_t now_ms)
{
    if (server->rate[resource] == 0 || server->foreign[resource].empty_ns == 0)
        return 0;
    double level = cf_bucket_level(&server->foreign[resource], share_ns(server, resource), now_ms);
    int64_t held = (int64_t)ceil(level - 1e-6) - (server->rate[resource] - limit);
    if (held <= 0)
        return 0;
    return held < limit ? held : limit;
}

int64_t cf_server_drain_ms(const struct cf_server *server, enum cf_resource resource,
                           int64_t amount)
{
    return (int64_t)ceil((double)amount * share_ns(server, resource) / NS_PER_MS);
}

/* When all of ours that is or may be there has drained. Requests that were granted while the disk
 * or the machine stood still leave all at once, whenever it goes on: none of them drains before. */
static double drained_ns(const struct cf_server *server, enum cf_resource resource, int64_t now_ms)
{
    double own_ns = (double)server->own[resource].empty_ns;
    if (!server->is_told_written || resource == CF_OUTPUT)
        return own_ns;
    double written_ns = fmax((double)server->written[resource].empty_ns, (double)now_ms * NS_PER_MS);
    return fmax(own_ns,
                written_ns + (double)server->unwritten[resource] * share_ns(server, resource));
}

int64_t cf_server_second_ms(const struct cf_server *server, enum cf_resource resource,
                            int64_t amount, int64_t now_ms)
{
    if (server->rate[resource] == 0 || server->own[resource].empty_ns == 0)
        return 0;
    double second_ns = (double)server->window_ms * NS_PER_MS / SECONDS;
    double amount_ns = (double)amount * share_ns(server, resource);
    double before_ns = second_ns * SECOND_USED - amount_ns;
    double empty_ns = (double)server->own[resource].empty_ns;
    if (resource == CF_OUTPUT) {
        double longest_ns = server->longest_reply * share_ns(server, resource);
        double between_ns =
            fmax(amount_ns * REPLIES_BETWEEN, longest_ns + amount_ns * REPLIES_MORE);
        before_ns = fmin(second_ns * SECOND_OUTPUT, second_ns - between_ns);
        before_ns = fmax(before_ns, second_ns * SECOND_OUTPUT_MIN);
    } else if (before_ns < 0) {
        before_ns = -fmin(LATE_NS, amount_ns / LATE_PART);
    } else {
        empty_ns = drained_ns(server, resource, now_ms);
    }
    return (int64_t)ceil((empty_ns - before_ns) / NS_PER_MS);
}

int64_t cf_server_burst_ms(const struct cf_server *server, int64_t in_flight, int64_t now_ms)
{
    if (server->rate[CF_OUTPUT] == 0)
        return 0;
    double share = share_ns(server, CF_OUTPUT);
    double used_ns = cf_bucket_level(&server->own[CF_OUTPUT], share, now_ms) * share;
    double window_ns = (double)server->window_ms * NS_PER_MS;
    double over_ns = used_ns + (double)in_flight * share - window_ns * WINDOW_OUTPUT;
    if (over_ns > used_ns)
        over_ns = used_ns; /* what is in flight is bounded by the window itself */
    return now_ms + (int64_t)ceil(over_ns / NS_PER_MS);
}

/* A second's worth of output, in tokens. */
static double output_second(const struct cf_server *server)
{
    return (double)server->rate[CF_OUTPUT] / SECONDS;
}

static double output_used(const struct cf_server *server, int64_t now_ms)
{
    double level = cf_bucket_level(&server->own[CF_OUTPUT], share_ns(server, CF_OUTPUT), now_ms);
    return level / output_second(server);
}

/* The deviation of what comes in during one latency, in second's worths. */
static double output_chance(const struct cf_server *server, const int64_t in_flight[CF_RESOURCES])
{
    double calls = fmax(1, (double)in_flight[CF_REQUESTS]);
    return (double)in_flight[CF_OUTPUT] / output_second(server) / sqrt(calls);
}

double cf_server_output_slowness(const struct cf_server *server,
                                 const int64_t in_flight[CF_RESOURCES], int64_t now_ms)
{
    if (server->rate[CF_OUTPUT] == 0)
        return 1;
    double delay = fmax(1, (double)in_flight[CF_OUTPUT] / output_second(server));
    double gain = server->was_refused ? REFUSED_GAIN : CHANCE_GAIN;
    double slow = 1 + STEER_GAIN / delay * (output_used(server, now_ms) - STEER_TO) +
                  gain * fmax(0, output_chance(server, in_flight) - CHANCE_FROM);
    return fmin(fmax(slow, STEER_LOW), STEER_HIGH);
}

bool cf_server_may_probe(const struct cf_server *server, const int64_t in_flight[CF_RESOURCES],
                         int64_t now_ms)
{
    return server->probe == 0 && !server->was_refused && server->limit[CF_OUTPUT] > 0 &&
           now_ms >= server->exact_ms && output_chance(server, in_flight) > CHANCE_FROM &&
           output_used(server, now_ms) > PROBE_USED;
}

bool cf_server_may_creep(const struct cf_server *server, enum cf_resource resource, int64_t now_ms)
{
    return resource != CF_OUTPUT && server->probe == 0 && !server->was_refused &&
           !server->has_burst && server->rate[resource] > 0 && server->shows_burst[resource] &&
           cf_bucket_level(&server->foreign[resource], share_ns(server, resource), now_ms) == 0;
}

/* What is used of a second's worth with an amount that goes now, of which such a server asks for
 * no more than it can hold. */
static double used_with(const struct cf_server *server, enum cf_resource resource, int64_t amount,
                        int64_t now_ms)
{
    double second = (double)server->rate[resource] / SECONDS;
    double level = cf_bucket_level(&server->own[resource], share_ns(server, resource), now_ms);
    return level / second + fmin((double)amount / second, 1);
}

void cf_server_granted(struct cf_server *server, uint64_t grant, const int64_t creeps[CF_RESOURCES],
                       int64_t now_ms)
{
    for (enum cf_resource r = CF_REQUESTS; creeps != NULL && r <= CF_INPUT; r++)
        if (cf_server_may_creep(server, r, now_ms) &&
            used_with(server, r, creeps[r], now_ms) > PROBE_USED)
            server->probe = grant;
    if (server->probe == 0 && server->limit[CF_OUTPUT] > 0 && now_ms >= server->exact_ms &&
        output_used(server, now_ms) > PROBE_USED)
        server->probe = grant;
}

void cf_server_merge(struct cf_server *into, const struct cf_server *from, int64_t now_ms)
{
    for (enum cf_resource r = 0; r < CF_RESOURCES; r++) {
        bool is_newer = from->latest_order > into->latest_order;
        if (from->limit[r] > 0 && (into->limit[r] == 0 || is_newer))
            into->limit[r] = from->limit[r];
        into->unwritten[r] += from->unwritten[r];
        if (from->rate[r] == 0 || into->rate[r] == 0)
            continue;
        double own = cf_bucket_level(&from->own[r], share_ns(from, r), now_ms);
        cf_bucket_add(&into->own[r], own, share_ns(into, r), now_ms);
        double written = cf_bucket_level(&from->written[r], share_ns(from, r), now_ms);
        cf_bucket_add(&into->written[r], written, share_ns(into, r), now_ms);

        /* What each took for foreign may have been the other. */
        double theirs = cf_bucket_level(&from->foreign[r], share_ns(from, r), now_ms);
        double ours = cf_bucket_level(&into->foreign[r], share_ns(into, r), now_ms);
        cf_bucket_set(&into->foreign[r], fmin(theirs, ours), share_ns(into, r), now_ms);
    }
    into->longest_reply = fmax(into->longest_reply, from->longest_reply);
    if (from->latest_order > into->latest_order)
        into->latest_order = from->latest_order;
    into->is_told_written |= from->is_told_written;
    into->was_refused |= from->was_refused;
    into->probe_refused |= from->probe_refused;
    into->has_burst = (into->has_burst || from->has_burst) && !into->was_refused;
}
