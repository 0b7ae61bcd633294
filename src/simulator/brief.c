#include "simulator/brief.h"

#include <string.h>

#include "base/json.h"

#define PHRASE_MAX   90    /* bytes of a persona or topic that a reply repeats */
#define WORD_MAX     14    /* no keyword is longer */
#define OPENING      8     /* words in which the verb of an instruction stands */
#define TURNS_MAX    200

enum word {
    WORD_NONE, WORD_TURNS, WORD_PERSONA, WORD_EMOTION, WORD_TOPIC, WORD_FEELS, WORD_ABOUT,
    WORD_BETWEEN, WORD_TALK, WORD_JSON, WORD_SCORE, WORD_JUDGE, WORD_OUTLINE, WORD_WRITE,
    WORD_LIST, WORD_ARRAY,
};

/* Sorted by first letter; with their lengths, for every word of a prompt is looked up. */
static const struct {
    char text[WORD_MAX + 1];
    unsigned char len, word;
} keywords[] = {
#define K(text, word) { text, sizeof text - 1, word }
    K("about", WORD_ABOUT),       K("array", WORD_ARRAY),        K("between", WORD_BETWEEN),
    K("character", WORD_PERSONA), K("chat", WORD_TALK),          K("concerning", WORD_ABOUT),
    K("conversation", WORD_TALK), K("conversations", WORD_TALK), K("create", WORD_WRITE),
    K("customer", WORD_PERSONA),  K("dialog", WORD_TALK),        K("dialogue", WORD_TALK),
    K("draft", WORD_WRITE),       K("emotion", WORD_EMOTION),    K("evaluate", WORD_JUDGE),
    K("exchanges", WORD_TURNS),   K("feel", WORD_FEELS),         K("feeling", WORD_FEELS),
    K("feels", WORD_FEELS),       K("generate", WORD_WRITE),     K("grade", WORD_JUDGE),
    K("intent", WORD_TOPIC),      K("json", WORD_JSON),          K("judge", WORD_JUDGE),
    K("list", WORD_LIST),         K("messages", WORD_TURNS),     K("mood", WORD_EMOTION),
    K("name", WORD_PERSONA),      K("outline", WORD_OUTLINE),    K("persona", WORD_PERSONA),
    K("plan", WORD_OUTLINE),      K("question", WORD_TOPIC),     K("rate", WORD_JUDGE),
    K("regarding", WORD_ABOUT),   K("rubric", WORD_JUDGE),       K("scenario", WORD_TOPIC),
    K("score", WORD_SCORE),       K("subject", WORD_TOPIC),      K("suggest", WORD_OUTLINE),
    K("summarise", WORD_OUTLINE), K("summarize", WORD_OUTLINE),  K("theme", WORD_TOPIC),
    K("topic", WORD_TOPIC),       K("transcript", WORD_TALK),    K("turn", WORD_TURNS),
    K("turns", WORD_TURNS),       K("user", WORD_PERSONA),       K("write", WORD_WRITE),
#undef K
};

static const char *const containers[] = { "turns", "messages", "conversation", "dialogue",
                                          "conversations" };

struct scan {
    struct cf_sim_brief *brief;
    const char *text;
    size_t len;
    bool is_system;
    bool is_behind_json;             /* the word before was "JSON" */
    bool has_array;
    unsigned words;                  /* read so far */
    long number, number_before;      /* the last two numbers, -1 if there is none */
    unsigned number_word;            /* at which word the last one stood */
    bool starts_with_write, starts_with_outline, has_talk, has_score, has_judge;
};

static bool is_word_byte(unsigned char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte >= 0x80;
}

/* The keyword of a word; they are sorted by their first letters. */
static enum word find_keyword(const char *text, size_t len)
{
    char lower[WORD_MAX + 1];
    char first = (char)(text[0] | 0x20);
    if (len < 4 || len > WORD_MAX)
        return WORD_NONE;
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords && keywords[i].text[0] <= first;
         i++) {
        if (keywords[i].text[0] != first || keywords[i].len != len)
            continue;
        for (size_t at = 0; at < len; at++)
            lower[at] = (char)(text[at] | 0x20);
        if (memcmp(keywords[i].text, lower, len) == 0)
            return keywords[i].word;
    }
    return WORD_NONE;
}

