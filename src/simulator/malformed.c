#include "simulator/malformed.h"

#include <stdbool.h>
#include <string.h>

#include "base/json.h"
#include "confab/buf.h"
#include "simulator/dialogue.h"

enum {
    PRETTY = 1,             /* one token a line */
    BARE = 2,               /* an array without an object around it */
    TRAILING = 4,           /* a comma after the last of each */
    NO_COMMA = 8,           /* none between turns */
    UNQUOTED = 16,          /* keys without quotes */
    NO_ROLE = 32,
    TWICE = 64,             /* a draft of the content under the same key before it */
    BLOCKS = 128,           /* content as an array of blocks */
    EXTRA = 256,            /* fields nobody asked for */
};

struct way {
    const char *name;
    /* Writes it all; NULL: before, the conversation in the style of the fields below, after. */
    void (*add)(const struct way *way, const struct cf_sim_dialogue *dialogue, struct cf_buf *out);
    unsigned style;
    const char *before, *after;
    const char *container, *role_key, *content_key, *user, *assistant;    /* NULL: the usual one */
    /* What stands for the content of the first, second and last turn, with its quotes; NULL: its
     * text. */
    const char *first, *second, *last;
    const char *open, *close, *space;      /* quotes and what stands after a colon; NULL: plain */
    unsigned turns;                        /* at most so many; 0: all */
    bool is_odd;                           /* the last turn, the assistant's, is missing */
};

static const char *or(const char *text, const char *otherwise)
{
    return text != NULL ? text : otherwise;
}

static unsigned turn_count(const struct way *way, const struct cf_sim_dialogue *dialogue)
{
    unsigned turns = dialogue->turns;
    if (way->turns > 0 && way->turns < turns)
        turns = way->turns;
    return turns - way->is_odd;
}

static void add_key(const struct way *way, const char *key, struct cf_buf *out)
{
    if ((way->style & UNQUOTED) != 0)
        cf_buf_addf(out, "%s:%s", key, or(way->space, " "));
    else
        cf_buf_addf(out, "%s%s%s:%s", or(way->open, "\""), key, or(way->close, "\""),
                    or(way->space, " "));
}

static void add_content(const struct way *way, const struct cf_sim_dialogue *dialogue,
                        unsigned turn, unsigned turns, struct cf_buf *out)
{
    const char *fixed = turn == 0 ? way->first : turn == 1 ? way->second : NULL;
    size_t len;
    const char *text = cf_sim_dialogue_turn(dialogue, turn, &len);

    if (turn + 1 == turns && way->last != NULL)
        fixed = way->last;
    if (fixed != NULL) {
        cf_buf_adds(out, fixed);
    } else if (way->open != NULL) {
        cf_buf_addf(out, "%s%.*s%s", way->open, (int)len, text, way->close);
    } else if ((way->style & BLOCKS) != 0) {
        cf_buf_adds(out, "[{\"type\": \"text\", \"text\": ");
        cf_json_add_string(out, text, len);
        cf_buf_adds(out, "}]");
    } else {
        cf_json_add_string(out, text, len);
    }
}

static void add_turn(const struct way *way, const struct cf_sim_dialogue *dialogue, unsigned turn,
                     unsigned turns, struct cf_buf *out)
{
    bool is_pretty = (way->style & PRETTY) != 0;
    const char *role = turn % 2 == 0 ? or(way->user, "user") : or(way->assistant, "assistant");
    const char *content_key = or(way->content_key, "content");
    const char *indent = is_pretty ? "\n      " : "";

    cf_buf_addf(out, "%s{", is_pretty ? "\n    " : "");
    if ((way->style & NO_ROLE) == 0) {
        cf_buf_adds(out, indent);
        add_key(way, or(way->role_key, "role"), out);
        cf_buf_addf(out, "%s%s%s,%s", or(way->open, "\""), role, or(way->close, "\""),
                    is_pretty ? "" : or(way->space, " "));
    }
    if ((way->style & TWICE) != 0 && turn == 0) {
        add_key(way, content_key, out);
        cf_buf_adds(out, "\"draft\", ");
    }
    cf_buf_adds(out, indent);
    add_key(way, content_key, out);
    add_content(way, dialogue, turn, turns, out);
    if ((way->style & EXTRA) != 0)
        cf_buf_addf(out, ", \"emotion\": \"curious\", \"turn\": %u", turn + 1);
    cf_buf_addf(out, "%s%s}", (way->style & TRAILING) != 0 ? "," : "", is_pretty ? "\n    " : "");
}

