#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "confab/buf.h"
#include "confab/conversation.h"
#include "confab/error.h"

/* A conversation as one line: "u:Hi|a:Hello". */
static void describe(const struct cf_conversation *conversation, struct cf_buf *out)
{
    for (size_t i = 0; i < conversation->turn_count; i++) {
        const struct cf_turn *turn = &conversation->turns[i];
        assert_int_equal(strlen(turn->content), turn->len);
        cf_buf_addf(out, "%s%c:%s", i > 0 ? "|" : "", cf_role_name(turn->role)[0], turn->content);
    }
}

struct row {
    const char *name;
    const char *text;
    bool stopped_early;
    enum cf_outcome outcome;
    const char *turns;
    uint32_t repairs;
    const char *message;      /* of the error, or NULL */
};

#define U "{\"role\": \"user\", \"content\": \"Hi\"}"
#define A "{\"role\": \"assistant\", \"content\": \"Hello\"}"
#define UA "u:Hi|a:Hello"
#define OK CF_OUTCOME_OK
#define REPAIRED CF_OUTCOME_REPAIRED
#define TRUNCATED CF_OUTCOME_TRUNCATED
#define PARSE CF_OUTCOME_PARSE_ERROR
#define INVALID CF_OUTCOME_VALIDATION_ERROR

static struct row rows[] = {
    /* shapes */
    { "the key turns holds turns", "{\"turns\": [" U "," A "]}", false, OK, UA, 0, NULL },
    { "the key chat holds turns", "{\"chat\": [" U "," A "]}", false, OK, UA, 0, NULL },
    { "a list under an unknown key is found", "{\"stuff\": [" U "," A "]}", false, OK, UA, 0,
      NULL },
    { "a known key beats an unknown one before it",
      "{\"examples\": [{\"role\": \"user\", \"content\": \"no\"}], \"messages\": [" U "," A "]}",
      false, OK, UA, 0, NULL },
    { "an array of conversations gives its first",
      "[{\"messages\": [" U "," A "]}, {\"messages\": [" U "]}]",
      false, OK, UA, 0, NULL },
    { "a list inside a nameless array is found", "[[" U "," A "]]", false, OK, UA, 0, NULL },
    { "one object with both sides is a pair", "{\"user\": \"Hi\", \"assistant\": \"Hello\"}", false,
      REPAIRED, UA,
      CF_REPAIR_PAIRS, NULL },
    { "a question and its answer are a pair", "[{\"question\": \"Hi\", \"answer\": \"Hello\"}]",
      false, REPAIRED, UA,
      CF_REPAIR_PAIRS, NULL },
    { "one speaker a line of an array is taken", "[{\"user\": \"Hi\"}, {\"assistant\": \"Hello\"}]",
      false, REPAIRED, UA,
      CF_REPAIR_PAIRS, NULL },
    { "a system text beside the turns comes first",
      "{\"system\": \"Be kind\", \"messages\": [" U "," A "]}", false, OK,
      "s:Be kind|" UA, 0, NULL },
    { "a system text after the turns comes first too",
      "{\"messages\": [" U "," A "], \"system_prompt\": \"Be kind\"}",
      false, OK, "s:Be kind|" UA, 0, NULL },
    { "a system text of another object is not taken",
      "{\"a\": {\"system\": \"no\"}, \"b\": {\"messages\": [" U "," A "]}}", false, OK, UA, 0,
      NULL },
    { "nor is one that comes later",
      "{\"b\": {\"messages\": [" U "," A "]}, \"a\": {\"system\": \"no\"}}", false, OK, UA, 0,
      NULL },
    { "a missing comma without a space is put in",
      "[{\"role\": \"user\"\"content\": \"Hi\"}," A "]", false, REPAIRED, UA,
      CF_REPAIR_MISSING_COMMA, NULL },
    { "a system turn and a system text give one", "{\"system\": \"no\", \"messages\": ["
      "{\"role\": \"system\", \"content\": \"Be kind\"}," U "," A "]}", false, OK, "s:Be kind|" UA,
      0, NULL },
    { "content as one block object is its text",
      "[{\"role\": \"user\", \"content\": {\"type\": \"text\", \"text\": \"Hi\"}}," A "]", false,
      OK, UA, 0, NULL },
    { "blocks without text say nothing",
      "[{\"role\": \"user\", \"content\": [{\"type\": \"image\"},"
      " {\"type\": \"text\", \"text\": \"Hi\"}]}," A "]", false, OK, UA, 0, NULL },
    { "the better word for the content wins",
      "[{\"role\": \"user\", \"text\": \"no\", \"content\": \"Hi\", "
      "\"message\": \"no\"}," A "]", false, OK, UA, 0, NULL },
    { "the better word for the role wins",
      "[{\"author\": \"bot\", \"role\": \"user\", \"content\": \"Hi\"}," A "]",
      false, OK, UA, 0, NULL },
    { "a number with a model key is no turn",
      "{\"model\": \"x\", \"stats\": [1, 2], \"messages\": [" U "," A "]}", false,
      OK, UA, 0, NULL },

