/* The body of a batch, taken apart: what is in the file, what is left, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "confab/error.h"
#include "server/batch_body.h"

struct row {
    const char *name, *body;
    const char *requests, *envelope;    /* requests NULL: it is refused */
    const char *message;
};

static struct row rows[] = {
    { "requests go to the file, a line each",
      "{\"requests\": [{\"a\": 1}, {\"b\":[2,{}]}], \"options\": {\"async\": true}}",
      "{\"a\": 1}\n {\"b\":[2,{}]}\n", "{\"requests\": [], \"options\": {\"async\": true}}", NULL },
    { "options may come first", "{\"options\":{\"requests\":[1,2]},\"requests\":[3]}", "3\n",
      "{\"options\":{\"requests\":[1,2]},\"requests\":[]}", NULL },
    { "a line break between tokens is a blank", "{\"requests\":[{\n\"a\"\r\n:\t1}]}",
      "{ \"a\"  : 1}\n", "{\"requests\":[]}", NULL },
    { "brackets, commas and quotes in strings are text",
      "{\"requests\":[\"]},{\\\"[\\\\\", {\"a,b\":\"]\"}]}",
      "\"]},{\\\"[\\\\\"\n {\"a,b\":\"]\"}\n", "{\"requests\":[]}", NULL },
    { "an empty list has none", "{\"requests\":[ ]}", "", "{\"requests\":[]}", NULL },
    { "no list at all is left as it is", "{\"requests\":{\"a\":[1]},\"x\":[2]}", "",
      "{\"requests\":{\"a\":[1]},\"x\":[2]}", NULL },
    { "a list as the whole is left as it is", "[\"requests\",[1]]", "", "[\"requests\",[1]]",
      NULL },
    { "a value by that name is no name", "{\"a\":\"requests\",\"b\":[1]}", "",
      "{\"a\":\"requests\",\"b\":[1]}", NULL },
    { "a longer name is another one", "{\"requests2\":[1],\"request\":[2]}", "",
      "{\"requests2\":[1],\"request\":[2]}", NULL },
    { "a second list", "{\"requests\":[1],\"requests\":[2]}", NULL, NULL, "twice" },
    { "a comma too many", "{\"requests\":[1,]}", NULL, NULL, "requests[1]: " },
    { "only a comma", "{\"requests\":[,]}", NULL, NULL, "requests[0]: " },
    { "a request that is no JSON", "{\"requests\":[1,{\"a\":}]}", NULL, NULL, "requests[1]: " },
    { "a request that is no UTF-8", "{\"requests\":[\"\xff\"]}", NULL, NULL, "requests[0]: " },
    { "a line break in a string", "{\"requests\":[\"a\nb\"]}", NULL, NULL, "requests[0]: " },
    { "two values without a comma", "{\"requests\":[1 2]}", NULL, NULL, "requests[0]: " },
    { "the wrong bracket", "{\"requests\":[1}}", NULL, NULL, "" },
    { "an end too early", "{\"requests\":[1", NULL, NULL, "" },
    { "an envelope that is no JSON", "{\"requests\":[1],}", NULL, NULL, "" },
    { "nothing", "", NULL, NULL, "" },
};

static void check(const struct row *row, size_t piece)
{
    struct cf_batch_body *body;
    struct cf_error err = { 0 };
    char got[4096];
    assert_true(cf_batch_body_open("/tmp", &body, &err));
    size_t len = strlen(row->body);
    bool ok = true;
    for (size_t at = 0; ok && at < len; at += piece)
        ok = cf_batch_body_push(body, row->body + at, len - at < piece ? len - at : piece, &err);
    ok = ok && cf_batch_body_end(body, &err);
    assert_int_equal(ok, row->requests != NULL);
    if (ok) {
        ssize_t n = pread(cf_batch_body_file(body), got, sizeof got - 1, 0);
        assert_true(n >= 0);
        got[n] = '\0';
        assert_string_equal(got, row->requests);
        struct cf_text envelope = cf_batch_body_envelope(body);
        assert_int_equal(envelope.len, strlen(row->envelope));
        assert_memory_equal(envelope.data, row->envelope, envelope.len);
    } else {
        assert_int_equal(err.kind, CF_ERR_PARSE);
        assert_non_null(strstr(err.message, row->message));
    }
    cf_batch_body_free(body);
}

static void check_row(void **state)
{
    check(*state, SIZE_MAX / 2);
    check(*state, 1);
}

static void push_many(struct cf_batch_body *body, const char *begin, char byte, size_t count,
                      struct cf_error *err)
{
    char *text = malloc(count);
    memset(text, byte, count);
    assert_true(cf_batch_body_push(body, begin, strlen(begin), err));
    assert_false(cf_batch_body_push(body, text, count, err));
    assert_int_equal(err->kind, CF_ERR_VALIDATION);
    free(text);
}

static void a_request_that_is_too_large_is_refused(void **state)
{
    struct cf_batch_body *body;
    struct cf_error err;
    (void)state;
    assert_true(cf_batch_body_open("/tmp", &body, &err));
    push_many(body, "{\"requests\":[1,\"", 'x', CF_BATCH_REQUEST_MAX + 1, &err);
    assert_non_null(strstr(err.message, "requests[1] is over"));
    cf_batch_body_free(body);
}

static void an_envelope_that_is_too_large_is_refused(void **state)
{
    struct cf_batch_body *body;
    struct cf_error err;
    (void)state;
    assert_true(cf_batch_body_open("/tmp", &body, &err));
    push_many(body, "{\"x\":\"", 'x', CF_BATCH_ENVELOPE_MAX + 1, &err);
    cf_batch_body_free(body);
}

static void without_a_folder_there_is_no_file(void **state)
{
    struct cf_batch_body *body;
    struct cf_error err;
    (void)state;
    assert_false(cf_batch_body_open("/nonexistent", &body, &err));
    assert_int_equal(err.kind, CF_ERR_STORAGE);
    cf_batch_body_free(NULL);
    assert_int_equal(cf_batch_body_file(NULL), -1);
}

int main(void)
{
    enum { COUNT = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[COUNT + 3] = {
        cmocka_unit_test(a_request_that_is_too_large_is_refused),
        cmocka_unit_test(an_envelope_that_is_too_large_is_refused),
        cmocka_unit_test(without_a_folder_there_is_no_file),
    };
    for (size_t i = 0; i < COUNT; i++)
        tests[i + 3] = (struct CMUnitTest){ .name = rows[i].name, .test_func = check_row,
                                            .initial_state = &rows[i] };
    return cmocka_run_group_tests_name("batch_body", tests, NULL, NULL);
}
