/* A WebSocket of a greenlet. Law: as in call.c, after every wait the client may have left, and the request be over. */
#include "gevent.h"

/* Greenlets of the loop's thread alone may ask: the server is on that thread. */
static evg_gevent_request *request_of(void *owner) {
    evg_gevent_request *request = owner;
    if (!pthread_equal(pthread_self(), evg_py_loop_thread)) {
        PyErr_SetString(PyExc_RuntimeError, "a WebSocket belongs to the thread of its worker's loop");
        return NULL;
    }
    Py_INCREF((PyObject *)request);
    return request;
}

static int done(evg_gevent_request *request, int result) {
    /* What this has caused is told by the next pump. */
    evg_swift_guest_wake();
    Py_DECREF((PyObject *)request);
    return result;
}

static int accept_socket(void *owner, evg_py_text subprotocol) {
    evg_gevent_request *request = request_of(owner);
    if (!request) return -1;
    evg_response_head head = {0};
    int outcome = request->exchange ? (int)evg_swift_socket_accept(request->exchange, &head, subprotocol)
                                    : (int)EVG_ACCEPT_GONE;
    return done(request, outcome);
}

static int send_message(void *owner, bool is_text, evg_py_text bytes) {
    evg_gevent_request *request = request_of(owner);
    if (!request) return -1;
    evg_sent outcome = request->exchange ? evg_swift_socket_send(request->exchange, is_text, bytes) : EVG_SENT_GONE;
    if (outcome == EVG_SENT_GONE) return done(request, 0);
    int status = evg_gevent_after_sending(request, outcome, bytes.count);
    Py_DECREF((PyObject *)request);
    return status ? -1 : 1;
}

static int close_socket(void *owner, uint16_t code, evg_py_text reason) {
    evg_gevent_request *request = request_of(owner);
    if (!request) return -1;
    return done(request, !request->exchange || evg_swift_socket_close(request->exchange, code, reason));
}

static int take(void *owner, PyObject **left_over) {
    evg_gevent_request *request = request_of(owner);
    if (!request) return -1;
    evg_py_text bytes = {NULL, 0};
    int descriptor = request->exchange ? evg_swift_socket_take(request->exchange, &bytes) : -1;
    if (descriptor >= 0) *left_over = PyBytes_FromStringAndSize((const char *)bytes.base, (Py_ssize_t)bytes.count);
    return done(request, descriptor);
}

static PyObject *receive(void *owner) {
    evg_gevent_request *request = request_of(owner);
    PyObject *message = NULL;
    while (request && request->exchange) {
        evg_py_text bytes = {NULL, 0};
        int32_t code;
        evg_socket_event event = evg_swift_socket_next(request->exchange, &bytes, &code);
        if (event == EVG_SOCKET_TEXT || event == EVG_SOCKET_BYTES)
            message = evg_py_socket_message(event == EVG_SOCKET_TEXT, bytes);
        if (event != EVG_SOCKET_WAIT) break;
        evg_swift_exchange_watch(request->exchange, EVG_BODY, evg_gevent_happened, request);
        if (evg_gevent_wait(&request->reader)) break;
    }
    Py_XDECREF((PyObject *)request);
    return message;
}

static bool has_ended(void *owner) {
    return pthread_equal(pthread_self(), evg_py_loop_thread) && evg_gevent_is_gone(owner);
}

const evg_py_socket_ways evg_gevent_socket_ways = {
    .name = "gevent", .accept = accept_socket, .send = send_message, .close = close_socket, .take = take,
    .receive = receive, .has_ended = has_ended,
};