/* The conversation alone, in the way's style. */
static void add_conversation(const struct way *way, const struct cf_sim_dialogue *dialogue,
                             struct cf_buf *out)
{
    bool is_pretty = (way->style & PRETTY) != 0;
    unsigned turns = turn_count(way, dialogue);

    if ((way->style & BARE) == 0) {
        cf_buf_addf(out, "{%s", is_pretty ? "\n  " : "");
        add_key(way, or(way->container, "messages"), out);
    }
    cf_buf_addc(out, '[');
    for (unsigned i = 0; i < turns; i++) {
        add_turn(way, dialogue, i, turns, out);
        if ((way->style & TRAILING) != 0 || i + 1 < turns)
            cf_buf_adds(out, (way->style & NO_COMMA) != 0 ? "\n" : is_pretty ? "," : ", ");
    }
    cf_buf_addf(out, "%s]", is_pretty ? "\n  " : "");
    if ((way->style & BARE) == 0) {
        cf_buf_adds(out, (way->style & TRAILING) != 0 ? "," : "");
        cf_buf_adds(out, (way->style & EXTRA) != 0 ? ", \"summary\": \"x\"" : "");
        cf_buf_addf(out, "%s}", is_pretty ? "\n" : "");
    }
}

static void add_replaced(const struct cf_buf *in, char what, const char *with, struct cf_buf *out)
{
    for (size_t i = 0; i < in->len; i++) {
        if (in->data[i] == what)
            cf_buf_adds(out, with);
        else
            cf_buf_addc(out, in->data[i]);
    }
}

/* --- ways that need more than a style --- */

static void add_crlf(const struct way *way, const struct cf_sim_dialogue *dialogue,
                     struct cf_buf *out)
{
    struct cf_buf plain;
    cf_buf_init(&plain, out->max);
    add_conversation(way, dialogue, &plain);
    add_replaced(&plain, '\n', "\r\n", out);
    cf_buf_done(&plain);
}

static void add_html_escaped(const struct way *way, const struct cf_sim_dialogue *dialogue,
                             struct cf_buf *out)
{
    struct cf_buf plain, amp;
    cf_buf_init(&plain, out->max);
    cf_buf_init(&amp, out->max);
    add_conversation(way, dialogue, &plain);
    add_replaced(&plain, '&', "&amp;", &amp);
    add_replaced(&amp, '"', "&quot;", out);
    cf_buf_done(&amp);
    cf_buf_done(&plain);
}

static void add_encoded_twice(const struct way *way, const struct cf_sim_dialogue *dialogue,
                              struct cf_buf *out)
{
    struct cf_buf plain;
    cf_buf_init(&plain, out->max);
    add_conversation(way, dialogue, &plain);
    cf_json_add_string(out, cf_buf_str(&plain), plain.len);
    cf_buf_done(&plain);
}

static void add_repeated(const struct way *way, const struct cf_sim_dialogue *dialogue,
                         struct cf_buf *out)
{
    (void)dialogue;
    for (int i = 0; i < 20000; i++)
        cf_buf_adds(out, way->before);
}

static void add_long_turn(const struct way *way, const struct cf_sim_dialogue *dialogue,
                          struct cf_buf *out)
{
    (void)way;
    size_t len;
    const char *text = cf_sim_dialogue_turn(dialogue, 0, &len);
    cf_buf_adds(out, "{\"messages\": [{\"role\": \"user\", \"content\": ");
    cf_json_add_string(out, text, len);
    cf_buf_adds(out, "}, {\"role\": \"assistant\", \"content\": \"");
    for (int i = 0; i < 6500; i++)
        cf_buf_addf(out, "%sThe archive shelf holds box %d.", i == 0 ? "" : " ", i);
    cf_buf_adds(out, "\"}]}");
}

static void add_lines(const struct way *way, const struct cf_sim_dialogue *dialogue,
                      struct cf_buf *out)
{
    for (unsigned i = 0; i < dialogue->turns; i++) {
        add_turn(way, dialogue, i, dialogue->turns, out);
        cf_buf_addc(out, '\n');
    }
}

