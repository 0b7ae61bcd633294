#include "cli/mock.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "cli/command.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "simulator/simulator.h"

#define SPEC_MAX     8192
#define COUNTERS_MAX 65536
#define FIRST_FIELD  4 /* rows before it are the command's own, later ones fields of the spec */

static const struct cf_option options[] = {
    { "port", 'p', "N", false, "port on 127.0.0.1; 0, the default, takes a free one" },
    { "log", 0, "FILE", false, "append a line of JSON for each arrival and each end" },
    { "api-key", 0, "KEY", false, "answer 401 to any other key (default: any key will do)" },
    { "json", 0, NULL, false, "print the counters as JSON" },
    { "rpm", 0, "N", false, "requests a minute (default: no limit)" },
    { "itpm", 0, "N", false, "input tokens a minute, cache writes included" },
    { "otpm", 0, "N", false, "output tokens a minute" },
    { "enforce", 0, "minute|second", false,
      "minute: a bucket of a minute's worth; second: of 1/60 of it" },
    { "window", 0, "TIME", false, "how long that minute is (default 60s)" },
    { "latency", 0, "L", false, "fixed:MS, uniform:LOW:HIGH or lognormal:MEDIAN:SIGMA" },
    { "seed", 0, "N", false, "other replies, faults and latencies (default 1)" },
    { "faults", 0, "F;F;...", false, "KIND:SHARE%, KIND@N, KIND@N-M, KIND@10s-40s or KIND" },
    { "usage", 0, "plain|varied", false,
      "plain, or varied: cache, thinking, null and absent fields" },
    { "reply-bytes", 0, "N", false, "length of a conversation to aim at" },
    { "quality", 0, "default|low|mixed", false, "whether the default rules are passed" },
    { "headers", 0, "on|off", false, "whether limit headers are sent" },
    { "orgs", 0, "one|key", false, "whether each key is an organisation with limits of its own" },
    { "trickle", 0, "TIME", false, "how long a trickled body takes (default 5s)" },
    { NULL, 0, NULL, false, NULL },
};

/* what the signal handler ends; set before it is installed */
static struct cf_simulator *serving;

static void on_signal(int number)
{
    (void)number;
    cf_simulator_interrupt(serving);
}

/* Each connection takes a descriptor, and a benchmark opens thousands. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Joins the specs given as words and as options; an option wins over a word. */
static bool make_spec(const struct cf_args *args, struct cf_buf *out, struct cf_error *err)
{
    for (size_t i = 0; i < args->positional_count; i++)
        cf_buf_addf(out, ",%s", args->positionals[i]);
    for (const struct cf_option *option = options + FIRST_FIELD; option->name != NULL; option++) {
        const char *value = cf_args_get(args, option->name);
        if (value == NULL)
            continue;
        if (strchr(value, ',') != NULL)
            return cf_fail(err, CF_ERR_CONFIG, "--%s: a comma belongs in SPEC", option->name);
        cf_buf_addc(out, ',');
        for (const char *at = option->name; *at != '\0'; at++)
            cf_buf_addc(out, *at == '-' ? '_' : *at);
        cf_buf_addf(out, "=%s", value);
    }
    if (!cf_buf_ok(out))
        return cf_fail(err, CF_ERR_CONFIG, "SPEC is longer than %d bytes", SPEC_MAX);
    return true;
}

static void print_counters(const struct cf_simulator *sim, bool is_json)
{
    struct cf_simulator_counters counters;
    struct cf_buf text;
    cf_buf_init(&text, COUNTERS_MAX);
    cf_simulator_counters(sim, &counters);
    if (is_json)
        cf_simulator_format_json(&counters, &text);
    else
        cf_simulator_format_text(&counters, &text);
    printf("%s%s", cf_buf_str(&text), is_json ? "\n" : "");
    fflush(stdout);
    cf_buf_done(&text);
}

static void serve(struct cf_simulator *sim)
{
    struct sigaction action = { .sa_handler = on_signal }, old_int, old_term;
    sigemptyset(&action.sa_mask);
    serving = sim;
    sigaction(SIGINT, &action, &old_int);
    sigaction(SIGTERM, &action, &old_term);

    printf("listening on http://127.0.0.1:%u\n", cf_simulator_port(sim));
    fflush(stdout);
    cf_simulator_run(sim);

    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
}

static int run(const struct cf_args *args, struct cf_error *err)
{
    struct cf_simulator_options choices = { .log_path = cf_args_get(args, "log"),
                                            .api_key = cf_args_get(args, "api-key") };
    struct cf_simulator *sim = NULL;
    struct cf_buf spec;
    int64_t port = 0;
    int status = -1;

    cf_buf_init(&spec, SPEC_MAX);
    if (!cf_args_int(args, "port", 0, 65535, &port, err) || !make_spec(args, &spec, err))
        goto done;
    if (choices.api_key != NULL && choices.api_key[0] == '\0') {
        cf_fail(err, CF_ERR_CONFIG, "--api-key: an empty key cannot be sent");
        goto done;
    }
    choices.port = (uint16_t)port;
    choices.spec = cf_buf_str(&spec);
    raise_descriptor_limit();
    if (!cf_simulator_open(&choices, &sim, err))
        goto done;

    serve(sim);
    print_counters(sim, cf_args_has(args, "json"));
    status = CF_EXIT_OK;
done:
    cf_simulator_free(sim);
    cf_buf_done(&spec);
    return status;
}

const struct cf_command cf_command_mock = {
    .name = "mock",
    .synopsis = "[SPEC...]",
    .summary = "Serve the Messages API on loopback, with made-up replies, limits and faults",
    .example =
        "confab mock --port 8080 --rpm 1000 --latency uniform:100:300 'faults=500:5%;reset:2%'",
    .details = "SPEC is KEY=VALUE pairs separated by commas; each option below --json is such a "
               "key, with '_' for\n"
               "'-'. The same SPEC goes with --simulate. TIME is a number with ms, s, m or h. "
               "rpm@TIME=N changes\n"
               "a limit that long after the start, itpm and otpm likewise.\n\n"
               "Kinds of faults, by chance (500:5%), number of arrival (reset@3-9) or time "
               "(529@10s-40s):\n"
               "  400 401 402 403 404 408 413 429 500 502 503 504 529 spend_cap    error replies\n"
               "  reset reset_body cut trickle stall silent                        the connection\n"
               "  bad_envelope stream_error empty refusal max_tokens               odd replies "
               "with a 200\n"
               "  malformed malformed:WAY                                          text a model "
               "gets wrong\n\n"
               "The address is printed on one line. SIGINT or SIGTERM ends it and prints the "
               "counters; GET\n"
               "/__stats shows them meanwhile.",
    .options = options,
    .max_positionals = -1,
    .run = run,
};
