/* Worker class asgi: requests become asyncio tasks. Law: what a pump leaves word of is done when it is over; a request
 * that runs stands in one list, which keeps it and its task alive. */
#include "asgi.h"

#include <stdlib.h>
#include <string.h>

/* Left by Swift during a pump. */
static struct arrival { evg_exchange *exchange; evg_asgi_scope *scope; bool is_socket; } *arrivals;
static evg_asgi_request **events;
static size_t arrival_count, arrival_room, event_count, event_room;
static bool is_pumping;

static PyObject *task_type, *task_options, *create_future, *stop, *capture, *the_loop;
static PyObject *name_cancel, *name_call_soon;
static PyObject *captured_step, *captured_context;
static bool starts_eagerly;             /* Task(..., eager_start=True), of Python 3.12 and later */

/* MARK: starting a task */

/* loop.call_soon while a task is made by a Python that knows no eager start: its first step is run at once instead. */
static PyObject *capture_step(PyObject *self, PyObject *arguments, PyObject *keywords) {
    (void)self;
    Py_CLEAR(captured_step);
    Py_CLEAR(captured_context);
    PyObject *step = PyTuple_GetItem(arguments, 0);
    PyObject *context = keywords ? PyDict_GetItemString(keywords, "context") : NULL;
    if (!step) return NULL;
    Py_INCREF(step);
    Py_XINCREF(context);
    captured_step = step;
    captured_context = context;
    Py_RETURN_NONE;
}

static PyMethodDef capture_method = {
    "call_soon", (PyCFunction)(void (*)(void))capture_step, METH_VARARGS | METH_KEYWORDS, "",
};

static int run_captured(void) {
    PyObject *step = captured_step, *context = captured_context;
    captured_step = captured_context = NULL;
    if (!step) return 0;
    PyObject *answer = NULL;
    if (!context || !PyContext_Enter(context)) {
        answer = PyObject_CallObject(step, NULL);
        if (context) {
            PyObject *type, *value, *traceback;
            PyErr_Fetch(&type, &value, &traceback);
            PyContext_Exit(context);
            PyErr_Restore(type, value, traceback);
        }
    }
    Py_DECREF(step);
    Py_XDECREF(context);
    Py_XDECREF(answer);
    return answer ? 0 : -1;
}

static PyObject *make_task(evg_asgi_request *self) {
    PyObject *arguments = PyTuple_Pack(1, (PyObject *)self);
    if (!arguments) return NULL;
    PyObject *task = NULL;
    if (starts_eagerly) {
        task = PyObject_Call(task_type, arguments, task_options);
    } else if (!PyObject_SetAttr(the_loop, name_call_soon, capture)) {
        task = PyObject_Call(task_type, arguments, task_options);
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        PyObject_SetAttr(the_loop, name_call_soon, NULL);
        PyErr_Restore(type, value, traceback);
    }
    Py_DECREF(arguments);
    return task;
}

static void start_request(struct arrival arrival) {
    evg_exchange *exchange = arrival.exchange;
    evg_asgi_request *self = evg_asgi_request_new(exchange);
    if (!self) {
        evg_py_report(NULL, "starting a request");
        evg_swift_exchange_fail(exchange, 500);
        return evg_swift_exchange_end(exchange);
    }
    if (evg_asgi_is_gone(self)) {       /* before the app was called */
        evg_asgi_end(self, false);
        return evg_asgi_request_release(self);
    }
    self->is_socket = arrival.is_socket;
    evg_py_request described;
    evg_swift_exchange_describe(exchange, &described);
    evg_swift_exchange_called(exchange);
    evg_asgi_watch(self, EVG_OVERDUE);
    self->scope = evg_asgi_scope_build(arrival.scope, &described, self);
    PyObject *task = self->scope ? make_task(self) : NULL;
    if (task && self->exchange) {
        Py_INCREF(task);
        self->task = task;
    }
    if (!task || run_captured()) {
        evg_py_report(NULL, "starting a request");
        evg_asgi_end(self, true);
    }
    Py_XDECREF(task);
    evg_asgi_request_release(self);
}

/* MARK: what Swift leaves word of */

