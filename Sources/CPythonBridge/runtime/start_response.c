/* start_response and write (PEP 3333, "The start_response() Callable"). Law: types are checked here, values by the
 * builder of the head, both while the app is still running, so that the app's own traceback names the mistake. */
#include "wsgi_call.h"

#include "repeated_head.h"

#include <string.h>

static PyTypeObject *call_type;

static evg_py_call *call_of(PyObject *object) {
    evg_py_call *call = (evg_py_call *)object;
    if (call->owner && !pthread_equal(pthread_self(), call->thread)) {
        PyErr_SetString(PyExc_RuntimeError, "start_response and write belong to the thread that called the app");
        return NULL;
    }
    if (call->owner) return call;
    PyErr_SetString(PyExc_RuntimeError, "the response of this request is over");
    return NULL;
}

/* The latin-1 bytes of a str. An ASCII str lends its own memory; for others *temporary, which is the caller's to let go
 * of, does. */
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
    *temporary = PyUnicode_AsLatin1String(object);
    if (!*temporary) return -1;
    text->base = (const uint8_t *)PyBytes_AsString(*temporary);
    text->count = (size_t)PyBytes_Size(*temporary);
    return 0;
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

static int refuse(evg_head_refusal refusal) {
    if (refusal == EVG_HEAD_ACCEPTED) return 0;
    if (refusal == EVG_HEAD_NO_MEMORY) PyErr_NoMemory();
    else PyErr_Format(PyExc_ValueError, "refused response head: %s", evg_head_refusal_text(refusal));
    return -1;
}

static int begin_head(evg_response_head *head, PyObject *status) {
    evg_py_text line, reason;
    int32_t code;
    PyObject *temporary = NULL;
    int result = text_of(status, &line, &temporary, "status") || parse_status(line, &code, &reason)
        ? -1 : refuse(evg_response_head_begin(head, code, reason.base, reason.count));
    Py_XDECREF(temporary);
    return result;
}

static int add_field(evg_response_head *head, PyObject *pair) {
    if (!pair || !PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
        PyErr_Format(PyExc_TypeError, "a header must be a tuple (name, value), not %R", pair ? pair : Py_None);
        return -1;
    }
    evg_py_text name, value;
    PyObject *first = NULL, *second = NULL;
    int result = text_of(PyTuple_GetItem(pair, 0), &name, &first, "a header's name")
            || text_of(PyTuple_GetItem(pair, 1), &value, &second, "a header's value")
        ? -1 : refuse(evg_response_head_add(head, name.base, name.count, value.base, value.count));
    Py_XDECREF(first);
    Py_XDECREF(second);
    return result;
}

/* What the head is to be made of; of another form than PEP 3333 wants it is nothing to compare. */
static void collect(evg_head_objects *found, PyObject *status, PyObject *headers) {
    found->count = 0;
    Py_ssize_t count = PyList_Check(headers) ? PyList_Size(headers) : evg_head_most_fields + 1;
    if (count > evg_head_most_fields) return;
    PyObject **at = found->objects;
    *at++ = status;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = PyList_GetItem(headers, i);
        if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) return;
        *at++ = PyTuple_GetItem(pair, 0);
        *at++ = PyTuple_GetItem(pair, 1);
    }
    found->count = (uint32_t)(at - found->objects);
}

/* Builds the head in the call. Nothing of the app runs meanwhile, unless to describe what is refused. */
static int begin(evg_py_call *call, PyObject *status, PyObject *headers) {
    call->started = false;
    evg_head_objects objects;
    collect(&objects, status, headers);
    if (evg_head_repeat(&objects, &call->head)) {
        call->started = true;
        return 0;
    }
    if (begin_head(&call->head, status)) return -1;
    if (!PyList_Check(headers)) {
        PyErr_Format(PyExc_TypeError, "headers must be a list, not %R", (PyObject *)Py_TYPE(headers));
        return -1;
    }
    Py_ssize_t count = PyList_Size(headers);
    for (Py_ssize_t i = 0; i < count; i++)
        if (add_field(&call->head, PyList_GetItem(headers, i))) return -1;
    evg_head_remember(&objects, &call->head);
    call->started = true;
    return 0;
}

/* With exc_info the head is replaced, or, when it is on the wire, the exception goes back to the app. */
static int reraise_if_sent(evg_py_call *call, PyObject *exc_info) {
    if (!PyTuple_Check(exc_info) || PyTuple_Size(exc_info) != 3) {
        PyErr_SetString(PyExc_TypeError, "exc_info must be the tuple of sys.exc_info()");
        return -1;
    }
    if (!call->head_taken) return 0;
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
    if (evg_py_forked) evg_py_come_back(call);
    if (evg_py_socket_is_used(call->socket)) Py_RETURN_NONE;
    if (call->sink->write(call, evg_py_call_take_head(call), bytes)) return NULL;
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
    evg_response_head_free(&((evg_py_call *)object)->head);
    evg_py_free(object);
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
    call->write = call->hints = call->environ = call->context = call->result = call->iterator = call->block = NULL;
    call->line = (evg_py_line){NULL, NULL, NULL};
    call->socket = NULL;
    call->head = (evg_response_head){0};
    return call;
}

bool evg_py_call_is_free(const evg_py_call *call) {
    Py_ssize_t own = 1 + (call->write != NULL) + (call->hints != NULL);
    return Py_REFCNT((PyObject *)call) == own && (!call->write || Py_REFCNT(call->write) == 1)
        && (!call->hints || Py_REFCNT(call->hints) == 1);
}
