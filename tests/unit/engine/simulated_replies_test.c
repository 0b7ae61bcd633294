/* Each malformed way of the simulator through the parser: the outcome must be the one that the
 * example of that way has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "confab/buf.h"
#include "confab/conversation.h"
#include "confab/error.h"
#include "confab/rng.h"
#include "simulator/brief.h"
#include "simulator/dialogue.h"
#include "simulator/malformed.h"
#include "test_file.h"

static void check_way(void **state)
{
    static const char prompt[] =
        "Write a chat between Ann, who feels calm, and an agent about tea & toast";
    int way = (int)(intptr_t)*state;
    struct cf_sim_brief brief;
    struct cf_sim_dialogue dialogue;
    struct cf_conversation conversation;
    struct cf_rng rng;
    struct cf_buf text;
    struct cf_error err = { .kind = CF_OK };
    char path[600];

    snprintf(path, sizeof path, TEST_DATA "/model_replies/%s.expect.json",
             cf_sim_malformed_name(way));
    char *expect_text = test_file_read(path, NULL);
    cJSON *expect = cJSON_Parse(expect_text);
    const char *expected = cJSON_GetObjectItem(expect, "outcome")->valuestring;

    cf_rng_seed(&rng, 1);
    cf_buf_init(&text, 8 << 20);
    cf_sim_brief_read(prompt, strlen(prompt), "", 0, &brief);
    cf_sim_dialogue_init(&dialogue, &brief, 8, 200, &rng);
    cf_sim_malformed_add(way, &dialogue, &text);
    assert_true(cf_buf_ok(&text));

    enum cf_outcome outcome =
        cf_conversation_parse(cf_buf_str(&text), text.len, false, &conversation, &err);
    if (strcmp(cf_outcome_name(outcome), expected) != 0)
        print_message("%s: %s\n%.1500s\n", cf_sim_malformed_name(way),
                      err.kind != CF_OK ? err.message : "", cf_buf_str(&text));
    assert_string_equal(cf_outcome_name(outcome), expected);

    cf_conversation_done(&conversation);
    cf_sim_dialogue_done(&dialogue);
    cf_buf_done(&text);
    cJSON_Delete(expect);
    free(expect_text);
}

int main(void)
{
    int count = cf_sim_malformed_count();
    struct CMUnitTest tests[128];
    assert_true(count <= 128);
    for (int i = 0; i < count; i++)
        tests[i] = (struct CMUnitTest){ .name = cf_sim_malformed_name(i), .test_func = check_way,
                                        .initial_state = (void *)(intptr_t)i };
    return _cmocka_run_group_tests("engine/simulated_replies", tests, (size_t)count, NULL, NULL);
}
