/* The extension module _evgateway: its main() is the gateway. Law: the one file that knows every folder; each of them
 * adds its own functions to the module. */
#include "runtime/runtime.h"

#include "asgi/asgi.h"
#include "gevent/gevent.h"
#include "runtime/wsgi_call.h"

#include <stdlib.h>

#include "threads/threads.h"

static int (*const ready[])(PyObject *module) = {
    evg_py_exported_ready, evg_py_texts_ready, evg_py_report_ready, evg_py_ask_ready, evg_py_log_ready,
    evg_py_forked_ready, evg_py_leaving_ready, evg_py_stacks_ready, evg_py_publish_ready, evg_py_bus_ready,
    evg_py_guest_ready,
    evg_wsgi_ready, evg_gevent_ready, evg_asgi_ready, evg_py_threads_ready,
};

/* main(argv) -> exit code */
static PyObject *run_main(PyObject *self, PyObject *list) {
    (void)self;
    if (evg_py_interpreter_prepare() || evg_py_leaving_prepare() || evg_wsgi_prepare()) return NULL;
    Py_CLEAR(evg_py_app);   /* of an earlier call, which had preloaded it */
    Py_ssize_t count = PySequence_Size(list);
    if (count < 0) return NULL;
    const char **arguments = calloc((size_t)count + 1, sizeof *arguments);
    PyObject *kept = PyList_New(0);
    PyObject *answer = NULL;
    for (Py_ssize_t i = 0; arguments && kept && i < count; i++) {
        PyObject *item = PySequence_GetItem(list, i);
        PyObject *bytes = item ? PyUnicode_EncodeFSDefault(item) : NULL;
        int status = bytes ? PyList_Append(kept, bytes) : -1;
        arguments[i] = status ? NULL : PyBytes_AsString(bytes);
        Py_XDECREF(item);
        Py_XDECREF(bytes);
        if (status) goto done;
    }
    if (arguments && kept) answer = PyLong_FromLong(evg_swift_main((int32_t)count, arguments));
    else PyErr_NoMemory();
done:
    free((void *)arguments);
    Py_XDECREF(kept);
    return answer;
}

static PyMethodDef functions[] = {
    {"main", run_main, METH_O, "main(arguments) -> exit code"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_evgateway", "The gateway, as an extension of the app's own interpreter", -1, functions,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__evgateway(void) {
    PyObject *module = PyModule_Create(&definition);
    for (size_t i = 0; module && i < sizeof ready / sizeof *ready; i++)
        if (ready[i](module)) Py_CLEAR(module);
    return module;
}
