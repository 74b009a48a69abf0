/* wsgi.input over a body that is complete: bytes in memory or a spool file. Law: never past the end, b'' there, never
 * a block of more than is left; the descriptor of a spool file belongs to the object and is closed once. */
#include "wsgi_call.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { window_size = 65536 };

/* Bytes of a file, for lines. */
typedef struct window {
    size_t start, count;
    char bytes[window_size];
} window;

typedef struct input {
    PyObject_HEAD
    PyObject *bytes;        /* the body in memory, or NULL */
    int file;               /* or -1 */
    bool closed;
    size_t length, at;      /* of the body; at is what the app has read */
    window *window;         /* made when it is needed first */
} input;

static const char *base_of(const input *self) { return self->bytes ? PyBytes_AsString(self->bytes) : NULL; }

static PyTypeObject *input_type;

static PyObject *refuse_closed(void) {
    PyErr_SetString(PyExc_ValueError, "read of a closed wsgi.input");
    return NULL;
}

static int read_file(input *self, char *into, size_t count, size_t offset) {
    while (count) {
        ssize_t got;
        Py_BEGIN_ALLOW_THREADS
        got = pread(self->file, into, count, (off_t)offset);
        Py_END_ALLOW_THREADS
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            if (got == 0) errno = EIO;
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        into += got;
        offset += (size_t)got;
        count -= (size_t)got;
    }
    return 0;
}

