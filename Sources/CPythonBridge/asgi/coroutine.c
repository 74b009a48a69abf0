/* What a coroutine does, for objects that are one and for objects that drive one: a step, its end, and throw(). */
#include "asgi.h"

int evg_asgi_step(PyObject *iterator, PyObject *value, PyObject **result) {
    *result = NULL;
    if (PyIter_Send) return PyIter_Send(iterator, value ? value : Py_None, result);
    bool is_next = (!value || value == Py_None) && PyIter_Check(iterator);
    *result = is_next ? PyObject_CallMethod(iterator, "__next__", NULL)
                      : PyObject_CallMethod(iterator, "send", "O", value ? value : Py_None);
    if (*result) return evg_send_next;
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) return evg_send_error;
    PyObject *type, *stopped, *traceback;
    PyErr_Fetch(&type, &stopped, &traceback);
    PyErr_NormalizeException(&type, &stopped, &traceback);
    *result = PyObject_GetAttrString(stopped, "value");
    Py_XDECREF(type);
    Py_XDECREF(stopped);
    Py_XDECREF(traceback);
    return *result ? evg_send_return : evg_send_error;
}

PyObject *evg_asgi_stepped(int outcome, PyObject *result) {
    if (outcome != evg_send_return) return result;
    if (result == Py_None) PyErr_SetNone(PyExc_StopIteration);
    else PyErr_SetObject(PyExc_StopIteration, result);
    Py_DECREF(result);
    return NULL;
}

void evg_asgi_raise(PyObject *arguments) {
    PyObject *type = NULL, *value = NULL, *traceback = NULL;
    if (!PyArg_ParseTuple(arguments, "O|OO:throw", &type, &value, &traceback)) return;
    if (PyExceptionInstance_Check(type)) {
        PyErr_SetObject((PyObject *)Py_TYPE(type), type);
    } else if (PyExceptionClass_Check(type)) {
        if (traceback == Py_None) traceback = NULL;
        Py_INCREF(type);
        Py_XINCREF(value);
        Py_XINCREF(traceback);
        PyErr_Restore(type, value, traceback);
    } else {
        PyErr_SetString(PyExc_TypeError, "exceptions must be classes or instances deriving from BaseException");
    }
}
