/* A WebSocket of an ASGI app (ASGI, HTTP & WebSocket, "WebSocket"). Law: a message of the client's is given out once
 * and in order, those that had come before the end before it; a refusal is an ordinary response. */
#include "asgi.h"

#include <string.h>
#include <strings.h>

static struct {
    PyObject *type, *text, *bytes, *code, *reason, *subprotocol;
    PyObject *connect, *receive, *disconnect;
} name;

/* MARK: receive */

static PyObject *message(PyObject *type, PyObject *key, PyObject *value) {
    PyObject *dict = PyDict_New();
    if (dict && !PyDict_SetItem(dict, name.type, type) && (!key || (value && !PyDict_SetItem(dict, key, value)))) {
        Py_XDECREF(value);
        return dict;
    }
    Py_XDECREF(value);
    Py_XDECREF(dict);
    return NULL;
}

static PyObject *disconnect(int32_t code, evg_py_text reason) {
    PyObject *dict = message(name.disconnect, name.code, PyLong_FromLong(code));
    PyObject *text = dict ? PyUnicode_DecodeUTF8((const char *)reason.base, (Py_ssize_t)reason.count, "replace") : NULL;
    if (text && !PyDict_SetItem(dict, name.reason, text)) {
        Py_DECREF(text);
        return dict;
    }
    Py_XDECREF(text);
    Py_XDECREF(dict);
    return NULL;
}

PyObject *evg_asgi_socket_next(evg_asgi_request *self) {
    enum { abnormal = 1006 };
    if (!self->exchange || (!self->accepted && evg_asgi_is_gone(self)))
        return disconnect(abnormal, (evg_py_text){(const uint8_t *)"", 0});
    if (!self->connect_told) {
        self->connect_told = true;
        return message(name.connect, NULL, NULL);
    }
    evg_py_text bytes = {NULL, 0};
    int32_t code = abnormal;
    switch (self->accepted ? evg_swift_socket_next(self->exchange, &bytes, &code) : EVG_SOCKET_WAIT) {
    case EVG_SOCKET_TEXT:
        return message(name.receive, name.text,
                       PyUnicode_DecodeUTF8((const char *)bytes.base, (Py_ssize_t)bytes.count, NULL));
    case EVG_SOCKET_BYTES:
        return message(name.receive, name.bytes,
                       PyBytes_FromStringAndSize((const char *)bytes.base, (Py_ssize_t)bytes.count));
    case EVG_SOCKET_CLOSED:
        return disconnect(code, bytes);
    case EVG_SOCKET_WAIT:
        break;
    }
    evg_asgi_watch(self, EVG_BODY | EVG_LEFT | EVG_DRAINED);
    return NULL;
}

/* MARK: send */

static PyObject *done(void) {
    Py_INCREF(evg_asgi_done);
    return evg_asgi_done;
}

/* The UTF-8 of a text that may be missing or None, lent from the event; -1 with an exception. */
static int text_of(PyObject *event, PyObject *key, evg_py_text *text, const char *what) {
    *text = (evg_py_text){NULL, 0};
    PyObject *value = PyDict_GetItemWithError(event, key);
    if (!value || value == Py_None) return PyErr_Occurred() ? -1 : 0;
    return evg_asgi_text_of(value, text, what);
}

/* Whether one of the fields is for the server to say; the subprotocol has a key of its own. */
static bool answers_handshake(const evg_response_head *head) {
    static const char *const names[] = {"upgrade:", "sec-websocket-"};
    const char *line = (const char *)head->bytes + head->reason_count, *end = (const char *)head->bytes + head->count;
    while (line < end) {
        for (int i = 0; i < 2; i++) {
            size_t count = strlen(names[i]);
            if ((size_t)(end - line) >= count && !strncasecmp(line, names[i], count)) return true;
        }
        line = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1;
    }
    return false;
}

static PyObject *accept_socket(evg_asgi_request *self, PyObject *event) {
    evg_py_text subprotocol;
    if (text_of(event, name.subprotocol, &subprotocol, "subprotocol")) return NULL;
    evg_response_head head = {0};
    PyObject *result = NULL;
    if (!evg_asgi_build_head(&head, 101, event) && answers_handshake(&head)) {
        PyErr_SetString(PyExc_ValueError, "the headers of websocket.accept may not have fields of the handshake");
    } else if (!PyErr_Occurred()) {
        switch (evg_swift_socket_accept(self->exchange, &head, subprotocol)) {
        case EVG_ACCEPT_UNKNOWN_SUBPROTOCOL:
            PyErr_SetString(PyExc_ValueError, "the client has not offered this subprotocol");
            break;
        case EVG_ACCEPT_GONE:
            evg_asgi_say_disconnected();
            break;
        case EVG_ACCEPTED:
            self->accepted = true;
            evg_swift_exchange_forget(self->exchange);      /* the scope has what the app will see */
            result = done();
        }
    }
    evg_response_head_free(&head);
    return result;
}

