/* The messages of the ASGI extensions: early hints, trailers, and a file as the body. */
#include "asgi.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    PyObject *path, *links, *more_trailers;
} name;

/* "Early Hints" of the ASGI extensions: each link becomes a field of its own. */
PyObject *evg_asgi_send_hint(evg_asgi_request *self, PyObject *event) {
    PyObject *links = PyDict_GetItemWithError(event, name.links);
    if (!links && !PyErr_Occurred()) PyErr_SetString(PyExc_KeyError, "http.response.early_hint lacks 'links'");
    PyObject *list = links ? PySequence_List(links) : NULL;
    evg_response_head head = {0};
    evg_head_refusal refusal = evg_response_head_begin(&head, 103, NULL, 0);
    for (Py_ssize_t i = 0; list && refusal == EVG_HEAD_ACCEPTED && i < PyList_Size(list); i++) {
        PyObject *link = PyList_GetItem(list, i);
        char *value = PyBytes_AsString(link);
        if (!value) break;
        refusal = evg_response_head_add(&head, (const uint8_t *)"Link", 4, (const uint8_t *)value,
                                        (size_t)PyBytes_Size(link));
    }
    if (list && refusal != EVG_HEAD_ACCEPTED)
        PyErr_Format(PyExc_ValueError, "refused early hints: %s", evg_head_refusal_text(refusal));
    bool is_well = list && !PyErr_Occurred();
    evg_py_text lines = {head.bytes ? head.bytes + head.reason_count : NULL, head.count - head.reason_count};
    if (is_well && !self->head_sent && lines.count) evg_swift_exchange_hint(self->exchange, lines);
    evg_response_head_free(&head);
    Py_XDECREF(list);
    if (!is_well) return NULL;
    Py_INCREF(evg_asgi_done);
    return evg_asgi_done;
}

/* "HTTP Trailers" of the ASGI extensions. The head is on its way, and its memory is free for these fields. */
PyObject *evg_asgi_send_trailers(evg_asgi_request *self, PyObject *event) {
    if (!self->has_trailers || !self->body_over) {
        PyErr_SetString(PyExc_RuntimeError, self->has_trailers ? "http.response.trailers before the end of the body"
                                                               : "http.response.start has announced no trailers");
        return NULL;
    }
    int follows = evg_asgi_is_set(event, name.more_trailers);
    PyObject *headers = follows < 0 ? NULL : evg_asgi_headers_of(event);
    if (PyErr_Occurred()) return NULL;
    /* Away from the request while the app may run. */
    evg_response_head head = {0};
    evg_response_head_swap(&head, &self->head);
    evg_head_refusal refusal = self->trailers_begun ? EVG_HEAD_ACCEPTED : evg_response_head_begin(&head, 200, NULL, 0);
    if (refusal != EVG_HEAD_ACCEPTED)
        PyErr_Format(PyExc_ValueError, "refused trailers: %s", evg_head_refusal_text(refusal));
    else
        evg_asgi_add_headers(&head, headers);
    Py_XDECREF(headers);
    evg_response_head_swap(&head, &self->head);
    evg_response_head_free(&head);
    if (PyErr_Occurred()) return NULL;
    self->trailers_begun = true;
    if (evg_asgi_is_gone(self)) return evg_asgi_say_disconnected();
    if (!follows && !self->complete) {
        self->complete = true;
        evg_py_text lines = {self->head.bytes + self->head.reason_count, self->head.count - self->head.reason_count};
        evg_swift_exchange_finish_with(self->exchange, lines);
    }
    return evg_asgi_sent(self, EVG_SENT, 0);
}

/* Opens the regular file that path names. */
static int open_file(PyObject *path, int64_t *size) {
    PyObject *encoded = NULL;
    if (!PyUnicode_FSConverter(path, &encoded)) return -1;
    const char *text = PyBytes_AsString(encoded);
    struct stat status;
    int file = -1;
    if (*text != '/') PyErr_SetString(PyExc_ValueError, "http.response.pathsend wants an absolute path");
    else if ((file = open(text, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
        PyErr_SetFromErrnoWithFilename(PyExc_OSError, text);
    else if (fstat(file, &status) || !S_ISREG(status.st_mode)) {
        PyErr_Format(PyExc_ValueError, "%R is no regular file", path);
        close(file);
        file = -1;
    } else *size = status.st_size;
    Py_DECREF(encoded);
    return file;
}

PyObject *evg_asgi_send_path(evg_asgi_request *self, PyObject *event) {
    if (!evg_asgi_may_send_body(self)) return NULL;
    PyObject *path = PyDict_GetItemWithError(event, name.path);
    if (!path) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_KeyError, "http.response.pathsend lacks 'path'");
        return NULL;
    }
    int64_t size = 0;
    int file = open_file(path, &size);
    if (file < 0) return NULL;
    if (self->head_sent) {      /* maybe by the path itself, which may be an object of the app's */
        close(file);
        PyErr_SetString(PyExc_RuntimeError, "http.response.pathsend after a part of the body");
        return NULL;
    }
    self->head_sent = true;
    if (evg_swift_exchange_begin(self->exchange, &self->head, size, (evg_py_text){NULL, 0}) == EVG_SENT_GONE) {
        close(file);
        return evg_asgi_say_disconnected();
    }
    Py_INCREF((PyObject *)self);    /* until evg_asgi_file_sent */
    self->file_pending = true;
    evg_swift_exchange_send_file(self->exchange, file, 0, size, evg_asgi_file_sent, self);
    return evg_asgi_waiting(self, evg_asgi_wait_file, NULL);
}

int evg_asgi_extensions_init(void) {
    const evg_py_interned texts[] = {
        {&name.path, "path"}, {&name.links, "links"}, {&name.more_trailers, "more_trailers"},
    };
    return evg_py_intern(texts, sizeof texts / sizeof *texts);
}
