/* send (ASGI, HTTP & WebSocket, "Response Start" and "Response Body"). Law: the head is kept until the first bytes of
 * the body, so that a response in one piece leaves in one write and an error can still be answered. It is made, and
 * what is wrong with it raised, by the message that brings it: types are checked here and values by its builder. */
#include "asgi.h"

#include "../runtime/repeated_head.h"

/* Bytes that one request may send, each message counting at least so many, before the loop has a turn. */
enum { turn_bytes = 1 << 20, message_bytes = 1 << 14 };

static struct {
    PyObject *type, *body, *more_body, *status, *headers, *trailers;
} name;

/* Lends the bytes of an object. Those of other types than bytes are copied into *temporary, which is the caller's to
 * let go of. */
int evg_asgi_bytes_of(PyObject *object, evg_py_text *text, PyObject **temporary, const char *what) {
    if (!PyBytes_Check(object)) {
        if (!PyByteArray_Check(object) && (PyObject *)Py_TYPE(object) != (PyObject *)&PyMemoryView_Type) {
            PyErr_Format(PyExc_TypeError, "%s must be bytes, not %R", what, (PyObject *)Py_TYPE(object));
            return -1;
        }
        object = *temporary = PyBytes_FromObject(object);
        if (!object) return -1;
    }
    text->base = (const uint8_t *)PyBytes_AsString(object);
    text->count = (size_t)PyBytes_Size(object);
    return 0;
}

int evg_asgi_text_of(PyObject *object, evg_py_text *text, const char *what) {
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be a str, not %R", what, (PyObject *)Py_TYPE(object));
        return -1;
    }
    Py_ssize_t count;
    text->base = (const uint8_t *)PyUnicode_AsUTF8AndSize(object, &count);
    text->count = text->base ? (size_t)count : 0;
    return text->base ? 0 : -1;
}

/* Framing is the server's: a Transfer-Encoding of the app's is ignored (ASGI, "Response Start"). */
static bool is_framing(evg_py_text text) {
    static const char wanted[] = "transfer-encoding";
    if (text.count != sizeof wanted - 1) return false;
    for (size_t i = 0; i < text.count; i++)
        if ((text.base[i] | 0x20) != wanted[i]) return false;
    return true;
}

static int add_field(evg_response_head *head, PyObject *first, PyObject *second) {
    evg_py_text name, value;
    PyObject *kept_name = NULL, *kept_value = NULL;
    int result = -1;
    if (!evg_asgi_bytes_of(first, &name, &kept_name, "a header's name")
        && !evg_asgi_bytes_of(second, &value, &kept_value, "a header's value")) {
        evg_head_refusal refusal = is_framing(name) ? EVG_HEAD_ACCEPTED
            : evg_response_head_add(head, name.base, name.count, value.base, value.count);
        if (refusal == EVG_HEAD_ACCEPTED) result = 0;
        else PyErr_Format(PyExc_ValueError, "refused response head: %s", evg_head_refusal_text(refusal));
    }
    Py_XDECREF(kept_name);
    Py_XDECREF(kept_value);
    return result;
}

static int add_pair(evg_response_head *head, PyObject *pair) {
    if (PyTuple_Check(pair) && PyTuple_Size(pair) == 2)
        return add_field(head, PyTuple_GetItem(pair, 0), PyTuple_GetItem(pair, 1));
    PyObject *list = PyBytes_Check(pair) || PyUnicode_Check(pair) ? NULL : PySequence_List(pair);
    int result = -1;
    if (list && PyList_Size(list) == 2) {
        result = add_field(head, PyList_GetItem(list, 0), PyList_GetItem(list, 1));
    } else {
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError, "a header must be a pair of bytes (name, value), not %R", pair);
    }
    Py_XDECREF(list);
    return result;
}

static int status_of(PyObject *event, int32_t *code) {
    PyObject *status = PyDict_GetItemWithError(event, name.status);
    if (!status) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_KeyError, "http.response.start lacks 'status'");
        return -1;
    }
    if (!PyLong_Check(status)) {
        PyErr_Format(PyExc_TypeError, "a status must be an int, not %R", (PyObject *)Py_TYPE(status));
        return -1;
    }
    int overflow;
    long value = PyLong_AsLongAndOverflow(status, &overflow);
    if (overflow || value < 200 || value > 999) {
        PyErr_Format(PyExc_ValueError, "%S is no status of a final response", status);
        return -1;
    }
    *code = (int32_t)value;
    return 0;
}

