/* The budget that the runs of a script share: two stores stand for two processes. */
#include "store/script_budget.h"

#include "fixture.h"
#include "store/owner.h"

static struct cf_script_budget budget = { .script = "a.lua",
                                          .provider = "anthropic",
                                          .budget_pico = 1000 };

/* A run of the script, worked on through a store of its own. */
struct side {
    struct cf_store *store;
    struct cf_write_run_begin run;
    struct cf_owner *owner;
    int64_t item;
};

static void write_to(struct fixture *f, struct side *side, struct cf_write *write)
{
    if (!cf_store_write(side->store, write, &f->err))
        fail_msg("%s", f->err.message);
}

static struct side open_side(struct fixture *f, const char *name, const char *script, bool fresh)
{
    struct side side = { 0 };
    struct cf_store_options options = { .busy_ms = 2000, .clock = &fixed_clock };
    assert_true(cf_store_open(f->path, &options, &side.store, &f->err));
    side.run = (struct cf_write_run_begin){
        .write.apply = cf_write_run_begin, .name = name, .provider = "anthropic", .script = script,
        .source = "script", .fresh = fresh,
    };
    write_to(f, &side, &side.run.write);
    struct cf_item_draw draw = { .key = text(name), .params = text("{}") };
    struct cf_write_item_draw batch = {
        .write.apply = cf_write_item_draw, .run = side.run.run, .items = &draw, .count = 1,
    };
    write_to(f, &side, &batch.write);
    side.item = draw.item;
    assert_true(cf_owner_open(f->path, side.run.run, &side.owner, &f->err));
    return side;
}

/* As a killed process leaves it. */
static void leave(struct side *side)
{
    cf_owner_free(side->owner);
    cf_store_free(side->store);
}

static struct cf_write_call_sent send_call(struct fixture *f, struct side *side, int64_t bound_pico)
{
    struct cf_write_call_sent sent = {
        .write.apply = cf_write_call_sent, .run = side->run.run, .item = side->item, .branch = "",
        .model = "claude-x", .max_tokens = 100, .bound_pico = bound_pico, .budget = &budget,
    };
    write_to(f, side, &sent.write);
    return sent;
}

static void reply(struct fixture *f, struct side *side, int64_t call, int64_t cost_pico)
{
    struct cf_write_call_reply written = {
        .write.apply = cf_write_call_reply, .run = side->run.run, .item = side->item, .call = call,
        .reply = text("{}"), .usage = CF_TOKEN_USAGE_NONE, .cost_pico = cost_pico,
    };
    write_to(f, side, &written.write);
}

static void what_another_process_has_in_flight_counts(void **state)
{
    struct fixture *f = *state;
    struct side one = open_side(f, "one", "a.lua", false),
                two = open_side(f, "two", "a.lua", false);
    struct cf_write_call_sent first = send_call(f, &one, 700), refused = send_call(f, &two, 301);
    assert_int_equal(first.room, CF_SCRIPT_HAS_ROOM);
    assert_int_equal(refused.room, CF_SCRIPT_MAY_HAVE);
    assert_int_equal(refused.call, 0); /* no row */
    assert_int_equal(refused.use.in_flight_pico, 700);
    assert_string_equal(fixture_sql(f, "SELECT count(*) || ' ' || sum(attempts) FROM calls"),
                        "1 1");
    assert_int_equal(send_call(f, &two, 300).room, CF_SCRIPT_HAS_ROOM);

    reply(f, &one, first.call, 50); /* makes room for both */
    assert_int_equal(send_call(f, &two, 650).room, CF_SCRIPT_HAS_ROOM);
    assert_int_equal(send_call(f, &one, 1).room, CF_SCRIPT_MAY_HAVE);
    leave(&one);
    leave(&two);
}

static void what_a_dead_process_left_in_flight_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    struct side one = open_side(f, "one", "a.lua", false),
                two = open_side(f, "two", "a.lua", false);
    assert_int_equal(send_call(f, &one, 700).room, CF_SCRIPT_HAS_ROOM);
    leave(&one);
    struct cf_write_call_sent refused = send_call(f, &two, 301);
    assert_int_equal(refused.room, CF_SCRIPT_HAS_NONE);
    assert_int_equal(refused.use.at_risk_pico, 700);
    assert_int_equal(send_call(f, &two, 300).room, CF_SCRIPT_HAS_ROOM);
    leave(&two);
}

static void a_failed_attempt_that_may_be_billed_goes_on_counting(void **state)
{
    struct fixture *f = *state;
    struct side one = open_side(f, "one", "a.lua", false);
    struct cf_write_call_sent sent = send_call(f, &one, 600);
    struct cf_write_call_failed failed = {
        .write.apply = cf_write_call_failed,
        .run = one.run.run,
        .item = one.item,
        .call = sent.call,
        .error_kind = "api_error",
        .error_message = "reset",
        .may_be_billed = true,
        .will_retry = true,
        .usage = CF_TOKEN_USAGE_NONE,
    };
    write_to(f, &one, &failed.write);
    struct cf_write_call_sent again = {
        .write.apply = cf_write_call_sent, .run = one.run.run, .item = one.item, .call = sent.call,
        .model = "claude-x", .max_tokens = 100, .bound_pico = 600, .budget = &budget,
    };
    write_to(f, &one, &again.write);
    assert_int_equal(again.room, CF_SCRIPT_HAS_NONE);
    assert_string_equal(fixture_sql(f, "SELECT state || ' ' || attempts FROM calls"), "waiting 1");
    leave(&one);
}

static void other_scripts_and_earlier_generations_do_not_count(void **state)
{
    struct fixture *f = *state;
    struct side other = open_side(f, "other", "b.lua", false),
                old = open_side(f, "one", "a.lua", false);
    send_call(f, &other, 900);
    send_call(f, &old, 90);
    struct side anew = open_side(f, "one", "a.lua", true);
    assert_int_equal(send_call(f, &anew, 1000).room, CF_SCRIPT_HAS_ROOM);
    leave(&other);
    leave(&old);
    leave(&anew);
}

static void counting_anew_begins_with_what_somebody_works_on(void **state)
{
    struct fixture *f = *state;
    struct side one = open_side(f, "one", "a.lua", false),
                two = open_side(f, "two", "a.lua", false);
    struct side other = open_side(f, "other", "b.lua", false);
    struct cf_reader *reader = fixture_reader(f);
    int64_t first = 0;
    leave(&one);
    assert_true(cf_reader_first_run_anew(reader, &budget, &first, &f->err));
    assert_int_equal(first, two.run.run);
    leave(&two);
    assert_true(cf_reader_first_run_anew(reader, &budget, &first, &f->err));
    assert_int_equal(first, other.run.run + 1);
    cf_reader_free(reader);
    leave(&other);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_another_process_has_in_flight_counts, fixture_make,
                                        fixture_remove),
        cmocka_unit_test_setup_teardown(what_a_dead_process_left_in_flight_is_not_waited_for,
                                        fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(a_failed_attempt_that_may_be_billed_goes_on_counting,
                                        fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(other_scripts_and_earlier_generations_do_not_count,
                                        fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(counting_anew_begins_with_what_somebody_works_on,
                                        fixture_make, fixture_remove),
    };
    return cmocka_run_group_tests_name("script budget", tests, NULL, NULL);
}
