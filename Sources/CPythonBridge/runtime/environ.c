/* The environ of a request (PEP 3333, "environ Variables"). Law: native str decoded as latin-1, always a real dict,
 * complete: what the request lacks is an empty string, and what belongs to the listener is copied from a template. */
#include "wsgi_call.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

evg_py_names evg_py_name;

PyObject *evg_py_file_wrapper;

static int init_names(void) {
    const evg_py_interned all[] = {
        {&evg_py_name.request_method, "REQUEST_METHOD"}, {&evg_py_name.script_name, "SCRIPT_NAME"},
        {&evg_py_name.path_info, "PATH_INFO"}, {&evg_py_name.query_string, "QUERY_STRING"},
        {&evg_py_name.raw_uri, "RAW_URI"}, {&evg_py_name.remote_addr, "REMOTE_ADDR"},
        {&evg_py_name.remote_port, "REMOTE_PORT"}, {&evg_py_name.server_name, "SERVER_NAME"},
        {&evg_py_name.server_port, "SERVER_PORT"}, {&evg_py_name.server_protocol, "SERVER_PROTOCOL"},
        {&evg_py_name.content_length, "CONTENT_LENGTH"}, {&evg_py_name.http_cookie, "HTTP_COOKIE"},
        {&evg_py_name.url_scheme, "wsgi.url_scheme"}, {&evg_py_name.wsgi_input, "wsgi.input"},
        {&evg_py_name.empty, ""}, {&evg_py_name.slash, "/"}, {&evg_py_name.http10, "HTTP/1.0"},
        {&evg_py_name.http2, "HTTP/2"},
        {&evg_py_name.close, "close"}, {&evg_py_name.proxy_protocol, "PROXY_PROTOCOL"},
        {&evg_py_name.proxy_addr, "PROXY_ADDR"}, {&evg_py_name.proxy_port, "PROXY_PORT"},
        {&evg_py_name.tcp4, "TCP4"}, {&evg_py_name.tcp6, "TCP6"},
    };
    return evg_py_intern(all, sizeof all / sizeof *all);
}

int evg_wsgi_ready(PyObject *module) {
    return init_names() || evg_py_tls_init() || evg_py_input_init() || evg_py_start_response_init()
        || evg_py_early_hints_init() || evg_py_socket_ready(module) ? -1 : 0;
}

int evg_wsgi_prepare(void) {
    if (!evg_py_file_wrapper) evg_py_file_wrapper = PyObject_GetAttrString(evg_py_host, "FileWrapper");
    return evg_py_file_wrapper ? 0 : -1;
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
        && !PyDict_SetItemString(dict, "wsgi.version", version) && !set_text(dict, "wsgi.url_scheme", options->scheme)
        && !PyDict_SetItemString(dict, "wsgi.input", Py_None) && !PyDict_SetItemString(dict, "wsgi.errors", errors)
        && !PyDict_SetItemString(dict, "wsgi.multithread", Py_False)
        && !PyDict_SetItemString(dict, "wsgi.multiprocess", options->multiprocess ? Py_True : Py_False)
        && !PyDict_SetItemString(dict, "wsgi.run_once", Py_False)
        && !PyDict_SetItemString(dict, "wsgi.input_terminated", Py_True)
        && !PyDict_SetItemString(dict, "wsgi.file_wrapper", evg_py_file_wrapper)
        && !PyDict_SetItemString(dict, "wsgi.early_hints", Py_None)
        && !PyDict_SetItemString(dict, "evgateway.leaving", evg_py_leaving)
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
    environ->scheme = strdup(options->scheme);
    if (environ->script_name && environ->scheme && !evg_py_fields_prepare()) environ->constants = constants(options);
    if (!environ->constants) {
        evg_py_report(NULL, "preparing the environ");
        free(environ->script_name);
        free((void *)environ->scheme);
        free(environ);
        return NULL;
    }
    size_t count = strlen(environ->script_name);
    while (count && environ->script_name[count - 1] == '/') count--;
    environ->script_name_count = count;
    environ->scheme_count = strlen(environ->scheme);
    return environ;
}

