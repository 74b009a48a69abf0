/* Worker class gevent: one call of the app on its greenlet, and the way of its answer. Law: nothing here runs inside of
 * a pump; every wait lets other greenlets run, so that after it the client may have left. */
#include "gevent.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

/* What was sent since the hub has polled. Without a limit an app whose client takes all it sends would keep the hub
 * from every other connection. */
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

static evg_sent send_block(evg_gevent_request *request, const evg_response_head *head, evg_py_text block) {
    if (evg_gevent_is_gone(request)) return EVG_SENT_GONE;
    turn.sent += block.count;
    return head ? evg_swift_exchange_begin(request->exchange, head, -1, block)
                : evg_swift_exchange_write(request->exchange, block);
}

/* Nothing follows. */
static void send_whole(evg_gevent_request *request, const evg_response_head *head, evg_py_text block) {
    if (!request->exchange) return;
    turn.sent += block.count;
    if (head) {
        evg_swift_exchange_respond(request->exchange, head, block);
        return;
    }
    if (block.count) evg_swift_exchange_write(request->exchange, block);
    evg_swift_exchange_finish(request->exchange);
}

static int wait_for_client(evg_gevent_request *request) {
    while (request->exchange && !(evg_swift_exchange_state(request->exchange) & EVG_IS_DRAINED)) {
        evg_swift_exchange_watch(request->exchange, EVG_DRAINED, evg_gevent_happened, request);
        if (evg_gevent_wait(&request->writer)) return -1;
    }
    return 0;
}

static int refuse_client(evg_gevent_request *request) {
    request->broken = true;
    PyErr_SetString(PyExc_BrokenPipeError, "the client has left");
    return -1;
}

static int wait_after(evg_gevent_request *request, evg_sent outcome) {
    if (outcome == EVG_SENT && !turn_is_over()) return 0;
    return wait_for_client(request) || (turn_is_over() && evg_gevent_yield(request)) ? -1 : 0;
}

int evg_gevent_after_sending(evg_gevent_request *request, evg_sent outcome, size_t count) {
    turn.sent += count;
    return wait_after(request, outcome);
}

static int write_block(evg_py_call *call, evg_response_head *head, evg_py_text bytes) {
    evg_gevent_request *request = call->owner;
    evg_sent outcome = send_block(request, head, bytes);
    if (wait_after(request, outcome)) return -1;
    return outcome == EVG_SENT_GONE || evg_gevent_is_gone(request) ? refuse_client(request) : 0;
}

/* Ends that are meant: the greenlet was killed, or noticed that nobody listens. */
static bool is_meant(evg_gevent_request *request) {
    if (PyErr_ExceptionMatches(evg_gevent_exit)) return true;
    return (request->broken || request->refusal) && PyErr_ExceptionMatches(PyExc_OSError);
}

static bool silences(evg_py_call *call) { return is_meant(call->owner); }

static int dress(evg_py_call *call, PyObject *environ) {
    evg_gevent_request *request = call->owner;
    if (evg_py_set(environ, evg_gevent_name.deadline, evg_gevent_deadline_new(request))
        || PyDict_SetItem(environ, evg_gevent_name.disconnected, (PyObject *)request)
        || PyDict_SetItem(environ, evg_gevent_name.waitress, (PyObject *)request)) return -1;
    return !request->arrival.streams ? 0
        : evg_py_set(environ, evg_py_name.wsgi_input,
                     PyObject_CallFunctionObjArgs(evg_gevent_input, (PyObject *)request, NULL));
}

static void hint(evg_py_call *call, evg_py_text lines) {
    evg_gevent_request *request = call->owner;
    if (!evg_gevent_is_gone(request)) evg_swift_exchange_hint(request->exchange, lines);
}

static void note(evg_py_call *call, evg_py_text variables) {
    evg_gevent_request *request = call->owner;
    if (request->exchange) evg_swift_exchange_note(request->exchange, variables);
}

static void comes_back(evg_py_call *call) { evg_gevent_comes_back(call->owner); }

static const evg_wsgi_sink sink = {
    .write = write_block, .hint = hint, .dress = dress, .silences = silences, .note = note, .comes_back = comes_back,
    .socket_ways = &evg_gevent_socket_ways, .owns_context = true,
};

/* gevent_take(request) -> the next bytes of a streamed body, b'' at its end. */
PyObject *evg_gevent_take(PyObject *module, PyObject *object) {
    (void)module;
    evg_gevent_request *request = (evg_gevent_request *)object;
    if (evg_py_forked) evg_gevent_comes_back(request);   /* what is still to come goes to the parent */
    while (request->exchange && !request->body_ended) {
        evg_py_text bytes = {NULL, 0};
        int32_t status = 0;
        switch (evg_swift_exchange_take(request->exchange, &bytes, &status)) {
        case EVG_TAKEN_LAST:
            request->body_ended = true;
            return PyBytes_FromStringAndSize((const char *)bytes.base, (Py_ssize_t)bytes.count);
        case EVG_TAKEN:
            if (bytes.count) return PyBytes_FromStringAndSize((const char *)bytes.base, (Py_ssize_t)bytes.count);
            break;
        case EVG_TAKEN_FAILED:
            request->refusal = status;
            PyErr_Format(PyExc_OSError, "the request body cannot be read to its end (%d)", (int)status);
            return NULL;
        case EVG_TAKEN_NONE:
            /* Only while somebody waits: a client is not to blame for the time in which the app does not read. */
            evg_swift_exchange_watch(request->exchange, EVG_BODY, evg_gevent_happened, request);
            if (evg_gevent_wait(&request->reader)) return NULL;
        }
    }
    if (request->exchange) return PyBytes_FromStringAndSize(NULL, 0);
    PyErr_SetString(PyExc_ValueError, "read of wsgi.input after the end of its request");
    return NULL;
}

