/* The scope of a request (ASGI, HTTP & WebSocket, "HTTP Connection Scope"). Law: a dict of its own for each request;
 * shared in it is only what cannot be changed, and `asgi`. */
#include "asgi.h"

#include <stdlib.h>
#include <string.h>

#include "../runtime/repeated_fields.h"

static struct {
    PyObject *type, *asgi, *http_version, *method, *scheme, *path, *raw_path, *query_string, *root_path, *headers;
    PyObject *client, *server, *extensions, *state;
    PyObject *deadline, *http, *http10, *http11, *http2, *slash, *empty_text;
    PyObject *no_bytes, *slash_bytes, *asgi_value, *extensions_value, *socket_extensions;
    PyObject *websocket, *ws, *wss, *subprotocols, *tls, *subscribe, *unsubscribe;
} name;

static PyObject *state;     /* of the lifespan, or NULL */

static PyObject *bytes_of(const uint8_t *base, size_t count) {
    return PyBytes_FromStringAndSize((const char *)base, (Py_ssize_t)count);
}

static PyObject *make_key(const uint8_t *base, size_t count) {
    PyObject *bytes = bytes_of(NULL, count);
    if (bytes) evg_fields_fold((uint8_t *)PyBytes_AsString(bytes), base, count);
    return bytes;
}

static PyObject *make_pair(PyObject *key, const uint8_t *base, size_t count) {
    PyObject *value = bytes_of(base, count);
    PyObject *pair = value ? PyTuple_Pack(2, key, value) : NULL;
    Py_XDECREF(value);
    return pair;
}

/* A pair whose name is not in the table: too long, or one of too many. */
static PyObject *make_unknown(const uint8_t *name, size_t name_count, const uint8_t *base, size_t count) {
    PyObject *key = PyErr_Occurred() ? NULL : make_key(name, name_count);
    PyObject *pair = key ? make_pair(key, base, count) : NULL;
    Py_XDECREF(key);
    return pair;
}

/* The fields in their order, names in lower case. */
static PyObject *make_headers(const evg_request_head *head) {
    PyObject *list = PyList_New((Py_ssize_t)head->field_count);
    evg_fields_begin();
    for (uint32_t i = 0; list && i < head->field_count; i++) {
        const struct evg_field *field = &head->fields[i];
        const uint8_t *base = head->bytes + field->name.start, *value = head->bytes + field->value.start;
        evg_field_entry *entry = evg_fields_find(base, field->name.count);
        PyObject *pair = entry ? evg_fields_value(entry, value, field->value.count)
                               : make_unknown(base, field->name.count, value, field->value.count);
        if (pair) PyList_SetItem(list, (Py_ssize_t)i, pair);
        else Py_CLEAR(list);
    }
    return list;
}

/* The list of the request before, without what is secret. */
static PyObject *kept_headers;
static uint64_t kept_series;

static int keep_headers(const evg_request_head *head, const evg_repeated_fields *repeated) {
    PyObject *list = make_headers(head);
    if (!list) return -1;
    for (uint32_t i = 0; i < repeated->secret_count; i++) {
        Py_INCREF(Py_None);
        PyList_SetItem(list, repeated->secrets[i], Py_None);
    }
    PyObject *old = kept_headers;
    kept_headers = list;
    kept_series = repeated->series;
    Py_XDECREF(old);
    return 0;
}

static PyObject *headers(const evg_request_head *head) {
    evg_repeated_fields repeated;
    if (!evg_fields_repeat(head, &repeated)) {
        PyObject *list = make_headers(head);
        if (list) evg_fields_remember(head);
        return list;
    }
    if (kept_series != repeated.series && keep_headers(head, &repeated)) return NULL;
    PyObject *list = PyList_GetSlice(kept_headers, 0, (Py_ssize_t)head->field_count);
    for (uint32_t i = 0; list && i < repeated.secret_count; i++) {
        struct evg_slice value = head->fields[repeated.secrets[i]].value;
        PyObject *pair = make_pair(repeated.entries[i]->key, head->bytes + value.start, value.count);
        if (pair) PyList_SetItem(list, repeated.secrets[i], pair);
        else Py_CLEAR(list);
    }
    return list;
}

