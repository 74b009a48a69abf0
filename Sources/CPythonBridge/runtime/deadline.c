/* What apps do with the deadline of their request. Law: of a request that has ended, and of one without a deadline,
 * nothing is moved and nothing remains. */
#include "runtime.h"

#include <math.h>

PyObject *evg_py_deadline_remaining(evg_exchange *exchange) {
    double seconds = exchange ? evg_swift_exchange_remaining(exchange) : INFINITY;
    if (isinf(seconds)) Py_RETURN_NONE;
    return PyFloat_FromDouble(seconds);
}

static int parse_seconds(PyObject *value, double *seconds) {
    *seconds = PyFloat_AsDouble(value);
    if (*seconds == -1.0 && PyErr_Occurred()) return -1;
    if (isfinite(*seconds)) return 0;
    PyErr_SetString(PyExc_ValueError, "a deadline takes a finite number of seconds");
    return -1;
}

PyObject *evg_py_deadline_set(evg_exchange *exchange, PyObject *value) {
    double seconds = INFINITY;
    if (value != Py_None && parse_seconds(value, &seconds)) return NULL;
    if (exchange) evg_swift_exchange_set_remaining(exchange, seconds);
    Py_RETURN_NONE;
}

PyObject *evg_py_deadline_extend(evg_exchange *exchange, PyObject *value) {
    double seconds;
    if (parse_seconds(value, &seconds)) return NULL;
    if (exchange) evg_swift_exchange_set_remaining(exchange, evg_swift_exchange_remaining(exchange) + seconds);
    Py_RETURN_NONE;
}
