#include <string.h>

#include "base/json.h"
#include "confab/buf.h"
#include "confab/conversation.h"
#include "confab/error.h"
#include "conversation/plain.h"
#include "conversation/repair.h"
#include "conversation/reply_text.h"
#include "conversation/shape.h"
#include "conversation/transcript.h"
#include "conversation/validate.h"

/* Each bracket in a text may begin the JSON, and reading from it may fail late. All attempts
 * together may read the text this many times over; a real reply needs three. */
#define WORK_FACTOR  8
#define WORK_ATTEMPT 64    /* what an attempt costs besides its bytes */

struct parse {
    struct cf_shape shape;
    struct cf_repairer repairer;
    size_t work_left;          /* bytes that may still be read */
    bool is_json;              /* the whole reply is one strict JSON value */
    bool has_cut;              /* the reply ends inside a character */
    const char *begin;         /* of the reply as it came */
};

static void spend(struct parse *parse, size_t bytes)
{
    bytes += WORK_ATTEMPT;
    parse->work_left -= bytes < parse->work_left ? bytes : parse->work_left;
}

/* Reads the JSON that text begins with, strictly or else repaired. Returns how many bytes to go
 * on after: all of a value's, one if there was none. */
static size_t attempt(struct parse *parse, const char *text, size_t len, uint32_t repairs)
{
    size_t used;
    bool found;

    bool ok = cf_shape_read(&parse->shape, text, len, SIZE_MAX, repairs, &used, &found);
    spend(parse, used);
    if (ok)
        return used;

    struct cf_repairer *repairer = &parse->repairer;
    enum cf_repair_end end = cf_repair_run(repairer, text, len);
    size_t consumed = (size_t)(repairer->at - text);
    spend(parse, consumed);
    if (end == CF_REPAIR_REFUSED)
        return 1;

    ok = cf_shape_read(&parse->shape, cf_buf_str(&repairer->out), repairer->out.len,
                       repairer->cut_at, repairs | repairer->repairs, &used, &found);
    spend(parse, used);
    return ok && (found || end == CF_REPAIR_WHOLE) ? consumed : 1;
}

/* Tries each bracket from `at` on that is not inside of a value already read. */
static void scan(struct parse *parse, const char *text, size_t len, size_t at, uint32_t repairs)
{
    while (at < len && parse->work_left > 0) {
        if (text[at] == '{' || text[at] == '[')
            at += attempt(parse, text + at, len - at, repairs);
        else
            at++;
    }
}

static bool has_turns(const struct parse *parse)
{
    return parse->shape.best.grade >= CF_GRADE_LIKELY || parse->shape.loose.count > 0;
}

/* The reply goes on after a '{' that the request ended with. */
static void read_prefilled(struct parse *parse, const char *text, size_t len, uint32_t repairs)
{
    struct cf_buf whole;
    cf_buf_init(&whole, len + 1);
    cf_buf_addc(&whole, '{');
    cf_buf_add(&whole, text, len);
    attempt(parse, whole.data, whole.len, repairs | CF_REPAIR_MISSING_BRACE);
    cf_buf_done(&whole);
}

static void read_json(struct parse *parse, const char *text, size_t len, uint32_t repairs)
{
    size_t size;
    size_t fence = cf_reply_find_fence(text, len);

    if (fence < len)
        scan(parse, text, len, fence, repairs);
    if (!has_turns(parse) && cf_repair_quote(text, text + len, &size) != CF_QUOTE_NONE)
        read_prefilled(parse, text, len, repairs);
    if (!has_turns(parse))
        scan(parse, text, len, 0, repairs);
}

/* As read_json, after taking off a layer of escapes over the whole reply. */
static void read_body(struct parse *parse, const char *text, size_t len)
{
    struct cf_buf plain;
    uint32_t repairs = 0;

    cf_buf_init(&plain, len + 1);
    if (cf_reply_unescape_html(text, len, &plain))
        read_json(parse, cf_buf_str(&plain), plain.len, CF_REPAIR_HTML_ESCAPED);
    else if (cf_reply_decode_string(text, len, &plain, &repairs))
        read_json(parse, cf_buf_str(&plain), plain.len, repairs | CF_REPAIR_ENCODED_TWICE);
    else
        read_json(parse, text, len, 0);
    cf_buf_done(&plain);
}

/* is_cut: the text ends early. *out gains the turns, and says so if they end early too. */
static bool read_transcript(const char *text, size_t len, bool is_cut, struct cf_conversation *out)
{
    bool cut = false;

    bool found = cf_transcript_tags(text, len, out, &cut) ||
                 cf_transcript_table(text, len, out, &cut) ||
                 cf_transcript_labels(text, len, is_cut, out);
    if (!found)
        return false;
    out->repairs |= CF_REPAIR_TRANSCRIPT | (cut ? CF_REPAIR_CUT_END : 0u);
    return true;
}

static enum cf_outcome fail(struct cf_conversation *out, enum cf_outcome outcome)
{
    return out->outcome = outcome;
}

/* The outcome of turns at hand. */
static enum cf_outcome conclude(struct cf_conversation *out, bool is_cut, struct cf_error *err)
{
    if (!cf_validate_turns(out, is_cut ? 0 : 2, is_cut, err))
        return fail(out, CF_OUTCOME_VALIDATION_ERROR);
    if (is_cut)
        out->outcome = CF_OUTCOME_TRUNCATED;
    else
        out->outcome = out->repairs != 0 ? CF_OUTCOME_REPAIRED : CF_OUTCOME_OK;
    return out->outcome;
}

