/* One request of an ASGI app as a coroutine. Law: every request ends in evg_swift_exchange_end exactly once, when the
 * app returns, raises or is closed; only a cancellation goes on to the task; what the app raises is reported here. */
#include "asgi.h"

#include <string.h>

PyTypeObject *evg_asgi_request_type, *evg_asgi_coroutine_type;
PyObject *evg_asgi_cancelled, *evg_asgi_disconnected;
evg_asgi_request *evg_asgi_first;

static PyObject *name_throw, *name_await;

/* MARK: the end of a request */

static void unlink_request(evg_asgi_request *self) {
    if (self->previous) self->previous->next = self->next;
    else if (evg_asgi_first == self) evg_asgi_first = self->next;
    else return;
    if (self->next) self->next->previous = self->previous;
    self->previous = self->next = NULL;
    Py_DECREF((PyObject *)self);
}

/* receive and send hold the request, which holds them. */
static void let_go_of_channel(evg_asgi_request *self) {
    Py_CLEAR(self->receive);
    Py_CLEAR(self->send);
}

void evg_asgi_end(evg_asgi_request *self, bool failed) {
    evg_exchange *exchange = self->exchange;
    if (!exchange) return;
    if (evg_py_forked) evg_py_end_forked();
    self->exchange = NULL;
    Py_CLEAR(self->app);
    Py_CLEAR(self->scope);
    Py_CLEAR(self->task);
    if (failed) evg_swift_exchange_fail(exchange, 500);
    evg_swift_exchange_end(exchange);
    evg_asgi_wake(self);
    if (!self->is_starting) let_go_of_channel(self);
    unlink_request(self);
}

static bool is_disconnect(PyObject *exception) {
    for (int depth = 0; exception && depth < 8; depth++) {
        if (PyErr_GivenExceptionMatches(exception, evg_asgi_disconnected)) return true;
        PyObject *cause = PyException_GetCause(exception);
        if (!cause) cause = PyException_GetContext(exception);
        Py_XDECREF(cause);      /* the exception that it belongs to keeps it */
        exception = cause;
    }
    return false;
}

static PyObject *item(PyObject *dict, const char *key) {
    return dict && PyDict_Check(dict) ? PyDict_GetItemString(dict, key) : NULL;
}

/* Logs the exception in flight, unless it only says that the client has left, and clears it. */
static void report(evg_asgi_request *self) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (is_disconnect(value)) {
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
        return;
    }
    PyObject *method = item(self->scope, "method"), *path = item(self->scope, "raw_path");
    PyObject *query = item(self->scope, "query_string");
    evg_py_line of_request = {NULL, NULL, NULL};
    of_request.method = method && PyUnicode_Check(method) ? method : NULL;
    if (path && PyBytes_Check(path)) {
        bool has_query = query && PyBytes_Check(query) && PyBytes_Size(query) > 0;
        PyObject *line = PyUnicode_FromFormat("%s%s%s", PyBytes_AsString(path), has_query ? "?" : "",
                                              has_query ? PyBytes_AsString(query) : "");
        if (!line) PyErr_Clear();
        of_request.target = line;
    }
    evg_py_text id = self->exchange ? evg_swift_exchange_request_id(self->exchange) : (evg_py_text){NULL, 0};
    if (id.count && !(of_request.request_id = evg_py_latin1(id.base, id.count))) PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    evg_py_report(&of_request, "in the app");
    Py_XDECREF(of_request.target);
    Py_XDECREF(of_request.request_id);
}

/* Before the head has gone, evgateway.Replay is an answer: that of a head that says so. */
static bool replays(evg_asgi_request *self) {
    return self->exchange && !self->head_sent && evg_py_replay && !evg_py_forked
        && PyErr_ExceptionMatches(evg_py_replay) && evg_response_head_replay(&self->head);
}

/* The app has raised. A cancellation goes on to the task; anything else ends here. */
static int failed(evg_asgi_request *self, PyObject **result) {
    *result = NULL;
    if (PyErr_ExceptionMatches(evg_asgi_cancelled)) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        evg_asgi_end(self, true);
        PyErr_Restore(type, value, traceback);
        return evg_send_error;
    }
    if (replays(self)) {
        PyErr_Clear();
        evg_swift_exchange_respond(self->exchange, &self->head, (evg_py_text){NULL, 0});
        evg_asgi_end(self, false);
    } else {
        report(self);
        evg_asgi_end(self, true);
    }
    Py_INCREF(Py_None);
    *result = Py_None;
    return evg_send_return;
}

/* MARK: running the app */

