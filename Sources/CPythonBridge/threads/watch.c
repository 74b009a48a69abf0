/* environ['evgateway.disconnected']: whether the client has left, to ask, to wait for and to be called back. Law: it
 * outlives its request and then says what was true at the end; callbacks run on a thread of their own, never on the
 * loop's, and on the caller's when the client had left already. */
#include "threads.h"

#include <time.h>

typedef struct watch {
    PyObject_HEAD
    evg_py_job *job;            /* NULL once the request is over */
    PyObject *callbacks;        /* a list, or NULL */
    bool gone;
} watch;

static PyTypeObject *watch_type;
static PyObject *key, *waitress_key;

static bool is_gone(watch *self) {
    if (!self->job) return self->gone;
    return evg_job_is_gone(&self->job->base);
}

static PyObject *is_set(PyObject *object, PyObject *none) {
    (void)none;
    return PyBool_FromLong(is_gone((watch *)object));
}

static PyObject *call(PyObject *object, PyObject *arguments, PyObject *keywords) {
    (void)arguments, (void)keywords;
    return PyBool_FromLong(is_gone((watch *)object));
}

static PyObject *wait_for(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"timeout", NULL};
    PyObject *timeout = Py_None;
    struct timespec until;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|O:wait", names, &timeout)) return NULL;
    if (timeout != Py_None && evg_py_until(timeout, &until)) return NULL;
    watch *self = (watch *)object;
    if (!self->job) return PyBool_FromLong(self->gone);
    evg_job *job = &self->job->base;
    bool gone;
    evg_job_retain(job);
    Py_BEGIN_ALLOW_THREADS
    gone = evg_job_wait(job, timeout == Py_None ? NULL : &until);
    evg_job_release(job);
    Py_END_ALLOW_THREADS
    return PyBool_FromLong(gone);
}

static PyObject *on_disconnect(PyObject *object, PyObject *callback) {
    watch *self = (watch *)object;
    if (!PyCallable_Check(callback)) {
        PyErr_SetString(PyExc_TypeError, "on_disconnect takes a callable without arguments");
        return NULL;
    }
    bool gone = self->gone;
    if (self->job) {
        PyObject *threads = PyImport_ImportModule("evgateway.threads");
        PyObject *answer = threads ? PyObject_CallMethod(threads, "start_notifier", NULL) : NULL;
        Py_XDECREF(threads);
        if (!answer) return NULL;
        Py_DECREF(answer);
    }
    if (self->job) {
        if (!self->callbacks && !(self->callbacks = PyList_New(0))) return NULL;
        gone = evg_job_watch(&self->job->base);
        if (!gone) {
            if (PyList_Append(self->callbacks, callback)) return NULL;
            Py_RETURN_NONE;
        }
    }
    if (!gone) Py_RETURN_NONE;   /* the request is over, and its client never left */
    return PyObject_CallFunctionObjArgs(callback, NULL);
}

/* threads_left() -> the callbacks of a request whose client has left; waits for one. None: the pool has stopped. */
static PyObject *left(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    if (evg_py_forked) evg_py_end_forked();   /* a callback has come back in it */
    evg_py_job *job;
    Py_BEGIN_ALLOW_THREADS
    job = (evg_py_job *)evg_pool_await_left(evg_py_pool);
    Py_END_ALLOW_THREADS
    if (!job) Py_RETURN_NONE;
    watch *self = (watch *)job->gil.watch;
    PyObject *callbacks = NULL;
    if (self && self->job == job) {
        callbacks = self->callbacks;
        self->callbacks = NULL;
    }
    evg_job_release(&job->base);
    return callbacks ? callbacks : PyList_New(0);
}

int evg_py_watch_dress(PyObject *environ, evg_py_job *job) {
    PyObject *value = Py_None;
    if (job) {
        watch *self = (watch *)job->gil.watch;
        if (!self) {
            if (!(self = PyObject_New(watch, watch_type))) return -1;
            self->callbacks = NULL;
            job->gil.watch = (PyObject *)self;
        }
        self->job = job;
        self->gone = false;
        value = (PyObject *)self;
    }
    return PyDict_SetItem(environ, key, value) || PyDict_SetItem(environ, waitress_key, value) ? -1 : 0;
}

void evg_py_watch_end(evg_py_job *job) {
    watch *self = (watch *)job->gil.watch;
    if (!self) return;
    bool spared = evg_pool_keeps_jobs(evg_py_pool) && Py_REFCNT((PyObject *)self) == 1;
    self->gone = evg_job_is_gone(&job->base);
    self->job = NULL;
    if (!spared) job->gil.watch = NULL;
    PyObject *callbacks = self->callbacks;
    self->callbacks = NULL;
    if (!spared) Py_DECREF((PyObject *)self);
    Py_XDECREF(callbacks);
}

static void dealloc(PyObject *object) {
    Py_CLEAR(((watch *)object)->callbacks);
    evg_py_free(object);
}

static PyMethodDef watch_methods[] = {
    {"is_set", is_set, METH_NOARGS, "Whether the client has left."},
    {"wait", (PyCFunction)(void (*)(void))wait_for, METH_VARARGS | METH_KEYWORDS,
     "wait(timeout=None) -> whether the client has left; blocks the calling thread until then, or until the request "
     "is over."},
    {"on_disconnect", on_disconnect, METH_O,
     "on_disconnect(callback): callback() when the client leaves, on the thread 'evgateway-disconnect'; at once, on "
     "the calling thread, when it has left already; never when the request ends before."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_methods, watch_methods}, {Py_tp_call, call}, {Py_tp_dealloc, dealloc},
    {Py_tp_doc, "Whether the client of a request has left"}, {0, NULL},
};
static PyType_Spec spec = {"_evgateway.Disconnected", sizeof(watch), 0, Py_TPFLAGS_DEFAULT, slots};

static PyMethodDef methods[] = {
    {"threads_left", left, METH_NOARGS,
     "The callbacks of a request whose client has left; waits for one. None when the pool has stopped."},
    {0},
};

int evg_py_watch_init(PyObject *module) {
    watch_type = (PyTypeObject *)PyType_FromSpec(&spec);
    key = PyUnicode_InternFromString("evgateway.disconnected");
    waitress_key = PyUnicode_InternFromString("waitress.client_disconnected");
    return watch_type && key && waitress_key ? PyModule_AddFunctions(module, methods) : -1;
}
