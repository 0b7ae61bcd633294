#include "engine/journal.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

void cf_item_set_name(struct cf_item *item, struct cf_text key)
{
    size_t len = key.len < sizeof item->name ? key.len : sizeof item->name - 1;
    while (len > 0 && len < key.len && ((unsigned char)key.data[len] & 0xC0) == 0x80)
        len--;                       /* not within a character */
    memcpy(item->name, key.data, len);
    item->name[len] = '\0';
}

void cf_item_set_journal(struct cf_item *item, const struct cf_journal_call *calls, size_t count)
{
    if (count > 0)
        item->calls = (struct cf_journal_call *)(void *)cf_memdup(calls, count * sizeof *calls);
    item->call_count = count;
    item->used = cf_calloc(count, sizeof *item->used);
}

bool cf_item_load(struct cf_item *item, struct cf_reader *reader, struct cf_error *err)
{
    if (!item->existed || item->used != NULL)
        return true;
    if (!cf_reader_journal(reader, item->id, &item->calls, &item->call_count, err))
        return false;
    item->used = cf_calloc(item->call_count, sizeof *item->used);
    return true;
}

void cf_item_done(struct cf_item *item)
{
    free(item->calls);
    free(item->used);
    free(item->asked);
    memset(item, 0, sizeof *item);
}

/* The counters of equal requests on a branch. */
static struct cf_asked *counters(struct cf_item *item, const char *branch, const uint8_t *hash)
{
    for (size_t i = 0; i < item->asked_count; i++) {
        struct cf_asked *asked = &item->asked[i];
        if (memcmp(asked->hash, hash, CF_SHA256_SIZE) == 0 && strcmp(asked->branch, branch) == 0)
            return asked;
    }
    if ((item->asked_count & (item->asked_count - 1)) == 0) {     /* full at powers of two */
        size_t cap = item->asked_count > 0 ? 2 * item->asked_count : 1;
        item->asked = cf_realloc(item->asked, cap * sizeof *item->asked);
    }
    struct cf_asked *asked = &item->asked[item->asked_count++];
    memset(asked, 0, sizeof *asked);
    snprintf(asked->branch, sizeof asked->branch, "%s", branch);
    memcpy(asked->hash, hash, CF_SHA256_SIZE);
    return asked;
}

static const struct cf_journal_call *find(const struct cf_item *item, const char *branch,
                                          const uint8_t *hash, int64_t ordinal)
{
    for (size_t i = 0; i < item->call_count; i++) {
        const struct cf_journal_call *call = &item->calls[i];
        if (call->ordinal == ordinal && memcmp(call->request_hash, hash, CF_SHA256_SIZE) == 0 &&
            strcmp(call->branch, branch) == 0)
            return call;
    }
    return NULL;
}

static bool was_cut(const struct cf_journal_call *call)
{
    return strcmp(call->stop_reason, "max_tokens") == 0;
}

const struct cf_journal_call *cf_item_ask(struct cf_item *item, const char *branch,
                                          const uint8_t hash[CF_SHA256_SIZE], int64_t max_tokens,
                                          int64_t *out_ordinal, bool *out_serves)
{
    struct cf_asked *asked = counters(item, branch, hash);
    for (;;) {
        int64_t ordinal = asked->next++;
        const struct cf_journal_call *call = find(item, branch, hash, ordinal);
        *out_ordinal = ordinal;
        if (call != NULL && item->used != NULL)
            item->used[call - item->calls] = true;
        *out_serves = call != NULL && strcmp(call->state, "done") == 0 && !call->set_aside &&
                      !(was_cut(call) && call->max_tokens < max_tokens);
        /* A reply that does not serve stays in the journal: the call takes the next number. */
        if (call != NULL && strcmp(call->state, "done") == 0 && !*out_serves)
            continue;
        if (!*out_serves) {
            item->new_calls++;
            asked->unanswered++;
        }
        return call;
    }
}

void cf_item_answered(struct cf_item *item, const char *branch, const uint8_t hash[CF_SHA256_SIZE])
{
    struct cf_asked *asked = counters(item, branch, hash);
    if (asked->unanswered > 0)
        asked->unanswered--;
}

bool cf_item_renew(struct cf_item *item, struct cf_reader *reader, struct cf_error *err)
{
    free(item->calls);
    free(item->used);
    item->calls = NULL;
    item->used = NULL;
    item->call_count = 0;
    if (!cf_reader_journal(reader, item->id, &item->calls, &item->call_count, err))
        return false;
    item->used = cf_calloc(item->call_count, sizeof *item->used);
    for (size_t i = 0; i < item->asked_count; i++) {
        struct cf_asked *asked = &item->asked[i];
        asked->next -= asked->unanswered;
        asked->unanswered = 0;
        for (int64_t ordinal = 0; ordinal < asked->next; ordinal++) {
            const struct cf_journal_call *call = find(item, asked->branch, asked->hash, ordinal);
            if (call != NULL)
                item->used[call - item->calls] = true;
        }
    }
    return true;
}

bool cf_item_stands(const struct cf_item *item, const uint8_t hash[CF_SHA256_SIZE])
{
    if (item->state != CF_ITEM_DONE || item->call_count != 1)
        return false;
    const struct cf_journal_call *call = find(item, "", hash, 0);
    return call != NULL && strcmp(call->state, "done") == 0 && !call->set_aside && !was_cut(call);
}

static const char *const new_names[] = { "new", "unfinished", "set aside", "cut off", "changed" };

const char *cf_new_call_name(enum cf_new_call why)
{
    return new_names[why];
}

enum cf_new_call cf_item_why_new(const struct cf_item *item, const char *branch,
                                 const uint8_t hash[CF_SHA256_SIZE], int64_t max_tokens,
                                 int64_t ordinal, const struct cf_journal_call **out_instead)
{
    if (find(item, branch, hash, ordinal) != NULL)
        return CF_NEW_UNFINISHED;
    const struct cf_journal_call *before = find(item, branch, hash, ordinal - 1);
    if (before != NULL && before->set_aside)
        return CF_NEW_SET_ASIDE;
    if (before != NULL && was_cut(before) && before->max_tokens < max_tokens)
        return CF_NEW_CUT;
    for (size_t i = 0; before == NULL && i < item->call_count; i++) {
        if (!item->used[i] && strcmp(item->calls[i].branch, branch) == 0) {
            *out_instead = &item->calls[i];
            return CF_NEW_CHANGED;
        }
    }
    return CF_NEW_CALL;
}
