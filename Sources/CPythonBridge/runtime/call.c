/* One call of the WSGI app and of what it returned. Law: a block is handed out before the next is asked for; close()
 * is called exactly once; no exception stays pending; every entry into the app runs in the request's own context. */
#include "wsgi_call.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Blocks of a list up to this sum are joined into one body: the app has nothing left to do between them. */
static const size_t joined_limit = 262144;

/* A head of more bytes than this does not stay in memory with a call that waits for its next request. */
static const size_t kept_head = 8192;

static evg_py_call *spare;

static evg_py_call *call_new(const evg_wsgi_sink *sink, void *owner) {
    evg_py_call *call = spare;
    spare = NULL;
    if (!call && !(call = evg_py_call_object())) return NULL;
    call->sink = sink;
    call->owner = owner;
    call->thread = pthread_self();
    call->started = call->head_taken = false;
    return call;
}

static void call_free(evg_py_call *call) {
    call->owner = NULL;
    Py_CLEAR(call->line.method);
    Py_CLEAR(call->line.target);
    Py_CLEAR(call->line.request_id);
    Py_CLEAR(call->context);
    evg_py_socket_end(call->socket);
    call->socket = NULL;
    if (call->head.capacity > kept_head) evg_response_head_free(&call->head);
    if (!spare && evg_py_call_is_free(call)) {
        spare = call;
        return;
    }
    Py_CLEAR(call->write);
    Py_CLEAR(call->hints);
    Py_DECREF((PyObject *)call);
}

static evg_py_outcome failed(evg_py_call *call, const char *what) {
    if (evg_py_forked) evg_py_come_back(call);
    bool is_meant = call && call->owner && call->sink->silences && call->sink->silences(call);
    if (is_meant || (call && evg_py_socket_excuses(call->socket))) PyErr_Clear();
    else evg_py_report(call ? &call->line : NULL, what);
    return EVG_PY_FAILED;
}

/* The app has raised. Before the head has gone, evgateway.Replay is an answer: the head says so, and where nobody takes
 * the request it is what the client gets. */
static evg_py_outcome raised(evg_py_call *call, evg_py_result *result, const char *what) {
    bool replays = call && call->owner && !call->head_taken && evg_py_replay && !evg_py_forked
        && PyErr_ExceptionMatches(evg_py_replay) && evg_response_head_replay(&call->head);
    if (!replays) return failed(call, what);
    PyErr_Clear();
    call->started = true;
    result->content_length = -1;
    result->head = evg_py_call_take_head(call);
    return EVG_PY_END;
}

static evg_py_outcome refuse(evg_py_call *call, PyObject *type, const char *text) {
    PyErr_SetString(type, text);
    return failed(call, "in its response");
}

static evg_py_outcome refuse_block(evg_py_call *call, PyObject *block) {
    PyErr_Format(PyExc_TypeError, "the body must consist of bytes, not %R", (PyObject *)Py_TYPE(block));
    return failed(call, "in its response");
}

/* What the app announced, and the head unless it was handed out before. */
static void describe(evg_py_call *call, evg_py_result *result) {
    bool announced = call->head.says & EVG_HEAD_HAS_LENGTH;
    result->content_length = announced ? (int64_t)call->head.content_length : -1;
    result->head = evg_py_call_take_head(call);
}

/* The app answers by way of its WebSocket. */
static bool is_answered(const evg_py_call *call) { return evg_py_socket_is_used(call->socket); }

static const char unstarted[] = "the app returned a body without calling start_response";

/* Takes the reference to block. */
static evg_py_outcome hand_out(evg_py_call *call, evg_py_result *result, PyObject *block, evg_py_outcome outcome) {
    if (is_answered(call)) {
        Py_DECREF(block);
        return EVG_PY_END;
    }
    if (!call->started) {
        Py_DECREF(block);
        return refuse(call, PyExc_RuntimeError, unstarted);
    }
    call->block = block;
    result->block.base = (const uint8_t *)PyBytes_AsString(block);
    result->block.count = (size_t)PyBytes_Size(block);
    describe(call, result);
    return outcome;
}

