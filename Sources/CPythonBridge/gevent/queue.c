/* Worker class gevent: the queue between the pump and the greenlets. Law: every request that was accepted ends exactly
 * once, however its greenlet ends; no Swift frame is on the stack when the app runs. */
#include "gevent.h"

#include <stdlib.h>
#include <string.h>

static evg_gevent_request *running;   /* the newest of those that run */
static evg_gevent_request *starting;  /* between its greenlet's start and the first line of `serve` */

typedef struct note {
    evg_gevent_request *request;    /* a reference; NULL for a request that has arrived */
    union {
        uint32_t event;
        evg_gevent_arrival arrival;
    };
} note;

static note *notes;
static size_t note_count, note_capacity;

static bool append(note added) {
    if (note_count == note_capacity) {
        size_t capacity = note_capacity ? note_capacity * 2 : 64;
        note *grown = realloc(notes, capacity * sizeof *grown);
        if (!grown) return false;
        notes = grown;
        note_capacity = capacity;
    }
    notes[note_count++] = added;
    return true;
}

static void refuse(evg_exchange *exchange) {
    evg_swift_exchange_fail(exchange, 503);
    evg_swift_exchange_end(exchange);
}

void evg_gevent_accept(const evg_py_request *request, bool streams) {
    note added = {.arrival = {
        .exchange = request->exchange, .environ = request->environ, .body_count = request->body_count,
        .length_from_body = request->length_from_body, .streams = streams,
    }};
    if (request->body_count || request->body_file >= 0) {
        added.arrival.input = evg_py_input_new(request);
        if (!added.arrival.input) {
            evg_py_report(NULL, "starting a request");
            return refuse(request->exchange);
        }
    }
    if (append(added)) return;
    Py_XDECREF(added.arrival.input);
    refuse(request->exchange);
}

void evg_gevent_notify(evg_gevent_request *request, uint32_t event) {
    if (event == EVG_BODY && !request->reader) return;
    if (event == EVG_DRAINED && !request->writer) return;
    Py_INCREF((PyObject *)request);
    if (!append((note){.request = request, .event = event})) Py_DECREF((PyObject *)request);
}

void evg_gevent_happened(void *context, evg_event event) { evg_gevent_notify(context, event); }

int evg_gevent_yield(evg_gevent_request *request) {
    if (request->writer) return 0;   /* another greenlet writes too, and does what is asked of this one */
    Py_INCREF((PyObject *)request);
    if (!append((note){.request = request, .event = EVG_DRAINED})) {
        Py_DECREF((PyObject *)request);
        return 0;
    }
    evg_swift_guest_wake();
    return evg_gevent_wait(&request->writer);
}

static void kill_greenlet(evg_gevent_request *request, const char *reason) {
    if (!request->greenlet) return;
    PyObject *exception = PyObject_GetAttrString(evg_gevent_module, reason);
    PyObject *answer = exception
        ? PyObject_CallMethodObjArgs(request->greenlet, evg_gevent_name.kill, exception, Py_False, NULL) : NULL;
    if (!answer) evg_py_report(NULL, "ending a greenlet");
    Py_XDECREF(answer);
    Py_XDECREF(exception);
}

static void deliver(evg_gevent_request *request, uint32_t event) {
    switch (event) {
    case EVG_BODY:
        return evg_gevent_wake(&request->reader);
    case EVG_DRAINED:
    case evg_gevent_file_sent:
        return evg_gevent_wake(&request->writer);
    case EVG_LEFT:
        evg_gevent_client_left(request);
        if (evg_gevent_cancels_on_disconnect) kill_greenlet(request, "ClientDisconnected");
        return;
    case EVG_OVERDUE:
        return kill_greenlet(request, "DeadlineExceeded");
    }
}

static void link_running(evg_gevent_request *request) {
    request->next = running;
    if (running) running->previous = request;
    running = request;
}

void evg_gevent_ended(evg_gevent_request *request) {
    if (request->previous) request->previous->next = request->next;
    else if (running == request) running = request->next;
    if (request->next) request->next->previous = request->previous;
    request->previous = request->next = NULL;
    evg_gevent_has_left(request);
    evg_exchange *exchange = request->exchange;
    request->exchange = NULL;
    Py_CLEAR(request->greenlet);
    Py_CLEAR(request->callbacks);
    Py_CLEAR(request->arrival.input);
    if (exchange) evg_swift_exchange_end(exchange);
    if (request->event) {   /* somebody may still wait for a departure that cannot come any more */
        PyObject *answer = PyObject_CallMethodObjArgs(request->event, evg_gevent_name.set, NULL);
        if (!answer) evg_py_report(NULL, "ending a wait");
        Py_XDECREF(answer);
    }
}

/* Starts the greenlet and runs it to its first wait: the hub runs now, and is where it switches to. */
static void spawn(evg_gevent_arrival arrival) {
    evg_gevent_request *request = evg_gevent_request_new(&arrival);
    if (!request) {
        evg_py_report(NULL, "starting a request");
        Py_XDECREF(arrival.input);
        return refuse(arrival.exchange);
    }
    link_running(request);
    /* Without arguments: a greenlet keeps a tuple of them, and a copy, for as long as it runs. */
    PyObject *greenlet = PyObject_CallFunctionObjArgs(evg_gevent_greenlet_type, NULL);
    request->greenlet = greenlet;
    Py_XINCREF(greenlet);
    starting = request;
    PyObject *answer = greenlet ? PyObject_CallMethodObjArgs(greenlet, evg_gevent_name.switch_, NULL) : NULL;
    starting = NULL;
    if (!answer) {
        evg_py_report(NULL, "starting a request");
        if (!greenlet) {
            evg_swift_exchange_fail(arrival.exchange, 503);
            evg_gevent_ended(request);
        }
    }
    Py_XDECREF(answer);
    Py_XDECREF(greenlet);
    Py_DECREF((PyObject *)request);
}

