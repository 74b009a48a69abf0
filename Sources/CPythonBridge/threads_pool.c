/* The loop's side of the pool: jobs in, answers out, and who is woken when. Law: no Python here. A thread that is about
 * to look at the queue again is not joined by another, unless it stays away longer than jobs usually take. */
#include "threads_internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { spare_limit = 64, kept_bytes = 16384, batch = 16, quick_due = 64, slow_due = 4 };
/* Jobs are quick up to here: one thread serves them one after the other, and answers travel in batches. */
static const uint64_t quick = 300000, slow = 1000000;

evg_py_pool evg_py_threads = {.lock = PTHREAD_MUTEX_INITIALIZER};

#define pool evg_py_threads

/* The loop's own lists, so that it needs the lock once for many requests: jobs not yet queued, answers not yet looked
 * at, jobs that have ended, and some to use again. */
static evg_py_job *pending_first, *pending_last, *answers, *ended, *cache;
static uint32_t pending_count;
/* With so many jobs pending, threads are woken in the middle of a turn. A thread that is woken for fewer would be done
 * with them before the loop has the next, and wait again. */
static uint32_t due = quick_due;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

bool evg_py_bytes_reserve(evg_py_bytes *bytes, size_t capacity) {
    if (capacity <= bytes->capacity) return true;
    size_t wanted = bytes->capacity * 2 > capacity ? bytes->capacity * 2 : capacity;
    uint8_t *grown = realloc(bytes->base, wanted);
    if (!grown) return false;
    bytes->base = grown;
    bytes->capacity = wanted;
    return true;
}

static void trim(evg_py_bytes *bytes) {
    bytes->count = 0;
    if (bytes->capacity <= kept_bytes) return;
    free(bytes->base);
    *bytes = (evg_py_bytes){0};
}

static char *copy(const char *text) { return strdup(text ? text : ""); }

evg_py_listener *evg_py_listener_new(const evg_py_environ_options *options) {
    evg_py_listener *listener = calloc(1, sizeof *listener);
    if (!listener) return NULL;
    listener->options = *options;
    listener->options.server_name = copy(options->server_name);
    listener->options.server_port = copy(options->server_port);
    listener->options.server_software = copy(options->server_software);
    listener->options.script_name = copy(options->script_name);
    listener->options.scheme = copy(options->scheme);
    return listener;
}

/* MARK: jobs */

/* Locked. */
static void exchange_spares(void) {
    while (ended) {
        evg_py_job *job = ended;
        ended = job->next_taken;
        evg_py_job_release(job);
    }
    if (cache) return;
    cache = pool.spare;
    pool.spare = NULL;
    pool.spare_count = 0;
}

static evg_py_job *take_spare(void) {
    if (!cache) {
        evg_py_pool_lock();
        exchange_spares();
        evg_py_pool_unlock();
    }
    evg_py_job *job = cache;
    if (job) {
        cache = job->next;
        return job;
    }
    job = calloc(1, sizeof *job);
    if (!job) return NULL;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&job->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return job;
}

void evg_py_job_release(evg_py_job *job) {
    if (--job->references) return;
    if (job->request.body_file >= 0) close(job->request.body_file);
    if (job->file >= 0) close(job->file);
    trim(&job->memory);
    if (job->head.capacity > kept_bytes) evg_response_head_free(&job->head);
    trim(&job->out);
    trim(&job->in);
    trim(&job->taken);
    /* A watch can be let go of only with the GIL; then the job stays, and the next thread to end it does so. */
    if (pool.spare_count < spare_limit || job->watch) {
        job->next = pool.spare;
        pool.spare = job;
        pool.spare_count++;
        return;
    }
    pthread_cond_destroy(&job->changed);
    free(job->memory.base);
    evg_response_head_free(&job->head);
    free(job->out.base);
    free(job->in.base);
    free(job->taken.base);
    free(job);
}

