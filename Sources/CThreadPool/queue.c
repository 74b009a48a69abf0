/* From the loop to the threads: submitted jobs, the queue, and which thread is woken. */
#include "pool.h"

#include <stdlib.h>

/* Moves all of one list behind the other. */
static void append(evg_job_list *list, evg_job_list *others) {
    if (!others->first) return;
    others->first->locked.previous = list->last;
    if (list->last) list->last->locked.next = others->first; else list->first = others->first;
    list->last = others->last;
    list->count += others->count;
    *others = (evg_job_list){0};
}

static void take_out(evg_job_list *list, evg_job *job) {
    evg_job *next = job->locked.next, *previous = job->locked.previous;
    if (previous) previous->locked.next = next; else list->first = next;
    if (next) next->locked.previous = previous; else list->last = previous;
    list->count--;
}

bool evg_job_submit(evg_job *job) {
    evg_pool *pool = job->pool;
    job->loop.is_submitted = true;
    job->locked.next = NULL;
    append(&pool->loop.submitted, &(evg_job_list){job, job, 1});
    return pool->loop.submitted.count >= pool->loop.due;
}

void evg_pool_forget_submitted(evg_job *job) {
    take_out(&job->pool->loop.submitted, job);
    job->loop.is_submitted = false;
}

/* With the lock. */
static void queue_submitted(evg_pool *pool) {
    for (evg_job *job = pool->loop.submitted.first; job; job = job->locked.next) {
        job->loop.is_submitted = false;
        job->locked.queued = true;
    }
    append(&pool->locked.queue, &pool->loop.submitted);
}

void evg_pool_unqueue(evg_job *job) {
    take_out(&job->pool->locked.queue, job);
    job->locked.queued = false;
}

/* With the lock, when a thread is idle. It is to be signalled afterwards. */
static evg_pool_thread *call_idle(evg_pool *pool) {
    evg_pool_thread *thread = pool->locked.idle;
    pool->locked.idle = thread->locked.next;
    pool->locked.coming++;
    thread->locked.called = true;
    return thread;
}

bool evg_pool_kick(evg_pool *pool) {
    evg_pool_thread *called = NULL;
    evg_pool_lock(pool);
    queue_submitted(pool);
    bool are_short = pool->locked.usual < EVG_SHORT_JOB;
    uint32_t queued = pool->locked.stopped ? 0 : pool->locked.queue.count, coming = pool->locked.coming, wanted = 0;
    if (!are_short) wanted = queued > coming ? queued - coming : 0;
    /* The hot thread takes the next job when it is done. If it stays away longer than short jobs take, it may wait for
     * something, and another thread is needed. */
    else if (queued && !coming) wanted = !pool->locked.hot || evg_nanoseconds() - pool->locked.hot_since > EVG_AWAY;
    while (wanted-- && pool->locked.idle) {
        evg_pool_thread *thread = call_idle(pool);
        thread->loop.next = called;
        called = thread;
    }
    pool->loop.due = are_short ? EVG_DUE_IF_SHORT : EVG_DUE_IF_LONG;
    bool guarded = pool->locked.guarded = queued && are_short;
    evg_pool_unlock(pool);
    while (called) {
        evg_pool_thread *thread = called;
        called = thread->loop.next;
        pthread_cond_signal(&thread->locked.wake);
    }
    return guarded;
}

void evg_pool_show_waiting(evg_pool *pool, size_t most, void (*see)(evg_job *job, void *context), void *context) {
    for (evg_job *job = pool->loop.submitted.first; job; job = job->locked.next) see(job, context);
    evg_pool_lock(pool);
    size_t count = pool->locked.queue.count, last = count > most ? count - most : 0;
    evg_job *job = pool->locked.queue.first;
    for (size_t seen = 0; job && seen < most; seen++, job = job->locked.next) see(job, context);
    job = pool->locked.queue.last;
    for (size_t seen = 0; job && seen < last && seen < most; seen++, job = job->locked.previous) see(job, context);
    evg_pool_unlock(pool);
}

/* MARK: threads */

evg_pool_thread *evg_pool_thread_new(evg_pool *pool) {
    evg_pool_thread *thread = calloc(1, sizeof *thread);
    if (!thread) return NULL;
    thread->pool = pool;
    evg_condition_init(&thread->locked.wake);
    return thread;
}

void evg_pool_thread_free(evg_pool_thread *thread) {
    pthread_cond_destroy(&thread->locked.wake);
    free(thread);
}

/* With the lock. */
static evg_job *take(evg_pool_thread *thread) {
    evg_pool *pool = thread->pool;
    uint64_t now = evg_nanoseconds();
    if (thread->locked.called) {
        thread->locked.called = false;
        pool->locked.coming--;
    }
    if (thread->own.started) {
        uint64_t lasted = now - thread->own.started, most = 8 * (uint64_t)EVG_AWAY;
        pool->locked.usual = pool->locked.usual - pool->locked.usual / 8 + (lasted > most ? most : lasted) / 8;
        pool->locked.running--;
    }
    thread->own.started = 0;
    evg_job *job = pool->locked.stopped ? NULL : pool->locked.queue.first;
    if (!job) {
        if (pool->locked.hot == thread) pool->locked.hot = NULL;
        if (!pool->locked.stopped) {
            thread->locked.next = pool->locked.idle;
            pool->locked.idle = thread;
        }
        return NULL;
    }
    evg_pool_unqueue(job);
    pool->locked.running++;
    pool->locked.taken++;
    /* This thread came although another one is hot: that one waits for something. So may this one, and the next thread
     * is made ready. */
    if (pool->locked.hot && pool->locked.hot != thread && pool->locked.queue.count && !pool->locked.coming
        && pool->locked.idle)
        pthread_cond_signal(&call_idle(pool)->locked.wake);
    pool->locked.hot = thread;
    pool->locked.hot_since = thread->own.started = job->locked.taken = now;
    return job;
}

evg_job *evg_pool_take(evg_pool_thread *thread, evg_job *finished, uint32_t news) {
    evg_pool *pool = thread->pool;
    bool wakes = false;
    evg_pool_lock(pool);
    if (finished) {
        finished->locked.over = true;
        evg_job_changed(finished);
        wakes = evg_job_tell(finished, news, true);
    }
    evg_job *job = take(thread);
    evg_pool_unlock(pool);
    if (wakes) evg_pool_wake(pool);
    return job;
}

bool evg_pool_wait(evg_pool_thread *thread) {
    evg_pool *pool = thread->pool;
    evg_pool_lock(pool);
    while (!thread->locked.called && !pool->locked.stopped) pthread_cond_wait(&thread->locked.wake, &pool->lock);
    bool goes_on = !pool->locked.stopped;
    evg_pool_unlock(pool);
    return goes_on;
}