/* The headers as a list, which is the app's own when it gave one; NULL without an exception when there are none. */
PyObject *evg_asgi_headers_of(PyObject *event) {
    PyObject *headers = PyDict_GetItemWithError(event, name.headers);
    if (!headers || headers == Py_None) return NULL;
    if (PyList_CheckExact(headers)) {
        Py_INCREF(headers);
        return headers;
    }
    PyObject *iterator = PyObject_GetIter(headers);
    if (!iterator) {
        if (PyErr_ExceptionMatches(PyExc_TypeError))
            PyErr_Format(PyExc_TypeError, "headers must be an iterable of pairs of bytes, not %R",
                         (PyObject *)Py_TYPE(headers));
        return NULL;
    }
    PyObject *list = PySequence_List(iterator);     /* runs what the app iterates over */
    Py_DECREF(iterator);
    return list;
}

/* A pair may be an object of the app's, whose code may change the list, or send. */
int evg_asgi_add_headers(evg_response_head *head, PyObject *headers) {
    for (Py_ssize_t i = 0; headers && i < PyList_Size(headers); i++) {
        PyObject *pair = PyList_GetItem(headers, i);
        Py_INCREF(pair);
        int status = add_pair(head, pair);
        Py_DECREF(pair);
        if (status) return -1;
    }
    return 0;
}

int evg_asgi_build_head(evg_response_head *head, int32_t status, PyObject *event) {
    PyObject *headers = evg_asgi_headers_of(event);
    if (!headers && PyErr_Occurred()) return -1;
    evg_head_refusal refusal = evg_response_head_begin(head, status, NULL, 0);
    int result = -1;
    if (refusal != EVG_HEAD_ACCEPTED)
        PyErr_Format(PyExc_ValueError, "refused response head: %s", evg_head_refusal_text(refusal));
    else
        result = evg_asgi_add_headers(head, headers);
    Py_XDECREF(headers);
    return result;
}

/* What the head is to be made of, when it is made of bytes that cannot change. */
static void collect(evg_head_objects *found, PyObject *event, PyObject *headers) {
    found->count = 0;
    Py_ssize_t count = headers ? PyList_Size(headers) : 0;
    PyObject *status = PyDict_GetItemWithError(event, name.status), **at = found->objects;
    if (count > evg_head_most_fields || !status || !PyLong_CheckExact(status)) return;
    *at++ = status;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = PyList_GetItem(headers, i);
        if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) return;
        *at++ = PyTuple_GetItem(pair, 0);
        *at++ = PyTuple_GetItem(pair, 1);
        if (!PyBytes_CheckExact(at[-2]) || !PyBytes_CheckExact(at[-1])) return;
    }
    found->count = (uint32_t)(at - found->objects);
}

static PyObject *started(evg_asgi_request *self) {
    self->started = true;
    Py_INCREF(evg_asgi_done);
    return evg_asgi_done;
}

/* Whether the event has a true value under this key; -1 with an exception. */
int evg_asgi_is_set(PyObject *event, PyObject *key) {
    PyObject *value = PyDict_GetItemWithError(event, key);
    return value ? PyObject_IsTrue(value) : PyErr_Occurred() ? -1 : 0;
}

PyObject *evg_asgi_start(evg_asgi_request *self, PyObject *event) {
    int32_t status;
    if (status_of(event, &status)) return NULL;
    int has_trailers = evg_asgi_is_set(event, name.trailers);
    if (has_trailers < 0) return NULL;
    if (!self->started) self->has_trailers = has_trailers;
    PyObject *headers = evg_asgi_headers_of(event);
    if (!headers && PyErr_Occurred()) return NULL;
    evg_head_objects objects;
    collect(&objects, event, headers);
    if (!self->started && evg_head_repeat(&objects, &self->head)) {
        Py_XDECREF(headers);
        return started(self);
    }
    /* Away from the request while the app may run, with the memory of an earlier head. */
    evg_response_head head = {0};
    if (!self->started) evg_response_head_swap(&head, &self->head);
    evg_head_refusal refusal = evg_response_head_begin(&head, status, NULL, 0);
    int result = -1;
    if (refusal != EVG_HEAD_ACCEPTED)
        PyErr_Format(PyExc_ValueError, "refused response head: %s", evg_head_refusal_text(refusal));
    else if (!evg_asgi_add_headers(&head, headers) && self->started)
        PyErr_SetString(PyExc_RuntimeError, "http.response.start was sent before");
    else if (!PyErr_Occurred())
        result = 0;
    if (result == 0) {
        evg_head_remember(&objects, &head);
        evg_response_head_swap(&head, &self->head);
    }
    Py_XDECREF(headers);
    evg_response_head_free(&head);
    return result ? NULL : started(self);
}