    /* strict JSON in other text */
    { "white space and a byte order mark may come first", "\n\xEF\xBB\xBF [" U "," A "]\n", false,
      OK, UA, 0, NULL },
    { "a footnote before the JSON is no conversation", "As asked [1]:\n[" U "," A "]", false, OK,
      UA, 0, NULL },
    { "code with braces before the JSON is passed over",
      "int main() { return 0; }\n{\"messages\": [" U "," A "]}",
      false, OK, UA, 0, NULL },
    { "a fence beats an example before it",
      "Like {\"messages\": [{\"role\": \"user\", \"content\": \"no\"}]}:\n\n"
      "```json\n{\"messages\": [" U "," A "]}\n```\n", false, OK, UA, 0, NULL },
    { "a fence without JSON is passed over", "```sh\nls\n```\n[" U "," A "]", false, OK, UA, 0,
      NULL },
    { "reasoning tags are dropped in any letter case",
      "<Reasoning>[" A "," U "]</Reasoning>[" U "," A "]",
      false, OK, UA, 0, NULL },
    { "several thinking blocks are dropped", "<think>a</think>b<think>[]</think>[" U "," A "]",
      false, OK, UA, 0, NULL },
    { "thinking tags inside a content stay",
      "[{\"role\": \"user\", \"content\": \"<think>x</think>\"}," A "]", false, OK,
      "u:<think>x</think>|a:Hello", 0, NULL },