static PyObject *take(input *self, size_t count) {
    size_t left = self->length - self->at;
    if (count > left) count = left;
    if (self->bytes && self->at == 0 && count == self->length) {
        self->at = count;
        Py_INCREF(self->bytes);
        return self->bytes;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(self->bytes ? base_of(self) + self->at : NULL, (Py_ssize_t)count);
    if (!bytes) return NULL;
    if (self->file >= 0 && count && read_file(self, PyBytes_AsString(bytes), count, self->at)) {
        Py_DECREF(bytes);
        return NULL;
    }
    self->at += count;
    return bytes;
}

int evg_py_parse_size(PyObject *args, const char *name, size_t *size) {
    PyObject *given = NULL;
    *size = SIZE_MAX;
    if (!PyArg_UnpackTuple(args, name, 0, 1, &given)) return -1;
    if (!given || given == Py_None) return 0;
    Py_ssize_t value = PyNumber_AsSsize_t(given, NULL);
    if (value == -1 && PyErr_Occurred()) return -1;
    if (value >= 0) *size = (size_t)value;
    return 0;
}

static PyObject *input_read(PyObject *object, PyObject *args) {
    size_t size;
    if (evg_py_parse_size(args, "read", &size)) return NULL;
    input *self = (input *)object;
    return self->closed ? refuse_closed() : take(self, size);
}

/* The length of the line that starts at self->at, at most limit bytes, its newline included; -1 with an exception. */
static Py_ssize_t line_length(input *self, size_t limit) {
    size_t left = self->length - self->at;
    if (limit > left) limit = left;
    if (self->bytes || !limit) {
        const char *base = base_of(self);
        const char *end = limit ? memchr(base + self->at, '\n', limit) : NULL;
        return end ? end - (base + self->at) + 1 : (Py_ssize_t)limit;
    }
    window *window = self->window;
    if (!window) {
        if (!(window = self->window = PyMem_Malloc(sizeof *window))) {
            PyErr_NoMemory();
            return -1;
        }
        window->start = window->count = 0;
    }
    for (size_t seen = 0; seen < limit;) {
        size_t at = self->at + seen;
        if (at < window->start || at >= window->start + window->count) {
            size_t count = self->length - at < window_size ? self->length - at : window_size;
            window->count = 0;
            if (read_file(self, window->bytes, count, at)) return -1;
            window->start = at;
            window->count = count;
        }
        const char *from = window->bytes + (at - window->start);
        size_t count = window->start + window->count - at;
        if (count > limit - seen) count = limit - seen;
        const char *end = memchr(from, '\n', count);
        if (end) return (Py_ssize_t)(seen + (size_t)(end - from) + 1);
        seen += count;
    }
    return (Py_ssize_t)limit;
}

static PyObject *take_line(input *self, size_t limit) {
    if (self->closed) return refuse_closed();
    Py_ssize_t length = line_length(self, limit);
    if (length < 0) return NULL;
    size_t start = self->at, count = (size_t)length;
    const window *window = self->window;
    if (window && start >= window->start && start - window->start + count <= window->count) {
        self->at += count;
        return PyBytes_FromStringAndSize(window->bytes + (start - window->start), length);
    }
    return take(self, count);
}

static PyObject *input_readline(PyObject *object, PyObject *args) {
    size_t size;
    if (evg_py_parse_size(args, "readline", &size)) return NULL;
    return take_line((input *)object, size);
}

static PyObject *whole_line(PyObject *object) { return take_line((input *)object, SIZE_MAX); }

PyObject *evg_py_read_lines(PyObject *object, PyObject *args, PyObject *(*read_line)(PyObject *object)) {
    size_t hint, sum = 0;
    if (evg_py_parse_size(args, "readlines", &hint)) return NULL;
    if (hint == 0) hint = SIZE_MAX;   /* as io.IOBase.readlines */
    PyObject *lines = PyList_New(0);
    while (lines && sum < hint) {
        PyObject *line = read_line(object);
        Py_ssize_t count = line ? PyBytes_Size(line) : -1;
        int status = count > 0 ? PyList_Append(lines, line) : (int)count;
        Py_XDECREF(line);
        if (count == 0) break;
        if (status) Py_CLEAR(lines);
        else sum += (size_t)count;
    }
    return lines;
}

static PyObject *input_readlines(PyObject *object, PyObject *args) {
    return evg_py_read_lines(object, args, whole_line);
}

static PyObject *input_next(PyObject *object) {
    PyObject *line = whole_line(object);
    if (line && PyBytes_Size(line) == 0) Py_CLEAR(line);
    return line;
}

static void release(input *self) {
    Py_CLEAR(self->bytes);
    if (self->file >= 0) close(self->file);
    self->file = -1;
    PyMem_Free(self->window);
    self->window = NULL;
    self->length = self->at = 0;
}

static PyObject *input_close(PyObject *object, PyObject *unused) {
    (void)unused;
    release((input *)object);
    ((input *)object)->closed = true;
    Py_RETURN_NONE;
}

static PyObject *answer_true(PyObject *object, PyObject *unused) {
    (void)object, (void)unused;
    Py_RETURN_TRUE;
}

static PyObject *answer_false(PyObject *object, PyObject *unused) {
    (void)object, (void)unused;
    Py_RETURN_FALSE;
}

static PyObject *input_closed(PyObject *object, void *unused) {
    (void)unused;
    return PyBool_FromLong(((input *)object)->closed);
}

static void input_dealloc(PyObject *object) {
    release((input *)object);
    evg_py_free(object);
}

static PyMethodDef methods[] = {
    {"read", input_read, METH_VARARGS, "read([size]) -> bytes; b'' at the end"},
    {"readline", input_readline, METH_VARARGS, "readline([size]) -> bytes"},
    {"readlines", input_readlines, METH_VARARGS, "readlines([hint]) -> list of bytes"},
    {"close", input_close, METH_NOARGS, NULL},
    {"readable", answer_true, METH_NOARGS, NULL},
    {"writable", answer_false, METH_NOARGS, NULL},
    {"seekable", answer_false, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {{"closed", input_closed, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot type_slots[] = {
    {Py_tp_methods, methods}, {Py_tp_getset, properties}, {Py_tp_iter, PyObject_SelfIter}, {Py_tp_iternext, input_next},
    {Py_tp_dealloc, input_dealloc}, {Py_tp_doc, "The request body (wsgi.input)"}, {0, NULL},
};

static PyType_Spec type_spec = {"_evgateway.Input", sizeof(input), 0, Py_TPFLAGS_DEFAULT, type_slots};

int evg_py_input_init(void) {
    input_type = (PyTypeObject *)PyType_FromSpec(&type_spec);
    return input_type ? 0 : -1;
}

/* Takes request->body_file over, on failure too. */
PyObject *evg_py_input_new(const evg_py_request *request) {
    static input *spare;   /* of a bodyless request; reused when the app has not kept it */
    bool empty = request->body_count == 0 && request->body_file < 0;
    if (empty && spare && Py_REFCNT((PyObject *)spare) == 1) {
        spare->closed = false;
        Py_INCREF((PyObject *)spare);
        return (PyObject *)spare;
    }
    input *self = PyObject_New(input, input_type);
    if (!self) {
        if (request->body_file >= 0) close(request->body_file);
        return NULL;
    }
    self->bytes = NULL;
    self->file = request->body_file;
    self->length = request->body_count;
    self->at = 0;
    self->window = NULL;
    self->closed = false;
    if (self->file < 0 && !empty) {
        self->bytes = PyBytes_FromStringAndSize((const char *)request->body, (Py_ssize_t)request->body_count);
        if (!self->bytes) {
            Py_DECREF((PyObject *)self);
            return NULL;
        }
    }
    if (empty) {
        Py_XDECREF((PyObject *)spare);
        spare = self;
        Py_INCREF((PyObject *)self);
    }
    return (PyObject *)self;
}
