/* What replies teach: the provider's limits, which keys share them, how long replies get. */
#include "engine/sender_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "confab/output_estimate.h"
#include "engine/models.h"
#include "provider/limits.h"

#define SURE_AFTER 64 /* replies: what is predicted for those in line changes little after them */

struct cf_template_output {
    int64_t template_id; /* 0: calls without a template */
    struct cf_output_estimate estimate;
    UT_hash_handle hh;
};

static struct cf_limit_news news_of(const struct cf_limit *limit)
{
    return (struct cf_limit_news){
        .has_limit = limit->has_limit,
        .has_remaining = limit->has_remaining,
        .limit = limit->limit,
        .remaining = limit->remaining,
    };
}

/* Keys of one organisation share its limits: from the first reply on they share a lane, too. */
static void merge_lane(struct cf_sender *sender, struct cf_call *call, const char *organisation)
{
    struct cf_sender_lane *lane = call->lane;
    if (lane->is_merged || sender->keys.count < 2 || organisation[0] == '\0')
        return;
    char shared[CF_LANE_KEY_MAX];
    snprintf(shared, sizeof shared, "%s|organisation %s|%s", call->model->limit_class, organisation,
             sender->base_url);
    cf_limiter_merge(sender->limiter, lane->key, shared, cf_loop_now(sender->loop));
    lane->is_merged = true;
    snprintf(lane->organisation, sizeof lane->organisation, "%s", organisation);
}

static void hear_limits(struct cf_sender *sender, struct cf_call *call,
                        const struct cf_limit_headers *limits, bool is_refusal)
{
    struct cf_limit_feedback feedback = {
        .requests = news_of(&limits->requests),
        .input = news_of(&limits->input),
        .output = news_of(&limits->output),
        .is_refusal = is_refusal,
    };
    cf_limiter_feedback(sender->limiter, &call->waiter, &feedback, cf_loop_now(sender->loop));
}

/* How many lanes of the class go through one in the limiter. */
static int64_t sharing(const struct cf_sender *sender, const struct cf_sender_lane *lane)
{
    int64_t count = 0;
    const struct cf_sender_lane *other, *next;
    HASH_ITER (hh, sender->lanes, other, next)
        count += other->is_merged && strcmp(other->limit_class, lane->limit_class) == 0;
    return lane->is_merged ? count : 1;
}

/* How many calls must be in flight to use the limits, at the latency seen. */
static void learn_concurrency(struct cf_sender *sender, const struct cf_call *call)
{
    struct cf_sender_lane *lane = call->lane;
    struct cf_limit_config config;
    cf_concurrency_add(&lane->concurrency, cf_loop_now(sender->loop) - call->begun_ms,
                       &call->waiter.amounts);
    sender->replies++;
    sender->latency_ms = (int64_t)lane->concurrency.latency_ms;
    if (!cf_limiter_in_force(sender->limiter, lane->key, &config))
        return;
    struct cf_amounts limits = { config.max_requests, config.max_input_tokens,
                                 config.max_output_tokens };
    int64_t wanted =
        cf_concurrency_wanted(&lane->concurrency, &limits, config.window_ms, config.concurrency);
    int64_t lanes = sharing(sender, lane);
    wanted = (wanted + lanes - 1) / lanes;
    sender->calls_wanted += wanted - lane->calls_wanted;
    lane->calls_wanted = wanted;
}

void cf_learning_hear(struct cf_sender *sender, struct cf_call *call,
                      const struct cf_limit_headers *limits, bool is_refusal)
{
    merge_lane(sender, call, limits->organization);
    if (cf_limit_headers_has_any(limits))
        hear_limits(sender, call, limits, is_refusal);
    if (call->raw != NULL)
        learn_concurrency(sender, call);
}

void cf_learning_restore(struct cf_sender *sender, const struct cf_lane_learnt *lanes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct cf_limit_learnt learnt = { .limits = lanes[i].limits, .bursts = lanes[i].bursts };
        for (size_t k = 0; k < sender->keys.count; k++) {
            char key[CF_LANE_KEY_MAX];
            cf_sender_lane_key(sender, &sender->keys.list[k], lanes[i].limit_class, key);
            cf_limiter_restore(sender->limiter, key, &learnt, cf_loop_now(sender->loop));
        }
    }
}

size_t cf_sender_learnt(struct cf_sender *sender, struct cf_lane_learnt out[CF_LANES_LEARNT_MAX])
{
    size_t count = 0;
    struct cf_sender_lane *lane, *next;
    HASH_ITER (hh, sender->lanes, lane, next) {
        struct cf_limit_learnt learnt;
        if (count == CF_LANES_LEARNT_MAX || !cf_limiter_learnt(sender->limiter, lane->key, &learnt))
            continue;
        snprintf(out[count].limit_class, sizeof out[count].limit_class, "%s", lane->limit_class);
        out[count].limits = learnt.limits;
        out[count++].bursts = learnt.bursts;
    }
    return count;
}

static struct cf_template_output *find_output(struct cf_sender *sender, int64_t template_id)
{
    struct cf_template_output *output;
    HASH_FIND(hh, sender->outputs, &template_id, sizeof template_id, output);
    return output;
}

void cf_learning_predict(struct cf_sender *sender, struct cf_call *call)
{
    struct cf_template_output *output = find_output(sender, call->template_id);
    if (output != NULL && call->output_bound > 0)
        call->amounts.output = cf_output_estimate_get(&output->estimate, call->output_bound);
}

/* What waits in line was predicted when less was known: the first ones of a template with
 * max_tokens, which is many times what they use. */
static void predict_again(struct cf_sender *sender, int64_t template_id)
{
    struct cf_call *call;
    DL_FOREACH (sender->calls, call) {
        if (call->template_id != template_id || call->waiter.state != CF_WAITER_QUEUED)
            continue;
        cf_learning_predict(sender, call);
        cf_limiter_ask_again(sender->limiter, &call->waiter, &call->amounts,
                             cf_loop_now(sender->loop));
    }
}

void cf_learning_output(struct cf_sender *sender, int64_t template_id, int64_t tokens)
{
    struct cf_template_output *output = find_output(sender, template_id);
    if (output == NULL) {
        output = cf_calloc(1, sizeof *output);
        output->template_id = template_id;
        HASH_ADD(hh, sender->outputs, template_id, sizeof output->template_id, output);
    }
    cf_output_estimate_add(&output->estimate, tokens);
    int64_t count = output->estimate.count;
    if (count <= SURE_AFTER && (count & (count - 1)) == 0)
        predict_again(sender, template_id);
}

void cf_learning_free(struct cf_sender *sender)
{
    struct cf_template_output *output, *next;
    HASH_ITER (hh, sender->outputs, output, next) {
        HASH_DEL(sender->outputs, output);
        free(output);
    }
}
