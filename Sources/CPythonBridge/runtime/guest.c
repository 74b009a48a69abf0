/* The loop as a guest of a Python loop: what evgateway.guest needs of it. Law: Python code of an app never runs inside
 * a pump, because a greenlet switch would swap the C stack that Swift stands on. */
#include "runtime.h"

static PyObject *descriptor(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    return PyLong_FromLong(evg_swift_guest_descriptor());
}

static PyObject *pump(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    return PyBool_FromLong(evg_swift_guest_pump());
}

/* guest_check(driver): driver is the epoll set of the loop that watches ours, or -1. Ends the process if descriptors
 * are lost. */
static PyObject *check(PyObject *module, PyObject *driver) {
    (void)module;
    long fd = PyLong_AsLong(driver);
    if (fd == -1 && PyErr_Occurred()) return NULL;
    evg_swift_guest_check((int32_t)fd);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"guest_descriptor", descriptor, METH_NOARGS, "The descriptor to watch for reading."},
    {"guest_pump", pump, METH_NOARGS, "Serves what is ready; False when the worker is to end."},
    {"guest_check", check, METH_O, "Looks whether the worker's descriptors, and the driver's, are what they were."},
    {0},
};

int evg_py_guest_ready(PyObject *module) { return PyModule_AddFunctions(module, methods); }

void evg_py_guest_run(void) {
    PyObject *guest = PyImport_ImportModule("evgateway.guest");
    PyObject *result = guest ? PyObject_CallMethod(guest, "run", NULL) : NULL;
    if (!result) evg_py_report(NULL, "driving the loop");
    Py_XDECREF(result);
    Py_XDECREF(guest);
}
