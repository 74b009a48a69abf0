/* evgateway.leaving: whether this worker is leaving, which the app may ask, wait for and be called for. Law: it is set
 * once and never taken back, on the loop's thread and without the GIL, which the loop beside threads does not have.
 * Whoever waits here is woken at once; what Python is to be told waits until nothing of Swift is on the stack. */
#include "runtime.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

PyObject *evg_py_leaving, *evg_py_replay;
bool evg_py_leave_pending;

static atomic_bool is_leaving;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t begins;

void evg_py_leave(void) {
    if (atomic_load(&is_leaving)) return;
    pthread_mutex_lock(&lock);
    atomic_store(&is_leaving, true);
    pthread_cond_broadcast(&begins);
    pthread_mutex_unlock(&lock);
    evg_py_leave_pending = true;
}

void evg_py_leave_tell(void) {
    if (!evg_py_leave_pending) return;
    evg_py_leave_pending = false;
    PyObject *answer = PyObject_CallMethod(evg_py_leaving, "_begin", NULL);
    if (!answer) evg_py_report(NULL, "telling that the worker is leaving");
    Py_XDECREF(answer);
}

static PyObject *is_set(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    return PyBool_FromLong(atomic_load(&is_leaving));
}

static PyObject *wait_for(PyObject *module, PyObject *timeout) {
    (void)module;
    struct timespec until;
    if (timeout != Py_None && evg_py_until(timeout, &until)) return NULL;
    Py_BEGIN_ALLOW_THREADS
    pthread_mutex_lock(&lock);
    int status = 0;
    while (!atomic_load(&is_leaving) && status != ETIMEDOUT)
        status = timeout == Py_None ? pthread_cond_wait(&begins, &lock)
                                    : pthread_cond_timedwait(&begins, &lock, &until);
    pthread_mutex_unlock(&lock);
    Py_END_ALLOW_THREADS
    return is_set(NULL, NULL);
}

static PyMethodDef functions[] = {
    {"leaving_is_set", is_set, METH_NOARGS, "Whether this worker is leaving."},
    {"leaving_wait", wait_for, METH_O,
     "leaving_wait(seconds or None): blocks the calling thread until the worker is leaving; returns whether it is."},
    {NULL, NULL, 0, NULL},
};

int evg_py_leaving_ready(PyObject *module) {
    static bool is_made;
    if (!is_made) {
        pthread_condattr_t monotonic;
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&begins, &monotonic);
        pthread_condattr_destroy(&monotonic);
        is_made = true;
    }
    return PyModule_AddFunctions(module, functions);
}

int evg_py_leaving_prepare(void) {
    if (evg_py_leaving) return 0;
    PyObject *module = PyImport_ImportModule("evgateway.leave");
    evg_py_replay = module ? PyObject_GetAttrString(module, "Replay") : NULL;
    evg_py_leaving = evg_py_replay ? PyObject_GetAttrString(module, "leaving") : NULL;
    Py_XDECREF(module);
    return evg_py_leaving ? 0 : -1;
}
