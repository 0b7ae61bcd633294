/* Exports of a database: what is taken, in which order, what is counted. */
#include "../store/fixture.h"

#include "engine/dataset.h"

/* A run of five items, drawn in another order than they are finished:
 * 0 generated 9, 1 needs_revision 4, 2 approved 7 (truncated), 3 generated 6 tagged, 4 failed. */
static void fill(struct fixture *f)
{
    static const char *const keys[] = { "e0", "e1", "e2", "e3", "e4" };
    int64_t drawing = fixture_own(f), items[5];
    for (int i = 0; i < 5; i++)
        items[i] = fixture_draw(f, keys[i], i, drawing).item;

    int64_t tagged = fixture_finish(f, items[3], "generated", 6);
    fixture_finish(f, items[1], "needs_revision", 4);
    fixture_fail(f, items[4], "parse_error", "nothing there");
    fixture_finish(f, items[0], "generated", 9);

    struct cf_conversation_new cut = fixture_conversation(1, "approved", 7);
    cut.truncated = true;
    struct cf_write_item_finish finish = { .write.apply = cf_write_item_finish,
                                           .item = items[2],
                                           .state = CF_ITEM_DONE,
                                           .conversations = &cut,
                                           .count = 1 };
    must(f, &finish.write);
    struct cf_write_tag tag = { .write.apply = cf_write_tag,
                                .conversation = tagged,
                                .tag = { .name = "say \"x\"", .number = 2.5, .is_number = true } };
    must(f, &tag.write);
}

static void read_file(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    out[fread(out, 1, size - 1, file)] = '\0';
    fclose(file);
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

/* Exports as jsonl and gives the text and the result. */
static void export_jsonl(struct fixture *f, const struct cf_dataset_filter *filter, char *out,
                         size_t size, struct cf_dataset_result *result)
{
    char path[PATH_MAX];
    struct cf_reader *reader = fixture_reader(f);
    snprintf(path, sizeof path, "%s/out.jsonl", f->folder);
    if (!cf_dataset_export(reader, filter, path, CF_EXPORT_JSONL, NULL, result, &f->err))
        fail_msg("%s", f->err.message);
    cf_reader_free(reader);
    read_file(path, out, size);
}

static void only_what_is_usable_is_taken_and_the_rest_counted(void **state)
{
    struct fixture *f = *state;
    struct cf_dataset_filter filter = { .run = 0 };
    struct cf_dataset_result result;
    char text[16384];
    fill(f);
    export_jsonl(f, &filter, text, sizeof text, &result);
    assert_int_equal(count_lines(text), 2);
    assert_int_equal(result.file.written, 2);
    assert_int_equal(result.left_status, 1);
    assert_int_equal(result.left_truncated, 1);
    assert_int_equal(result.left_simulated, 0);
    assert_int_equal(result.path_count, 1);

    struct cf_buf words;
    cf_buf_init(&words, 1024);
    cf_dataset_result_format(&result, &words);
    assert_string_equal(cf_buf_str(&words),
                        "2 written, 0 skipped, 2 held back (needs revision or rejected: 1, "
                        "truncated: 1)");
    cf_buf_done(&words);
    cf_dataset_result_done(&result);
}

static void rows_stand_in_order_of_the_plan(void **state)
{
    struct fixture *f = *state;
    struct cf_dataset_filter filter = { .with_truncated = true };
    struct cf_dataset_result result;
    char text[16384];
    fill(f);
    export_jsonl(f, &filter, text, sizeof text, &result);
    const char *first = strstr(text, "\"e0\""), *second = strstr(text, "\"e2\""),
               *third = strstr(text, "\"e3\"");
    assert_non_null(first);
    assert_non_null(second);
    assert_non_null(third);
    assert_true(first < second && second < third);
    cf_dataset_result_done(&result);
}

static void the_same_database_gives_the_same_bytes(void **state)
{
    struct fixture *f = *state;
    struct cf_dataset_filter filter = { .with_truncated = true };
    struct cf_dataset_result result;
    char one[16384], two[16384];
    fill(f);
    export_jsonl(f, &filter, one, sizeof one, &result);
    cf_dataset_result_done(&result);
    export_jsonl(f, &filter, two, sizeof two, &result);
    cf_dataset_result_done(&result);
    assert_string_equal(one, two);
}

static void named_statuses_are_taken_instead(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = { "needs_revision" };
    struct cf_dataset_filter filter = { .statuses = names, .status_count = 1 };
    struct cf_dataset_result result;
    char text[16384];
    fill(f);
    export_jsonl(f, &filter, text, sizeof text, &result);
    assert_int_equal(result.file.written, 1);
    assert_int_equal(result.left_status, 0);
    assert_non_null(strstr(text, "\"e1\""));
    cf_dataset_result_done(&result);
}

static void tags_and_scores_narrow_it_down(void **state)
{
    struct fixture *f = *state;
    struct cf_dataset_filter filter = { .tag = "say \"x\"" };
    struct cf_dataset_result result;
    char text[16384];
    fill(f);
    export_jsonl(f, &filter, text, sizeof text, &result);
    assert_int_equal(result.file.written, 1);
    assert_non_null(strstr(text, "\"e3\""));
    assert_non_null(strstr(text, "{\\\"say \\\\\\\"x\\\\\\\"\\\":2.5}"));
    cf_dataset_result_done(&result);

    filter = (struct cf_dataset_filter){ .min_score = 8 };
    export_jsonl(f, &filter, text, sizeof text, &result);
    assert_int_equal(result.file.written, 1);
    assert_non_null(strstr(text, "\"e0\""));
    cf_dataset_result_done(&result);
}

static void items_with_equal_parameters_share_a_split(void **state)
{
    struct fixture *f = *state;
    struct cf_export_options options = { .seed = 1 };
    struct cf_dataset_filter filter = { .run = 0 };
    struct cf_dataset_result result;
    char path[PATH_MAX], train[65536], key[64];
    assert_true(cf_export_splits_parse("train=0.5,val=0.5", &options.splits, &f->err));
    int64_t drawing = fixture_own(f);
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof key, i == 0 ? "00112233445566aa" : "00112233445566aa#%d", i + 1);
        fixture_finish(f, fixture_draw(f, key, i, drawing).item, "generated", 9);
    }
    struct cf_reader *reader = fixture_reader(f);
    snprintf(path, sizeof path, "%s/{split}.jsonl", f->folder);
    assert_true(
        cf_dataset_export(reader, &filter, path, CF_EXPORT_MESSAGES, &options, &result, &f->err));
    cf_reader_free(reader);
    assert_int_equal(result.path_count, 2);
    assert_true(result.file.written_to[0] == 20 || result.file.written_to[1] == 20);
    read_file(result.paths[0], train, sizeof train);
    assert_int_equal(count_lines(train), result.file.written_to[0]);
    cf_dataset_result_done(&result);
}