/* Each turn between two texts: [0] before a user's, [1] before an assistant's, [2] and [3]
 * after. */
static void add_transcript(const struct cf_sim_dialogue *dialogue, const char *const marks[4],
                           bool is_numbered, struct cf_buf *out)
{
    for (unsigned i = 0; i < dialogue->turns; i++) {
        size_t len;
        const char *text = cf_sim_dialogue_turn(dialogue, i, &len);
        if (is_numbered)
            cf_buf_addf(out, "| %u ", i + 1);
        cf_buf_adds(out, marks[i % 2]);
        cf_buf_add(out, text, len);
        cf_buf_adds(out, marks[2 + i % 2]);
    }
}

static void add_table(const struct way *way, const struct cf_sim_dialogue *dialogue,
                      struct cf_buf *out)
{
    static const char *const marks[] = { "| User | ", "| Assistant | ", " |\n", " |\n" };
    cf_buf_adds(out, way->before);
    add_transcript(dialogue, marks, true, out);
}

static void add_text(const struct way *way, const struct cf_sim_dialogue *dialogue,
                     struct cf_buf *out)
{
    static const char *const marks[] = { "User: ", "Assistant: ", "\n", "\n\n" };
    (void)way;
    add_transcript(dialogue, marks, false, out);
}

static void add_bold(const struct way *way, const struct cf_sim_dialogue *dialogue,
                     struct cf_buf *out)
{
    static const char *const marks[] = { "**User:** ", "**Assistant:** ", "\n\n", "\n\n" };
    cf_buf_adds(out, way->before);
    add_transcript(dialogue, marks, false, out);
}

static void add_tags(const struct way *way, const struct cf_sim_dialogue *dialogue,
                     struct cf_buf *out)
{
    static const char *const marks[] = { "<user>", "<assistant>", "</user>\n", "</assistant>\n" };
    (void)way;
    add_transcript(dialogue, marks, false, out);
}

static void add_pairs(const struct way *way, const struct cf_sim_dialogue *dialogue,
                      struct cf_buf *out)
{
    (void)way;
    for (unsigned i = 0; i < dialogue->turns; i++) {
        size_t len;
        const char *text = cf_sim_dialogue_turn(dialogue, i, &len);
        cf_buf_adds(out, i == 0       ? "[{\"user\": "
                         : i % 2 == 0 ? ", {\"user\": "
                                      : ", \"assistant\": ");
        cf_json_add_string(out, text, len);
        cf_buf_adds(out, i % 2 == 1 ? "}" : "");
    }
    cf_buf_addc(out, ']');
}

static void add_two(const struct way *way, const struct cf_sim_dialogue *dialogue,
                    struct cf_buf *out)
{
    struct way shorter = *way;
    shorter.turns = 2;
    add_conversation(way, dialogue, out);
    cf_buf_adds(out, way->after);
    add_conversation(&shorter, dialogue, out);
}

static void add_no_first_brace(const struct way *way, const struct cf_sim_dialogue *dialogue,
                               struct cf_buf *out)
{
    struct cf_buf plain;
    cf_buf_init(&plain, out->max);
    add_conversation(way, dialogue, &plain);
    cf_buf_adds(out, or(way->before, ""));
    if (plain.len > 0)
        cf_buf_add(out, plain.data + 1, plain.len - 1);
    cf_buf_done(&plain);
}

/* An additional turn in front of the conversation. */
static void add_with_turn(const struct way *way, const struct cf_sim_dialogue *dialogue,
                          struct cf_buf *out)
{
    struct way bare = *way;
    bare.style |= BARE;
    struct cf_buf plain;
    cf_buf_init(&plain, out->max);
    add_conversation(&bare, dialogue, &plain);
    cf_buf_addf(out, "{\"messages\": [%s, ", way->before);
    if (plain.len > 0)
        cf_buf_add(out, plain.data + 1, plain.len - 1);
    cf_buf_addc(out, '}');
    cf_buf_done(&plain);
}

