#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "simulator/brief.h"

static struct row {
    const char *name, *prompt, *system;
    enum cf_sim_task task;
    unsigned turns;
    const char *persona, *emotion, *topic, *container;
} rows[] = {
    { "plain prose",
      "Write a chat of 12 turns between Maya, who feels worried, and an agent, about late "
      "parcels.",
      "You write conversations as JSON.", CF_SIM_TASK_CONVERSATION, 12, "Maya", "worried",
      "late parcels", "turns" },
    { "labelled lines",
      "Persona: a retired nurse\nEmotion: angry, tired\nTopic: broken kettle\nTurns: 8\n"
      "Return JSON.",
      "", CF_SIM_TASK_CONVERSATION, 8, "a retired nurse", "angry", "broken kettle", "turns" },
    { "labels in bold and a named key", "**Topic:** tea\nWrite a dialogue as {\"messages\": [...]}",
      "", CF_SIM_TASK_CONVERSATION, 0, NULL, NULL, "tea", "messages" },
    { "a range of turns", "Write a conversation of 8 to 12 turns about tea", "",
      CF_SIM_TASK_CONVERSATION, 10, NULL, NULL, "tea", "turns" },
    { "a hyphenated count", "Write a 6-turn conversation about tea.", "", CF_SIM_TASK_CONVERSATION,
      6, NULL, NULL, "tea", "turns" },
    { "an emotion ends before what follows",
      "Write a chat where somebody feels angry and wants money back, "
      "in 4 turns",
      "", CF_SIM_TASK_CONVERSATION, 4, NULL, "angry", NULL, "turns" },
    { "JSON parameters",
      "Write a chat for {\"persona\": \"Ann\", \"emotion\": \"calm\", \"topic\": \"rent\"}", "",
      CF_SIM_TASK_CONVERSATION, 0, "Ann", "calm", "rent", "turns" },
    { "the prompt wins over the system text", "Write a chat about tea in 4 turns",
      "Topic: coffee, 20 turns", CF_SIM_TASK_CONVERSATION, 4, NULL, NULL, "tea in 4 turns",
      "turns" },
    { "an outline", "Outline a chat about tea. Answer as JSON.", "", CF_SIM_TASK_OUTLINE, 0, NULL,
      NULL, "tea", "turns" },
    { "writing from an outline is writing", "Write a chat of 8 turns from this outline: tea.", "",
      CF_SIM_TASK_CONVERSATION, 8, NULL, NULL, NULL, "turns" },
    { "a judge", "Rate the chat by this rubric and give a score.", "", CF_SIM_TASK_JUDGE, 0, NULL,
      NULL, NULL, "turns" },
    { "writing about a score is writing", "Write a chat of 8 turns about a credit score",
      "You judge well.", CF_SIM_TASK_CONVERSATION, 8, NULL, NULL, "a credit score", "turns" },
    { "writing about judges is writing", "Write a chat of 6 turns: they judge a film and score it.",
      "", CF_SIM_TASK_CONVERSATION, 6, NULL, NULL, NULL, "turns" },
    { "a draft that is judged", "Evaluate this draft of a chat and score it.", "",
      CF_SIM_TASK_JUDGE, 0, NULL, NULL, NULL, "turns" },
    { "small talk is plain text", "Hello, how are you?", "", CF_SIM_TASK_TEXT, 0, NULL, NULL, NULL,
      "turns" },
    { "nothing at all", "", "", CF_SIM_TASK_TEXT, 0, NULL, NULL, NULL, "turns" },
};

static void check_phrase(struct cf_sim_phrase phrase, const char *expected)
{
    if (expected == NULL) {
        assert_null(phrase.at);
        return;
    }
    assert_non_null(phrase.at);
    assert_int_equal(phrase.len, strlen(expected));
    assert_memory_equal(phrase.at, expected, phrase.len);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    struct cf_sim_brief brief;
    cf_sim_brief_read(row->prompt, strlen(row->prompt), row->system, strlen(row->system), &brief);
    assert_int_equal(brief.task, row->task);
    assert_int_equal(brief.turns, row->turns);
    assert_string_equal(brief.container, row->container);
    check_phrase(brief.persona, row->persona);
    check_phrase(brief.emotion, row->emotion);
    check_phrase(brief.topic, row->topic);
}

static void a_long_phrase_is_cut_at_a_word(void **state)
{
    (void)state;
    struct cf_sim_brief brief;
    char prompt[400] = "Topic: ";
    while (strlen(prompt) < 300)
        strcat(prompt, "elephants ");
    cf_sim_brief_read(prompt, strlen(prompt), "", 0, &brief);
    assert_in_range(brief.topic.len, 70, 90);
    assert_memory_equal(brief.topic.at + brief.topic.len - 9, "elephants", 9);
}

static void a_long_phrase_is_not_cut_inside_a_character(void **state)
{
    (void)state;
    struct cf_sim_brief brief;
    char prompt[400] = "Topic: x";
    while (strlen(prompt) < 300)
        strcat(prompt, "\xE6\x97\xA5");
    cf_sim_brief_read(prompt, strlen(prompt), "", 0, &brief);
    assert_int_equal(brief.topic.len % 3, 1);
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[ROWS + 2];
    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ .name = rows[i].name, .test_func = check_row,
                                        .initial_state = &rows[i] };
    tests[ROWS] = (struct CMUnitTest)cmocka_unit_test(a_long_phrase_is_cut_at_a_word);
    tests[ROWS + 1] =
        (struct CMUnitTest)cmocka_unit_test(a_long_phrase_is_not_cut_inside_a_character);
    return cmocka_run_group_tests_name("simulator/brief", tests, NULL, NULL);
}
