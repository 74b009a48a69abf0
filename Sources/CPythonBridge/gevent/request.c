/* The objects that a request on a greenlet shows the app: whether its client has left, and its deadline. Law: they
 * outlive the request, and then know how it ended; a waiter is always woken. */
#include "gevent.h"

typedef struct deadline {
    PyObject_HEAD
    evg_gevent_request *request;
} deadline;

static PyTypeObject *request_type, *deadline_type;

/* ---- waiting ---- */

static PyObject *current_greenlet(void) {
    static PyObject *getcurrent;
    if (!getcurrent && !(getcurrent = PyObject_GetAttrString(evg_gevent_module, "getcurrent"))) return NULL;
    return PyObject_CallFunctionObjArgs(getcurrent, NULL);
}

int evg_gevent_wait(PyObject **place) {
    if (!pthread_equal(pthread_self(), evg_py_loop_thread)) {
        PyErr_SetString(PyExc_RuntimeError, "a request belongs to the thread of its worker's loop");
        return -1;
    }
    PyObject *current = current_greenlet();
    if (!current) return -1;
    if (current == evg_gevent_hub || *place) {
        PyErr_SetString(PyExc_RuntimeError, *place ? "another greenlet waits for the same already"
                                                   : "the hub itself must not wait");
        Py_DECREF(current);
        return -1;
    }
    *place = current;
    PyObject *answer = PyObject_CallMethodObjArgs(evg_gevent_hub, evg_gevent_name.switch_, NULL);
    if (*place == current) Py_CLEAR(*place);
    Py_XDECREF(answer);
    return answer ? 0 : -1;
}

void evg_gevent_wake(PyObject **place) {
    PyObject *greenlet = *place;
    if (!greenlet) return;
    *place = NULL;
    PyObject *answer = PyObject_CallMethodObjArgs(greenlet, evg_gevent_name.switch_, NULL);
    if (!answer) evg_py_report(NULL, "waking a greenlet");
    Py_XDECREF(answer);
    Py_DECREF(greenlet);
}

/* ---- the client ---- */

bool evg_gevent_has_left(evg_gevent_request *self) {
    if (!self->left && self->exchange && (evg_swift_exchange_state(self->exchange) & EVG_HAS_LEFT)) self->left = true;
    return self->left;
}

void evg_gevent_client_left(evg_gevent_request *self) {
    self->left = true;
    if (self->event) {
        PyObject *answer = PyObject_CallMethodObjArgs(self->event, evg_gevent_name.set, NULL);
        if (!answer) evg_py_report(NULL, "telling that a client has left");
        Py_XDECREF(answer);
    }
    PyObject *callbacks = self->callbacks;
    self->callbacks = NULL;
    if (!callbacks) return;
    PyObject *answer = PyObject_CallMethod(evg_gevent_module, "call_all", "O", callbacks);
    if (!answer) evg_py_report(NULL, "telling that a client has left");
    Py_XDECREF(answer);
    Py_DECREF(callbacks);
}

static PyObject *is_set(PyObject *object, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(evg_gevent_has_left((evg_gevent_request *)object));
}

static PyObject *call(PyObject *object, PyObject *args, PyObject *keywords) {
    (void)keywords;
    return is_set(object, args);
}

static void watch_client(evg_gevent_request *self) {
    evg_swift_exchange_watch(self->exchange, EVG_LEFT, evg_gevent_happened, self);
}

static PyObject *wait_for(PyObject *object, PyObject *args, PyObject *keywords) {
    static char *names[] = {"timeout", NULL};
    evg_gevent_request *self = (evg_gevent_request *)object;
    PyObject *timeout = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O:wait", names, &timeout)) return NULL;
    if (!evg_gevent_has_left(self) && self->exchange) {
        if (!self->event && !(self->event = PyObject_CallMethod(evg_gevent_module, "Event", NULL))) return NULL;
        watch_client(self);
        PyObject *event = self->event;
        Py_INCREF(event);
        PyObject *answer = PyObject_CallMethodObjArgs(event, evg_gevent_name.wait, timeout, NULL);
        Py_DECREF(event);
        if (!answer) return NULL;
        Py_DECREF(answer);
    }
    return is_set(object, NULL);
}

