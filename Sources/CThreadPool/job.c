/* A job from its making to its end, whoever still waits for it, and jobs that are used again. */
#include "pool.h"

#include <stdlib.h>

enum { spare_limit = 64 };

static evg_job *make(evg_pool *pool) {
    size_t size = pool->options.job_size;
    evg_job *job = calloc(1, size < sizeof *job ? sizeof *job : size);
    if (!job) return NULL;
    job->pool = pool;
    evg_condition_init(&job->locked.changed);
    return job;
}

evg_job *evg_job_new(evg_pool *pool) {
    if (!pool->loop.spares) {
        evg_pool_lock(pool);
        evg_pool_exchange_spares(pool);
        evg_pool_unlock(pool);
    }
    evg_job *job = pool->loop.spares;
    if (job) pool->loop.spares = job->locked.next;
    else if (!(job = make(pool))) return NULL;
    job->locked.references = 1;
    job->locked.news = 0;
    job->locked.in_start = 0;
    job->locked.lending = EVG_JOB_LENDS_NOTHING;
    job->locked.queued = job->locked.posted = job->locked.full = job->locked.over = job->locked.watched = false;
    job->locked.in_ended = job->locked.in_cut = job->locked.in_paused = false;
    job->loop.is_submitted = false;
    atomic_store_explicit(&job->gone, false, memory_order_relaxed);
    return job;
}

void evg_job_end(evg_job *job) {
    job->loop.next = job->pool->loop.ended;
    job->pool->loop.ended = job;
}

void evg_pool_exchange_spares(evg_pool *pool) {
    while (pool->loop.ended) {
        evg_job *job = pool->loop.ended;
        pool->loop.ended = job->loop.next;
        evg_job_let_go(job);
    }
    if (pool->loop.spares) return;
    pool->loop.spares = pool->locked.spares;
    pool->locked.spares = NULL;
    atomic_store_explicit(&pool->any.spares, 0, memory_order_relaxed);
}

void evg_job_free(evg_job *job) {
    evg_pool *pool = job->pool;
    if (pool->options.destroy) pool->options.destroy(job);
    pthread_cond_destroy(&job->locked.changed);
    free(job->locked.out.base);
    free(job->locked.in.base);
    free(job->loop.data.base);
    free(job);
}

void evg_job_let_go(evg_job *job) {
    if (--job->locked.references) return;
    evg_pool *pool = job->pool;
    bool is_free = !pool->options.reset || pool->options.reset(job);
    evg_bytes_trim(&job->locked.out);
    evg_bytes_trim(&job->locked.in);
    evg_bytes_trim(&job->loop.data);
    if (!is_free || evg_pool_keeps_jobs(pool)) {
        job->locked.next = pool->locked.spares;
        pool->locked.spares = job;
        atomic_fetch_add_explicit(&pool->any.spares, 1, memory_order_relaxed);
        return;
    }
    evg_job_free(job);
}

bool evg_pool_keeps_jobs(evg_pool *pool) {
    return atomic_load_explicit(&pool->any.spares, memory_order_relaxed) < spare_limit;
}

void evg_job_retain(evg_job *job) {
    evg_pool_lock(job->pool);
    job->locked.references++;
    evg_pool_unlock(job->pool);
}

void evg_job_release(evg_job *job) {
    evg_pool *pool = job->pool;
    evg_pool_lock(pool);
    evg_job_let_go(job);
    evg_pool_unlock(pool);
}

/* MARK: those that wait */

void evg_job_await(evg_job *job, const struct timespec *until) {
    job->locked.waiters++;
    if (until) pthread_cond_timedwait(&job->locked.changed, &job->pool->lock, until);
    else pthread_cond_wait(&job->locked.changed, &job->pool->lock);
    job->locked.waiters--;
}

static bool has_passed(const struct timespec *until) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > until->tv_sec || (now.tv_sec == until->tv_sec && now.tv_nsec >= until->tv_nsec);
}

bool evg_job_wait(evg_job *job, const struct timespec *until) {
    evg_pool_lock(job->pool);
    while (!job->gone && !job->locked.over && !(until && has_passed(until))) evg_job_await(job, until);
    bool gone = job->gone;
    evg_pool_unlock(job->pool);
    return gone;
}

bool evg_job_watch(evg_job *job) {
    evg_pool_lock(job->pool);
    bool gone = job->gone;
    job->locked.watched = true;
    evg_pool_unlock(job->pool);
    return gone;
}

evg_job *evg_pool_await_left(evg_pool *pool) {
    evg_pool_lock(pool);
    while (!pool->locked.left && !pool->locked.stopped)
        pthread_cond_wait(&pool->locked.somebody_left, &pool->lock);
    evg_job *job = pool->locked.left;
    if (job) pool->locked.left = job->locked.next_left;
    evg_pool_unlock(pool);
    return job;
}

bool evg_job_left(evg_job *job) {
    evg_pool *pool = job->pool;
    evg_pool_lock(pool);
    bool was_waiting = job->locked.queued || job->loop.is_submitted;
    job->gone = true;
    if (was_waiting) {
        if (job->locked.queued) evg_pool_unqueue(job); else evg_pool_forget_submitted(job);
        evg_job_let_go(job);
    } else {
        /* A loop that is told of the leaving while it sends what is lent lets go of it in evg_job_taken. */
        if (job->locked.full) evg_job_end_loan(job);
        evg_job_changed(job);
        /* News that were held back while the job was full go to the loop now, which is the caller. */
        if (job->locked.news) evg_job_tell(job, 0, true);
        if (job->locked.watched) {
            job->locked.references++;
            job->locked.next_left = pool->locked.left;
            pool->locked.left = job;
            pthread_cond_signal(&pool->locked.somebody_left);
        }
    }
    evg_pool_unlock(pool);
    return was_waiting;
}
