/* Which replies end their item, and with what rows. */
#include "engine/ending.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "provider/reply.h"

#define CHAT                                                                             \
    "{\"turns\": [{\"role\": \"user\", \"content\": \"My card was declined in the shop " \
    "today.\"}, "                                                                        \
    "{\"role\": \"assistant\", \"content\": \"That is annoying; let me look at it for you.\"}]}"

static struct cf_ending *make(void)
{
    char persona[] = "Ann", parameters[] = "{\"n\":1}";
    struct cf_conversation_new row = {
        .template = 7,
        .persona = { persona, 3 },
        .topic = { "", 0 },
        .parameters = { parameters, 7 },
    };
    struct cf_ending *ending = cf_ending_new(41, &row);
    memset(persona, 'x', sizeof persona); /* what it needs it has copied */
    memset(parameters, 'x', sizeof parameters);
    return ending;
}

struct row {
    const char *name, *text;
    enum cf_stop_reason stop;
    char *tool_input;
    bool serves;
};

static struct row rows[] = {
    { "a conversation ends its item", CHAT, CF_STOP_END_TURN, NULL, true },
    { "so does one at a stop sequence", CHAT, CF_STOP_SEQUENCE, NULL, true },
    { "and one among prose", "Here it is:\n```json\n" CHAT "\n```", CF_STOP_END_TURN, NULL, true },
    { "a reply that was cut off does not", CHAT, CF_STOP_MAX_TOKENS, NULL, false },
    { "nor one that the context window cut", CHAT, CF_STOP_CONTEXT_WINDOW, NULL, false },
    { "nor a refusal", CHAT, CF_STOP_REFUSAL, NULL, false },
    { "nor one of which nobody knows why it stopped", CHAT, CF_STOP_NONE, NULL, false },
    { "nor what a tool was given", CHAT, CF_STOP_TOOL_USE, NULL, false },
    { "nor what a tool was given, whatever the reason", CHAT, CF_STOP_END_TURN, "{}", false },
    { "nor prose", "I am sorry, I cannot do that.", CF_STOP_END_TURN, NULL, false },
    { "nor a conversation of one turn", "{\"turns\": [{\"role\": \"user\", \"content\": \"Hi\"}]}",
      CF_STOP_END_TURN, NULL, false },
    { "nor nothing", "", CF_STOP_END_TURN, NULL, false },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct cf_reply reply = {
        .text = (char *)row->text,
        .text_len = strlen(row->text),
        .stop = row->stop,
        .model = (char *)"claude-x",
        .tool_input = row->tool_input,
    };
    struct cf_ending *ending = make();
    struct cf_write_item_finish *finish = cf_ending_take(ending, &reply, 5, 1000);
    assert_int_equal(finish != NULL, row->serves);
    assert_int_equal(ending->is_taken, row->serves);
    cf_ending_free(ending);
}

static void the_rows_have_what_was_given_and_what_came(void **state)
{
    (void)state;
    struct cf_reply reply = {
        .text = (char *)CHAT,
        .text_len = strlen(CHAT),
        .stop = CF_STOP_END_TURN,
        .model = (char *)"claude-x",
    };
    struct cf_ending *ending = make();
    struct cf_write_item_finish *finish = cf_ending_take(ending, &reply, 5, 1000);
    assert_int_equal(finish->item, 41);
    assert_int_equal(finish->state, CF_ITEM_DONE);
    assert_int_equal(finish->count, 1);
    const struct cf_conversation_new *row = finish->conversations;
    assert_int_equal(row->part, 1);
    assert_int_equal(row->template, 7);
    assert_memory_equal(row->persona.data, "Ann", 3);
    assert_null(row->emotion.data);
    assert_non_null(row->topic.data);
    assert_int_equal(row->topic.len, 0);
    assert_memory_equal(row->parameters.data, "{\"n\":1}", 7);
    assert_string_equal(row->model, "claude-x");
    assert_int_equal(row->cost_pico, 1000);
    assert_false(row->truncated);
    assert_int_equal(row->turn_count, 2);
    assert_memory_equal(row->turns[0].role.data, "user", 4);
    assert_int_equal(row->turns[1].content.len,
                     strlen("That is annoying; let me look at it for you."));
    assert_int_equal(row->call_count, 1);
    assert_int_equal(row->calls[0].call, 5);
    assert_int_equal(row->calls[0].first_turn, 0);
    assert_int_equal(row->calls[0].last_turn, 1);
    /* two short turns: 0 + 1 + 4 points */
    assert_int_equal(ending->score, 5);
    assert_false(ending->is_accepted);
    assert_string_equal(row->status, "needs_revision");
    assert_true(row->quality_score == 5);
    assert_non_null(strstr(row->quality_breakdown.data, "turn count"));
    cf_ending_free(ending);
}

static void an_ending_that_was_never_taken_is_freed(void **state)
{
    (void)state;
    cf_ending_free(make());
    cf_ending_free(NULL);
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[ROWS + 2] = {
        cmocka_unit_test(the_rows_have_what_was_given_and_what_came),
        cmocka_unit_test(an_ending_that_was_never_taken_is_freed),
    };
    for (size_t i = 0; i < ROWS; i++)
        tests[i + 2] = (struct CMUnitTest){ .name = rows[i].name,
                                            .test_func = check_row,
                                            .initial_state = &rows[i] };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