evg_py_job *evg_py_job_new(evg_py_listener *listener, const evg_py_request *request, bool streams) {
    evg_py_job *job = take_spare();
    if (!job) return NULL;
    evg_py_request *kept = &job->request;
    *kept = *request;
    evg_swift_exchange_describe(request->exchange, kept);
    kept->body_file = job->file = -1;
    size_t body = request->body ? request->body_count : 0, address = kept->client_address.count;
    job->references = 1;
    if (!evg_py_bytes_reserve(&job->memory, address + body + 1)) {
        evg_py_pool_lock();
        evg_py_job_release(job);
        evg_py_pool_unlock();
        return NULL;
    }
    kept->body_file = request->body_file;
    uint8_t *at = job->memory.base;
    if (address) memcpy(at, kept->client_address.base, address);
    kept->client_address.base = at;
    if (body) memcpy(at + address, request->body, body);
    kept->body = body ? at + address : NULL;
    job->exchange = request->exchange;
    job->listener = listener;
    job->streams = streams;
    job->length = -1;
    job->news = 0;
    job->in_start = 0;
    job->head_posted = job->posted = job->queued = job->full = job->over = job->watched = false;
    job->in_ended = job->in_cut = job->in_paused = job->is_pending = false;
    atomic_store_explicit(&job->gone, false, memory_order_relaxed);
    return job;
}

bool evg_py_job_submit(evg_py_job *job) {
    job->is_pending = true;
    job->next = NULL;
    job->previous = pending_last;
    if (pending_last) pending_last->next = job; else pending_first = job;
    pending_last = job;
    return ++pending_count >= due;
}

/* Locked. */
static void queue_pending(void) {
    if (!pending_first) return;
    for (evg_py_job *job = pending_first; job; job = job->next) {
        job->is_pending = false;
        job->queued = true;
    }
    pending_first->previous = pool.last;
    if (pool.last) pool.last->next = pending_first; else pool.first = pending_first;
    pool.last = pending_last;
    pool.queued += pending_count;
    pending_first = pending_last = NULL;
    pending_count = 0;
}

static void drop_pending(evg_py_job *job) {
    if (job->previous) job->previous->next = job->next; else pending_first = job->next;
    if (job->next) job->next->previous = job->previous; else pending_last = job->previous;
    job->is_pending = false;
    pending_count--;
}

static void unqueue(evg_py_job *job) {
    if (job->previous) job->previous->next = job->next; else pool.first = job->next;
    if (job->next) job->next->previous = job->previous; else pool.last = job->previous;
    job->queued = false;
    pool.queued--;
}

void evg_py_job_end(evg_py_job *job) {
    job->next_taken = ended;
    ended = job;
}

/* MARK: who is woken */

/* Locked. */
static evg_py_server *call_idle(void) {
    evg_py_server *server = pool.idle;
    pool.idle = server->next;
    pool.coming++;
    server->called = true;
    return server;
}

bool evg_py_threads_kick(void) {
    evg_py_server *called = NULL;
    evg_py_pool_lock();
    queue_pending();
    uint32_t wanted = 0;
    if (pool.usual >= quick) wanted = pool.queued > pool.coming ? pool.queued - pool.coming : 0;
    /* A thread that was to be back at once and is not may wait for something. */
    else if (pool.queued && !pool.coming) wanted = !pool.hot || now() - pool.hot_since > slow;
    while (wanted-- && pool.idle) {
        evg_py_server *server = call_idle();
        server->next_called = called;
        called = server;
    }
    due = pool.usual < quick ? quick_due : slow_due;
    bool guarded = pool.guarded = pool.queued && pool.usual < quick;
    evg_py_pool_unlock();
    while (called) {
        evg_py_server *server = called;
        called = server->next_called;
        pthread_cond_signal(&server->wake);
    }
    return guarded;
}

evg_py_job *evg_py_pool_take(evg_py_server *server, uint64_t *started) {
    uint64_t time = now();
    if (*started) {
        uint64_t lasted = time - *started;
        pool.usual = pool.usual - pool.usual / 8 + (lasted > 8 * slow ? 8 * slow : lasted) / 8;
        pool.running--;
    }
    *started = 0;
    evg_py_job *job = pool.first;
    if (!job) {
        if (pool.hot == server) pool.hot = NULL;
        return NULL;
    }
    unqueue(job);
    pool.running++;
    /* The thread before this one waits, or the GIL would not be here: so may this one, and the next is made ready. */
    if (pool.hot && pool.hot != server && pool.queued && !pool.coming && pool.idle)
        pthread_cond_signal(&call_idle()->wake);
    pool.hot = server;
    pool.hot_since = *started = time;
    return job;
}

