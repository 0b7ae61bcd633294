#include "simulator/simulator.h"

#include <stddef.h>

#include "confab/buf.h"

static const struct {
    const char *name, *text;
    size_t offset;
} fields[] = {
#define FIELD(name, text) { #name, text, offsetof(struct cf_simulator_counters, name) }
    FIELD(requests, "requests"),
    FIELD(replies, "whole replies"),
    FIELD(refused, "refused by the limits"),
    FIELD(rejected, "rejected as wrong"),
    FIELD(most_in_window, "most in any window"),
    FIELD(peak_in_flight, "peak in flight"),
    FIELD(in_flight, "in flight"),
    FIELD(connections, "connections"),
    FIELD(input_tokens, "input tokens"),
    FIELD(output_tokens, "output tokens"),
    FIELD(cache_write_tokens, "cache write tokens"),
    FIELD(cache_read_tokens, "cache read tokens"),
#undef FIELD
};

static unsigned long long value_of(const struct cf_simulator_counters *counters, size_t i)
{
    return *(const uint64_t *)(const void *)((const char *)counters + fields[i].offset);
}

void cf_simulator_format_json(const struct cf_simulator_counters *counters, struct cf_buf *out)
{
    bool is_first = true;
    cf_buf_addc(out, '{');
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        cf_buf_addf(out, "\"%s\":%llu,", fields[i].name, value_of(counters, i));
    cf_buf_addf(out, "\"window_ms\":%lld,\"faults\":{", (long long)counters->window_ms);
    for (unsigned i = 0; cf_simulator_fault_name(i) != NULL; i++) {
        if (counters->faults[i] == 0)
            continue;
        cf_buf_addf(out, "%s\"%s\":%llu", is_first ? "" : ",", cf_simulator_fault_name(i),
                    (unsigned long long)counters->faults[i]);
        is_first = false;
    }
    cf_buf_adds(out, "}}");
}

void cf_simulator_format_text(const struct cf_simulator_counters *counters, struct cf_buf *out)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        cf_buf_addf(out, "%-22s %llu\n", fields[i].text, value_of(counters, i));
    for (unsigned i = 0; cf_simulator_fault_name(i) != NULL; i++)
        if (counters->faults[i] > 0)
            cf_buf_addf(out, "fault %-16s %llu\n", cf_simulator_fault_name(i),
                        (unsigned long long)counters->faults[i]);
}