/* Clients that poll ask for the same path again. */
static PyObject *path_text(const uint8_t *base, size_t count) {
    static evg_py_kept_text last;
    return evg_py_kept(&last, base, count);
}

/* Percent-decoding as PEP 3333 asks: to bytes, then each byte one character. */
static PyObject *decoded_path(const uint8_t *base, size_t count) {
    return evg_py_percent_decoded(base, count, PyUnicode_DecodeLatin1, NULL);
}

/* SCRIPT_NAME and PATH_INFO. A request outside the prefix of the settings keeps its whole path and an empty
 * SCRIPT_NAME. That of a proxy holds for each of its requests: a path that does not begin with it has had it cut
 * off. */
static int set_path(PyObject *environ, const evg_py_request *request, PyObject *target) {
    const evg_request_head *head = request->head;
    const uint8_t *base = head->bytes + head->path.start;
    size_t count = head->path.count;
    bool is_told = request->prefix.base != NULL;
    const uint8_t *name = is_told ? request->prefix.base : (const uint8_t *)request->environ->script_name;
    size_t prefix = is_told ? request->prefix.count : request->environ->script_name_count;
    bool begins = prefix && count >= prefix && !memcmp(base, name, prefix) && (count == prefix || base[prefix] == '/');
    if ((begins || is_told) && prefix
        && evg_py_set(environ, evg_py_name.script_name, evg_py_latin1(name, prefix))) return -1;
    if (begins && (!is_told || request->path_has_prefix)) {
        if (count == prefix) return PyDict_SetItem(environ, evg_py_name.path_info, evg_py_name.empty);
        base += prefix;
        count -= prefix;
    } else if (count == 0) {
        return PyDict_SetItem(environ, evg_py_name.path_info, evg_py_name.slash);
    }
    if (memchr(base, '%', count)) return evg_py_set(environ, evg_py_name.path_info, decoded_path(base, count));
    if (count == head->target.count && head->path.start == head->target.start)
        return PyDict_SetItem(environ, evg_py_name.path_info, target);
    return evg_py_set(environ, evg_py_name.path_info, path_text(base, count));
}

/* The text of a port. A client of many requests on one connection has the same in each of them. */
static PyObject *port_text(uint16_t port) {
    static struct { PyObject *text; uint16_t port; } kept[256];
    PyObject *text = kept[port % 256].text;
    if (!text || kept[port % 256].port != port) {
        char digits[6];
        size_t at = sizeof digits;
        unsigned left = port;
        do digits[--at] = (char)('0' + left % 10); while (left /= 10);
        PyObject *old = text;
        if (!(text = evg_py_latin1((const uint8_t *)digits + at, sizeof digits - at))) return NULL;
        kept[port % 256].text = text;
        kept[port % 256].port = port;
        Py_XDECREF(old);
    }
    Py_INCREF(text);
    return text;
}

static int set_client(PyObject *environ, const evg_py_request *request) {
    if (request->client_address.count == 0) return 0;
    if (evg_py_set(environ, evg_py_name.remote_addr, evg_py_address_text(request->client_address))) return -1;
    /* A proxy that tells an address need not tell the port. */
    if (request->client_port == 0) return 0;
    return evg_py_set(environ, evg_py_name.remote_port, port_text(request->client_port));
}

static int set_server(PyObject *environ, const evg_py_request *request) {
    evg_py_text name = request->server_name;
    if (name.count && evg_py_set(environ, evg_py_name.server_name, evg_py_latin1(name.base, name.count))) return -1;
    if (request->server_port == 0) return 0;
    return evg_py_set(environ, evg_py_name.server_port, port_text(request->server_port));
}