static evg_py_outcome next_block(evg_py_call *call, evg_py_result *result) {
    for (;;) {
        PyObject *block = PyIter_Next(call->iterator);
        if (!block) {
            if (PyErr_Occurred()) return raised(call, result, "iterating its response");
            if (is_answered(call)) return EVG_PY_END;
            if (!call->started) return refuse(call, PyExc_RuntimeError, unstarted);
            describe(call, result);
            return EVG_PY_END;
        }
        if (!PyBytes_Check(block)) {
            evg_py_outcome outcome = refuse_block(call, block);
            Py_DECREF(block);
            return outcome;
        }
        if (PyBytes_Size(block) > 0 && !is_answered(call)) return hand_out(call, result, block, EVG_PY_BLOCK);
        Py_DECREF(block);
    }
}

/* The bytes of a list or tuple as one object; NULL without an exception when they are to be sent one by one. */
static PyObject *joined(PyObject *sequence, bool list) {
    Py_ssize_t count = list ? PyList_Size(sequence) : PyTuple_Size(sequence);
    size_t sum = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = list ? PyList_GetItem(sequence, i) : PyTuple_GetItem(sequence, i);
        if (!PyBytes_Check(item)) return NULL;
        if (count == 1) {
            Py_INCREF(item);
            return item;
        }
        sum += (size_t)PyBytes_Size(item);
        if (sum > joined_limit) return NULL;
    }
    PyObject *whole = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)sum);
    char *at = whole ? PyBytes_AsString(whole) : NULL;
    for (Py_ssize_t i = 0; whole && i < count; i++) {
        PyObject *item = list ? PyList_GetItem(sequence, i) : PyTuple_GetItem(sequence, i);
        size_t size = (size_t)PyBytes_Size(item);
        if (size) memcpy(at, PyBytes_AsString(item), size);
        at += size;
    }
    return whole;
}

/* A file_wrapper over a real file is sent by descriptor; anything else (no descriptor, a pipe) is iterated. */
static bool regular_file(PyObject *wrapper, evg_py_result *result) {
    PyObject *place = PyObject_CallMethod(wrapper, "descriptor", NULL);   /* (fd, offset) or None */
    bool regular = false;
    int file;
    long long offset;
    struct stat status;
    if (place && place != Py_None && PyArg_ParseTuple(place, "iL", &file, &offset)
        && fstat(file, &status) == 0 && S_ISREG(status.st_mode) && offset >= 0) {
        result->file = file;
        result->file_offset = offset;
        result->file_count = status.st_size > offset ? status.st_size - offset : 0;
        regular = true;
    }
    PyErr_Clear();
    Py_XDECREF(place);
    return regular;
}

static evg_py_outcome first_block_of(evg_py_call *call, PyObject *body, evg_py_result *result);

/* What an app with hooks around it returned: its own list or file is sent as ever; anything else is iterated by way of
 * `hooked`, which counts. */
static evg_py_outcome first_block_within(evg_py_call *call, PyObject *hooked, evg_py_result *result) {
    PyObject *body = PyObject_GetAttrString(hooked, "body");
    if (!body) return failed(call, "in its response");
    bool whole = PyList_CheckExact(body) || PyTuple_CheckExact(body)
        || (PyObject *)Py_TYPE(body) == evg_py_file_wrapper;
    evg_py_outcome outcome;
    if (whole) {
        outcome = first_block_of(call, body, result);
    } else {
        call->iterator = PyObject_GetIter(hooked);
        outcome = call->iterator ? next_block(call, result) : failed(call, "iterating its response");
    }
    Py_DECREF(body);   /* hooked holds it until the call is closed */
    return outcome;
}

static evg_py_outcome first_block_of(evg_py_call *call, PyObject *body, evg_py_result *result) {
    bool list = PyList_CheckExact(body);
    if (list || PyTuple_CheckExact(body)) {
        PyObject *whole = joined(body, list);
        if (whole) return hand_out(call, result, whole, EVG_PY_WHOLE);
        if (PyErr_Occurred()) return failed(call, "in its response");
    } else if ((PyObject *)Py_TYPE(body) == evg_py_file_wrapper && !is_answered(call) && regular_file(body, result)) {
        if (!call->started) return refuse(call, PyExc_RuntimeError, unstarted);
        describe(call, result);
        return EVG_PY_FILE;
    } else if (evg_py_hooked_body && (PyObject *)Py_TYPE(body) == evg_py_hooked_body) {
        return first_block_within(call, body, result);
    }
    call->iterator = PyObject_GetIter(body);
    return call->iterator ? next_block(call, result) : failed(call, "iterating its response");
}

