/* Worker class threads, the Python threads' side: each takes a request, calls the app and hands over what it says.
 * Law: the GIL is given away to wait and for nothing else; a thread never ends, whatever the app does. */
#include "threads_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define pool evg_py_threads

/* MARK: the response */

/* The head of the call becomes that of the job, once. */
static void take_head(evg_py_job *job, evg_response_head *head) {
    if (head) evg_response_head_swap(&job->head, head);
}

static uint32_t head_news(evg_py_job *job) {
    uint32_t news = job->head_posted ? 0 : EVG_PY_HEAD;
    job->head_posted = true;
    return news;
}

static void post(evg_py_job *job, uint32_t news, bool may_wait) {
    evg_py_pool_lock();
    bool wakes = evg_py_job_post(job, news, may_wait);
    evg_py_pool_unlock();
    if (wakes) evg_swift_threads_wake();
}

/* Gives bytes to the loop, as fast as it takes them; false when the client has left. `last` goes with the last. */
static bool send_bytes(evg_py_job *job, evg_py_text bytes, uint32_t last) {
    for (;;) {
        evg_py_pool_lock();
        bool waits = !job->gone && (job->full || job->out.count >= pool.mark);
        if (waits) {
            evg_py_pool_unlock();
            Py_BEGIN_ALLOW_THREADS
            evg_py_pool_lock();
            while (!job->gone && (job->full || job->out.count >= pool.mark)) evg_py_job_await(job, NULL);
            evg_py_pool_unlock();
            Py_END_ALLOW_THREADS
            continue;
        }
        if (job->gone) {
            evg_py_pool_unlock();
            return false;
        }
        size_t count = pool.mark - job->out.count;
        if (count > bytes.count) count = bytes.count;
        uint32_t news = head_news(job) | EVG_PY_DATA;
        if (evg_py_bytes_reserve(&job->out, job->out.count + count)) {
            memcpy(job->out.base + job->out.count, bytes.base, count);
            job->out.count += count;
        } else {
            news = EVG_PY_BROKE;
            bytes.count = count;
        }
        bytes.base += count;
        bytes.count -= count;
        bool wakes = evg_py_job_post(job, news | (bytes.count ? 0 : last), false);
        evg_py_pool_unlock();
        if (wakes) evg_swift_threads_wake();
        if (!bytes.count) return true;
    }
}

static int write_bytes(evg_py_call *call, evg_response_head *head, evg_py_text bytes) {
    evg_py_job *job = call->owner;
    take_head(job, head);
    send_bytes(job, bytes, 0);
    return 0;
}

static int dress(evg_py_call *call, PyObject *environ) {
    evg_py_job *job = call->owner;
    if (evg_py_watch_dress(environ, job)) return -1;
    if (!job->streams) return 0;
    PyObject *input = evg_py_stream_new(job);
    int status = input ? PyDict_SetItem(environ, evg_py_name.wsgi_input, input) : -1;
    Py_XDECREF(input);
    return status;
}

static const evg_wsgi_sink sink = {.write = write_bytes, .dress = dress};

/* MARK: the request */

static const evg_py_environ *environ_of(evg_py_listener *listener) {
    if (listener->environ) return listener->environ;
    evg_py_environ *environ = evg_py_environ_new(&listener->options);
    if (!environ) return NULL;
    if (PyDict_SetItemString(environ->constants, "wsgi.multithread", Py_True)
        || evg_py_watch_dress(environ->constants, NULL)) {
        evg_py_report(NULL, "preparing the environ");
        return NULL;
    }
    return listener->environ = environ;
}

/* A body that is one block, or the blocks of a list: handed over with everything else when it fits. */
static uint32_t whole(evg_py_job *job, evg_py_text block) {
    if (block.count > pool.mark || job->head_posted) {
        if (!job->head_posted) job->length = (int64_t)block.count;
        if (block.count) return send_bytes(job, block, 0) ? EVG_PY_ENDED : 0;
        return EVG_PY_ENDED;
    }
    if (!evg_py_bytes_reserve(&job->out, block.count + 1)) return EVG_PY_BROKE;
    if (block.count) memcpy(job->out.base, block.base, block.count);
    job->out.count = block.count;
    job->length = (int64_t)block.count;
    return head_news(job) | EVG_PY_DATA | EVG_PY_ENDED;
}

static uint32_t stream(evg_py_job *job, evg_py_result *result) {
    /* The usual response of a framework: one block of the length that it announced. */
    bool announced = !job->head_posted && result->content_length == (int64_t)result->block.count;
    if (announced) job->length = result->content_length;
    for (;;) {
        if (!send_bytes(job, result->block, announced ? EVG_PY_ENDED : 0)) return 0;
        evg_py_outcome outcome = evg_py_call_next(result->call, result);
        if (outcome == EVG_PY_END) return announced ? 0 : EVG_PY_ENDED;
        if (outcome == EVG_PY_FAILED) return EVG_PY_BROKE;
        if (announced) return EVG_PY_OVERRAN;
    }
}

