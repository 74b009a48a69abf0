/* publish(item): hands an item in JSON to the bus. Law: on any thread of the app; nothing of the app is called, and
 * nobody waits. */
#include "runtime.h"

/* From here on other threads of the app run meanwhile. */
enum { LARGE = 65536 };

static PyObject *publish(PyObject *module, PyObject *item) {
    (void)module;
    char *base = NULL;
    Py_ssize_t count = 0;
    if (PyBytes_AsStringAndSize(item, &base, &count)) return NULL;
    if (evg_py_forked) {
        PyErr_SetString(PyExc_RuntimeError,
                        "a process that the app has forked cannot publish: its parent can, and --publish-bind");
        return NULL;
    }
    char reason[512] = "";
    evg_py_text text = {(const uint8_t *)base, (size_t)count};
    evg_py_published published;
    if (count < LARGE) {
        published = evg_swift_publish(text, reason, sizeof reason);
    } else {
        Py_BEGIN_ALLOW_THREADS
        published = evg_swift_publish(text, reason, sizeof reason);
        Py_END_ALLOW_THREADS
    }
    switch (published) {
    case EVG_PY_PUBLISHED: Py_RETURN_NONE;
    case EVG_PY_REFUSED_ITEM: PyErr_SetString(PyExc_ValueError, reason); break;
    case EVG_PY_NO_WORKER:
        PyErr_SetString(PyExc_RuntimeError,
                        "evgateway.publish works in a worker: this process is the master, or its worker has ended");
        break;
    }
    return NULL;
}

static PyMethodDef functions[] = {
    {"publish", publish, METH_O, "publish(item): sends an item, as bytes in JSON, to whoever listens on its channel"},
    {NULL, NULL, 0, NULL},
};

int evg_py_publish_ready(PyObject *module) { return PyModule_AddFunctions(module, functions); }
