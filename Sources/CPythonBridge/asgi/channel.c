/* receive, and what it and send return (ASGI, HTTP & WebSocket, "HTTP"). Law: what can be had at once is had without
 * the loop: receive with the body there and send to a client that reads return awaitables that are done. Whoever waits
 * waits for a future of its own and looks again when it is resolved, so a wait that is cancelled loses nothing. */
#include "asgi.h"

#include <errno.h>

/* What receive and send return: a coroutine in all but name, so that tasks can be made of it. */
typedef struct waiting {
    PyObject_HEAD
    evg_asgi_request *request;
    PyObject *value;            /* the message, or the iterator of the future waited for */
    evg_asgi_wait_kind kind;
} waiting;

static PyTypeObject *waiting_type;
PyObject *evg_asgi_done;
static struct {
    PyObject *type, *body, *more_body, *request, *disconnect, *no_bytes;
    PyObject *done, *set_result;
} name;

PyObject *evg_asgi_waiting(evg_asgi_request *request, evg_asgi_wait_kind kind, PyObject *value) {
    waiting *object = PyObject_New(waiting, waiting_type);
    if (!object) {
        Py_XDECREF(value);
        return NULL;
    }
    Py_XINCREF((PyObject *)request);
    object->request = request;
    object->value = value;
    object->kind = kind;
    return (PyObject *)object;
}

static void waiting_dealloc(PyObject *object) {
    Py_CLEAR(((waiting *)object)->value);
    Py_XDECREF((PyObject *)((waiting *)object)->request);
    evg_py_free(object);
}

/* MARK: receive */

static PyObject *message(PyObject *type, PyObject *body, bool more) {
    PyObject *dict = PyDict_New();
    if (dict && !PyDict_SetItem(dict, name.type, type)
        && (!body || (!PyDict_SetItem(dict, name.body, body)
                      && !PyDict_SetItem(dict, name.more_body, more ? Py_True : Py_False)))) return dict;
    Py_XDECREF(dict);
    return NULL;
}

/* The next message; NULL without an exception when there is none yet. */
static PyObject *next_message(evg_asgi_request *self) {
    if (self->is_socket) return evg_asgi_socket_next(self);
    if (self->complete || evg_asgi_is_gone(self)) return message(name.disconnect, NULL, false);
    if (self->body_read) {
        evg_asgi_watch(self, EVG_LEFT | EVG_DRAINED);
        return NULL;
    }
    evg_py_text bytes = {NULL, 0};
    int32_t status = 0;
    evg_taken taken = evg_swift_exchange_take(self->exchange, &bytes, &status);
    switch (taken) {
    case EVG_TAKEN_NONE:
        /* Only while somebody waits: a client is not to blame for the time in which the app does not read. */
        evg_asgi_watch(self, EVG_BODY | EVG_LEFT | EVG_DRAINED);
        return NULL;
    case EVG_TAKEN_FAILED:
        evg_swift_exchange_fail(self->exchange, status);
        return message(name.disconnect, NULL, false);
    case EVG_TAKEN_LAST:
        self->body_read = true;
        break;
    case EVG_TAKEN:
        break;
    }
    if (!bytes.count) return message(name.request, name.no_bytes, taken == EVG_TAKEN);
    PyObject *body = PyBytes_FromStringAndSize((const char *)bytes.base, (Py_ssize_t)bytes.count);
    PyObject *made = body ? message(name.request, body, taken == EVG_TAKEN) : NULL;
    Py_XDECREF(body);
    return made;
}

bool evg_asgi_on_loop_thread(void) { return pthread_equal(pthread_self(), evg_py_loop_thread); }

static PyObject *receive(PyObject *self, PyObject *none) {
    (void)none;
    evg_asgi_request *request = (evg_asgi_request *)self;
    /* A WebSocket's next message mostly is not there: the one look is that of whoever awaits. */
    if (request->is_socket || !evg_asgi_on_loop_thread())
        return evg_asgi_waiting(request, evg_asgi_wait_receive, NULL);
    PyObject *value = next_message(request);
    if (!value && PyErr_Occurred()) return NULL;
    return evg_asgi_waiting(request, value ? evg_asgi_wait_message : evg_asgi_wait_receive, value);
}

PyObject *evg_asgi_say_disconnected(void) {
    PyErr_SetString(evg_asgi_disconnected, "the client has left");
    return NULL;
}

/* MARK: awaitables */

static void resolve(PyObject *future) {
    PyObject *over = PyObject_CallMethodObjArgs(future, name.done, NULL);
    PyObject *set = over == Py_False ? PyObject_CallMethodObjArgs(future, name.set_result, Py_None, NULL) : NULL;
    if (PyErr_Occurred()) evg_py_report(NULL, "waking a request");
    Py_XDECREF(over);
    Py_XDECREF(set);
}

void evg_asgi_wake(evg_asgi_request *request) {
    PyObject *first = request->waiter, *others = request->waiters;
    request->waiter = request->waiters = NULL;
    if (first) resolve(first);
    Py_XDECREF(first);
    Py_ssize_t count = others ? PyList_Size(others) : 0;
    for (Py_ssize_t i = 0; i < count; i++) resolve(PyList_GetItem(others, i));
    Py_XDECREF(others);
}

