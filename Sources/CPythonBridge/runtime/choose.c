/* What the choice of a worker class asks of Python; the work is done in evgateway.choose. */
#include "runtime.h"

#include <string.h>

void evg_py_expect(const char *interface, bool trusted) {
    PyObject *answer = PyObject_CallMethod(evg_py_host, "expect", "si", interface, (int)trusted);
    if (!answer) evg_py_report(NULL, "expect");
    Py_XDECREF(answer);
}

bool evg_py_app_is_asgi(void) {
    PyObject *module = PyImport_ImportModule("evgateway.interface");
    PyObject *found = module && evg_py_app ? PyObject_CallMethod(module, "of", "O", evg_py_app) : NULL;
    Py_ssize_t count = 0;
    const char *text = found ? PyUnicode_AsUTF8AndSize(found, &count) : NULL;
    bool is_asgi = text && strcmp(text, "asgi") == 0;
    PyErr_Clear();
    Py_XDECREF(found);
    Py_XDECREF(module);
    return is_asgi;
}

size_t evg_py_probe(const evg_py_app_source *source, const char *asked, char *answer, size_t capacity) {
    PyObject *module = PyImport_ImportModule("evgateway.choose");
    PyObject *text = module ? evg_py_call_with_source(module, "probe", source, asked) : NULL;
    Py_ssize_t count = 0;
    const char *bytes = text ? PyUnicode_AsUTF8AndSize(text, &count) : NULL;
    if (!bytes || (size_t)count > capacity) count = 0;
    if (count > 0) memcpy(answer, bytes, (size_t)count);
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(module);
    return (size_t)count;
}