/* Written as a program would print a dict: strings in single quotes. */
static void add_python(const struct way *way, const struct cf_sim_dialogue *dialogue,
                       struct cf_buf *out)
{
    (void)way;
    cf_buf_adds(out, "{'messages': [");
    for (unsigned i = 0; i < dialogue->turns; i++) {
        size_t len;
        const char *text = cf_sim_dialogue_turn(dialogue, i, &len);
        cf_buf_addf(out, "%s{'role': '%s', 'content': '", i == 0 ? "" : ", ",
                    i % 2 == 0 ? "user" : "assistant");
        for (size_t at = 0; at < len; at++) {
            if (text[at] == '\'' || text[at] == '\\')
                cf_buf_addc(out, '\\');
            if (text[at] == '\n')
                cf_buf_adds(out, "\\n");
            else
                cf_buf_addc(out, text[at]);
        }
        cf_buf_adds(out, "'}");
    }
    cf_buf_adds(out, "], 'ok': True, 'score': None}");
}

/* Everything up to the last turn, and of that turn what `last` holds, cut off after it. */
static void add_cut(const struct way *way, const struct cf_sim_dialogue *dialogue,
                    struct cf_buf *out)
{
    struct cf_buf plain;
    cf_buf_init(&plain, out->max);
    struct way marked = *way;
    marked.last = "\x01";
    add_conversation(&marked, dialogue, &plain);

    const char *mark = memchr(cf_buf_str(&plain), '\x01', plain.len);
    cf_buf_adds(out, or(way->before, ""));
    if (mark != NULL) {
        size_t len;
        const char *text = cf_sim_dialogue_turn(dialogue, turn_count(way, dialogue) - 1, &len);
        struct cf_buf quoted;
        cf_buf_init(&quoted, out->max);
        cf_json_add_string(&quoted, text, len);

        if (strcmp(way->last, "half") == 0) {
            cf_buf_add(out, plain.data, (size_t)(mark - plain.data));
            cf_buf_add(out, quoted.data, 1 + cf_utf8_valid_prefix(quoted.data + 1, quoted.len / 2));
        } else if (strcmp(way->last, "whole") == 0) {
            cf_buf_add(out, plain.data, (size_t)(mark - plain.data));
            cf_buf_add(out, quoted.data, quoted.len);
        } else if (strcmp(way->last, "key") == 0) {
            cf_buf_add(out, plain.data, (size_t)(mark - plain.data) - 2);    /* less ": " */
        } else if (strcmp(way->last, "brace") == 0) {
            const char *brace = memrchr(plain.data, '{', (size_t)(mark - plain.data));
            cf_buf_add(out, plain.data, (size_t)(brace + 1 - plain.data));
        } else {
            cf_buf_add(out, plain.data, (size_t)(mark - plain.data));
            cf_buf_adds(out, way->last);
        }
        cf_buf_done(&quoted);
    }
    cf_buf_done(&plain);
}

static void add_comments(const struct way *way, const struct cf_sim_dialogue *dialogue,
                         struct cf_buf *out)
{
    cf_buf_adds(out, "// user first\n{\n  \"messages\": [\n    ");
    for (unsigned i = 0; i < dialogue->turns; i++) {
        add_turn(way, dialogue, i, dialogue->turns, out);
        cf_buf_addf(out, "%s %s\n    ", i + 1 < dialogue->turns ? "," : "",
                    i % 2 == 0 ? "// a turn\n    /* the reply */" : "// next");
    }
    cf_buf_adds(out, "] # end\n}");
}

static void add_words(const struct way *way, const struct cf_sim_dialogue *dialogue,
                      struct cf_buf *out)
{
    (void)dialogue;
    cf_buf_adds(out, way->before);
}

#define CODE_TURN                                                                            \
    "Call the list method:\\n\\n```python\\nitems.reverse()\\n```\\n\\nIt changes the list " \
    "itself."
#define CODE_TURN_RAW \
    "Call the list method:\n\n```python\nitems.reverse()\n```\n\nIt changes the list itself."