static PyObject *on_disconnect(PyObject *object, PyObject *callback) {
    evg_gevent_request *self = (evg_gevent_request *)object;
    if (!PyCallable_Check(callback)) {
        PyErr_Format(PyExc_TypeError, "on_disconnect takes a callable, not %R", (PyObject *)Py_TYPE(callback));
        return NULL;
    }
    bool left = evg_gevent_has_left(self);
    if (!left && !self->exchange) Py_RETURN_NONE;   /* answered: it never will */
    if (!self->callbacks && !(self->callbacks = PyList_New(0))) return NULL;
    if (PyList_Append(self->callbacks, callback)) return NULL;
    if (left) evg_gevent_client_left(self);
    else watch_client(self);
    Py_RETURN_NONE;
}

evg_gevent_request *evg_gevent_request_new(const evg_gevent_arrival *arrival) {
    evg_gevent_request *self = PyObject_New(evg_gevent_request, request_type);
    if (!self) return NULL;
    self->exchange = arrival->exchange;
    self->arrival = *arrival;
    self->greenlet = self->reader = self->writer = self->event = self->callbacks = NULL;
    self->previous = self->next = NULL;
    self->refusal = 0;
    self->body_ended = self->left = self->broken = false;
    return self;
}

static void request_dealloc(PyObject *object) {
    evg_gevent_request *self = (evg_gevent_request *)object;
    Py_CLEAR(self->greenlet);
    Py_CLEAR(self->event);
    Py_CLEAR(self->callbacks);
    Py_CLEAR(self->arrival.input);
    evg_py_free(object);
}

static PyMethodDef request_methods[] = {
    {"is_set", is_set, METH_NOARGS, "is_set() -> whether the client has left"},
    {"wait", (PyCFunction)(void (*)(void))wait_for, METH_VARARGS | METH_KEYWORDS,
     "wait(timeout=None) -> whether the client has left; other greenlets run meanwhile"},
    {"on_disconnect", on_disconnect, METH_O, "on_disconnect(callback): called, in a greenlet, when the client leaves"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot request_slots[] = {
    {Py_tp_methods, request_methods}, {Py_tp_call, call}, {Py_tp_dealloc, request_dealloc},
    {Py_tp_doc, "Whether the client of a request has left"}, {0, NULL},
};

static PyType_Spec request_spec = {
    "_evgateway.Disconnected", sizeof(evg_gevent_request), 0, Py_TPFLAGS_DEFAULT, request_slots,
};

/* ---- the deadline ---- */

PyObject *evg_gevent_deadline_new(evg_gevent_request *request) {
    deadline *self = PyObject_New(deadline, deadline_type);
    if (!self) return NULL;
    self->request = request;
    Py_INCREF((PyObject *)request);
    return (PyObject *)self;
}

static evg_exchange *exchange_of(PyObject *object) { return ((deadline *)object)->request->exchange; }

static PyObject *remaining(PyObject *object, PyObject *unused) {
    (void)unused;
    return evg_py_deadline_remaining(exchange_of(object));
}

static PyObject *set_deadline(PyObject *object, PyObject *value) {
    return evg_py_deadline_set(exchange_of(object), value);
}

static PyObject *extend_deadline(PyObject *object, PyObject *value) {
    return evg_py_deadline_extend(exchange_of(object), value);
}

static void deadline_dealloc(PyObject *object) {
    Py_DECREF((PyObject *)((deadline *)object)->request);
    evg_py_free(object);
}

static PyMethodDef deadline_methods[] = {
    {"remaining", remaining, METH_NOARGS, "remaining() -> seconds until the request is given up, or None"},
    {"set", set_deadline, METH_O, "set(seconds): gives the request up in so many seconds; None: never"},
    {"extend", extend_deadline, METH_O, "extend(seconds): moves the deadline; without one it stays away"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot deadline_slots[] = {
    {Py_tp_methods, deadline_methods}, {Py_tp_dealloc, deadline_dealloc},
    {Py_tp_doc, "When a request is given up"}, {0, NULL},
};

static PyType_Spec deadline_spec = {"_evgateway.Deadline", sizeof(deadline), 0, Py_TPFLAGS_DEFAULT, deadline_slots};

int evg_gevent_request_ready(PyObject *module) {
    (void)module;
    if (request_type) return 0;
    request_type = (PyTypeObject *)PyType_FromSpec(&request_spec);
    deadline_type = (PyTypeObject *)PyType_FromSpec(&deadline_spec);
    return request_type && deadline_type ? 0 : -1;
}
