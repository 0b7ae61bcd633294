#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "confab/conversation.h"
#include "confab/error.h"

#define S CF_ROLE_SYSTEM
#define U CF_ROLE_USER
#define A CF_ROLE_ASSISTANT

struct said { enum cf_role role; const char *content; };

static void fill(struct cf_conversation *conversation, const struct said *said)
{
    cf_conversation_init(conversation);
    for (; said->content != NULL; said++)
        cf_conversation_add(conversation, said->role, said->content, strlen(said->content));
}

/* --- validation --- */

struct rule {
    const char *name;
    struct said said[6];
    bool salvaged;
    const char *message;    /* NULL: valid */
};

static struct rule rules[] = {
    { "two turns will do", { { U, "a" }, { A, "b" } }, false, NULL },
    { "a system turn may come first", { { S, "s" }, { U, "a" }, { A, "b" } }, false, NULL },
    { "no turns are too few", { { U, NULL } }, false,
      "a conversation has at least 2 turns, this one 0" },
    { "one turn is too few", { { U, "a" } }, true,
      "a conversation has at least 2 turns, this one 1" },
    { "a system turn does not count", { { S, "s" }, { U, "a" } }, true,
      "a conversation has at least 2 turns, this one 1" },
    { "the user comes first", { { A, "a" }, { U, "b" } }, true,
      "turn 1: the first turn must be the user's" },
    { "the user comes first after a system turn", { { S, "s" }, { A, "a" } }, true,
      "turn 2: the first turn must be the user's" },
    { "the assistant comes last", { { U, "a" }, { A, "b" }, { U, "c" } }, false,
      "turn 3: the last turn must be the assistant's" },
    { "a salvaged one may end with the user", { { U, "a" }, { A, "b" }, { U, "c" } }, true, NULL },
    { "two assistant turns in a row are wrong", { { U, "a" }, { A, "b" }, { A, "c" } }, false,
      "turn 3: two assistant turns in a row" },
    { "two user turns in a row are wrong", { { U, "a" }, { U, "b" }, { A, "c" } }, true,
      "turn 2: two user turns in a row" },
    { "a second system turn is wrong", { { S, "s" }, { S, "s" }, { U, "a" }, { A, "b" } }, false,
      "turn 2: a system turn after the beginning" },
    { "an empty content is wrong", { { U, "" }, { A, "b" } }, false,
      "turn 1: the content is empty" },
    { "an empty system turn is wrong", { { S, "" }, { U, "a" }, { A, "b" } }, false,
      "turn 1: the content is empty" },
    { "white space alone is wrong", { { U, "a" }, { A, " \n\t" } }, false,
      "turn 2: the content is only white space" },
    { "wide spaces alone are wrong", { { U, "a" }, { A,
      "\xC2\xA0\xE3\x80\x80\xE2\x80\x8B\xEF\xBB\xBF" } }, false,
      "turn 2: the content is only white space" },
    { "an emoji alone is content", { { U, "a" }, { A, "\xF0\x9F\x99\x82" } }, false, NULL },
    { "invalid UTF-8 is wrong", { { U, "ab\xC3(" }, { A, "b" } }, false,
      "turn 1: invalid UTF-8 at byte 3" },
};

static void check_rule(void **state)
{
    const struct rule *rule = *state;
    struct cf_conversation conversation;
    struct cf_error err = { 0 };

    fill(&conversation, rule->said);
    assert_int_equal(cf_conversation_validate(&conversation, rule->salvaged, &err),
                     rule->message == NULL);
    if (rule->message == NULL) {
        assert_int_equal(err.kind, CF_OK);
    } else {
        assert_int_equal(err.kind, CF_ERR_VALIDATION);
        assert_string_equal(err.message, rule->message);
    }
    cf_conversation_done(&conversation);
}

/* --- measures --- */

struct figures {
    const char *name;
    struct said said[6];
    size_t turns, total;
    double mean;
    bool alternates;
};

static struct figures figures[] = {
    { "nothing measures nothing", { { U, NULL } }, 0, 0, 0, false },
    { "lengths are in characters", { { U, "\xC3\xA9\xE2\x82\xAC" }, { A, "abcd" } }, 2, 6, 3,
      true },
    { "a system turn does not count", { { S, "long system text" }, { U, "a" }, { A, "bcd" } }, 2, 4,
      2, true },
    { "one turn does not alternate", { { U, "a" } }, 1, 1, 1, false },
    { "the assistant first is no alternation", { { A, "a" }, { U, "b" } }, 2, 2, 1, false },
    { "one role twice is no alternation", { { U, "a" }, { U, "b" }, { A, "c" } }, 3, 3, 1, false },
    { "ending with the user is alternation", { { U, "a" }, { A, "b" }, { U, "c" } }, 3, 3, 1,
      true },
    { "a system turn later on is none", { { U, "a" }, { A, "b" }, { S, "c" } }, 3, 3, 1, false },
};

