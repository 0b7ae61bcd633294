#include "cli/mock.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "confab/buf.h"
#include "confab/error.h"
#include "simulator/simulator.h"

#define SPEC_MAX 8192

struct choices {
    struct cf_simulator_options options;
    struct cf_buf spec;
    bool is_json, wants_help;
};

/* One row an option; those without a `set` are fields of the spec. */
static const struct option {
    const char *name, *value;      /* value: NULL for a flag */
    bool (*set)(struct choices *choices, const char *value, struct cf_error *err);
    const char *help;
} options[];

static struct cf_simulator *volatile serving;    /* for the signal handler */

static void on_signal(int number)
{
    (void)number;
    cf_simulator_interrupt(serving);
}

static bool set_port(struct choices *choices, const char *value, struct cf_error *err)
{
    char *end;
    unsigned long port = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || port > 65535)
        return cf_fail(err, CF_ERR_CONFIG, "--port: \"%s\" is not a number from 0 to 65535", value);
    choices->options.port = (uint16_t)port;
    return true;
}

static bool set_log(struct choices *choices, const char *value, struct cf_error *err)
{
    (void)err;
    choices->options.log_path = value;
    return true;
}

static bool set_key(struct choices *choices, const char *value, struct cf_error *err)
{
    if (value[0] == '\0')
        return cf_fail(err, CF_ERR_CONFIG, "--api-key: is empty");
    choices->options.api_key = value;
    return true;
}

static bool set_json(struct choices *choices, const char *value, struct cf_error *err)
{
    (void)value, (void)err;
    choices->is_json = true;
    return true;
}

static bool set_help(struct choices *choices, const char *value, struct cf_error *err)
{
    (void)value, (void)err;
    choices->wants_help = true;
    return true;
}

static const struct option options[] = {
    { "port", "N", set_port, "port on 127.0.0.1; 0, the default, takes a free one" },
    { "log", "FILE", set_log, "append a line of JSON for each arrival and each end" },
    { "api-key", "KEY", set_key, "answer 401 to any other key" },
    { "json", NULL, set_json, "print the counters as JSON" },
    { "help", NULL, set_help, "print this" },
    { "rpm", "N", NULL, "requests a minute; 0, the default: no limit" },
    { "itpm", "N", NULL, "input tokens a minute" },
    { "otpm", "N", NULL, "output tokens a minute" },
    { "enforce", "HOW", NULL, "minute (a bucket of a minute's worth) or second" },
    { "window", "TIME", NULL, "length of that minute, such as 5s" },
    { "latency", "L", NULL, "fixed:MS, uniform:LOW:HIGH or lognormal:MEDIAN:SIGMA" },
    { "seed", "N", NULL, "other replies and faults (default 1)" },
    { "faults", "F;F...", NULL, "KIND:SHARE%, KIND@N, KIND@N-M, KIND@10s-40s or KIND" },
    { "usage", "HOW", NULL, "plain or varied token counts" },
    { "reply_bytes", "N", NULL, "length of a conversation to aim at" },
    { "quality", "Q", NULL, "default, low or mixed" },
    { "headers", "on|off", NULL, "whether limit headers are sent" },
    { "orgs", "one|key", NULL, "whether each key is an organisation of its own" },
    { "trickle", "TIME", NULL, "how long a trickled body takes" },
    { NULL, NULL, NULL, NULL },
};

static void print_help(void)
{
    printf("Serves the Messages API on loopback, with made-up replies, limits and faults.\n\n"
           "  confab mock --port 8080 rpm=1000,latency=uniform:100:300,faults='500:5%%;reset:2%%'\n\n"
           "usage: confab mock [OPTIONS] [SPEC...]\n\n"
           "SPEC is key=value pairs separated by commas; each key is also an option:\n\n");
    for (const struct option *option = options; option->name != NULL; option++) {
        char left[40];
        snprintf(left, sizeof left, "--%s %s", option->name, option->value ? option->value : "");
        printf("  %-22s %s\n", left, option->help);
    }
    printf("\nFault kinds:");
    for (unsigned i = 0; cf_simulator_fault_name(i) != NULL; i++)
        printf("%s%s", i % 12 == 0 ? "\n  " : " ", cf_simulator_fault_name(i));
    printf("\nThe address is printed on one line. SIGINT or SIGTERM ends it and prints the counters.\n");
}

