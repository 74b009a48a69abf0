/* Worker class gevent: the queue between the pump and the greenlets, and the life of a request on its greenlet. Law:
 * every request that was enqueued ends exactly once, however its greenlet ends; no Swift frame is on the stack when
 * the app runs. */
#include "gevent.h"

#include <stdlib.h>
#include <string.h>

evg_gevent_names evg_gevent_name;
PyObject *evg_gevent_module, *evg_gevent_hub, *evg_gevent_exit;

PyObject *evg_gevent_input;
static PyObject *greenlet_type, *serve_function;
static evg_gevent_request *running;   /* the newest of those that run */
static evg_gevent_request *starting;  /* between its greenlet's start and the first line of `serve` */

void evg_gevent_complain(const char *what) { evg_py_report(NULL, what); }

/* ---- the queue ---- */

typedef struct note {
    void *call;                     /* of a new request, else NULL */
    evg_gevent_request *request;    /* a reference, else NULL */
    evg_gevent_event event;
} note;

static note *notes;
static size_t note_count, note_capacity;

static bool append(note added) {
    if (note_count == note_capacity) {
        size_t capacity = note_capacity ? note_capacity * 2 : 256;
        note *grown = realloc(notes, capacity * sizeof *grown);
        if (!grown) return false;
        notes = grown;
        note_capacity = capacity;
    }
    notes[note_count++] = added;
    return true;
}

void evg_py_gevent_enqueue(void *call) {
    if (append((note){.call = call})) return;
    evg_swift_gevent_fail(call, 503);
    evg_swift_gevent_ended(call);
}

void evg_py_gevent_notify(void *pointer, evg_gevent_event event) {
    evg_gevent_request *request = pointer;
    if (event == EVG_GEVENT_BODY && !request->reader) return;
    if (event == EVG_GEVENT_DRAINED && !request->writer) return;
    Py_INCREF((PyObject *)request);
    if (!append((note){.request = request, .event = event})) Py_DECREF((PyObject *)request);
}