    /* repairs */
    { "a leading and a doubled comma are dropped", "[," U ",," A "]", false, REPAIRED, UA,
      CF_REPAIR_TRAILING_COMMA, NULL },
    { "a missing comma between keys is put in",
      "[{\"role\": \"user\"\n \"content\": \"Hi\"}," A "]", false, REPAIRED, UA,
      CF_REPAIR_MISSING_COMMA, NULL },
    { "quotes before a comma inside a text are kept",
      "[{\"role\": \"user\", \"content\": \"Say \"yes\", \"no\", or leave.\"}," A "]", false,
      REPAIRED,
      "u:Say \"yes\", \"no\", or leave.|a:Hello", CF_REPAIR_INNER_QUOTES, NULL },
    { "a quote before a word with a colon is kept",
      "[{\"role\": \"user\", \"content\": \"He said \"no\", because: x\"}," A "]", false, REPAIRED,
      "u:He said \"no\", because: x|a:Hello", CF_REPAIR_INNER_QUOTES, NULL },
    { "a text in quotes within quotes is kept",
      "[{\"role\": \"user\", \"content\": \"\"Hi\" she said\"}," A "]", false,
      REPAIRED, "u:\"Hi\" she said|a:Hello", CF_REPAIR_INNER_QUOTES, NULL },
    { "a quoted word at the end of a text is kept",
      "[" U ", {\"role\": \"assistant\", \"content\": \"the \"bar.\"\"}]", false, REPAIRED,
      "u:Hi|a:the \"bar.\"", CF_REPAIR_INNER_QUOTES, NULL },
    { "a quoted word and a comma at the end are kept",
      "[" U ", {\"role\": \"assistant\", \"content\": \"the \"bar\",\"}]", false, REPAIRED,
      "u:Hi|a:the \"bar\",", CF_REPAIR_INNER_QUOTES, NULL },
    { "a raw CRLF stays a CRLF", "[{\"role\": \"user\", \"content\": \"a\r\nb\"}," A "]", false,
      REPAIRED, "u:a\r\nb|a:Hello",
      CF_REPAIR_RAW_NEWLINE, NULL },
    { "a raw escape character is kept", "[{\"role\": \"user\", \"content\": \"a\x1b[0m\"}," A "]",
      false, REPAIRED,
      "u:a\x1b[0m|a:Hello", CF_REPAIR_RAW_CONTROL, NULL },
    { "a \\u without digits is text", "[{\"role\": \"user\", \"content\": \"C:\\users\"}," A "]",
      false, REPAIRED,
      "u:C:\\users|a:Hello", CF_REPAIR_BAD_ESCAPE, NULL },
    { "single typographic quotes delimit too",
      "[{\xE2\x80\x98role\xE2\x80\x99: \xE2\x80\x98user\xE2\x80\x99, "
      "\xE2\x80\x98" "content\xE2\x80\x99: \xE2\x80\x98it\xE2\x80\x99s\xE2\x80\x99}," A "]", false,
      REPAIRED,
      "u:it\xE2\x80\x99s|a:Hello", CF_REPAIR_SMART_QUOTES | CF_REPAIR_SINGLE_QUOTES, NULL },
    { "an apostrophe in single quotes is text", "[{'role': 'user', 'content': 'it's'}," A "]",
      false, REPAIRED,
      "u:it's|a:Hello", CF_REPAIR_SINGLE_QUOTES | CF_REPAIR_INNER_QUOTES, NULL },
    { "an object not closed before the next is closed",
      "[{\"role\": \"user\", \"content\": \"Hi\", " A "]", false, REPAIRED,
      UA, CF_REPAIR_UNBALANCED, NULL },
    { "an array not closed in an object is closed", "{\"messages\": [" U "," A "}", false, REPAIRED,
      UA,
      CF_REPAIR_UNBALANCED, NULL },
    { "numbers of other languages are let pass",
      "{\"n\": +1, \"m\": .5, \"h\": 0x1F, \"messages\": [" U "," A "]}", false,
      REPAIRED, UA, CF_REPAIR_FOREIGN_LITERAL, NULL },
    { "literals of other languages are let pass",
      "{\"n\": undefined, \"m\": TRUE, \"messages\": [" U "," A "]}", false,
      REPAIRED, UA, CF_REPAIR_FOREIGN_LITERAL, NULL },
    { "a nul escape in a repaired text is noted too",
      "[{\"role\": \"user\", \"content\": \"H\\u0000i\",}," A "]", false,
      REPAIRED, UA, CF_REPAIR_TRAILING_COMMA | CF_REPAIR_NUL_DROPPED, NULL },
    { "a duplicate role is noted",
      "[{\"role\": \"bot\", \"role\": \"user\", \"content\": \"Hi\"}," A "]", false, REPAIRED,
      UA, CF_REPAIR_DUPLICATE_KEY, NULL },
    { "messages with commas but no array are taken", U ",\n" A "]}", false, REPAIRED, UA,
      CF_REPAIR_MESSAGE_LINES, NULL },
    { "JSON with escaped quotes throughout is decoded",
      "{\\\"messages\\\": [{\\\"role\\\": \\\"user\\\", \\\"content\\\": "
      "\\\"Hi\\\"}," "{\\\"role\\\": \\\"assistant\\\", \\\"content\\\": \\\"Hello\\\"}]}", false,
      REPAIRED, UA,
      CF_REPAIR_ENCODED_TWICE, NULL },
    { "an encoded reply cut off gives its turns",
      "\"{\\\"messages\\\": [{\\\"role\\\": \\\"user\\\", \\\"content\\\": "
      "\\\"Hi\\\"}, {\\\"role\\\": \\\"assis", false, TRUNCATED, "u:Hi",
      CF_REPAIR_ENCODED_TWICE | CF_REPAIR_CUT_END, NULL },

