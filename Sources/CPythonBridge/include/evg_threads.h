/* Worker class threads: requests go from the loop to a pool of Python threads, answers come back. Law: one mutex
 * guards what both sides touch and is never held while waiting for the GIL; the loop never takes the GIL.
 * Functions are the loop thread's unless their comment says otherwise. */
#ifndef EVG_THREADS_H
#define EVG_THREADS_H

#include "evg_wsgi_call.h"

/* One request on its way through the pool. */
typedef struct evg_py_job evg_py_job;

/* What the requests of one listening socket share. Lives as long as the process. */
typedef struct evg_py_listener evg_py_listener;

/* Copies the texts. NULL without memory. */
evg_py_listener *evg_py_listener_new(const evg_py_environ_options *options);

typedef struct evg_py_pool_options {
    int threads;
    size_t mark;    /* bytes of output, and of a streamed body, that wait on this side of a thread */
} evg_py_pool_options;

/* With the GIL, before the loop runs: starts the threads. False with the exception logged. */
bool evg_py_threads_start(const evg_py_pool_options *options);

/* A request; of `request` only the exchange and the body are read, and the body is copied. NULL without memory. The
 * exchange is handed back with every answer. The descriptor of a spooled body passes to the job, on success only. */
evg_py_job *evg_py_job_new(evg_py_listener *listener, const evg_py_request *request, bool streams);

/* Queues a job; threads see it, and are woken, by the next evg_py_threads_kick, due at the latest before
 * the loop waits; true when it is due at once. */
bool evg_py_job_submit(evg_py_job *job);

/* Wakes as many threads as the queue needs. True while it is to be called again within milliseconds, and answers are
 * to be asked for then, because the queue is left to a thread that is expected back at once. */
bool evg_py_threads_kick(void);

/* The client has left. True when the job had not been begun: it is forgotten, and gone. */
bool evg_py_job_left(evg_py_job *job);

/* The client has taken enough after evg_py_job_full. */
void evg_py_job_drained(evg_py_job *job);

/* What has just been taken is more than the client reads: no more is handed out until evg_py_job_drained. */
void evg_py_job_full(evg_py_job *job);

/* The threads may hand over more; after the answer's data has been used. */
void evg_py_job_taken(evg_py_job *job);

/* The end of a job whose answer said EVG_PY_DONE. */
void evg_py_job_end(evg_py_job *job);

/* Bytes of a streamed body. True when there is room for more; else an answer says EVG_PY_WANTS later. */
bool evg_py_job_feed(evg_py_job *job, const uint8_t *bytes, size_t count);
/* The next bytes of a streamed body come only after an answer has said EVG_PY_WANTS. */
void evg_py_job_pause(evg_py_job *job);
/* A streamed body is complete, or (cut) will never be. */
void evg_py_job_feed_end(evg_py_job *job, bool cut);

typedef enum evg_py_news {
    EVG_PY_HEAD = 1,    /* head, and length when it is known */
    EVG_PY_DATA = 2,    /* data */
    EVG_PY_ENDED = 4,   /* the response is complete */
    EVG_PY_SENDS = 8,   /* file is the body; the descriptor passes to the receiver */
    EVG_PY_BROKE = 16,  /* the app failed */
    EVG_PY_OVERRAN = 32,    /* it had more to say than it announced */
    EVG_PY_WANTS = 64,  /* a streamed body may go on */
    EVG_PY_DONE = 128   /* the thread has let go of the job */
} evg_py_news;

/* Borrowed until evg_py_job_taken. */
typedef struct evg_py_answer {
    evg_py_job *job;
    evg_exchange *exchange;
    uint32_t news;
    const evg_response_head *head;
    int64_t length;
    evg_py_text data;
    int file;
    int64_t file_offset, file_count;
} evg_py_answer;

/* Whether there are answers; cheap enough for every turn of the loop. */
bool evg_py_threads_have_answered(void);
/* The next answer, false when there is none. */
bool evg_py_threads_next(evg_py_answer *answer);

typedef struct evg_py_pool_state {
    uint32_t threads, busy, queued;
} evg_py_pool_state;

evg_py_pool_state evg_py_threads_state(void);

/* Called by C, defined in Swift, on any thread. */

/* Makes the loop ask for answers. */
extern void evg_swift_threads_wake(void);

#endif
