/* store_only.c - how many conversations of ten turns a second the store takes, durably.
 *
 * Only the store: items are drawn and finished through its write queue, as a run does it, with no
 * calls, no network and no Lua. A bounded number is under way, each is done when its commit is.
 *
 *   bench_store DATABASE CONVERSATIONS IN_FLIGHT
 *
 * Prints one line of JSON: items, seconds, CPU seconds, commits. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/queue.h"
#include "confab/error.h"
#include "store/store.h"
#include "store/write_item.h"
#include "store/write_run.h"

#define TURNS      10
#define DRAW_BATCH 64

static const char sentence[] =
    "I looked at the order again, and what you say about the second parcel is right. ";

struct slot {
    struct cf_write_item_finish finish; /* first: a committed write is its slot */
    struct cf_conversation_new conversation;
};

struct bench {
    struct cf_store *store;
    struct cf_queue committed;
    struct cf_write_run_begin run;
    struct cf_turn_row turns[TURNS];
    char content[TURNS][640];
    struct cf_item_draw items[DRAW_BATCH]; /* drawn and not begun: [next_item..DRAW_BATCH) */
    char keys[DRAW_BATCH][24];
    size_t next_item;
    int64_t drawn;
};

static void die(const struct cf_error *err)
{
    fprintf(stderr, "bench_store: %s\n", err->message);
    exit(1);
}

static void must(struct bench *bench, struct cf_write *write)
{
    struct cf_error err;
    if (!cf_store_write(bench->store, write, &err))
        die(&err);
}

static void make_turns(struct bench *bench)
{
    for (int i = 0; i < TURNS; i++) {
        char *out = bench->content[i];
        for (size_t at = 0; at + sizeof sentence < sizeof bench->content[i];
             at += sizeof sentence - 1)
            memcpy(out + at, sentence, sizeof sentence);
        bench->turns[i] =
            (struct cf_turn_row){ cf_text_of(i % 2 == 0 ? "user" : "assistant"), cf_text_of(out) };
    }
}

/* Keys in random order, as the hashes of real items are. */
static void draw_batch(struct bench *bench)
{
    for (int i = 0; i < DRAW_BATCH; i++) {
        uint64_t mixed = (uint64_t)bench->drawn * UINT64_C(0x9E3779B97F4A7C15);
        snprintf(bench->keys[i], sizeof bench->keys[i], "%016" PRIx64, mixed);
        bench->items[i] = (struct cf_item_draw){ .key = cf_text_of(bench->keys[i]),
                                                 .ordinal = bench->drawn++,
                                                 .params = cf_text_of(
                                                     "{\"persona\":\"Ann\",\"topic\":\"cards\"}") };
    }
    struct cf_write_item_draw batch = { .write.apply = cf_write_item_draw,
                                        .run = bench->run.run,
                                        .drawing = 1,
                                        .items = bench->items,
                                        .count = DRAW_BATCH };
    must(bench, &batch.write);
    bench->next_item = 0;
}

/* Store thread. */
static void on_committed(struct cf_write *write, const struct cf_error *err)
{
    struct bench *bench = write->owner;
    if (err != NULL)
        die(err);
    cf_queue_push(&bench->committed, &write->link);
}

static void begin(struct bench *bench, struct slot *slot)
{
    if (bench->next_item == DRAW_BATCH)
        draw_batch(bench);
    slot->conversation = (struct cf_conversation_new){
        .part = 1,
        .persona = cf_text_of("Ann"),
        .topic = cf_text_of("cards"),
        .parameters = cf_text_of("{\"persona\":\"Ann\",\"topic\":\"cards\"}"),
        .status = "generated",
        .quality_score = 9,
        .quality_breakdown = cf_text_of("[]"),
        .cost_pico = 1000,
        .model = "claude-sonnet-5-5",
        .turns = bench->turns,
        .turn_count = TURNS,
    };
    slot->finish = (struct cf_write_item_finish){
        .write = { .apply = cf_write_item_finish, .on_done = on_committed, .owner = bench },
        .item = bench->items[bench->next_item++].item,
        .state = CF_ITEM_DONE,
        .conversations = &slot->conversation,
        .count = 1,
    };
    cf_store_submit(bench->store, &slot->finish.write);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void work_through(struct bench *bench, int64_t total, int64_t in_flight)
{
    struct slot *slots = calloc((size_t)in_flight, sizeof *slots);
    int64_t begun = 0, done = 0;
    for (; begun < in_flight && begun < total; begun++)
        begin(bench, &slots[begun]);
    while (done < total) {
        cf_queue_wait(&bench->committed, -1);
        struct cf_queue_link *link = cf_queue_take_all(&bench->committed);
        while (link != NULL) {
            struct slot *slot =
                (struct slot *)(void *)link; /* a write's first member is its link */
            link = link->next;
            done++;
            if (begun < total) {
                begun++;
                begin(bench, slot);
            }
        }
    }
    free(slots);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench_store DATABASE CONVERSATIONS IN_FLIGHT\n");
        return 2;
    }
    static struct bench bench = { .next_item = DRAW_BATCH };
    int64_t total = atoll(argv[2]), in_flight = atoll(argv[3]);
    struct cf_error err;
    if (!cf_store_open(argv[1], NULL, &bench.store, &err))
        die(&err);
    if (!cf_queue_init(&bench.committed))
        return 1;
    bench.run = (struct cf_write_run_begin){ .write.apply = cf_write_run_begin,
                                             .name = "bench",
                                             .provider = "anthropic",
                                             .source = "script" };
    must(&bench, &bench.run.write);
    struct cf_write_run_own own = {
        .write.apply = cf_write_run_own, .begin = &bench.run, .host = "here", .pid = 1
    };
    must(&bench, &own.write);
    make_turns(&bench);

    double began = now(), cpu_began = cpu_seconds();
    uint64_t commits = cf_store_commits(bench.store);
    work_through(&bench, total, in_flight);
    printf(
        "{\"items\":%" PRId64 ",\"seconds\":%.4f,\"cpu_seconds\":%.4f,\"commits\":%" PRIu64 "}\n",
        total, now() - began, cpu_seconds() - cpu_began, cf_store_commits(bench.store) - commits);
    cf_store_free(bench.store);
    cf_queue_done(&bench.committed);
    return 0;
}
