/* Whatever a reply holds: no crash, an outcome that its turns bear out, and strict JSON from the
 * repairer. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "confab/conversation.h"
#include "confab/error.h"
#include "conversation/plain.h"
#include "conversation/repair.h"
#include "conversation/value.h"

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void check_turns(const struct cf_conversation *conversation)
{
    require(conversation->turn_count <= CF_TURNS_MAX + 1);    /* a system text beside the turns */
    for (size_t i = 0; i < conversation->turn_count; i++) {
        const struct cf_turn *turn = &conversation->turns[i];
        require(turn->content[turn->len] == '\0');
        require(cf_utf8_valid_prefix(turn->content, turn->len) == turn->len);
        require(cf_role_name(turn->role) != NULL);
    }
}

static void check_parse(const char *text, size_t len, bool stopped_early)
{
    struct cf_conversation conversation;
    struct cf_error err = { 0 };
    enum cf_outcome outcome = cf_conversation_parse(text, len, stopped_early, &conversation, &err);

    require(outcome == conversation.outcome);
    check_turns(&conversation);
    switch (outcome) {
    case CF_OUTCOME_OK:
    case CF_OUTCOME_REPAIRED:
        require(!stopped_early && err.kind == CF_OK);
        require((conversation.repairs != 0) == (outcome == CF_OUTCOME_REPAIRED));
        require(cf_conversation_validate(&conversation, false, &err));
        break;
    case CF_OUTCOME_TRUNCATED:
        require(err.kind == CF_OK);
        require(stopped_early || (conversation.repairs & CF_REPAIR_CUT_END) != 0);
        break;
    case CF_OUTCOME_PARSE_ERROR:
        require(!stopped_early && err.kind == CF_ERR_PARSE && conversation.turn_count == 0);
        break;
    case CF_OUTCOME_VALIDATION_ERROR:
        require(err.kind == CF_ERR_VALIDATION);
        break;
    }
    cf_conversation_done(&conversation);
}

/* A form feed at the end says nothing, but is not plain: the long way must find the same turns. */
static void check_plain(const char *text, size_t len)
{
    struct cf_conversation plain, found;
    struct cf_error err;
    cf_conversation_init(&plain);
    if (cf_plain_read(text, len, &plain)) {
        char *longer = malloc(len + 1);
        require(longer != NULL);
        memcpy(longer, text, len);
        longer[len] = '\f';
        cf_conversation_parse(longer, len + 1, false, &found, &err);
        free(longer);
        require(found.repairs == 0 && found.warnings == 0 && found.turn_count == plain.turn_count);
        for (size_t i = 0; i < plain.turn_count; i++) {
            const struct cf_turn *a = &plain.turns[i], *b = &found.turns[i];
            require(a->role == b->role && a->len == b->len);
            require(memcmp(a->content, b->content, a->len) == 0);
        }
        cf_conversation_done(&found);
    } else {
        require(plain.turns == NULL && plain.text == NULL);
    }
    cf_conversation_done(&plain);
}

static void check_repair(const char *text, size_t len)
{
    struct cf_repairer repairer;
    struct cf_json_repairs changes = { 0 };

    if (cf_utf8_valid_prefix(text, len) < len)
        return;
    cf_repairer_init(&repairer, 6 * len + 1024);
    enum cf_repair_end end = cf_repair_run(&repairer, text, len);
    require(repairer.at >= text && repairer.at <= text + len);
    if (end != CF_REPAIR_REFUSED)
        require(cf_json_check(cf_buf_str(&repairer.out), repairer.out.len, &changes, NULL));
    require((end == CF_REPAIR_CUT) == (repairer.cut_at != SIZE_MAX));
    cf_repairer_done(&repairer);
}

static void check_value(const char *text, size_t len)
{
    struct cf_buf out;
    struct cf_json_repairs changes = { 0 };
    cf_buf_init(&out, 6 * len + 1024);
    if (cf_reply_find_value(text, len, &out))
        require(cf_json_check(cf_buf_str(&out), out.len, &changes, NULL));
    else
        require(out.len == 0);
    cf_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;

    check_parse(text, size, false);
    check_parse(text, size, true);
    check_plain(text, size);
    check_repair(text, size);
    check_value(text, size);
    return 0;
}