    /* cut */
    { "the output limit makes a whole reply truncated", "{\"messages\": [" U "," A "]}", true,
      TRUNCATED, UA, 0, NULL },
    { "the output limit makes a useless reply truncated", "Sure, here", true, TRUNCATED, "",
      CF_REPAIR_CUT_END, NULL },
    { "a text that ends after a role is truncated",
      "{\"messages\": [" U ", {\"role\": \"assistant\"", false, TRUNCATED,
      "u:Hi", CF_REPAIR_CUT_END, NULL },
    { "a turn that lacks only its bracket is complete",
      "{\"messages\": [" U ", {\"role\": \"assistant\", \"content\": "
      "\"Hello\"", false, TRUNCATED, UA, CF_REPAIR_CUT_END, NULL },
    { "content blocks cut off are no complete turn",
      "{\"messages\": [" U ", {\"role\": \"assistant\", \"content\": "
      "[{\"type\": \"text\", \"text\": \"Hel\"}, {\"type\": \"te", false, TRUNCATED, "u:Hi",
      CF_REPAIR_CUT_END, NULL },
    { "a reply cut in its first turn has no turns", "{\"messages\": [{\"role\": \"us", false,
      TRUNCATED, "",
      CF_REPAIR_CUT_END, NULL },
    { "a nameless list cut in its first turn has none", "[{\"role\": \"user\", \"content\": \"He",
      false, TRUNCATED, "",
      CF_REPAIR_CUT_END, NULL },
    { "a message line cut off is left out", U "\n{\"role\": \"assistant\", \"content\": \"Hel",
      false, TRUNCATED, "u:Hi",
      CF_REPAIR_CUT_END | CF_REPAIR_MESSAGE_LINES, NULL },
    { "half a pair is one turn", "[{\"user\": \"Hi\", \"assistant\": \"Hel", false, TRUNCATED,
      "u:Hi",
      CF_REPAIR_CUT_END | CF_REPAIR_PAIRS, NULL },
    { "a closing fence ends the text", "```json\n{\"messages\": [" U ",\n```\nSorry!", false,
      TRUNCATED, "u:Hi",
      CF_REPAIR_CUT_END, NULL },
    { "a cut inside a character is one", "{\"messages\": [" U "," A "], \"x\": \"\xE2\x82", false,
      TRUNCATED, UA,
      CF_REPAIR_CUT_END, NULL },
    { "a wrong turn in a cut reply is an error", "{\"messages\": [" U "," U ", {\"ro", false,
      INVALID, "u:Hi|u:Hi",
      CF_REPAIR_CUT_END, "turn 2: two user turns in a row" },

    /* transcripts */
    { "headings are labels", "### User\nHi\n\n### Assistant\nHello\n", false, REPAIRED, UA,
      CF_REPAIR_TRANSCRIPT, NULL },
    { "labels may have an aside", "Customer (Maria, calm): Hi\nAgent (Tom): Hello", false, REPAIRED,
      UA,
      CF_REPAIR_TRANSCRIPT, NULL },
    { "rules between turns are dropped", "User: Hi\n\n---\n\nAssistant: Hello\n---\n", false,
      REPAIRED, UA,
      CF_REPAIR_TRANSCRIPT, NULL },
    { "a label inside a code fence is text", "User: Hi\nAssistant: See:\n```\nuser: root\n```\n",
      false, REPAIRED,
      "u:Hi|a:See:\n```\nuser: root\n```", CF_REPAIR_TRANSCRIPT, NULL },
    { "a fence around the whole transcript is dropped",
      "Here:\n```text\nUser: Hi\nAssistant: Hello\n```\nEnjoy!", false,
      REPAIRED, UA, CF_REPAIR_TRANSCRIPT, NULL },
    { "a transcript at the limit loses its last turn", "User: Hi\nAssistant: Hello\nUser: And th",
      true, TRUNCATED, UA,
      CF_REPAIR_TRANSCRIPT, NULL },
    { "turn tags with a role are read",
      "<turn role=\"user\">Hi</turn>\n<turn role='assistant'>\nHello\n</turn>", false,
      REPAIRED, UA, CF_REPAIR_TRANSCRIPT, NULL },
    { "a tag left open is a cut", "<user>Hi</user><assistant>Hello</assistant><user>And", false,
      TRUNCATED, UA,
      CF_REPAIR_TRANSCRIPT | CF_REPAIR_CUT_END, NULL },
    { "table cells are unescaped",
      "| Speaker | Text |\n|:--|--:|\n| **User** | a \\| b |\n| AI | c<br>d |\n\nDone.", false,
      REPAIRED, "u:a | b|a:c\nd", CF_REPAIR_TRANSCRIPT, NULL },
    { "a table of something else is none", "| Role | Text |\n|---|---|\n| Chef | cooks |\n", false,
      PARSE, "", 0,
      "no conversation found in the reply" },
    { "one label is no transcript", "User: Hi there", false, PARSE, "", 0,
      "no conversation found in the reply" },
    { "labels of one side only are no transcript", "User: Hi\nUser: there", false, PARSE, "", 0,
      "no conversation found in the reply" },