static PyObject *send_message(evg_asgi_request *self, PyObject *event) {
    PyObject *bytes = PyDict_GetItemWithError(event, name.bytes);
    if (!bytes && PyErr_Occurred()) return NULL;
    evg_py_text payload;
    PyObject *kept = NULL;
    bool is_text = !bytes || bytes == Py_None;
    if (is_text ? text_of(event, name.text, &payload, "text") : evg_asgi_bytes_of(bytes, &payload, &kept, "bytes"))
        return NULL;
    if (is_text && !payload.base) {
        PyErr_SetString(PyExc_KeyError, "websocket.send has neither 'text' nor 'bytes'");
        return NULL;
    }
    evg_sent outcome = evg_swift_socket_send(self->exchange, is_text, payload);
    PyObject *result = evg_asgi_sent(self, outcome, payload.count);
    Py_XDECREF(kept);
    return result;
}

/* Before the answer there is nobody to tell a code or a reason, and FastAPI gives a list of errors as one. */
static PyObject *refuse_socket(evg_asgi_request *self) {
    self->closed = true;
    evg_swift_exchange_fail(self->exchange, 403);
    evg_asgi_wake(self);    /* receive says websocket.disconnect from here on */
    return done();
}

static PyObject *close_socket(evg_asgi_request *self, PyObject *event) {
    evg_py_text reason;
    long code = 1000;
    PyObject *value = PyDict_GetItemWithError(event, name.code);
    if (value && value != Py_None) code = PyLong_AsLong(value);
    if (PyErr_Occurred() || text_of(event, name.reason, &reason, "reason")) return NULL;
    if (!evg_swift_socket_close(self->exchange, code < 0 || code > 65535 ? 0 : (uint16_t)code, reason)) {
        PyErr_Format(PyExc_ValueError, "%ld may not be sent as a close code", code);
        return NULL;
    }
    self->closed = true;
    return done();
}

static bool is(PyObject *type, const char *text) { return PyUnicode_CompareWithASCIIString(type, text) == 0; }

PyObject *evg_asgi_socket_send(evg_asgi_request *self, PyObject *event, PyObject *type) {
    bool is_send = is(type, "websocket.send");
    bool is_accept = !is_send && is(type, "websocket.accept");
    bool is_close = !is_send && is(type, "websocket.close");
    bool is_start = !is_send && is(type, "websocket.http.response.start");
    bool is_body = !is_send && is(type, "websocket.http.response.body");
    bool is_subscribe = !is_send && is(type, "evgateway.subscribe");
    bool is_unsubscribe = !is_send && is(type, "evgateway.unsubscribe");
    if (!is_accept && !is_send && !is_close && !is_start && !is_body && !is_subscribe && !is_unsubscribe) {
        PyErr_Format(PyExc_ValueError, "unexpected message %R", type);
        return NULL;
    }
    if (self->closed && is_send) return evg_asgi_say_disconnected();
    if (self->closed || self->complete) {
        PyErr_Format(PyExc_RuntimeError, "%U after the WebSocket was closed", type);
        return NULL;
    }
    if (evg_asgi_is_gone(self)) {
        if (is_close && self->accepted) return done();      /* the client was first */
        return evg_asgi_say_disconnected();
    }
    if (self->accepted && is_subscribe) return evg_asgi_subscribe_event(self, event);
    if (self->accepted && is_unsubscribe) return evg_asgi_unsubscribe_event(self, event);
    if (self->accepted ? is_send : is_accept && !self->started)
        return is_send ? send_message(self, event) : accept_socket(self, event);
    if (is_close && self->accepted) return close_socket(self, event);
    if (is_close && !self->started) return refuse_socket(self);
    if (!self->accepted && is_start) return evg_asgi_start(self, event);
    if (!self->accepted && is_body) return evg_asgi_send_body(self, event);
    PyErr_Format(PyExc_RuntimeError, self->accepted ? "%U after websocket.accept" : "%U before websocket.accept", type);
    return NULL;
}

int evg_asgi_socket_init(void) {
    const evg_py_interned texts[] = {
        {&name.type, "type"}, {&name.text, "text"}, {&name.bytes, "bytes"}, {&name.code, "code"},
        {&name.reason, "reason"}, {&name.subprotocol, "subprotocol"},
        {&name.connect, "websocket.connect"}, {&name.receive, "websocket.receive"},
        {&name.disconnect, "websocket.disconnect"},
    };
    return evg_py_intern(texts, sizeof texts / sizeof *texts);
}
