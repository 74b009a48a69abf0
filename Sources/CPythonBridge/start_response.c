/* start_response and write (PEP 3333, "The start_response() Callable"). Law: types are checked here, values by the
 * encoder, both while the app is still running, so that the app's own traceback names the mistake. */
#include "internal.h"

#include <string.h>

enum { inline_fields = 32 };

evg_py_sink evg_py_responses = {evg_swift_start, evg_swift_write, evg_swift_flush, NULL};

static PyTypeObject *call_type;

static evg_py_call *call_of(PyObject *object) {
    evg_py_call *call = (evg_py_call *)object;
    if (call->exchange && !pthread_equal(pthread_self(), call->thread)) {
        PyErr_SetString(PyExc_RuntimeError, "start_response and write belong to the thread that called the app");
        return NULL;
    }
    if (call->exchange) return call;
    PyErr_SetString(PyExc_RuntimeError, "the response of this request is over");
    return NULL;
}

/* The latin-1 bytes of a str. An ASCII str lends its own memory; others go through *temporary (a list, made here). */
static int text_of(PyObject *object, evg_py_text *text, PyObject **temporary, const char *what) {
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be str, not %R", what, (PyObject *)Py_TYPE(object));
        return -1;
    }
    Py_ssize_t count;
    const char *utf8 = PyUnicode_AsUTF8AndSize(object, &count);
    if (utf8 && count == PyUnicode_GetLength(object)) {
        text->base = (const uint8_t *)utf8;
        text->count = (size_t)count;
        return 0;
    }
    PyErr_Clear();   /* a lone surrogate: refused by the next line in better words */
    PyObject *bytes = PyUnicode_AsLatin1String(object);
    if (!bytes) return -1;
    if (!*temporary) *temporary = PyList_New(0);
    int status = *temporary ? PyList_Append(*temporary, bytes) : -1;
    text->base = (const uint8_t *)PyBytes_AsString(bytes);
    text->count = (size_t)PyBytes_Size(bytes);
    Py_DECREF(bytes);
    return status;
}

/* "NNN reason"; a bare "NNN" is taken, its reason is the usual one. */
static int parse_status(evg_py_text text, int32_t *status, evg_py_text *reason) {
    int32_t code = 0;
    size_t i = 0;
    for (; i < 3 && i < text.count && text.base[i] >= '0' && text.base[i] <= '9'; i++)
        code = code * 10 + (text.base[i] - '0');
    if (i < 3 || (text.count > 3 && text.base[3] != ' ')) {
        PyErr_SetString(PyExc_ValueError, "status must be three digits, a space and a reason, such as '200 OK'");
        return -1;
    }
    if (code < 200) {
        PyErr_SetString(PyExc_ValueError, "a status below 200 is not a final response");
        return -1;
    }
    *status = code;
    reason->base = text.count > 4 ? text.base + 4 : NULL;
    reason->count = text.count > 4 ? text.count - 4 : 0;
    return 0;
}

static bool is_content_length(evg_py_text name) {
    static const char wanted[] = "content-length";
    if (name.count != sizeof wanted - 1) return false;
    for (size_t i = 0; i < name.count; i++)
        if ((name.base[i] | 0x20) != wanted[i]) return false;
    return true;
}

/* What the encoder accepts is digits below 2^63; anything else is refused there and never used. */
static int64_t parse_length(evg_py_text value) {
    int64_t length = 0;
    for (size_t i = 0; i < value.count; i++) {
        if (value.base[i] < '0' || value.base[i] > '9' || length > (INT64_MAX - 9) / 10) return -1;
        length = length * 10 + (value.base[i] - '0');
    }
    return value.count ? length : -1;
}

static int begin(evg_py_call *call, PyObject *status, PyObject *headers) {
    evg_py_text_field few[inline_fields], *fields = few;
    evg_py_text line, reason;
    int32_t code;
    PyObject *temporary = NULL;
    int result = -1;
    int64_t content_length = -1;
    if (text_of(status, &line, &temporary, "status") || parse_status(line, &code, &reason)) goto done;
    if (!PyList_Check(headers)) {
        PyErr_Format(PyExc_TypeError, "headers must be a list, not %R", (PyObject *)Py_TYPE(headers));
        goto done;
    }
    Py_ssize_t count = PyList_Size(headers);
    if (count > inline_fields && !(fields = PyMem_Malloc((size_t)count * sizeof *fields))) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = PyList_GetItem(headers, i);
        if (!pair || !PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
            PyErr_Format(PyExc_TypeError, "a header must be a tuple (name, value), not %R", pair ? pair : Py_None);
            goto done;
        }
        if (text_of(PyTuple_GetItem(pair, 0), &fields[i].name, &temporary, "a header's name")) goto done;
        if (text_of(PyTuple_GetItem(pair, 1), &fields[i].value, &temporary, "a header's value")) goto done;
        if (is_content_length(fields[i].name)) content_length = parse_length(fields[i].value);
    }
    const char *refused = evg_py_responses.start(call->exchange, code, reason, fields, (size_t)count, call->started);
    if (refused) {
        call->started = false;
        PyErr_Format(PyExc_ValueError, "refused response head: %s", refused);
        goto done;
    }
    call->started = true;
    call->content_length = content_length;
    result = 0;
