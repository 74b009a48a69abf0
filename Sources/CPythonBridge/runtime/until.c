/* The timeout of a wait, as Python's own waits take it, as a moment. */
#include "runtime.h"

#include <math.h>
#include <time.h>

int evg_py_until(PyObject *timeout, struct timespec *until) {
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1 && PyErr_Occurred()) return -1;
    clock_gettime(CLOCK_MONOTONIC, until);
    if (!(seconds > 0)) seconds = 0;
    if (seconds > 1e9) seconds = 1e9;
    double whole = floor(seconds);
    until->tv_sec += (time_t)whole;
    until->tv_nsec += (long)((seconds - whole) * 1e9);
    if (until->tv_nsec >= 1000000000) {
        until->tv_sec++;
        until->tv_nsec -= 1000000000;
    }
    return 0;
}