/* The phrase from `at` on, up to one of the stop bytes or a full stop that ends a sentence. */
static struct cf_sim_phrase take_phrase(const struct scan *scan, size_t at, const char *stops)
{
    const char *text = scan->text;
    while (at < scan->len && (text[at] == ' ' || text[at] == '"' || text[at] == '*'))
        at++;

    size_t end = at;
    while (end < scan->len && end - at < PHRASE_MAX && strchr(stops, text[end]) == NULL
           && !(text[end] == '.' && (end + 1 == scan->len || text[end + 1] <= ' ')))
        end++;
    if (end - at == PHRASE_MAX) {              /* cut at a word, or at a character */
        size_t back = end;
        while (back > at + PHRASE_MAX / 2 && text[back] != ' ')
            back--;
        end = text[back] == ' ' ? back : at + cf_utf8_valid_prefix(text + at, end - at);
    }
    while (end > at && (text[end - 1] == ' ' || text[end - 1] == '"' || text[end - 1] == '*'
                        || text[end - 1] == ','))
        end--;
    return end > at ? (struct cf_sim_phrase){ text + at, end - at }
                    : (struct cf_sim_phrase){ NULL, 0 };
}

/* Cuts a phrase at a word that goes on to something else ("angry and wants a refund"). */
static struct cf_sim_phrase before_word(struct cf_sim_phrase phrase, const char *word)
{
    const char *found =
        phrase.at == NULL ? NULL : memmem(phrase.at, phrase.len, word, strlen(word));
    if (found != NULL)
        phrase.len = (size_t)(found - phrase.at);
    return phrase.len > 0 ? phrase : (struct cf_sim_phrase){ NULL, 0 };
}

static void set(struct cf_sim_phrase *phrase, struct cf_sim_phrase found)
{
    if (phrase->at == NULL)
        *phrase = found;
}

/* Where the value of a label starts ("Topic: ", "topic\": \"", "<topic>"); 0 if it is no label. */
static size_t label_value(const struct scan *scan, size_t end)
{
    const char *text = scan->text;
    size_t at = end;
    while (at < scan->len && at < end + 4 && strchr("\"* ", text[at]) != NULL)
        at++;
    if (at == scan->len || (text[at] != ':' && text[at] != '=' && text[at] != '>'))
        return 0;
    at++;
    while (at < scan->len && strchr("\"* \n\t", text[at]) != NULL)
        at++;
    return at;
}

static void see_number(struct scan *scan, size_t *at)
{
    long value = 0;
    while (*at < scan->len && scan->text[*at] >= '0' && scan->text[*at] <= '9') {
        if (value < 1000000)
            value = value * 10 + (scan->text[*at] - '0');
        ++*at;
    }
    /* "8 to 12", "8-12": the last two belong together when they stand close. */
    scan->number_before = scan->words <= scan->number_word + 1 ? scan->number : -1;
    scan->number = value;
    scan->number_word = scan->words;
}

static void see_turns(struct scan *scan, size_t end)
{
    long turns = -1;
    size_t value = label_value(scan, end);
    if (value > 0 && scan->text[value] >= '0' && scan->text[value] <= '9') {
        turns = 0;
        while (value < scan->len && scan->text[value] >= '0' && scan->text[value] <= '9'
               && turns < 1000)
            turns = turns * 10 + (scan->text[value++] - '0');
    } else if (scan->number >= 0 && scan->words <= scan->number_word + 2) {
        turns = scan->number;
        if (scan->number_before >= 2 && scan->number_before < turns)
            turns = (scan->number_before + turns + 1) / 2;
    }
    if (turns >= 1 && turns <= TURNS_MAX && scan->brief->turns == 0)
        scan->brief->turns = (unsigned)turns;
}

static void see_container(struct scan *scan, const char *word, size_t len)
{
    if (scan->brief->container != NULL || word == scan->text || word[-1] != '"'
        || word + len >= scan->text + scan->len || word[len] != '"')
        return;
    for (size_t i = 0; i < sizeof containers / sizeof *containers; i++)
        if (strlen(containers[i]) == len && memcmp(containers[i], word, len) == 0)
            scan->brief->container = containers[i];
}

static void see_salient(struct scan *scan, const char *word, size_t len)
{
    struct cf_sim_brief *brief = scan->brief;
    if (len < 6 || scan->is_system || brief->salients == CF_SIM_SALIENT_MAX)
        return;
    if (len > 36)
        len = cf_utf8_valid_prefix(word, 36);
    brief->salient[brief->salients++] = (struct cf_sim_phrase){ word, len };
}

