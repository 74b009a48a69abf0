/* The Python threads: each takes a request, serves it and takes the next. Law: a thread does not end before the pool
 * does, whatever the app does. */
#include "threads.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

evg_pool *evg_py_pool;
size_t evg_py_mark;

/* A thread of the pool, and the job whose app it calls. The thread writes the job while it holds the GIL: whoever else
 * holds it sees what runs. So does the loop's thread without it: it ends a job, and that after the thread let go. */
typedef struct server {
    struct server *next;
    unsigned long ident;
    _Atomic(evg_py_job *) job;
} server;

static _Atomic(server *) servers;   /* grows only */

static server *new_server(void) {
    server *made = calloc(1, sizeof *made);
    if (!made) return NULL;
    made->ident = PyThread_get_thread_ident();
    made->next = atomic_load(&servers);
    while (!atomic_compare_exchange_weak(&servers, &made->next, made)) {}
    return made;
}

/* Gives the finished job back and takes the next one; waits for it without the GIL. NULL: the pool has stopped. A
 * thread takes a job only while it holds the GIL. Otherwise a job could wait for a thread that waits for the GIL, while
 * the thread that has the GIL looks for work. */
static evg_py_job *next(evg_pool_thread *thread, evg_py_job *finished, uint32_t news) {
    evg_job *given = finished ? &finished->base : NULL;
    for (;;) {
        evg_job *job = evg_pool_take(thread, given, news | EVG_PY_DONE);
        if (job) return (evg_py_job *)job;
        given = NULL;
        bool goes_on;
        Py_BEGIN_ALLOW_THREADS
        goes_on = evg_pool_wait(thread);
        Py_END_ALLOW_THREADS
        if (!goes_on) return NULL;
    }
}

/* threads_serve(): serves requests until the pool stops. */
static PyObject *serve(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    evg_pool_thread *thread = evg_pool_thread_new(evg_py_pool);
    if (!thread) return PyErr_NoMemory();
    server *self = new_server();
    evg_py_job *job = self ? next(thread, NULL, 0) : NULL;
    while (job) {
        atomic_store_explicit(&self->job, job, memory_order_release);
        uint32_t news = evg_py_job_call(job);
        atomic_store_explicit(&self->job, NULL, memory_order_relaxed);
        job = next(thread, job, news);
    }
    evg_pool_thread_free(thread);
    if (!self) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

/* threads_serving() -> {ident of a thread: request} */
static PyObject *serving(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    PyObject *dict = PyDict_New();
    for (server *each = atomic_load(&servers); dict && each; each = each->next) {
        evg_py_job *job = atomic_load_explicit(&each->job, memory_order_acquire);
        if (!job) continue;
        PyObject *ident = PyLong_FromUnsignedLong(each->ident);
        if (!ident || evg_py_set(dict, ident, PyLong_FromVoidPtr(job->loop.exchange))) Py_CLEAR(dict);
        Py_XDECREF(ident);
    }
    return dict;
}

void evg_py_threads_visit(evg_py_visit *visit, void *context) {
    for (server *each = atomic_load(&servers); each; each = each->next) {
        evg_py_job *job = atomic_load_explicit(&each->job, memory_order_acquire);
        if (job) visit(context, job->loop.exchange);
    }
}

/* threads_state() -> (threads, busy, queued) */
static PyObject *state(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    evg_pool_state now = evg_pool_now(evg_py_pool);
    return Py_BuildValue("(III)", now.threads, now.busy, now.queued);
}

/* The signal for which evgateway.threads registers Python's own fault handler: the only way to the stacks that needs no
 * GIL and is open to extension modules. */
static int stacks_signal(void) { return SIGRTMAX - 1; }

bool evg_py_threads_write_stacks(void) {
    struct sigaction now;
    if (sigaction(stacks_signal(), NULL, &now) || now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN) return false;
    return raise(stacks_signal()) == 0;
}

static PyMethodDef methods[] = {
    {"threads_serve", serve, METH_NOARGS, "Serves requests on the calling thread until the pool stops."},
    {"threads_serving", serving, METH_NOARGS, "The request of each thread that calls the app, by the thread's ident."},
    {"threads_state", state, METH_NOARGS, "(threads, busy, queued)"},
    {0},
};

int evg_py_threads_ready(PyObject *module) {
    if (evg_py_watch_init(module) || evg_py_stream_init()) return -1;
    return PyModule_AddFunctions(module, methods);
}

static void wake(void *context) {
    (void)context;
    evg_swift_threads_wake();
}

evg_pool *evg_py_threads_start(const evg_py_pool_options *options) {
    const evg_pool_options pool = {
        .threads = (uint32_t)options->threads, .mark = options->mark, .job_size = sizeof(evg_py_job), .wake = wake,
        .reset = evg_py_job_reset, .destroy = evg_py_job_destroy,
    };
    evg_py_mark = options->mark;
    evg_py_pool = evg_pool_new(&pool);
    if (!evg_py_pool) PyErr_NoMemory();
    PyObject *threads = evg_py_pool ? PyImport_ImportModule("evgateway.threads") : NULL;
    PyObject *answer = threads ? PyObject_CallMethod(threads, "start", "ii", options->threads, options->log)
        : NULL;
    if (!answer) evg_py_report(NULL, "starting the threads");
    evg_pool *started = answer ? evg_py_pool : NULL;
    Py_XDECREF(answer);
    Py_XDECREF(threads);
    return started;
}
