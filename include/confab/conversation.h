/* conversation.h - a conversation's turns, and how a model's reply text becomes one.
 *
 * Bytes in, values out: no I/O, no clock, no shared state, so any thread may parse. A
 * cf_conversation belongs to one thread at a time. Scoring is done elsewhere, from the
 * figures of cf_conversation_measure. */
#ifndef CONFAB_CONVERSATION_H
#define CONFAB_CONVERSATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_error;

#define CF_TURNS_MAX       1000          /* a reply has 20; a longer one is a loop of the model */
#define CF_REPLY_BYTES_MAX (8u << 20)    /* the longest output of any model is below 1 MB */

enum cf_role { CF_ROLE_SYSTEM, CF_ROLE_USER, CF_ROLE_ASSISTANT };

struct cf_turn {
    enum cf_role role;
    const char  *content;    /* NUL-terminated, without U+0000 inside; owned by the conversation */
    size_t       len;        /* bytes */
};

/* Named "ok", "repaired", ... by cf_outcome_name. */
enum cf_outcome {
    CF_OUTCOME_OK,                  /* strict JSON was found and gave a valid conversation */
    CF_OUTCOME_REPAIRED,            /* the same, after changes; see repairs */
    CF_OUTCOME_TRUNCATED,           /* the reply ends early: the complete turns, maybe none */
    CF_OUTCOME_PARSE_ERROR,         /* nothing usable; no turns */
    CF_OUTCOME_VALIDATION_ERROR,    /* understood, but no valid conversation; turns as parsed,
                                       none where they cannot be told */
};

/* What had to be changed or interpreted; a set of bits. Named "trailing_comma", "missing_comma",
 * ... by cf_repair_name. */
enum cf_repair {
    CF_REPAIR_TRAILING_COMMA   = 1u << 0,     /* or doubled, or leading */
    CF_REPAIR_MISSING_COMMA    = 1u << 1,
    CF_REPAIR_RAW_NEWLINE      = 1u << 2,     /* a line break inside a string */
    CF_REPAIR_RAW_CONTROL      = 1u << 3,     /* another control character inside a string */
    CF_REPAIR_SMART_QUOTES     = 1u << 4,     /* typographic quotes around strings */
    CF_REPAIR_SINGLE_QUOTES    = 1u << 5,     /* strings as Python or JavaScript write them */
    CF_REPAIR_INNER_QUOTES     = 1u << 6,     /* quotes inside a string not escaped */
    CF_REPAIR_BAD_ESCAPE       = 1u << 7,     /* a backslash before something else; kept as text */
    CF_REPAIR_UNQUOTED_KEY     = 1u << 8,
    CF_REPAIR_COMMENT          = 1u << 9,
    CF_REPAIR_FOREIGN_LITERAL  = 1u << 10,    /* True, None, NaN, a number not of JSON's form */
    CF_REPAIR_ODD_SPACE        = 1u << 11,    /* no-break spaces and their kin between tokens */
    CF_REPAIR_UNBALANCED       = 1u << 12,    /* a closing bracket left out in the middle */
    CF_REPAIR_CUT_END          = 1u << 13,    /* the text ends early */
    CF_REPAIR_NUL_DROPPED      = 1u << 14,    /* U+0000 left out */
    CF_REPAIR_SURROGATE        = 1u << 15,    /* "surrogate_replaced": half a pair is U+FFFD now */
    CF_REPAIR_DUPLICATE_KEY    = 1u << 16,    /* the last value was taken */
    CF_REPAIR_MISSING_BRACE    = 1u << 17,    /* the reply goes on after a prefilled '{' */
    CF_REPAIR_HTML_ESCAPED     = 1u << 18,    /* the whole reply */
    CF_REPAIR_ENCODED_TWICE    = 1u << 19,    /* the reply is a JSON string that holds JSON */
    CF_REPAIR_MESSAGE_LINES    = 1u << 20,    /* messages one after the other, in no array */
    CF_REPAIR_PAIRS            = 1u << 21,    /* objects with a user and an assistant key */
    CF_REPAIR_NUMBER_CONTENT   = 1u << 22,    /* a number where text belongs */
    CF_REPAIR_TRANSCRIPT       = 1u << 23,    /* labels, tags or a table instead of JSON */
};
#define CF_REPAIR_COUNT 24

/* Worth telling, though nothing was changed; a set of bits. */
enum cf_warning {
    CF_WARNING_SECOND_IGNORED = 1u << 0,    /* "second_conversation_ignored" */
};
#define CF_WARNING_COUNT 1