static void names_that_only_look_alike_are_split_apart(void **state)
{
    struct fixture *f = *state;
    struct cf_export_options options = { .seed = 1 };
    struct cf_dataset_filter filter = { .run = 0 };
    struct cf_dataset_result result;
    char path[PATH_MAX], key[64];
    assert_true(cf_export_splits_parse("train=0.5,val=0.5", &options.splits, &f->err));
    int64_t drawing = fixture_own(f);
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "row#%d", i);
        fixture_finish(f, fixture_draw(f, key, i, drawing).item, "generated", 9);
    }
    struct cf_reader *reader = fixture_reader(f);
    snprintf(path, sizeof path, "%s/x.jsonl", f->folder);
    assert_true(
        cf_dataset_export(reader, &filter, path, CF_EXPORT_MESSAGES, &options, &result, &f->err));
    cf_reader_free(reader);
    assert_true(result.file.written_to[0] > 0 && result.file.written_to[1] > 0);
    cf_dataset_result_done(&result);
}

static void a_failed_export_leaves_no_file_and_no_result(void **state)
{
    struct fixture *f = *state;
    struct cf_dataset_filter filter = { .run = 0 };
    struct cf_dataset_result result = { .left_status = 77 };
    char path[PATH_MAX];
    fill(f);
    struct cf_reader *reader = fixture_reader(f);
    snprintf(path, sizeof path, "%s/missing/out.jsonl", f->folder);
    assert_false(
        cf_dataset_export(reader, &filter, path, CF_EXPORT_MESSAGES, NULL, &result, &f->err));
    cf_reader_free(reader);
    assert_int_equal(f->err.kind, CF_ERR_CONFIG);
    assert_int_equal(result.left_status, 77);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, fixture_make, fixture_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(only_what_is_usable_is_taken_and_the_rest_counted),
        CASE(rows_stand_in_order_of_the_plan),
        CASE(the_same_database_gives_the_same_bytes),
        CASE(named_statuses_are_taken_instead),
        CASE(tags_and_scores_narrow_it_down),
        CASE(items_with_equal_parameters_share_a_split),
        CASE(names_that_only_look_alike_are_split_apart),
        CASE(a_failed_export_leaves_no_file_and_no_result),
    };
    return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
