/* The extension module _evgateway: its main() is the gateway. Law: Python sees main and the two ways to log;
 * everything Python-side that is easier in Python is in evgateway.host. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

PyObject *evg_py_app, *evg_py_host, *evg_py_file_wrapper;
pthread_t evg_py_loop_thread;

static PyObject *report_exception;   /* evgateway.host.report */
static PyThreadState *released;

static PyObject *log_with(void (*sink)(evg_py_text), PyObject *text) {
    PyObject *bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
    if (!bytes) return NULL;
    sink((evg_py_text){(const uint8_t *)PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes)});
    Py_DECREF(bytes);
    Py_RETURN_NONE;
}

static PyObject *log_error(PyObject *self, PyObject *text) {
    (void)self;
    return log_with(evg_swift_log_error, text);
}

static PyObject *log_text(PyObject *self, PyObject *text) {
    (void)self;
    return log_with(evg_swift_log_text, text);
}

static int prepare(void) {
    if (evg_py_host) return 0;
    if (evg_py_names_init() || evg_py_field_keys_init()) return -1;
    if (evg_py_input_init() || evg_py_start_response_init()) return -1;
    PyObject *host = PyImport_ImportModule("evgateway.host");
    if (!host) return -1;
    report_exception = PyObject_GetAttrString(host, "report");
    evg_py_file_wrapper = PyObject_GetAttrString(host, "FileWrapper");
    if (!report_exception || !evg_py_file_wrapper) return -1;
    evg_py_host = host;
    return 0;
}

/* main(argv) -> exit code */
static PyObject *run_main(PyObject *self, PyObject *list) {
    (void)self;
    if (prepare()) return NULL;
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

void evg_py_report(const evg_py_call *call, const char *what) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value && traceback) PyException_SetTraceback(value, traceback);
    PyObject *method = call && call->method ? call->method : Py_None;
    PyObject *target = call && call->target ? call->target : Py_None;
    PyObject *answer = report_exception
        ? PyObject_CallFunction(report_exception, "OOsO", method, target, what, value ? value : Py_None) : NULL;
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

PyObject *evg_py_text_list(char *const *texts) {
    PyObject *list = PyList_New(0);
    for (; list && *texts; texts++) {
        PyObject *text = PyUnicode_DecodeFSDefault(*texts);
        int status = text ? PyList_Append(list, text) : -1;
        Py_XDECREF(text);
        if (status) Py_CLEAR(list);
    }
    return list;
}

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

const char *evg_py_version(void) { return Py_GetVersion(); }

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

void evg_py_gil_release(void) { released = PyEval_SaveThread(); }
void evg_py_gil_acquire(void) { PyEval_RestoreThread(released); }

static PyMethodDef functions[] = {
    {"main", run_main, METH_O, "main(arguments) -> exit code"},
    {"log_error", log_error, METH_O, "log_error(line): one entry of the error log"},
    {"log_text", log_text, METH_O, "log_text(text): whole lines, as they are"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_evgateway", "The gateway, as an extension of the app's own interpreter", -1, functions,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__evgateway(void) {
    PyObject *module = PyModule_Create(&definition);
    if (!module || evg_py_forked_ready(module) || evg_py_guest_ready(module) || evg_py_gevent_ready(module)
        || evg_py_asgi_ready(module) || evg_py_threads_ready(module)) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
