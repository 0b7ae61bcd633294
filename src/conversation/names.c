#include <stddef.h>

#include "confab/conversation.h"

/* The name at the place of the one bit that is set. */
static const char *bit_name(const char *const *names, unsigned count, uint32_t bit)
{
    for (unsigned i = 0; i < count; i++) {
        if (bit == UINT32_C(1) << i)
            return names[i];
    }
    return NULL;
}

const char *cf_role_name(enum cf_role role)
{
    static const char *const names[] = { "system", "user", "assistant" };
    return names[role];
}

const char *cf_outcome_name(enum cf_outcome outcome)
{
    static const char *const names[] = { "ok", "repaired", "truncated", "parse_error",
                                         "validation_error" };
    return names[outcome];
}

const char *cf_repair_name(uint32_t bit)
{
    static const char *const names[CF_REPAIR_COUNT] = {
        "trailing_comma", "missing_comma", "raw_newline", "raw_control", "smart_quotes",
        "single_quotes", "inner_quotes", "bad_escape", "unquoted_key", "comment",
        "foreign_literal", "odd_space", "unbalanced", "cut_end", "nul_dropped",
        "surrogate_replaced", "duplicate_key", "missing_brace", "html_escaped", "encoded_twice",
        "message_lines", "pairs", "number_content", "transcript",
    };
    return bit_name(names, CF_REPAIR_COUNT, bit);
}

const char *cf_warning_name(uint32_t bit)
{
    static const char *const names[CF_WARNING_COUNT] = { "second_conversation_ignored" };
    return bit_name(names, CF_WARNING_COUNT, bit);
}
