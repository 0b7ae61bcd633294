#include "conversation/words.h"

#include <string.h>

#define WORD_MAX 32    /* longer than any word below */

struct key_row {
    const char *word;
    enum cf_key_class class;
};

/* The most frequent first, for speed, and within a class the most telling first: of
 * {"role": "user", "name": ...} the role counts. */
static const struct key_row keys[] = {
    { "role", CF_KEY_ROLE },
    { "content", CF_KEY_CONTENT },
    { "messages", CF_KEY_LIST },
    { "turns", CF_KEY_LIST },
    { "from", CF_KEY_ROLE },
    { "speaker", CF_KEY_ROLE },
    { "value", CF_KEY_CONTENT },
    { "text", CF_KEY_CONTENT },
    { "message", CF_KEY_CONTENT },
    { "utterance", CF_KEY_CONTENT },
    { "conversation", CF_KEY_LIST },
    { "conversations", CF_KEY_LIST },
    { "dialogue", CF_KEY_LIST },
    { "dialog", CF_KEY_LIST },
    { "chat", CF_KEY_LIST },
    { "exchanges", CF_KEY_LIST },
    { "sender", CF_KEY_ROLE },
    { "author", CF_KEY_ROLE },
    { "body", CF_KEY_CONTENT },
    { "system", CF_KEY_SYSTEM },
    { "system prompt", CF_KEY_SYSTEM },
};

struct role_row {
    const char *word;
    enum cf_role role;
};

static const struct role_row roles[] = {
    { "user", CF_ROLE_USER },
    { "assistant", CF_ROLE_ASSISTANT },
    { "system", CF_ROLE_SYSTEM },
    { "human", CF_ROLE_USER },
    { "ai", CF_ROLE_ASSISTANT },
    { "gpt", CF_ROLE_ASSISTANT },
    { "customer", CF_ROLE_USER },
    { "agent", CF_ROLE_ASSISTANT },
    { "bot", CF_ROLE_ASSISTANT },
    { "client", CF_ROLE_USER },
    { "caller", CF_ROLE_USER },
    { "end user", CF_ROLE_USER },
    { "chatbot", CF_ROLE_ASSISTANT },
    { "model", CF_ROLE_ASSISTANT },
    { "claude", CF_ROLE_ASSISTANT },
    { "chatgpt", CF_ROLE_ASSISTANT },
    { "ai assistant", CF_ROLE_ASSISTANT },
    { "virtual assistant", CF_ROLE_ASSISTANT },
    { "support", CF_ROLE_ASSISTANT },
    { "support agent", CF_ROLE_ASSISTANT },
    { "customer support", CF_ROLE_ASSISTANT },
    { "customer service", CF_ROLE_ASSISTANT },
    { "representative", CF_ROLE_ASSISTANT },
    { "advisor", CF_ROLE_ASSISTANT },
};

/* Words that make a pair as keys of one object, but are no role's name. */
static const struct role_row pair_keys[] = {
    { "question", CF_ROLE_USER },
    { "prompt", CF_ROLE_USER },
    { "answer", CF_ROLE_ASSISTANT },
    { "response", CF_ROLE_ASSISTANT },
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* Lower case, '_' and '-' as spaces, no white space or colon around. Returns the length;
 * 0 if nothing is left or it is longer than any word. */
static size_t normalise(const char *word, size_t len, char out[WORD_MAX])
{
    while (len > 0 && (unsigned char)*word <= ' ')
        word++, len--;
    while (len > 0 && ((unsigned char)word[len - 1] <= ' ' || word[len - 1] == ':'))
        len--;
    if (len >= WORD_MAX)
        return 0;

    for (size_t i = 0; i < len; i++) {
        char c = word[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        else if (c == '_' || c == '-')
            c = ' ';
        out[i] = c;
    }
    out[len] = '\0';
    return len;
}

static const struct role_row *find_role(const struct role_row *rows, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].word, word) == 0)
            return &rows[i];
    }
    return NULL;
}

bool cf_role_parse(const char *name, size_t len, enum cf_role *out)
{
    char word[WORD_MAX];
    if (normalise(name, len, word) == 0)
        return false;

    const struct role_row *row = find_role(roles, COUNT(roles), word);
    if (row == NULL)
        return false;
    *out = row->role;
    return true;
}

struct cf_key_word cf_key_lookup(const char *key, size_t len)
{
    struct cf_key_word result = { .class = CF_KEY_OTHER };
    char word[WORD_MAX];
    if (normalise(key, len, word) == 0)
        return result;

    for (size_t i = 0; i < COUNT(keys); i++) {
        if (strcmp(keys[i].word, word) == 0) {
            result.class = keys[i].class;
            result.rank = (unsigned)i + 1;
            return result;
        }
    }

    const struct role_row *row = find_role(roles, COUNT(roles), word);
    if (row == NULL)
        row = find_role(pair_keys, COUNT(pair_keys), word);
    if (row != NULL) {
        result.class = CF_KEY_SPEAKER;
        result.role = row->role;
    }
    return result;
}
