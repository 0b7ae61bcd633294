#include "store/tally.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define uthash_malloc(size) cf_malloc(size)
#include <uthash.h>

#include "store/reader_impl.h"

#define NAME_MAX_BYTES 512
#define CAP_MIN        4

/* A text that stands for as long as the tally, and its number. */
struct name {
    int64_t number;            /* of a model: how many came before it; of a template: its row */
    char *text;                /* owned */
    UT_hash_handle hh;
};

struct key {
    int64_t run, number;       /* run 0: all; number of the name */
    int64_t by;
};

struct group {
    struct key key;
    const struct name *name;
    int64_t replies, input_tokens, output_tokens, cost_pico;
    int64_t with_input, with_output, with_cost;    /* replies that told them */
    uint32_t *ms;              /* owned; the first `sorted` are in order */
    size_t count, sorted, cap;
    UT_hash_handle hh;
};

struct outcome_key {
    int64_t http_status;
    char status[16];
};

struct outcome {
    struct outcome_key key;
    int64_t count;
    UT_hash_handle hh;
};

struct cf_tally {
    pthread_mutex_t lock;
    int64_t last_log;          /* rows up to it are counted */
    struct name *models;       /* by text */
    struct name *templates;    /* by row */
    struct group *groups;
    struct outcome *outcomes;
};

struct cf_tally *cf_tally_new(void)
{
    struct cf_tally *tally = cf_calloc(1, sizeof *tally);
    pthread_mutex_init(&tally->lock, NULL);
    return tally;
}

static void free_names(struct name **names)
{
    struct name *name, *next;
    HASH_ITER (hh, *names, name, next) {
        HASH_DEL(*names, name);
        free(name->text);
        free(name);
    }
}

void cf_tally_free(struct cf_tally *tally)
{
    struct group *group, *next;
    struct outcome *outcome, *next_outcome;
    if (tally == NULL)
        return;
    HASH_ITER (hh, tally->groups, group, next) {
        HASH_DEL(tally->groups, group);
        free(group->ms);
        free(group);
    }
    HASH_ITER (hh, tally->outcomes, outcome, next_outcome) {
        HASH_DEL(tally->outcomes, outcome);
        free(outcome);
    }
    free_names(&tally->models);
    free_names(&tally->templates);
    pthread_mutex_destroy(&tally->lock);
    free(tally);
}

/* --- names --- */

static struct name *new_name(int64_t number, const char *text)
{
    struct name *name = cf_calloc(1, sizeof *name);
    name->number = number;
    name->text = cf_strdup(text);
    return name;
}

static const struct name *name_model(struct cf_tally *tally, const char *model)
{
    struct name *name;
    HASH_FIND_STR(tally->models, model, name);
    if (name == NULL) {
        name = new_name((int64_t)HASH_COUNT(tally->models), model);
        HASH_ADD_KEYPTR(hh, tally->models, name->text, strlen(name->text), name);
    }
    return name;
}

/* NULL: *err. */
static const struct name *name_template(struct cf_tally *tally, struct cf_reader *reader,
                                        int64_t template, struct cf_error *err)
{
    const struct cf_template_row *row;
    char text[NAME_MAX_BYTES] = "(none)";
    struct name *name;
    HASH_FIND(hh, tally->templates, &template, sizeof template, name);
    if (name != NULL)
        return name;
    int found = template != 0 ? cf_reader_template(reader, template, &row, err) : 0;
    if (found < 0)
        return NULL;
    if (found > 0)
        snprintf(text, sizeof text, "%s v%lld", row->name, (long long)row->version);
    name = new_name(template, text);
    HASH_ADD(hh, tally->templates, number, sizeof name->number, name);
    return name;
}

/* --- counting --- */

static struct group *find_group(struct cf_tally *tally, int64_t run, enum cf_tally_by by,
                                int64_t number)
{
    struct key key = { run, number, by };
    struct group *group;
    HASH_FIND(hh, tally->groups, &key, sizeof key, group);
    return group;
}

static struct group *get_group(struct cf_tally *tally, int64_t run, enum cf_tally_by by,
                               const struct name *name)
{
    struct group *group = find_group(tally, run, by, name->number);
    if (group == NULL) {
        group = cf_calloc(1, sizeof *group);
        group->key = (struct key){ run, name->number, by };
        group->name = name;
        HASH_ADD(hh, tally->groups, key, sizeof group->key, group);
    }
    return group;
}