    /* errors */
    { "a role given as a number is an error", "[{\"role\": 1, \"content\": \"Hi\"}," A "]", false,
      INVALID, "", 0, NULL },
    { "an element that is no object is an error", "{\"messages\": [\"Hi\", " A "]}", false, INVALID,
      "", 0,
      "turn 1: no message" },
    { "a boolean content is an error", "[" U ", {\"role\": \"assistant\", \"content\": true}]",
      false, INVALID, "", 0,
      "turn 2: the content is no text" },
    { "a missing content is an error", "[" U ", {\"role\": \"assistant\"}]", false, INVALID, "", 0,
      "turn 2: no content" },
    { "a null role is no role", "[" U ", {\"role\": null, \"content\": \"x\"}]", false, INVALID, "",
      0, "turn 2: no role" },
    { "a system turn later on is an error",
      "[" U "," A ", {\"role\": \"system\", \"content\": \"x\"}]", false, INVALID,
      UA "|s:x", 0, "turn 3: a system turn after the beginning" },
    { "an unknown role is named, but not at length",
      "[{\"role\": \"0123456789012345678901234567890123456789xyz\", "
      "\"content\": \"x\"}]", false, INVALID, "", 0,
      "turn 1: the role \"0123456789012345678901234567890123456789\" is not known" },
    { "invalid UTF-8 is an error", "[" U ", {\"role\": \"assistant\", \"content\": \"a\xFF z\"}]",
      false, INVALID, "", 0,
      "the reply is not valid UTF-8 (byte 72)" },
    { "a string alone is nothing", "\"Hello\"", false, PARSE, "", 0,
      "no conversation found in the reply" },
    { "a JSON array of numbers is no conversation", "[1, 2]", false, INVALID, "", 0,
      "the reply is JSON, but no conversation is in it" },
    { "a refusal with a typographic apostrophe is seen",
      "I\xE2\x80\x99m sorry, but I can\xE2\x80\x99t do that.", false,
      PARSE, "", 0, "the reply is no conversation; it reads like a refusal" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    size_t len = strlen(row->text);
    char *text = malloc(len);        /* no byte more, so that a sanitizer sees a read behind it */
    assert_non_null(text);
    memcpy(text, row->text, len);

    struct cf_conversation conversation;
    struct cf_error err = { 0 };
    struct cf_buf turns;
    enum cf_outcome outcome = cf_conversation_parse(text, len, row->stopped_early, &conversation,
                                                    &err);
    free(text);                      /* nothing points into it */

    cf_buf_init(&turns, 1 << 20);
    describe(&conversation, &turns);
    assert_string_equal(cf_outcome_name(outcome), cf_outcome_name(row->outcome));
    assert_string_equal(cf_buf_str(&turns), row->turns);
    assert_int_equal(conversation.repairs, row->repairs);
    assert_int_equal(err.kind, outcome == PARSE     ? CF_ERR_PARSE
                               : outcome == INVALID ? CF_ERR_VALIDATION
                                                    : CF_OK);
    if (row->message != NULL)
        assert_string_equal(err.message, row->message);
    cf_buf_done(&turns);
    cf_conversation_done(&conversation);
}

/* Wherever a reply is cut, its turns are the first of the whole one's, none of them changed. */
static void check_cut(void **state)
{
    const char *text = *state;
    struct cf_conversation whole, part;
    size_t most = 0;

    enum cf_outcome outcome = cf_conversation_parse(text, strlen(text), false, &whole, NULL);
    assert_true(outcome == OK || outcome == REPAIRED);
    for (size_t len = 0; len < strlen(text); len++) {
        outcome = cf_conversation_parse(text, len, false, &part, NULL);
        /* A whole one lacks only what ends the reply; but lines have no end to miss. */
        if (outcome == OK ||
            (outcome == REPAIRED && (part.repairs & CF_REPAIR_MESSAGE_LINES) == 0))
            assert_int_equal(part.turn_count, whole.turn_count);
        assert_true(part.turn_count >= most && part.turn_count <= whole.turn_count);
        most = part.turn_count;
        for (size_t i = 0; i < part.turn_count; i++) {
            assert_int_equal(part.turns[i].role, whole.turns[i].role);
            assert_string_equal(part.turns[i].content, whole.turns[i].content);
        }
        cf_conversation_done(&part);
    }
    assert_int_equal(most, whole.turn_count);
    cf_conversation_done(&whole);
}

#define ODD_A                                                                                      \
    "{\"role\": \"assistant\", \"content\": \"\\u00e9 \\ud83d\\ude00 \xE2\x82\xAC \\\"[{x}]\\\", " \
    "\\n\"}"

static const struct { const char *name, *text; } cuts[] = {
    { "plain JSON may be cut anywhere", "{\"messages\": [" U ", " ODD_A ", " U ", " A "]}" },
    { "keys after the turns may be cut",
      "{\"messages\": [" U ", " A "], \"n\": [1.5, null, \"x\"]}" },
    { "a fence may be cut anywhere", "Sure:\n\n```json\n[" U ",\n" ODD_A "]\n```\n" },
    { "single quotes may be cut anywhere",
      "[{'role': 'user', 'content': 'it\\'s \"x\"'}, {'role': 'bot', 'content': 'ok'}]" },
    { "comments and trailing commas may be cut", "[ /* a */ " U ", // b\n" ODD_A ",]" },
    { "message lines may be cut anywhere", U "\n" ODD_A "\n" U "\n" A "\n" },
};

static void a_second_conversation_is_warned_of(void **state)
{
    (void)state;
    static const char text[] = "[" U "," A "]\n[" U "," A "]";
    struct cf_conversation conversation;

    assert_int_equal(cf_conversation_parse(text, strlen(text), false, &conversation, NULL), OK);
    assert_int_equal(conversation.warnings, CF_WARNING_SECOND_IGNORED);
    assert_int_equal(conversation.turn_count, 2);
    cf_conversation_done(&conversation);
}

static void a_refusal_is_told_from_a_formatting_error(void **state)
{
    (void)state;
    struct cf_conversation conversation;

    cf_conversation_parse("I won't write that.", 19, false, &conversation, NULL);
    assert_true(conversation.refusal_like);
    cf_conversation_done(&conversation);
    cf_conversation_parse("Here you are!", 13, false, &conversation, NULL);
    assert_false(conversation.refusal_like);
    cf_conversation_done(&conversation);
}

static void a_reply_over_the_cap_is_refused(void **state)
{
    (void)state;
    struct cf_conversation conversation;
    struct cf_error err;

    assert_int_equal(
        cf_conversation_parse("{}", CF_REPLY_BYTES_MAX + 1, false, &conversation, &err), PARSE);
    assert_string_equal(err.message, "the reply is over 8388608 bytes");
    cf_conversation_done(&conversation);
}

static void turns_end_at_the_cap(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct cf_conversation conversation;
        struct cf_error err;
        struct cf_buf text;

        cf_buf_init(&text, 1 << 20);
        cf_buf_addc(&text, '[');
        for (int i = 0; i < CF_TURNS_MAX / 2; i++)
            cf_buf_adds(&text, i == 0 ? U "," A : "," U "," A);
        cf_buf_adds(&text, over ? "," U "]" : "]");
        enum cf_outcome outcome = cf_conversation_parse(text.data, text.len, false, &conversation,
      &err);
        if (over) {
            assert_int_equal(outcome, INVALID);
            assert_string_equal(err.message, "over 1000 turns");
        } else {
            assert_int_equal(outcome, OK);
            assert_int_equal(conversation.turn_count, CF_TURNS_MAX);
        }
        cf_conversation_done(&conversation);
        cf_buf_done(&text);
    }
}

