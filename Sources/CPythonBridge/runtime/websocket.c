/* A request for a WebSocket, as evgateway.websocket sees it. Law: once the request is over, nothing reaches its worker
 * class. */
#include "websocket.h"

#include "wsgi_call.h"

static PyTypeObject *socket_type;

static PyObject *python(const char *name) {
    static PyObject *module;
    if (!module && !(module = PyImport_ImportModule("evgateway.websocket"))) return NULL;
    return PyObject_GetAttrString(module, name);
}

PyObject *evg_py_socket_message(bool is_text, evg_py_text bytes) {
    return is_text ? PyUnicode_DecodeUTF8((const char *)bytes.base, (Py_ssize_t)bytes.count, NULL)
                   : PyByteArray_FromStringAndSize((const char *)bytes.base, (Py_ssize_t)bytes.count);
}

/* The socket of a request that runs; NULL with an exception. */
static evg_py_socket *running(PyObject *object) {
    evg_py_socket *self = (evg_py_socket *)object;
    if (self->owner && !evg_py_forked) return self;
    PyErr_SetString(PyExc_OSError, evg_py_forked ? "the WebSocket is that of another process" : "the request is over");
    return NULL;
}

static evg_py_text text_of(const char *base, Py_ssize_t count) {
    return (evg_py_text){(const uint8_t *)base, (size_t)count};
}

/* MARK: what evgateway.websocket calls */

static PyObject *accept_socket(PyObject *object, PyObject *args) {
    const char *name = NULL;
    Py_ssize_t count = 0;
    evg_py_socket *self = running(object);
    if (!self || !PyArg_ParseTuple(args, "z#:accept", &name, &count)) return NULL;
    int outcome = self->ways->accept(self->owner, text_of(name, count));
    if (outcome < 0) return NULL;
    if (outcome == EVG_ACCEPT_UNKNOWN_SUBPROTOCOL) {
        PyErr_SetString(PyExc_ValueError, "the client has not offered this subprotocol");
        return NULL;
    }
    if (outcome == EVG_ACCEPTED) self->accepted = true;
    return PyBool_FromLong(outcome == EVG_ACCEPTED);
}

static PyObject *receive(PyObject *object, PyObject *none) {
    (void)none;
    evg_py_socket *self = running(object);
    if (!self) return NULL;
    PyObject *message = self->ways->receive(self->owner);
    if (message || PyErr_Occurred()) return message;
    Py_RETURN_NONE;
}

static PyObject *send_message(PyObject *object, PyObject *args) {
    const char *bytes;
    Py_ssize_t count;
    int is_text;
    evg_py_socket *self = running(object);
    if (!self || !PyArg_ParseTuple(args, "y#p:send", &bytes, &count, &is_text)) return NULL;
    int sent = self->ways->send(self->owner, is_text, text_of(bytes, count));
    return sent < 0 ? NULL : PyBool_FromLong(sent);
}

static PyObject *close_socket(PyObject *object, PyObject *args) {
    const char *reason;
    Py_ssize_t count;
    long code;
    evg_py_socket *self = running(object);
    if (!self || !PyArg_ParseTuple(args, "ly#:close", &code, &reason, &count)) return NULL;
    uint16_t known = code < 0 || code > UINT16_MAX ? 0 : (uint16_t)code;
    int closed = self->ways->close(self->owner, known, text_of(reason, count));
    return closed < 0 ? NULL : PyBool_FromLong(closed);
}

static PyObject *take(PyObject *object, PyObject *none) {
    (void)none;
    evg_py_socket *self = running(object);
    PyObject *left_over = NULL;
    if (!self) return NULL;
    int descriptor = self->ways->take(self->owner, &left_over);
    if (descriptor < 0) return PyErr_Occurred() ? NULL : Py_BuildValue("(iO)", -1, Py_None);
    self->taken = true;
    return Py_BuildValue("(iN)", descriptor, left_over);
}

static PyObject *get_environ(PyObject *object, void *none) {
    (void)none;
    PyObject *environ = ((evg_py_socket *)object)->environ;
    if (!environ) environ = Py_None;
    Py_INCREF(environ);
    return environ;
}

