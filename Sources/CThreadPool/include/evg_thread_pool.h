/* A queue of jobs between one loop thread and a pool of threads, and their wake-ups. No Python, no HTTP: what a job is,
 * and what its news mean, only the owner of the pool knows.
 *
 * The way of a job:
 *
 *   the loop's thread                          a thread of the pool
 *   evg_job_new, evg_job_submit
 *   evg_pool_kick: queues, wakes threads  -->  evg_pool_take
 *   evg_pool_next: what the loop reads    <--  evg_job_post, evg_job_send, evg_job_lend: news and bytes
 *   evg_job_feed: bytes for the thread    -->  evg_job_read
 *   evg_job_left: nobody wants it any more ->  evg_job_is_gone, evg_job_wait
 *   evg_pool_next                         <--  evg_pool_take: gives the job back, with its last news
 *   evg_job_end
 *
 * Laws:
 * - One mutex guards what both sides touch. Nobody who holds it waits for anything else.
 * - The loop's thread never waits for a thread.
 * - Bytes are bounded in both directions: a thread waits above `mark` bytes that the loop has not taken, and the loop
 *   is told to send no more above `mark` bytes that the thread has not read.
 * - Few wakes. While jobs are short, one thread works through the queue and the loop hears of many jobs at once; a
 *   second thread is woken when the first has stayed away for 1 ms.
 * - A child of fork(2) has the threads no more and must not touch the pool.
 *
 * Functions belong to the loop's thread, unless they stand under another heading. */
#ifndef EVG_THREAD_POOL_H
#define EVG_THREAD_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef struct evg_pool evg_pool;
typedef struct evg_job evg_job;
typedef struct evg_pool_thread evg_pool_thread;

typedef struct evg_bytes {
    uint8_t *base;
    size_t count, capacity;
} evg_bytes;

/* Bytes that stay where they are while the loop sends them. */
typedef struct evg_loan {
    const uint8_t *base;
    size_t count;
} evg_loan;

/* The fields stand in groups, each named after who may touch it. The owner's own struct begins with this one. */
struct evg_job {
    evg_pool *pool;             /* never changes */
    atomic_bool gone;           /* changes under the lock, may be read by everyone */

    struct {                    /* by the loop's thread */
        evg_bytes data;         /* what evg_pool_next has handed out */
        evg_loan lent;          /* what of it is the thread's own, behind data; the rest after evg_job_full */
        uint32_t news;
        bool is_submitted;      /* by evg_job_submit, and not queued yet */
        evg_job *next;          /* in the list of what was taken, then in that of jobs that have ended */
    } loop;

    struct {                    /* by whoever holds the lock */
        uint32_t news;          /* posted, not taken yet */
        evg_bytes out;          /* sent, not taken yet; the thread's alone before the first news (evg_job_put) */
        evg_bytes in;           /* fed, from in_start on not read yet */
        size_t in_start;
        evg_loan lent;
        enum { EVG_JOB_LENDS_NOTHING, EVG_JOB_OFFERS, EVG_JOB_LENDS } lending;
        bool queued;
        bool posted;            /* stands in the list of those with news */
        bool full;              /* the loop takes nothing more before evg_job_drained */
        bool over;              /* given back by its thread */
        bool watched;           /* evg_pool_await_left is to tell that it is gone */
        bool in_ended, in_cut, in_paused;
        unsigned references, waiters;
        uint64_t taken;         /* nanoseconds at which a thread has taken it */
        evg_job *next, *previous;   /* in the list of submitted jobs (the loop's), then in the queue */
        evg_job *next_posted, *next_left;
        pthread_cond_t changed;
    } locked;
};

/* A thread that takes jobs. */
struct evg_pool_thread {
    evg_pool *pool;             /* never changes */
    struct {                    /* by the thread itself */
        uint64_t started;       /* nanoseconds at which it took its job; 0: it has none */
    } own;
    struct {                    /* by whoever holds the lock */
        bool called;            /* it was woken and has not looked at the queue since */
        evg_pool_thread *next;  /* in the list of idle threads */
        pthread_cond_t wake;
    } locked;
    struct {                    /* by the loop's thread */
        evg_pool_thread *next;  /* in the list of those that evg_pool_kick wakes */
    } loop;
};