static PyObject *pump(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    if (evg_py_forked) Py_RETURN_NONE;
    bool alive = evg_swift_guest_pump();
    evg_py_tell_leaving();
    evg_py_tell_stacks();
    /* No pump runs inside of this one: only the hub calls it. What greenlets add meanwhile waits for the next. */
    size_t count = note_count;
    for (size_t at = 0; at < count; at++) {
        note next = notes[at];
        evg_gevent_begin_turn();
        if (next.request) {
            if (next.request->exchange) deliver(next.request, next.event);
            Py_DECREF((PyObject *)next.request);
        } else {
            spawn(next.arrival);
        }
        if (evg_py_forked) Py_RETURN_NONE;   /* a greenlet has forked, and the hub runs in the child */
    }
    note_count -= count;
    if (note_count) {
        memmove(notes, notes + count, note_count * sizeof *notes);
        evg_swift_guest_wake();
    }
    if (evg_py_log_is_left()) evg_py_log_take("evgateway.gevent_worker", "drain_log");
    return PyBool_FromLong(alive);
}

static PyObject *pending(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    PyObject *list = PyList_New(0);
    for (evg_gevent_request *request = running; list && request; request = request->next)
        if (request->greenlet && PyList_Append(list, request->greenlet)) Py_CLEAR(list);
    return list;
}

/* gevent_serving() -> [(request, greenlet)], the newest first. */
static PyObject *serving(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    PyObject *list = PyList_New(0);
    for (evg_gevent_request *request = running; list && request; request = request->next)
        if (request->greenlet) list = evg_py_serving_add(list, request->exchange, request->greenlet);
    return list;
}

void evg_gevent_visit(evg_py_visit *visit, void *context) {
    for (evg_gevent_request *request = running; request; request = request->next)
        if (request->exchange) visit(context, request->exchange);
}

/* ---- in a process that the app has forked ---- */

/* gevent_forked(greenlet that forked): greenlets of other requests are copies, and those of the parent go on. */
static PyObject *forked(PyObject *module, PyObject *current) {
    (void)module;
    for (evg_gevent_request *request = running; request; request = request->next)
        request->orphaned = request->greenlet != current;
    Py_RETURN_NONE;
}

void evg_gevent_comes_back(evg_gevent_request *request) {
    while (request->orphaned && pthread_equal(pthread_self(), evg_py_loop_thread)) {
        PyObject *place = NULL;
        PyErr_Clear();
        evg_gevent_wait(&place);   /* nobody wakes it */
    }
    evg_py_end_forked();
}

static PyObject *serve(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    evg_gevent_request *request = starting;
    starting = NULL;
    if (request) return evg_gevent_serve(request);
    PyErr_SetString(PyExc_RuntimeError, "only the worker starts requests");
    return NULL;
}

/* `_run` of the class of greenlets. gevent deletes it from every greenlet that ends; where it stood on the class as a
 * plain function, that made and dropped an AttributeError, which cost 1,800 of 37,800 instructions of a hello. */
typedef struct run_attribute {
    PyObject_HEAD
    PyObject *function;
} run_attribute;

static PyObject *get_run(PyObject *self, PyObject *greenlet, PyObject *type) {
    (void)greenlet, (void)type;
    PyObject *function = ((run_attribute *)self)->function;
    Py_INCREF(function);
    return function;
}

static int set_run(PyObject *self, PyObject *greenlet, PyObject *value) {
    (void)self, (void)greenlet;
    if (!value) return 0;
    PyErr_SetString(PyExc_AttributeError, "the greenlet of a request runs that request");
    return -1;
}

PyObject *evg_gevent_run_attribute(void) {
    static PyMethodDef method = {"serve", serve, METH_NOARGS, "A greenlet's whole life."};
    static PyType_Slot slots[] = {{Py_tp_descr_get, get_run}, {Py_tp_descr_set, set_run}, {0, NULL}};
    static PyType_Spec spec = {"_evgateway.Run", sizeof(run_attribute), 0, Py_TPFLAGS_DEFAULT, slots};
    PyTypeObject *type = (PyTypeObject *)PyType_FromSpec(&spec);
    run_attribute *made = type ? PyObject_New(run_attribute, type) : NULL;
    if (made && !(made->function = PyCFunction_New(&method, NULL))) Py_CLEAR(made);
    return (PyObject *)made;    /* for as long as the process */
}

static PyMethodDef methods[] = {
    {"gevent_pump", pump, METH_NOARGS,
     "Serves what is ready, then greenlets; False when the worker is to end, None in a process that was forked."},
    {"gevent_forked", forked, METH_O, "gevent_forked(greenlet): in a forked process, which greenlet has forked."},
    {"gevent_running", pending, METH_NOARGS, "The greenlets of the requests that run."},
    {"gevent_serving", serving, METH_NOARGS, "(request, greenlet) of each that runs, the newest first."},
    {"gevent_take", evg_gevent_take, METH_O, "The next bytes of a streamed body; b'' at its end."},
    {NULL, NULL, 0, NULL},
};

int evg_gevent_queue_ready(PyObject *module) { return PyModule_AddFunctions(module, methods); }