/* Percent-decoded, then UTF-8; what is not UTF-8 is replaced. */
static PyObject *decoded(const uint8_t *base, size_t count) {
    return evg_py_percent_decoded(base, count, PyUnicode_DecodeUTF8, "replace");
}

/* path begins with root_path, as SCRIPT_NAME and PATH_INFO together would; a proxy may have cut that off or not. */
static int set_path(PyObject *scope, const evg_py_request *described) {
    const evg_request_head *head = described->head;
    const uint8_t *base = head->bytes + head->path.start;
    size_t count = head->path.count;
    evg_py_text prefix = described->prefix;
    if (prefix.base && (prefix.count ? evg_py_set(scope, name.root_path, evg_py_latin1(prefix.base, prefix.count))
                                     : PyDict_SetItem(scope, name.root_path, name.empty_text))) return -1;
    PyObject *root = PyDict_GetItemWithError(scope, name.root_path);
    bool is_cut = prefix.base && !described->path_has_prefix;
    if (count == 1 && base[0] == '/' && root == name.empty_text) return 0;
    PyObject *path = decoded(base, count);
    PyObject *raw = path ? bytes_of(base, count) : NULL;
    if (raw && root != name.empty_text && count && base[0] == '/') {
        Py_ssize_t length = PyUnicode_GetLength(root);
        bool inside = !is_cut && PyUnicode_Tailmatch(path, root, 0, length, -1) == 1
            && (PyUnicode_GetLength(path) == length || PyUnicode_ReadChar(path, length) == '/');
        if (!inside) {
            PyObject *whole = PyUnicode_Concat(root, path);
            Py_DECREF(path);
            path = whole;
            PyObject *prefix = PyUnicode_AsUTF8String(root);
            PyBytes_ConcatAndDel(&prefix, raw);
            raw = prefix;
        }
    }
    if (evg_py_set(scope, name.path, path)) {
        Py_XDECREF(raw);
        return -1;
    }
    return evg_py_set(scope, name.raw_path, raw);
}

/* (address, port). A client of many requests on one connection has the same in each of them. */
static int set_client(PyObject *scope, const evg_py_request *described) {
    static struct { PyObject *address, *client; uint16_t port; } kept[256];
    if (described->client_address.count == 0) return 0;
    PyObject *address = evg_py_address_text(described->client_address);
    if (!address) return -1;
    uint16_t port = described->client_port;
    unsigned place = port % 256;
    if (kept[place].address != address || kept[place].port != port) {
        PyObject *number = PyLong_FromLong(port);
        PyObject *client = number ? PyTuple_Pack(2, address, number) : NULL;
        Py_XDECREF(number);
        if (!client) {
            Py_DECREF(address);
            return -1;
        }
        Py_XDECREF(kept[place].client);
        kept[place].address = address;      /* the tuple has it */
        kept[place].client = client;
        kept[place].port = port;
    }
    Py_DECREF(address);
    return PyDict_SetItem(scope, name.client, kept[place].client);
}

/* (host, port), both as a proxy says. */
static int set_server(PyObject *scope, const evg_py_request *described) {
    evg_py_text host = described->server_name;
    if (host.count == 0) return 0;
    return evg_py_set(scope, name.server, Py_BuildValue("(Ni)", evg_py_latin1(host.base, host.count),
                                                        (int)described->server_port));
}

/* The template has the scheme of the listening socket; a trusted proxy may have said another. */
static int set_scheme(PyObject *scope, const evg_asgi_scope *template, evg_py_text scheme) {
    if (scheme.count == template->scheme_count && !memcmp(scheme.base, template->scheme, scheme.count)) return 0;
    return evg_py_set(scope, name.scheme, evg_py_latin1(scheme.base, scheme.count));
}