int evg_gevent_yield(evg_gevent_request *request) {
    if (request->writer) return 0;   /* another greenlet writes too, and does what is asked of this one */
    Py_INCREF((PyObject *)request);
    if (!append((note){.request = request, .event = EVG_GEVENT_DRAINED})) {
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
    if (!answer) evg_gevent_complain("ending a greenlet");
    Py_XDECREF(answer);
    Py_XDECREF(exception);
}

static bool cancels_on_disconnect;

static void deliver(evg_gevent_request *request, evg_gevent_event event) {
    switch (event) {
    case EVG_GEVENT_BODY:
        return evg_gevent_wake(&request->reader);
    case EVG_GEVENT_DRAINED:
    case EVG_GEVENT_FILE_SENT:
        return evg_gevent_wake(&request->writer);
    case EVG_GEVENT_LEFT:
        evg_gevent_client_left(request);
        if (cancels_on_disconnect) kill_greenlet(request, "ClientDisconnected");
        return;
    case EVG_GEVENT_OVERDUE:
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
    void *call = request->call;
    request->call = NULL;
    Py_CLEAR(request->greenlet);
    Py_CLEAR(request->callbacks);
    free(request->head);
    request->head = NULL;
    if (call) evg_swift_gevent_ended(call);
    if (request->event) {   /* somebody may still wait for a departure that cannot come any more */
        PyObject *answer = PyObject_CallMethodObjArgs(request->event, evg_gevent_name.set, NULL);
        if (!answer) evg_gevent_complain("ending a wait");
        Py_XDECREF(answer);
    }
}

/* Starts the greenlet and runs it to its first wait: the hub runs now, and is where it switches to. */
static void spawn(void *call) {
    evg_gevent_request *request = evg_gevent_request_new(call);
    if (!request) {
        evg_gevent_complain("starting a request");
        evg_swift_gevent_fail(call, 503);
        evg_swift_gevent_ended(call);
        return;
    }
    link_running(request);
    /* Without arguments: a greenlet keeps a tuple of them, and a copy, for as long as it runs. */
    PyObject *greenlet = PyObject_CallFunctionObjArgs(greenlet_type, NULL);
    request->greenlet = greenlet;
    Py_XINCREF(greenlet);
    starting = request;
    PyObject *answer = greenlet ? PyObject_CallMethodObjArgs(greenlet, evg_gevent_name.switch_, NULL) : NULL;
    starting = NULL;
    if (!answer) {
        evg_gevent_complain("starting a request");
        if (!greenlet) {
            evg_swift_gevent_fail(call, 503);
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
    /* No pump runs inside of this one: only the hub calls it. What greenlets add meanwhile waits for the next. */
    size_t count = note_count;
    for (size_t at = 0; at < count; at++) {
        note next = notes[at];
        evg_gevent_begin_turn();
        if (next.call) {
            spawn(next.call);
        } else {
            if (next.request->call) deliver(next.request, next.event);
            Py_DECREF((PyObject *)next.request);
        }
        if (evg_py_forked) Py_RETURN_NONE;   /* a greenlet has forked, and the hub runs in the child */
    }
    note_count -= count;
    if (note_count) {
        memmove(notes, notes + count, note_count * sizeof *notes);
        evg_swift_guest_wake();
    }
    return PyBool_FromLong(alive);
}

static PyObject *pending(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    PyObject *list = PyList_New(0);
    for (evg_gevent_request *request = running; list && request; request = request->next)
        if (request->greenlet && PyList_Append(list, request->greenlet)) Py_CLEAR(list);
    return list;
}

/* ---- in a process that the app has forked ---- */

/* gevent_forked(greenlet that forked): greenlets of other requests are copies, and those of the parent go on. */
static PyObject *forked(PyObject *module, PyObject *current) {
    (void)module;
    for (evg_gevent_request *request = running; request; request = request->next)
        request->orphaned = request->greenlet != current;
    Py_RETURN_NONE;
}

void evg_gevent_comes_back(void *exchange) {
    evg_gevent_request *request = exchange;
    while (request->orphaned && pthread_equal(pthread_self(), evg_py_loop_thread)) {
        PyObject *place = NULL;
        PyErr_Clear();
        evg_gevent_wait(&place);   /* nobody wakes it */
    }
    evg_py_end_forked();
}

/* ---- the class ---- */

static PyObject *serve(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    evg_gevent_request *request = starting;
    starting = NULL;
    if (request) return evg_gevent_serve(request);
    PyErr_SetString(PyExc_RuntimeError, "only the worker starts requests");
    return NULL;
}

static PyMethodDef serve_method = {"serve", serve, METH_NOARGS, "A greenlet's whole life."};

static PyMethodDef methods[] = {
    {"gevent_pump", pump, METH_NOARGS,
     "Serves what is ready, then greenlets; False when the worker is to end, None in a process that was forked."},
    {"gevent_forked", forked, METH_O, "gevent_forked(greenlet): in a forked process, which greenlet has forked."},
    {"gevent_running", pending, METH_NOARGS, "The greenlets of the requests that run."},
    {"gevent_take", evg_gevent_take, METH_O, "The next bytes of a streamed body; b'' at its end."},
    {NULL, NULL, 0, NULL},
};

int evg_py_gevent_ready(PyObject *module) {
    return evg_gevent_request_ready(module) || PyModule_AddFunctions(module, methods) ? -1 : 0;
}

static PyObject *kept_text;

static const char *text_of(PyObject *text) {
    Py_XDECREF(kept_text);
    kept_text = text ? PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace") : NULL;
    return kept_text ? PyBytes_AsString(kept_text) : "gevent cannot be used";
}

const char *evg_py_gevent_prepare(bool patch) {
    if (!evg_gevent_module) evg_gevent_module = PyImport_ImportModule("evgateway.gevent_worker");
    PyObject *problem = evg_gevent_module
        ? PyObject_CallMethod(evg_gevent_module, "prepare", "O", patch ? Py_True : Py_False) : NULL;
    if (problem == Py_None) {
        Py_DECREF(problem);
        return NULL;
    }
    if (!problem) evg_gevent_complain("importing gevent");
    const char *text = text_of(problem);
    Py_XDECREF(problem);
    return text;
}

static int intern_names(void) {
    const struct { PyObject **slot; const char *text; } all[] = {
        {&evg_gevent_name.switch_, "switch"}, {&evg_gevent_name.kill, "kill"}, {&evg_gevent_name.set, "set"},
        {&evg_gevent_name.wait, "wait"}, {&evg_gevent_name.disconnected, "evgateway.disconnected"},
        {&evg_gevent_name.waitress, "waitress.client_disconnected"},
        {&evg_gevent_name.deadline, "evgateway.deadline"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!(*all[i].slot = PyUnicode_InternFromString(all[i].text))) return -1;
    return 0;
}

const char *evg_py_gevent_open(void) {
    PyObject *name = NULL;
    if (!intern_names() && (name = PyObject_CallMethod(evg_gevent_module, "open", NULL))
        && (evg_gevent_hub = PyObject_GetAttrString(evg_gevent_module, "hub"))
        && (evg_gevent_exit = PyObject_GetAttrString(evg_gevent_module, "GreenletExit"))
        && (greenlet_type = PyObject_GetAttrString(evg_gevent_module, "RequestGreenlet"))
        && (evg_gevent_input = PyObject_GetAttrString(evg_gevent_module, "StreamedInput"))
        && (serve_function = PyCFunction_New(&serve_method, NULL))
        /* On the class, so that no greenlet needs a dict of its own to hold it. */
        && !PyObject_SetAttrString(greenlet_type, "_run", serve_function)) {
        evg_py_responses = evg_gevent_sink;
        evg_gevent_keep_stacks();
        const char *text = text_of(name);
        Py_DECREF(name);
        return text;
    }
    evg_gevent_complain("opening gevent's hub");
    Py_XDECREF(name);
    return NULL;
}

void evg_py_gevent_cancel_on_disconnect(bool cancels) { cancels_on_disconnect = cancels; }

void evg_py_gevent_dress(evg_py_environ *environ) {
    PyObject *keys[] = {evg_gevent_name.disconnected, evg_gevent_name.waitress, evg_gevent_name.deadline};
    int status = PyDict_SetItemString(environ->constants, "wsgi.multithread", Py_True);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        status |= PyDict_SetItem(environ->constants, keys[i], Py_None);
    if (status) evg_gevent_complain("preparing the environ");
}

void *evg_py_gevent_bytes(const uint8_t *base, size_t count) {
    return PyBytes_FromStringAndSize((const char *)base, (Py_ssize_t)count);
}
