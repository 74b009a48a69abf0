/* Worker class gevent: one call of the app on its greenlet, and the way of its answer. Law: nothing here runs inside of
 * a pump; between start_response and the first block the head is kept here, because other requests run. */
#include "gevent.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The stretch since the hub is known to have run. An app whose client takes all it sends would else never let go. */
static struct {
    size_t sent;
    double began;
} turn;

static double coarse_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);   /* read from memory, no call */
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void evg_gevent_begin_turn(void) {
    turn.sent = 0;
    turn.began = coarse_now();
}

static bool turn_is_over(void) {
    static const size_t bytes = 1 << 20;
    static const double seconds = 0.01;
    return turn.sent > bytes || coarse_now() - turn.began > seconds;
}

struct evg_gevent_head {
    size_t count;
    uint8_t bytes[];
};

static const char *start(void *exchange, int32_t status, evg_py_text reason, const evg_py_text_field *fields,
                         size_t count, bool replacing) {
    evg_gevent_request *request = exchange;
    (void)replacing;
    free(request->head);
    request->head = NULL;
    return evg_swift_gevent_start(request->call, status, reason, fields, count);
}

void evg_py_gevent_keep_head(void *pointer, const uint8_t *base, size_t count) {
    evg_gevent_request *request = pointer;
    request->head = malloc(sizeof *request->head + count);
    if (!request->head) return;
    request->head->count = count;
    if (count) memcpy(request->head->bytes, base, count);
}

static evg_gevent_sent send_block(evg_gevent_request *request, evg_py_text block, int64_t length, bool whole) {
    struct evg_gevent_head *head = request->head;
    request->head = NULL;
    turn.sent += block.count;
    evg_gevent_sent sent = evg_swift_gevent_send(request->call, head ? head->bytes : NULL, head ? head->count : 0,
                                                 length, block, whole);
    free(head);
    return sent;
}

static int wait_for_client(evg_gevent_request *request) {
    while (request->call && !evg_swift_gevent_is_drained(request->call))
        if (evg_gevent_wait(&request->writer)) return -1;
    return 0;
}

static bool write_block(void *exchange, evg_py_text bytes) {
    return send_block(exchange, bytes, -1, false) != EVG_GEVENT_OK || turn_is_over();
}

static int refuse_client(evg_gevent_request *request) {
    request->broken = true;
    PyErr_SetString(PyExc_BrokenPipeError, "the client has left");
    return -1;
}

static int write_waits(void *exchange) {
    evg_gevent_request *request = exchange;
    if (wait_for_client(request) || (turn_is_over() && evg_gevent_yield(request))) return -1;
    return !request->call || evg_swift_gevent_is_gone(request->call) ? refuse_client(request) : 0;
}

/* Ends that are meant: the greenlet was killed, or noticed that nobody listens. */
static bool silences(void *exchange) {
    evg_gevent_request *request = exchange;
    if (PyErr_ExceptionMatches(evg_gevent_exit)) return true;
    return (request->broken || request->refusal) && PyErr_ExceptionMatches(PyExc_OSError);
}

static int dress(PyObject *environ, const evg_py_request *described) {
    evg_gevent_request *request = described->exchange;
    PyObject *deadline = evg_gevent_deadline_new(request);
    int status = !deadline || PyDict_SetItem(environ, evg_gevent_name.deadline, deadline)
        || PyDict_SetItem(environ, evg_gevent_name.disconnected, (PyObject *)request)
        || PyDict_SetItem(environ, evg_gevent_name.waitress, (PyObject *)request) ? -1 : 0;
    Py_XDECREF(deadline);
    if (status || !request->streams) return status;
    PyObject *input = PyObject_CallFunctionObjArgs(evg_gevent_input, (PyObject *)request, NULL);
    status = input ? PyDict_SetItem(environ, evg_py_name.wsgi_input, input) : -1;
    Py_XDECREF(input);
    return status;
}

/* gevent_take(request) -> the next bytes of a streamed body, b'' at its end. */
PyObject *evg_gevent_take(PyObject *module, PyObject *object) {
    (void)module;
    evg_gevent_request *request = (evg_gevent_request *)object;
    if (evg_py_forked) evg_gevent_comes_back(request);   /* what is still to come goes to the parent */
    while (request->call) {
        int32_t status = 0;
        PyObject *bytes = evg_swift_gevent_take(request->call, &status);
        if (bytes || PyErr_Occurred()) return bytes;
        if (status) {
            request->refusal = status;
            PyErr_Format(PyExc_OSError, "the request body cannot be read to its end (%d)", (int)status);
            return NULL;
        }
        if (evg_gevent_wait(&request->reader)) return NULL;
    }
    PyErr_SetString(PyExc_ValueError, "read of wsgi.input after the end of its request");
    return NULL;
}

