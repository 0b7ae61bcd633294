#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "confab/error.h"
#include "confab/rng.h"
#include "simulator/spec.h"

static struct row {
    const char *name, *spec, *error;    /* error: part of the message; NULL: the spec is good */
} rows[] = {
    { "an empty spec is good", "", NULL },
    { "every field may be given",
      "rpm=1000,itpm=2000000,otpm=400000,enforce=second,window=5s,"
      "latency=lognormal:200:0.5,seed=7,faults=500:5%;529:5%;reset@3;cut@4-9;529@10s-40s;"
      "malformed:5%;malformed:smart_quotes@2,usage=varied,reply_bytes=6000,quality=mixed,"
      "headers=off,orgs=key,trickle=1s,rpm@60s=500",
      NULL },
    { "spaces and empty items are skipped", " rpm=1 ,, itpm=2,", NULL },
    { "an unknown field is named with the known ones", "rpn=1",
      "no field \"rpn=1\"; there are rpm" },
    { "a limit is a whole number", "rpm=1.5", "rpm: \"rpm=1.5\" is not a whole number" },
    { "a limit is not negative", "itpm=-1", "itpm" },
    { "a limit needs a value", "rpm", "rpm: \"rpm\" is not" },
    { "only limits change with time", "seed@5s=2", "no field \"seed@5s=2\"" },
    { "a change needs a time", "rpm@x=2", "rpm: \"rpm@x=2\"" },
    { "enforcement is by minute or second", "enforce=hour", "enforce" },
    { "a window has a unit", "window=60", "window: \"window=60\" is not a time such as 60s" },
    { "a window is not tiny", "window=1ms", "window" },
    { "a latency needs its numbers", "latency=fixed", "latency" },
    { "a fixed latency takes one number", "latency=fixed:1:2", "latency" },
    { "a uniform latency rises", "latency=uniform:300:100", "latency" },
    { "a latency is of a known kind", "latency=normal:1:2", "latency" },
    { "a fault kind is known", "faults=501:5%", "no kind \"501\"; there are 400" },
    { "a way of malformed text is known", "faults=malformed:upside_down",
      "no way \"upside_down\"" },
    { "a share is a percentage", "faults=500:0.05", "is not KIND" },
    { "a share is at most all", "faults=500:101%", "is not KIND" },
    { "shares add up to at most all", "faults=500:60%;529:60%", "more than 100%" },
    { "arrivals count from one", "faults=500@0", "is not KIND" },
    { "a range of arrivals rises", "faults=500@9-3", "is not KIND" },
    { "a quality is known", "quality=high", "quality" },
    { "usage is plain or varied", "usage=odd", "usage" },
    { "organisations are one or by key", "orgs=two", "orgs" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct cf_sim_spec spec;
    struct cf_error err = { .kind = CF_OK };
    assert_int_equal(cf_sim_spec_parse(row->spec, &spec, &err), row->error == NULL);
    if (row->error != NULL) {
        assert_int_equal(err.kind, CF_ERR_CONFIG);
        assert_non_null(strstr(err.message, row->error));
    }
}

static void a_spec_keeps_what_it_says(void **state)
{
    (void)state;
    struct cf_sim_spec spec;
    assert_true(cf_sim_spec_parse("rpm=10,otpm=30,rpm@2m=5,faults=500:5%;reset@3-4;cut@1s-2s,"
                                  "latency=uniform:100:300,orgs=key,headers=off", &spec, NULL));
    assert_int_equal(spec.limit[CF_SIM_REQUESTS], 10);
    assert_int_equal(spec.limit[CF_SIM_INPUT], 0);
    assert_int_equal(spec.limit[CF_SIM_OUTPUT], 30);
    assert_int_equal(spec.changes, 1);
    assert_int_equal(spec.change[0].at_ms, 120000);
    assert_int_equal(spec.change[0].limit, 5);
    assert_int_equal(spec.window_ms, 60000);
    assert_int_equal(spec.seed, 1);
    assert_true(spec.org_by_key);
    assert_false(spec.has_headers);
    assert_int_equal(spec.faults.count, 3);
    assert_true(spec.faults.fault[0].share > 0.0499 && spec.faults.fault[0].share < 0.0501);
    assert_int_equal(spec.faults.fault[1].to, 4);
    assert_int_equal(spec.faults.fault[2].from, 1000);
}

static void faults_come_by_number_and_by_time(void **state)
{
    (void)state;
    struct cf_sim_spec spec;
    struct cf_rng rng;
    cf_rng_seed(&rng, 1);
    assert_true(cf_sim_spec_parse("faults=reset@3-4;cut@1s-2s", &spec, NULL));
    assert_null(cf_sim_faults_pick(&spec.faults, 2, 0, &rng));
    assert_int_equal(cf_sim_faults_pick(&spec.faults, 3, 0, &rng)->kind, CF_SIM_FAULT_RESET);
    assert_int_equal(cf_sim_faults_pick(&spec.faults, 4, 0, &rng)->kind, CF_SIM_FAULT_RESET);
    assert_null(cf_sim_faults_pick(&spec.faults, 5, 999, &rng));
    assert_int_equal(cf_sim_faults_pick(&spec.faults, 5, 1000, &rng)->kind, CF_SIM_FAULT_CUT);
    assert_null(cf_sim_faults_pick(&spec.faults, 5, 2000, &rng));
}

static void faults_by_chance_come_as_often_as_said(void **state)
{
    (void)state;
    struct cf_sim_spec spec;
    struct cf_rng rng;
    int count[CF_SIM_FAULT_NONE] = { 0 };
    cf_rng_seed(&rng, 5);
    assert_true(cf_sim_spec_parse("faults=500:10%;529:20%", &spec, NULL));
    for (int i = 0; i < 10000; i++) {
        const struct cf_sim_fault *fault = cf_sim_faults_pick(&spec.faults, i, 0, &rng);
        if (fault != NULL)
            count[fault->kind]++;
    }
    assert_in_range(count[CF_SIM_FAULT_500], 900, 1100);
    assert_in_range(count[CF_SIM_FAULT_529], 1850, 2150);
}

static void latencies_follow_their_distribution(void **state)
{
    (void)state;
    struct cf_sim_spec spec;
    struct cf_rng rng;
    cf_rng_seed(&rng, 3);
    assert_true(cf_sim_spec_parse("latency=fixed:200", &spec, NULL));
    assert_int_equal(cf_sim_spec_latency(&spec, &rng), 200);
    assert_true(cf_sim_spec_parse("latency=uniform:100:300", &spec, NULL));
    for (int i = 0; i < 1000; i++)
        assert_in_range(cf_sim_spec_latency(&spec, &rng), 100, 300);
    assert_true(cf_sim_spec_parse("latency=lognormal:200:0.5", &spec, NULL));
    int below = 0;
    for (int i = 0; i < 1000; i++)
        below += cf_sim_spec_latency(&spec, &rng) < 200;
    assert_in_range(below, 430, 570);
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[ROWS + 4];
    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ .name = rows[i].name, .test_func = check_row,
                                        .initial_state = &rows[i] };
    tests[ROWS] = (struct CMUnitTest)cmocka_unit_test(a_spec_keeps_what_it_says);
    tests[ROWS + 1] = (struct CMUnitTest)cmocka_unit_test(faults_come_by_number_and_by_time);
    tests[ROWS + 2] = (struct CMUnitTest)cmocka_unit_test(faults_by_chance_come_as_often_as_said);
    tests[ROWS + 3] = (struct CMUnitTest)cmocka_unit_test(latencies_follow_their_distribution);
    return cmocka_run_group_tests_name("simulator/spec", tests, NULL, NULL);
}
