#include "engine/keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

void cf_keys_init(struct cf_keys *keys, const struct cf_key_options *options, size_t count)
{
    keys->list = cf_calloc(count, sizeof *keys->list);
    keys->count = count;
    keys->next = 0;
    for (size_t i = 0; i < count; i++) {
        struct cf_key *key = &keys->list[i];
        key->name = cf_strdup(options[i].name);
        key->value = cf_strdup(options[i].value);
        key->field_count = cf_anthropic_fields(key->value, key->fields);
        key->has_limits = options[i].limits != NULL;
        if (key->has_limits)
            key->limits = *options[i].limits;
        cf_secret_add(key->value);
    }
}

void cf_keys_done(struct cf_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        free(keys->list[i].name);
        free(keys->list[i].value);
    }
    free(keys->list);
    memset(keys, 0, sizeof *keys);
}

struct cf_key *cf_keys_next(struct cf_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        struct cf_key *key = &keys->list[(keys->next + i) % keys->count];
        if (!key->is_out) {
            keys->next = (keys->next + i + 1) % keys->count;
            return key;
        }
    }
    return NULL;
}

struct cf_key *cf_keys_find(struct cf_keys *keys, const char *name)
{
    for (size_t i = 0; i < keys->count; i++)
        if (name == NULL || strcmp(keys->list[i].name, name) == 0)
            return &keys->list[i];
    return NULL;
}

bool cf_keys_take_out(struct cf_keys *keys, struct cf_key *key)
{
    key->is_out = true;
    for (size_t i = 0; i < keys->count; i++)
        if (!keys->list[i].is_out)
            return true;
    return false;
}
