#include "simulator/content.h"

#include <stdbool.h>
#include <string.h>

#include "base/json.h"
#include "confab/buf.h"
#include "confab/rng.h"
#include "simulator/brief.h"
#include "simulator/dialogue.h"
#include "simulator/malformed.h"
#include "simulator/request.h"
#include "simulator/schema.h"
#include "simulator/spec.h"

#define TURN_BYTES    230 /* mean of a good conversation: in the middle of 100 to 400 characters */
#define TURN_FRAME    36    /* bytes of JSON around a turn */

/* FNV-1a: mixes texts into a seed; not for secrets, and not part of any stored result. */
static uint64_t mix(uint64_t hash, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static bool is_low(const struct cf_sim_spec *spec, struct cf_rng *rng)
{
    return spec->quality == CF_SIM_QUALITY_LOW
           || (spec->quality == CF_SIM_QUALITY_MIXED && cf_rng_next(rng) % 3 == 0);
}

static void make_dialogue(const struct cf_sim_spec *spec, const struct cf_sim_brief *brief,
                          struct cf_rng *rng, struct cf_sim_dialogue *out)
{
    unsigned turns = brief->turns > 0 ? brief->turns : 8 + 2 * (unsigned)(cf_rng_next(rng) % 3);
    size_t bytes = TURN_BYTES;

    if (is_low(spec, rng)) {         /* two turns too short for the default rules */
        cf_sim_dialogue_init(out, brief, 2, 1, rng);
        cf_sim_dialogue_set(out, 0, "Can you help?", 13);
        cf_sim_dialogue_set(out, 1, cf_rng_next(rng) % 2 == 0 ? "Yes, sure." : "Maybe not.", 10);
        return;
    }
    turns += turns % 2;
    if (spec->reply_bytes > 0)
        bytes = (size_t)spec->reply_bytes / turns > TURN_FRAME + 40
                    ? (size_t)spec->reply_bytes / turns - TURN_FRAME : 40;
    cf_sim_dialogue_init(out, brief, turns, bytes, rng);
}

static void add_sentences(struct cf_buf *out, int count, const struct cf_sim_brief *brief,
                          struct cf_rng *rng)
{
    for (int i = 0; i < count; i++) {
        if (i > 0)
            cf_buf_addc(out, ' ');
        cf_sim_dialogue_add_sentence(out, brief, rng);
    }
}

static void add_quoted_sentences(struct cf_buf *out, int count, const struct cf_sim_brief *brief,
                                 struct cf_rng *rng)
{
    struct cf_buf text;
    cf_buf_init(&text, out->max);
    add_sentences(&text, count, brief, rng);
    cf_json_add_string(out, cf_buf_str(&text), text.len);
    cf_buf_done(&text);
}

static void add_verdict(struct cf_buf *out, const struct cf_sim_brief *brief, struct cf_rng *rng)
{
    cf_buf_addf(out, "{\"score\":%d,\"reasons\":", (int)cf_rng_range(rng, 5, 10));
    add_quoted_sentences(out, 2, brief, rng);
    cf_buf_addc(out, '}');
}

static void add_list(struct cf_buf *out, int entries, const struct cf_sim_brief *brief,
                     struct cf_rng *rng)
{
    for (int i = 0; i < entries; i++) {
        cf_buf_addc(out, i == 0 ? '[' : ',');
        add_quoted_sentences(out, 1, brief, rng);
    }
    cf_buf_addc(out, ']');
}

static void add_outline(struct cf_buf *out, const struct cf_sim_brief *brief, struct cf_rng *rng)
{
    int points = (int)cf_rng_range(rng, 3, 6);
    if (brief->wants_list) {
        add_list(out, points, brief, rng);
        return;
    }
    if (brief->wants_json)
        cf_buf_adds(out, "{\"title\":");
    for (int i = 0; i <= points; i++) {
        if (brief->wants_json) {
            cf_buf_adds(out, i == 0 ? "" : i == 1 ? ",\"points\":[" : ",");
            add_quoted_sentences(out, 1, brief, rng);
        } else if (i > 0) {
            cf_buf_addf(out, "%s%d. ", i == 1 ? "" : "\n", i);
            add_sentences(out, 1, brief, rng);
        }
    }
    cf_buf_adds(out, brief->wants_json ? "]}" : "");
}

static void add_text(struct cf_buf *out, const struct cf_sim_brief *brief, struct cf_rng *rng)
{
    int sentences = (int)cf_rng_range(rng, 2, 4);
    if (!brief->wants_json) {
        add_sentences(out, sentences, brief, rng);
        return;
    }
    if (brief->wants_list) {
        add_list(out, sentences + 1, brief, rng);
        return;
    }
    cf_buf_adds(out, "{\"answer\":");
    add_quoted_sentences(out, sentences, brief, rng);
    cf_buf_addc(out, '}');
}

/* The whole answer to a prompt. Its random numbers come from the texts, not from the bytes of the
 * body, so that a request to go on with a cut-off answer meets the same answer again. */
static void add_answer(const struct cf_sim_spec *spec, const struct cf_sim_request *request,
                       const struct cf_buf *prompt, int way, struct cf_buf *out)
{
    struct cf_sim_brief brief;
    struct cf_sim_dialogue dialogue = { .turns = 0 };
    struct cf_rng rng;
    uint64_t seed = mix(UINT64_C(0xcbf29ce484222325), (const char *)&spec->seed, sizeof spec->seed);

    seed = mix(seed, request->model, strlen(request->model));
    seed = mix(seed, cf_buf_str(&request->system), request->system.len);
    seed = mix(seed, cf_buf_str(prompt), prompt->len);
    if (prompt != &request->first)
        seed = mix(seed, cf_buf_str(&request->partial), request->partial.len);
    cf_rng_seed(&rng, seed);
    cf_sim_brief_read(cf_buf_str(prompt), prompt->len, cf_buf_str(&request->system),
                      request->system.len, &brief);

    if (way >= 0 || request->schema != NULL || brief.task == CF_SIM_TASK_CONVERSATION)
        make_dialogue(spec, &brief, &rng, &dialogue);
    if (way >= 0)
        cf_sim_malformed_add(way, &dialogue, out);
    else if (request->schema != NULL)
        cf_sim_schema_add(request->schema, &brief, &dialogue, &rng, out);
    else if (brief.task == CF_SIM_TASK_CONVERSATION)
        cf_sim_dialogue_add_json(&dialogue, brief.container, "role", "content", out);
    else if (brief.task == CF_SIM_TASK_JUDGE)
        add_verdict(out, &brief, &rng);
    else if (brief.task == CF_SIM_TASK_OUTLINE)
        add_outline(out, &brief, &rng);
    else
        add_text(out, &brief, &rng);
    cf_sim_dialogue_done(&dialogue);
}

void cf_sim_content_add(const struct cf_sim_spec *spec, const struct cf_sim_request *request,
                        int way, struct cf_buf *out)
{
    const struct cf_buf *partial = &request->partial;
    struct cf_buf whole;

    if (partial->len == 0 || request->schema != NULL) {
        add_answer(spec, request, &request->prompt, way, out);
        return;
    }
    cf_buf_init(&whole, out->max);
    add_answer(spec, request, &request->first, way, &whole);
    bool is_begun =
        whole.len >= partial->len && memcmp(whole.data, partial->data, partial->len) == 0;
    if (is_begun && (whole.len > partial->len || request->is_prefilled)) {
        cf_buf_add(out, whole.data + partial->len, whole.len - partial->len);
    } else if (request->is_prefilled) {
        cf_buf_add(out, whole.data, whole.len);
    } else {
        add_answer(spec, request, &request->prompt, way, out);
    }
    cf_buf_done(&whole);
}
