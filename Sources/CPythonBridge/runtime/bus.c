/* The bus for apps: publish, subscribe, and what has come. Law: on any thread of the app; nothing of the app is called,
 * and nobody waits. */
#include "runtime.h"

static bool text_of(PyObject *object, evg_py_text *text) {
    char *base = NULL;
    Py_ssize_t count = 0;
    if (PyBytes_AsStringAndSize(object, &base, &count)) return false;
    text->base = (const uint8_t *)base;
    text->count = (size_t)count;
    return true;
}

static bool is_worker(void) {
    if (!evg_py_forked) return true;
    PyErr_SetString(PyExc_RuntimeError, "a process that the app has forked has no bus: its parent has");
    return false;
}

static void no_worker(void) {
    PyErr_SetString(PyExc_RuntimeError,
                    "evgateway.bus works in a worker: this process is the master, or its worker has ended");
}

static PyObject *bus_publish(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *channel, *payload;
    evg_py_text name, bytes;
    if (!PyArg_ParseTuple(arguments, "OO", &channel, &payload)) return NULL;
    if (!text_of(channel, &name) || !text_of(payload, &bytes)) return NULL;
    if (!is_worker()) return NULL;
    switch (evg_swift_bus_publish(name, bytes)) {
    case EVG_PY_PUBLISHED: Py_RETURN_NONE;
    case EVG_PY_REFUSED_ITEM:
        PyErr_SetString(PyExc_ValueError, "a channel has 1 to 1023 bytes, and a message at most 16 MB");
        break;
    case EVG_PY_NO_WORKER: no_worker(); break;
    }
    return NULL;
}

static PyObject *bus_subscribe(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *channel;
    Py_ssize_t most;
    evg_py_text name;
    if (!PyArg_ParseTuple(arguments, "On", &channel, &most) || !text_of(channel, &name)) return NULL;
    if (!is_worker()) return NULL;
    if (name.count < 1 || name.count > 1023) {
        PyErr_SetString(PyExc_ValueError, "a channel has 1 to 1023 bytes");
        return NULL;
    }
    int32_t descriptor = -1;
    int64_t number = evg_swift_bus_subscribe(name, (intptr_t)most, &descriptor);
    if (number == 0) {
        no_worker();
        return NULL;
    }
    return Py_BuildValue("Li", (long long)number, (int)descriptor);
}

static bool add_message(void *list, evg_py_text payload, intptr_t missed) {
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)payload.base, (Py_ssize_t)payload.count);
    PyObject *pair = bytes ? Py_BuildValue("nN", (Py_ssize_t)missed, bytes) : NULL;
    int failed = !pair || PyList_Append(list, pair);
    Py_XDECREF(pair);
    return !failed;
}

static PyObject *bus_take(PyObject *module, PyObject *number) {
    (void)module;
    long long wanted = PyLong_AsLongLong(number);
    if (wanted == -1 && PyErr_Occurred()) return NULL;
    PyObject *list = PyList_New(0);
    if (!list) return NULL;
    if (!evg_py_forked) evg_swift_bus_take(wanted, add_message, list);
    if (!PyErr_Occurred()) return list;
    Py_DECREF(list);
    return NULL;
}

static PyObject *bus_close(PyObject *module, PyObject *number) {
    (void)module;
    long long wanted = PyLong_AsLongLong(number);
    if (wanted == -1 && PyErr_Occurred()) return NULL;
    if (!evg_py_forked) evg_swift_bus_close(wanted);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"bus_publish", bus_publish, METH_VARARGS, "bus_publish(channel, payload): both bytes"},
    {"bus_subscribe", bus_subscribe, METH_VARARGS,
     "bus_subscribe(channel, most) -> (number, descriptor): readable while something has come"},
    {"bus_take", bus_take, METH_O, "bus_take(number) -> [(missed, payload)]"},
    {"bus_close", bus_close, METH_O, "bus_close(number)"},
    {NULL, NULL, 0, NULL},
};

int evg_py_bus_ready(PyObject *module) { return PyModule_AddFunctions(module, functions); }