static uint32_t send_file(evg_py_job *job, const evg_py_result *result) {
    job->file = fcntl(result->file, F_DUPFD_CLOEXEC, 3);
    if (job->file < 0) return EVG_PY_BROKE;
    job->file_offset = result->file_offset;
    job->file_count = result->file_count;
    if (result->content_length >= 0 && result->content_length < job->file_count)
        job->file_count = result->content_length;
    if (!job->head_posted) job->length = job->file_count;
    return head_news(job) | EVG_PY_SENDS;
}

/* Calls the app. What it returns is news for the loop, to be posted with the end of the job. */
static uint32_t call(evg_py_job *job) {
    evg_py_result result = {0};
    job->request.environ = environ_of(job->listener);
    if (!job->request.environ) return EVG_PY_BROKE;
    evg_py_outcome outcome = evg_py_call_app(&job->request, &sink, job, &result);
    if (outcome != EVG_PY_FAILED) take_head(job, result.head);
    if (outcome != EVG_PY_FAILED || result.call) job->request.body_file = -1;   /* wsgi.input closes it */
    uint32_t news = 0;
    switch (outcome) {
    case EVG_PY_WHOLE: news = whole(job, result.block); break;
    case EVG_PY_BLOCK: news = stream(job, &result); break;
    case EVG_PY_FILE: news = send_file(job, &result); break;
    case EVG_PY_END:
        if (!job->head_posted) job->length = 0;
        news = head_news(job) | EVG_PY_ENDED;
        break;
    case EVG_PY_FAILED: news = EVG_PY_BROKE; break;
    }
    /* What close() does is no part of the answer. A list has none, and that of a file only closes it. */
    if (news && outcome != EVG_PY_WHOLE && outcome != EVG_PY_FILE) {
        post(job, news, true);
        news = 0;
    }
    evg_py_call_close(result.call);
    evg_py_stream_end(job);
    evg_py_watch_end(job);
    return news;
}

/* Gives the finished job back and takes the next one; waits for it without the GIL. A thread takes a job only while
 * it holds the GIL. Otherwise a job could wait for a thread that waits for the GIL, while the thread that has the GIL
 * looks for work. */
static evg_py_job *next(evg_py_server *server, evg_py_job *finished, uint32_t news, uint64_t *started) {
    evg_py_pool_lock();
    if (finished) {
        finished->over = true;
        evg_py_job_changed(finished);
    }
    bool wakes = finished && evg_py_job_post(finished, news | EVG_PY_DONE, true);
    for (;;) {
        evg_py_job *job = evg_py_pool_take(server, started);
        if (!job) {
            server->next = pool.idle;
            pool.idle = server;
        }
        evg_py_pool_unlock();
        if (wakes) evg_swift_threads_wake();
        if (job) return job;
        wakes = false;
        Py_BEGIN_ALLOW_THREADS
        evg_py_pool_lock();
        while (!server->called) pthread_cond_wait(&server->wake, &pool.lock);
        evg_py_pool_unlock();
        Py_END_ALLOW_THREADS
        evg_py_pool_lock();
        server->called = false;
        pool.coming--;
    }
}

/* threads_serve(): serves requests for ever. */
static PyObject *serve(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    evg_py_server *server = calloc(1, sizeof *server);
    if (!server) return PyErr_NoMemory();
    pthread_cond_init(&server->wake, NULL);
    uint64_t started = 0;
    uint32_t news = 0;
    evg_py_job *job = NULL;
    for (;;) {
        job = next(server, job, news, &started);
        news = call(job);
    }
}

/* threads_state() -> (threads, busy, queued) */
static PyObject *state(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    evg_py_pool_state now = evg_py_threads_state();
    return Py_BuildValue("(III)", now.threads, now.busy, now.queued);
}

static PyMethodDef methods[] = {
    {"threads_serve", serve, METH_NOARGS, "Serves requests on the calling thread, for ever."},
    {"threads_state", state, METH_NOARGS, "(threads, busy, queued)"},
    {0},
};

int evg_py_threads_ready(PyObject *module) {
    if (evg_py_watch_init(module) || evg_py_stream_init()) return -1;
    return PyModule_AddFunctions(module, methods);
}

bool evg_py_threads_start(const evg_py_pool_options *options) {
    pool.mark = options->mark;
    pool.threads = (uint32_t)options->threads;
    PyObject *threads = PyImport_ImportModule("evgateway.threads");
    PyObject *answer = threads ? PyObject_CallMethod(threads, "start", "i", options->threads) : NULL;
    if (!answer) evg_py_report(NULL, "starting the threads");
    bool started = answer != NULL;
    Py_XDECREF(answer);
    Py_XDECREF(threads);
    return started;
}
