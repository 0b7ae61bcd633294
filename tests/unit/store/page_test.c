/* Pages of conversations, and how far a question looks for them. */
#include "fixture.h"

#include "store/page.h"

#define COUNT 10

/* Ten conversations with ids 1 to 10; the scores of the odd ones are 9, of the even ones 3. */
static int fill(void **state)
{
    fixture_make(state);
    struct fixture *f = *state;
    for (int i = 0; i < COUNT; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        fixture_finish(f, fixture_item(f, key, i), "generated", i % 2 == 0 ? 9 : 3);
    }
    return 0;
}

struct row {
    const char *name;
    struct cf_page_question question;
    const char *ids;           /* "8 6 ", newest first */
    int64_t next;
    int64_t total;
    bool is_exact;
};

static struct row rows[] = {
    { "all that there are", { .limit = 20 }, "10 9 8 7 6 5 4 3 2 1 ", 0, 10, true },
    { "a full page has a next one", { .limit = 3 }, "10 9 8 ", 8, 10, true },
    { "the next one begins behind the cursor", { .limit = 3, .before = 8 }, "7 6 5 ", 5, 10, true },
    { "an offset jumps", { .limit = 2, .offset = 7 }, "3 2 ", 2, 10, true },
    { "what is rare ends the page early", { .limit = 5, .min_score = 9, .look_most = 4 }, "9 7 ", 7, 2, false },
    { "and the next page goes on from there", { .limit = 5, .min_score = 9, .look_most = 4, .before = 7 },
      "5 3 ", 3, 2, false },
    { "until nothing is left", { .limit = 5, .min_score = 9, .look_most = 4, .before = 3 }, "1 ", 0, 2, false },
    { "a page of nothing has a next one, too", { .limit = 5, .text = "nowhere", .look_most = 4 }, "", 7, 0, false },
    { "a full page goes on from its last", { .limit = 1, .min_score = 9, .look_most = 4 }, "9 ", 9, 2, false },
    { "who may look at all sees all", { .limit = 20, .min_score = 9, .look_most = 10 }, "9 7 5 3 1 ", 0, 5, true },
    { "an offset looks as far as it has to", { .limit = 2, .min_score = 9, .look_most = 2, .offset = 3 }, "3 1 ", 1, 1,
      false },
    { "a small run is looked through whole", { .run = 1, .limit = 20, .min_score = 9, .look_most = 2 },
      "9 7 5 3 1 ", 0, 5, true },
    { "a text in a turn", { .limit = 2, .text = "HELLO" }, "10 9 ", 9, 10, true },
};

static struct fixture *shared;

static void check_row(void **state)
{
    const struct row *row = *state;
    struct cf_reader *reader = fixture_reader(shared);
    int64_t ids[CF_PAGE_MAX], next, total;
    struct cf_buf told = { .max = 4096 };
    bool is_exact;
    size_t count;
    assert_true(cf_page_read(reader, &row->question, ids, &count, &next, &shared->err));
    for (size_t i = 0; i < count; i++)
        cf_buf_addf(&told, "%lld ", (long long)ids[i]);
    assert_string_equal(cf_buf_str(&told), row->ids);
    assert_int_equal(next, row->next);
    assert_true(cf_page_total(reader, &row->question, &total, &is_exact, &shared->err));
    assert_int_equal(total, row->total);
    assert_int_equal(is_exact, row->is_exact);
    cf_buf_done(&told);
    cf_reader_free(reader);
}

static void an_empty_database_has_an_empty_page(void **state)
{
    struct cf_reader *reader;
    struct cf_page_question question = { .limit = 5, .look_most = 3 };
    int64_t ids[CF_PAGE_MAX], next, total;
    bool is_exact;
    size_t count;
    (void)state;
    assert_true(cf_reader_open_empty(&reader, &shared->err));
    assert_true(cf_page_read(reader, &question, ids, &count, &next, &shared->err));
    assert_int_equal(count, 0);
    assert_int_equal(next, 0);
    assert_true(cf_page_total(reader, &question, &total, &is_exact, &shared->err));
    assert_int_equal(total, 0);
    assert_true(is_exact);
    cf_reader_free(reader);
}

static int open_all(void **state)
{
    int rc = fill(state);
    shared = *state;
    *state = NULL;
    return rc;
}

static int close_all(void **state)
{
    (void)state;
    void *f = shared;
    return fixture_remove(&f);
}

int main(void)
{
    struct CMUnitTest tests[sizeof rows / sizeof *rows + 1] = {
        cmocka_unit_test(an_empty_database_has_an_empty_page),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        tests[i + 1] = (struct CMUnitTest){ rows[i].name, check_row, NULL, NULL, &rows[i] };
    return cmocka_run_group_tests_name("page", tests, open_all, close_all);
}
