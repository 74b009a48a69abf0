/* wsgi.input over a body that is still arriving. Law: it waits for bytes, without the GIL, and for nothing else; a body
 * that breaks off is an OSError, never an end. */
#include "threads.h"

typedef struct stream {
    PyObject_HEAD
    evg_py_job *job;        /* NULL once the request is over */
    bool closed;
} stream;

static PyTypeObject *stream_type;

/* Appends to a bytearray up to limit bytes, and up to a newline for lines; -1 with an exception. It gives the GIL away
 * only where it waits. */
static int fill(evg_job *job, PyObject *into, size_t limit, bool line) {
    size_t have = 0;
    while (have < limit) {
        evg_job_input input;
        size_t count = evg_job_peek(job, limit - have, line, &input);
        switch (input) {
        case EVG_JOB_BYTES: break;
        case EVG_JOB_ENDED: return 0;
        case EVG_JOB_CUT:
            PyErr_SetString(PyExc_OSError, "the request body was not received whole");
            return -1;
        case EVG_JOB_NOTHING_YET:
            Py_BEGIN_ALLOW_THREADS
            evg_job_await_input(job);
            Py_END_ALLOW_THREADS
            continue;
        }
        if (PyByteArray_Resize(into, (Py_ssize_t)(have + count))) return -1;
        char *at = PyByteArray_AsString(into) + have;
        evg_job_read(job, (uint8_t *)at, count);
        have += count;
        if (line && at[count - 1] == '\n') return 0;
    }
    return 0;
}

static PyObject *take(stream *self, size_t limit, bool line) {
    if (self->closed || !self->job) {
        PyErr_SetString(PyExc_ValueError, self->closed ? "read of a closed wsgi.input" : "the request is over");
        return NULL;
    }
    PyObject *array = PyByteArray_FromStringAndSize(NULL, 0);
    PyObject *bytes = NULL;
    evg_job *job = &self->job->base;    /* the request may end meanwhile, if a thread of the app's own reads */
    evg_job_retain(job);
    if (array && fill(job, array, limit, line) == 0)
        bytes = PyBytes_FromStringAndSize(PyByteArray_AsString(array), PyByteArray_Size(array));
    evg_job_release(job);
    Py_XDECREF(array);
    return bytes;
}

static PyObject *read_bytes(PyObject *object, PyObject *args) {
    size_t size;
    return evg_py_parse_size(args, "read", &size) ? NULL : take((stream *)object, size, false);
}

static PyObject *readline(PyObject *object, PyObject *args) {
    size_t size;
    return evg_py_parse_size(args, "readline", &size) ? NULL : take((stream *)object, size, true);
}

static PyObject *whole_line(PyObject *object) { return take((stream *)object, SIZE_MAX, true); }

static PyObject *readlines(PyObject *object, PyObject *args) { return evg_py_read_lines(object, args, whole_line); }

static PyObject *next_line(PyObject *object) {
    PyObject *line = whole_line(object);
    if (line && PyBytes_Size(line) == 0) Py_CLEAR(line);
    return line;
}

static PyObject *close_stream(PyObject *object, PyObject *none) {
    (void)none;
    ((stream *)object)->closed = true;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"read", read_bytes, METH_VARARGS, "read([size]) -> bytes; waits for them; b'' at the end"},
    {"readline", readline, METH_VARARGS, "readline([size]) -> bytes"},
    {"readlines", readlines, METH_VARARGS, "readlines([hint]) -> list of bytes"},
    {"close", close_stream, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_methods, methods}, {Py_tp_iter, PyObject_SelfIter}, {Py_tp_iternext, next_line},
    {Py_tp_dealloc, evg_py_free}, {Py_tp_doc, "The request body as it arrives (wsgi.input)"}, {0, NULL},
};
static PyType_Spec spec = {"_evgateway.StreamInput", sizeof(stream), 0, Py_TPFLAGS_DEFAULT, slots};

int evg_py_stream_init(void) {
    stream_type = (PyTypeObject *)PyType_FromSpec(&spec);
    return stream_type ? 0 : -1;
}

PyObject *evg_py_stream_new(evg_py_job *job) {
    stream *self = PyObject_New(stream, stream_type);
    if (!self) return NULL;
    self->job = job;
    self->closed = false;
    Py_INCREF((PyObject *)self);
    job->gil.input = (PyObject *)self;
    return (PyObject *)self;
}

void evg_py_stream_end(evg_py_job *job) {
    if (!job->gil.input) return;
    ((stream *)job->gil.input)->job = NULL;
    Py_CLEAR(job->gil.input);
}
