/* Worker class threads, from inside: the job of this class, in groups named after who may touch them. job.c makes jobs
 * and answers on the loop's thread; worker.c is what a Python thread does; response.c is one request on it; input.c and
 * watch.c are what the app finds in its environ, and websocket.c is behind the rest of that. */
#ifndef EVG_BRIDGE_THREADS_H
#define EVG_BRIDGE_THREADS_H

#include "../runtime/wsgi_call.h"

#include "evg_threads.h"

struct evg_py_listener {
    evg_py_environ_options options;     /* never changes */
    struct {                            /* by whoever holds the GIL */
        evg_py_environ *environ;        /* made by the first thread that needs it */
    } gil;
};

typedef struct evg_py_job {
    evg_job base;

    struct {                            /* by the loop's thread until evg_job_submit, then by the thread that took it */
        evg_py_listener *listener;
        evg_py_request request;
        evg_bytes address;              /* of the client, which request points to */
        uint8_t *body;                  /* which request points to, until Python has it; or NULL */
        bool streams;                   /* the body comes by evg_job_feed */
    } in;

    struct {                            /* by the thread that took it; once its news are posted, by the loop's thread */
        evg_response_head head;         /* from the call, when its news are posted */
        int64_t length;
        int file;
        int64_t file_offset, file_count;
        evg_bytes variables;            /* of the environ, for the access log; complete before the end is posted */
    } out;

    struct {                            /* by the loop's thread */
        evg_exchange *exchange;
    } loop;

    struct {                            /* by the thread that took it */
        bool head_posted;
    } thread;

    struct {                            /* by whoever holds the GIL */
        PyObject *watch;                /* stays with the job for its next request */
        PyObject *input;                /* wsgi.input of a body that streams */
    } gil;
} evg_py_job;

/* That of this process; NULL before evg_py_threads_start. */
extern evg_pool *evg_py_pool;
extern size_t evg_py_mark;              /* its options.mark */

/* The pool's options.reset and options.destroy. */
bool evg_py_job_reset(evg_job *job);
void evg_py_job_destroy(evg_job *job);

/* Calls the app and hands over what it says (response.c). Returns the news that are to go with the end of the job. */
uint32_t evg_py_job_call(evg_py_job *job);

int evg_py_threads_ready(PyObject *module);

/* Gives the app's environ what tells of the client's leaving (watch.c). Without a job: of nobody's. */
int evg_py_watch_init(PyObject *module);
int evg_py_watch_dress(PyObject *environ, evg_py_job *job);
/* The request is over: callbacks are forgotten. */
void evg_py_watch_end(evg_py_job *job);

/* What becomes of a request for a WebSocket (websocket.c). */
extern const evg_py_socket_ways evg_py_threads_socket_ways;

/* wsgi.input over a body that is still arriving (input.c). */
int evg_py_stream_init(void);
PyObject *evg_py_stream_new(evg_py_job *job);
/* The request is over: no more is read. */
void evg_py_stream_end(evg_py_job *job);

#endif
