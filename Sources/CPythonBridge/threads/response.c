/* One request on a Python thread: the app is called, and what it says is handed to the loop as it comes. Law: a thread
 * gives the GIL away to wait for room, or for the loop to use what it lends, and for nothing else. */
#include "threads.h"

#include <fcntl.h>
#include <stdlib.h>

/* The head of the call becomes that of the job, once. */
static void take_head(evg_py_job *job, evg_response_head *head) {
    if (head) evg_response_head_swap(&job->out.head, head);
}

static uint32_t head_news(evg_py_job *job) {
    uint32_t news = job->thread.head_posted ? 0 : EVG_PY_HEAD;
    job->thread.head_posted = true;
    return news;
}

static bool lend_bytes(evg_py_job *job, evg_py_text bytes, uint32_t last) {
    uint32_t news = head_news(job);
    bool wanted;
    Py_BEGIN_ALLOW_THREADS
    wanted = evg_job_lend(&job->base, bytes.base, bytes.count, news);
    Py_END_ALLOW_THREADS
    if (wanted && last) evg_job_post(&job->base, last, true);
    return wanted;
}

/* Gives bytes to the loop, as fast as it takes them; false when the client has left. `last` goes with the last. A block
 * that is too large to be handed over at once is not copied. */
static bool send_bytes(evg_py_job *job, evg_py_text bytes, uint32_t last) {
    if (bytes.count > evg_py_mark) return lend_bytes(job, bytes, last);
    for (;;) {
        size_t count = bytes.count;
        uint32_t news = (job->thread.head_posted ? 0 : EVG_PY_HEAD) | EVG_PY_DATA;
        switch (evg_job_send(&job->base, bytes.base, &count, news, last, EVG_PY_BROKE)) {
        case EVG_JOB_SENT: break;
        case EVG_JOB_GONE: return false;
        case EVG_JOB_NO_MEMORY: return true;
        case EVG_JOB_FULL:
            Py_BEGIN_ALLOW_THREADS
            evg_job_await_room(&job->base);
            Py_END_ALLOW_THREADS
            continue;
        }
        job->thread.head_posted = true;
        bytes.base += count;
        bytes.count -= count;
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
    /* wsgi.input has a copy. */
    free(job->in.body);
    job->in.body = NULL;
    if (evg_py_watch_dress(environ, job)) return -1;
    if (!job->in.streams) return 0;
    PyObject *input = evg_py_stream_new(job);
    int status = input ? PyDict_SetItem(environ, evg_py_name.wsgi_input, input) : -1;
    Py_XDECREF(input);
    return status;
}

static void hint(evg_py_call *call, evg_py_text lines) {
    evg_py_job *job = call->owner;
    if (job->thread.head_posted) return;
    Py_BEGIN_ALLOW_THREADS
    evg_job_lend(&job->base, lines.base, lines.count, EVG_PY_HINTS);
    Py_END_ALLOW_THREADS
}

static void note(evg_py_call *call, evg_py_text variables) {
    evg_py_job *job = call->owner;
    evg_bytes_append(&job->out.variables, variables.base, variables.count);
}

static const evg_wsgi_sink sink = {
    .write = write_bytes, .hint = hint, .dress = dress, .note = note, .socket_ways = &evg_py_threads_socket_ways,
};

static const evg_py_environ *environ_of(evg_py_listener *listener) {
    if (listener->gil.environ) return listener->gil.environ;
    evg_py_environ *environ = evg_py_environ_new(&listener->options);
    if (!environ) return NULL;
    PyObject *multithread = evg_pool_now(evg_py_pool).threads > 1 ? Py_True : Py_False;
    if (PyDict_SetItemString(environ->constants, "wsgi.multithread", multithread)
        || evg_py_watch_dress(environ->constants, NULL)) {
        evg_py_report(NULL, "preparing the environ");
        return NULL;
    }
    return listener->gil.environ = environ;
}

/* A body that is one block, or the blocks of a list: handed over with everything else when it fits. */
static uint32_t whole(evg_py_job *job, evg_py_text block) {
    if (block.count > evg_py_mark || job->thread.head_posted) {
        if (!job->thread.head_posted) job->out.length = (int64_t)block.count;
        return !block.count || send_bytes(job, block, 0) ? EVG_PY_ENDED : 0;
    }
    if (!evg_job_put(&job->base, block.base, block.count)) return EVG_PY_BROKE;
    job->out.length = (int64_t)block.count;
    return head_news(job) | EVG_PY_DATA | EVG_PY_ENDED;
}

static uint32_t stream(evg_py_job *job, evg_py_result *result) {
    /* The usual response of a framework: one block of the length that it announced. */
    bool announced = !job->thread.head_posted && result->content_length == (int64_t)result->block.count;
    if (announced) job->out.length = result->content_length;
    for (;;) {
        if (!send_bytes(job, result->block, announced ? EVG_PY_ENDED : 0)) return 0;
        evg_py_outcome outcome = evg_py_call_next(result->call, result);
        if (outcome == EVG_PY_END) return announced ? 0 : EVG_PY_ENDED;
        if (outcome == EVG_PY_FAILED) return EVG_PY_BROKE;
        if (announced) return EVG_PY_OVERRAN;
    }
}

static uint32_t send_file(evg_py_job *job, const evg_py_result *result) {
    job->out.file = fcntl(result->file, F_DUPFD_CLOEXEC, 3);
    if (job->out.file < 0) return EVG_PY_BROKE;
    job->out.file_offset = result->file_offset;
    job->out.file_count = result->file_count;
    if (result->content_length >= 0 && result->content_length < job->out.file_count)
        job->out.file_count = result->content_length;
    if (!job->thread.head_posted) job->out.length = job->out.file_count;
    return head_news(job) | EVG_PY_SENDS;
}

uint32_t evg_py_job_call(evg_py_job *job) {
    evg_py_result result = {0};
    job->in.request.environ = environ_of(job->in.listener);
    if (!job->in.request.environ) return EVG_PY_BROKE;
    evg_py_outcome outcome = evg_py_call_app(&job->in.request, &sink, job, &result);
    if (outcome != EVG_PY_FAILED) take_head(job, result.head);
    if (outcome != EVG_PY_FAILED || result.call) job->in.request.body_file = -1;   /* wsgi.input closes it */
    uint32_t news = 0;
    if (result.call && evg_py_socket_is_used(result.call->socket)) {
        /* The loop closes it, when nobody of the app's sends any more. */
        evg_py_call_close(result.call);
        evg_py_watch_end(job);
        return EVG_PY_ENDED | (outcome == EVG_PY_FAILED ? EVG_PY_BROKE : 0);
    }
    switch (outcome) {
    case EVG_PY_WHOLE: news = whole(job, result.block); break;
    case EVG_PY_BLOCK: news = stream(job, &result); break;
    case EVG_PY_FILE: news = send_file(job, &result); break;
    case EVG_PY_END:
        if (!job->thread.head_posted) job->out.length = 0;
        news = head_news(job) | EVG_PY_ENDED;
        break;
    case EVG_PY_FAILED: news = EVG_PY_BROKE; break;
    }
    /* What close() does is no part of the answer. A list has none, and that of a file only closes it. */
    if (news && outcome != EVG_PY_WHOLE && outcome != EVG_PY_FILE) {
        evg_job_post(&job->base, news, true);
        news = 0;
    }
    evg_py_call_close(result.call);
    evg_py_stream_end(job);
    evg_py_watch_end(job);
    return news;
}
