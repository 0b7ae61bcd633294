/* repair.h - rewrites JSON as models get it wrong into strict JSON, noting each change.
 *
 * One pass with a stack of its own. What cannot be meant as JSON is refused, so that braces in
 * prose are told from data. */
#ifndef CONFAB_CONVERSATION_REPAIR_H
#define CONFAB_CONVERSATION_REPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "confab/buf.h"

enum cf_repair_end {
    CF_REPAIR_WHOLE,      /* out holds the value */
    CF_REPAIR_CUT,        /* the text ends early: out holds what was whole, closed from cut_at on */
    CF_REPAIR_REFUSED,    /* no JSON */
};

struct cf_repair_level {
    bool   is_object;
    bool   has_comma;           /* one was read since the last element */
    size_t count;               /* elements begun */
    size_t element;             /* where in out the last of them begins, its comma included */
};

struct cf_repairer {
    const char *text, *end;     /* borrowed; valid UTF-8 */
    const char *at;             /* after cf_repair_run: the first byte not used */
    struct cf_buf out;
    size_t cut_at;              /* SIZE_MAX unless cut */
    uint32_t repairs;           /* CF_REPAIR_* */
    struct cf_repair_level levels[CF_JSON_DEPTH_MAX];
    unsigned depth;
};

void cf_repairer_init(struct cf_repairer *repairer, size_t max_bytes);
void cf_repairer_done(struct cf_repairer *repairer);

/* Rewrites the one value that text begins with; the results of the run before are dropped. */
enum cf_repair_end cf_repair_run(struct cf_repairer *repairer, const char *text, size_t len);

/* --- between repair.c and repair_string.c --- */

enum cf_quote {
    CF_QUOTE_NONE,
    CF_QUOTE_DOUBLE,
    CF_QUOTE_SINGLE,
    CF_QUOTE_SMART,
    CF_QUOTE_SMART_SINGLE,
};

/* Which kind of quotation mark is at `at`, and its length in bytes. */
enum cf_quote cf_repair_quote(const char *at, const char *end, size_t *out_size);

/* Skips white space of any kind, but no comment. */
const char *cf_repair_skip_space(const char *at, const char *end, bool *out_odd);

/* Rewrites the string that begins with the quote at repairer->at. */
enum cf_repair_end cf_repair_string(struct cf_repairer *repairer, bool is_key);

#endif