PyObject *evg_asgi_sent(evg_asgi_request *self, evg_sent outcome, size_t count) {
    if (PyErr_Occurred()) return NULL;
    if (outcome == EVG_SENT_GONE) return evg_asgi_say_disconnected();
    if (self->complete) {
        evg_asgi_wake(self);    /* receive says http.disconnect from here on */
    } else if (outcome == EVG_SENT_FULL) {
        evg_asgi_watch(self, EVG_DRAINED | EVG_LEFT);
        return evg_asgi_waiting(self, evg_asgi_wait_drain, NULL);
    } else {
        self->burst += count < message_bytes ? message_bytes : count > turn_bytes ? turn_bytes : (uint32_t)count;
        if (self->burst > turn_bytes) {
            self->burst = 0;
            return evg_asgi_waiting(self, evg_asgi_wait_turn, NULL);
        }
    }
    Py_INCREF(evg_asgi_done);
    return evg_asgi_done;
}

bool evg_asgi_may_send_body(evg_asgi_request *self) {
    if (self->started && !self->file_pending && !self->body_over) return true;
    if (self->body_over) {
        PyErr_SetString(PyExc_RuntimeError, "only http.response.trailers may follow the end of the body");
        return false;
    }
    PyErr_SetString(PyExc_RuntimeError, self->started ? "http.response.pathsend was the whole body"
                                                      : "a body was sent before http.response.start");
    return false;
}

static evg_sent send_bytes(evg_asgi_request *self, evg_py_text text, bool follows) {
    bool begins = !self->head_sent;
    self->head_sent = true;
    if (begins && !follows) return evg_swift_exchange_respond(self->exchange, &self->head, text);
    if (begins) return evg_swift_exchange_begin(self->exchange, &self->head, -1, text);
    evg_sent outcome = text.count ? evg_swift_exchange_write(self->exchange, text) : EVG_SENT;
    if (!follows && outcome != EVG_SENT_GONE) evg_swift_exchange_finish(self->exchange);
    return outcome;
}

PyObject *evg_asgi_send_body(evg_asgi_request *self, PyObject *event) {
    if (!evg_asgi_may_send_body(self)) return NULL;
    PyObject *body = PyDict_GetItemWithError(event, name.body);
    if (!body && PyErr_Occurred()) return NULL;
    int follows = evg_asgi_is_set(event, name.more_body);
    if (follows < 0) return NULL;
    evg_py_text text = {NULL, 0};
    PyObject *kept = NULL;
    if (body && body != Py_None && evg_asgi_bytes_of(body, &text, &kept, "a body")) return NULL;
    evg_sent outcome = send_bytes(self, text, follows || self->has_trailers);
    Py_XDECREF(kept);
    if (!follows) self->body_over = true;
    if (self->body_over && !self->has_trailers) self->complete = true;
    return evg_asgi_sent(self, outcome, text.count);
}

PyObject *evg_asgi_send(evg_asgi_request *request, PyObject *event) {
    if (evg_py_forked) evg_py_end_forked();
    if (!PyDict_Check(event)) {
        PyErr_Format(PyExc_TypeError, "send takes a dict, not %R", (PyObject *)Py_TYPE(event));
        return NULL;
    }
    PyObject *type = PyDict_GetItemWithError(event, name.type);
    if (!type || !PyUnicode_Check(type)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_KeyError, "a message must have a 'type'");
        return NULL;
    }
    if (request->is_socket) return evg_asgi_socket_send(request, event, type);
    if (request->complete) {
        PyErr_Format(PyExc_RuntimeError, "%U after the end of the response", type);
        return NULL;
    }
    if (evg_asgi_is_gone(request)) return evg_asgi_say_disconnected();
    static const struct {
        const char *type;
        PyObject *(*send)(evg_asgi_request *request, PyObject *event);
    } messages[] = {
        {"http.response.body", evg_asgi_send_body}, {"http.response.start", evg_asgi_start},
        {"http.response.pathsend", evg_asgi_send_path}, {"http.response.early_hint", evg_asgi_send_hint},
        {"http.response.trailers", evg_asgi_send_trailers},
    };
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        if (PyUnicode_CompareWithASCIIString(type, messages[i].type) == 0) return messages[i].send(request, event);
    PyErr_Format(PyExc_ValueError, "unexpected message %R", type);
    return NULL;
}

static PyObject *send(PyObject *self, PyObject *event) {
    evg_asgi_request *request = (evg_asgi_request *)self;
    if (evg_asgi_on_loop_thread()) return evg_asgi_send(request, event);
    Py_INCREF(event);
    return evg_asgi_waiting(request, evg_asgi_wait_send, event);
}

static PyMethodDef send_method = {"send", send, METH_O, "await send(message)"};

PyObject *evg_asgi_make_send(evg_asgi_request *request) { return PyCFunction_New(&send_method, (PyObject *)request); }

int evg_asgi_send_init(void) {
    const evg_py_interned texts[] = {
        {&name.type, "type"}, {&name.body, "body"}, {&name.more_body, "more_body"}, {&name.status, "status"},
        {&name.headers, "headers"}, {&name.trailers, "trailers"},
    };
    return evg_py_intern(texts, sizeof texts / sizeof *texts);
}