static evg_py_outcome gave_up(evg_gevent_request *request, const char *what) {
    if (silences(request)) PyErr_Clear();
    else evg_gevent_complain(what);
    return EVG_PY_FAILED;
}

static evg_py_outcome stream(evg_gevent_request *request, evg_py_result *result) {
    for (;;) {
        switch (send_block(request, result->block, -1, false)) {
        case EVG_GEVENT_GONE:
            return EVG_PY_FAILED;
        case EVG_GEVENT_FULL:
            if (wait_for_client(request)) return gave_up(request, "waiting for its client");
            if (evg_swift_gevent_is_gone(request->call)) return EVG_PY_FAILED;
            break;
        case EVG_GEVENT_OK:
            if (turn_is_over() && evg_gevent_yield(request)) return gave_up(request, "sending its response");
            break;
        }
        evg_py_outcome outcome = evg_py_call_next(result->call, result);
        if (outcome != EVG_PY_BLOCK) return outcome;
    }
}

static evg_py_outcome send_file(evg_gevent_request *request, const evg_py_result *result) {
    int64_t count = result->file_count;
    if (result->content_length >= 0 && result->content_length < count) count = result->content_length;
    if (send_block(request, (evg_py_text){NULL, 0}, count, false) == EVG_GEVENT_GONE) return EVG_PY_FAILED;
    void *transfer = evg_swift_gevent_send_file(request->call, result->file, result->file_offset, count);
    int status = 0;
    while (transfer && !status && !evg_swift_gevent_file_is_done(transfer)) status = evg_gevent_wait(&request->writer);
    bool whole = transfer && evg_swift_gevent_file_ended(transfer);
    if (status) return gave_up(request, "sending a file");
    return whole ? EVG_PY_END : EVG_PY_FAILED;
}

static const evg_py_text nothing = {NULL, 0};

static evg_py_outcome answer(evg_gevent_request *request, evg_py_outcome outcome, evg_py_result *result) {
    switch (outcome) {
    case EVG_PY_WHOLE:
        send_block(request, result->block, -1, true);
        return EVG_PY_WHOLE;
    case EVG_PY_BLOCK:
        /* The usual response of a framework: one block of the length that it announced. */
        if (result->content_length == (int64_t)result->block.count && request->head) {
            send_block(request, result->block, -1, true);
            if (evg_py_call_next(result->call, result) == EVG_PY_BLOCK) evg_swift_gevent_overrun(request->call);
            return EVG_PY_WHOLE;
        }
        return stream(request, result);
    case EVG_PY_FILE:
        return send_file(request, result);
    default:
        return outcome;
    }
}

__attribute__((noinline)) static evg_py_call *prepare(evg_gevent_request *request) {
    evg_py_request described = {0};
    void *lent = evg_swift_gevent_describe(request->call, request, &described, &request->streams);
    if (!lent) return NULL;   /* the client has left, or has its refusal */
    described.exchange = request;
    evg_py_call *call = evg_py_call_prepare(&described);
    free(lent);
    return call;
}

__attribute__((noinline)) static void conclude(evg_gevent_request *request, evg_py_call *call) {
    evg_py_result result = {0};
    evg_py_outcome outcome = answer(request, evg_py_call_begun(call, &result), &result);
    if (outcome == EVG_PY_END) {
        if (request->head) send_block(request, nothing, -1, true);
        else evg_swift_gevent_finish(request->call);
    } else if (outcome != EVG_PY_WHOLE) {
        evg_swift_gevent_fail(request->call, request->refusal ? request->refusal : 500);
    }
    /* The client has its answer; what close() still does is the app's own time. */
    evg_py_call_close(call);
    evg_gevent_ended(request);
}

/* What stands on the stack here, below the app, is kept on the heap for as long as a greenlet waits: two pointers. */
PyObject *evg_gevent_serve(evg_gevent_request *request) {
    Py_INCREF((PyObject *)request);
    evg_py_call *call = prepare(request);
    if (call) evg_py_call_enter(call);
    conclude(request, call);
    Py_DECREF((PyObject *)request);
    Py_RETURN_NONE;
}

const evg_py_sink evg_gevent_sink = {
    .start = start, .write = write_block, .wait = write_waits, .dress = dress, .silences = silences,
    .comes_back = evg_gevent_comes_back, .owns_context = true,
};