done:
    if (fields != few) PyMem_Free(fields);
    Py_XDECREF(temporary);
    return result;
}

/* With exc_info the head is replaced, or, when it is on the wire, the exception goes back to the app. */
static int reraise_if_sent(evg_py_call *call, PyObject *exc_info) {
    if (!PyTuple_Check(exc_info) || PyTuple_Size(exc_info) != 3) {
        PyErr_SetString(PyExc_TypeError, "exc_info must be the tuple of sys.exc_info()");
        return -1;
    }
    if (!call->head_sent) return 0;
    PyObject *parts[3];
    for (int i = 0; i < 3; i++) {
        parts[i] = PyTuple_GetItem(exc_info, i);
        if (parts[i] == Py_None) parts[i] = NULL;
        Py_XINCREF(parts[i]);
    }
    if (!parts[0]) {
        Py_XDECREF(parts[1]);
        Py_XDECREF(parts[2]);
        PyErr_SetString(PyExc_RuntimeError, "start_response called after the head was sent");
        return -1;
    }
    PyErr_Restore(parts[0], parts[1], parts[2]);
    return -1;
}

static PyObject *write_body(PyObject *self, PyObject *data) {
    evg_py_call *call = call_of(self);
    if (!call) return NULL;
    if (!PyBytes_Check(data)) {
        PyErr_Format(PyExc_TypeError, "write() takes bytes, not %R", (PyObject *)Py_TYPE(data));
        return NULL;
    }
    evg_py_text bytes = {(const uint8_t *)PyBytes_AsString(data), (size_t)PyBytes_Size(data)};
    if (bytes.count == 0) Py_RETURN_NONE;
    if (!call->started) {
        PyErr_SetString(PyExc_RuntimeError, "write() called before start_response");
        return NULL;
    }
    call->head_sent = true;
    void *exchange = call->exchange;
    if (evg_py_forked) evg_py_come_back(call);
    bool is_full = evg_py_responses.write(exchange, bytes);
    if (is_full && evg_py_responses.wait) {
        if (evg_py_responses.wait(exchange)) return NULL;
    } else if (is_full) {
        Py_BEGIN_ALLOW_THREADS
        evg_py_responses.flush(exchange);
        Py_END_ALLOW_THREADS
    }
    Py_RETURN_NONE;
}

static PyMethodDef write_method = {"write", write_body, METH_O, "write(bytes): the imperative way to send the body"};

static PyObject *start_response(PyObject *self, PyObject *args, PyObject *keywords) {
    static char *names[] = {"status", "headers", "exc_info", NULL};
    PyObject *status = NULL, *headers = NULL, *exc_info = NULL;
    Py_ssize_t count = keywords ? -1 : PyTuple_Size(args);
    if (count == 2 || count == 3) {
        status = PyTuple_GetItem(args, 0);
        headers = PyTuple_GetItem(args, 1);
        exc_info = count == 3 ? PyTuple_GetItem(args, 2) : NULL;
    } else if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO|O:start_response", names,
                                            &status, &headers, &exc_info)) {
        return NULL;
    }
    evg_py_call *call = call_of(self);
    if (!call) return NULL;
    if (exc_info && exc_info != Py_None) {
        if (reraise_if_sent(call, exc_info)) return NULL;
    } else if (call->started) {
        PyErr_SetString(PyExc_RuntimeError, "start_response called a second time without exc_info");
        return NULL;
    }
    if (begin(call, status, headers)) return NULL;
    if (!call->write && !(call->write = PyCFunction_New(&write_method, self))) return NULL;
    Py_INCREF(call->write);
    return call->write;
}

static void call_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyType_Slot type_slots[] = {
    {Py_tp_call, start_response}, {Py_tp_dealloc, call_dealloc},
    {Py_tp_doc, "start_response(status, headers, exc_info=None) -> write"}, {0, NULL},
};
static PyType_Spec type_spec = {"_evgateway.start_response", sizeof(evg_py_call), 0, Py_TPFLAGS_DEFAULT, type_slots};

int evg_py_start_response_init(void) {
    call_type = (PyTypeObject *)PyType_FromSpec(&type_spec);
    return call_type ? 0 : -1;
}

evg_py_call *evg_py_call_object(void) {
    evg_py_call *call = PyObject_New(evg_py_call, call_type);
    if (!call) return NULL;
    call->write = call->method = call->target = call->environ = call->context = call->result = call->iterator = call->block = NULL;
    return call;
}

bool evg_py_call_is_free(const evg_py_call *call) {
    return Py_REFCNT((PyObject *)call) == (call->write ? 2 : 1) && (!call->write || Py_REFCNT(call->write) == 1);
}
