/* Review, rescoring, tags and edits of stored conversations. */
#include "store/write_review.h"

#include "fixture.h"

static void a_review_sets_the_status_and_keeps_the_history(void **state)
{
    struct fixture *f = *state;
    int64_t conversation = fixture_finish(f, fixture_item(f, "a", 0), "needs_revision", 3);
    struct cf_write_review review = { .write.apply = cf_write_review, .conversation = conversation,
                                      .status = "approved", .note = "fine", .author = "eva" };
    must(f, &review.write);
    assert_string_equal(
        fixture_sql(f, "SELECT status || review_note || reviewed_at FROM conversations"),
        "approvedfine2026-09-21T14:13:20.123Z");
    assert_string_equal(
        fixture_sql(f, "SELECT field || before || after || note || author FROM edits"),
        "statusneeds_revisionapprovedfineeva");
    assert_int_equal(fixture_account(f).accepted, 1);

    review.status = "rejected";
    must(f, &review.write);
    assert_int_equal(fixture_account(f).accepted, 0);
    assert_int_equal(fixture_account(f).needs_revision, 1);
}

static void rescoring_leaves_a_reviewed_status_alone(void **state)
{
    struct fixture *f = *state;
    int64_t a = fixture_finish(f, fixture_item(f, "a", 0), "generated", 8);
    int64_t b = fixture_finish(f, fixture_item(f, "b", 1), "generated", 8);
    struct cf_write_review review = { .write.apply = cf_write_review,
                                      .conversation = a,
                                      .status = "approved" };
    must(f, &review.write);

    struct cf_write_rescore rescore = { .write.apply = cf_write_rescore, .conversation = a,
                                        .quality_score = 2.5, .status = "needs_revision",
                                        .quality_breakdown = text("{\"x\":1}") };
    must(f, &rescore.write);
    rescore.conversation = b;
    must(f, &rescore.write);
    must(f, &rescore.write);    /* the second time no score changes, and no edit tells of one */
    assert_string_equal(
        fixture_sql(f, "SELECT group_concat(status || quality_score || quality_breakdown) FROM"
                       " (SELECT * FROM conversations ORDER BY id)"),
        "approved2.5{\"x\":1},needs_revision2.5{\"x\":1}");
    assert_string_equal(
        fixture_sql(f, "SELECT group_concat(before || '>' || after) FROM edits"
                       " WHERE field = 'quality_score'"),
        "8>2.5,8>2.5");
    assert_int_equal(fixture_account(f).accepted, 1);
    assert_int_equal(fixture_account(f).needs_revision, 1);
}

static void a_tag_is_set_changed_and_removed(void **state)
{
    struct fixture *f = *state;
    int64_t conversation = fixture_finish(f, fixture_item(f, "a", 0), "generated", 8);
    struct cf_write_tag tag = { .write.apply = cf_write_tag, .conversation = conversation,
                                .tag = { .name = "mood", .text = { "calm", 4 } } };
    must(f, &tag.write);
    tag.tag.text = text("angry");
    must(f, &tag.write);
    assert_string_equal(fixture_sql(f, "SELECT count(*) || value FROM tags"), "1angry");
    tag.remove = true;
    must(f, &tag.write);
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM tags"), "0");
}

static void an_edited_turn_keeps_its_old_text_in_the_history(void **state)
{
    struct fixture *f = *state;
    int64_t conversation = fixture_finish(f, fixture_item(f, "a", 0), "generated", 8);
    struct cf_write_turn_edit edit = { .write.apply = cf_write_turn_edit,
                                       .conversation = conversation,
                                       .turn_index = 1,
                                       .content = text("Good day."),
                                       .author = "eva" };
    must(f, &edit.write);
    assert_string_equal(
        fixture_sql(f, "SELECT content FROM conversation_turns WHERE turn_index = 1"), "Good day.");
    assert_string_equal(fixture_sql(f, "SELECT before || '>' || after || turn_index FROM edits"),
                        "Hi, how can I help?>Good day.1");

    edit.turn_index = 2;
    assert_false(cf_store_write(f->store, &edit.write, &f->err));
    assert_int_equal(f->err.kind, CF_ERR_CONFIG);
    assert_non_null(strstr(f->err.message, "has no turn 2"));
}

static void an_unknown_conversation_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct cf_write_review review = { .write.apply = cf_write_review,
                                      .conversation = 9,
                                      .status = "approved" };
    struct cf_write_rescore rescore = { .write.apply = cf_write_rescore,
                                        .conversation = 9,
                                        .status = "generated" };
    struct cf_write_tag tag = { .write.apply = cf_write_tag,
                                .conversation = 9,
                                .tag = { .name = "x" } };
    struct cf_write *writes[] = { &review.write, &rescore.write, &tag.write };
    for (size_t i = 0; i < 3; i++) {
        assert_false(cf_store_write(f->store, writes[i], &f->err));
        assert_int_equal(f->err.kind, CF_ERR_CONFIG);
        assert_string_equal(f->err.message, "there is no conversation 9");
    }
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_review_sets_the_status_and_keeps_the_history),
        WITH_STORE(rescoring_leaves_a_reviewed_status_alone),
        WITH_STORE(a_tag_is_set_changed_and_removed),
        WITH_STORE(an_edited_turn_keeps_its_old_text_in_the_history),
        WITH_STORE(an_unknown_conversation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
