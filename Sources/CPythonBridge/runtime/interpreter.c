/* The life of the interpreter in a master and in its workers: fork, GIL, farewell. What is easier in Python is in
 * evgateway.host. */
#include "runtime.h"

PyObject *evg_py_host;
pthread_t evg_py_loop_thread;

static PyThreadState *released;

int evg_py_interpreter_prepare(void) {
    if (!evg_py_host && !(evg_py_host = PyImport_ImportModule("evgateway.host"))) return -1;
    return evg_py_report_prepare();
}

const char *evg_py_version(void) { return Py_GetVersion(); }

const char *evg_py_executable(void) {
    PyObject *path = PySys_GetObject("executable");
    const char *text = path && PyUnicode_Check(path) ? PyUnicode_AsUTF8AndSize(path, NULL) : NULL;
    if (!text) PyErr_Clear();
    return text ? text : "";
}

static void call_host(const char *name, int argument) {
    PyObject *answer = PyObject_CallMethod(evg_py_host, name, "i", argument);
    if (!answer) evg_py_report(NULL, name);
    Py_XDECREF(answer);
}

void evg_py_worker_started(int fault_fd) {
    evg_py_loop_thread = pthread_self();
    evg_py_watch_forks(fault_fd);
    call_host("worker_started", fault_fd);
}

void evg_py_worker_ended(void) { call_host("worker_ended", 0); }

void evg_py_before_fork(void) {
    call_host("before_fork", 0);
    PyOS_BeforeFork();
}

void evg_py_after_fork_in_parent(void) { PyOS_AfterFork_Parent(); }
void evg_py_after_fork_in_child(void) { PyOS_AfterFork_Child(); }

void evg_py_gil_release(void) {
    if (evg_py_log_is_left()) evg_py_log_take("evgateway.logqueue", "drain");
    released = PyEval_SaveThread();
}
void evg_py_gil_acquire(void) { PyEval_RestoreThread(released); }
