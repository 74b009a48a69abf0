/* The app: found and loaded once by evgateway.host.load, called by the worker class. */
#include "runtime.h"

PyObject *evg_py_app;

/* evgateway.host.load answers (app, exit code, message, traceback). */
bool evg_py_load_app(const char *locator, const char *pythonpath, char *const *arguments,
                     evg_py_load_failure *failure) {
    static PyObject *last;
    *failure = (evg_py_load_failure){3, "the app could not be loaded", ""};
    if (evg_py_app) return true;
    PyObject *locator_text = PyUnicode_DecodeFSDefault(locator);
    PyObject *path_text = PyUnicode_DecodeFSDefault(pythonpath);
    PyObject *list = evg_py_text_list(arguments);
    PyObject *answer = locator_text && path_text && list
        ? PyObject_CallMethod(evg_py_host, "load", "OOO", locator_text, path_text, list) : NULL;
    Py_XDECREF(locator_text);
    Py_XDECREF(path_text);
    Py_XDECREF(list);
    PyObject *app, *message, *traceback;
    int exit_code;
    if (!answer || !PyArg_ParseTuple(answer, "OiO!O!", &app, &exit_code, &PyBytes_Type, &message,
                                     &PyBytes_Type, &traceback)) {
        evg_py_report(NULL, "loading the app");
        Py_XDECREF(answer);
        return false;
    }
    Py_XDECREF(last);
    last = answer;   /* lends the texts */
    *failure = (evg_py_load_failure){exit_code, PyBytes_AsString(message), PyBytes_AsString(traceback)};
    if (exit_code) return false;
    Py_INCREF(app);
    evg_py_app = app;
    return true;
}
