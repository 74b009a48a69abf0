/* The pool itself. Its fields stand in groups, each named after who may touch it. */
#ifndef EVG_POOL_H
#define EVG_POOL_H

#include "evg_thread_pool.h"

/* Jobs in their order, by their locked.next and locked.previous. */
typedef struct evg_job_list {
    evg_job *first, *last;
    uint32_t count;
} evg_job_list;

struct evg_pool {
    evg_pool_options options;           /* never changes */
    pthread_mutex_t lock;

    struct {                            /* by everyone */
        atomic_bool news;               /* evg_pool_next has something; written under the lock */
        _Atomic uint32_t spares;        /* the length of locked.spares; written under the lock */
    } any;

    struct {                            /* by whoever holds the lock */
        uint32_t running;
        uint64_t taken;
        evg_job_list queue;
        uint32_t coming;                /* threads that were called and have not looked at the queue yet */
        evg_pool_thread *idle;          /* the thread that went idle last comes first: its caches are warm */
        evg_pool_thread *hot;           /* the thread that took a job last, while it has it */
        uint64_t hot_since;             /* nanoseconds */
        uint64_t usual;                 /* nanoseconds that a job takes, a moving average */
        evg_job *posted_first, *posted_last;    /* jobs with news */
        uint32_t undelivered;           /* news that the loop was not woken for */
        bool woken;                     /* the loop was woken and has not looked since */
        bool guarded;                   /* the loop looks for news within 1 ms without being woken */
        bool stopped;
        evg_job *spares;                /* jobs to use again */
        evg_job *left;                  /* watched jobs that are gone */
        pthread_cond_t somebody_left;
    } locked;

    struct {                            /* by the loop's thread: lists, so that it needs the lock once for many jobs */
        evg_job_list submitted;
        uint32_t due;                   /* submitted jobs that are queued without waiting for the end of the turn */
        evg_job *taken;                 /* jobs with news that were not handed out yet */
        evg_job *ended;
        evg_job *spares;
    } loop;
};

/* Jobs that take less are short: one thread does them one after the other. A thread with a job that was to be short
 * counts as away after 1 ms. In nanoseconds. */
enum { EVG_SHORT_JOB = 300000, EVG_AWAY = 1000000 };

/* Submitted jobs that are queued at once. Short ones wait for more to come, because a thread that is done with the
 * first before the loop has read the second would only go idle again. */
enum { EVG_DUE_IF_SHORT = 64, EVG_DUE_IF_LONG = 4 };

static inline void evg_pool_lock(evg_pool *pool) { pthread_mutex_lock(&pool->lock); }
static inline void evg_pool_unlock(evg_pool *pool) { pthread_mutex_unlock(&pool->lock); }

static inline uint64_t evg_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static inline void evg_pool_wake(evg_pool *pool) { pool->options.wake(pool->options.context); }

/* With the lock: for those that wait for a change of the job. */
static inline void evg_job_changed(evg_job *job) {
    if (job->locked.waiters) pthread_cond_broadcast(&job->locked.changed);
}

/* With the lock, which is given away meanwhile: waits for a change, at most until an instant of CLOCK_MONOTONIC. */
void evg_job_await(evg_job *job, const struct timespec *until);

/* With the lock, on the loop's thread: what was lent is used no more. */
void evg_job_end_loan(evg_job *job);

/* With the lock. Adds news; true if the loop is to be woken once the lock is released. */
bool evg_job_tell(evg_job *job, uint32_t news, bool may_wait);

/* With the lock. */
void evg_job_let_go(evg_job *job);
void evg_job_free(evg_job *job);
/* With the lock, on the loop's thread: lets go of what has ended, and fetches jobs to use again. */
void evg_pool_exchange_spares(evg_pool *pool);

/* On the loop's thread: takes a job out of the submitted ones. */
void evg_pool_forget_submitted(evg_job *job);
/* With the lock: takes a job out of the queue. */
void evg_pool_unqueue(evg_job *job);

void evg_condition_init(pthread_cond_t *condition);

#endif