/* What gunicorn tells of a PROXY header, which has named the client before. An IPv6 address alone has a colon. */
static int set_destination(PyObject *environ, const evg_py_request *request) {
    evg_py_text address = request->destination_address;
    if (address.count == 0) return 0;
    bool is_ipv6 = memchr(address.base, ':', address.count) != NULL;
    if (PyDict_SetItem(environ, evg_py_name.proxy_protocol, is_ipv6 ? evg_py_name.tcp6 : evg_py_name.tcp4)) return -1;
    if (evg_py_set(environ, evg_py_name.proxy_addr, evg_py_latin1(address.base, address.count))) return -1;
    return evg_py_set(environ, evg_py_name.proxy_port, port_text(request->destination_port));
}

/* The template has the scheme of the listening socket; a trusted proxy may have said another. */
static int set_scheme(PyObject *environ, const evg_py_request *request) {
    evg_py_text scheme = request->scheme;
    if (scheme.count == request->environ->scheme_count && !memcmp(scheme.base, request->environ->scheme, scheme.count))
        return 0;
    return evg_py_set(environ, evg_py_name.url_scheme, evg_py_latin1(scheme.base, scheme.count));
}

static int set_input(PyObject *environ, const evg_py_request *request, PyObject *input) {
    return evg_py_set(environ, evg_py_name.wsgi_input, input ? input : evg_py_input_new(request));
}

static int fill(PyObject *environ, const evg_py_request *request, evg_py_call *call) {
    const evg_request_head *head = request->head;
    const uint8_t *bytes = head->bytes;
    if (!(call->line.method = evg_py_method_text(bytes + head->method.start, head->method.count))) return -1;
    /* What follows a path is never kept: it may hold a secret. */
    bool is_path = head->path.start == head->target.start && head->path.count == head->target.count;
    call->line.target = (is_path ? path_text : evg_py_latin1)(bytes + head->target.start, head->target.count);
    if (!call->line.target) return -1;
    if (request->request_id.count
        && !(call->line.request_id = evg_py_latin1(request->request_id.base, request->request_id.count))) return -1;
    if (call->line.method != evg_py_method.get
        && PyDict_SetItem(environ, evg_py_name.request_method, call->line.method)) return -1;
    /* The template says "/". */
    bool is_root = is_path && head->path.count == 1 && bytes[head->path.start] == '/';
    if ((!is_root || request->prefix.base) && (PyDict_SetItem(environ, evg_py_name.raw_uri, call->line.target)
                     || set_path(environ, request, call->line.target))) return -1;
    if (head->query.count && evg_py_set(environ, evg_py_name.query_string,
                                        evg_py_latin1(bytes + head->query.start, head->query.count))) return -1;
    if (head->version != EVG_HTTP_11
        && PyDict_SetItem(environ, evg_py_name.server_protocol,
                          head->version == EVG_HTTP_2 ? evg_py_name.http2 : evg_py_name.http10)) return -1;
    if (set_scheme(environ, request) || set_client(environ, request) || set_server(environ, request)
        || set_destination(environ, request)) return -1;
    if (request->tls && evg_py_tls_dress(environ, request->tls)) return -1;
    return !request->length_from_body ? 0
        : evg_py_set(environ, evg_py_name.content_length, PyUnicode_FromFormat("%zu", request->body_count));
}

PyObject *evg_py_environ_build(const evg_py_request *request, PyObject *input, evg_py_call *call) {
    PyObject *environ = evg_py_fields_dict(request->environ, request->head);
    /* First, because it takes over what is to be closed. */
    int status = environ ? set_input(environ, request, input) : -1;
    if (!environ && !input && request->body_file >= 0) close(request->body_file);
    if (!environ) Py_XDECREF(input);
    if (!status && !fill(environ, request, call)
        && (!evg_py_kept_environs || !evg_py_keep_environ(request->head, environ))) return environ;
    Py_XDECREF(environ);
    return NULL;
}
