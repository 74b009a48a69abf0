/* send (ASGI, HTTP & WebSocket, "Response Start" and "Response Body"). Law: the head is kept until the first bytes of
 * the body, so that a response in one piece leaves in one write and an error can still be answered. It is made, and
 * what is wrong with it raised, by the message that brings it: types are checked here and values by the encoder. */
#include "asgi.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { inline_fields = 32 };
/* Bytes that one request may send, each message counting at least so many, before the loop has a turn. */
enum { turn_bytes = 1 << 20, message_bytes = 1 << 14 };

static struct {
    PyObject *type, *body, *more_body, *status, *headers, *path;
} name;

/* Lends the bytes of an object. Those that are not bytes are copied into *kept, a list. */
static int bytes_of(PyObject *object, evg_py_text *text, PyObject **kept, const char *what) {
    PyObject *copy = NULL;
    if (!PyBytes_Check(object)) {
        if (!PyByteArray_Check(object) && (PyObject *)Py_TYPE(object) != (PyObject *)&PyMemoryView_Type) {
            PyErr_Format(PyExc_TypeError, "%s must be bytes, not %R", what, (PyObject *)Py_TYPE(object));
            return -1;
        }
        if (!*kept && !(*kept = PyList_New(0))) return -1;
        copy = PyBytes_FromObject(object);
        if (!copy || PyList_Append(*kept, copy)) {
            Py_XDECREF(copy);
            return -1;
        }
        Py_DECREF(copy);    /* the list has it */
        object = copy;
    }
    text->base = (const uint8_t *)PyBytes_AsString(object);
    text->count = (size_t)PyBytes_Size(object);
    return 0;
}

/* Framing is the server's: a Transfer-Encoding of the app's is ignored (ASGI, "Response Start"). */
static bool is_framing(evg_py_text text) {
    static const char wanted[] = "transfer-encoding";
    if (text.count != sizeof wanted - 1) return false;
    for (size_t i = 0; i < text.count; i++)
        if ((text.base[i] | 0x20) != wanted[i]) return false;
    return true;
}

/* A pair as two borrowed references; *kept holds what would else be gone. */
static int pair_of(PyObject *pair, PyObject *parts[2], PyObject **kept) {
    if (PyTuple_Check(pair) && PyTuple_Size(pair) == 2) {
        parts[0] = PyTuple_GetItem(pair, 0);
        parts[1] = PyTuple_GetItem(pair, 1);
        return 0;
    }
    PyObject *list = PyBytes_Check(pair) || PyUnicode_Check(pair) ? NULL : PySequence_List(pair);
    if (!list || PyList_Size(list) != 2) {
        Py_XDECREF(list);
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError, "a header must be a pair of bytes (name, value), not %R", pair);
        return -1;
    }
    if ((!*kept && !(*kept = PyList_New(0))) || PyList_Append(*kept, list)) {
        Py_DECREF(list);
        return -1;
    }
    Py_DECREF(list);
    parts[0] = PyList_GetItem(list, 0);
    parts[1] = PyList_GetItem(list, 1);
    return 0;
}

/* The headers as fields; *fields is `few` or from PyMem_Malloc. -1 with an exception. */
static Py_ssize_t fields_of(PyObject *headers, evg_py_text_field *few, evg_py_text_field **fields, PyObject **kept) {
    Py_ssize_t count = headers ? PyList_Size(headers) : 0, used = 0;
    if (count > inline_fields && !(*fields = PyMem_Malloc((size_t)count * sizeof *few))) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *parts[2];
        evg_py_text_field *field = &(*fields)[used];
        if (pair_of(PyList_GetItem(headers, i), parts, kept)) return -1;
        if (bytes_of(parts[0], &field->name, kept, "a header's name")) return -1;
        if (bytes_of(parts[1], &field->value, kept, "a header's value")) return -1;
        if (!is_framing(field->name)) used++;
    }
    return used;
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

/* The headers as a list of one's own, which the app cannot change while it is asked for its pairs; NULL without an
 * exception when there are none. */
