#include "engine/lanes.h"

#include <stdio.h>
#include <string.h>

#include "engine/sender_impl.h"

struct question {
    struct cf_lane_report *out;
    size_t most, count;
};

const char *cf_lane_state_name(enum cf_lane_state state)
{
    static const char *const names[] = { "open", "paused", "away" };
    return names[state];
}

static void name_lane(const struct cf_sender *sender, const struct cf_sender_lane *lane,
                      char out[CF_LANE_NAME_MAX])
{
    if (lane->is_merged)
        snprintf(out, CF_LANE_NAME_MAX, "%s, organisation %s", lane->limit_class,
                 lane->organisation);
    else if (sender->keys.count > 1)
        snprintf(out, CF_LANE_NAME_MAX, "%s, key %s", lane->limit_class, lane->key_name);
    else
        snprintf(out, CF_LANE_NAME_MAX, "%s", lane->limit_class);
}

/* The report that a lane which was merged into another one shares with it. */
static struct cf_lane_report *find_report(const struct question *question, const char *name)
{
    for (size_t i = 0; i < question->count; i++)
        if (strcmp(question->out[i].name, name) == 0)
            return &question->out[i];
    return NULL;
}

static const char *breaker_name(enum cf_breaker_state state)
{
    static const char *const names[] = { "closed", "suspected", "open" };
    return names[state];
}

/* What the keys of a lane have each for itself. */
static void add_breaker(struct cf_lane_report *report, const struct cf_sender_lane *lane,
                        int64_t now_ms)
{
    int64_t away_ms = cf_breaker_outage_ms(&lane->breaker, now_ms);
    bool is_open = lane->breaker.state == CF_BREAKER_OPEN;
    report->calls_wanted += lane->calls_wanted;
    if (is_open)
        report->state = CF_LANE_AWAY;
    if (is_open && away_ms > report->away_ms)
        report->away_ms = away_ms;
    if (lane->breaker.state != CF_BREAKER_CLOSED && strcmp(report->breaker, "open") != 0)
        report->breaker = breaker_name(lane->breaker.state);
}

static void report_lane(struct cf_sender *sender, const struct cf_sender_lane *lane,
                        struct cf_lane_report *report)
{
    int64_t now_ms = cf_loop_now(sender->loop);
    struct cf_limit_config config = sender->limits;
    snprintf(report->limit_class, sizeof report->limit_class, "%s", lane->limit_class);
    report->breaker = breaker_name(CF_BREAKER_CLOSED);
    cf_limiter_status(sender->limiter, lane->key, now_ms, &report->limits);
    cf_limiter_in_force(sender->limiter, lane->key, &config);
    report->window_ms = config.window_ms;
    report->concurrency = config.concurrency;
    report->pacing = config.pacing;
    if (report->limits.paused_until_ms > now_ms) {
        report->paused_ms = report->limits.paused_until_ms - now_ms;
        report->state = CF_LANE_PAUSED;
    }
}

static void report_all(struct cf_sender *sender, void *self)
{
    struct question *question = self;
    const struct cf_sender_lane *lane, *next;
    HASH_ITER (hh, sender->lanes, lane, next) {
        char name[CF_LANE_NAME_MAX];
        name_lane(sender, lane, name);
        struct cf_lane_report *report = find_report(question, name);
        if (report == NULL && question->count == question->most)
            continue;
        if (report == NULL) {
            report = &question->out[question->count++];
            *report = (struct cf_lane_report){ .state = CF_LANE_OPEN };
            memcpy(report->name, name, sizeof name);
            report_lane(sender, lane, report);
        }
        add_breaker(report, lane, cf_loop_now(sender->loop));
    }
}

size_t cf_sender_lanes(struct cf_sender *sender, struct cf_lane_report *out, size_t most)
{
    struct question question = { out, most, 0 };
    cf_sender_look(sender, report_all, &question);
    return question.count;
}