/* Of its own for each request, because the deadline in it is. */
static PyObject *extensions(const evg_asgi_scope *template, const evg_py_request *described,
                            evg_asgi_request *request) {
    PyObject *dict = PyDict_Copy(request->is_socket ? name.socket_extensions : name.extensions_value);
    if (dict && PyDict_SetItem(dict, name.deadline, (PyObject *)request)) Py_CLEAR(dict);
    if (dict && described->tls && evg_py_set(dict, name.tls, evg_asgi_tls(described))) Py_CLEAR(dict);
    if (dict && template->has_channels && request->is_socket
        && (evg_py_set(dict, name.subscribe, PyObject_GetAttrString((PyObject *)request, "subscribe"))
            || evg_py_set(dict, name.unsubscribe, PyObject_GetAttrString((PyObject *)request, "unsubscribe"))))
        Py_CLEAR(dict);
    return dict;
}

static int fill(PyObject *scope, const evg_asgi_scope *template, const evg_py_request *described,
                evg_asgi_request *request) {
    const evg_request_head *head = described->head;
    const uint8_t *bytes = head->bytes;
    if (head->version != EVG_HTTP_11
        && PyDict_SetItem(scope, name.http_version,
                          head->version == EVG_HTTP_2 ? name.http2 : name.http10)) return -1;
    PyObject *method = evg_py_method_text(bytes + head->method.start, head->method.count);
    if (method != evg_py_method.get ? evg_py_set(scope, name.method, method) : (Py_DECREF(method), 0)) return -1;
    if (set_path(scope, described)) return -1;
    if (head->query.count
        && evg_py_set(scope, name.query_string, bytes_of(bytes + head->query.start, head->query.count))) return -1;
    if (evg_py_set(scope, name.headers, headers(head))) return -1;
    if (set_client(scope, described) || set_server(scope, described)) return -1;
    if (state && evg_py_set(scope, name.state, PyDict_Copy(state))) return -1;
    return evg_py_set(scope, name.extensions, extensions(template, described, request));
}

/* A WebSocket's scope has no method, and a scheme of its own (ASGI, "WebSocket Connection Scope"). */
static int make_socket(PyObject *scope, const evg_py_request *described, evg_asgi_request *request) {
    bool is_secure = described->scheme.count == 5;
    PyObject *list = PyList_New(0);
    evg_py_text text;
    for (uint32_t i = 0; list && evg_swift_socket_subprotocol(request->exchange, i, &text); i++) {
        PyObject *item = PyUnicode_DecodeUTF8((const char *)text.base, (Py_ssize_t)text.count, "replace");
        if (!item || PyList_Append(list, item)) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    if (PyDict_SetItem(scope, name.type, name.websocket) || PyDict_DelItem(scope, name.method)
        || PyDict_SetItem(scope, name.scheme, is_secure ? name.wss : name.ws)) {
        Py_XDECREF(list);
        return -1;
    }
    return evg_py_set(scope, name.subprotocols, list);
}

PyObject *evg_asgi_scope_build(const evg_asgi_scope *template, const evg_py_request *described,
                               evg_asgi_request *request) {
    PyObject *scope = PyDict_Copy(template->constants);
    if (!scope || (!fill(scope, template, described, request) && !set_scheme(scope, template, described->scheme)
                   && (!request->is_socket || !make_socket(scope, described, request)))) return scope;
    Py_DECREF(scope);
    return NULL;
}

/* All keys stand in the template, so that the copy is one memcpy. */
static PyObject *constants(const evg_asgi_scope_options *options) {
    PyObject *root = name.empty_text;
    if (*options->root_path)
        root = PyUnicode_DecodeUTF8(options->root_path, (Py_ssize_t)strlen(options->root_path), "replace");
    PyObject *scheme = PyUnicode_InternFromString(options->scheme);
    PyObject *host = PyUnicode_DecodeFSDefault(options->server);
    PyObject *number = options->port < 0 ? Py_None : PyLong_FromLong(options->port);
    PyObject *place = host && number ? PyTuple_Pack(2, host, number) : NULL;
    PyObject *scope = PyDict_New();
    bool ok = root && scheme && place && scope
        && !PyDict_SetItem(scope, name.type, name.http) && !PyDict_SetItem(scope, name.asgi, name.asgi_value)
        && !PyDict_SetItem(scope, name.http_version, name.http11) && !PyDict_SetItem(scope, name.server, place)
        && !PyDict_SetItem(scope, name.client, Py_None) && !PyDict_SetItem(scope, name.scheme, scheme)
        && !PyDict_SetItem(scope, name.method, evg_py_method.get) && !PyDict_SetItem(scope, name.root_path, root)
        && !PyDict_SetItem(scope, name.path, name.slash) && !PyDict_SetItem(scope, name.raw_path, name.slash_bytes)
        && !PyDict_SetItem(scope, name.query_string, name.no_bytes)
        && !PyDict_SetItem(scope, name.headers, Py_None) && !PyDict_SetItem(scope, name.extensions, Py_None);
    if (ok && state) ok = !PyDict_SetItem(scope, name.state, Py_None);
    Py_XDECREF(scheme);
    Py_XDECREF(host);
    Py_XDECREF(place);
    if (ok) return scope;
    Py_XDECREF(scope);
    return NULL;
}

evg_asgi_scope *evg_asgi_scope_new(const evg_asgi_scope_options *options) {
    evg_asgi_scope *made = calloc(1, sizeof *made);
    if (made && (made->scheme = strdup(options->scheme)) && (made->constants = constants(options))) {
        made->scheme_count = strlen(made->scheme);
        made->has_channels = options->has_channels;
        return made;
    }
    evg_py_report(NULL, "preparing the scope");
    if (made) free(made->scheme);
    free(made);
    return NULL;
}

/* asgi_state(dict): what lifespan left; each request gets a copy. */
static PyObject *set_state(PyObject *module, PyObject *value) {
    (void)module;
    Py_INCREF(value);
    Py_XDECREF(state);
    state = value;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"asgi_state", set_state, METH_O, "asgi_state(dict): requests get copies of it."},
    {NULL, NULL, 0, NULL},
};

