/* The stacks of the app's code. Law: what takes the GIL beside the loop does so on a thread of its own, because the app
 * may keep it for ever. */
#include "runtime.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

bool evg_py_stacks_wanted;

void evg_py_want_stacks(void) { evg_py_stacks_wanted = true; }

PyObject *evg_py_serving_add(PyObject *list, const evg_exchange *exchange, PyObject *code) {
    PyObject *request = exchange ? PyLong_FromVoidPtr((void *)exchange) : NULL;
    PyObject *pair = request ? PyTuple_Pack(2, request, code) : NULL;
    if (exchange && (!pair || PyList_Append(list, pair))) Py_CLEAR(list);
    Py_XDECREF(request);
    Py_XDECREF(pair);
    return list;
}

void evg_py_stacks(intptr_t number, evg_py_text argument) {
    PyObject *module = PyImport_ImportModule("evgateway.stacks");
    PyObject *said = module ? PyObject_CallMethod(module, "collect", "y#", (const char *)argument.base,
                                                  (Py_ssize_t)argument.count) : NULL;
    evg_py_text answer = {NULL, 0};
    if (said && PyBytes_Check(said)) {
        answer = (evg_py_text){(const uint8_t *)PyBytes_AsString(said), (size_t)PyBytes_Size(said)};
    } else {
        evg_py_report(NULL, "looking at the stacks");
    }
    evg_swift_stacks_taken(number, answer);
    Py_XDECREF(said);
    Py_XDECREF(module);
}

typedef struct question {
    intptr_t number;
    size_t count;
    uint8_t argument[];
} question;

static void *ask(void *context) {
    question *asked = context;
    PyGILState_STATE state = PyGILState_Ensure();
    evg_py_stacks(asked->number, (evg_py_text){asked->argument, asked->count});
    PyGILState_Release(state);
    free(asked);
    return NULL;
}

void evg_py_stacks_aside(intptr_t number, evg_py_text argument) {
    question *asked = malloc(sizeof *asked + argument.count);
    pthread_attr_t attributes;
    pthread_t thread;
    bool is_asked = false;
    if (asked && !pthread_attr_init(&attributes)) {
        asked->number = number;
        asked->count = argument.count;
        memcpy(asked->argument, argument.base, argument.count);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        /* Signals are the loop's. */
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        is_asked = !pthread_create(&thread, &attributes, ask, asked);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
    }
    if (is_asked) return;
    free(asked);
    evg_swift_stacks_taken(number, (evg_py_text){NULL, 0});
}

/* loop_thread() -> the ident of the thread that the worker's loop is on */
static PyObject *loop_thread(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    return PyLong_FromUnsignedLong((unsigned long)evg_py_loop_thread);
}

static PyMethodDef functions[] = {
    {"loop_thread", loop_thread, METH_NOARGS, "The ident of the thread that the worker's loop is on."},
    {NULL, NULL, 0, NULL},
};

int evg_py_stacks_ready(PyObject *module) { return PyModule_AddFunctions(module, functions); }
