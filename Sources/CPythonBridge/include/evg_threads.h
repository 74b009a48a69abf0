/* Worker class threads: what a job of CThreadPool is here, a request on its way to a Python thread and its response on
 * the way back. Law: the loop's thread never takes the GIL.
 * Functions belong to the loop's thread unless their comment says otherwise. */
#ifndef EVG_THREADS_H
#define EVG_THREADS_H

#include "evg_stacks.h"
#include "evg_wsgi_call.h"

#include <evg_thread_pool.h>

/* What the requests of one listening socket share. Lives as long as the process. */
typedef struct evg_py_listener evg_py_listener;

/* Copies the texts. NULL without memory. */
evg_py_listener *evg_py_listener_new(const evg_py_environ_options *options);

typedef struct evg_py_pool_options {
    int threads;
    size_t mark;    /* bytes of output, and of a streamed body, that wait on this side of a thread */
    int log;        /* descriptor that stacks are written to */
} evg_py_pool_options;

/* With the GIL, before the loop runs: starts the threads. NULL with the exception logged. The pool lives as long as the
 * process. */
evg_pool *evg_py_threads_start(const evg_py_pool_options *options);

/* Writes the Python stacks of all threads to the log, without the GIL, which a thread may hold for ever. False if that
 * is not possible. */
bool evg_py_threads_write_stacks(void);

/* Calls for each request whose app a thread calls now. Without the GIL. */
void evg_py_threads_visit(evg_py_visit *visit, void *context);

/* A request; of `request` only the exchange and the body are read. NULL without memory. The exchange is handed back
 * with every answer. The body, for free(3), or the descriptor of a spooled one passes to the job, on success only. */
evg_job *evg_py_job_new(evg_py_listener *listener, const evg_py_request *request, bool streams);

/* News of a job, beside EVG_JOB_WANTS: its streamed body may go on. */
typedef enum evg_py_news {
    EVG_PY_HEAD = 1,    /* head, and length when it is known */
    EVG_PY_DATA = 2,    /* data */
    EVG_PY_ENDED = 4,   /* the response is complete */
    EVG_PY_SENDS = 8,   /* file is the body; the descriptor passes to the receiver */
    EVG_PY_BROKE = 16,  /* the app failed */
    EVG_PY_OVERRAN = 32,    /* it had more to say than it announced */
    EVG_PY_DONE = 64,   /* the thread has let go of the job */
    EVG_PY_HINTS = 128, /* what is lent are the field lines of a 103 */
    EVG_PY_ASKS = 256   /* what is lent is an evg_socket_ask; the thread waits until it is let go of */
} evg_py_news;

/* What a thread asks for its WebSocket. The loop answers before it lets go of it. */
typedef enum evg_socket_question {
    EVG_ASKS_ACCEPT, EVG_ASKS_SEND_TEXT, EVG_ASKS_SEND_BYTES, EVG_ASKS_CLOSE, EVG_ASKS_CONNECTION
} evg_socket_question;

typedef struct evg_socket_ask {
    evg_socket_question question;
    evg_py_text text;           /* a message, a reason, or a subprotocol */
    uint16_t code;
    bool is_answered;
    int32_t answer;             /* an evg_accepted, an evg_sent, 0 or 1 as evg_swift_socket_close, or a descriptor */
    uint8_t *left_over;         /* with a descriptor; for free(3), or NULL */
    size_t left_over_count;
} evg_socket_ask;

/* A message of the client's on its way through the input of a job: this head, and the payload. Both come at once, and
 * the end of the input is that of the WebSocket. */
typedef struct evg_socket_message {
    uint64_t count;
    uint8_t is_text;
} evg_socket_message;

/* Feeds a message; true if there is room for more. */
bool evg_py_job_feed_message(evg_job *job, bool is_text, evg_py_text payload);

/* Borrowed until evg_job_taken, evg_job_full or evg_job_end. */
typedef struct evg_py_answer {
    evg_job *job;
    evg_exchange *exchange;
    uint32_t news;
    const evg_response_head *head;
    int64_t length;     /* of the body; -1: not known */
    evg_py_text data;   /* job->loop.lent comes behind it */
    evg_py_text variables;  /* for the access log; with the end of the response, if at all */
    int file;
    int64_t file_offset, file_count;
} evg_py_answer;

/* The next answer, false when there is none. */
bool evg_py_threads_next(evg_py_answer *answer);

/* The exchanges that wait for a thread, `most` of the first and of the last at most. `see` must not call back. */
void evg_py_threads_show_waiting(size_t most, void (*see)(evg_exchange *exchange, void *context), void *context);

/* Called by C, defined in Swift, on any thread. Makes the loop ask for answers. */
extern void evg_swift_threads_wake(void);

#endif
