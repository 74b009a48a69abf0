/* A process that the app forks while its worker serves. It is a copy of the worker, and shares connections, epoll sets
 * and wakes with it. Law: it may run code of the app; where it comes back to the server it ends, so that every client
 * is answered once, and by the parent. */
#include "wsgi_call.h"

#include <unistd.h>

bool evg_py_forked;
static int log_descriptor = STDERR_FILENO;

static void in_child(void) { evg_py_forked = true; }

void evg_py_watch_forks(int log) {
    static bool watches;
    log_descriptor = log;
    /* vfork and posix_spawn call no handlers, and need none: they are followed by exec. */
    if (!watches) watches = pthread_atfork(NULL, NULL, in_child) == 0;
}

/* What the pending exception, if there is one, makes of the process: as at the end of a script. */
static int exit_code(void) {
    if (!PyErr_Occurred()) return 0;
    if (!PyErr_ExceptionMatches(PyExc_SystemExit)) {
        PyErr_Print();
        return 1;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyObject *code = value ? PyObject_GetAttrString(value, "code") : NULL;
    int status = !code || code == Py_None ? 0 : PyLong_Check(code) ? (int)(PyLong_AsLong(code) & 0xff) : 1;
    PyErr_Clear();
    return status;
}

void evg_py_end_forked(void) {
    int code = exit_code();
    if (!PyObject_CallMethod(evg_py_host, "flush", NULL)) PyErr_Clear();
    evg_swift_forked_child_ends(log_descriptor, code);
    _exit(code);
}

void evg_py_come_back(evg_py_call *call) {
    if (call && call->owner && call->sink->comes_back) call->sink->comes_back(call);
    evg_py_end_forked();
}

static PyObject *end_forked(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    if (evg_py_forked) evg_py_end_forked();
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"end_forked", end_forked, METH_NOARGS, "Ends the process if the app has forked it."},
    {NULL, NULL, 0, NULL},
};

int evg_py_forked_ready(PyObject *module) { return PyModule_AddFunctions(module, functions); }