/* Zero is a valid empty conversation.
 *
 * turns may begin with one system turn: see cf_conversation_system and cf_conversation_dialogue
 * for the two apart. */
struct cf_conversation {
    struct cf_turn *turns;         /* owned */
    size_t turn_count;
    enum cf_outcome outcome;       /* of the parse; OK for one made by hand */
    uint32_t repairs;              /* CF_REPAIR_* */
    uint32_t warnings;             /* CF_WARNING_* */
    bool refusal_like;             /* a parse_error whose text reads like a refusal */

    char  *text;                   /* owned: the bytes of all contents */
    size_t text_len, text_cap;
    size_t turn_cap;
};

void cf_conversation_init(struct cf_conversation *conversation);
void cf_conversation_done(struct cf_conversation *conversation);

/* Makes room for `extra` more bytes of text, one for each turn's NUL included. Spares copies where
 * the size is known beforehand. */
void cf_conversation_reserve(struct cf_conversation *conversation, size_t extra);

/* Adds a turn; content is copied. Anything goes: foreign conversations are not validated. */
void cf_conversation_add(struct cf_conversation *conversation, enum cf_role role,
                         const char *content, size_t len);

/* The leading system turn, or NULL. Lent. */
const struct cf_turn *cf_conversation_system(const struct cf_conversation *conversation);

/* The turns without a leading system turn. Lent. */
const struct cf_turn *cf_conversation_dialogue(const struct cf_conversation *conversation,
                                               size_t *out_count);

/* Reads a model's reply: strict JSON, else JSON inside prose and fences, repaired where need be,
 * else a transcript. stopped_early: the provider said that the output limit was reached; then the
 * outcome is never OK or REPAIRED, even if the text happens to parse. `out` is initialised here
 * and given in every case (cf_conversation_done). Returns its outcome; for the two errors *err
 * says why (CF_ERR_PARSE, CF_ERR_VALIDATION; turns are counted from 1 and include a system turn).
 * Takes time linear in len. */
enum cf_outcome cf_conversation_parse(const char *text, size_t len, bool stopped_early,
                                      struct cf_conversation *out, struct cf_error *err);

/* The rules for a reply: at most one system turn, in front; then at least two turns, the first the
 * user's, in strict alternation, the last the assistant's unless salvaged; valid UTF-8, no turn
 * empty or only white space. CF_ERR_VALIDATION naming the turn and the reason. */
bool cf_conversation_validate(const struct cf_conversation *conversation, bool salvaged,
                              struct cf_error *err);

/* Figures for scoring rules, over the turns without a leading system turn. */
struct cf_conversation_measure {
    size_t turn_count;
    double mean_length;      /* code points a turn; 0 without turns */
    size_t total_length;     /* code points */
    bool   alternates;       /* at least two turns, the user first, never one role twice in a row */
};

void cf_conversation_measure(const struct cf_conversation *conversation,
                             struct cf_conversation_measure *out);

#define CF_DEFAULT_COUNT_MAX      3 /* the most that each of the default rules gives; 10 together */
#define CF_DEFAULT_LENGTH_MAX    3
#define CF_DEFAULT_STRUCTURE_MAX 4
#define CF_DEFAULT_SCORE_TEXT_MAX 640

/* From this score up a conversation is "generated", below it "needs_revision". */
#define CF_SCORE_GENERATED 6

/* The points of the rules that hold unless the script has others. */
struct cf_default_score {
    int turn_count, turn_length, structure;
    int score;               /* 1 to 10 */
};

void cf_default_score(const struct cf_conversation_measure *measure, struct cf_default_score *out);

/* How it came about, rule by rule: a JSON array of { max, name, note, points }. */
void cf_default_score_format(const struct cf_conversation_measure *measure,
                             const struct cf_default_score *score,
                             char out[CF_DEFAULT_SCORE_TEXT_MAX]);

/* "system", "user", "assistant". Static. */
const char *cf_role_name(enum cf_role role);

/* Reads a role's name or one of its aliases (human, customer, ai, bot, agent, ...) in any letter
 * case. False, leaving *out alone, if it is none. */
bool cf_role_parse(const char *name, size_t len, enum cf_role *out);

/* "ok", "repaired", ... Static. */
const char *cf_outcome_name(enum cf_outcome outcome);

/* The name of one bit, such as "trailing_comma"; NULL if it is none. Static. */
const char *cf_repair_name(uint32_t bit);
const char *cf_warning_name(uint32_t bit);
#endif