/* ---- the response ---- */

static evg_py_outcome gave_up(evg_gevent_request *request, const char *what) {
    if (is_meant(request)) PyErr_Clear();
    else evg_py_report(NULL, what);
    return EVG_PY_FAILED;
}

static evg_py_outcome stream(evg_gevent_request *request, evg_py_result *result) {
    for (;;) {
        switch (send_block(request, result->head, result->block)) {
        case EVG_SENT_GONE:
            return EVG_PY_FAILED;
        case EVG_SENT_FULL:
            if (wait_for_client(request)) return gave_up(request, "waiting for its client");
            if (evg_gevent_is_gone(request)) return EVG_PY_FAILED;
            break;
        case EVG_SENT:
            if (turn_is_over() && evg_gevent_yield(request)) return gave_up(request, "sending its response");
            break;
        }
        evg_py_outcome outcome = evg_py_call_next(result->call, result);
        if (outcome != EVG_PY_BLOCK) return outcome;
    }
}

/* A file on its way. Whoever comes last, the greenlet or the end of the file, frees it. */
typedef struct transfer {
    evg_gevent_request *request;    /* NULL when the greenlet waits no more */
    bool is_done;
    int32_t error;
} transfer;

static void file_sent(void *context, int32_t error) {
    transfer *sent = context;
    sent->is_done = true;
    sent->error = error;
    if (sent->request) evg_gevent_notify(sent->request, evg_gevent_file_sent);
    else free(sent);
}

static evg_py_outcome send_file(evg_gevent_request *request, const evg_py_result *result) {
    int64_t count = result->file_count;
    if (result->content_length >= 0 && result->content_length < count) count = result->content_length;
    if (evg_gevent_is_gone(request)) return EVG_PY_FAILED;
    if (result->head && evg_swift_exchange_begin(request->exchange, result->head, count, (evg_py_text){NULL, 0})
        == EVG_SENT_GONE) return EVG_PY_FAILED;
    transfer *sent = calloc(1, sizeof *sent);
    /* A descriptor of its own: the app may close its file while the loop still sends it. */
    int file = sent ? fcntl(result->file, F_DUPFD_CLOEXEC, 0) : -1;
    if (file < 0) {
        free(sent);
        return EVG_PY_FAILED;
    }
    sent->request = request;
    evg_swift_exchange_send_file(request->exchange, file, result->file_offset, count, file_sent, sent);
    int status = 0;
    while (!status && !sent->is_done) status = evg_gevent_wait(&request->writer);
    bool whole = sent->is_done && sent->error == 0;
    sent->request = NULL;
    if (sent->is_done) free(sent);
    if (status) return gave_up(request, "sending a file");
    return whole ? EVG_PY_END : EVG_PY_FAILED;
}

static evg_py_outcome answer(evg_gevent_request *request, evg_py_outcome outcome, evg_py_result *result) {
    switch (outcome) {
    case EVG_PY_WHOLE:
        send_whole(request, result->head, result->block);
        return EVG_PY_WHOLE;
    case EVG_PY_BLOCK:
        /* The usual response of a framework: one block of the length that it announced. */
        if (result->head && result->content_length == (int64_t)result->block.count) {
            send_whole(request, result->head, result->block);
            if (evg_py_call_next(result->call, result) == EVG_PY_BLOCK) evg_swift_exchange_overran(request->exchange);
            return EVG_PY_WHOLE;
        }
        return stream(request, result);
    case EVG_PY_FILE:
        outcome = send_file(request, result);
        result->head = NULL;
        return outcome;
    default:
        return outcome;
    }
}

/* ---- a greenlet's life ---- */

/* The call that is to be entered; NULL when the client has left, or has its refusal. */
__attribute__((noinline)) static evg_py_call *prepare(evg_gevent_request *request) {
    if (evg_gevent_is_gone(request)) return NULL;
    evg_gevent_arrival *arrival = &request->arrival;
    evg_py_request described = {
        .exchange = request->exchange, .environ = arrival->environ, .body_count = arrival->body_count,
        .body_file = -1, .length_from_body = arrival->length_from_body,
    };
    evg_swift_exchange_describe(request->exchange, &described);
    PyObject *input = arrival->input;
    arrival->input = NULL;
    evg_swift_exchange_called(request->exchange);
    evg_swift_exchange_watch(request->exchange,
                             evg_gevent_cancels_on_disconnect ? EVG_OVERDUE | EVG_LEFT : EVG_OVERDUE,
                             evg_gevent_happened, request);
    return evg_py_call_prepare(&described, input, &sink, request);
}

__attribute__((noinline)) static void conclude(evg_gevent_request *request, evg_py_call *call) {
    evg_py_result result = {0};
    evg_py_outcome outcome = answer(request, evg_py_call_begun(call, &result), &result);
    if (outcome == EVG_PY_END) {
        send_whole(request, result.head, (evg_py_text){NULL, 0});
    } else if (outcome != EVG_PY_WHOLE && !evg_gevent_is_gone(request)) {
        evg_swift_exchange_fail(request->exchange, request->refusal ? request->refusal : 500);
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
