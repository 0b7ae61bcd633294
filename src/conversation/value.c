#include "conversation/value.h"

#include "base/json.h"
#include "confab/buf.h"
#include "confab/conversation.h"
#include "conversation/repair.h"
#include "conversation/reply_text.h"

#define ATTEMPTS_MAX 16 /* brackets that are tried; each may read the text to its end */

/* Whether text begins with a whole value, which the repairer then holds. */
static bool begins_value(struct cf_repairer *repairer, const char *text, size_t len)
{
    return cf_repair_run(repairer, text, len) == CF_REPAIR_WHOLE;
}

static bool find(struct cf_repairer *repairer, const char *text, size_t len)
{
    size_t fence = cf_reply_find_fence(text, len);
    if (fence < len) {
        const char *inner = text + fence;
        size_t inner_len = len - fence;
        cf_reply_skip_blank(&inner, &inner_len);
        if (begins_value(repairer, inner, inner_len))
            return true;
    }

    int attempts = 0;
    for (size_t at = 0; at < len && attempts < ATTEMPTS_MAX; at++) {
        if (text[at] != '{' && text[at] != '[')
            continue;
        attempts++;
        if (!begins_value(repairer, text + at, len - at))
            continue;
        size_t used = (size_t)(repairer->at - (text + at));
        if (2 * used >= len)
            return true;
        at += used - 1;
    }
    return false;
}

bool cf_reply_find_value(const char *text, size_t len, struct cf_buf *out)
{
    struct cf_repairer repairer;

    if (len > CF_REPLY_BYTES_MAX || cf_utf8_valid_prefix(text, len) != len ||
        !cf_reply_skip_thinking(&text, &len))
        return false;
    cf_reply_skip_blank(&text, &len);

    cf_repairer_init(&repairer, 6 * len + 1024); /* an escape is up to 6 bytes for one */
    bool found = find(&repairer, text, len);
    if (found)
        cf_buf_add(out, cf_buf_str(&repairer.out), repairer.out.len);
    cf_repairer_done(&repairer);
    return found;
}
