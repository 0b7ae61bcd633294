/* words.h - the names that models give to the parts of a conversation, in any letter case. */
#ifndef CONFAB_CONVERSATION_WORDS_H
#define CONFAB_CONVERSATION_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "confab/conversation.h"

enum cf_key_class {
    CF_KEY_OTHER,
    CF_KEY_ROLE,       /* role, speaker, from, ...: who speaks */
    CF_KEY_CONTENT,    /* content, text, value, ...: what is said */
    CF_KEY_LIST,       /* messages, turns, conversation, ...: holds the turns */
    CF_KEY_SYSTEM,     /* system, system_prompt: text beside the turns */
    CF_KEY_SPEAKER,    /* user, assistant, ...: the key is the role, its value the content */
};

struct cf_key_word {
    enum cf_key_class class;
    unsigned rank;           /* 1 is the best of its class; equal rank, equal word */
    enum cf_role role;       /* of CF_KEY_SPEAKER */
};

struct cf_key_word cf_key_lookup(const char *key, size_t len);

#endif