static bool make_room(void **list, size_t *room, size_t count, size_t size) {
    if (count < *room) return true;
    size_t more = *room ? *room * 2 : 64;
    void *grown = realloc(*list, more * size);
    if (!grown) return false;
    *list = grown;
    *room = more;
    return true;
}

void evg_asgi_accept(evg_exchange *exchange, evg_asgi_scope *scope, bool is_socket) {
    if (!make_room((void **)&arrivals, &arrival_room, arrival_count, sizeof *arrivals)) {
        evg_swift_exchange_fail(exchange, 503);
        return evg_swift_exchange_end(exchange);
    }
    arrivals[arrival_count++] = (struct arrival){exchange, scope, is_socket};
}

static void cancel(evg_asgi_request *self) {
    if (!self->task) return;
    PyObject *answer = PyObject_CallMethodObjArgs(self->task, name_cancel, NULL);
    if (!answer) evg_py_report(NULL, "cancelling a request");
    Py_XDECREF(answer);
}

static void look_again(evg_asgi_request *self) {
    if (self->overdue) cancel(self);
    evg_asgi_wake(self);
}

void evg_asgi_happened(void *context, evg_event event) {
    evg_asgi_request *request = context;
    if (event == EVG_OVERDUE) request->overdue = true;
    /* Outside of a pump: inside a send of the app's, for instance. Nothing of the app runs, futures only note it. */
    if (!is_pumping) return look_again(request);
    if (request->event_pending
        || !make_room((void **)&events, &event_room, event_count, sizeof *events)) return;
    request->event_pending = true;
    Py_INCREF((PyObject *)request);
    events[event_count++] = request;
}

void evg_asgi_file_sent(void *context, int32_t error) {
    evg_asgi_request *request = context;
    request->file_pending = false;
    request->file_error = error;
    if (!error) request->body_over = true;
    if (!error && !request->has_trailers) {
        request->complete = true;
        if (request->exchange) evg_swift_exchange_finish(request->exchange);
    }
    evg_asgi_happened(request, EVG_DRAINED);
    Py_DECREF((PyObject *)request);
}

static void drain(void) {
    for (size_t i = 0; i < event_count; i++) {
        evg_asgi_request *request = events[i];
        request->event_pending = false;
        look_again(request);
        Py_DECREF((PyObject *)request);
    }
    event_count = 0;
    for (size_t i = 0; i < arrival_count; i++) start_request(arrivals[i]);
    arrival_count = 0;
}

/* asgi_pump(): serves the loop, then starts and wakes what it has brought. Calls stop() when the worker is to end. */
static PyObject *pump(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    if (evg_py_forked) evg_py_end_forked();
    is_pumping = true;
    bool alive = evg_swift_guest_pump();
    is_pumping = false;
    drain();
    evg_py_tell_leaving();
    evg_py_tell_stacks();
    if (evg_py_log_is_left()) evg_py_log_take("evgateway.logqueue", "drain");
    if (!alive) {
        PyObject *answer = PyObject_CallObject(stop, NULL);
        if (!answer) return NULL;
        Py_DECREF(answer);
    }
    Py_RETURN_NONE;
}

/* MARK: waiting */

PyObject *evg_asgi_wait(evg_asgi_request *request) {
    PyObject *future = PyObject_CallObject(create_future, NULL);
    if (!future) return NULL;
    if (!request->waiter) {     /* usually there is one */
        Py_INCREF(future);
        request->waiter = future;
        return future;
    }
    /* Those that were cancelled stay until the next wake, but not without end. */
    if (request->waiters && PyList_Size(request->waiters) >= 64) evg_asgi_wake(request);
    if (!request->waiters) request->waiters = PyList_New(0);
    if (!request->waiters || PyList_Append(request->waiters, future)) Py_CLEAR(future);
    return future;
}

/* MARK: Python's side */

/* asgi_setup(loop, Task, options, eager, create_future, stop, CancelledError, CoroutineType) */
static PyObject *setup(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *values[7];
    int eager;
    if (!PyArg_ParseTuple(arguments, "OOOpOOOO", &values[0], &values[1], &values[2], &eager, &values[3], &values[4],
                          &values[5], &values[6])) return NULL;
    PyObject **const places[7] = {
        &the_loop, &task_type, &task_options, &create_future, &stop, &evg_asgi_cancelled,
        (PyObject **)&evg_asgi_coroutine_type,
    };
    for (int i = 0; i < 7; i++) {
        Py_INCREF(values[i]);
        Py_XDECREF(*places[i]);
        *places[i] = values[i];
    }
    starts_eagerly = eager;
    Py_RETURN_NONE;
}

