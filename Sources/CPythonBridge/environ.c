/* The environ of a request (PEP 3333, "environ Variables"). Law: native str decoded as latin-1, always a real dict,
 * complete: what the request lacks is an empty string, and what belongs to the listener is copied from a template. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

evg_py_names evg_py_name;

int evg_py_names_init(void) {
    const struct { PyObject **slot; const char *text; } all[] = {
        {&evg_py_name.request_method, "REQUEST_METHOD"}, {&evg_py_name.path_info, "PATH_INFO"},
        {&evg_py_name.query_string, "QUERY_STRING"}, {&evg_py_name.raw_uri, "RAW_URI"},
        {&evg_py_name.remote_addr, "REMOTE_ADDR"}, {&evg_py_name.remote_port, "REMOTE_PORT"},
        {&evg_py_name.server_protocol, "SERVER_PROTOCOL"}, {&evg_py_name.content_length, "CONTENT_LENGTH"},
        {&evg_py_name.http_host, "HTTP_HOST"}, {&evg_py_name.wsgi_input, "wsgi.input"}, {&evg_py_name.empty, ""},
        {&evg_py_name.slash, "/"}, {&evg_py_name.get, "GET"}, {&evg_py_name.head, "HEAD"}, {&evg_py_name.post, "POST"},
        {&evg_py_name.http10, "HTTP/1.0"}, {&evg_py_name.close, "close"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!(*all[i].slot = PyUnicode_InternFromString(all[i].text))) return -1;
    return 0;
}

static int set_text(PyObject *dict, const char *key, const char *text) {
    PyObject *value = PyUnicode_DecodeLatin1(text, (Py_ssize_t)strlen(text), NULL);
    int status = value ? PyDict_SetItemString(dict, key, value) : -1;
    Py_XDECREF(value);
    return status;
}

/* All keys that every request has stand in the template, in a table that a few more keys do not outgrow: the copy is
 * then one memcpy. The two fillers push the table over its next size and leave again. */
static PyObject *constants(const evg_py_environ_options *options) {
    PyObject *dict = PyDict_New();
    PyObject *version = Py_BuildValue("(ii)", 1, 0);
    PyObject *errors = PyObject_GetAttrString(evg_py_host, "errors");
    bool ok = dict && version && errors
        && !set_text(dict, "REQUEST_METHOD", "GET") && !set_text(dict, "SCRIPT_NAME", "")
        && !set_text(dict, "PATH_INFO", "/") && !set_text(dict, "QUERY_STRING", "") && !set_text(dict, "RAW_URI", "/")
        && !set_text(dict, "SERVER_NAME", options->server_name) && !set_text(dict, "SERVER_PORT", options->server_port)
        && !set_text(dict, "SERVER_PROTOCOL", "HTTP/1.1")
        && !set_text(dict, "SERVER_SOFTWARE", options->server_software)
        && !set_text(dict, "REMOTE_ADDR", "") && !set_text(dict, "REMOTE_PORT", "")
        && !PyDict_SetItemString(dict, "wsgi.version", version) && !set_text(dict, "wsgi.url_scheme", "http")
        && !PyDict_SetItemString(dict, "wsgi.input", Py_None) && !PyDict_SetItemString(dict, "wsgi.errors", errors)
        && !PyDict_SetItemString(dict, "wsgi.multithread", Py_False)
        && !PyDict_SetItemString(dict, "wsgi.multiprocess", options->multiprocess ? Py_True : Py_False)
        && !PyDict_SetItemString(dict, "wsgi.run_once", Py_False)
        && !PyDict_SetItemString(dict, "wsgi.input_terminated", Py_True)
        && !PyDict_SetItemString(dict, "wsgi.file_wrapper", evg_py_file_wrapper)
        && !set_text(dict, "filler 1", "") && !set_text(dict, "filler 2", "")
        && !PyDict_DelItemString(dict, "filler 1") && !PyDict_DelItemString(dict, "filler 2");
    Py_XDECREF(version);
    Py_XDECREF(errors);
    if (ok) return dict;
    Py_XDECREF(dict);
    return NULL;
}

evg_py_environ *evg_py_environ_new(const evg_py_environ_options *options) {
    evg_py_environ *environ = calloc(1, sizeof *environ);
    if (!environ) return NULL;
    environ->script_name = strdup(options->script_name);
    environ->constants = environ->script_name ? constants(options) : NULL;
    if (!environ->constants) {
        evg_py_report(NULL, "preparing the environ");
        free(environ->script_name);
        free(environ);
        return NULL;
    }
    size_t count = strlen(environ->script_name);
    while (count && environ->script_name[count - 1] == '/') count--;
    environ->script_name_count = count;
    return environ;
}

/* The text that was seen last is kept: a crowd that waits has asked for the same path, a proxy's address is one. */
typedef struct kept_text {
    PyObject *text;
    size_t count;
    uint8_t bytes[128];
} kept_text;

static PyObject *text_of(const uint8_t *base, size_t count, kept_text *kept) {
    if (!kept->text || kept->count != count || memcmp(kept->bytes, base, count)) {
        PyObject *text = evg_py_latin1(base, count);
        if (!text || count > sizeof kept->bytes) return text;
        Py_XDECREF(kept->text);
        kept->text = text;
        kept->count = count;
        memcpy(kept->bytes, base, count);
    }
    Py_INCREF(kept->text);
    return kept->text;
}