struct flood { const char *unit; size_t bytes; };

/* A flood of what could make a careless parser start over at each byte. Were any of it
 * quadratic, the test would run for minutes at least. */
static void check_flood(void **state)
{
    const struct flood *flood = *state;
    struct cf_conversation conversation;
    struct cf_error err;
    struct cf_buf text;

    cf_buf_init(&text, 2 << 20);
    while (text.len < flood->bytes)
        cf_buf_adds(&text, flood->unit);
    for (int stopped_early = 0; stopped_early < 2; stopped_early++) {
        enum cf_outcome outcome = cf_conversation_parse(text.data, text.len, stopped_early != 0,
                                                        &conversation, &err);
        assert_true(outcome != OK && outcome != REPAIRED);
        cf_conversation_done(&conversation);
    }
    cf_buf_done(&text);
}

static struct flood floods[] = {
    { "[", 1 << 20 }, { "{", 1 << 18 }, { "{\"a\":", 1 << 20 }, { "`", 1 << 20 },
    { "```\n", 1 << 18 }, { "```json\n{", 1 << 18 }, { "{\"", 1 << 18 }, { "\"", 1 << 18 },
    { "{\"a\":\"", 1 << 18 }, { "{'a':'", 1 << 18 }, { "<", 1 << 18 }, { "</", 1 << 18 },
    { "<user>", 1 << 18 }, { "<think>", 1 << 18 }, { "User: a\n", 1 << 18 },
    { "|a|b|\n", 1 << 18 }, { "{\"messages\":[", 1 << 18 }, { "{\"a\":1}", 1 << 18 },
    { "[1]", 1 << 18 }, { "{\\\"", 1 << 18 }, { "{&quot;a&quot;:", 1 << 18 },
    { "{\"a\": \"b\", ", 1 << 18 }, { "{/*", 1 << 18 }, { "{#\n", 1 << 18 },
    { "{\"a\":\"\n", 1 << 18 }, { "[\"a\",\"\\\"", 1 << 18 }, { "---\n", 1 << 18 },
    { "\xE2\x80\x9C", 1 << 18 }, { "{a:", 1 << 18 }, { "[[[[]]]]", 1 << 18 },
    { "{\"a\":\"x\",    ", 1 << 18 }, { "[.", 1 << 18 }, { "[[]", 1 << 18 }, { "\\", 1 << 18 },
    { "{\"content\":[{\"text\":\"a\"},", 1 << 18 },
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

int main(void)
{
    static struct CMUnitTest tests[COUNT(rows) + COUNT(floods) + COUNT(cuts) + 10];
    static char names[COUNT(floods)][80];
    size_t count = 0;

    for (size_t i = 0; i < COUNT(rows); i++)
        tests[count++] = (struct CMUnitTest){ .name = rows[i].name, .test_func = check_row,
      .initial_state = &rows[i] };
    for (size_t i = 0; i < COUNT(floods); i++) {
        snprintf(names[i], sizeof names[i], "a flood of %.*s takes linear time",
                 (int)strcspn(floods[i].unit, "\n"), floods[i].unit);
        tests[count++] = (struct CMUnitTest){ .name = names[i], .test_func = check_flood,
                                              .initial_state = &floods[i] };
    }
    for (size_t i = 0; i < COUNT(cuts); i++)
        tests[count++] = (struct CMUnitTest){ .name = cuts[i].name, .test_func = check_cut,
                                              .initial_state = (void *)(uintptr_t)cuts[i].text };
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(a_second_conversation_is_warned_of);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(a_refusal_is_told_from_a_formatting_error);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(a_reply_over_the_cap_is_refused);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(turns_end_at_the_cap);
    return _cmocka_run_group_tests("replies", tests, count, NULL, NULL);
}
