/* From the threads to the loop: news and bytes, in order, and when the loop is woken for them. */
#include "pool.h"

/* News of jobs that have ended wait for so many others, as long as the queue brings the thread back at once. */
enum { batch = 16 };

bool evg_job_tell(evg_job *job, uint32_t news, bool may_wait) {
    evg_pool *pool = job->pool;
    job->locked.news |= news;
    if (job->locked.full && !job->gone) return false;
    if (!job->locked.posted) {
        job->locked.posted = true;
        job->locked.next_posted = NULL;
        if (pool->locked.posted_last) pool->locked.posted_last->locked.next_posted = job;
        else pool->locked.posted_first = job;
        pool->locked.posted_last = job;
        atomic_store_explicit(&pool->any.news, true, memory_order_release);
    }
    if (pool->locked.woken) return false;
    bool comes_back = may_wait && pool->locked.guarded && pool->locked.queue.count;
    if (comes_back && ++pool->locked.undelivered < batch) return false;
    pool->locked.woken = true;
    return true;
}

void evg_job_post(evg_job *job, uint32_t news, bool may_wait) {
    evg_pool_lock(job->pool);
    bool wakes = evg_job_tell(job, news, may_wait);
    evg_pool_unlock(job->pool);
    if (wakes) evg_pool_wake(job->pool);
}

bool evg_job_put(evg_job *job, const uint8_t *bytes, size_t count) {
    return evg_bytes_append(&job->locked.out, bytes, count);
}

static bool has_room(const evg_job *job) {
    return !job->locked.full && job->locked.out.count < job->pool->options.mark;
}

evg_job_sent evg_job_send(evg_job *job, const uint8_t *bytes, size_t *count, uint32_t news, uint32_t last,
                          uint32_t broken) {
    evg_pool *pool = job->pool;
    evg_pool_lock(pool);
    if (job->gone || !has_room(job)) {
        evg_job_sent why = job->gone ? EVG_JOB_GONE : EVG_JOB_FULL;
        evg_pool_unlock(pool);
        return why;
    }
    size_t room = pool->options.mark - job->locked.out.count;
    bool fits = *count <= room;
    if (!fits) *count = room;
    bool is_kept = evg_bytes_append(&job->locked.out, bytes, *count);
    bool wakes = evg_job_tell(job, is_kept ? news | (fits ? last : 0) : broken, false);
    evg_pool_unlock(pool);
    if (wakes) evg_pool_wake(pool);
    return is_kept ? EVG_JOB_SENT : EVG_JOB_NO_MEMORY;
}

void evg_job_await_room(evg_job *job) {
    evg_pool_lock(job->pool);
    while (!job->gone && !has_room(job)) evg_job_await(job, NULL);
    evg_pool_unlock(job->pool);
}

bool evg_job_lend(evg_job *job, const uint8_t *bytes, size_t count, uint32_t news) {
    evg_pool *pool = job->pool;
    evg_pool_lock(pool);
    if (job->gone) {
        evg_pool_unlock(pool);
        return false;
    }
    job->locked.lent = (evg_loan){bytes, count};
    job->locked.lending = EVG_JOB_OFFERS;
    bool wakes = evg_job_tell(job, news, false);
    evg_pool_unlock(pool);
    if (wakes) evg_pool_wake(pool);
    evg_pool_lock(pool);
    while (job->locked.lending == EVG_JOB_LENDS || (job->locked.lending == EVG_JOB_OFFERS && !job->gone))
        evg_job_await(job, NULL);
    bool wanted = job->locked.lending == EVG_JOB_LENDS_NOTHING && !job->gone;
    job->locked.lending = EVG_JOB_LENDS_NOTHING;
    evg_pool_unlock(pool);
    return wanted;
}

/* MARK: the loop's thread */

bool evg_pool_has_news(evg_pool *pool) { return atomic_load_explicit(&pool->any.news, memory_order_acquire); }

/* Takes all that there is, in order. A job that became full after it was posted keeps its news. */
static void take_all(evg_pool *pool) {
    evg_job **end = &pool->loop.taken;
    evg_pool_lock(pool);
    for (evg_job *job = pool->locked.posted_first; job; job = job->locked.next_posted) {
        job->locked.posted = false;
        if (job->locked.full && !job->gone) continue;
        evg_bytes out = job->locked.out;
        job->locked.out = job->loop.data;
        job->loop.data = out;
        if (job->locked.lending == EVG_JOB_OFFERS) {
            job->locked.lending = EVG_JOB_LENDS;
            job->loop.lent = job->locked.lent;
        }
        job->loop.news = job->locked.news;
        job->locked.news = 0;
        *end = job;
        end = &job->loop.next;
    }
    *end = NULL;
    pool->locked.posted_first = pool->locked.posted_last = NULL;
    pool->locked.woken = false;
    pool->locked.undelivered = 0;
    atomic_store_explicit(&pool->any.news, false, memory_order_relaxed);
    evg_pool_exchange_spares(pool);
    evg_pool_unlock(pool);
}

evg_job *evg_pool_next(evg_pool *pool) {
    if (!pool->loop.taken && evg_pool_has_news(pool)) take_all(pool);
    evg_job *job = pool->loop.taken;
    if (job) pool->loop.taken = job->loop.next;
    return job;
}

void evg_job_end_loan(evg_job *job) {
    job->loop.lent = (evg_loan){0};
    if (job->locked.lending != EVG_JOB_LENDS) return;
    job->locked.lending = EVG_JOB_LENDS_NOTHING;
    evg_job_changed(job);
}

void evg_job_use(evg_job *job, size_t count) {
    job->loop.lent.base += count;
    job->loop.lent.count -= count;
}

void evg_job_taken(evg_job *job) {
    job->loop.data.count = 0;
    evg_pool_lock(job->pool);
    evg_job_end_loan(job);
    evg_job_changed(job);
    evg_pool_unlock(job->pool);
}

void evg_job_full(evg_job *job) {
    job->loop.data.count = 0;
    evg_pool_lock(job->pool);
    job->locked.full = true;
    if (!job->loop.lent.count) evg_job_end_loan(job);
    evg_pool_unlock(job->pool);
}

void evg_job_drained(evg_job *job) {
    evg_pool_lock(job->pool);
    job->locked.full = false;
    evg_job_changed(job);
    /* The caller is the loop, which looks for news before it waits. */
    bool has_loan = job->loop.lent.count || job->locked.lending == EVG_JOB_OFFERS;
    if (job->locked.news || has_loan) evg_job_tell(job, 0, true);
    evg_pool_unlock(job->pool);
}