static PyObject *path_text(const uint8_t *base, size_t count) {
    static kept_text last;
    return text_of(base, count, &last);
}

/* Percent-decoding as PEP 3333 asks: to bytes, then each byte one character. */
static PyObject *decoded_path(const uint8_t *base, size_t count) {
    return evg_py_percent_decoded(base, count, PyUnicode_DecodeLatin1, NULL);
}

static int set(PyObject *environ, PyObject *key, PyObject *value) {
    if (!value) return -1;
    int status = PyDict_SetItem(environ, key, value);
    Py_DECREF(value);
    return status;
}

static PyObject *method_text(const uint8_t *base, size_t count) {
    PyObject *known = NULL;
    if (count == 3 && !memcmp(base, "GET", 3)) known = evg_py_name.get;
    else if (count == 4 && !memcmp(base, "POST", 4)) known = evg_py_name.post;
    else if (count == 4 && !memcmp(base, "HEAD", 4)) known = evg_py_name.head;
    if (!known) return evg_py_latin1(base, count);
    Py_INCREF(known);
    return known;
}

/* SCRIPT_NAME and PATH_INFO. A request outside the prefix keeps its whole path and an empty SCRIPT_NAME. */
static int set_path(PyObject *environ, const evg_py_request *request, PyObject *target) {
    const uint8_t *base = request->bytes + request->path.start;
    size_t count = request->path.count;
    size_t prefix = request->environ->script_name_count;
    if (prefix && count >= prefix && !memcmp(base, request->environ->script_name, prefix)
        && (count == prefix || base[prefix] == '/')) {
        PyObject *script = evg_py_latin1((const uint8_t *)request->environ->script_name, prefix);
        int status = script ? PyDict_SetItemString(environ, "SCRIPT_NAME", script) : -1;
        Py_XDECREF(script);
        if (status) return status;
        if (count == prefix) return PyDict_SetItem(environ, evg_py_name.path_info, evg_py_name.empty);
        base += prefix;
        count -= prefix;
    } else if (count == 0) {
        return PyDict_SetItem(environ, evg_py_name.path_info, evg_py_name.slash);
    }
    if (memchr(base, '%', count)) return set(environ, evg_py_name.path_info, decoded_path(base, count));
    if (count == request->target.count && request->path.start == request->target.start)
        return PyDict_SetItem(environ, evg_py_name.path_info, target);
    return set(environ, evg_py_name.path_info, path_text(base, count));
}

static int set_remote(PyObject *environ, const evg_py_request *request) {
    static kept_text last;
    evg_py_text address = request->remote_address;
    if (address.count == 0) return 0;
    if (set(environ, evg_py_name.remote_addr, text_of(address.base, address.count, &last))) return -1;
    char digits[6];
    size_t at = sizeof digits;
    unsigned port = request->remote_port;
    do digits[--at] = (char)('0' + port % 10); while (port /= 10);
    return set(environ, evg_py_name.remote_port, evg_py_latin1((const uint8_t *)digits + at, sizeof digits - at));
}

static int fill(PyObject *environ, const evg_py_request *request, evg_py_call *call) {
    const uint8_t *bytes = request->bytes;
    if (!(call->method = method_text(bytes + request->method.start, request->method.count))) return -1;
    /* What follows a path is never kept: it may hold a secret. */
    bool is_path = request->path.start == request->target.start && request->path.count == request->target.count;
    call->target = (is_path ? path_text : evg_py_latin1)(bytes + request->target.start, request->target.count);
    if (!call->target) return -1;
    if (call->method != evg_py_name.get && PyDict_SetItem(environ, evg_py_name.request_method, call->method)) return -1;
    if (PyDict_SetItem(environ, evg_py_name.raw_uri, call->target)) return -1;
    if (set_path(environ, request, call->target)) return -1;
    if (request->query.count && set(environ, evg_py_name.query_string,
                                    evg_py_latin1(bytes + request->query.start, request->query.count))) return -1;
    if (request->http10 && PyDict_SetItem(environ, evg_py_name.server_protocol, evg_py_name.http10)) return -1;
    if (set_remote(environ, request)) return -1;

    /* The authority of an absolute-form target replaces Host (RFC 9112 3.2.2). */
    bool authority = request->authority.count > 0
        && request->authority.start < request->target.start + request->target.count;
    evg_py_field_keys_begin();
    if (authority) {
        if (set(environ, evg_py_name.http_host,
                evg_py_latin1(bytes + request->authority.start, request->authority.count))) return -1;
    }
    for (size_t i = 0; i < request->field_count; i++)
        if (evg_py_field_set(environ, bytes, &request->fields[i], authority)) return -1;
    if (request->length_from_body
        && set(environ, evg_py_name.content_length, PyUnicode_FromFormat("%zu", request->body_count))) return -1;
    return set(environ, evg_py_name.wsgi_input, evg_py_input_new(request));
}

PyObject *evg_py_environ_build(const evg_py_request *request, evg_py_call *call) {
    PyObject *environ = PyDict_Copy(request->environ->constants);
    if (!environ) return NULL;
    if (fill(environ, request, call) == 0) return environ;
    Py_DECREF(environ);
    return NULL;
}