/* MARK: the pool */

typedef struct evg_pool_options {
    uint32_t threads;           /* how many will call evg_pool_take; only counted */
    size_t mark;                /* bytes of a job's output, and of its input, that wait on this side of their reader */
    size_t job_size;            /* bytes of the owner's struct */
    /* Makes the loop call evg_pool_next. On any thread, without the lock; more calls than needed do no harm. */
    void (*wake)(void *context);
    void *context;
    /* The last reference to a job is gone: lets go of what it holds, but for what its next use may need. False if it
     * still holds what cannot be let go of here: then the job is kept for its next use in any case. On any thread,
     * with the lock. May be NULL. */
    bool (*reset)(evg_job *job);
    /* A job that was reset is freed: frees what the owner's struct points to. As reset. May be NULL. */
    void (*destroy)(evg_job *job);
} evg_pool_options;

/* NULL without memory. */
evg_pool *evg_pool_new(const evg_pool_options *options);

/* Jobs that are queued are begun no more, threads that wait return, and busy ones end when they come back. */
void evg_pool_stop(evg_pool *pool);

/* After evg_pool_stop, when every thread has called evg_pool_thread_free and every job was ended. */
void evg_pool_free(evg_pool *pool);

typedef struct evg_pool_state {
    uint32_t threads, busy, queued;
    uint64_t taken;             /* jobs that threads have taken since the beginning */
} evg_pool_state;

/* On any thread. */
evg_pool_state evg_pool_now(evg_pool *pool);

/* Shows jobs that no thread has begun: `most` at each end of the queue, and those that are not queued yet. `see` is
 * called with the lock. */
void evg_pool_show_waiting(evg_pool *pool, size_t most, void (*see)(evg_job *job, void *context), void *context);

/* Queues what was submitted and wakes as many threads as the queue needs. True if the caller must call again within
 * 1 ms, and ask for news then: the queue was left to a thread that is expected back at once. */
bool evg_pool_kick(evg_pool *pool);

/* Whether evg_pool_next has something; cheap enough for every turn of the loop. On any thread. */
bool evg_pool_has_news(evg_pool *pool);

/* The next job with news, in the order of posting, or NULL. Its news stand in job->loop.news, its bytes in
 * job->loop.data and, behind them, job->loop.lent until evg_job_taken, evg_job_full or evg_job_end. */
evg_job *evg_pool_next(evg_pool *pool);

/* MARK: jobs, on the loop's thread */

/* With one reference; NULL without memory. The owner's fields are zero at first, and later as reset left them. */
evg_job *evg_job_new(evg_pool *pool);

/* The job is to be done. Threads see it with the next evg_pool_kick, which is due before the loop waits; true if it is
 * due now, because enough jobs have come together. */
bool evg_job_submit(evg_job *job);

/* Nobody wants the job any more. True if no thread has begun it: then the job is forgotten and must not be used. */
bool evg_job_left(evg_job *job);

/* The bytes of evg_pool_next have been used; the thread may send more. */
void evg_job_taken(evg_job *job);

/* So many of job->loop.lent have been used. */
void evg_job_use(evg_job *job, size_t count);

/* The bytes of evg_pool_next have been used, but for what is left of job->loop.lent, and no more can be: evg_pool_next
 * is silent about the job until evg_job_drained, or until the job is gone. */
void evg_job_full(evg_job *job);
void evg_job_drained(evg_job *job);

/* Lets go of a job: after its last news, or in place of evg_job_submit. */
void evg_job_end(evg_job *job);

/* Bytes of the input, before or after evg_job_submit. True if there is room for more; else EVG_JOB_WANTS comes as
 * news when there is. */
bool evg_job_feed(evg_job *job, const uint8_t *bytes, size_t count);
/* The same with two pieces, of which no reader sees the first without the second. */
bool evg_job_feed_two(evg_job *job, const uint8_t *first, size_t first_count, const uint8_t *second,
                      size_t second_count);
