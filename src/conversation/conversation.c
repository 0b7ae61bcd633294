#include "confab/conversation.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

void cf_conversation_init(struct cf_conversation *conversation)
{
    *conversation = (struct cf_conversation){ 0 };
}

void cf_conversation_done(struct cf_conversation *conversation)
{
    free(conversation->turns);
    free(conversation->text);
    cf_conversation_init(conversation);
}

/* The turns' pointers move with the text. */
void cf_conversation_reserve(struct cf_conversation *conversation, size_t extra)
{
    size_t need = conversation->text_len + extra;
    if (need <= conversation->text_cap)
        return;

    size_t cap = conversation->text_cap < 512 ? 512 : conversation->text_cap * 2;
    while (cap < need)
        cap *= 2;
    char *text = cf_malloc(cap);
    if (conversation->text_len > 0)
        memcpy(text, conversation->text, conversation->text_len);
    for (size_t i = 0; i < conversation->turn_count; i++) {
        struct cf_turn *turn = &conversation->turns[i];
        turn->content = text + (turn->content - conversation->text);
    }
    free(conversation->text);
    conversation->text = text;
    conversation->text_cap = cap;
}

void cf_conversation_add(struct cf_conversation *conversation, enum cf_role role,
                         const char *content, size_t len)
{
    cf_conversation_reserve(conversation, len + 1);
    char *copy = conversation->text + conversation->text_len;
    if (len > 0)
        memcpy(copy, content, len);
    copy[len] = '\0';
    conversation->text_len += len + 1;

    if (conversation->turn_count == conversation->turn_cap) {
        conversation->turn_cap = conversation->turn_cap == 0 ? 16 : conversation->turn_cap * 2;
        conversation->turns = cf_realloc(conversation->turns,
                                         conversation->turn_cap * sizeof *conversation->turns);
    }
    conversation->turns[conversation->turn_count++] =
        (struct cf_turn){ .role = role, .content = copy, .len = len };
}

const struct cf_turn *cf_conversation_system(const struct cf_conversation *conversation)
{
    if (conversation->turn_count == 0 || conversation->turns[0].role != CF_ROLE_SYSTEM)
        return NULL;
    return &conversation->turns[0];
}

const struct cf_turn *cf_conversation_dialogue(const struct cf_conversation *conversation,
                                               size_t *out_count)
{
    size_t skip = cf_conversation_system(conversation) != NULL ? 1 : 0;
    *out_count = conversation->turn_count - skip;
    return *out_count == 0 ? NULL : conversation->turns + skip;
}

void cf_conversation_measure(const struct cf_conversation *conversation,
                             struct cf_conversation_measure *out)
{
    size_t count, total = 0;
    const struct cf_turn *turns = cf_conversation_dialogue(conversation, &count);
    bool alternates = count >= 2;

    for (size_t i = 0; i < count; i++) {
        total += cf_utf8_length(turns[i].content, turns[i].len);
        if (turns[i].role != (i % 2 == 0 ? CF_ROLE_USER : CF_ROLE_ASSISTANT))
            alternates = false;
    }
    out->turn_count = count;
    out->total_length = total;
    out->mean_length = count > 0 ? (double)total / (double)count : 0;
    out->alternates = alternates;
}