/* asgi_tasks(): of the requests that run. */
static PyObject *tasks(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    PyObject *list = PyList_New(0);
    for (evg_asgi_request *request = evg_asgi_first; list && request; request = request->next)
        if (request->task && PyList_Append(list, request->task)) Py_CLEAR(list);
    return list;
}

/* asgi_serving() -> [(request, task)], the newest first. */
static PyObject *serving(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    PyObject *list = PyList_New(0);
    for (evg_asgi_request *request = evg_asgi_first; list && request; request = request->next)
        if (request->task) list = evg_py_serving_add(list, request->exchange, request->task);
    return list;
}

void evg_asgi_visit(evg_py_visit *visit, void *context) {
    for (evg_asgi_request *request = evg_asgi_first; request; request = request->next)
        if (request->exchange) visit(context, request->exchange);
}

static PyObject *started(PyObject *module, PyObject *arguments) {
    (void)module;
    const char *message, *details;
    Py_ssize_t message_count, details_count;
    if (!PyArg_ParseTuple(arguments, "y#y#", &message, &message_count, &details, &details_count)) return NULL;
    evg_swift_asgi_started((evg_py_text){(const uint8_t *)message, (size_t)message_count},
                           (evg_py_text){(const uint8_t *)details, (size_t)details_count});
    Py_RETURN_NONE;
}

static PyObject *note(PyObject *module, PyObject *text) {
    (void)module;
    return evg_py_log_with(evg_swift_asgi_note, text);
}

static PyObject *time_left(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    return PyFloat_FromDouble(evg_swift_asgi_time_left());
}

static PyMethodDef functions[] = {
    {"asgi_time_left", time_left, METH_NOARGS, "Seconds until the worker has to be gone."},
    {"asgi_note", note, METH_O, "asgi_note(line): one entry of the error log, of level info"},
    {"asgi_setup", setup, METH_VARARGS, "Names the loop and what it takes to run a request on it."},
    {"asgi_pump", pump, METH_NOARGS, "Serves the guest loop, then starts and wakes requests."},
    {"asgi_tasks", tasks, METH_NOARGS, "The tasks of the requests that run."},
    {"asgi_serving", serving, METH_NOARGS, "(request, task) of each that runs, the newest first."},
    {"asgi_started", started, METH_VARARGS, "asgi_started(message, details): empty when the app is ready."},
    {NULL, NULL, 0, NULL},
};

static int init(void) {
    if (capture) return 0;
    const evg_py_interned texts[] = {{&name_cancel, "cancel"}, {&name_call_soon, "call_soon"}};
    if (evg_py_intern(texts, sizeof texts / sizeof *texts) || evg_asgi_request_init()) return -1;
    if (evg_asgi_scope_init() || evg_asgi_channel_init() || evg_asgi_send_init() || evg_asgi_extensions_init()
        || evg_asgi_socket_init() || evg_asgi_subscribe_init()) return -1;
    capture = PyCFunction_New(&capture_method, NULL);
    return capture ? 0 : -1;
}

int evg_asgi_ready(PyObject *module) {
    return PyModule_AddFunctions(module, functions) || evg_asgi_scope_ready(module) ? -1 : 0;
}

bool evg_asgi_prepare(const char *loop, const char *lifespan, double graceful_timeout, const char **loop_name) {
    PyObject *python = init() ? NULL : PyImport_ImportModule("evgateway.asgi");
    PyObject *made = python
        ? PyObject_CallMethod(python, "prepare", "Ossd", evg_py_app, loop, lifespan, graceful_timeout) : NULL;
    Py_XDECREF(python);
    if (!made || !(*loop_name = PyUnicode_AsUTF8AndSize(made, NULL))) {
        evg_py_report(NULL, "preparing the event loop");
        return false;
    }
    return true;    /* made stays for ever, because loop_name is lent from it */
}
