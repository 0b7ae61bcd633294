/* Every reply of tests/data/model_replies against what its .expect.json says. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "confab/conversation.h"
#include "confab/error.h"

#define FOLDER     TEST_DATA "/model_replies"
#define CASES_MAX  200

static char *read_file(const char *path, size_t *out_len)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    text[size] = '\0';
    fclose(file);
    *out_len = (size_t)size;
    return text;
}

static void check_turns(const struct cf_conversation *conversation, const cJSON *turns)
{
    size_t i = 0;
    const cJSON *turn;

    assert_int_equal(conversation->turn_count, cJSON_GetArraySize(turns));
    cJSON_ArrayForEach(turn, turns) {
        const struct cf_turn *got = &conversation->turns[i++];
        assert_string_equal(cf_role_name(got->role),
                            cJSON_GetObjectItem(turn, "role")->valuestring);
        assert_string_equal(got->content, cJSON_GetObjectItem(turn, "content")->valuestring);
        assert_int_equal(got->len, strlen(got->content));
    }
}

static void check_case(void **state)
{
    const char *name = *state;
    char path[4096];
    size_t len, expect_len;

    snprintf(path, sizeof path, FOLDER "/%s.txt", name);
    char *text = read_file(path, &len);
    snprintf(path, sizeof path, FOLDER "/%s.expect.json", name);
    char *expect_text = read_file(path, &expect_len);
    cJSON *expect = cJSON_Parse(expect_text);
    assert_non_null(expect);

    struct cf_conversation conversation;
    struct cf_error err = { 0 };
    enum cf_outcome outcome = cf_conversation_parse(text, len, false, &conversation, &err);

    if (err.kind != CF_OK)
        print_message("%s: %s\n", name, err.message);
    assert_string_equal(cf_outcome_name(outcome),
                        cJSON_GetObjectItem(expect, "outcome")->valuestring);
    assert_int_equal(outcome, conversation.outcome);
    check_turns(&conversation, cJSON_GetObjectItem(expect, "turns"));
    assert_int_equal(err.kind, outcome == CF_OUTCOME_PARSE_ERROR        ? CF_ERR_PARSE
                               : outcome == CF_OUTCOME_VALIDATION_ERROR ? CF_ERR_VALIDATION
                                                                        : CF_OK);
    assert_int_equal(conversation.repairs != 0 && outcome == CF_OUTCOME_OK, 0);
    assert_int_equal(conversation.refusal_like, strcmp(name, "refusal_text") == 0);
    cf_conversation_done(&conversation);

    /* The provider's word counts for more than the text's looks. */
    outcome = cf_conversation_parse(text, len, true, &conversation, &err);
    assert_true(outcome == CF_OUTCOME_TRUNCATED || outcome == CF_OUTCOME_VALIDATION_ERROR);
    cf_conversation_done(&conversation);

    cJSON_Delete(expect);
    free(expect_text);
    free(text);
}

static int is_reply(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot != NULL && strcmp(dot, ".txt") == 0;
}

int main(void)
{
    static struct CMUnitTest tests[CASES_MAX];
    struct dirent **entries;

    int count = scandir(FOLDER, &entries, is_reply, alphasort);
    if (count < 70 || count > CASES_MAX) {
        fprintf(stderr, "%d replies in " FOLDER "\n", count);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        char *name = entries[i]->d_name;
        *strrchr(name, '.') = '\0';
        tests[i] = (struct CMUnitTest){ .name = name, .test_func = check_case,
                                        .initial_state = name };
    }
    int failed = _cmocka_run_group_tests("model replies", tests, (size_t)count, NULL, NULL);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return failed;
}