static PyObject *headers_of(PyObject *event) {
    PyObject *headers = PyDict_GetItemWithError(event, name.headers);
    if (!headers || headers == Py_None) return NULL;
    if (PyList_CheckExact(headers)) return PySequence_List(headers);
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

void evg_asgi_keep_head(evg_asgi_request *self, const uint8_t *base, size_t count) {
    self->head = PyBytes_FromStringAndSize((const char *)base, (Py_ssize_t)count);
}

static PyObject *start(evg_asgi_request *self, PyObject *event) {
    int32_t status;
    if (status_of(event, &status)) return NULL;
    PyObject *headers = headers_of(event), *kept = NULL;
    if (PyErr_Occurred()) return NULL;
    evg_py_text_field few[inline_fields], *fields = few;
    Py_ssize_t count = fields_of(headers, few, &fields, &kept);
    if (count >= 0 && self->started) {
        PyErr_SetString(PyExc_RuntimeError, "http.response.start was sent before");
    } else if (count >= 0) {
        const char *reason = evg_swift_asgi_start(self->exchange, self, status, fields, (size_t)count);
        if (reason) PyErr_Format(PyExc_ValueError, "refused response head: %s", reason);
    }
    if (fields != few) PyMem_Free(fields);
    Py_XDECREF(kept);
    Py_XDECREF(headers);
    if (PyErr_Occurred()) return NULL;
    self->started = true;
    Py_INCREF(evg_asgi_done);
    return evg_asgi_done;
}

static evg_py_text kept_head(evg_asgi_request *self) {
    return (evg_py_text){(const uint8_t *)PyBytes_AsString(self->head), (size_t)PyBytes_Size(self->head)};
}

static PyObject *sent(evg_asgi_request *self, evg_asgi_send_outcome outcome, size_t count) {
    if (PyErr_Occurred()) return NULL;
    if (outcome == EVG_ASGI_GONE) return evg_asgi_say_disconnected();
    if (self->complete) {
        evg_asgi_wake(self);    /* receive says http.disconnect from here on */
    } else if (outcome == EVG_ASGI_FULL) {
        evg_swift_asgi_watch(self->exchange, self, false);
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

static bool may_send_body(evg_asgi_request *self) {
    if (self->started && !self->file_pending) return true;
    PyErr_SetString(PyExc_RuntimeError, self->started ? "http.response.pathsend was the whole body"
                                                      : "a body was sent before http.response.start");
    return false;
}

static PyObject *send_body(evg_asgi_request *self, PyObject *event) {
    if (!may_send_body(self)) return NULL;
    PyObject *body = PyDict_GetItemWithError(event, name.body);
    PyObject *more = body || !PyErr_Occurred() ? PyDict_GetItemWithError(event, name.more_body) : NULL;
    if (PyErr_Occurred()) return NULL;
    int follows = more ? PyObject_IsTrue(more) : 0;
    if (follows < 0) return NULL;
    evg_py_text text = {NULL, 0};
    PyObject *kept = NULL;
    if (body && body != Py_None && bytes_of(body, &text, &kept, "a body")) {
        Py_XDECREF(kept);
        return NULL;
    }
    evg_asgi_send_outcome outcome;
    if (self->head_sent) {
        outcome = evg_swift_asgi_write(self->exchange, text, !follows);
    } else {
        self->head_sent = true;
        outcome = evg_swift_asgi_respond(self->exchange, kept_head(self), text, !follows);
        Py_CLEAR(self->head);
    }
    Py_XDECREF(kept);
    if (!follows) self->complete = true;
    return sent(self, outcome, text.count);
}

/* Opens the regular file that path names. */
static int open_file(PyObject *path, int64_t *size) {
    PyObject *encoded = NULL;
    if (!PyUnicode_FSConverter(path, &encoded)) return -1;
    const char *text = PyBytes_AsString(encoded);
    struct stat status;
    int file = -1;
    if (*text != '/') PyErr_SetString(PyExc_ValueError, "http.response.pathsend wants an absolute path");
    else if ((file = open(text, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
        PyErr_SetFromErrnoWithFilename(PyExc_OSError, text);
    else if (fstat(file, &status) || !S_ISREG(status.st_mode)) {
        PyErr_Format(PyExc_ValueError, "%R is no regular file", path);
        close(file);
        file = -1;
    } else *size = status.st_size;
    Py_DECREF(encoded);
    return file;
}

static PyObject *send_path(evg_asgi_request *self, PyObject *event) {
    if (!may_send_body(self)) return NULL;
    PyObject *path = PyDict_GetItemWithError(event, name.path);
    if (!path) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_KeyError, "http.response.pathsend lacks 'path'");
        return NULL;
    }
    int64_t size = 0;
    int file = open_file(path, &size);
    if (file < 0) return NULL;
    if (self->head_sent) {      /* maybe by the path itself, which may be an object of the app's */
        close(file);
        PyErr_SetString(PyExc_RuntimeError, "http.response.pathsend after a part of the body");
        return NULL;
    }
    Py_INCREF((PyObject *)self);    /* until evg_asgi_file_sent */
    self->file_pending = self->head_sent = true;
    evg_swift_asgi_send_file(self->exchange, self, kept_head(self), file, size);
    Py_CLEAR(self->head);
    return evg_asgi_waiting(self, evg_asgi_wait_file, NULL);
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
    if (request->complete) {
        PyErr_Format(PyExc_RuntimeError, "%U after the end of the response", type);
        return NULL;
    }
    if (!request->exchange || evg_swift_asgi_is_gone(request->exchange)) return evg_asgi_say_disconnected();
    if (PyUnicode_CompareWithASCIIString(type, "http.response.body") == 0) return send_body(request, event);
    if (PyUnicode_CompareWithASCIIString(type, "http.response.start") == 0) return start(request, event);
    if (PyUnicode_CompareWithASCIIString(type, "http.response.pathsend") == 0) return send_path(request, event);
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
    const struct { PyObject **slot; const char *text; } texts[] = {
        {&name.type, "type"}, {&name.body, "body"}, {&name.more_body, "more_body"}, {&name.status, "status"},
        {&name.headers, "headers"}, {&name.path, "path"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!*texts[i].slot && !(*texts[i].slot = PyUnicode_InternFromString(texts[i].text))) return -1;
    return 0;
}