/* Whether the wait is over: 1 with *value set, 0 not yet, -1 with an exception. */
static int look(waiting *self, PyObject **value) {
    evg_asgi_request *request = self->request;
    *value = NULL;
    switch (self->kind) {
    case evg_asgi_wait_receive:
        *value = next_message(request);
        return *value ? 1 : PyErr_Occurred() ? -1 : 0;
    case evg_asgi_wait_file:
        if (request->file_pending) return 0;
        if (request->file_error > 0) {
            errno = request->file_error;
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        if (request->file_error < 0) return evg_asgi_say_disconnected(), -1;
        break;
    default:
        if (evg_asgi_is_gone(request)) return evg_asgi_say_disconnected(), -1;
        if (!(evg_swift_exchange_state(request->exchange) & EVG_IS_DRAINED)) return 0;
        request->burst = 0;
    }
    Py_INCREF(Py_None);
    *value = Py_None;
    return 1;
}

static int waiting_step(PyObject *object, PyObject *value, PyObject **result);

/* What another thread has called send for; from here on it waits for what send would have waited for. */
static int send_now(waiting *self, PyObject **result) {
    PyObject *event = self->value;
    self->value = NULL;
    self->kind = evg_asgi_wait_message;
    PyObject *made = evg_asgi_send(self->request, event);
    Py_DECREF(event);
    if (!made) return evg_send_error;
    self->kind = ((waiting *)made)->kind;
    Py_DECREF(made);
    return waiting_step((PyObject *)self, NULL, result);
}

static int waiting_step(PyObject *object, PyObject *value, PyObject **result) {
    (void)value;
    waiting *self = (waiting *)object;
    switch (self->kind) {
    case evg_asgi_wait_message:
        *result = self->value;
        self->value = NULL;
        if (*result) return evg_send_return;
        PyErr_SetString(PyExc_RuntimeError, "a message was awaited before");
        return evg_send_error;
    case evg_asgi_wait_turn:
        self->kind = evg_asgi_wait_done;
        Py_INCREF(Py_None);
        *result = Py_None;
        return evg_send_next;   /* a bare yield: the task goes on in the loop's next turn */
    case evg_asgi_wait_done:
        Py_INCREF(Py_None);
        *result = Py_None;
        return evg_send_return;
    default:
        if (evg_asgi_on_loop_thread()) break;
        PyErr_SetString(PyExc_RuntimeError, "receive and send are to be awaited on the event loop of the app");
        return evg_send_error;
    }
    if (self->kind == evg_asgi_wait_send) return send_now(self, result);
    for (;;) {
        if (self->value) {
            int outcome = evg_asgi_step(self->value, NULL, result);
            if (outcome == evg_send_next) return outcome;
            Py_CLEAR(self->value);
            if (outcome == evg_send_error) return outcome;
            Py_CLEAR(*result);
        }
        int over = look(self, result);
        if (over < 0) return evg_send_error;
        if (over) {
            self->kind = evg_asgi_wait_message;     /* awaited once */
            return evg_send_return;
        }
        PyObject *future = evg_asgi_wait(self->request);
        self->value = future ? PyObject_GetIter(future) : NULL;
        Py_XDECREF(future);
        if (!self->value) return evg_send_error;
    }
}

static PyObject *waiting_next(PyObject *self) {
    PyObject *result = NULL;
    int outcome = waiting_step(self, NULL, &result);
    return evg_asgi_stepped(outcome, result);
}

static PyObject *waiting_send(PyObject *self, PyObject *value) {
    (void)value;
    return waiting_next(self);
}

static PyObject *waiting_throw(PyObject *self, PyObject *arguments) {
    if (self != evg_asgi_done) {
        Py_CLEAR(((waiting *)self)->value);
        ((waiting *)self)->kind = evg_asgi_wait_message;
    }
    evg_asgi_raise(arguments);
    return NULL;
}

static PyObject *waiting_close(PyObject *self, PyObject *none) {
    (void)none;
    if (self != evg_asgi_done) {
        Py_CLEAR(((waiting *)self)->value);
        ((waiting *)self)->kind = evg_asgi_wait_message;
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"send", waiting_send, METH_O, "As of a coroutine."},
    {"throw", waiting_throw, METH_VARARGS, "As of a coroutine."},
    {"close", waiting_close, METH_NOARGS, "As of a coroutine."},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef receive_method = {"receive", receive, METH_NOARGS, "await receive() -> message"};

PyObject *evg_asgi_make_receive(evg_asgi_request *request) {
    return PyCFunction_New(&receive_method, (PyObject *)request);
}

int evg_asgi_channel_init(void) {
    if (evg_asgi_done) return 0;
    const evg_py_interned texts[] = {
        {&name.type, "type"}, {&name.body, "body"}, {&name.more_body, "more_body"},
        {&name.request, "http.request"},
        {&name.disconnect, "http.disconnect"}, {&name.done, "done"}, {&name.set_result, "set_result"},
    };
    if (evg_py_intern(texts, sizeof texts / sizeof *texts)) return -1;
    PyType_Slot slots[] = {
        {Py_tp_dealloc, waiting_dealloc}, {Py_tp_iter, PyObject_SelfIter}, {Py_tp_iternext, waiting_next},
        {Py_am_await, PyObject_SelfIter},
        {Py_tp_methods, methods}, {evg_slot_am_send, waiting_step}, {0, NULL},
    };
    if (!PyIter_Send) slots[5] = (PyType_Slot){0, NULL};
    PyType_Spec spec = {"_evgateway.Awaitable", sizeof(waiting), 0, Py_TPFLAGS_DEFAULT, slots};
    name.no_bytes = PyBytes_FromStringAndSize(NULL, 0);
    waiting_type = (PyTypeObject *)PyType_FromSpec(&spec);
    evg_asgi_disconnected = PyErr_NewException("evgateway.ClientDisconnected", PyExc_OSError, NULL);
    if (!name.no_bytes || !waiting_type || !evg_asgi_disconnected) return -1;
    evg_asgi_done = evg_asgi_waiting(NULL, evg_asgi_wait_done, NULL);
    return evg_asgi_done ? 0 : -1;
}
