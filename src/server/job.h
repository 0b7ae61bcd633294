/* job.h - a request that needs Lua, handed to the script thread; its worker waits for the answer.
 *
 *   worker: cf_jobs_ask -> completion queue -> script thread: deliver -> Lua, which may wait long
 *   worker: wakes with the answer        <- cf_job_answer <-
 *
 * A job belongs to both sides until each has let go of it, so the worker may leave first: what was
 * begun goes on, and its answer is dropped. There are never more than workers. */
#ifndef CONFAB_SERVER_JOB_H
#define CONFAB_SERVER_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "engine/completion.h"

struct cf_job;
struct cf_jobs;
struct cf_queue;

/* What is asked; copied. */
struct cf_job_question {
    const char *task;    /* which of the Lua side's handlers: "generate" */
    const char *id;      /* from the path; NULL: none */
    const char *key;     /* Idempotency-Key; NULL: none */
    struct cf_text body; /* JSON; data NULL: none */
    bool has_requests;
    int requests;        /* of a batch: a file with one a line, see batch_body.h; duplicated */
    int64_t last_event_id;    /* events from behind it on are kept; 0: nobody needs that */
    /* Asked now and then, on the worker: whether nobody waits for the answer any more; NULL:
     * somebody does. Not copied. */
    bool (*is_gone)(void *asker);
    void *asker;
};

#define CF_JOB_LOOK_MS 500    /* how often */

struct cf_job_answer {
    int status;            /* HTTP */
    int64_t retry_after_s; /* -1: none is to be sent */
    struct cf_text json;   /* lent until cf_job_release */
};

/* deliver is called on the script thread with each job, whose `completion` comes first; it passes
 * the job on, or answers it itself. queue: the scheduler's, borrowed. */
struct cf_jobs *cf_jobs_new(struct cf_queue *queue,
                            void (*deliver)(struct cf_completion *completion, void *context));

/* NULL is fine. Nobody may wait any more; jobs that were not let go of keep what they need. */
void cf_jobs_free(struct cf_jobs *jobs);

/* From now on nothing is taken, and all who wait come back without an answer. Any thread. */
void cf_jobs_close(struct cf_jobs *jobs);

/* --- worker threads --- */

/* Asks and waits. False: the server stops, or the asker is gone; there is no answer. *out_job holds
 * the answer and is to be released. */
bool cf_jobs_ask(struct cf_jobs *jobs, const struct cf_job_question *question,
                 struct cf_job **out_job, struct cf_job_answer *out_answer);

/* This side is done with it. Either thread; NULL is fine. */
void cf_job_release(struct cf_job *job);

/* --- script thread --- */

struct cf_job *cf_job_of(struct cf_completion *completion);
const struct cf_job_question *cf_job_question(const struct cf_job *job); /* lent */

/* Gives the answer; the JSON is copied. Once: a second one has no effect and gives false. */
bool cf_job_answer(struct cf_job *job, int status, int64_t retry_after_s, struct cf_text json);
#endif