/* Calls the app; what it returns is driven from now on. */
static PyObject *call_app(evg_asgi_request *self) {
    if (!self->receive && !(self->receive = evg_asgi_make_receive(self))) return NULL;
    if (!self->send && !(self->send = evg_asgi_make_send(self))) return NULL;
    /* The app may end the request while it runs. */
    PyObject *arguments[] = {self->scope, self->receive, self->send};
    for (int i = 0; i < 3; i++) Py_INCREF(arguments[i]);
    PyObject *answer = PyObject_Vectorcall
        ? PyObject_Vectorcall(evg_py_app, arguments, 3, NULL)
        : PyObject_CallFunctionObjArgs(evg_py_app, arguments[0], arguments[1], arguments[2], NULL);
    for (int i = 0; i < 3; i++) Py_DECREF(arguments[i]);
    /* A coroutine is driven as it is; anything else by what its __await__ returns. */
    if (!answer || Py_TYPE(answer) == evg_asgi_coroutine_type) return answer;
    PyObject *await = PyObject_GetAttr((PyObject *)Py_TYPE(answer), name_await);
    PyObject *iterator = await ? PyObject_CallFunctionObjArgs(await, answer, NULL) : NULL;
    if (!await)
        PyErr_Format(PyExc_TypeError, "the app returned %R, which cannot be awaited", (PyObject *)Py_TYPE(answer));
    Py_XDECREF(await);
    Py_DECREF(answer);
    return iterator;
}

static int request_step(PyObject *object, PyObject *value, PyObject **result) {
    evg_asgi_request *self = (evg_asgi_request *)object;
    *result = NULL;
    if (!self->exchange) {
        Py_INCREF(Py_None);
        *result = Py_None;
        return evg_send_return;
    }
    self->burst = 0;
    Py_INCREF(object);
    int outcome = evg_send_error;
    if (self->app || (self->app = call_app(self))) {
        PyObject *app = self->app;
        Py_INCREF(app);
        outcome = evg_asgi_step(app, value, result);
        /* Before it waits, too: its loop's epoll set is the parent's. */
        if (evg_py_forked) evg_py_end_forked();
        Py_DECREF(app);
    }
    if (outcome == evg_send_return) evg_asgi_end(self, false);
    else if (outcome == evg_send_error) outcome = failed(self, result);
    Py_DECREF(object);
    return outcome;
}

static PyObject *request_next(PyObject *self) {
    PyObject *result = NULL;
    int outcome = request_step(self, NULL, &result);
    return evg_asgi_stepped(outcome, result);
}

static PyObject *request_send(PyObject *self, PyObject *value) {
    PyObject *result = NULL;
    int outcome = request_step(self, value, &result);
    return evg_asgi_stepped(outcome, result);
}

static PyObject *request_throw(PyObject *object, PyObject *arguments) {
    evg_asgi_request *self = (evg_asgi_request *)object;
    PyObject *result = NULL;
    if (!self->exchange) {
        evg_asgi_raise(arguments);
        return NULL;
    }
    Py_INCREF(object);
    int outcome = evg_send_error;
    if (!self->app) {
        evg_asgi_raise(arguments);      /* cancelled before its first step */
    } else {
        PyObject *app = self->app;
        Py_INCREF(app);
        PyObject *throw = PyObject_GetAttr(app, name_throw);
        if (throw) result = PyObject_Call(throw, arguments, NULL);
        else PyErr_Clear(), evg_asgi_raise(arguments);
        Py_XDECREF(throw);
        Py_DECREF(app);
        if (result) outcome = evg_send_next;
        else if (PyErr_ExceptionMatches(PyExc_StopIteration)) {
            PyErr_Clear();
            Py_INCREF(Py_None);
            result = Py_None;
            outcome = evg_send_return;
        }
    }
    if (outcome == evg_send_return) evg_asgi_end(self, false);
    else if (outcome == evg_send_error) outcome = failed(self, &result);
    Py_DECREF(object);
    return evg_asgi_stepped(outcome, result);
}

static PyObject *request_close(PyObject *object, PyObject *none) {
    (void)none;
    evg_asgi_request *self = (evg_asgi_request *)object;
    Py_INCREF(object);
    PyObject *app = self->app;
    self->app = NULL;
    PyObject *answer = app ? PyObject_CallMethod(app, "close", NULL) : NULL;
    if (!answer) PyErr_Clear();
    Py_XDECREF(answer);
    Py_XDECREF(app);
    evg_asgi_end(self, true);
    Py_DECREF(object);
    Py_RETURN_NONE;
}

/* MARK: the deadline, as scope['extensions']['evgateway.deadline'] */

static PyObject *deadline_remaining(PyObject *self, PyObject *none) {
    (void)none;
    return evg_py_deadline_remaining(((evg_asgi_request *)self)->exchange);
}

static PyObject *deadline_set(PyObject *self, PyObject *value) {
    return evg_py_deadline_set(((evg_asgi_request *)self)->exchange, value);
}

static PyObject *deadline_extend(PyObject *self, PyObject *value) {
    return evg_py_deadline_extend(((evg_asgi_request *)self)->exchange, value);
}

