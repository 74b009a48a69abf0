/* wsgi.input over a body that is still arriving. Law: it waits for bytes, without the GIL, and for nothing else; a body
 * that breaks off is an OSError, never an end. */
#include "threads_internal.h"

#include <string.h>

#define pool evg_py_threads

typedef struct stream {
    PyObject_HEAD
    evg_py_job *job;        /* NULL once the request is over */
    bool closed;
} stream;

static PyTypeObject *stream_type;

static bool wake_sender(evg_py_job *job) {
    size_t left = job->in.count - job->in_start;
    if (!job->in_paused || left > pool.mark / 2) return false;
    job->in_paused = false;
    return evg_py_job_post(job, EVG_PY_WANTS, false);
}

/* Locked, with the GIL: waits until something is there, or nothing will be. It gives both away meanwhile. */
static void await_bytes(evg_py_job *job) {
    bool wakes = wake_sender(job);
    evg_py_pool_unlock();
    if (wakes) evg_swift_threads_wake();
    Py_BEGIN_ALLOW_THREADS
    evg_py_pool_lock();
    while (job->in.count == job->in_start && !job->in_ended && !job->in_cut && !job->gone && !job->over)
        evg_py_job_await(job, NULL);
    evg_py_pool_unlock();
    Py_END_ALLOW_THREADS
    evg_py_pool_lock();
}

/* Appends to a bytearray up to limit bytes, and up to a newline for lines; -1 with an exception. */
static int fill(evg_py_job *job, PyObject *into, size_t limit, bool line) {
    size_t have = 0;
    while (have < limit) {
        evg_py_pool_lock();
        if (job->in.count == job->in_start && !job->in_ended && !job->in_cut && !job->gone && !job->over)
            await_bytes(job);
        size_t count = job->in.count - job->in_start;
        if (count == 0) {
            bool ended = job->in_ended;
            evg_py_pool_unlock();
            if (ended) return 0;
            PyErr_SetString(PyExc_OSError, "the request body was not received whole");
            return -1;
        }
        if (count > limit - have) count = limit - have;
        const uint8_t *from = job->in.base + job->in_start;
        const uint8_t *newline = line ? memchr(from, '\n', count) : NULL;
        if (newline) count = (size_t)(newline - from) + 1;
        if (PyByteArray_Resize(into, (Py_ssize_t)(have + count))) {
            evg_py_pool_unlock();
            return -1;
        }
        memcpy(PyByteArray_AsString(into) + have, from, count);
        have += count;
        job->in_start += count;
        bool wakes = wake_sender(job);
        evg_py_pool_unlock();
        if (wakes) evg_swift_threads_wake();
        if (newline) return 0;
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
    evg_py_job *job = self->job;    /* the request may end meanwhile, if a thread of the app's own reads */
    evg_py_pool_lock();
    job->references++;
    evg_py_pool_unlock();
    if (array && fill(job, array, limit, line) == 0)
        bytes = PyBytes_FromStringAndSize(PyByteArray_AsString(array), PyByteArray_Size(array));
    evg_py_pool_lock();
    evg_py_job_release(job);
    evg_py_pool_unlock();
    Py_XDECREF(array);
    return bytes;
}

static int parse_size(PyObject *args, const char *name, size_t *size) {
    PyObject *given = NULL;
    *size = PY_SSIZE_T_MAX;
    if (!PyArg_UnpackTuple(args, name, 0, 1, &given)) return -1;
    if (!given || given == Py_None) return 0;
    Py_ssize_t value = PyNumber_AsSsize_t(given, NULL);
    if (value == -1 && PyErr_Occurred()) return -1;
    if (value >= 0) *size = (size_t)value;
    return 0;
}

static PyObject *read_bytes(PyObject *object, PyObject *args) {
    size_t size;
    return parse_size(args, "read", &size) ? NULL : take((stream *)object, size, false);
}

static PyObject *readline(PyObject *object, PyObject *args) {
    size_t size;
    return parse_size(args, "readline", &size) ? NULL : take((stream *)object, size, true);
}

static PyObject *readlines(PyObject *object, PyObject *args) {
    size_t hint, sum = 0;
    if (parse_size(args, "readlines", &hint)) return NULL;
    if (hint == 0) hint = PY_SSIZE_T_MAX;
    PyObject *lines = PyList_New(0);
    while (lines && sum < hint) {
        PyObject *line = take((stream *)object, PY_SSIZE_T_MAX, true);
        Py_ssize_t count = line ? PyBytes_Size(line) : -1;
        int status = count > 0 ? PyList_Append(lines, line) : (int)count;
        Py_XDECREF(line);
        if (count == 0) break;
        if (status) {
            Py_CLEAR(lines);
            break;
        }
        sum += (size_t)count;
    }
    return lines;
}

static PyObject *next_line(PyObject *object) {
    PyObject *line = take((stream *)object, PY_SSIZE_T_MAX, true);
    if (line && PyBytes_Size(line) == 0) Py_CLEAR(line);
    return line;
}

static PyObject *iterate(PyObject *object) {
    Py_INCREF(object);
    return object;
}

static PyObject *close_stream(PyObject *object, PyObject *none) {
    (void)none;
    ((stream *)object)->closed = true;
    Py_RETURN_NONE;
}

static void dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"read", read_bytes, METH_VARARGS, "read([size]) -> bytes; waits for them; b'' at the end"},
    {"readline", readline, METH_VARARGS, "readline([size]) -> bytes"},
    {"readlines", readlines, METH_VARARGS, "readlines([hint]) -> list of bytes"},
    {"close", close_stream, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_methods, methods}, {Py_tp_iter, iterate}, {Py_tp_iternext, next_line}, {Py_tp_dealloc, dealloc},
    {Py_tp_doc, "The request body as it arrives (wsgi.input)"}, {0, NULL},
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
    job->input = (PyObject *)self;
    return (PyObject *)self;
}

void evg_py_stream_end(evg_py_job *job) {
    if (!job->input) return;
    ((stream *)job->input)->job = NULL;
    Py_CLEAR(job->input);
}

/* MARK: the loop's side */

bool evg_py_job_feed(evg_py_job *job, const uint8_t *bytes, size_t count) {
    evg_py_pool_lock();
    if (job->in_start) {
        memmove(job->in.base, job->in.base + job->in_start, job->in.count - job->in_start);
        job->in.count -= job->in_start;
        job->in_start = 0;
    }
    bool room = false;
    if (count == 0 || evg_py_bytes_reserve(&job->in, job->in.count + count)) {
        if (count) memcpy(job->in.base + job->in.count, bytes, count);
        job->in.count += count;
        room = job->in.count < pool.mark;
        job->in_paused = !room;
    } else {
        job->in_cut = true;
    }
    evg_py_job_changed(job);
    evg_py_pool_unlock();
    return room;
}

void evg_py_job_pause(evg_py_job *job) {
    evg_py_pool_lock();
    job->in_paused = true;
    evg_py_pool_unlock();
}

void evg_py_job_feed_end(evg_py_job *job, bool cut) {
    evg_py_pool_lock();
    job->in_ended = !cut;
    job->in_cut = cut;
    job->in_paused = false;
    evg_py_job_changed(job);
    evg_py_pool_unlock();
}