/* MARK: news */

/* In the pool's order of things a wake may wait when the thread comes back soon: it brings more, and the loop looks
 * by itself after a moment as long as jobs are queued. */
bool evg_py_job_post(evg_py_job *job, uint32_t news, bool may_wait) {
    job->news |= news;
    if (job->full && !job->gone) return false;
    if (!job->posted) {
        job->posted = true;
        job->next_posted = NULL;
        if (pool.posted_last) pool.posted_last->next_posted = job; else pool.posted_first = job;
        pool.posted_last = job;
        atomic_store_explicit(&pool.answered, true, memory_order_release);
    }
    if (pool.woken) return false;
    if (may_wait && pool.guarded && pool.queued && ++pool.undelivered < batch) return false;
    pool.woken = true;
    return true;
}

bool evg_py_threads_have_answered(void) { return atomic_load_explicit(&pool.answered, memory_order_acquire); }

/* Takes all that there is, in order. */
static void take_answers(void) {
    evg_py_job **end = &answers;
    evg_py_pool_lock();
    for (evg_py_job *job = pool.posted_first; job; job = job->next_posted) {
        job->posted = false;
        if (job->full && !job->gone) continue;
        evg_py_bytes out = job->out;
        job->out = job->taken;
        job->taken = out;
        job->taken_news = job->news;
        job->news = 0;
        *end = job;
        end = &job->next_taken;
    }
    *end = NULL;
    pool.posted_first = pool.posted_last = NULL;
    pool.woken = false;
    pool.undelivered = 0;
    atomic_store_explicit(&pool.answered, false, memory_order_relaxed);
    exchange_spares();
    evg_py_pool_unlock();
}

bool evg_py_threads_next(evg_py_answer *answer) {
    if (!answers && evg_py_threads_have_answered()) take_answers();
    evg_py_job *job = answers;
    if (!job) return false;
    answers = job->next_taken;
    *answer = (evg_py_answer){
        .job = job, .exchange = job->exchange, .news = job->taken_news, .head = &job->head,
        .length = job->length, .data = {job->taken.base, job->taken.count},
        .file = -1, .file_offset = job->file_offset, .file_count = job->file_count,
    };
    if (job->taken_news & EVG_PY_SENDS) {
        answer->file = job->file;
        job->file = -1;
    }
    return true;
}

void evg_py_job_taken(evg_py_job *job) {
    job->taken.count = 0;
    evg_py_pool_lock();
    evg_py_job_changed(job);
    evg_py_pool_unlock();
}

void evg_py_job_full(evg_py_job *job) {
    job->taken.count = 0;
    evg_py_pool_lock();
    job->full = true;
    evg_py_pool_unlock();
}

void evg_py_job_drained(evg_py_job *job) {
    evg_py_pool_lock();
    job->full = false;
    evg_py_job_changed(job);
    if (job->news) evg_py_job_post(job, 0, true);
    evg_py_pool_unlock();
}

bool evg_py_job_left(evg_py_job *job) {
    evg_py_pool_lock();
    bool was_queued = job->queued || job->is_pending;
    job->gone = true;
    if (was_queued) {
        if (job->queued) unqueue(job); else drop_pending(job);
        evg_py_job_release(job);
    } else {
        evg_py_job_changed(job);
        if (job->news) evg_py_job_post(job, 0, true);
        if (job->watched) {
            job->references++;
            job->next_left = pool.left_first;
            pool.left_first = job;
            pthread_cond_signal(&pool.left);
        }
    }
    evg_py_pool_unlock();
    return was_queued;
}

void evg_py_job_await(evg_py_job *job, const struct timespec *until) {
    job->waiters++;
    if (until) pthread_cond_timedwait(&job->changed, &pool.lock, until);
    else pthread_cond_wait(&job->changed, &pool.lock);
    job->waiters--;
}

evg_py_pool_state evg_py_threads_state(void) {
    evg_py_pool_lock();
    evg_py_pool_state state = {
        .threads = pool.threads, .busy = pool.running, .queued = pool.queued,
    };
    evg_py_pool_unlock();
    return state;
}
