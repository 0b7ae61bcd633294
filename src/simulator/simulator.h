/* simulator.h - a Messages API server on loopback, for tests, benchmarks and dry runs.
 *
 * One thread, one epoll loop, its own small HTTP/1.1 server. It keeps rate limits with the
 * real headers and 429s, waits, makes faults, and writes plausible conversations that use the
 * request's own persona, emotion, topic and turn count. `confab mock` and --simulate run this
 * same code. What it answers depends only on the seed and the request body (faults: and on how
 * often that body came before), never on the order of arrival, so a run can be repeated.
 *
 * A server is described by a spec: "key=value" pairs separated by commas, each optional.
 *
 *   rpm=N itpm=N otpm=N   requests, input and output tokens a window; unset or 0: not enforced,
 *                         and the headers announce a million requests
 *   rpm@TIME=N            (also itpm, otpm) the limit changes TIME after the start
 *   enforce=minute        one bucket of a window's capacity, refilling evenly (default)
 *   enforce=second        a bucket of 1/60 of it: bursts are refused
 *   window=TIME           what "a minute" is in all of the above (default 60s)
 *   latency=fixed:MS      also uniform:LOW:HIGH and lognormal:MEDIAN:SIGMA (default fixed:0)
 *   seed=N                default 1
 *   faults=F;F;...        F is KIND:SHARE% (by chance), KIND@N or KIND@N-M (by number of arrival,
 *                         from 1), KIND@TIME-TIME (by time since the start), or KIND (always).
 *                         Kinds: 400 401 402 403 404 408 413 429 500 502 503 504 529 spend_cap
 *                         reset reset_body cut trickle stall silent bad_envelope stream_error
 *                         empty refusal max_tokens malformed malformed:WAY (WAY: the names of
 *                         tests/data/model_replies; without one, any of them)
 *   usage=plain|varied    varied: cache reads and writes, thinking, null and absent fields
 *   reply_bytes=N         the length to aim at for a conversation's JSON (default: by its turns)
 *   quality=default|low|mixed   whether conversations pass the default scoring rules (mixed:
 *                         two in three do)
 *   headers=on|off        off: no anthropic-ratelimit-* headers
 *   orgs=one|key          whether all keys are one organisation, or each its own (default one)
 *   trickle=TIME          how long a trickled body takes (default 5s)
 *
 * TIME is a number with ms, s, m or h. For example:
 *   rpm=1000,itpm=2000000,latency=uniform:100:300,faults=500:5%;529:5%;reset:2%;malformed:5%,seed=7 */
#ifndef CONFAB_SIMULATOR_SIMULATOR_H
#define CONFAB_SIMULATOR_SIMULATOR_H

#include <stdbool.h>
#include <stdint.h>

struct cf_clock;
struct cf_error;
struct cf_buf;
struct cf_simulator;

#define CF_SIMULATOR_FAULT_MAX 32    /* more than there are kinds */

struct cf_simulator_options {
    const char *spec;              /* as above; NULL or "": no limits, no faults, no latency */
    uint16_t port;                 /* on 127.0.0.1; 0: any free one */
    const char *api_key;           /* the only key accepted; NULL: any key, but there must be one */
    const char *log_path;          /* arrival log, appended to; NULL: none */
    const struct cf_clock *clock;  /* NULL: the system's */
};

struct cf_simulator_counters {
    uint64_t connections;          /* accepted */
    uint64_t requests;             /* POSTs of a message that arrived whole */
    uint64_t replies;              /* 200s handed whole to the kernel */
    uint64_t refused;              /* 429s because of the limits */
    uint64_t rejected;             /* 4xx because the request was wrong */
    uint64_t most_in_window;       /* most arrivals in any sliding window */
    int64_t  window_ms;
    uint64_t in_flight, peak_in_flight;
    uint64_t faults[CF_SIMULATOR_FAULT_MAX];   /* by kind: cf_simulator_fault_name */
    uint64_t input_tokens, output_tokens;      /* as sent in whole 200s */
    uint64_t cache_read_tokens, cache_write_tokens;
};

/* Opens the port and the log. On failure CF_ERR_CONFIG names the field of the spec,
 * the port or the file. */
bool cf_simulator_open(const struct cf_simulator_options *options, struct cf_simulator **out,
                       struct cf_error *err);

/* Serves on this thread until cf_simulator_interrupt. */
void cf_simulator_run(struct cf_simulator *sim);

/* One turn of its loop, waiting at most wait_ms: for tests that move the clock themselves. */
void cf_simulator_turn(struct cf_simulator *sim, int64_t wait_ms);

/* Makes cf_simulator_run return. Any thread; async-signal-safe. */
void cf_simulator_interrupt(struct cf_simulator *sim);

/* What happened so far. Only while nothing serves: after run, or between turns of a test. */
void cf_simulator_counters(const struct cf_simulator *sim, struct cf_simulator_counters *out);

/* Closes every connection and the log. NULL is fine. */
void cf_simulator_free(struct cf_simulator *sim);

/* open, and run on a thread of its own. */
bool cf_simulator_start(const struct cf_simulator_options *options, struct cf_simulator **out,
                        struct cf_error *err);

/* Interrupts, joins and frees what start made; *out_counters (may be NULL) is what happened. */
void cf_simulator_stop(struct cf_simulator *sim, struct cf_simulator_counters *out_counters);

uint16_t cf_simulator_port(const struct cf_simulator *sim);

/* "http://127.0.0.1:PORT/v1". Lent, for as long as the simulator lives. */
const char *cf_simulator_url(const struct cf_simulator *sim);

/* Whether a spec is well formed, so that a mistake is told before anything starts. */
bool cf_simulator_check_spec(const char *spec, struct cf_error *err);

/* The name of a fault kind, "500" or "reset_body"; NULL from the last one on. Static. */
const char *cf_simulator_fault_name(unsigned kind);

/* The counters as one JSON object, or as lines for people. */
void cf_simulator_format_json(const struct cf_simulator_counters *counters, struct cf_buf *out);
void cf_simulator_format_text(const struct cf_simulator_counters *counters, struct cf_buf *out);
#endif
