/* A job's input, on its way from the loop to the thread while the job runs. */
#include "pool.h"

#include <string.h>

/* With the lock. Asks the loop for more once half of what waited has been read; true if it is to be woken. */
static bool ask_for_more(evg_job *job) {
    size_t left = job->locked.in.count - job->locked.in_start;
    if (!job->locked.in_paused || left > job->pool->options.mark / 2) return false;
    job->locked.in_paused = false;
    return evg_job_tell(job, EVG_JOB_WANTS, false);
}

/* With the lock. */
static evg_job_input state_of(const evg_job *job) {
    if (job->locked.in.count > job->locked.in_start) return EVG_JOB_BYTES;
    if (job->locked.in_ended) return EVG_JOB_ENDED;
    return job->locked.in_cut || job->gone || job->locked.over ? EVG_JOB_CUT : EVG_JOB_NOTHING_YET;
}

size_t evg_job_peek(evg_job *job, size_t limit, bool line, evg_job_input *input) {
    evg_pool_lock(job->pool);
    *input = state_of(job);
    size_t count = job->locked.in.count - job->locked.in_start;
    if (count > limit) count = limit;
    const uint8_t *from = count ? job->locked.in.base + job->locked.in_start : NULL;
    const uint8_t *newline = line && count ? memchr(from, '\n', count) : NULL;
    if (newline) count = (size_t)(newline - from) + 1;
    evg_pool_unlock(job->pool);
    return count;
}

void evg_job_read(evg_job *job, uint8_t *into, size_t count) {
    evg_pool_lock(job->pool);
    memcpy(into, job->locked.in.base + job->locked.in_start, count);
    job->locked.in_start += count;
    bool wakes = ask_for_more(job);
    evg_pool_unlock(job->pool);
    if (wakes) evg_pool_wake(job->pool);
}

void evg_job_await_input(evg_job *job) {
    evg_pool_lock(job->pool);
    bool wakes = ask_for_more(job);
    evg_pool_unlock(job->pool);
    if (wakes) evg_pool_wake(job->pool);
    evg_pool_lock(job->pool);
    while (state_of(job) == EVG_JOB_NOTHING_YET) evg_job_await(job, NULL);
    evg_pool_unlock(job->pool);
}

/* MARK: the loop's thread */

bool evg_job_feed(evg_job *job, const uint8_t *bytes, size_t count) {
    return evg_job_feed_two(job, bytes, count, NULL, 0);
}

bool evg_job_feed_two(evg_job *job, const uint8_t *first, size_t first_count, const uint8_t *second,
                      size_t second_count) {
    evg_pool_lock(job->pool);
    evg_bytes *in = &job->locked.in;
    if (job->locked.in_start) {
        memmove(in->base, in->base + job->locked.in_start, in->count - job->locked.in_start);
        in->count -= job->locked.in_start;
        job->locked.in_start = 0;
    }
    bool room = false;
    if (evg_bytes_reserve(in, in->count + first_count + second_count) && evg_bytes_append(in, first, first_count)
        && evg_bytes_append(in, second, second_count)) {
        room = in->count < job->pool->options.mark;
        job->locked.in_paused = !room;
    } else {
        job->locked.in_cut = true;
    }
    evg_job_changed(job);
    evg_pool_unlock(job->pool);
    return room;
}

void evg_job_pause(evg_job *job) {
    evg_pool_lock(job->pool);
    job->locked.in_paused = true;
    evg_pool_unlock(job->pool);
}

void evg_job_feed_end(evg_job *job, bool cut) {
    evg_pool_lock(job->pool);
    job->locked.in_ended = !cut;
    job->locked.in_cut = cut;
    job->locked.in_paused = false;
    evg_job_changed(job);
    evg_pool_unlock(job->pool);
}