evg_py_call *evg_py_call_prepare(const evg_py_request *request, PyObject *input, const evg_wsgi_sink *sink,
                                 void *owner) {
    evg_py_call *call = call_new(sink, owner);
    if (!call) {
        Py_XDECREF(input);
        failed(NULL, "preparing the call");
        return NULL;
    }
    call->environ = evg_py_environ_build(request, input, call);
    if (!call->environ || evg_py_early_hints_dress(call) || (sink->dress && sink->dress(call, call->environ))
        || (request->is_socket && evg_py_socket_dress(call))) {
        Py_CLEAR(call->environ);
        failed(call, "preparing the environ");
        return call;
    }
    /* Streams of several requests take turns on one thread; what they set in context variables must not mix. */
    if (!sink->owns_context && !(call->context = PyContext_CopyCurrent())) {
        Py_CLEAR(call->environ);
        failed(call, "preparing the context");
    }
    return call;
}

static int enter(evg_py_call *call) { return call->context ? PyContext_Enter(call->context) : 0; }
static void leave(evg_py_call *call) { if (call->context) PyContext_Exit(call->context); }

void evg_py_call_enter(evg_py_call *call) {
    if (!call->environ) return;
    if (enter(call)) {
        Py_CLEAR(call->environ);
        failed(call, "entering the context");
        return;
    }
    PyObject *arguments[] = {call->environ, (PyObject *)call};
    call->result = PyObject_Vectorcall
        ? PyObject_Vectorcall(evg_py_app, arguments, 2, NULL)
        : PyObject_CallFunctionObjArgs(evg_py_app, arguments[0], arguments[1], NULL);
}

evg_py_outcome evg_py_call_begun(evg_py_call *call, evg_py_result *result) {
    result->call = call;
    if (!call || !call->environ) return EVG_PY_FAILED;
    if (evg_py_forked) evg_py_come_back(call);
    if (evg_py_notes_variables) evg_py_note_variables(call);
    Py_CLEAR(call->environ);
    evg_py_outcome outcome =
        call->result ? first_block_of(call, call->result, result) : raised(call, result, "in the app");
    if (evg_py_forked) evg_py_come_back(call);
    leave(call);
    return outcome;
}

evg_py_outcome evg_py_call_app(const evg_py_request *request, const evg_wsgi_sink *sink, void *owner,
                               evg_py_result *result) {
    evg_py_call *call = evg_py_call_prepare(request, NULL, sink, owner);
    if (call) evg_py_call_enter(call);
    return evg_py_call_begun(call, result);
}

evg_py_outcome evg_py_call_next(evg_py_call *call, evg_py_result *result) {
    Py_CLEAR(call->block);
    if (enter(call)) return failed(call, "entering the context");
    evg_py_outcome outcome = next_block(call, result);
    if (evg_py_forked) evg_py_come_back(call);
    leave(call);
    return outcome;
}

static void close_result(evg_py_call *call) {
    PyObject *body = call->result;
    call->result = NULL;
    if (!body) return;
    if (!PyList_CheckExact(body) && !PyTuple_CheckExact(body)) {
        PyObject *close = PyObject_GetAttr(body, evg_py_name.close);
        if (close) {
            PyObject *answer = PyObject_CallFunctionObjArgs(close, NULL);
            Py_DECREF(close);
            if (!answer) evg_py_report(&call->line, "closing its response");
            Py_XDECREF(answer);
        } else {
            PyErr_Clear();
        }
    }
    Py_DECREF(body);
}

void evg_py_call_close(evg_py_call *call) {
    if (!call) return;
    call->owner = NULL;   /* what the app still sends from close() is refused */
    Py_CLEAR(call->block);
    bool entered = (call->result || call->iterator) && enter(call) == 0;
    close_result(call);
    Py_CLEAR(call->iterator);
    if (evg_py_forked) evg_py_end_forked();
    if (entered) leave(call);
    PyErr_Clear();
    call_free(call);
}
