/* The pool's beginning and end, and what all of it needs. */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

enum { kept_bytes = 16384 };

bool evg_bytes_reserve(evg_bytes *bytes, size_t capacity) {
    if (capacity <= bytes->capacity) return true;
    size_t wanted = bytes->capacity * 2 > capacity ? bytes->capacity * 2 : capacity;
    uint8_t *grown = realloc(bytes->base, wanted);
    if (!grown) return false;
    bytes->base = grown;
    bytes->capacity = wanted;
    return true;
}

bool evg_bytes_append(evg_bytes *to, const uint8_t *bytes, size_t count) {
    if (!evg_bytes_reserve(to, to->count + count)) return false;
    if (count) memcpy(to->base + to->count, bytes, count);
    to->count += count;
    return true;
}

void evg_bytes_trim(evg_bytes *bytes) {
    bytes->count = 0;
    if (bytes->capacity <= kept_bytes) return;
    free(bytes->base);
    *bytes = (evg_bytes){0};
}

/* Waits on it are measured by the clock that nobody sets. */
void evg_condition_init(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

evg_pool *evg_pool_new(const evg_pool_options *options) {
    evg_pool *pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    pool->options = *options;
    pthread_mutex_init(&pool->lock, NULL);
    evg_condition_init(&pool->locked.somebody_left);
    pool->loop.due = EVG_DUE_IF_SHORT;
    return pool;
}

void evg_pool_stop(evg_pool *pool) {
    evg_pool_lock(pool);
    pool->locked.stopped = true;
    for (evg_pool_thread *thread = pool->locked.idle; thread; thread = thread->locked.next)
        pthread_cond_signal(&thread->locked.wake);
    pool->locked.idle = NULL;
    pthread_cond_broadcast(&pool->locked.somebody_left);
    evg_pool_unlock(pool);
}

static void free_jobs(evg_job *job) {
    while (job) {
        evg_job *next = job->locked.next;
        evg_job_free(job);
        job = next;
    }
}

void evg_pool_free(evg_pool *pool) {
    evg_pool_lock(pool);
    evg_pool_exchange_spares(pool);
    evg_pool_unlock(pool);
    free_jobs(pool->loop.spares);
    free_jobs(pool->locked.spares);
    pthread_cond_destroy(&pool->locked.somebody_left);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

evg_pool_state evg_pool_now(evg_pool *pool) {
    evg_pool_lock(pool);
    evg_pool_state state = {
        .threads = pool->options.threads, .busy = pool->locked.running, .queued = pool->locked.queue.count,
        .taken = pool->locked.taken,
    };
    evg_pool_unlock(pool);
    return state;
}