static bool set_option(struct choices *choices, const char *name, size_t len, const char *value,
                       bool *took_next, const char *next, struct cf_error *err)
{
    const struct option *option = options;
    while (option->name != NULL && (strlen(option->name) != len || memcmp(option->name, name, len) != 0))
        option++;
    if (option->name == NULL)
        return cf_fail(err, CF_ERR_CONFIG, "mock: no option --%.*s; see confab mock --help",
                       (int)len, name);
    if (option->value == NULL) {
        if (value != NULL)
            return cf_fail(err, CF_ERR_CONFIG, "mock: --%s takes no value", option->name);
        return option->set(choices, NULL, err);
    }
    if (value == NULL) {
        if (next == NULL)
            return cf_fail(err, CF_ERR_CONFIG, "mock: --%s needs a value", option->name);
        value = next;
        *took_next = true;
    }
    if (option->set != NULL)
        return option->set(choices, value, err);
    if (strchr(value, ',') != NULL)
        return cf_fail(err, CF_ERR_CONFIG, "mock: --%s: a comma belongs in SPEC", option->name);
    cf_buf_addf(&choices->spec, ",%s=%s", option->name, value);
    return true;
}

static bool parse(int argc, char **argv, struct choices *choices, struct cf_error *err)
{
    cf_buf_init(&choices->spec, SPEC_MAX);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            cf_buf_addf(&choices->spec, ",%s", argv[i]);
            continue;
        }
        const char *name = argv[i] + 2, *equals = strchr(name, '=');
        bool took_next = false;
        if (!set_option(choices, name, equals != NULL ? (size_t)(equals - name) : strlen(name),
                        equals != NULL ? equals + 1 : NULL, &took_next,
                        i + 1 < argc ? argv[i + 1] : NULL, err))
            return false;
        i += took_next;
    }
    if (!cf_buf_ok(&choices->spec))
        return cf_fail(err, CF_ERR_CONFIG, "mock: SPEC is over %d bytes", SPEC_MAX);
    choices->options.spec = cf_buf_str(&choices->spec);
    return true;
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

static void print_counters(const struct cf_simulator *sim, bool is_json)
{
    struct cf_simulator_counters counters;
    struct cf_buf text;
    cf_simulator_counters(sim, &counters);
    cf_buf_init(&text, 1 << 16);
    if (is_json)
        cf_simulator_format_json(&counters, &text);
    else
        cf_simulator_format_text(&counters, &text);
    printf("%s%s", cf_buf_str(&text), is_json ? "\n" : "");
    fflush(stdout);
    cf_buf_done(&text);
}

int cf_cmd_mock(int argc, char **argv)
{
    struct choices choices = { .is_json = false };
    struct cf_simulator *sim = NULL;
    struct cf_error err;
    int status = 2;

    if (!parse(argc, argv, &choices, &err))
        goto failed;
    if (choices.wants_help) {
        print_help();
        status = 0;
        goto done;
    }
    raise_descriptor_limit();
    if (!cf_simulator_open(&choices.options, &sim, &err))
        goto failed;

    serving = sim;
    struct sigaction action = { .sa_handler = on_signal };
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    printf("listening on http://127.0.0.1:%u\n", cf_simulator_port(sim));
    fflush(stdout);

    cf_simulator_run(sim);
    print_counters(sim, choices.is_json);
    status = 0;
    goto done;

failed:
    fprintf(stderr, "confab: %s\n", err.message);
done:
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    cf_simulator_free(sim);
    cf_buf_done(&choices.spec);
    return status;
}
