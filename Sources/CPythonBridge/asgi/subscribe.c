/* Channels of a WebSocket: what is published on one goes to the client without the app. An app says so by the messages
 * evgateway.subscribe and evgateway.unsubscribe, or calls what the scope's extensions have under these names, where a
 * framework has no way to send other messages than its own. Law: checked here is what Python can get wrong, and the
 * rest where channels are. */
#include "asgi.h"

static struct {
    PyObject *channel, *filters, *meta, *slow_clients;
} name;

/* More of them are refused in any case, with a reason of the server's. */
enum { most_filters = 16, most_meta = 256 };

static bool is_given(PyObject *value) { return value && value != Py_None; }

/* -1 with an exception; else the number. */
static Py_ssize_t filters_of(PyObject *list, evg_py_text *texts) {
    Py_ssize_t count = PyList_Size(list);
    if (count > most_filters) {
        PyErr_SetString(PyExc_ValueError, "too many filters");
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        if (evg_asgi_text_of(PyList_GetItem(list, i), &texts[i], "a filter")) return -1;
    return count;
}

static Py_ssize_t meta_of(PyObject *meta, evg_py_text *texts) {
    if (!is_given(meta)) return 0;
    if (!PyDict_Check(meta)) {
        PyErr_Format(PyExc_TypeError, "meta must be a dict, not %R", (PyObject *)Py_TYPE(meta));
        return -1;
    }
    PyObject *key, *value;
    Py_ssize_t position = 0, count = 0;
    while (PyDict_Next(meta, &position, &key, &value)) {
        if (count + 2 > most_meta) {
            PyErr_SetString(PyExc_ValueError, "too many entries of meta");
            return -1;
        }
        if (evg_asgi_text_of(key, &texts[count], "a name of meta")
            || evg_asgi_text_of(value, &texts[count + 1], "a value of meta"))
            return -1;
        count += 2;
    }
    return count;
}

static int skips_of(PyObject *slow_clients, bool *skips) {
    *skips = false;
    if (!is_given(slow_clients)) return 0;
    if (PyUnicode_Check(slow_clients)) {
        if (PyUnicode_CompareWithASCIIString(slow_clients, "close") == 0) return 0;
        if ((*skips = PyUnicode_CompareWithASCIIString(slow_clients, "skip") == 0)) return 0;
    }
    PyErr_Format(PyExc_ValueError, "slow_clients is 'close' or 'skip', not %R", slow_clients);
    return -1;
}

/* Filters as a list of this call's own: iterating over them may run the app. A str would be one of letters. */
static PyObject *list_of(PyObject *filters) {
    if (!is_given(filters)) return PyList_New(0);
    if (!PyUnicode_Check(filters)) return PySequence_List(filters);
    PyErr_SetString(PyExc_TypeError, "filters must be an iterable of str");
    return NULL;
}

/* Nothing of the app runs from the first lent text on. */
static int subscribe(evg_asgi_request *self, PyObject *channel, PyObject *filters, PyObject *meta,
                     PyObject *slow_clients) {
    PyObject *list = list_of(filters);
    if (!list) return -1;
    if (!self->exchange) {      /* the app has ended the request while it was asked for its filters */
        Py_DECREF(list);
        evg_asgi_say_disconnected();
        return -1;
    }
    evg_py_text filter_texts[most_filters], meta_texts[most_meta];
    evg_socket_channel wanted = {.filters = filter_texts, .meta = meta_texts};
    Py_ssize_t filter_count = filters_of(list, filter_texts);
    Py_ssize_t meta_count = filter_count < 0 ? -1 : meta_of(meta, meta_texts);
    int result = -1;
    if (meta_count >= 0 && !evg_asgi_text_of(channel, &wanted.name, "a channel")
        && !skips_of(slow_clients, &wanted.skips)) {
        wanted.filter_count = (size_t)filter_count;
        wanted.meta_count = (size_t)meta_count;
        char reason[512] = "";
        if (evg_swift_socket_subscribe(self->exchange, &wanted, reason, sizeof reason)) result = 0;
        else PyErr_SetString(PyExc_ValueError, reason);
    }
    Py_DECREF(list);
    return result;
}

static int unsubscribe(evg_asgi_request *self, PyObject *channel) {
    evg_py_text text;
    if (evg_asgi_text_of(channel, &text, "a channel")) return -1;
    evg_swift_socket_unsubscribe(self->exchange, text);
    return 0;
}

/* MARK: messages */

static PyObject *channel_of(PyObject *event) {
    PyObject *channel = PyDict_GetItemWithError(event, name.channel);
    if (!channel && !PyErr_Occurred()) PyErr_SetString(PyExc_KeyError, "the message lacks 'channel'");
    return channel;
}

static PyObject *done(int result) {
    if (result) return NULL;
    Py_INCREF(evg_asgi_done);
    return evg_asgi_done;
}

PyObject *evg_asgi_subscribe_event(evg_asgi_request *self, PyObject *event) {
    PyObject *channel = channel_of(event);
    if (!channel) return NULL;
    PyObject *filters = PyDict_GetItemWithError(event, name.filters);
    PyObject *meta = filters || !PyErr_Occurred() ? PyDict_GetItemWithError(event, name.meta) : NULL;
    PyObject *slow_clients = meta || !PyErr_Occurred() ? PyDict_GetItemWithError(event, name.slow_clients) : NULL;
    if (PyErr_Occurred()) return NULL;
    /* The app may change the event while its filters are iterated over. */
    Py_INCREF(channel);
    Py_XINCREF(meta);
    Py_XINCREF(slow_clients);
    int result = subscribe(self, channel, filters, meta, slow_clients);
    Py_DECREF(channel);
    Py_XDECREF(meta);
    Py_XDECREF(slow_clients);
    return done(result);
}

PyObject *evg_asgi_unsubscribe_event(evg_asgi_request *self, PyObject *event) {
    PyObject *channel = channel_of(event);
    return channel ? done(unsubscribe(self, channel)) : NULL;
}

/* MARK: calls */

static bool may_call(evg_asgi_request *self) {
    if (!evg_asgi_on_loop_thread())
        PyErr_SetString(PyExc_RuntimeError, "channels are to be chosen on the event loop of the app");
    else if (evg_asgi_is_gone(self)) evg_asgi_say_disconnected();
    else if (!self->accepted) PyErr_SetString(PyExc_RuntimeError, "evgateway.subscribe before websocket.accept");
    else if (self->closed) PyErr_SetString(PyExc_RuntimeError, "evgateway.subscribe after the WebSocket was closed");
    return !PyErr_Occurred();
}

PyObject *evg_asgi_subscribe(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"channel", "filters", "meta", "slow_clients", NULL};
    PyObject *channel, *filters = NULL, *meta = NULL, *slow_clients = NULL;
    evg_asgi_request *self = (evg_asgi_request *)object;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|OOO:subscribe", names, &channel, &filters, &meta,
                                     &slow_clients)
        || !may_call(self) || subscribe(self, channel, filters, meta, slow_clients)) return NULL;
    Py_RETURN_NONE;
}

PyObject *evg_asgi_unsubscribe(PyObject *object, PyObject *channel) {
    evg_asgi_request *self = (evg_asgi_request *)object;
    if (!may_call(self) || unsubscribe(self, channel)) return NULL;
    Py_RETURN_NONE;
}

int evg_asgi_subscribe_init(void) {
    const evg_py_interned texts[] = {
        {&name.channel, "channel"}, {&name.filters, "filters"}, {&name.meta, "meta"},
        {&name.slow_clients, "slow_clients"},
    };
    return evg_py_intern(texts, sizeof texts / sizeof *texts);
}
