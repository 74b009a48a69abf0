/* The error log, from C and from Python. Law: whatever goes wrong in an app reaches the log, in the words of
 * evgateway.host.report, and no exception stays pending. */
#include "runtime.h"

static PyObject *report_exception;   /* evgateway.host.report */

PyObject *evg_py_log_with(void (*sink)(evg_py_text), PyObject *text) {
    PyObject *bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
    if (!bytes) return NULL;
    sink((evg_py_text){(const uint8_t *)PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes)});
    Py_DECREF(bytes);
    Py_RETURN_NONE;
}

static PyObject *log_error(PyObject *self, PyObject *text) {
    (void)self;
    return evg_py_log_with(evg_swift_log_error, text);
}

static PyObject *log_text(PyObject *self, PyObject *text) {
    (void)self;
    return evg_py_log_with(evg_swift_log_text, text);
}

int evg_py_report_prepare(void) {
    if (!report_exception) report_exception = PyObject_GetAttrString(evg_py_host, "report");
    return report_exception ? 0 : -1;
}

void evg_py_report(const evg_py_line *line, const char *what) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value && traceback) PyException_SetTraceback(value, traceback);
    PyObject *method = line && line->method ? line->method : Py_None;
    PyObject *target = line && line->target ? line->target : Py_None;
    PyObject *request_id = line && line->request_id ? line->request_id : Py_None;
    PyObject *answer = report_exception
        ? PyObject_CallFunction(report_exception, "OOsOO", method, target, what, value ? value : Py_None, request_id)
        : NULL;
    if (!answer) {
        static const char text[] = "An exception in the app could not be reported";
        PyErr_Clear();
        evg_swift_log_error((evg_py_text){(const uint8_t *)text, sizeof text - 1});
    }
    Py_XDECREF(answer);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
}

static PyMethodDef functions[] = {
    {"log_error", log_error, METH_O, "log_error(line): one entry of the error log"},
    {"log_text", log_text, METH_O, "log_text(text): whole lines, as they are"},
    {NULL, NULL, 0, NULL},
};

int evg_py_report_ready(PyObject *module) { return PyModule_AddFunctions(module, functions); }