int evg_asgi_scope_ready(PyObject *module) { return PyModule_AddFunctions(module, functions); }

int evg_asgi_scope_init(void) {
    if (name.type) return 0;
    const evg_py_interned texts[] = {
        {&name.type, "type"}, {&name.asgi, "asgi"}, {&name.http_version, "http_version"}, {&name.method, "method"},
        {&name.scheme, "scheme"}, {&name.path, "path"}, {&name.raw_path, "raw_path"},
        {&name.query_string, "query_string"}, {&name.root_path, "root_path"}, {&name.headers, "headers"},
        {&name.client, "client"}, {&name.server, "server"}, {&name.extensions, "extensions"}, {&name.state, "state"},
        {&name.deadline, "evgateway.deadline"}, {&name.http, "http"}, {&name.http10, "1.0"}, {&name.http11, "1.1"},
        {&name.http2, "2"}, {&name.slash, "/"}, {&name.empty_text, ""}, {&name.websocket, "websocket"},
        {&name.ws, "ws"}, {&name.wss, "wss"}, {&name.subprotocols, "subprotocols"}, {&name.tls, "tls"},
        {&name.subscribe, "evgateway.subscribe"}, {&name.unsubscribe, "evgateway.unsubscribe"},
    };
    if (evg_py_intern(texts, sizeof texts / sizeof *texts)) return -1;
    name.no_bytes = bytes_of(NULL, 0);
    name.slash_bytes = bytes_of((const uint8_t *)"/", 1);
    name.asgi_value = Py_BuildValue("{ssss}", "version", "3.0", "spec_version", "2.4");
    name.extensions_value = Py_BuildValue("{s{}s{}s{}sO}", "http.response.pathsend", "http.response.early_hint",
                                          "http.response.trailers", "evgateway.leaving", evg_py_leaving);
    name.socket_extensions = Py_BuildValue("{s{}sO}", "websocket.http.response", "evgateway.leaving", evg_py_leaving);
    if (!name.no_bytes || !name.slash_bytes || !name.asgi_value || !name.extensions_value || !name.socket_extensions)
        return -1;
    static const evg_field_makers makers = {make_key, make_pair};
    return evg_fields_prepare(&makers);
}