static PyObject *get_is_over(PyObject *object, void *none) {
    (void)none;
    return PyBool_FromLong(((evg_py_socket *)object)->owner == NULL);
}

static PyObject *get_has_ended(PyObject *object, void *none) {
    (void)none;
    evg_py_socket *self = (evg_py_socket *)object;
    return PyBool_FromLong(!self->owner || evg_py_forked || self->ways->has_ended(self->owner));
}

static void dealloc(PyObject *object) {
    evg_py_socket *self = (evg_py_socket *)object;
    Py_CLEAR(self->environ);
    Py_CLEAR(self->lock);
    evg_py_free(object);
}

static PyMethodDef methods[] = {
    {"accept", accept_socket, METH_VARARGS, "accept(subprotocol) -> whether it is a WebSocket now"},
    {"receive", receive, METH_NOARGS, "receive() -> str, bytearray, or None at the end"},
    {"send", send_message, METH_VARARGS, "send(bytes, is_text) -> whether somebody listens"},
    {"close", close_socket, METH_VARARGS, "close(code, reason) -> whether the code may be sent"},
    {"take", take, METH_NOARGS, "take() -> (descriptor, bytes that were read before); -1 where it cannot be had"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"environ", get_environ, NULL, "until the request is over", NULL},
    {"has_ended", get_has_ended, NULL, "whether it has been a WebSocket, or never will be one", NULL},
    {"is_over", get_is_over, NULL, "whether the request is over", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_methods, methods}, {Py_tp_getset, properties}, {Py_tp_dealloc, dealloc},
    {Py_tp_doc, "A request for a WebSocket"}, {0, NULL},
};
static PyType_Spec spec = {"_evgateway.Socket", sizeof(evg_py_socket), 0, Py_TPFLAGS_DEFAULT, slots};

int evg_py_socket_ready(PyObject *module) {
    (void)module;
    socket_type = (PyTypeObject *)PyType_FromSpec(&spec);
    return socket_type ? 0 : -1;
}

/* MARK: its life */

int evg_py_socket_dress(evg_py_call *call) {
    const evg_py_socket_ways *ways = call->sink->socket_ways;
    PyObject *object = Py_None;
    if (ways) {
        evg_py_socket *self = PyObject_New(evg_py_socket, socket_type);
        if (!self) return -1;
        self->ways = ways;
        self->owner = call->owner;
        self->environ = call->environ;
        Py_INCREF(self->environ);
        self->lock = NULL;
        self->accepted = self->taken = false;
        call->socket = self;
        object = (PyObject *)self;
    }
    PyObject *dress = python("dress");
    PyObject *lock = dress
        ? PyObject_CallFunction(dress, "OOOs", call->environ, object, evg_py_app, ways ? ways->name : "") : NULL;
    Py_XDECREF(dress);
    if (!lock) return -1;
    if (ways) call->socket->lock = lock;
    else Py_DECREF(lock);
    return 0;
}

void evg_py_socket_end(evg_py_socket *socket) {
    if (!socket) return;
    PyObject *answer = socket->lock ? PyObject_CallMethod(socket->lock, "acquire", NULL) : NULL;
    PyErr_Clear();      /* a greenlet that is killed does not wait */
    socket->owner = NULL;
    Py_CLEAR(socket->environ);
    if (answer) {
        Py_DECREF(answer);
        answer = PyObject_CallMethod(socket->lock, "release", NULL);
        Py_XDECREF(answer);
        PyErr_Clear();
    }
    Py_DECREF((PyObject *)socket);
}

bool evg_py_socket_excuses(const evg_py_socket *socket) {
    if (!evg_py_socket_is_used(socket)) return false;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyObject *excuses = python("excuses");
    PyObject *answer = excuses && value
        ? PyObject_CallFunction(excuses, "OO", value, socket->taken ? Py_True : Py_False) : NULL;
    bool is_excused = answer == Py_True;
    PyErr_Clear();
    Py_XDECREF(excuses);
    Py_XDECREF(answer);
    PyErr_Restore(type, value, traceback);
    return is_excused;
}