static const struct way ways[] = {
    { "array_at_top_level", .style = PRETTY | BARE },
    { "bom_prefix", .before = "\xEF\xBB\xBF" },
    { "comments_in_json", .add = add_comments },
    { "content_blocks", .style = BLOCKS },
    { "content_contains_json", .second = "\"{\\\"name\\\": \\\"demo\\\", \\\"messages\\\": []}\"" },
    { "conversation_key", .container = "conversation" },
    { "crlf_line_ends", .add = add_crlf, .style = PRETTY },
    { "deep_unclosed_objects", .add = add_repeated, .before = "{\"a\":" },
    { "deep_wrapper_objects",
      .before = "{\"result\": {\"data\": {\"output\": {\"conversation\": ", .after = "}}}}" },
    { "duplicate_keys", .style = TWICE },
    { "empty", .add = add_words, .before = "" },
    { "empty_content", .last = "\"\"" },
    { "empty_messages_array", .add = add_words, .before = "{\"messages\": []}" },
    { "empty_object", .add = add_words, .before = "{}" },
    { "ends_with_user", .is_odd = true },
    { "extra_fields_kept_out", .style = EXTRA },
    { "extremely_long_single_turn", .add = add_long_turn },
    { "fenced_json", .style = PRETTY, .before = "```json\n", .after = "\n```\n" },
    { "fenced_no_language_tilde", .style = PRETTY, .before = "~~~\n", .after = "\n~~~\n" },
    { "html_entities_in_content",
      .second =
          "\"Write &lt;a href=&quot;/x&quot;&gt;x&lt;/a&gt; and escape &amp; as &amp;amp;.\"" },
    { "html_escaped_json", .add = add_html_escaped },
    { "invalid_escapes", .first = "\"Path is C:\\Users\\dana, and don\\'t ask.\"",
      .second = "\"Use a regex like \\d+\\.\"" },
    { "json_encoded_twice", .add = add_encoded_twice },
    { "jsonl_one_message_per_line", .add = add_lines },
    { "lone_surrogates", .first = "\"broken \\ud83d emoji and \\udc00 tail\"" },
    { "markdown_table", .add = add_table,
      .before = "| # | Role | Message |\n|---|------|---------|\n" },
    { "missing_comma_between_turns", .style = NO_COMMA },
    { "missing_role", .style = NO_ROLE },
    { "nan_and_infinity", .add = add_no_first_brace,
      .before = "{\"quality\": NaN, \"limit\": -Infinity, " },
    { "nested_fences", .style = PRETTY, .before = "Sure!\n\n```json\n",
      .after = "\n```\n\nShall I go on?\n", .second = "\"" CODE_TURN "\"" },
    { "nested_fences_raw_newlines", .style = PRETTY, .before = "```json\n", .after = "\n```\n",
      .second = "\"" CODE_TURN_RAW "\"" },
    { "nonbreaking_space_between_tokens", .space = "\xC2\xA0 " },
    { "nul_escape_in_content", .first = "\"before\\u0000after\"" },
    { "null_content", .last = "null" },
    { "number_content", .last = "42" },
    { "only_thinking_tags", .add = add_words,
      .before = "<thinking>\nI should write some turns, user first. "
                "{\"messages\": []}\n</thinking>" },
    { "pairs_user_assistant_keys", .add = add_pairs },
    { "prefill_missing_first_brace", .add = add_no_first_brace },
    { "prose_before_and_after", .style = PRETTY, .before = "Here's a natural conversation:\n\n",
      .after = "\n\nLet me know if you'd like it longer or in another tone." },
    { "prose_with_braces_before_json", .style = PRETTY,
      .before =
          "I used the schema {role, content} as you asked, with turns [user first]:\n\n```json\n",
      .after = "\n```\n" },
    { "pure_json", .style = PRETTY },
    { "pure_json_compact_trailing_newlines", .after = "\n\n\n" },
    { "raw_tab_in_string", .second = "\"id\tname\tcity\"" },
    { "refusal_text", .add = add_words,
      .before = "I'm not able to write this conversation, because it "
                "would give step-by-step instructions for harming someone. I'd be glad to write "
                "one about "
                "staying safe instead." },
    { "roles_customer_agent", .container = "conversation", .user = "Customer",
      .assistant = "Agent" },
    { "roles_human_ai", .user = "human", .assistant = "ai" },
    { "roles_user_bot", .container = "dialogue", .content_key = "message", .assistant = "bot" },
    { "same_role_twice", .add = add_with_turn,
      .before = "{\"role\": \"user\", \"content\": \"Hello?\"}" },
    { "sharegpt_from_value", .container = "conversations", .role_key = "from",
      .content_key = "value", .user = "human", .assistant = "gpt" },
    { "single_quotes_python_dict", .add = add_python },
    { "smart_quotes", .style = PRETTY, .open = "\xE2\x80\x9C", .close = "\xE2\x80\x9D" },
    { "smart_quotes_inside_content",
      .first = "\"She said \xE2\x80\x9Cmaybe\xE2\x80\x9D. What does that mean?\"" },
    { "starts_with_assistant", .add = add_with_turn,
      .before = "{\"role\": \"assistant\", \"content\": \"Welcome. What can I do for you?\"}" },
    { "system_message_first", .add = add_with_turn,
      .before = "{\"role\": \"system\", \"content\": \"You are a patient adviser.\"}" },
    { "thinking_then_json", .before = "<think>Draft: {\"messages\": [{\"role\": \"user\", "
                                      "\"content\": \"draft\"}]}</think>\n" },
    { "thinking_unclosed", .add = add_words,
      .before = "<think>Okay, the user wants a dialogue. First turn could be" },
    { "trailing_commas", .style = PRETTY | TRAILING },
    { "transcript_markdown_bold", .add = add_bold, .before = "Here is the dialogue:\n\n" },
    { "transcript_text", .add = add_text },
    { "truncated_after_key", .add = add_cut, .style = PRETTY, .last = "key" },
    { "truncated_in_open_fence", .add = add_cut, .style = PRETTY, .before = "```json\n",
      .last = "\"" },
    { "truncated_mid_array", .add = add_cut, .style = PRETTY, .last = "brace" },
    { "truncated_mid_escape", .add = add_cut, .last = "\"It says caf\\u00e9 Z\\u00" },
    { "truncated_mid_string", .add = add_cut, .style = PRETTY, .last = "half" },
    { "truncated_missing_closers_only", .add = add_cut, .style = PRETTY, .last = "whole" },
    { "turns_speaker_key", .container = "turns", .role_key = "speaker", .content_key = "text",
      .user = "User", .assistant = "Assistant" },
    { "two_objects_both_conversations", .add = add_two, .after = "\n\n" },
    { "two_objects_metadata_first",
      .before = "{\"topic\": \"libraries\", \"turns_planned\": 4}\n" },
    { "unescaped_inner_quotes", .first = "\"What does \"de facto\" mean?\"" },
    { "unescaped_newlines_in_strings", .style = PRETTY,
      .second = "\"The kettle hums a rising tone,\nthe morning warms the kitchen stone.\n\nShort "
                "enough?\"" },
    { "unicode_escapes_surrogate_pairs",
      .first = "\"Translate caf\\u00e9 to Japanese \\ud83d\\ude00\"",
      .second = "\"\\u30ab\\u30d5\\u30a7 (kafe)\"" },
    { "unknown_role", .add = add_with_turn,
      .before = "{\"role\": \"narrator\", \"content\": \"Once upon a time.\"}" },
    { "unquoted_keys", .style = UNQUOTED },
    { "very_deep_nesting_garbage", .add = add_repeated, .before = "[" },
    { "whitespace_content", .first = "\"   \\n\"" },
    { "whitespace_only", .add = add_words, .before = "\n  \n\t" },
    { "xml_style_tags", .add = add_tags },
};

#define WAYS (int)(sizeof ways / sizeof *ways)

const char *cf_sim_malformed_name(int way)
{
    return way >= 0 && way < WAYS ? ways[way].name : NULL;
}

int cf_sim_malformed_count(void)
{
    return WAYS;
}

int cf_sim_malformed_find(const char *name, size_t len)
{
    for (int i = 0; i < WAYS; i++)
        if (strlen(ways[i].name) == len && memcmp(ways[i].name, name, len) == 0)
            return i;
    return -1;
}

void cf_sim_malformed_add(int way, const struct cf_sim_dialogue *dialogue, struct cf_buf *out)
{
    const struct way *self = &ways[way];
    if (self->add != NULL) {
        self->add(self, dialogue, out);
        return;
    }
    cf_buf_adds(out, or(self->before, ""));
    add_conversation(self, dialogue, out);
    cf_buf_adds(out, or(self->after, ""));
}
