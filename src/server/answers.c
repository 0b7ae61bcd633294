#include "server/answers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/mem.h"
#include "confab/buf.h"
#include "confab/clock.h"
#include "store/reader.h"

struct answer {
    char *request, *json;    /* owned */
    size_t len;
    int64_t version;         /* see struct cf_answer_base */
    int64_t made_ms, asked_ms;
    bool is_being_made;
};

struct task {
    void (*make)(void *self, bool is_wanted);
    void *self;
    struct task *next;
};

struct cf_answers {
    pthread_mutex_t lock;
    pthread_cond_t news;         /* a task, or the end */
    pthread_t thread;
    bool has_thread, has_ended;
    struct task *tasks;          /* first come, first served */
    const struct cf_clock *clock;
    char *path;
    struct cf_reader *reader;    /* tells whether something was written; NULL: not opened yet */
    struct answer list[CF_ANSWERS_MAX];
    size_t count;
    int64_t forgotten;           /* how often: what was begun before is not kept */
};

struct cf_answers *cf_answers_new(const char *db_path, const struct cf_clock *clock)
{
    struct cf_answers *answers = cf_calloc(1, sizeof *answers);
    pthread_mutex_init(&answers->lock, NULL);
    pthread_cond_init(&answers->news, NULL);
    answers->clock = clock;
    answers->path = cf_strdup(db_path);
    return answers;
}

static void drop(struct cf_answers *answers, struct answer *answer)
{
    free(answer->request);
    free(answer->json);
    *answer = answers->list[--answers->count];
}

void cf_answers_free(struct cf_answers *answers)
{
    struct task *task, *next;
    if (answers == NULL)
        return;
    pthread_mutex_lock(&answers->lock);
    answers->has_ended = true;
    pthread_cond_signal(&answers->news);
    pthread_mutex_unlock(&answers->lock);
    if (answers->has_thread)
        pthread_join(answers->thread, NULL);
    LL_FOREACH_SAFE (answers->tasks, task, next) {
        task->make(task->self, false);
        free(task);
    }
    while (answers->count > 0)
        drop(answers, &answers->list[0]);
    cf_reader_free(answers->reader);
    pthread_cond_destroy(&answers->news);
    pthread_mutex_destroy(&answers->lock);
    free(answers->path);
    free(answers);
}

/* Under the lock: it takes a look at shared memory. */
static int64_t version_of(struct cf_answers *answers)
{
    if (answers->reader == NULL && !cf_reader_open(answers->path, 0, &answers->reader, NULL))
        return -1;
    return cf_reader_data_version(answers->reader);
}

static struct answer *find(struct cf_answers *answers, const char *request)
{
    for (size_t i = 0; i < answers->count; i++)
        if (strcmp(answers->list[i].request, request) == 0)
            return &answers->list[i];
    return NULL;
}

/* A place for one more: that of the one not asked for the longest, if there is no other. */
static struct answer *add(struct cf_answers *answers, const char *request)
{
    if (answers->count == CF_ANSWERS_MAX) {
        struct answer *oldest = &answers->list[0];
        for (size_t i = 1; i < answers->count; i++)
            if (answers->list[i].asked_ms < oldest->asked_ms)
                oldest = &answers->list[i];
        drop(answers, oldest);
    }
    struct answer *answer = &answers->list[answers->count++];
    *answer = (struct answer){ .request = cf_strdup(request) };
    return answer;
}

static enum cf_answer_found look(struct answer *answer, int64_t version, int64_t now_ms)
{
    if (version >= 0 && version == answer->version)
        return CF_ANSWER_GOOD;
    if (now_ms - answer->made_ms >= CF_ANSWERS_OLD_MS)
        return CF_ANSWER_NONE;
    return answer->is_being_made ? CF_ANSWER_GOOD : CF_ANSWER_OLD;
}

enum cf_answer_found cf_answers_find(struct cf_answers *answers, const char *request,
                                     struct cf_buf *out, struct cf_answer_base *out_base)
{
    int64_t now_ms = cf_now_ms(answers->clock);
    enum cf_answer_found found = CF_ANSWER_NONE;
    pthread_mutex_lock(&answers->lock);
    int64_t version = version_of(answers);
    struct answer *answer = find(answers, request);
    if (answer != NULL) {
        found = look(answer, version, now_ms);
        answer->asked_ms = now_ms;
        if (found != CF_ANSWER_NONE)
            cf_buf_add(out, answer->json, answer->len);
        if (found == CF_ANSWER_OLD)
            answer->is_being_made = true;
    }
    *out_base = (struct cf_answer_base){ version, answers->forgotten };
    pthread_mutex_unlock(&answers->lock);
    return found;
}

void cf_answers_made(struct cf_answers *answers, const char *request,
                     const struct cf_answer_base *base, int64_t cpu_us,
                     const struct cf_buf *json)
{
    int64_t now_ms = cf_now_ms(answers->clock);
    pthread_mutex_lock(&answers->lock);
    struct answer *answer = find(answers, request);
    bool is_kept = json != NULL && cf_buf_ok(json) && cpu_us >= CF_ANSWERS_QUICK_US &&
                   base->forgotten == answers->forgotten;
    if (!is_kept) {
        if (answer != NULL)
            drop(answers, answer);
    } else {
        if (answer == NULL)
            answer = add(answers, request);
        free(answer->json);
        answer->json = cf_memdup(json->data, json->len);
        answer->len = json->len;
        answer->version = base->version;
        answer->made_ms = answer->asked_ms = now_ms;
        answer->is_being_made = false;
    }
    pthread_mutex_unlock(&answers->lock);
}

void cf_answers_forget(struct cf_answers *answers)
{
    pthread_mutex_lock(&answers->lock);
    while (answers->count > 0)
        drop(answers, &answers->list[0]);
    answers->forgotten++;
    pthread_mutex_unlock(&answers->lock);
}

/* --- made later --- */

/* Gives the next task; NULL: the end. */
static struct task *take_task(struct cf_answers *answers)
{
    pthread_mutex_lock(&answers->lock);
    while (answers->tasks == NULL && !answers->has_ended)
        pthread_cond_wait(&answers->news, &answers->lock);
    struct task *task = answers->has_ended ? NULL : answers->tasks;
    if (task != NULL)
        LL_DELETE(answers->tasks, task);
    pthread_mutex_unlock(&answers->lock);
    return task;
}

static void *run_thread(void *self)
{
    struct task *task;
    pthread_setname_np(pthread_self(), "confab answers");
    while ((task = take_task(self)) != NULL) {
        task->make(task->self, true);
        free(task);
    }
    return NULL;
}

void cf_answers_make_later(struct cf_answers *answers, void (*make)(void *self, bool is_wanted),
                           void *self)
{
    struct task *task = cf_calloc(1, sizeof *task);
    task->make = make;
    task->self = self;
    pthread_mutex_lock(&answers->lock);
    if (!answers->has_thread)
        answers->has_thread = pthread_create(&answers->thread, NULL, run_thread, answers) == 0;
    LL_APPEND(answers->tasks, task);
    pthread_cond_signal(&answers->news);
    pthread_mutex_unlock(&answers->lock);
}
