/* Questions about settings and hooks, which Swift asks of the Python package and the package of Swift. What is said is
 * bytes, in the form of evgateway.values. */
#include "runtime.h"

bool evg_py_ask(const char *module, const char *function, evg_py_text argument, evg_py_text *answer) {
    static PyObject *last;   /* lends the answer */
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *home = PyImport_ImportModule(module);
    PyObject *given = home ? PyBytes_FromStringAndSize((const char *)argument.base, (Py_ssize_t)argument.count) : NULL;
    PyObject *said = given ? PyObject_CallMethod(home, function, "O", given) : NULL;
    if (said && !PyBytes_Check(said)) {
        PyErr_Format(PyExc_TypeError, "%s.%s answered %R", module, function, said);
        Py_CLEAR(said);
    }
    if (said) {
        Py_XDECREF(last);
        last = said;
        *answer = (evg_py_text){(const uint8_t *)PyBytes_AsString(said), (size_t)PyBytes_Size(said)};
    } else {
        evg_py_report(NULL, function);
    }
    Py_XDECREF(given);
    Py_XDECREF(home);
    PyGILState_Release(state);
    return said;
}

static void take(void *context, evg_py_text answer) {
    *(PyObject **)context = PyBytes_FromStringAndSize((const char *)answer.base, (Py_ssize_t)answer.count);
}

static PyObject *tell(PyObject *module, PyObject *question) {
    (void)module;
    Py_ssize_t count = 0;
    const char *text = PyUnicode_AsUTF8AndSize(question, &count);
    if (!text) return NULL;
    PyObject *answer = NULL;
    evg_swift_tell((evg_py_text){(const uint8_t *)text, (size_t)count}, take, &answer);
    if (!answer && !PyErr_Occurred()) PyErr_Format(PyExc_ValueError, "no such question: %R", question);
    return answer;
}

/* log(level, line): one entry of the error log; level as in logging, 10 is DEBUG. */
static PyObject *log_line(PyObject *module, PyObject *args) {
    (void)module;
    int level;
    PyObject *line;
    if (!PyArg_ParseTuple(args, "iU", &level, &line)) return NULL;
    PyObject *bytes = PyUnicode_AsEncodedString(line, "utf-8", "backslashreplace");
    if (!bytes) return NULL;
    evg_swift_log(level, (evg_py_text){(const uint8_t *)PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes)});
    Py_DECREF(bytes);
    Py_RETURN_NONE;
}

static PyObject *watch_file(PyObject *module, PyObject *path) {
    (void)module;
    PyObject *bytes = NULL;
    if (!PyUnicode_FSConverter(path, &bytes)) return NULL;
    evg_swift_watch_file((evg_py_text){(const uint8_t *)PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes)});
    Py_DECREF(bytes);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"tell", tell, METH_O, "tell(question) -> bytes: what Swift knows of it"},
    {"log", log_line, METH_VARARGS, "log(level, line): one entry of the error log, level as in logging"},
    {"watch_file", watch_file, METH_O, "watch_file(path): with --reload, a change of the file starts workers anew"},
    {NULL, NULL, 0, NULL},
};

int evg_py_ask_ready(PyObject *module) { return PyModule_AddFunctions(module, functions); }
