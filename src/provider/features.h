/* features.h - what a model accepts. The data come from the model table
 * (lua/confab/models.lua); this is the form in which C reads them.
 *
 * A zeroed struct is a model of which nothing is known: no sampling parameters, no
 * prefill, no schema, no thinking field, limits unchecked. */
#ifndef CONFAB_PROVIDER_FEATURES_H
#define CONFAB_PROVIDER_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

#define CF_THINKING_ROOM_DEFAULT 2048   /* output tokens, for models that cannot stop thinking */

enum cf_sampling {
    CF_SAMPLING_NONE,       /* any of temperature, top_p, top_k is a 400 (Opus 4.7 and newer) */
    CF_SAMPLING_ONE,        /* temperature or top_p, and top_k (4.1 to 4.6) */
    CF_SAMPLING_BOTH,       /* all three (3.x) */
};

/* Values that the `thinking` field of a request may take. */
enum cf_thinking {
    CF_THINKING_LEAST = 0,            /* as little as the model allows; only in requests */
    CF_THINKING_DISABLED      = 1,
    CF_THINKING_BETWEEN_TOOLS = 2,
    CF_THINKING_ADAPTIVE      = 4,
    CF_THINKING_ENABLED       = 8,    /* with a budget of tokens */
};

struct cf_features {
    enum cf_sampling sampling;
    bool     prefill;               /* a last message of the assistant is continued */
    bool     forced_tools;          /* tool_choice any or tool */
    bool     structured_outputs;    /* output_config.format */
    bool     effort;                /* output_config.effort is accepted */
    unsigned thinking;              /* CF_THINKING_* bits accepted; 0: the field is not sent */
    bool     thinks_by_default;     /* it thinks when the field is left out */
    int64_t  thinking_room;         /* tokens; 0: CF_THINKING_ROOM_DEFAULT */
    int64_t  max_output;            /* tokens; 0: unknown, not checked */
    int64_t  context_window;        /* tokens; 0: unknown */
    int64_t  min_cacheable;         /* tokens; a shorter prompt is silently not cached */
};

/* "disabled", "between_tools", "adaptive", "enabled"; "least" for CF_THINKING_LEAST. Static. */
const char *cf_thinking_name(enum cf_thinking thinking);

/* The value of a name; false if there is none of that name. */
bool cf_thinking_parse(const char *name, enum cf_thinking *out);
#endif
