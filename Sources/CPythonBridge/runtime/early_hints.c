/* environ['wsgi.early_hints'](fields), as gunicorn has it: a 103 before the response (RFC 8297). Law: the fields are
 * checked as those of a response; where nothing can be sent any more, or the client speaks HTTP/1.0, nothing is. */
#include "wsgi_call.h"

#include <string.h>

static PyObject *name;

/* A str as its latin-1 bytes; bytes as they are. A new reference. */
static PyObject *bytes_of(PyObject *object) {
    if (PyUnicode_Check(object)) return PyUnicode_AsLatin1String(object);
    if (PyBytes_Check(object)) {
        Py_INCREF(object);
        return object;
    }
    PyErr_Format(PyExc_TypeError, "a field of early hints is of str or bytes, not %R", (PyObject *)Py_TYPE(object));
    return NULL;
}

static int add_field(evg_response_head *head, PyObject *pair) {
    PyObject *both = PySequence_Tuple(pair);
    if (both && PyTuple_Size(both) != 2) PyErr_SetString(PyExc_TypeError, "a field of early hints is (name, value)");
    bool is_pair = both && PyTuple_Size(both) == 2;
    PyObject *key = is_pair ? bytes_of(PyTuple_GetItem(both, 0)) : NULL;
    PyObject *value = key ? bytes_of(PyTuple_GetItem(both, 1)) : NULL;
    evg_head_refusal refusal = EVG_HEAD_ACCEPTED;
    if (value)
        refusal = evg_response_head_add(head, (const uint8_t *)PyBytes_AsString(key), (size_t)PyBytes_Size(key),
                                        (const uint8_t *)PyBytes_AsString(value), (size_t)PyBytes_Size(value));
    if (refusal != EVG_HEAD_ACCEPTED)
        PyErr_Format(PyExc_ValueError, "refused early hints: %s", evg_head_refusal_text(refusal));
    Py_XDECREF(value);
    Py_XDECREF(key);
    Py_XDECREF(both);
    return value && refusal == EVG_HEAD_ACCEPTED ? 0 : -1;
}

static int build(evg_response_head *head, PyObject *fields) {
    PyObject *list = PySequence_List(fields);
    int status = list && evg_response_head_begin(head, 103, NULL, 0) == EVG_HEAD_ACCEPTED ? 0 : -1;
    if (list && status) PyErr_NoMemory();
    for (Py_ssize_t i = 0; !status && i < PyList_Size(list); i++) status = add_field(head, PyList_GetItem(list, i));
    Py_XDECREF(list);
    return status;
}

static PyObject *early_hints(PyObject *object, PyObject *fields) {
    evg_py_call *call = (evg_py_call *)object;
    evg_response_head head = {0};
    int status = build(&head, fields);
    evg_py_text lines = {head.bytes ? head.bytes + head.reason_count : NULL, head.count - head.reason_count};
    /* What a thread of the app's own sends would come between the lines of the one that was called. */
    bool is_late = !call->owner || call->head_taken || !pthread_equal(pthread_self(), call->thread);
    if (!status && !is_late && lines.count && !evg_py_forked) call->sink->hint(call, lines);
    evg_response_head_free(&head);
    if (status) return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef method = {
    "early_hints", early_hints, METH_O, "early_hints([(name, value), ...]): sends a 103 before the response",
};

int evg_py_early_hints_init(void) {
    return !name && !(name = PyUnicode_InternFromString("wsgi.early_hints")) ? -1 : 0;
}

int evg_py_early_hints_dress(evg_py_call *call) {
    if (!call->hints && !(call->hints = PyCFunction_New(&method, (PyObject *)call))) return -1;
    return PyDict_SetItem(call->environ, name, call->hints);
}
