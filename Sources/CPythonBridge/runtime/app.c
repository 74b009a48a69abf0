/* The app: found and loaded once by evgateway.host.load, called by the worker class. */
#include "runtime.h"

PyObject *evg_py_app;
PyObject *evg_py_hooked_body;

/* Texts up to a NULL, as a list of str. */
static PyObject *text_list(char *const *texts) {
    PyObject *list = PyList_New(0);
    for (; list && *texts; texts++) {
        PyObject *text = PyUnicode_DecodeFSDefault(*texts);
        int status = text ? PyList_Append(list, text) : -1;
        Py_XDECREF(text);
        if (status) Py_CLEAR(list);
    }
    return list;
}

PyObject *evg_py_call_with_source(PyObject *object, const char *name, const evg_py_app_source *source,
                                  const char *more) {
    PyObject *locator = PyUnicode_DecodeFSDefault(source->locator);
    PyObject *path = PyUnicode_DecodeFSDefault(source->pythonpath);
    PyObject *list = text_list(source->arguments);
    PyObject *answer = locator && path && list
        ? PyObject_CallMethod(object, name, "OOOOs", locator, path, list, source->factory ? Py_True : Py_False, more)
        : NULL;
    Py_XDECREF(list);
    Py_XDECREF(path);
    Py_XDECREF(locator);
    return answer;
}

/* evgateway.host.load answers (app, exit code, message, traceback). */
bool evg_py_load_app(const evg_py_app_source *source, evg_py_load_failure *failure) {
    static PyObject *last;
    *failure = (evg_py_load_failure){3, "the app could not be loaded", ""};
    if (evg_py_app) return true;
    PyObject *answer = evg_py_call_with_source(evg_py_host, "load", source, "");
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

/* evgateway.requests.wrap answers (the app with its hooks, the class of its bodies). */
bool evg_py_wrap_app(bool is_asgi) {
    PyObject *module = PyImport_ImportModule("evgateway.requests");
    PyObject *answer = module ? PyObject_CallMethod(module, "wrap", "Oi", evg_py_app, (int)is_asgi) : NULL;
    PyObject *app, *body;
    bool is_wrapped = answer && PyArg_ParseTuple(answer, "OO", &app, &body);
    if (is_wrapped) {
        Py_INCREF(app);
        Py_INCREF(body);
        Py_DECREF(evg_py_app);
        evg_py_app = app;
        evg_py_hooked_body = body;
    } else {
        evg_py_report(NULL, "wrapping the app");
    }
    Py_XDECREF(answer);
    Py_XDECREF(module);
    return is_wrapped;
}