static void check_figures(void **state)
{
    const struct figures *row = *state;
    struct cf_conversation conversation;
    struct cf_conversation_measure measure;

    fill(&conversation, row->said);
    cf_conversation_measure(&conversation, &measure);
    assert_int_equal(measure.turn_count, row->turns);
    assert_int_equal(measure.total_length, row->total);
    assert_true(measure.mean_length == row->mean);
    assert_int_equal(measure.alternates, row->alternates);
    cf_conversation_done(&conversation);
}

/* --- roles --- */

struct role_word { const char *name, *word; int role; };    /* -1: none */

static struct role_word role_words[] = {
    { "user is the user", "user", U },
    { "HUMAN is the user", "HUMAN", U },
    { "Customer is the user", " Customer: ", U },
    { "end_user is the user", "end_user", U },
    { "assistant is the assistant", "assistant", A },
    { "AI is the assistant", "AI", A },
    { "Agent is the assistant", "Agent", A },
    { "gpt is the assistant", "gpt", A },
    { "Support-Agent is the assistant", "Support-Agent", A },
    { "System is the system", "System", S },
    { "narrator is nobody", "narrator", -1 },
    { "an empty name is nobody", "", -1 },
    { "white space is nobody", "  ", -1 },
    { "a long name is nobody", "user user user user user user user user user", -1 },
};

static void check_role_word(void **state)
{
    const struct role_word *row = *state;
    enum cf_role role = S;
    assert_int_equal(cf_role_parse(row->word, strlen(row->word), &role), row->role >= 0);
    if (row->role >= 0)
        assert_int_equal(role, row->role);
}

static void turns_stay_readable_as_text_grows(void **state)
{
    (void)state;
    struct cf_conversation conversation;
    char content[64];

    cf_conversation_init(&conversation);
    for (int i = 0; i < 500; i++) {
        snprintf(content, sizeof content, "turn number %d", i);
        cf_conversation_add(&conversation, i % 2 == 0 ? U : A, content, strlen(content));
    }
    assert_int_equal(conversation.turn_count, 500);
    for (int i = 0; i < 500; i++) {
        snprintf(content, sizeof content, "turn number %d", i);
        assert_string_equal(conversation.turns[i].content, content);
        assert_int_equal(conversation.turns[i].len, strlen(content));
    }
    cf_conversation_done(&conversation);
    assert_int_equal(conversation.turn_count, 0);
    cf_conversation_done(&conversation);
}

static void the_system_turn_is_kept_apart(void **state)
{
    (void)state;
    struct cf_conversation conversation;
    size_t count;

    fill(&conversation, (struct said[]){ { S, "be kind" }, { U, "a" }, { A, "b" }, { U, NULL } });
    assert_string_equal(cf_conversation_system(&conversation)->content, "be kind");
    assert_string_equal(cf_conversation_dialogue(&conversation, &count)->content, "a");
    assert_int_equal(count, 2);
    cf_conversation_done(&conversation);

    assert_null(cf_conversation_system(&conversation));
    assert_null(cf_conversation_dialogue(&conversation, &count));
    assert_int_equal(count, 0);
}

static void every_bit_has_its_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CF_REPAIR_COUNT; i++)
        assert_non_null(cf_repair_name(UINT32_C(1) << i));
    assert_string_equal(cf_repair_name(CF_REPAIR_TRAILING_COMMA), "trailing_comma");
    assert_string_equal(cf_repair_name(CF_REPAIR_CUT_END), "cut_end");
    assert_string_equal(cf_repair_name(CF_REPAIR_TRANSCRIPT), "transcript");
    assert_null(cf_repair_name(0));
    assert_null(cf_repair_name(CF_REPAIR_CUT_END | CF_REPAIR_COMMENT));
    assert_null(cf_repair_name(UINT32_C(1) << CF_REPAIR_COUNT));
    assert_string_equal(cf_warning_name(CF_WARNING_SECOND_IGNORED), "second_conversation_ignored");
    assert_null(cf_warning_name(2));
}

#define ADD_ROWS(table, check)                                                              \
    for (size_t i = 0; i < sizeof(table) / sizeof *(table); i++)                            \
        tests[count++] = (struct CMUnitTest){ .name = (table)[i].name, .test_func = (check), \
                                              .initial_state = &(table)[i] }
#define ADD(test) tests[count++] = (struct CMUnitTest)cmocka_unit_test(test)

int main(void)
{
    static struct CMUnitTest tests[100];
    size_t count = 0;

    ADD_ROWS(rules, check_rule);
    ADD_ROWS(figures, check_figures);
    ADD_ROWS(role_words, check_role_word);
    ADD(turns_stay_readable_as_text_grows);
    ADD(the_system_turn_is_kept_apart);
    ADD(every_bit_has_its_name);
    return _cmocka_run_group_tests("conversations", tests, count, NULL, NULL);
}