/* The outcome of what the JSON gave. */
static enum cf_outcome conclude_list(struct parse *parse, bool stopped_early,
                                     struct cf_conversation *out, struct cf_error *err)
{
    const struct cf_shape *shape = &parse->shape;
    const struct cf_list *list = &shape->best;
    uint32_t repairs = list->repairs | (parse->has_cut ? CF_REPAIR_CUT_END : 0u);
    bool is_cut = stopped_early || (repairs & CF_REPAIR_CUT_END) != 0;

    out->repairs = repairs;
    if (shape->second)
        out->warnings |= CF_WARNING_SECOND_IGNORED;
    if (list->grade == CF_GRADE_DAMAGED) {
        cf_shape_complain(shape, list, err);
        return fail(out, CF_OUTCOME_VALIDATION_ERROR);
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct cf_piece *piece = &list->pieces[i];
        cf_conversation_add(out, piece->role, shape->words.data + piece->said.offset,
                            piece->said.len);
    }
    return conclude(out, is_cut, err);
}

/* No turns anywhere: why. */
static enum cf_outcome conclude_nothing(const struct parse *parse, const char *text, size_t len,
                                        bool stopped_early, struct cf_conversation *out,
                                        struct cf_error *err)
{
    if (stopped_early || parse->has_cut) {
        out->repairs |= CF_REPAIR_CUT_END;
        return fail(out, CF_OUTCOME_TRUNCATED);
    }
    if (parse->is_json) {
        cf_fail(err, CF_ERR_VALIDATION, "the reply is JSON, but no conversation is in it");
        return fail(out, CF_OUTCOME_VALIDATION_ERROR);
    }

    out->refusal_like = cf_reply_is_refusal(text, len);
    if (len == 0)
        cf_fail(err, CF_ERR_PARSE, "the reply is empty");
    else if (out->refusal_like)
        cf_fail(err, CF_ERR_PARSE, "the reply is no conversation; it reads like a refusal");
    else
        cf_fail(err, CF_ERR_PARSE, "no conversation found in the reply");
    return fail(out, CF_OUTCOME_PARSE_ERROR);
}

/* What is more than one strict JSON value. */
static enum cf_outcome parse_tolerantly(struct parse *parse, const char *text, size_t len,
                                        bool stopped_early, struct cf_conversation *out,
                                        struct cf_error *err)
{
    size_t valid = cf_utf8_valid_prefix(text, len);
    if (valid < len) {
        if (len - valid > 3 || (text[valid] & 0xC0) != 0xC0) {
            cf_fail(err, CF_ERR_VALIDATION, "the reply is not valid UTF-8 (byte %zu)",
                    (size_t)(text - parse->begin) + valid + 1);
            return fail(out, CF_OUTCOME_VALIDATION_ERROR);
        }
        parse->has_cut = true;
        len = valid;
    }

    if (!cf_reply_skip_thinking(&text, &len)) {
        out->repairs |= CF_REPAIR_CUT_END;
        return fail(out, CF_OUTCOME_TRUNCATED);
    }
    cf_reply_skip_blank(&text, &len);

    cf_repairer_init(&parse->repairer, 6 * len + 1024);    /* an escape is up to 6 bytes for one */
    parse->work_left = WORK_FACTOR * (len + WORK_ATTEMPT);
    read_body(parse, text, len);
    cf_repairer_done(&parse->repairer);
    cf_shape_finish(&parse->shape);

    bool is_cut = stopped_early || parse->has_cut;
    if (parse->shape.best.grade < CF_GRADE_LIKELY && !parse->is_json &&
        read_transcript(text, len, is_cut, out)) {
        out->repairs |= parse->has_cut ? CF_REPAIR_CUT_END : 0u;
        return conclude(out, is_cut || (out->repairs & CF_REPAIR_CUT_END) != 0, err);
    }
    if (parse->shape.best.grade == CF_GRADE_NONE)
        return conclude_nothing(parse, text, len, stopped_early, out, err);
    return conclude_list(parse, stopped_early, out, err);
}

/* Whether the whole text is one strict JSON value that a conversation is in. */
static bool read_strictly(struct parse *parse, const char *text, size_t len)
{
    size_t used;
    bool found;

    if (!cf_shape_read(&parse->shape, text, len, SIZE_MAX, 0, &used, &found))
        return false;
    while (used < len && (text[used] == ' ' || (text[used] >= '\t' && text[used] <= '\r')))
        used++;
    parse->is_json = used == len && (*text == '{' || *text == '[');
    return parse->is_json && parse->shape.best.grade > CF_GRADE_NONE;
}

enum cf_outcome cf_conversation_parse(const char *text, size_t len, bool stopped_early,
                                      struct cf_conversation *out, struct cf_error *err)
{
    struct parse parse;
    size_t max_words = 4 * len + 1024;    /* content blocks are copied when they are joined */

    cf_conversation_init(out);
    if (len == 0)
        text = "";
    if (len > CF_REPLY_BYTES_MAX) {
        cf_fail(err, CF_ERR_PARSE, "the reply is over %u bytes", CF_REPLY_BYTES_MAX);
        return fail(out, CF_OUTCOME_PARSE_ERROR);
    }

    parse.begin = text;
    parse.is_json = parse.has_cut = false;
    cf_reply_skip_blank(&text, &len);
    if (cf_plain_read(text, len, out))
        return conclude(out, stopped_early, err);

    cf_shape_init(&parse.shape, max_words);
    if (read_strictly(&parse, text, len)) {
        conclude_list(&parse, stopped_early, out, err);
    } else {
        cf_shape_done(&parse.shape);
        cf_shape_init(&parse.shape, max_words);
        parse_tolerantly(&parse, text, len, stopped_early, out, err);
    }
    cf_shape_done(&parse.shape);
    return out->outcome;
}