/* No input comes before EVG_JOB_WANTS has been news, which it is when the thread reads. */
void evg_job_pause(evg_job *job);
/* The input is complete, or (cut) will never be. */
void evg_job_feed_end(evg_job *job, bool cut);

/* News are bits of the owner's, below this one, which the pool posts by itself. */
enum { EVG_JOB_WANTS = 1 << 16 };

/* MARK: threads */

/* For the calling thread; NULL without memory. */
evg_pool_thread *evg_pool_thread_new(evg_pool *pool);
void evg_pool_thread_free(evg_pool_thread *thread);

/* Gives the finished job back, if there is one, with its last news, and takes the next. NULL: there is none, and
 * evg_pool_wait must follow. Does not wait. */
evg_job *evg_pool_take(evg_pool_thread *thread, evg_job *finished, uint32_t news);
/* Waits until evg_pool_take may find a job. False if the pool has stopped: the thread must end. */
bool evg_pool_wait(evg_pool_thread *thread);

/* MARK: a job, on the thread that has taken it */

/* Keeps bytes for the first news. Only before that. False without memory. */
bool evg_job_put(evg_job *job, const uint8_t *bytes, size_t count);

/* Tells the loop. may_wait: more will follow soon, so the loop need not be woken for this alone. */
void evg_job_post(evg_job *job, uint32_t news, bool may_wait);

typedef enum evg_job_sent {
    EVG_JOB_SENT,               /* as many as *count says now, at least one */
    EVG_JOB_FULL,               /* none: evg_job_await_room must come first */
    EVG_JOB_GONE,               /* none, and none are wanted any more */
    EVG_JOB_NO_MEMORY           /* none; `broken` was posted in place of `news` */
} evg_job_sent;

/* Sends bytes with news, as many as there is room for; if that is all of them, with `last` too. Does not wait. */
evg_job_sent evg_job_send(evg_job *job, const uint8_t *bytes, size_t *count, uint32_t news, uint32_t last,
                          uint32_t broken);
/* Sends bytes with news, without a copy: waits until the loop has used them all. False if they are not wanted. */
bool evg_job_lend(evg_job *job, const uint8_t *bytes, size_t count, uint32_t news);

/* Waits until there is room for output, or the job is gone. */
void evg_job_await_room(evg_job *job);

typedef enum evg_job_input {
    EVG_JOB_BYTES, EVG_JOB_NOTHING_YET, EVG_JOB_ENDED, EVG_JOB_CUT
} evg_job_input;

/* How many bytes evg_job_read may take next: not more than limit, and up to the first newline if `line`. 0: *input says
 * why. Another reader of the same job must not come between the two calls. */
size_t evg_job_peek(evg_job *job, size_t limit, bool line, evg_job_input *input);
void evg_job_read(evg_job *job, uint8_t *into, size_t count);
/* Waits until evg_job_peek says something else than EVG_JOB_NOTHING_YET. */
void evg_job_await_input(evg_job *job);

/* MARK: a job, on any thread that holds a reference */

void evg_job_retain(evg_job *job);
void evg_job_release(evg_job *job);

static inline bool evg_job_is_gone(const evg_job *job) {
    return atomic_load_explicit(&job->gone, memory_order_relaxed);
}

/* Waits until the job is gone or over, at most until an instant of CLOCK_MONOTONIC if it is not NULL. Whether the job
 * is gone. */
bool evg_job_wait(evg_job *job, const struct timespec *until);

/* evg_pool_await_left is to tell when the job is gone. Whether it is gone already: then it will not. */
bool evg_job_watch(evg_job *job);
/* Waits for a watched job that is gone, and hands it over with a reference of its own. NULL: the pool has stopped. */
evg_job *evg_pool_await_left(evg_pool *pool);

/* Whether a job that ends now is likely to be used again soon, so that what it holds is worth keeping. */
bool evg_pool_keeps_jobs(evg_pool *pool);

/* MARK: bytes */

/* False without memory. */
bool evg_bytes_reserve(evg_bytes *bytes, size_t capacity);
bool evg_bytes_append(evg_bytes *to, const uint8_t *bytes, size_t count);
/* Empties; memory beyond 16 KiB is given back. */
void evg_bytes_trim(evg_bytes *bytes);

#endif