static PyMethodDef request_methods[] = {
    {"send", request_send, METH_O, "As of a coroutine."},
    {"throw", request_throw, METH_VARARGS, "As of a coroutine."},
    {"close", request_close, METH_NOARGS, "As of a coroutine."},
    {"remaining", deadline_remaining, METH_NOARGS, "remaining(): seconds until the deadline, None without one"},
    {"set", deadline_set, METH_O, "set(seconds): the deadline is so far ahead from now on; None takes it away"},
    {"extend", deadline_extend, METH_O, "extend(seconds): moves the deadline; without one it does nothing"},
    {"subscribe", (PyCFunction)(void (*)(void))evg_asgi_subscribe, METH_VARARGS | METH_KEYWORDS,
     "subscribe(channel, filters=(), meta=None, slow_clients='close'): sends the client what is published there"},
    {"unsubscribe", evg_asgi_unsubscribe, METH_O, "unsubscribe(channel): the opposite of subscribe"},
    {NULL, NULL, 0, NULL},
};

static void request_dealloc(PyObject *object) {
    evg_asgi_request *self = (evg_asgi_request *)object;
    Py_CLEAR(self->app);
    Py_CLEAR(self->scope);
    Py_CLEAR(self->task);
    Py_CLEAR(self->waiter);
    Py_CLEAR(self->waiters);
    evg_response_head_free(&self->head);
    evg_py_free(object);
}

/* For debuggers, and for those who print tasks. */
static PyObject *of_app(PyObject *self, void *attribute) {
    PyObject *app = ((evg_asgi_request *)self)->app;
    PyObject *value = app ? PyObject_GetAttrString(app, attribute) : NULL;
    if (value) return value;
    PyErr_Clear();
    Py_RETURN_NONE;
}

static PyGetSetDef request_attributes[] = {
    {"cr_frame", of_app, NULL, NULL, "cr_frame"}, {"cr_await", of_app, NULL, NULL, "cr_await"},
    {"cr_running", of_app, NULL, NULL, "cr_running"}, {"cr_code", of_app, NULL, NULL, "cr_code"},
    {NULL, NULL, NULL, NULL, NULL},
};

/* Requests that have ended, with receive and send, for requests to come. */
enum { spare_limit = 16, kept_head = 8192 };
static evg_asgi_request *spares[spare_limit];
static int spare_count;

evg_asgi_request *evg_asgi_request_new(evg_exchange *exchange) {
    evg_asgi_request *self;
    if (spare_count) {
        self = spares[--spare_count];
    } else {
        if (!(self = PyObject_New(evg_asgi_request, evg_asgi_request_type))) return NULL;
        memset((char *)self + sizeof(PyObject), 0, sizeof *self - sizeof(PyObject));
    }
    self->exchange = exchange;
    self->is_starting = true;
    self->next = evg_asgi_first;
    if (evg_asgi_first) evg_asgi_first->previous = self;
    evg_asgi_first = self;
    Py_INCREF((PyObject *)self);
    return self;
}

/* Nobody but the spares knows it, or receive or send. */
static bool is_free(const evg_asgi_request *self) {
    return self->receive && self->send && Py_REFCNT((PyObject *)self) == 3 && Py_REFCNT(self->receive) == 1
        && Py_REFCNT(self->send) == 1;
}

void evg_asgi_request_release(evg_asgi_request *self) {
    self->is_starting = false;
    bool has_ended = !self->exchange;
    if (!has_ended || spare_count == spare_limit || !is_free(self)) {
        if (has_ended) let_go_of_channel(self);
        Py_DECREF((PyObject *)self);
        return;
    }
    if (self->head.capacity > kept_head) evg_response_head_free(&self->head);
    self->burst = 0;
    self->file_error = 0;
    self->started = self->head_sent = self->complete = self->body_read = self->file_pending = false;
    self->has_trailers = self->body_over = self->trailers_begun = false;
    self->event_pending = self->overdue = false;
    self->is_socket = self->connect_told = self->accepted = self->closed = false;
    spares[spare_count++] = self;
}

int evg_asgi_request_init(void) {
    if (evg_asgi_request_type) return 0;
    PyType_Slot slots[] = {
        {Py_tp_dealloc, request_dealloc}, {Py_tp_iter, PyObject_SelfIter}, {Py_tp_iternext, request_next},
        {Py_am_await, PyObject_SelfIter},
        {Py_tp_methods, request_methods}, {Py_tp_getset, request_attributes}, {evg_slot_am_send, request_step},
        {0, NULL},
    };
    if (!PyIter_Send) slots[6] = (PyType_Slot){0, NULL};
    PyType_Spec spec = {"_evgateway.Request", sizeof(evg_asgi_request), 0, Py_TPFLAGS_DEFAULT, slots};
    const evg_py_interned texts[] = {{&name_throw, "throw"}, {&name_await, "__await__"}};
    if (evg_py_intern(texts, sizeof texts / sizeof *texts)) return -1;
    evg_asgi_request_type = (PyTypeObject *)PyType_FromSpec(&spec);
    return evg_asgi_request_type ? 0 : -1;
}
