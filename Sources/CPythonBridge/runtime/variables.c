/* The variables of an app's environ that the access log shows (%({x}e)s). Law: no code of the app's runs here, so only
 * values of the built-in types are shown; without such a format a request pays one comparison. */
#include "wsgi_call.h"

#include <stdlib.h>
#include <string.h>

bool evg_py_notes_variables;

/* Each name as it was typed, in upper and in lower case: gunicorn's are case-insensitive. */
typedef struct spellings {
    PyObject *name[3];
} spellings;

static spellings *wanted;
static size_t wanted_count;
static evg_bytes noted;

static PyObject *spelled(PyObject *name, const char *method) {
    return method ? PyObject_CallMethod(name, method, NULL) : (Py_INCREF(name), name);
}

static int want(const char *name, size_t count) {
    spellings *grown = realloc(wanted, (wanted_count + 1) * sizeof *wanted);
    if (!grown) return -1;
    wanted = grown;
    PyObject *typed = PyUnicode_DecodeUTF8(name, (Py_ssize_t)count, "replace");
    if (!typed) return -1;
    static const char *const methods[] = {NULL, "upper", "lower"};
    for (int i = 0; i < 3; i++)
        if (!(wanted[wanted_count].name[i] = spelled(typed, methods[i]))) return -1;
    Py_DECREF(typed);
    wanted_count++;
    return 0;
}

void evg_py_want_variables(evg_py_text names) {
    size_t start = 0;
    for (size_t i = 0; i <= names.count; i++) {
        if (i < names.count && names.base[i]) continue;
        if (i > start && want((const char *)names.base + start, i - start)) {
            evg_py_report(NULL, "preparing the access log");
            return;
        }
        start = i + 1;
    }
    evg_py_notes_variables = wanted_count > 0;
}

/* The value as bytes, those of a native string as PEP 3333 has them; NULL without an exception for other types. */
static PyObject *bytes_of(PyObject *value) {
    PyTypeObject *type = Py_TYPE(value);
    if (type == &PyBytes_Type) return Py_INCREF(value), value;
    bool number = type == &PyLong_Type || type == &PyFloat_Type || type == &PyBool_Type || value == Py_None;
    if (type != &PyUnicode_Type && !number) return NULL;
    PyObject *text = PyObject_Str(value);
    if (!text) return PyErr_Clear(), NULL;
    PyObject *bytes = PyUnicode_AsLatin1String(text);
    if (!bytes) {
        PyErr_Clear();
        bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
    }
    Py_DECREF(text);
    if (!bytes) PyErr_Clear();
    return bytes;
}

static void append_value(PyObject *environ, const spellings *name) {
    PyObject *value = NULL;
    for (int i = 0; i < 3 && !value; i++) value = PyDict_GetItemWithError(environ, name->name[i]);
    PyErr_Clear();
    PyObject *bytes = value ? bytes_of(value) : NULL;
    if (!bytes) return;
    size_t start = noted.count;
    if (evg_bytes_append(&noted, (const uint8_t *)PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes)))
        for (size_t i = start; i < noted.count; i++)
            if (!noted.base[i]) noted.base[i] = ' ';
    Py_DECREF(bytes);
}

void evg_py_note_variables(evg_py_call *call) {
    if (!call->sink->note || !call->owner) return;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    noted.count = 0;
    for (size_t i = 0; i < wanted_count; i++) {
        if (i) evg_bytes_append(&noted, (const uint8_t *)"", 1);
        append_value(call->environ, &wanted[i]);
    }
    /* One at least, so that it is told from none. */
    evg_bytes_append(&noted, (const uint8_t *)"", 1);
    call->sink->note(call, (evg_py_text){noted.base, noted.count});
    evg_bytes_trim(&noted);
    PyErr_Restore(type, value, traceback);
}
