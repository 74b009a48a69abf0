/* What the files of worker class threads share. Fields marked "lock" belong to whoever holds evg_py_pool.lock. */
#ifndef EVG_THREADS_INTERNAL_H
#define EVG_THREADS_INTERNAL_H

#include "runtime/wsgi_call.h"

#include <stdatomic.h>

#include "evg_threads.h"

typedef struct evg_py_bytes {
    uint8_t *base;
    size_t count, capacity;
} evg_py_bytes;

struct evg_py_listener {
    evg_py_environ_options options;
    evg_py_environ *environ;            /* GIL; made by the first thread that needs it */
};

struct evg_py_job {
    evg_exchange *exchange;             /* the loop's */
    evg_py_listener *listener;
    evg_py_request request;
    evg_py_bytes memory;                /* the client's address and the body, which request points to */
    bool streams;
    PyObject *watch;                    /* GIL; kept with the job for the next request */
    PyObject *input;                    /* GIL; wsgi.input of a body that streams */

    /* The response: the thread's until its news is posted, then the loop's. */
    evg_response_head head;             /* from the call, when its news is posted */
    int64_t length;
    int file;
    int64_t file_offset, file_count;
    bool head_posted;                   /* the thread's */

    uint32_t news;                      /* lock */
    evg_py_bytes out, in;               /* lock; out is the thread's alone until it is first posted */
    size_t in_start;                    /* lock */
    bool posted, queued, full, over, watched, in_ended, in_cut, in_paused;   /* lock */
    atomic_bool gone;                   /* set with the lock */
    unsigned waiters, references;       /* lock */
    struct evg_py_job *next, *previous, *next_posted, *next_left;   /* lock */
    pthread_cond_t changed;

    evg_py_bytes taken;                 /* the loop's, as all below */
    uint32_t taken_news;
    bool is_pending;
    struct evg_py_job *next_taken;
};

/* A thread that may wait for work. */
typedef struct evg_py_server {
    pthread_cond_t wake;
    bool called;                        /* lock */
    struct evg_py_server *next;         /* lock */
    struct evg_py_server *next_called;  /* the loop's */
} evg_py_server;

typedef struct evg_py_pool {
    pthread_mutex_t lock;
    size_t mark;
    uint32_t threads;                   /* lock, as all below */
    uint32_t queued, running;
    uint32_t coming;                    /* threads that were called and have not looked at the queue yet */
    evg_py_server *idle;                /* the thread that parked last comes first: its caches are warm */
    evg_py_server *hot;                 /* the thread that took a job last, while it is at it */
    uint64_t hot_since;                 /* nanoseconds */
    uint64_t usual;                     /* nanoseconds that a job takes, a moving average */
    evg_py_job *first, *last;
    evg_py_job *posted_first, *posted_last;
    uint32_t undelivered;
    bool woken;
    bool guarded;                       /* the loop looks for answers within moments, whether it is woken or not */
    evg_py_job *spare;
    _Atomic uint32_t spare_count;       /* lock, to change it */
    evg_py_job *left_first;             /* clients that left and whose apps want to know */
    pthread_cond_t left;
    atomic_bool answered;
} evg_py_pool;

extern evg_py_pool evg_py_threads;

static inline void evg_py_pool_lock(void) { pthread_mutex_lock(&evg_py_threads.lock); }
static inline void evg_py_pool_unlock(void) { pthread_mutex_unlock(&evg_py_threads.lock); }

/* Locked: for those that wait for a change of the job. */
static inline void evg_py_job_changed(evg_py_job *job) {
    if (job->waiters) pthread_cond_broadcast(&job->changed);
}

/* False without memory. */
bool evg_py_bytes_reserve(evg_py_bytes *bytes, size_t capacity);

/* Locked, with the GIL. The next job for a thread, or NULL; started is when it took the one that it has finished, or 0,
 * and then when it took this one. */
evg_py_job *evg_py_pool_take(evg_py_server *server, uint64_t *started);
/* Locked. Adds news; true when the loop is to be woken, after the lock is released. */
bool evg_py_job_post(evg_py_job *job, uint32_t news, bool may_wait);
/* Locked. */
void evg_py_job_release(evg_py_job *job);
/* Locked, without the GIL: waits for a change of the job, until a time of CLOCK_MONOTONIC when it is not NULL. */
void evg_py_job_await(evg_py_job *job, const struct timespec *until);

int evg_py_threads_ready(PyObject *module);

/* Gives the app's environ what tells of the client's leaving (threads_watch.c). */
int evg_py_watch_init(PyObject *module);
int evg_py_watch_dress(PyObject *environ, evg_py_job *job);
/* The request is over: callbacks are forgotten. */
void evg_py_watch_end(evg_py_job *job);

/* wsgi.input over a body that is still arriving (threads_input.c). */
int evg_py_stream_init(void);
PyObject *evg_py_stream_new(evg_py_job *job);
/* The request is over: no more is read. */
void evg_py_stream_end(evg_py_job *job);

#endif
