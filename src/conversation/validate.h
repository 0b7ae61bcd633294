/* validate.h - the rules for a reply, as the parser applies them. */
#ifndef CONFAB_CONVERSATION_VALIDATE_H
#define CONFAB_CONVERSATION_VALIDATE_H

#include <stdbool.h>
#include <stddef.h>

struct cf_conversation;
struct cf_error;

/* As cf_conversation_validate, with the fewest turns that will do. */
bool cf_validate_turns(const struct cf_conversation *conversation, size_t least, bool salvaged,
                       struct cf_error *err);

#endif
