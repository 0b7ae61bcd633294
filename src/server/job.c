#include "server/job.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/queue.h"

/* The lock and the jobs that wait. Counted: one for the server, one for each job. */
struct cf_jobs {
    pthread_mutex_t lock;
    pthread_cond_t answered; /* some job was, or the jobs are closed */
    struct cf_queue *queue;
    void (*deliver)(struct cf_completion *completion, void *context);
    bool is_closed;
    atomic_int holders;
};

struct cf_job {
    struct cf_completion completion; /* first: what the queue carries */
    struct cf_jobs *jobs;
    struct cf_job_question question; /* its texts are owned */
    bool is_answered;                /* under the lock, as what follows */
    int status;
    int64_t retry_after_s;
    char *json; /* owned */
    size_t json_len;
    atomic_int holders; /* the worker and the script thread */
};

struct cf_jobs *cf_jobs_new(struct cf_queue *queue,
                            void (*deliver)(struct cf_completion *completion, void *context))
{
    struct cf_jobs *jobs = cf_calloc(1, sizeof *jobs);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->answered, &monotonic);
    pthread_condattr_destroy(&monotonic);
    jobs->queue = queue;
    jobs->deliver = deliver;
    atomic_init(&jobs->holders, 1);
    return jobs;
}

void cf_jobs_free(struct cf_jobs *jobs)
{
    if (jobs == NULL || atomic_fetch_sub(&jobs->holders, 1) > 1)
        return;
    pthread_cond_destroy(&jobs->answered);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}

void cf_jobs_close(struct cf_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    jobs->is_closed = true;
    pthread_cond_broadcast(&jobs->answered);
    pthread_mutex_unlock(&jobs->lock);
}

static struct cf_job *new_job(struct cf_jobs *jobs, const struct cf_job_question *question)
{
    struct cf_job *job = cf_calloc(1, sizeof *job);
    job->completion.deliver = jobs->deliver;
    job->question.last_event_id = question->last_event_id;
    job->jobs = jobs;
    atomic_fetch_add(&jobs->holders, 1);
    job->question.task = cf_strdup(question->task);
    job->question.id = question->id != NULL ? cf_strdup(question->id) : NULL;
    job->question.key = question->key != NULL ? cf_strdup(question->key) : NULL;
    if (question->body.data != NULL)
        job->question.body = (struct cf_text){ cf_memdup(question->body.data, question->body.len),
                                               question->body.len };
    job->question.has_requests = question->has_requests;
    job->question.requests = question->has_requests ? fcntl(question->requests, F_DUPFD_CLOEXEC, 0)
                                                    : -1;
    atomic_init(&job->holders, 2);
    return job;
}

void cf_job_release(struct cf_job *job)
{
    if (job == NULL || atomic_fetch_sub(&job->holders, 1) > 1)
        return;
    free((char *)job->question.task);
    free((char *)job->question.id);
    free((char *)job->question.key);
    free((char *)job->question.body.data);
    if (job->question.requests >= 0)
        close(job->question.requests);
    free(job->json);
    cf_jobs_free(job->jobs);
    free(job);
}

/* Under the lock, which is free while the asker is looked for. */
static void wait_for_answer(struct cf_jobs *jobs, const struct cf_job *job,
                            const struct cf_job_question *question)
{
    struct timespec until;
    bool is_gone = false;
    clock_gettime(CLOCK_MONOTONIC, &until);
    while (!job->is_answered && !jobs->is_closed && !is_gone) {
        until.tv_nsec += CF_JOB_LOOK_MS * 1000000L;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        while (!job->is_answered && !jobs->is_closed &&
               pthread_cond_timedwait(&jobs->answered, &jobs->lock, &until) != ETIMEDOUT) {
        }
        if (job->is_answered || jobs->is_closed || question->is_gone == NULL)
            continue;
        pthread_mutex_unlock(&jobs->lock);
        is_gone = question->is_gone(question->asker);
        pthread_mutex_lock(&jobs->lock);
    }
}

bool cf_jobs_ask(struct cf_jobs *jobs, const struct cf_job_question *question,
                 struct cf_job **out_job, struct cf_job_answer *out_answer)
{
    struct cf_job *job = NULL;

    pthread_mutex_lock(&jobs->lock);
    if (!jobs->is_closed) {
        job = new_job(jobs, question);
        cf_queue_push(jobs->queue, &job->completion.link);
        wait_for_answer(jobs, job, question);
    }
    bool is_answered = job != NULL && job->is_answered;
    if (is_answered)
        *out_answer =
            (struct cf_job_answer){ job->status, job->retry_after_s, { job->json, job->json_len } };
    pthread_mutex_unlock(&jobs->lock);

    if (!is_answered) {
        cf_job_release(job);
        return false;
    }
    *out_job = job;
    return true;
}

struct cf_job *cf_job_of(struct cf_completion *completion)
{
    return (struct cf_job *)completion;
}

const struct cf_job_question *cf_job_question(const struct cf_job *job)
{
    return &job->question;
}

bool cf_job_answer(struct cf_job *job, int status, int64_t retry_after_s, struct cf_text json)
{
    struct cf_jobs *jobs = job->jobs;
    pthread_mutex_lock(&jobs->lock);
    bool is_first = !job->is_answered;
    if (is_first) {
        job->is_answered = true;
        job->status = status;
        job->retry_after_s = retry_after_s;
        job->json = cf_memdup(json.data, json.len);
        job->json_len = json.len;
        pthread_cond_broadcast(&jobs->answered);
    }
    pthread_mutex_unlock(&jobs->lock);
    return is_first;
}