static void add_latency(struct group *group, int64_t ms)
{
    if (group->count == group->cap) {
        group->cap = group->cap == 0 ? CAP_MIN : 2 * group->cap;
        group->ms = cf_realloc(group->ms, group->cap * sizeof *group->ms);
    }
    group->ms[group->count++] = ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

enum { LOG_ID, LOG_RUN, LOG_STATUS, LOG_HTTP_STATUS, LOG_MODEL, LOG_INPUT, LOG_OUTPUT, LOG_COST,
       LOG_MS, LOG_TEMPLATE };

static const char log_sql[] =
    "SELECT l.id, l.run, l.status, l.http_status, coalesce(l.model, '(none)'), l.input_tokens,"
    " l.output_tokens, l.cost_pico, l.duration_ms,"
    " CASE l.status WHEN 'success' THEN (SELECT c.template FROM calls c WHERE c.id = l.call) END"
    " FROM generation_logs l WHERE l.id > ? ORDER BY l.id";

static void add_known(int64_t *sum, int64_t *count, int64_t value)
{
    if (value < 0)
        return;
    *sum += value;
    (*count)++;
}

static void add_reply(struct group *group, const struct cf_query *row)
{
    int64_t ms = cf_column_count(row, LOG_MS);
    group->replies++;
    add_known(&group->input_tokens, &group->with_input, cf_column_count(row, LOG_INPUT));
    add_known(&group->output_tokens, &group->with_output, cf_column_count(row, LOG_OUTPUT));
    add_known(&group->cost_pico, &group->with_cost, cf_column_count(row, LOG_COST));
    if (ms >= 0)
        add_latency(group, ms);
}

static void add_outcome(struct cf_tally *tally, const char *status, int64_t http_status)
{
    struct outcome_key key = { .http_status = http_status };
    struct outcome *outcome;
    strncpy(key.status, status, sizeof key.status - 1);    /* the rest is NULs: part of the key */
    HASH_FIND(hh, tally->outcomes, &key, sizeof key, outcome);
    if (outcome == NULL) {
        outcome = cf_calloc(1, sizeof *outcome);
        outcome->key = key;
        HASH_ADD(hh, tally->outcomes, key, sizeof outcome->key, outcome);
    }
    outcome->count++;
}

static bool add_row(struct cf_tally *tally, struct cf_reader *reader, const struct cf_query *row,
                    struct cf_error *err)
{
    const char *status = cf_column_str(row, LOG_STATUS);
    int64_t run = cf_column_int(row, LOG_RUN);
    if (strcmp(status, "success") == 0) {
        const struct name *model = name_model(tally, cf_column_str(row, LOG_MODEL));
        const struct name *template =
            name_template(tally, reader, cf_column_int(row, LOG_TEMPLATE), err);
        if (template == NULL)
            return false;
        add_reply(get_group(tally, 0, CF_TALLY_BY_MODEL, model), row);
        add_reply(get_group(tally, run, CF_TALLY_BY_MODEL, model), row);
        add_reply(get_group(tally, 0, CF_TALLY_BY_TEMPLATE, template), row);
        add_reply(get_group(tally, run, CF_TALLY_BY_TEMPLATE, template), row);
    }
    add_outcome(tally, status, cf_column_int(row, LOG_HTTP_STATUS));
    tally->last_log = cf_column_int(row, LOG_ID);
    return true;
}

bool cf_tally_update(struct cf_tally *tally, struct cf_reader *reader, struct cf_error *err)
{
    int next = 1;
    bool ok = true;
    pthread_mutex_lock(&tally->lock);
    struct cf_query query = cf_db_query(&reader->db, log_sql);
    cf_query_int(&query, tally->last_log);
    while (ok && (next = cf_query_next(&query, err)) > 0)
        ok = add_row(tally, reader, &query, err);
    if (!ok)
        cf_query_end(&query);
    pthread_mutex_unlock(&tally->lock);
    return ok && next == 0;
}

/* --- telling --- */

static int compare_ms(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* Those that came since the last time are few: they alone are sorted, and merged from behind. */
static void sort(struct group *group)
{
    size_t added = group->count - group->sorted, at = group->count, old = group->sorted;
    if (added == 0)
        return;
    uint32_t *tail = (uint32_t *)(void *)cf_memdup(group->ms + group->sorted, added * sizeof *tail);
    qsort(tail, added, sizeof *tail, compare_ms);
    while (added > 0) {
        bool is_old = old > 0 && group->ms[old - 1] > tail[added - 1];
        group->ms[--at] = is_old ? group->ms[--old] : tail[--added];
    }
    group->sorted = group->count;
    free(tail);
}

/* Nearest rank: the least latency that so many percent do not exceed. */
static int64_t percentile(const struct group *group, size_t percent)
{
    if (group->count == 0)
        return -1;
    size_t rank = (group->count * percent + 99) / 100;
    return group->ms[rank - 1];
}

static struct cf_tally_group tell_group(struct group *group)
{
    sort(group);
    return (struct cf_tally_group){
        .name = group->name->text,
        .template = group->key.by == CF_TALLY_BY_TEMPLATE ? group->key.number : 0,
        .replies = group->replies,
        .input_tokens = group->with_input > 0 ? group->input_tokens : -1,
        .output_tokens = group->with_output > 0 ? group->output_tokens : -1,
        .cost_pico = group->with_cost > 0 ? group->cost_pico : -1,
        .mean_output_tokens = group->with_output > 0 ? (double)group->output_tokens /
                                                           (double)group->with_output
                                                     : NAN,
        .p50_ms = percentile(group, 50),
        .p95_ms = percentile(group, 95),
        .p99_ms = percentile(group, 99),
    };
}

static int compare_groups(const void *a, const void *b)
{
    const struct cf_tally_group *left = a, *right = b;
    if (left->replies != right->replies)
        return left->replies < right->replies ? 1 : -1;
    return strcmp(left->name, right->name);
}

size_t cf_tally_groups(struct cf_tally *tally, int64_t run, enum cf_tally_by by,
                       struct cf_tally_group **out_groups)
{
    struct name *name, *next;
    size_t count = 0;
    pthread_mutex_lock(&tally->lock);
    struct name *names = by == CF_TALLY_BY_MODEL ? tally->models : tally->templates;
    struct cf_tally_group *groups = cf_calloc(HASH_COUNT(names) + 1, sizeof *groups);
    HASH_ITER (hh, names, name, next) {
        struct group *group = find_group(tally, run, by, name->number);
        if (group != NULL)
            groups[count++] = tell_group(group);
    }
    pthread_mutex_unlock(&tally->lock);
    qsort(groups, count, sizeof *groups, compare_groups);
    *out_groups = groups;
    return count;
}

static bool is_meant(const struct group *group, int64_t run, int64_t template, const char *model)
{
    if (group->key.run != run)
        return false;
    if (template != 0)
        return group->key.by == CF_TALLY_BY_TEMPLATE && group->key.number == template;
    return group->key.by == CF_TALLY_BY_MODEL &&
           (model == NULL || strcmp(group->name->text, model) == 0);
}

size_t cf_tally_latencies(struct cf_tally *tally, int64_t run, int64_t template,
                          const char *model, uint32_t **out_ms)
{
    struct group *group, *next, all = { .ms = NULL };
    pthread_mutex_lock(&tally->lock);
    HASH_ITER (hh, tally->groups, group, next) {
        if (!is_meant(group, run, template, model) || group->count == 0)
            continue;
        sort(group);
        all.ms = cf_realloc(all.ms, (all.count + group->count) * sizeof *all.ms);
        memcpy(all.ms + all.count, group->ms, group->count * sizeof *all.ms);
        all.sorted = all.count == 0 ? group->count : all.sorted;
        all.count += group->count;
    }
    pthread_mutex_unlock(&tally->lock);
    sort(&all);
    *out_ms = all.ms;
    return all.count;
}

static int compare_outcomes(const void *a, const void *b)
{
    const struct cf_tally_outcome *left = a, *right = b;
    int order = strcmp(left->status, right->status);
    return order != 0 ? order : left->http_status - right->http_status;
}

size_t cf_tally_outcomes(struct cf_tally *tally, struct cf_tally_outcome **out_outcomes)
{
    struct outcome *outcome, *next;
    size_t count = 0;
    pthread_mutex_lock(&tally->lock);
    struct cf_tally_outcome *outcomes =
        cf_calloc(HASH_COUNT(tally->outcomes) + 1, sizeof *outcomes);
    HASH_ITER (hh, tally->outcomes, outcome, next)
        outcomes[count++] = (struct cf_tally_outcome){
            outcome->key.status, (int)outcome->key.http_status, outcome->count
        };
    pthread_mutex_unlock(&tally->lock);
    qsort(outcomes, count, sizeof *outcomes, compare_outcomes);
    *out_outcomes = outcomes;
    return count;
}