static void see_word(struct scan *scan, size_t at, size_t end)
{
    static const char ends_line[] = "\n\r;|<}\"";
    static const char ends_clause[] = "\n\r;|<},\"";
    struct cf_sim_brief *brief = scan->brief;
    const char *word = scan->text + at;
    size_t value;
    bool is_behind_json = scan->is_behind_json;
    enum word keyword = find_keyword(word, end - at);

    scan->is_behind_json = keyword == WORD_JSON;
    see_container(scan, word, end - at);
    switch (keyword) {
    case WORD_NONE:
        see_salient(scan, word, end - at);
        break;
    case WORD_TURNS:
        see_turns(scan, end);
        scan->has_talk |= brief->turns > 0;
        break;
    case WORD_PERSONA:
        if ((value = label_value(scan, end)) > 0)
            set(&brief->persona, take_phrase(scan, value, ends_line));
        break;
    case WORD_EMOTION:
        if ((value = label_value(scan, end)) > 0)
            set(&brief->emotion, take_phrase(scan, value, ends_clause));
        break;
    case WORD_TOPIC:
        if ((value = label_value(scan, end)) > 0)
            set(&brief->topic, take_phrase(scan, value, ends_line));
        break;
    case WORD_FEELS:
        set(&brief->emotion, before_word(before_word(take_phrase(scan, end, ends_clause), " and "),
                                         " about "));
        break;
    case WORD_ABOUT:
        set(&brief->topic, take_phrase(scan, end, ends_line));
        break;
    case WORD_BETWEEN:
        set(&brief->persona, before_word(take_phrase(scan, end, ends_clause), " and "));
        break;
    case WORD_TALK:
        scan->has_talk = true;
        break;
    case WORD_JSON:
        brief->wants_json = true;
        break;
    case WORD_SCORE:
        scan->has_score = true;
        break;
    case WORD_JUDGE:
        scan->has_judge = true;
        break;
    case WORD_ARRAY:
        scan->has_array = true;
        break;
    case WORD_LIST:
        brief->wants_list |= is_behind_json;
        /* fall through - an outline is a list */
    case WORD_OUTLINE:
        scan->starts_with_outline |= scan->words < OPENING && !scan->is_system
                                     && !scan->starts_with_write;
        break;
    case WORD_WRITE:
        scan->starts_with_write |= scan->words < OPENING && !scan->is_system && !scan->has_judge;
        break;
    }
}

static void scan_text(struct scan *scan, const char *text, size_t len, bool is_system)
{
    scan->text = text;
    scan->len = len;
    scan->is_system = is_system;
    scan->words = 0;
    scan->is_behind_json = false;
    scan->number = scan->number_before = -1;

    for (size_t at = 0; at < len;) {
        if (text[at] >= '0' && text[at] <= '9') {
            see_number(scan, &at);
        } else if (is_word_byte((unsigned char)text[at])) {
            size_t end = at + 1;
            while (end < len && is_word_byte((unsigned char)text[end]))
                end++;
            see_word(scan, at, end);
            scan->words++;
            at = end;
        } else {
            at++;
        }
    }
}

void cf_sim_brief_read(const char *prompt, size_t prompt_len, const char *system, size_t system_len,
                       struct cf_sim_brief *out)
{
    struct scan scan = { .brief = out };
    *out = (struct cf_sim_brief){ .task = CF_SIM_TASK_TEXT };

    scan_text(&scan, prompt, prompt_len, false);
    /* A chat about scores and judges is still a chat. */
    bool prompt_judges =
        scan.has_judge && scan.has_score && !(scan.starts_with_write && scan.has_talk);
    scan_text(&scan, system, system_len, true);

    if (prompt_judges || (scan.has_judge && scan.has_score && !scan.starts_with_write))
        out->task = CF_SIM_TASK_JUDGE;
    else if (scan.starts_with_outline)
        out->task = CF_SIM_TASK_OUTLINE;
    else if (scan.has_talk && (out->turns > 0 || out->wants_json || scan.starts_with_write))
        out->task = CF_SIM_TASK_CONVERSATION;
    out->wants_list |= out->wants_json && scan.has_array;
    if (out->container == NULL)
        out->container = containers[0];
}
